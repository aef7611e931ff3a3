"""pix2pix: the check points of the paper's sheet, and every switch of its ablations.

Steps are played in fp32, whatever "auto" would be here; where two ways of computing are compared, in fp64.
"""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from textbook import compare_steps
from torch import nn
from torch.optim import Adam

from i2i_tutor.data import facades
from i2i_tutor.methods import build
from i2i_tutor.methods.base import Scene
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix, Pix2PixRecipe
from i2i_tutor.nn import PixelGAN, count_parameters
from i2i_tutor.training import fit, make_optimisers, play

TINY = replace(RECIPES["smoke"], base=4, lambda_pixel=100.0)


def batch(count=2, size=32, seed=0, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(2, count, 3, size, size, generator=draw, dtype=dtype) * 2 - 1
    return {"input": images[0], "target": images[1]}


def scene_of(method, data):
    scene = Scene(data, 0)
    method(scene)
    return scene


def test_the_paper_profile_is_the_papers_network():
    method = Pix2Pix(RECIPES["paper"])
    assert count_parameters(method.generator) == 54_413_955
    assert count_parameters(method.discriminator) == 2_768_705
    recipe = RECIPES["paper"]
    assert (recipe.size, recipe.load_size, recipe.batch, recipe.lambda_pixel) == (256, 286, 1, 100.0)
    assert (recipe.learning_rate, recipe.beta1, recipe.beta2) == (2e-4, 0.5, 0.999)


def test_losses_of_an_undecided_discriminator():
    method = Pix2Pix(TINY)
    method.discriminate = lambda x, y: torch.zeros(2, 1, 3, 3)
    scene = scene_of(method, batch())
    assert float(method.discriminator_loss(scene)["discriminator"]) == pytest.approx(math.log(2))
    assert float(method.generator_loss(scene)["gan"]) == pytest.approx(math.log(2))


def test_the_pixel_term_is_lambda_times_a_mean():
    method = Pix2Pix(TINY)
    data = batch()
    scene = Scene(data, 0)
    scene.fake = data["target"] + 0.1
    assert float(method.generator_loss(scene)["l1"]) == pytest.approx(10.0, rel=1e-4)
    scene.fake = data["target"]
    assert float(method.generator_loss(scene)["l1"]) == 0.0
    squared = Pix2Pix(replace(TINY, pixel_loss="l2"))
    scene.fake = data["target"] + 0.1
    assert float(squared.generator_loss(scene)["l2"]) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, {"discriminator", "gan", "l1"}),
        ({"pixel_loss": "l2"}, {"discriminator", "gan", "l2"}),
        ({"adversary": "none"}, {"l1"}),
        ({"adversary": "none", "pixel_loss": "l2"}, {"l2"}),
        ({"adversary": "unconditional"}, {"discriminator", "gan", "l1"}),
        ({"lambda_pixel": 0.0}, {"discriminator", "gan"}),
        ({"adversary": "unconditional", "lambda_pixel": 0.0}, {"discriminator", "gan"}),
        ({"skips": False}, {"discriminator", "gan", "l1"}),
        ({"patch_layers": 0}, {"discriminator", "gan", "l1"}),
        ({"noise": True}, {"discriminator", "gan", "l1"}),
        ({"norm": "batch"}, {"discriminator", "gan", "l1"}),
    ],
)
def test_every_variant_of_the_ablations_plays_and_every_player_moves(changes, terms):
    torch.manual_seed(0)
    method = Pix2Pix(replace(TINY, **changes))
    before = {name: p.clone() for name, p in method.named_parameters()}
    assert set(play(method, make_optimisers(method), batch(), 0)) == terms
    # A bias before instance norm is inert: its gradient is rounding noise, and it may stay where it is.
    assert all(not torch.equal(p, before[name]) for name, p in method.named_parameters() if "bias" not in name)
    assert method.translate(batch()["input"]).shape == (2, 3, 32, 32)


def test_the_conditional_discriminator_sees_the_input_and_the_unconditional_does_not():
    y, (x, other) = batch()["target"], (batch(seed=seed)["input"] for seed in (0, 1))
    for adversary, blind in (("conditional", False), ("unconditional", True)):
        method = Pix2Pix(replace(TINY, adversary=adversary))
        assert torch.equal(method.discriminate(x, y), method.discriminate(other, y)) is blind


def test_each_turn_moves_its_own_player_only():
    torch.manual_seed(0)
    for moving, still in (("discriminator", "generator"), ("generator", "discriminator")):
        method = Pix2Pix(TINY)
        method.turns = tuple(turn for turn in method.turns if turn.moves == (moving,))
        before = [p.clone() for p in getattr(method, still).parameters()]
        play(method, make_optimisers(method), batch(), 0)
        assert all(map(torch.equal, getattr(method, still).parameters(), before))
        assert all(p.grad is None for p in getattr(method, still).parameters())


def test_the_generator_plays_against_the_discriminator_that_has_just_learnt():
    torch.manual_seed(0)
    method, data = Pix2Pix(replace(TINY, dropout_layers=0)), batch()
    scene = scene_of(method, data)
    before = float(method.generator_loss(scene)["gan"].detach())
    terms = play(method, make_optimisers(method), data, 0)
    assert float(terms["gan"]) > before  # one D step makes the same fakes easier to tell


def textbook(net):
    g, d = net.generator, net.discriminator
    adam_g, adam_d = (Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (g, d))

    def step(batch, number):
        x, y = batch["input"], batch["target"]
        fake = g(x)  # first: dropout draws here, and nowhere else
        real_logits = d(torch.cat([x, y], 1))  # before the fakes: batch norm remembers the last ones best
        fake_logits = d(torch.cat([x, fake.detach()], 1))
        loss_d = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
        loss_d = 0.5 * (loss_d + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits)))
        adam_d.zero_grad()
        loss_d.backward()
        adam_d.step()
        logits = d(torch.cat([x, fake], 1))
        gan = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
        l1 = 100 * F.l1_loss(fake, y)
        adam_g.zero_grad()
        (gan + l1).backward()
        adam_g.step()
        return {"discriminator": loss_d, "gan": gan, "l1": l1}

    return step


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_five_steps_are_those_of_plain_pytorch(norm, count):
    torch.manual_seed(0)
    method = Pix2Pix(replace(TINY, norm=norm, dropout_layers=2, learning_rate=2e-4, average=0.0)).double()
    compare_steps(method, textbook, [batch(count, seed=seed, dtype=torch.double) for seed in range(5)])


def test_translate_changes_nothing_and_treats_each_image_alone():
    torch.manual_seed(0)
    method = Pix2Pix(replace(TINY, norm="batch", dropout_layers=0))
    play(method, make_optimisers(method), batch(4), 0)
    state = {name: value.clone() for name, value in method.state_dict().items()}
    x = batch(3)["input"]
    together = method.translate(x)
    alone = torch.cat([method.translate(image[None]) for image in x])
    assert torch.equal(together, alone)
    assert all(torch.equal(value, state[name]) for name, value in method.state_dict().items())
    assert method.generator.training


def test_dropout_is_on_at_test_time_and_is_all_of_the_noise():
    method = Pix2Pix(replace(TINY, dropout_layers=2))
    x = batch()["input"]
    for mode in (True, False):
        assert not torch.equal(method.train(mode).translate(x), method.translate(x))
        assert all(module.training is mode for module in method.modules())
    still = Pix2Pix(replace(TINY, dropout_layers=0))
    still.load_state_dict(method.state_dict())
    assert torch.equal(still.translate(x), still.translate(x))


def test_a_fully_convolutional_generator_takes_larger_images():
    method = Pix2Pix(TINY)
    assert method.translate(torch.zeros(1, 3, 64, 96)).shape == (1, 3, 64, 96)


def test_a_method_is_built_again_from_its_settings():
    method = Pix2Pix(replace(TINY, patch_layers=0, noise=True))
    again = build(method.settings())
    assert isinstance(again, Pix2Pix)
    assert again.recipe == method.recipe
    assert isinstance(again.discriminator, PixelGAN)
    again.load_state_dict(method.state_dict())
    with pytest.raises(ValueError, match="this version knows pix2pix"):
        build({"method": "pix3pix"})
    with pytest.raises(ValueError, match="incomplete or from another version"):
        build({"method": "pix2pix", "recipe": {"colour": 1}})


@pytest.mark.parametrize(
    "numbers",
    [
        {"size": 0},
        {"batch": 0},
        {"steps": -1},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"beta1": 1.0},
        {"decay": 2.0},
        {"lambda_pixel": -1.0},
        {"lambda_pixel": math.nan},
        {"adversary": "friendly"},
        {"pixel_loss": "l3"},
        {"adversary": "none", "lambda_pixel": 0.0},
        {"patch_layers": 6},
        {"size": 48, "depth": 5},
    ],
)
def test_absurd_recipes_are_refused_by_name(numbers):
    with pytest.raises(ValueError, match="|".join([*numbers, "nothing to minimise"])):
        Pix2PixRecipe(**({"size": 64, "depth": 5} | numbers))


def test_bias_free_layers_of_the_paper():
    method = Pix2Pix(replace(RECIPES["paper"], base=2))
    biased = [m for m in method.generator.modules() if isinstance(m, nn.ConvTranspose2d) and m.bias is not None]
    assert len(biased) == 1


def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path):
    def train(folder, steps, resume=False):
        torch.manual_seed(3)
        method = Pix2Pix(replace(TINY, norm="batch", dropout_layers=2, steps=6))
        data = facades.train("procedural", 32, 2, seed=3)
        options = {"rates": method.recipe.rates(), "precision": "fp32", "progress": False}
        fit(method, data, steps, folder=folder, resume=resume, **options)
        return method.state_dict()

    straight = train(tmp_path / "straight", 6)
    train(tmp_path / "parts", 3)
    parts = train(tmp_path / "parts", 6, resume=True)
    assert all(torch.equal(straight[name], parts[name]) for name in straight)


@pytest.mark.parametrize("shape", [(3, 3, 32, 32), (2, 3, 16, 16)])
def test_an_input_and_a_target_of_other_sizes_are_no_pairs(shape):
    method = Pix2Pix(RECIPES["smoke"])
    with pytest.raises(ValueError, match=r"the input is \(2, 3, 32, 32\), the target .*; expected pairs of one size"):
        method(Scene({"input": torch.zeros(2, 3, 32, 32), "target": torch.zeros(shape)}, 0))
