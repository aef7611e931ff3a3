"""Animals in a landscape, in any of four coats: horses, zebras, and two coats more. Nothing is downloaded.

Scene number ``index`` is a pure function of its number: pose, place and size of the animal, hills, ground and sky, and
also where the stripes would lie and which brown the coat would have. The coat is chosen beside it, so every scene has
its exact counterfactuals. Training draws scenes 0 to 2^20 - 1, evaluation scenes from 2^25 on, which no training ever
sees. The tuning split has the scenes from 2^24 to 2^25 - 1; nothing is reported on them.

Everything is a signed distance to capsules (limbs that taper), so edges are smooth at any size without supersampling.
"""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_probability, check_whole
from i2i_tutor.data.streams import Stream, to_tensor
from i2i_tutor.data.truth import GroundTruth

Source = Literal["procedural"]
Coat = Literal["plain", "stripes", "spots", "patches"]
Ground = Literal["meadow", "savannah"]
SOURCES: tuple[str, ...] = get_args(Source)
COATS: tuple[str, ...] = get_args(Coat)
GROUNDS: tuple[str, ...] = get_args(Ground)
CLASSES = ("background", *COATS)  # of the pixels, for a judge

SMALLEST, LARGEST = 16, 256  # pixels
TRAINING_SCENES = 2**20
FIRST_TUNING_SCENE, FIRST_EVALUATION_SCENE = 2**24, 2**25
FIXED_SCENES = 100  # in a fixed set that nobody asked to be larger
HELD_OUT = 100  # pictures that test a judge
CHUNK = 2**15  # pixels drawn at once, so that they stay in the processor's cache


def train(
    source: Source,
    size: int,
    batch: int,
    seed: int,
    *,
    coats: tuple[str, str] = ("plain", "stripes"),
    meadow: float | tuple[float, float] = 0.5,
    hours: bool = False,
    ahead: int = 0,
) -> Stream:
    """Endless stream of ``a`` and ``b``, float32 ``(N, 3, size, size)`` in [-1, 1]: different scenes in two coats.

    Args:
        source: "procedural".
        size: side of the images, 16 to 256 pixels.
        coats: those of a and b, out of ``COATS``.
        meadow: share of the scenes that lie on a meadow, the others on savannah; of both sides, or of a and b.
        hours: every scene has its own hour of the day, from dim to bright.
        ahead: batches made in advance in the background.

    Raises:
        ValueError: a wrong argument.
    """
    coats = _check(source, size, coats)
    check_whole("batch", batch, 1)
    shares = tuple(meadow) if isinstance(meadow, tuple | list) else (meadow, meadow)
    if len(shares) != 2:
        raise ValueError(f"meadow is {meadow!r}; expected one share, or one for each coat")
    for share in shares:
        check_probability("meadow", share)

    def make(position: int, rng: np.random.Generator) -> Batch:
        scenes = rng.integers(0, TRAINING_SCENES, (2, batch))
        views = (
            draw(some, size, coat, meadow=share, hours=hours)[0]
            for some, coat, share in zip(scenes, coats, shares, strict=True)
        )
        return {side: to_tensor(images) for side, images in zip("ab", views, strict=True)}

    about = {"world": "safari", "source": source, "size": size, "batch": batch, "coats": list(coats)}
    return Stream(make, seed, ahead, about | {"meadow": list(shares), "hours": hours})


def evaluation(
    source: Source,
    size: int,
    *,
    split: Split = "evaluation",
    count: int | None = None,
    coats: tuple[str, str] = ("plain", "stripes"),
    meadow: float = 0.5,
    hours: bool = False,
) -> Batch:
    """The first ``count`` scenes of a fixed set, by default 100; none of them is in the training stream.

    Here, and only here, ``a`` and ``b`` show the same scenes: each is the other's exact counterfactual. ``mask``,
    float32 ``(N, 1, size, size)``, is 1 on the animal and 0 elsewhere, in either coat.

    Args:
        meadow: share of the scenes that lie on a meadow: 1 for meadows only, 0 for savannah only.

    Raises:
        ValueError: a wrong argument.
    """
    coats = _check(source, size, coats)
    check_choice("split", split, get_args(Split))
    check_probability("meadow", meadow)
    count = FIXED_SCENES if count is None else check_count(count, FIRST_TUNING_SCENE, "a fixed set of scenes")
    first = FIRST_EVALUATION_SCENE if split == "evaluation" else FIRST_TUNING_SCENE
    scenes = range(first, first + count)
    (a, masks), (b, _) = (draw(scenes, size, coat, meadow=meadow, hours=hours) for coat in coats)
    return {"a": to_tensor(a), "b": to_tensor(b), "mask": torch.from_numpy(masks[:, None].astype(np.float32))}


def ground_truth(size: int) -> GroundTruth:
    """Pictures in random coats with the class of every pixel, for a judge that reads the coats.

    The classes are ``CLASSES``: 0 is the background, 1 to 4 are animals in the coats of ``COATS``. It learns from the
    training scenes and is tested on the first 100 of ``evaluation``, each in one coat, in turn.
    """
    _check("procedural", size, COATS[:2])
    return GroundTruth(
        name=f"safari-procedural-{size}",
        size=size,
        classes=len(CLASSES),
        train=partial(_labelled, size),
        held_out=partial(_held_out, size),
        fingerprint=hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
    )


def _labelled(size: int, batch: int, seed: int) -> Stream:
    def make(position: int, rng: np.random.Generator) -> Batch:
        return _with_classes(rng.integers(0, TRAINING_SCENES, batch), rng.integers(0, len(COATS), batch), size)

    return Stream(make, seed)


def _held_out(size: int) -> Batch:
    numbers = np.arange(HELD_OUT)
    return _with_classes(FIRST_EVALUATION_SCENE + numbers, numbers % len(COATS), size)


def _with_classes(scenes: np.ndarray, coats: np.ndarray, size: int) -> Batch:
    images, masks = draw(scenes, size, [COATS[coat] for coat in coats])
    return {"image": to_tensor(images), "label": torch.from_numpy(masks * (1 + coats[:, None, None].astype(np.int64)))}


def _check(source: str, size: int, coats: Sequence[str]) -> tuple[str, str]:
    check_choice("source", source, SOURCES)
    check_whole("size", size, SMALLEST, LARGEST)
    if isinstance(coats, str) or len(coats) != 2:
        raise ValueError(f"coats is {coats!r}; expected two of {', '.join(COATS)}")
    for coat in coats:
        check_choice("coat", coat, COATS)
    return coats[0], coats[1]


# --- drawing -------------------------------------------------------------------------------------------------------


def draw(
    indices: Sequence[int] | np.ndarray,
    size: int,
    coat: str | Sequence[str],
    *,
    ground: str | None = None,
    meadow: float = 0.5,
    hours: bool = False,
    rider: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw scenes in a coat.

    Args:
        indices: N scene numbers, 0 or more each.
        size: side of the square images, 16 to 256 pixels.
        coat: one of ``COATS``, or N of them, one for each scene.
        ground: one of ``GROUNDS``; by default the scene's own, which ``meadow`` decides.
        meadow: share of all scenes whose own ground is a meadow.
        hours: dim or brighten each picture by its scene's hour of the day.
        rider: put a person in red and blue on each animal's back. No training stream shows one.

    Returns:
        Images ``(N, size, size, 3)`` uint8 RGB, and masks ``(N, size, size)`` bool, true on the animal (not on its
        rider). Neither the mask nor what is behind the animal depends on the coat.

    Raises:
        ValueError: if an argument is outside its range.
    """
    check_whole("size", size, SMALLEST, LARGEST)
    check_probability("meadow", meadow)
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
    for name in [coat] if isinstance(coat, str) else coats:
        check_choice("coat", name, COATS)
    images = np.empty((len(numbers), size, size, 3), np.uint8)
    masks = np.empty((len(numbers), size, size), bool)
    step = max(1, CHUNK // size**2)
    for first in range(0, len(numbers), step):
        part = slice(first, first + step)
        chance = _chance(numbers[part])
        share = meadow if ground is None else float(ground == "meadow")
        kinds = np.array([COATS.index(name) for name in coats[part]])
        images[part], masks[part] = _picture(chance, size, kinds, chance[GROUND] < share, hours, rider)
    return images, masks


# What each of a scene's random numbers decides
DIRECTION, PLACE_X, PLACE_Y, LENGTH, POSE, STRIDE, NOD, REACH = range(8)
HORIZON, HILL, HILL_WIDTH, HILL_PHASE, TREE, TREE_SIZE, SKY, TINT, TEXTURE, GROUND, HOUR, WARMTH = range(8, 20)
BROWN, STRIPES, SLANT, PHASE, WAVE, SPOT_1, SPOT_2, PATCH_1, PATCH_2, PATCH_3 = range(20, 30)
NUMBERS = 30


def _chance(scenes: np.ndarray) -> np.ndarray:
    """A scene's random numbers, float32 ``(NUMBERS, N, 1, 1)`` in [0, 1): SplitMix64 of scene and place in the row."""
    state = (scenes.astype(np.uint64) * np.uint64(NUMBERS))[None] + np.arange(1, NUMBERS + 1, dtype=np.uint64)[:, None]
    state = state * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(40)).astype(np.float32)[..., None, None] / np.float32(2**24)


# Where the parts are, in body lengths from the middle of the trunk, forward and up. Of each pose the poll, the muzzle,
# and of each leg (near front, near hind, far front, far hind) knee and hoof, seen from the hip.
HIPS = np.array([(0.28, -0.08), (-0.33, -0.04), (0.22, -0.08), (-0.25, -0.04)], np.float32)
POSES = ("standing", "walking", "trotting", "grazing")
LIKELY = (0.3, 0.6, 0.8)  # bounds of the number that chooses the pose
_HEADS = np.array(
    [
        [(0.56, 0.44), (0.79, 0.22)],
        [(0.60, 0.40), (0.85, 0.22)],
        [(0.59, 0.43), (0.83, 0.25)],
        [(0.69, -0.14), (0.80, -0.46)],
    ],
    np.float32,
)
_LEGS = np.array(
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

# Colours in 0..1: of each coat the light and the dark one and how much darker mane and hooves are than the dark one
LIGHT = np.array([(0.62, 0.33, 0.17), (0.96, 0.95, 0.92), (0.92, 0.70, 0.32), (0.96, 0.93, 0.88)], np.float32)
DARK = np.array([(0.20, 0.11, 0.07), (0.09, 0.08, 0.09), (0.26, 0.14, 0.07), (0.52, 0.26, 0.13)], np.float32)
MANE = np.array([1, 1, 1, 0.5], np.float32)
# Of each ground: far and near, hills, trees
LAND = np.array(
    [
        [(0.55, 0.72, 0.34), (0.33, 0.54, 0.22), (0.42, 0.58, 0.50), (0.20, 0.42, 0.20)],
        [(0.90, 0.77, 0.48), (0.78, 0.61, 0.32), (0.66, 0.60, 0.60), (0.45, 0.47, 0.24)],
    ],
    np.float32,
)
SKY_TOP, SKY_LOW = np.array([(0.42, 0.66, 0.92), (0.82, 0.91, 0.97)], np.float32)

Point = tuple[np.ndarray | float, np.ndarray | float]


class _Paper:
    """The pixels of N pictures in the animals' own coordinates: ``u`` forward, ``v`` up, in body lengths."""

    def __init__(self, u: np.ndarray, v: np.ndarray):
        self.u, self.v = u, v  # (N, 1, S), (N, S, 1)

    def capsule(self, a: Point, b: Point, at_a: float, at_b: float) -> np.ndarray:
        """Signed distance ``(N, S, S)`` to a limb from ``a`` to ``b`` whose radius changes; negative inside."""
        along_u, along_v = np.float32(b[0] - a[0]), np.float32(b[1] - a[1])
        length = along_u**2 + along_v**2
        du, dv = self.u - a[0], self.v - a[1]
        t = du * (along_u / length) + dv * (along_v / length)
        np.clip(t, 0, 1, out=t)
        across = t * along_u
        np.subtract(du, across, out=across)
        across *= across
        down = t * along_v
        np.subtract(dv, down, out=down)
        down *= down
        across += down
        np.sqrt(across, out=across)
        t *= np.float32(at_b - at_a)
        across -= t
        across -= np.float32(at_a)
        return across

    def disc(self, centre: Point, radius: float) -> np.ndarray:
        """Signed distance ``(N, S, S)`` to a disc."""
        distance = (self.u - centre[0]) ** 2 + (self.v - centre[1]) ** 2
        np.sqrt(distance, out=distance)
        distance -= np.float32(radius)
        return distance


def _joined(one: np.ndarray, other: np.ndarray, width: float = 0.05) -> np.ndarray:
    """Union of two shapes whose seam is rounded over ``width``."""
    h = np.abs(one - other)
    np.subtract(np.float32(width), h, out=h)
    np.maximum(h, 0, out=h)
    h *= h
    h *= np.float32(1 / (4 * width))
    nearest = np.minimum(one, other)
    nearest -= h
    return nearest


def _inside(distance: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """How much of a pixel lies inside, 0..1; the edge is ``width`` wide."""
    cover = distance * (-1 / width)
    cover += np.float32(0.5)
    return np.clip(cover, 0, 1, out=cover)


def _over(below: np.ndarray, above: np.ndarray | np.floating | float, cover: np.ndarray) -> None:
    """Paint ``above`` on ``below``, in place, as much as ``cover`` says."""
    difference = above - below
    difference *= cover
    below += difference


def _picture(
    chance: np.ndarray, size: int, coats: np.ndarray, on_meadow: np.ndarray, hours: bool, rider: bool
) -> tuple[np.ndarray, np.ndarray]:
    axis = ((np.arange(size) + 0.5) / size).astype(np.float32)
    x, y = axis[None, None, :], axis[None, :, None]
    length = 0.51 + 0.09 * chance[LENGTH]
    facing = np.where(chance[DIRECTION] < 0.5, np.float32(-1), np.float32(1))
    centre_x = 0.5 - facing * 0.14 * length + (1 - 1.66 * length) * (chance[PLACE_X] - 0.5)  # all of it is in view
    centre_y = 0.98 - 0.07 * chance[PLACE_Y] - 0.745 * length  # above the hooves
    paper = _Paper(facing * (x - centre_x) / length, (centre_y - y) / length)
    pixel = 1 / (size * length)  # in body lengths
    picture = _landscape(chance, size, x, y, np.where(on_meadow, 0, 1)[:, 0, 0], paper)
    cover, dark, shade = _animal(chance, coats, paper, pixel)
    brown = 1 + np.float32(0.16) * (chance[BROWN, :, 0, 0, None] - 0.5) * np.array((0.6, 1, 1.3), np.float32)
    light, deep = LIGHT[coats], DARK[coats]
    light = np.where((coats == 0)[:, None], light * brown, light)
    deep = np.where((coats == 3)[:, None], deep * brown, deep)
    for channel, plane in enumerate(picture):
        colour = dark * (deep - light)[:, channel, None, None]
        colour += light[:, channel, None, None]
        colour *= shade
        _over(plane, colour, cover)
    mask = cover > 0.5
    if rider:
        mask &= ~_rider(picture, paper, pixel)
    out = np.empty((len(mask), size, size, 3), np.uint8)
    for channel, plane in enumerate(picture):
        if hours:
            warm = 1 + (chance[WARMTH] - 0.5) * np.float32((0.06, 0, -0.08)[channel])
            plane *= (0.58 + 0.47 * chance[HOUR]) * warm
        plane *= 255
        plane += np.float32(0.5)
        out[..., channel] = np.clip(plane, 0, 255, out=plane)
    return out, mask


def _landscape(
    chance: np.ndarray, size: int, x: np.ndarray, y: np.ndarray, grounds: np.ndarray, paper: _Paper
) -> list[np.ndarray]:
    """Sky, hills, a tree, the ground and the animal's shadow: three planes ``(N, S, S)`` in 0..1."""
    pixel = 1 / size
    horizon = 0.30 + 0.10 * chance[HORIZON]
    below = np.clip((y - horizon) / (1 - horizon), 0, 1)
    ground = _inside(horizon - y, pixel)
    turns = 2 * np.pi * (x * (0.6 + 0.9 * chance[HILL_WIDTH]) + chance[HILL_PHASE])
    top = horizon - 0.02 - (0.02 + 0.04 * chance[HILL]) * (1 + np.sin(turns))
    hills = _inside(top - y, pixel) * (1 - ground)
    # A tree at the horizon: round in the meadow, flat in the savannah
    flat = np.where(grounds == 1, np.float32(1), np.float32(0))[:, None, None]
    tall = 0.11 + 0.06 * chance[TREE_SIZE]
    across = np.abs(x - (0.06 + 0.88 * chance[TREE]))
    wide, high = tall * (0.48 + 0.42 * flat), tall * (0.46 - 0.26 * flat)
    crown = (np.sqrt((across / wide) ** 2 + ((y - horizon + 0.8 * tall) / high) ** 2) - 1) * high
    trunk = np.maximum(across - 0.012, np.abs(y - horizon + 0.4 * tall) - 0.42 * tall)
    tree = _inside(np.minimum(crown, trunk), pixel)
    # Tufts, finer and closer together in the distance
    depth = np.log(below + 0.12)
    tufts = np.sin((x - 0.5) * 9 / (below + 0.25) + 6.28 * chance[TEXTURE] + 5 * depth) * np.sin(
        16 * depth + 40 * chance[TEXTURE]
    )
    light = 1 + (0.06 * ground) * tufts
    shadow = np.sqrt((0.9 * paper.u) ** 2 + (5 * (paper.v + 0.68)) ** 2)
    light *= 1 - 0.3 * _inside(shadow - 0.55, 0.25) * ground
    tint = 1 + 0.12 * (chance[TINT] - 0.5)
    far, near, hill, leaf = LAND[grounds].transpose(1, 2, 0)[..., None, None]  # (3, N, 1, 1) each
    planes = []
    for channel in range(3):
        sky = SKY_TOP[channel] + (SKY_LOW - SKY_TOP)[channel] * np.clip(y / horizon, 0, 1) * (0.8 + 0.2 * chance[SKY])
        land = (far[channel] + (near - far)[channel] * below) * (tint if channel != 1 else 1)
        plane = (sky + (land - sky) * ground) * light
        _over(plane, hill[channel], hills)
        _over(plane, leaf[channel], tree)
        planes.append(plane)
    return planes


def _animal(
    chance: np.ndarray, coats: np.ndarray, paper: _Paper, pixel: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cover, darkness (0: the coat's light colour, 1: its dark one) and shade of the animal, ``(N, S, S)`` each."""
    pose = np.searchsorted(np.array(LIKELY), chance[POSE, :, 0, 0], side="right")
    u, v = paper.u, paper.v

    def at(points: np.ndarray) -> Point:  # (N, 2)
        return points[:, 0, None, None], points[:, 1, None, None]

    nod = np.stack([chance[REACH, :, 0, 0] - 0.5, chance[NOD, :, 0, 0] - 0.5], axis=1)
    poll = _HEADS[pose, 0] + np.float32(0.08) * nod
    muzzle = _HEADS[pose, 1] + np.float32(0.08) * nod
    neck_base = np.array((0.29, 0.06), np.float32)
    along, face = poll - neck_base, muzzle - poll
    along /= np.hypot(along[:, :1], along[:, 1:])
    face /= np.hypot(face[:, :1], face[:, 1:])
    crest = np.stack([-along[:, 1], along[:, 0]], axis=1)  # to the neck's upper side
    up = np.stack([-face[:, 1], face[:, 0]], axis=1) - face  # the ears' way: back and away from the forehead
    up /= np.float32(np.sqrt(2))

    trunk = _joined(paper.disc((-0.29, 0.01), 0.23), paper.capsule((-0.25, 0.0), (0.27, -0.01), 0.19, 0.20))
    trunk = _joined(trunk, paper.disc((0.27, 0.0), 0.215))
    neck = paper.capsule((0.29, 0.06), at(poll), 0.175, 0.095)
    head = paper.capsule(at(poll - 0.01 * face), at(muzzle), 0.105, 0.062)
    ears = np.minimum(
        paper.capsule(at(poll - 0.03 * face + 0.03 * up), at(poll - 0.05 * face + 0.20 * up), 0.055, 0.022),
        paper.capsule(at(poll + 0.03 * face + 0.03 * up), at(poll + 0.05 * face + 0.19 * up), 0.050, 0.022),
    )
    mane = paper.capsule(at(neck_base + 0.16 * crest), at(poll + 0.08 * crest + 0.04 * along), 0.03, 0.055)
    tail = np.minimum(
        paper.capsule((-0.48, 0.13), (-0.59, 0.0), 0.045, 0.05), paper.capsule((-0.59, 0.0), (-0.60, -0.36), 0.05, 0.06)
    )
    stride = 0.75 + 0.35 * chance[STRIDE, :, 0, 0, None]
    legs, hooves = [], []
    for leg in range(4):
        swing = np.concatenate([stride, np.ones_like(stride)], axis=1)
        knee, hoof = (HIPS[leg] + swing * _LEGS[pose, 2 * leg + joint] for joint in range(2))
        thick = 0.10 if leg % 2 == 0 else 0.135
        upper = paper.capsule((HIPS[leg, 0], HIPS[leg, 1]), at(knee), thick, 0.062)
        legs.append(np.minimum(upper, paper.capsule(at(knee), at(hoof), 0.062, 0.048)))
        hooves.append(paper.capsule(at(hoof), at(hoof + np.array((0.03, -0.03), np.float32)), 0.05, 0.055))
    near, far = np.minimum(legs[0], legs[1]), np.minimum(legs[2], legs[3])
    far_hooves, near_hooves = np.minimum(hooves[2], hooves[3]), np.minimum(hooves[0], hooves[1])
    body = _joined(_joined(_joined(trunk, neck, 0.08), near, 0.04), head, 0.03)
    body = np.minimum(body, ears)

    dark = _coat(
        chance, coats, u, v, pixel, (trunk, np.minimum(near, far), neck, head), (neck_base, along), (poll, face)
    )
    shade = np.clip(1.03 + 0.45 * v, 0.70, 1.10) + np.zeros_like(u)
    mane_shade = MANE[coats][:, None, None]
    nearer = _inside(np.minimum(body, near_hooves), pixel)
    shade *= 1 - np.float32(0.34) * (1 - nearer)  # what is not near: the far legs
    nose = paper.disc(at(muzzle + 0.01 * face), 0.075)
    np.maximum(nose, head, out=nose)
    trim = np.minimum(np.minimum(near_hooves, nose), np.minimum(mane, tail))
    trim = _inside(trim, pixel)
    np.maximum(trim, _inside(far_hooves, pixel) * (1 - nearer), out=trim)
    _over(dark, 1, trim)
    eye = _inside(paper.disc(at(poll + 0.09 * face + 0.035 * crest), 0.028), pixel)
    _over(dark, 1, eye)
    shade *= 1 - (1 - mane_shade) * trim
    shade *= 1 - 0.6 * eye
    outline = np.minimum(np.minimum(body, far), np.minimum(near_hooves, far_hooves))
    outline = np.minimum(outline, np.minimum(mane, tail))
    return _inside(outline, pixel), dark, shade


def _coat(
    chance: np.ndarray,
    coats: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    pixel: np.ndarray,
    parts: tuple[np.ndarray, ...],
    neck_axis: tuple[np.ndarray, np.ndarray],
    head_axis: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Where a coat is dark, 0..1: each picture's own pattern only, because patterns cost time."""
    trunk, legs, neck, head = parts
    dark = np.zeros_like(trunk)
    for kind in np.unique(coats[coats > 0]):
        of = coats == kind
        some, x, y = chance[:, of], u[of], v[of]
        if kind == 1:
            number = 5.4 + 0.9 * some[STRIPES]  # in a body length
            rump = np.clip((-0.08 - x) / 0.4, 0, 1)
            phase = x + y * (0.25 * (some[SLANT] - 0.5) - 0.75 * rump) + 0.02 * np.sin(9 * y + 6.28 * some[WAVE])
            on_neck, on_head = (
                base[0] + (x - base[0]) * way[:, :1, None] + (y - base[1]) * way[:, 1:, None]
                for base, way in (
                    ((neck_axis[0][0], neck_axis[0][1]), neck_axis[1][of]),
                    ((head_axis[0][of, :1, None], head_axis[0][of, 1:, None]), head_axis[1][of]),
                )
            )
            phase = np.where(legs[of] < trunk[of], 1.15 * y - 0.15 * x, phase)
            phase = np.where(neck[of] < np.minimum(trunk[of], legs[of]), on_neck, phase)
            phase = np.where((head[of] < neck[of]) & (head[of] < trunk[of]), 1.2 * on_head, phase)
            wave = np.sin(6.2832 * (number * phase + some[PHASE]))
            sharp = np.maximum(0.9, 1 / (6.2832 * number * pixel[of]))
            pattern = 0.5 + sharp * (wave - 0.08)
        else:
            x, y = x + 0.04 * np.sin(7 * y + 6.28 * some[WAVE]), y + 0.04 * np.sin(6 * x + 6.28 * some[SLANT])
            if kind == 2:
                turn, size = (0.2, 0.2 + 2.0944, 0.2 + 4.1888), 6.2832 / 0.205
                shift = (some[SPOT_1], some[SPOT_2], -some[SPOT_1] - some[SPOT_2])
                waves = sum(
                    np.cos(size * (x * np.float32(np.cos(t)) + y * np.float32(np.sin(t))) + 6.2832 * s)
                    for t, s in zip(turn, shift, strict=True)
                )
                pattern = 0.5 + 1.2 * (waves - 0.55)
            else:
                waves = sum(
                    np.cos(
                        6.2832 * ((1.35 + 0.2 * k) * (x * np.float32(np.cos(t)) + y * np.float32(np.sin(t))) + some[s])
                    )
                    for k, (t, s) in enumerate(((0.1, PATCH_1), (1.2, PATCH_2), (2.2, PATCH_3)))
                )
                pattern = 0.5 + 3 * waves
        dark[of] = np.clip(pattern, 0, 1)
    return dark


def _rider(picture: list[np.ndarray], paper: _Paper, pixel: np.ndarray) -> np.ndarray:
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
        cover = _inside(distance, pixel)
        anywhere |= cover > 0.5
        for plane, value in zip(picture, colour, strict=True):
            _over(plane, np.float32(value), cover)
    return anywhere
