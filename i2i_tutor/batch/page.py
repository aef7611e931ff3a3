"""The report of a folder of runs as one HTML page, which loads nothing from elsewhere and has no script.

Claims first, then for every chapter a picture per metric in which all arms share an axis, what the runs drew, and the
numbers. The page's text and looks are in ``page.html``, which escapes whatever comes from a file.
"""

import base64
import io
import math
import os
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from i2i_tutor.measuring.claims import Run, Verdict, decide

PICTURES = 12  # a chapter
PICTURE_SIZE = (720, 540)  # pixels, at most: twice what a thumbnail is shown at
LARGEST_PICTURES = 3_000_000  # bytes, of all pictures together
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
FIRST_PARTS = ("method", "baseline")
COLOURS = 6  # that the page has marks for; further parts begin again

Seeds = list[tuple[int, float]]  # what every run says; a seed that was run twice stands there twice
Table = dict[str, dict[tuple[str, str], list[tuple[int, float | None]]]]  # metric -> (arm, part) -> (seed, value)


def render(folder: Path, runs: Sequence[Run], unfinished: Sequence[Run], commands: Sequence[str], time: str) -> str:
    """The page of the runs below ``folder``: the finished, the others, the commands that made them, and their time."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    verdicts = sorted(decide(runs), key=_bad_news_first)
    room = LARGEST_PICTURES
    chapters = []
    for name in dict.fromkeys(run["chapter"] for run in runs):
        some = [run for run in runs if run["chapter"] == name]
        pictures, room = _pictures(folder, some, room)
        chapters.append(_chapter(name, some, verdicts, pictures))
    return environment.get_template("page.html").render(
        title=folder.resolve().name,
        time=time,
        runs=runs,
        unfinished=unfinished,
        verdicts=verdicts,
        counts=Counter(verdict.state for verdict in verdicts),
        chapters=chapters,
        commands=commands,
        plot_width=WIDTH,
        longest=LONGEST,
    )


def number(value: float | None) -> str:
    """Four significant digits; a dash for what is no finite number."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _bad_news_first(verdict: Verdict) -> int:
    return ("not held", "held", "not judged", "not run yet").index(verdict.state) - 2 * verdict.failed


def _chapter(
    name: str, runs: Sequence[Run], verdicts: Sequence[Verdict], pictures: Sequence["Picture"]
) -> dict[str, Any]:
    table = _table(runs)
    parts = list(dict.fromkeys(part for rows in table.values() for _, part in rows))
    deciding = {verdict.claim.metric for verdict in verdicts if verdict.claim.chapter == name}
    plots = [plot for metric, rows in table.items() if (plot := _plot(metric, rows, parts))]
    return {
        "name": name,
        "runs": runs,
        "seeds": sorted({run["seed"] for run in runs}),
        "arms": list(dict.fromkeys(run["arm"] for run in runs)),
        "parts": parts,
        "plots": [plot for plot in plots if plot.metric in deciding],
        "other_plots": [plot for plot in plots if plot.metric not in deciding],
        "table": table,
        "pictures": pictures,
    }


def _table(runs: Iterable[Run]) -> Table:
    """Every number of some runs; within a metric arm by arm, and in each arm the method first, then its baseline."""
    table: Table = {}
    for run in runs:
        parts = run["metrics"]
        for part in sorted(parts, key=(*FIRST_PARTS, *parts).index):
            for metric, value in parts[part].items():
                table.setdefault(metric, {}).setdefault((run["arm"], part), []).append((run["seed"], value))
    return table


# --- a plot --------------------------------------------------------------------------------------------------------

WIDTH, RIGHT, LETTER = 380, 58, 6.2  # of a plot, of its column of means, of a letter
LANE, HEADING, BOTTOM, MARGIN = 15, 17, 22, 8
LONGEST = 26  # letters of a name


@dataclass(frozen=True)
class Lane:
    """A row of dots and their mean; lengths in the plot's units."""

    name: str
    mark: int
    y: float
    dots: list[tuple[float, str]]
    mean_x: float
    mean: str


@dataclass(frozen=True)
class Plot:
    """A metric on one axis for all arms and parts."""

    metric: str
    left: float
    height: float
    headings: list[tuple[float, str]]
    lanes: list[Lane]
    ticks: list[tuple[float, str]]
    summary: str


def _plot(
    metric: str, rows: Mapping[tuple[str, str], Iterable[tuple[int, float | None]]], parts: list[str]
) -> Plot | None:
    """Lanes of dots under the names of their arms, with one axis for all; None if there is no finite number."""
    finite = {
        key: [(seed, value) for seed, value in row if value is not None and math.isfinite(value)]
        for key, row in rows.items()
    }
    groups = _groups({key: seeds for key, seeds in finite.items() if seeds})
    every = [value for found in groups.values() for row in found for _, value in row.seeds]
    if not every:
        return None
    left = min(LONGEST, max(len(row.name) for found in groups.values() for row in found)) * LETTER + 10
    axis = _Axis.of(min(every), max(every), left + MARGIN, WIDTH - RIGHT - MARGIN)
    lanes, headings, y = [], [], 0.0
    for heading, found in groups.items():
        if heading:
            headings.append((y + HEADING - 4, heading))
            y += HEADING
        for row in found:
            mean = statistics.fmean(value for _, value in row.seeds)
            dots = [(axis.x(value), f"{row.about}, seed {seed}: {number(value)}") for seed, value in row.seeds]
            mark = parts.index(row.part) % COLOURS
            lanes.append(Lane(row.name, mark, y + LANE / 2, dots, axis.x(mean), number(axis.snapped(mean))))
            y += LANE
    summary = "; ".join(text for lane in lanes for _, text in lane.dots)
    return Plot(metric, left, y + BOTTOM, headings, lanes, axis.labels(), summary)


@dataclass(frozen=True)
class _Row:
    name: str
    part: str
    about: str
    seeds: Seeds


def _groups(rows: Mapping[tuple[str, str], Seeds]) -> dict[str, list[_Row]]:
    """Heading -> rows. An arm with one row needs none; what several arms have in common stands once, at the end."""
    having: dict[tuple, list[str]] = {}
    for (arm, part), seeds in rows.items():
        having.setdefault((part, *seeds), []).append(arm)
    arms = list(dict.fromkeys(arm for arm, _ in rows))
    own: dict[str, list[_Row]] = {arm: [] for arm in arms}
    common: list[_Row] = []
    for (part, *pairs), those in having.items():
        if len(those) == 1:
            own[those[0]].append(_Row(part, part, f"{those[0]}, {part}", list(pairs)))
        else:
            common.append(_Row(f"{part}, {len(those)} arms", part, f"{', '.join(those)}: {part}", list(pairs)))
    if len(arms) == 1:
        return {"": own[arms[0]]}
    if all(len(found) <= 1 for found in own.values()):
        groups = {"": [replace(row, name=arm) for arm, found in own.items() for row in found]}
    else:
        groups = {arm: found for arm, found in own.items() if found}
    return groups | ({"the same in several arms": common} if common else {})


@dataclass(frozen=True)
class _Axis:
    """A scale from the first of some round numbers to the last, drawn between two places."""

    ticks: list[float]
    left: float
    right: float

    @classmethod
    def of(cls, low: float, high: float, left: float, right: float) -> "_Axis":
        """An axis that holds low and high, with as many ticks as have room for their labels."""
        from matplotlib.ticker import MaxNLocator

        if high - low <= 1e-9 * max(abs(low), abs(high)):  # all equal
            low, high = low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10
        low, high = (0.0 if abs(end) < 1e-4 * (high - low) else end for end in (low, high))
        for count in (5, 4, 3, 2, 1):
            ticks = MaxNLocator(nbins=count, steps=[1, 2, 5, 10], min_n_ticks=1).tick_values(low, high)
            axis = cls([float(tick) for tick in ticks], left, right)
            widest = LETTER * max(len(text) for _, text in axis.labels()) + 8
            if widest * (len(ticks) - 1) <= right - left:
                break
        return axis

    def x(self, value: float) -> float:
        """Where a value is drawn."""
        part = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        return round(self.left + part * (self.right - self.left), 1)

    def snapped(self, value: float) -> float:
        """Zero for what cannot be told from zero on this axis."""
        return 0.0 if abs(value) < (self.ticks[1] - self.ticks[0]) / 1e4 else value

    def labels(self) -> list[tuple[float, str]]:
        """Where each tick is, and its number with as many digits as tell it from the next."""
        step = self.ticks[1] - self.ticks[0]
        digits = max(1, math.ceil(math.log10(max(map(abs, self.ticks)) / step)) + 1)
        return [(self.x(tick), f"{self.snapped(tick):.{digits}g}") for tick in self.ticks]


# --- pictures ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """A figure of a run, small enough to be part of the page."""

    data: str
    link: str
    text: str
    width: int
    height: int


def _pictures(folder: Path, runs: Sequence[Run], room: int) -> tuple[list[Picture], int]:
    """Figures of the first seed of each arm, every arm's first figure before any second one; and the bytes left."""
    first: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: run["seed"]):
        first.setdefault(run["arm"], run)
    found = [
        (place, run, path)
        for run in first.values()
        for place, path in enumerate(sorted((folder / run["folder"] / "figures").glob("*")))
        if path.suffix.lower() in SUFFIXES and path.is_file()  # a pipe would be waited for
    ]
    pictures: list[Picture] = []
    for _, run, path in sorted(found, key=lambda one: one[0]):
        if len(pictures) == PICTURES:
            break
        small = _thumbnail(path)
        if small is not None and len(small[0]) <= room:
            data, width, height = small
            room -= len(data)
            link = quote(os.fsencode(path.relative_to(folder).as_posix()))  # the name may be no UTF-8
            text = f"{run['arm']}, seed {run['seed']}: {path.stem}"
            pictures.append(Picture(base64.b64encode(data).decode(), link, text, width, height))
    return pictures, room


def _thumbnail(path: Path) -> tuple[bytes, int, int] | None:
    """A picture as WebP with its width and height, no larger than `PICTURE_SIZE`; None if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            small = image.convert("RGBA" if image.has_transparency_data else "RGB")
        small.thumbnail(PICTURE_SIZE)
        file = io.BytesIO()
        small.save(file, "WEBP", quality=82, method=4)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return file.getvalue(), small.width, small.height
