"""The one training loop: ``play`` takes a step of any method, ``fit`` takes many and can be interrupted and resumed."""

from i2i_tutor.training.checkpoints import CheckpointError
from i2i_tutor.training.fit import fit
from i2i_tutor.training.history import History, TrainingError
from i2i_tutor.training.play import make_optimisers, play
from i2i_tutor.training.precision import arithmetic, autocast, has_native_bf16
from i2i_tutor.training.session import BatchStream, Callback

__all__ = [
    "BatchStream",
    "Callback",
    "CheckpointError",
    "History",
    "TrainingError",
    "arithmetic",
    "autocast",
    "fit",
    "has_native_bf16",
    "make_optimisers",
    "play",
]
