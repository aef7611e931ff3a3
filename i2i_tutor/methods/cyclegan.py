"""CycleGAN: Zhu, Park, Isola, Efros, *Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks*,
ICCV 2017.

Two sets of images a and b that belong to nobody's pairs. ``g_ab`` (the paper's G) and ``g_ba`` (F) translate; ``d_b``
(D_Y) and ``d_a`` (D_X) each compare one set with the translations into it; the cycle terms ask that there and back
again is where one started. The paper's ablations (Tables 4 and 5) are switches of the recipe.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal, get_args

import torch
from torch import Tensor, nn
from torch.optim import Adam

from i2i_tutor import losses
from i2i_tutor.contract import Direction, check_choice, check_images
from i2i_tutor.methods.base import WEIGHT, WIDTH, Method, OptimiserFactory, Recipe, Scene, Terms, Turn
from i2i_tutor.nn import ImagePool, PatchGAN, ResNetGenerator
from i2i_tutor.parameters import ParameterError, Range


@dataclass(frozen=True)
class CycleGANRecipe(Recipe):
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
    # The paper tried to replace L1 so (section 3.2): a discriminator tells the pairs (x, x) from (x, reconstruction).
    # It does not say how that one was built; ours sees the original
    cycle: Annotated[Literal["l1", "adversarial"], "what compares a picture with itself after the cycle"] = "l1"
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
        lambda_identity=0.0,
    ),
    # Minutes instead of hours: smaller pictures and networks, five times the learning rate. No identity terms, as in
    # the paper's labels-to-photograph experiments. Patches of 34 px, because with 16 the photographs came out worse;
    # three times the paper's lambda, because in so few steps 10 keeps less of the plan.
    "fast": CycleGANRecipe(
        size=48, load_size=54, batch=1, steps=1200, epoch=0, base=16, blocks=3, patch_layers=2, learning_rate=1e-3,
        lambda_forward=30.0, lambda_backward=30.0, lambda_identity=0.0,
    ),
    "paper": CycleGANRecipe(),
}  # fmt: skip


class CycleGAN(Method):
    """The game of CycleGAN. Batches hold ``a`` and ``b``, ``(N, 3, H, W)`` in [-1, 1], that have nothing in common.

    Instance norm treats every image alone, so calls of one network are joined into one batch wherever they can be:
    three calls of generators do the work of six, two of discriminators that of four, and no value changes.
    """

    name = "cyclegan"
    recipe_type = CycleGANRecipe
    recipe: CycleGANRecipe
    d_a: nn.Module  # where the recipe is adversarial
    d_b: nn.Module

    def __init__(self, recipe: CycleGANRecipe):
        super().__init__(recipe)
        self.g_ab: nn.Module = ResNetGenerator(base=recipe.base, blocks=recipe.blocks)
        self.g_ba: nn.Module = ResNetGenerator(base=recipe.base, blocks=recipe.blocks)
        self.discriminators: dict[str, int] = {}  # name → channels of what it sees
        if recipe.adversarial:
            self.discriminators |= {"d_a": 3, "d_b": 3}
            self.pool_a, self.pool_b = ImagePool(recipe.pool), ImagePool(recipe.pool)
        if recipe.cycle == "adversarial":
            self.discriminators |= {
                name: 6
                for name, weight in zip(("cycle_d_a", "cycle_d_b"), self._cycle_weights(), strict=True)
                if weight
            }
        for name, channels in self.discriminators.items():
            setattr(self, name, PatchGAN(channels, recipe.base, recipe.patch_layers, "instance"))
        # The official order: the generators first, so that the discriminators learn from fakes made before that step.
        self.turns = (Turn("generator_loss", ("g_ab", "g_ba")),)
        if self.discriminators:
            self.turns += (Turn("discriminator_loss", tuple(self.discriminators)),)

    def _cycle_weights(self) -> tuple[float, float]:
        return self.recipe.lambda_forward, self.recipe.lambda_backward

    def optimisers(self) -> dict[str, OptimiserFactory]:
        adam = partial(Adam, lr=self.recipe.learning_rate, betas=(self.recipe.beta1, self.recipe.beta2), fused=True)
        return {network: adam for turn in self.turns for network in turn.moves}

    def forward(self, scene: Scene, due: set[str]) -> None:
        """Put on the scene: ``fake_b``, ``fake_a``; with their cycles ``cycled_a``, ``cycled_b``; with the identity
        terms ``same_b`` = g_ab(b), ``same_a`` = g_ba(a).
        """
        a, b = scene.batch["a"], scene.batch["b"]
        forward, backward = self._cycle_weights()
        identity = self.recipe.lambda_identity > 0
        scene.fake_b, *rest = self.g_ab(torch.cat([a, b] if identity else [a])).split(len(a))
        wanted = [b] + ([scene.fake_b] if forward else []) + ([a] if identity else [])
        scene.fake_a, *others = self.g_ba(torch.cat(wanted)).split(len(a))
        if identity:
            (scene.same_b,), scene.same_a = rest, others.pop()
        if forward:
            (scene.cycled_a,) = others
        if backward:
            scene.cycled_b = self.g_ab(scene.fake_a)

    def generator_loss(self, scene: Scene) -> Terms:
        """Equation 3 as both generators minimise it together, and the identity terms of section 5.2."""
        a, b = scene.batch["a"], scene.batch["b"]
        objective, terms = self.recipe.objective, {}
        if self.recipe.adversarial:
            terms["gan_ab"] = losses.generator_loss(self.d_b(scene.fake_b), objective)
            terms["gan_ba"] = losses.generator_loss(self.d_a(scene.fake_a), objective)
        for side, image, weight in zip("ab", (a, b), self._cycle_weights(), strict=True):
            if weight:
                terms[f"cycle_{side}"] = weight * self.cycle_loss(side, image, getattr(scene, f"cycled_{side}"))
        if self.recipe.lambda_identity:
            terms["identity_b"] = self.recipe.lambda_identity * losses.l1(scene.same_b, b)
            terms["identity_a"] = self.recipe.lambda_identity * losses.l1(scene.same_a, a)
        return terms

    def cycle_loss(self, side: str, image: Tensor, cycled: Tensor) -> Tensor:
        """Equation 2, one of its two terms, without lambda; or its adversarial replacement. ``side`` is "a" or "b"."""
        if self.recipe.cycle == "l1":
            return losses.l1(cycled, image)
        judge = getattr(self, f"cycle_d_{side}")
        return losses.generator_loss(judge(torch.cat([image, cycled], dim=1)), self.recipe.objective)

    def discriminator_loss(self, scene: Scene) -> Terms:
        """Equation 1 as the discriminators minimise it, halved, the fakes drawn from the pools (section 4)."""
        terms = {}
        for side in "ab" if self.recipe.adversarial else "":
            (fake,) = getattr(self, f"pool_{side}").query(getattr(scene, f"fake_{side}"))
            terms[f"d_{side}"] = self._tell_apart(f"d_{side}", scene.batch[side], fake)
        for name in self.discriminators:
            if name.startswith("cycle"):
                real, cycled = scene.batch[name[-1]], getattr(scene, f"cycled_{name[-1]}").detach()
                terms[name] = self._tell_apart(name, torch.cat([real, real], 1), torch.cat([real, cycled], 1))
        return terms

    def _tell_apart(self, name: str, real: Tensor, fake: Tensor) -> Tensor:
        on_real, on_fake = getattr(self, name)(torch.cat([real, fake])).chunk(2)
        return 0.5 * losses.discriminator_loss(on_real, on_fake, self.recipe.objective)

    @torch.no_grad()
    def translate(self, image: Tensor, direction: Direction = "AtoB") -> Tensor:
        """Translate ``(N, 3, H, W)`` in [-1, 1], H and W multiples of 4, "AtoB" (the default) or "BtoA"."""
        check_choice("direction", direction, get_args(Direction))
        check_images(image, 3)
        return (self.g_ab if direction == "AtoB" else self.g_ba)(image)
