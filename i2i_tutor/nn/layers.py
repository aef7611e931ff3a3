"""The small parts that the networks are built of: normalisation and initialisation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

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
        return [nn.InstanceNorm2d(channels)]
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
