"""OP-GAN: the check points of the paper's sheet, who moves when, what S is shown, and what is refused.

Steps are played in fp32, whatever "auto" would be here; where two ways of computing are compared, in fp64.
"""

import math
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from textbook import compare_steps, exchanged
from torch import nn
from torch.optim import Adam

from i2i_tutor.data.streams import Stream
from i2i_tutor.methods import build, cyclegan, opgan
from i2i_tutor.methods.base import Scene
from i2i_tutor.methods.cyclegan import CycleGAN
from i2i_tutor.methods.opgan import OPGAN, RECIPES, OPGANRecipe, Siamese, assembled, cells, content_loss, domain_loss
from i2i_tutor.nn import count_parameters
from i2i_tutor.parameters import ParameterError
from i2i_tutor.training import fit, make_optimisers, play

TINY = replace(RECIPES["smoke"], base=2, siamese_base=2, siamese_features=4, steps=8, warm_up=0)
NETWORKS = ("g_ab", "g_ba", "d_a", "d_b", "siamese")
CONTENTS = ["literal", "stabilised"]


def batch(count=2, size=32, seed=0, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(2, count, 3, size, size, generator=draw, dtype=dtype) * 2 - 1
    return {"a": images[0], "b": images[1]}


def method(seed=0, **changes):
    torch.manual_seed(seed)
    return OPGAN(replace(TINY, **changes))


def scene_of(game, data, step=7):
    scene = Scene(data, step)
    game(scene)
    return scene


def weights(game):
    return {name: [p.detach().clone() for p in getattr(game, name).parameters()] for name in NETWORKS}


def moved(game, before):
    """The names of the networks whose weights are others than before."""
    return {
        name
        for name, old in before.items()
        if any(not torch.equal(p, q) for p, q in zip(getattr(game, name).parameters(), old, strict=True))
    }


def played(game, turn, scene, optimisers):
    loss = sum(getattr(game, turn.loss)(scene).values())
    loss.backward(inputs=[p for name in turn.moves for p in getattr(game, name).parameters()])
    for name in turn.moves:
        optimisers[name].step()
        optimisers[name].zero_grad()


# --- cells and pairs -----------------------------------------------------------------------------------------------


def test_256_pixels_make_nine_cells_of_85_row_by_row():
    images = torch.arange(2 * 3 * 256 * 256, dtype=torch.float32).view(2, 3, 256, 256)
    found = cells(images)
    assert found.shape == (2, 9, 3, 85, 85)
    for place in range(9):
        top, left = 85 * (place // 3), 85 * (place % 3)
        assert torch.equal(found[:, place], images[..., top : top + 85, left : left + 85])
    assert torch.equal(assembled(found), images[..., :255, :255])


def test_a_picture_need_not_be_square():
    images = torch.rand(1, 1, 7, 12)
    assert cells(images).shape == (1, 9, 1, 2, 4)
    assert torch.equal(assembled(cells(images)), images[..., :6, :])


@pytest.mark.parametrize("shape", [(1, 3, 2, 9), (1, 3, 9, 1)])
def test_a_picture_without_room_for_a_grid_is_refused(shape):
    with pytest.raises(ValueError, match=f"the images are {shape[2]}x{shape[3]}; a 3 x 3 grid needs 3 pixels a side"):
        cells(torch.zeros(shape))
    with pytest.raises(ValueError, match="expected float images"):
        cells(torch.zeros(3, 9, 9))  # one image without a batch


def test_the_153_pairs_are_36_36_9_and_72():
    found = Counter(opgan.scenario(pair) for pair in combinations(range(18), 2))
    assert found == {"D1": 36, "D2": 36, "C1": 9, "C2": 72}
    assert opgan.scenario((3, 12)) == opgan.scenario((12, 3)) == "C1"
    assert opgan.scenario((3, 13)) == "C2"
    for wrong in ((3, 3), (0, 18), (-1, 4)):
        with pytest.raises(ValueError, match="expected two different whole numbers from 0 to 17"):
            opgan.scenario(wrong)


def test_pairs_are_drawn_by_their_law():
    torch.manual_seed(0)
    uniform = Counter(opgan.scenario(opgan.uniform_pair()) for _ in range(4000))
    assert {name: count / 4000 for name, count in uniform.items()} == pytest.approx(
        {"D1": 36 / 153, "D2": 36 / 153, "C1": 9 / 153, "C2": 72 / 153}, abs=0.03
    )
    triples = [opgan.balanced_pairs() for _ in range(1000)]
    assert all([opgan.scenario(pair) for pair in three[:2]] == ["D1", "D2"] for three in triples)
    assert Counter(opgan.scenario(three[2]) for three in triples)["C1"] == pytest.approx(500, abs=60)


@pytest.mark.parametrize(("sampling", "count"), [("balanced", 6), ("uniform", 2)])
def test_each_direction_has_pairs_of_its_own(sampling, count):
    game = method(content="literal", sampling=sampling, pairs=2)
    scene = scene_of(game, batch())
    assert [len(pairs) for pairs in scene.pairs] == [count, count]
    for pairs in scene.content_pairs:
        assert all(opgan.scenario(pair) == "C1" for pair in pairs)
        assert len(pairs) == 2 or sampling == "uniform"


# --- the networks --------------------------------------------------------------------------------------------------


def test_the_paper_profile_has_the_papers_networks():
    recipe = RECIPES["paper"]
    with torch.device("meta"):
        game = OPGAN(recipe)
        content, domain = game.siamese.encode(torch.zeros(2, 3, 85, 85))
        patches = torch.zeros(4, 3, 85, 85)
        maps, logits = game.siamese.content(patches), game.siamese.domain(patches, patches)
    assert content.shape == domain.shape == (2, 512, 11, 11)
    assert game.siamese.domain_head.in_features == 1024
    assert (maps.shape, logits.shape) == ((4, 85, 85), (4, 3))
    assert count_parameters(game.siamese) == 2_742_404
    assert count_parameters(game.g_ab) == 11_378_179
    assert count_parameters(game.d_a) == 2_764_737
    assert (recipe.lambda_forward, recipe.lambda_backward, recipe.lambda_identity) == (10, 10, 0)
    assert (recipe.content, recipe.lambda_content, recipe.lambda_domain, recipe.warm_up) == ("literal", 1, 1, 0)
    assert (recipe.siamese_rate, recipe.learning_rate, recipe.batch, recipe.pool) == (2e-4, 2e-4, 1, 50)


def test_one_strided_layer_makes_11_of_21():
    assert Siamese(4, layers=1, features=2, kernel=3).encode(torch.zeros(1, 3, 21, 21))[0].shape == (1, 2, 11, 11)


@pytest.mark.parametrize("numbers", [(7, 3, 2), (3, 2, 1), (3, 1, 2), (5, 2, 2)])
def test_the_receptive_field_is_that_of_the_gradient(numbers):
    kernel, layers, stride = numbers
    network = Siamese(2, layers, 2, kernel, stride).double()
    for part in network.encoder:
        if isinstance(part, nn.Conv2d):
            nn.init.ones_(part.weight)
    image = torch.ones(1, 3, 63, 63, dtype=torch.double, requires_grad=True)
    found = network.encode(image)[0]
    found[0, 0, found.shape[2] // 2, found.shape[3] // 2].backward()
    seen = image.grad.abs().sum((0, 1)) > 0
    assert int(seen.any(1).sum()) == opgan.receptive_field(kernel, layers, stride)


def test_both_patches_go_through_one_encoder():
    network, patch = method().siamese, batch(size=10)["a"]
    both = network.domain(patch, patch)
    features = network.encode(patch)[1].mean((2, 3))
    assert torch.allclose(both, network.domain_head(torch.cat([features, features], 1)), atol=1e-6)


def test_there_is_no_norm_since_it_would_hide_the_domain():
    assert not [m for m in method().siamese.modules() if "Norm" in type(m).__name__]
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(3, 16, 3), nn.InstanceNorm2d(16, eps=0.0)
    patch = batch(size=21)["a"]
    bare, dark = convolution(patch), convolution(0.3 * patch - 0.5)
    assert (bare - dark).abs().max() > 0.5
    assert (norm(bare) - norm(dark)).abs().max() < 0.01


# --- the losses ----------------------------------------------------------------------------------------------------


def test_the_content_loss_is_the_mean_squared_difference():
    maps = torch.rand(2, 9, 4, 4)
    assert content_loss(maps, maps) == 0
    assert content_loss(torch.zeros(4, 4), torch.full((4, 4), 0.5)) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="equal shapes"):
        content_loss(maps, maps[:, :1])


def test_the_domain_loss_has_three_classes_and_c1_and_c2_are_one():
    pairs = [(0, 1), (9, 10), (0, 9), (0, 10)]
    assert domain_loss(torch.zeros(2, 4, 3), pairs) == pytest.approx(math.log(3))
    right = torch.eye(3)[[0, 1, 2, 2]].expand(2, 4, 3) * 100
    assert domain_loss(right, pairs) == pytest.approx(0)
    for place in range(4):
        wrong = right.clone()
        wrong[0, place] = wrong[0, place].roll(1)
        assert domain_loss(wrong, pairs) == pytest.approx(100 / 8)


def test_an_untrained_s_does_not_know_the_domain():
    game = method(siamese_base=8, siamese_features=16)
    scene = scene_of(game, batch())
    assert float(game.domain_of(scene).detach()) == pytest.approx(2 * math.log(3), abs=0.1)  # of two directions


def test_standardised_maps_have_mean_zero_and_variance_one_but_flat_ones_stay_small():
    maps = opgan.standardised(torch.rand(2, 9, 8, 8, dtype=torch.double) * 5 + 3)
    assert maps.mean((-2, -1)).abs().max() < 1e-9
    assert torch.allclose(maps.square().mean((-2, -1)), torch.ones(2, 9, dtype=torch.double), atol=1e-2)
    assert opgan.standardised(1e-4 * torch.rand(1, 1, 8, 8)).abs().max() < 0.01
    assert opgan.standardised(maps.bfloat16()).dtype == torch.float32


def test_constant_maps_pay_for_finding_nothing_and_right_ones_do_not():
    torch.manual_seed(0)
    maps = opgan.standardised(torch.randn(3, 9, 10, 10))
    assert opgan.registration_loss(torch.zeros(3, 9, 10, 10), torch.zeros(3, 9, 10, 10)) == pytest.approx(math.log(9))
    assert opgan.registration_loss(maps, maps) < 0.3
    assert opgan.registration_loss(maps, maps.roll(1, 1)) > 3


def test_other_colours_are_one_change_for_each_image():
    torch.manual_seed(0)
    flat = torch.rand(2, 1, 3, 1, 1).expand(2, 9, 3, 12, 12) * 2 - 1
    found = opgan.recoloured(flat)
    assert found.shape == flat.shape
    means = found.mean((-2, -1))  # (2, 9, 3)
    assert means.std(1).max() < 0.05  # the same in all nine cells, but for grain and what is clipped
    assert (means[0] - means[1]).abs().max() > 0.1
    again = opgan.recoloured(flat)
    assert not torch.allclose(found, again)


def test_the_order_of_brightness_does_not_survive():
    torch.manual_seed(0)
    dark, bright = -0.5 * torch.ones(400, 9, 3, 6, 6), 0.5 * torch.ones(400, 9, 3, 6, 6)
    pictures = torch.cat([dark, bright], dim=-1)
    halves = opgan.recoloured(pictures).mean(2)  # grey
    brighter = (halves[..., 8:].mean((1, 2, 3)) > halves[..., :4].mean((1, 2, 3))).float().mean()
    assert float(brighter) == pytest.approx(0.5, abs=0.08)


def test_edges_do_not_mind_how_colours_are_turned_or_dimmed():
    torch.manual_seed(0)
    image = F.interpolate(torch.rand(2, 3, 6, 6, dtype=torch.double) * 2 - 1, scale_factor=4)
    turned = torch.einsum("ij,njhw->nihw", torch.linalg.qr(torch.randn(3, 3).double())[0], 0.5 * image)
    found = opgan.edges(image)
    assert found.shape == (2, 1, 23, 23)
    assert 0 <= found.min() < found.max() <= 1
    assert (found - opgan.edges(turned)).abs().max() < 0.02
    assert (found - opgan.edges(image.roll(2, -1))).abs().max() > 0.5
    assert opgan.edges(torch.zeros(1, 3, 8, 8)).std() < 1e-6


# --- the moves -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", CONTENTS)
def test_first_the_generators_move_then_the_discriminators_with_s(content):
    game, data = method(content=content), batch()
    assert [turn.moves for turn in game.turns] == [("g_ab", "g_ba"), ("d_a", "d_b", "siamese")]
    optimisers, scene = make_optimisers(game), scene_of(game, data)
    for turn in game.turns:
        before = weights(game)
        played(game, turn, scene, optimisers)
        assert moved(game, before) == set(turn.moves)
        assert all(p.grad is None for p in game.parameters())


@pytest.mark.parametrize("content", CONTENTS)
def test_both_parts_of_the_self_supervised_loss_reach_the_generators(content):
    game = method(content=content)
    scene = scene_of(game, batch())
    for term in (game.content_of(scene), game.domain_of(scene)):
        gradients = torch.autograd.grad(term, list(game.g_ab.parameters()), retain_graph=True, allow_unused=True)
        assert any(g is not None and g.abs().sum() > 0 for g in gradients)


def test_the_generators_minimise_what_the_paper_lists():
    game = method(content="literal", lambda_content=1.0, lambda_domain=1.0, lambda_identity=0.0)
    scene = scene_of(game, batch())
    terms = {name: float(term.detach()) for name, term in game.generator_loss(scene).items()}
    assert set(terms) == {"gan_ab", "gan_ba", "cycle_a", "cycle_b", "content", "domain"}
    assert terms["content"] == pytest.approx(float(game.content_of(scene).detach()))
    assert terms["domain"] == pytest.approx(float(game.domain_of(scene).detach()))
    assert set(game.discriminator_loss(scene)) == {"d_a", "d_b", "siamese_content", "siamese_domain"}


@pytest.mark.parametrize("content", ["literal", "stabilised", "edges"])
def test_without_weights_it_is_cyclegan_bit_for_bit(content):
    without = method(content=content, lambda_content=0.0, lambda_domain=0.0)
    torch.manual_seed(0)
    parent = CycleGAN(replace(cyclegan.RECIPES["smoke"], base=2, steps=8, lambda_identity=5.0))
    for step in range(2):
        for game in (without, parent):
            torch.manual_seed(step)
            play(game, make_optimisers(game), batch(seed=step), step)
    assert without.siamese is None
    assert all(torch.equal(value, without.state_dict()[name]) for name, value in parent.state_dict().items())


def test_no_content_pair_is_no_content_loss():
    game = method(content="literal", sampling="uniform")
    scene = scene_of(game, batch())
    scene.content_pairs = ([], [])
    loss = game.content_of(scene)
    assert float(loss) == 0
    assert not loss.requires_grad


def test_the_literal_loss_compares_raw_maps_of_one_place():
    game = method(content="literal").double()
    scene = scene_of(game, batch(dtype=torch.double))
    scene.content_pairs = ([(4, 13)], [(0, 9)])
    expected = 0
    for place, (one, other) in zip((4, 0), game.both_directions(scene), strict=True):
        maps = [game.siamese.content(cells(images)[:, place]) for images in (one, other)]
        expected = expected + (maps[0] - maps[1]).square().mean()
    assert torch.allclose(game.content_of(scene), expected)


def test_s_is_shown_the_translations_of_this_step_and_none_of_the_pool(monkeypatch):
    game, shown = method(), []
    optimisers = make_optimisers(game)
    play(game, optimisers, batch(seed=1), 0)
    for pool in (game.pool_a, game.pool_b):
        monkeypatch.setattr(pool, "query", lambda images: (torch.zeros_like(images),))
    real = opgan.chosen
    monkeypatch.setattr(opgan, "chosen", lambda *given: shown.append(given[:2]) or real(*given))
    scene = scene_of(game, batch(), step=1)
    a, b, fake_a, fake_b = scene.batch["a"], scene.batch["b"], scene.fake_a, scene.fake_b
    game.generator_loss(scene)
    assert [(x is a, y is fake_b) for x, y in shown[:1]] == [(True, True)]
    assert [(x is fake_a, y is b) for x, y in shown[1:2]] == [(True, True)]
    game.discriminator_loss(scene)
    assert torch.equal(shown[2][1], fake_b)
    assert torch.equal(shown[3][0], fake_a)
    assert not shown[2][1].requires_grad


def test_in_the_warm_up_s_alone_learns_from_real_pictures():
    game = method(warm_up=2)
    optimisers, before = make_optimisers(game), weights(game)
    for step in range(2):
        terms = play(game, optimisers, batch(seed=step), step)
        assert set(terms) == {"siamese_content"}
    assert moved(game, before) == {"siamese"}
    before = weights(game)
    play(game, optimisers, batch(), 2)
    assert moved(game, before) == set(NETWORKS)


def test_the_rate_falls_behind_the_warm_up():
    rates = OPGANRecipe(
        size=64, siamese_kernel=3, steps=100, warm_up=20, decay=0.5, epoch=0, content="stabilised"
    ).rates()  # fmt: skip
    assert [rates(step) for step in (0, 19, 20, 59)] == [1, 1, 1, 1]
    assert 0 < rates(99) < rates(70) < 1


def test_s_learns_at_its_own_rate():
    optimisers = make_optimisers(method(learning_rate=1e-3, siamese_rate=1e-5))
    rates = {name: optimiser.param_groups[0]["lr"] for name, optimiser in optimisers.items()}
    assert rates == dict.fromkeys(NETWORKS, 1e-3) | {"siamese": 1e-5}


def test_edges_need_no_siamese_network():
    game = method(content="edges", lambda_domain=0.0, lambda_content=18.0)
    assert game.siamese is None
    terms = play(game, make_optimisers(game), batch(), 0)
    assert terms["content"] > 0
    with pytest.raises(ValueError, match="no Siamese network"):
        game.content_maps(batch()["a"])


# --- gauge freedom, and the collapse ---------------------------------------------------------------------------------


def test_no_cycle_sees_a_shift_that_the_way_back_undoes():
    game, data = method().double(), batch(dtype=torch.double)
    scene = scene_of(game, data)
    with torch.no_grad():
        shifted = game.g_ab(data["a"]).roll(5, -1)
        back = game.g_ba(shifted.roll(-5, -1))
        assert torch.allclose(back, scene.cycled_a, atol=1e-12)
        other = data["b"].roll(5, -1)
        way = game.g_ab(game.g_ba(other.roll(-5, -1))).roll(5, -1)
    loss = game.cycle_loss("b", other, way)
    assert float(loss) == pytest.approx(float(game.cycle_loss("b", data["b"], scene.cycled_b).detach()), abs=1e-6)


def learnt(content):
    """Spread of the raw maps, before and after S has learnt by itself, for some steps, with generators that stay."""
    game = method(content=content, siamese_base=4, siamese_features=8, siamese_rate=2e-3)
    pictures = F.interpolate(batch(4, 8)["a"], scale_factor=4)
    data = {"a": pictures, "b": pictures.flip(0)}

    def spread():
        return float(game.siamese.content(cells(pictures)).std((-2, -1)).mean().detach())

    optimisers, before = make_optimisers(game), spread()
    for step in range(150):
        torch.manual_seed(step)
        scene = scene_of(game, data)
        term = game.discriminator_loss(scene)["siamese_content"]
        term.backward(inputs=list(game.siamese.parameters()))
        optimisers["siamese"].step()
        optimisers["siamese"].zero_grad()
    return before, spread()


def test_the_literal_loss_lets_the_maps_collapse_and_the_stabilised_one_does_not():
    before, after = learnt("literal")
    assert after < before / 4
    before, after = learnt("stabilised")
    assert after > before


# --- steps in plain PyTorch ----------------------------------------------------------------------------------------


def drawn():
    """Two pairs of each class for the domain loss, and two places for the literal content loss."""
    pairs = []
    for _ in range(2):
        first, second = torch.randperm(9)[:2].tolist()
        pairs += [sorted((first, second)), sorted((first + 9, second + 9))]
        pairs.append([first, 9 + (first if torch.rand(()) < 0.5 else second)])
    return pairs, torch.randint(9, (2,)).tolist()


def in_other_colours(patches):
    """The cells of each picture, ``(N, 9, 3, h, w)``, by its own waves, light and grain."""
    count, (height, width) = len(patches), patches.shape[-2:]
    directions, mixture = 1.5 * torch.randn(count, 6, 3), torch.randn(count, 3, 6) / 6**0.5
    start = (2 * torch.pi * torch.rand(count, 1, 6, 1, 1)).view(count, 6)
    gain, down, across = 0.35 + 0.65 * torch.rand(count), *(0.8 * torch.rand(2, count) - 0.4)
    grain = 0.04 * torch.randn(patches.shape)
    rows, columns = torch.linspace(-0.5, 0.5, height)[:, None], torch.linspace(-0.5, 0.5, width)
    result = torch.empty_like(patches)
    for n in range(count):
        for cell in range(9):
            for channel in range(3):
                wave = sum(
                    mixture[n, channel, k]
                    * torch.sin(sum(directions[n, k, c] * patches[n, cell, c] for c in range(3)) + start[n, k])
                    for k in range(6)
                )
                result[n, cell, channel] = gain[n] * wave + down[n] * rows + across[n] * columns
    return (result + grain).clamp(-1.2, 1.2)


def textbook(net):
    recipe, s = net.recipe, net.siamese
    g_ab, g_ba, d_a, d_b = net.g_ab, net.g_ba, net.d_a, net.d_b
    generators = Adam([*g_ab.parameters(), *g_ba.parameters()], 1e-3, (0.5, 0.999))
    discriminators = Adam([*d_a.parameters(), *d_b.parameters()], 1e-3, (0.5, 0.999))
    of_s = Adam(s.parameters(), 2e-3, (0.5, 0.999))
    literal = recipe.content == "literal"

    def cell(picture, place):
        side = picture.shape[-1] // 3
        row, column = divmod(place % 9, 3)
        return picture[..., row * side : (row + 1) * side, column * side : (column + 1) * side]

    def standard(maps):
        centred = maps - maps.mean((-2, -1), keepdim=True)
        return centred / (centred.square().mean((-2, -1), keepdim=True) + 1e-3).sqrt()

    def content(both, of_directions):
        total = 0
        for (one, two), (_, places) in zip(both, of_directions, strict=True):
            parts = []
            for place in places if literal else range(9):
                maps = [s.content(cell(picture, place)) for picture in (one, two)]
                maps = maps if literal else map(standard, maps)
                parts.append(torch.stack([*maps]).diff(dim=0).square().mean())
            total = total + sum(parts) / len(parts)
        return total

    def domain(both, of_directions):
        total = 0
        for (one, two), (pairs, _) in zip(both, of_directions, strict=True):
            for pair in pairs:
                patches = [cell(one if place < 9 else two, place) for place in pair]
                features = torch.cat([s.encode(patch)[1].mean((2, 3)) for patch in patches], 1)
                label = 0 if max(pair) < 9 else 1 if min(pair) >= 9 else 2
                total = total - s.domain_head(features).log_softmax(1)[:, label].mean() / len(pairs)
        return total

    def registration(a, b):
        """Each cell is found again in other colours, among the nine of its picture."""
        real = torch.stack([cell(torch.cat([a, b]), place) for place in range(9)], 1)
        one, other = (standard(s.content(some)) for some in (real, in_other_colours(real)))
        total = (one - other).square().mean()
        for n, place in np.ndindex(one.shape[:2]):
            alike = (one[n, place] * other[n]).mean((-2, -1)) / 0.2
            total = total - alike.log_softmax(0)[place] / one.shape[:2].numel()
        return total

    def step(batch, number):
        a, b = batch["a"], batch["b"]
        if number < recipe.warm_up:
            loss = registration(a, b)
            of_s.zero_grad()
            loss.backward()
            of_s.step()
            return {"siamese_content": loss}
        # In this order they draw: the pairs of both directions, the pools, other colours
        of_directions = [drawn(), drawn()]
        fake_b, fake_a = g_ab(a), g_ba(b)
        both = (a, fake_b), (fake_a, b)
        terms = {
            "gan_ab": (d_b(fake_b) - 1).square().mean(),
            "gan_ba": (d_a(fake_a) - 1).square().mean(),
            "cycle_a": 10 * (g_ba(fake_b) - a).abs().mean(),
            "cycle_b": 10 * (g_ab(fake_a) - b).abs().mean(),
            "identity_b": 5 * (g_ab(b) - b).abs().mean(),
            "identity_a": 5 * (g_ba(a) - a).abs().mean(),
            "content": 4 * content(both, of_directions),
            "domain": 0.5 * domain(both, of_directions),
        }
        generators.zero_grad()
        sum(terms.values()).backward()
        generators.step()
        (old_a,), (old_b,) = exchanged(net.pool_a, fake_a), exchanged(net.pool_b, fake_b)
        both = (a, fake_b.detach()), (fake_a.detach(), b)  # of this step, not of the pools
        later = {
            "d_a": 0.5 * ((d_a(a) - 1).square().mean() + d_a(old_a).square().mean()),
            "d_b": 0.5 * ((d_b(b) - 1).square().mean() + d_b(old_b).square().mean()),
            "siamese_content": content(both, of_directions) if literal else registration(a, b),
            "siamese_domain": domain(both, of_directions),
        }
        discriminators.zero_grad(), of_s.zero_grad()
        sum(later.values()).backward()
        discriminators.step(), of_s.step()
        return terms | later

    return step


@pytest.mark.parametrize(("content", "warm_up"), [("literal", 0), ("stabilised", 0), ("stabilised", 1)])
def test_five_steps_are_those_of_plain_pytorch(content, warm_up):
    game = method(
        content=content, warm_up=warm_up, pairs=2, lambda_domain=0.5, lambda_identity=5.0, pool=3, average=0.0
    ).double()
    for kept in (game.pool_a, game.pool_b):
        kept.query(torch.rand(2, 3, 32, 32, dtype=torch.double) * 2 - 1)
    compare_steps(game, textbook, [batch(seed=seed, dtype=torch.double) for seed in range(5)])


# --- afterwards ----------------------------------------------------------------------------------------------------


def test_translating_needs_one_generator_and_no_s(monkeypatch):
    game, image = method(), batch()["a"]
    expected = game.averaged("g_ab")(image).detach()
    for name in ("siamese", "d_a", "d_b", "g_ba"):
        monkeypatch.delattr(game, name)
    assert torch.equal(game.translate(image), expected)


def test_content_maps_of_a_picture_are_those_of_its_cells():
    game, image = method(), batch()["a"]
    maps = game.content_maps(image, standard=False)
    assert maps.shape == (2, 1, 30, 30)
    with torch.no_grad():
        assert torch.allclose(maps[:, 0, 10:20, :10], game.siamese.content(cells(image)[:, 3]), atol=1e-6)
    assert cells(game.content_maps(image)).mean((-2, -1)).abs().max() < 1e-5
    with pytest.raises(ValueError, match=r"expected \[-1, 1\]"):
        game.content_maps(2 * image)


@pytest.mark.parametrize("changes", [{"warm_up": 3}, {"content": "literal", "sampling": "uniform"}])
def test_resumed_equals_uninterrupted_bit_for_bit(changes, tmp_path):
    def run(folder, steps, resume=False):
        game = method(seed=3, **changes)
        data = Stream(lambda position, rng: batch(seed=position), seed=0)
        fit(game, data, steps, folder=folder, resume=resume, save_every=3, progress=False, precision="fp32")
        return game

    whole = run(tmp_path / "whole", 8)
    for steps in (2, 5, 8):  # within the warm-up, behind it, to the end
        parts = run(tmp_path / "parts", steps, resume=steps > 2)
    assert whole.state_dict().keys() == parts.state_dict().keys()
    assert all(torch.equal(value, parts.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_checkpoint_builds_the_same_method_again():
    game = method()
    again = build(game.settings())
    again.load_state_dict(deepcopy(game.state_dict()))
    assert isinstance(again, OPGAN)
    assert torch.equal(again.translate(batch()["a"]), game.translate(batch()["a"]))
    assert torch.equal(again.content_maps(batch()["a"]), game.content_maps(batch()["a"]))


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": 32}, "a cell of the 3 x 3 grid has 10 pixels a side, fewer than the 21 .* choose size 64 or more"),
        ({"siamese_kernel": 4}, "siamese_kernel is 4; a kernel with a middle has an odd side"),
        ({"adversarial": False}, "OP-GAN has discriminators"),
        ({"warm_up": 10}, "warm_up teaches the stabilised content"),
        ({"warm_up": 10, "content": "stabilised", "lambda_content": 0.0}, "warm_up teaches the stabilised content"),
        ({"warm_up": 50, "steps": 50, "content": "stabilised"}, "warm_up is 50 of 50 steps"),
        ({"content": "both"}, "content must be"),
        ({"sampling": "all"}, "sampling must be"),
        ({"lambda_domain": -1.0}, "lambda_domain must be"),
        ({"lambda_content": float("nan")}, "lambda_content must be"),
        ({"pairs": 0}, "pairs must be"),
        ({"size": 66}, "multiples of 4"),
    ],
)
def test_a_wrong_number_is_refused_before_anything_is_built(changes, sentence):
    with pytest.raises(ParameterError, match=sentence):
        replace(OPGANRecipe(), **changes)


def test_a_small_picture_is_refused_only_if_s_must_look_at_it():
    small = replace(OPGANRecipe(), size=32, content="edges", lambda_domain=0.0)
    assert not small.has_siamese


def test_a_side_that_the_batch_lacks_is_named():
    with pytest.raises(ValueError, match="the batch has no 'b'"):
        play(method(), make_optimisers(method()), {"a": batch()["a"]}, 0)


def test_an_empty_batch_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="N > 0"):
        play(method(), make_optimisers(method()), {"a": batch()["a"], "b": batch()["b"][:0]}, 0)
