"""The ground truth of the streets: pictures by day with the class of every pixel."""

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from i2i_tutor.contract import Batch, check_whole
from i2i_tutor.data.streams import Stream, to_tensor
from i2i_tutor.data.streets.drawing import LARGEST, SMALLEST, draw
from i2i_tutor.data.streets.scenes import CLASSES, KINDS
from i2i_tutor.data.streets.world import FIRST_EVALUATION_SCENE, TRAINING_SCENES
from i2i_tutor.data.truth import GroundTruth

HELD_OUT = 100  # pictures


def ground_truth(size: int) -> GroundTruth:
    """Streets of both families by day with the class of every pixel, for a judge that reads translated nights.

    The classes are ``CLASSES``. It learns from the training scenes, in pictures whose contrast, tone and grain vary a
    little, since no translation is as clean as a drawing. It is tested on the first 100 scenes of ``evaluation``, each
    in one family, in turn, drawn as they are.
    """
    check_whole("size", size, SMALLEST, LARGEST)
    code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return GroundTruth(
        name=f"streets-procedural-{size}",
        size=size,
        classes=len(CLASSES),
        train=partial(_labelled, size),
        held_out=partial(_held_out, size),
        fingerprint=hashlib.sha256(code).hexdigest(),
    )


def _labelled(size: int, batch: int, seed: int) -> Stream:
    def make(position: int, rng: np.random.Generator) -> Batch:
        scenes = rng.integers(0, TRAINING_SCENES, batch)
        found = _by_day(scenes, rng.integers(0, len(KINDS), batch), size)
        found["image"] = _varied(found["image"], rng)
        return found

    return Stream(make, seed)


def _varied(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Other contrasts and tones, and grain, within [-1, 1]."""
    count = len(images)
    contrast, tone = rng.normal(1, 0.1, (count, 1, 1, 1)), rng.normal(0, 0.08, (count, 3, 1, 1))
    grain = rng.uniform(0, 0.1, (count, 1, 1, 1)) * rng.normal(size=images.shape)
    return (images * torch.from_numpy(contrast) + torch.from_numpy(tone + grain)).clamp(-1, 1).float()


def _held_out(size: int) -> Batch:
    numbers = np.arange(HELD_OUT)
    return _by_day(FIRST_EVALUATION_SCENE + numbers, numbers % len(KINDS), size)


def _by_day(scenes: np.ndarray, kinds: np.ndarray, size: int) -> Batch:
    images, classes = draw(scenes, size, [KINDS[kind] for kind in kinds], "day")
    return {"image": to_tensor(images), "label": torch.from_numpy(classes.astype(np.int64))}
