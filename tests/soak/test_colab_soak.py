"""Colab's door, replayed: an environment with an older torch, the notebook's own first cell, then the whole chapter."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.soak
ROOT = Path(__file__).parents[2]
OLDER = ["torch==2.4.1", "torchvision==0.19.1"]
# Colab has these, in whatever version; the notebook's cell does not bring them.
THERE = [
    "numpy",
    "scipy",
    "matplotlib",
    "pillow",
    "tqdm",
    "ipywidgets",
    "ipykernel",
    "requests",
    "safetensors",
    "typer",
    "rich",
]
BROUGHT = {"i2i-tutor", "torchmetrics", "lightning-utilities", "pooch"}


def call(*command: str | Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)


class Environment:
    """A clean environment, made with uv where there is one."""

    def __init__(self, folder: Path):
        self.uv = shutil.which("uv")
        made = call(self.uv, "venv", "-q", "--python", sys.executable, folder) if self.uv else None
        if made is None or made.returncode:
            self.uv = None
            call(sys.executable, "-m", "venv", folder, check=True)
        self.python = folder / "bin/python"

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        if self.uv:
            return call(self.uv, "pip", arguments[0], "--python", self.python, *arguments[1:])
        return call(self.python, "-m", "pip", *arguments)

    def versions(self) -> dict[str, str]:
        listed = json.loads(self.pip("list", "--format=json").stdout)
        return {package["name"].lower().replace("_", "-"): package["version"] for package in listed}


@pytest.fixture(scope="module")
def colab(tmp_path_factory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("colab") / "venv")
    installed = environment.pip("install", "-q", *OLDER, *THERE)
    if installed.returncode:
        pytest.skip(f"an older torch cannot be had here: {installed.stderr.strip().splitlines()[-1][:200]}")
    return environment


def cells(chapter: Path) -> list[str]:
    every = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in every if cell["cell_type"] == "code"]


def test_the_first_cell_leaves_torch_alone_and_the_chapter_runs(colab, tmp_path):
    chapter = sorted((ROOT / "chapters").glob("*.ipynb"))[0]
    first, *others = cells(chapter)
    source = tmp_path / "source"  # what git would bring
    call("git", "clone", "-q", ROOT, source, check=True)
    line = re.search(r"%pip (install .*)", first)[1]
    wanted = [part.strip('"') for part in re.findall(r'"[^"]+"|\S+', line)]
    wanted = [re.sub(r"@ git\+\S+", f"@ file://{source}", part) for part in wanted]
    assert any(str(source) in part for part in wanted)
    before = colab.versions()
    run = colab.pip(*wanted)
    assert run.returncode == 0, run.stderr[-2000:]
    after = colab.versions()
    assert set(after) - set(before) == BROUGHT
    assert {name: after[name] for name in before} == before  # torch above all

    script = tmp_path / "chapter.py"
    script.write_text("from IPython.display import display\n" + "\n\n".join(others), encoding="utf-8")
    settings = os.environ | {"I2I_PROFILE": "smoke", "I2I_CACHE": str(tmp_path / "cache"), "MPLBACKEND": "agg"}
    settings.pop("PYTHONPATH", None)
    run = call(colab.python, script, cwd=tmp_path, env=settings)
    assert run.returncode == 0, run.stderr[-3000:]
    assert list(tmp_path.glob("runs/*/results.json"))
    assert json.loads(next(tmp_path.glob("runs/*/results.json")).read_text())["versions"]["torch"].startswith("2.4.1")
