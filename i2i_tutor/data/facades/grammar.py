"""The grammar of the procedural façade world: house number → parts → label map.

A house is a list of rectangles, painted one over the other, as in the CMP façade database (Tylecek and Sara, 2013).
All lengths are fractions of the image's side, so that the same house can be drawn at any size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, auto

import numpy as np

CLASSES = (
    "background",
    "facade",
    "window",
    "door",
    "cornice",
    "sill",
    "balcony",
    "blind",
    "deco",
    "molding",
    "pillar",
    "shop",
)
# The colours of the label maps that pix2pix was trained with: a ramp through the "jet" colour map in steps of 80.
COLOURS = np.array(
    [
        (0, 0, 223),
        (0, 48, 255),
        (0, 128, 255),
        (0, 207, 255),
        (32, 255, 223),
        (112, 255, 143),
        (192, 255, 63),
        (255, 239, 0),
        (255, 159, 0),
        (255, 80, 0),
        (255, 0, 0),
        (175, 0, 0),
    ],
    dtype=np.uint8,
)


class Kind(IntEnum):
    """What a part is made of. Finer than the class: a street and the sky are both background."""

    SKY = 0
    TREE = auto()
    NEIGHBOUR = auto()
    STREET = auto()
    WALL = auto()
    PLINTH = auto()
    ROOF = auto()
    WINDOW = auto()
    DOOR = auto()
    CORNICE = auto()
    SILL = auto()
    BALCONY = auto()
    BLIND = auto()
    DECO = auto()
    MOLDING = auto()
    PILLAR = auto()
    SHOP_WINDOW = auto()
    SIGN = auto()
    AWNING = auto()


_KINDS_OF_CLASS = {
    "background": (Kind.SKY, Kind.TREE, Kind.NEIGHBOUR, Kind.STREET),
    "facade": (Kind.WALL, Kind.PLINTH, Kind.ROOF),
    "window": (Kind.WINDOW,),
    "door": (Kind.DOOR,),
    "cornice": (Kind.CORNICE,),
    "sill": (Kind.SILL,),
    "balcony": (Kind.BALCONY,),
    "blind": (Kind.BLIND,),
    "deco": (Kind.DECO,),
    "molding": (Kind.MOLDING,),
    "pillar": (Kind.PILLAR,),
    "shop": (Kind.SHOP_WINDOW, Kind.SIGN, Kind.AWNING),
}
CLASS_OF_KIND = np.empty(len(Kind), dtype=np.uint8)
for _name, _kinds in _KINDS_OF_CLASS.items():
    CLASS_OF_KIND[list(_kinds)] = CLASSES.index(_name)

MIN_THICKNESS = 1 / 32  # of the side: nothing is thinner than this, i.e. than 2 pixels at 64
_HOUSE = 0xFACADE  # keeps the random numbers of houses apart from all others


Part = tuple[Kind, float, float, float, float]
"""A rectangle: kind, left, top, right, bottom; x to the right, y downwards, both in [0, 1]."""


@dataclass(frozen=True)
class Style:
    """A building style: ranges of the layout and the chance of every ornament."""

    storeys: tuple[int, int]  # above the ground floor
    bays: tuple[int, int]
    window_width: tuple[float, float]  # of the bay
    window_height: tuple[float, float]  # of the storey
    margin: float  # chance that a side of the picture shows what stands beside the house
    roof: float
    shop: float
    sill: float
    cornice: float
    molding: float  # between two storeys; the one below the roof is there more often
    balcony: float
    long_balcony: float  # of the balconies: one along the whole storey
    shutter: float
    roller: float
    deco: float
    pillar: float


STYLES = (
    # Gründerzeit tenement
    Style((3, 4), (3, 5), (0.36, 0.50), (0.46, 0.56), 0.4, 0.4, 0.5, 0.7, 0.75, 0.6, 0.35, 0.1, 0.1, 0.1, 0.5, 0.3),
    # town house with shutters
    Style((2, 3), (2, 4), (0.32, 0.42), (0.46, 0.60), 0.5, 0.5, 0.3, 0.8, 0.2, 0.4, 0.20, 0.1, 0.9, 0.0, 0.2, 0.1),
    # modern flats
    Style((3, 4), (2, 4), (0.50, 0.74), (0.48, 0.60), 0.4, 0.1, 0.4, 0.2, 0.0, 0.2, 0.85, 0.6, 0.0, 0.7, 0.1, 0.1),
    # brick warehouse
    Style((2, 4), (2, 4), (0.54, 0.72), (0.50, 0.66), 0.3, 0.2, 0.3, 0.8, 0.2, 0.4, 0.05, 0.0, 0.0, 0.2, 0.1, 0.6),
    # shop with flats above
    Style((1, 3), (2, 4), (0.38, 0.56), (0.46, 0.60), 0.3, 0.3, 1.0, 0.6, 0.4, 0.5, 0.30, 0.3, 0.2, 0.3, 0.3, 0.2),
    # villa
    Style((1, 2), (2, 4), (0.30, 0.42), (0.46, 0.60), 0.9, 0.8, 0.0, 0.7, 0.4, 0.4, 0.35, 0.0, 0.5, 0.1, 0.3, 0.2),
    # palace
    Style((2, 3), (5, 6), (0.38, 0.48), (0.50, 0.58), 0.3, 0.4, 0.1, 0.6, 0.9, 0.6, 0.30, 0.2, 0.0, 0.0, 0.5, 0.7),
)


class _Dice:
    """Random numbers of one house. They are drawn in blocks, because one call for each would take most of the time."""

    _BLOCK = 256

    def __init__(self, seed: tuple[int, ...]):
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._numbers: list[float] = []

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        if not self._numbers:
            self._numbers = self._generator.random(self._BLOCK).tolist()
        return low + (high - low) * self._numbers.pop()

    def chance(self, probability: float) -> bool:
        return self.uniform() < probability

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return low + int(self.uniform() * (high - low + 1))


class _House:
    """Builds the parts of one house from the back to the front."""

    def __init__(self, index: int):
        self.dice = dice = _Dice((_HOUSE, index))
        self.style = style = STYLES[dice.integer(0, len(STYLES) - 1)]
        self.parts: list[Part] = []
        self.left, self.right = (dice.uniform(0.05, 0.14) if dice.chance(style.margin) else 0.0 for _ in range(2))
        self.right = 1 - self.right
        self.top = dice.uniform(0.04, 0.16) if dice.chance(0.75) else 0.0
        self.bottom = 1 - (dice.uniform(0.04, 0.10) if dice.chance(0.5) else 0.0)
        self.bays = dice.integer(*style.bays)
        self.storeys = dice.integer(*style.storeys)
        self.bay_width = (self.right - self.left) / self.bays
        self.window_width = max(0.05, self.bay_width * dice.uniform(*style.window_width))
        self.window_height = dice.uniform(*style.window_height)
        self.twin = self.window_width > 0.14 and dice.chance(0.35)  # two narrow windows in place of a wide one
        self.has_sill, self.has_cornice = dice.chance(style.sill), dice.chance(style.cornice)
        self.has_shutters, self.has_rollers = dice.chance(style.shutter), dice.chance(style.roller)
        self.has_moldings, self.has_deco = dice.chance(style.molding), dice.chance(style.deco)
        self.has_pillars = dice.chance(style.pillar)
        self.pillar_width = dice.uniform(MIN_THICKNESS, 0.05)
        self.long_balcony = dice.chance(style.long_balcony)
        balconies = dice.chance(style.balcony)
        self.balcony_bays = self._pattern() if balconies else ()
        self.middle = (self.bays - 1) / 2

    def build(self) -> list[Part]:
        self.surroundings()
        self.add(Kind.WALL, self.left, self.top, self.right, self.bottom)
        wall_top = self.roof() if self.dice.chance(self.style.roof) else self.top
        wall_top = self.crown(wall_top)
        ground_share = self.dice.uniform(1.0, 1.35)
        storey_height = (self.bottom - wall_top) / (self.storeys + ground_share)
        ground = self.bottom - ground_share * storey_height
        for storey in range(self.storeys):
            y = wall_top + storey * storey_height
            self.storey(y, storey_height, storey)
        self.verticals(wall_top, ground)
        self.ground_floor(ground, storey_height)
        return self.parts

    def add(self, kind: Kind, x0: float, y0: float, x1: float, y1: float) -> None:
        self.parts.append((kind, x0, y0, x1, y1))

    def centre(self, bay: float) -> float:
        return self.left + (bay + 0.5) * self.bay_width

    def _pattern(self) -> tuple[int, ...]:
        """A symmetric choice of bays."""
        middle = (self.bays - 1) / 2
        choice = self.dice.integer(0, 3)
        if choice == 0:
            return tuple(range(self.bays))
        if choice == 1:
            return tuple(bay for bay in range(self.bays) if abs(bay - middle) < 1)
        if choice == 2:
            return (0, self.bays - 1)
        return tuple(range(int(self.dice.uniform(0, 2)), self.bays, 2))

    def surroundings(self) -> None:
        self.add(Kind.SKY, 0, 0, 1, 1)
        for x0, x1 in ((0.0, self.left), (self.right, 1.0)):
            if x1 > x0 and self.dice.chance(0.75):
                kind = Kind.TREE if self.dice.chance(0.4) else Kind.NEIGHBOUR
                self.add(kind, x0, self.dice.uniform(0.05, 0.6), x1, 1)
        if self.bottom < 1:
            self.add(Kind.STREET, 0, self.bottom, 1, 1)

    def roof(self) -> float:
        """Tiles (façade, as in CMP) with or without dormer windows; returns where the wall begins."""
        height = self.dice.uniform(0.09, 0.17)
        eaves = self.top + height
        self.add(Kind.ROOF, self.left, self.top, self.right, eaves)
        if self.dice.chance(0.6):
            for bay in self._pattern():
                x = self.centre(bay)
                half = self.window_width * 0.4
                self.add(Kind.WINDOW, x - half, eaves - 0.7 * height, x + half, eaves - 0.15 * height)
        return eaves

    def crown(self, y: float) -> float:
        """The molding below the roof, perhaps with a frieze of deco panels; returns where the storeys begin."""
        if self.dice.chance(0.5 + 0.5 * self.style.molding):
            thickness = self.dice.uniform(0.035, 0.07)
            self.add(Kind.MOLDING, self.left, y, self.right, y + thickness)
            y += thickness
        if self.has_deco and self.dice.chance(0.4):
            height = self.dice.uniform(0.05, 0.08)
            half = min(0.42 * self.bay_width, self.dice.uniform(0.04, 0.12))
            for bay in range(self.bays):
                x = self.centre(bay)
                self.add(Kind.DECO, x - half, y + 0.01, x + half, y + height)
            y += height
        return y

    def storey(self, y: float, height: float, number: int) -> None:
        if self.has_moldings and number > 0:
            self.add(Kind.MOLDING, self.left, y, self.right, y + max(MIN_THICKNESS, 0.13 * height))
        window_bottom = y + 0.84 * height
        window_top = window_bottom - self.window_height * height
        balcony_bays = self.balcony_bays if number > 0 or self.dice.chance(0.6) else ()
        for bay in range(self.bays):
            self.bay(self.centre(bay), window_top, window_bottom, height, bay in balcony_bays)
        if self.has_deco and self.dice.chance(0.5):
            self.medallions(window_top, window_bottom)
        if balcony_bays and self.long_balcony:
            reach = self.window_width * 0.7
            first, last = self.centre(min(balcony_bays)) - reach, self.centre(max(balcony_bays)) + reach
            self.add(Kind.BALCONY, first, window_bottom - 0.2 * height, last, window_bottom + 0.12 * height)

    def bay(self, x: float, top: float, bottom: float, height: float, balcony: bool) -> None:
        """A window with what belongs to it."""
        half = self.window_width / 2
        self.window(x, top, bottom)
        if self.has_shutters:
            width = min(max(MIN_THICKNESS, 0.8 * half), (self.bay_width - self.window_width) / 2)
            if width > 0.8 * MIN_THICKNESS and not balcony:
                self.add(Kind.BLIND, x - half - width, top, x - half, bottom)
                self.add(Kind.BLIND, x + half, top, x + half + width, bottom)
        if self.has_cornice:
            thickness = max(MIN_THICKNESS, 0.13 * height)
            self.add(Kind.CORNICE, x - 1.25 * half, top - thickness, x + 1.25 * half, top)
        if balcony:
            if not self.long_balcony:
                reach = min(1.5 * half, 0.48 * self.bay_width)
                self.add(Kind.BALCONY, x - reach, bottom - 0.22 * height, x + reach, bottom + 0.12 * height)
        elif self.has_sill:
            thickness = max(MIN_THICKNESS, 0.08 * height)
            self.add(Kind.SILL, x - 1.2 * half, bottom, x + 1.2 * half, bottom + thickness)

    def window(self, x: float, top: float, bottom: float) -> None:
        half = self.window_width / 2
        if self.twin:
            self.add(Kind.WINDOW, x - half, top, x - 0.15 * half, bottom)
            self.add(Kind.WINDOW, x + 0.15 * half, top, x + half, bottom)
        else:
            self.add(Kind.WINDOW, x - half, top, x + half, bottom)
        if self.has_rollers and self.dice.chance(0.5):
            share = self.dice.uniform(0.3, 1.0)
            self.add(Kind.BLIND, x - half, top, x + half, top + share * (bottom - top))

    def medallions(self, top: float, bottom: float) -> None:
        """Deco panels on the wall between neighbouring windows, where there is room."""
        gap = self.bay_width - self.window_width
        if gap < 0.08 or self.has_pillars or self.has_shutters:
            return
        half, middle = min(0.35 * gap, 0.06), (top + bottom) / 2
        tall = min((bottom - top) / 2, half * self.dice.uniform(1.0, 2.0))
        for bay in range(self.bays - 1):
            x = self.centre(bay + 0.5)
            self.add(Kind.DECO, x - half, middle - tall, x + half, middle + tall)

    def verticals(self, top: float, bottom: float) -> None:
        if not self.has_pillars:
            return
        width = self.pillar_width
        inner = [self.centre(bay + 0.5) for bay in range(self.bays - 1)]
        roomy = self.bay_width - self.window_width > width + 0.02
        middles = inner if roomy and self.dice.chance(0.6) else []
        for x in (self.left + width / 2, *middles, self.right - width / 2):
            self.add(Kind.PILLAR, x - width / 2, top, x + width / 2, bottom)

    def ground_floor(self, y: float, height: float) -> None:
        if self.dice.chance(0.4):
            self.add(Kind.PLINTH, self.left, y, self.right, self.bottom)
        if self.dice.chance(0.4 + 0.4 * self.style.molding):
            self.add(Kind.MOLDING, self.left, y, self.right, y + max(MIN_THICKNESS, 0.14 * height))
        door = round(self.middle) if self.dice.chance(0.5) else self.dice.integer(0, self.bays - 1)
        shops = self.shop_spans(door) if self.dice.chance(self.style.shop) else []
        if shops == [(0, self.bays)]:
            door = self.bays  # no room left: the shop's own door does
        for first, end in shops:
            self.shop(self.centre(first - 0.5), self.centre(end - 0.5), y, height)
        for bay in range(self.bays):
            if bay == door:
                self.door(self.centre(bay), y, height)
            elif not any(first <= bay < end for first, end in shops):
                self.ground_window(self.centre(bay), y, height)

    def shop_spans(self, door: int) -> list[tuple[int, int]]:
        """Which bays (first, one past the last) are shops: those on one or both sides of the door, or all."""
        if self.dice.chance(0.2):
            return [(0, self.bays)]
        sides = [(first, end) for first, end in ((0, door), (door + 1, self.bays)) if first < end]
        if len(sides) == 2 and self.dice.chance(0.5):
            return [sides[self.dice.integer(0, 1)]]
        return sides

    def ground_window(self, x: float, y: float, height: float) -> None:
        bottom = y + 0.78 * height
        top = max(bottom - (self.window_height + 0.04) * height, y + 0.2 * height)
        self.window(x, top, bottom)
        if self.has_sill:
            half = 0.6 * self.window_width
            self.add(Kind.SILL, x - half, bottom, x + half, bottom + MIN_THICKNESS)

    def door(self, x: float, y: float, height: float) -> None:
        half = min(0.4 * self.bay_width, self.dice.uniform(0.045, 0.085))
        top = y + self.dice.uniform(0.25, 0.4) * height
        self.add(Kind.DOOR, x - half, top, x + half, self.bottom)
        room = self.bay_width / 2 - half
        if self.has_pillars and room > MIN_THICKNESS:
            for side in (-1, 1):
                inner, outer = sorted((x + side * half, x + side * (half + MIN_THICKNESS)))
                self.add(Kind.PILLAR, inner, top, outer, self.bottom)
        if self.has_deco:
            self.add(Kind.DECO, x - 1.2 * half, top - 0.05, x + 1.2 * half, top)
        elif self.has_cornice:
            self.add(Kind.CORNICE, x - 1.3 * half, top - 0.04, x + 1.3 * half, top)

    def shop(self, x0: float, x1: float, y: float, height: float) -> None:
        inset = 0.1 * self.bay_width
        x0, x1 = x0 + inset, x1 - inset
        top = y + 0.18 * height
        self.add(Kind.SHOP_WINDOW, x0, top, x1, self.bottom)
        if self.dice.chance(0.8):
            sign = top + max(MIN_THICKNESS, 0.2 * height)
            self.add(Kind.SIGN, x0, top, x1, sign)
            top = sign
        if self.dice.chance(0.5):
            self.add(Kind.AWNING, x0, top, x1, top + max(0.05, 0.25 * height))


@dataclass(frozen=True)
class Raster:
    """A batch of houses on the pixel grid.

    ``owner`` (N, size, size) names the part that every pixel shows; the other arrays have one row per part:
    ``kind`` (P,), ``image`` (P,) which house it belongs to, and its box in pixels, ``left``, ``top``, ``width``,
    ``height`` (P,) float32.
    """

    owner: np.ndarray
    kind: np.ndarray
    image: np.ndarray
    left: np.ndarray
    top: np.ndarray
    width: np.ndarray
    height: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Class ids (N, size, size) uint8."""
        return CLASS_OF_KIND[self.kind].take(self.owner)


def rasterise(indices: Sequence[int], size: int) -> Raster:
    """Lay out the houses with these numbers and paint their parts on ``size`` × ``size`` pixels."""
    houses = [_House(index).build() for index in indices]
    image = np.repeat(np.arange(len(houses)), [len(parts) for parts in houses])
    table = np.array([part for parts in houses for part in parts])
    # Width is rounded apart from position, so that all windows of a house have the same.
    thinnest = max(1, round(MIN_THICKNESS * size))
    start = np.clip(np.rint(table[:, 1:3] * size), 0, size - thinnest)
    extent = np.maximum(np.rint((table[:, 3:5] - table[:, 1:3]) * size), thinnest)
    boxes = np.concatenate([start, np.minimum(start + extent, size)], axis=1).astype(np.int64)
    # The frame of the picture is exact: a house that reaches its edge leaves no line of sky there.
    boxes[:, 2:4][table[:, 3:5] >= 1 - 0.5 / size] = size
    owner = np.empty((len(houses), size, size), dtype=np.intp)
    for part, (n, (x0, y0, x1, y1)) in enumerate(zip(image.tolist(), boxes.tolist(), strict=True)):
        owner[n, y0:y1, x0:x1] = part
    left, top, right, bottom = boxes.T.astype(np.float32)
    return Raster(owner, table[:, 0].astype(np.uint8), image, left, top, right - left, bottom - top)
