"""What is behind a face, below it and before its eyes: background, clothes, scarf, spectacles, sunglasses."""

import numpy as np

from i2i_tutor.data.faces import numbers as n
from i2i_tutor.data.faces.head import SPECTACLES, Build, between, one_of, toned
from i2i_tutor.data.faces.look import BACKS, CALM_BACKS, CALM_CLOTHES, FRAMES, LENSES, RIMS, TINTS, WORN
from i2i_tutor.data.faces.shapes import Canvas

MIST = np.array([(0.40, 0.41, 0.43)], np.float32)
GLINT = np.array([(0.52, 0.55, 0.60)], np.float32)


def background(canvas: Canvas, chance: np.ndarray, build: Build, hard: bool) -> None:
    """A wall with a soft light; in a hard scene it has two colours that hair could have, too."""
    x, y = canvas.x, canvas.y
    table = BACKS if hard else CALM_BACKS
    glow = np.exp(-((x - build.light * 0.6) ** 2 + (y + 0.5) ** 2) / 0.8)
    shade = 0.88 + 0.16 * glow - 0.07 * y
    first = toned(one_of(table, chance, n.BACK), chance, n.BACK_TONE, 0.12)
    canvas.paint(first, np.ones_like(canvas.u), shade)
    if hard:
        wide, phase = between(chance, n.BACK_WIDTH, 2.5, 6), between(chance, n.BACK_PHASE, 0, 6.28)
        kind = np.floor(chance[n.BACK_KIND] * 4)  # plain twice, upright stripes, a floor
        stripes = 0.5 + np.sin(x * wide + phase) * (0.6 / (wide * canvas.pixel))
        floor = (y - between(chance, n.BACK_PHASE, -0.4, 0.4)) / canvas.pixel + 0.5
        second = one_of(BACKS, chance, n.BACK_SECOND)
        cover = np.where(kind == 2, stripes, np.where(kind == 3, floor, np.float32(0)))
        canvas.paint(second, np.clip(cover, 0, 1), shade)
    # A mist around the head, so that hair stands out from a wall of its colour
    canvas.paint(MIST, 0.36 * canvas.blob(0, 0.0, 0.75, 0.95))


def clothes(canvas: Canvas, chance: np.ndarray, build: Build, hard: bool) -> None:
    """Neck, shirt and scarf. All end where a chin begins, so they never hide a beard."""
    u, v = canvas.u, canvas.v
    lit = build.light * u
    neck = np.maximum(np.abs(u) - 0.19 - 0.3 * np.maximum(v - 0.62, 0), 0.1 - v)
    canvas.paint(build.skin, canvas.cover(neck), 0.80 - 0.12 * canvas.blob(0, 0.58, 0.3, 0.12))
    colour = toned(one_of(WORN if hard else CALM_CLOTHES, chance, n.CLOTHES), chance, n.CLOTHES_TONE, 0.12)
    opening = np.where(chance[n.NECKLINE] < 0.5, canvas.oval(0, 0.60, 0.24, 0.20), np.abs(u) + 0.8 * (v - 0.98))
    shirt = np.maximum(canvas.oval(0, 1.24, 1.02, 0.62), -opening)
    shade = 0.92 + 0.14 * lit - 0.16 * np.exp(-np.abs(opening) / 0.05)
    shade += 0.05 * np.sin(u * 30) * (chance[n.CLOTHES_STRIPED] < 0.4)
    canvas.paint(colour, canvas.cover(shirt), shade)
    if not hard:
        return
    colour = toned(one_of(WORN, chance, n.SCARF_COLOUR), chance, n.SCARF_TONE, 0.12)
    scarf = np.maximum(canvas.oval(0, 0.64, 0.50, 0.26), 0.30 - v)
    scarf = np.where(chance[n.SCARF] < 0.45, scarf, np.float32(1))
    folds = 0.90 + 0.08 * np.sin((v - 0.3 * u * u) * 40) + 0.1 * lit
    canvas.paint(colour, canvas.cover(scarf), folds)


def glasses(canvas: Canvas, chance: np.ndarray, build: Build, dark: np.ndarray, hard: bool) -> None:
    """Sunglasses where ``dark``, ``(N, 1, 1)``, is 1; elsewhere, on some faces, spectacles that one can see through."""
    u, v, ex, ey = canvas.u, canvas.v, build.eye_x, build.eye_y
    some = (chance[n.EYEWEAR] < SPECTACLES).astype(np.float32) if hard else np.zeros_like(dark)
    clear = some * (1 - dark)
    rx, ry = between(chance, n.LENS_X, 0.170, 0.205), between(chance, n.LENS_Y, 0.130, 0.165)
    near = np.abs(u - build.turn) - ex * 1.03  # both lenses at once
    p, q = near / rx, (v - ey - between(chance, n.LENS_DOWN, 0.0, 0.03)) / ry
    p, q = p * p, q * q
    square = np.sqrt(np.sqrt(p * p + q * q))
    lens = (np.where(chance[n.ROUND] < 0.5, square, np.sqrt(p + q)) - 1) * ry
    bridge = np.maximum(np.abs(v - ey + 0.015) - 0.016, np.abs(u - build.turn) - 0.06)
    outward = np.abs(u - build.turn)
    arms = np.maximum(
        np.maximum(np.abs(v - ey + 0.03) - 0.018, ex + rx - 0.02 - outward), np.abs(u) - build.width - 0.01
    )
    rim = canvas.cover(np.minimum(np.minimum(np.abs(lens) - 0.02, bridge), arms))
    inside = canvas.cover(lens)
    if hard:
        canvas.paint(one_of(TINTS, chance, n.TINT), inside * clear * between(chance, n.TINT_MUCH, 0.15, 0.6))
        canvas.paint(one_of(FRAMES, chance, n.FRAME), rim * clear)
    black = one_of(LENSES, chance, n.LENS)
    canvas.paint(black, inside * dark)
    canvas.paint(one_of(RIMS, chance, n.RIM), rim * dark)
    streak = np.abs(near * 0.8 + v - ey + 0.02) - 0.03
    canvas.paint(GLINT, canvas.cover(streak) * canvas.cover(lens + 0.03) * dark * np.float32(0.75))
