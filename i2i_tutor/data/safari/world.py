"""Horses and zebras: endless pictures of animals in two coats, of different scenes, and fixed pairs of the same scenes.

Training draws scenes 0 to 2^20 - 1, evaluation scenes from 2^25 on, which no training ever sees. The tuning split has
the scenes from 2^24 to 2^25 - 1; nothing is reported on them.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_probability, check_whole
from i2i_tutor.data.safari.coats import COATS
from i2i_tutor.data.safari.drawing import LARGEST, SMALLEST, draw
from i2i_tutor.data.streams import Stream, to_tensor

Source = Literal["procedural"]
SOURCES: tuple[str, ...] = get_args(Source)

TRAINING_SCENES = 2**20
FIRST_TUNING_SCENE, FIRST_EVALUATION_SCENE = 2**24, 2**25
FIXED_SCENES = 100  # in a fixed set that nobody asked to be larger


def train(
    source: Source,
    size: int,
    batch: int,
    seed: int,
    *,
    coats: tuple[str, str] = ("plain", "stripes"),
    meadow: float | tuple[float, float] = 0.5,
    hours: bool = False,
    plants: bool = False,
    ahead: int = 0,
) -> Stream:
    """Endless stream of ``a`` and ``b``, float32 ``(N, 3, size, size)`` in [-1, 1]: different scenes in two coats.

    Args:
        source: "procedural".
        size: side of the images, 16 to 256 pixels.
        coats: those of a and b, out of ``COATS``.
        meadow: share of the scenes that lie on a meadow, the others on savannah; of both sides, or of a and b.
        hours: every scene has its own hour of the day, from dim to bright.
        plants: flowers and grass cover the meadows, straw and stones the savannahs.
        ahead: batches made in advance in the background.

    Raises:
        ValueError: a wrong argument.
    """
    coats = _check(source, size, coats)
    check_whole("batch", batch, 1)
    shares = tuple(meadow) if isinstance(meadow, tuple | list) else (meadow, meadow)
    if len(shares) != 2:
        raise ValueError(f"meadow is {meadow!r}; expected one share, or one for each coat")
    for share in shares:
        check_probability("meadow", share)

    def each(sides: Sequence) -> list:
        return [sides[0]] * batch + [sides[1]] * batch

    def make(position: int, rng: np.random.Generator) -> Batch:
        scenes = rng.integers(0, TRAINING_SCENES, 2 * batch)
        # In one go, which is faster
        images, _ = draw(scenes, size, each(coats), meadow=each(shares), hours=hours, plants=plants)
        return {"a": to_tensor(images[:batch]), "b": to_tensor(images[batch:])}

    about = {"world": "safari", "source": source, "size": size, "batch": batch, "coats": list(coats)}
    return Stream(make, seed, ahead, about | {"meadow": list(shares), "hours": hours, "plants": plants})


def evaluation(
    source: Source,
    size: int,
    *,
    split: Split = "evaluation",
    count: int | None = None,
    coats: tuple[str, str] = ("plain", "stripes"),
    meadow: float = 0.5,
    hours: bool = False,
    plants: bool = False,
) -> Batch:
    """The first ``count`` scenes of a fixed set, by default 100; none of them is in the training stream.

    Here, and only here, ``a`` and ``b`` show the same scenes: each is the other's exact counterfactual. ``mask``,
    float32 ``(N, 1, size, size)``, is 1 on the animal and 0 elsewhere, in either coat.

    Args:
        meadow: share of the scenes that lie on a meadow: 1 for meadows only, 0 for savannah only.

    Raises:
        ValueError: a wrong argument.
    """
    coats = _check(source, size, coats)
    check_choice("split", split, get_args(Split))
    check_probability("meadow", meadow)
    count = FIXED_SCENES if count is None else check_count(count, FIRST_TUNING_SCENE, "a fixed set of scenes")
    first = FIRST_EVALUATION_SCENE if split == "evaluation" else FIRST_TUNING_SCENE
    scenes = range(first, first + count)
    (a, masks), (b, _) = (draw(scenes, size, coat, meadow=meadow, hours=hours, plants=plants) for coat in coats)
    return {"a": to_tensor(a), "b": to_tensor(b), "mask": torch.from_numpy(masks[:, None].astype(np.float32))}


def _check(source: str, size: int, coats: Sequence[str]) -> tuple[str, str]:
    check_choice("source", source, SOURCES)
    check_whole("size", size, SMALLEST, LARGEST)
    if isinstance(coats, str) or len(coats) != 2:
        raise ValueError(f"coats is {coats!r}; expected two of {', '.join(COATS)}")
    for coat in coats:
        check_choice("coat", coat, COATS)
    return coats[0], coats[1]
