"""StarGAN and MatchGAN: the check points of the paper's sheet, which pairs there are, who moves when and by what.

Steps are played in fp32, whatever "auto" would be here; where two ways of computing are compared, in fp64.
"""

import math
from copy import deepcopy
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from textbook import compare_steps
from torch import nn
from torch.optim import Adam

from i2i_tutor.data.images import read_rgb, write_png
from i2i_tutor.data.streams import Stream, to_tensor, to_uint8
from i2i_tutor.methods import build
from i2i_tutor.methods.base import Scene
from i2i_tutor.methods.matchgan import (
    RECIPES,
    MatchGAN,
    MatchGANRecipe,
    StarGAN,
    StarGANRecipe,
    by_target,
    label_loss,
    match_loss,
    pairs,
)
from i2i_tutor.nn import count_parameters
from i2i_tutor.parameters import ParameterError
from i2i_tutor.training import checkpoints, fit, make_optimisers, play
from i2i_tutor.translate import translate_files

# The numbers are the tests' own, so that whoever tunes the recipes need not look here
TINY = MatchGANRecipe(
    size=16, batch=12, groups=3, steps=8, labels=3, learning_rate=1e-3, critic=1, objective="hinge",
    weight_adversarial=3.0, gradient_penalty=0.0, cover=0.5, base=2, blocks=1, kernel=5, label_in="norms", change=True,
    body="small", discriminator_base=2, layers=3,
)  # fmt: skip
# The networks and the objective of the papers, as small as they get
PAPER = {
    "objective": "wasserstein", "weight_adversarial": 1.0, "gradient_penalty": 10.0, "cover": 0.0, "kernel": 7,
    "label_in": "input", "change": False, "body": "paper", "critic": 5,
}  # fmt: skip
BOTH = pytest.mark.parametrize("form", [{}, PAPER | {"critic": 1}], ids=["small", "paper"])
NETWORKS = ("generator", "discriminator")
LN2 = math.log(2)


def matchgan(seed=0, **changes):
    torch.manual_seed(seed)
    return MatchGAN(replace(TINY, **changes))


def stargan(seed=0, **changes):
    torch.manual_seed(seed)
    shared = {field.name: getattr(TINY, field.name) for field in fields(StarGANRecipe)}
    return StarGAN(StarGANRecipe(**shared | changes))


def batch(seed=0, labelled=True, dtype=torch.float32, groups=3, size=16, bits=3):
    """Four images of each of some labels, in the order of the labels; row j is given target j modulo their number."""
    draw = torch.Generator().manual_seed(seed)
    rows = torch.arange(4 * groups)
    kinds, targets = (torch.randperm(2**bits, generator=draw)[:groups][place] for place in (rows // 4, rows % groups))
    label, wanted = (((of[:, None] >> torch.arange(bits)) & 1).to(dtype) for of in (kinds, targets))
    image = torch.rand(4 * groups, 3, size, size, generator=draw, dtype=dtype) * 2 - 1
    return {"image": image, "wanted": wanted} | ({"label": label} if labelled else {})


def scene_of(game, data=None, step=0):
    torch.manual_seed(7)
    scene = Scene(batch() if data is None else data, step)
    game(scene)
    return scene


def weights(game, *names):
    return {name: [p.detach().clone() for p in getattr(game, name).parameters()] for name in names or NETWORKS}


def moved(game, before):
    return {
        name
        for name, old in before.items()
        if any(not torch.equal(p, q) for p, q in zip(getattr(game, name).parameters(), old, strict=True))
    }


def reached(network):
    """How much gradient has arrived at a network."""
    return sum(float(p.grad.abs().sum()) for p in network.parameters() if p.grad is not None)


def numbers(terms):
    return {name: float(term.detach()) for name, term in terms.items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


# --- the paper's numbers -------------------------------------------------------------------------------------------


def test_the_paper_profile_is_the_papers():
    recipe = RECIPES["paper"]
    with torch.device("meta"):
        game, parent = MatchGAN(recipe), StarGAN(StarGANRecipe())
    assert count_parameters(game.generator) == count_parameters(parent.generator) == 8_430_528
    assert count_parameters(game) == 53_225_344
    assert count_parameters(parent) == 53_192_576
    assert not game.averages
    assert (recipe.size, recipe.labels, recipe.exclusive, recipe.batch, recipe.groups) == (128, 5, False, 16, 4)
    assert (recipe.steps, recipe.learning_rate, recipe.beta1, recipe.beta2) == (200_000, 1e-4, 0.5, 0.999)
    assert (recipe.critic, recipe.objective, recipe.unlabelled) == (5, "wasserstein", True)
    assert (recipe.weight_adversarial, recipe.weight_label, recipe.weight_reconstruction) == (1, 1, 10)
    assert (recipe.gradient_penalty, recipe.weight_match, recipe.match_head) == (10, 0.5, "paper")
    assert (recipe.weight_turns, recipe.cover, recipe.change, recipe.label_in) == (0, 0, False, "input")
    assert (recipe.body, recipe.layers, recipe.blocks, recipe.kernel) == ("paper", 6, 6, 7)


def test_the_rate_stays_as_in_the_code_or_falls_to_0_as_in_the_text():
    assert {RECIPES["paper"].rates()(step) for step in (0, 100_000, 199_999)} == {1}
    rates = replace(RECIPES["paper"], decay=0.5).rates()
    assert [rates(step) for step in (0, 99_999, 200_000)] == [1, 1, 0]
    assert rates(150_000) == pytest.approx(0.5, abs=1e-4)


# --- pairs ---------------------------------------------------------------------------------------------------------


def test_the_sixteen_pairs_of_four_groups():
    first, second, same = pairs(4)
    found = list(zip(first.tolist(), second.tolist(), strict=True))
    assert found[:4] == [(0, 1), (4, 5), (8, 9), (12, 13)]
    assert found[4:8] == [(2, 15), (6, 3), (10, 7), (14, 11)]
    assert found[8:12] == [(0, 11), (4, 15), (8, 3), (12, 7)]
    assert found[12:] == [(2, 1), (6, 5), (10, 9), (14, 13)]
    assert same.tolist() == [1] * 4 + [0] * 8 + [1] * 4
    assert same.dtype == torch.int64


@given(st.integers(3, 200))
def test_of_three_groups_or_more_there_are_as_many_pairs_of_one_label_as_of_two(groups):
    first, second, same = pairs(groups)
    assert torch.equal(first // 4 == second // 4, same == 1)
    assert int(same.sum()) == 2 * groups == len(same) // 2
    anchors = torch.cat([torch.arange(0, 4 * groups, 4), torch.arange(2, 4 * groups, 4)]).sort().values
    for kind, rest in ((1, 1), (0, 3)):  # each anchor has one of each kind; the others are of one kind, and come twice
        assert torch.equal(first[same == kind].sort().values, anchors)
        others = torch.arange(rest, 4 * groups, 4).repeat_interleave(2)
        assert torch.equal(second[same == kind].sort().values, others)
    negative = torch.stack([first, second], 1)[same == 0] // 4
    assert len(negative.unique(dim=0)) == 2 * groups  # of two other groups


@pytest.mark.parametrize(("groups", "wrong"), [(1, 2), (2, 2), (3, 0)])
def test_with_two_groups_some_negatives_are_none(groups, wrong):
    first, second, same = pairs(groups)
    assert int(((first // 4 == second // 4) & (same == 0)).sum()) == wrong


def test_fakes_are_put_in_the_order_of_their_targets_by_a_transposition():
    order = by_target(4)
    assert order.tolist() == [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]
    assert torch.equal(order[order], torch.arange(16))
    assert torch.equal(order, torch.arange(16).view(4, 4).T.flatten())


@given(st.integers(1, 200))
def test_a_group_of_fakes_has_one_target_and_as_many_sources_as_can_be(groups):
    order = by_target(groups)
    assert torch.equal(order.sort().values, torch.arange(4 * groups))
    assert torch.equal(order % groups, torch.arange(groups).repeat_interleave(4))
    for fakes in (order // 4).view(groups, 4):
        assert len(fakes.unique()) == min(4, groups)


# --- the losses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda: match_loss(torch.zeros(16, 2), pairs(4)[2]), LN2),
        (lambda: label_loss(torch.zeros(7, 5), torch.ones(7, 5)), 5 * LN2),
        (lambda: label_loss(torch.zeros(3, 8), torch.eye(8)[:3], exclusive=True), math.log(8)),
        (lambda: label_loss(torch.tensor([[math.log(3), 0.0]]), torch.tensor([[1.0, 0.0]])), math.log(4 / 3) + LN2),
        (lambda: match_loss(torch.tensor([[0.0, math.log(3)]]), torch.tensor([0])), math.log(4)),
        (lambda: match_loss(torch.tensor([[0.0, math.log(3)]]), torch.tensor([1])), math.log(4 / 3)),
    ],
)
def test_losses_worked_by_hand(loss, expected):
    assert float(loss()) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 12))
def test_a_label_s_loss_is_the_sum_over_its_numbers_and_the_mean_over_the_images(seed, count, bits):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, bits, generator=draw, dtype=torch.double) * 30
    label = torch.randint(0, 2, (count, bits), generator=draw).double()
    expected = F.binary_cross_entropy_with_logits(logits, label, reduction="sum") / count
    torch.testing.assert_close(label_loss(logits, label), expected)
    one = F.one_hot(torch.randint(0, bits, (count,), generator=draw), bits).double()
    torch.testing.assert_close(label_loss(logits, one, exclusive=True), F.cross_entropy(logits, one))


def test_the_match_loss_is_half_of_what_a_triplet_costs():
    torch.manual_seed(0)
    logits = torch.randn(16, 2, dtype=torch.double)
    said = logits.softmax(1).log()
    triplets = [(0, 8), (1, 9), (2, 10), (3, 11), (12, 4), (13, 5), (14, 6), (15, 7)]  # (a, p) and (a, n) of one anchor
    first, _, same = pairs(4)
    assert all(first[p] == first[n] and same[p] > same[n] for p, n in triplets)
    cost = torch.stack([-said[p, 1] - said[n, 0] for p, n in triplets]).mean()
    torch.testing.assert_close(match_loss(logits, same), cost / 2)


def test_losses_are_exact_enough_for_half_precision():
    logits = torch.full((4, 3), 0.01, dtype=torch.bfloat16)
    assert label_loss(logits, torch.ones(4, 3, dtype=torch.bfloat16)).dtype == torch.float32
    assert match_loss(logits[:, :2], torch.ones(4, dtype=torch.int64)).dtype == torch.float32


@BOTH
def test_an_undecided_discriminator_pays_what_chance_costs(form):
    game = matchgan(**form)
    for head in (game.discriminator.label, game.discriminator.same):
        for p in head.parameters():
            nn.init.zeros_(p)
    scene = scene_of(game)
    found = numbers(game.discriminator_loss(scene) | game.generator_loss(scene))
    for name in ("label_real", "label_fake"):
        assert found[name] == pytest.approx(3 * LN2, rel=1e-6)
    for name in ("match_real", "match_fake"):
        assert found[name] == pytest.approx(0.5 * LN2, rel=1e-6)


@pytest.mark.parametrize("head", ["paper", "compares"])
def test_the_match_loss_of_gathered_embeddings_is_that_of_two_looks_at_the_images(head):
    game, data = matchgan(**PAPER, match_head=head).double(), batch(dtype=torch.double)
    d, (first, second, answer) = game.discriminator, pairs(3)
    one, other = (d(data["image"][rows])[2] for rows in (first, second))
    twice = F.cross_entropy(d.match(one, other), answer)
    torch.testing.assert_close(game.match(d(data["image"])[2]), twice, rtol=0, atol=1e-12)
    order = by_target(3)
    fakes = game.generator(data["image"], data["wanted"])[order]
    one, other = (d(fakes[rows])[2] for rows in (first, second))
    term = game.generator_loss(scene_of(game, data, step=4))["match_fake"]
    torch.testing.assert_close(term, 0.5 * F.cross_entropy(d.match(one, other), answer), rtol=0, atol=1e-12)


class Critic(nn.Module):
    """A D whose 2 x 2 patches' logits sum up to a straight line of this slope."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope, dtype=torch.double))

    def forward(self, image, covered=None):
        patches = 64 * F.avg_pool2d(image.sum(1, keepdim=True), 8)
        return self.slope * patches / (3 * 16 * 16) ** 0.5, image[:, :, 0, 0], image[:, :, :1, :1]


@pytest.mark.parametrize(("slope", "expected"), [(0.0, 10), (1.0, 0), (-1.0, 0), (3.0, 40)])
def test_the_gradient_penalty_is_on_the_sum_of_the_patches_and_counts_ten(slope, expected):
    game = stargan(**PAPER).double()
    game.discriminator = Critic(slope)
    term = game.discriminator_loss(scene_of(game, batch(dtype=torch.double)))["gradient_penalty"]
    assert float(term.detach()) == pytest.approx(expected, abs=1e-4)
    (gradient,) = torch.autograd.grad(term, game.discriminator.slope)
    assert float(gradient) == pytest.approx(20 * (slope - math.copysign(1, slope)) if slope else 0, abs=1e-4)


def test_the_gradient_penalty_is_between_an_image_and_its_own_fake(monkeypatch):
    game, shown = stargan(**PAPER).double(), []
    scene = scene_of(game, batch(dtype=torch.double))
    real, fake = scene.image, scene.fake
    forward = game.discriminator.forward
    monkeypatch.setattr(game.discriminator, "forward", lambda *given: shown.append(given[0]) or forward(*given))
    game.discriminator_loss(scene)
    together, between = shown
    assert torch.equal(together, torch.cat([real, fake]))
    part = ((between - fake) / (real - fake)).flatten(1)  # 1 where it is real, 0 where it is fake
    assert (part.std(1) < 1e-6).all()
    assert ((part > 0) & (part < 1)).all()
    assert part.mean(1).std() > 0.1  # one of its own for each image


# --- the hidden square ---------------------------------------------------------------------------------------------


def test_the_hidden_square_has_its_side_unless_a_part_is_outside_and_may_be_anywhere():
    game = stargan(cover=0.3, size=16)  # reaches less than 2.4 pixels from its centre: 5 a side
    torch.manual_seed(0)
    hidden = game.covered(torch.ones(6000, 3, 16, 16)) == 0
    assert (hidden == hidden[:, :1]).all()
    rows, columns = hidden[:, 0].any(2), hidden[:, 0].any(1)
    assert torch.equal(hidden[:, 0], rows[:, :, None] & columns[:, None, :])
    spans = [{tuple(line.nonzero().flatten().tolist()) for line in lines.unique(dim=0)} for lines in (rows, columns)]
    expected = {tuple(range(max(0, centre - 2), min(16, centre + 3))) for centre in range(16)}
    assert spans == [expected, expected]
    assert len(hidden[:, 0].flatten(1).unique(dim=0)) == 16 * 16


@BOTH
def test_real_is_asked_of_the_whole_image_and_the_rest_of_the_covered_one(form, monkeypatch):
    game, data = matchgan(**form | {"cover": 0.5}), batch()
    monkeypatch.setattr(game, "covered", lambda images: images.flip(3))
    game.discriminator.eval()
    found, seen, mirrored = (
        game.judge(data["image"]),
        *(map(game.discriminator, (data["image"], data["image"].flip(3)))),
    )
    assert torch.equal(found[0], seen[0])
    assert torch.equal(found[1], mirrored[1])
    assert torch.equal(found[2], mirrored[2])


# --- who is asked what ---------------------------------------------------------------------------------------------


class Paints(nn.Module):
    """A generator that paints the target label as the colour of an image."""

    def forward(self, image, label):
        return label[..., None, None].expand(-1, -1, 16, 16)


class Sees(nn.Module):
    """A discriminator that reads the label of such an image, and compares without mistakes."""

    def forward(self, image, covered=None):
        return image[:, :1], 99 * (2 * image[:, :, 0, 0] - 1), image[:, :, :1, :1]

    def match(self, one, other):
        match = (one == other).flatten(1).all(1)
        return 99 * torch.stack([~match, match], 1).to(one.dtype)


@pytest.mark.parametrize("groups", [3, 4, 5, 8])
def test_who_sees_all_labels_pays_nothing_for_labels_and_pairs(groups):
    """So every pair's answer is right: of real images by their labels, of fakes by their targets."""
    game, data = matchgan(groups=groups, batch=4 * groups, cover=0.0), batch(groups=groups)
    game.generator, game.discriminator = Paints(), Sees()
    data["image"] = Paints()(data["image"], data["label"])
    scene = scene_of(game, data)
    found = numbers(game.discriminator_loss(scene))
    assert (found["label_real"], found["match_real"]) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    found = numbers(game.generator_loss(scene))
    assert (found["label_fake"], found["match_fake"]) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))
    assert found["reconstruction"] == 0


def test_the_discriminator_is_asked_for_pairs_of_real_images_alone():
    game = matchgan(cover=0.0)
    scene = scene_of(game)
    game.eval()
    before = numbers(game.discriminator_loss(scene))
    scene.fake = -scene.fake
    after = numbers(game.discriminator_loss(scene))
    assert before["discriminator"] != after["discriminator"]
    assert (before["match_real"], before["label_real"]) == (after["match_real"], after["label_real"])


class Knows(nn.Module):
    """A discriminator that has these images before it, and so tells by how much others are turned."""

    def __init__(self, images):
        super().__init__()
        self.known = torch.stack([torch.rot90(images, k, (2, 3)) for k in range(4)], 1)  # counter-clockwise

    def forward(self, image):
        return None, None, image

    def turned(self, image):
        self.answer = -999 * (self.known - image[:, None]).abs().mean((2, 3, 4))
        return self.answer


def test_an_image_that_was_turned_by_k_right_angles_is_answered_k():
    game, image = matchgan(weight_turns=1.0), batch()["image"]
    game.discriminator = Knows(image)
    torch.manual_seed(0)
    assert float(game.turned(image)) == pytest.approx(0, abs=1e-6)
    assert set(game.discriminator.answer.argmax(1).tolist()) == {0, 1, 2, 3}


def test_turns_are_asked_of_both_players_in_batches_of_both_kinds():
    game = matchgan(weight_turns=0.5, weight_match=0.0)
    optimisers = make_optimisers(game)
    for step in (0, 1):
        terms = play(game, optimisers, batch(step, labelled=step == 0), step)
        for name in ("turns_real", "turns_fake"):
            assert float(terms[name]) == pytest.approx(0.5 * math.log(4), abs=0.1)
    assert "turn" not in dict(matchgan().discriminator.named_children())


WEIGHTS = {
    "weight_adversarial": {"adversarial"},
    "gradient_penalty": {"gradient_penalty"},
    "weight_label": {"label_real", "label_fake"},
    "weight_reconstruction": {"reconstruction"},
    "weight_match": {"match_real", "match_fake"},
    "weight_turns": {"turns_real", "turns_fake"},
}


@BOTH
def test_each_weight_counts_for_its_own_terms(form):
    def terms(**changes):
        game = matchgan(**form | dict.fromkeys(WEIGHTS, 1.0) | changes).double()
        scene = scene_of(game, batch(dtype=torch.double))
        return numbers(game.discriminator_loss(scene) | game.generator_loss(scene))

    plain = terms()
    assert set(plain) == {"discriminator"}.union(*WEIGHTS.values())
    for weight, its in WEIGHTS.items():
        found = terms(**{weight: 3.0})
        assert found == {name: pytest.approx(value * (3 if name in its else 1)) for name, value in plain.items()}


def test_losses_of_ones_own_take_the_place_of_the_package_s():
    game, called = matchgan(), []

    def read(logits, label, exclusive):
        called.append(("read", tuple(logits.shape), exclusive))
        return label_loss(logits, label, exclusive)

    def compare(logits, same):
        called.append(("compare", tuple(logits.shape)))
        return match_loss(logits, same)

    game.read_label, game.compare = read, compare
    scene = scene_of(game)
    game.discriminator_loss(scene)
    game.generator_loss(scene)
    assert called == [("read", (12, 3), False), ("compare", (12, 2))] * 2
    assert matchgan().read_label is label_loss
    assert matchgan().compare is match_loss


# --- the game ------------------------------------------------------------------------------------------------------


@BOTH
def test_the_terms_of_labelled_and_unlabelled_batches(form):
    penalty = {"gradient_penalty"} if form else set()
    game = matchgan(**form)
    optimisers = make_optimisers(game)
    with_labels = {"discriminator", "label_real", "match_real"}, {"adversarial", "label_fake", "match_fake"}
    assert set(play(game, optimisers, batch(), 0)) == penalty | {"reconstruction"}.union(*with_labels)
    without = play(game, optimisers, batch(labelled=False), 1)
    assert set(without) == penalty | {"discriminator"} | with_labels[1]
    plain = stargan(**form)
    of_stargan = {"discriminator", "label_real", "adversarial", "label_fake", "reconstruction"}
    assert set(play(plain, make_optimisers(plain), batch(), 0)) == penalty | of_stargan


@BOTH
def test_a_labelled_turn_of_the_discriminator_reaches_its_trunk_and_all_heads(form):
    game = matchgan(**form)
    d = game.discriminator
    heads = {"discriminator": d.source, "label_real": d.label, "match_real": d.same}
    for name in heads:
        game.zero_grad()
        game.discriminator_loss(scene_of(game))[name].backward()
        assert reached(d.trunk) > 0, name
        assert {one for one, other in heads.items() if reached(other) > 0} == {name}
        assert (reached(d.deep) > 0) == (name != "discriminator" and not form)
        assert reached(game.generator) == 0


@BOTH
def test_without_labels_the_discriminator_only_judges(form):
    game = matchgan(**form)
    before = deepcopy(game.discriminator.state_dict())
    game.turns = game.turns[:1]
    optimisers = make_optimisers(game)
    play(game, optimisers, batch(labelled=False), 1)
    for name, p in game.discriminator.named_parameters():
        rests = name.startswith(("label", "same", "deep"))
        assert torch.equal(p, before[name]) == rests, name
        assert (p not in optimisers["discriminator"].state) == rests, name  # no gradient has come


@BOTH
def test_the_label_of_a_labelled_batch_changes_both_turns(form):
    data, found = batch(), []
    for label in (data["label"], 1 - data["label"]):
        game = matchgan(**form)
        scene = scene_of(game, data | {"label": label})
        found.append(numbers(game.discriminator_loss(scene) | game.generator_loss(scene)))
    changed = {name for name in found[0] if found[0][name] != found[1][name]}
    assert changed == {"label_real", "reconstruction"}


@BOTH
@pytest.mark.parametrize("labelled", [True, False])
def test_in_each_turn_one_player_moves(form, labelled):
    for number, mover in enumerate(("discriminator", "generator")):
        game = matchgan(**form)
        game.turns = game.turns[number : number + 1]
        before = weights(game)
        play(game, make_optimisers(game), batch(labelled=labelled), 0)
        assert moved(game, before) == {mover}
        assert all(p.grad is None for p in game.parameters())


def test_every_term_of_the_generator_reaches_it():
    game = matchgan(weight_turns=1.0)
    for name in ("adversarial", "label_fake", "match_fake", "reconstruction", "turns_fake"):
        game.zero_grad()
        game.generator_loss(scene_of(game))[name].backward()
        assert reached(game.generator) > 0, name


def test_the_generator_moves_in_every_fifth_step_on_labelled_and_unlabelled_batches_by_turns():
    game = matchgan(critic=5)
    optimisers, moves = make_optimisers(game), {}
    for step in range(20):
        before, data = weights(game), batch(step, labelled=step % 2 == 0)
        assert scene_of(game, data, step).fake.requires_grad == (step in (4, 9, 14, 19))
        terms = play(game, optimisers, data, step)
        who = moved(game, before)
        assert "discriminator" in who
        assert ("label_real" in terms) == ("match_real" in terms) == (step % 2 == 0)
        if "generator" in who:
            moves[step] = "reconstruction" in terms
        else:
            assert not {"adversarial", "label_fake", "match_fake", "reconstruction"} & set(terms)
    assert moves == {4: True, 9: False, 14: True, 19: False}


@BOTH
@pytest.mark.parametrize("labels", [{}, {"exclusive": True}])
def test_without_the_match_loss_and_with_labels_alone_it_is_stargan(form, labels):
    child, parent = matchgan(weight_match=0.0, unlabelled=False, **form, **labels), stargan(**form, **labels)
    assert type(child) is not type(parent)
    games, terms = [child.double(), parent.double()], []
    for game in games:
        optimisers = make_optimisers(game)
        for step in range(3):
            data = batch(step, dtype=torch.double)
            torch.manual_seed(step)
            terms.append(numbers(play(game, optimisers, data, step)))
    assert terms[:3] == terms[3:]
    assert same(*(game.state_dict() for game in games))


# --- steps in plain PyTorch ----------------------------------------------------------------------------------------


# Low, since Adam magnifies rounding, too: behind the planes of a label, an instance norm takes most gradient away
RATE = 1e-4


def textbook_stargan(net):
    g, d, critic = net.generator, net.discriminator, net.recipe.critic
    adam_g, adam_d = (Adam(network.parameters(), RATE, (0.5, 0.999)) for network in (g, d))

    def step(given, number):
        x, y, c = given["image"], given["label"], given["wanted"]
        fake = g(x, c).detach()
        real_source, real_label, _ = d(x)
        terms = {"discriminator": d(fake)[0].mean() - real_source.mean()}
        part = torch.rand(12, 1, 1, 1)
        between = (part * x + (1 - part) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(d(between)[0].sum(), between, create_graph=True)
        terms["gradient_penalty"] = 10 * ((slope.square().sum((1, 2, 3)) + 1e-12).sqrt() - 1).square().mean()
        terms["label_real"] = F.binary_cross_entropy_with_logits(real_label, y, reduction="sum") / 12
        adam_d.zero_grad()
        sum(terms.values()).backward()
        adam_d.step()
        if number % critic == critic - 1:
            fake = g(x, c)
            source, label, _ = d(fake)
            of_g = {
                "adversarial": -source.mean(),
                "label_fake": F.binary_cross_entropy_with_logits(label, c, reduction="sum") / 12,
                "reconstruction": 10 * (g(fake, y) - x).abs().mean(),
            }
            adam_g.zero_grad()
            sum(of_g.values()).backward()
            adam_g.step()
            terms |= of_g
        return terms

    return step


@pytest.mark.parametrize("critic", [2, 5])
def test_five_steps_of_stargan_are_those_of_plain_pytorch(critic):
    game = stargan(**PAPER | {"critic": critic, "learning_rate": RATE}).double()
    compare_steps(game, textbook_stargan, [batch(seed, dtype=torch.double) for seed in range(5)])


def covered(images, reach):
    images, (rows, columns) = images.clone(), torch.randint(0, 16, (2, len(images), 1)).squeeze(2).tolist()
    for n, (row, column) in enumerate(zip(rows, columns, strict=True)):
        images[n, :, max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = 0
    return images


def textbook_matchgan(net):
    """Spectral norms included: D looks at as many pictures, and as often, as in the package."""
    g, d, head = net.generator, net.discriminator, net.recipe.match_head
    adam_g, adam_d = (Adam(network.parameters(), RATE, (0.5, 0.999)) for network in (g, d))

    def look(images):
        hidden = covered(images, 3)  # a half of 16 pixels: less than 4 from the centre
        source = d.source(d.trunk(images))  # first: each look is with weights one power iteration further
        embedding = d.deep(d.trunk(hidden))
        return source, d.label(embedding).flatten(1), embedding

    def match(e):
        total = 0
        for k in range(3):
            for a, other, answer in (
                (4 * k, 4 * k + 1, 1),
                (4 * k, 4 * ((k - 2) % 3) + 3, 0),
                (4 * k + 2, 4 * k + 1, 1),
                (4 * k + 2, 4 * ((k - 1) % 3) + 3, 0),
            ):
                pair = torch.cat([e[a], e[other]]) if head == "paper" else (e[a] - e[other]).abs()
                total = total - d.same(pair[None]).flatten().log_softmax(0)[answer] / 12
        return total

    def turned(images):
        k = torch.randint(0, 4, (12,))
        views = torch.stack([image.rot90(int(n), (1, 2)) for image, n in zip(images, k, strict=True)])
        return F.cross_entropy(d.turn(d(views)[2]).flatten(1), k)

    def step(given, number):
        x, y, c = given["image"], given.get("label"), given["wanted"]
        fake = g(x, c)
        # In each turn the hidden squares are drawn first, then the right angles
        source, label, embedding = look(torch.cat([x, fake.detach()]))
        terms = {"discriminator": (1 - source[:12]).relu().mean() + (1 + source[12:]).relu().mean()}
        terms["turns_real"] = 0.25 * turned(x)
        if y is not None:
            terms["label_real"] = F.binary_cross_entropy_with_logits(label[:12], y, reduction="sum") / 12
            terms["match_real"] = 0.5 * match(embedding[:12])
        adam_d.zero_grad()
        sum(terms.values()).backward()
        adam_d.step()
        source, label, embedding = look(fake)
        of_g = {
            "adversarial": -3 * source.mean(),
            "label_fake": F.binary_cross_entropy_with_logits(label, c, reduction="sum") / 12,
            "turns_fake": 0.25 * turned(fake),
            "match_fake": 0.5 * match(torch.cat([embedding[target::3] for target in range(3)])),
        }
        if y is not None:
            of_g["reconstruction"] = 10 * (g(fake, y) - x).abs().mean()
        adam_g.zero_grad()
        sum(of_g.values()).backward()
        adam_g.step()
        return terms | of_g

    return step


@pytest.mark.parametrize("head", ["paper", "compares"])
def test_five_steps_of_matchgan_are_those_of_plain_pytorch(head):
    game = matchgan(match_head=head, weight_turns=0.25, learning_rate=RATE).double()
    batches = [batch(step, labelled=step % 2 == 0, dtype=torch.double) for step in range(5)]
    compare_steps(game, textbook_matchgan, batches)


# --- what the match head can learn ---------------------------------------------------------------------------------


def coloured(draw):
    """Images of four of eight labels, class by class: each bit makes a colour strong or weak, in much grain."""
    kinds = torch.randperm(8, generator=draw)[:4].repeat_interleave(4)
    colour = 0.6 * (2.0 * ((kinds[:, None] >> torch.arange(3)) & 1) - 1)
    return (colour[..., None, None] + 0.25 * torch.randn(16, 3, 16, 16, generator=draw)).clamp(-1, 1)


def learnt(head, fresh, body):
    """Mean match loss of the last 50 of 150 turns of D, each before it moves: on one batch, or on fresh ones."""
    game = matchgan(match_head=head, body=body, discriminator_base=8, batch=16, groups=4)
    optimiser, draw, found = make_optimisers(game)["discriminator"], torch.Generator().manual_seed(0), []
    images = coloured(draw)
    for _ in range(150):
        loss = game.match(game.discriminator(images)[2])
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        found.append(loss.detach())
        images = coloured(draw) if fresh else images
    return float(torch.stack(found[-50:]).mean())


@pytest.mark.parametrize("body", ["paper", "small"])
def test_the_paper_s_head_learns_a_batch_by_heart_and_nothing_about_pairs(body):
    assert learnt("paper", fresh=False, body=body) < 0.05
    assert learnt("paper", fresh=True, body=body) > LN2 - 0.02
    assert learnt("compares", fresh=True, body=body) < 0.3


# --- what follows --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"decay": 0.5}, PAPER | {"critic": 3}], ids=["small", "paper"])
def test_resumed_equals_uninterrupted_bit_for_bit(changes, tmp_path):
    def run(folder, steps, resume=False):
        game = matchgan(3, **changes | {"average": 0.9, "weight_turns": 0.5})
        data = Stream(lambda position, rng: batch(position, position % 2 == 0), seed=0)
        fit(game, data, steps, folder=folder, resume=resume, save_every=3, progress=False, precision="fp32")
        return game

    whole = run(tmp_path / "whole", 8)
    for steps in (3, 4, 8):  # behind a labelled and an unlabelled batch, to the end
        parts = run(tmp_path / "parts", steps, resume=steps > 3)
    assert any(name.startswith("averages.") for name in whole.state_dict())
    assert same(whole.state_dict(), parts.state_dict())
    one, two = (checkpoints.load(tmp_path / name)[1] for name in ("whole", "parts"))
    assert one["history"]["terms"] == two["history"]["terms"]
    for name, optimiser in one["optimisers"].items():
        for weight, memory in optimiser["state"].items():
            assert same(memory, two["optimisers"][name]["state"][weight])


@pytest.mark.parametrize("make", [stargan, matchgan])
def test_a_checkpoint_builds_the_same_method_again(make):
    game = make(average=0.5, body="small", weight_label=2.0)
    play(game, make_optimisers(game), batch(), 0)
    again = build(game.settings())
    again.load_state_dict(deepcopy(game.state_dict()))
    assert type(again) is type(game)
    image = batch()["image"]
    assert torch.equal(again.translate(image, "101"), game.translate(image, "101"))
    assert torch.equal(again.read(image), game.read(image))


def test_whose_batches_can_be_divided():
    assert stargan().couples() == matchgan(weight_match=0.0).couples() == ""
    assert "use one process" in matchgan().couples()


# --- translating ---------------------------------------------------------------------------------------------------


def test_every_label_is_a_direction_spelt_out():
    five = stargan(labels=5).directions
    assert len(five) == len(set(five)) == 32
    assert (five[0], five[1], five[-1]) == ("00000", "00001", "11111")
    assert stargan(labels=8, exclusive=True).directions == tuple("01234567")
    assert len(stargan(labels=12).directions) == 4096
    assert len(stargan(labels=13, exclusive=True).directions) == 13
    many = stargan(labels=13)
    assert many.directions == ()
    with pytest.raises(ValueError, match=r"labels of 13 numbers have too many combinations .* use translate_to"):
        many.translate(batch()["image"])
    assert many.translate_to(batch()["image"], torch.ones(12, 13)).shape == (12, 3, 16, 16)


@pytest.mark.parametrize("make", [stargan, matchgan])
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_picture_is_given_the_label_that_is_asked_for(make, average):
    game, data = make(labels=5, average=average), batch(bits=5)
    for step in range(2):
        play(game, make_optimisers(game), data, step)
    before, image = deepcopy(game.state_dict()), data["image"]
    g = game.averages["generator"] if average else game.generator
    with torch.no_grad():
        expected = g(image, torch.tensor([[1.0, 0, 0, 1, 1]]).expand(12, -1))
        own = g(image, data["wanted"])
    assert torch.equal(game.translate(image, "10011"), expected)
    assert torch.equal(game.translate(image), game.translate(image, "00000"))
    assert torch.equal(game.translate_to(image, data["wanted"]), own)
    assert torch.equal(game.translate_to(image, torch.tensor([[1.0, 0, 0, 1, 1]]).repeat(12, 1)), expected)
    assert not torch.equal(own, expected)
    if average:
        assert not torch.equal(game.generator(image, data["wanted"]), own)
    mask = game.mask(image, data["wanted"])
    assert mask.shape == (12, 1, 16, 16)
    assert torch.equal(mask, (g.get_submodule("module") if average else g).mask(image, data["wanted"]))
    assert same(before, game.state_dict())
    assert all(module.training for module in game.modules())


def test_an_exclusive_label_is_asked_for_by_its_number():
    game, image = stargan(labels=8, exclusive=True), batch()["image"]
    for number in (0, 7):
        wanted = torch.eye(8)[number].expand(12, -1)
        assert torch.equal(game.translate(image, str(number)), game.translate_to(image, wanted.clone()))
    assert not torch.equal(game.translate(image, "0"), game.translate(image, "7"))
    with pytest.raises(ValueError, match="direction is '8'; expected one of 0, 1, 2, 3, 4, 5, 6, 7"):
        game.translate(image, "8")


@BOTH
def test_what_the_discriminator_reads_can_be_looked_at(form):
    game, image = matchgan(**form), batch()["image"]
    before = deepcopy(game.state_dict())
    game.eval()
    _, label, embedding = game.discriminator(image)
    game.train()
    assert torch.equal(game.read(image), label)
    assert torch.equal(game.embed(image), embedding.flatten(1))
    assert same(before, game.state_dict())  # no power iteration
    assert all(module.training for module in game.modules())


def test_all_of_it_in_doubles():
    game, data = matchgan(average=0.5, weight_turns=0.5).double(), batch(dtype=torch.double)
    assert {term.dtype for term in play(game, make_optimisers(game), data, 0).values()} == {torch.float64}
    for made in (game.translate(data["image"], "110"), game.translate_to(data["image"], data["wanted"].float())):
        assert made.dtype == torch.float64


def test_the_command_gives_pictures_the_label_that_is_spelt_out(tmp_path):
    game = matchgan(steps=2)
    stream = Stream(lambda position, rng: batch(position, position % 2 == 0), seed=0)
    fit(game, stream, folder=tmp_path / "run", progress=False, precision="fp32")
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    write_png(tmp_path / "1.png", picture)
    (path,) = translate_files(tmp_path / "run", tmp_path / "1.png", tmp_path / "out", direction="101")
    made = to_uint8(game.translate(to_tensor(picture[None]), "101"))[0]
    assert np.abs(np.asarray(read_rgb(path)).astype(int) - made).max() <= 1
    with pytest.raises(ValueError, match="direction is 'AtoB'; expected one of 000, 001"):
        translate_files(tmp_path / "run", tmp_path / "1.png", tmp_path / "out", direction="AtoB")


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"critic": 4}, "critic is 4; with unlabelled batches in between it must be odd"),
        ({"groups": 2, "batch": 8}, "groups is 2; the match loss needs at least 3, .* or weight_match=0"),
        ({"batch": 12}, "batch is 12; with groups=4 it must be 16, 4 images a group"),
        ({"batch": 12, "weight_match": 0.0}, "batch is 12; with groups=4 it must be 16"),
        ({"kernel": 6}, "kernel is 6; expected an odd number"),
        ({"size": 96}, "size is 96; the networks need a multiple of 64, at least 64"),
        ({"size": 10, "layers": 1}, "size is 10; the networks need a multiple of 4, at least 8"),
        ({"size": 8, "body": "small"}, "size is 8; the networks need a multiple of 8, at least 16"),
        ({"size": 44, "body": "small"}, "size is 44; the networks need a multiple of 8"),
        ({"cover": 1.5}, "cover must be"),
        ({"labels": 0}, "labels must be a whole number from 1 to 1000, not 0"),
        ({"objective": "vanilla"}, "objective must be"),
        ({"match_head": "none"}, "match_head must be"),
        ({"weight_match": -1.0}, "weight_match must be"),
    ],
)
def test_a_wrong_number_is_refused_before_anything_is_built(changes, sentence):
    with pytest.raises(ParameterError, match=sentence) as caught:
        replace(MatchGANRecipe(), **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"critic": 4, "unlabelled": False},
        {"groups": 2, "batch": 8, "weight_match": 0.0},
        {"groups": 3, "batch": 12},
        {"size": 40, "body": "small"},
    ],
)
def test_what_is_refused_for_a_reason_is_taken_without_it(changes):
    assert replace(MatchGANRecipe(), **changes)
    assert replace(TINY, **{key: value for key, value in changes.items() if key not in ("size", "body")})


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({key: value[:8] for key, value in batch().items()}, "the batch has 8 images; the pairs .* need 12"),
        (batch(groups=4), "the batch has 16 images; the pairs of the match loss need 12"),
        ({"image": batch()["image"]}, "the batch has no 'wanted'; it holds 'image'"),
        (batch() | {"label": batch()["label"].roll(1, 0)}, "labels of the batch are not 3 groups of 4 equal rows"),
        (batch() | {"wanted": batch()["wanted"].roll(1, 1).sort(0).values}, "do not repeat after 3 rows"),
        (batch() | {"wanted": batch()["wanted"][:8]}, "the batch has 12 images, but 8 rows of 'wanted'"),
        (batch() | {"label": batch()["label"][:1]}, "the batch has 12 images, but 1 rows of 'label'"),
        (batch() | {"wanted": torch.ones(12, 2)}, r"the labels are torch.float32 \(12, 2\); expected \(12, 3\)"),
        (batch() | {"label": torch.ones(12, 2)}, r"equal shapes; got \(12, 3\) and \(12, 2\)"),
        (batch() | {"label": torch.ones(12, 3).long()}, "expected a float tensor"),
        (batch(size=32), "this discriminator takes images of 16x16"),
        (batch() | {"image": batch()["image"][:, :1]}, r"expected float images \(N, 3, H, W\)"),
    ],
)
def test_batches_that_do_not_serve_are_refused_in_one_sentence(data, sentence):
    game = matchgan()
    before = weights(game)
    with pytest.raises(ValueError, match=sentence) as caught:
        play(game, make_optimisers(game), data, 0)
    assert "\n" not in str(caught.value)
    assert not moved(game, before)


def test_without_pairs_a_batch_may_have_any_number_of_images():
    game = matchgan(weight_match=0.0)
    data = {key: value[:5] for key, value in batch().items()}
    assert set(play(game, make_optimisers(game), data, 0)) >= {"label_real", "reconstruction"}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda game, x, c: game.translate(x, "1001"), "direction is '1001'; expected one of 000, 001"),
        (lambda game, x, c: game.translate(x * math.nan), r"expected \[-1, 1\]"),
        (lambda game, x, c: game.translate_to(x, c[:5]), r"the target labels are \(5, 3\); expected \(12, 3\)"),
        (lambda game, x, c: game.translate_to(x, c[:, :2]), r"the target labels are \(12, 2\); expected \(12, 3\)"),
        (lambda game, x, c: game.translate_to(x, c[0]), r"the target labels are \(3,\); expected \(12, 3\)"),
        (lambda game, x, c: game.translate_to(x, c.long()), "expected a float tensor .* got torch.int64"),
        (lambda game, x, c: game.translate_to(x, None), "expected a float tensor .* got the NoneType None"),
        (lambda game, x, c: game.translate_to(x, 2 * c - 1), "the target labels hold other numbers than 0 and 1"),
        (lambda game, x, c: game.translate_to(x, c * 0.5), "the target labels hold other numbers than 0 and 1"),
        (lambda game, x, c: game.translate_to(x, c * math.nan), "the target labels hold other numbers than 0 and 1"),
        (lambda game, x, c: game.translate_to(x * math.nan, c), r"from nan to nan; expected \[-1, 1\]"),
        (lambda game, x, c: game.translate_to(x * 9, c), r"expected \[-1, 1\]"),
        (lambda game, x, c: game.translate_to(x[:, :1], c), r"expected float images \(N, 3, H, W\)"),
        (lambda game, x, c: game.translate_to(x[..., :14], c), "multiples of 4, at least 8; the image is 16x14"),
        (lambda game, x, c: game.mask(x, c * 0.5), "the target labels hold other numbers than 0 and 1"),
        (lambda game, x, c: stargan(change=False).mask(x, c), "has no mask; build it with change=True"),
        (lambda game, x, c: game.read(x[..., :8]), "takes images of 16x16"),
        (lambda game, x, c: game.embed(x * math.nan), r"expected \[-1, 1\]"),
        (lambda game, x, c: label_loss(c, c[:5]), "equal shapes"),
        (lambda game, x, c: match_loss(c, c), "expected .* N class numbers"),
    ],
)
def test_a_wrong_argument_gets_one_sentence(call, sentence):
    data = batch()
    with pytest.raises(ValueError, match=sentence) as caught:
        call(matchgan(), data["image"], data["wanted"])
    assert "\n" not in str(caught.value)
