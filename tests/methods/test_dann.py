"""DANN as a game in turns equals the gradient reversal of its paper; compared in fp64."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from i2i_tutor.methods.base import Scene
from i2i_tutor.methods.dann import DANN
from i2i_tutor.methods.pixelda import RECIPES
from i2i_tutor.training import make_optimisers, play

TINY = replace(RECIPES["smoke"], batch=4, steps=10)


def batch():
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(2, 4, 3, 16, 16, generator=draw, dtype=torch.double) * 2 - 1
    return {"source": images[0], "source_label": torch.tensor([0, 1, 2, 3]), "target": images[1]}


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(context, x, weight):
        context.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(context, gradient):
        return -context.weight * gradient, None


@pytest.mark.parametrize("step", [0, 3, 9])
def test_the_task_s_turn_is_the_reversed_gradient(step):
    torch.manual_seed(0)
    method, data = DANN(TINY).double(), batch()
    parameters = list(method.task.parameters())
    scene = Scene(data, step)
    method(scene)
    ours = torch.autograd.grad(sum(method.task_loss(scene).values()), parameters)
    weight = 2 / (1 + math.exp(-10 * step / 10)) - 1
    features = method.task.features(torch.cat([data["source"], data["target"]]))
    domain = torch.cat([torch.zeros(4), torch.ones(4)]).double()
    theirs = F.cross_entropy(method.task.last(features[:4]), data["source_label"])
    theirs = theirs + F.binary_cross_entropy_with_logits(method.critic(Reverse.apply(features, weight))[:, 0], domain)
    for mine, reference in zip(ours, torch.autograd.grad(theirs, parameters), strict=True):
        torch.testing.assert_close(mine, reference, rtol=0, atol=1e-14)


def test_both_players_move_and_images_stay():
    torch.manual_seed(0)
    method = DANN(TINY).double()
    before = {name: p.clone() for name, p in method.named_parameters()}
    assert set(play(method, make_optimisers(method), batch(), 5)) == {"critic", "task", "confusion"}
    assert any(not torch.equal(p, before[name]) for name, p in method.critic.named_parameters(prefix="critic"))
    assert any(not torch.equal(p, before[name]) for name, p in method.task.named_parameters(prefix="task"))
    assert torch.equal(method.translate(batch()["source"]), batch()["source"])
