"""Streets drawn by day and at night: the same shapes in other colours, and what shines.

Everything is drawn four times as large as it is wanted and shrunk, so that edges are smooth. The class of every pixel
travels with the colours, so that classes and picture cannot disagree; a pixel has the class of its middle.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageDraw

from i2i_tutor.contract import check_choice, check_whole
from i2i_tutor.data.streets.scenes import (
    CAR,
    HOUSE,
    KINDS,
    PAVEMENT,
    PERSON,
    ROAD,
    SKY,
    TREE,
    Car,
    Colour,
    House,
    Kind,
    Scene,
    Tree,
    scene,
)

Light = Literal["day", "night"]
LIGHTS: tuple[str, ...] = get_args(Light)
SMALLEST, LARGEST = 16, 256  # pixels
UNITS = 64  # sides of a picture, in the units of a scene
FINE = 4  # times as large as wanted
BASE, KERB = 44, 48  # the houses' feet, the edge of the road
NIGHT = (0.48, 0.51, 0.70)  # factors of colours by day, a quarter of which has turned to grey
SKIES: dict[str, tuple[Colour, Colour]] = {  # above and at the horizon
    "day": ((104, 172, 236), (206, 230, 248)),
    "night": ((22, 30, 74), (60, 66, 122)),
}
WHITE, ROADWAY, SLABS, EDGE = (250, 248, 240), (116, 118, 126), (208, 200, 188), (160, 156, 150)
PANE, CURTAIN, LAMP = (96, 128, 150), (246, 214, 140), (255, 208, 104)
SUN, MOON = (255, 236, 150), (236, 236, 214)
BEAMS: dict[str, tuple[Colour, Colour]] = {  # of a car, ahead and behind
    "day": ((250, 244, 214), (170, 30, 30)),
    "night": ((255, 244, 190), (255, 60, 40)),
}
Glow = tuple[float, float, float, Colour]  # x, y, radius, what it adds
HALO: dict[str, tuple[float, Colour]] = {
    "moon": (5.0, (40, 42, 40)),
    "window": (4.0, (70, 46, 14)),
    "ahead": (4.5, (80, 70, 34)),
    "behind": (3.0, (70, 8, 6)),
}


def draw(
    indices: Sequence[int] | np.ndarray, size: int, kind: Kind | Sequence[Kind], light: Light | Sequence[Light]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw scenes by day or at night.

    Args:
        indices: N scene numbers, 0 or more each.
        size: side of the square images, 16 to 256 pixels.
        kind: a family, "low" or "tall"; or N of them, one for each scene.
        light: "day" or "night"; or N of them.

    Returns:
        Images, uint8 ``(N, size, size, 3)``, and the classes of their pixels, uint8 ``(N, size, size)``: places in
        ``CLASSES``. The classes do not depend on the light.

    Raises:
        ValueError: a wrong argument.
    """
    numbers = list(indices)
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
            raise ValueError(f"indices contain {number!r}; expected whole numbers of at least 0")
    check_whole("size", size, SMALLEST, LARGEST)
    kinds, lights = _each("kind", kind, KINDS, len(numbers)), _each("light", light, LIGHTS, len(numbers))
    images, classes = np.empty((len(numbers), size, size, 3), np.uint8), np.empty((len(numbers), size, size), np.uint8)
    for place, number in enumerate(numbers):
        street = scene(int(number), kinds[place])  # type: ignore[arg-type]
        images[place], classes[place] = _Canvas(size, lights[place]).finished(street)
    return images, classes


def _each(name: str, value: str | Sequence[str], choices: Sequence[str], count: int) -> Sequence[str]:
    """One choice for each of ``count`` scenes."""
    each = [value] * count if isinstance(value, str) else list(value)
    for one in [value] if isinstance(value, str) else each:
        check_choice(name, one, choices)
    if len(each) != count:
        raise ValueError(f"{name} has {len(each)} names for {count} scenes")
    return each


@lru_cache(maxsize=512)
def _ink(colour: Colour, part: int, night: bool, shade: float) -> tuple[int, int, int, int]:
    """A colour by day as it looks in this light; the class of what is painted stands in the fourth channel."""
    red, green, blue = (min(255.0, value * shade) for value in colour)
    if night:
        grey = (red + green + blue) / 12
        red, green, blue = ((0.75 * v + grey) * dim for v, dim in zip((red, green, blue), NIGHT, strict=True))
    return int(red), int(green), int(blue), part


@lru_cache(maxsize=16)
def _sky(size: int, light: str) -> Image.Image:
    """The empty picture: a sky that pales towards the horizon."""
    above, below = (np.array(colour, np.float32) for colour in SKIES[light])
    t = np.minimum((np.arange(size * FINE, dtype=np.float32) / (size * FINE)) * UNITS / BASE, 1)[:, None, None]
    rows = np.full((size * FINE, 1, 4), SKY, np.uint8)
    rows[..., :3] = above + (below - above) * t
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(rows, (size * FINE, size * FINE, 4))), "RGBA")


class _Canvas:
    """One picture while it is drawn."""

    def __init__(self, size: int, light: str):
        self.size, self.light, self.night = size, light, light == "night"
        self.scale = size * FINE / UNITS
        self.image = _sky(size, light).copy()
        self.pen = ImageDraw.Draw(self.image)
        self.glows: list[Glow] = []

    # --- the shapes

    def box(
        self, x0: float, y0: float, x1: float, y1: float, colour: Colour, part: int, shade: float = 1.0,
        shines: bool = False,
    ) -> None:  # fmt: skip
        """A rectangle; ``shines``: it has this colour whatever the light."""
        k = self.scale
        ink = _ink(colour, part, self.night and not shines, shade)
        corners = round(x0 * k), round(y0 * k), round(x1 * k) - 1, round(y1 * k) - 1
        if corners[0] <= corners[2] and corners[1] <= corners[3]:  # else thinner than a pixel
            self.pen.rectangle(corners, ink)

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour, part: int) -> None:
        k = self.scale
        self.pen.polygon([(round(x * k), round(y * k)) for x, y in points], _ink(colour, part, self.night, 1.0))

    def disc(
        self, x: float, y: float, radius: float, colour: Colour, part: int, shade: float = 1.0, shines: bool = False
    ) -> None:
        k = self.scale
        ink = _ink(colour, part, self.night and not shines, shade)
        corners = round((x - radius) * k), round((y - radius) * k), round((x + radius) * k), round((y + radius) * k)
        self.pen.ellipse(corners, ink)

    def glow(self, x: float, y: float, what: str) -> None:
        """What shines lights up its surroundings, at night."""
        if self.night:
            self.glows.append((x, y, *HALO[what]))

    # --- the things

    def finished(self, street: Scene) -> tuple[np.ndarray, np.ndarray]:
        """Draw a street from the back to the front; returns the picture and the classes."""
        x, y = street.sun
        self.disc(x, y, 3.2, MOON if self.night else SUN, SKY, shines=True)
        self.glow(x, y, "moon")
        for house in street.houses:
            self.house(house)
        self.box(0, BASE, UNITS, KERB, SLABS, PAVEMENT)
        self.box(0, KERB - 0.8, UNITS, KERB, EDGE, PAVEMENT)
        self.box(0, KERB, UNITS, UNITS, ROADWAY, ROAD)
        for left in range(-2, UNITS, 12):
            self.box(max(0, left), 54.6, left + 6, 55.6, (236, 236, 230), ROAD)
        for tree in street.trees:
            self.tree(tree)
        for person in street.people:
            x, foot = person.x, BASE + 3
            self.box(x - 1, foot - 3.2, x + 1, foot, (60, 60, 80), PERSON)
            self.box(x - 1.3, foot - 6.4, x + 1.3, foot - 2.8, person.coat, PERSON)
            self.disc(x, foot - 7.6, 1.4, (240, 200, 170), PERSON)
        for car in street.cars:
            self.car(car)
        pixels = np.asarray(self.image)
        picture = np.asarray(self.image.convert("RGB").reduce(FINE))
        if self.glows:
            picture = (picture + self._light()).clip(0, 255).astype(np.uint8)
        return picture, pixels[FINE // 2 :: FINE, FINE // 2 :: FINE, 3]

    def house(self, house: House) -> None:
        left, right = house.left, house.right
        eaves = BASE - 2 - 8 * house.floors
        self.box(left, eaves, right, BASE, house.wall, HOUSE)
        if house.pointed:
            gable = [(left - 0.5, eaves), ((left + right) / 2, eaves - 6), (right + 0.5, eaves)]
        else:
            gable = [(left - 0.5, eaves), (left + 3, eaves - 4), (right - 3, eaves - 4), (right + 0.5, eaves)]
        self.polygon(gable, house.tiles, HOUSE)
        self.box(right - 1, eaves, right, BASE, house.wall, HOUSE, shade=0.82)
        self.box(left, BASE - 1.5, right, BASE, house.wall, HOUSE, shade=0.82)
        for floor in range(house.floors):
            for side in range(2):
                x, y = left + (right - left) * (0.27 + 0.46 * side), eaves + 2 + 8 * floor
                if floor == house.floors - 1 and side == house.door:
                    self.box(x - 2.2, BASE - 7.5, x + 2.2, BASE, house.paint, HOUSE)
                else:
                    self.window(x, y, house.curtains[2 * floor + side])

    def window(self, x: float, y: float, curtain: bool) -> None:
        """With a curtain it is pale by day, and at night a lamp is behind it."""
        pane = (LAMP if self.night else CURTAIN) if curtain else PANE
        self.box(x - 2.6, y - 0.6, x + 2.6, y + 5.1, WHITE, HOUSE)
        self.box(x - 2, y, x + 2, y + 4.5, pane, HOUSE, shines=curtain)
        self.box(x - 0.25, y, x + 0.25, y + 4.5, WHITE, HOUSE)
        if curtain:
            self.glow(x, y + 2.2, "window")

    def tree(self, tree: Tree) -> None:
        x, foot = tree.x, BASE + 2
        y = foot - tree.height - 1
        self.box(x - 0.9, foot - tree.height, x + 0.9, foot, (110, 76, 50), TREE)
        for dx, dy, part, shade in ((-2, 1.5, 0.75, 1), (2, 1.5, 0.75, 1), (0, -1, 0.9, 1), (-1.2, -2.5, 0.45, 1.2)):
            self.disc(x + dx, y + dy, part * tree.radius, tree.leaf, TREE, shade=shade)

    def car(self, car: Car) -> None:
        x, half = car.x, car.half

        def along(v: float) -> float:  # from -1, the tail, to 1, the nose
            return x + car.way * v * half

        def up(v: float) -> float:  # above the middle of the tyres
            return car.y - v * half / 12

        def across(v: float, width: float) -> tuple[float, float]:
            return along(v) - width, along(v) + width

        self.box(x - half, up(-0.6), x + half, up(-1.8), (84, 86, 94), ROAD)  # its shadow
        cabin = [(along(v), up(h)) for v, h in ((-0.74, 5), (-0.5, 9.6), (0.28, 9.6), (0.64, 5))]
        glass = [(along(v), up(h)) for v, h in ((-0.6, 5.2), (-0.43, 8.7), (0.24, 8.7), (0.5, 5.2))]
        self.polygon(cabin, car.paint, CAR)
        self.polygon(glass, (150, 190, 214), CAR)
        left, right = across(-0.09, 0.04 * half)
        self.box(left, up(9), right, up(5), car.paint, CAR)
        self.box(x - half, up(5.4), x + half, up(0.8), car.paint, CAR)
        self.box(x - half, up(1.8), x + half, up(0.8), car.paint, CAR, shade=0.7)
        for place in (-0.58, 0.58):
            self.disc(along(place), up(0.8), 2.6 * half / 12, (36, 36, 42), CAR)
            self.disc(along(place), up(0.8), 1.2 * half / 12, (190, 190, 196), CAR)
        for place, colour in zip((0.93, -0.94), BEAMS[self.light], strict=True):
            left, right = across(place, 1)
            self.box(left, up(4.6), right, up(2.8), colour, CAR, shines=True)
        self.glow(along(1.15), up(3), "ahead")
        self.glow(along(-0.94), up(3.4), "behind")

    def _light(self) -> np.ndarray:
        """What all glows add together, ``(size, size, 3)``."""
        x, y, radius = np.array([glow[:3] for glow in self.glows], np.float32).T[..., None]
        colours = np.array([glow[3] for glow in self.glows], np.float32)
        middles = (np.arange(self.size, dtype=np.float32) + np.float32(0.5)) * np.float32(UNITS / self.size)
        near_x, near_y = (np.exp(-((middles - place) ** 2) / (0.7 * radius**2)) for place in (x, y))
        return np.stack([near_y.T @ (near_x * colours[:, [c]]) for c in range(3)], axis=-1)
