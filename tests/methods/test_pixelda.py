"""PixelDA: the check points of the paper's sheet, and every switch of its ablations. Pairs of losses: test_losses.

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

from i2i_tutor.data import digits
from i2i_tutor.methods import build
from i2i_tutor.methods.base import Scene
from i2i_tutor.methods.pixelda import (
    RECIPES,
    Centre,
    Discriminator,
    Generator,
    PixelDA,
    PixelDARecipe,
    TaskAlone,
    TaskNetwork,
    shifted,
)
from i2i_tutor.nn import count_parameters
from i2i_tutor.training import fit, make_optimisers, play

TINY = replace(RECIPES["smoke"], batch=4)


def batch(count=4, size=16, seed=0, dtype=torch.float32):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(2, count, 3, size, size, generator=draw, dtype=dtype) * 2 - 1
    return {
        "source": images[0],
        "source_label": (torch.arange(count) + seed) % 10,
        "source_mask": (torch.rand(count, 1, size, size, generator=draw) > 0.5).to(dtype),
        "target": images[1],
    }


def scene_of(method, data, step=0):
    scene = Scene(data, step)
    method(scene)
    return scene


def unchanged(network, before):
    return all(map(torch.equal, network.parameters(), before))


# --- 1-3: the networks -----------------------------------------------------------------------------------------------


def test_the_paper_profile_is_the_papers_networks():
    recipe = RECIPES["paper"]
    with torch.device("meta"):
        method = PixelDA(recipe)
        assert count_parameters(method.generator) == 456_963
        assert count_parameters(method.discriminator) == 1_559_169
        assert count_parameters(method.task) == 361_722
        assert count_parameters(method.task.private["source"]) == 2_432
        assert count_parameters(TaskAlone(recipe)) == 359_290
        assert count_parameters(Generator(28)) == 454_323
        assert count_parameters(Discriminator(28)) == 1_559_169
        assert count_parameters(TaskNetwork(28)) == 289_722
    assert (recipe.size, recipe.batch, recipe.learning_rate, recipe.beta1, recipe.beta2) == (32, 32, 1e-3, 0.5, 0.999)
    assert (recipe.dropout, recipe.discriminator_noise, recipe.stair, recipe.stair_factor) == (0.1, 0.2, 10_000, 0.95)
    assert recipe.weight_generator / recipe.weight_task == pytest.approx(1.12, abs=0.005)


def test_batch_norm_shifts_and_does_not_scale():
    torch.manual_seed(0)
    norm, images = Centre(3), torch.randn(8, 3, 4, 4) * 5 + 2
    assert [name for name, _ in norm.named_parameters()] == ["bias"]
    out = norm(images)
    assert torch.allclose(out.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    variance = images.var((0, 2, 3), correction=0)
    assert torch.allclose(out.var((0, 2, 3), correction=0), variance / (variance + 1e-3), atol=1e-5)
    assert torch.allclose(norm.running_mean, 0.1 * images.mean((0, 2, 3)), atol=1e-5)  # a decay of 0.9
    assert Centre(5)(torch.randn(6, 5)).shape == (6, 5)


@pytest.mark.parametrize("size", [16, 28, 32, 64])
def test_the_generator_keeps_the_size_and_noise_changes_its_output(size):
    torch.manual_seed(0)
    generator = Generator(size, width=4, blocks=1).eval()
    x = torch.rand(2, 3, size, size) * 2 - 1
    z = torch.rand(2, 2, 10) * 2 - 1
    one, other = generator(x, z[0]), generator(x, z[1])
    assert one.shape == x.shape
    assert one.abs().max() <= 1
    assert not torch.equal(one, other)
    assert torch.equal(one, generator(x, z[0]))
    with pytest.raises(ValueError, match=f"images of {size}x{size} pixels"):
        generator(torch.zeros(1, 3, size + 1, size), z[0, :1])


def test_without_noise_the_generator_is_a_function_of_the_image():
    method = PixelDA(replace(TINY, noise_size=0))
    assert method.generator.noise is None
    x = batch()["source"]
    assert torch.equal(method.translate(x), method.translate(x))
    noisy = PixelDA(TINY)
    assert not torch.equal(noisy.translate(x), noisy.translate(x))


@pytest.mark.parametrize(("size", "last"), [(16, 4), (28, 4), (32, 4), (64, 4)])
def test_the_discriminator_halves_down_to_four_and_gives_one_logit_an_image(size, last):
    discriminator = Discriminator(size, width=2)
    seen = []
    discriminator.layers[-2].register_forward_pre_hook(lambda module, given: seen.append(given[0].shape[-2:]))
    assert discriminator(torch.zeros(3, 3, size, size)).shape == (3,)
    assert seen == [(last, last)]


def test_the_discriminator_is_noisy_in_evaluation_too_but_drops_out_in_training_only():
    x = batch()["target"]
    noisy = Discriminator(16, 4, dropout=0.0, noise=0.2).eval()
    assert not torch.equal(noisy(x), noisy(x))
    dropping = Discriminator(16, 4, dropout=0.5, noise=0.0)
    assert not torch.equal(dropping(x), dropping(x))
    assert torch.equal(dropping.eval()(x), dropping(x))


# --- 5-8: the losses and who moves -----------------------------------------------------------------------------------


def test_losses_of_an_undecided_discriminator():
    method = PixelDA(replace(TINY, weight_domain=0.7, weight_generator=0.3))
    method.discriminator.forward = lambda images: torch.zeros(len(images))
    scene = scene_of(method, batch())
    d = method.domain_and_task_loss(scene)["discriminator"]
    assert float(d) == pytest.approx(0.7 * 2 * math.log(2))
    assert float(method.generator_loss(scene)["generator"].detach()) == pytest.approx(0.3 * math.log(2))


def test_each_turn_moves_its_own_players_only():
    torch.manual_seed(0)
    for number, still in ((0, ("generator",)), (1, ("discriminator", "task"))):
        method = PixelDA(TINY)
        moving = method.turns[number].moves
        method.turns = (method.turns[number],)
        before = {name: [p.clone() for p in getattr(method, name).parameters()] for name in (*still, *moving)}
        play(method, make_optimisers(method), batch(), 0)
        assert all(unchanged(getattr(method, name), before[name]) for name in still)
        assert all(p.grad is None for name in still for p in getattr(method, name).parameters())
        assert not any(unchanged(getattr(method, name), before[name]) for name in moving)


def test_the_generator_draws_noise_of_its_own():
    method, drawn = PixelDA(TINY), []
    method.generator.register_forward_pre_hook(lambda module, given: drawn.append(given[1]))
    play(method, make_optimisers(method), batch(), 0)
    assert len(drawn) == 2
    assert not torch.equal(*drawn)
    assert all(z.abs().max() <= 1 and z.min() < 0 for z in drawn)


def test_the_private_layer_of_the_source_changes_the_answer_on_the_source_only():
    torch.manual_seed(0)
    task, x = TaskNetwork(16, 10, 4), batch()["source"]
    before = task(x, "source"), task(x)
    with torch.no_grad():
        task.private["source"][0].weight.mul_(-3)
    assert not torch.equal(task(x, "source"), before[0])
    assert torch.equal(task(x), before[1])


def test_adapted_images_pass_the_first_layer_of_the_target_and_source_images_their_own():
    method, data, seen = PixelDA(TINY), batch(), {"source": [], "target": []}
    for domain, layer in method.task.private.items():
        layer.register_forward_pre_hook(lambda module, given, domain=domain: seen[domain].append(given[0]))
    scene = scene_of(method, data)
    method.domain_and_task_loss(scene)
    assert [torch.equal(x, data["source"]) for x in seen["source"]] == [True]
    assert [torch.equal(x, scene.fake) for x in seen["target"]] == [True]
    method.generator_loss(scene)
    assert len(seen["source"]) == 1, "the generator's task term reads adapted images only"
    assert len(seen["target"]) == 2


def test_without_its_weight_the_task_gives_the_generator_no_gradient():
    torch.manual_seed(0)
    data = batch()
    for weight, terms in ((0.0, {"generator"}), (0.1, {"generator", "task"})):
        method = PixelDA(replace(TINY, weight_task=weight, weight_generator=0.0))
        found = method.generator_loss(scene_of(method, data))
        assert set(found) == terms
        sum(found.values()).backward()
        moved = any(p.grad is not None and p.grad.abs().sum() > 0 for p in method.generator.parameters())
        assert moved is (weight > 0)


@pytest.mark.parametrize(
    ("changes", "terms"),
    [
        ({}, {"discriminator", "task_adapted", "task_source", "generator", "task"}),
        ({"weight_source": 0.0}, {"discriminator", "task_adapted", "generator", "task"}),
        ({"weight_task": 0.0}, {"discriminator", "task_adapted", "task_source", "generator"}),
        ({"weight_content": 1.0}, {"discriminator", "task_adapted", "task_source", "generator", "task", "content"}),
        ({"noise_size": 0}, {"discriminator", "task_adapted", "task_source", "generator", "task"}),
    ],
)
def test_every_variant_of_the_ablations_plays(changes, terms):
    torch.manual_seed(0)
    method = PixelDA(replace(TINY, **changes))
    played = play(method, make_optimisers(method), batch(), 0)
    assert set(played) == terms
    assert method.translate(batch()["source"]).shape == (4, 3, 16, 16)


def test_every_pixel_can_be_given_all_of_the_noise():
    torch.manual_seed(0)
    seen = []
    generator = Generator(16, noise_size=3, width=4, blocks=1, noise_map=False)
    generator.layers.register_forward_pre_hook(lambda layers, images: seen.append(images[0][:, 3:]))
    z = torch.rand(8, 3) * 2 - 1
    assert generator(torch.zeros(8, 3, 16, 16), z).shape == (8, 3, 16, 16)
    assert torch.equal(seen[0], z[:, :, None, None].expand(8, 3, 16, 16))
    with pytest.raises(ValueError, match="the noise is"):
        generator(torch.zeros(8, 3, 16, 16), z[:, :2])
    assert not RECIPES["fast"].noise_map
    assert RECIPES["paper"].noise_map


def test_every_image_is_moved_by_itself_within_the_mirrored_border():
    torch.manual_seed(0)
    images = torch.arange(64.0).view(1, 1, 8, 8).expand(50, 2, 8, 8)
    moved = shifted(images, 2)
    assert moved.shape == images.shape
    assert torch.equal(moved[:, 0], moved[:, 1])  # the channels of an image move together
    steps = (moved - images)[:, 0, 3:5, 3:5].flatten(1)
    assert (steps == steps[:, :1]).all()
    assert {8 * down + right for down in range(-2, 3) for right in range(-2, 3)} >= set(steps[:, 0].tolist())
    assert len(set(steps[:, 0].tolist())) > 10
    at_rest = moved[(steps[:, 0] == 2)][0, 0]  # two to the right: the last columns are mirrored
    assert torch.equal(at_rest[:, -3:], images[0, 0][:, [7, 6, 5]])
    assert shifted(images, 0) is images


def test_real_and_made_images_are_moved_and_gradients_pass():
    torch.manual_seed(0)
    method = PixelDA(replace(TINY, dropout=0.0, discriminator_noise=0.0, discriminator_shift=2))
    images = batch()["target"].requires_grad_()
    assert not torch.equal(method.discriminate(images), method.discriminate(images))
    method.discriminate(images).sum().backward()
    assert images.grad.abs().sum() > 0
    assert RECIPES["fast"].discriminator_shift == 2
    assert RECIPES["paper"].discriminator_shift == 0


def test_the_unlabelled_target_teaches_the_discriminator_only():
    torch.manual_seed(0)
    one, other = (PixelDA(replace(TINY, dropout=0.0, discriminator_noise=0.0)) for _ in range(2))
    other.load_state_dict(one.state_dict())
    for method, seed in ((one, 0), (other, 1)):
        method.turns = method.turns[:1]
        torch.manual_seed(5)
        play(method, make_optimisers(method), batch() | {"target": batch(seed=seed)["target"]}, 0)
    assert unchanged(one.task, list(other.task.parameters()))
    assert not unchanged(one.discriminator, list(other.discriminator.parameters()))


# --- steps in plain PyTorch ------------------------------------------------------------------------------------------

# Some gradients are longer than 5 in some of the steps and clipped there: Adam sees no factor that is always the same
HEAVY = {
    "weight_domain": 1.3,
    "weight_generator": 0.7,
    "weight_task": 0.3,
    "weight_source": 40.0,
    "weight_content": 3.0,
}


def stepper(network, lengths):
    """What moves a network; notes by weight how long its gradients are before they are clipped."""
    optimiser = Adam(network.parameters(), 1e-3, (0.5, 0.999))

    def move():
        for p in network.parameters():
            if p.grad is not None:
                lengths.setdefault(p, []).append(float(nn.utils.clip_grad_norm_([p], 5.0)))
        optimiser.step()

    return optimiser, move


def textbook(net, lengths):
    g, d, t, shift = net.generator, net.discriminator, net.task, net.recipe.discriminator_shift
    (adam_g, move_g), (adam_d, move_d), (adam_t, move_t) = (stepper(network, lengths) for network in (g, d, t))

    def noise():
        return torch.rand(4, 10, dtype=torch.double) * 2 - 1

    def look(images):
        """D's logits of images that are moved first, then D itself draws dropout and noise."""
        if shift:
            down, right = torch.randint(0, 2 * shift + 1, (2, 4)).tolist()
            wide = F.pad(images, (shift, shift, shift, shift), mode="reflect")
            windows = [wide[n : n + 1, :, down[n] : down[n] + 16, right[n] : right[n] + 16] for n in range(4)]
            images = torch.cat(windows)
        return d(images)

    def real_or_not(logits, real):
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))

    def pairwise(difference):
        """Equation 6: the mean square, minus the square of the mean, of each image."""
        values = difference.flatten(1)
        return (values.square().sum(1) / values.shape[1] - values.sum(1).square() / values.shape[1] ** 2).mean()

    def step(batch, number):
        x, y, mask = batch["source"], batch["source_label"], batch["source_mask"]
        # In this order they draw: z, D on the target, D on the fakes, z again, D on the new fakes
        fake = g(x, noise()).detach()
        terms = {"discriminator": 1.3 * (real_or_not(look(batch["target"]), True) + real_or_not(look(fake), False))}
        terms["task_adapted"] = F.cross_entropy(t(fake, "target"), y)
        terms["task_source"] = 40 * F.cross_entropy(t(x, "source"), y)
        adam_d.zero_grad(), adam_t.zero_grad()
        sum(terms.values()).backward()
        move_d(), move_t()
        fake = g(x, noise())
        of_g = {
            "generator": 0.7 * real_or_not(look(fake), True),
            "task": 0.3 * F.cross_entropy(t(fake, "target"), y),
            "content": 3 * pairwise((x - fake) * mask),
        }
        adam_g.zero_grad()
        sum(of_g.values()).backward()
        move_g()
        return terms | of_g

    return step


@pytest.mark.parametrize("changes", [{}, {"noise_map": False, "discriminator_shift": 2}])
def test_five_steps_are_those_of_plain_pytorch(changes):
    torch.manual_seed(0)
    method, lengths = PixelDA(replace(TINY, dropout=0.1, discriminator_noise=0.2, **HEAVY, **changes)).double(), {}
    batches = [batch(seed=seed, dtype=torch.double) for seed in range(5)]
    compare_steps(method, lambda net: textbook(net, lengths), batches)
    assert any(min(found) < 5 < max(found) for found in lengths.values())


def test_five_steps_of_the_task_alone_are_those_of_plain_pytorch():
    def textbook(net):
        adam, move = stepper(net.task, lengths)

        def step(batch, number):
            loss = F.cross_entropy(net.task(batch["image"]), batch["label"])
            adam.zero_grad()
            loss.backward()
            move()
            return {"task": loss}

        return step

    torch.manual_seed(0)
    lengths, batches = {}, [batch(seed=seed, dtype=torch.double) for seed in range(5)]
    method = TaskAlone(TINY).double()
    with torch.no_grad():  # so that gradients of a weight are longer than 5 in some of the steps, and clipped
        method.task.last.weight.mul_(110)
    compare_steps(method, textbook, [{"image": some["source"], "label": some["source_label"]} for some in batches])
    assert any(min(found) < 5 < max(found) for found in lengths.values())


# --- 10 and 12, and the machinery ------------------------------------------------------------------------------------


def trained(steps=3, seed=3, folder=None, resume=False):
    torch.manual_seed(seed)
    method = PixelDA(TINY)
    fit(
        method,
        digits.train("digits", 16, 4, seed),
        steps,
        folder=folder,
        resume=resume,
        progress=False,
        precision="fp32",
    )
    return method


def test_the_same_seed_gives_the_same_run_and_resuming_changes_nothing(tmp_path):
    straight = trained(4, folder=tmp_path / "straight").state_dict()
    assert all(torch.equal(value, straight[name]) for name, value in trained(4).state_dict().items())
    trained(2, folder=tmp_path / "parts")
    parts = trained(4, folder=tmp_path / "parts", resume=True).state_dict()
    assert all(torch.equal(value, straight[name]) for name, value in parts.items())
    assert any(not torch.equal(value, straight[name]) for name, value in trained(4, seed=4).state_dict().items())


def test_another_classifier_learns_from_a_frozen_generator():
    method = trained(1)
    before = [p.clone() for p in method.generator.parameters()]
    source = next(digits.train("digits", 16, 64, seed=0))
    images = method.translate(source["source"])
    other = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(3 * 16 * 16), torch.nn.Linear(3 * 16 * 16, 10))
    optimiser = torch.optim.Adam(other.parameters(), lr=1e-2)
    paid = []
    for _ in range(30):
        loss = F.cross_entropy(other(images), source["source_label"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        paid.append(float(loss.detach()))
    assert paid[-1] < 0.5 * paid[0]
    assert unchanged(method.generator, before)


def test_translating_changes_nothing_and_does_not_mix_images():
    method = trained(2).double()
    state = {name: value.clone() for name, value in method.state_dict().items()}
    x = batch()["source"].double()
    drawn = []
    method.generator.register_forward_pre_hook(lambda module, given: drawn.append(given[1]))
    together = method.translate(x)
    assert method.generator.training
    method.generator.eval()
    with torch.no_grad():
        alone = torch.cat([method.generator(x[i : i + 1], drawn[0][i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
    assert all(torch.equal(value, state[name]) for name, value in method.state_dict().items())


def test_every_variable_s_gradient_is_clipped_by_itself():
    large, small = torch.nn.Parameter(torch.zeros(4)), torch.nn.Parameter(torch.zeros(4))
    optimiser = PixelDA(TINY).optimiser([large, small])
    large.grad, small.grad = torch.full((4,), 50.0), torch.full((4,), 0.5)
    optimiser.step()
    assert large.grad.norm() == pytest.approx(5.0, rel=1e-5)
    assert small.grad.norm() == pytest.approx(1.0)


def test_the_learning_rate_falls_in_stairs():
    recipe = RECIPES["paper"]
    rates = recipe.rates()
    by_hand = {0: 1.0, 9_999: 1.0, 10_000: 0.95, 25_000: 0.9025, recipe.steps - 1: 0.29198902}  # 0.95 ** 24
    assert {step: rates(step) for step in by_hand} == pytest.approx(by_hand)
    assert recipe.learning_rate * rates(recipe.steps) == pytest.approx(2.8e-4, rel=0.01)  # the sheet's final rate


def test_a_short_run_s_rate_is_constant_and_then_falls_over_its_last_half():
    recipe = RECIPES["fast"]
    rates, half = recipe.rates(), recipe.steps // 2
    by_hand = {0: 1.0, half: half / (half + 1), half + half // 2: (half - half // 2) / (half + 1)}
    assert {step: rates(step) for step in by_hand} == pytest.approx(by_hand)
    assert 0 < rates(recipe.steps - 1) < 2 / half


def test_methods_are_built_again_from_their_settings():
    for method in (PixelDA(replace(TINY, noise_size=0)), TaskAlone(TINY)):
        again = build(method.settings())
        assert type(again) is type(method)
        again.load_state_dict(method.state_dict())


def test_the_reference_trains_its_task_and_adapts_nothing():
    torch.manual_seed(0)
    method = TaskAlone(TINY)
    stream = digits.labelled("digits", 16, 4, seed=0)
    before = [p.clone() for p in method.parameters()]
    assert set(play(method, make_optimisers(method), next(stream), 0)) == {"task"}
    assert not unchanged(method, before)
    x = batch()["source"]
    assert method.translate(x) is x


@pytest.mark.parametrize(
    "numbers",
    [
        {"classes": 0}, {"noise_size": -1}, {"dropout": 1.5}, {"stair_factor": -0.1}, {"stair": -1}, {"blocks": 0},
        {"weight_task": -1.0}, {"weight_source": math.nan}, {"weight_content": 1e7}, {"discriminator_noise": -0.1},
        {"stair": 100, "decay": 0.5}, {"discriminator_shift": -1}, {"discriminator_shift": 16, "size": 16},
    ],
)  # fmt: skip
def test_absurd_recipes_are_refused_by_name(numbers):
    with pytest.raises(ValueError, match=next(iter(numbers))):
        PixelDARecipe(**numbers)
