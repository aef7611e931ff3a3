"""A procedural façade world in the 12 classes of the CMP façade database: label maps, and photographs of them.

House number ``index`` is a pure function of its number; ``photo`` chooses one of endlessly many photographs of it
(materials, colours, sun, dirt). One label map, many pictures: what pix2pix is about. How many is the ``variety``, from
0 (one) to 1 (colours are free). Every photograph can be taken by day and at night, the same in all else.
"""

from collections.abc import Sequence
from typing import get_args

import numpy as np

from i2i_tutor.contract import check_choice, check_probability
from i2i_tutor.data.facades.grammar import CLASSES, COLOURS, rasterise
from i2i_tutor.data.facades.rendering import Light, render

__all__ = ["CLASSES", "COLOURS", "LIGHTS", "VARIETY", "Light", "colourise", "draw", "to_labels"]

VARIETY = 0.3  # a city has its colours: a handful for its walls, dark glass, light frames
LIGHTS: tuple[str, ...] = get_args(Light)

SMALLEST, LARGEST = 16, 512  # pixels


def draw(
    indices: Sequence[int] | np.ndarray,
    size: int,
    photo: int = 0,
    *,
    variety: float = VARIETY,
    light: Light = "day",
) -> tuple[np.ndarray, np.ndarray]:
    """Draw houses and photograph them.

    Args:
        indices: N house numbers, 0 or more each.
        size: side of the square images, 16 to 512 pixels.
        photo: number of the photograph, 0 or more. The labels do not depend on it.
        variety: how freely its look is chosen. At 0 there is one photograph of each house, whatever its number; at 1
            any material and colour may come.
        light: at "night" some windows are lit from inside; which ones, chance decides even without variety.

    Returns:
        Class ids ``(N, size, size)`` uint8 in 0..11 and photographs ``(N, size, size, 3)`` uint8 RGB.

    Raises:
        ValueError: if a number is outside its range, or there is no such light.
    """
    check_probability("variety", variety)
    check_choice("light", light, LIGHTS)
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size is {size}; façades are drawn with {SMALLEST} to {LARGEST} pixels")
    if photo < 0:
        raise ValueError(f"photo is {photo}; expected 0 or more")
    numbers = [int(index) for index in indices]
    if not numbers:
        return np.zeros((0, size, size), np.uint8), np.zeros((0, size, size, 3), np.uint8)
    if min(numbers) < 0:
        raise ValueError(f"indices contains {min(numbers)}; house numbers are 0 or more")
    raster = rasterise(numbers, size)
    return raster.labels, render(raster, numbers, int(photo), variety, light)


def colourise(labels: np.ndarray) -> np.ndarray:
    """Class ids ``(...)`` in 0..11 → the colours in which label maps are shown, ``(..., 3)`` uint8."""
    if labels.size and not 0 <= labels.min() <= labels.max() < len(CLASSES):
        wrong = labels.max() if labels.min() >= 0 else labels.min()
        raise ValueError(f"labels contain {wrong}; expected class ids 0 to {len(CLASSES) - 1}")
    return COLOURS[labels]


def to_labels(rgb: np.ndarray) -> np.ndarray:
    """Coloured label maps ``(..., 3)`` in 0..255 → ids ``(...)`` uint8 of the nearest class colours.

    The nearest colour is taken because the real label maps are JPEG files, whose colours are not exact.
    """
    if rgb.shape[-1:] != (3,):
        raise ValueError(f"rgb has shape {rgb.shape}; expected a last axis of 3 colour channels")
    colours = COLOURS.astype(np.float32)
    # |rgb - colour|² without the term that is the same for all classes
    distance = (colours**2).sum(axis=1) - 2 * (rgb.astype(np.float32) @ colours.T)
    return distance.argmin(axis=-1).astype(np.uint8)
