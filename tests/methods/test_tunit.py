"""TUNIT: the check points of the paper's sheet, who moves when and by what, and the two phases.

Steps are played in fp32, whatever "auto" would be here; where two ways of computing are compared, in fp64.
"""

import math
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from textbook import compare_steps
from torch import nn
from torch.func import functional_call
from torch.optim import Adam, RMSprop

from i2i_tutor import losses
from i2i_tutor.data.images import read_rgb, write_png
from i2i_tutor.data.streams import Stream, to_tensor, to_uint8
from i2i_tutor.methods import build
from i2i_tutor.methods.base import Scene
from i2i_tutor.methods.tunit import RECIPES, TUNIT, TUNITRecipe, contrastive_loss, information_loss, joint_matrix
from i2i_tutor.nn import Queue, count_parameters
from i2i_tutor.parameters import ParameterError
from i2i_tutor.training import TrainingError, checkpoints, fit, make_optimisers, play
from i2i_tutor.translate import translate_files

TINY = replace(RECIPES["smoke"], style=4, hidden=4, guide_base=2, base=2, discriminator_base=2, average=0.5)
NETWORKS = ("guide", "generator", "discriminator")
JOINT = {"warm_up": 0.0}
# The networks and losses of the paper, as small as they get
PLAIN = {
    "guide_body": "vgg11", "heads": 1, "head_norm": False, "unit_codes": False, "kernels": "paper", "residual": 0.1,
    "first_norm": True, "unit_scales": False, "discriminator_body": "residual", "rmsprop": True, "entropy": 1.0,
}  # fmt: skip


def batch(seed=0, count=8, size=32, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand(count, 3, size, size, generator=draw, dtype=dtype) * 2 - 1
    return {"image": image, "strong": (image * 0.8 + 0.1).flip(3)}


def method(seed=0, **changes):
    torch.manual_seed(seed)
    return TUNIT(replace(TINY, **changes))


def scene_of(game, step=0, data=None):
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


def summed(terms):
    return torch.stack(list(terms.values())).sum()


def reached(network):
    """How much gradient has arrived at a network."""
    return sum(float(p.grad.abs().sum()) for p in network.parameters() if p.grad is not None)


# --- the paper's numbers -------------------------------------------------------------------------------------------


def test_the_paper_profile_is_the_papers():
    recipe = RECIPES["paper"]
    with torch.device("meta"):
        game = TUNIT(recipe)
    numbers = [count_parameters(getattr(game, name)) for name in NETWORKS]
    assert numbers == [9_296_778, 27_333_763, 70_935_242]
    assert count_parameters(game) == sum(numbers) == 107_565_783  # neither E' nor G' takes part
    assert recipe.warm_up_steps == 65_000
    assert (recipe.learning_rate, recipe.guide_rate) == (1e-4, 1e-4)
    assert (recipe.weight_decay, recipe.guide_weight_decay, recipe.warm_up_rate) == (1e-4, 1e-3, 1)
    assert (recipe.rmsprop, recipe.beta2, recipe.objective, recipe.judge_reconstruction) == (True, 0.99, "hinge", True)
    assert (recipe.style_target, recipe.feedback, recipe.heads, recipe.head_norm) == ("momentum", "all", 1, False)
    assert (recipe.unit_codes, recipe.residual, recipe.first_norm, recipe.unit_scales) == (False, 0.1, True, False)
    assert (recipe.steps, recipe.batch, recipe.translated, recipe.queue) == (200_000, 32, 32, 1024)
    assert (recipe.momentum, recipe.average, recipe.temperature) == (0.999, 0.999, 0.07)
    assert (recipe.weight_information, recipe.weight_style, recipe.joint_weight, recipe.entropy) == (5, 1, 0.1, 1)
    assert (recipe.weight_reconstruction, recipe.weight_generator_style) == (0.1, 0.01)
    assert (recipe.r1, recipe.r1_every, recipe.guide_every) == (10, 1, 1)
    assert {game.rates()(step) for step in (0, 64_999, 65_000, 199_999)} == {1.0}


def test_who_moves_the_networks_and_how_fast():
    optimisers = make_optimisers(method(rmsprop=True, beta2=0.99, weight_decay=1e-4, guide_weight_decay=1e-3))
    assert optimisers.keys() == set(NETWORKS)
    for name in ("generator", "discriminator"):
        (group,) = optimisers[name].param_groups
        assert (type(optimisers[name]), group["lr"], group["alpha"]) == (RMSprop, TINY.learning_rate, 0.99)
        assert (group["weight_decay"], group["momentum"]) == (1e-4, 0)
    (group,) = optimisers["guide"].param_groups
    assert type(optimisers["guide"]) is Adam
    assert (group["lr"], group["betas"], group["weight_decay"]) == (TINY.guide_rate, (0.9, 0.999), 1e-3)
    (group,) = make_optimisers(method())["generator"].param_groups
    assert (group["betas"], group["weight_decay"]) == ((TINY.beta1, TINY.beta2), 0)


def test_the_guide_learns_faster_alone():
    game = method(steps=10, warm_up=0.5, warm_up_rate=4.0)
    assert [game.rates()(step) for step in (0, 4, 5, 9)] == [4, 4, 1, 1]


@pytest.mark.parametrize(
    ("steps", "part", "expected"), [(5, 0.5, 2), (100, 0.29, 29), (1, 0.6, 0), (8, 0.0, 0), (8, 1.0, 8)]
)
def test_the_steps_of_the_warm_up_are_rounded_down(steps, part, expected):
    assert replace(TINY, steps=steps, warm_up=part).warm_up_steps == expected


# --- mutual information --------------------------------------------------------------------------------------------

ONE_HOT = torch.eye(4, dtype=torch.double)
P = torch.tensor([(0.7, 0.2, 0.1), (0.1, 0.8, 0.1), (0.2, 0.2, 0.6), (0.3, 0.4, 0.3)], dtype=torch.double)
Q = torch.tensor([(0.6, 0.3, 0.1), (0.2, 0.7, 0.1), (0.1, 0.3, 0.6), (0.5, 0.25, 0.25)], dtype=torch.double)


@pytest.mark.parametrize(
    ("p", "loss"),
    [
        (ONE_HOT, -math.log(4)),  # certain and even
        (torch.full((4, 4), 0.25, dtype=torch.double), 0.0),  # it knows nothing
        (ONE_HOT[[0, 0, 0, 0]], 0.0),  # all in one
        (ONE_HOT[[0, 0, 1, 1]], -math.log(2)),  # two of four
    ],
)
def test_mutual_information_of_clear_cases(p, loss):
    assert float(information_loss(p, p)) == pytest.approx(loss, abs=1e-6)


def test_mutual_information_worked_by_hand():
    expected = [(0.1525, 0.1144, 0.0706), (0.1144, 0.1950, 0.0844), (0.0706, 0.0844, 0.1138)]
    assert joint_matrix(P, Q).tolist() == [pytest.approx(row, abs=6e-5) for row in expected]
    assert float(information_loss(P, Q)) == pytest.approx(-0.032999, abs=1e-6)
    assert float(information_loss(Q, P)) == pytest.approx(-0.032999, abs=1e-6)


def test_a_greater_weight_of_the_entropies_rewards_even_domains_alone():
    even, uneven = ONE_HOT, ONE_HOT[[0, 0, 0, 1]]
    for p in (even, uneven):
        share = p.mean(0).clamp(min=1e-10)
        entropy = float(-(share * share.log()).sum())
        difference = float(information_loss(p, p, 1.5) - information_loss(p, p))
        assert difference == pytest.approx(-2 * 0.5 * entropy, abs=1e-6)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 9))
def test_mutual_information_is_symmetric_between_0_and_ln_k(seed, domains, count):
    draw = torch.Generator().manual_seed(seed)
    p, q = (torch.randn(2, count, domains, generator=draw, dtype=torch.double) * 4).softmax(2)
    loss = float(information_loss(p, q))
    assert -math.log(domains) - 1e-9 <= loss <= 1e-9
    assert float(information_loss(q, p)) == pytest.approx(loss, abs=1e-12)
    order = torch.randperm(domains, generator=draw)
    assert float(information_loss(p[:, order], q[:, order])) == pytest.approx(loss, abs=1e-12)


# --- contrast ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "key", "negatives", "loss"),
    [
        (torch.zeros(3, 8), torch.zeros(3, 8), torch.zeros(1024, 8), math.log(1025)),
        (torch.zeros(3, 8), torch.zeros(3, 8), torch.zeros(32, 8), math.log(33)),
        (torch.eye(8)[:3], torch.eye(8)[:3], torch.zeros(1024, 8), 6.397e-4),
        (torch.ones(3, 8), torch.ones(3, 8), torch.zeros(0, 8), 0.0),  # nothing to be told from
    ],
)
def test_contrast_of_clear_cases(query, key, negatives, loss):
    found = contrastive_loss(query.double(), key.double(), negatives.double())
    assert float(found) == pytest.approx(loss, rel=1e-3, abs=1e-9)


def test_contrast_is_the_softmax_of_inner_products_and_only_the_query_learns():
    torch.manual_seed(0)
    query, key, negatives = (torch.randn(n, 4, dtype=torch.double, requires_grad=True) for n in (3, 3, 5))
    loss = contrastive_loss(query, key, negatives, 0.5)
    right = ((query * key).sum(1) / 0.5).exp()
    wrong = ((query @ negatives.T) / 0.5).exp().sum(1)
    torch.testing.assert_close(loss, -(right / (right + wrong)).log().mean())
    loss.backward()
    assert query.grad.abs().sum() > 0
    assert key.grad is None
    assert negatives.grad is None


def test_the_queue_of_the_paper():
    """32 keys, then 31 pushes of 32 until it is full; the last of the first go with push 32."""
    queue = Queue(1024, 1)
    queue.push(torch.full((32, 1), -1.0))
    for push in range(1, 34):
        queue.push(torch.full((32, 1), float(push)))
        held = queue.entries().flatten()
        assert len(held) == min(32 * (push + 1), 1024)
        assert int((held == -1).sum()) == (32 if push < 32 else 0)
    assert sorted(set(held.tolist())) == [float(push) for push in range(2, 34)]


def test_keys_are_those_of_the_momentum_copy_and_come_too_late_to_be_their_own_negatives():
    game, data = method(), batch()
    optimisers = make_optimisers(game)
    for step in range(2):
        before = deepcopy(game.momentum)
        key = before(data["strong"])[1]  # in training mode: of the batch's own statistics
        terms = play(game, optimisers, data, step)
        held = game.queue.entries()
        torch.testing.assert_close(held[-8:], key, rtol=0, atol=1e-6)
        assert len(held) == 8 * (step + 1)
        assert (float(terms["style_guide"]) == 0) == (step == 0)  # nothing to be told from yet


# --- adversaries ---------------------------------------------------------------------------------------------------


def test_hinge_is_that_of_the_sheet():
    real, fake = torch.tensor([-0.5, 0.5, 2.0]), torch.tensor([-0.5, 0.5, -2.0])
    far = torch.full((3,), 9.0)
    assert float(losses.discriminator_loss(real, -far, "hinge")) == pytest.approx(2 / 3)
    assert float(losses.discriminator_loss(far, fake, "hinge")) == pytest.approx(2 / 3)
    assert float(losses.generator_loss(torch.tensor([1.0, 3.0]), "hinge")) == -2


def test_the_gradient_penalty_is_on_references_and_counts_ten():
    game = method(**JOINT, r1=10.0, r1_every=1).double()

    class Linear(nn.Module):
        """D(x) = w · x, whatever the domain."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 32, 32, dtype=torch.double) * 0.01)

        def forward(self, image, domain):
            return (image * self.weight).sum((1, 2, 3)).view(-1, 1, 1)

    game.discriminator = Linear()
    terms = game.discriminator_loss(scene_of(game, data=batch(dtype=torch.double)))
    assert float(terms["r1"].detach()) == pytest.approx(10 * float(game.discriminator.weight.detach().square().sum()))
    (gradient,) = torch.autograd.grad(terms["r1"], game.discriminator.weight)
    torch.testing.assert_close(gradient, 20 * game.discriminator.weight.detach())  # second order


def test_a_rare_penalty_counts_as_often_as_it_is_left_out():
    game = method(**JOINT, r1=1.0, r1_every=3)
    found = [game.discriminator_loss(scene_of(game, step)).get("r1") for step in range(6)]
    assert [term is not None for term in found] == [False, False, True] * 2
    once, thrice = (
        float(game.discriminator_loss(scene_of(game, 2))["r1"].detach())
        for game in (method(**JOINT, r1=1.0, r1_every=every) for every in (1, 3))
    )
    assert thrice == pytest.approx(3 * once)
    game = method(**JOINT, r1=0.0)
    assert "r1" not in game.discriminator_loss(scene_of(game))


@pytest.mark.parametrize("plain", [{}, PLAIN])
def test_the_discriminator_is_shown_references_and_fakes_of_the_references_domain(plain):
    game, seen = method(**JOINT, **plain), []

    class Records(nn.Module):
        def forward(self, image, domain):
            seen.append((image.detach().clone(), domain.clone()))
            return image.mean((1, 2, 3)).view(-1, 1, 1)

    game.discriminator = Records()
    scene = scene_of(game)
    game.discriminator_loss(scene)
    game.generator_loss(scene)
    reference, domain = scene.image[scene.order], scene.domain[scene.order]
    # One look at the references serves the adversarial term and the penalty
    shown = [(reference, domain), (scene.fake, domain), (scene.fake, domain), (scene.reconstruction, scene.domain)]
    assert len(seen) == len(shown)
    for (image, label), (expected, of) in zip(seen, shown, strict=True):
        assert torch.equal(image, expected)
        assert torch.equal(label, of)


# --- the game ------------------------------------------------------------------------------------------------------


def test_in_the_warm_up_only_the_guide_moves_and_its_copy_follows():
    game = method(warm_up=1.0)
    before, copy = weights(game), weights(game, "momentum")
    terms = play(game, make_optimisers(game), batch(), 0)
    assert set(terms) == {"information", "style_guide"}
    assert moved(game, before) == {"guide"}
    assert moved(game, copy) == {"momentum"}


def test_the_turns_of_the_joint_phase_come_in_the_official_order():
    game = method(steps=4, warm_up=0.5)
    assert [[turn.moves for turn in game.begin(step)] for step in (1, 2)] == [
        [("guide",)],
        [("guide",), ("discriminator",), ("generator", "guide")],
    ]
    assert {name for turn in game.turns for name in turn.moves} == set(NETWORKS)


def test_the_head_that_answers_is_chosen_in_the_warm_up_and_stays():
    game = method(steps=6, warm_up=0.5, heads=3)
    optimisers = make_optimisers(game)
    seen = []
    for step in range(6):
        play(game, optimisers, batch(step), step)
        seen.append(game.guide.head_losses.clone())
    assert not any(torch.equal(*pair) for pair in pairwise(seen[:3]))
    assert all(torch.equal(losses, seen[2]) for losses in seen[3:])


def test_each_turn_moves_its_own_networks_and_nobody_else():
    game = method(**JOINT)
    optimisers, scene = make_optimisers(game), scene_of(game)
    for turn in game.begin(0):
        before, generator = weights(game), deepcopy(game.generator.state_dict())
        movers = [p for name in turn.moves for p in getattr(game, name).parameters()]
        summed(getattr(game, turn.loss)(scene)).backward(inputs=movers)
        for name in turn.moves:
            optimisers[name].step()
            optimisers[name].zero_grad()
        assert moved(game, before) == set(turn.moves)
        same = [torch.equal(value, generator[name]) for name, value in game.generator.state_dict().items()]
        assert all(same) == ("generator" not in turn.moves)  # D's turn runs it, and leaves its buffers as well


def test_a_joint_step_without_the_guides_turn_pushes_no_key():
    game = method(**JOINT, guide_every=2)
    optimisers, held = make_optimisers(game), []
    for step in range(4):
        before = game.queue.entries()
        terms = play(game, optimisers, batch(step), step)
        held.append(len(game.queue.entries()))
        assert ("information" in terms) == (step % 2 == 1)
        assert torch.equal(game.queue.entries(), before) == (step % 2 == 0)
    assert held == [0, 8, 8, 16]


@pytest.mark.parametrize("plain", [{}, PLAIN])
def test_what_a_translation_says_reaches_trunk_and_style_head_and_never_the_label_heads(plain):
    game = method(**JOINT, **plain)
    game.queue.push(torch.randn(8, 4))
    for term in ("adversarial", "adversarial_reconstruction", "reconstruction", "style_generator"):
        scene = scene_of(game)
        game.discriminator_loss(scene)
        game.zero_grad()
        game.generator_loss(scene)[term].backward()
        assert reached(game.guide.label_head) == 0
        assert reached(game.guide.trunk) > 0, term
        assert reached(game.guide.style_head) > 0, term
        assert reached(game.generator) > 0, term


@pytest.mark.parametrize(
    ("feedback", "silent"),
    [
        ("no_adversarial", {"adversarial", "adversarial_reconstruction"}),
        ("no_reconstruction", {"reconstruction"}),
        ("no_style", {"style_generator"}),
    ],
)
def test_cut_feedback_reaches_the_generator_alone_and_costs_the_same(feedback, silent):
    whole, game = (method(**JOINT, feedback=which).double() for which in ("all", feedback))
    for one in (whole, game):
        torch.manual_seed(1)
        one.queue.push(torch.randn(8, 4))
    data = batch(dtype=torch.double)
    scene = scene_of(whole, data=data)
    whole.discriminator_loss(scene)
    expected = whole.generator_loss(scene)
    for name in expected:
        scene = scene_of(game, data=data)
        game.discriminator_loss(scene)
        game.zero_grad()
        found = game.generator_loss(scene)
        torch.testing.assert_close(found[name], expected[name])
        found[name].backward()
        assert (reached(game.guide) == 0) == (name in silent), name
        assert reached(game.generator) > 0


def test_without_feedback_the_guide_stays_as_the_warm_up_left_it():
    game = method(steps=4, warm_up=0.5, feedback="none")
    optimisers = make_optimisers(game)
    for step in range(2):
        play(game, optimisers, batch(step), step)
    before, state = weights(game), {name: value.clone() for name, value in game.guide.state_dict().items()}
    terms = play(game, optimisers, batch(2), 2)
    assert "information" not in terms
    assert moved(game, before) == {"generator", "discriminator"}
    assert all(torch.equal(value, state[name]) for name, value in game.guide.state_dict().items())


def test_the_guides_own_losses_count_a_tenth_when_all_learn_together():
    game = method(steps=4, warm_up=0.5).double()
    game.queue.push(torch.randn(8, 4))
    data = batch(dtype=torch.double)
    alone, together = (game.guide_loss(scene_of(game, step, data)) for step in (1, 3))
    assert alone.keys() == together.keys()
    for name, term in alone.items():
        torch.testing.assert_close(together[name], 0.1 * term)


def test_the_terms_are_what_the_papers_equations_say():
    game = method(**JOINT, r1=0.0, weight_information=5.0, weight_style=2.0, joint_weight=0.5).double()
    game.queue.push(torch.randn(8, 4))
    recipe, scene = game.recipe, scene_of(game, data=batch(dtype=torch.double))
    found = game.guide_loss(scene) | game.discriminator_loss(scene) | game.generator_loss(scene)
    image, strong = scene.batch["image"], scene.batch["strong"]
    logits, codes = game.guide.heads(game.guide.features(torch.cat([image, strong])))
    informations = [information_loss(*head.softmax(1).chunk(2), recipe.entropy) for head in logits.unbind(1)]
    x, order, y = scene.image, scene.order, scene.domain
    queue, tau = game.queue.entries(), recipe.temperature
    score = game.discriminator
    expected = {
        "information": 0.5 * 5 * sum(informations) / len(informations),
        "style_guide": 0.5 * 2 * contrastive_loss(codes[:8], scene.key, queue, tau),
        "discriminator": F.relu(1 - score(x[order], y[order])).mean() + F.relu(1 + score(scene.fake, y[order])).mean(),
        "adversarial": -score(scene.fake, y[order]).mean(),
        "adversarial_reconstruction": -score(scene.reconstruction, y).mean(),
        "reconstruction": recipe.weight_reconstruction * (x - scene.reconstruction).abs().mean(),
        "style_generator": recipe.weight_generator_style
        * contrastive_loss(game.guide(scene.fake)[1], game.momentum(x[order])[1], queue, tau),
    }
    assert found.keys() == expected.keys()
    for name, term in expected.items():
        torch.testing.assert_close(found[name], term, msg=name)
    fake = game.generator(x, 2 * game.guide(x)[1][order])  # codes of length 1 become as long as random ones of 4
    torch.testing.assert_close(scene.fake, fake)


def test_the_papers_forms_can_be_chosen():
    game = method(**JOINT, objective="vanilla", judge_reconstruction=False, style_target="live").double()
    with torch.no_grad():
        game.guide.style_head.weight.mul_(2).add_(0.1)  # so that E' is another
    game.queue.push(torch.randn(8, 4))
    scene = scene_of(game, data=batch(dtype=torch.double))
    d = game.discriminator_loss(scene)["discriminator"]
    reference, domain = scene.image[scene.order], scene.domain[scene.order]
    real, fake = (game.discriminator(images, domain) for images in (reference, scene.fake))
    torch.testing.assert_close(d, -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean())
    terms = game.generator_loss(scene)
    assert "adversarial_reconstruction" not in terms
    torch.testing.assert_close(game.target(scene), scene.code[scene.order])
    assert not torch.allclose(game.target(scene), game.momentum(reference)[1])


def test_losses_of_ones_own_take_the_place_of_the_package_s():
    game, called = method(**JOINT), []

    def information(p, q, entropy):
        called.append("information")
        return information_loss(p, q, entropy)

    def contrast(query, key, negatives, temperature):
        called.append("contrast")
        return contrastive_loss(query, key, negatives, temperature)

    game.information, game.contrast = information, contrast
    scene = scene_of(game)
    game.guide_loss(scene)
    game.discriminator_loss(scene)
    game.generator_loss(scene)
    assert called == ["information"] * game.recipe.heads + ["contrast"] * 2
    assert method().information is information_loss


def textbook(net):
    recipe, e, g, d, average = net.recipe, net.guide, net.generator, net.discriminator, net.momentum.module
    adam = Adam(e.parameters(), 5e-4, weight_decay=1e-3)
    if recipe.rmsprop:
        of_g, of_d = (RMSprop(network.parameters(), 1e-3, 0.99, weight_decay=1e-4) for network in (g, d))
    else:
        of_g, of_d = (Adam(network.parameters(), 1e-3, (0.5, 0.99), weight_decay=1e-4) for network in (g, d))
    longer = 2 if recipe.unit_codes else 1  # a code of length 1 becomes as long as a random one of 4 numbers

    def style(network, images):
        """Style codes by a network that looks with the statistics of these images and does not remember them."""
        forgotten = {name: value.clone() for name, value in network.named_buffers()}
        return functional_call(network, forgotten, (images,))[1]

    def information(p, q):
        """IIC: minus the mutual information, of the joint matrix and its margins."""
        joint = sum(torch.outer(one, other) for one, other in zip(p, q, strict=True))
        joint = (joint + joint.T) / (2 * joint.sum())
        rows, columns = joint.sum(1).clamp(min=1e-10), joint.sum(0).clamp(min=1e-10)
        joint = joint.clamp(min=1e-10)
        independent = recipe.entropy * (rows.log()[:, None] + columns.log()[None])
        return -(joint * (joint.log() - independent)).sum()

    def contrast(query, key):
        """InfoNCE with the keys of the queue as negatives."""
        others = net.queue.buffer[: int(net.queue.count)]
        own = (query * key).sum(1) / 0.15
        return (torch.cat([own[:, None], query @ others.T / 0.15], 1).logsumexp(1) - own).mean()

    def moved(terms, *optimisers):
        net.zero_grad()
        sum(terms.values()).backward()
        for optimiser in optimisers:
            optimiser.step()
        return terms

    def step(batch, number):
        image, strong, alone = batch["image"], batch["strong"], number < recipe.warm_up_steps
        x, order = image[:4], torch.randperm(4)  # nothing else is drawn
        key, terms = None, {}
        if alone or (number + 1) % recipe.guide_every == 0:
            with torch.no_grad():
                key = style(average, strong)
            logits, code = e.heads(e.features(torch.cat([image, strong])))
            p, q = logits.softmax(2).chunk(2)
            of_heads = [information(p[:, head], q[:, head]) for head in range(recipe.heads)]
            part, code = 1 if alone else 0.1, code[:8]
            of_guide = {
                "information": part * 5 * sum(of_heads) / recipe.heads,
                "style_guide": part * 5 * contrast(code, key),
            }
            terms = moved(of_guide, adam)
            if alone:
                e.head_losses.mul_(0.95).add_(0.05 * torch.stack(of_heads).detach())
                domain = p[:, int(e.head_losses.argmin())].argmax(1)
        if not alone:
            logits, code = e(x)
            domain = logits.argmax(1)
            fake, reconstruction = g(x, longer * code[order]), g(x, longer * code)
            reference, theirs = x[order], domain[order]
            real = reference.clone().requires_grad_()
            score = d(real, theirs)
            hinge = F.relu(1 - score).mean() + F.relu(1 + d(fake.detach(), theirs)).mean()
            of_d_terms = {"discriminator": hinge}
            if (number + 1) % recipe.r1_every == 0:
                (slope,) = torch.autograd.grad(score.mean((1, 2)).sum(), real, create_graph=True)
                of_d_terms["r1"] = 2 * recipe.r1_every * slope.square().sum((1, 2, 3)).mean()
            terms |= moved(of_d_terms, of_d)
            with torch.no_grad():
                target = style(average, reference)
            terms |= moved(
                {
                    "adversarial": -d(fake, theirs).mean(),
                    "adversarial_reconstruction": -d(reconstruction, domain).mean(),
                    "reconstruction": 10 * (x - reconstruction).abs().mean(),
                    "style_generator": 0.01 * contrast(style(e, fake), target),
                },
                of_g,
                adam,
            )
        follow(key, domain, code.detach(), number)
        return terms

    @torch.no_grad()
    def follow(key, domain, code, number):
        """What moves behind a step: the queue, E', the mean codes of the domains."""
        for entry in key if key is not None else ():
            net.queue.buffer[int(net.queue.head)] = entry
            net.queue.head.copy_((net.queue.head + 1) % 16)
            net.queue.count.copy_((net.queue.count + 1).clamp(max=16))
        for old, new in zip(average.state_dict().values(), e.state_dict().values(), strict=True):
            old.copy_(0.99 * old + 0.01 * new if new.is_floating_point() else new)
        for k in range(4):
            net.code_sums[k] = 0.99 * net.code_sums[k] + 0.01 * code[domain == k].sum(0)
            net.code_counts[k] = 0.99 * net.code_counts[k] + 0.01 * (domain == k).double().sum()
        if number == recipe.warm_up_steps:
            net.joint_since.fill_(number)

    return step


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        (JOINT | PLAIN, 5),
        ({"steps": 8, "warm_up": 0.25, "guide_every": 2, "r1_every": 3}, 7),  # two alone, five together
    ],
    ids=["paper", "small"],
)
def test_five_steps_together_are_those_of_plain_pytorch(changes, steps):
    game = method(**changes, r1=2.0, weight_decay=1e-4, guide_weight_decay=1e-3, average=0.0).double()
    game.queue.push(torch.randn(4, 4))
    # A bias in front of a norm has no gradient but the decay of weights. From 0 rounding would choose its way
    with torch.no_grad():
        for name, weight in game.named_parameters():
            if "bias" in name and weight.requires_grad:
                weight.add_(0.1 * torch.randn_like(weight))
    compare_steps(game, textbook, [batch(seed, dtype=torch.double) for seed in range(steps)])


# --- what follows --------------------------------------------------------------------------------------------------


def test_the_momentum_copy_comes_nearer_by_the_same_part_in_every_step():
    game = method(momentum=0.999).double()
    start = [p.detach().clone() for p in game.momentum.parameters()]
    with torch.no_grad():
        for p in game.guide.parameters():
            p += 1.0
    for _ in range(1000):
        game.momentum.update(game.guide)
    for now, then, target in zip(game.momentum.parameters(), start, game.guide.parameters(), strict=True):
        torch.testing.assert_close(now - target, 0.999**1000 * (then - target), rtol=1e-6, atol=1e-9)
    assert math.isclose(0.999**1000, 0.3677, abs_tol=1e-4)
    assert not any(p.requires_grad for p in game.momentum.parameters())


def test_the_batch_norms_of_the_momentum_copy_follow_those_of_the_guide_and_nothing_else():
    game = method(**JOINT)
    before = {name: value.clone() for name, value in game.momentum.module.named_buffers()}
    play(game, make_optimisers(game), batch(), 0)
    guide = dict(game.guide.named_buffers())
    for name, value in game.momentum.module.named_buffers():
        if "running" in name:
            torch.testing.assert_close(value, before[name].lerp(guide[name], 1 - game.recipe.momentum))


def test_the_guides_batch_norms_remember_real_images_alone():
    game = method(**JOINT)
    scene = scene_of(game)
    game.discriminator_loss(scene)
    before = {name: value.clone() for name, value in game.guide.named_buffers()}
    game.generator_loss(scene)
    assert all(torch.equal(value, before[name]) for name, value in game.guide.named_buffers())


def test_separate_training_reads_both_codes_of_its_style_loss_in_the_same_mode():
    game = method(**JOINT, feedback="none")
    game.momentum.module.load_state_dict(game.guide.state_dict())
    scene = scene_of(game)
    game.paint(scene)
    assert torch.equal(game.target(scene), game.read(scene.image[scene.order]))


def test_the_mean_code_of_a_domain_is_that_of_its_images():
    game = method(unit_codes=False)
    scene = Scene(batch(), 0)
    game(scene)
    scene.key, scene.domain = None, torch.tensor([0, 0, 2])
    scene.code = torch.tensor([[1.0, 0, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 5.0]])
    for _ in range(50):
        game.end(scene)
    expected = torch.zeros(4, 4)
    expected[0, 0], expected[2, 3] = 2, 5
    torch.testing.assert_close(game.mean_codes(), expected)


@pytest.mark.parametrize("feedback", ["all", "none"])
def test_a_training_resumed_across_the_phases_ends_bit_for_bit_like_one_in_one_go(tmp_path, feedback):
    def run(folder, steps, resume=False):
        game = method(3, steps=8, warm_up=0.5, feedback=feedback, guide_every=2, r1_every=3, queue=64)
        data = Stream(lambda position, rng: batch(seed=position), seed=0)
        fit(game, data, steps, folder=folder, resume=resume, save_every=3, progress=False, precision="fp32")
        return game

    whole = run(tmp_path / "whole", 8)
    for steps in (3, 4, 5, 8):  # before, at and after the border
        parts = run(tmp_path / "parts", steps, resume=steps > 3)
    assert whole.state_dict().keys() == parts.state_dict().keys()
    assert all(torch.equal(value, parts.state_dict()[name]) for name, value in whole.state_dict().items())
    assert int(whole.queue.count) == (32 if feedback == "none" else 48)  # then keys come in every other step, or never
    one, two = (checkpoints.load(tmp_path / name)[1] for name in ("whole", "parts"))
    assert one["history"]["terms"] == two["history"]["terms"]
    for name, optimiser in one["optimisers"].items():
        for weight, memory in optimiser["state"].items():
            assert all(torch.equal(v, two["optimisers"][name]["state"][weight][k]) for k, v in memory.items())


@pytest.mark.parametrize(
    ("changes", "layout"),
    [({"r1_every": 1}, "contiguous"), ({"r1_every": 2}, "channels last"), ({"r1": 0.0}, "channels last")],
)
def test_channels_are_last_unless_every_step_has_a_penalty(changes, layout):
    data = Stream(lambda position, rng: batch(seed=position), seed=0)
    history = fit(method(3, steps=2, **changes), data, progress=False, precision="fp32")
    assert history.layout == layout


def test_a_training_that_is_given_more_steps_does_not_fall_back_into_its_warm_up(tmp_path):
    def run(**changes):
        game = method(3, warm_up=0.5, heads=3, **changes)
        data = Stream(lambda position, rng: batch(seed=position), seed=0)
        resume = changes["steps"] > 4
        return game, fit(game, data, folder=tmp_path / "run", resume=resume, progress=False, precision="fp32")

    short, _ = run(steps=4)
    longer, history = run(steps=12)
    assert history.at["discriminator"] == list(range(2, 12))
    assert int(longer.joint_since) == 2
    assert torch.equal(longer.guide.head_losses, short.guide.head_losses)
    assert [longer.rates()(step) for step in (4, 5)] == [1, 1]


def test_a_checkpoint_builds_the_same_method_again():
    game = method(**JOINT)
    game.code_counts.fill_(1)  # no domain is empty
    play(game, make_optimisers(game), batch(), 0)
    again = build(game.settings())
    again.load_state_dict(deepcopy(game.state_dict()))
    assert isinstance(again, TUNIT)
    image = batch()["image"]
    assert torch.equal(again.translate(image, "2"), game.translate(image, "2"))
    assert torch.equal(again.translate_like(image, image.flip(0)), game.translate_like(image, image.flip(0)))


# --- translating ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_picture_is_put_into_the_style_of_a_reference_a_code_or_a_domain(average):
    game, image = method(**JOINT, average=average), batch()["image"]
    game.code_counts.fill_(1)  # no domain is empty
    play(game, make_optimisers(game), batch(), 0)
    before = deepcopy(game.state_dict())
    g = game.averages["generator"] if average else game.generator
    reference, code = image.roll(1, 0), game.codes(image.roll(1, 0))
    with torch.no_grad():
        game.eval()
        assert torch.equal(code, game.momentum(reference)[1])
        expected = g(image, 2 * code)
        mean = g(image, 2 * game.mean_codes()[3].expand(8, -1))
        probabilities = game.guide(image)[0].softmax(1)
        game.train()
    assert torch.equal(game.translate_like(image, reference), expected)
    assert torch.equal(game.restyle(image, code), expected)
    alone = game.translate_like(image, reference[:1]), game.restyle(image, code[:1].expand(8, -1))
    torch.testing.assert_close(*alone, rtol=0, atol=1e-5)  # a batch of one is computed in another order
    assert torch.equal(game.translate(image, "3"), mean)
    assert torch.equal(game.translate(image), game.translate(image, "0"))
    assert torch.equal(game.assign(image), probabilities)
    assert all(torch.equal(value, before[name]) for name, value in game.state_dict().items())
    assert all(module.training for module in game.modules())


@pytest.mark.parametrize("unit", [True, False])
def test_a_unit_code_between_two_is_as_long_as_they_are(unit):
    game, image, given = method(unit_codes=unit), batch()["image"], []
    game.averaged("generator").register_forward_pre_hook(lambda _, arguments: given.append(arguments[1]))
    code = F.normalize(torch.randn(8, 4, generator=torch.Generator().manual_seed(0)))
    between = torch.lerp(code, code.roll(1, 0), 0.5)
    assert between.norm(dim=1).max() < 0.99
    as_it_is = code, code * 1.00005, torch.zeros(8, 4)
    others = between, 3 * between, between.double()
    for one in as_it_is + others:
        game.restyle(image, one)
    assert all(one.dtype == torch.float32 for one in given)
    long = 2 if unit else 1  # as long as a random code of 4
    assert all(torch.equal(found, long * one) for found, one in zip(given, as_it_is, strict=False))
    for found, one in zip(given[3:], others, strict=True):
        torch.testing.assert_close(found, 2 * F.normalize(between) if unit else one.float())


def test_the_command_gives_pictures_the_mean_style_of_a_domain(tmp_path):
    game = method(steps=2)
    game.code_counts.fill_(1)  # no domain is empty
    fit(game, Stream(lambda position, rng: batch(position), seed=0), folder=tmp_path / "run", progress=False)
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    write_png(tmp_path / "1.png", picture)
    (path,) = translate_files(tmp_path / "run", tmp_path / "1.png", tmp_path / "out", direction="2")
    made = game.translate(to_tensor(picture[None]), "2")
    assert np.abs(np.asarray(read_rgb(path)).astype(int) - to_uint8(made)[0]).max() <= 1
    with pytest.raises(ValueError, match="direction is 'AtoB'; expected one of 0, 1, 2, 3"):
        translate_files(tmp_path / "run", tmp_path / "1.png", tmp_path / "out", direction="AtoB")


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"domains": 1}, "domains must be a whole number from 2 to 1000, not 1"),
        ({"batch": 8}, "batch is 8; to sort images into 10 domains a batch needs at least as many"),
        ({"batch": 1, "domains": 2}, "batch is 1; to sort images into 2 domains"),
        ({"queue": 16}, "queue is 16; it must hold the keys of a batch at least, 32"),
        ({"translated": 33}, "translated is 33; a batch has 32 images"),
        ({"translated": 1}, "translated must be a whole number from 2"),
        ({"size": 100}, "size is 100; .* a multiple of 8, at least 32"),
        ({"size": 16}, "size is 16; .* at least 32"),
        ({"size": 96}, "size is 96; the residual discriminator needs a power of 2"),
        ({"size": 36, "downs": 1, "discriminator_body": "patches"}, "size is 36; .* a multiple of 8"),
        ({"feedback": "some"}, "feedback must be 'all'"),
        ({"momentum": 1.0}, "momentum must be"),
        ({"temperature": 0.0}, "temperature must be"),
    ],
)
def test_a_wrong_number_is_refused_before_anything_is_built(changes, sentence):
    with pytest.raises(ParameterError, match=sentence) as caught:
        replace(TUNITRecipe(), **changes)
    assert "\n" not in str(caught.value)


def test_batches_that_do_not_serve_are_refused_in_one_sentence():
    game = method()
    with pytest.raises(ValueError, match="the batch has 3 images; 4 domains need at least as many"):
        play(game, make_optimisers(game), batch(count=3), 0)
    with pytest.raises(ValueError, match="the batch has no 'strong'; it holds 'image'"):
        play(game, make_optimisers(game), {"image": batch()["image"]}, 0)
    game = method(**JOINT, guide_every=4)
    with pytest.raises(ValueError, match="the batch has 1 images; 4 domains need at least as many"):
        play(game, make_optimisers(game), batch(count=1), 0)
    with pytest.raises(ValueError, match=r"the images are \(8, 3, 32, 32\), their strong views \(8, 3, 32, 16\)"):
        play(game, make_optimisers(game), batch() | {"strong": batch()["strong"][..., :16]}, 0)


def test_a_nan_ends_a_training_with_the_term_and_the_step():
    def make(position, rng):
        given = batch(position)
        given["image"][0, 0, 0, 0] = math.nan if position == 1 else 0.0
        return given

    with pytest.raises(TrainingError, match="the term 'information' is nan in step 1"):
        fit(method(), Stream(make, seed=0), progress=False, precision="fp32")


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda game, x: game.translate(x, "4"), "direction is '4'; expected one of 0, 1, 2, 3"),
        (lambda game, x: game.translate(x, "3"), "domain 3 has no mean style: of late no image was sorted into it"),
        (lambda game, x: game.translate_like(x, x[:2]), "there are 2 references for 8 images; expected one"),
        (lambda game, x: game.translate_like(x * 9, x), r"expected \[-1, 1\]"),
        (lambda game, x: game.translate_like(x, x[:, :1]), r"expected float images \(N, 3, H, W\)"),
        (lambda game, x: game.restyle(x, torch.zeros(8, 3)), r"the codes are \(8, 3\); expected \(8, 4\)"),
        (lambda game, x: game.restyle(x, torch.full((8, 4), math.nan)), "the codes hold NaN or infinity; expected"),
        (lambda game, x: game.restyle(x, None), "expected a float tensor that is not empty; got the NoneType None"),
        (lambda game, x: game.assign(x[:0]), "N > 0"),
        (lambda game, x: game.translate_like(x[..., :31], x), "multiples of 2"),
        (lambda game, x: information_loss(P, Q[:2]), "equal shapes"),
        (lambda game, x: information_loss(x, x), r"expected \(N, K\)"),
        (lambda game, x: contrastive_loss(P, Q, torch.zeros(2, 5)), r"expected \(N, style\) and \(M, style\)"),
    ],
)
def test_a_wrong_argument_gets_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        call(method(), batch()["image"])
    assert "\n" not in str(caught.value)


def test_a_batch_cannot_be_divided():
    assert "use one process" in method().couples()
