"""Checks of the chapters' exercises: each runs a reader's function against the reference and names a usual mistake.

Where an assignment asks for the same function, its check is the assignment's. All work alike: a right answer is told in
one line, a wrong one raises `Wrong` with a sentence and the section to read again.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.methods.matchgan import match_loss
from i2i_tutor.methods.tunit import information_loss
from i2i_tutor.nn import PatchGAN
from i2i_tutor.tasks.aggan import check_compose as check_composition
from i2i_tutor.tasks.base import Wrong, gradients, same, task
from i2i_tutor.tasks.pix2pix import LOSSES, NETWORKS
from i2i_tutor.tasks.pixelda import check_content_loss

__all__ = [
    "check_composition",
    "check_content_loss",
    "check_content_maps",
    "check_discriminator_loss",
    "check_generator_loss",
    "check_information_loss",
    "check_least_squares_loss",
    "check_match_loss",
    "check_receptive_field",
]

LEAST_SQUARES = "chapters/02_cyclegan.html#the-losses-from-scratch"
MAPS = "chapters/03_opgan.html#the-losses-from-scratch"
PAIRS = "chapters/04_matchgan.html#the-match-loss"
INFORMATION = "chapters/07_tunit.html#the-losses-from-scratch"


@task(LOSSES)
def check_discriminator_loss(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a function (real_logits, fake_logits) → the discriminator's loss of pix2pix, halved."""
    real, fake = _logits(), _logits()
    right = 0.5 * losses.discriminator_loss(real, fake)
    twice = torch.sigmoid(torch.sigmoid(real)), torch.sigmoid(torch.sigmoid(fake))
    mistakes = {
        "you did not halve the sum of the two terms": 2 * right,
        "real and fake are exchanged": 0.5 * losses.discriminator_loss(fake, real),
        "you summed over the patches, the official code averages": right * real.numel(),
        "the sigmoid is applied twice; the logits have none, binary_cross_entropy_with_logits has one": 0.5
        * -(twice[0].log().mean() + (1 - twice[1]).log().mean()),
        "the sign is wrong: D maximises the likelihood, so it minimises its negative": -right,
        "the term on the real patches is missing": 0.5 * losses.generator_loss(-fake),
        "the term on the made patches is missing": 0.5 * losses.generator_loss(real),
    }
    same(function(real, fake), right, mistakes)
    gradients(function, lambda a, b: 0.5 * losses.discriminator_loss(a, b), {"the first": real, "the second": fake})


@task(LEAST_SQUARES)
def check_least_squares_loss(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a function (on_real, on_fake) → the least-squares loss of CycleGAN's discriminators, halved."""
    real, fake = _logits(), _logits()

    def reference(a: Tensor, b: Tensor) -> Tensor:
        return 0.5 * losses.discriminator_loss(a, b, "least_squares")

    right = reference(real, fake)
    mistakes = {
        "you did not halve the sum of the two terms": 2 * right,
        "real and fake are exchanged": reference(fake, real),
        "you summed over the patches, the official code averages": right * real.numel(),
        "there is a sigmoid; with least squares D's number is compared as it is": reference(
            real.sigmoid(), fake.sigmoid()
        ),
        "the term on the real patches is missing": 0.5 * fake.square().mean(),
        "the term on the made patches is missing": 0.5 * losses.generator_loss(real, "least_squares"),
    }
    same(function(real, fake), right, mistakes)
    gradients(function, reference, {"the first": real, "the second": fake})


@task(LOSSES)
def check_generator_loss(function: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """Check a function (fake_logits, fake, target, weight) → the generator's loss of pix2pix."""
    logits, fake, target = _logits(), _images(), _images()
    gan, pixel = losses.generator_loss(logits), losses.l1(fake, target)
    weight, count = 100.0, fake.numel()
    mistakes = {
        f"{count:,}x too large a pixel term: you summed, the official code averages": gan + weight * pixel * count,
        "the pixel term is summed over each image and averaged over the batch only": gan
        + weight * pixel * fake[0].numel(),
        "the pixel term is squared: that is L2": gan + weight * losses.l2(fake, target),
        "this G minimises log(1 - D), which saturates; the paper maximises log D": -losses.generator_loss(-logits)
        + weight * pixel,
        "the GAN term has the sign of the discriminator's": losses.generator_loss(-logits) + weight * pixel,
        "the GAN term is missing": weight * pixel,
        "the pixel term is missing": gan,
        "the weight stands at the wrong term": weight * gan + pixel,
        "the weight is missing": gan + pixel,
    }
    same(function(logits, fake, target, weight), gan + weight * pixel, mistakes)
    gradients(
        lambda a, b: function(a, b, target, weight),
        lambda a, b: losses.generator_loss(a) + weight * losses.l1(b, target),
        {"the logits": logits, "the made images": fake},
    )


@task(MAPS)
def check_content_maps(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a function (map_a, map_b) → OP-GAN's content loss of maps of one shape: their mean squared difference."""
    one, other = torch.rand(2, 2, 9, 5, 5, dtype=torch.double)
    difference = one - other
    right = difference.square().mean()
    mistakes = {
        f"{one.numel()}x too large: you summed over the pixels, the loss is their mean": right * one.numel(),
        "the difference is not squared: that is L1": difference.abs().mean(),
        "there is a root: that is the norm, the loss is its square, averaged": right.sqrt(),
        "the maps are multiplied, not compared": (one * other).mean(),
        "the sign is wrong: equal maps must cost least": -right,
    }
    same(function(one, other), right, mistakes)
    gradients(function, lambda a, b: (a - b).square().mean(), {"the first map": one, "the second map": other})


@task(PAIRS)
def check_match_loss(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a function (logits ``(P, 2)``, same ``(P,)`` of 0 and 1) → MatchGAN's match loss, a mean over pairs."""
    logits = torch.randn(16, 2, dtype=torch.double)
    equal = torch.tensor([1] * 6 + [0] * 10)  # not half and half, so that the mistakes have different numbers
    right = match_loss(logits, equal)
    chosen, other = logits.gather(1, equal[:, None]), logits.gather(1, 1 - equal[:, None])
    probability = torch.sigmoid(chosen - other)
    mistakes = {
        "you summed over the pairs, the loss is their mean": right * len(logits),
        "you summed the two pairs of a triplet, the loss is the mean over pairs": 2 * right,
        "the two logits are exchanged: the second says that the labels are the same": match_loss(logits, 1 - equal),
        "the sign is wrong: a likely answer must cost little": -right,
        "the logarithm is missing: that is the probability of the wrong answer": (1 - probability).mean(),
        "the logarithm is missing: that is minus the probability of the right answer": -probability.mean(),
        "the softmax is missing: logits are no probabilities": -chosen.mean(),
        "the softmax is applied twice; cross_entropy has one": match_loss(logits.softmax(1), equal),
        "that is a margin of 1 and no cross entropy": torch.relu(1 - chosen + other).mean(),
    }
    same(function(logits, equal), right, mistakes)
    gradients(lambda some: function(some, equal), lambda some: match_loss(some, equal), {"the logits": logits})


@task(INFORMATION)
def check_information_loss(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a function (p, q) → minus the mutual information of two soft assignments ``(N, K)``, as TUNIT has it."""
    logits = torch.randn(2, 12, 4, dtype=torch.double)
    p, q = logits.softmax(2)
    right = information_loss(p, q)
    joint = p.T @ q / len(p)
    symmetric = (joint + joint.T) / 2
    independent = symmetric.sum(1, keepdim=True) * symmetric.sum(0, keepdim=True)
    rows, columns = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    each = p[:, :, None] * q[:, None, :]  # (N, K, K)
    mistakes = {
        "the sign is wrong: the information is maximised, so the loss is its negative": -right,
        "the joint matrix is not symmetric": -(joint * (joint / (rows * columns)).log()).sum(),
        "the joint matrix is not divided by its sum": -(
            len(p) * symmetric * (symmetric / (len(p) * independent)).log()
        ).sum(),
        "the marginals are missing: that is the entropy of the joint matrix": -(symmetric * symmetric.log()).sum(),
        "you averaged over the cells of the matrix, the information is their sum": right / 16,
        "you took the matrix of each image by itself, and in it nothing is common": -(
            each * (each / (each.sum(2, keepdim=True) * each.sum(1, keepdim=True))).log()
        )
        .mean(0)
        .sum(),
    }
    same(function(p, q), right, mistakes)
    # of the logits: whether the matrix is divided by N or by its sum must not matter
    gradients(
        lambda a, b: function(a.softmax(1), b.softmax(1)),
        lambda a, b: information_loss(a.softmax(1), b.softmax(1)),
        {"the first assignment": logits[0], "the second assignment": logits[1]},
    )


@task(NETWORKS)
def check_receptive_field(function: Callable[[list[tuple[int, int]]], int]) -> None:
    """Check a function from [(kernel, stride), ...], first layer first, to the receptive field in pixels."""
    for layers in range(1, 6):
        network = PatchGAN(3, base=1, layers=layers, norm="none")
        shape = [(m.kernel_size[0], m.stride[0]) for m in network.modules() if isinstance(m, nn.Conv2d)]
        answer, right = function(shape), {1: 16, 2: 34, 3: 70, 4: 142, 5: 286}[layers]
        if answer == right:
            continue
        hint = ""
        if answer == math.prod(kernel for kernel, _ in shape):
            hint = ": you multiplied kernels; go back from one output, r becomes (r - 1) * stride + kernel"
        elif answer == _forwards(shape):
            hint = ": you went from the input to the output; start at the last layer"
        raise Wrong(f"for {layers} strided layers you answer {answer}, the gradient says {right}{hint}")


def _forwards(layers: list[tuple[int, int]]) -> int:
    field = 1
    for kernel, stride in layers:
        field = (field - 1) * stride + kernel
    return field


def _logits() -> Tensor:
    return torch.randn(2, 1, 5, 5, dtype=torch.double)


def _images() -> Tensor:
    return torch.rand(2, 3, 8, 8, dtype=torch.double) * 2 - 1
