"""Figures of the chapters: on a transparent ground, readable in light and dark, never by colour alone."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from IPython.display import Markdown
from matplotlib.figure import Figure
from torch import Tensor

from i2i_tutor.data.streams import to_pictures
from i2i_tutor.inline import data_uri
from i2i_tutor.training import History

# No grey has a contrast of 4.5:1 both on white and on a dark page. So ink and colours are dark enough for white, and
# the book's style sheet makes figures brighter by this factor on a dark page.
BRIGHTER = 1.7
INK = "#666666"
# Okabe and Ito's hues, darkened; told apart by colour-blind readers, and always with a marker or a line style as well
COLOURS = ("#0072b2", "#b34e00", "#007a58", "#a8507f", "#8a6000", "#6a4fa3")
MARKERS = ("o", "s", "^", "D", "v", "P")
LINES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)))
STYLE: Any = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "axes.prop_cycle": cycler(color=COLOURS),
    "font.size": 10,
    "figure.dpi": 100,
}


@dataclass(frozen=True)
class Grid:
    """A table of pictures: on a page tiles that fill its width, in a file a figure.

    On a narrow page a row of tiles breaks into lines, so that no tile is smaller than ``TILE``.

    Attributes:
        columns: title → uint8 pictures ``(N, H, W, 3)``, all the same N.
        caption: what the reader should see in them, in a sentence.
        scale: width of a picture in inches, in a file.
    """

    columns: Mapping[str, np.ndarray]
    caption: str
    scale: float

    def _repr_html_(self) -> str:
        rows = []
        for number, pictures in enumerate(zip(*self.columns.values(), strict=True), start=1):
            tiles = []
            for title, picture in zip(self.columns, pictures, strict=True):
                text = html.escape(title, quote=True)
                doubled = picture.repeat(2, axis=0).repeat(2, axis=1)  # WebP halves the resolution of colours
                tiles.append(f'<div><span>{text}</span><img alt="{text}, {number}" src="{data_uri(doubled)}"></div>')
            rows.append(f"<div>{''.join(tiles)}</div>")
        count = len(self.columns)
        least = f"max({TILE}px,calc((100% - {6 * count}px)/{count}))"
        style = f"--tile:{least};max-width:min(100%,{LARGEST_TILE * count}px)"
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<figure class="i2i-grid" style="{style}">{"".join(rows)}{caption}</figure>{_GRID}'

    def savefig(self, path: Path) -> None:
        """Write the grid as one picture, its titles above it."""
        count = len(next(iter(self.columns.values())))
        with plt.rc_context(STYLE):
            size = (self.scale * len(self.columns), self.scale * count + 0.35)
            figure, axes = plt.subplots(count, len(self.columns), figsize=size, squeeze=False, layout="constrained")
            for (title, some), column in zip(self.columns.items(), axes.T, strict=True):
                column[0].set_title(title, fontsize=10)
                for axis, picture in zip(column, some, strict=True):
                    axis.imshow(picture, interpolation="nearest")
                    axis.set_axis_off()
        _closed(figure).savefig(path)


TILE, LARGEST_TILE = 128, 240  # pixels of the page
_GRID = """<style>.i2i-grid{margin:0 auto 1em}
.i2i-grid>div{display:grid;grid-template-columns:repeat(auto-fit,minmax(var(--tile),1fr));gap:5px;margin-bottom:5px}
.i2i-grid span{display:block;font-size:.85em;line-height:1.3}
.i2i-grid img{display:block;width:100%;image-rendering:pixelated}
@media(min-width:769px){.i2i-grid>div:not(:first-child) span{display:none}}</style>"""


def grid(columns: Mapping[str, Tensor], caption: str = "", scale: float = 1.6) -> Grid:
    """A table of pictures: one column per entry, one row per image.

    columns: title → images ``(N, 1 or 3, H, W)`` in [-1, 1]; the smallest N counts. ``caption`` says what to see.
    ``scale`` is the width of one picture in inches if the grid is saved; on a page it fills the width.
    """
    if not columns:
        raise ValueError("a grid needs at least one column of images; got none")
    pictures = {title: to_pictures(images) for title, images in columns.items()}
    count = min(map(len, pictures.values()))
    return Grid({title: some[:count] for title, some in pictures.items()}, caption, scale)


def curves(history: History, undecided: Mapping[str, float] | None = None, window: int = 25) -> Figure:
    """The loss terms over the steps, each in its own panel because their units differ.

    Thin: every step; bold: mean over ``window`` steps. ``undecided`` draws, per term, the value at which the player
    cannot tell (ln 2 for a GAN term).
    """
    if not history.terms:
        raise ValueError("the history holds no term yet: nothing was trained, so there is no curve")
    with plt.rc_context(STYLE):
        columns = min(3, len(history.terms))
        rows = -(-len(history.terms) // columns)
        size = (3.2 * columns, 2.4 * rows)
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        for axis in axes.flat[len(history.terms) :]:
            axis.set_visible(False)
        for axis, colour, (name, values) in zip(axes.flat, cycle(COLOURS), history.terms.items(), strict=False):
            steps = np.asarray(history.at[name]) + 1
            axis.plot(steps, values, color=colour, alpha=0.25, linewidth=0.6)
            width = min(window, len(values))
            smooth = np.convolve(values, np.ones(width) / width, mode="valid")
            axis.plot(steps[width - 1 :], smooth, color=colour, linewidth=1.8)
            if undecided and name in undecided:
                axis.axhline(undecided[name], color=INK, linestyle="--", linewidth=1)
                axis.annotate("undecided", (steps[-1], undecided[name]), ha="right", va="bottom", fontsize=8, color=INK)
            axis.set(title=name, xlabel="step", ylabel="weighted loss")
            low, high = np.percentile(values, (1, 99)) * 1.15
            axis.set_ylim(min(0, low), max(0, high, 1.2 * (undecided or {}).get(name, 0)))
    return _closed(figure)


def scatter(points: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str) -> Figure:
    """Two measures against each other, one marker and colour per arm; all seeds are drawn."""
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
        for number, (arm, (xs, ys)) in enumerate(points.items()):
            marker, colour = MARKERS[number % len(MARKERS)], COLOURS[number % len(COLOURS)]
            fill = "full" if number < len(COLOURS) else "none"  # the second time round they are hollow
            axis.plot(xs, ys, marker, color=colour, fillstyle=fill, alpha=0.8, label=arm)
        axis.set(xlabel=x, ylabel=y)
        axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        axis.grid(alpha=0.25)
    return _closed(figure)


def dots(
    panels: Mapping[str, Mapping[str, Sequence[float]]], landmarks: Mapping[str, Mapping[str, float]] | None = None
) -> Figure:
    """Measured numbers as dots on lines: one panel per measure, one line per name, one dot per seed.

    panels: title of a measure with its unit → name → values; every panel has the names of the first. landmarks: title
    → name → a value that is no arm's own (chance, the real pictures), drawn as a dashed line across its panel.
    """
    if not panels or not (names := list(next(iter(panels.values())))):
        raise ValueError("dots need at least one panel with at least one name; got none")
    with plt.rc_context(STYLE):
        size = (1.5 + 2.5 * len(panels), 0.9 + 0.3 * len(names))
        figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False, layout="constrained")
        for axis, (title, values) in zip(axes[0], panels.items(), strict=True):
            for line, name in enumerate(names):
                marker, colour = MARKERS[line % len(MARKERS)], COLOURS[line % len(COLOURS)]
                numbers = values.get(name, ())
                axis.plot(numbers, [line] * len(numbers), marker, color=colour, alpha=0.75, markersize=7)
            for style, (name, value) in zip(cycle(LINES[1:]), (landmarks or {}).get(title, {}).items(), strict=False):
                axis.axvline(value, color=INK, linestyle=style, linewidth=1, label=name)
            if (landmarks or {}).get(title):
                axis.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))
            axis.locator_params(axis="x", nbins=4)
            axis.set(xlabel=title, yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
            axis.grid(alpha=0.25)
    return _closed(figure)


def lines(series: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str, log: str = "") -> Figure:
    """Curves with a line style each. ``log`` names the logarithmic axes: "", "x", "y" or "xy"."""
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(5.4, 3), layout="constrained")
        for number, (name, (xs, ys)) in enumerate(series.items()):
            colour, style = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
            axis.plot(xs, ys, color=colour, linestyle=style, label=name)
        if "x" in log:
            axis.set_xscale("log")
        if "y" in log:
            axis.set_yscale("log")
        axis.set(xlabel=x, ylabel=y)
        axis.legend(fontsize=8)
    return _closed(figure)


def spread(series: Mapping[str, Mapping[float, Sequence[float]]], x: str, y: str, log: bool = False) -> Figure:
    """Curves through the means of several seeds, every seed drawn as a dot.

    series: name → place on the x axis → values. ``log``: that axis is logarithmic, with a tick at every place.
    """
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
        for number, (name, points) in enumerate(series.items()):
            colour, style = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
            marker = MARKERS[number % len(MARKERS)]
            measured = {place: list(values) for place, values in sorted(points.items()) if len(values)}
            means = [sum(values) / len(values) for values in measured.values()]
            axis.plot(list(measured), means, color=colour, linestyle=style)
            for place, values in measured.items():
                axis.plot([place] * len(values), values, marker, color=colour, alpha=0.6)
            axis.plot([], [], marker, color=colour, linestyle=style, label=name)
        if log:
            places = sorted({place for points in series.values() for place in points})
            axis.set_xscale("log", base=2)
            axis.set_xticks(places, [f"{place:g}" for place in places])
            axis.set_xticks([], minor=True)
        axis.set(xlabel=x, ylabel=y)
        axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        axis.grid(alpha=0.25)
    return _closed(figure)


def histogram(values: Mapping[str, Tensor], x: str, mark: Mapping[str, float] | None = None, bins: int = 40) -> Figure:
    """Shares of several sets of numbers over common bins, drawn as steps; ``mark`` names places on the axis."""
    every = np.concatenate([np.asarray(some.detach().float().cpu()).ravel() for some in values.values()])
    edges = np.linspace(every.min(), every.max() + 1e-6, bins + 1)
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(6.4, 3), layout="constrained")
        for number, (name, some) in enumerate(values.items()):
            counts, _ = np.histogram(some.detach().float().cpu().numpy(), edges)
            colour, style = COLOURS[number % len(COLOURS)], LINES[number % len(LINES)]
            axis.stairs(counts / counts.sum(), edges, color=colour, linestyle=style, linewidth=1.8, label=name)
        for name, place in (mark or {}).items():
            axis.axvline(place, color=INK, linestyle="--", linewidth=1)
            axis.annotate(name, (place, 1), xycoords=("data", "axes fraction"), ha="center", fontsize=8, color=INK)
        axis.set(xlabel=x, ylabel="share")
        axis.legend(fontsize=8)
    return _closed(figure)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Markdown:
    """A table for the page; floats with three decimals, small ones with two digits, True and False as words.

    What is smaller than 1e-5 is rounding, and stands as 0.
    """

    def cell(value: object) -> str:
        if value is None:
            return "–"
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if isinstance(value, float):
            return f"{value:.3f}" if abs(value) >= 1e-3 else "0.000" if abs(value) < 1e-5 else f"{value:.2g}"
        return str(value)

    text = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    text += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return Markdown("\n".join(text))


def _closed(figure: Figure) -> Figure:
    plt.close(figure)  # else the notebook shows it twice
    return figure
