"""Photographs of the procedural façade world: a raster of parts → RGB pictures.

Every kind of part has a shader. It is given the pixels of all parts of its kind in the batch at once and answers with
two numbers per pixel: how much of the part's second colour shows (frame on glass, mortar on brick, stripe on awning)
and a factor for the brightness. Light, dirt, and the camera come afterwards, for the whole batch together.

How freely materials, colours and contrasts are drawn anew for every photograph is the world's ``variety``. At 1
nothing but structure (bars, slats, flutes, panes ...) tells the classes apart, and the mean of many photographs of a
house is grey and flat. Only arithmetic and comparisons are used, no sine or exponential, so that all machines make the
same bytes.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import ndimage

from i2i_tutor.data.facades.grammar import Kind, Raster
from i2i_tutor.data.facades.look import DRAWS, Look

Light = Literal["day", "night"]

_PHOTO = 0xF070  # keeps the random numbers of photographs apart from those of houses
_REFERENCE = 64  # pixels: the size at which the lengths of textures are given
_GRID = 9  # nodes per side of the coarse noise behind clouds and dirt

# How far parts stand out of the wall, in units of the cast shadow's reach. What is far away casts nothing.
_DEPTHS = {
    Kind.SKY: -9.0,
    Kind.TREE: -9.0,
    Kind.NEIGHBOUR: -9.0,
    Kind.STREET: -9.0,
    Kind.WINDOW: -0.5,
    Kind.DOOR: -0.6,
    Kind.SHOP_WINDOW: -0.5,
    Kind.PLINTH: 0.1,
    Kind.ROOF: 0.0,
    Kind.BLIND: 0.2,
    Kind.DECO: 0.25,
    Kind.SIGN: 0.3,
    Kind.SILL: 0.4,
    Kind.PILLAR: 0.4,
    Kind.CORNICE: 0.5,
    Kind.MOLDING: 0.6,
    Kind.BALCONY: 1.0,
    Kind.AWNING: 1.0,
}
_DEPTH_OF_KIND = np.array([_DEPTHS.get(kind, 0.0) for kind in Kind], dtype=np.float32)
_SHADOW_REACH = 0.05  # of the side
# Night: factors of a photograph by day, colours of a lamp behind a pane and of its light on what is near it
_MOONLIGHT = (0.24, 0.28, 0.46)
_LAMP = (255.0, 205.0, 105.0)
_HALO = (75.0, 50.0, 14.0)
_GLOW_REACH = 1 / 32  # of the side
_LIT_WINDOWS, _LIT_SHOPS = 0.55, 0.75  # shares
_RANDOM_TABLE = np.random.Generator(np.random.PCG64(0)).random(4096, dtype=np.float32)


def _tone(a: np.ndarray, b: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """A fixed random number in [0, 1) for every pair of whole numbers a, b: the tone of a brick, a letter, a leaf."""
    return _RANDOM_TABLE[(a.astype(np.int32) * 97 + b.astype(np.int32) * 331 + seed.astype(np.int32)) & 4095]


def _fraction(x: np.ndarray) -> np.ndarray:
    return x - np.floor(x)


class _Pixels:
    """The pixels of one kind, in the coordinates of their parts. All arrays are (M,), in pixels.

    Args:
        owner: the part that each pixel shows.
        x, y: its place in the image.
    """

    def __init__(self, raster: Raster, look: Look, owner: np.ndarray, x: np.ndarray, y: np.ndarray):
        self.look, self.x, self.y = look, x, y
        self._raster, self._owner, self._image = raster, owner, raster.image.take(owner)
        # The grain of textures: one pixel at 64 and below; finer than the parts in large pictures, as in real ones.
        self.unit = np.float32(max(1.0, (raster.owner.shape[-1] / _REFERENCE) ** 0.5))

    @cached_property
    def dx(self) -> np.ndarray:
        return self.x - self._raster.left.take(self._owner)

    @cached_property
    def dy(self) -> np.ndarray:
        return self.y - self._raster.top.take(self._owner)

    @cached_property
    def width(self) -> np.ndarray:
        return self._raster.width.take(self._owner)

    @cached_property
    def height(self) -> np.ndarray:
        return self._raster.height.take(self._owner)

    def of(self, attribute: np.ndarray) -> np.ndarray:
        """An attribute of the photograph (N,) for each pixel (M,)."""
        return attribute.take(self._image)

    def stripes(self, distance: np.ndarray, period: np.ndarray, share: float = 0.5) -> np.ndarray:
        """1 on the first ``share`` of every period (pixels at 64), else 0."""
        return (_fraction(distance / (self.of(period) * self.unit)) < share).astype(np.float32)

    def border(self, thickness: float = 1.0) -> np.ndarray:
        """Whether a pixel is within ``thickness`` (pixels at 64) of the part's edge."""
        t = thickness * self.unit
        sides = np.minimum(self.dx, self.width - 1 - self.dx)
        ends = np.minimum(self.dy, self.height - 1 - self.dy)
        return np.minimum(sides, ends) < t


_Shading = tuple[np.ndarray, np.ndarray]  # share of the second colour, factor of brightness


def _masonry(p: _Pixels, enlarge: float = 1.0) -> _Shading:
    scale = p.unit * np.float32(enlarge)
    course, block, shift, joint, spread = (p.of(column) for column in p.look.material.T[:5])
    row_position = (p.y + p.of(p.look.phase)) / (course * scale)
    row = np.floor(row_position)
    column_position = p.x / (block * scale) + shift * (row % 2)
    column = np.floor(column_position)
    thickness = np.maximum(np.float32(0.28) * p.unit, 1)
    in_joint = ((row_position - row) * course * scale < thickness) | (
        (column_position - column) * block * scale < thickness
    )
    return joint * in_joint, 1 + spread * (_tone(row, column, p.of(p.look.seed)) - 0.5) * 2


def _wall(p: _Pixels) -> _Shading:
    return _masonry(p)


def _plinth(p: _Pixels) -> _Shading:
    mix, tone = _masonry(p, enlarge=1.6)
    return mix, 0.85 * tone


def _roof(p: _Pixels) -> _Shading:
    row = np.floor(p.y / (3 * p.unit))
    column = np.floor(p.x / (3 * p.unit) + 0.5 * (row % 2))
    rim = p.y - row * 3 * p.unit < p.unit
    return np.zeros_like(p.x), 1 - 0.4 * rim + 0.3 * (_tone(row, column, p.of(p.look.seed)) - 0.5)


def _sky(p: _Pixels) -> _Shading:
    return np.minimum(p.y / (40 * p.unit), 1), np.ones_like(p.x)


def _tree(p: _Pixels) -> _Shading:
    seed = p.of(p.look.seed)
    tone = np.full_like(p.x, 0.3)
    for grain, share in ((6, 0.5), (2.5, 0.5), (1, 0.4)):  # crown, branches, leaves
        row = np.floor(p.y / (grain * p.unit))
        tone += share * _tone(row, np.floor(p.x / (grain * p.unit) + _tone(row, row, seed)), seed)
    return np.zeros_like(p.x), tone


def _neighbour(p: _Pixels) -> _Shading:
    return np.zeros_like(p.x), 0.55 + 0.3 * p.y / (64 * p.unit)


def _street(p: _Pixels) -> _Shading:
    kerb = p.dy < p.unit
    return np.zeros_like(p.x), 0.7 + 0.4 * kerb - 0.2 * (p.dy / p.height)


def _window(p: _Pixels) -> _Shading:
    frame = p.border() & (np.minimum(p.width, p.height) >= 7 * p.unit)
    panes = np.minimum(p.of(p.look.columns_of_panes), np.maximum(np.floor(p.width / (2.5 * p.unit)), 1))
    pane_width = p.width / panes
    bar = (np.abs(p.dx + 0.5 - np.rint(p.dx / pane_width) * pane_width) <= 0.5 * p.unit) & (p.dx >= 1) & (panes > 1)
    transom = np.abs(p.dy - np.floor(p.of(p.look.transom) * p.height)) < 0.5 * p.unit
    transom &= p.height >= 5 * p.unit
    streak = _fraction((p.dx + p.dy + p.of(p.look.phase)) / (9 * p.unit)) < 0.4
    tone = 1.15 - 0.3 * p.dy / p.height + 0.12 * streak
    radius = p.width / 2
    beside, above = p.dx + 0.5 - radius, np.maximum(radius - p.dy, 0)
    arch = (beside * beside + above * above > radius * radius) & p.of(p.look.arched) & (p.height > p.width)
    wood = frame | bar | transom | arch
    return wood.astype(np.float32), np.where(wood, np.float32(1), tone)


def _door(p: _Pixels) -> _Shading:
    leaf = np.abs(p.dx + 0.5 - p.width / 2) < 0.6 * p.unit
    rows = _fraction((p.dy + 0.5 * p.unit) / np.maximum(p.height / 3, 4 * p.unit)) * np.maximum(
        p.height / 3, 4 * p.unit
    )
    grooves = p.border() | leaf | (rows < p.unit)
    fanlight = (p.dy < 0.2 * p.height) & ~p.border()
    return np.where(fanlight, np.float32(0.8), 0.75 * grooves), 1 - 0.15 * p.dy / p.height


def _profile(p: _Pixels) -> np.ndarray:
    """Brightness of a stone profile, from its upper to its lower edge."""
    return 1 + p.of(p.look.bevel) * (1 - 2 * (p.dy + 0.5) / p.height)


def _cornice(p: _Pixels) -> _Shading:
    ledge = (p.dy < 0.4 * p.height) & (p.height >= 3 * p.unit)
    return p.stripes(p.dx, p.look.dentil) * ~ledge, _profile(p)


def _sill(p: _Pixels) -> _Shading:
    upper = p.dy < 0.5 * p.height
    brackets = (np.minimum(p.dx, p.width - 1 - p.dx) < 2 * p.unit) & ~upper
    return (~upper & ~brackets).astype(np.float32), _profile(p)


def _molding(p: _Pixels) -> _Shading:
    line = np.floor(p.dy / np.maximum(p.height / 3, p.unit))
    return 0.7 * (line % 2), _profile(p)


def _pillar(p: _Pixels) -> _Shading:
    ends = np.minimum(p.dy, p.height - 1 - p.dy) < 2 * p.unit
    flutes = p.stripes(p.dx, p.look.flute)
    return np.where(ends, np.float32(0), 0.8 * flutes), np.where(ends, np.float32(1.12), np.float32(1))


def _balcony(p: _Pixels) -> _Shading:
    rail = p.dy < p.unit
    slab = p.height - 1 - p.dy < np.maximum(0.2 * p.height, p.unit)
    gaps = 1 - p.stripes(p.x + p.of(p.look.phase), p.look.bar, 0.45)
    return np.where(rail | slab, np.float32(0), gaps), np.where(slab, np.float32(0.9), np.float32(1))


def _blind(p: _Pixels) -> _Shading:
    slats = p.stripes(p.dy + p.of(p.look.phase), p.look.slat)
    return np.zeros_like(p.x), 1.3 - p.of(p.look.slat_contrast) * slats


def _deco(p: _Pixels) -> _Shading:
    across, along = np.abs((p.dx + 0.5) / p.width - 0.5), np.abs((p.dy + 0.5) / p.height - 0.5)
    rings = _fraction((across + along) * np.maximum(np.minimum(p.width, p.height) / (4 * p.unit), 1)) < 0.5
    return rings.astype(np.float32), 1.1 - 0.4 * along


def _shop_window(p: _Pixels) -> _Shading:
    bars = _fraction((p.dx + 2 * p.of(p.look.phase)) / (9 * p.unit)) * 9 < 1
    riser = p.height - 1 - p.dy < 1.5 * p.unit
    seed = p.of(p.look.seed)
    shelf = _tone(np.floor(p.dy / (2 * p.unit)), np.floor(p.x / (2 * p.unit)), seed)
    goods = (shelf > 0.55) & (p.dy > 0.45 * p.height)
    return np.where(bars | riser, np.float32(0.3), goods * shelf), np.where(
        bars, 4 * p.of(p.look.bevel) + 1, 0.8 + 0.4 * shelf
    )


def _sign(p: _Pixels) -> _Shading:
    inside = (p.dy >= p.unit) | (p.height < 3 * p.unit)
    inside &= (p.height - 1 - p.dy >= p.unit) | (p.height < 3 * p.unit)
    margin = np.minimum(p.dx, p.width - 1 - p.dx) >= 2 * p.unit
    letters = _tone(np.floor(p.dy / p.unit), np.floor(p.x / p.unit), p.of(p.look.seed)) < 0.5
    return (letters & inside & margin).astype(np.float32), np.ones_like(p.x)


def _awning(p: _Pixels) -> _Shading:
    valance = p.height - 1 - p.dy < p.unit
    return p.stripes(p.dx, p.look.stripe), 1.05 - 0.2 * p.dy / p.height - 0.15 * valance


_SHADERS: dict[Kind, Callable[[_Pixels], _Shading]] = {
    Kind.SKY: _sky,
    Kind.TREE: _tree,
    Kind.NEIGHBOUR: _neighbour,
    Kind.STREET: _street,
    Kind.WALL: _wall,
    Kind.PLINTH: _plinth,
    Kind.ROOF: _roof,
    Kind.WINDOW: _window,
    Kind.DOOR: _door,
    Kind.CORNICE: _cornice,
    Kind.SILL: _sill,
    Kind.BALCONY: _balcony,
    Kind.BLIND: _blind,
    Kind.DECO: _deco,
    Kind.MOLDING: _molding,
    Kind.PILLAR: _pillar,
    Kind.SHOP_WINDOW: _shop_window,
    Kind.SIGN: _sign,
    Kind.AWNING: _awning,
}


def _part_colours(raster: Raster, look: Look, luck: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second colour of every part, (P, 3) each. ``luck`` (P,) in [0, 1) is each part's own random number."""
    stone = (look.stone, look.stone_ground)
    pairs: dict[Kind, tuple[np.ndarray, np.ndarray]] = {
        Kind.SKY: (look.sky, look.horizon),
        Kind.TREE: (look.leaves, look.leaves),
        Kind.NEIGHBOUR: (look.neighbour, look.neighbour),
        Kind.STREET: (look.street, look.street),
        Kind.WALL: (look.wall, look.mortar),
        Kind.PLINTH: (look.wall, look.mortar),
        Kind.ROOF: (look.roof, look.roof),
        Kind.WINDOW: (look.glass, look.frame),
        Kind.DOOR: (look.door, look.door_ground),
        Kind.CORNICE: stone,
        Kind.SILL: stone,
        Kind.BALCONY: (look.railing, look.behind_railing),
        Kind.BLIND: (look.blind, look.blind),
        Kind.DECO: (look.stone, look.relief),
        Kind.MOLDING: stone,
        Kind.PILLAR: stone,
        Kind.SHOP_WINDOW: (look.shop_glass, look.goods),
        Kind.SIGN: (look.sign, look.letters),
        Kind.AWNING: (look.fabric, look.second_fabric),
    }
    first, second = (np.stack([pairs[kind][side] for kind in Kind])[raster.kind, raster.image] for side in range(2))
    other = (raster.kind == Kind.WINDOW) & (luck < look.share_of_other[raster.image])
    first[other] = look.other_glass[raster.image[other]]
    first *= (1 + look.variety * (0.16 * _fraction(luck * 7) - 0.08))[:, None]
    return first, second


def _smooth_noise(nodes: np.ndarray, size: int) -> np.ndarray:
    """Coarse random numbers (N, rows, columns) → (N, size, size), interpolated linearly."""

    def stretch(grid: np.ndarray) -> np.ndarray:  # the last axis, to the image's side
        position = np.linspace(0, grid.shape[-1] - 1, size, dtype=np.float32)
        low = np.minimum(position.astype(np.intp), grid.shape[-1] - 2)
        share = position - low.astype(np.float32)
        start = grid.take(low, axis=-1)
        return start + (grid.take(low + 1, axis=-1) - start) * share

    columns = stretch(nodes.swapaxes(1, 2).copy())
    return stretch(columns.swapaxes(1, 2).copy())


def _shadow(depth: np.ndarray, side: np.ndarray) -> np.ndarray:
    """How much of the sun is taken away, (N, size, size) in [0, 1], by what stands out above and to the sun's side.

    Args:
        depth: (N, size, size) how far each pixel stands out of the wall.
        side: (N,) -1, 0, or 1: the sun comes from the left, from straight above, or from the right.
    """
    n, size, _ = depth.shape
    reach = max(1, round(_SHADOW_REACH * size))
    padded = np.pad(depth, ((0, 0), (reach, 0), (reach, reach)), mode="edge")
    shadow = np.zeros_like(depth)
    for away in range(1, reach + 1):
        threshold = 0.6 * (away - 1) / reach  # what stands out little casts a short shadow
        for image in range(n):
            dx = reach + int(side[image]) * away
            above = padded[image, reach - away : reach - away + size, dx : dx + size]
            np.maximum(shadow[image], above - depth[image] - threshold, out=shadow[image])
    shadow = np.minimum(2 * shadow, 1)
    shadow[depth < -1] = 0
    return shadow


def render(raster: Raster, indices: Sequence[int], photo: int, variety: float, light: Light) -> np.ndarray:
    """Photograph a batch of houses.

    Args:
        raster: N houses.
        indices: their numbers.
        photo: which of the endlessly many photographs.
        variety: how freely its look is chosen, from 0 to 1.
        light: by day or at night. Everything else of the photograph stays the same.

    Returns:
        (N, size, size, 3) uint8.
    """
    n, size, _ = raster.owner.shape
    generators = [np.random.Generator(np.random.PCG64((_PHOTO, index, photo))) for index in indices]
    look = Look(np.stack([generator.random(DRAWS, dtype=np.float32) for generator in generators], axis=1), variety)
    parts = np.bincount(raster.image, minlength=n)
    luck = np.concatenate([g.random(count, dtype=np.float32) for g, count in zip(generators, parts, strict=True)])
    nodes = np.stack([generator.random((2, _GRID, _GRID), dtype=np.float32) for generator in generators])
    grain = np.stack([generator.random((size, size), dtype=np.float32) for generator in generators]) - 0.5

    mix, tone = _shade(raster, look)
    brightness = tone * _brightness(raster, look, nodes, grain)
    gain = 255 * look.exposure[:, None] * look.balance
    first, second = (colour * gain[raster.image] for colour in _part_colours(raster, look, luck))
    base, difference = first.T.copy(), (second - first).T.copy()
    photos = np.empty((3, n, size, size), dtype=np.float32)
    for channel, plane in enumerate(photos):  # one after the other: numpy is slow at a last axis of three
        np.multiply(difference[channel].take(raster.owner), mix, out=plane)
        plane += base[channel].take(raster.owner)
        plane *= brightness
        _soften(plane, look.softness)
    if light == "night":
        _nightfall(photos, _lamplight(raster, mix, luck))
    return np.clip(photos, 0, 255).astype(np.uint8).transpose(1, 2, 3, 0).copy()


def _lamplight(raster: Raster, mix: np.ndarray, luck: np.ndarray) -> np.ndarray:
    """How much of each pixel is a pane with a lamp behind it, (N, size, size) in [0, 1]. Chance lights the windows."""
    window, shop = raster.kind == Kind.WINDOW, raster.kind == Kind.SHOP_WINDOW
    lit = window & (_fraction(luck * 11) < _LIT_WINDOWS) | shop & (_fraction(luck * 11) < _LIT_SHOPS)
    return lit.astype(np.float32).take(raster.owner) * (1 - mix)


def _nightfall(photos: np.ndarray, lamps: np.ndarray) -> None:
    """Turn photographs (3, N, size, size) into the same at night, in place: dim and blue, but with lamps."""
    size = photos.shape[-1]
    grey = np.clip(photos, 0, 255).mean(axis=0)
    reach = 2 * max(1, round(_GLOW_REACH * size)) + 1
    glow = lamps
    for axis in (1, 2, 1, 2):
        glow = ndimage.uniform_filter1d(glow, reach, axis, mode="nearest")
    for plane, moon, lamp, halo in zip(photos, _MOONLIGHT, _LAMP, _HALO, strict=True):
        np.clip(plane, 0, 255, out=plane)
        plane *= 0.4
        plane += 0.6 * grey
        plane *= moon
        plane += glow * halo
        plane += lamps * (lamp - plane)


def _shade(raster: Raster, look: Look) -> _Shading:
    """Run every shader on its pixels; both results (N, size, size)."""
    owner = raster.owner.reshape(-1)
    kinds = raster.kind.take(owner)
    order = kinds.argsort(kind="stable")  # sorted once, so that the pixels of a kind lie together
    owner = owner.take(order)
    y, x = (coordinate.astype(np.float32) for coordinate in np.divmod(order, raster.owner.shape[-1]))
    y %= raster.owner.shape[-1]
    sorted_mix, sorted_tone = np.empty_like(x), np.empty_like(x)
    end = 0
    for kind, count in enumerate(np.bincount(kinds, minlength=len(Kind)).tolist()):
        pixels = slice(end, end + count)
        end += count
        if count:
            shading = _SHADERS[Kind(kind)](_Pixels(raster, look, owner[pixels], x[pixels], y[pixels]))
            sorted_mix[pixels], sorted_tone[pixels] = shading
    mix, tone = np.empty_like(x), np.empty_like(x)
    mix[order], tone[order] = sorted_mix, sorted_tone
    return mix.reshape(raster.owner.shape), tone.reshape(raster.owner.shape)


def _brightness(raster: Raster, look: Look, nodes: np.ndarray, grain: np.ndarray) -> np.ndarray:
    """Brightness (N, size, size) from sun and shadow, dirt, streaks of rain, the roughness of walls, sensor noise."""

    def per_image(attribute: np.ndarray) -> np.ndarray:
        return attribute[:, None, None]

    size = raster.owner.shape[-1]
    depth = _DEPTH_OF_KIND[raster.kind].take(raster.owner)
    light = 1 - per_image(look.sun) * _shadow(depth, look.sun_side)
    light *= 1 - per_image(look.dirt) * _smooth_noise(nodes[:, 0], size)
    streaks = per_image(look.streaks) * grain[:, :1] * _smooth_noise(nodes[:, 1], size)  # one number per column
    light *= 1 + streaks * (depth > -1)
    light += grain * per_image(look.sensor_noise) * 2
    light += grain[:, ::-1] * per_image(look.roughness) * 2 * (np.abs(depth) < 0.3)
    return light


def _soften(plane: np.ndarray, softness: np.ndarray) -> np.ndarray:
    """The lens, in place: each pixel (N, size, size) gives a share ``softness`` (N,) to its neighbours on both axes."""
    share = softness[:, None, None]
    for lines in (plane, plane.swapaxes(1, 2)):
        step = share * (lines[:, 1:] - lines[:, :-1])  # what flows from each line to the one before it
        lines[:, :-1] += step
        lines[:, 1:] -= step
    return plane
