"""The animal: a horse in one of four poses, and the person who may sit on it."""

import numpy as np

from i2i_tutor.data.safari.coats import MANE, darkness
from i2i_tutor.data.safari.numbers import NOD, POSE, REACH, STRIDE
from i2i_tutor.data.safari.shapes import Paper, Point, inside, joined, over

# Where the parts are, in body lengths from the middle of the trunk, forward and up. Of each pose the poll, the muzzle,
# and of each leg (near front, near hind, far front, far hind) knee and hoof, seen from the hip.
HIPS = np.array([(0.28, -0.08), (-0.33, -0.04), (0.22, -0.08), (-0.25, -0.04)], np.float32)
POSES = ("standing", "walking", "trotting", "grazing")
LIKELY = (0.3, 0.6, 0.8)  # bounds of the number that chooses the pose
HEADS = np.array(
    [
        [(0.56, 0.44), (0.79, 0.22)],
        [(0.60, 0.40), (0.85, 0.22)],
        [(0.59, 0.43), (0.83, 0.25)],
        [(0.69, -0.14), (0.80, -0.46)],
    ],
    np.float32,
)
LEGS = np.array(
    [
        [
            (0, -0.28), (0, -0.58), (-0.05, -0.31), (-0.03, -0.62),
            (0.02, -0.28), (0.04, -0.56), (-0.03, -0.31), (0.02, -0.6),
        ],
        [
            (0.1, -0.27), (0.13, -0.57), (-0.13, -0.29), (-0.2, -0.59),
            (-0.06, -0.28), (-0.17, -0.54), (0.06, -0.3), (0.09, -0.61),
        ],
        [
            (0.19, -0.21), (0.14, -0.48), (-0.17, -0.27), (-0.27, -0.54),
            (-0.08, -0.28), (-0.22, -0.52), (0.12, -0.27), (0.11, -0.59),
        ],
        [
            (0.02, -0.28), (0.05, -0.58), (-0.05, -0.31), (-0.03, -0.62),
            (0.09, -0.27), (0.16, -0.54), (-0.08, -0.3), (-0.09, -0.59),
        ],
    ],
    np.float32,
)  # fmt: skip


def animal(
    chance: np.ndarray, coats: np.ndarray, paper: Paper, pixel: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cover, darkness (0: the coat's light colour, 1: its dark one) and shade of the animal, ``(N, S, S)`` each.

    Cover and shape do not depend on the coat. Mane, tail, hooves and muzzle are dark in every coat.

    Args:
        chance: the scenes' random numbers.
        coats: N places in ``COATS``.
        pixel: its side in body lengths, ``(N, 1, 1)``.
    """
    pose = np.searchsorted(np.array(LIKELY), chance[POSE, :, 0, 0], side="right")

    def at(points: np.ndarray) -> Point:  # (N, 2)
        return points[:, 0, None, None], points[:, 1, None, None]

    nod = np.stack([chance[REACH, :, 0, 0] - 0.5, chance[NOD, :, 0, 0] - 0.5], axis=1)
    poll = HEADS[pose, 0] + np.float32(0.08) * nod
    muzzle = HEADS[pose, 1] + np.float32(0.08) * nod
    neck_base = np.array((0.29, 0.06), np.float32)
    along, face = poll - neck_base, muzzle - poll
    along /= np.hypot(along[:, :1], along[:, 1:])
    face /= np.hypot(face[:, :1], face[:, 1:])
    crest = np.stack([-along[:, 1], along[:, 0]], axis=1)  # to the neck's upper side
    up = np.stack([-face[:, 1], face[:, 0]], axis=1) - face  # the ears' way: back and away from the forehead
    up /= np.float32(np.sqrt(2))

    trunk = joined(paper.disc((-0.29, 0.01), 0.23), paper.capsule((-0.25, 0.0), (0.27, -0.01), 0.19, 0.20))
    trunk = joined(trunk, paper.disc((0.27, 0.0), 0.215))
    neck = paper.capsule((0.29, 0.06), at(poll), 0.175, 0.095)
    head = paper.capsule(at(poll - 0.01 * face), at(muzzle), 0.105, 0.062)
    ears = np.minimum(
        paper.capsule(at(poll - 0.03 * face + 0.03 * up), at(poll - 0.05 * face + 0.19 * up), 0.06, 0.03),
        paper.capsule(at(poll + 0.03 * face + 0.03 * up), at(poll + 0.05 * face + 0.18 * up), 0.055, 0.03),
    )
    mane = paper.capsule(at(neck_base + 0.16 * crest), at(poll + 0.08 * crest + 0.04 * along), 0.03, 0.055)
    tail = np.minimum(
        paper.capsule((-0.48, 0.13), (-0.59, 0.0), 0.045, 0.05), paper.capsule((-0.59, 0.0), (-0.60, -0.36), 0.05, 0.06)
    )
    stride = 0.75 + 0.35 * chance[STRIDE, :, 0, 0, None]
    legs, hooves = [], []
    for leg in range(4):
        swing = np.concatenate([stride, np.ones_like(stride)], axis=1)
        knee, hoof = (HIPS[leg] + swing * LEGS[pose, 2 * leg + joint] for joint in range(2))
        thick = 0.10 if leg % 2 == 0 else 0.135
        upper = paper.capsule((HIPS[leg, 0], HIPS[leg, 1]), at(knee), thick, 0.062)
        legs.append(np.minimum(upper, paper.capsule(at(knee), at(hoof), 0.062, 0.048)))
        hooves.append(paper.capsule(at(hoof), at(hoof + np.array((0.03, -0.03), np.float32)), 0.05, 0.055))
    near, far = np.minimum(legs[0], legs[1]), np.minimum(legs[2], legs[3])
    far_hooves, near_hooves = np.minimum(hooves[2], hooves[3]), np.minimum(hooves[0], hooves[1])
    body = joined(joined(joined(trunk, neck, 0.08), near, 0.04), head, 0.03)
    body = np.minimum(body, ears)

    starts = np.broadcast_to(neck_base, poll.shape)
    parts = (trunk, np.minimum(near, far), neck, head)
    dark = darkness(chance, coats, paper, pixel, parts, (starts, along), (poll, face))
    shade = np.clip(1.03 + 0.45 * paper.v, 0.70, 1.10) + np.zeros_like(paper.u)
    mane_shade = MANE[coats][:, None, None]
    nearer = inside(np.minimum(body, near_hooves), pixel)
    shade *= 1 - np.float32(0.34) * (1 - nearer)  # what is not near: the far legs
    nose = paper.disc(at(muzzle + 0.01 * face), 0.075)
    np.maximum(nose, head, out=nose)
    trim = np.minimum(np.minimum(near_hooves, nose), np.minimum(mane, tail))
    trim = inside(trim, pixel)
    np.maximum(trim, inside(far_hooves, pixel) * (1 - nearer), out=trim)
    over(dark, 1, trim)
    eye = inside(paper.disc(at(poll + 0.09 * face + 0.035 * crest), 0.028), pixel)
    over(dark, 1, eye)
    shade *= 1 - (1 - mane_shade) * trim
    shade *= 1 - 0.6 * eye
    outline = np.minimum(np.minimum(body, far), np.minimum(near_hooves, far_hooves))
    outline = np.minimum(outline, np.minimum(mane, tail))
    return inside(outline, pixel), dark, shade


def rider_on(picture: list[np.ndarray], paper: Paper, pixel: np.ndarray) -> np.ndarray:
    """Paint a person on the animal's back; return where, bool ``(N, S, S)``."""
    parts = (
        (paper.capsule((-0.02, 0.26), (0.10, 0.02), 0.085, 0.065), (0.16, 0.28, 0.66)),
        (paper.capsule((0.10, 0.02), (0.06, -0.20), 0.06, 0.05), (0.16, 0.28, 0.66)),
        (paper.capsule((0.06, -0.22), (0.13, -0.23), 0.05, 0.045), (0.12, 0.10, 0.10)),
        (paper.capsule((-0.03, 0.28), (0.00, 0.46), 0.10, 0.105), (0.80, 0.14, 0.14)),
        (paper.disc((0.02, 0.64), 0.085), (0.93, 0.74, 0.60)),
        (paper.capsule((-0.05, 0.69), (0.08, 0.70), 0.05, 0.04), (0.16, 0.12, 0.12)),
        (paper.capsule((0.00, 0.46), (0.11, 0.33), 0.055, 0.05), (0.66, 0.10, 0.11)),
        (paper.capsule((0.11, 0.33), (0.25, 0.34), 0.045, 0.04), (0.66, 0.10, 0.11)),
    )
    anywhere = np.zeros(parts[0][0].shape, bool)
    for distance, colour in parts:
        cover = inside(distance, pixel)
        anywhere |= cover > 0.5
        for plane, value in zip(picture, colour, strict=True):
            over(plane, np.float32(value), cover)
    return anywhere
