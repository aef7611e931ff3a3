"""Losses that several papers share: pure functions of tensors, each a mean over batch, patches, channels and pixels.

A tensor of another shape or kind than is stated, or an empty one, raises ValueError; values are not checked. All are
computed in fp32 at least, whatever made the logits and images: the eight bits of bf16 are too few for a mean.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_tutor.contract import check_floats, check_layout, check_same_shape
from i2i_tutor.nn.layers import precise

Objective = Literal["vanilla", "least_squares", "wasserstein", "hinge"]


def _precise(values: Tensor) -> Tensor:
    check_floats(values)
    return precise(values)


def discriminator_loss(real: Tensor, fake: Tensor, objective: Objective = "vanilla") -> Tensor:
    """What a discriminator minimises: the **sum** of its mean loss on real and on fake logits, of any shape.

    vanilla: ``-log σ(real) - log(1 - σ(fake))`` (Goodfellow et al. 2014); least_squares: ``(real - 1)² + fake²``
    (Mao et al. 2017); wasserstein: ``fake - real`` (Arjovsky et al. 2017); hinge:
    ``max(0, 1 - real) + max(0, 1 + fake)`` (Lim and Ye 2017, arXiv 1705.02894). pix2pix and CycleGAN halve it, PixelDA
    does not: the factor belongs to the method. With logits 0 the vanilla sum is 2 ln 2, the least-squares sum 1.
    """
    real, fake = _precise(real), _precise(fake)
    if objective == "vanilla":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if objective == "least_squares":
        return (real - 1).square().mean() + fake.square().mean()
    if objective == "wasserstein":
        return fake.mean() - real.mean()
    if objective == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    raise ValueError(f"objective is {objective!r}; expected 'vanilla', 'least_squares', 'wasserstein' or 'hinge'")


def generator_loss(fake: Tensor, objective: Objective = "vanilla") -> Tensor:
    """What a generator minimises on the logits of its fakes, of any shape.

    vanilla is the non-saturating form ``-log σ(fake)``; least_squares ``(fake - 1)²``; wasserstein and hinge ``-fake``.
    """
    fake = _precise(fake)
    if objective == "vanilla":
        return F.softplus(-fake).mean()
    if objective == "least_squares":
        return (fake - 1).square().mean()
    if objective in ("wasserstein", "hinge"):
        return -fake.mean()
    raise ValueError(f"objective is {objective!r}; expected 'vanilla', 'least_squares', 'wasserstein' or 'hinge'")


def cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Mean of minus the logarithm of the probability that softmax gives the right class.

    Shape: logits ``(N, classes)``, label int64 ``(N,)``. With logits 0 it is ln(classes).
    """
    if logits.ndim != 2 or label.shape != logits.shape[:1] or label.is_floating_point():
        shapes = f"{tuple(logits.shape)} and {tuple(label.shape)} of {label.dtype}"
        raise ValueError(f"logits and label are {shapes}; expected (N, classes) and N class numbers")
    return F.cross_entropy(_precise(logits), label)


def l1(image: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of two tensors of the **same** shape."""
    check_same_shape(image, target)
    return (_precise(image) - _precise(target)).abs().mean()


def l2(image: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of two tensors of the same shape."""
    check_same_shape(image, target)
    return (_precise(image) - _precise(target)).square().mean()


def masked_pairwise_error(image: Tensor, adapted: Tensor, mask: Tensor | None = None) -> Tensor:
    """Content similarity of PixelDA, the masked pairwise mean squared error, averaged over the batch.

    The population variance, over all k values of an image, of the difference ``(image - adapted) * mask``; the same as
    the sum of ``(d_i - d_j)² / k²`` over all pairs. A shift that all values share costs nothing under a whole mask,
    and ``shift² p (1 - p)`` under one that covers a fraction p. The official code's value is 2 N times this one.

    Shape: images ``(N, C, H, W)``; mask ``(N, 1, H, W)`` or ``(N, C, H, W)`` of 0 and 1, by default all 1.
    """
    check_layout(image)
    check_same_shape(image, adapted)
    if mask is not None and mask.shape not in (image.shape, (len(image), 1, *image.shape[2:])):
        raise ValueError(f"the mask is {tuple(mask.shape)}; expected (N, 1, H, W) for images {tuple(image.shape)}")
    difference = _precise(image) - _precise(adapted)
    if mask is not None:
        difference = difference * mask
    return difference.flatten(1).var(dim=1, correction=0).mean()


def r1_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """``E ||∇ critic(real)||²``, the squared gradient norm of an image's summed logits (Mescheder et al. 2018).

    ``real`` is ``(N, C, H, W)``; the result is the mean over N, without the factor γ/2. Runs in fp32 at least, whatever
    the surrounding autocast, because squares of small gradients vanish in half precision.
    """
    return _squared_gradient_norm(critic, real).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """``E (||∇ critic(x̂)|| - 1)²`` at random points x̂ between real and fake (WGAN-GP, Gulrajani et al. 2017).

    ``real`` and ``fake`` are ``(N, C, H, W)``; one mixing weight per image, drawn from torch's global generator.
    Without the factor λ. Runs in fp32 at least.
    """
    check_same_shape(real, fake)
    weight = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = weight * _precise(real.detach()) + (1 - weight) * _precise(fake.detach())
    norm = (_squared_gradient_norm(critic, between) + 1e-12).sqrt()  # the root has no gradient at exactly 0
    return (norm - 1).square().mean()


def _squared_gradient_norm(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    check_layout(images)
    with torch.autocast(images.device.type, enabled=False):
        images = _precise(images.detach()).requires_grad_(True)
        score = critic(images).sum()
        (gradient,) = torch.autograd.grad(score, images, create_graph=True)
    return gradient.square().flatten(1).sum(dim=1)  # (N,)
