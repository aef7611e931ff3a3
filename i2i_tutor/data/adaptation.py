"""What the worlds of domain adaptation share: labelled sets, their two kinds of stream, and pieces of photographs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from i2i_tutor.contract import Batch, check_count, check_whole
from i2i_tutor.data.images import DataError
from i2i_tutor.data.streams import Stream, epoch_indices, to_tensor

STRIP = 80  # pixels: the bundled photographs are cut into upright strips of this width
STRIPS = {"train": (0, 1, 3, 4, 7), "tuning": (5,), "evaluation": (2, 6)}  # so that each split has all kinds of ground
UNRELATED = 0x7A46E7  # mixed into the seed of the target's order, so that no source meets the same targets twice


@dataclass(frozen=True)
class LabelledSet:
    """Pictures with their truth.

    Attributes:
        images: uint8 ``(N, S, S, 3)``.
        labels: int64 ``(N,)``.
        masks: bool ``(N, S, S)``, the foreground; None if it is unknown.
        light: bool ``(N,)``, whether the background is lighter than mid grey; None if there is none.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None = None
    light: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray | slice) -> "LabelledSet":
        """The pictures with these indices."""
        some = [None if field is None else field[indices] for field in (self.masks, self.light)]
        return LabelledSet(self.images[indices], self.labels[indices], *some)

    def first_classes(self, count: int | None) -> "LabelledSet":
        """The pictures of the classes 0 to ``count - 1``; all if it is None."""
        if count is None:
            return self
        check_whole("classes", count, 1, int(self.labels.max()) + 1)
        return self.take(np.flatnonzero(self.labels < count))


def adaptation_stream(
    source: LabelledSet, target: LabelledSet, batch: int, seed: int, ahead: int, about: dict[str, Any]
) -> Stream:
    """Endless batches of ``source``, ``source_label``, ``source_mask`` and ``target``, each side shuffled by itself.

    Images are float32 ``(batch, 3, S, S)`` in [-1, 1], labels int64 ``(batch,)``, masks float32 ``(batch, 1, S, S)`` of
    0 and 1. The target's labels stay behind: no loss can reach them.
    """

    check_whole("batch", batch, 1)

    def make(position: int, rng: np.random.Generator) -> Batch:
        some = source.take(epoch_indices(position, batch, len(source), seed))
        others = epoch_indices(position, batch, len(target), seed ^ UNRELATED)
        assert some.masks is not None
        return {
            "source": to_tensor(some.images),
            "source_label": torch.from_numpy(some.labels),
            "source_mask": mask_tensor(some.masks),
            "target": to_tensor(target.images[others]),
        }

    return Stream(make, seed, ahead, about)


def labelled_stream(
    pictures: LabelledSet,
    batch: int,
    seed: int,
    ahead: int,
    about: dict[str, Any],
    change: Callable[[LabelledSet, np.random.Generator], np.ndarray] | None = None,
) -> Stream:
    """Endless batches of ``image`` and ``label``; ``change`` may make new uint8 images of the drawn ones."""
    check_whole("batch", batch, 1)

    def make(position: int, rng: np.random.Generator) -> Batch:
        some = pictures.take(epoch_indices(position, batch, len(pictures), seed))
        images = some.images if change is None else change(some, rng)
        return {"image": to_tensor(images), "label": torch.from_numpy(some.labels)}

    return Stream(make, seed, ahead, about)


def fixed_batch(source: LabelledSet, target: LabelledSet, count: int | None) -> Batch:
    """The first ``count`` pictures of either side (None: all), with the truth about both.

    ``source``, ``source_label``, ``source_mask`` and ``target`` as in ``adaptation_stream``, ``target_label``, and, if
    the target has backgrounds, ``target_mask``, like the source's, and ``target_light``: bool ``(N,)``, whether the
    background is lighter than mid grey.
    """
    check_count(count, min(len(source), len(target)), "the fixed set")
    source, target = source.take(slice(count)), target.take(slice(count))
    assert source.masks is not None
    batch = {
        "source": to_tensor(source.images),
        "source_label": torch.from_numpy(source.labels),
        "source_mask": mask_tensor(source.masks),
        "target": to_tensor(target.images),
        "target_label": torch.from_numpy(target.labels),
    }
    if target.light is not None:
        assert target.masks is not None
        batch |= {"target_mask": mask_tensor(target.masks), "target_light": torch.from_numpy(target.light)}
    return batch


def mask_tensor(masks: np.ndarray) -> Tensor:
    """bool ``(N, S, S)`` → float32 ``(N, 1, S, S)``."""
    return torch.from_numpy(masks[:, None].astype(np.float32))


def bundled_photographs(split: str, names: Sequence[str] = ("china.jpg", "flower.jpg")) -> list[np.ndarray]:
    """Strips of the two photographs that come with scikit-learn, uint8 ``(H, W, 3)``; the splits share no pixel."""
    from sklearn.datasets import load_sample_image  # here, because scikit-learn takes a second to import

    return [
        photo[:, STRIP * strip : STRIP * (strip + 1)]
        for photo in map(load_sample_image, names)
        for strip in STRIPS[split]
    ]


def crops(photographs: Sequence[np.ndarray], count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` squares ``(count, size, size, 3)`` from anywhere in the photographs, every one equally likely to serve.

    Raises DataError if a photograph is smaller than ``size``.
    """
    for photograph in photographs:
        if min(photograph.shape[:2]) < size:
            raise DataError(
                f"a photograph of {photograph.shape[1]}x{photograph.shape[0]} px has no square of {size} px"
            )
    squares = np.empty((count, size, size, 3), np.uint8)
    for number, which in enumerate(rng.integers(0, len(photographs), count)):
        photograph = photographs[which]
        top = rng.integers(0, photograph.shape[0] - size + 1)
        left = rng.integers(0, photograph.shape[1] - size + 1)
        squares[number] = photograph[top : top + size, left : left + size]
    return squares


def is_light(backgrounds: np.ndarray) -> np.ndarray:
    """Whether squares ``(N, S, S, 3)`` uint8 are on average lighter than mid grey: bool ``(N,)``."""
    return backgrounds.mean(axis=(1, 2, 3)) > 127.5
