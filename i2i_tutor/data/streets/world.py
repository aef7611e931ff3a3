"""Streets by night and by day: endless pictures of different streets, and fixed pairs of the same ones.

The two sides differ in light, as they should, and in what stands in the streets, as two real sets do: by night
houses are low, trees are few and cars drive; by day houses are taller, trees more, and most roads are empty.
Training draws scenes 0 to 2^20 - 1, evaluation scenes from 2^25 on, which no training ever sees. The tuning split has
the scenes from 2^24 to 2^25 - 1; nothing is reported on them.
"""

from typing import Literal, get_args

import numpy as np
import torch

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_whole
from i2i_tutor.data.streams import Stream, to_tensor
from i2i_tutor.data.streets.drawing import LARGEST, SMALLEST, draw
from i2i_tutor.data.streets.scenes import KINDS, Kind

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
    kinds: tuple[Kind, Kind] = ("low", "tall"),
    paired: bool = False,
    ahead: int = 0,
) -> Stream:
    """Endless stream of ``a``, streets by night, and ``b``, other streets by day.

    Both are float32 ``(N, 3, size, size)`` in [-1, 1].

    Args:
        source: "procedural".
        size: side of the images, 16 to 256 pixels.
        kinds: the families of a and b, out of "low" and "tall".
        paired: b shows the streets of a, which is what no unpaired method may know: for a ceiling.
        ahead: batches made in advance in the background.

    Raises:
        ValueError: a wrong argument.
    """
    kinds = _check(source, size, kinds)
    check_whole("batch", batch, 1)
    if not isinstance(paired, bool):
        raise ValueError(f"paired is {paired!r}; expected True or False")

    def make(position: int, rng: np.random.Generator) -> Batch:
        night, day = rng.integers(0, TRAINING_SCENES, (2, batch))
        a, _ = draw(night, size, kinds[0], "night")
        b, _ = draw(night, size, kinds[0], "day") if paired else draw(day, size, kinds[1], "day")
        return {"a": to_tensor(a), "b": to_tensor(b)}

    about = {"world": "streets", "source": source, "size": size, "batch": batch}
    return Stream(make, seed, ahead, about | {"kinds": list(kinds), "paired": paired})


def evaluation(
    source: Source, size: int, *, split: Split = "evaluation", count: int | None = None, kind: Kind = "low"
) -> Batch:
    """The first ``count`` scenes of a fixed set, by default 100; none of them is in the training stream.

    Here, and only here, ``a`` and ``b`` show the same streets: b is the exact day of every night. ``labels``, int64
    ``(N, size, size)``, holds the classes of the pixels, places in ``CLASSES``.

    Args:
        kind: the family of the streets. "low" has the nights that training shows, "tall" its days.

    Raises:
        ValueError: a wrong argument.
    """
    _check(source, size, (kind, kind))
    check_choice("split", split, get_args(Split))
    count = FIXED_SCENES if count is None else check_count(count, FIRST_TUNING_SCENE, "a fixed set of scenes")
    first = FIRST_EVALUATION_SCENE if split == "evaluation" else FIRST_TUNING_SCENE
    scenes = range(first, first + count)
    (a, classes), (b, _) = (draw(scenes, size, kind, light) for light in ("night", "day"))
    return {"a": to_tensor(a), "b": to_tensor(b), "labels": torch.from_numpy(classes.astype(np.int64))}


def _check(source: str, size: int, kinds: tuple[Kind, Kind]) -> tuple[Kind, Kind]:
    check_choice("source", source, SOURCES)
    check_whole("size", size, SMALLEST, LARGEST)
    if isinstance(kinds, str) or len(kinds) != 2:
        raise ValueError(f"kinds is {kinds!r}; expected two of {', '.join(KINDS)}")
    for kind in kinds:
        check_choice("kind", kind, KINDS)
    return kinds[0], kinds[1]
