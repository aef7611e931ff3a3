"""How long a training takes until it is good: until the claims that its chapter judges live hold.

The baseline's numbers are those of the chapter's own run with the same seed (``book/results/claims.json``). Asking is
not part of the time.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from trainings import GAMES, Game

from i2i_tutor.data import facades, safari, unpaired
from i2i_tutor.data.streams import Stream
from i2i_tutor.data.truth import GroundTruth
from i2i_tutor.files import book_file
from i2i_tutor.measuring import judges, metrics
from i2i_tutor.measuring.claims import claims
from i2i_tutor.methods.base import Method, Recipe
from i2i_tutor.training import fit

EVERY, IMAGES = 50, 100
Numbers = dict[str, float]


class Good(Exception):  # noqa: N818 - no error
    """All claims hold."""


@dataclass
class Exam:
    """Asks a method of a chapter now and then, and counts the seconds that this takes."""

    chapter: str
    seed: int
    measure: Callable[[Method], Numbers]
    asking: float = 0.0

    def __post_init__(self):
        rows = json.loads(book_file("results/claims.json").read_text(encoding="utf-8"))["rows"]
        (self.baseline,) = (
            row["metrics"]["baseline"] for row in rows if (row["chapter"], row["seed"]) == (self.chapter, self.seed)
        )
        of_both = [claim for claim in claims(self.chapter) if (claim.arm, claim.baseline) == ("method", "baseline")]
        self.asked = [claim for claim in of_both if claim.live and claim.expected]

    def __call__(self, step: int, method: Method) -> None:
        """Ask, if it is time; raises Good if the answer is yes."""
        if not step or step % EVERY:
            return
        began = time.perf_counter()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            found = {"method": self.measure(method), "baseline": self.baseline}
        self.asking += time.perf_counter() - began
        decisions = [claim.decide(found) for claim in self.asked]
        if all(decision is not None and decision.held for decision in decisions):
            raise Good(step)


def seconds_until_good(name: str, seed: int, way: str, device: torch.device) -> tuple[float, int]:
    """Seconds of training, and steps, until a game's claims hold. ``way`` is "official", "fp32" or "bf16".

    Raises RuntimeError if they do not within the recipe's steps.
    """
    game = GAMES[name]
    chapter, measuring = EXAMS[name]
    exam = Exam(chapter, seed, measuring(game.recipe))
    torch.manual_seed(seed)
    method, stream = game.training.method(game.recipe).to(device), game.training.data(game.recipe, seed)
    began = time.perf_counter()
    try:
        if way == "official":
            _official(game, method, stream, exam, device)
        else:
            fit(method, stream, device=device, precision=way, callbacks=[exam], progress=False)
    except Good as good:
        return time.perf_counter() - began - exam.asking, good.args[0]
    raise RuntimeError(f"{name}, {way}, seed {seed}: the claims do not hold within {game.recipe.steps} steps")


def _official(game: Game, method: Method, stream: Stream, exam: Exam, device: torch.device) -> None:
    """A plain loop of official steps; with the recipe's rates, and the averages by which the method translates."""
    play, rates = game.training.official(method.train()), method.rates()
    for step in range(game.recipe.steps):
        for group in (group for optimiser in play.optimisers for group in optimiser.param_groups):
            group["lr"] = game.recipe.learning_rate * rates(step)
        terms = play({key: value.to(device) for key, value in next(stream).items()})
        for term in terms.values():
            term.item()
        method.move_averages()
        exam(step + 1, method)


# --- what is asked: the measures of the chapters ---------------------------------------------------------------------


def _judge(truth: GroundTruth) -> Callable[[Tensor], Tensor]:
    return judges.segmenter(truth)[0]


def _translated(method: Method, images: Tensor, direction: str | None = None) -> Tensor:
    place = next(method.parameters()).device
    return torch.cat([method.translate(part.to(place), direction).cpu() for part in images.split(10)])


def _pix2pix(recipe: Recipe) -> Callable[[Method], Numbers]:
    side = recipe.size
    judge = _judge(facades.ground_truth("procedural", side))
    test = facades.evaluation("procedural", side, count=IMAGES)

    def measure(method: Method) -> Numbers:
        made = _translated(method, test["input"])
        return metrics.fcn_score(made, test["labels"], judge) | {
            "sharpness": metrics.sharpness(made, test["target"]),
            "mae": metrics.mean_absolute_error(made, test["target"]),
        }

    return measure


def _cyclegan(recipe: Recipe) -> Callable[[Method], Numbers]:
    side = recipe.size
    judge = _judge(safari.ground_truth(side))
    test = unpaired.evaluation("safari", side, count=IMAGES)
    there = test["mask"][:, 0].bool()

    def measure(method: Method) -> Numbers:
        made = _translated(method, test["a"], "AtoB")
        back = _translated(method, _translated(method, test["b"], "BtoA"), "AtoB")
        found = torch.cat([judge(part).argmax(dim=1) for part in made.split(50)])
        return {
            "to_b_shape": float((there & (found > 0)).sum() / (there | (found > 0)).sum()),
            "to_b_ground": metrics.mean_absolute_error(made, test["a"], 1 - test["mask"]),
            "to_b_diversity": metrics.diversity(made) / metrics.diversity(test["b"]),
            "way_back_b": metrics.mean_absolute_error(back, test["b"]),
        }

    return measure


EXAMS = {"pix2pix, fast": ("01_pix2pix", _pix2pix), "cyclegan, fast": ("02_cyclegan", _cyclegan)}
