"""The random numbers of a scene: a pure function of its number, whatever else is drawn with it."""

import numpy as np

# What each of a scene's random numbers decides
DIRECTION, PLACE_X, PLACE_Y, LENGTH, POSE, STRIDE, NOD, REACH = range(8)
HORIZON, HILL, HILL_WIDTH, HILL_PHASE, TREE, TREE_SIZE, SKY, TINT, TEXTURE, GROUND, HOUR, WARMTH = range(8, 20)
BROWN, STRIPES, SLANT, PHASE, WAVE, SPOT_1, SPOT_2, PATCH_1, PATCH_2, PATCH_3 = range(20, 30)
NUMBERS = 30


def random_numbers(scenes: np.ndarray) -> np.ndarray:
    """A scene's random numbers, float32 ``(NUMBERS, N, 1, 1)`` in [0, 1): SplitMix64 of scene and place in the row."""
    state = (scenes.astype(np.uint64) * np.uint64(NUMBERS))[None] + np.arange(1, NUMBERS + 1, dtype=np.uint64)[:, None]
    return (mixed(state) >> np.uint64(40)).astype(np.float32)[..., None, None] / np.float32(2**24)


def mixed(state: np.ndarray) -> np.ndarray:
    """64 random bits for each number of uint64; neighbours get bits that have nothing in common."""
    state = state * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
