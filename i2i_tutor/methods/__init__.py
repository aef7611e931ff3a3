"""One file per paper. ``base`` says what a method is: a game played in turns."""

from typing import Any

from i2i_tutor.methods.aggan import AGGAN
from i2i_tutor.methods.base import Method
from i2i_tutor.methods.cyclegan import AdversarialCycleGAN, CycleGAN
from i2i_tutor.methods.dann import DANN
from i2i_tutor.methods.matchgan import MatchGAN, StarGAN
from i2i_tutor.methods.opgan import OPGAN
from i2i_tutor.methods.pix2pix import Pix2Pix
from i2i_tutor.methods.pixelda import PixelDA, TaskAlone
from i2i_tutor.methods.tunit import TUNIT

KNOWN: tuple[type[Method], ...] = (
    Pix2Pix, CycleGAN, AdversarialCycleGAN, OPGAN, StarGAN, MatchGAN, PixelDA, TaskAlone, DANN, AGGAN, TUNIT,
)  # fmt: skip
METHODS = {method.name: method for method in KNOWN}


def build(settings: dict[str, Any]) -> Method:
    """Build an untrained method from what ``Method.settings()`` gave, for example from a checkpoint's manifest."""
    name = settings.get("method")
    if name not in METHODS:
        raise ValueError(f"the method is {name!r}; this version knows {', '.join(METHODS)}")
    method = METHODS[name]
    try:
        return method(method.recipe_type(**settings["recipe"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"the settings of a {name} are incomplete or from another version: {error}") from error
