"""Rendered objects with known masks, and the same kinds of object "photographed": the adaptation that needs a mask.

The source is a renderer's: evenly lit objects of any hue, on black or on natural backgrounds, with the mask that a
renderer always knows. The target looks like photographs: dim uneven light, noise, natural backgrounds. An object's
class is its shape; its hue is free, so whether a translation keeps it is up to the translation. No download is needed:
the backgrounds are scikit-learn's two photographs, one for the source, the other for the target.
"""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from matplotlib.colors import hsv_to_rgb
from torch import Tensor

from i2i_tutor.contract import Batch, Split, check_choice, check_whole
from i2i_tutor.data import adaptation
from i2i_tutor.data.adaptation import LabelledSet
from i2i_tutor.data.streams import Stream, to_tensor

Source = Literal["objects_black", "objects_natural"]
Look = Literal["source", "target"]
SOURCES: tuple[str, ...] = get_args(Source)
CLASSES = ("disc", "square", "triangle", "ring", "cross", "half disc")

SEED = 43  # of the fixed sets; never a run's seed
COUNTS = {"source": 3000, "train": 2000, "tuning": 400, "evaluation": 600}
SMALLEST, LARGEST = 16, 64  # pixels
SOFTNESS = 1.5  # pixels over which an edge fades
SATURATION, VALUE = 0.8, 0.95  # of every object; its hue is free


def train(
    source: Source,
    size: int,
    batch: int,
    seed: int,
    *,
    classes: int | None = None,
    ahead: int = 0,
) -> Stream:
    """Endless stream of labelled, masked renderings and unlabelled photographs; keys in ``adaptation_stream``.

    Args:
        source: what stands behind the rendered objects.
        size: side of the images, 16 to 64 pixels.
        classes: leave out the classes from this one on, on both sides.
        ahead: batches made in advance in the background.
    """
    _check(source, size)
    left = _pictures(source, size, "source").first_classes(classes)
    right = _pictures("photograph", size, "train").first_classes(classes)
    about = {"world": source, "size": size, "batch": batch, "classes": classes}
    return adaptation.adaptation_stream(left, right, batch, seed, ahead, about)


def labelled(source: Source, size: int, batch: int, seed: int, *, look: Look = "source", ahead: int = 0) -> Stream:
    """Endless stream of ``image`` and ``label``: renderings ("source") or the training photographs ("target")."""
    _check(source, size)
    check_choice("look", look, get_args(Look))
    pictures = _pictures(source, size, "source") if look == "source" else _pictures("photograph", size, "train")
    about = {"world": source, "look": look, "size": size, "batch": batch}
    return adaptation.labelled_stream(pictures, batch, seed, ahead, about)


def unlabelled(source: Source, size: int) -> Tensor:
    """Every target image that ``train`` shows, ``(N, 3, size, size)`` in [-1, 1]."""
    _check(source, size)
    return to_tensor(_pictures("photograph", size, "train").images)


def evaluation(source: Source, size: int, *, split: Split = "evaluation", count: int | None = None) -> Batch:
    """Objects that no training has seen; renderings and photographs show different ones.

    Returns what ``adaptation.fixed_batch`` lists, of each side the first ``count`` (by default all).
    """
    _check(source, size)
    check_choice("split", split, get_args(Split))
    return adaptation.fixed_batch(_pictures(source, size, split), _pictures("photograph", size, split), count)


def _check(source: str, size: int) -> None:
    check_choice("source", source, SOURCES)
    check_whole("size", size, SMALLEST, LARGEST)


@lru_cache(maxsize=8)
def _pictures(kind: str, size: int, split: str) -> LabelledSet:
    """A fixed set: "objects_black", "objects_natural" or "photograph"."""
    count = COUNTS[split]
    rng = np.random.default_rng((SEED, size, *f"{kind} {split}".encode()))
    labels = rng.integers(0, len(CLASSES), count)
    cover = shapes(labels, size, rng)  # (N, S, S) in 0..1
    colours = np.column_stack([rng.random(count), np.full(count, SATURATION), np.full(count, VALUE)])
    paint = hsv_to_rgb(colours)[:, None, None, :]  # (N, 1, 1, 3) in 0..1
    photographs = adaptation.bundled_photographs(
        "train" if split == "source" else split, ["china.jpg"] if kind == "photograph" else ["flower.jpg"]
    )
    behind = adaptation.crops(photographs, count, size, rng) / 255.0
    light = adaptation.is_light(behind * 255)
    if kind == "objects_black":
        behind, light = np.zeros_like(behind), np.zeros(count, bool)
    if kind == "photograph":  # a lamp at the side, and a camera's noise
        paint = paint * _lamp(count, size, rng)
    pixels = cover[..., None] * paint + (1 - cover[..., None]) * behind
    if kind == "photograph":
        pixels = pixels + rng.normal(0, 0.03, pixels.shape)
    images = np.rint(pixels * 255).clip(0, 255).astype(np.uint8)
    return LabelledSet(images, labels.astype(np.int64), cover > 0.5, light)


def shapes(labels: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """How much of every pixel an object covers, ``(N, size, size)`` in 0..1: place, scale and angle are drawn.

    labels: N class numbers of ``CLASSES``. An object spans 55 to 80 % of the image.
    """
    count = len(labels)
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    centre = rng.uniform(-0.15, 0.15, (2, count, 1, 1))
    radius = rng.uniform(0.55, 0.8, (count, 1, 1))
    angle = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    x, y = (axis[None, None, :] - centre[0]) / radius, (axis[None, :, None] - centre[1]) / radius
    x, y = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    distance = np.hypot(x, y)
    # Signed distances to the outline, about: negative inside, in units of the radius
    outlines = [
        distance - 0.95,
        np.maximum(abs(x), abs(y)) - 0.75,
        np.maximum(y - 0.5, 0.866 * abs(x) - 0.5 * y - 0.5),
        abs(distance - 0.7) - 0.25,
        np.maximum(np.minimum(abs(x), abs(y)) - 0.25, np.maximum(abs(x), abs(y)) - 0.9),
        np.maximum(distance - 0.95, -y),
    ]
    outline = np.choose(labels[:, None, None], outlines)
    return np.clip(0.5 - outline * radius * size / 2 / SOFTNESS, 0, 1)


def _lamp(count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Light that falls off towards one side, ``(N, S, S, 1)``: dimmer than the renderer's everywhere."""
    axis = np.linspace(-1, 1, size)
    angle = rng.uniform(0, 2 * np.pi, (count, 1, 1))
    slope = (np.cos(angle) * axis[None, None, :] + np.sin(angle) * axis[None, :, None]) / np.sqrt(2)
    return (rng.uniform(0.4, 0.7, (count, 1, 1)) * (1 + 0.4 * slope))[..., None]
