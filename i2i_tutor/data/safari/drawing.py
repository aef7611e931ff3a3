"""Scenes of animals, drawn in any coat.

Scene number ``index`` is a pure function of its number: pose, place and size of the animal, hills, ground and sky, and
also where the stripes would lie and which brown the coat would have. The coat is chosen beside it, so every scene has
its exact counterfactuals.
"""

from collections.abc import Sequence

import numpy as np

from i2i_tutor.contract import check_choice, check_probability, check_whole
from i2i_tutor.data.safari.animal import animal, rider_on
from i2i_tutor.data.safari.coats import COATS, DARK, LIGHT
from i2i_tutor.data.safari.landscape import GROUNDS, landscape
from i2i_tutor.data.safari.numbers import (
    BROWN,
    DIRECTION,
    GROUND,
    HOUR,
    LENGTH,
    PLACE_X,
    PLACE_Y,
    WARMTH,
    random_numbers,
)
from i2i_tutor.data.safari.shapes import Paper, over

SMALLEST, LARGEST = 16, 256  # pixels
CHUNK = 2**15  # pixels drawn at once, so that they stay in the processor's cache


def draw(
    indices: Sequence[int] | np.ndarray,
    size: int,
    coat: str | Sequence[str],
    *,
    ground: str | None = None,
    meadow: float | Sequence[float] = 0.5,
    hours: bool = False,
    plants: bool = False,
    rider: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw scenes in a coat.

    Args:
        indices: N scene numbers, 0 or more each.
        size: side of the square images, 16 to 256 pixels.
        coat: one of ``COATS``, or N of them, one for each scene.
        ground: one of ``GROUNDS``; by default the scene's own, which ``meadow`` decides.
        meadow: share of all scenes whose own ground is a meadow, or N shares, one for each scene.
        hours: dim or brighten each picture by its scene's hour of the day.
        plants: cover the ground with flowers and grass, or with straw and stones; bare by default.
        rider: put a person in red and blue on each animal's back. No training stream shows one.

    Returns:
        Images ``(N, size, size, 3)`` uint8 RGB, and masks ``(N, size, size)`` bool, true on the animal (not on its
        rider). Neither the mask nor what is behind the animal depends on the coat.

    Raises:
        ValueError: if an argument is outside its range.
    """
    check_whole("size", size, SMALLEST, LARGEST)
    if ground is not None:
        check_choice("ground", ground, GROUNDS)
    numbers = np.asarray(indices)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
        raise ValueError(f"indices are {indices!r}; expected a row of whole numbers")
    if numbers.size and numbers.min() < 0:
        raise ValueError(f"indices contain {numbers.min()}; expected 0 or more")
    coats = [coat] * len(numbers) if isinstance(coat, str) else list(coat)
    if len(coats) != len(numbers):
        raise ValueError(f"coat has {len(coats)} names for {len(numbers)} scenes; expected one, or one for each scene")
    shares = list(meadow) if isinstance(meadow, Sequence) and not isinstance(meadow, str) else [meadow] * len(numbers)
    if len(shares) != len(numbers):
        raise ValueError(f"meadow has {len(shares)} shares for {len(numbers)} scenes; expected one, or one for each")
    for name in {coat} if isinstance(coat, str) else set(coats):
        check_choice("coat", name, COATS)
    for share in set(shares):
        check_probability("meadow", share)
    bounds = np.array(shares if ground is None else [float(ground == "meadow")] * len(numbers))[:, None, None]
    kinds = np.array([COATS.index(name) for name in coats])
    images = np.empty((len(numbers), size, size, 3), np.uint8)
    masks = np.empty((len(numbers), size, size), bool)
    step = max(1, CHUNK // size**2)
    for first in range(0, len(numbers), step):
        part = slice(first, first + step)
        chance = random_numbers(numbers[part])
        on_meadow = chance[GROUND] < bounds[part]
        images[part], masks[part] = _picture(chance, size, kinds[part], on_meadow, hours, plants, rider)
    return images, masks


def _picture(
    chance: np.ndarray, size: int, coats: np.ndarray, on_meadow: np.ndarray, hours: bool, plants: bool, rider: bool
) -> tuple[np.ndarray, np.ndarray]:
    axis = ((np.arange(size) + 0.5) / size).astype(np.float32)
    x, y = axis[None, None, :], axis[None, :, None]
    length = 0.51 + 0.09 * chance[LENGTH]
    facing = np.where(chance[DIRECTION] < 0.5, np.float32(-1), np.float32(1))
    centre_x = 0.5 - facing * 0.14 * length + (1 - 1.66 * length) * (chance[PLACE_X] - 0.5)  # all of it is in view
    centre_y = 0.98 - 0.07 * chance[PLACE_Y] - 0.745 * length  # above the hooves
    paper = Paper(facing * (x - centre_x) / length, (centre_y - y) / length)
    pixel = 1 / (size * length)  # in body lengths
    picture = landscape(chance, size, x, y, np.where(on_meadow, 0, 1)[:, 0, 0], paper, plants)
    cover, dark, shade = animal(chance, coats, paper, pixel)
    brown = 1 + np.float32(0.16) * (chance[BROWN, :, 0, 0, None] - 0.5) * np.array((0.6, 1, 1.3), np.float32)
    light, deep = LIGHT[coats], DARK[coats]
    light = np.where((coats == 0)[:, None], light * brown, light)
    deep = np.where((coats == 3)[:, None], deep * brown, deep)
    for channel, plane in enumerate(picture):
        colour = dark * (deep - light)[:, channel, None, None]
        colour += light[:, channel, None, None]
        colour *= shade
        over(plane, colour, cover)
    mask = cover > 0.5
    if rider:
        mask &= ~rider_on(picture, paper, pixel)
    out = np.empty((len(mask), size, size, 3), np.uint8)
    for channel, plane in enumerate(picture):
        if hours:
            warm = 1 + (chance[WARMTH] - 0.5) * np.float32((0.06, 0, -0.08)[channel])
            plane *= (0.58 + 0.47 * chance[HOUR]) * warm
        plane *= 255
        plane += np.float32(0.5)
        out[..., channel] = np.clip(plane, 0, 255, out=plane)
    return out, mask
