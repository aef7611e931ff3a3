"""A method is a game played in turns: which networks there are, who moves when, and what each mover minimises."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from i2i_tutor import schedules
from i2i_tutor.contract import Batch
from i2i_tutor.schedules import Schedule

Terms = dict[str, Tensor]
OptimiserFactory = Callable[[Iterable[nn.Parameter]], Optimizer]


@dataclass(frozen=True)
class Recipe:
    """The numbers every method has. Each paper's file adds its own and fills in one recipe per profile.

    Attributes:
        size: side of the square images, in pixels.
        batch: images per step.
        steps: length of the training in steps (not epochs: a procedural world has none).
        learning_rate: of Adam, for every network.
        beta1, beta2: Adam's decay rates.
        decay: fraction of the steps, at the end, over which the learning rate falls linearly towards zero.
        epoch: steps per epoch where the paper counts in epochs and decays in stairs; 0 decays smoothly.
    """

    size: int
    batch: int
    steps: int
    learning_rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999
    decay: float = 0.5
    epoch: int = 0

    def __post_init__(self):
        for name in ("size", "batch", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"learning_rate is {self.learning_rate}; expected a number between 0 and 1")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ValueError(f"Adam's (beta1, beta2) are ({self.beta1}, {self.beta2}); expected both in [0, 1)")
        if self.epoch < 0:
            raise ValueError(f"epoch is {self.epoch}; expected 0 or a number of steps")
        if not 0 <= self.decay <= 1:
            raise ValueError(f"decay is {self.decay}; expected a fraction between 0 and 1")

    def rates(self) -> Schedule:
        """Factor on every learning rate by step: the papers' stairs where epochs are counted, else the smooth tail."""
        if self.epoch == 0:
            return schedules.linear_tail(self.steps, self.decay)
        epochs = self.steps // self.epoch
        decaying = round(epochs * self.decay)
        return schedules.linear_decay(self.epoch, epochs - decaying, decaying) if decaying else schedules.constant


def profiles(recipes: Mapping[str, Recipe]) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of a table: a method's numbers, one row each, one column per profile."""
    columns = {profile: asdict(recipe) for profile, recipe in recipes.items()}
    names = list(next(iter(columns.values())))
    return ["number", *columns], [[name, *(column[name] for column in columns.values())] for name in names]


@dataclass(frozen=True)
class Turn:
    """One move of the game.

    Attributes:
        loss: name of the method's function that returns ``{term name: weighted scalar}``; their sum is minimised.
        moves: names of the networks that step. A network may move in several turns.
        every: the turn is played in steps where ``(step + 1) % every == 0``.
    """

    loss: str
    moves: tuple[str, ...]
    every: int = 1

    def __post_init__(self):
        if self.every < 1:
            raise ValueError(f"turn {self.loss!r}: every is {self.every}; expected at least 1")
        if not self.moves:
            raise ValueError(f"turn {self.loss!r} moves no network")


class Scene(SimpleNamespace):
    """What the turns of one step share: ``batch``, ``step``, and whatever the method's ``forward`` puts on it."""

    def __init__(self, batch: Batch, step: int):
        super().__init__(batch=batch, step=step)


class Method(nn.Module, ABC):
    """Base of every paper's method. A child has a name, ``turns``, its networks, and one loss function per turn."""

    name: ClassVar[str]
    recipe_type: ClassVar[type[Recipe]]
    turns: tuple[Turn, ...] = ()

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe

    @abstractmethod
    def optimisers(self) -> dict[str, OptimiserFactory]:
        """One optimiser factory per network that ever moves. Equals the papers' joint Adam: Adam couples nothing."""

    def begin(self, step: int) -> tuple[Turn, ...]:
        """The turns of this step. Phases live here; a pure function of ``step``, so that resuming is safe."""
        return self.turns

    def forward(self, scene: Scene, due: set[str]) -> None:
        """Compute the images that the due turns share and put them on the scene. ``due`` holds the losses' names."""

    def end(self, scene: Scene, step: int) -> None:
        """Called without gradient after the last turn: pools, queues, momentum copies."""

    def couples(self) -> str:
        """Why a batch must not be divided among processes, in words; empty where each image stands for itself.

        Batch norm looks at a whole batch, unless it is one image. A child adds what its losses compare within a batch.
        """
        for name, module in self.named_modules():
            if isinstance(module, _BatchNorm) and self.recipe.batch > 1:
                return (
                    f"the batch norm of {name} takes its statistics from the whole batch, of which each would see a "
                    "part; use norm='instance', batch=1, or one process"
                )
        return ""

    def settings(self) -> dict[str, Any]:
        """Name and recipe as plain values: what a checkpoint needs to build the method again."""
        return {"method": self.name, "recipe": asdict(self.recipe)}
