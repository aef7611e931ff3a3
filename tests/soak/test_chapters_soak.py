"""Every chapter at `fast`, cut to two steps: what holds at `smoke` must not depend on that profile's numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.soak
CHAPTERS = sorted((Path(__file__).parents[2] / "chapters").glob("*.ipynb"))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_with_the_numbers_of_the_profile_that_readers_run(chapter, tmp_path):
    parameters = {"profile": "fast", "steps": 2, "out": tmp_path / "run"}
    run = subprocess.run(
        [sys.executable, "-m", "papermill", str(chapter), str(tmp_path / "done.ipynb"), "--no-progress-bar"]
        + [part for name, value in parameters.items() for part in ("-p", name, str(value))],
        cwd=tmp_path, env=os.environ | {"CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-6000:]
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["profile"] == "fast"
    assert results["metrics"]
