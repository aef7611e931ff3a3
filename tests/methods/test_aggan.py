"""AGGAN: the check points of the paper's sheet, the order of the moves, and the switch.

Steps are played in fp32, whatever "auto" would be here; where two ways of computing are compared, in fp64.
"""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from textbook import compare_steps, exchanged
from torch import nn
from torch.optim import Adam

from i2i_tutor.data.streams import Stream
from i2i_tutor.methods import build
from i2i_tutor.methods.aggan import (
    AGGAN,
    KERNELS,
    RECIPES,
    AGGANRecipe,
    AttentionNetwork,
    Discriminator,
    Generator,
    Residual,
    compose,
    smallest_side,
)
from i2i_tutor.methods.base import Scene
from i2i_tutor.nn import count_parameters
from i2i_tutor.nn.convolutions import ReflectionPad2d
from i2i_tutor.parameters import ParameterError
from i2i_tutor.training import fit, make_optimisers, play

TINY = replace(RECIPES["smoke"], base=2, discriminator_base=2, attention_base=2, steps=8, switch=1.0)
BOTH = [False, True]  # together
NETWORKS = ("g_ab", "g_ba", "attention_a", "attention_b", "d_a", "d_b")


def batch(count=2, size=32, seed=0, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(2, count, 3, size, size, generator=draw, dtype=dtype) * 2 - 1
    return {"a": images[0], "b": images[1]}


def method(seed=0, **changes):
    torch.manual_seed(seed)
    return AGGAN(replace(TINY, **changes))


def scene_of(game, data):
    scene = Scene(data, 0)
    game(scene)
    return scene


def weights(game, *networks):
    return {name: [p.detach().clone() for p in getattr(game, name).parameters()] for name in networks or NETWORKS}


def moved(game, before):
    """The names of the networks whose weights are others than before."""
    return {
        name
        for name, old in before.items()
        if any(not torch.equal(p, q) for p, q in zip(getattr(game, name).parameters(), old, strict=True))
    }


def switched(game):
    game.attend()
    return game


class Painted(nn.Module):
    """A generator that paints everything in one tone."""

    def __init__(self, tone=0.5):
        super().__init__()
        self.tone = nn.Parameter(torch.tensor(tone))

    def forward(self, image):
        return torch.zeros_like(image) + self.tone


class Map(nn.Module):
    """An attention network that knows its map already: ``value`` in the left half (or the right), 0 in the other."""

    def __init__(self, value, left=True):
        super().__init__()
        self.value, self.left = value, left

    def forward(self, image):
        half = image.shape[-1] // 2
        where = torch.zeros_like(image[:, :1])
        where[..., slice(half) if self.left else slice(half, None)] = self.value
        return where


class AsBright(nn.Module):
    """An attention network whose map is as high as the picture is bright."""

    def forward(self, image):
        return (image.mean(1, keepdim=True) + 1) / 2


class Records(nn.Module):
    """A discriminator that keeps what it is shown."""

    def __init__(self):
        super().__init__()
        self.shown = []

    def forward(self, image, norm=True):
        self.shown.append(image.detach().clone())
        return image.mean((1, 2, 3)).view(-1, 1, 1, 1)


class Says(nn.Module):
    """A discriminator of one opinion."""

    def __init__(self, logits):
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, image, norm=True):
        return self.logits.expand(len(image), 1, 1, -1)


# --- the networks --------------------------------------------------------------------------------------------------


def test_the_paper_profile_is_the_papers_networks():
    recipe = RECIPES["paper"]
    with torch.device("meta"):
        game, nominal = AGGAN(recipe), AttentionNetwork(32, KERNELS["paper"])
    assert count_parameters(game.g_ab) == count_parameters(game.g_ba) == 2_855_811
    assert count_parameters(game.attention_a) == count_parameters(game.attention_b) == 104_001
    assert count_parameters(nominal) == 154_689
    assert count_parameters(game.d_a) == count_parameters(game.d_b) == 2_766_657
    assert count_parameters(game) == 11_452_938
    norms = sum(count_parameters(part) for part in game.d_a.modules() if isinstance(part, nn.InstanceNorm2d))
    assert count_parameters(game.d_a) - norms == 2_764_737
    assert (recipe.lambda_forward, recipe.lambda_backward, recipe.lambda_identity, recipe.pool) == (10, 10, 0, 50)
    assert (recipe.learning_rate, recipe.attention_rate, recipe.beta1, recipe.batch) == (1e-4, 1e-4, 0.5, 1)
    assert (recipe.threshold, round(recipe.switch * recipe.steps)) == (0.1, 30 * 1334)


@pytest.mark.parametrize(("side", "patches"), [(256, 35), (64, 11)])
def test_a_discriminator_has_as_many_patches_as_the_official_one(side, patches):
    with torch.device("meta"):
        assert Discriminator()(torch.zeros(1, 3, side, side)).shape == (1, 1, patches, patches)


def test_the_rate_falls_in_the_official_stairs():
    rates = RECIPES["paper"].rates()
    found = [rates(epoch * 1334) * 1e-4 for epoch in (0, 49, 75, 99)]
    assert found == pytest.approx([1e-4, 1e-4, 5e-5, 2e-6])
    assert replace(RECIPES["paper"], decay=0.0).rates()(133_399) == 1
    assert replace(RECIPES["paper"], epoch=0).rates()(0) == 1
    for steps in (4000, 133_400 + 667):  # the last epoch is not whole
        assert replace(RECIPES["paper"], steps=steps).rates()(steps - 1) > 0


def test_a_map_has_one_channel_and_begins_undecided():
    torch.manual_seed(0)
    where = AttentionNetwork(8)(batch(size=64)["a"]).detach()
    assert where.shape == (2, 1, 64, 64)
    assert 0 < where.min() < where.max() < 1
    assert where.mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(("kernels", "coarse"), [("code", True), ("paper", False)])
def test_the_map_of_the_code_is_constant_on_four_by_four_pixels(kernels, coarse):
    torch.manual_seed(0)
    with torch.no_grad():
        where = AttentionNetwork(4, KERNELS[kernels])(batch()["a"])
    blocks = where.unfold(2, 4, 4).unfold(3, 4, 4).flatten(-2)  # (N, 1, 8, 8, 16)
    assert bool((blocks == blocks[..., :1]).all()) == coarse


def test_weights_are_drawn_as_in_the_official_code():
    game = method(base=16, discriminator_base=16, attention_base=16)
    for name in NETWORKS:
        parts = list(getattr(game, name).modules())
        drawn = torch.cat([p.weight.detach().flatten() for p in parts if isinstance(p, nn.Conv2d | nn.ConvTranspose2d)])
        scales = torch.cat([p.weight.detach() for p in parts if isinstance(p, nn.InstanceNorm2d)])
        assert drawn.abs().max() <= 0.04
        assert (scales - 1).abs().max() <= 0.0401
        assert float(drawn.std()) == pytest.approx(0.02 * 0.88, rel=0.05)  # the tails are cut at two deviations
        assert scales.std() > 0.01
        assert all((p.bias == 0).all() for p in parts if hasattr(p, "bias"))


def test_a_discriminator_without_norm_sees_how_bright_a_picture_is():
    torch.manual_seed(0)
    judge, image = Discriminator(4, 2).double(), batch(dtype=torch.double)["a"]
    with torch.no_grad():
        assert not torch.allclose(judge(image, norm=False), judge(image * 0.5, norm=False), rtol=1e-3)
        first = judge.layers[1](judge.layers[0](image)), judge.layers[1](judge.layers[0](image * 0.5))
    assert torch.allclose(*first, atol=0.02)  # the first norm takes the contrast away (but for its epsilon and biases)


def test_the_recipe_reaches_the_networks():
    for first_norm, padding, strided in ((True, 2, 1), (False, 1, 2)):
        judge = method(first_norm=first_norm, discriminator_padding=padding, patch_layers=strided).d_b
        assert {layer.padding for layer in judge.layers if isinstance(layer, nn.Conv2d)} == {(padding, padding)}
        assert sum(isinstance(layer, nn.InstanceNorm2d) for layer in judge.layers) == strided + first_norm
        assert {layer.negative_slope for layer in judge.layers if isinstance(layer, nn.LeakyReLU)} == {0.2}
    assert count_parameters(method(attention_kernels="paper").attention_a) > count_parameters(method().attention_a)
    assert len([part for part in method(blocks=2).g_ab.modules() if isinstance(part, Residual)]) == 2


def test_attention_mirrors_the_borders_generators_see_zeros_there_and_a_relu_follows_every_sum():
    torch.manual_seed(0)
    pads = nn.ReflectionPad2d | nn.ZeroPad2d
    looks, paints = AttentionNetwork(4), Generator(4, 1)
    assert {type(part) for part in looks.modules() if isinstance(part, pads)} == {ReflectionPad2d}
    assert {type(part) for part in paints.modules() if isinstance(part, pads)} == {nn.ZeroPad2d}
    with torch.no_grad():
        assert Residual(4, nn.ReflectionPad2d)(torch.randn(1, 4, 8, 8)).min() == 0


@pytest.mark.parametrize("side", [30, 4])
@pytest.mark.parametrize("build_one", [AGGAN, Generator, AttentionNetwork])
def test_a_side_that_does_not_fit_is_refused_in_one_sentence(side, build_one):
    with pytest.raises(ValueError, match=f"multiples of 4, at least 8; the image is {side}x{side}"):
        method().translate(torch.zeros(1, 3, side, side)) if build_one is AGGAN else build_one(4)(
            torch.zeros(1, 3, side, side)
        )


@pytest.mark.parametrize("kernels", [(3, 3), (2, 2, 2), (3, 3, 3, 7)])
def test_kernels_that_would_shift_the_map_are_refused(kernels):
    with pytest.raises(ValueError, match="expected three odd numbers"):
        AttentionNetwork(4, kernels)


@pytest.mark.parametrize("padding", [1, 2])
@pytest.mark.parametrize("strided", [1, 2, 3, 4])
def test_the_smallest_side_of_a_discriminator_is_the_smallest(strided, padding):
    side, judge = smallest_side(strided, padding), Discriminator(2, strided, padding=padding)
    assert judge(torch.zeros(1, 3, side, side)).numel() >= 1
    with pytest.raises(ValueError, match=f"at least {side}x{side} pixels; the image is {side - 1}x{side - 1}"):
        judge(torch.zeros(1, 3, side - 1, side - 1))
    judge.smallest = 0
    with pytest.raises((ValueError, RuntimeError)):
        judge(torch.zeros(1, 3, side - 1, side - 1))


# --- composition ---------------------------------------------------------------------------------------------------


def test_pixels_are_pasted_where_the_map_is_high_and_copied_where_it_is_low():
    image, painted, game = batch()["a"], Painted(0.5), method()
    with torch.no_grad():
        picture, where = game.hop(image, painted, Map(1.0))
        half, _ = game.hop(image, painted, Map(0.25))
        everywhere, ones = game.hop(image, painted, None)
    assert where.shape == (2, 1, 32, 32)
    assert torch.equal(picture[..., 16:], image[..., 16:])
    assert torch.equal(picture[..., :16], torch.full_like(image[..., :16], 0.5))
    assert torch.allclose(half[..., :16], 0.25 * 0.5 + 0.75 * image[..., :16])
    assert torch.equal(everywhere, torch.full_like(image, 0.5))
    assert bool((ones == 1).all())


def test_a_map_of_zeros_is_the_identity_and_its_cycle_costs_nothing():
    game, data = method(), batch()
    game.attention_a = game.attention_b = Map(0.0)
    scene = scene_of(game, data)
    assert torch.equal(scene.fake_b, data["a"])
    assert [float(term.detach()) for term in game.cycle_terms(scene).values()] == [0, 0]


def test_the_second_hop_looks_with_the_other_attention_network():
    game, data = method().double(), batch(dtype=torch.double)
    scene = scene_of(game, data)
    with torch.no_grad():
        for side, there, here, other in (
            ("a", game.g_ab, game.attention_a, game.attention_b),
            ("b", game.g_ba, game.attention_b, game.attention_a),
        ):
            home = {"a": game.g_ba, "b": game.g_ab}[side]
            where = here(data[side])
            fake = where * there(data[side]) + (1 - where) * data[side]
            back = other(fake) * home(fake) + (1 - other(fake)) * fake
            wrong = here(fake) * home(fake) + (1 - here(fake)) * fake
            assert torch.equal(getattr(scene, f"fake_{'b' if side == 'a' else 'a'}"), fake)
            assert torch.equal(getattr(scene, f"map_{side}"), where)
            assert torch.equal(getattr(scene, f"cycled_{side}"), back)
            assert not torch.allclose(back, wrong)


def test_another_composition_can_be_put_in_its_place():
    game, data = method(), batch()
    game.compose = lambda image, painted, where: painted
    assert torch.equal(scene_of(game, data).fake_b, game.g_ab(data["a"]))


def test_a_cycle_that_is_two_off_costs_twenty():
    game, data = method(), batch()
    scene = scene_of(game, data)
    scene.cycled_a, scene.cycled_b = data["a"] + 2, data["b"] - 2
    assert [float(term.detach()) for term in game.cycle_terms(scene).values()] == pytest.approx([20, 20])


def test_least_squares_are_those_of_the_sheet():
    game = method(together=True)
    game.d_b = game.d_a = Says([0.4])
    scene = scene_of(game, batch())
    real, fake = torch.tensor([0.4]), torch.tensor([0.7])
    assert float(game.tell_apart(lambda logits: logits, real, fake)) == pytest.approx(0.425)
    game.d_b = Says([1.0, 1.0, 0.0])
    assert float(game.generator_loss(scene)["gan_ab"].detach()) == pytest.approx(1 / 3)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_translating_is_composing_and_the_map_can_be_asked_for(average):
    game, image = method(average=average), batch()["a"]
    play(game, make_optimisers(game), batch(), 0)
    for direction, networks in {"AtoB": ("g_ab", "attention_a"), "BtoA": ("g_ba", "attention_b")}.items():
        with torch.no_grad():
            painter, looker = (game.averages[name] if average else getattr(game, name) for name in networks)
            picture, where = compose(image, painter(image), looker(image)), looker(image)
        assert torch.equal(game.translate(image, direction), picture)
        assert torch.equal(game.attention_map(image, direction), where)
    assert torch.equal(game.attention_map(image), game.attention_map(image, "AtoB"))
    with pytest.raises(ValueError, match="direction is 'there'"):
        game.attention_map(image, "there")
    with pytest.raises(ValueError, match=r"expected \[-1, 1\]"):
        game.attention_map(image * torch.nan)


# --- the moves -----------------------------------------------------------------------------------------------------


def test_four_turns_in_the_official_order_and_two_if_both_generators_move_together():
    assert [turn.moves for turn in method().turns] == [
        ("g_ab", "attention_a"),
        ("d_b",),
        ("g_ba", "attention_b"),
        ("d_a",),
    ]
    assert [turn.moves for turn in method(together=True).turns] == [
        ("g_ab", "attention_a", "g_ba", "attention_b"),
        ("d_a", "d_b"),
    ]


def test_each_turn_moves_its_own_networks_and_nobody_else():
    game, data = method(), batch()
    optimisers, scene = make_optimisers(game), scene_of(game, data)
    for turn in game.turns:
        before = weights(game)
        sum(getattr(game, turn.loss)(scene).values()).backward(
            inputs=[p for name in turn.moves for p in getattr(game, name).parameters()]
        )
        for name in turn.moves:
            optimisers[name].step()
            optimisers[name].zero_grad()
        assert moved(game, before) == set(turn.moves)


def test_the_second_generator_sees_what_the_first_has_become():
    game, data = method().double(), batch(dtype=torch.double)
    scene = scene_of(game, data)
    before = scene.fake_b
    with torch.no_grad():
        game.g_ab.layers[-2].bias += 0.5
    game.generator_loss_ba(scene)
    assert not torch.allclose(scene.fake_b, before)
    assert torch.equal(scene.fake_b, game.hop(data["a"], game.g_ab, game.attention_a)[0])


def test_attention_learns_at_its_own_rate():
    optimisers = make_optimisers(method(learning_rate=1e-3, attention_rate=1e-5))
    rates = {name: optimiser.param_groups[0]["lr"] for name, optimiser in optimisers.items()}
    assert rates == dict.fromkeys(NETWORKS, 1e-3) | {"attention_a": 1e-5, "attention_b": 1e-5}


def test_without_attention_it_is_cyclegan_with_these_networks():
    game, data = method(attention=False, switch=0.0), batch()
    scene = scene_of(game, data)
    assert torch.allclose(scene.fake_b, game.g_ab(data["a"]))
    assert {name for turn in game.turns for name in turn.moves} == {"g_ab", "g_ba", "d_a", "d_b"}
    assert bool((game.attention_map(data["a"]) == 1).all())
    play(game, make_optimisers(game), data, 0)
    assert not game.switched


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_discriminator_is_shown_each_pooled_picture_with_the_map_it_was_made_with(side):
    game = method(pool=4, threshold=0.5)
    game.attention_a = game.attention_b = AsBright()
    game.g_ab = game.g_ba = nn.Identity()  # what is painted is the picture itself
    setattr(game, f"d_{side}", judge := Records())
    made = []
    torch.manual_seed(0)
    for step in range(60):
        if step == 20:  # the pool keeps pictures and maps of before: the threshold is for the reader
            game.attend(step)
        tones = torch.tensor([0.5, -0.5])[torch.randint(2, (2,))].view(2, 1, 1, 1)
        data = {other: tones.expand(2, 3, 32, 32).clone() for other in "ab"}
        scene = scene_of(game, data)
        getattr(game, f"discriminator_loss_{side}")(scene)
        made.append(getattr(scene, f"fake_{side}").detach())
    before, after = judge.shown[1:40:2], judge.shown[41::2]  # real and fake by turns
    assert not all(map(torch.equal, before, made))  # some are earlier ones
    assert {float(tone) for shown in before for tone in shown.unique()} == {0.5, -0.5}
    assert {float(tone) for shown in after for tone in shown.unique()} == {0.5, 0.0}  # bright or hidden, never dark


# --- the switch ----------------------------------------------------------------------------------------------------


def test_before_the_switch_a_discriminator_sees_everything_and_after_it_what_is_attended():
    game, image = method(threshold=0.1), batch()["a"]
    where = Map(0.1)(image)  # exactly at the threshold: kept
    assert torch.equal(game.attended(image, where), image)
    shown = switched(game).attended(image, where)
    assert torch.equal(shown[..., :16], image[..., :16])
    assert bool((shown[..., 16:] == 0).all())  # mid-grey, not black


@pytest.mark.parametrize("now", [False, True])
def test_real_pictures_are_masked_by_their_own_map_and_made_ones_by_that_of_their_original(now):
    game, data = method(pool=0), batch()
    game.attention_a, game.attention_b = Map(0.9), Map(0.9, left=False)
    game.d_a, game.d_b = Records(), Records()
    if now:
        game.attend()
    scene = scene_of(game, data)
    masks = {"a": torch.ones(1, 1, 32, 32), "b": torch.ones(1, 1, 32, 32)}
    if now:
        masks["a"][..., 16:], masks["b"][..., :16] = 0, 0  # a is attended on the left, b on the right
    fake_b, fake_a = scene.fake_b.detach() * masks["a"], scene.fake_a.detach() * masks["b"]
    game.discriminator_loss(scene)
    game.generator_loss(scene)
    for judge, wanted in (
        (game.d_b, (data["b"] * masks["b"], fake_b, fake_b)),
        (game.d_a, (data["a"] * masks["a"], fake_a, fake_a)),
    ):
        assert len(judge.shown) == 3
        assert all(map(torch.equal, judge.shown, wanted))


def test_what_is_hidden_of_a_real_picture_does_not_move_its_discriminator():
    game, data = switched(method(pool=0)), batch()
    game.attention_a, game.attention_b = Map(0.9), Map(0.9, left=False)
    scene = scene_of(game, data)
    first = game.discriminator_loss_b(scene)["d_b"]
    data["b"][..., :16] = 1.0
    assert torch.equal(game.discriminator_loss_b(scene)["d_b"], first)
    data["b"][..., 16:] = 1.0
    assert not torch.equal(game.discriminator_loss_b(scene)["d_b"], first)


def test_a_threshold_of_zero_shows_everything():
    image = batch()["a"]
    assert torch.equal(switched(method(threshold=0.0)).attended(image, Map(0.0)(image)), image)


@pytest.mark.parametrize("together", BOTH)
@pytest.mark.parametrize("freeze", [True, False])
def test_after_the_switch_attention_stays_and_the_others_move(together, freeze):
    game = switched(method(together=together, freeze=freeze))
    before = weights(game)
    play(game, make_optimisers(game), batch(), 5)
    assert moved(game, before) == set(NETWORKS) - ({"attention_a", "attention_b"} if freeze else set())


@pytest.mark.parametrize(("off", "idle"), [(True, True), (False, False)])
def test_after_the_switch_the_norms_of_the_discriminators_idle(off, idle):
    game = switched(method(norm_off=off))
    norms = [part for part in game.d_a.modules() if isinstance(part, nn.InstanceNorm2d)]
    before = [norm.weight.detach().clone() for norm in norms]
    play(game, make_optimisers(game), batch(), 5)
    assert norms
    assert all(torch.equal(norm.weight, old) for norm, old in zip(norms, before, strict=True)) == idle


@pytest.mark.parametrize(
    ("switch", "steps", "first"),
    [(0.5, 8, 4), (0.0, 4, 0), (0.95, 4, 3), (0.01, 8, 1), (1.0, 4, None), (0.3, 1, None)],
)
@pytest.mark.parametrize("together", BOTH)
def test_the_switch_comes_after_its_part_of_the_steps(together, switch, steps, first):
    game = method(together=together, switch=switch, steps=steps)
    optimisers, found = make_optimisers(game), []
    for step in range(steps):
        play(game, optimisers, batch(seed=step), step)
        found.append(game.switched)
    assert found == [first is not None and step >= first for step in range(steps)]
    assert int(game.switched_at) == (-1 if first is None else first)


def scene_with_maps(value, step):
    scene = Scene({}, step)
    scene.map_a = scene.map_b = torch.full((1, 1, 8, 8), value)
    return scene


def test_the_switch_waits_for_maps_that_leave_most_of_the_picture_alone():
    game = method(switch=0.0, switch_share=0.5)
    for step in range(30):
        game.begin(step)
        game.end(scene_with_maps(0.9, step))
    assert not game.switched
    for step in range(30, 200):
        game.begin(step)
        game.end(scene_with_maps(0.01, step))
    assert 50 < int(game.switched_at) < 90  # until the running share has halved
    assert game.share <= 0.5


def test_the_share_counts_the_maps_of_both_sides():
    for side in "ab":
        game, scene = method(threshold=0.5), scene_with_maps(1.0, 0)
        setattr(scene, f"map_{side}", torch.zeros(1, 1, 8, 8))
        game.end(scene)
        assert float(game.share) == pytest.approx(0.98 + 0.02 * 0.5)


# the gate opens when the running share of half-attended maps has come down from 1 far enough
GATES = {"steps alone": {"switch": 0.5}, "share": {"switch": 0.25, "switch_share": 0.95, "threshold": 0.5}}


@pytest.mark.parametrize("together", BOTH)
@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_a_training_resumed_across_the_switch_ends_bit_for_bit_like_one_in_one_go(tmp_path, together, gate):
    def run(folder, steps, resume=False):
        game = method(3, together=together, average=0.5, **gate)
        data = Stream(lambda position, rng: batch(seed=position), seed=0)
        fit(game, data, steps, folder=folder, resume=resume, save_every=3, progress=False, precision="fp32")
        return game

    whole = run(tmp_path / "whole", 8)
    assert 3 < int(whole.switched_at) < 8
    for steps in (3, int(whole.switched_at), int(whole.switched_at) + 1, 8):  # before, at and after the switch
        parts = run(tmp_path / "parts", steps, resume=steps > 3)
        assert parts.switched == (steps > int(whole.switched_at))
    assert whole.state_dict().keys() == parts.state_dict().keys()
    assert all(torch.equal(value, parts.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_checkpoint_builds_the_same_method_again():
    game = switched(method())
    again = build(game.settings())
    again.load_state_dict(deepcopy(game.state_dict()))
    assert again.switched
    assert isinstance(again, AGGAN)
    assert torch.equal(again.translate(batch()["a"]), game.translate(batch()["a"]))


# --- steps in plain PyTorch ----------------------------------------------------------------------------------------


def textbook(net, attended):
    """Two steps before the switch, the others behind it; notes how much is attended."""
    g_ab, g_ba, attention_a, attention_b, d_a, d_b = (getattr(net, name) for name in NETWORKS)
    adam = {network: Adam(network.parameters(), 1e-3, (0.5, 0.999)) for network in (g_ab, g_ba, d_a, d_b)}
    adam |= {network: Adam(network.parameters(), 5e-4, (0.5, 0.999)) for network in (attention_a, attention_b)}

    def hop(image, generator, attention):
        where = attention(image)
        return where * generator(image) + (1 - where) * image, where

    def step(batch, number):
        a, b, late = batch["a"], batch["b"], number >= 2

        def hops():
            return hop(a, g_ab, attention_a), hop(b, g_ba, attention_b)

        def look(d, image, where):
            if not late:
                return d(image)
            image = torch.where(where >= 0.5, image, torch.zeros_like(image))
            for layer in d.layers:
                if not isinstance(layer, nn.InstanceNorm2d):
                    image = layer(image)
            return image

        def cycles(fake_b, fake_a):
            back_a, back_b = hop(fake_b, g_ba, attention_b)[0], hop(fake_a, g_ab, attention_a)[0]
            return {"cycle_a": 10 * (back_a - a).abs().mean(), "cycle_b": 10 * (back_b - b).abs().mean()}

        def convinced(d, fake):
            return (look(d, *fake) - 1).square().mean()

        def told(d, real, fake):
            return 0.5 * ((look(d, *real) - 1).square().mean() + look(d, *fake).square().mean())

        def move(terms, *movers):
            net.zero_grad()
            sum(terms.values()).backward()
            for network in movers:
                if not (late and net.recipe.freeze and network in (attention_a, attention_b)):
                    adam[network].step()
            return terms

        (fake_b, map_a), (fake_a, map_b) = hops()
        if net.recipe.together:
            terms = {"gan_ab": convinced(d_b, (fake_b, map_a)), "gan_ba": convinced(d_a, (fake_a, map_b))}
            terms = move(terms | cycles(fake_b, fake_a), g_ab, attention_a, g_ba, attention_b)
            # Only the pools draw, here first that of side a
            old_a, old_b = exchanged(net.pool_a, fake_a, map_b), exchanged(net.pool_b, fake_b, map_a)
            terms |= move({"d_a": told(d_a, (a, map_a), old_a), "d_b": told(d_b, (b, map_b), old_b)}, d_a, d_b)
        else:
            terms = {"gan_ab": convinced(d_b, (fake_b, map_a))} | cycles(fake_b, fake_a)
            terms = move(terms, g_ab, attention_a)
            old = exchanged(net.pool_b, fake_b, map_a)  # here first that of side b
            terms |= move({"d_b": told(d_b, (b, map_b), old)}, d_b)
            (fake_b, map_a), (fake_a, map_b) = hops()
            again = {f"{name}_again": term for name, term in cycles(fake_b, fake_a).items()}
            terms |= move({"gan_ba": convinced(d_a, (fake_a, map_b))} | again, g_ba, attention_b)
            old = exchanged(net.pool_a, fake_a, map_b)
            terms |= move({"d_a": told(d_a, (a, map_a), old)}, d_a)
        if number == 2:
            net.switched_at.fill_(2)
        attended.append(torch.cat([map_a >= 0.5, map_b >= 0.5]).double().mean())
        net.share.mul_(0.98).add_(0.02 * attended[-1])
        return terms

    return step


@pytest.mark.parametrize("freeze", [True, False])
@pytest.mark.parametrize("together", BOTH)
def test_five_steps_across_the_switch_are_those_of_plain_pytorch(together, freeze):
    game = method(
        together=together, freeze=freeze, switch=0.25, threshold=0.5, attention_rate=5e-4, attention_kernels="paper",
        pool=3, average=0.0,
    ).double()  # fmt: skip
    # Before the switch norms take these biases away, and Adam moves them by rounding alone. Behind it a grey pixel is
    # nothing but a bias, so that of one near 0 the sign, and a leaky unit's slope, would be rounding, too
    with torch.no_grad():
        for judge in (game.d_a, game.d_b):
            judge.layers[0].bias.copy_(torch.tensor([0.05, -0.05]))
    for kept in (game.pool_a, game.pool_b):
        images = torch.rand(2, 3, 32, 32, dtype=torch.double) * 2 - 1
        kept.query(images, torch.rand(2, 1, 32, 32, dtype=torch.double))
    attended = []
    batches = [batch(seed=seed, dtype=torch.double) for seed in range(5)]
    game = compare_steps(game, lambda net: textbook(net, attended), batches)
    assert game.switched
    assert all(0.1 < part < 0.9 for part in attended)


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"switch": 1.5}, "switch must be"),
        ({"threshold": -0.1}, "threshold must be"),
        ({"threshold": float("nan")}, "threshold must be"),
        ({"switch_share": 2.0}, "switch_share must be"),
        ({"switch_share": 0.0}, "switch_share must be"),
        ({"attention_kernels": "big"}, "attention_kernels must be"),
        ({"adversarial": False}, "adversarial is False"),
        ({"lambda_identity": 5.0}, "lambda_identity is 5.0"),
        ({"size": 30}, "multiples of 4"),
        ({"size": 4}, "size is 4; .* at least 8"),
        ({"size": 32, "patch_layers": 4, "discriminator_padding": 1}, "size is 32; .* at least 48"),
    ],
)
def test_a_wrong_number_is_refused_before_anything_is_built(changes, sentence):
    with pytest.raises(ParameterError, match=sentence):
        replace(AGGANRecipe(), **changes)


def test_a_side_that_the_batch_lacks_is_named():
    with pytest.raises(ValueError, match="the batch has no 'b'"):
        play(method(), make_optimisers(method()), {"a": batch()["a"]}, 0)


def test_a_map_or_a_painting_of_another_size_is_refused():
    image, game = batch()["a"], method()
    for small in (lambda x: x[:, :1, ::2, ::2], lambda x: x[:1, :1], lambda x: x):
        for check in (lambda where: compose(image, image, where), lambda where: game.attended(image, where)):
            with pytest.raises(ValueError, match=r"the map is \(.*\); expected \(2, 1, 32, 32\)"):
                check(small(image))
    with pytest.raises(ValueError, match=r"what is painted is \(1, 1, 32, 32\); the image is \(2, 3, 32, 32\)"):
        compose(image, image[:1, :1], image[:, :1])


def test_an_empty_batch_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="N > 0"):
        play(method(), make_optimisers(method()), {"a": batch()["a"], "b": batch()["b"][:0]}, 0)
