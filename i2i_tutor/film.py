"""Pictures that grow while a network learns, and a slider to leaf through them that needs no kernel."""

import html
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from IPython.display import HTML
from PIL import Image, ImageSequence
from torch import Tensor

from i2i_tutor.contract import check_whole
from i2i_tutor.data.streams import to_pictures
from i2i_tutor.files import book_file
from i2i_tutor.inline import data_uri


def log_spaced(steps: int) -> list[int]:
    """0, 1, 2, 5, 10, 20, 50, ... and ``steps``: where most of a training's visible change happens."""
    check_whole("steps", steps, 0)
    marks = {0, steps}
    decade = 1
    while decade <= steps:
        marks |= {decade * factor for factor in (1, 2, 5) if decade * factor < steps}
        decade *= 10
    return sorted(marks)


def strip(rows: Sequence[Tensor]) -> np.ndarray:
    """Rows of images, each ``(N, 1 or 3, H, W)`` in [-1, 1], as one uint8 picture: ``(rows * H, N * W, 3)``."""
    lines = [np.concatenate(list(to_pictures(row)), axis=1) for row in rows]
    if len({line.shape for line in lines}) != 1:
        raise ValueError(f"the rows of a strip have one size, at least one row; got {[line.shape for line in lines]}")
    return np.concatenate(lines)


def read_frames(path: Path) -> list[np.ndarray]:
    """The frames of an animated picture, uint8 ``(H, W, 3)`` each, for :func:`scrub`."""
    with Image.open(path) as film:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]


class Film:
    """A callback that keeps what a method makes of a few fixed images, at log-spaced steps.

    ``images`` is ``(N, C, H, W)``; ``frames`` fills with uint8 pictures ``(H, N * W, 3)``, side by side. ``translate``
    is called with (method, images) if something other than ``method.translate(images)`` is to be filmed. The frames
    travel in the checkpoints, so that the film of a resumed training is whole.
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


def leaf(name: str, labels: Iterable[str], alt: str, enlarge: int = 2) -> HTML:
    """The film ``book/results/NAME.webp``, made of a sweep's pictures, to leaf through; a sentence if there is none."""
    try:
        path = book_file(f"results/{name}.webp")
    except FileNotFoundError:
        return HTML("<p>These runs have not been made yet, so there are no pictures of them.</p>")
    return scrub(read_frames(path), list(labels), alt, enlarge, shown=0)


def scrub(frames: Sequence[np.ndarray], labels: Sequence[str], alt: str, enlarge: int = 2, *, shown: int = -1) -> HTML:
    """Pictures to leaf through with a slider that needs no kernel: in the book, in Colab, on a phone.

    frames: uint8 ``(H, W, 3)``, all of one size; labels: one short text per frame, read out by screen readers; alt:
    what the rows show, from top to bottom, which stands under the pictures, too; enlarge: pixels of the page per pixel;
    shown: which frame is seen first, by default the last, the end of a training. Without script, and in print, all
    frames stand below each other.
    """
    if len(frames) != len(labels) or not frames:
        raise ValueError(f"{len(frames)} frames but {len(labels)} labels; expected one label per frame, at least one")
    items = []
    for frame, label in zip(frames, labels, strict=True):
        text = html.escape(f"{alt}: {label}", quote=True)
        source = data_uri(frame)  # the page enlarges it, so that it stays small on the way
        items.append(
            f'<figure><img alt="{text}" src="{source}" style="width:100%;image-rendering:pixelated">'
            f"<figcaption>{html.escape(label)}</figcaption></figure>"
        )
    slider = (
        f'<input type="range" min="0" max="{len(frames) - 1}" value="{range(len(frames))[shown]}" hidden '
        f'aria-label="{html.escape(alt, quote=True)}" style="width:100%;height:44px">'
    )
    # for the eye alone: screen readers have it with every frame
    rows = f'<p aria-hidden="true" style="font-size:.9em;margin:0 0 1em">{html.escape(alt)}.</p>'
    width = frames[0].shape[1] * enlarge
    return HTML(f'<div class="i2i-scrub" style="max-width:{width}px">{slider}{"".join(items)}{rows}</div>{_SCRUB}')


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
