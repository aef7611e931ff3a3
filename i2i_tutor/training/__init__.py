"""The one training loop: ``play`` takes a step of any method, ``fit`` takes many and can be interrupted and resumed."""

from i2i_tutor.training.fit import BatchStream, Callback, History, TrainingError, fit
from i2i_tutor.training.play import make_optimisers, play
from i2i_tutor.training.precision import autocast, has_native_bf16

__all__ = [
    "BatchStream",
    "Callback",
    "History",
    "TrainingError",
    "autocast",
    "fit",
    "has_native_bf16",
    "make_optimisers",
    "play",
]
