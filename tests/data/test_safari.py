"""The animals: a scene is a function of its number, and its coats are exact counterfactuals of each other."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage

from i2i_tutor.data import safari
from i2i_tutor.data.streams import to_uint8

SCENES = range(40)


def grey(images):
    return images.astype(float) @ [0.299, 0.587, 0.114]


@pytest.mark.parametrize("size", [16, 33, 48, 64])
@pytest.mark.parametrize("coat", safari.COATS)
def test_a_scene_is_a_function_of_its_number_whatever_else_is_drawn_with_it(size, coat):
    numbers = [*range(30), safari.FIRST_EVALUATION_SCENE, 2**40]
    images, masks = safari.draw(numbers, size, coat)
    assert (images.shape, images.dtype) == ((32, size, size, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((32, size, size), bool)
    again = safari.draw(np.array(numbers), size, coat)
    assert np.array_equal(images, again[0])
    assert np.array_equal(masks, again[1])
    mixed = [coat if place in (0, 17, 31) else "spots" for place in range(32)]
    for place in (0, 17, 31):
        alone = safari.draw(numbers[place : place + 1], size, coat)
        assert np.array_equal(images[place], alone[0][0])
        assert np.array_equal(masks[place], alone[1][0])
        assert np.array_equal(images[place], safari.draw(numbers, size, mixed)[0][place])
    assert len({image.tobytes() for image in images}) == 32


def test_no_scenes_are_no_pictures():
    images, masks = safari.draw([], 32, "plain")
    assert images.shape == (0, 32, 32, 3)
    assert masks.shape == (0, 32, 32)


@pytest.mark.parametrize("size", [48, 64])
def test_coats_differ_on_the_animal_only(size):
    drawn = {coat: safari.draw(SCENES, size, coat) for coat in safari.COATS}
    masks = drawn["plain"][1]
    outside = ~ndimage.binary_dilation(masks, np.ones((1, 3, 3)))  # the edge is one pixel wide
    for (one, its), (other, others) in combinations(drawn.values(), 2):
        assert np.array_equal(its, others)
        assert np.array_equal(one[outside], other[outside])
        assert (abs(one[masks].astype(int) - other[masks]).max(-1) > 20).mean() > 0.3


@pytest.mark.parametrize("size", [32, 48, 64])
def test_stripes_have_far_more_contrast_than_a_plain_coat(size):
    (plain, masks), (striped, _) = (safari.draw(SCENES, size, coat) for coat in ("plain", "stripes"))
    spreads = [(grey(a)[m].std(), grey(b)[m].std()) for a, b, m in zip(plain, striped, masks, strict=True)]
    assert all(stripes > 2 * even for even, stripes in spreads)


def test_animals_are_large_and_wholly_in_view():
    masks = safari.draw(range(300), 64, "plain")[1]
    shares = masks.mean((1, 2))
    assert shares.min() > 0.15
    assert 0.2 < shares.mean() < 0.3
    border = np.ones((64, 64), bool)
    border[1:-1, 1:-1] = False
    assert not masks[:, border].any()
    assert masks[:, :, ::-1].mean((0, 1)) == pytest.approx(masks.mean((0, 1)), abs=0.12)  # both directions occur


def test_a_meadow_is_green_savannah_is_not_and_the_share_is_what_was_asked_for():
    def green(share, ground=None):
        images, masks = safari.draw(range(200), 32, "plain", meadow=share, ground=ground)
        low = images[:, -1][None, :, [0, -1]].astype(int)  # the corners at the bottom
        assert masks[:, -1, [0, -1]].mean() < 0.1
        return (low[..., 1] > low[..., 0]).mean()

    assert green(1.0) == green(0.0, "meadow") > 0.95
    assert green(0.0) == green(1.0, "savannah") < 0.05
    assert green(0.85) == pytest.approx(0.85, abs=0.08)
    few, many = (safari.draw(SCENES, 32, "plain", meadow=share)[0] for share in (0.3, 0.6))
    meadows = safari.draw(SCENES, 32, "plain", ground="meadow")[0]
    on_few, on_many = ((some == meadows).all((1, 2, 3)) for some in (few, many))
    assert (on_many >= on_few).all()  # a larger share adds meadows and takes none away


def test_hours_dim_and_tint_a_picture_as_a_whole():
    plain, dimmed = (safari.draw(SCENES, 32, "stripes", hours=hours)[0].astype(float) for hours in (False, True))
    factors = dimmed.mean((1, 2, 3)) / plain.mean((1, 2, 3))
    assert 0.55 < factors.min() < 0.7 < 0.9 < factors.max() < 1.08
    assert np.array_equal(safari.draw(SCENES, 32, "plain")[1], safari.draw(SCENES, 32, "plain", hours=True)[1])


def test_plants_cover_the_ground_and_nothing_else():
    for ground, size in [("meadow", 48), ("savannah", 64)]:
        (bare, masks), (grown, same) = (
            safari.draw(SCENES, size, "stripes", ground=ground, plants=plants) for plants in (False, True)
        )
        assert np.array_equal(masks, same)
        changed = (bare != grown).any(-1)
        assert changed[ndimage.binary_erosion(masks, np.ones((1, 3, 3)))].mean() < 0.01  # thin parts are all edge
        assert not changed[:, : int(0.3 * size)].any()  # above every horizon
        front = ~ndimage.binary_dilation(masks, np.ones((1, 3, 3)))
        front[:, : size // 2] = False
        shares = [change[where].mean() for change, where in zip(changed, front, strict=True)]
        assert 0.15 < min(shares) < max(shares) < 0.6
        steps = [abs(np.diff(grey(images), axis=2))[front[:, :, 1:]].mean() for images in (bare, grown)]
        assert steps[1] > 3 * steps[0]
    assert np.array_equal(grown[7], safari.draw([7], 64, "stripes", ground="savannah", plants=True)[0][0])


def test_a_rider_sits_on_the_animal_and_leaves_the_mask():
    (without, animal), (with_rider, rest) = (safari.draw(SCENES, 64, "stripes", rider=some) for some in (False, True))
    assert (rest <= animal).all()
    person = (without != with_rider).any(-1)
    assert (person.mean((1, 2)) > 0.03).all()
    away = ~ndimage.binary_dilation(person, np.ones((1, 3, 3)))
    assert np.array_equal(animal & away, rest & away)
    assert not (rest & ndimage.binary_erosion(person, np.ones((1, 3, 3)))).any()
    reds = (with_rider[..., 0] > 120) & (with_rider[..., 1] < 60) & (with_rider[..., 2] < 60)
    assert (reds.sum((1, 2)) > 20).all()
    assert not reds[~person].any()


def test_the_two_sides_of_a_batch_show_different_scenes():
    batch = next(safari.train("procedural", 32, 4, 0, coats=("plain", "plain")))
    assert not any(torch.equal(a, b) for a, b in zip(batch["a"], batch["b"], strict=True))


def test_a_stream_is_a_function_of_seed_and_position_and_can_be_resumed():
    stream = safari.train("procedural", 16, 2, 3, meadow=(0.85, 0.15), hours=True, plants=True)
    first, second, third = (next(stream) for _ in range(3))
    resumed = safari.train("procedural", 16, 2, 3, meadow=(0.85, 0.15), hours=True, plants=True, ahead=2)
    resumed.load_state_dict({"seed": 3, "position": 1, "about": stream.about})
    for expected in (second, third):
        got = next(resumed)
        assert all(torch.equal(got[key], expected[key]) for key in "ab")
    assert not torch.equal(first["a"], second["a"])
    with pytest.raises(ValueError, match="the saved stream shows"):
        safari.train("procedural", 16, 2, 3).load_state_dict(stream.state_dict())


def test_each_side_has_its_own_share_of_meadows():
    batch = safari.train("procedural", 32, 200, 0, meadow=(0.9, 0.2)).batch(0)
    for side, share in (("a", 0.9), ("b", 0.2)):
        corner = batch[side][:, :, -1, 0]
        assert (corner[:, 1] > corner[:, 0]).float().mean().item() == pytest.approx(share, abs=0.1)


def test_evaluation_shows_the_same_scenes_in_both_coats():
    held = safari.evaluation("procedural", 32)
    assert {key: len(value) for key, value in held.items()} == {"a": 100, "b": 100, "mask": 100}
    first = safari.FIRST_EVALUATION_SCENE
    for side, coat in (("a", "plain"), ("b", "stripes")):
        images, masks = safari.draw(range(first, first + 100), 32, coat)
        assert np.array_equal(to_uint8(held[side]), images)
        assert np.array_equal(held["mask"][:, 0].numpy() == 1, masks)
    assert held["mask"].shape == (100, 1, 32, 32)
    assert held["mask"].dtype == torch.float32
    assert set(held["mask"].unique().tolist()) == {0.0, 1.0}
    grown = safari.evaluation("procedural", 32, plants=True)
    assert torch.equal(grown["mask"], held["mask"])
    around = (1 - F.max_pool2d(held["mask"], 3, 1, 1)).bool()  # the edge of an animal is one pixel wide
    assert torch.equal(grown["a"] * around, grown["b"] * around)
    assert not torch.equal(grown["a"], held["a"])
    spotted = safari.evaluation("procedural", 32, coats=("spots", "plain"), count=3)
    assert torch.equal(spotted["b"], held["a"][:3])


def test_splits_have_no_scene_in_common():
    most = safari.FIRST_TUNING_SCENE  # scenes in a fixed set
    training = range(safari.TRAINING_SCENES)
    tuning = range(safari.FIRST_TUNING_SCENE, safari.FIRST_TUNING_SCENE + most)
    assert training[-1] < tuning[0]
    assert tuning[-1] < safari.FIRST_EVALUATION_SCENE
    with pytest.raises(ValueError, match=r"^count is "):
        safari.evaluation("procedural", 16, count=most + 1)


def test_the_ground_truth_names_the_coat_of_every_pixel():
    truth = safari.ground_truth(32)
    assert (truth.name, truth.size, truth.classes) == ("safari-procedural-32", 32, len(safari.CLASSES))
    held_out, trained = truth.held_out(), truth.train(40, 3).batch(1)
    assert torch.equal(trained["image"], truth.train(40, 3).batch(1)["image"])
    views = safari.evaluation("procedural", 32)
    assert torch.equal(held_out["label"] > 0, views["mask"][:, 0] > 0)
    assert torch.equal(held_out["image"][::4], views["a"][::4])
    assert torch.equal(held_out["image"][1::4], views["b"][1::4])
    grown = safari.ground_truth(32, plants=True)
    assert grown.name == "safari-procedural-32-plants"
    assert torch.equal(grown.held_out()["label"], held_out["label"])
    assert torch.equal(grown.held_out()["image"][1::4], safari.evaluation("procedural", 32, plants=True)["b"][1::4])
    assert not torch.equal(grown.train(40, 3).batch(1)["image"], trained["image"])
    for batch in (held_out, trained):
        assert batch["label"].dtype == torch.int64
        assert batch["label"].unique().tolist() == [0, 1, 2, 3, 4]
        assert all(len(labels.unique()) == 2 for labels in batch["label"])


def test_the_fingerprint_is_that_of_the_code_that_draws(monkeypatch):
    first, second = (safari.ground_truth(size).fingerprint for size in (32, 64))
    assert first == second
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: real(path) + b"#" * (path.name == "animal.py"))
    assert safari.ground_truth(32).fingerprint != first
    with pytest.raises(ValueError, match=r"^size is 8; expected"):
        safari.ground_truth(8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 8}, "size is 8; expected a whole number from 16 to 256"),
        ({"size": 512}, "size is 512"),
        ({"coat": "tartan"}, "coat is 'tartan'; expected one of plain, stripes, spots, patches"),
        ({"coat": ["plain"]}, "coat has 1 names for 2 scenes"),
        ({"coat": ["plain", "x"]}, "coat is 'x'"),
        ({"indices": [0, -1]}, "indices contain -1; expected 0 or more"),
        ({"indices": [0.5, 1]}, r"indices are \[0.5, 1\]"),
        ({"ground": "sea"}, "ground is 'sea'; expected one of meadow, savannah"),
        ({"meadow": 2}, "meadow is 2; expected a number from 0 to 1"),
        ({"meadow": [0.5]}, "meadow has 1 shares for 2 scenes"),
        ({"meadow": "all"}, "meadow is 'all'"),
    ],
)
def test_a_wrong_argument_of_draw_gets_one_sentence(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        safari.draw(**{"indices": [0, 1], "size": 32, "coat": "plain"} | wrong)


@pytest.mark.parametrize("door", [safari.train, safari.evaluation])
@pytest.mark.parametrize("coats", ["plain", ("plain",), ("plain", "tartan")])
def test_wrong_coats_are_named(door, coats):
    given = ("procedural", 32, 2, 0) if door is safari.train else ("procedural", 32)
    with pytest.raises(ValueError, match=r"^coats? is .*plain, stripes, spots, patches"):
        door(*given, coats=coats)


@pytest.mark.parametrize("meadow", [1.5, (0.5,), (0.5, -1), "all"])
def test_a_wrong_share_of_meadows_is_named(meadow):
    with pytest.raises(ValueError, match=r"^meadow is "):
        safari.train("procedural", 32, 2, 0, meadow=meadow)
