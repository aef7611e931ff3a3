"""Convolutions and their borders compute what torch's own layers compute."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from i2i_tutor.nn import convolutions
from i2i_tutor.nn.convolutions import DoublingConv2d, HalvingConv2d, PaddedConv2d, ReflectionPad2d, pad


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

    def derived(module, images, context):
        images = images.clone().requires_grad_()
        with context:
            made = module(images)
        weights = list(module.parameters())
        return made, *torch.autograd.grad(made.square().sum(), [images, *weights])

    precise = derived(deepcopy(layer).double(), x.double(), torch.autocast("cpu", enabled=False))
    assert taken == [False]
    ours = derived(layer, x, torch.autocast("cpu", dtype=torch.bfloat16))
    assert taken == [False, True]
    monkeypatch.setattr(convolutions, "_small", lambda *given: False)
    theirs = derived(layer, x, torch.autocast("cpu", dtype=torch.bfloat16))
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
