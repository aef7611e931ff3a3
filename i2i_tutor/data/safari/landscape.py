"""Sky, hills, a tree, and the ground that an animal stands on."""

from typing import Literal, get_args

import numpy as np

from i2i_tutor.data.safari.flora import plant
from i2i_tutor.data.safari.numbers import HILL, HILL_PHASE, HILL_WIDTH, HORIZON, SKY, TEXTURE, TINT, TREE, TREE_SIZE
from i2i_tutor.data.safari.shapes import Paper, inside, over

Ground = Literal["meadow", "savannah"]
GROUNDS: tuple[str, ...] = get_args(Ground)

# Of each ground: far and near, hills, trees
LAND = np.array(
    [
        [(0.55, 0.72, 0.34), (0.33, 0.54, 0.22), (0.42, 0.58, 0.50), (0.20, 0.42, 0.20)],
        [(0.90, 0.77, 0.48), (0.78, 0.61, 0.32), (0.66, 0.60, 0.60), (0.45, 0.47, 0.24)],
    ],
    np.float32,
)
SKY_TOP, SKY_LOW = np.array([(0.42, 0.66, 0.92), (0.82, 0.91, 0.97)], np.float32)


def landscape(
    chance: np.ndarray, size: int, x: np.ndarray, y: np.ndarray, grounds: np.ndarray, paper: Paper, plants: bool
) -> list[np.ndarray]:
    """Sky, hills, a tree, the ground and the animal's shadow: three planes ``(N, S, S)`` in 0..1.

    Args:
        chance: the scenes' random numbers.
        x, y: the pixels' places in 0..1, ``(1, 1, S)`` and ``(1, S, 1)``.
        grounds: N places in ``GROUNDS``.
        paper: the pixels as the animal sees them, for its shadow.
        plants: let flowers and grass, or straw and stones, cover the ground.
    """
    pixel = 1 / size
    horizon = 0.30 + 0.10 * chance[HORIZON]
    below = np.clip((y - horizon) / (1 - horizon), 0, 1)
    ground = inside(horizon - y, pixel)
    turns = 2 * np.pi * (x * (0.6 + 0.9 * chance[HILL_WIDTH]) + chance[HILL_PHASE])
    top = horizon - 0.02 - (0.02 + 0.04 * chance[HILL]) * (1 + np.sin(turns))
    hills = inside(top - y, pixel) * (1 - ground)
    # A tree at the horizon: round in the meadow, flat in the savannah
    flat = np.where(grounds == 1, np.float32(1), np.float32(0))[:, None, None]
    tall = 0.11 + 0.06 * chance[TREE_SIZE]
    across = np.abs(x - (0.06 + 0.88 * chance[TREE]))
    wide, high = tall * (0.48 + 0.42 * flat), tall * (0.46 - 0.26 * flat)
    crown = (np.sqrt((across / wide) ** 2 + ((y - horizon + 0.8 * tall) / high) ** 2) - 1) * high
    trunk = np.maximum(across - 0.012, np.abs(y - horizon + 0.4 * tall) - 0.42 * tall)
    tree = inside(np.minimum(crown, trunk), pixel)
    # Tufts, finer and closer together in the distance
    depth = np.log(below + 0.12)
    tufts = np.sin((x - 0.5) * 9 / (below + 0.25) + 6.28 * chance[TEXTURE] + 5 * depth) * np.sin(
        16 * depth + 40 * chance[TEXTURE]
    )
    light = 1 + (0.06 * ground) * tufts
    shadow = np.sqrt((0.9 * paper.u) ** 2 + (5 * (paper.v + 0.68)) ** 2)
    light *= 1 - 0.3 * inside(shadow - 0.55, 0.25) * ground
    tint = 1 + 0.12 * (chance[TINT] - 0.5)
    far, near, hill, leaf = LAND[grounds].transpose(1, 2, 0)[..., None, None]  # (3, N, 1, 1) each
    planes = []
    for channel in range(3):
        sky = SKY_TOP[channel] + (SKY_LOW - SKY_TOP)[channel] * np.clip(y / horizon, 0, 1) * (0.8 + 0.2 * chance[SKY])
        land = (far[channel] + (near - far)[channel] * below) * (tint if channel != 1 else 1)
        planes.append((sky + (land - sky) * ground) * light)
    if plants:
        plant(planes, chance, size, x, below, grounds)
    for channel, plane in enumerate(planes):
        over(plane, hill[channel], hills)
        over(plane, leaf[channel], tree)
    return planes
