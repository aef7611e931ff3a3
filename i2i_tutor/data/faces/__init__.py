"""A drawn world of faces with few attributes and exact edits: hair colour, sunglasses, beard. Nothing is downloaded."""

from i2i_tutor.data.faces.attributes import ATTRIBUTES, HAIR, SENSIBLE, edit, labels
from i2i_tutor.data.faces.drawing import LARGEST, SMALLEST, draw
from i2i_tutor.data.faces.truth import ground_truth
from i2i_tutor.data.faces.world import (
    FIRST_EVALUATION_SCENE,
    FIRST_TUNING_SCENE,
    SOURCES,
    TRAINING_SCENES,
    Source,
    evaluation,
    pile,
)

__all__ = [
    "ATTRIBUTES",
    "FIRST_EVALUATION_SCENE",
    "FIRST_TUNING_SCENE",
    "HAIR",
    "LARGEST",
    "SENSIBLE",
    "SMALLEST",
    "SOURCES",
    "TRAINING_SCENES",
    "Source",
    "draw",
    "edit",
    "evaluation",
    "ground_truth",
    "labels",
    "pile",
]
