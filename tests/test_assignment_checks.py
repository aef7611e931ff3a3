"""What a student sees of an assignment: the checks in a file, in a notebook, on the command line."""

import json
import re
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from i2i_tutor import assignments
from i2i_tutor.assignments import AssignmentError
from i2i_tutor.assignments.source import notebook
from i2i_tutor.cli import main
from i2i_tutor.tasks import base
from i2i_tutor.tasks.base import Wrong, task


def cell(text: str, name: str = "", **grading: object) -> dict:
    about = {"grade": False, "locked": False, "solution": False, "schema_version": 3, **grading}
    metadata = {"nbgrader": {"grade_id": name, **about}} if name else {}
    return {"cell_type": "code", "source": text, "metadata": metadata}


def written(folder: Path, answer: str, *, named: bool = True) -> Path:
    """A small assignment with one task: double a number."""
    cells = [
        cell(answer, "double", solution=True),
        cell("assert double(2) == 4, 'not doubled'", "double-tests", grade=True, points=1),
    ]
    if not named:
        cells = [{**each, "metadata": {}} for each in cells]
    path = folder / "small.ipynb"
    path.write_text(notebook(cells), encoding="utf-8")
    return path


def validate(path: Path, *options: str):
    return CliRunner().invoke(main, ["assignment", "validate", str(path), *options])


def test_validate_says_what_passes_and_what_does_not(tmp_path):
    done = validate(written(tmp_path, "double = lambda x: 2 * x"))
    assert (done.exit_code, done.output) == (0, "double: passes the visible checks\n")
    done = validate(written(tmp_path, "double = lambda x: x"))
    assert (done.exit_code, done.output) == (1, "double: AssertionError: not doubled\n")


def test_validate_gives_up_a_cell_that_does_not_end_and_survives_an_exit(tmp_path):
    done = validate(written(tmp_path, "def double(x):\n    while True: pass"), "--timeout", "2")
    assert (done.exit_code, "endless loop" in done.output) == (1, True)
    done = validate(written(tmp_path, "import os\ndouble = lambda x: os._exit(3)"))
    assert (done.exit_code, "process died" in done.output) == (1, True)


def test_a_notebook_without_metadata_is_refused_in_a_sentence(tmp_path):
    done = validate(written(tmp_path, "double = lambda x: 2 * x", named=False))
    assert done.exit_code == 1
    assert "lost nbgrader's metadata" in done.output
    (tmp_path / "none.ipynb").write_text("[]")
    assert "not a readable notebook" in validate(tmp_path / "none.ipynb").output
    assert "not a readable notebook" in validate(tmp_path / "missing.ipynb").output


def test_a_copied_or_missing_answer_is_refused(tmp_path):
    whole = assignments.read_notebook(written(tmp_path, "double = abs"))
    with pytest.raises(AssignmentError, match="two cells 'double'"):
        assignments.check_form([whole[0], *whole])
    with pytest.raises(AssignmentError, match="answer of 'double' is missing"):
        assignments.check_form(whole[1:])


def test_the_last_cell_asks_the_answers_of_now(capsys):
    def check_double(answer):
        assert answer(2) == 4, "not doubled"

    class Tasks:
        pass

    Tasks.check_double = staticmethod(check_double)
    space = {"tasks": Tasks, "double": abs, "In": ["", "tasks.check_double(double)", "1 + 1"]}
    assert not assignments.validate(space)
    space["double"] = lambda x: 2 * x
    assert assignments.validate(space)
    assert capsys.readouterr().out == "double: AssertionError: not doubled\ndouble: passes the visible checks\n"
    assert not assignments.validate({"In": []})


def test_release_on_the_command_line(tmp_path):
    done = CliRunner().invoke(main, ["assignment", "release", "pix2pix", "--out", str(tmp_path / "course")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "course/release/01_pix2pix/01_pix2pix.ipynb").is_file()
    done = CliRunner().invoke(main, ["assignment", "release", "pixpix", "--out", str(tmp_path)])
    assert (done.exit_code, "no assignment 'pixpix'; there are 01_pix2pix" in done.output) == (1, True)
    done = CliRunner().invoke(main, ["assignment", "release", "--sources", str(tmp_path)])
    assert (done.exit_code, "no sources of assignments" in done.output) == (1, True)


# --- what all checks share -----------------------------------------------------------------------------------------


@task("chapters/01_pix2pix.html#the-idea")
def check_half(answer, *, size=3):
    x = torch.rand(size, dtype=torch.float64)
    base.same(answer(x), x.mean() / 2, {"not halved": x.mean()})


def said(answer) -> str:
    with pytest.raises(Wrong) as caught:
        check_half(answer)
    return str(caught.value)


def test_a_check_is_repeatable_and_leaves_the_generator_as_it_was(capsys):
    torch.manual_seed(5)
    before, seen = torch.get_rng_state(), []
    for _ in range(2):
        check_half(lambda x: seen.append(x) or x.mean() / 2)
    assert torch.equal(*seen)
    assert torch.equal(torch.get_rng_state(), before)
    check_half(lambda x: seen.append(x) or x.mean() / 2, seed=1)
    assert not torch.equal(seen[0], seen[2])
    assert capsys.readouterr().out == "right: half\n" * 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: x.mean(), "not halved (yours"),
        (lambda x: x / 2, "take the mean"),
        (lambda x: float(x.mean() / 2), "of type float"),
        (lambda x: None, "is there a return?"),
        (lambda x: x.mean().float() / 2, "torch.float32; expected torch.float64"),
        (lambda x: x.mean() / 0, "logarithm of zero"),
        (lambda x: x.mean() / 3, "expected 0."),
        (lambda x: [][0], "raised IndexError: list index out of range, in line 1"),
        (lambda x: base.same(x, x), "uses `base` of this book's package"),
        (base.same, "package's own function"),
    ],
)
def test_a_wrong_answer_is_named_and_told_where_to_read(answer, words):
    assert words in said(answer)
    assert said(answer).endswith("Read again: chapters/01_pix2pix.html#the-idea")


def test_the_link_leads_to_the_site_that_the_notebook_names(monkeypatch):
    monkeypatch.setenv("I2I_BOOK", "https://some.github.io/book/")
    assert said(lambda x: x.mean()).endswith("https://some.github.io/book/chapters/01_pix2pix.html#the-idea")


def test_a_gradient_must_reach_what_it_should_and_nothing_else():
    x, y = torch.rand(2, 3, dtype=torch.float64)
    right = {"x": x, "y": y}
    base.gradients(lambda a, b: (a * b.detach()).sum(), lambda a, b: (a * b.detach()).sum(), right)
    with pytest.raises(Wrong, match="a gradient reaches y"):
        base.gradients(lambda a, b: (a * b).sum(), lambda a, b: (a * b.detach()).sum(), right)
    with pytest.raises(Wrong, match="no gradient reaches x"):
        base.gradients(lambda a, b: (a.detach() * b).sum(), lambda a, b: (a * b).sum(), right)
    with pytest.raises(Wrong, match="carries no gradient"):
        base.gradients(lambda a, b: (a * b).sum().detach(), lambda a, b: (a * b).sum(), right)


def test_a_student_has_one_seed_however_the_name_is_typed():
    assert base.student_seed("Kim Min") == base.student_seed(" kim min ") != base.student_seed("Kim Jun")
    for nobody in ("", "  ", None, 4711):
        with pytest.raises(Wrong, match="write your name or number"):
            base.student_seed(nobody)


def test_a_notebook_shows_an_error_of_a_check_without_its_lines():
    assert Wrong("you summed")._render_traceback_() == ["Not yet: you summed"]
    assert json.loads(notebook([cell("1")]))["nbformat"] == 4
    assert re.fullmatch(r"[0-9a-f]{12}", json.loads(notebook([cell("1")]))["cells"][0]["id"])
