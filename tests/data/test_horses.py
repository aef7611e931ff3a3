"""Photographs of horses, striped inside their masks: on a small made set, and on the real one where it is at hand."""

import inspect
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i_tutor.data import horses, safari
from i2i_tutor.data.images import DataError, write_png

REAL = Path(os.environ.get("I2I_DATA", "")) / "weizmann_horse"
needs_horses = pytest.mark.skipif(
    not (os.environ.get("I2I_DATA") and REAL.is_dir()), reason="the set weizmann_horse is not under I2I_DATA"
)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Twelve grey photographs, each of its own tone, with a brown square on the left; the mask is the square."""
    root = tmp_path / "weizmann_horse"
    mask = np.zeros((24, 32, 3), np.uint8)
    mask[6:20, 4:18] = 255
    for number in range(1, 13):
        image = np.full((24, 32, 3), 60 + 10 * number, np.uint8)
        image[mask > 0] = np.tile((120, 80, 40), (mask > 0).sum() // 3)
        write_png(root / "images" / f"horse{number:03}.png", image)
        write_png(root / "masks" / f"horse{number:03}.png", mask)
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    return root


def tones(images):
    """The tone of each photograph's ground, which tells it from the others."""
    return set(images[:, 0, 0, -1].add(1).mul(127.5).round().int().tolist())


def test_no_photograph_is_in_two_parts_of_the_set(made):
    stream = horses.train("weizmann_horse", 16, 4, 0)
    batches = [next(stream) for _ in range(6)]
    seen = [tones(torch.cat([batch[side] for batch in batches])) for side in "ab"]
    seen += [tones(horses.evaluation("weizmann_horse", 16, split=split)["a"]) for split in ("tuning", "evaluation")]
    assert [len(part) for part in seen] == [4, 4, 2, 2]
    assert len(set.union(*seen)) == 12


def test_the_two_sides_of_the_fixed_set_differ_in_the_coat_alone(made):
    held = horses.evaluation("weizmann_horse", 24)
    assert {key: tuple(value.shape) for key, value in held.items()} == {
        "a": (2, 3, 24, 24), "b": (2, 3, 24, 24), "mask": (2, 1, 24, 24),
    }  # fmt: skip
    assert set(held["mask"].unique().tolist()) == {0.0, 1.0}
    far = torch.nn.functional.max_pool2d(held["mask"], 5, 1, 2) == 0  # what resizing has blurred lies nearer
    difference = (held["a"] - held["b"]).abs().mean(1, keepdim=True)
    assert difference[far].max() == 0
    assert difference[held["mask"] == 1].mean() > 0.3
    assert torch.equal(horses.evaluation("weizmann_horse", 24, count=1)["b"], held["b"][:1])


def test_stripes_have_the_shade_of_the_coat_and_stay_inside():
    image = np.full((32, 32, 3), 100, np.uint8)
    image[16:] = 60  # the belly lies in the shade
    mask = np.zeros((32, 32), bool)
    mask[:, 4:28] = True
    striped = horses.stripe(image, mask, 7)
    assert (striped[~mask] == image[~mask]).all()
    assert striped[:16][mask[:16]].max() > striped[16:][mask[16:]].max() + 40
    assert (striped[mask].max(axis=1) < 40).mean() > 0.2  # black
    assert (striped[:16][mask[:16]].min(axis=1) > 200).mean() > 0.2  # white
    assert (striped == horses.stripe(image, mask, 7)).all()
    assert (striped != horses.stripe(image, mask, 8)).any()


def test_every_batch_is_a_function_of_seed_and_position(made):
    one, again, other = (horses.train("weizmann_horse", 16, 2, seed, load_size=18) for seed in (5, 5, 6))
    next(again)
    assert torch.equal(one.batch(1)["b"], next(again)["b"])
    assert not torch.equal(one.batch(0)["a"], other.batch(0)["a"])
    assert (one.about["a"], one.about["b"]) == (4, 4)


def test_it_has_the_doors_of_every_world():
    for door in ("train", "evaluation"):
        own, usual = (
            [p.name for p in inspect.signature(getattr(world, door)).parameters.values() if p.default is p.empty]
            for world in (horses, safari)
        )
        assert own == usual


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"source": "cats"}, "source is 'cats'"), ({"size": 4}, "size is 4"), ({"batch": 0}, "batch is 0"),
     ({"load_size": 8}, "load_size is 8")],
)  # fmt: skip
def test_a_wrong_argument_gets_a_sentence(made, wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        horses.train(**{"source": "weizmann_horse", "size": 16, "batch": 2, "seed": 0} | wrong)


def test_what_is_wrong_with_the_set_gets_a_sentence(made, tmp_path, monkeypatch):
    def told(sentence):
        with pytest.raises(DataError, match=sentence):
            horses.train("weizmann_horse", 16, 2, 0)

    black = np.zeros((24, 32, 3), np.uint8)
    write_png(made / "masks/horse001.png", black)
    told(r"horse001\.png is black everywhere")
    write_png(made / "masks/horse001.png", black[:20])
    told("have one size")
    (made / "masks/horse001.png").unlink()
    told(r"no partner in .*masks for .*horse001\.png")
    for number in range(6, 13):
        (made / f"images/horse{number:03}.png").unlink()
        (made / f"masks/horse{number:03}.png").unlink()
    (made / "images/horse001.png").unlink()
    told("holds 4 photographs; at least 6")
    for path in (made / "images").iterdir():
        path.unlink()
    told("images holds no picture")
    monkeypatch.setenv("I2I_DATA", str(tmp_path / "elsewhere"))
    told("weizmann_horse is looked for in the folder of that name under I2I_DATA, and is not there")


@needs_horses
def test_the_real_horses():
    held = horses.evaluation("weizmann_horse", 48)
    assert len(held["a"]) == 54
    assert 0.1 < held["mask"].mean() < 0.5
    changed = (held["a"] - held["b"]).abs().mean(1, keepdim=True)
    assert changed[held["mask"] == 1].mean() > 0.3 > 0.03 > changed[held["mask"] == 0].mean()
    batch = next(horses.train("weizmann_horse", 48, 2, 0))
    assert {key: tuple(value.shape) for key, value in batch.items()} == {"a": (2, 3, 48, 48), "b": (2, 3, 48, 48)}
