"""Faces drawn with any label: a picture is a function of the scene's number and of the label beside it.

A scene's number decides all but the label: head and expression, style and shade of the hair, hat, scarf, clothes, wall,
light. So every scene has its exact counterfactuals. A hard scene has walls, clothes, scarves and now and then a hat in
colours that hair has, on some faces make-up, spectacles or stubble, and coloured light; with these a few labels don't
say what an attribute is. An easy one has the same face and hair, calm colours, and none of this.
"""

from collections.abc import Sequence

import numpy as np

from i2i_tutor.contract import check_whole
from i2i_tutor.data.faces import numbers as n
from i2i_tutor.data.faces import worn
from i2i_tutor.data.faces.attributes import ATTRIBUTES, HAIR, class_of, scene_numbers
from i2i_tutor.data.faces.attributes import labels as labels_of
from i2i_tutor.data.faces.hair import Hair
from i2i_tutor.data.faces.head import Build, between, head, toned
from i2i_tutor.data.faces.look import HAIRS
from i2i_tutor.data.faces.shapes import Canvas

SMALLEST, LARGEST = 16, 256  # pixels
CHUNK = 2**15  # pixels drawn at once, so that they stay in the processor's cache
SUNGLASSES, BEARD = ATTRIBUTES.index("sunglasses"), ATTRIBUTES.index("beard")


def draw(
    scenes: Sequence[int] | np.ndarray, size: int, labels: np.ndarray | None = None, *, hard: bool = True
) -> np.ndarray:
    """Draw scenes.

    Args:
        scenes: N scene numbers, 0 or more each.
        size: side of the square images, 16 to 256 pixels.
        labels: ``(N, 5)``, rows of ``SENSIBLE``; by default the scenes' own.
        hard: with what makes few labels too few; see above.

    Returns:
        Images, uint8 RGB ``(N, size, size, 3)``.

    Raises:
        ValueError: a wrong argument.
    """
    numbers = scene_numbers(scenes)
    check_whole("size", size, SMALLEST, LARGEST)
    check_hard(hard)
    wanted = labels_of(numbers) if labels is None else np.asarray(labels, np.float32)
    if wanted.shape != (len(numbers), len(ATTRIBUTES)):
        raise ValueError(f"labels have the shape {wanted.shape}; expected {(len(numbers), len(ATTRIBUTES))}")
    kinds = class_of(wanted)
    if (kinds < 0).any():
        raise ValueError(
            f"labels contain {wanted[kinds.argmin()].tolist()}; expected 0 and 1, with one hair colour at most"
        )
    images = np.empty((len(numbers), size, size, 3), np.uint8)
    step = max(1, CHUNK // size**2)
    for first in range(0, len(numbers), step):
        part = slice(first, first + step)
        images[part] = _picture(n.random_numbers(numbers[part]), size, wanted[part], hard)
    return images


def check_hard(hard: object) -> None:
    """Raise unless ``hard`` is a bool."""
    if not isinstance(hard, bool):
        raise ValueError(f"hard is {hard!r}; expected True or False")


def _picture(chance: np.ndarray, size: int, wanted: np.ndarray, hard: bool) -> np.ndarray:
    far = 0.5 if hard else 0.4  # how far from the middle, and from upright
    place = between(chance, n.SHIFT_X, -0.18 * far, 0.18 * far), 0.03 + between(chance, n.SHIFT_Y, -0.12, 0.12) * far
    scale = between(chance, n.SCALE, 1.18 if hard else 1.22, 1.38)
    canvas = Canvas(size, place, scale, between(chance, n.TILT, -0.38 * far, 0.38 * far))
    which = (wanted[:, :HAIR] * np.arange(1, HAIR + 1)).sum(1).astype(np.int64)
    light, deep = (shades[which] for shades in HAIRS)
    colour = toned(light + (deep - light) * chance[n.SHADE, :, 0], chance, n.TONE, 0.12)
    on = wanted[..., None, None]
    build = Build.of(chance, canvas)
    hair = Hair(canvas, chance, build, colour, hard)
    worn.background(canvas, chance, build, hard)
    hair.behind()
    worn.clothes(canvas, chance, build, hard)
    head(canvas, chance, build, colour, on[:, BEARD], hard)
    hair.before()
    worn.glasses(canvas, chance, build, on[:, SUNGLASSES], hard)
    hair.hat()
    return _lit(canvas, chance, build, hard)


def _lit(canvas: Canvas, chance: np.ndarray, build: Build, hard: bool) -> np.ndarray:
    """The finished pictures, uint8 ``(N, S, S, 3)``: in a hard scene in dim or bright, warm or cold light.

    Colours of light stay close enough to white that grey hair never looks brown.
    """
    strength = np.float32(0.14 if hard else 0.05)
    warm, hue = (strength * (2 * chance[which] - 1) for which in (n.WARMTH, n.HUE))
    level = between(chance, n.LEVEL, 0.80, 1.12) if hard else between(chance, n.LEVEL, 0.95, 1.05)
    level = level * (1 + 0.12 * build.light * canvas.x - 0.05 * canvas.y)
    if hard:
        angle = between(chance, n.LIGHT_ANGLE, 0, 6.28)  # a second lamp of another colour
        warm = warm + 0.10 * (2 * chance[n.SECOND_WARMTH] - 1) * (canvas.x * np.cos(angle) + canvas.y * np.sin(angle))
        grey = np.float32(1 / 3) * sum(canvas.planes)
        purity = between(chance, n.PURITY, 0.85, 1.15)
        for plane in canvas.planes:
            plane -= grey
            plane *= purity
            plane += grey
    out = np.empty((*canvas.u.shape, 3), np.uint8)
    for channel, plane in enumerate(canvas.planes):
        plane *= level * (1 + (warm, 0.5 * hue, -warm)[channel])
        plane *= 255
        plane += np.float32(0.5)
        out[..., channel] = np.clip(plane, 0, 255, out=plane)
    return out
