"""A drawn world of streets by night and by day, with the exact day of every night. Nothing is downloaded."""

from i2i_tutor.data.streets.drawing import draw
from i2i_tutor.data.streets.scenes import CLASSES, FAMILIES, Family, scene
from i2i_tutor.data.streets.truth import ground_truth
from i2i_tutor.data.streets.world import (
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
    "FAMILIES",
    "FIRST_EVALUATION_SCENE",
    "FIRST_TUNING_SCENE",
    "SOURCES",
    "TRAINING_SCENES",
    "Family",
    "Source",
    "draw",
    "evaluation",
    "ground_truth",
    "scene",
    "train",
]
