"""What stands in a street: a pure function of the scene's number and of its family.

Lengths are in units of a picture that is 64 wide and 64 high; x goes right, y down. A family says how often something
occurs. Whatever occurs in low streets occurs in tall ones, too: low houses and cars more rarely, tall houses and trees
more often.
"""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, get_args

import numpy as np

Kind = Literal["low", "tall"]
KINDS: tuple[str, ...] = get_args(Kind)
CLASSES = ("sky", "house", "tree", "pavement", "road", "car", "person")
SKY, HOUSE, TREE, PAVEMENT, ROAD, CAR, PERSON = range(len(CLASSES))

Colour = tuple[int, int, int]  # by day, in 0..255
WALLS: tuple[Colour, ...] = ((238, 214, 170), (226, 160, 124), (214, 120, 96), (245, 232, 212), (190, 200, 190))
ROOFS: tuple[Colour, ...] = ((150, 66, 52), (112, 78, 74), (84, 90, 108))
DOORS: tuple[Colour, ...] = ((96, 58, 40), (48, 84, 74), (60, 60, 90))
LEAVES: tuple[Colour, ...] = ((82, 148, 62), (104, 168, 70), (66, 128, 66))
PAINTS: tuple[Colour, ...] = ((206, 52, 48), (64, 132, 214), (240, 196, 60), (240, 240, 240))
COATS: tuple[Colour, ...] = ((180, 50, 70), (50, 70, 120), (70, 60, 60))

FLOORS = 3  # of the tallest house
CURTAINED = 0.55  # share of the windows
TREES_AT = (9, 24, 39, 54)
NUMBERS = 96  # random numbers of a scene, more than any takes
SEED = 31  # keeps them apart from those of other worlds


@dataclass(frozen=True)
class Family:
    """Chances of what a street has.

    Attributes:
        floors: of a house with 1, 2, 3 floors.
        trees: of 0, 1, 2 trees.
        cars: of 0, 1, 2 cars.
    """

    floors: tuple[float, float, float]
    trees: tuple[float, float, float]
    cars: tuple[float, float, float]


FAMILIES = {
    "low": Family(floors=(0.5, 0.5, 0.0), trees=(0.6, 0.4, 0.0), cars=(0.0, 0.7, 0.3)),
    "tall": Family(floors=(0.25, 0.35, 0.40), trees=(0.25, 0.40, 0.35), cars=(0.60, 0.35, 0.05)),
}


@dataclass(frozen=True)
class House:
    """From ``left`` to ``right``. ``door`` is the side, 0 or 1, of its window below. Some windows have ``curtains``."""

    left: float
    right: float
    floors: int
    pointed: bool
    door: int
    wall: Colour
    tiles: Colour
    paint: Colour
    curtains: tuple[bool, ...]


@dataclass(frozen=True)
class Tree:
    """``x`` is the middle of its trunk, ``radius`` that of its crown, ``height`` that of its trunk."""

    x: float
    radius: float
    height: float
    leaf: Colour


@dataclass(frozen=True)
class Person:
    """Somebody on the pavement."""

    x: float
    coat: Colour


@dataclass(frozen=True)
class Car:
    """``x`` and ``y`` are its middle at the height of its wheels, ``half`` half its length, ``way`` 1 to the right."""

    x: float
    y: float
    half: float
    way: int
    paint: Colour


@dataclass(frozen=True)
class Scene:
    """A street. ``sun`` is the place of the sun by day and of the moon at night."""

    sun: tuple[float, float]
    houses: tuple[House, ...]
    trees: tuple[Tree, ...]
    people: tuple[Person, ...]
    cars: tuple[Car, ...]


def scene(number: int, kind: Kind) -> Scene:
    """The street of a number, 0 or more, in one of ``FAMILIES``."""
    family = FAMILIES[kind]
    chance = iter(np.random.default_rng((SEED, number)).random(NUMBERS).tolist())

    def between(low: float, high: float) -> float:
        return low + (high - low) * next(chance)

    def one_of(colours: Sequence[Colour]) -> Colour:
        return colours[int(next(chance) * len(colours))]

    def count(shares: Sequence[float]) -> int:
        return bisect(list(accumulate(shares))[:-1], next(chance))

    sun = between(8, 56), between(5, 9)
    edges = (0.0, float(int(between(19, 24))), float(int(between(40, 45))), 64.0)
    first, step = int(next(chance) * len(WALLS)), 1 + int(next(chance) * 2)  # neighbours never have one colour
    houses = tuple(
        House(
            left=edges[place],
            right=edges[place + 1],
            floors=1 + count(family.floors),
            pointed=next(chance) < 0.5,
            door=int(next(chance) * 2),
            wall=WALLS[(first + place * step) % len(WALLS)],
            tiles=one_of(ROOFS),
            paint=one_of(DOORS),
            curtains=tuple(next(chance) < CURTAINED for _ in range(2 * FLOORS)),
        )
        for place in range(3)
    )
    places = sorted(TREES_AT, key=lambda _: next(chance))[: count(family.trees)]
    trees = tuple(
        Tree(place + between(-2, 2), between(5.5, 7.5), between(12, 16), one_of(LEAVES)) for place in sorted(places)
    )
    people = tuple(Person(between(4, 60), one_of(COATS)) for _ in range(int(next(chance) * 2)))
    cars = count(family.cars)
    spots: Sequence[tuple[float, float]] = ([], [(18, 46)], [(13, 16), (48, 51)])[cars]
    halves = (14, 16) if cars < 2 else (13, 14)
    return Scene(
        sun,
        houses,
        trees,
        people,
        tuple(
            Car(between(*spot), between(59, 61), between(*halves), 1 if next(chance) < 0.5 else -1, one_of(PAINTS))
            for spot in spots
        ),
    )
