"""Whatever autocast makes of the networks, no method computes a loss in half precision."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from i2i_tutor.data import digits, facades, unlabelled, unpaired
from i2i_tutor.data.streams import Stream
from i2i_tutor.methods import KNOWN, aggan, cyclegan, dann, matchgan, opgan, pix2pix, pixelda, tunit
from i2i_tutor.training import autocast, make_optimisers, play


def labelled(size, batch, seed):
    """Images of noise, labels and targets in the layout of MatchGAN at its smallest: three groups of four."""

    def make(position, rng):
        draw = torch.Generator().manual_seed(seed + position)
        label, wanted = torch.randint(0, 2, (2, 3, 5), generator=draw).float()
        image = torch.rand(12, 3, size, size, generator=draw) * 2 - 1
        return {"image": image, "label": label.repeat_interleave(4, 0), "wanted": wanted.repeat(4, 1)}

    return Stream(make, seed)


CYCLEGAN = replace(cyclegan.RECIPES["smoke"], lambda_identity=0.5), partial(unpaired.train, "safari")
PIXELDA = replace(pixelda.RECIPES["smoke"], weight_content=1.0), partial(digits.train, "digits")
GAMES = {
    pix2pix.Pix2Pix: (pix2pix.RECIPES["smoke"], partial(facades.train, "procedural")),
    cyclegan.CycleGAN: CYCLEGAN,
    cyclegan.AdversarialCycleGAN: CYCLEGAN,
    opgan.OPGAN: (replace(opgan.RECIPES["smoke"], warm_up=0), partial(unpaired.train, "safari")),
    matchgan.StarGAN: (
        matchgan.StarGANRecipe(size=32, base=4, blocks=1, discriminator_base=4, layers=3, critic=1),
        labelled,
    ),
    matchgan.MatchGAN: (replace(matchgan.RECIPES["smoke"], weight_turns=1.0), labelled),
    pixelda.PixelDA: PIXELDA,
    pixelda.TaskAlone: (PIXELDA[0], partial(digits.labelled, "digits")),
    dann.DANN: PIXELDA,
    aggan.AGGAN: (aggan.RECIPES["smoke"], partial(unpaired.train, "safari")),
    tunit.TUNIT: (
        replace(tunit.RECIPES["smoke"], batch=2, domains=2, translated=2, warm_up=0.0),
        partial(unlabelled.train, "herd"),
    ),
}
OF_LOSSES = {"softplus", "_log_softmax", "nll_loss_forward", "mean", "var", "abs"}  # the networks use none of these


class Watch(TorchDispatchMode):
    """Notes which of the operations that make up losses are given numbers of 16 bits."""

    def __init__(self):
        super().__init__()
        self.seen, self.halves = set(), set()

    def __torch_dispatch__(self, operation, types, given=(), options=None):
        name = operation.overloadpacket.__name__
        self.seen.add(name)
        if name in OF_LOSSES and given[0].dtype in (torch.bfloat16, torch.float16):
            self.halves.add(name)
        return operation(*given, **(options or {}))


def test_no_method_is_forgotten_here():
    assert set(GAMES) == set(KNOWN)


@pytest.mark.parametrize("kind", GAMES, ids=lambda kind: kind.name)
def test_losses_are_computed_in_fp32_under_bf16(kind):
    torch.manual_seed(0)
    recipe, world = GAMES[kind]
    method, outputs = kind(recipe), []
    for network in {name for turn in method.turns for name in turn.moves}:
        for module in getattr(method, network).modules():
            module.register_forward_hook(lambda module, given, made: outputs.append(getattr(made, "dtype", None)))
    with Watch() as watch:
        played = play(
            method, make_optimisers(method), next(world(recipe.size, 2, 0)), 0, autocast(torch.device("cpu"), "bf16")
        )
    assert torch.bfloat16 in outputs  # else nothing was in half precision, and the test says nothing
    assert watch.seen & OF_LOSSES
    assert not watch.halves
    assert {name: term.dtype for name, term in played.items()} == dict.fromkeys(played, torch.float32)
