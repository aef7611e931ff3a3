"""The small parts that the networks are built of: normalisation and initialisation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_tutor.nn.convolutions import is_channels_last

Norm = Literal["batch", "instance", "none"]


def normalisation(kind: Norm, channels: int) -> list[nn.Module]:
    """Return the normalisation layer as a list of one module, or an empty list for ``"none"``.

    Batch norm is affine and keeps running statistics; instance norm has neither parameters nor buffers, so that it
    computes the same in training and evaluation (the official pix2pix and CycleGAN code). Raises ValueError at any
    other kind.
    """
    if kind == "batch":
        return [nn.BatchNorm2d(channels)]
    if kind == "instance":
        return [InstanceNorm2d(channels)]
    if kind == "none":
        return []
    raise ValueError(f"norm is {kind!r}; expected 'batch', 'instance' or 'none'")


def has_bias(kind: Norm) -> bool:
    """Whether a convolution followed by this norm carries a bias.

    Batch norm brings its own shift. With instance norm the official networks keep the bias although it is inert, so
    we do too: parameter counts and checkpoints stay comparable. With ``"none"`` ours have one and the official ones do
    not: there nothing else would shift a channel. No profile uses it.
    """
    return kind != "batch"


MANY_PLACES = 1024  # from here on torch's group norm reads a map with channels last in the order in which it lies
LARGE = 2**16  # values of an image; several times over in fp32, a batch of such no longer stays near the processor


def instance_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    """Each channel of each image with mean 0 and variance 1, or, with both, times ``weight`` plus ``bias``, ``(C,)``.

    Ulyanov, Vedaldi, Lempitsky, *Instance Normalization*, arXiv 1607.08022. Shape: ``(N, C, H, W)`` → the same, in the
    memory format of ``x``. On a CPU torch's own function has three traps that this one avoids. With channels last it
    gives the other format back, so that the next layer has to turn every tensor round; with channels last and a single
    image its gradient is wrong (torch 2.15, in any precision); and without a weight it keeps the mean and deviation of
    bf16 in bf16, which makes the result up to ten times as coarse as bf16 has to be.
    """
    on_cpu, in_bf16 = x.device.type == "cpu", x.dtype == torch.bfloat16
    channels_last = is_channels_last(x)
    if channels_last and in_bf16 and len(x) > 1:
        return _InstanceNorm.apply(x, weight, bias, eps)
    if on_cpu and in_bf16 and weight is None:
        weight = torch.ones(x.shape[1])  # with it torch keeps mean and deviation in fp32
    if not channels_last and len(x) != 1:
        return F.instance_norm(x, weight=weight, bias=bias, eps=eps)
    normal = [F.batch_norm(image, None, None, weight, bias, training=True, eps=eps) for image in x.split(1)]
    return torch.cat(normal) if len(x) > 1 else normal[0]


class _InstanceNorm(torch.autograd.Function):
    """Several images in bf16, channels last: one node of the graph, computed in fp32 by what is fastest.

    Forward that is the formula, or from ``MANY_PLACES`` on torch's group norm with a group for each channel, which sums
    up squares: if a channel lies 10 deviations from 0, the deviation may be wrong by .2 %, as much as bf16 rounds.
    Backward it is the formula, or for ``LARGE`` images torch's batch norm of one after the other. Can be derived once;
    penalties on gradients, which derive twice, run in fp32.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        made = None
        if x[0, 0].numel() >= MANY_PLACES:
            normal, scale = _group_norm(x, torch.ones(x.shape[1]), torch.zeros(x.shape[1]), eps)
            if weight is not None and bias is not None:
                made, _ = _group_norm(x, weight, bias, eps)
        else:
            values = _places(x).float()
            values -= values.mean(1, keepdim=True)
            scale = ((values * values).mean(1, keepdim=True) + eps).rsqrt()
            normal = _rounded(values.mul_(scale), x)
            if weight is not None and bias is not None:
                made = _rounded(torch.addcmul(bias, values, weight, out=values), x)
        ctx.save_for_backward(normal, scale, weight)
        return normal if made is None else made

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        normal, scale, weight = ctx.saved_tensors
        slope = scale if weight is None else scale * weight
        if normal[0].numel() > LARGE:
            gradient = gradient.contiguous(memory_format=torch.channels_last)
            images = zip(gradient.split(1), normal.split(1), slope, strict=True)
            of_x, of_weight, of_bias = map(torch.cat, zip(*(_batch_norm_backward(*one) for one in images), strict=True))
        else:
            values, kept = _places(gradient).float(), _places(normal).float()
            of_bias, of_weight = values.mean(1, keepdim=True), (values * kept).mean(1, keepdim=True)
            values -= of_bias
            of_x = _rounded(values.addcmul_(kept, of_weight, value=-1).mul_(slope), normal)
            of_weight, of_bias = (values.shape[1] * one for one in (of_weight, of_bias))
        if weight is None:
            return of_x, None, None, None
        return of_x, of_weight.sum((0, 1)), of_bias.sum((0, 1)), None


def _group_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Each channel normalised by itself, times a weight plus a bias, and 1 / deviation, ``(N, 1, C)``."""
    count, channels, places = len(x), x.shape[1], x[0, 0].numel()
    made, _, scale = torch.native_group_norm(x, weight, bias, count, channels, places, channels, eps)
    return made, scale[:, None]


def _batch_norm_backward(gradient: Tensor, normal: Tensor, slope: Tensor) -> tuple[Tensor, ...]:
    """The gradients of an image, ``(1, C, H, W)``, and of a weight and a bias, ``(1, 1, C)``.

    What torch is told to have normalised is normal already, and is stretched by ``slope``, ``(1, C)``.
    """
    mean, scale = torch.zeros(slope.shape[1]), torch.ones(slope.shape[1])
    backward = torch.ops.aten.native_batch_norm_backward
    of_x, *others = backward(gradient, normal, slope[0], None, None, mean, scale, True, 0.0, [True, True, True])
    return of_x, *(one[None, None] for one in others)


def _rounded(values: Tensor, x: Tensor) -> Tensor:
    """``(N, H * W, C)`` in fp32 → like ``x``."""
    made = torch.empty_like(x)
    _places(made).copy_(values)
    return made


def _places(x: Tensor) -> Tensor:
    """``(N, C, H, W)`` → ``(N, H * W, C)``; no copy if the channels are last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


class InstanceNorm2d(nn.InstanceNorm2d):
    """torch's layer by ``instance_norm``."""

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x, self.weight, self.bias, self.eps)


INITIAL_STD = 0.02


def initialise(network: nn.Module) -> nn.Module:
    """Draw every convolution weight from N(0, 0.02²) and every batch-norm scale from N(1, 0.02²); biases become 0.

    Returns the same network. Source: pix2pix, section 6.2 ("weights were initialized from a Gaussian") and the
    official code.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, INITIAL_STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, INITIAL_STD)
            nn.init.zeros_(module.bias)
    return network


def initialise_kaiming(network: nn.Module, mode: Literal["fan_in", "fan_out"] = "fan_in") -> nn.Module:
    """Draw convolution and linear weights from N(0, 2 / fan), as behind a ReLU; biases become 0. Returns the network.

    He, Zhang, Ren, Sun, *Delving Deep into Rectifiers*, ICCV 2015.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def precise(values: Tensor) -> Tensor:
    """The values in fp32 at least: what autocast made with eight bits is too coarse for a mean."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def count_parameters(network: nn.Module) -> int:
    """Number of trainable scalars of a network."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@contextmanager
def in_mode(network: nn.Module, training: bool) -> Iterator[None]:
    """Run a network in training or in evaluation mode; afterwards each of its modules is in its own mode again."""
    before = [(module, module.training) for module in network.modules()]
    network.train(training)
    try:
        yield
    finally:
        for module, mode in before:
            module.training = mode


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Run a network in training mode without touching what its batch norms remember.

    This is how pix2pix tests: dropout is on, and batch norm takes the statistics of the batch at hand.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) and m.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        with in_mode(network, training=True):
            yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
