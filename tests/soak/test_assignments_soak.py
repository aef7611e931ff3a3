"""nbgrader itself, on real notebooks: release, grading of honest and dishonest submissions, and their feedback."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from i2i_tutor import assignments
from i2i_tutor.assignments import Address
from i2i_tutor.assignments.source import MARKS, SOLUTION, TESTS, notebook, with_frame

pytest.importorskip("nbgrader")
pytestmark = pytest.mark.soak
ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "assignments").glob("[0-9]*.py"))
LOOP = "while True:\n    pass"


def nbgrader(course: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "nbgrader", *arguments]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader calls alembic by its name
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1", "PATH": path}
    run = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return run.stdout + run.stderr


def cells_of(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def name_of(cell: dict) -> str:
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def submit(course: Path, name: str, student: str, answers: dict[str, str], tampered: bool = False) -> None:
    """Put a student's notebook in its place: the release with these cells' texts exchanged."""
    whole = json.loads((course / "release" / name / f"{name}.ipynb").read_text(encoding="utf-8"))
    for cell in whole["cells"]:
        if "student" in cell["metadata"].get("tags", []):
            cell["source"] = f"student = {student!r}"
        if tampered and name_of(cell).endswith(TESTS):
            cell["source"] = "assert True"
        cell["source"] = answers.get(name_of(cell), cell["source"])
    folder = course / "submitted" / student / name
    folder.mkdir(parents=True)
    (folder / f"{name}.ipynb").write_text(json.dumps(whole), encoding="utf-8")


def points_of(course: Path, name: str, student: str) -> dict[str, float]:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        grades = book.find_submission_notebook(name, name, student).grades
        return {grade.name.removesuffix(TESTS): grade.score for grade in grades if grade.name.endswith(TESTS)}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_nbgrader_releases_grades_and_tells(source, tmp_path):
    name, course = source.stem, tmp_path / "course"
    assignments.release([source], course, Address("https://github.com/some/book", "main"))
    # trainings are run by another test; a loop without end shall not take minutes
    whole = [
        {**cell, "source": "pass"} if "slow" in cell["metadata"].get("tags", []) else cell
        for cell in with_frame(assignments.read_source(source), Address("https://github.com/some/book", "main"))
    ]
    (course / "source" / name / f"{name}.ipynb").write_text(notebook(whole), encoding="utf-8")
    ours = json.loads(notebook(assignments.released(whole)))["cells"]
    config = course / "nbgrader_config.py"
    config.write_text(config.read_text().replace("timeout = 180", "timeout = 60"))

    said = nbgrader(course, "generate_assignment", name, "--force")
    assert "[GenerateAssignmentApp | ERROR]" not in said, said
    theirs = cells_of(course / "release" / name / f"{name}.ipynb")
    text = ["".join(cell["source"]).rstrip() for cell in theirs]
    assert text == ["".join(cell["source"]).rstrip() for cell in ours], said

    tasks = assignments.tasks(whole)
    marks = (*SOLUTION, MARKS[0])  # a student would not write these
    solution = {
        name_of(cell): "\n".join(line for line in cell["source"].split("\n") if not any(mark in line for mark in marks))
        for cell in whole
        if name_of(cell) in tasks
    }
    bank = runpy.run_path(str(ROOT / f"tests/book/banks/{name}.py"))["WRONG"]
    wrong_task = list(tasks)[1]
    words, edits = next(answer for answer in bank[wrong_task].values() if isinstance(answer[1], list))
    wrong = solution[wrong_task]
    for old, new in edits:
        wrong = wrong.replace(old, new)
    submit(course, name, "right", solution)
    submit(course, name, "wrong", solution | {wrong_task: wrong})
    submit(course, name, "bare", {})
    submit(course, name, "tampered", {}, tampered=True)
    submit(course, name, "looping", solution | {wrong_task: LOOP})
    nbgrader(course, "autograde", name)
    said = nbgrader(course, "generate_feedback", name)

    assert points_of(course, name, "right") == tasks, said
    assert points_of(course, name, "wrong") == tasks | {wrong_task: 0}
    assert not any(points_of(course, name, "bare").values())
    assert not any(points_of(course, name, "tampered").values())
    assert points_of(course, name, "looping")[wrong_task] == 0
    for student in ("right", "wrong", "bare", "tampered"):
        html = (course / "feedback" / student / name / f"{name}.html").read_text(encoding="utf-8")
        shown = re.sub(r"<[^>]+>", "", html)
        for mark in (*assignments.MARKS, "BEGIN HIDDEN", "seed=1"):
            assert mark not in shown, (student, mark)
        if student == "wrong":
            assert words in shown.replace("&#39;", "'")
            assert "Read again: chapters/" in shown


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_whole_notebook_runs(source):
    cells = [
        {**cell, "source": "student = 'the authors'"} if "student" in cell["metadata"].get("tags", []) else cell
        for cell in assignments.read_source(source)
    ]
    failed = [
        (name_of(cell), sentence) for cell, sentence in assignments.execute(cells) if sentence not in ("", "runs")
    ]
    assert failed == []
