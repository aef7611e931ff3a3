"""Steps of pix2pix and CycleGAN as the official codes play them: nothing of this package but the bare networks.

fp32, torch's own layers, one call of a network for each kind of image, plain Adam. A test compares them with the
package's steps in double precision.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from i2i_tutor.methods.base import Batch, Recipe, Terms
from i2i_tutor.methods.cyclegan import CycleGAN
from i2i_tutor.methods.pix2pix import Pix2Pix
from i2i_tutor.nn import convolutions, layers

OWN = {
    layers.InstanceNorm2d: nn.InstanceNorm2d,
    convolutions.ReflectionPad2d: nn.ReflectionPad2d,
    convolutions.PaddedConv2d: nn.Conv2d,
    convolutions.NarrowConv2d: nn.Conv2d,
    convolutions.TransposedConv2d: nn.ConvTranspose2d,
    convolutions.HalvingConv2d: nn.Conv2d,
    convolutions.DoublingConv2d: nn.ConvTranspose2d,
}


class Official(Protocol):
    """Plays a step on a batch and returns its terms, with the names of the package."""

    optimisers: list[Optimizer]

    def __call__(self, batch: Batch, step: int = 0) -> Terms: ...


class OfficialPix2Pix:
    """The networks of a method, and how they learn."""

    def __init__(self, method: Pix2Pix):
        self.recipe = method.recipe
        self.generator, self.discriminator = torchs_own(method.generator), torchs_own(method.discriminator)
        self.optimisers = [_adam(self.recipe, self.discriminator), _adam(self.recipe, self.generator)]

    def __call__(self, batch: Batch, step: int = 0) -> Terms:
        x, y = batch["input"], batch["target"]
        adam_d, adam_g = self.optimisers
        fake = self.generator(x)
        _freeze([self.discriminator], False)
        adam_d.zero_grad()
        on_real = self._objective(self.discriminator(torch.cat([x, y], 1)), True)
        on_fake = self._objective(self.discriminator(torch.cat([x, fake.detach()], 1)), False)
        loss_d = 0.5 * (on_fake + on_real)
        loss_d.backward()
        adam_d.step()
        _freeze([self.discriminator], True)
        adam_g.zero_grad()
        gan = self._objective(self.discriminator(torch.cat([x, fake], 1)), True)
        l1 = self.recipe.lambda_pixel * F.l1_loss(fake, y)
        (gan + l1).backward()
        adam_g.step()
        _freeze([self.discriminator], False)
        return {"discriminator": loss_d, "gan": gan, "l1": l1}

    @staticmethod
    def _objective(logits: Tensor, real: bool) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


class OfficialCycleGAN:
    """The networks and pools of a method, and how they learn."""

    def __init__(self, method: CycleGAN):
        self.recipe = method.recipe
        self.g_ab, self.g_ba = torchs_own(method.g_ab), torchs_own(method.g_ba)
        self.d_a, self.d_b, self.pool_a, self.pool_b = method.d_a, method.d_b, method.pool_a, method.pool_b
        torchs_own(self.d_a), torchs_own(self.d_b)
        self.optimisers = [_adam(self.recipe, self.g_ab, self.g_ba), _adam(self.recipe, self.d_a, self.d_b)]

    def __call__(self, batch: Batch, step: int = 0) -> Terms:
        a, b, recipe = batch["a"], batch["b"], self.recipe
        adam_g, adam_d = self.optimisers
        fake_b, fake_a = self.g_ab(a), self.g_ba(b)
        cycled_a, cycled_b = self.g_ba(fake_b), self.g_ab(fake_a)
        _freeze([self.d_a, self.d_b], True)
        adam_g.zero_grad()
        terms = {
            "gan_ab": self._objective(self.d_b(fake_b), True),
            "gan_ba": self._objective(self.d_a(fake_a), True),
            "cycle_a": recipe.lambda_forward * F.l1_loss(cycled_a, a),
            "cycle_b": recipe.lambda_backward * F.l1_loss(cycled_b, b),
        }
        if recipe.lambda_identity:
            terms["identity_b"] = recipe.lambda_identity * F.l1_loss(self.g_ab(b), b)
            terms["identity_a"] = recipe.lambda_identity * F.l1_loss(self.g_ba(a), a)
        torch.stack([*terms.values()]).sum().backward()
        adam_g.step()
        _freeze([self.d_a, self.d_b], False)
        adam_d.zero_grad()
        (old_a,), (old_b,) = self.pool_a.query(fake_a), self.pool_b.query(fake_b)
        for name, network, real, fake in (("d_a", self.d_a, a, old_a), ("d_b", self.d_b, b, old_b)):
            terms[name] = 0.5 * (self._objective(network(real), True) + self._objective(network(fake), False))
            terms[name].backward()
        adam_d.step()
        return terms

    @staticmethod
    def _objective(logits: Tensor, real: bool) -> Tensor:
        return F.mse_loss(logits, torch.full_like(logits, float(real)))


def torchs_own(network: nn.Module) -> nn.Module:
    """Let torch compute all layers of a network; returns it."""
    for module in network.modules():
        module.__class__ = OWN.get(type(module), type(module))
    return network


def _freeze(networks: list[nn.Module], frozen: bool) -> None:
    for network in networks:
        network.requires_grad_(not frozen)


def _adam(recipe: Recipe, *networks: nn.Module) -> Optimizer:
    weights = [weight for network in networks for weight in network.parameters()]
    return Adam(weights, recipe.learning_rate, (recipe.beta1, recipe.beta2))
