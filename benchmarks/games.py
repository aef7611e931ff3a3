"""The games that are timed: pix2pix and CycleGAN, each also as a textbook writes its step, and with joined calls."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam

from i2i_tutor import losses
from i2i_tutor.methods import cyclegan, pix2pix
from i2i_tutor.methods.base import Batch, Method, Recipe
from i2i_tutor.methods.cyclegan import CycleGAN
from i2i_tutor.methods.pix2pix import Pix2Pix

Step = Callable[[Batch], dict[str, float]]


class OneCallOfD(CycleGAN):
    """CycleGAN with real and fake in one call of a discriminator: exact, because instance norm couples nothing."""

    def tell_apart(self, discriminator, real, fake):
        logits = discriminator(torch.cat([real, fake])).chunk(2)
        return 0.5 * losses.discriminator_loss(*logits, self.recipe.objective)


class OneCallOfG(CycleGAN):
    """CycleGAN with three calls of generators instead of four; as exact."""

    def forward(self, scene):
        a, b = scene.batch["a"], scene.batch["b"]
        scene.fake_b = self.g_ab(a)
        scene.fake_a, scene.cycled_a = self.g_ba(torch.cat([b, scene.fake_b])).chunk(2)
        scene.cycled_b = self.g_ab(scene.fake_a)


class Pix2PixOneCallOfD(Pix2Pix):
    """pix2pix with real and fake in one call of D; exact with instance norm."""

    def discriminator_loss(self, scene):
        x, y = scene.batch["input"], scene.batch["target"]
        real, fake = self.discriminate(torch.cat([x, x]), torch.cat([y, scene.fake.detach()])).chunk(2)
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


def textbook_cyclegan(method: CycleGAN) -> Step:
    """One step of CycleGAN on the method's networks."""
    generators, discriminators = [method.g_ab, method.g_ba], [method.d_a, method.d_b]
    adam_g, adam_d = (
        Adam([p for net in nets for p in net.parameters()], lr=2e-4, betas=(0.5, 0.999))
        for nets in (generators, discriminators)
    )
    recipe = method.recipe

    def objective(logits: Tensor, real: bool) -> Tensor:
        return F.mse_loss(logits, torch.full_like(logits, float(real)))

    def step(batch: Batch) -> dict[str, float]:
        a, b = batch["a"], batch["b"]
        fake_b, fake_a = method.g_ab(a), method.g_ba(b)
        cycled_a, cycled_b = method.g_ba(fake_b), method.g_ab(fake_a)
        freeze(discriminators, True)
        adam_g.zero_grad()
        gan = objective(method.d_b(fake_b), True) + objective(method.d_a(fake_a), True)
        cycle = recipe.lambda_forward * F.l1_loss(cycled_a, a) + recipe.lambda_backward * F.l1_loss(cycled_b, b)
        loss = gan + cycle
        if recipe.lambda_identity:
            loss = loss + recipe.lambda_identity * (F.l1_loss(method.g_ab(b), b) + F.l1_loss(method.g_ba(a), a))
        loss.backward()
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


# --- the table -------------------------------------------------------------------------------------------------------

REAL_AND_FAKE, GENERATORS = "real and fake in one call", "generators' calls joined"


@dataclass(frozen=True)
class Game:
    """One row of the table of steps."""

    recipe: Recipe
    make: type[Method]
    joined: dict[str, type[Method]]  # the same game with calls of one network joined, and which
    textbook: Callable[[Method], Step]
    keys: tuple[str, str]
    steps: int  # in one measurement


PAIRS, PILES = ("input", "target"), ("a", "b")
ONE_CALL = {REAL_AND_FAKE: OneCallOfD, GENERATORS: OneCallOfG}
GAMES = {
    "pix2pix, fast": Game(
        pix2pix.RECIPES["fast"], Pix2Pix, {REAL_AND_FAKE: Pix2PixOneCallOfD}, textbook_pix2pix, PAIRS, 5
    ),
    "pix2pix, paper": Game(pix2pix.RECIPES["paper"], Pix2Pix, {}, textbook_pix2pix, PAIRS, 2),
    "CycleGAN, fast": Game(cyclegan.RECIPES["fast"], CycleGAN, ONE_CALL, textbook_cyclegan, PILES, 5),
    "CycleGAN, paper": Game(cyclegan.RECIPES["paper"], CycleGAN, ONE_CALL, textbook_cyclegan, PILES, 1),
}
