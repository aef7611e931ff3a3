"""The random numbers of a scene: a pure function of its number, whatever else is drawn with it."""

import numpy as np

# What each of a scene's random numbers decides
SHIFT_X, SHIFT_Y, SCALE, TILT, YAW = range(5)
LEVEL, WARMTH, HUE, SIDE, SIDEWAYS, SECOND_WARMTH, LIGHT_ANGLE, PURITY = range(5, 13)
SKIN, SKIN_TONE, WIDTH, HEIGHT, JAW, CHEEKS = range(13, 19)
(
    EYE_X,
    EYE_Y,
    EYE_SIZE,
    IRIS,
    GAZE,
    BROW_HEIGHT,
    BROW_SLANT,
    BROW_WIDTH,
    BROW,
    BROW_OWN,
    CLOSED,
    SHADOW,
    SHADOW_COLOUR,
) = range(19, 32)
MOUTH, SMILE, LIP_WIDTH, LIP_HEIGHT, LIPS = range(32, 37)
STYLE, SHADE, TONE, WAVE, STRAND, SHINE, LOCKS = range(37, 44)
HAT, HAT_COLOUR, HAT_SECOND, HAT_LINE, HAT_TONE, HAT_STRIPED = range(44, 50)
SCARF, SCARF_COLOUR, SCARF_TONE, CLOTHES, CLOTHES_TONE, NECKLINE, CLOTHES_STRIPED = range(50, 57)
BACK, BACK_SECOND, BACK_TONE, BACK_KIND, BACK_PHASE, BACK_WIDTH = range(57, 63)
EYEWEAR, FRAME, TINT, TINT_MUCH, ROUND, LENS_X, LENS_Y, LENS_DOWN, LENS, RIM = range(63, 73)
STUBBLE, STUBBLE_COLOUR, BEARD_EDGE, BEARD_LENGTH = range(73, 77)
NUMBERS = 77
LOOK, LABEL = 0x46414345, 0x4C41424C  # keep what is drawn for look and label apart


def random_numbers(scenes: np.ndarray) -> np.ndarray:
    """All that a scene has besides its label, float32 ``(NUMBERS, N, 1, 1)`` in [0, 1)."""
    return _uniform(scenes, LOOK, NUMBERS)[..., None, None]


def label_numbers(scenes: np.ndarray) -> np.ndarray:
    """The number that decides a scene's label, float32 ``(N,)`` in [0, 1), independent of its look."""
    return _uniform(scenes, LABEL, 1)[0]


def _uniform(scenes: np.ndarray, purpose: int, count: int) -> np.ndarray:
    """SplitMix64 of the scene, of what the numbers are for, and of the place in the row; float32 ``(count, N)``."""
    start = _mixed(scenes.astype(np.uint64) ^ (np.uint64(purpose) << np.uint64(32)))
    state = _mixed(start[None] + np.arange(1, count + 1, dtype=np.uint64)[:, None])
    return (state >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def _mixed(state: np.ndarray) -> np.ndarray:
    """64 random bits for each number of uint64; neighbours get bits that have nothing in common."""
    state = state * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
