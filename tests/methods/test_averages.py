"""Averaged generators: they follow, they translate, they resume, and the game does not notice them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from i2i_tutor import parameters
from i2i_tutor.data import facades, unlabelled
from i2i_tutor.data.images import resize, stack, write_png
from i2i_tutor.data.streams import Stream, to_tensor, to_uint8
from i2i_tutor.film import Film, strip
from i2i_tutor.methods import METHODS, aggan, cyclegan, matchgan, opgan, pix2pix, tunit
from i2i_tutor.methods.aggan import AGGAN
from i2i_tutor.methods.base import AveragingRecipe
from i2i_tutor.methods.cyclegan import AdversarialCycleGAN, CycleGAN
from i2i_tutor.methods.matchgan import MatchGAN, StarGAN
from i2i_tutor.methods.opgan import OPGAN
from i2i_tutor.methods.pix2pix import Pix2Pix
from i2i_tutor.methods.tunit import TUNIT
from i2i_tutor.training import checkpoints, fit, make_optimisers, play
from i2i_tutor.translate import load_method, translate_files

RECIPES = {
    Pix2Pix: replace(pix2pix.RECIPES["smoke"], base=4, average=0.75),
    CycleGAN: replace(cyclegan.RECIPES["smoke"], base=2, average=0.75),
    AdversarialCycleGAN: replace(cyclegan.RECIPES["smoke"], base=2, average=0.75),
    AGGAN: replace(aggan.RECIPES["smoke"], base=2, discriminator_base=2, attention_base=2, average=0.75),
    OPGAN: replace(opgan.RECIPES["smoke"], base=2, siamese_base=2, warm_up=0, average=0.75),
    StarGAN: matchgan.StarGANRecipe(
        32, 2, 4, base=2, blocks=1, discriminator_base=2, layers=3, critic=1, learning_rate=1e-3, average=0.75
    ),
    MatchGAN: replace(matchgan.RECIPES["smoke"], base=2, discriminator_base=2, average=0.75),
    TUNIT: replace(tunit.RECIPES["smoke"], batch=2, domains=2, translated=2, warm_up=0.25, average=0.75),
}
BOTH = ["g_ab", "g_ba"]
GENERATORS = {
    Pix2Pix: ["generator"],
    CycleGAN: BOTH,
    AdversarialCycleGAN: BOTH,
    AGGAN: [*BOTH, "attention_a", "attention_b"],
    OPGAN: BOTH,
    StarGAN: ["generator"],
    MatchGAN: ["generator"],
    TUNIT: ["generator"],
}


@pytest.fixture(params=RECIPES, ids=lambda game: game.name)
def game(request):
    return request.param


def make(game, seed=0, **changes):
    torch.manual_seed(seed)
    return game(replace(RECIPES[game], **changes))


def batch(seed=0, count=2):
    draw = torch.Generator().manual_seed(seed)
    images = torch.rand(2, count, 3, 32, 32, generator=draw) * 2 - 1
    label, wanted = torch.randint(0, 2, (2, 3, 5), generator=draw).float()  # in groups, as MatchGAN wants them
    return {
        key: pictures
        for keys in (("input", "target"), "ab", ("image", "strong"))
        for key, pictures in zip(keys, images, strict=True)
    } | {"label": label.repeat_interleave(4, 0)[:count], "wanted": wanted.repeat(4, 1)[:count]}


def count(game):
    """Images of a batch; two are not enough for pairs of equal and of different labels."""
    return 12 if game is MatchGAN else 2


def played(method, steps=3):
    optimisers = make_optimisers(method)
    for step in range(steps):
        torch.manual_seed(step)  # dropout and pools
        play(method, optimisers, batch(step, count(type(method))), step)
    return method


def copied(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def trained(game, folder=None, steps=4, resume=False, callbacks=(), **changes):
    method = make(game, 3, steps=4, **changes)
    if game in (StarGAN, MatchGAN):
        data = Stream(lambda position, rng: batch(position, count(game)), seed=3)
    elif game is TUNIT:
        data = unlabelled.train("herd", 32, 2, seed=3)
    else:
        data = facades.train("procedural", 32, 2, seed=3, paired=game is Pix2Pix)
    options = {"precision": "fp32", "progress": False, "callbacks": callbacks}
    fit(method, data, steps, folder=folder, resume=resume, **options)
    return method


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


# --- following -----------------------------------------------------------------------------------------------------


def test_the_average_is_the_one_computed_by_hand(game):
    method = make(game).double()
    expected = {name: copied(getattr(method, name)) for name in GENERATORS[game]}
    optimisers = make_optimisers(method)
    for step in range(4):
        play(method, optimisers, {key: value.double() for key, value in batch(step, count(game)).items()}, step)
        for name, mine in expected.items():
            for key, live in getattr(method, name).state_dict().items():
                mine[key] = 0.75 * mine[key] + 0.25 * live
    assert list(method.averages) == GENERATORS[game]
    for name, mine in expected.items():
        for key, value in method.averages[name].module.state_dict().items():
            torch.testing.assert_close(value, mine[key], rtol=0, atol=1e-12)
            assert key.endswith("bias") or not torch.equal(value, getattr(method, name).state_dict()[key])


def test_a_child_with_an_end_of_its_own_need_not_know_about_averages():
    class Ends(Pix2Pix):
        def end(self, scene):
            self.ended = scene.step

    torch.manual_seed(0)
    mine, plain = played(Ends(RECIPES[Pix2Pix])), played(make(Pix2Pix))
    assert mine.ended == 2
    assert same(mine.averages.state_dict(), plain.averages.state_dict())


def test_the_game_is_the_same_with_averages_and_without(game):
    averaging, plain = played(make(game)), played(make(game, average=0.0))
    state = {name: value for name, value in averaging.state_dict().items() if not name.startswith("averages.")}
    assert same(state, plain.state_dict())


def test_without_a_decay_nothing_is_built(game):
    method = make(game, average=0.0)
    assert not method.averages
    assert not any(name.startswith("averages") for name in method.state_dict())
    assert all(method.averaged(name) is getattr(method, name) for name in GENERATORS[game])


def test_only_networks_that_play_have_gradients_and_optimisers(game):
    method, seen = make(game), []
    for name in GENERATORS[game]:
        method.averages[name].register_forward_hook(lambda *_: seen.append(1))
        method.averages[name].module.register_forward_hook(lambda *_: seen.append(1))
    played(method)
    assert not seen
    averages = list(method.averages.parameters())
    assert averages
    assert all(p.grad is None and not p.requires_grad for p in averages)
    moved = {id(p) for o in make_optimisers(method).values() for group in o.param_groups for p in group["params"]}
    assert not moved & {id(p) for p in averages}


# --- translating ---------------------------------------------------------------------------------------------------


def test_the_average_translates_and_the_live_network_plays(game):
    plain = {Pix2Pix: {"dropout_layers": 0}, AGGAN: {"attention": False}}  # so that a generator alone translates
    method, x = played(make(game, **plain.get(game, {}))), batch()["a"]
    for number, name in enumerate(method.averages):
        direction = method.directions[number] if method.directions else None
        given = (x,)
        if game is TUNIT:
            given = x, method.scaled(method.mean_codes()[:1].expand(len(x), -1))
        elif game in (StarGAN, MatchGAN):
            given = x, torch.zeros(len(x), 5)  # the first direction
        with torch.no_grad():
            live, average = getattr(method, name)(*given), method.averages[name](*given)
        assert not torch.equal(live, average)
        torch.testing.assert_close(method.translate(x, direction), average, rtol=0, atol=1e-6)
        if game is Pix2Pix:
            torch.testing.assert_close(method.generate(x), live, rtol=0, atol=1e-6, check_stride=False)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_the_average_of_pix2pix_translates_as_the_network_would(norm):
    """With the average's weights in the network, dropout and batch statistics make the same picture of each image."""
    method, x = played(make(Pix2Pix, norm=norm, dropout_layers=2, noise=True)), batch(7)["input"]
    plain = make(Pix2Pix, norm=norm, dropout_layers=2, noise=True, average=0.0)
    plain.generator.load_state_dict(method.averages["generator"].module.state_dict())
    before, pictures = copied(method), []
    for one in (method, plain):
        torch.manual_seed(5)
        pictures.append(one.translate(x))
    assert torch.equal(*pictures)
    assert not torch.equal(method.translate(x), method.translate(x))  # dropout and noise are on
    assert same(before, method.state_dict())
    assert all(module.training for module in method.modules())


def test_a_film_shows_the_averages():
    x, films = batch()["input"], []
    for average in (0.75, 0.0):
        films.append(Film(x, 4))
        method = trained(CycleGAN, callbacks=[films[-1]], average=average)
        assert np.array_equal(films[-1].frames[-1], strip([method.translate(x)]))
    assert np.array_equal(films[0].frames[0], films[1].frames[0])  # the untrained weights
    assert not np.array_equal(films[0].frames[-1], films[1].frames[-1])


# --- checkpoints ---------------------------------------------------------------------------------------------------


def test_resumed_equals_uninterrupted_bit_for_bit_with_the_averages(game, tmp_path):
    straight = trained(game, tmp_path / "straight").state_dict()
    trained(game, tmp_path / "parts", 2)
    parts = trained(game, tmp_path / "parts", resume=True).state_dict()
    assert any(name.startswith("averages.") for name in straight)
    assert same(straight, parts)


def test_the_command_translates_with_the_average(tmp_path):
    method = trained(Pix2Pix, tmp_path / "run", dropout_layers=0)
    assert same(load_method(tmp_path / "run").state_dict(), method.state_dict())
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    write_png(tmp_path / "1.png", picture)
    (path,) = translate_files(tmp_path / "run", tmp_path / "1.png", tmp_path / "out")
    x = to_tensor(stack([resize(Image.fromarray(picture), 32)]))
    pictures = {}
    for name, generator in (("average", method.averages["generator"].module), ("live", method.generator)):
        with torch.no_grad():
            pictures[name] = to_uint8(generator(x))[0]
    assert np.array_equal(np.asarray(Image.open(path)), pictures["average"])
    assert not np.array_equal(pictures["average"], pictures["live"])


def older(folder):
    """Make a training look like one from before there was such a number."""
    path = folder / checkpoints.MANIFEST
    about = json.loads(path.read_text())
    del about["recipe"]["average"]
    path.write_text(json.dumps(about))


# These have averaged from the beginning
ALWAYS = (StarGAN, MatchGAN, TUNIT)


@pytest.mark.parametrize("game", [game for game in RECIPES if game not in ALWAYS], ids=lambda game: game.name)
def test_a_checkpoint_from_before_there_were_averages_loads_and_resumes(game, tmp_path):
    straight = trained(game, average=0.0).state_dict()
    trained(game, tmp_path, 2, average=0.0)
    older(tmp_path)
    assert load_method(tmp_path).recipe.average == 0
    assert same(trained(game, tmp_path, resume=True, average=0.0).state_dict(), straight)
    older(tmp_path)
    with pytest.raises(checkpoints.CheckpointError, match=r"with average = 0\.0, not 0\.75; only the recipe's steps"):
        trained(game, tmp_path, resume=True)


# --- which methods -------------------------------------------------------------------------------------------------


def test_only_a_method_that_averages_shows_the_number():
    for method in METHODS.values():
        shown = "average" in parameters.of_class(method.recipe_type)
        assert shown is issubclass(method.recipe_type, AveragingRecipe) is (method in RECIPES)


@pytest.mark.parametrize("module", [pix2pix, cyclegan])
def test_the_papers_do_not_average(module):
    assert {name: recipe.average for name, recipe in module.RECIPES.items()} == {
        "smoke": 0.99, "fast": 0.99, "paper": 0.0
    }  # fmt: skip


def test_a_message_about_a_network_names_it_and_not_its_average():
    assert "the batch norm of generator." in make(Pix2Pix, norm="batch").couples()
