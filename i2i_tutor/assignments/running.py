"""Running an assignment's cells: for its own tests, and for students who want to know how far they are."""

import contextlib
import io
import json
import linecache
import os
import queue
import re
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from i2i_tutor.assignments.source import TESTS, AssignmentError, Cell, tasks


def read_notebook(path: Path) -> list[Cell]:
    """The cells of a notebook file. Raises AssignmentError if it is none, or is no assignment of this book."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        read = [{**cell, "source": "".join(cell["source"]), "metadata": dict(cell["metadata"])} for cell in cells]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssignmentError(f"{path} is not a readable notebook ({error})") from error
    return read


def check_form(cells: list[Cell]) -> None:
    """Raise AssignmentError if nbgrader could not grade these cells, and would give 0 without a word."""
    names = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in cells]
    known = [name for name in names if name]
    if not known:
        raise AssignmentError(
            "the cells of this notebook have lost nbgrader's metadata (some editors drop it) and would get 0 points: "
            "copy your answers into a fresh assignment"
        )
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise AssignmentError(f"there are two cells {twice[0]!r}; remove the copy, or neither is graded")
    lost = [name for name in tasks(cells) if name not in known]
    if lost:
        raise AssignmentError(f"the answer of {lost[0]!r} is missing; copy your answers into a fresh assignment")


def execute(cells: list[Cell], skip: tuple[str, ...] = ()) -> Iterator[tuple[Cell, str]]:
    """Run the code cells one after the other, as a kernel does, each whatever became of those before it.

    Yields every code cell before it is run with "runs", and then with what went wrong in a sentence, or "". Cells with
    a tag of ``skip`` are left out, and lines for the notebook alone (``%pip``).
    """
    space: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] != "code" or {*skip, "validate"} & set(cell["metadata"].get("tags", [])):
            continue
        yield cell, "runs"
        lines = [re.sub(r"^(\s*)[%!].*", r"\1pass", line) for line in cell["source"].split("\n")]
        yield cell, _run("\n".join(lines), f"<cell {number + 1}>", space)


def _run(source: str, name: str, space: dict[str, Any]) -> str:
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # for tracebacks
    try:
        exec(compile(source, name, "exec"), space)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if type(error).__name__ == "Wrong":
            return str(error)
        return traceback.format_exception_only(error)[-1].strip().partition("\n")[0] or type(error).__name__
    return ""


def grade(cells: list[Cell], skip: tuple[str, ...] = ()) -> dict[str, tuple[float, str]]:
    """Points of every autograded task, and what its check said of a wrong answer; runs here, without isolation."""
    points = tasks(cells)
    said = dict.fromkeys(points, "its check was not run")
    with contextlib.redirect_stdout(io.StringIO()):
        for cell, sentence in execute(cells, skip):
            name = cell["metadata"].get("nbgrader", {}).get("grade_id", "").removesuffix(TESTS)
            if name in points and cell["metadata"]["nbgrader"]["grade"] and sentence != "runs":
                said[name] = sentence
    return {name: (0.0 if said[name] else points[name], said[name]) for name in points}


# --- what a student sees -------------------------------------------------------------------------------------------


def validate(space: dict[str, Any] | None = None, path: Path | None = None, seconds: float = 180) -> bool:
    """Say of every task whether its visible checks pass: of a notebook file, or in a notebook of its own answers.

    ``validate(globals())`` stands in the last cell of an assignment and asks the kernel's own answers; it needs neither
    nbgrader nor the file, so it works in Colab. With ``path`` a fresh process runs the file from the top, and a cell
    that takes longer than ``seconds`` is given up.
    """
    if path is not None:
        cells = read_notebook(path)
        check_form(cells)
        said = _validated(path, tasks(cells), seconds)
    else:
        history = [text for text in (space or {}).get("In", []) if text]
        said = _again(history, space or {})
        if not said:
            print("no check of a task was run in this notebook yet")
    for name, sentence in said.items():
        print(f"{name}: {sentence or 'passes the visible checks'}")
    return bool(said) and not any(said.values())


def _again(history: list[str], space: dict[str, Any]) -> dict[str, str]:
    """The last form of each check that was run in a notebook, run again on the answers of now."""
    calls: dict[str, str] = {}
    for text in history:
        for line in text.split("\n"):
            if match := re.match(r"tasks\.check_(\w+)\(", line):
                calls[match[1].replace("_", "-")] = line
    said = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for name, call in calls.items():
            said[name] = _run(call, f"<check {name}>", space)
    return said


def _validated(path: Path, points: dict[str, float], seconds: float) -> dict[str, str]:
    """What the visible checks of a notebook file say, from a process of its own."""
    said = dict.fromkeys(points, "its check was not run")
    command = [sys.executable, "-m", "i2i_tutor.assignments.running", str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        for name, sentence in _followed(child, seconds):
            if name in said:
                said[name] = sentence
            elif sentence:
                print(f"(cell {name}: {sentence})")
    return said


def _followed(child: subprocess.Popen[bytes], seconds: float) -> Iterator[tuple[str, str]]:
    """The child's lines; a cell that takes too long ends it."""
    lines: queue.Queue[bytes] = queue.Queue()
    assert child.stdout is not None
    stream = child.stdout

    def follow() -> None:
        for line in stream:
            lines.put(line)
        lines.put(b"")

    threading.Thread(target=follow, daemon=True).start()
    name, began = "", time.monotonic()
    while True:
        try:
            line = lines.get(timeout=max(0.01, began + seconds - time.monotonic()))
        except queue.Empty:
            child.kill()
            yield name, f"did not come to its end within {seconds:g} seconds; is there an endless loop?"
            return
        if not line:
            if child.wait() != 0:
                yield name, "the process died here; is there memory enough, and no exit()?"
            return
        name, sentence = json.loads(line)
        began = time.monotonic()
        if sentence != "runs":
            yield name, sentence


def _child(path: str) -> None:
    """Run a notebook's cells and write, as JSON, what became of each graded one and of each that failed."""
    os.environ.setdefault("MPLBACKEND", "agg")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what the cells print
    number = 0
    for cell, sentence in execute(read_notebook(Path(path))):
        number += sentence == "runs"
        grading = cell["metadata"].get("nbgrader", {})
        name = grading.get("grade_id", str(number))
        name = name.removesuffix(TESTS) if grading.get("grade") else f"{name!r}"
        print(json.dumps([name, sentence]), file=answers, flush=True)
    answers.flush()
    os._exit(0)  # whatever threads an answer has left


if __name__ == "__main__":
    _child(sys.argv[1])
