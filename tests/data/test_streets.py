"""The streets: a scene is a function of its number, and light changes its colours alone."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from i2i_tutor.data import streets
from i2i_tutor.data.streams import to_uint8
from i2i_tutor.data.streets import scenes

SCENES = range(40)
CAR, HOUSE, ROAD, SKY, TREE = (streets.CLASSES.index(name) for name in ("car", "house", "road", "sky", "tree"))


def grey(images):
    return images.astype(float) @ [0.299, 0.587, 0.114]


def many(kind, count=600):
    return [streets.scene(number, kind) for number in range(count)]


@pytest.mark.parametrize("size", [16, 33, 64])
@pytest.mark.parametrize(("kind", "light"), [("low", "night"), ("tall", "day")])
def test_a_scene_is_a_function_of_its_number_whatever_else_is_drawn_with_it(size, kind, light):
    numbers = [*range(10), streets.FIRST_EVALUATION_SCENE, 2**40]
    images, classes = streets.draw(numbers, size, kind, light)
    assert (images.shape, images.dtype) == ((12, size, size, 3), np.uint8)
    assert (classes.shape, classes.dtype) == ((12, size, size), np.uint8)
    again = streets.draw(np.array(numbers), size, kind, light)
    assert np.array_equal(images, again[0])
    assert np.array_equal(classes, again[1])
    alone = streets.draw(numbers[7:8], size, [kind], [light])
    assert np.array_equal(images[7], alone[0][0])
    assert np.array_equal(classes[7], alone[1][0])
    assert len({image.tobytes() for image in images}) == 12


def test_no_scenes_are_no_pictures():
    images, classes = streets.draw([], 32, "low", "day")
    assert images.shape == (0, 32, 32, 3)
    assert classes.shape == (0, 32, 32)


@pytest.mark.parametrize("size", [32, 64])
def test_the_light_changes_colours_and_no_outline(size):
    (day, by_day), (night, by_night) = (streets.draw(SCENES, size, "low", light) for light in ("day", "night"))
    assert np.array_equal(by_day, by_night)
    assert grey(night).mean() < 0.5 * grey(day).mean()
    dark = by_day == SKY
    assert (grey(day)[dark] > grey(night)[dark]).mean() > 0.95  # but for the moon


def test_the_order_of_brightness_turns_round_between_night_and_day():
    for light, above in (("night", False), ("day", True)):
        images, classes = streets.draw(SCENES, 64, "low", light)
        sky, house = (np.median(grey(images)[classes == one]) for one in (SKY, HOUSE))
        assert (sky > house) is np.bool_(above)


def test_a_curtain_is_pale_by_day_and_lit_at_night_and_lights_up_the_wall(monkeypatch):
    drawn = {}
    for share in (0.0, 1.0):
        monkeypatch.setattr(scenes, "CURTAINED", share)
        for light in ("day", "night"):
            drawn[share, light] = streets.draw(SCENES, 64, "low", light)[0]
    changed = {light: (drawn[0.0, light] != drawn[1.0, light]).any(-1) for light in ("day", "night")}
    window = changed["day"]
    gain = {light: (grey(drawn[1.0, light]) - grey(drawn[0.0, light]))[window].mean() for light in changed}
    assert window.any((1, 2)).all()
    assert gain["day"] > 30
    assert gain["night"] > gain["day"] + 30
    assert (changed["night"] & ~window).sum() > window.sum()  # by day nothing glows


def test_the_classes_are_those_of_the_shapes():
    images, classes = streets.draw(range(200), 64, "low", "day")
    shares = {name: float((classes == number).mean()) for number, name in enumerate(streets.CLASSES)}
    assert set(np.unique(classes)) == set(range(len(streets.CLASSES)))
    assert 0.05 < shares["car"] < 0.15  # large enough to be seen, and to count
    assert shares["sky"] > 0.3
    assert (classes[:, 0] == SKY).all()
    assert (classes[:, -1] != SKY).all()
    green = (images[..., 1] > images[..., 0].astype(int) + 20) & (images[..., 1] > images[..., 2].astype(int) + 10)
    inner = ndimage.binary_erosion(classes == TREE, np.ones((1, 3, 3)))
    assert green[inner].mean() > 0.8
    assert not green[classes == ROAD].any()


def test_families_differ_and_whatever_is_low_also_occurs_among_the_tall():
    low, tall = many("low"), many("tall")
    floors = [Counter(house.floors for one in some for house in one.houses) for some in (low, tall)]
    trees, cars = (
        [Counter(len(getattr(one, what)) for one in some) for some in (low, tall)] for what in ("trees", "cars")
    )
    for found, of_low, of_tall in ((floors, {1, 2}, {1, 2, 3}), (trees, {0, 1}, {0, 1, 2}), (cars, {1, 2}, {0, 1, 2})):
        assert (set(found[0]), set(found[1])) == (of_low, of_tall)
    assert cars[1][0] > 300
    for kind, some in (("low", floors[0]), ("tall", floors[1])):
        shares = [some[number] / some.total() for number in (1, 2, 3)]
        assert shares == pytest.approx(streets.FAMILIES[kind].floors, abs=0.05)


def test_neighbouring_houses_never_have_one_colour_and_everything_is_in_the_street():
    for one in many("tall") + many("low"):
        first, second, third = one.houses
        assert len({first.wall, second.wall, third.wall}) == 3
        assert (first.left, third.right) == (0, 64)
        assert (first.right, second.right) == (second.left, third.left)
        assert all(car.x - car.half > -1.5 and car.x + car.half < 65.5 for car in one.cars)
        assert all(b.x - a.x > a.half + b.half for a, b in zip(one.cars, one.cars[1:], strict=False))


def test_no_scene_takes_more_random_numbers_than_there_are(monkeypatch):
    most = scenes.Family(floors=(0, 0, 1), trees=(0, 0, 1), cars=(0, 0, 1))
    monkeypatch.setitem(scenes.FAMILIES, "tall", most)
    assert all(len(one.cars) == 2 and len(one.trees) == 2 for one in many("tall", 50))


def test_the_two_sides_of_a_batch_show_different_streets_unless_they_are_asked_for_in_pairs():
    apart, together = (next(streets.train("procedural", 32, 3, 0, paired=paired)) for paired in (False, True))
    assert torch.equal(apart["a"], together["a"])
    assert not torch.equal(apart["b"], together["b"])
    numbers = np.random.default_rng((0, 0)).integers(0, streets.TRAINING_SCENES, (2, 3))
    assert np.array_equal(to_uint8(together["b"]), streets.draw(numbers[0], 32, "low", "day")[0])
    assert np.array_equal(to_uint8(apart["b"]), streets.draw(numbers[1], 32, "tall", "day")[0])
    alike = next(streets.train("procedural", 32, 3, 0, kinds=("low", "low")))
    assert np.array_equal(to_uint8(alike["b"]), streets.draw(numbers[1], 32, "low", "day")[0])


def test_a_stream_is_a_function_of_seed_and_position_and_can_be_resumed():
    stream = streets.train("procedural", 16, 2, 3)
    first, second, third = (next(stream) for _ in range(3))
    resumed = streets.train("procedural", 16, 2, 3, ahead=2)
    resumed.load_state_dict({"seed": 3, "position": 1, "about": stream.about})
    for expected in (second, third):
        got = next(resumed)
        assert all(torch.equal(got[key], expected[key]) for key in "ab")
    assert not torch.equal(first["a"], second["a"])
    with pytest.raises(ValueError, match="the saved stream shows"):
        streets.train("procedural", 16, 2, 3, paired=True).load_state_dict(stream.state_dict())


def test_evaluation_shows_the_exact_day_of_every_night():
    held = streets.evaluation("procedural", 32)
    assert {key: len(value) for key, value in held.items()} == {"a": 100, "b": 100, "labels": 100}
    first = streets.FIRST_EVALUATION_SCENE
    for side, light in (("a", "night"), ("b", "day")):
        images, classes = streets.draw(range(first, first + 100), 32, "low", light)
        assert np.array_equal(to_uint8(held[side]), images)
        assert np.array_equal(held["labels"].numpy(), classes)
    assert held["labels"].dtype == torch.int64
    tall = streets.evaluation("procedural", 32, kind="tall", count=3)
    assert not torch.equal(tall["b"], held["b"][:3])


def test_splits_have_no_scene_in_common():
    most = streets.FIRST_TUNING_SCENE  # scenes in a fixed set
    tuning = range(streets.FIRST_TUNING_SCENE, streets.FIRST_TUNING_SCENE + most)
    assert tuning[0] >= streets.TRAINING_SCENES
    assert tuning[-1] < streets.FIRST_EVALUATION_SCENE
    with pytest.raises(ValueError, match=r"^count is "):
        streets.evaluation("procedural", 16, count=most + 1)


def test_the_ground_truth_names_the_class_of_every_pixel_by_day():
    truth = streets.ground_truth(32)
    assert (truth.name, truth.size, truth.classes) == ("streets-procedural-32", 32, len(streets.CLASSES))
    held_out, trained = truth.held_out(), truth.train(40, 3).batch(1)
    assert torch.equal(trained["image"], truth.train(40, 3).batch(1)["image"])
    low, tall = (streets.evaluation("procedural", 32, kind=kind) for kind in ("low", "tall"))
    for start, views in ((0, low), (1, tall)):
        assert torch.equal(held_out["image"][start::2], views["b"][start::2])
        assert torch.equal(held_out["label"][start::2], views["labels"][start::2])
    for batch in (held_out, trained):
        assert (batch["label"].dtype, batch["image"].dtype) == (torch.int64, torch.float32)
        assert batch["label"].unique().tolist() == list(range(len(streets.CLASSES)))
        assert -1 <= batch["image"].min() < batch["image"].max() <= 1


def test_the_fingerprint_is_that_of_the_code_that_draws(monkeypatch):
    first, second = (streets.ground_truth(size).fingerprint for size in (32, 64))
    assert first == second
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: real(path) + b"#" * (path.name == "drawing.py"))
    assert streets.ground_truth(32).fingerprint != first
    with pytest.raises(ValueError, match=r"^size is 8; expected"):
        streets.ground_truth(8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 8}, "size is 8; expected a whole number from 16 to 256"),
        ({"size": 512}, "size is 512"),
        ({"kind": "flat"}, "kind is 'flat'; expected one of low, tall"),
        ({"kind": ["low"]}, "kind has 1 names for 2 scenes"),
        ({"light": "dusk"}, "light is 'dusk'; expected one of day, night"),
        ({"light": ["day", "x"]}, "light is 'x'"),
        ({"indices": [0, -1]}, "indices contain -1; expected whole numbers of at least 0"),
        ({"indices": [0.5, 1]}, "indices contain 0.5"),
    ],
)
def test_a_wrong_argument_of_draw_gets_one_sentence(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        streets.draw(**{"indices": [0, 1], "size": 32, "kind": "low", "light": "day"} | wrong)


@pytest.mark.parametrize("kinds", ["low", ("low",), ("low", "flat")])
def test_wrong_families_are_named(kinds):
    with pytest.raises(ValueError, match=r"^kinds? is .*low, tall"):
        streets.train("procedural", 32, 2, 0, kinds=kinds)


@pytest.mark.parametrize("paired", [1, None, "yes"])
def test_a_switch_is_true_or_false(paired):
    with pytest.raises(ValueError, match=r"^paired is .*; expected True or False"):
        streets.train("procedural", 32, 2, 0, paired=paired)
