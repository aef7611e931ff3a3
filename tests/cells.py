"""The first cells of a chapter: executed as a notebook would, with whatever values somebody may have set."""

import json
import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

from i2i_tutor import parameters
from i2i_tutor.parameters import Parameter, ParameterError

CHAPTERS = sorted((Path(__file__).parents[1] / "chapters").glob("*.ipynb"))
STRANGE = (None, True, False, 0, 1, -1, 3, 2**31, 10**30, 0.5, -0.0, 1e308, math.nan, math.inf, "", "none", "fast",
           "x" * 200, "\n", "../..", "procedural", "false", "no", b"bytes", [], [1], {}, (1, 2))  # fmt: skip


class FirstCells:
    """The parameters that a chapter's cell shows, and a function that opens a run with other values.

    The imports are executed at once, the cell that declares and opens at every ``open``.
    """

    def __init__(self, chapter: Path):
        self.cells = [c for c in json.loads(chapter.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
        sources = ["".join(cell["source"]) for cell in self.cells]
        (start,) = (n for n, cell in enumerate(self.cells) if "parameters" in cell["metadata"].get("tags", []))
        self.end = next(number for number, code in enumerate(sources) if "chapter.open_run(" in code)
        self.parameters = parameters.read(sources[start])
        self.opening = sources[self.end]
        self.imported: dict[str, Any] = {}
        for code in sources[start : self.end]:
            exec(code, self.imported)

    def open(self, **values: Any) -> dict[str, Any]:
        """Execute the opening cell with the cell's values but for those given; returns the notebook's names."""
        namespace = self.imported | values
        exec(self.opening, namespace)
        return namespace


def draw_value(parameter: Parameter, draw: random.Random) -> Any:
    """Mostly what the parameter may be, sometimes at its edge, sometimes anything at all."""
    if draw.random() < 0.12:
        return draw.choice(STRANGE)
    if parameter.choices:
        return draw.choice(parameter.choices)
    if parameter.type is bool:
        return draw.random() < 0.5
    if parameter.low is not None and parameter.high is not None:
        low, high = parameter.low, parameter.high
        value = draw.choice([low, high, draw.uniform(low, high), low - 1, high + 1, low + draw.random() * 20])
        return parameter.type(value)
    return parameter.default


def try_sets(first: FirstCells, count: int) -> tuple[Counter, list[tuple[dict[str, Any], str]]]:
    """Open a run with ``count`` random sets of values.

    Returns how many were "accepted" and "refused", and which should not have been: accepted though `check` refuses
    them, refused as a single value though `check` accepts it, or refused in other than one clear sentence per value.
    """
    draw, ends, wrong = random.Random(0), Counter(), []
    for _ in range(count):
        values = {
            name: draw_value(first.parameters[name], draw)
            for name in draw.sample(sorted(first.parameters), draw.randint(1, 4))
        }
        try:
            parameters.check(first.parameters, values)
            expected = ""
        except ParameterError as error:
            expected = str(error)
        try:
            first.open(**values)
            said = ""
        except ParameterError as error:
            said = str(error)
        except Exception as error:
            said = f"raw: {error!r}"
        ends["refused" if said else "accepted"] += 1
        lines = said.splitlines()
        clear = all(10 < len(line) < 400 for line in lines) and not said.startswith("raw")
        as_checked = sorted(lines) == sorted(expected.splitlines()) if expected else "must be" not in said
        if not (clear and as_checked):
            wrong.append((values, said[:300]))
    return ends, wrong
