"""The façade world: houses drawn by procedure, and the CMP façades of the pix2pix paper, behind one contract."""

from i2i_tutor.data.facades.drawing import CLASSES, COLOURS, LIGHTS, VARIETY, Light, colourise, draw, to_labels
from i2i_tutor.data.facades.truth import ground_truth
from i2i_tutor.data.facades.world import (
    EVALUATION_PHOTO,
    FIRST_EVALUATION_HOUSE,
    FIRST_TUNING_HOUSE,
    SOURCES,
    TASKS,
    TRAINING_HOUSES,
    TRAINING_PHOTOS,
    Source,
    Task,
    evaluation,
    painted,
    train,
)

__all__ = [
    "CLASSES",
    "COLOURS",
    "EVALUATION_PHOTO",
    "FIRST_EVALUATION_HOUSE",
    "FIRST_TUNING_HOUSE",
    "LIGHTS",
    "SOURCES",
    "TASKS",
    "TRAINING_HOUSES",
    "TRAINING_PHOTOS",
    "VARIETY",
    "Light",
    "Source",
    "Task",
    "colourise",
    "draw",
    "evaluation",
    "ground_truth",
    "painted",
    "to_labels",
    "train",
]
