"""Figures of the chapters: on a transparent ground, readable in light and dark, never by colour alone."""

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure
from PIL import Image, ImageSequence
from torch import Tensor

from i2i_tutor.data.streams import to_uint8
from i2i_tutor.training import History

INK = "#7a7a7a"  # mid grey: contrast of at least 4:1 on white and on the dark theme's ground
# Okabe and Ito's palette, told apart by colour-blind readers; always together with a marker or a line style
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
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
    "font.size": 10,
    "figure.dpi": 100,
}


def grid(columns: Mapping[str, Tensor], rows: Sequence[str] | None = None, scale: float = 0.85) -> Figure:
    """A table of pictures: one column per entry, one row per image.

    columns: title → images ``(N, C, H, W)`` in [-1, 1]; the smallest N counts. ``rows`` labels the rows. ``scale`` is
    the width of one picture in inches.
    """
    count = min(len(images) for images in columns.values())
    with plt.rc_context(STYLE):
        size = (scale * len(columns) + (0.5 if rows else 0), scale * count + 0.35)
        figure, axes = plt.subplots(count, len(columns), figsize=size, squeeze=False, layout="constrained")
        for (title, images), column in zip(columns.items(), axes.T, strict=True):
            column[0].set_title(title, fontsize=10)
            for axis, picture in zip(column, to_uint8(_rgb(images[:count])), strict=True):
                axis.imshow(picture, interpolation="nearest")
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
        for label, axis in zip(rows or (), axes[:, 0], strict=False):
            axis.set_ylabel(label)
    return _closed(figure)


def curves(history: History, undecided: Mapping[str, float] | None = None, window: int = 25) -> Figure:
    """The loss terms over the steps, each in its own panel because their units differ.

    Thin: every step; bold: mean over ``window`` steps. ``undecided`` draws, per term, the value at which the player
    cannot tell (ln 2 for a GAN term).
    """
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
            axis.plot(xs, ys, marker, color=colour, alpha=0.8, label=arm)
        axis.set(xlabel=x, ylabel=y)
        axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
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


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Markdown:
    """A table for the page; floats with three decimals, tiny ones with two digits, True and False as words."""

    def cell(value: object) -> str:
        if value is None:
            return "–"
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if isinstance(value, float):
            return f"{value:.3f}" if value == 0 or abs(value) >= 5e-4 else f"{value:.2g}"
        return str(value)

    text = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    text += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return Markdown("\n".join(text))


def log_spaced(steps: int) -> list[int]:
    """0, 1, 2, 5, 10, 20, 50, ... and ``steps``: where most of a training's visible change happens."""
    marks = {0, steps}
    decade = 1
    while decade <= steps:
        marks |= {decade * factor for factor in (1, 2, 5) if decade * factor < steps}
        decade *= 10
    return sorted(marks)


def strip(rows: Sequence[Tensor]) -> np.ndarray:
    """Rows of images, each ``(N, C, H, W)`` in [-1, 1], as one uint8 picture: ``(rows * H, N * W, 3)``."""
    return np.concatenate([np.concatenate(list(to_uint8(_rgb(row))), axis=1) for row in rows])


def read_frames(path: Path) -> list[np.ndarray]:
    """The frames of an animated picture, uint8 ``(H, W, 3)`` each, for :func:`scrub`."""
    with Image.open(path) as film:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]


class Film:
    """A callback that keeps what a method makes of a few fixed images, at log-spaced steps.

    ``images`` is ``(N, C, H, W)``; ``frames`` fills with uint8 pictures ``(H, N * W, 3)``, side by side. ``translate``
    is called with (method, images) where ``method.translate(images)`` is not what shall be filmed. What the film holds
    travels in the checkpoints, so that the film of a resumed training is whole.
    """

    def __init__(self, images: Tensor, steps: int, translate: Callable[[Any, Tensor], Tensor] | None = None):
        self.images, self.translate = images, translate or _translate
        self.at = log_spaced(steps)
        self.frames: list[np.ndarray] = []
        self.labels: list[str] = []

    def __call__(self, step: int, method) -> None:
        if step in self.at and f"step {step}" not in self.labels:
            images = self.images.to(next(method.parameters()).device)
            self.frames.append(strip([self.translate(method, images)]))
            self.labels.append(f"step {step}")

    def state_dict(self) -> dict[str, Any]:
        return {"frames": [torch.from_numpy(frame) for frame in self.frames], "labels": list(self.labels)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.frames, self.labels = [frame.numpy() for frame in state["frames"]], list(state["labels"])


def _translate(method: Any, images: Tensor) -> Tensor:
    return method.translate(images)


def scrub(frames: Sequence[np.ndarray], labels: Sequence[str], alt: str, enlarge: int = 2) -> HTML:
    """Pictures to leaf through with a slider that needs no kernel: in the book, in Colab, on a phone.

    frames: uint8 ``(H, W, 3)``, all of one size; labels: one short text per frame, read out by screen readers; alt:
    what the reader sees change; enlarge: pixels of the page per pixel. Without script, and in print, all frames stand
    below each other.
    """
    if len(frames) != len(labels) or not frames:
        raise ValueError(f"{len(frames)} frames but {len(labels)} labels; expected one label per frame, at least one")
    items = []
    for frame, label in zip(frames, labels, strict=True):
        picture = Image.fromarray(frame)  # the page enlarges it, so that it stays small on the way
        text = html.escape(f"{alt}: {label}", quote=True)
        items.append(
            f'<figure><img alt="{text}" src="{_data_uri(picture)}" style="width:100%;image-rendering:pixelated">'
            f"<figcaption>{html.escape(label)}</figcaption></figure>"
        )
    slider = (
        f'<input type="range" min="0" max="{len(frames) - 1}" value="{len(frames) - 1}" hidden '
        f'aria-label="{html.escape(alt, quote=True)}" style="width:100%;height:44px">'
    )
    width = frames[0].shape[1] * enlarge
    return HTML(f'<div class="i2i-scrub" style="max-width:{width}px">{slider}{"".join(items)}</div>{_SCRUB}')


# Runs once per figure. Shows one frame at a time; a print style brings all of them back.
_SCRUB = """<style>@media print{.i2i-scrub figure{display:block!important}.i2i-scrub input{display:none}}
.i2i-scrub figure{margin:0 0 .5em}</style>
<script>document.querySelectorAll('.i2i-scrub').forEach(function (box) {
  if (box.dataset.ready) return;
  box.dataset.ready = 'yes';
  var slider = box.querySelector('input'), frames = box.querySelectorAll('figure');
  function show() {
    frames.forEach(function (frame, k) { frame.style.display = k == slider.value ? '' : 'none'; });
    slider.setAttribute('aria-valuetext', frames[slider.value].textContent);
  }
  slider.hidden = false;
  slider.addEventListener('input', show);
  show();
});</script>"""


def _rgb(images: Tensor) -> Tensor:
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def _data_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=55)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _closed(figure: Figure) -> Figure:
    plt.close(figure)  # else the notebook shows it twice
    return figure
