"""Faces to train on, and fixed faces with all their edits.

Training draws scenes 0 to 2^20 - 1, evaluation scenes from 2^25 on, which no training ever sees. The tuning split has
the scenes from 2^24 to 2^25 - 1; nothing is reported on them.
"""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_whole
from i2i_tutor.data.faces.attributes import ATTRIBUTES, SENSIBLE, edit
from i2i_tutor.data.faces.attributes import labels as labels_of
from i2i_tutor.data.faces.drawing import LARGEST, SMALLEST, check_hard, draw
from i2i_tutor.data.streams import to_tensor

Source = Literal["procedural"]
SOURCES: tuple[str, ...] = get_args(Source)

TRAINING_SCENES = 2**20
FIRST_TUNING_SCENE, FIRST_EVALUATION_SCENE = 2**24, 2**25
FIXED_SCENES = 400  # in a fixed set that nobody asked to be larger
LARGEST_PILE = 4 * 2**30  # bytes
UNRELATED = 0x4641  # mixed into a seed, so that which scenes lie in a pile has nothing to do with their order
APART = 5  # classes between neighbours in a fixed set, so that the first few show much
VISIBLE = 12 / 255  # of the range from black to white: a change below it is the edge of a pixel, not of a thing


def pile(size: int, count: int, seed: int, *, hard: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """The pictures that a training sees and their labels: uint8 ``(count, size, size, 3)`` and float32 ``(count, 5)``.

    Every seed has a pile of its own, of training scenes drawn at random, with replacement: of 4,000 some eight come
    twice. It is kept for the next call and therefore can't be written to.

    Raises:
        ValueError: a wrong argument.
    """
    check_whole("size", size, SMALLEST, LARGEST)
    check_whole("count", count, 1, TRAINING_SCENES)
    check_whole("seed", seed, 0)
    check_hard(hard)
    if (room := count * size * size * 3) > LARGEST_PILE:
        raise ValueError(
            f"a pile of {count} pictures of {size} px takes {room / 2**30:.0f} GB of memory; at most 4 may"
        )
    return _pile(size, count, seed, hard)


@lru_cache(maxsize=2)
def _pile(size: int, count: int, seed: int, hard: bool) -> tuple[np.ndarray, np.ndarray]:
    scenes = np.random.default_rng((seed, UNRELATED)).integers(0, TRAINING_SCENES, count)
    found = draw(scenes, size, hard=hard), labels_of(scenes)
    for array in found:
        array.setflags(write=False)
    return found


def evaluation(
    source: Source, size: int, *, split: Split = "evaluation", count: int | None = None, hard: bool = True
) -> Batch:
    """The first ``count`` scenes of a fixed set, by default 400, of which no training shows any; and the truth.

    - ``image``, float32 ``(N, 3, size, size)`` in [-1, 1].
    - ``label``, float32 ``(N, 5)``: rows of ``SENSIBLE``. Neighbours differ, all 16 come equally often.
    - ``wanted``, float32 ``(N, 5, 5)``: the label after an edit of each attribute.
    - ``counterfactual``, float32 ``(N, 5, 3, size, size)``: the same face after each edit, exactly.
    - ``changed``, float32 ``(N, 5, 1, size, size)``: 1 where an edit visibly changes a pixel, 0 elsewhere.
    - ``asked``, bool ``(N, 5)``: whether the edit changes the label; brown hair is not made brown.

    Raises:
        ValueError: a wrong argument.
    """
    check_choice("source", source, SOURCES)
    check_whole("size", size, SMALLEST, LARGEST)
    check_choice("split", split, get_args(Split))
    check_hard(hard)
    count = FIXED_SCENES if count is None else check_count(count, FIRST_TUNING_SCENE, "a fixed set of scenes")
    first = FIRST_EVALUATION_SCENE if split == "evaluation" else FIRST_TUNING_SCENE
    scenes = np.arange(first, first + count)
    label = SENSIBLE[APART * np.arange(count) % len(SENSIBLE)]
    wanted = np.stack([edit(label, attribute) for attribute in range(len(ATTRIBUTES))], axis=1)
    image = to_tensor(draw(scenes, size, label, hard=hard))
    counterfactual = torch.stack(
        [to_tensor(draw(scenes, size, wanted[:, place], hard=hard)) for place in range(len(ATTRIBUTES))], dim=1
    )
    changed = (counterfactual - image[:, None]).abs().amax(2, keepdim=True) > 2 * VISIBLE
    return {
        "image": image,
        "label": torch.from_numpy(label),
        "wanted": torch.from_numpy(wanted),
        "counterfactual": counterfactual,
        "changed": changed.float(),
        "asked": torch.from_numpy((wanted != label[:, None]).any(2)),
    }
