"""Piles without labels: fruit from a small made set, the real one where it is at hand, and a folder of one's own."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i_tutor.data import herd, safari, unlabelled
from i2i_tutor.data.images import DataError, write_png

REAL = Path(os.environ.get("I2I_DATA", "")) / "grocery_fruit"
needs_fruit = pytest.mark.skipif(
    not (os.environ.get("I2I_DATA") and REAL.is_dir()), reason="the set grocery_fruit is not under I2I_DATA"
)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Three kinds, each of its own colour, eight training and two test photographs each, all of their own tone.

    Beside the folders of the kinds lies a hidden one, as some programs leave them.
    """
    root = tmp_path / "grocery_fruit"
    for number, kind in enumerate(("Apple", "Fig", "Plum")):
        for split, count in (("train", 8), ("test", 2)):
            for place in range(count):
                image = np.zeros((20, 16, 3), np.uint8)
                image[..., number] = 100 + 10 * place + 5 * (split == "test")
                write_png(root / split / kind / f"{kind}_{place}.png", image)
    write_png(root / "train" / ".cache" / "preview.png", np.full((20, 16, 3), 255, np.uint8))
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    return root


def tones(images):
    """Kind and tone of each photograph."""
    values, kinds = images[:, :, 8, 8].add(1).mul(127.5).round().int().max(1)
    return set(zip(kinds.tolist(), values.tolist(), strict=True))


def test_no_photograph_is_in_two_parts_of_the_set(made):
    stream = unlabelled.train("grocery_fruit", 16, 9, 0)
    seen = tones(torch.cat([next(stream)["image"] for _ in range(2)]))
    tuning, judged = (unlabelled.evaluation("grocery_fruit", 16, split=split) for split in ("tuning", "evaluation"))
    parts = [seen, tones(tuning["image"]), tones(judged["image"])]
    assert [len(part) for part in parts] == [18, 6, 6]
    assert len(set.union(*parts)) == 30


def test_the_truth_comes_with_the_fixed_set_alone_and_kinds_come_by_turns(made):
    assert set(next(unlabelled.train("grocery_fruit", 16, 2, 0))) == {"image", "strong"}
    held = unlabelled.evaluation("grocery_fruit", 16)
    assert held["domain"].tolist() == [0, 1, 2, 0, 1, 2]
    assert [kind for kind, _ in sorted(tones(held["image"]))] == [0, 0, 1, 1, 2, 2]
    assert held["image"][:, :, 8, 8].argmax(1).tolist() == held["domain"].tolist()
    assert unlabelled.kinds("grocery_fruit") == ["Apple", "Fig", "Plum"]
    few = unlabelled.evaluation("grocery_fruit", 16, count=2)
    assert all(torch.equal(few[key], held[key][:2]) for key in held)


def test_the_herd_is_behind_the_same_door():
    mine, theirs = unlabelled.train("herd", 16, 2, 0), herd.train("procedural", 16, 2, 0)
    assert all(torch.equal(mine.batch(3)[key], theirs.batch(3)[key]) for key in ("image", "strong"))
    assert torch.equal(
        unlabelled.evaluation("herd", 16, count=2)["image"], herd.evaluation("procedural", 16, count=2)["image"]
    )
    assert unlabelled.kinds("herd") == list(safari.COATS)


def test_every_batch_is_a_function_of_seed_and_position(made):
    one, again, other = (unlabelled.train("grocery_fruit", 16, 4, seed) for seed in (5, 5, 6))
    next(again)
    expected, got = one.batch(1), next(again)
    assert all(torch.equal(expected[key], got[key]) for key in ("image", "strong"))
    assert not torch.equal(one.batch(0)["strong"], other.batch(0)["strong"])
    assert one.about == {"source": "grocery_fruit", "size": 16, "batch": 4, "strong": "paper", "pile": 18}


def test_a_folder_of_ones_own_is_a_pile(made):
    stream = unlabelled.from_folder(made / "train" / "Fig", size=16, batch=8)
    assert tones(next(stream)["image"]) == {(1, 100 + 10 * place) for place in range(8)}
    assert next(stream)["strong"].shape == (8, 3, 16, 16)


def test_grey_pictures_become_three_equal_channels(tmp_path):
    for place in range(3):
        Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16) // (place + 1)).save(tmp_path / f"{place}.png")
    images = next(unlabelled.from_folder(tmp_path, size=16, batch=3))["image"]
    assert images.shape == (3, 3, 16, 16)
    assert torch.equal(images, images[:, :1].expand(-1, 3, -1, -1))
    assert images.std() > 0.3


def test_a_damaged_picture_is_named_before_anything_is_trained(made):
    path = made / "train" / "Fig" / "Fig_3.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"Fig_3\.png is damaged or cut short"):
        unlabelled.from_folder(path.parent, size=16, batch=2)
    with pytest.raises(DataError, match=r"Fig_3\.png is damaged or cut short"):
        unlabelled.train("grocery_fruit", 16, 2, 0)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"source": "nuts"}, "source is 'nuts'"), ({"size": 4}, "size is 4"), ({"batch": 0}, "batch is 0"),
     ({"strong": "very"}, "strong is 'very'"), ({"strong": ""}, "strong is ''"), ({"seed": -1}, "seed is -1")],
)  # fmt: skip
def test_a_wrong_argument_gets_a_sentence(made, wrong, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        unlabelled.train(**{"source": "grocery_fruit", "size": 16, "batch": 2, "seed": 0} | wrong)


@pytest.mark.parametrize("source", unlabelled.SOURCES)
def test_strong_views_of_no_name_are_refused_of_every_set(made, source):
    for call in (unlabelled.train, unlabelled.evaluation):
        numbers = (16, 2, 0) if call is unlabelled.train else (16,)
        with pytest.raises(ValueError, match=r"^strong is ''; expected one of paper, animals, hues, places$"):
            call(source, *numbers, strong="")


def test_what_is_wrong_with_a_set_or_a_folder_gets_a_sentence(made, tmp_path, monkeypatch):
    (tmp_path / "single").mkdir()
    write_png(tmp_path / "single" / "one.png", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(DataError, match=r"one\.png is the only picture; a style is told from others"):
        unlabelled.from_folder(tmp_path / "single", size=16, batch=8)
    with pytest.raises(DataError, match="does not exist"):
        unlabelled.from_folder(tmp_path / "nowhere", size=16, batch=8)
    for path in (made / "train" / "Fig").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="Fig holds no picture"):
        unlabelled.train("grocery_fruit", 16, 2, 0)
    for kind in ("Apple", "Fig"):
        (made / "train" / kind).rename(tmp_path / kind)
    with pytest.raises(DataError, match="holds 1 folders; expected one for each kind, at least 2"):
        unlabelled.train("grocery_fruit", 16, 2, 0)
    monkeypatch.setenv("I2I_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(DataError, match="grocery_fruit is looked for in the folder of that name under I2I_DATA"):
        unlabelled.evaluation("grocery_fruit", 16)


@needs_fruit
def test_the_real_fruit():
    held = unlabelled.evaluation("grocery_fruit", 32)
    assert torch.equal(held["domain"].bincount(), torch.full((10,), 20))
    stream = unlabelled.train("grocery_fruit", 32, 4, 0)
    tuning = unlabelled.evaluation("grocery_fruit", 32, split="tuning")
    assert stream.about["pile"] + len(tuning["image"]) == 389
    assert unlabelled.kinds("grocery_fruit")[:3] == ["Avocado", "Banana", "Kiwi"]
    assert next(stream)["image"].shape == (4, 3, 32, 32)
