"""DANN as a game in turns equals the gradient reversal of its paper; compared in fp64."""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from textbook import compare_steps
from torch import nn
from torch.optim import Adam

from i2i_tutor.methods.dann import DANN
from i2i_tutor.methods.pixelda import RECIPES
from i2i_tutor.training import make_optimisers, play

TINY = replace(RECIPES["smoke"], batch=4, steps=10)


def batch(seed=0):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 4, 3, 16, 16, generator=draw, dtype=torch.double) * 2 - 1
    return {"source": images[0], "source_label": (torch.arange(4) + seed) % 10, "target": images[1]}


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(context, x, weight):
        context.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(context, gradient):
        return -context.weight * gradient, None


def textbook(net, lengths):
    task, critic = net.task, net.critic
    adam_task, adam_critic = (Adam(network.parameters(), 1e-3, (0.5, 0.999)) for network in (task, critic))

    def move(network, optimiser, loss):
        optimiser.zero_grad()
        loss.backward()
        for p in network.parameters():
            lengths.setdefault(p, []).append(float(nn.utils.clip_grad_norm_([p], 5.0)))
        optimiser.step()

    def told(source, target):
        """The critic's cross entropy on both: 0 is the source, 1 the target."""
        logits = critic(source), critic(target)
        wanted = torch.zeros_like(logits[0]), torch.ones_like(logits[1])
        return sum(F.binary_cross_entropy_with_logits(*both) for both in zip(logits, wanted, strict=True))

    def step(batch, number):
        source, target = (task.features(batch[domain]) for domain in ("source", "target"))
        of_critic = told(source.detach(), target.detach())
        move(critic, adam_critic, of_critic)
        weight = 2 / (1 + math.exp(-10 * number / 10)) - 1  # there are ten steps
        of_task = F.cross_entropy(task.last(source), batch["source_label"])
        of_domain = told(Reverse.apply(source, weight), Reverse.apply(target, weight)) / 2
        move(task, adam_task, of_task + of_domain)
        return {"critic": of_critic, "task": of_task, "confusion": -weight * of_domain}

    return step


def test_five_steps_are_those_of_plain_pytorch_with_a_reversed_gradient():
    torch.manual_seed(0)
    method, lengths = DANN(TINY).double(), {}
    with torch.no_grad():  # so that gradients of a weight are longer than 5 in some of the steps, and clipped
        method.task.last.weight.mul_(110)
    compare_steps(method, lambda net: textbook(net, lengths), [batch(seed) for seed in range(5)])
    assert any(min(found) < 5 < max(found) for found in lengths.values())


def test_both_players_move_and_images_stay():
    torch.manual_seed(0)
    method = DANN(TINY).double()
    before = {name: p.clone() for name, p in method.named_parameters()}
    assert set(play(method, make_optimisers(method), batch(), 5)) == {"critic", "task", "confusion"}
    assert any(not torch.equal(p, before[name]) for name, p in method.critic.named_parameters(prefix="critic"))
    assert any(not torch.equal(p, before[name]) for name, p in method.task.named_parameters(prefix="task"))
    assert torch.equal(method.translate(batch()["source"]), batch()["source"])
