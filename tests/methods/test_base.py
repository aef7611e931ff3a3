"""What every method brings along: rates, optimisers, translating. Where two ways are compared, in fp64."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.optim import Adam

from i2i_tutor.methods import METHODS, cyclegan, matchgan, pix2pix, tunit
from i2i_tutor.methods.base import Method, Recipe, Turn
from i2i_tutor.training import make_optimisers, play

RECIPE = Recipe(size=4, batch=2, steps=8)


class Pair(Method):
    """Two networks, of which the first moves in two turns of a step; everything is reachable by a straight line."""

    name = "pair"
    turns = (Turn("both", ("one", "two")), Turn("first", ("one",), every=2))

    def __init__(self, recipe=RECIPE):
        super().__init__(recipe)
        self.one, self.two = nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))

    def both(self, scene):
        return {"both": self.two(self.one(scene.batch["x"])).square().mean()}

    def first(self, scene):
        return {"first": self.one(scene.batch["x"]).square().mean()}

    def translation(self, image, direction):
        assert not torch.is_grad_enabled()
        return self.two(self.one(image))


class BothWays(Pair):
    directions = ("there", "back")

    def translation(self, image, direction):
        return image if direction == "there" else -image


# --- learning rates ------------------------------------------------------------------------------------------------


def test_without_epochs_the_rate_falls_smoothly_over_the_tail():
    rates = replace(RECIPE, decay=0.5).rates()
    by_hand = [1, 1, 1, 1, 4 / 5, 3 / 5, 2 / 5, 1 / 5]  # four steps of eight
    assert [rates(step) for step in range(8)] == pytest.approx(by_hand)


def test_with_epochs_the_rate_falls_epoch_by_epoch():
    rates = Recipe(size=4, batch=2, steps=40, epoch=10, decay=0.5).rates()  # 2 epochs, then 2 that decay
    by_hand = {0: 1.0, 9: 1.0, 10: 2 / 3, 19: 2 / 3, 20: 1 / 3, 29: 1 / 3, 30: 0.0, 39: 0.0}
    assert {step: rates(step) for step in by_hand} == pytest.approx(by_hand)


@pytest.mark.parametrize("epoch", [0, 2])
def test_without_a_decay_the_rate_stays(epoch):
    rates = replace(RECIPE, decay=0.0, epoch=epoch).rates()
    assert [rates(step) for step in range(8)] == [1.0] * 8


@pytest.mark.parametrize("method", METHODS.values())
def test_of_all_papers_only_stargan_matchgan_and_tunit_train_at_one_rate_throughout(method):
    recipe = method.recipe_type()  # the defaults are the papers'
    with torch.device("meta"):
        rates = method(recipe).rates()
    assert rates(0) == 1
    assert (rates(recipe.steps - 1) < 0.5) == (method not in (matchgan.StarGAN, matchgan.MatchGAN, tunit.TUNIT))


# --- optimisers ----------------------------------------------------------------------------------------------------


def test_each_network_that_moves_has_one_adam_with_the_recipe_s_numbers():
    method = Pair(replace(RECIPE, learning_rate=0.01, beta1=0.3, beta2=0.8))
    optimisers = make_optimisers(method)
    assert optimisers.keys() == {"one", "two"}
    for name, optimiser in optimisers.items():
        assert type(optimiser) is Adam
        (group,) = optimiser.param_groups
        assert list(map(id, group["params"])) == list(map(id, getattr(method, name).parameters()))
        assert (group["lr"], group["betas"], group["weight_decay"]) == (0.01, (0.3, 0.8), 0)


def test_an_adam_for_each_network_is_the_papers_joint_adam():
    torch.manual_seed(0)
    apart = Pair().double()
    apart.turns = apart.turns[:1]
    apart.two = apart.two[0]  # no dropout
    joint = deepcopy(apart)
    adam = Adam(joint.parameters(), lr=RECIPE.learning_rate, betas=(RECIPE.beta1, RECIPE.beta2))
    optimisers = make_optimisers(apart)
    for step in range(5):
        x = torch.randn(4, 3, dtype=torch.double)
        play(apart, optimisers, {"x": x}, step)
        adam.zero_grad()
        joint.two(joint.one(x)).square().mean().backward()
        adam.step()
    for mine, theirs in zip(apart.parameters(), joint.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


# --- translating ---------------------------------------------------------------------------------------------------


def test_translating_is_evaluation_and_leaves_every_module_in_its_mode():
    torch.manual_seed(0)
    method, x = Pair(), torch.rand(2, 3, 3, 3)
    method.train()
    method.one.eval()
    assert torch.equal(method.translate(x), method.translate(x))  # no dropout
    assert [method.training, method.one.training, method.two[1].training] == [True, False, True]
    assert torch.is_grad_enabled()


def test_the_mode_comes_back_after_an_error_too():
    method = pix2pix.Pix2Pix(replace(pix2pix.RECIPES["smoke"], norm="batch"))
    with pytest.raises(ValueError, match="multiples of 32"):
        method.translate(torch.zeros(1, 3, 33, 33))
    assert all(module.training for module in method.modules())
    assert all(m.track_running_stats for m in method.modules() if isinstance(m, nn.BatchNorm2d))


def test_directions_are_declared_and_the_first_is_the_default():
    x = torch.ones(1, 3, 3, 3)
    method = BothWays()
    assert torch.equal(method.translate(x), x)
    assert torch.equal(method.translate(x, "back"), -x)
    with pytest.raises(ValueError, match="direction is 'up'; expected one of there, back"):
        method.translate(x, "up")
    with pytest.raises(ValueError, match="direction is 'there', but a pair translates one way only"):
        Pair().translate(x, "there")


def test_a_method_that_translates_nothing_says_so():
    class Still(Method):
        name = "still"

    with pytest.raises(ValueError, match="a still does not translate pictures"):
        Still(RECIPE).translate(torch.zeros(1, 3, 4, 4))


def test_every_name_builds_its_own_class():
    assert all(METHODS[name].name == name for name in METHODS)
    assert METHODS["adversarial_cyclegan"] is cyclegan.AdversarialCycleGAN
