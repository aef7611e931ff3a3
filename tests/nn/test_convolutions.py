"""Convolutions and their borders compute what torch's own layers compute."""

from contextlib import nullcontext
from copy import deepcopy

import pytest
import torch
from torch import nn

from i2i_tutor.nn import convolutions
from i2i_tutor.nn.convolutions import (
    DoublingConv2d,
    HalvingConv2d,
    NarrowConv2d,
    PaddedConv2d,
    ReflectionPad2d,
    TransposedConv2d,
    pad,
)


def test_padding_keeps_the_precision_that_autocast_has_chosen():
    x = torch.randn(2, 3, 5, 6).bfloat16().contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for mode in ("reflect", "replicate"):
            padded = pad(x, 2, mode)
            assert padded.dtype == torch.bfloat16
            assert padded.is_contiguous(memory_format=torch.channels_last)
            assert torch.equal(padded, nn.functional.pad(x.float(), (2, 2, 2, 2), mode).bfloat16())
        assert ReflectionPad2d(1)(x).dtype == torch.bfloat16


@pytest.mark.parametrize(("mode", "kernel", "stride"), [("reflect", 4, 2), ("replicate", 3, 1)])
def test_a_padded_convolution_is_torch_s(mode, kernel, stride):
    ours = PaddedConv2d(3, 5, kernel, stride, (kernel - 1) // 2, padding_mode=mode)
    theirs = nn.Conv2d(3, 5, kernel, stride, (kernel - 1) // 2, padding_mode=mode)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 8, 6)
    assert torch.equal(ours(x), theirs(x))


def derived(module, images, context=None):
    """What a layer makes of images, and the gradients of the images and of its weights."""
    images = images.detach().clone().requires_grad_()  # a clone keeps the memory format
    with context or nullcontext():
        made = module(images)
    return made, *torch.autograd.grad(made.square().sum(), [images, *module.parameters()])


def as_torchs(layer, kind):
    """A copy of a layer that torch computes."""
    copy = deepcopy(layer)
    copy.__class__ = kind
    return copy


def bf16():
    return torch.autocast("cpu", dtype=torch.bfloat16)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("kernel", "padding", "width_out"), [(7, 0, 3), (7, 3, 3), (3, 1, 1)])
def test_a_narrow_convolution_computes_torch_s_sums(monkeypatch, count, kernel, padding, width_out):
    torch.manual_seed(0)
    layer = NarrowConv2d(5, width_out, kernel, padding).to(torch.double, memory_format=torch.channels_last)
    nn.init.normal_(layer.bias)
    x = torch.randn(count, 5, 9, 8 + kernel - 1 - 2 * padding, dtype=torch.double)
    torchs = as_torchs(layer, nn.Conv2d)
    expected = derived(torchs, x)
    strides = []
    monkeypatch.setattr(
        convolutions.F, "conv2d", lambda *given, own=nn.functional.conv2d: strides.append(given[3]) or own(*given)
    )
    turned = derived(layer, x.contiguous(memory_format=torch.channels_last))
    assert strides == [(1, 4)]
    assert turned[0].stride() == torchs(x.contiguous(memory_format=torch.channels_last)).stride()
    assert all(torch.equal(mine, other) for mine, other in zip(derived(layer, x), expected, strict=True))
    for mine, right in zip(turned, expected, strict=True):
        torch.testing.assert_close(mine, right, rtol=0, atol=1e-11)


def test_widths_that_four_does_not_divide_are_left_to_torch():
    layer = NarrowConv2d(2, 3, 3, padding=1)
    x = torch.randn(2, 2, 6, 7).contiguous(memory_format=torch.channels_last)
    assert torch.equal(layer(x), nn.Conv2d.forward(layer, x))


@pytest.mark.parametrize("count", [1, 3])
def test_a_transposed_convolution_is_torch_s_but_for_how_the_bias_learns(count):
    torch.manual_seed(0)
    layer = TransposedConv2d(6, 4, 3, 2, 1, output_padding=1)
    nn.init.normal_(layer.bias)
    x = torch.randn(count, 6, 9, 7).contiguous(memory_format=torch.channels_last)
    double = layer.to(torch.double), as_torchs(layer, nn.ConvTranspose2d)
    for mine, right in zip(*(derived(one, x.double()) for one in double), strict=True):
        assert mine.stride() == right.stride()
        torch.testing.assert_close(mine, right, rtol=0, atol=1e-11)
    assert "BiasGradient" in str(layer(x.double()).grad_fn)
    ours, theirs = (derived(one.float(), x.bfloat16(), bf16()) for one in double)
    assert ours[-1].dtype == torch.float32
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=0.01, atol=0.01 * other.abs().max().item())


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("kind", "side"), [(HalvingConv2d, 8), (DoublingConv2d, 4)])
def test_small_maps_in_bf16_are_a_product_of_matrices_with_the_same_result(monkeypatch, kind, side, bias):
    """Against double precision both are about equally near: they round the same factors, and sum up in fp32."""
    torch.manual_seed(0)
    layer, x = kind(16, 24, bias=bias), torch.randn(2, 16, side, side).bfloat16()
    taken = []
    monkeypatch.setattr(
        convolutions, "_small", lambda *given, small=convolutions._small: taken.append(small(*given)) or taken[-1]
    )

    precise = derived(deepcopy(layer).double(), x.double())
    assert taken == [False]
    ours = derived(layer, x, bf16())
    assert taken == [False, True]
    monkeypatch.setattr(convolutions, "_small", lambda *given: False)
    theirs = derived(layer, x, bf16())
    for mine, other, exact in zip(ours, theirs, precise, strict=True):
        assert (mine.dtype, mine.shape) == (other.dtype, other.shape)
        # a place and a bias are added to products that are rounded already
        assert (mine.double() - exact).norm().item() < 2 * (other.double() - exact).norm().item()


@pytest.mark.parametrize("kind", [HalvingConv2d, DoublingConv2d])
def test_many_places_and_fp32_are_left_to_torch(kind):
    layer = kind(2, 3).bfloat16()
    theirs = {HalvingConv2d: nn.Conv2d, DoublingConv2d: nn.ConvTranspose2d}[kind]
    for x in (torch.randn(1, 2, 24, 24).bfloat16(), torch.randn(1, 2, 4, 4)):
        module = layer.to(x.dtype)
        assert torch.equal(module(x), theirs.forward(module, x))
