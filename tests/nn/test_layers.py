"""Normalisation, and the modes in which a network runs."""

import pytest
import torch
from torch import nn

from i2i_tutor.nn import layers
from i2i_tutor.nn.layers import (
    frozen_statistics,
    has_bias,
    in_mode,
    instance_norm,
    normalisation,
)


@pytest.mark.parametrize(("kind", "layers", "bias"), [("batch", 1, False), ("instance", 1, True), ("none", 0, True)])
def test_only_what_precedes_a_batch_norm_goes_without_a_bias(kind, layers, bias):
    assert len(normalisation(kind, 4)) == layers
    assert has_bias(kind) is bias


def mixed():
    """A network of two modules, one of them in evaluation mode."""
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(0.5))
    network.train()
    network[1].eval()
    return network


@pytest.mark.parametrize("training", [True, False])
def test_each_module_is_in_its_own_mode_again(training):
    network = mixed()
    with in_mode(network, training):
        assert all(module.training is training for module in network.modules())
    assert [module.training for module in network.modules()] == [True, True, False]
    with pytest.raises(RuntimeError), in_mode(network, training):
        network(torch.zeros(1, 3, 4, 4))  # three channels of two
    assert [module.training for module in network.modules()] == [True, True, False]


def test_frozen_statistics_are_used_and_kept():
    """In evaluation mode batch norm would return the images nearly as they are: its averages are still 0 and 1."""
    torch.manual_seed(0)
    network, images = mixed().double().eval(), torch.randn(8, 2, 4, 4, dtype=torch.double) * 3 + 5
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with frozen_statistics(network):
        out = network[0](images)
        assert not torch.equal(network(images), network(images))  # dropout is on
    torch.testing.assert_close(out.mean(dim=(0, 2, 3)), torch.zeros(2).double(), rtol=0, atol=1e-12)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module.training for module in network.modules())
    network.train()(images)
    assert not torch.equal(network[0].running_mean, before["0.running_mean"])  # and they move again


# --- instance norm --------------------------------------------------------------------------------------------------

FORMATS = [torch.contiguous_format, torch.channels_last]


def derived(function, x, weights, gradient):
    """What a function makes of x, and the gradients of x and of the weights."""
    inputs = [one.detach().clone().requires_grad_() for one in (x, *weights)]  # a clone keeps the memory format
    made = function(inputs[0], *inputs[1:])
    return made.detach(), *torch.autograd.grad(made, inputs, gradient)


def numbers(count, affine, offset=0.0, sides=(9, 7)):
    draw = torch.Generator().manual_seed(0)
    x, gradient = torch.randn(2, count, 6, *sides, generator=draw, dtype=torch.double)
    return x + offset, [torch.rand(2, 6, generator=draw, dtype=torch.double)[k] for k in range(2 * affine)], gradient


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("x_in", FORMATS)
@pytest.mark.parametrize("gradient_in", FORMATS)
def test_instance_norm_is_its_formula_in_each_memory_format(count, affine, x_in, gradient_in):
    """torch's own derives a single image with channels last wrongly, so it is no reference here."""

    def formula(x, weight=None, bias=None):
        normal = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
        return normal if weight is None else normal * weight[:, None, None] + bias[:, None, None]

    x, weights, gradient = numbers(count, affine)
    expected = derived(formula, x, weights, gradient)
    x, gradient = x.contiguous(memory_format=x_in), gradient.contiguous(memory_format=gradient_in)
    found = derived(instance_norm, x, weights, gradient)
    for mine, right in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, right, rtol=0, atol=1e-12)
    assert found[0].is_contiguous(memory_format=x_in)


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("sides", "offset"), [((9, 7), 30.0), ((36, 31), 10.0)])
@pytest.mark.parametrize(("x_in", "large"), [(FORMATS[0], False), (FORMATS[1], False), (FORMATS[1], True)])
def test_instance_norm_of_bf16_rounds_its_result_and_nothing_else(
    monkeypatch, count, affine, sides, offset, x_in, large
):
    """With an offset of 30 deviations a mean kept in bf16 would be wrong by a tenth of one.

    torch's group norm, which takes the large maps, sums up squares in fp32: enough for an offset of 10.
    """
    assert 9 * 7 < layers.MANY_PLACES <= 36 * 31
    monkeypatch.setattr(layers, "LARGE", 0 if large else layers.LARGE)
    x, weights, gradient = numbers(count, affine, offset, sides)
    x, gradient = (one.bfloat16().contiguous(memory_format=x_in) for one in (x, gradient))
    weights = [weight.float() for weight in weights]
    made, of_x, *of_weights = derived(instance_norm, x, weights, gradient)
    assert made.dtype == of_x.dtype == torch.bfloat16
    assert made.is_contiguous(memory_format=x_in)
    plain = [one.double().contiguous() for one in (x, *weights, gradient)]
    right, right_x, *right_weights = derived(instance_norm, plain[0], plain[1:-1], plain[-1])
    for mine, exact in ((made, right), (of_x, right_x)):
        rounded = exact.bfloat16().double()
        # half a unit in the last of eight places, and once more, as the derivative sees a rounded result
        assert ((mine.double() - exact).abs() <= 2 * (rounded - exact).abs().max()).all()
    for mine, exact in zip(of_weights, right_weights, strict=True):
        products = count * sides[0] * sides[1]  # each rounded
        torch.testing.assert_close(mine.double(), exact, rtol=0, atol=0.006 * products**0.5)


def test_instance_norm_with_channels_last_can_be_derived_twice():
    """A penalty on gradients does so, in fp32."""
    second = []
    for memory_format in FORMATS:
        x, weights, _ = numbers(3, affine=True)
        x = x.contiguous(memory_format=memory_format).requires_grad_()
        (first,) = torch.autograd.grad(instance_norm(x, *weights).pow(3).sum(), x, create_graph=True)
        second.append(torch.autograd.grad(first.square().sum(), x)[0])
    torch.testing.assert_close(*second, rtol=0, atol=1e-9)
