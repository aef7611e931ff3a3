"""The ground truth of the faces: pictures with the class of their label."""

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import torch

from i2i_tutor.contract import Batch, check_whole
from i2i_tutor.data.faces.attributes import SENSIBLE
from i2i_tutor.data.faces.drawing import LARGEST, SMALLEST, check_hard, draw
from i2i_tutor.data.faces.world import APART, FIRST_EVALUATION_SCENE, TRAINING_SCENES
from i2i_tutor.data.streams import Stream, to_tensor
from i2i_tutor.data.truth import GroundTruth

HELD_OUT = 400  # pictures


def ground_truth(size: int, *, hard: bool = True) -> GroundTruth:
    """Faces and which row of ``SENSIBLE`` their label is, for a judge of 16 classes.

    It learns from the training scenes, each with any label, and is tested on the first 400 of ``evaluation``.
    """
    check_whole("size", size, SMALLEST, LARGEST)
    check_hard(hard)
    code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return GroundTruth(
        name=f"faces-procedural-{size}" + "-easy" * (not hard),
        size=size,
        classes=len(SENSIBLE),
        train=partial(_labelled, size, hard),
        held_out=partial(_held_out, size, hard),
        fingerprint=hashlib.sha256(code).hexdigest(),
    )


def _labelled(size: int, hard: bool, batch: int, seed: int) -> Stream:
    def make(position: int, rng: np.random.Generator) -> Batch:
        scenes = rng.integers(0, TRAINING_SCENES, batch)
        return _with_classes(scenes, rng.integers(0, len(SENSIBLE), batch), size, hard)

    return Stream(make, seed)


def _held_out(size: int, hard: bool) -> Batch:
    numbers = np.arange(HELD_OUT)
    return _with_classes(FIRST_EVALUATION_SCENE + numbers, APART * numbers % len(SENSIBLE), size, hard)


def _with_classes(scenes: np.ndarray, classes: np.ndarray, size: int, hard: bool) -> Batch:
    images = draw(scenes, size, SENSIBLE[classes], hard=hard)
    return {"image": to_tensor(images), "label": torch.from_numpy(classes.astype(np.int64))}
