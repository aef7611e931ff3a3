"""The head: skin and its shading, eyes, brows, nose, mouth, and the beard."""

from dataclasses import dataclass

import numpy as np

from i2i_tutor.data.faces import numbers as n
from i2i_tutor.data.faces.look import BROWS, IRISES, SHADOWS, SKINS, STUBBLES
from i2i_tutor.data.faces.shapes import Canvas

SPECTACLES = 0.5  # share of the faces that have them
WHITE, DARK = np.array([(0.96, 0.96, 0.95)], np.float32), np.array([(0.06, 0.05, 0.06)], np.float32)


def between(chance: np.ndarray, which: int, low: float, high: float) -> np.ndarray:
    """A number of each scene, ``(N, 1, 1)``."""
    return np.float32(low) + np.float32(high - low) * chance[which]


def one_of(table: np.ndarray, chance: np.ndarray, which: int) -> np.ndarray:
    """A row of a table for each scene, ``(N, columns)``."""
    return table[np.floor(chance[which, :, 0, 0] * len(table)).astype(np.int64)]


def toned(colour: np.ndarray, chance: np.ndarray, which: int, much: float) -> np.ndarray:
    """Colours ``(N, 3)`` a little darker or lighter."""
    return colour * between(chance, which, 1 - much, 1 + much)[:, :, 0]


@dataclass(frozen=True)
class Build:
    """Where things are in a face; ``(N, 1, 1)`` each, but for skin, ``(N, 3)``, and strands, ``(N, S, S)``."""

    width: np.ndarray
    height: np.ndarray
    jaw: np.ndarray
    turn: np.ndarray  # how far the features are from the middle
    eye_x: np.ndarray
    eye_y: np.ndarray
    mouth: np.ndarray
    smile: np.ndarray  # 0 or 1
    side: np.ndarray  # where the light comes from: -1 or 1
    light: np.ndarray  # its strength, with the sign of its side
    skin: np.ndarray
    strands: np.ndarray

    @classmethod
    def of(cls, chance: np.ndarray, canvas: Canvas) -> "Build":
        side = np.where(chance[n.SIDE] < 0.5, np.float32(-1), np.float32(1))
        slanted = np.abs(canvas.u)
        slanted = np.where(canvas.u < 0, np.float32(-1), np.float32(1)) * (slanted + 0.25 * canvas.v)
        strands = 0.9 + 0.10 * np.sin(slanted * 34 + between(chance, n.STRAND, 0, 6.28))
        strands += 0.05 * np.sin(canvas.u * 71 + canvas.v * 9)
        return cls(
            width=between(chance, n.WIDTH, 0.39, 0.47),
            height=between(chance, n.HEIGHT, 0.52, 0.60),
            jaw=between(chance, n.JAW, 0.08, 0.28),
            turn=between(chance, n.YAW, -0.07, 0.07),
            eye_x=between(chance, n.EYE_X, 0.170, 0.205),
            eye_y=between(chance, n.EYE_Y, -0.05, 0.02),
            mouth=between(chance, n.MOUTH, 0.315, 0.35),
            smile=(chance[n.SMILE] < 0.5).astype(np.float32),
            side=side,
            light=side * between(chance, n.SIDEWAYS, 0.3, 1.0),
            skin=toned(one_of(SKINS, chance, n.SKIN), chance, n.SKIN_TONE, 0.05),
            strands=strands,
        )


def head(canvas: Canvas, chance: np.ndarray, build: Build, hair: np.ndarray, beard: np.ndarray, hard: bool) -> None:
    """Paint ears, head, and all that is in it, with a beard where ``beard``, ``(N, 1, 1)``, is 1."""
    u, v, width, height, turn = canvas.u, canvas.v, build.width, build.height, build.turn
    lit = build.light * u
    ears = np.minimum(canvas.oval(-width * 1.01, 0.04, 0.075, 0.12), canvas.oval(width * 1.01, 0.04, 0.075, 0.12))
    canvas.paint(build.skin, canvas.cover(ears), 0.86 + 0.10 * lit)
    across = u / (width * (1 - build.jaw * np.clip(v / height, 0, 1) ** 2))
    radius = across * across + (v / height) ** 2
    outline = (np.sqrt(radius) - 1) * width
    ball = np.sqrt(np.clip(1 - radius, 0, 1))
    face = canvas.cover(outline)
    shade = 0.79 + 0.21 * ball + 0.13 * lit / width - 0.06 * v
    canvas.paint(build.skin, face, shade)
    cheeks = canvas.blob(turn - 0.25, 0.20, 0.12, 0.09) + canvas.blob(turn + 0.25, 0.20, 0.12, 0.09)
    rosy = build.skin * np.array([1.0, 0.66, 0.60], np.float32)
    canvas.paint(rosy, face * cheeks * (between(chance, n.CHEEKS, 0.1, 0.5) + 0.15 * build.smile), shade)
    _lower_face(canvas, chance, build, hair, beard, face, outline, ball, hard)
    # The nose: a shadow on the dark side, one below, a light on the ridge
    tip = turn * 1.4
    shadow = 0.15 * canvas.blob(tip - 0.055 * build.side, 0.10, 0.045, 0.14)
    shadow += 0.22 * canvas.blob(tip, 0.20, 0.085, 0.022)
    canvas.dim(1 - face * shadow)
    canvas.paint(WHITE, face * canvas.blob(tip + 0.02 * build.side, 0.13, 0.03, 0.07) * 0.12)
    _eyes(canvas, chance, build, hair, face, hard)
    _mouth(canvas, chance, build)


def _lower_face(
    canvas: Canvas, chance: np.ndarray, build: Build, hair: np.ndarray, beard: np.ndarray, face: np.ndarray,
    outline: np.ndarray, ball: np.ndarray, hard: bool,
) -> None:  # fmt: skip
    """The beard; and, what is none, stubble: a tone on the skin that is thin and has a colour of its own."""
    u, v, turn = canvas.u, canvas.v, build.turn
    wide = np.abs(u - turn)
    edge = between(chance, n.BEARD_EDGE, 0.13, 0.19) + 0.35 * wide * wide - 0.9 * np.maximum(wide - 0.29, 0)
    mouth = canvas.oval(turn, build.mouth + 0.01, 0.155, 0.062 + 0.022 * build.smile)
    if hard:
        thin = np.maximum(edge + 0.02 - v, -mouth)
        strength = np.clip(between(chance, n.STUBBLE, -0.55, 0.55), 0, 0.48)  # none on half of the faces
        soft = canvas.cover(thin, 0.16)
        soft *= face * strength
        canvas.paint(one_of(STUBBLES, chance, n.STUBBLE_COLOUR), soft, 0.75 + 0.25 * ball)
    longer = between(chance, n.BEARD_LENGTH, 0.02, 0.14) * np.clip(3 * v - 0.5, 0.15, 1)
    full = np.maximum(np.maximum(outline - longer, edge - v), -mouth)
    cover = canvas.cover(full, np.maximum(canvas.pixel, 0.045))
    cover *= beard
    rim = 0.22 * np.clip(1 + full * np.float32(1 / 0.07), 0, 1)  # dark at its edge, so that it stands out from any skin
    tufts = 0.10 * np.sin((u - turn) * 46)
    canvas.paint(hair * np.float32(0.90), cover, 0.90 + 0.1 * ball + tufts - rim + 0.08 * build.light * u)


def _eyes(canvas: Canvas, chance: np.ndarray, build: Build, hair: np.ndarray, face: np.ndarray, hard: bool) -> None:
    u, v, ex, ey = canvas.u, canvas.v, build.eye_x, build.eye_y
    size, gaze = between(chance, n.EYE_SIZE, 0.9, 1.2), between(chance, n.GAZE, -0.02, 0.02) + 0.3 * build.turn
    iris = one_of(IRISES, chance, n.IRIS)
    height, slant = between(chance, n.BROW_HEIGHT, 0.13, 0.165), between(chance, n.BROW_SLANT, -0.15, 0.05)
    thick = between(chance, n.BROW_WIDTH, 0.016, 0.03)
    own = one_of(BROWS, chance, n.BROW)
    brows = np.where(chance[n.BROW_OWN, :, 0] < 0.5, hair * 0.68, own) if hard else hair * np.float32(0.68)
    whites, pupils, irises, lids, arcs = [], [], [], [], []
    for side in (-1, 1):
        at = build.turn + side * ex
        if hard:  # make-up on every other face
            strength = np.clip(between(chance, n.SHADOW, -0.8, 0.8), 0, 0.75)
            canvas.paint(
                one_of(SHADOWS, chance, n.SHADOW_COLOUR), face * canvas.blob(at, ey - 0.02, 0.14, 0.105) * strength
            )
        whites.append(canvas.oval(at, ey, 0.098, 0.058 * size))
        irises.append(canvas.oval(at + gaze, ey, 0.052, 0.058))
        pupils.append(canvas.oval(at + gaze, ey, 0.024, 0.026))
        lid = np.abs(canvas.oval(at, ey + 0.012, 0.108, 0.068 * size)) - 0.014
        lids.append(np.maximum(lid, v - ey + 0.005))
        off = u - at
        arc = v - (ey - height + 0.9 * off * off - side * slant * off)
        arcs.append(np.maximum(np.abs(arc) - thick, np.abs(off) - 0.115))
    white = canvas.cover(np.minimum(*whites))
    if hard:  # some eyes are closed; those behind glass are open, or it would look like sunglasses
        white *= 1 - ((chance[n.EYEWEAR] >= SPECTACLES) & (chance[n.CLOSED] < 0.3))
    canvas.paint(WHITE, white)
    canvas.paint(iris, white * canvas.cover(np.minimum(*irises)))
    canvas.paint(DARK, white * canvas.cover(np.minimum(*pupils)))
    canvas.paint(DARK, canvas.cover(np.minimum(*lids)) * np.float32(0.8))
    canvas.paint(brows, canvas.cover(np.minimum(*arcs)) * np.float32(0.9))


def _mouth(canvas: Canvas, chance: np.ndarray, build: Build) -> None:
    """Closed lips, or a wide smile that shows teeth."""
    my, smile = build.mouth, build.smile
    lips = build.skin * np.array([0.82, 0.48, 0.46], np.float32) * between(chance, n.LIPS, 0.85, 1.1)[:, :, 0]
    at = build.turn * 1.15
    closed = canvas.oval(at, my, between(chance, n.LIP_WIDTH, 0.095, 0.125), between(chance, n.LIP_HEIGHT, 0.028, 0.04))
    closed = canvas.cover(closed) * (1 - smile)
    canvas.paint(lips, closed)
    canvas.paint(lips * np.float32(0.5), canvas.cover(np.abs(canvas.v - my) - 0.007) * closed)
    bent = canvas.v + 1.7 * (canvas.u - at) ** 2
    open_ = np.maximum(canvas.oval(at, my, 0.178, 0.100, v=bent - 0.035), my - 0.035 - bent)
    teeth = np.maximum(canvas.oval(at, my, 0.150, 0.072, v=bent - 0.035), my - 0.018 - bent)
    canvas.paint(lips * np.float32(0.9), canvas.cover(open_) * smile)
    canvas.paint(WHITE, canvas.cover(teeth) * smile)
