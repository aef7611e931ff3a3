"""CycleGAN: Zhu, Park, Isola, Efros, *Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks*,
ICCV 2017.

Two sets of images, a and b, without pairs. ``g_ab`` (the paper's G) and ``g_ba`` (F) translate; ``d_b`` (D_Y) and
``d_a`` (D_X) each compare one set with the translations into it; the cycle terms ask that a translation there and back
gives the image that one started with. The paper's ablations (Tables 4 and 5) are switches of the recipe.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.methods.base import WEIGHT, WIDTH, AveragingRecipe, Method, Scene, Terms, Turn
from i2i_tutor.nn import ImagePool, PatchGAN, ResNetGenerator
from i2i_tutor.parameters import ParameterError, Range

Side = Literal["a", "b"]


@dataclass(frozen=True)
class CycleGANRecipe(AveragingRecipe):
    """The numbers of CycleGAN. The defaults are the official code's, for façades at 256 px."""

    size: int = 256
    batch: int = 1
    steps: int = 80_000  # 200 epochs, the learning rate falling over the last 100
    epoch: int = 400  # façades
    load_size: Annotated[int, Range(1, 8192), "side to which images are resized, before a crop at random"] = 286
    base: Annotated[int, WIDTH, "channels of the first layers of generators and discriminators"] = 64  # "ngf", "ndf"
    blocks: Annotated[int, Range(1, 64), "residual blocks of a generator"] = 9  # the paper's 9 at 256 px, 6 at 128
    patch_layers: Annotated[int, Range(1, 5), "of a discriminator: patches of 16, 34, 70, 142, 286 pixels"] = 3
    adversarial: Annotated[bool, "with discriminators (True), or the cycle alone (False)"] = True
    # The paper's text has the log-likelihood, its experiments least squares
    objective: Annotated[Literal["least_squares", "vanilla"], "of every adversarial term"] = "least_squares"
    lambda_forward: Annotated[float, WEIGHT, "weight of the cycle a, b, a; 0 leaves it out"] = 10.0  # the paper's λ
    lambda_backward: Annotated[float, WEIGHT, "weight of the cycle b, a, b; 0 leaves it out"] = 10.0
    # |g_ab(b) - b| and |g_ba(a) - a|. The official code has half of lambda for every task, the paper only from
    # paintings to photographs (section 5.2)
    lambda_identity: Annotated[float, WEIGHT, "weight of the identity terms; 0 leaves them out"] = 5.0
    pool: Annotated[int, Range(0, 100_000), "earlier translations that a discriminator may be shown; 0: none"] = 50

    def __post_init__(self):
        super().__post_init__()
        if not self.adversarial and not (self.lambda_forward or self.lambda_backward or self.lambda_identity):
            raise ParameterError("without discriminators, cycle and identity there is nothing to minimise")
        if self.size % 4:
            raise ParameterError(f"size is {self.size}; the generators keep only multiples of 4")


RECIPES = {
    "smoke": CycleGANRecipe(
        size=32, load_size=36, batch=2, steps=3, epoch=0, base=4, blocks=1, patch_layers=1, learning_rate=1e-3,
        lambda_identity=0.0, average=0.99,
    ),
    # Minutes instead of hours: smaller pictures and networks, five times the learning rate. No identity terms, as in
    # most of the paper's experiments.
    "fast": CycleGANRecipe(
        size=48, load_size=54, batch=1, steps=1000, epoch=0, base=16, blocks=2, patch_layers=2, learning_rate=1e-3,
        lambda_identity=0.0, average=0.99,
    ),
    "paper": CycleGANRecipe(),
}  # fmt: skip


class CycleGAN(Method):
    """The game of CycleGAN. Batches hold ``a`` and ``b``, ``(N, 3, H, W)`` in [-1, 1], that have nothing in common."""

    name = "cyclegan"
    recipe_type = CycleGANRecipe
    recipe: CycleGANRecipe
    directions = ("AtoB", "BtoA")
    channels_last = True

    def __init__(self, recipe: CycleGANRecipe):
        super().__init__(recipe)
        self.g_ab, self.g_ba = self.new_generator(), self.new_generator()
        self.keep_averages(recipe.average, "g_ab", "g_ba")
        # The official order: the generators first, so that the discriminators learn from fakes made before that step.
        self.turns = (Turn("generator_loss", ("g_ab", "g_ba")),)
        if recipe.adversarial:
            self.d_a, self.d_b = self.new_discriminator(), self.new_discriminator()
            self.pool_a, self.pool_b = ImagePool(recipe.pool), ImagePool(recipe.pool)
            self.turns += (Turn("discriminator_loss", ("d_a", "d_b")),)

    def new_generator(self) -> nn.Module:
        """An untrained generator, for either direction."""
        return ResNetGenerator(base=self.recipe.base, blocks=self.recipe.blocks)

    def new_discriminator(self) -> nn.Module:
        """An untrained discriminator, for either side."""
        return PatchGAN(3, self.recipe.base, self.recipe.patch_layers, "instance")

    def forward(self, scene: Scene) -> None:
        """Put on the scene ``fake_b`` = G(a), ``fake_a`` = F(b), ``cycled_a`` = F(G(a)) and ``cycled_b`` = G(F(b)).

        A cycle without weight is None. Instance norm looks at each picture alone, so that calls of one network could be
        joined into one; on a CPU that gained nothing.
        """
        scene.fake_b = self.g_ab(scene.batch["a"])
        scene.fake_a = self.g_ba(scene.batch["b"])
        scene.cycled_a = self.g_ba(scene.fake_b) if self.recipe.lambda_forward else None
        scene.cycled_b = self.g_ab(scene.fake_a) if self.recipe.lambda_backward else None

    def generator_loss(self, scene: Scene) -> Terms:
        """Equation 3 as both generators minimise it together, and the identity terms of section 5.2."""
        a, b, recipe, terms = scene.batch["a"], scene.batch["b"], self.recipe, {}
        if recipe.adversarial:
            terms["gan_ab"] = losses.generator_loss(self.d_b(scene.fake_b), recipe.objective)
            terms["gan_ba"] = losses.generator_loss(self.d_a(scene.fake_a), recipe.objective)
        terms |= self.cycle_terms(scene)
        if recipe.lambda_identity:
            terms["identity_b"] = recipe.lambda_identity * losses.l1(self.g_ab(b), b)
            terms["identity_a"] = recipe.lambda_identity * losses.l1(self.g_ba(a), a)
        return terms

    def cycle_terms(self, scene: Scene) -> Terms:
        """Equation 2, weighted."""
        terms, recipe = {}, self.recipe
        if recipe.lambda_forward:
            terms["cycle_a"] = recipe.lambda_forward * self.cycle_loss("a", scene.batch["a"], scene.cycled_a)
        if recipe.lambda_backward:
            terms["cycle_b"] = recipe.lambda_backward * self.cycle_loss("b", scene.batch["b"], scene.cycled_b)
        return terms

    def cycle_loss(self, side: Side, image: Tensor, cycled: Tensor) -> Tensor:
        """Equation 2, one of its two terms, without lambda: an ``image`` of one side, and what came back."""
        return losses.l1(cycled, image)

    def discriminator_loss(self, scene: Scene) -> Terms:
        """Equation 1 as the discriminators minimise it, the fakes drawn from the pools (section 4)."""
        (fake_a,), (fake_b,) = self.pool_a.query(scene.fake_a), self.pool_b.query(scene.fake_b)
        return {
            "d_a": self.tell_apart(self.d_a, scene.batch["a"], fake_a),
            "d_b": self.tell_apart(self.d_b, scene.batch["b"], fake_b),
        }

    def tell_apart(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        """What one discriminator minimises, halved as in the paper (Adam, which scales gradients, hardly notices)."""
        return 0.5 * losses.discriminator_loss(discriminator(real), discriminator(fake), self.recipe.objective)

    def translation(self, image: Tensor, direction: str | None) -> Tensor:
        """G for "AtoB", F for "BtoA". Height and width are kept if they are multiples of 4."""
        return self.averaged("g_ab" if direction == "AtoB" else "g_ba")(image)


class AdversarialCycleGAN(CycleGAN):
    """CycleGAN with discriminators in place of the L1 distance of its cycles: each tells (x, x) from (x, its cycle).

    The paper tried to replace L1 so, without gain (section 3.2), and does not say how that discriminator was built;
    ours sees the original. A cycle whose lambda is 0 has none. Raises ParameterError if both are 0.
    """

    name = "adversarial_cyclegan"

    def __init__(self, recipe: CycleGANRecipe):
        super().__init__(recipe)
        weights = {"a": recipe.lambda_forward, "b": recipe.lambda_backward}
        if not any(weights.values()):
            raise ParameterError("lambda_forward and lambda_backward are 0; an adversarial cycle needs one of them")
        self.cycle_discriminators = nn.ModuleDict(
            {side: PatchGAN(6, recipe.base, recipe.patch_layers, "instance") for side in weights if weights[side]}
        )
        self.turns += (Turn("cycle_discriminator_loss", ("cycle_discriminators",)),)

    def cycle_loss(self, side: Side, image: Tensor, cycled: Tensor) -> Tensor:
        """What the generators pay for a pair (image, its cycle) that is told from (image, image), without lambda."""
        logits = self.cycle_discriminators[side](torch.cat([image, cycled], dim=1))
        return losses.generator_loss(logits, self.recipe.objective)

    def cycle_discriminator_loss(self, scene: Scene) -> Terms:
        """What the cycles' discriminators minimise."""
        cycles = {"a": (scene.batch["a"], scene.cycled_a), "b": (scene.batch["b"], scene.cycled_b)}
        terms = {}
        for side, discriminator in self.cycle_discriminators.items():
            image, cycled = cycles[side]
            pairs = torch.cat([image, image], dim=1), torch.cat([image, cycled], dim=1)
            terms[f"cycle_d_{side}"] = self.tell_apart(discriminator, *pairs)
        return terms
