"""The façade world: one contract, two doors."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i_tutor.data import download, facades
from i2i_tutor.data.facades import COLOURS, to_labels, world
from i2i_tutor.data.images import write_png
from i2i_tutor.data.streams import to_uint8

CMP = Path(os.environ.get("I2I_DATA", "")) / "facades"
needs_cmp = pytest.mark.skipif(
    not (os.environ.get("I2I_DATA") and CMP.is_dir()), reason="the CMP façades are not under I2I_DATA"
)


def grid(count=6):
    """Pair i of a small set: a photo of grey level 10 + 40 i, a label map of class i."""
    return [
        (np.full((32, 32, 3), 10 + 40 * i, np.uint8), np.broadcast_to(COLOURS[i], (32, 32, 3)).astype(np.uint8))
        for i in range(count)
    ]


@pytest.fixture(params=["pix2pix layout", "CycleGAN layout"])
def small_cmp(request, tmp_path, monkeypatch):
    """Six plain pairs where the CMP façades are looked for."""
    for split in ("train", "test"):
        for i, (photo, drawn) in enumerate(grid()):
            if request.param == "pix2pix layout":
                write_png(tmp_path / "facades" / split / f"{i}.png", np.hstack([photo, drawn]))
            else:
                write_png(tmp_path / "facades" / f"{split}A" / f"{i}_A.png", photo)
                write_png(tmp_path / "facades" / f"{split}B" / f"{i}_B.png", drawn)
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    return tmp_path / "facades"


def houses(images):
    """Which of the six plain photos each image is."""
    return ((images.add(1).mul(127.5).mean(dim=(1, 2, 3)) - 10) / 40).round().int().tolist()


def maps(images):
    """Which of the six plain label maps each image is."""
    return to_labels(to_uint8(images))[:, 0, 0].tolist()


# --- the contract --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", facades.TASKS)
def test_batches_have_the_shapes_and_ranges_of_the_contract(task):
    batch = next(facades.train("procedural", 32, 3, 0, task=task))
    assert set(batch) == {"input", "target"}
    held = facades.evaluation("procedural", 32, count=3, task=task)
    assert set(held) == {"input", "target", "labels"}
    for images in (*batch.values(), held["input"], held["target"]):
        assert images.shape == (3, 3, 32, 32)
        assert images.dtype == torch.float32
        assert images.min() >= -1
        assert images.max() <= 1
        assert images.is_contiguous()
    assert held["labels"].shape == (3, 32, 32)
    assert held["labels"].dtype == torch.int64


def test_labels_are_the_truth_of_the_label_maps():
    held = facades.evaluation("procedural", 32, count=4)
    assert np.array_equal(to_labels(to_uint8(held["input"])), held["labels"].numpy())
    back = facades.evaluation("procedural", 32, count=4, task="photo_to_labels")
    assert torch.equal(back["target"], held["input"])
    assert torch.equal(back["input"], held["target"])


def test_training_is_a_pure_function_of_seed_and_position():
    stream = facades.train("procedural", 32, 2, 5)
    next(stream)
    second = next(stream)
    assert torch.equal(facades.train("procedural", 32, 2, 5).batch(1)["target"], second["target"])
    assert not torch.equal(facades.train("procedural", 32, 2, 6).batch(1)["target"], second["target"])
    assert not torch.equal(stream.batch(2)["target"], second["target"])


def test_evaluation_is_fixed_whatever_its_length():
    many, few = facades.evaluation("procedural", 32, count=5), facades.evaluation("procedural", 32, count=2)
    assert all(torch.equal(many[key][:2], few[key]) for key in few)


def test_no_house_and_no_photograph_serves_both_training_and_evaluation(monkeypatch):
    drawn = []
    original = world.draw
    monkeypatch.setattr(
        world, "draw", lambda i, size, photo, **look: drawn.append((list(i), photo)) or original(i, size, photo, **look)
    )
    stream = facades.train("procedural", 16, 4, 0)
    for _ in range(20):
        next(stream)
    training, drawn[:] = list(drawn), []
    facades.evaluation("procedural", 16, count=4)
    assert max(max(numbers) for numbers, _ in training) < 2**20 <= 2**24 <= min(drawn[0][0])
    assert all(photo < 2**20 for _, photo in training)
    assert drawn[0][1] >= 2**20
    assert len({photo for _, photo in training}) > 10


def test_unpaired_batches_hold_different_houses(monkeypatch):
    drawn = []
    original = world.draw
    monkeypatch.setattr(
        world, "draw", lambda i, size, photo, **look: drawn.extend(i) or original(i, size, photo, **look)
    )
    batch = next(facades.train("procedural", 16, 3, 0, paired=False))
    assert {key: tuple(x.shape) for key, x in batch.items()} == {"a": (3, 3, 16, 16), "b": (3, 3, 16, 16)}
    assert len(set(drawn)) == 6


def test_day_and_night_are_one_photograph_of_one_house():
    held = facades.evaluation("procedural", 32, count=3, task="day_to_night", variety=0.7)
    houses = range(facades.FIRST_EVALUATION_HOUSE, facades.FIRST_EVALUATION_HOUSE + 3)
    for side, light in (("input", "day"), ("target", "night")):
        drawn = facades.draw(houses, 32, facades.EVALUATION_PHOTO, variety=0.7, light=light)[1]
        assert np.array_equal(to_uint8(held[side]), drawn)


def test_unpaired_day_and_night_show_different_houses():
    batch = next(facades.train("procedural", 32, 4, 4, task="day_to_night", paired=False))
    assert batch["a"].mean() > batch["b"].mean() + 0.3
    red, _, blue = batch["b"].mean(dim=(0, 2, 3))
    assert blue > red


def test_variety_reaches_both_sets():
    for variety, same in ((0.0, True), (0.3, False)):
        stream = facades.train("procedural", 32, 1, 0, variety=variety)
        assert stream.about["variety"] == variety
        held = facades.evaluation("procedural", 32, count=1, variety=variety)
        drawn = facades.draw([facades.FIRST_EVALUATION_HOUSE], 32, 0, variety=variety)[1]
        assert np.array_equal(to_uint8(held["target"]), drawn) == same


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"task": "dog_to_cat"}, "task is 'dog_to_cat'; expected one of labels_to_photo"),
        ({"source": "web"}, "source is 'web'; expected one of procedural, cmp"),
        ({"size": 8}, "size is 8"),
        ({"size": 1000}, "size is 1000"),
        ({"variety": 1.5}, "variety is 1.5; expected a number from 0 to 1"),
        ({"variety": float("nan")}, "variety is nan; expected a number from 0 to 1"),
        ({"source": "cmp", "variety": 0.4}, "variety is 0.4, but only drawn houses have one"),
        ({"source": "cmp", "task": "day_to_night"}, "of 'cmp' there are no photographs at night"),
    ],
)
def test_wrong_arguments_get_a_sentence(arguments, sentence):
    wanted = {"source": "procedural", "size": 32, **arguments}
    with pytest.raises(ValueError, match=sentence):
        facades.train(**wanted, batch=1, seed=0)
    with pytest.raises(ValueError, match=sentence):
        facades.evaluation(**wanted)


def test_wrong_numbers_get_a_sentence(small_cmp):
    for call in (
        lambda: facades.train("procedural", 64, 0, 0),
        lambda: facades.train("procedural", 64, 4, 0, load_size=32),
        lambda: facades.evaluation("procedural", 64, count=0),
        lambda: facades.evaluation("cmp", 64, count=7),
    ):
        with pytest.raises(ValueError, match=r"(batch|load_size|count) is \d+"):
            call()


# --- grey and edges ------------------------------------------------------------------------------------------------


def test_grey_is_the_luminance():
    primaries = np.array([[[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]]], np.uint8)
    assert world.grey(primaries)[0, 0].tolist() == [[76] * 3, [150] * 3, [29] * 3, [255] * 3]


def test_edges_are_black_on_both_sides_of_a_steep_step():
    photo = np.full((1, 8, 8, 3), 100, np.uint8)
    assert (world.edges(photo) == 255).all()
    photo[:, :, 4:] = 150  # Sobel: (1 + 2 + 1) * 50 = 200, the threshold
    lines = world.edges(photo)
    assert lines[0, :, :, 0].tolist() == [[255, 255, 255, 0, 0, 255, 255, 255]] * 8
    assert np.array_equal(world.edges(photo.swapaxes(1, 2)), lines.swapaxes(1, 2))
    photo[:, :, 4:] = 149
    assert (world.edges(photo) == 255).all()


# --- CMP -----------------------------------------------------------------------------------------------------------


def test_cmp_pairs_stay_together(small_cmp):
    stream = facades.train("cmp", 16, 6, 0)
    for _ in range(3):
        batch = next(stream)
        assert maps(batch["input"]) == houses(batch["target"])
        assert sorted(maps(batch["input"])) == list(range(6))


def test_cmp_unpaired_sides_are_shuffled_independently(small_cmp):
    stream = facades.train("cmp", 16, 6, 0, paired=False)
    agreeing = 0
    for _ in range(10):
        batch = next(stream)
        a, b = maps(batch["a"]), houses(batch["b"])
        assert sorted(a) == sorted(b) == list(range(6))
        agreeing += sum(x == y for x, y in zip(a, b, strict=True))
    assert agreeing < 30  # one in six by chance


def test_cmp_evaluation_is_the_test_split_in_order(small_cmp):
    held = facades.evaluation("cmp", 16, count=6)
    assert held["labels"][:, 3, 3].tolist() == houses(held["target"]) == list(range(6))


def test_cmp_is_downloaded_where_it_is_not_at_hand(small_cmp, tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_DATA", str(tmp_path / "elsewhere"))
    asked = []
    monkeypatch.setattr(download, "fetch", lambda archive: asked.append(archive) or small_cmp)
    next(facades.train("cmp", 16, 1, 0))
    assert asked == [download.FACADES]


def test_an_unknown_layout_is_refused_by_name(tmp_path, monkeypatch):
    (tmp_path / "facades" / "base").mkdir(parents=True)
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="holds neither train"):
        facades.train("cmp", 64, 4, 0)


@needs_cmp
def test_the_real_set_has_400_training_and_106_test_pairs():
    held = facades.evaluation("cmp", 32, count=106)
    assert held["labels"].shape == (106, 32, 32)
    assert set(held["labels"].unique().tolist()) == set(range(12))
    with pytest.raises(ValueError, match="has 106 pictures"):
        facades.evaluation("cmp", 32, count=107)
    assert len(world._cmp_items("train")) == 400


@needs_cmp
def test_the_real_label_maps_are_on_the_input_side():
    """A label map's pixels lie near the 12 class colours; a photo's do not."""
    held = facades.evaluation("cmp", 256, count=5)

    def far_from_the_palette(images):
        pixels = to_uint8(images)[:, ::4, ::4].astype(int)
        return np.abs(pixels - COLOURS[to_labels(pixels)].astype(int)).mean()

    assert far_from_the_palette(held["input"]) < 20 < 40 < far_from_the_palette(held["target"])


@needs_cmp
def test_the_real_stream_keeps_the_contract():
    batch = next(facades.train("cmp", 64, 4, 0, task="edges_to_photo"))
    assert batch["input"].shape == batch["target"].shape == (4, 3, 64, 64)
    assert set(batch["input"].unique().tolist()) == {-1.0, 1.0}
    assert batch["target"].min() < -0.5
    assert batch["target"].max() > 0.5
