"""A drawn world of animals in a landscape: horses, zebras, and two coats more. Nothing is downloaded."""

from i2i_tutor.data.safari.coats import COATS, Coat
from i2i_tutor.data.safari.drawing import draw
from i2i_tutor.data.safari.landscape import GROUNDS, Ground
from i2i_tutor.data.safari.truth import CLASSES, ground_truth
from i2i_tutor.data.safari.world import (
    FIRST_EVALUATION_SCENE,
    FIRST_TUNING_SCENE,
    SOURCES,
    TRAINING_SCENES,
    Source,
    evaluation,
    train,
)

__all__ = [
    "CLASSES",
    "COATS",
    "FIRST_EVALUATION_SCENE",
    "FIRST_TUNING_SCENE",
    "GROUNDS",
    "SOURCES",
    "TRAINING_SCENES",
    "Coat",
    "Ground",
    "Source",
    "draw",
    "evaluation",
    "ground_truth",
    "train",
]
