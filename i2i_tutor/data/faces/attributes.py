"""The labels of faces: which vectors make sense, which scene has which, and what an edit makes of one."""

from collections.abc import Sequence

import numpy as np

from i2i_tutor.contract import check_whole
from i2i_tutor.data.faces.numbers import label_numbers

ATTRIBUTES = ("black", "blond", "brown", "sunglasses", "beard")
HAIR = 3  # the first three are hair colours; at most one is 1, and if none is, hair is grey

_COUNTED = (np.arange(2 ** len(ATTRIBUTES))[:, None] >> np.arange(len(ATTRIBUTES))[::-1] & 1).astype(np.float32)
SENSIBLE = _COUNTED[_COUNTED[:, :HAIR].sum(1) <= 1]  # (16, 5), in the order of binary numbers
SENSIBLE.setflags(write=False)


def labels(scenes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Labels of scenes, float32 ``(N, 5)``: each a row of ``SENSIBLE``, all equally likely.

    A pure function of the scene's number that has nothing to do with what else the scene shows.

    Raises:
        ValueError: a scene is no whole number of at least 0.
    """
    chance = label_numbers(scene_numbers(scenes))
    return SENSIBLE[np.floor(chance * len(SENSIBLE)).astype(np.int64)]


def edit(labels: np.ndarray, attribute: int) -> np.ndarray:
    """Labels ``(..., 5)`` after an edit: another hair colour in place of the present one, or a flip of anything else.

    Args:
        labels: 0 and 1, as in ``ATTRIBUTES``. They are left as they are.
        attribute: a place in ``ATTRIBUTES``. Setting a hair colour that is there already changes nothing.

    Raises:
        ValueError: a wrong argument.
    """
    check_whole("attribute", attribute, 0, len(ATTRIBUTES) - 1)
    edited = np.array(labels, np.float32)
    if not edited.ndim or edited.shape[-1] != len(ATTRIBUTES):
        raise ValueError(f"labels have the shape {edited.shape}; expected (..., {len(ATTRIBUTES)})")
    if attribute < HAIR:
        edited[..., :HAIR] = 0
        edited[..., attribute] = 1
    else:
        edited[..., attribute] = 1 - edited[..., attribute]
    return edited


def class_of(labels: np.ndarray) -> np.ndarray:
    """Which row of ``SENSIBLE`` each of the labels ``(N, 5)`` is, int64 ``(N,)``; -1 if it is none."""
    same = (labels[:, None] == SENSIBLE).all(2)
    return np.where(same.any(1), same.argmax(1), -1)


def scene_numbers(scenes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Scenes as an array, checked."""
    numbers = np.asarray(scenes)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ValueError(f"scenes are {scenes!r}; expected a row of whole numbers")
    if numbers.size and numbers.min() < 0:
        raise ValueError(f"scenes contain {numbers.min()}; expected 0 or more")
    return numbers
