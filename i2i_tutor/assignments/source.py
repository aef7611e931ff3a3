"""An assignment's source, and the notebooks that are made of it: one for students, one for nbgrader.

A source ``assignments/NN_name.py`` is a percent script whose cell headers carry nbgrader's metadata. An answer's cell
``NAME`` holds the solution between ``### BEGIN SOLUTION`` and ``### END SOLUTION``; the cell ``NAME-tests`` checks it,
and what stands between ``### BEGIN HIDDEN TESTS`` and ``### END HIDDEN TESTS`` is for grading only. Neither leaves the
checkout: a wheel and the site hold the students' notebooks alone.
"""

import ast
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from i2i_tutor.files import write_text

Cell = dict[str, Any]  # as a notebook file has it, its source one text
TESTS = "-tests"  # the cell NAME-tests checks the cell NAME
SOLUTION = ("### BEGIN SOLUTION", "### END SOLUTION")
HIDDEN = ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS")
# As nbgrader's own stubs, so that both release the same
CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
TEXT_STUB = "YOUR ANSWER HERE"
MARKS = ("canary: i2i solution", "canary: i2i hidden test")  # one in every solution and every block of hidden tests
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# torch and all else that the package needs are on Colab; --no-deps keeps pip from touching them.
INSTALL = """\
# Installs the package where it is missing (as on Colab), but never torch. Where it is there already, nothing happens.
from importlib.util import find_spec

if find_spec("i2i_tutor") is None:
    %pip install --quiet --no-deps "i2i-tutor @ git+{repository}@{branch}" torchmetrics lightning-utilities pooch"""
BOOK = """

import os

os.environ.setdefault("I2I_BOOK", "{book}")"""
LAST = """\
# Your answers so far; nothing is sent. Before you hand in: restart the kernel, run all cells, and look here again.
from i2i_tutor.assignments import validate

validate(globals())"""
COURSE = '''\
"""nbgrader's configuration of this course."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "i2i"
c.ExecutePreprocessor.timeout = 180  # seconds a cell may take: a training needs some
# Feedback shows what a check said, and no hidden test
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "i2i_tutor.assignments.feedback.Feedback",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
'''


class AssignmentError(ValueError):
    """An assignment, or a student's notebook, that cannot be read: the message says why."""


@dataclass(frozen=True)
class Address:
    """Where the package and the book are, for the cell that installs; ``book`` ends in a slash, or is empty."""

    repository: str
    branch: str
    book: str = ""


def site(repository: str) -> str:
    """The address of the pages that a GitHub repository publishes, with a slash at its end."""
    owner, name = urlsplit(repository).path.strip("/").split("/")
    return f"https://{owner}.github.io/{name}/"


def address_of(root: Path) -> Address:
    """What ``_config.yml`` of a checkout says."""
    import yaml

    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    repository = config["repository"]
    published = config.get("sphinx", {}).get("config", {}).get("i2i_published", False)
    return Address(repository["url"], repository["branch"], site(repository["url"]) if published else "")


# --- the notebooks -------------------------------------------------------------------------------------------------


def read_source(source: Path) -> list[Cell]:
    """The cells of a percent source, solutions and hidden tests included."""
    import jupytext

    notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    return [
        {"cell_type": cell.cell_type, "source": cell.source, "metadata": _metadata(cell.metadata, cell.cell_type)}
        for cell in notebook.cells
    ]


def _metadata(metadata: dict[str, Any], kind: str) -> dict[str, Any]:
    kept = {key: metadata[key] for key in sorted(metadata)}
    if "nbgrader" in kept:
        kept["nbgrader"] = (
            {**kept["nbgrader"], "cell_type": kind} if kept["nbgrader"].get("points") else kept["nbgrader"]
        )
    return kept


def with_frame(cells: list[Cell], address: Address) -> list[Cell]:
    """The cells between one that installs the package and one that sums up, links leading to the book's site."""
    install = INSTALL.format(repository=address.repository, branch=address.branch)
    install += BOOK.format(book=address.book) if address.book else ""
    frame = [{"cell_type": "code", "source": text, "metadata": {"tags": [tag]}} for text, tag in
             ((install, "install"), (LAST, "validate"))]  # fmt: skip
    linked = [
        {**cell, "source": _linked(cell["source"], address.book)} if cell["cell_type"] == "markdown" else cell
        for cell in cells
    ]
    return [frame[0], *linked, frame[1]]


def _linked(text: str, book: str) -> str:
    """Links to the book's pages made absolute; while there is no site, words with the page's path."""
    into = rf"[\1]({book}\2)" if book else r"\1 (`\2`)"
    return re.sub(r"\[([^\]]*)\]\(((?:chapters|book)/[^)]*)\)", into, text)


def released(cells: list[Cell]) -> list[Cell]:
    """The cells without solutions and hidden tests, as nbgrader would release them.

    Raises AssignmentError if a region does not end, or anything of a solution is left.
    """
    out = []
    for cell in cells:
        grading = cell["metadata"].get("nbgrader", {})
        text = cell["source"]
        if grading.get("solution"):
            stub = CODE_STUB if cell["cell_type"] == "code" else TEXT_STUB
            text = cut(text, SOLUTION, stub) if SOLUTION[0] in text else stub
        text = cut(text, HIDDEN, "").rstrip("\n") if HIDDEN[0] in text else text
        for mark in (*SOLUTION, *HIDDEN, *MARKS):
            if mark in text:
                raise AssignmentError(f"the cell {grading.get('grade_id', '?')!r} would release a line with {mark!r}")
        out.append({**cell, "source": text})
    return out


def cut(text: str, marks: tuple[str, str], stub: str) -> str:
    """The text with every region between two marks replaced by a stub, at the depth of the region."""
    lines: list[str] = []
    inside = False
    for line in text.split("\n"):
        if marks[0] in line:
            if inside:
                raise AssignmentError(f"a region {marks[0]!r} begins inside another")
            inside = True
            depth = line[: len(line) - len(line.lstrip())]
            lines += [depth + each for each in stub.split("\n")] if stub else []
        elif marks[1] in line:
            inside = False
        elif not inside:
            lines.append(line)
    if inside:
        raise AssignmentError(f"a region {marks[0]!r} has no end")
    return "\n".join(lines)


def notebook(cells: list[Cell]) -> str:
    """The text of a notebook file: no outputs, and ids made from the cells, so that equal cells give equal bytes."""
    written, seen = [], {}  # type: ignore[var-annotated]
    for cell in cells:
        content = f"{cell['cell_type']}\n{cell['source']}"
        seen[content] = seen.get(content, 0) + 1
        own = hashlib.sha256(f"{content}\n{seen[content]}".encode()).hexdigest()[:12]
        new = {"cell_type": cell["cell_type"], "id": own, "metadata": cell["metadata"]}
        if cell["cell_type"] == "code":
            new |= {"execution_count": None, "outputs": []}
        written.append(new | {"source": cell["source"].splitlines(keepends=True)})
    whole = {"cells": written, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def student_notebook(source: Path, address: Address) -> str:
    """The notebook that students get, made from a source."""
    return notebook(released(with_frame(read_source(source), address)))


def release(sources: list[Path], out: Path, address: Address) -> list[Path]:
    """Write a course for nbgrader: its configuration, ``source/NAME`` with the solutions, ``release/NAME`` without.

    Returns what was written. Raises AssignmentError before anything is written if a source breaks the rules.
    """
    texts: dict[Path, str] = {out / "nbgrader_config.py": COURSE}
    for source in sources:
        if wrong := problems(source):
            raise AssignmentError("\n".join(wrong))
        name = f"{source.stem}/{source.stem}.ipynb"
        whole = with_frame(read_source(source), address)
        texts |= {out / "source" / name: notebook(whole), out / "release" / name: notebook(released(whole))}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return list(texts)


# --- rules of a source ---------------------------------------------------------------------------------------------


def tasks(cells: list[Cell]) -> dict[str, float]:
    """The autograded answers of an assignment and their points, in order."""
    return {
        grading["grade_id"].removesuffix(TESTS): grading["points"]
        for cell in cells
        if (grading := cell["metadata"].get("nbgrader", {})).get("grade") and not grading.get("solution")
    }


def problems(source: Path) -> list[str]:
    """What in a source breaks the rules of an assignment, one sentence each."""
    cells = read_source(source)
    graded = [(cell, cell["metadata"]["nbgrader"]) for cell in cells if "nbgrader" in cell["metadata"]]
    names = [grading["grade_id"] for _, grading in graded]
    found = [f"two cells are called {name!r}" for name in sorted({name for name in names if names.count(name) > 1})]
    points = sum(grading.get("points", 0) for _, grading in graded)
    automatic = tasks(cells)
    by_hand = [
        name for cell, grading in graded if grading["grade"] and grading["solution"] for name in (grading["grade_id"],)
    ]
    if points != 20:
        found.append(f"it has {points:g} points; expected 20")
    if not 5 <= len(automatic) <= 6 or len(by_hand) != 1:
        found.append(f"it has {len(automatic)} autograded tasks and {len(by_hand)} others; expected 5 or 6, and 1")
    found += [f"the cell {name}{TESTS!r} tests no answer {name!r}" for name in automatic if name not in names]
    for cell, grading in graded:
        for region, mark, wanted in (
            (SOLUTION, MARKS[0], grading["solution"]),
            (HIDDEN, MARKS[1], grading["grade"] and not grading["solution"]),
        ):
            count = cell["source"].count(region[0])
            if count != bool(wanted) or cell["source"].count(mark) != count:
                marks = cell["source"].count(mark)
                found.append(
                    f"the cell {grading['grade_id']!r} has {count} regions {region[0]!r} and {marks} marks {mark!r} in "
                    f"them; expected {int(bool(wanted))} of each"
                )
    if sum("student" in cell["metadata"].get("tags", []) for cell in cells) != 1:
        found.append("expected one cell tagged `student`, where students write their name")
    # Or else a solved notebook that is run to its end has another answer than the student's
    checked = {name for cell, grading in graded if grading["grade"] for name in _names(cell, ast.Load)}
    answers = {name for cell, grading in graded if grading["solution"] for name in _names(cell, ast.Store)} & checked
    for cell, grading in graded:
        if not grading["solution"] and (taken := sorted(answers & _names(cell, ast.Store))):
            found.append(f"the cell {grading['grade_id']!r} uses an answer's name for something else: {taken[0]!r}")
    try:
        released(cells)
    except AssignmentError as error:
        found.append(str(error))
    return [f"{source.parent.name}/{source.name}: {sentence}" for sentence in found]


def _names(cell: Cell, context: type[ast.expr_context]) -> set[str]:
    """The names that a cell of code reads or sets, outside of the functions and classes that it defines."""
    if cell["cell_type"] != "code":
        return set()
    found, waiting = set(), list(ast.parse(cell["source"]).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found |= {node.name} if context is ast.Store else set()
            continue
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.comprehension)]
        found |= {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, context) else set()
    return found
