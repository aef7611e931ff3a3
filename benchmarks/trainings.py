"""What the book trains: each chapter's method, recipes and data, of which steps are timed and memory is measured."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from official import Official, OfficialCycleGAN, OfficialPix2Pix

from i2i_tutor.data import attributes, digits, facades, herd, safari, streets, unpaired
from i2i_tutor.data.streams import Stream
from i2i_tutor.methods import aggan, cyclegan, matchgan, opgan, pix2pix, pixelda, tunit
from i2i_tutor.methods.base import Method, Recipe
from i2i_tutor.training.precision import Precision


@dataclass(frozen=True)
class Training:
    """How a chapter trains its method unless its reader changes something.

    Attributes:
        recipes: of its method, by profile.
        data: function of the recipe's numbers and a seed to the chapter's stream.
        early: how many first steps are of another kind than the later ones.
        skipped: numbers of a recipe with which a training begins with the later ones.
        official: how the official code plays a step of the method.
    """

    method: type[Method]
    recipes: dict[str, Any]
    data: Callable[[Any, int], Stream]
    precision: Precision = "fp32"
    early: Callable[[Any], int] = lambda numbers: 0
    skipped: dict[str, Any] = field(default_factory=dict)
    official: Callable[[Any], Official] | None = None

    def phases(self, profile: str) -> list[tuple[int, Recipe]]:
        """For each kind of steps how many there are, and a recipe that begins with them."""
        numbers = self.recipes[profile]
        early = self.early(numbers)
        both = [(early, numbers), (numbers.steps - early, replace(numbers, **self.skipped))]
        return [phase for phase in both if phase[0]]


# As the chapters do it; tests/book/test_execution.py compares the data
TRAININGS = {
    "01_pix2pix": Training(
        pix2pix.Pix2Pix, pix2pix.RECIPES,
        lambda its, seed: facades.train("procedural", its.size, its.batch, seed, load_size=its.load_size),
        precision="auto", official=OfficialPix2Pix,
    ),
    "02_cyclegan": Training(
        cyclegan.CycleGAN, cyclegan.RECIPES,
        lambda its, seed: unpaired.train("safari", its.size, its.batch, seed, load_size=its.load_size),
        official=OfficialCycleGAN,
    ),
    "03_opgan": Training(
        opgan.OPGAN, opgan.RECIPES, lambda its, seed: streets.train("procedural", its.size, its.batch, seed),
        early=lambda its: its.warm_up, skipped={"warm_up": 0},
    ),
    "04_matchgan": Training(
        matchgan.MatchGAN, matchgan.RECIPES,
        lambda its, seed: attributes.train(
            "faces", its.size, its.batch, seed, labels=64, unlabelled=its.unlabelled, groups=its.groups
        ),
    ),
    "05_pixelda": Training(
        pixelda.PixelDA, pixelda.RECIPES, lambda its, seed: digits.train("digits", its.size, its.batch, seed, ahead=2),
        precision="auto",
    ),
    "06_aggan": Training(
        aggan.AGGAN, aggan.RECIPES,
        lambda its, seed: safari.train("procedural", its.size, its.batch, seed, plants=True, meadow=(0.85, 1 - 0.85)),
        early=lambda its: its.unattended_steps, skipped={"switch": 0.0},
    ),
    "07_tunit": Training(
        tunit.TUNIT, tunit.RECIPES, lambda its, seed: herd.train("procedural", its.size, its.batch, seed),
        early=lambda its: its.warm_up_steps, skipped={"warm_up": 0.0},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Game:
    """One row of the table of steps: a chapter's training with some recipe; ``steps`` are taken in one measurement."""

    training: Training
    recipe: Any
    steps: int


# At `fast` and at `paper`. MatchGAN's turns and batches repeat after ten steps, TUNIT's at `fast` after eight; each of
# its variants would need 18 GB at `paper`
STEPS = {"pix2pix": (20, 8), "matchgan": (20, 10), "pixelda": (20, 8), "tunit": (24, 0)}


def _games() -> Iterator[tuple[str, Game]]:
    for training in TRAININGS.values():
        name = training.method.name
        for profile, steps in zip(("fast", "paper"), STEPS.get(name, (20, 2)), strict=True):
            *_, (_, recipe) = training.phases(profile)  # of two phases the later, longer one
            if steps:
                yield f"{name}, {profile}", Game(training, recipe, steps)
    small = cyclegan.CycleGANRecipe(size=64, batch=8, base=32, blocks=6)
    training = TRAININGS["02_cyclegan"]
    yield "cyclegan, 64 px", Game(training, small, 8)
    yield "cyclegan, 64 px, no identity", Game(training, replace(small, lambda_identity=0.0), 8)


GAMES = dict(_games())
