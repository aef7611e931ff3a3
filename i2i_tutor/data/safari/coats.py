"""The coats: their colours, and where on an animal they are dark."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from i2i_tutor.data.safari.numbers import PATCH_1, PATCH_2, PATCH_3, PHASE, SLANT, SPOT_1, SPOT_2, STRIPES, WAVE
from i2i_tutor.data.safari.shapes import Paper, inside, over

Coat = Literal["plain", "stripes", "spots", "patches"]
COATS: tuple[str, ...] = get_args(Coat)

# Colours in 0..1: of each coat the light and the dark one, and the shade of mane and hooves, which are dark
LIGHT = np.array([(0.62, 0.33, 0.17), (0.96, 0.95, 0.92), (0.92, 0.70, 0.32), (0.96, 0.93, 0.88)], np.float32)
DARK = np.array([(0.20, 0.11, 0.07), (0.09, 0.08, 0.09), (0.26, 0.14, 0.07), (0.52, 0.26, 0.13)], np.float32)
MANE = np.array([1, 1, 1, 0.5], np.float32)
TURN = 2 * math.pi


Axis = tuple[np.ndarray, np.ndarray]  # where a limb begins and its direction, (N, 2) each


def darkness(
    chance: np.ndarray,
    coats: np.ndarray,
    paper: Paper,
    pixel: np.ndarray,
    parts: tuple[np.ndarray, ...],
    neck: Axis,
    head: Axis,
) -> np.ndarray:
    """Where an animal shows the dark colour of its coat, ``(N, S, S)`` in 0..1; a plain coat is 0 everywhere.

    Each picture costs the time of its own pattern only.

    Args:
        coats: N places in ``COATS``.
        pixel: its side in body lengths, ``(N, 1, 1)``.
        parts: signed distances to trunk, legs, neck and head, which stripes follow.
    """
    dark = np.zeros_like(parts[0])
    for kind in np.unique(coats[coats > 0]):
        of = coats == kind
        some, u, v = chance[:, of], paper.u[of], paper.v[of]
        match COATS[kind]:
            case "stripes":
                axes = [(begin[of], way[of]) for begin, way in (neck, head)]
                drawn = _stripes(some, u, v, pixel[of], [part[of] for part in parts], *axes)
            case "spots":
                drawn = _spots(some, *_warped(some, u, v))
            case _:
                drawn = _patches(some, *_warped(some, u, v))
        dark[of] = np.clip(drawn, 0, 1, out=drawn)
    return dark


def _stripes(
    chance: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    pixel: np.ndarray,
    parts: Sequence[np.ndarray],
    neck_axis: Axis,
    head_axis: Axis,
) -> np.ndarray:
    """Across the trunk, and across whatever goes off from it."""
    trunk, legs, neck, head = parts
    number = 5.4 + 0.9 * chance[STRIPES]  # in a body length
    rump = np.clip((-0.08 - u) / 0.4, 0, 1)
    phase = u + v * (0.25 * (chance[SLANT] - 0.5) - 0.75 * rump) + 0.02 * np.sin(9 * v + 6.28 * chance[WAVE])
    phase = np.where(legs < trunk, 1.15 * v - 0.15 * u, phase)
    over(phase, _along(neck_axis, u, v), inside(neck - np.minimum(trunk, legs), 0.06))
    over(phase, 1.2 * _along(head_axis, u, v), inside(head - np.minimum(neck, trunk), 0.03))
    wave = np.sin(TURN * (number * phase + chance[PHASE]))
    sharp = np.maximum(0.9, 1 / (TURN * number * pixel))  # an edge is one pixel wide
    return 0.5 + sharp * (wave - 0.08)


def _along(axis: Axis, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A coordinate in the direction of a limb that is u if it begins, so that stripes go on from part to part."""
    (begin_u, begin_v), (way_u, way_v) = (some.T[..., None, None] for some in axis)
    return begin_u + (u - begin_u) * way_u + (v - begin_v) * way_v


def _warped(chance: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return u + 0.04 * np.sin(7 * v + 6.28 * chance[WAVE]), v + 0.04 * np.sin(6 * u + 6.28 * chance[SLANT])


def _spots(chance: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Three waves at 120 degrees make a honeycomb of spots."""
    shifts = chance[SPOT_1], chance[SPOT_2], -chance[SPOT_1] - chance[SPOT_2]
    waves = [_wave(u, v, 0.2 + k * TURN / 3, 1 / 0.205, shift) for k, shift in enumerate(shifts)]
    return 0.5 + 1.2 * (waves[0] + waves[1] + waves[2] - 0.55)


def _patches(chance: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Three long waves of other lengths make patches that never repeat."""
    shifts = chance[PATCH_1], chance[PATCH_2], chance[PATCH_3]
    waves = [_wave(u, v, 0.1 + 1.05 * k, 1.35 + 0.2 * k, shift) for k, shift in enumerate(shifts)]
    return 0.5 + 3 * (waves[0] + waves[1] + waves[2])


def _wave(u: np.ndarray, v: np.ndarray, angle: float, number: float, shift: np.ndarray) -> np.ndarray:
    return np.cos(TURN * (u * (number * math.cos(angle)) + v * (number * math.sin(angle)) + shift))
