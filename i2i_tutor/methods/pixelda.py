"""PixelDA: Bousmalis, Silberman, Dohan, Erhan, Krishnan, *Unsupervised Pixel-Level Domain Adaptation with Generative
Adversarial Networks*, CVPR 2017.

G repaints labelled source images so that D takes them for target images; T learns the task on them (and on the source
itself), keeps its labels, and is then used on the target, for which there are no labels. Networks, losses and defaults
follow the official TensorFlow code, in which D and T move before G, too, except that

- G's turn reuses the batch that D and T have just seen, with noise of its own; the official code draws new images for
  every turn, so that a step of ours sees half as many;
- G's running statistics move twice a step, once in each turn;
- the "same" padding of the official strided convolutions adds below and on the right, ours on all sides: equal shapes,
  windows one pixel apart;
- TensorFlow's Adam adds its ε before it corrects for the bias, which makes no difference to speak of;
- there is no head for poses (LineMod).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from i2i_tutor import losses, parameters
from i2i_tutor.contract import check_choice, check_layout
from i2i_tutor.methods.base import WEIGHT, WIDTH, Method, Recipe, Scene, Terms, Turn
from i2i_tutor.nn.layers import initialise
from i2i_tutor.parameters import Range
from i2i_tutor.schedules import Schedule, staircase

Domain = Literal["source", "target"]
LARGEST_GRADIENT = 5.0  # norm, of every variable by itself


@dataclass(frozen=True)
class PixelDARecipe(Recipe):
    """The numbers of PixelDA. The defaults are those of MNIST → MNIST-M in the official code."""

    size: int = 32
    batch: int = 32
    # The official code counts 500,000: the moves of D and T, and those of G. Ours share a
    # batch, so it sees 8 million images of each domain, not 16.
    steps: int = 250_000
    learning_rate: float = 1e-3
    decay: float = 0.0  # the paper's rate falls in stairs instead
    classes: Annotated[int, Range(1, 10_000), "number of classes"] = 10
    noise_size: Annotated[int, Range(0, 1000), "length of z, uniform in -1 to 1; 0 for none"] = 10
    # False is not the paper's: if every pixel sees all of z, they can agree on one light and one polarity
    noise_map: Annotated[bool, "z becomes a map by a linear layer (True), or every pixel is given all of it"] = True
    width: Annotated[int, WIDTH, "channels of the generator"] = 64
    blocks: Annotated[int, Range(1, 64), "residual blocks of the generator"] = 6
    discriminator_width: Annotated[int, WIDTH, "channels of its first layer; they double with every halving"] = 64
    task_width: Annotated[int, WIDTH, "channels of its private layer; the shared one has half as many again"] = 32
    dropout: Annotated[float, Range(0, 1), "probability, in the discriminator"] = 0.1
    discriminator_noise: Annotated[float, WEIGHT, "standard deviation, behind each of its layers"] = 0.2
    # Not the paper's: with few target images D would learn them by heart
    discriminator_shift: Annotated[int, Range(0, 64), "pixels by which its images are moved at random; 0: none"] = 0
    weight_domain: Annotated[float, WEIGHT, "of the adversarial term on the discriminator's side"] = 0.135603587834
    weight_generator: Annotated[float, WEIGHT, "of the adversarial term on the generator's side"] = 0.0113173311334
    weight_task: Annotated[float, WEIGHT, "of the task loss on the generator's side"] = 0.0100959947002
    weight_source: Annotated[float, WEIGHT, "of the task loss on source images; 0: adapted images alone"] = 1.0
    weight_content: Annotated[float, WEIGHT, "of the content similarity (masked PMSE)"] = 0.0  # in the digit runs
    stair: Annotated[int, Range(0, 10_000_000), "steps after which the learning rate falls; 0: no stairs"] = 10_000
    stair_factor: Annotated[float, Range(0, 1), "factor by which it falls"] = 0.95

    def __post_init__(self):
        super().__post_init__()
        if self.stair and self.decay:
            raise parameters.ParameterError(
                f"stair is {self.stair} and decay {self.decay}; the learning rate falls in stairs or in a tail, so one "
                "of the two must be 0"
            )

        if self.discriminator_shift >= self.size:
            raise parameters.ParameterError(
                f"discriminator_shift is {self.discriminator_shift}; expected less than size, which is {self.size}"
            )

    def rates(self) -> Schedule:
        """The paper's stairs (after every ``stair`` steps times ``stair_factor``), or else the smooth tail."""
        return staircase(self.stair_factor, self.stair) if self.stair else super().rates()


RECIPES = {
    "smoke": PixelDARecipe(
        size=16, batch=8, steps=6, width=4, blocks=1, discriminator_width=4, task_width=4, discriminator_noise=0.05,
        weight_domain=1.0, weight_generator=1.0, weight_task=0.1, stair=0, decay=0.5,
    ),
    # A hundredth of the steps, at 16 px and half the batch. The stairs would not be over before the run is: its rate
    # falls smoothly over the second half instead. The task term on G's side is far weaker than the official one.
    "fast": PixelDARecipe(
        size=16, batch=16, steps=2000, noise_map=False, width=16, blocks=3, discriminator_width=48, task_width=16,
        dropout=0.0, discriminator_noise=0.0, discriminator_shift=2, weight_domain=1.0, weight_generator=1.0,
        weight_task=0.03, stair=0, decay=0.5,
    ),
    "paper": PixelDARecipe(),
}  # fmt: skip


# --- the networks --------------------------------------------------------------------------------------------------


class Centre(_BatchNorm):
    """Batch norm with a learned shift but no learned scale (ε 1e-3, running averages with decay 0.9): the paper's."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=1e-3, momentum=0.1)
        self.register_parameter("weight", None)

    def _check_input_dim(self, input: Tensor) -> None:
        """Vectors ``(N, C)`` and images ``(N, C, H, W)`` alike."""


def _convolution(width_in: int, width_out: int, stride: int = 1, centred: bool = True) -> list[nn.Module]:
    """A 3x3 convolution with the paper's batch norm, or one with a bias."""
    layer = nn.Conv2d(width_in, width_out, 3, stride, 1, bias=not centred)
    return [layer, Centre(width_out)] if centred else [layer]


class Residual(nn.Module):
    """Two 3x3 convolutions with batch norm, added to their input; no ReLU after the sum."""

    def __init__(self, width: int):
        super().__init__()
        self.branch = nn.Sequential(*_convolution(width, width), nn.ReLU(), *_convolution(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class Generator(nn.Module):
    """G(x, z): z becomes one more channel of the image, then residual blocks at full size.

    Without ``noise_map`` it becomes ``noise_size`` channels instead, each with the same value at all pixels.

    Shape: x ``(N, 3, size, size)`` in [-1, 1] and z ``(N, noise_size)`` → ``(N, 3, size, size)`` in [-1, 1]. 456,963
    weights at 32 px, width 64 and 6 blocks.
    """

    def __init__(self, size: int, noise_size: int = 10, width: int = 64, blocks: int = 6, noise_map: bool = True):
        super().__init__()
        self.size, self.noise_size = size, noise_size
        self.noise = (
            nn.Sequential(nn.Linear(noise_size, size * size, bias=False), Centre(size * size), nn.ReLU())
            if noise_size and noise_map
            else None
        )
        channels = 3 + (noise_size if self.noise is None else 1)
        self.layers = nn.Sequential(
            *_convolution(channels, width, centred=False),
            nn.ReLU(),
            *(Residual(width) for _ in range(blocks)),
            nn.Conv2d(width, 3, 1),
            nn.Tanh(),
        )
        initialise(self)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        _check(x, self.size)
        if self.noise_size:
            if z.shape != (len(x), self.noise_size):
                raise ValueError(f"the noise is {tuple(z.shape)}; expected {(len(x), self.noise_size)}")
            if self.noise is None:
                channels = z[:, :, None, None].expand(-1, -1, self.size, self.size)
            else:
                channels = self.noise(z).view(-1, 1, self.size, self.size)
            x = torch.cat([x, channels], dim=1)
        return self.layers(x)


def _check(images: Tensor, size: int) -> None:
    check_layout(images, 3)
    if images.shape[-2:] != (size, size):
        raise ValueError(f"this network takes images of {size}x{size} pixels; got {tuple(images.shape)}")


def shifted(images: Tensor, pixels: int) -> Tensor:
    """Every image moved by a random whole number of pixels, at most ``pixels`` in each direction; borders are mirrored.

    Zhao, Liu, Lin, Zhu, Han, *Differentiable Augmentation for Data-Efficient GAN Training*, NeurIPS 2020: if both real
    and made images are moved, the generator need not move its own. Shape: ``(N, C, H, W)`` → ``(N, C, H, W)``.
    """
    if not pixels:
        return images
    count, _, height, width = images.shape
    padded = F.pad(images, (pixels,) * 4, mode="reflect")
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, C, 2 * pixels + 1, 2 * pixels + 1, H, W)
    down, right = torch.randint(2 * pixels + 1, (2, count), device=images.device)
    return windows[torch.arange(count, device=images.device), :, down, right]


class Jitter(nn.Module):
    """Gaussian noise of a standard deviation, added in training and evaluation alike."""

    def __init__(self, deviation: float):
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        return x + self.deviation * torch.randn_like(x) if self.deviation else x


class Discriminator(nn.Module):
    """D(x): halves the image down to 4x4 or less, with dropout and noise behind every layer; one logit per image.

    Shape: ``(N, 3, size, size)`` → ``(N,)``. 1,559,169 weights at 28 and at 32 px.
    """

    def __init__(self, size: int, width: int = 64, dropout: float = 0.1, noise: float = 0.2):
        super().__init__()
        self.size = size
        rest = [nn.LeakyReLU(0.2), nn.Dropout(dropout), Jitter(noise)]
        stack = [*_convolution(3, width, centred=False), *rest]
        while size > 4:
            stack += [*_convolution(width, 2 * width, stride=2), *rest]
            size, width = (size + 1) // 2, 2 * width
        self.layers = nn.Sequential(*stack, nn.Flatten(), nn.Linear(width * size * size, 1))
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        _check(images, self.size)
        return self.layers(images).squeeze(1)


class TaskNetwork(nn.Module):
    """T(x): a classifier whose first layer exists once per domain; adapted and target images share theirs.

    Shape: ``(N, 3, size, size)`` → logits ``(N, classes)``. 361,722 weights at 32 px, of which 2,432 in each of the two
    private layers. ``features`` stops before the last layer, at ``(N, 100)``.
    """

    def __init__(
        self, size: int, classes: int = 10, width: int = 32, domains: tuple[Domain, ...] = ("source", "target")
    ):
        super().__init__()
        self.size = size

        def block(width_in: int, width_out: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(width_in, width_out, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))

        inner = width * 3 // 2
        self.private = nn.ModuleDict({domain: block(3, width) for domain in domains})
        self.shared = nn.Sequential(
            block(width, inner),
            nn.Flatten(),
            *(nn.Linear(inner * (size // 4) ** 2, 100), nn.ReLU()),
            *(nn.Linear(100, 100), nn.ReLU()),
        )
        self.last = nn.Linear(100, classes)
        initialise(self)

    def features(self, images: Tensor, domain: Domain = "target") -> Tensor:
        check_choice("domain", domain, list(self.private))
        _check(images, self.size)
        return self.shared(self.private[domain](images))

    def forward(self, images: Tensor, domain: Domain = "target") -> Tensor:
        return self.last(self.features(images, domain))


# --- the game ------------------------------------------------------------------------------------------------------


class ClippingMethod(Method):
    """A method whose Adam clips the gradient of every variable to a norm of 5 first, as the official code does."""

    def optimiser(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        optimiser = super().optimiser(parameters)
        optimiser.register_step_pre_hook(lambda optimiser, *arguments: clip_each(optimiser))
        return optimiser


def clip_each(optimiser: Optimizer) -> None:
    """Scale every single gradient of an optimiser to a norm of at most 5."""
    gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
    norms = torch._foreach_norm(gradients)
    torch._foreach_mul_(gradients, [(LARGEST_GRADIENT / (norm + 1e-6)).clamp(max=1) for norm in norms])


class PixelDA(ClippingMethod):
    """The game of PixelDA. Batches hold ``source``, ``source_label``, ``source_mask`` and ``target``.

    D and T move together, then G, against the D and T that have just learnt and with noise of its own.
    """

    name = "pixelda"
    recipe_type = PixelDARecipe
    recipe: PixelDARecipe
    turns = (
        Turn("domain_and_task_loss", ("discriminator", "task")),
        Turn("generator_loss", ("generator",)),
    )

    def __init__(self, recipe: PixelDARecipe):
        super().__init__(recipe)
        self.generator = Generator(recipe.size, recipe.noise_size, recipe.width, recipe.blocks, recipe.noise_map)
        self.discriminator = Discriminator(
            recipe.size, recipe.discriminator_width, recipe.dropout, recipe.discriminator_noise
        )
        self.task = TaskNetwork(recipe.size, recipe.classes, recipe.task_width)

    def generate(self, x: Tensor) -> Tensor:
        """G(x, z) with new noise z, uniform in [-1, 1]."""
        z = torch.rand(len(x), self.recipe.noise_size, device=x.device, dtype=x.dtype) * 2 - 1
        return self.generator(x, z)

    def discriminate(self, images: Tensor) -> Tensor:
        """D's logits of the images, moved at random if the recipe says so."""
        return self.discriminator(shifted(images, self.recipe.discriminator_shift))

    def forward(self, scene: Scene) -> None:
        """Put ``fake`` on the scene, from which D and T learn; G makes images of its own in its turn."""
        with torch.no_grad():
            scene.fake = self.generate(scene.batch["source"])

    def domain_and_task_loss(self, scene: Scene) -> Terms:
        """The domain loss of D and the task loss of T. Real and fake go through D apart: no shared batch statistics."""
        recipe, label = self.recipe, scene.batch["source_label"]
        real, fake = self.discriminate(scene.batch["target"]), self.discriminate(scene.fake)
        terms = {
            "discriminator": recipe.weight_domain * losses.discriminator_loss(real, fake),
            "task_adapted": losses.cross_entropy(self.task(scene.fake), label),
        }
        if recipe.weight_source:
            logits = self.task(scene.batch["source"], "source")
            terms["task_source"] = recipe.weight_source * losses.cross_entropy(logits, label)
        return terms

    def generator_loss(self, scene: Scene) -> Terms:
        """What G minimises: the non-saturating domain term, the task term, and the content similarity."""
        recipe, source = self.recipe, scene.batch["source"]
        fake = self.generate(source)
        terms = {"generator": recipe.weight_generator * losses.generator_loss(self.discriminate(fake))}
        if recipe.weight_task:
            terms["task"] = recipe.weight_task * losses.cross_entropy(self.task(fake), scene.batch["source_label"])
        if recipe.weight_content:
            content = losses.masked_pairwise_error(source, fake, scene.batch["source_mask"])
            terms["content"] = recipe.weight_content * content
        return terms

    def translation(self, image: Tensor, direction: str | None) -> Tensor:
        """Each image with noise of its own, and with the running batch statistics."""
        return self.generate(image)


# --- the references ------------------------------------------------------------------------------------------------


class TaskAlone(ClippingMethod):
    """T by itself on ``image`` and ``label``: source-only, target-only, or on what a finished generator makes.

    The paper's lower and upper reference. One private layer, since there is one kind of image.
    """

    name = "task_alone"
    recipe_type = PixelDARecipe
    recipe: PixelDARecipe
    turns: tuple[Turn, ...] = (Turn("task_loss", ("task",)),)

    def __init__(self, recipe: PixelDARecipe):
        super().__init__(recipe)
        self.task = TaskNetwork(recipe.size, recipe.classes, recipe.task_width, ("target",))

    def task_loss(self, scene: Scene) -> Terms:
        """Cross entropy on the images that it is given."""
        return {"task": losses.cross_entropy(self.task(scene.batch["image"]), scene.batch["label"])}

    def translation(self, image: Tensor, direction: str | None) -> Tensor:
        """The image as it is: only T learns."""
        return image
