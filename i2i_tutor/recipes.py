"""All methods' numbers side by side, as one readable table."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from i2i_tutor.methods.base import Recipe
from i2i_tutor.methods.cyclegan import RECIPES as CYCLEGAN
from i2i_tutor.methods.pix2pix import RECIPES as PIX2PIX
from i2i_tutor.methods.pixelda import RECIPES as PIXELDA

RECIPES: dict[str, Mapping[str, Recipe]] = {"pix2pix": PIX2PIX, "cyclegan": CYCLEGAN, "pixelda": PIXELDA}


def table(method: str) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of a method's numbers: one row per number, one column per profile."""
    if method not in RECIPES:
        raise ValueError(f"there is no method {method!r}; expected one of {', '.join(RECIPES)}")
    profiles = RECIPES[method]
    columns = {profile: asdict(recipe) for profile, recipe in profiles.items()}
    names = list(next(iter(columns.values())))
    return ["number", *columns], [[name, *(column[name] for column in columns.values())] for name in names]
