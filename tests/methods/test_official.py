"""The official steps, beside which speed is measured, compute what ours compute."""

from dataclasses import replace

import pytest
import torch
from official import OfficialCycleGAN, OfficialPix2Pix, torchs_own
from textbook import compare_steps
from torch import nn

from i2i_tutor.methods import cyclegan, pix2pix
from i2i_tutor.nn import convolutions, layers


def batches(*names, count=2, size=32):
    draw = torch.Generator().manual_seed(0)
    for _ in range(5):
        yield {name: torch.rand(count, 3, size, size, generator=draw, dtype=torch.double) * 2 - 1 for name in names}


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_five_official_steps_of_pix2pix_are_ours(norm):
    torch.manual_seed(0)
    recipe = replace(pix2pix.RECIPES["smoke"], norm=norm, lambda_pixel=100.0, average=0.0)
    compare_steps(pix2pix.Pix2Pix(recipe).double(), OfficialPix2Pix, batches("input", "target"))


@pytest.mark.parametrize("identity", [0.0, 5.0])
def test_five_official_steps_of_cyclegan_are_ours(identity):
    torch.manual_seed(0)
    recipe = replace(cyclegan.RECIPES["smoke"], lambda_identity=identity, average=0.0, pool=4)
    compare_steps(cyclegan.CycleGAN(recipe).double(), OfficialCycleGAN, batches("a", "b"))


def test_official_networks_hold_torch_s_own_layers_only():
    network = torchs_own(cyclegan.CycleGAN(cyclegan.RECIPES["smoke"]))
    kinds = {type(module) for module in network.modules()}
    assert {nn.InstanceNorm2d, nn.ReflectionPad2d} <= kinds
    assert {nn.Conv2d, nn.ConvTranspose2d} <= kinds
    assert not [kind for kind in kinds if kind.__module__ in (layers.__name__, convolutions.__name__)]
