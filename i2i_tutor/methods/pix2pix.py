"""pix2pix: Isola, Zhu, Zhou, Efros, *Image-to-Image Translation with Conditional Adversarial Networks*, CVPR 2017.

Pairs (x, y) of input and target. G translates x into an image that D, which sees x beside it, cannot tell from y; an
L1 term keeps the low frequencies right. The paper's ablations (Tables 1-3) are switches of the recipe.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.contract import check_layout
from i2i_tutor.methods.base import WEIGHT, WIDTH, AveragingRecipe, Method, Scene, Terms, Turn
from i2i_tutor.nn import PatchGAN, PixelGAN, UNet
from i2i_tutor.nn.layers import Norm, frozen_statistics
from i2i_tutor.parameters import ParameterError, Range

Adversary = Literal["conditional", "unconditional", "none"]


@dataclass(frozen=True)
class Pix2PixRecipe(AveragingRecipe):
    """The numbers of pix2pix. The defaults are the paper's, for façades (section 6.2 and the official code)."""

    size: int = 256
    batch: int = 1
    steps: int = 80_000  # 200 epochs, the learning rate falling over the last 100
    epoch: int = 400  # façades
    # The paper's jitter
    load_size: Annotated[int, Range(1, 8192), "side to which images are resized, before a crop at random"] = 286
    in_channels: Annotated[int, Range(1, 64), "channels of the input"] = 3
    out_channels: Annotated[int, Range(1, 64), "channels of the target"] = 3
    base: Annotated[int, WIDTH, "channels of the first layers of generator and discriminator"] = 64  # "ngf", "ndf"
    depth: Annotated[int, Range(1, 12), "halvings of the U-Net"] = 8
    # The paper's batch norm at batch 1 is an instance norm with learned scale and shift
    norm: Annotated[Norm, "of the activations, in generator and discriminator"] = "batch"
    dropout_layers: Annotated[int, Range(0, 12), "decoder layers with dropout"] = 3
    skips: Annotated[bool, "U-Net (True), or the encoder-decoder of Table 2 (False)"] = True
    adversary: Annotated[Adversary, "the discriminator sees input and output, the output alone, or there is none"] = (
        "conditional"
    )
    patch_layers: Annotated[int, Range(0, 5), "of the discriminator: patches of 1, 16, 34, 70, 142, 286 pixels"] = 3
    pixel_loss: Annotated[Literal["l1", "l2"], "what holds the output near the target"] = "l1"
    lambda_pixel: Annotated[float, WEIGHT, "weight of the pixel loss; 0 leaves the GAN alone"] = 100.0
    noise: Annotated[bool, "one channel of Gaussian noise beside the input"] = False  # section 3.1: G ignores it

    def __post_init__(self):
        super().__post_init__()
        if self.adversary == "none" and self.lambda_pixel == 0:
            raise ParameterError("without a discriminator and without a pixel loss there is nothing to minimise")
        if self.size % 2**self.depth:
            raise ParameterError(f"size {self.size} is no multiple of 2^depth = {2**self.depth}")


RECIPES = {
    "smoke": Pix2PixRecipe(
        size=32, load_size=36, batch=2, steps=4, epoch=0, base=8, depth=5, norm="instance", dropout_layers=2,
        patch_layers=1, learning_rate=1e-3, lambda_pixel=10.0, average=0.99,
    ),
    # Minutes instead of days: a sixtieth of the steps at five times the learning rate, and a third of the paper's
    # lambda, with which so short a training stays blurred. Patches of 16 at 64 px are what 70 is at 256. Dropout is in
    # maps of 8 x 8 only: with more of it in larger ones the walls are grainy.
    "fast": Pix2PixRecipe(
        size=64, load_size=72, batch=4, steps=1200, epoch=0, base=32, depth=5, norm="instance", dropout_layers=1,
        patch_layers=1, learning_rate=1e-3, lambda_pixel=30.0, average=0.99,
    ),
    "paper": Pix2PixRecipe(),
}  # fmt: skip


class Pix2Pix(Method):
    """The game of pix2pix. Batches hold ``input`` x and ``target`` y, each ``(N, C, H, W)`` in [-1, 1]."""

    name = "pix2pix"
    recipe_type = Pix2PixRecipe
    recipe: Pix2PixRecipe

    def __init__(self, recipe: Pix2PixRecipe):
        super().__init__(recipe)
        self.generator: nn.Module = UNet(
            recipe.in_channels + (1 if recipe.noise else 0),
            recipe.out_channels,
            base=recipe.base,
            depth=recipe.depth,
            norm=recipe.norm,
            dropout_layers=recipe.dropout_layers,
            skips=recipe.skips,
        )
        self.keep_averages(recipe.average, "generator")
        self.turns = (Turn("generator_loss", ("generator",)),)
        if recipe.adversary != "none":
            seen = recipe.out_channels + (recipe.in_channels if recipe.adversary == "conditional" else 0)
            self.discriminator: nn.Module = (
                PatchGAN(seen, recipe.base, recipe.patch_layers, recipe.norm)
                if recipe.patch_layers
                else PixelGAN(seen, recipe.base, recipe.norm)
            )
            # The official order: D learns first, then G plays against the D that has just learnt.
            self.turns = (Turn("discriminator_loss", ("discriminator",)), *self.turns)

    def generate(self, x: Tensor, generator: nn.Module | None = None) -> Tensor:
        """G(x, z): one forward pass. z is dropout, and a channel of noise if the recipe asks for it.

        ``generator`` takes the place of the network in training (its average, for one).
        """
        check_layout(x, self.recipe.in_channels)
        if self.recipe.noise:
            x = torch.cat([x, torch.randn_like(x[:, :1])], dim=1)
        return (self.generator if generator is None else generator)(x)

    def discriminate(self, x: Tensor, y: Tensor) -> Tensor:
        """D's logits ``(N, 1, h, w)`` on the pair (x, y), or on y alone if D is unconditional."""
        return self.discriminator(torch.cat([x, y], dim=1) if self.recipe.adversary == "conditional" else y)

    def forward(self, scene: Scene) -> None:
        """Put ``fake``, G(x, z), on the scene."""
        x, y = scene.batch["input"], scene.batch["target"]
        check_layout(x, self.recipe.in_channels)
        check_layout(y, self.recipe.out_channels)
        if (len(x), *x.shape[2:]) != (len(y), *y.shape[2:]):
            raise ValueError(f"the input is {tuple(x.shape)}, the target {tuple(y.shape)}; expected pairs of one size")
        scene.fake = self.generate(x)

    def discriminator_loss(self, scene: Scene) -> Terms:
        """Equation 1 as D minimises it, halved. Two calls, so that real and fake never share batch statistics."""
        x, y = scene.batch["input"], scene.batch["target"]
        real = self.discriminate(x, y)
        fake = self.discriminate(x, scene.fake)
        return {"discriminator": 0.5 * losses.discriminator_loss(real, fake)}

    def generator_loss(self, scene: Scene) -> Terms:
        """Equation 4 as G minimises it: non-saturating GAN term plus lambda times the pixel loss (equation 3)."""
        x, y = scene.batch["input"], scene.batch["target"]
        terms = {}
        if self.recipe.adversary != "none":
            terms["gan"] = losses.generator_loss(self.discriminate(x, scene.fake))
        if self.recipe.lambda_pixel > 0:
            distance = losses.l1 if self.recipe.pixel_loss == "l1" else losses.l2
            terms[self.recipe.pixel_loss] = self.recipe.lambda_pixel * distance(scene.fake, y)
        return terms

    def translation(self, image: Tensor, direction: str | None) -> Tensor:
        """As in the paper, dropout stays on at test time (it is all of z) and batch norm takes each image's own
        statistics.
        """
        parts = image.split(1) if self.recipe.norm == "batch" else [image]
        generator = self.averaged("generator")
        with frozen_statistics(generator):
            return torch.cat([self.generate(part, generator) for part in parts])
