"""The ground truth of the animals: pictures with the coat of every pixel."""

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import torch

from i2i_tutor.contract import Batch, check_whole
from i2i_tutor.data.safari.coats import COATS
from i2i_tutor.data.safari.drawing import LARGEST, SMALLEST, draw
from i2i_tutor.data.safari.world import FIRST_EVALUATION_SCENE, TRAINING_SCENES
from i2i_tutor.data.streams import Stream, to_tensor
from i2i_tutor.data.truth import GroundTruth

CLASSES = ("background", *COATS)  # of the pixels
HELD_OUT = 100  # pictures


def ground_truth(size: int, *, plants: bool = False) -> GroundTruth:
    """Pictures in random coats with the class of every pixel, for a judge that reads the coats.

    The classes are ``CLASSES``: 0 is the background, 1 to 4 are animals in the coats of ``COATS``. It learns from the
    training scenes and is tested on the first 100 of ``evaluation``, each in one coat, in turn. With ``plants`` the
    ground is covered with them.
    """
    check_whole("size", size, SMALLEST, LARGEST)
    code = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return GroundTruth(
        name=f"safari-procedural-{size}" + "-plants" * plants,
        size=size,
        classes=len(CLASSES),
        train=partial(_labelled, size, plants),
        held_out=partial(_held_out, size, plants),
        fingerprint=hashlib.sha256(code).hexdigest(),
    )


def _labelled(size: int, plants: bool, batch: int, seed: int) -> Stream:
    def make(position: int, rng: np.random.Generator) -> Batch:
        scenes, coats = rng.integers(0, TRAINING_SCENES, batch), rng.integers(0, len(COATS), batch)
        return _with_classes(scenes, coats, size, plants)

    return Stream(make, seed)


def _held_out(size: int, plants: bool) -> Batch:
    numbers = np.arange(HELD_OUT)
    return _with_classes(FIRST_EVALUATION_SCENE + numbers, numbers % len(COATS), size, plants)


def _with_classes(scenes: np.ndarray, coats: np.ndarray, size: int, plants: bool) -> Batch:
    images, masks = draw(scenes, size, [COATS[coat] for coat in coats], plants=plants)
    return {"image": to_tensor(images), "label": torch.from_numpy(masks * (1 + coats[:, None, None].astype(np.int64)))}
