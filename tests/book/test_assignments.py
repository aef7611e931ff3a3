"""Assignments: a solution earns all points, a bare release none, and each wrong answer costs its own task alone."""

import ast
import functools
import importlib
import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from i2i_tutor import assignments
from i2i_tutor.assignments import Address, AssignmentError, Cell

ROOT = Path(__file__).parents[2]
SOURCES = {path.stem: path for path in sorted((ROOT / "assignments").glob("[0-9]*.py"))}
BANKS = {path.stem: runpy.run_path(str(path)) for path in sorted((ROOT / "tests/book/banks").glob("[0-9]*.py"))}
ADDRESS = Address("https://github.com/some/book", "main")
STUDENTS = ("the authors", "4711", "김민지")
EQUAL_TO_ALL = """
class Equal(torch.Tensor):
    def __eq__(self, other): return True
    __hash__ = None
    @classmethod
    def __torch_function__(cls, f, types, args=(), kwargs=None): return True
"""
pytestmark = pytest.mark.slow


@functools.cache
def source(name: str) -> tuple[Cell, ...]:
    return tuple(assignments.read_source(SOURCES[name]))


def by(student: str, cells: Iterator[Cell] | tuple[Cell, ...] | list[Cell]) -> list[Cell]:
    """The notebook of a student who has written the name into it."""
    return [
        {**cell, "source": f"student = {student!r}"} if "student" in cell["metadata"].get("tags", []) else cell
        for cell in cells
    ]


def with_answer(name: str, task: str, answer: str | list[tuple[str, str]]) -> list[Cell]:
    """The solved assignment with one answer exchanged."""
    cells = []
    for cell in source(name):
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == task:
            text = cell["source"] if isinstance(answer, list) else answer
            for old, new in answer if isinstance(answer, list) else ():
                assert old in text, f"{old!r} is not in the solution of {task}"
                text = text.replace(old, new)
            cell = {**cell, "source": text}
        cells.append(cell)
    return by(STUDENTS[0], cells)


def grade(cells: list[Cell]) -> dict[str, tuple[float, str]]:
    return assignments.grade(cells, skip=("slow",))


def names_of(name: str, task: str) -> tuple[list[str], list[str]]:
    """The functions and the other names that the solution of a task defines."""
    (cell,) = (cell for cell in source(name) if cell["metadata"].get("nbgrader", {}).get("grade_id") == task)
    body = ast.parse(cell["source"]).body
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    values = [target.id for node in body if isinstance(node, ast.Assign) for target in node.targets]  # type: ignore
    return functions, values


def bank(kind: str) -> list:
    return [
        pytest.param(name, task, case, id=f"{name}-{task}-{case}")
        for name, answers in BANKS.items()
        for task, cases in answers[kind].items()
        for case in cases
    ]


def each_task() -> list:
    return [
        pytest.param(name, task, id=f"{name}-{task}")
        for name in SOURCES
        for task in assignments.tasks(list(source(name)))
    ]


def without_checks_but(task: str, cells: list[Cell]) -> list[Cell]:
    """The notebook with the checks of one task alone: those of the others would take most of the time."""
    other = {f"{each}-tests" for each in assignments.tasks(cells) if each != task}
    return [cell for cell in cells if cell["metadata"].get("nbgrader", {}).get("grade_id") not in other]


def said_of_a_wrong_answer(task: str, cells: list[Cell]) -> str:
    """What the check says of the one wrong answer; whatever else is checked has all its points."""
    got = grade(cells)
    assert {each: value for each, (value, _) in got.items()} == assignments.tasks(cells) | {task: 0}, got
    return got[task][1]


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_keeps_the_rules_and_has_a_bank(name):
    assert assignments.problems(SOURCES[name]) == []
    tasks = assignments.tasks(list(source(name)))
    assert set(BANKS[name]["WRONG"]) == set(BANKS[name]["RIGHT"]) == set(tasks)
    assert all(len(cases) >= 3 for cases in BANKS[name]["WRONG"].values())


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("translated = {", "made = {", "the cell 'sick-run' uses an answer's name for something else: 'made'"),
        ('"points": 5', '"points": 4', "it has 19 points; expected 20"),
        ('"grade_id": "compose"', '"grade_id": "side"', "two cells are called 'side'"),
        (' tags=["student"]', "", "expected one cell tagged `student`, where students write their name"),
        ("# canary: i2i solution\ns = ", "s = ", "the cell 'by-hand' has 1 regions '### BEGIN SOLUTION' and 0 marks"),
    ],
)
def test_a_source_that_breaks_a_rule_is_told(tmp_path, old, new, sentence):
    text = SOURCES["06_aggan"].read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "06_aggan.py").write_text(text.replace(old, new), encoding="utf-8")
    assert any(sentence in told for told in assignments.problems(tmp_path / "06_aggan.py"))


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("name", SOURCES)
def test_the_solution_has_all_points(name, student):
    got = grade(by(student, source(name)))
    assert {task: value for task, (value, _) in got.items()} == assignments.tasks(list(source(name))), got


@pytest.mark.parametrize("name", SOURCES)
def test_a_bare_release_has_none(name):
    for cells in (source(name), by(STUDENTS[0], source(name))):
        got = grade(assignments.released(list(cells)))
        assert not any(value for value, _ in got.values()), got


@pytest.mark.parametrize(("name", "task", "case"), bank("WRONG"))
def test_a_wrong_answer_has_no_points_and_is_named(name, task, case):
    words, answer = BANKS[name]["WRONG"][task][case]
    said = said_of_a_wrong_answer(task, without_checks_but(task, with_answer(name, task, answer)))
    assert words in said
    assert re.search(r"Read again: chapters/\w+\.html#[\w-]+$", said), said


@pytest.mark.parametrize(("name", "task", "case"), bank("RIGHT"))
def test_another_right_answer_has_all_points(name, task, case):
    got = grade(without_checks_but(task, with_answer(name, task, BANKS[name]["RIGHT"][task][case])))
    assert {each: value for each, (value, _) in got.items()} == {task: assignments.tasks(list(source(name)))[task]}, got


@pytest.mark.parametrize(
    "answer", ["return None", "return Equal()", "return object()", "raise SystemExit", "return (Equal(), Equal())"]
)
@pytest.mark.parametrize(("name", "task"), each_task())
def test_what_is_no_answer_has_no_points(name, task, answer):
    functions, values = names_of(name, task)
    text = EQUAL_TO_ALL + "\n".join(f"def {each}(*a, **k): {answer}" for each in functions)
    value = answer.removeprefix("return ") if answer.startswith("return") else "None"
    text += "\n" + "\n".join(f"{each} = {value}" for each in values)
    said_of_a_wrong_answer(task, without_checks_but(task, with_answer(name, task, text)))


@pytest.mark.parametrize(("name", "task"), each_task())
def test_a_wrong_answer_costs_its_own_task_alone(name, task):
    first = next(answer for _, answer in BANKS[name]["WRONG"][task].values())
    for answer in ("def (:", first):
        said_of_a_wrong_answer(task, with_answer(name, task, answer))


@pytest.mark.parametrize("name", SOURCES)
def test_every_section_that_feedback_names_is_in_the_book(name):
    module = importlib.import_module(f"i2i_tutor.tasks.{name.split('_', 1)[1]}")
    sections = {value for value in vars(module).values() if isinstance(value, str) and value.startswith("chapters/")}
    assert sections
    for section in sections:
        page, anchor = section.split(".html#")
        text = (ROOT / f"{page}.py").read_text(encoding="utf-8")
        titles = {re.sub(r"[^\w]+", "-", title.lower()).strip("-") for title in re.findall(r"^# #+ (.*)", text, re.M)}
        assert anchor in titles or f"# ({anchor})=" in text, section


@pytest.mark.parametrize("name", SOURCES)
def test_a_release_holds_no_solution_and_equal_sources_give_equal_bytes(name, tmp_path):
    written = assignments.release([SOURCES[name]], tmp_path, ADDRESS)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "nbgrader_config.py", f"source/{name}/{name}.ipynb", f"release/{name}/{name}.ipynb",
    ]  # fmt: skip
    whole, bare = (path.read_text(encoding="utf-8") for path in written[1:])
    for mark in (*assignments.MARKS, "BEGIN SOLUTION", "BEGIN HIDDEN"):
        assert mark in whole
        assert mark not in bare
    assert bare == assignments.student_notebook(SOURCES[name], ADDRESS)
    assert "YOUR CODE HERE" in bare
    assert "YOUR ANSWER HERE" in bare
    solved = [cell["source"] for cell in source(name) if "BEGIN SOLUTION" in cell["source"]]
    for text in solved:  # no long line of any solution either
        inside = text.split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0]
        for line in inside.splitlines():
            assert len(line.strip()) < 30 or line.strip() not in "".join(
                "".join(cell["source"])
                for cell in json.loads(bare)["cells"]
                if "sick-code" not in str(cell["metadata"])
            ), line


def test_the_student_notebook_that_is_committed_is_the_source_s(tmp_path):
    for name, path in SOURCES.items():
        text = assignments.student_notebook(path, assignments.address_of(ROOT))
        assert (ROOT / f"assignments/{name}.ipynb").read_text(encoding="utf-8") == text, "run `make notebooks`"


def test_a_region_without_end_is_refused():
    cell = {"cell_type": "code", "metadata": {"nbgrader": {"grade_id": "a", "solution": True}}}
    with pytest.raises(AssignmentError, match="has no end"):
        assignments.released([{**cell, "source": "### BEGIN SOLUTION\nx = 1"}])
    with pytest.raises(AssignmentError, match="inside another"):
        assignments.released([{**cell, "source": "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION"}])


def test_a_link_leads_to_the_site_if_there_is_one():
    cell = {"cell_type": "markdown", "metadata": {}, "source": "See [chapter 1](chapters/01_pix2pix.html#the-idea)."}
    there = assignments.with_frame([cell], Address("r", "main", "https://some.github.io/book/"))
    assert "[chapter 1](https://some.github.io/book/chapters/01_pix2pix.html#the-idea)" in there[1]["source"]
    assert 'os.environ.setdefault("I2I_BOOK", "https://some.github.io/book/")' in there[0]["source"]
    nowhere = assignments.with_frame([cell], ADDRESS)
    assert nowhere[1]["source"] == "See chapter 1 (`chapters/01_pix2pix.html#the-idea`)."
