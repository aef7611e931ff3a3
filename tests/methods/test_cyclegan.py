"""CycleGAN: the check points of the paper's sheet, and every switch of its ablations.

Steps are played in fp32, whatever "auto" would be here; where two ways of computing are compared, in fp64.
"""

import math
from dataclasses import replace

import pytest
import torch
from textbook import compare_steps, exchanged
from torch import nn
from torch.optim import Adam

from i2i_tutor.data import facades
from i2i_tutor.methods import build
from i2i_tutor.methods.base import Scene
from i2i_tutor.methods.cyclegan import RECIPES, AdversarialCycleGAN, CycleGAN, CycleGANRecipe
from i2i_tutor.nn import ResNetGenerator, count_parameters
from i2i_tutor.training import fit, make_optimisers, play

TINY = replace(RECIPES["smoke"], base=2, learning_rate=2e-4, lambda_identity=5.0)
GAN_ALONE = {"lambda_forward": 0.0, "lambda_backward": 0.0, "lambda_identity": 0.0}


def batch(count=2, size=32, seed=0, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(2, count, 3, size, size, generator=draw, dtype=dtype) * 2 - 1
    return {"a": images[0], "b": images[1]}


def scene_of(method, data):
    scene = Scene(data, 0)
    method(scene)
    return scene


class Shift(nn.Module):
    """A generator that makes every picture brighter."""

    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, image):
        return image + self.by


class Says(nn.Module):
    """A discriminator of one opinion."""

    def __init__(self, logit):
        super().__init__()
        self.logit = logit

    def forward(self, image):
        return torch.full((len(image), 1, 3, 3), self.logit)


def test_the_paper_profile_is_the_papers_networks():
    recipe = RECIPES["paper"]
    with torch.device("meta"):
        method = CycleGAN(recipe)
        six = ResNetGenerator(blocks=6)
    assert count_parameters(method.g_ab) == count_parameters(method.g_ba) == 11_378_179
    assert count_parameters(six) == 7_837_699
    assert count_parameters(method.d_a) == count_parameters(method.d_b) == 2_764_737
    assert count_parameters(method) == 28_285_832
    assert (recipe.size, recipe.load_size, recipe.batch, recipe.pool) == (256, 286, 1, 50)
    assert (recipe.lambda_forward, recipe.lambda_backward, recipe.lambda_identity) == (10, 10, 5)
    assert (recipe.learning_rate, recipe.beta1, recipe.beta2) == (2e-4, 0.5, 0.999)


def test_instance_norm_has_neither_weights_nor_memory():
    norms = [m for m in CycleGAN(TINY).modules() if isinstance(m, nn.InstanceNorm2d)]
    assert norms
    assert not any(list(norm.parameters()) + list(norm.buffers()) for norm in norms)


def test_the_networks_begin_as_the_paper_draws_them():
    torch.manual_seed(0)
    method = CycleGAN(replace(TINY, base=16, blocks=2))
    for network in (method.g_ab, method.g_ba, method.d_a, method.d_b):
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        weights = torch.cat([m.weight.detach().flatten() for m in layers])
        assert float(weights.std()) == pytest.approx(0.02, rel=0.05)
        assert all((m.bias == 0).all() for m in layers)
    assert not torch.equal(next(method.g_ab.parameters()), next(method.g_ba.parameters()))


def test_training_and_evaluation_compute_the_same():
    method, image = CycleGAN(TINY), batch()["a"]
    training = method.translate(image)
    assert torch.equal(method.eval().translate(image), training)
    assert torch.equal(method.translate(image), training)
    assert training.abs().max() <= 1


@pytest.mark.parametrize(("side", "out"), [(64, 64), (68, 68), (65, 68)])
def test_sizes_are_kept_where_they_are_multiples_of_four(side, out):
    assert CycleGAN(TINY).translate(torch.zeros(1, 3, side, side)).shape == (1, 3, out, out)


# --- losses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objective", "logit", "discriminator", "generator"),
    [
        ("least_squares", 0.0, 0.5, 1.0),
        ("least_squares", 0.5, 0.25, 0.25),
        ("vanilla", 0.0, math.log(2), math.log(2)),
    ],
)
def test_losses_of_an_undecided_discriminator(objective, logit, discriminator, generator):
    method = CycleGAN(replace(TINY, objective=objective))
    method.d_a, method.d_b = Says(logit), Says(logit)
    scene = scene_of(method, batch())
    of_g, of_d = method.generator_loss(scene), method.discriminator_loss(scene)
    assert [float(of_g[name].detach()) for name in ("gan_ab", "gan_ba")] == pytest.approx([generator] * 2)
    assert [float(of_d[name]) for name in ("d_a", "d_b")] == pytest.approx([discriminator] * 2)


def test_cycle_and_identity_terms_are_weighted_means():
    method, data = CycleGAN(TINY), batch()
    method.g_ab, method.g_ba = (Shift(by) for by in (0.1, -0.1))
    scene = scene_of(method, data)
    scene.cycled_a, scene.cycled_b = data["a"] + 0.1, data["b"] - 0.1
    terms = method.generator_loss(scene)
    assert [float(terms[f"cycle_{side}"]) for side in "ab"] == pytest.approx([1.0, 1.0], rel=1e-4)
    assert [float(terms[f"identity_{side}"]) for side in "ab"] == pytest.approx([0.5, 0.5], rel=1e-4)


def test_the_scene_holds_the_four_translations_of_the_paper():
    torch.manual_seed(0)
    method, data = CycleGAN(TINY).double(), batch(dtype=torch.double)
    scene = scene_of(method, data)
    with torch.no_grad():
        expected = {"fake_b": method.g_ab(data["a"]), "fake_a": method.g_ba(data["b"])}
        expected |= {"cycled_a": method.g_ba(expected["fake_b"]), "cycled_b": method.g_ab(expected["fake_a"])}
    for name, image in expected.items():
        torch.testing.assert_close(getattr(scene, name), image, rtol=0, atol=1e-12)
    assert vars(scene).keys() == {"batch", "step", *expected}


@pytest.mark.parametrize(("forward", "backward"), [(0.0, 10.0), (10.0, 0.0), (0.0, 0.0)])
def test_a_cycle_without_weight_is_not_computed(forward, backward):
    method, data = CycleGAN(replace(TINY, lambda_forward=forward, lambda_backward=backward)), batch()
    calls = []
    for network in (method.g_ab, method.g_ba):
        network.register_forward_hook(lambda *_: calls.append(1))
    scene = scene_of(method, data)
    assert (scene.cycled_a is None, scene.cycled_b is None) == (forward == 0, backward == 0)
    assert len(calls) == 2 + (forward > 0) + (backward > 0)


# --- who moves -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("game", "changes", "terms"),
    [
        (CycleGAN, {}, {"gan_ab", "gan_ba", "cycle_a", "cycle_b", "identity_a", "identity_b", "d_a", "d_b"}),
        (CycleGAN, {"lambda_identity": 0.0}, {"gan_ab", "gan_ba", "cycle_a", "cycle_b", "d_a", "d_b"}),
        (CycleGAN, GAN_ALONE, {"gan_ab", "gan_ba", "d_a", "d_b"}),
        (CycleGAN, GAN_ALONE | {"lambda_forward": 10.0}, {"gan_ab", "gan_ba", "cycle_a", "d_a", "d_b"}),
        (CycleGAN, GAN_ALONE | {"lambda_backward": 10.0}, {"gan_ab", "gan_ba", "cycle_b", "d_a", "d_b"}),
        (CycleGAN, {"adversarial": False, "lambda_identity": 0.0}, {"cycle_a", "cycle_b"}),
        (
            AdversarialCycleGAN,
            {"lambda_identity": 0.0},
            {"gan_ab", "gan_ba", "cycle_a", "cycle_b", "d_a", "d_b", "cycle_d_a", "cycle_d_b"},
        ),
        (
            AdversarialCycleGAN,
            GAN_ALONE | {"lambda_forward": 1.0},
            {"gan_ab", "gan_ba", "cycle_a", "d_a", "d_b", "cycle_d_a"},
        ),
        (AdversarialCycleGAN, GAN_ALONE | {"adversarial": False, "lambda_backward": 1.0}, {"cycle_b", "cycle_d_b"}),
        (
            CycleGAN,
            {"objective": "vanilla"},
            {"gan_ab", "gan_ba", "cycle_a", "cycle_b", "identity_a", "identity_b", "d_a", "d_b"},
        ),
    ],
)
def test_every_variant_of_the_ablations_plays_and_every_player_moves(game, changes, terms):
    torch.manual_seed(0)
    method = game(replace(TINY, **changes))
    before = {name: p.clone() for name, p in method.named_parameters()}
    assert set(play(method, make_optimisers(method), batch(), 0)) == terms
    # A bias before instance norm is inert: its gradient is rounding noise, and it may stay where it is.
    assert all(not torch.equal(p, before[name]) for name, p in method.named_parameters() if "bias" not in name)


def test_a_bias_before_instance_norm_is_inert():
    """In fp64, where rounding noise cannot be taken for a gradient, whatever order a processor sums in."""
    torch.manual_seed(0)
    generator = CycleGAN(TINY).g_ab.double()
    generator(batch()["a"].double()).square().sum().backward()
    first, last = generator.layers[1], generator.layers[-2]
    assert first.bias.grad.abs().max() < 1e-12 * first.weight.grad.abs().max()
    assert last.bias.grad.abs().max() > 1e-3 * last.weight.grad.abs().max()  # no norm follows


def test_each_turn_moves_its_own_players_only():
    torch.manual_seed(0)
    players = [("g_ab", "g_ba"), ("d_a", "d_b")]
    for moving, still in (players, players[::-1]):
        method = CycleGAN(TINY)
        method.turns = tuple(turn for turn in method.turns if turn.moves == moving)
        before = {name: [p.clone() for p in getattr(method, name).parameters()] for name in still}
        play(method, make_optimisers(method), batch(), 0)
        for name in still:
            assert all(map(torch.equal, getattr(method, name).parameters(), before[name]))
            assert all(p.grad is None for p in getattr(method, name).parameters())


def test_the_discriminators_learn_from_fakes_made_before_the_generators_moved():
    torch.manual_seed(0)
    method, data = CycleGAN(TINY), batch()
    before = method.translate(data["a"]), method.translate(data["b"], "BtoA")
    play(method, make_optimisers(method), data, 0)
    assert torch.allclose(method.pool_b.slot0[:2], before[0], atol=1e-6)
    assert torch.allclose(method.pool_a.slot0[:2], before[1], atol=1e-6)
    assert not torch.allclose(method.translate(data["a"]), before[0], atol=1e-6)


def test_d_b_is_shown_real_images_of_b_and_what_the_pool_hands_out():
    torch.manual_seed(0)
    method, data = CycleGAN(replace(TINY, pool=1)), batch(count=1)
    seen = []
    method.d_b.register_forward_hook(lambda module, arguments, logits: seen.append(arguments[0].detach()))
    scene = scene_of(method, data)
    method.discriminator_loss(scene)  # the pool of one keeps this fake
    kept = scene.fake_b.detach()
    handed_out = []
    for seed in range(1, 13):
        scene = scene_of(method, batch(count=1, seed=seed))
        kept_or_new = {"kept": method.pool_b.slot0.clone(), "new": scene.fake_b.detach()}
        method.discriminator_loss(scene)
        real, fake = seen[-2:]
        assert torch.equal(real, scene.batch["b"])
        handed_out += [name for name, image in kept_or_new.items() if torch.equal(image, fake)]
        assert len(method.pool_b.slot0) == int(method.pool_b.count) == 1
    assert torch.equal(seen[1], kept)
    assert set(handed_out) == {"kept", "new"}


def textbook(net):
    """As the official code writes it; with discriminators of the cycles, if there are any."""
    g_ab, g_ba, d_a, d_b = net.g_ab, net.g_ba, net.d_a, net.d_b
    of_cycles = getattr(net, "cycle_discriminators", None)
    generators = Adam([*g_ab.parameters(), *g_ba.parameters()], 2e-4, (0.5, 0.999))
    discriminators = Adam([*d_a.parameters(), *d_b.parameters()], 2e-4, (0.5, 0.999))
    cycle_discriminators = Adam(of_cycles.parameters(), 2e-4, (0.5, 0.999)) if of_cycles else None

    def pair(image, other):
        return torch.cat([image, other], 1)

    def tells(d, real, fake):
        return 0.5 * ((d(real) - 1).square().mean() + d(fake.detach()).square().mean())

    def step(batch, number):
        a, b = batch["a"], batch["b"]
        fake_b, fake_a = g_ab(a), g_ba(b)
        cycled_a, cycled_b = g_ba(fake_b), g_ab(fake_a)
        terms = {"gan_ab": (d_b(fake_b) - 1).square().mean(), "gan_ba": (d_a(fake_a) - 1).square().mean()}
        if of_cycles:
            terms["cycle_a"] = 10 * (of_cycles["a"](pair(a, cycled_a)) - 1).square().mean()
            terms["cycle_b"] = 10 * (of_cycles["b"](pair(b, cycled_b)) - 1).square().mean()
        else:
            terms["cycle_a"] = 10 * (cycled_a - a).abs().mean()
            terms["cycle_b"] = 10 * (cycled_b - b).abs().mean()
        if net.recipe.lambda_identity:  # half of the cycles' weight
            terms["identity_b"] = 5 * (g_ab(b) - b).abs().mean()
            terms["identity_a"] = 5 * (g_ba(a) - a).abs().mean()
        generators.zero_grad()
        sum(terms.values()).backward()
        generators.step()
        # Only the pools draw, first that of side a
        (old_a,), (old_b,) = exchanged(net.pool_a, fake_a), exchanged(net.pool_b, fake_b)
        terms |= {"d_a": tells(d_a, a, old_a), "d_b": tells(d_b, b, old_b)}
        discriminators.zero_grad()
        (terms["d_a"] + terms["d_b"]).backward()
        discriminators.step()
        if of_cycles:
            terms["cycle_d_a"] = tells(of_cycles["a"], pair(a, a), pair(a, cycled_a))
            terms["cycle_d_b"] = tells(of_cycles["b"], pair(b, b), pair(b, cycled_b))
            cycle_discriminators.zero_grad()
            (terms["cycle_d_a"] + terms["cycle_d_b"]).backward()
            cycle_discriminators.step()
        return terms

    return step


@pytest.mark.parametrize("pool", [0, 50])
@pytest.mark.parametrize("identity", [0.0, 5.0])
@pytest.mark.parametrize("game", [CycleGAN, AdversarialCycleGAN])
def test_five_steps_are_those_of_plain_pytorch(game, identity, pool):
    torch.manual_seed(0)
    method = game(replace(TINY, lambda_identity=identity, pool=pool, average=0.0)).double()
    for kept in (method.pool_a, method.pool_b):  # two more, and it is full
        kept.query(torch.rand(48, 3, 32, 32, dtype=torch.double) * 2 - 1)
    compare_steps(method, textbook, [batch(seed=seed, dtype=torch.double) for seed in range(5)])


def test_the_cycle_s_discriminator_tells_the_original_twice_from_the_original_and_its_cycle():
    torch.manual_seed(0)
    method, data = AdversarialCycleGAN(TINY), batch()
    seen = []
    method.cycle_discriminators["b"].register_forward_hook(lambda module, given, logits: seen.append(given[0].detach()))
    scene = scene_of(method, data)
    method.cycle_discriminator_loss(scene)
    b, cycled = data["b"], scene.cycled_b.detach()
    assert [torch.equal(x, torch.cat(pair, 1)) for x, pair in zip(seen, [(b, b), (b, cycled)], strict=True)] == [1, 1]
    method.generator_loss(scene)
    assert torch.equal(seen[2], torch.cat([b, cycled], dim=1))


def test_an_undecided_discriminator_of_the_cycle():
    method = AdversarialCycleGAN(TINY)  # both lambdas are 10
    method.cycle_discriminators = nn.ModuleDict({side: Says(0.5) for side in "ab"})
    scene = scene_of(method, batch())
    assert [float(v) for v in method.cycle_discriminator_loss(scene).values()] == pytest.approx([0.25, 0.25])
    terms = method.generator_loss(scene)
    assert [float(terms[f"cycle_{side}"].detach()) for side in "ab"] == pytest.approx([2.5, 2.5])


def test_an_adversarial_cycle_without_a_cycle_is_refused():
    with pytest.raises(ValueError, match="lambda_forward and lambda_backward are 0"):
        AdversarialCycleGAN(replace(TINY, **GAN_ALONE))


def test_fifty_images_are_kept_and_half_of_the_queries_answered_from_them():
    torch.manual_seed(0)
    pool = CycleGAN(replace(TINY, pool=50)).pool_b
    answers = []
    for number in range(450):
        image = torch.full((1, 3, 2, 2), float(number))
        (answer,) = pool.query(image)
        answers.append(torch.equal(answer, image))
    assert all(answers[:50])
    assert int(pool.count) == 50
    assert 0.4 < sum(answers[50:]) / 400 < 0.6


# --- the rest of the contract --------------------------------------------------------------------------------------


def test_translate_goes_both_ways_and_refuses_a_third():
    method, image = CycleGAN(TINY), batch()["a"]
    assert torch.equal(method.translate(image), method.translate(image, direction="AtoB"))
    assert not torch.equal(method.translate(image), method.translate(image, direction="BtoA"))
    with pytest.raises(ValueError, match="direction is 'CtoA'; expected one of AtoB, BtoA"):
        method.translate(image, direction="CtoA")


def test_the_learning_rate_falls_in_the_official_stairs():
    factor = RECIPES["paper"].rates()
    by_epoch = {epoch: factor((epoch - 1) * 400) for epoch in (1, 99, 100, 150, 199, 200)}
    assert by_epoch == pytest.approx({1: 1, 99: 1, 100: 0.990, 150: 0.495, 199: 0.0099, 200: 0}, abs=1e-3)


def test_a_method_is_built_again_from_its_settings():
    method = AdversarialCycleGAN(replace(TINY, lambda_backward=0.0))
    play(method, make_optimisers(method), batch(), 0)  # the pools hold something now
    again = build(method.settings())
    assert type(again) is AdversarialCycleGAN
    assert again.recipe == method.recipe
    again.load_state_dict(method.state_dict())
    assert torch.equal(again.pool_b.slot0, method.pool_b.slot0)


@pytest.mark.parametrize(
    "numbers",
    [
        {"lambda_forward": -1.0},
        {"lambda_backward": math.nan},
        {"lambda_identity": 1e9},
        {"objective": "wasserstein"},
        {"adversarial": False, **GAN_ALONE},
        {"patch_layers": 0},
        {"size": 50},
        {"pool": -1},
    ],
)
def test_absurd_recipes_are_refused_by_name(numbers):
    with pytest.raises(ValueError, match="|".join([*numbers, "nothing to minimise"])):
        CycleGANRecipe(**numbers)


def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path):
    def train(folder, steps, resume=False):
        torch.manual_seed(3)
        method = CycleGAN(replace(TINY, pool=3, steps=6))  # a pool that overflows before the interruption
        data = facades.train("procedural", 32, 2, seed=3, paired=False)
        options = {"rates": method.recipe.rates(), "precision": "fp32", "progress": False}
        fit(method, data, steps, folder=folder, resume=resume, **options)
        return method.state_dict()

    straight = train(tmp_path / "straight", 6)
    train(tmp_path / "parts", 3)
    parts = train(tmp_path / "parts", 6, resume=True)
    assert all(torch.equal(straight[name], parts[name]) for name in straight)
