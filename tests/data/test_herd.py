"""The herd: hidden coats, content that has nothing to do with them, exact counterfactuals, and truth for a judge."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from i2i_tutor.data import herd, safari
from i2i_tutor.data.streams import to_uint8

SCENES = 48


@pytest.fixture(scope="module")
def held():
    return herd.evaluation("procedural", 32, count=SCENES, meadow=0.5)


def test_the_stream_shows_pictures_and_nothing_else():
    assert set(next(herd.train("procedural", 16, 4, 0, pile=8))) == {"image", "strong"}


def test_an_image_is_the_counterfactual_of_its_own_coat_and_coats_come_by_turns(held):
    assert held["domain"].tolist() == [number % 4 for number in range(SCENES)]
    own = held["counterfactual"][torch.arange(SCENES), held["domain"]]
    assert torch.equal(held["image"], own)
    for place, coat in enumerate(safari.COATS):
        first = safari.FIRST_EVALUATION_SCENE
        drawn, masks = safari.draw(range(first, first + SCENES), 32, coat, hours=True)
        assert np.array_equal(to_uint8(held["counterfactual"][:, place]), drawn)
        assert np.array_equal(held["mask"][:, 0].numpy() == 1, masks)


def test_another_coat_changes_the_animal_alone(held):
    around = (1 - F.max_pool2d(held["mask"], 3, 1, 1)).bool()
    inside = held["mask"].bool()
    for coat in range(1, 4):
        difference = (held["counterfactual"][:, coat] - held["counterfactual"][:, 0]).abs()
        assert (difference * around).max() == 0
        assert difference[inside.expand_as(difference)].mean() > 0.1


def test_hours_go_from_dark_to_bright_and_the_coat_does_not_tell_them(held):
    light = held["image"].mean((1, 2, 3))
    means = [float(light[held["hour"] == quarter].mean()) for quarter in range(4)]
    assert means == sorted(means)
    assert means[3] - means[0] > 0.25
    at_hours, without = (
        float(herd.evaluation("procedural", 32, count=SCENES, hours=hours)["image"].mean((1, 2, 3)).std())
        for hours in (True, False)
    )
    assert without < 0.5 * at_hours


def test_content_is_what_is_drawn(held):
    green = held["counterfactual"][:, 0, :, -1, 0]
    assert torch.equal(held["ground"] == 0, green[:, 1] > green[:, 0])
    assert {key: sorted(held[key].unique().tolist()) for key in ("pose", "direction", "ground", "hour")} == {
        "pose": [0, 1, 2, 3], "direction": [0, 1], "ground": [0, 1], "hour": [0, 1, 2, 3],
    }  # fmt: skip
    mask, columns = held["mask"][:, 0], torch.arange(32.0)
    rows = mask.amax(2)  # where there is animal
    grazing = held["pose"] == 3
    assert rows[grazing].sum(1).mean() < rows[~grazing].sum(1).mean() - 2  # its head is not above its back
    top = rows.argmax(1)
    for animal, first, direction in zip(mask[~grazing], top[~grazing], held["direction"][~grazing], strict=True):
        head = animal[first : first + 4]
        ahead = (head * columns).sum() / head.sum() > (animal * columns).sum() / animal.sum()
        assert bool(ahead) == (direction == 1)


def test_all_scenes_lie_on_a_meadow_unless_told_otherwise():
    assert herd.evaluation("procedural", 16, count=50)["ground"].max() == 0
    stream = herd.train("procedural", 32, 100, 0, pile=100, meadow=0.3)
    corner = next(stream)["image"][:, :, -1, 0]
    assert float((corner[:, 1] > corner[:, 0]).float().mean()) == pytest.approx(0.3, abs=0.15)


def test_every_seed_has_a_pile_of_its_own_that_is_reshuffled_in_every_epoch():
    stream = herd.train("procedural", 16, 5, 3, pile=10)
    seen = [torch.cat([stream.batch(2 * epoch + part)["image"] for part in range(2)]) for epoch in range(2)]

    def pictures(images):  # mirrored or not
        return {min(image.numpy().tobytes(), image.flip(2).numpy().tobytes()) for image in images}

    assert len(pictures(seen[0])) == 10
    assert pictures(seen[0]) == pictures(seen[1])
    other = herd.train("procedural", 16, 10, 4, pile=10).batch(0)["image"]
    assert not pictures(other) & pictures(seen[0])


def test_all_coats_lie_in_a_pile():
    pile = herd._pile(16, 400, 0, 0.5, True, False)
    scenes = np.random.default_rng((0, herd.UNRELATED)).integers(0, safari.TRAINING_SCENES, 400)
    count = 0
    for coat in safari.COATS:
        drawn, _ = safari.draw(scenes, 16, coat, hours=True)
        same = int((drawn == pile).all((1, 2, 3)).sum())
        assert 70 < same < 130
        count += same
    assert count == 400


def test_a_stream_is_a_function_of_seed_and_position_and_can_be_resumed():
    stream = herd.train("procedural", 16, 4, 3, pile=10, plants=True)
    first, second, third = (next(stream) for _ in range(3))
    resumed = herd.train("procedural", 16, 4, 3, pile=10, plants=True, ahead=2)
    resumed.load_state_dict({"seed": 3, "position": 1, "about": stream.about})
    for expected in (second, third):
        got = next(resumed)
        assert all(torch.equal(got[key], expected[key]) for key in ("image", "strong"))
    assert not torch.equal(first["strong"], second["strong"])
    with pytest.raises(ValueError, match="the saved stream shows"):
        herd.train("procedural", 16, 4, 3, pile=10).load_state_dict(stream.state_dict())


def test_the_ground_truth_names_coats_under_all_hours():
    whole, pixels = (herd.ground_truth(32, pixels=pixels) for pixels in (False, True))
    assert (whole.name, whole.classes) == ("herd-procedural-32", 4)
    assert (pixels.name, pixels.classes) == ("herd-procedural-32-pixels", 5)
    held = herd.evaluation("procedural", 32, count=100, meadow=0.5)
    assert torch.equal(whole.held_out()["image"], held["image"])
    assert torch.equal(whole.held_out()["label"], held["domain"])
    assert torch.equal(pixels.held_out()["label"], (held["mask"][:, 0] * (1 + held["domain"][:, None, None])).long())
    batch = whole.train(64, 3).batch(1)
    assert torch.equal(batch["image"], whole.train(64, 3).batch(1)["image"])
    assert batch["label"].unique().tolist() == [0, 1, 2, 3]
    assert batch["image"].mean((1, 2, 3)).std() > 0.1  # all hours
    labels = pixels.train(64, 3).batch(1)["label"]
    assert torch.equal(labels.flatten(1).amax(1) - 1, batch["label"])
    assert herd.ground_truth(32, plants=True).name == "herd-procedural-32-plants"


@pytest.mark.parametrize("name", ["animal.py", "herd.py"])
def test_the_fingerprint_is_that_of_the_code_that_draws(monkeypatch, name):
    before = herd.ground_truth(32).fingerprint
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: real(path) + b"#" * (path.name == name))
    assert herd.ground_truth(32).fingerprint != before


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"strong": "very"}, "strong is 'very'; expected one of paper, animals, hues, places"),
        ({"pile": 1}, "pile is 1; expected a whole number from 2"),
        ({"pile": 2.5}, "pile is 2.5"),
        ({"meadow": 2.0}, "meadow is 2.0; expected a number from 0 to 1"),
        ({"hours": 1}, "hours is 1; expected True or False"),
        ({"plants": "no"}, "plants is 'no'; expected True or False"),
        ({"plants": None}, "plants is None; expected True or False"),
        ({"size": 256, "pile": 40_000}, "a pile of 40000 pictures of 256 px takes 7 GB of memory; at most 4 may"),
    ],
)
def test_a_wrong_argument_gets_one_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        herd.train(**{"source": "procedural", "size": 16, "batch": 2, "seed": 0} | wrong)


def test_a_pile_may_fill_four_gigabytes_and_no_more():
    most = 4 * 2**30 // (256 * 256 * 3)
    herd.train("procedural", 256, 2, 0, pile=most)  # nothing is drawn before the first batch
    with pytest.raises(ValueError, match=r"GB of memory; at most 4 may"):
        herd.train("procedural", 256, 2, 0, pile=most + 1)
