"""AGGAN: Mejjati, Richardt, Tompkin, Cosker, Kim, *Unsupervised Attention-guided Image-to-Image Translation*,
NeurIPS 2018.

CycleGAN with an attention network per domain: a map in 0..1 says where the generator's pixels are pasted, and all other
pixels stay as they were. From the switch on the discriminators see attended pixels only, and the attention networks no
longer move.

It extends CycleGAN: pools, cycle and adversarial terms are the same, and ``attention=False`` *is* a CycleGAN with these
networks. Networks, order of the moves and defaults follow the official TensorFlow code where it differs from the paper
(least squares, not logarithms; a discriminator is shown the masked *composed* picture, not the masked painting). Three
things are ours: the "same" padding of its strided convolutions adds below and on the right, ours on all sides (equal
shapes, windows one pixel apart); it takes both piles in a fixed order and crops both pictures of a step alike, ours are
drawn and cropped independently; and the switch counts steps, not epochs.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from i2i_tutor import losses, processes, schedules
from i2i_tutor.contract import check_choice, check_images, check_input
from i2i_tutor.methods.base import WIDTH, OptimiserFactory, Scene, Terms, Turn
from i2i_tutor.methods.cyclegan import CycleGAN, CycleGANRecipe, Side
from i2i_tutor.nn.convolutions import NarrowConv2d, ReflectionPad2d, TransposedConv2d
from i2i_tutor.nn.layers import INITIAL_STD, InstanceNorm2d, in_mode
from i2i_tutor.parameters import ParameterError, Range
from i2i_tutor.schedules import Schedule

KERNELS = {"paper": (3, 3, 7), "code": (1, 1, 1)}  # of the three last convolutions of an attention network
SHARE_DECAY = 0.98  # of the running share of attended pixels


def smallest_side(strided: int, padding: int) -> int:
    """The least side of an image of which every norm of a discriminator still sees more than one pixel."""
    side = 2  # behind the last norm
    for stride in (1, *[2] * strided):
        side = max(2, (side - 1) * stride + 4 - 2 * padding)  # the least of which such a layer makes that many
    return side


@dataclass(frozen=True)
class AGGANRecipe(CycleGANRecipe):
    """The numbers of AGGAN. The defaults are the official code's, for horses and zebras at 256 px."""

    steps: int = 133_400  # 100 epochs, the learning rate falling over the last 50
    epoch: int = 1334  # horse2zebra
    learning_rate: float = 1e-4
    base: int = 32  # "ngf"
    lambda_identity: float = 0.0
    discriminator_base: Annotated[int, WIDTH, "channels of the first layer of a discriminator"] = 64  # "ndf"
    first_norm: Annotated[bool, "instance norm behind the first layer of the discriminators, too"] = True
    # The official 2 is made for 256 px: at 48, with two strided layers, half of the logits see more zeros than picture
    discriminator_padding: Annotated[
        int, Range(1, 2), "pixels of zeros around the input of every layer of a discriminator"
    ] = 2
    attention: Annotated[bool, "attention networks (True), or maps of ones: CycleGAN with these networks"] = True
    attention_base: Annotated[int, WIDTH, "channels of the first layer of an attention network"] = 32
    # The paper's kernels never ran: the official decoder's are 1 x 1, so that a map is constant on 4 x 4 pixels
    attention_kernels: Annotated[Literal["paper", "code"], "of the decoder: 3, 3, 7 pixels, or 1, 1, 1 as it ran"] = (
        "code"
    )
    attention_rate: Annotated[float, Range(1e-9, 1), "learning rate of the attention networks"] = 1e-4
    threshold: Annotated[float, Range(0, 1), "what the map must reach for the discriminators to see a pixel"] = 0.1
    switch: Annotated[float, Range(0, 1), "part of the steps before the discriminators are attended; 1: never"] = 0.3
    # Not the paper's, which counts epochs alone
    switch_share: Annotated[
        float, Range(1e-6, 1), "of attended pixels, above which the switch waits; 1: it does not"
    ] = 1.0
    freeze: Annotated[bool, "attention stays as it is after the switch"] = True
    norm_off: Annotated[bool, "no norm in the discriminators after the switch"] = True
    together: Annotated[bool, "both generators move in one turn (False: each in its own, as in the code)"] = False

    def __post_init__(self):
        super().__post_init__()
        if not self.adversarial:
            raise ParameterError("adversarial is False; AGGAN has discriminators")
        if self.lambda_identity:
            raise ParameterError(f"lambda_identity is {self.lambda_identity}; AGGAN has no identity terms")
        smallest = max(8, smallest_side(self.patch_layers, self.discriminator_padding))
        if self.size < smallest:
            raise ParameterError(
                f"size is {self.size}; the networks, with patch_layers={self.patch_layers}, need at least {smallest}"
            )

    @property
    def unattended_steps(self) -> int:
        """How many steps the discriminators are shown whole pictures; at least one, unless ``switch`` is 0."""
        return max(int(round(self.switch * self.steps, 6)), int(self.switch > 0))

    def rates(self) -> Schedule:
        """The official stairs if epochs are counted (of 100, epoch 75 has half the rate, the last a fiftieth)."""
        if self.epoch == 0:
            return super().rates()
        epochs = math.ceil(self.steps / self.epoch)
        falling = round(epochs * self.decay)
        if not falling:
            return schedules.constant
        return lambda step: max(0.0, 1 - max(0, step // self.epoch - (epochs - falling)) / falling)


RECIPES = {
    "smoke": AGGANRecipe(
        size=32, load_size=36, batch=2, steps=4, epoch=0, base=4, blocks=1, patch_layers=1, discriminator_base=4,
        attention_base=4, learning_rate=1e-3, attention_rate=1e-3, switch=0.5, average=0.99,
    ),
    # Smaller pictures and networks, higher rates, both generators in one turn, which spares a second pass through all
    # networks. Tuned on seed 10 and scenes kept for tuning.
    "fast": AGGANRecipe(
        size=48, load_size=54, batch=2, steps=1000, epoch=0, base=16, blocks=3, patch_layers=2, discriminator_base=24,
        first_norm=False, discriminator_padding=1, attention_base=16, attention_kernels="paper", learning_rate=5e-4,
        attention_rate=2e-4, switch=1.0, together=True, average=0.99,
    ),
    "paper": AGGANRecipe(),
}  # fmt: skip


# --- the networks --------------------------------------------------------------------------------------------------


def _draw(network: nn.Module) -> None:
    """Weights from a normal distribution of 0.02 cut at two deviations, norm scales around 1, biases and shifts 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.InstanceNorm2d):
            assert module.weight is not None
            assert module.bias is not None
            mean = float(isinstance(module, nn.InstanceNorm2d))
            low, high = mean - 2 * INITIAL_STD, mean + 2 * INITIAL_STD
            nn.init.trunc_normal_(module.weight, mean, INITIAL_STD, low, high)
            nn.init.zeros_(module.bias)


def _layer(*layers: nn.Module, width: int) -> list[nn.Module]:
    return [*layers, InstanceNorm2d(width, affine=True), nn.ReLU()]


def _check_sides(image: Tensor) -> None:
    height, width = image.shape[-2:]
    if height % 4 or width % 4 or min(height, width) < 8:
        raise ValueError(f"AGGAN needs sides that are multiples of 4, at least 8; the image is {height}x{width}")


class Residual(nn.Module):
    """Two 3x3 convolutions with instance norm, added to their input, and a ReLU after the sum."""

    def __init__(self, width: int, padding: type[nn.Module]):
        super().__init__()

        def convolution() -> list[nn.Module]:
            return [padding(1), nn.Conv2d(width, width, 3), InstanceNorm2d(width, affine=True)]

        self.branch = nn.Sequential(*convolution(), nn.ReLU(), *convolution())

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.branch(x))


class Generator(nn.Module):
    """F: CycleGAN's residual generator with half its width, zeros at the borders and affine instance norms.

    Shape: ``(N, 3, H, W)`` → ``(N, 3, H, W)`` in [-1, 1], H and W multiples of 4, at least 8. 2,855,811 weights at
    base 32 with 9 blocks.
    """

    def __init__(self, base: int = 32, blocks: int = 9):
        super().__init__()
        layers = _layer(nn.Conv2d(3, base, 7, padding=3), width=base)
        for width in (2 * base, 4 * base):
            layers += _layer(nn.Conv2d(width // 2, width, 3, 2, 1), width=width)
        layers += [Residual(4 * base, nn.ZeroPad2d) for _ in range(blocks)]
        for width in (2 * base, base):
            layers += _layer(TransposedConv2d(2 * width, width, 3, 2, 1, output_padding=1), width=width)
        self.layers = nn.Sequential(*layers, NarrowConv2d(base, 3, 7, padding=3), nn.Tanh())
        _draw(self)

    def forward(self, image: Tensor) -> Tensor:
        check_input(image, self)
        _check_sides(image)
        return self.layers(image)


class AttentionNetwork(nn.Module):
    """A: an image → where it shows what makes its domain. It starts near 0.5 everywhere.

    Shape: ``(N, 3, H, W)`` → ``(N, 1, H, W)`` in 0..1, H and W multiples of 4, at least 8. At base 32 it has 104,001
    weights with the kernels of the code, with which the map is constant on blocks of 4x4 pixels, and 154,689 with the
    paper's. Raises ValueError unless ``kernels`` are three odd numbers.
    """

    def __init__(self, base: int = 32, kernels: tuple[int, int, int] = KERNELS["code"]):
        super().__init__()
        if len(kernels) != 3 or not all(kernel % 2 for kernel in kernels):
            raise ValueError(f"kernels is {kernels}; expected three odd numbers")

        def convolution(width_in: int, width_out: int, kernel: int) -> list[nn.Module]:
            return [ReflectionPad2d(kernel // 2), nn.Conv2d(width_in, width_out, kernel)]

        layers = _layer(ReflectionPad2d(3), nn.Conv2d(3, base, 7, 2), width=base)
        layers += _layer(nn.Conv2d(base, 2 * base, 3, 2, 1), width=2 * base)
        layers.append(Residual(2 * base, ReflectionPad2d))
        for width, kernel in zip((2 * base, base), kernels[:2], strict=True):
            layers += _layer(nn.Upsample(scale_factor=2), *convolution(2 * base, width, kernel), width=width)
        self.layers = nn.Sequential(*layers, *convolution(base, 1, kernels[2]), nn.Sigmoid())
        _draw(self)

    def forward(self, image: Tensor) -> Tensor:
        check_input(image, self)
        _check_sides(image)
        return self.layers(image)


class Discriminator(nn.Module):
    """D: a PatchGAN with zeros around the input of every layer, and an instance norm that can be left out.

    Shape: ``(N, 3, H, W)`` → ``(N, 1, h, w)`` logits, with two pixels of zeros and 3 strided layers 35x35 at 256 px and
    11x11 at 64. 2,766,657 weights at base 64. Raises ValueError if a norm would be left with a single pixel.
    """

    def __init__(self, base: int = 64, strided: int = 3, first_norm: bool = True, padding: int = 2):
        super().__init__()
        self.smallest = smallest_side(strided, padding)
        layers, width = nn.ModuleList(), 3
        for number in range(strided + 1):
            wider = base * min(2**number, 8)
            norm = [InstanceNorm2d(wider, affine=True)] if number or first_norm else []
            layers.append(nn.Conv2d(width, wider, 4, 1 if number == strided else 2, padding))
            layers.extend([*norm, nn.LeakyReLU(0.2)])
            width = wider
        layers.append(nn.Conv2d(width, 1, 4, padding=padding))
        self.layers = layers
        _draw(self)

    def forward(self, image: Tensor, norm: bool = True) -> Tensor:
        check_input(image, self)
        if min(image.shape[-2:]) < self.smallest:
            raise ValueError(
                f"this discriminator needs at least {self.smallest}x{self.smallest} pixels; "
                f"the image is {image.shape[-2]}x{image.shape[-1]}"
            )
        for layer in self.layers:
            if norm or not isinstance(layer, nn.InstanceNorm2d):
                image = layer(image)
        return image


# --- the game ------------------------------------------------------------------------------------------------------


def compose(image: Tensor, painted: Tensor, where: Tensor) -> Tensor:
    """What is painted where the map is 1, the image where it is 0: s' = A(s) F(s) + (1 - A(s)) s.

    Shape: image and painted ``(N, C, H, W)``, where ``(N, 1, H, W)`` in 0..1 → ``(N, C, H, W)``. Raises ValueError if
    one of the two is of another size than the image, which broadcasting would hide.
    """
    if painted.shape != image.shape:
        raise ValueError(f"what is painted is {tuple(painted.shape)}; the image is {tuple(image.shape)}")
    _check_map(image, where)
    return where * painted + (1 - where) * image


def _check_map(image: Tensor, where: Tensor) -> None:
    if where.shape != image[:, :1].shape:
        raise ValueError(f"the map is {tuple(where.shape)}; expected {tuple(image[:, :1].shape)}, a value a pixel")


class AGGAN(CycleGAN):
    """The game of AGGAN. Batches hold ``a`` and ``b``, ``(N, 3, H, W)`` in [-1, 1], that have nothing in common.

    Attributes:
        compose: how a picture is made of an image, what is painted, and the map; ``compose`` unless it is replaced.
        switched_at: the first step in which the discriminators were attended; -1 before the switch.
        share: of the pixels at which the maps reach the threshold, over some fifty steps.

    The last two travel in the checkpoints.
    """

    name = "aggan"
    recipe_type = AGGANRecipe
    recipe: AGGANRecipe
    compose: Callable[[Tensor, Tensor, Tensor], Tensor]
    switched_at: Tensor
    share: Tensor

    def __init__(self, recipe: AGGANRecipe):
        super().__init__(recipe)
        self.compose = compose
        self.attention_a, self.attention_b = self.new_attention(), self.new_attention()
        networks = ("attention_a", "attention_b") if recipe.attention else ()
        self.keep_averages(recipe.average, "g_ab", "g_ba", *networks)
        ab, ba = ("g_ab", *networks[:1]), ("g_ba", *networks[1:])
        if recipe.together:
            self.turns = (Turn("generator_loss", ab + ba), Turn("discriminator_loss", ("d_a", "d_b")))
        else:
            self.turns = (
                *(Turn("generator_loss_ab", ab), Turn("discriminator_loss_b", ("d_b",))),
                *(Turn("generator_loss_ba", ba), Turn("discriminator_loss_a", ("d_a",))),
            )
        self.register_buffer("switched_at", torch.tensor(-1))
        self.register_buffer("share", torch.ones(()))
        self._switched = False  # once more, so that no step waits for the device

    @property
    def switched(self) -> bool:
        """Whether the discriminators are attended by now."""
        return self._switched

    def new_generator(self) -> nn.Module:
        """An untrained generator, for either direction."""
        return Generator(self.recipe.base, self.recipe.blocks)

    def new_discriminator(self) -> nn.Module:
        """An untrained discriminator, for either side."""
        recipe = self.recipe
        return Discriminator(
            recipe.discriminator_base, recipe.patch_layers, recipe.first_norm, recipe.discriminator_padding
        )

    def new_attention(self) -> nn.Module | None:
        """An untrained attention network, for either side; None if the recipe has none."""
        recipe = self.recipe
        return AttentionNetwork(recipe.attention_base, KERNELS[recipe.attention_kernels]) if recipe.attention else None

    def optimisers(self) -> dict[str, OptimiserFactory]:
        """Adam for every network; the attention networks have a rate of their own."""
        factories = super().optimisers()
        return factories | {name: self.attention_optimiser for name in factories if name.startswith("attention")}

    def attention_optimiser(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """What moves an attention network."""
        optimiser = self.optimiser(parameters)
        for group in optimiser.param_groups:
            group["lr"] = self.recipe.attention_rate
        return optimiser

    def begin(self, step: int) -> tuple[Turn, ...]:
        """All turns, behind the switch if it is time. Then attention no longer moves, unless the recipe lets it."""
        recipe = self.recipe
        late = recipe.attention and recipe.switch < 1 and step >= recipe.unattended_steps
        if late and not self.switched and (recipe.switch_share == 1 or float(self.share) <= recipe.switch_share):
            self.attend(step)
        if not (self.switched and recipe.freeze):
            return self.turns
        return tuple(
            replace(turn, moves=tuple(name for name in turn.moves if not name.startswith("attention")))
            for turn in self.turns
        )

    def attend(self, step: int = 0) -> None:
        """The switch: from this step on the discriminators see attended pixels only."""
        self._switched = True
        self.switched_at.fill_(step)

    def forward(self, scene: Scene) -> None:
        """Put on the scene the composed ``fake_b``, ``fake_a``, ``cycled_a``, ``cycled_b``, and the maps of the batch.

        The way back looks for the other domain's object in the translated picture, so it has a map of its own.
        """
        scene.fake_b, scene.map_a = self.hop(scene.batch["a"], self.g_ab, self.attention_a)
        scene.fake_a, scene.map_b = self.hop(scene.batch["b"], self.g_ba, self.attention_b)
        scene.cycled_a = scene.cycled_b = None
        if self.recipe.lambda_forward:
            scene.cycled_a, _ = self.hop(scene.fake_b, self.g_ba, self.attention_b)
        if self.recipe.lambda_backward:
            scene.cycled_b, _ = self.hop(scene.fake_a, self.g_ab, self.attention_a)

    def hop(self, image: Tensor, generator: nn.Module, attention: nn.Module | None) -> tuple[Tensor, Tensor]:
        """One translation: the composed picture and its map, which without an attention network is 1.

        Shape: ``(N, 3, H, W)`` → ``(N, 3, H, W)`` in [-1, 1] and ``(N, 1, H, W)`` in 0..1. Raises like ``compose``.
        """
        painted = generator(image)
        where = torch.ones_like(image[:, :1]) if attention is None else attention(image).to(image.dtype)
        return self.compose(image, painted, where), where

    def attended(self, image: Tensor, where: Tensor) -> Tensor:
        """What a discriminator is shown: the image; after the switch mid-grey where its map is below the threshold.

        Shape: image ``(N, 3, H, W)``, where ``(N, 1, H, W)`` → ``(N, 3, H, W)``. Raises ValueError if they don't fit.
        """
        _check_map(image, where)
        return image * (where >= self.recipe.threshold) if self.switched else image

    def discriminator(self, side: Side) -> Callable[[Tensor], Tensor]:
        """The discriminator of a side; after the switch without norms, whose statistics the grey would distort."""
        return partial(getattr(self, f"d_{side}"), norm=not (self.switched and self.recipe.norm_off))

    def adversarial_term_b(self, scene: Scene) -> Tensor:
        """What D_b charges for the translations of a. The mask is the original's map: the attended place."""
        logits = self.discriminator("b")(self.attended(scene.fake_b, scene.map_a))
        return losses.generator_loss(logits, self.recipe.objective)

    def adversarial_term_a(self, scene: Scene) -> Tensor:
        """What D_a charges for the translations of b."""
        logits = self.discriminator("a")(self.attended(scene.fake_a, scene.map_b))
        return losses.generator_loss(logits, self.recipe.objective)

    def generator_loss(self, scene: Scene) -> Terms:
        """What both generators, with their attention, minimise if they move together."""
        terms = {"gan_ab": self.adversarial_term_b(scene), "gan_ba": self.adversarial_term_a(scene)}
        return terms | self.cycle_terms(scene)

    def generator_loss_ab(self, scene: Scene) -> Terms:
        """What G from a to b and the attention of a minimise by themselves: their own GAN term and both cycles."""
        return {"gan_ab": self.adversarial_term_b(scene)} | self.cycle_terms(scene)

    def generator_loss_ba(self, scene: Scene) -> Terms:
        """The same the other way round, on pictures made anew: the networks of the other way have moved."""
        self(scene)
        again = {f"{name}_again": term for name, term in self.cycle_terms(scene).items()}
        return {"gan_ba": self.adversarial_term_a(scene)} | again

    def discriminator_loss(self, scene: Scene) -> Terms:
        """What both discriminators minimise, the fakes drawn from the pools together with their maps."""
        return self.discriminator_loss_a(scene) | self.discriminator_loss_b(scene)

    def discriminator_loss_a(self, scene: Scene) -> Terms:
        """What D_a minimises."""
        shown = self.attended(*self.pool_a.query(scene.fake_a, scene.map_b))
        return {"d_a": self.tell_apart(self.discriminator("a"), self.attended(scene.batch["a"], scene.map_a), shown)}

    def discriminator_loss_b(self, scene: Scene) -> Terms:
        """What D_b minimises."""
        shown = self.attended(*self.pool_b.query(scene.fake_b, scene.map_a))
        return {"d_b": self.tell_apart(self.discriminator("b"), self.attended(scene.batch["b"], scene.map_b), shown)}

    def end(self, scene: Scene) -> None:
        """Look how much is attended."""
        if self.recipe.attention:
            reached = [(where >= self.recipe.threshold).float().mean() for where in (scene.map_a, scene.map_b)]
            share = processes.mean(torch.stack(reached).mean()).to(self.share.dtype)
            self.share.lerp_(share, 1 - SHARE_DECAY)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._switched = bool(self.switched_at >= 0)

    def translation(self, image: Tensor, direction: str | None) -> Tensor:
        """The composed picture. Height and width are multiples of 4."""
        return self._composed(image, direction)[0]

    def attention_map(self, image: Tensor, direction: str | None = None) -> Tensor:
        """Where ``translate`` pastes, ``(N, 1, H, W)`` in 0..1. Arguments and errors are those of ``translate``."""
        direction = self.directions[0] if direction is None else direction
        check_choice("direction", direction, self.directions)
        check_images(image)
        with torch.no_grad(), in_mode(self, training=False):
            return self._composed(image, direction)[1]

    def _composed(self, image: Tensor, direction: str | None) -> tuple[Tensor, Tensor]:
        generator, attention = ("g_ab", "attention_a") if direction == "AtoB" else ("g_ba", "attention_b")
        return self.hop(image, self.averaged(generator), self.averaged(attention) if self.recipe.attention else None)
