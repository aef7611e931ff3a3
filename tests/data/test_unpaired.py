"""Two piles of pictures, whichever door they come through."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i_tutor.data import download, facades, unpaired
from i2i_tutor.data.images import DataError, write_png
from i2i_tutor.data.streams import to_uint8

FRUIT = Path(os.environ.get("I2I_DATA", "")) / "apple2orange_grocery"
needs_fruit = pytest.mark.skipif(
    not (os.environ.get("I2I_DATA") and FRUIT.is_dir()), reason="the set apple2orange_grocery is not under I2I_DATA"
)


@pytest.fixture
def greys(tmp_path, monkeypatch):
    """A set in CycleGAN's layout: a is dark and has five pictures, b is bright and has three."""
    for split in ("train", "test"):
        for side, count, dark in (("A", 5, 0), ("B", 3, 150)):
            for i in range(count):
                picture = np.full((20, 30, 3), dark + 10 * i, np.uint8)
                write_png(tmp_path / "horse2zebra" / f"{split}{side}" / f"{i}.png", picture)
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    return tmp_path / "horse2zebra"


def levels(images):
    return images.add(1).mul(127.5).mean(dim=(1, 2, 3)).round().int().tolist()


def test_both_piles_are_used_up_in_their_own_order(greys):
    stream = unpaired.train("horse2zebra", 16, 3, 0)
    seen = [next(stream) for _ in range(5)]
    a, b = (levels(torch.cat([batch[side] for batch in seen])) for side in "ab")
    assert sorted(a) == sorted([0, 10, 20, 30, 40] * 3)
    assert sorted(b) == sorted([150, 160, 170] * 5)
    assert all(batch["a"].shape == batch["b"].shape == (3, 3, 16, 16) for batch in seen)


def test_evaluation_is_the_test_split_in_order_and_knows_no_truth(greys):
    held = unpaired.evaluation("horse2zebra", 16, count=3)
    assert set(held) == {"a", "b"}
    assert (levels(held["a"]), levels(held["b"])) == ([0, 10, 20], [150, 160, 170])
    with pytest.raises(ValueError, match=r"count is 4, but .*testB has 3 pictures"):
        unpaired.evaluation("horse2zebra", 16, count=4)


def test_a_paper_set_is_downloaded_where_it_is_not_at_hand(greys, tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_DATA", str(tmp_path / "elsewhere"))
    asked = []
    monkeypatch.setattr(download, "fetch", lambda archive: asked.append(archive.name) or greys)
    next(unpaired.train("horse2zebra", 16, 1, 0))
    assert asked == ["horse2zebra"]
    with pytest.raises(DataError, match="apple2orange_grocery is looked for in the folder of that name"):
        unpaired.train("apple2orange_grocery", 16, 1, 0)


@pytest.mark.parametrize(("source", "truth"), [("safari", "mask"), ("day_night", "labels"), ("facades", "labels")])
def test_a_drawn_world_is_unpaired_in_training_and_paired_with_its_truth_in_evaluation(source, truth):
    batch = next(unpaired.train(source, 32, 2, 0))
    assert {key: tuple(x.shape) for key, x in batch.items()} == {"a": (2, 3, 32, 32), "b": (2, 3, 32, 32)}
    held = unpaired.evaluation(source, 32, count=2)
    assert set(held) == {"a", "b", truth}
    assert held[truth].dtype == (torch.float32 if truth == "mask" else torch.int64)
    assert not torch.equal(held["a"], unpaired.evaluation(source, 32, split="tuning", count=2)["a"])


def test_the_sides_of_the_drawn_worlds():
    animals = unpaired.evaluation("safari", 32, count=5)
    ground = animals["mask"].expand_as(animals["a"]) == 0
    assert (animals["a"] - animals["b"]).abs()[ground].mean() < 0.02  # the same scene in another coat
    city = unpaired.evaluation("day_night", 32, count=5)
    assert city["a"].mean() > city["b"].mean() + 0.3  # a is the day
    plans = unpaired.evaluation("facades", 32, count=5)
    assert (facades.to_labels(to_uint8(plans["a"])) == plans["labels"].numpy()).all()


def test_an_unknown_set_gets_a_sentence():
    for call in (lambda: unpaired.train("cats", 32, 1, 0), lambda: unpaired.evaluation("cats", 32)):
        with pytest.raises(ValueError, match="source is 'cats'; expected one of safari, day_night, facades, cmp"):
            call()


@needs_fruit
def test_apples_and_oranges():
    held = unpaired.evaluation("apple2orange_grocery", 32, count=60)
    assert held["a"].shape == held["b"].shape == (60, 3, 32, 32)
    red_over_green = {side: float((images[:, 0] - images[:, 1]).mean()) for side, images in held.items()}
    assert red_over_green["b"] > red_over_green["a"]  # oranges are more orange than apples
