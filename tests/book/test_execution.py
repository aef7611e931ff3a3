"""Every chapter at `smoke`, with parameters as papermill passes them, through nbval with compared outputs."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import expected
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from trainings import TRAININGS

from i2i_tutor.training import checkpoints

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
SMOKE = os.environ | {"I2I_PROFILE": "smoke", "CUDA_VISIBLE_DEVICES": ""}
COMPARED_AT_LEAST = 5
# What may differ from run to run without being wrong
SANITISE = r"""[seconds]
regex: \d+(\.\d+)? ?(s|min|it/s|MiB)\b
replace: TIME
[paths]
regex: (/[\w.-]+)+
replace: PATH
"""
pytestmark = pytest.mark.slow


def python(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=SMOKE, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request) -> Path:
    return request.param


def nbval(notebook: nbformat.NotebookNode, outputs: dict[str, list], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook in ``folder`` and compare its tagged cells with ``outputs``."""
    expected.merge(notebook, outputs)
    nbformat.write(notebook, folder / "notebook.ipynb")
    (folder / "sanitise.cfg").write_text(SANITISE)
    options = ("-p", "no:cacheprovider", "--nbval-lax", "--nbval-sanitize-with", "sanitise.cfg")
    return python("-m", "pytest", *options, "notebook.ipynb", cwd=folder)


def test_a_chapter_prints_what_was_looked_at_and_leaves_its_results(chapter, tmp_path):
    notebook = load_notebook_node(str(chapter))
    assert len(expected.compared(notebook)) >= COMPARED_AT_LEAST
    outputs = json.loads((expected.FOLDER / f"{chapter.stem}.json").read_text())
    out = tmp_path / "run"
    given = parameterize_notebook(notebook, {"profile": "smoke", "seed": 0, "out": str(out)})
    run = nbval(given, outputs, tmp_path)
    assert run.returncode == 0, run.stdout[-6000:]
    results = json.loads((out / "results.json").read_text())
    assert (results["chapter"], results["profile"], results["seed"]) == (chapter.stem, "smoke", 0)
    assert results["metrics"]
    # what the costs at `paper` are measured on is what the chapter trains
    about, state = checkpoints.load(out / "checkpoints/method")
    game = TRAININGS[chapter.stem]
    numbers = game.recipes["smoke"]
    assert (about["method"], about["recipe"]) == (game.method.name, asdict(numbers))
    assert state["stream"]["about"] == game.data(numbers, 0).about


def test_another_output_is_noticed(tmp_path):
    cell = new_code_cell("print(1 + 1)", metadata={"tags": [expected.TAG]}, id="sum")
    outputs = {"sum": [{"output_type": "stream", "name": "stdout", "text": "3\n"}]}
    run = nbval(new_notebook(cells=[cell]), outputs, tmp_path)
    assert run.returncode == 1
    assert "1 failed" in run.stdout


@pytest.mark.parametrize(
    ("setting", "said"), [("lambda_pxiel=1", "lambda_pxiel"), ("seed=-1", "seed"), ("steps=many", "steps")]
)
def test_a_parameter_that_cannot_be_is_refused_before_anything_starts(chapter, tmp_path, setting, said):
    out = tmp_path / "run"
    run = python("-m", "i2i_tutor.cli", "run", chapter, "--set", setting, "--out", out, cwd=tmp_path)
    assert run.returncode != 0
    assert said in run.stdout + run.stderr
    assert not out.exists()
