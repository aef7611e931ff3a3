"""The games that are timed: pix2pix, and one of CycleGAN's size; each also as a textbook writes its step."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from i2i_tutor import losses
from i2i_tutor.methods.base import Batch, Method, Recipe, Turn
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix
from i2i_tutor.nn import ImagePool, PatchGAN, ResNetGenerator

Step = Callable[[Batch], dict[str, float]]


@dataclass(frozen=True)
class CycleRecipe(Recipe):
    """Two generators and two discriminators of CycleGAN's form."""

    size: int = 256
    batch: int = 1
    steps: int = 1
    base: int = 64
    blocks: int = 9
    patch_layers: int = 3
    cycle: float = 10.0


class Cycle(Method):
    """CycleGAN's objective: least squares, two cycles, a pool of fakes."""

    name = "cycle"
    recipe: CycleRecipe
    turns = (Turn("generators_loss", ("g_ab", "g_ba")), Turn("discriminators_loss", ("d_a", "d_b")))

    def __init__(self, recipe: CycleRecipe):
        super().__init__(recipe)
        self.g_ab, self.g_ba = (ResNetGenerator(base=recipe.base, blocks=recipe.blocks) for _ in range(2))
        self.d_a, self.d_b = (PatchGAN(3, recipe.base, recipe.patch_layers, "instance") for _ in range(2))
        self.pool_a, self.pool_b = ImagePool(), ImagePool()

    def optimisers(self):
        adam = partial(Adam, lr=2e-4, betas=(0.5, 0.999), fused=True)
        return dict.fromkeys(("g_ab", "g_ba", "d_a", "d_b"), adam)

    def forward(self, scene, due):
        a, b = scene.batch["a"], scene.batch["b"]
        scene.fake_a, scene.fake_b = self.g_ba(b), self.g_ab(a)

    def generators_loss(self, scene):
        terms = {}
        for side, real, fake, back, judge in (
            ("a", scene.batch["a"], scene.fake_b, self.g_ba, self.d_b),
            ("b", scene.batch["b"], scene.fake_a, self.g_ab, self.d_a),
        ):
            terms[f"gan_{side}"] = losses.generator_loss(judge(fake), "least_squares")
            terms[f"cycle_{side}"] = self.recipe.cycle * losses.l1(back(fake), real)
        return terms

    def discriminators_loss(self, scene):
        terms = {}
        for side, fake, pool, judge in (
            ("a", scene.fake_a, self.pool_a, self.d_a),
            ("b", scene.fake_b, self.pool_b, self.d_b),
        ):
            (old,) = pool.query(fake)
            terms[f"d_{side}"] = 0.5 * self.judged(judge, scene.batch[side], old)
        return terms

    def judged(self, judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        return losses.discriminator_loss(judge(real), judge(fake), "least_squares")


class CycleInOneCall(Cycle):
    """The same, with real and fake in one call of a discriminator: exact, because instance norm couples nothing."""

    def judged(self, judge, real, fake):
        return losses.discriminator_loss(*judge(torch.cat([real, fake])).chunk(2), "least_squares")


class Pix2PixInOneCall(Pix2Pix):
    """pix2pix with real and fake in one call of D; exact with instance norm."""

    def discriminator_loss(self, scene):
        x, y = scene.batch["input"], scene.batch["target"]
        real, fake = self.judge(torch.cat([x, x]), torch.cat([y, scene.fake.detach()])).chunk(2)
        return {"discriminator": 0.5 * losses.discriminator_loss(real, fake)}


# --- as a textbook writes it: fp32, plain Adam, each loss read in each step ------------------------------------------


def freeze(networks: list[nn.Module], frozen: bool) -> None:
    for network in networks:
        network.requires_grad_(not frozen)


def textbook_pix2pix(method: Pix2Pix) -> Step:
    """One step of pix2pix on the method's networks."""
    generator, discriminator = method.generator, method.discriminator
    adam_g, adam_d = (Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (generator, discriminator))

    def objective(logits: Tensor, real: bool) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))

    def step(batch: Batch) -> dict[str, float]:
        x, y = batch["input"], batch["target"]
        fake = generator(x)
        freeze([discriminator], False)
        adam_d.zero_grad()
        on_fake = objective(discriminator(torch.cat([x, fake.detach()], 1)), False)
        on_real = objective(discriminator(torch.cat([x, y], 1)), True)
        loss_d = 0.5 * (on_fake + on_real)
        loss_d.backward()
        adam_d.step()
        freeze([discriminator], True)
        adam_g.zero_grad()
        gan = objective(discriminator(torch.cat([x, fake], 1)), True)
        l1 = method.recipe.lambda_pixel * F.l1_loss(fake, y)
        (gan + l1).backward()
        adam_g.step()
        return {"discriminator": loss_d.item(), "gan": gan.item(), "l1": l1.item()}

    return step


def textbook_cycle(method: Cycle) -> Step:
    """One step of the cycle game on the method's networks."""
    generators, discriminators = [method.g_ab, method.g_ba], [method.d_a, method.d_b]
    adam_g, adam_d = (
        Adam([p for net in nets for p in net.parameters()], lr=2e-4, betas=(0.5, 0.999))
        for nets in (generators, discriminators)
    )

    def objective(logits: Tensor, real: bool) -> Tensor:
        return F.mse_loss(logits, torch.full_like(logits, float(real)))

    def step(batch: Batch) -> dict[str, float]:
        a, b = batch["a"], batch["b"]
        fake_b, fake_a = method.g_ab(a), method.g_ba(b)
        back_a, back_b = method.g_ba(fake_b), method.g_ab(fake_a)
        freeze(discriminators, True)
        adam_g.zero_grad()
        gan = objective(method.d_b(fake_b), True) + objective(method.d_a(fake_a), True)
        cycle = method.recipe.cycle * (F.l1_loss(back_a, a) + F.l1_loss(back_b, b))
        (gan + cycle).backward()
        adam_g.step()
        freeze(discriminators, False)
        adam_d.zero_grad()
        total = 0.0
        for net, real, fake, pool in ((method.d_a, a, fake_a, method.pool_a), (method.d_b, b, fake_b, method.pool_b)):
            (old,) = pool.query(fake)
            loss = 0.5 * (objective(net(real), True) + objective(net(old), False))
            loss.backward()
            total += loss.item()
        adam_d.step()
        return {"gan": gan.item(), "cycle": cycle.item(), "discriminators": total}

    return step


@dataclass(frozen=True)
class Game:
    """One row of the table of steps."""

    recipe: Recipe
    make: type[Method]
    in_one_call: type[Method] | None
    textbook: Callable[[Method], Step]
    keys: tuple[str, str]
    steps: int  # in one measurement


GAMES = {
    "pix2pix, fast": Game(RECIPES["fast"], Pix2Pix, Pix2PixInOneCall, textbook_pix2pix, ("input", "target"), 5),
    "pix2pix, paper": Game(RECIPES["paper"], Pix2Pix, None, textbook_pix2pix, ("input", "target"), 2),
    "cycle, fast": Game(
        CycleRecipe(64, 4, base=24, blocks=3, patch_layers=2), Cycle, CycleInOneCall, textbook_cycle, ("a", "b"), 3
    ),
    "cycle, paper": Game(CycleRecipe(), Cycle, CycleInOneCall, textbook_cycle, ("a", "b"), 1),
}
