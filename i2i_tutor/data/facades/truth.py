"""The ground truth of the façade world: photographs with the class of every pixel."""

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import torch

from i2i_tutor.data.facades.drawing import CLASSES, draw, to_labels
from i2i_tutor.data.facades.world import TRAINING_HOUSES, TRAINING_PHOTOS, Source, _cmp_items, evaluation
from i2i_tutor.data.folders import Shelf, check_sizes, read_pair
from i2i_tutor.data.streams import Batch, Stream, epoch_indices, to_tensor
from i2i_tutor.data.truth import GroundTruth

HELD_OUT = 100  # photographs


def ground_truth(source: Source, size: int) -> GroundTruth:
    """Photographs and label maps, for a judge that reads façades of this source and size.

    It learns from the houses of ``train``, drawn ones photographed by day in every variety, so that one judge reads
    them all, and is tested on the first 100 of ``evaluation``. The fingerprint is of all the code that draws or reads
    them.
    """

    def held_out() -> Batch:
        views = evaluation(source=source, size=size, count=HELD_OUT)
        return {"image": views["target"], "label": views["labels"]}

    code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return GroundTruth(
        name=f"facades-{source}-{size}",
        size=size,
        classes=len(CLASSES),
        train=partial(_procedural if source == "procedural" else _cmp, size),
        held_out=held_out,
        fingerprint=hashlib.sha256(code).hexdigest(),
    )


def _procedural(size: int, batch: int, seed: int) -> Stream:
    def make(position: int, rng: np.random.Generator) -> Batch:
        houses = rng.integers(0, TRAINING_HOUSES, batch)
        labels, photos = draw(houses, size, photo=int(rng.integers(0, TRAINING_PHOTOS)), variety=rng.random())
        return _batch(photos, labels)

    return Stream(make, seed)


def _cmp(size: int, batch: int, seed: int) -> Stream:
    shelf = Shelf(_cmp_items("train"), check_sizes(size, batch, None), read_pair)

    def make(position: int, rng: np.random.Generator) -> Batch:
        photos, maps = shelf.batch(epoch_indices(position, batch, len(shelf), seed), size, rng)
        return _batch(photos, to_labels(maps))

    return Stream(make, seed)


def _batch(photos: np.ndarray, labels: np.ndarray) -> Batch:
    return {"image": to_tensor(photos), "label": torch.from_numpy(labels.astype(np.int64))}
