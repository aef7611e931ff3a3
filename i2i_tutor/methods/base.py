"""A method is a game played in turns: which networks there are, who moves when, and what each mover minimises."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Adam, Optimizer

from i2i_tutor import parameters, schedules
from i2i_tutor.contract import Batch, check_choice, check_images
from i2i_tutor.nn.ema import MovingAverage
from i2i_tutor.nn.layers import in_mode
from i2i_tutor.parameters import Range
from i2i_tutor.schedules import Schedule

Terms = dict[str, Tensor]
OptimiserFactory = Callable[[Iterable[nn.Parameter]], Optimizer]


WEIGHT = Range(0, 1_000_000)  # of a loss
WIDTH = Range(1, 4096)  # channels


@dataclass(frozen=True)
class Recipe:
    """The numbers every method has. Each paper's file adds its own and fills in one recipe per profile.

    A field says what it may be: type, range and one line of help, which its chapter's first cell repeats. A child
    checks by itself only what relates several fields.

    Raises ParameterError, one sentence per wrong number.
    """

    size: Annotated[int, Range(1, 8192), "side of the square images, in pixels"]
    batch: Annotated[int, Range(1, 8192), "images per step"]
    steps: Annotated[int, Range(1, 10_000_000), "training steps"]  # not epochs: a procedural world has none
    learning_rate: Annotated[float, Range(1e-9, 1), "of Adam, for every network"] = 2e-4
    beta1: Annotated[float, Range(0, 0.999999), "Adam's first decay rate"] = 0.5
    beta2: Annotated[float, Range(0, 0.999999), "Adam's second decay rate"] = 0.999
    decay: Annotated[float, Range(0, 1), "part of the steps, the last ones, in which the rate falls to 0"] = 0.5
    epoch: Annotated[int, Range(0, 10_000_000), "steps after which the rate falls a stair; 0: it falls smoothly"] = 0

    def __post_init__(self):
        declared = parameters.of_class(type(self))
        parameters.check(declared, {name: getattr(self, name) for name in declared})

    def rates(self) -> Schedule:
        """Factor on every learning rate by step: the papers' stairs if epochs are counted, else the smooth tail."""
        if self.epoch == 0:
            return schedules.linear_tail(self.steps, self.decay)
        epochs = math.ceil(self.steps / self.epoch)
        decaying = round(epochs * self.decay)
        return schedules.linear_decay(self.epoch, epochs - decaying, decaying) if decaying else schedules.constant


@dataclass(frozen=True)
class AveragingRecipe(Recipe):
    """The numbers of a method that can translate with averages of its generators (``Method.keep_averages``)."""

    average: Annotated[
        float, Range(0, 0.999999), "decay of the averaged generators, which translate; 0: the last weights do"
    ] = 0.0


def profiles(recipes: Mapping[str, Recipe]) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of a table: a method's numbers, one row each, one column per profile, and what each number is."""
    columns = {profile: asdict(recipe) for profile, recipe in recipes.items()}
    declared = parameters.of_class(type(next(iter(recipes.values()))))
    rows = [[name, *(column[name] for column in columns.values()), one.help] for name, one in declared.items()]
    return ["number", *columns, "meaning"], rows


@dataclass(frozen=True)
class Turn:
    """One move of the game.

    Attributes:
        loss: name of the method's function that returns ``{term name: weighted scalar}``; their sum is minimised.
        moves: names of the networks that step. A network may move in several turns.
        every: the turn is played if ``(step + 1) % every == 0``.
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
    """What the turns of one step share: ``batch``, ``step`` (from 0), and what the method's ``forward`` puts on it.

    A ``forward`` puts the same names on it whatever the recipe, and None for what the recipe leaves out.
    """

    def __init__(self, batch: Batch, step: int):
        super().__init__(batch=batch, step=step)


class Method(nn.Module):
    """Base of every paper's method. A child has a name, ``turns``, its networks, and one loss function per turn.

    Attributes:
        turns: what is played in every step, unless ``begin`` says otherwise; names every network that ever moves.
        directions: the names of the ways it translates, the default first; empty if there is one way or none.
        averages: a ``MovingAverage`` of each network that ``keep_averages`` named.
        channels_last: whether its networks train faster so on a CPU (``i2i_tutor.training.precision``).
    """

    name: ClassVar[str]
    recipe_type: ClassVar[type[Recipe]]
    directions: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    channels_last: bool = False

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        self.averages = nn.ModuleDict()

    def keep_averages(self, decay: float, *networks: str) -> None:
        """Keep exponential moving averages of these networks' weights, for translating; none if ``decay`` is 0.

        Two players circle around each other, and the last step is one point of the circle; the average of the last
        ``1 / (1 - decay)`` steps or so lies nearer to its centre. It starts at the untrained weights, which it soon
        forgets, follows after every step (``play``), travels in the checkpoints and takes no part in the game. The
        papers of this book do not average; it came with Karras et al. 2018, *Progressive Growing of GANs*,
        arXiv 1710.10196.

        A child calls it when its networks are built, and translates with what ``averaged`` gives.
        """
        if decay:
            del self.averages  # to stand behind the networks, so that messages name those
            self.averages = nn.ModuleDict({name: MovingAverage(getattr(self, name), decay) for name in networks})

    def averaged(self, network: str) -> nn.Module:
        """The average of a network if one is kept, else the network itself."""
        return self.averages[network].get_submodule("module") if network in self.averages else getattr(self, network)

    def move_averages(self) -> None:
        """Let all averages follow their networks by one step."""
        for name, average in self.averages.items():
            assert isinstance(average, MovingAverage)
            average.update(getattr(self, name))

    def optimiser(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """What moves one network: Adam with the recipe's numbers."""
        numbers = self.recipe
        return Adam(parameters, lr=numbers.learning_rate, betas=(numbers.beta1, numbers.beta2), fused=True)

    def optimisers(self) -> dict[str, OptimiserFactory]:
        """One optimiser factory per network that ever moves. Equals the papers' joint Adam: Adam couples nothing."""
        return {network: self.optimiser for turn in self.turns for network in turn.moves}

    def rates(self) -> Schedule:
        """Factor on every learning rate by step: the recipe's, unless a method's own phases say otherwise."""
        return self.recipe.rates()

    def begin(self, step: int) -> tuple[Turn, ...]:
        """The turns of this step; phases live here.

        May look at ``step`` and at what a checkpoint brings back (buffers, weights), and at nothing else, so that a
        resumed training takes the same turns.
        """
        return self.turns

    def forward(self, scene: Scene) -> None:
        """Compute the images that several turns share and put them on the scene. A loss may make others itself."""

    def end(self, scene: Scene) -> None:
        """Called without gradient after the last turn: pools, queues, momentum copies."""

    def translate(self, image: Tensor, direction: str | None = None) -> Tensor:
        """Translate ``(N, C, H, W)`` in [-1, 1], in evaluation mode, without gradient. The method stays as it was.

        ``direction`` is one of ``directions``, by default the first. Raises ValueError if there is no such direction,
        if the images break the data contract, or if the method translates no pictures.
        """
        if self.directions:
            direction = self.directions[0] if direction is None else direction
            check_choice("direction", direction, self.directions)
        elif direction is not None:
            raise ValueError(f"direction is {direction!r}, but a {self.name} translates one way only")
        check_images(image)
        with torch.no_grad(), in_mode(self, training=False):
            return self.translation(image, direction)

    def translation(self, image: Tensor, direction: str | None) -> Tensor:
        """What a child's ``translate`` computes. ``direction`` is one of ``directions``; None if there are none."""
        raise ValueError(f"a {self.name} does not translate pictures")

    def couples(self) -> str:
        """Why a batch must not be divided among processes, in words; empty if no image depends on the others.

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
