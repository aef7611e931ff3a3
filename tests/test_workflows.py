"""The workflows ask for what exists: commands, Python versions, the oldest torch that pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def commands(path: Path) -> str:
    jobs = yaml.safe_load(path.read_text())["jobs"].values()
    return "\n".join(step.get("run", "") for job in jobs for step in job["steps"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_runs_exists(path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {word for line in re.findall(r"\bmake ([^\n&|]+)", commands(path)) for word in line.split()}
    assert {word for word in asked if "=" not in word} <= targets
    for file in re.findall(r"\b(?:tests|tools|\.ci)/[\w/.]+", commands(path)):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_few_rights_an_end_and_no_secret(path):
    text = path.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"]["contents"] == "read"
    assert "secrets." not in text
    assert all("timeout-minutes" in job or len(job["steps"]) <= 2 for job in workflow["jobs"].values())


def test_every_python_and_the_oldest_torch_are_tested():
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    versions = jobs["all"]["strategy"]["matrix"]["python"]
    assert f">={versions[0]}" == PROJECT["requires-python"]
    needs = (re.fullmatch(r"(torch|torchvision)>=([\d.]+)", need) for need in PROJECT["dependencies"])
    oldest = {need[1]: need[2] for need in needs if need}
    assert set(oldest) == {"torch", "torchvision"}
    for name, low in oldest.items():
        assert f'"{name}=={low}.*"' in commands(ROOT / ".github/workflows/tests.yml")


def test_a_release_has_one_version():
    version = PROJECT["version"]
    assert f'__version__ = "{version}"' in (ROOT / "i2i_tutor/__init__.py").read_text()
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text()
