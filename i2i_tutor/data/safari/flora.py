"""What grows on the ground and lies about on it: flowers and grass in a meadow, straw and stones on savannah."""

import numpy as np

from i2i_tutor.data.safari.numbers import TEXTURE, mixed
from i2i_tutor.data.safari.shapes import inside, over

# Colours in 0..1, five of each ground
PLANTS = np.array(
    [
        [(0.97, 0.96, 0.90), (0.96, 0.82, 0.30), (0.24, 0.42, 0.17), (0.50, 0.68, 0.30), (0.88, 0.52, 0.66)],
        [(0.97, 0.88, 0.62), (0.62, 0.46, 0.24), (0.55, 0.47, 0.38), (0.90, 0.74, 0.42), (0.74, 0.60, 0.34)],
    ],
    np.float32,
)
LAYERS = (
    (14.0, 14.4),
    (9.0, 11.2),
)  # of each: cells across the picture and down it, at the distance at which scale is 1
HALF = 0.5  # of the cells hold a plant


def plant(
    planes: list[np.ndarray], chance: np.ndarray, size: int, x: np.ndarray, below: np.ndarray, grounds: np.ndarray
) -> None:
    """Paint plants on three planes ``(N, S, S)`` in 0..1, in place, one in every other cell of a grid on the ground.

    Args:
        chance: the scenes' random numbers.
        x: the pixels' places across, ``(1, 1, S)`` in 0..1.
        below: how far below the horizon they lie, ``(N, S, 1)`` in 0..1; 0 above it.
        grounds: N places in ``GROUNDS``.
    """
    scale = below + np.float32(0.3)  # of things that lie there: small far away, large in front
    scene = (chance[TEXTURE] * 2**24).astype(np.uint64)
    palette = PLANTS[grounds]  # (N, 5, 3)
    for layer, (across, down) in enumerate(LAYERS):
        u = (x - np.float32(0.5)) * across / scale + np.float32(64)
        v = np.broadcast_to(down * np.log(scale) + np.float32(64), u.shape)
        column, row = np.floor(u), np.floor(v)
        cell = (
            ((scene * 2 + layer) << np.uint64(20)) + (row.astype(np.uint64) << np.uint64(10)) + column.astype(np.uint64)
        )
        bits = mixed(cell)
        where_u, where_v, here = (((bits >> np.uint64(k)) & np.uint64(1023)) / np.float32(1023) for k in (0, 10, 20))
        away_u = (u - column - 0.3 - 0.4 * where_u) / across * scale
        away_v = (v - row - 0.3 - 0.4 * where_v) / down * scale
        cover = inside(np.sqrt(away_u**2 + away_v**2) - (0.004 + 0.016 * scale), 1 / size)
        cover *= (here < HALF) * (below > 0)
        colour = np.take_along_axis(palette, ((bits >> np.uint64(32)) % 5).astype(np.intp).reshape(len(bits), -1, 1), 1)
        for plane, channel in zip(planes, np.moveaxis(colour.reshape(*bits.shape, 3), -1, 0), strict=True):
            over(plane, channel, cover)
