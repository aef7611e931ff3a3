"""The checks accept right answers however they are written, and name the usual wrong ones.

What they share with assignments is held to the banks of those.
"""

import math

import pytest
import torch
import torch.nn.functional as F

from i2i_tutor import checks
from i2i_tutor.methods.matchgan import match_loss
from i2i_tutor.tasks.base import Wrong


def bce(logits, value):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, value))


def right_d(real, fake):
    return 0.5 * (bce(real, 1.0) + bce(fake, 0.0))


def field(layers):
    size = 1
    for kernel, stride in reversed(layers):
        size = (size - 1) * stride + kernel
    return size


def right_g(logits, fake, target, weight):
    return bce(logits, 1.0) + weight * (fake - target).abs().mean()


def right_squares(real, fake):
    return (F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(fake, torch.zeros_like(fake))) / 2


def test_right_answers_pass(capsys):
    checks.check_discriminator_loss(right_d)
    checks.check_generator_loss(right_g)
    checks.check_receptive_field(field)
    checks.check_least_squares_loss(right_squares)
    checks.check_composition(lambda image, painted, where: image + where * (painted - image))
    checks.check_content_loss(lambda x, fake, mask: ((x - fake) * mask).flatten(1).var(dim=1, correction=0).mean())
    checks.check_content_maps(lambda a, b: (a - b).pow(2).mean())
    checks.check_information_loss(information)
    checks.check_match_loss(F.cross_entropy)
    assert capsys.readouterr().out.count("right:") == 9


def test_an_answer_that_calls_the_package_is_refused():
    with pytest.raises(Wrong, match="the package's own function"):
        checks.check_match_loss(match_loss)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda r, f: 2 * right_d(r, f), "did not halve"),
        (lambda r, f: right_d(f, r), "exchanged"),
        (lambda r, f: right_d(r, f) * r.numel(), "you summed"),
        (lambda r, f: right_d(torch.sigmoid(r), torch.sigmoid(f)), "sigmoid is applied twice"),
        (lambda r, f: -right_d(r, f), "sign is wrong"),
        (lambda r, f: 0.5 * bce(f, 0.0), "real patches is missing"),
        (lambda r, f: 0.5 * bce(r, 1.0), "made patches is missing"),
        (lambda r, f: right_d(r, f.detach()) + 0 * r.sum(), "no gradient reaches the second"),
        (lambda r, f: right_d(r, f).detach(), "no gradient"),
        (lambda r, f: float(right_d(r, f)), "float; expected a tensor"),
        (lambda r, f: F.softplus(-r), "take the mean"),
        (lambda r, f: right_d(r, f) / 0, "logarithm of zero"),
        (lambda r, f: right_d(r, f) + 1, "expected"),
    ],
)
def test_wrong_discriminator_losses_are_named(answer, sentence):
    with pytest.raises(AssertionError, match=sentence):
        checks.check_discriminator_loss(answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda s, f, y, w: bce(s, 1.0) + w * (f - y).abs().sum(), "384x too large"),
        (lambda s, f, y, w: bce(s, 1.0) + w * (f - y).abs().flatten(1).sum(1).mean(), "each image"),
        (lambda s, f, y, w: bce(s, 1.0) + w * F.mse_loss(f, y), "that is L2"),
        (lambda s, f, y, w: -bce(s, 0.0) + w * F.l1_loss(f, y), "saturates"),
        (lambda s, f, y, w: bce(s, 0.0) + w * F.l1_loss(f, y), "sign of the discriminator"),
        (lambda s, f, y, w: w * F.l1_loss(f, y), "GAN term is missing"),
        (lambda s, f, y, w: bce(s, 1.0), "pixel term is missing"),
        (lambda s, f, y, w: w * bce(s, 1.0) + F.l1_loss(f, y), "wrong term"),
        (lambda s, f, y, w: bce(s, 1.0) + F.l1_loss(f, y), "weight is missing"),
    ],
)
def test_wrong_generator_losses_are_named(answer, sentence):
    with pytest.raises(AssertionError, match=sentence):
        checks.check_generator_loss(answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda r, f: 2 * right_squares(r, f), "did not halve"),
        (lambda r, f: right_squares(f, r), "exchanged"),
        (lambda r, f: right_squares(r, f) * r.numel(), "you summed"),
        (lambda r, f: right_squares(torch.sigmoid(r), torch.sigmoid(f)), "there is a sigmoid"),
        (lambda r, f: 0.5 * f.square().mean(), "real patches is missing"),
        (lambda r, f: 0.5 * (r - 1).square().mean(), "made patches is missing"),
        (lambda r, f: right_squares(r, f.detach()) + 0 * r.sum(), "no gradient reaches the second"),
    ],
)
def test_wrong_least_squares_losses_are_named(answer, sentence):
    with pytest.raises(AssertionError, match=sentence):
        checks.check_least_squares_loss(answer)


def test_wrong_receptive_fields_are_named():
    with pytest.raises(AssertionError, match="multiplied kernels"):
        checks.check_receptive_field(lambda layers: math.prod(kernel for kernel, _ in layers))
    with pytest.raises(AssertionError, match="start at the last layer"):
        checks.check_receptive_field(lambda layers: field(layers[::-1]))
    with pytest.raises(AssertionError, match="the gradient says 16"):
        checks.check_receptive_field(lambda layers: 3)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda a, b: (a - b).square().sum(), "450x too large: you summed over the pixels"),
        (lambda a, b: (a - b).abs().mean(), "the difference is not squared"),
        (lambda a, b: (a - b).square().mean().sqrt(), "there is a root"),
        (lambda a, b: (a * b).mean(), "multiplied, not compared"),
        (lambda a, b: -(a - b).square().mean(), "the sign is wrong"),
        (lambda a, b: (a - b.detach()).square().mean(), "no gradient reaches the second map"),
        (lambda a, b: (a - b).square(), "one number: take the mean"),
    ],
)
def test_wrong_content_losses_are_named(answer, sentence):
    with pytest.raises(AssertionError, match=sentence):
        checks.check_content_maps(answer)


def information(p, q, symmetric=True, normalised=True, marginals=True):
    joint = p.T @ q / (len(p) if normalised else 1)
    joint = (joint + joint.T) / 2 if symmetric else joint
    rows, columns = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    return -(joint * (joint.log() - (rows.log() + columns.log() if marginals else 0))).sum()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda p, q: -information(p, q), "sign is wrong"),
        (lambda p, q: information(p, q, symmetric=False), "not symmetric"),
        (lambda p, q: information(p, q, normalised=False), "not divided by its sum"),
        (lambda p, q: information(p, q, marginals=False), "marginals are missing"),
        (lambda p, q: information(p, q) / 16, "averaged over the cells"),
        (
            lambda p, q: sum(information(p[k : k + 1], q[k : k + 1], symmetric=False) for k in range(12)) / 12,
            "by itself",
        ),
        (lambda p, q: information(p, q.detach()), "no gradient reaches the second assignment"),
        (lambda p, q: information(p, q) + 1, "expected"),
    ],
)
def test_wrong_information_losses_are_named(answer, sentence):
    with pytest.raises(AssertionError, match=sentence):
        checks.check_information_loss(answer)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda z, t: F.cross_entropy(z, t, reduction="sum"), "summed over the pairs"),
        (lambda z, t: 2 * F.cross_entropy(z, t), "two pairs of a triplet"),
        (lambda z, t: F.cross_entropy(z, 1 - t), "exchanged"),
        (lambda z, t: -F.cross_entropy(z, t), "sign is wrong"),
        (lambda z, t: 1 - z.softmax(1)[range(len(t)), t].mean(), "probability of the wrong answer"),
        (lambda z, t: -z.softmax(1)[range(len(t)), t].mean(), "probability of the right answer"),
        (lambda z, t: -z[range(len(t)), t].mean(), "softmax is missing"),
        (lambda z, t: F.cross_entropy(z.softmax(1), t), "softmax is applied twice"),
        (lambda z, t: F.relu(1 - (2 * t - 1) * (z[:, 1] - z[:, 0])).mean(), "margin of 1"),
        (lambda z, t: F.cross_entropy(z, t).detach(), "no gradient"),
        (lambda z, t: F.cross_entropy(z, t) + 1, "expected"),
    ],
)
def test_wrong_match_losses_are_named(answer, sentence):
    with pytest.raises(AssertionError, match=sentence):
        checks.check_match_loss(answer)
