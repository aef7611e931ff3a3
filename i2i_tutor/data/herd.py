"""A herd of animals in four coats, and nobody says which: the drawn world of translation without labels.

The animals, coats, grounds and plants are those of ``safari``. An image's domain is its coat, and it is hidden: the
stream shows pictures and nothing else. All that varies besides is content: pose and direction, place and size of the
animal, hills, sky, and the hour of the day, which dims and tints the whole picture. The hour matters: without it the
features of an untrained network, sorted by k-means, tell the coats apart already; with it they tell the hours. So does
the ground: if half of the scenes lie on savannah (``meadow=0.5``), there are two things that come in kinds, and a
network that is free to choose sorts by the ground as well.
"""

import hashlib
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_probability, check_whole
from i2i_tutor.data import safari, views
from i2i_tutor.data.safari.animal import LIKELY
from i2i_tutor.data.safari.numbers import DIRECTION, GROUND, HOUR, POSE, random_numbers
from i2i_tutor.data.streams import Stream, epoch_indices, to_tensor
from i2i_tutor.data.truth import GroundTruth

Source = Literal["procedural"]
SOURCES: tuple[str, ...] = get_args(Source)
SMALLEST, LARGEST = 16, 256  # pixels, as in safari
FIXED_SCENES = 400  # in a fixed set that nobody asked to be larger
PILE = 2000  # pictures
UNRELATED = 0x4E4D  # mixed into a seed, so that which scenes lie in a pile has nothing to do with their order
LARGEST_PILE = 4 * 2**30  # bytes


def train(
    source: Source,
    size: int,
    batch: int,
    seed: int,
    *,
    strong: str = "animals",
    pile: int = PILE,
    meadow: float = 1.0,
    hours: bool = True,
    plants: bool = False,
    ahead: int = 0,
) -> Stream:
    """Endless stream of ``image``, and of ``strong``, another view of each: float32 ``(N, 3, size, size)`` in [-1, 1].

    The pile is drawn at the first batch; every seed has its own. It is reshuffled in every epoch, images are mirrored
    at random.

    Args:
        source: "procedural".
        size: side of the images, 16 to 256 pixels.
        strong: what the strong views may do, one of ``views.STRENGTHS``.
        pile: how many pictures there are.
        meadow: share of the scenes that lie on a meadow, the others on savannah.
        hours: every scene has its own hour of the day, from dim to bright; without, all have the same light.
        plants: flowers and grass cover the meadows, straw and stones the savannahs.
        ahead: batches made in advance in the background.

    Raises:
        ValueError: a wrong argument.
    """
    _check(source, size, strong)
    check_whole("batch", batch, 1)
    check_whole("pile", pile, 2, safari.TRAINING_SCENES)
    check_whole("seed", seed, 0)
    check_probability("meadow", meadow)
    for name, value in {"hours": hours, "plants": plants}.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; expected True or False")
    if (room := pile * size * size * 3) > LARGEST_PILE:
        raise ValueError(f"a pile of {pile} pictures of {size} px takes {room / 2**30:.0f} GB of memory; at most 4 may")

    def make(position: int, rng: np.random.Generator) -> Batch:
        images = _pile(size, pile, seed, meadow, hours, plants)[epoch_indices(position, batch, pile, seed)]
        return views.two(to_tensor(images), strong, rng)

    about = {"world": "herd", "source": source, "size": size, "batch": batch, "strong": strong, "pile": pile}
    return Stream(make, seed, ahead, about | {"meadow": meadow, "hours": hours, "plants": plants})


def evaluation(
    source: Source,
    size: int,
    *,
    split: Split = "evaluation",
    count: int | None = None,
    strong: str = "animals",
    meadow: float = 1.0,
    hours: bool = True,
    plants: bool = False,
) -> Batch:
    """The first ``count`` scenes of a fixed set, by default 400, of which no training shows any; and the truth.

    Besides ``image`` and ``strong``, as in ``train`` but never mirrored (the image):

    - ``domain``, int64 ``(N,)``: the coat, a place in ``safari.COATS``. Neighbours have different coats, all four come
      equally often.
    - ``counterfactual``, float32 ``(N, 4, 3, size, size)``: the same scene in each of the coats, exactly.
    - ``mask``, float32 ``(N, 1, size, size)``: 1 on the animal, 0 elsewhere, in any coat.
    - ``pose`` (4 kinds), ``direction`` (2), ``ground`` (0 a meadow, 1 savannah) and ``hour`` (4 quarters, from dark to
      bright), int64 ``(N,)``: content that clusters could be made of instead.

    Raises:
        ValueError: a wrong argument.
    """
    _check(source, size, strong)
    check_choice("split", split, get_args(Split))
    check_probability("meadow", meadow)
    count = FIXED_SCENES if count is None else check_count(count, safari.FIRST_TUNING_SCENE, "a fixed set of scenes")
    first = safari.FIRST_EVALUATION_SCENE if split == "evaluation" else safari.FIRST_TUNING_SCENE
    scenes = np.arange(first, first + count)
    coats = torch.arange(count) % len(safari.COATS)
    drawn = [safari.draw(scenes, size, coat, meadow=meadow, hours=hours, plants=plants) for coat in safari.COATS]
    counterfactual = torch.stack([to_tensor(images) for images, _ in drawn], dim=1)  # (N, 4, 3, S, S)
    image = counterfactual[torch.arange(count), coats]
    return {
        "image": image,
        "strong": views.strong(image, views.STRENGTHS[strong], np.random.default_rng((views.FIXED, first))),
        "domain": coats,
        "counterfactual": counterfactual,
        "mask": torch.from_numpy(drawn[0][1][:, None].astype(np.float32)),
        **_content(scenes, meadow),
    }


def ground_truth(size: int, *, pixels: bool = False, plants: bool = False) -> GroundTruth:
    """Pictures in random coats on both grounds at all hours, with their coats, for a judge.

    The classes are those of ``safari.COATS``, of the whole image; with ``pixels`` those of ``safari.CLASSES`` (0 is the
    background), of every pixel. It learns from the training scenes and is tested on 100 of the
    evaluation's.
    """
    check_whole("size", size, SMALLEST, LARGEST)
    folder = Path(safari.__file__).parent
    code = b"".join(path.read_bytes() for path in [*sorted(folder.glob("*.py")), Path(__file__)])
    return GroundTruth(
        name=f"herd-procedural-{size}" + "-pixels" * pixels + "-plants" * plants,
        size=size,
        classes=len(safari.CLASSES) if pixels else len(safari.COATS),
        train=partial(_labelled, size, pixels, plants),
        held_out=partial(_held_out, size, pixels, plants),
        fingerprint=hashlib.sha256(code).hexdigest(),
    )


def _labelled(size: int, pixels: bool, plants: bool, batch: int, seed: int) -> Stream:
    def make(position: int, rng: np.random.Generator) -> Batch:
        scenes = rng.integers(0, safari.TRAINING_SCENES, batch)
        return _with_truth(scenes, rng.integers(0, len(safari.COATS), batch), size, pixels, plants)

    return Stream(make, seed)


def _held_out(size: int, pixels: bool, plants: bool) -> Batch:
    numbers = np.arange(100)
    return _with_truth(safari.FIRST_EVALUATION_SCENE + numbers, numbers % len(safari.COATS), size, pixels, plants)


def _with_truth(scenes: np.ndarray, coats: np.ndarray, size: int, pixels: bool, plants: bool) -> Batch:
    images, masks = safari.draw(scenes, size, [safari.COATS[coat] for coat in coats], hours=True, plants=plants)
    label = masks * (1 + coats[:, None, None]) if pixels else coats
    return {"image": to_tensor(images), "label": torch.from_numpy(label.astype(np.int64))}


@lru_cache(maxsize=2)
def _pile(size: int, count: int, seed: int, meadow: float, hours: bool, plants: bool) -> np.ndarray:
    """The pictures that a training sees, uint8 ``(count, size, size, 3)``, coats drawn at random."""
    rng = np.random.default_rng((seed, UNRELATED))
    scenes = rng.integers(0, safari.TRAINING_SCENES, count)
    coats = [safari.COATS[coat] for coat in rng.integers(0, len(safari.COATS), count)]
    return safari.draw(scenes, size, coats, meadow=meadow, hours=hours, plants=plants)[0]


def _content(scenes: np.ndarray, meadow: float) -> Batch:
    chance = random_numbers(scenes)[..., 0, 0]  # (numbers, N) in [0, 1)
    kinds = {
        "pose": np.searchsorted(np.array(LIKELY), chance[POSE], side="right"),
        "direction": chance[DIRECTION] >= 0.5,
        "ground": chance[GROUND] >= meadow,
        "hour": np.floor(4 * chance[HOUR]),
    }
    return {name: torch.from_numpy(kind.astype(np.int64)) for name, kind in kinds.items()}


def _check(source: str, size: int, strong: str) -> None:
    check_choice("source", source, SOURCES)
    check_whole("size", size, SMALLEST, LARGEST)
    check_choice("strong", strong, tuple(views.STRENGTHS))
