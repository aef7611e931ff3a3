"""The generators are the papers' networks: counts, shapes, and the layer tables computed independently, in fp64."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from i2i_tutor.nn import ResNetGenerator, UNet, count_parameters


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (lambda: UNet(), 54_413_955),
        (lambda: UNet(1, 3), 54_411_907),
        (lambda: UNet(1, 2), 54_409_858),
        (lambda: UNet(norm="instance"), 54_409_603),
        (lambda: UNet(depth=7), 41_828_995),
        (lambda: UNet(depth=7, norm="instance"), 41_825_667),
        (lambda: UNet(skips=False), 39_075_459),
        (lambda: ResNetGenerator(blocks=9), 11_378_179),
        (lambda: ResNetGenerator(blocks=6), 7_837_699),
        (lambda: ResNetGenerator(1, 1, blocks=9), 11_365_633),
        (lambda: ResNetGenerator(blocks=9, norm="batch"), 11_383_427),
        (lambda: ResNetGenerator(blocks=6, norm="batch", dropout=0.5), 7_841_411),
    ],
)
def test_parameter_counts_are_the_papers(network, parameters):
    assert count_parameters(network()) == parameters


def test_unet_256_has_the_official_parts():
    net = UNet()
    kinds = [type(module) for module in net.modules()]
    assert kinds.count(nn.Dropout) == 3
    assert kinds.count(nn.BatchNorm2d) == 13
    biased = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d) and m.bias is not None]
    assert len(biased) == 1
    assert biased[0].out_channels == 3  # only the last layer
    assert len(list(net.parameters())) == 43
    assert len(net.state_dict()) == 82


def test_initialisation_is_the_papers():
    torch.manual_seed(0)
    net = UNet(base=32, depth=6)
    convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    weights = torch.cat([m.weight.detach().flatten() for m in convolutions])
    scales = torch.cat([m.weight.detach() for m in net.modules() if isinstance(m, nn.BatchNorm2d)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert float(scales.mean()) == pytest.approx(1.0, abs=0.005)
    assert float(scales.std()) == pytest.approx(0.02, rel=0.15)
    assert all(not m.bias.any() for m in convolutions if m.bias is not None)


def by_the_table(weights: list[torch.Tensor], x: torch.Tensor, depth: int, skips: bool) -> torch.Tensor:
    """The sheet's U-Net table, computed from a flat list of weights in the official order; no dropout."""
    queue = iter(weights)

    def norm(y):
        return F.batch_norm(y, None, None, next(queue), next(queue), training=True)

    encoded = [F.conv2d(x, next(queue), stride=2, padding=1)]
    for level in range(1, depth):
        y = F.conv2d(F.leaky_relu(encoded[-1], 0.2), next(queue), stride=2, padding=1)
        encoded.append(norm(y) if level < depth - 1 else y)
    y = encoded[-1]
    for level in reversed(range(depth)):
        if skips and level < depth - 1:
            y = torch.cat([encoded[level], y], dim=1)
        y = F.conv_transpose2d(F.relu(y), weight := next(queue), stride=2, padding=1)
        y = norm(y) if level else y + next(queue).view(1, -1, 1, 1)
    assert weight.shape[1] == y.shape[1]
    return torch.tanh(y)


@pytest.mark.parametrize("skips", [True, False])
def test_unet_computes_the_layer_table(skips):
    torch.manual_seed(0)
    net = UNet(base=4, depth=5, dropout=0.0, skips=skips).double()
    x = torch.rand(2, 3, 64, 32, dtype=torch.double) * 2 - 1
    expected = by_the_table([p.detach() for p in net.parameters()], x, 5, skips)
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-10)


def test_resnet_computes_the_layer_table():
    torch.manual_seed(0)
    net = ResNetGenerator(base=4, blocks=2).double()
    queue = iter([p.detach() for p in net.parameters()])
    x = torch.rand(1, 3, 24, 16, dtype=torch.double) * 2 - 1

    def conv(y, pad, mode, stride=1):
        return F.conv2d(F.pad(y, [pad] * 4, mode=mode), next(queue), next(queue), stride)

    y = F.relu(F.instance_norm(conv(x, 3, "reflect")))
    for _ in range(2):
        y = F.relu(F.instance_norm(conv(y, 1, "constant", stride=2)))
    for _ in range(2):
        branch = F.relu(F.instance_norm(conv(y, 1, "reflect")))
        y = y + F.instance_norm(conv(branch, 1, "reflect"))
    for _ in range(2):
        up = F.conv_transpose2d(y, next(queue), next(queue), 2, 1, output_padding=1)
        y = F.relu(F.instance_norm(up))
    expected = torch.tanh(conv(y, 3, "reflect"))
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-10)


def test_dropout_is_noise_in_training_only():
    net = UNet(base=4, depth=6, dropout_layers=2)
    x = torch.rand(1, 3, 64, 64)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


def test_unet_refuses_sizes_that_cannot_work():
    net = UNet(base=2, depth=4)
    assert net(torch.zeros(1, 3, 32, 48)).shape == (1, 3, 32, 48)
    with pytest.raises(ValueError, match=r"multiples of 16, for example 48x32; the image is 50x32"):
        net(torch.zeros(1, 3, 50, 32))


def test_resnet_keeps_multiples_of_four_and_rounds_up():
    net = ResNetGenerator(base=2, blocks=1)
    assert net(torch.zeros(1, 3, 20, 32)).shape[-2:] == (20, 32)
    assert net(torch.zeros(1, 3, 257, 257)).shape[-2:] == (260, 260)
    with pytest.raises(ValueError, match=r"at least 8x8 pixels; the image is 6x8"):
        net(torch.zeros(1, 3, 6, 8))


def test_instance_norm_network_is_the_same_in_training_and_evaluation():
    net = ResNetGenerator(base=2, blocks=1)
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(net.train()(x), net.eval()(x))
    assert float(net(x).detach().abs().max()) <= 1


@pytest.mark.parametrize("arguments", [{"depth": 1}, {"depth": 4, "dropout_layers": 3}, {"norm": "layer"}])
def test_absurd_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=r"depth|dropout_layers|norm"):
        UNet(base=2, **arguments)


@pytest.mark.parametrize("network", [UNet, ResNetGenerator])
@pytest.mark.parametrize("dropout", [-0.1, 1.5, float("nan"), "0.5", None, True])
def test_dropout_is_a_probability(network, dropout):
    with pytest.raises(ValueError, match=r"^dropout is .*; expected a number from 0 to 1"):
        network(base=1, dropout=dropout)
