"""Normalisation, and the modes in which a network runs."""

import pytest
import torch
from torch import nn

from i2i_tutor.nn.layers import frozen_statistics, has_bias, in_mode, normalisation


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
