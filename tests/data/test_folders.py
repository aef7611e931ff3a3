"""Your own pictures behind the same contract as the worlds."""

import warnings

import numpy as np
import pytest
import torch

from i2i_tutor.data import folders, shelf
from i2i_tutor.data.images import DataError, write_png


def plain(level, height=16, width=16):
    return np.full((height, width, 3), level, np.uint8)


@pytest.fixture
def joined(tmp_path):
    """Pairs 0..4 side by side: A has grey level 10 i, B 100 + 10 i."""
    for i in range(5):
        write_png(tmp_path / "joined" / f"{i}.png", np.hstack([plain(10 * i), plain(100 + 10 * i)]))
    return tmp_path / "joined"


@pytest.fixture
def apart(tmp_path):
    """The same pairs in two folders, named as in CycleGAN's archives."""
    for i in range(5):
        write_png(tmp_path / "A" / f"{i}_A.png", plain(10 * i))
        write_png(tmp_path / "B" / f"{i}_B.png", plain(100 + 10 * i))
    return tmp_path / "A", tmp_path / "B"


def levels(images):
    """The grey level of each plain image."""
    return images.add(1).mul(127.5).mean(dim=(1, 2, 3)).round().int().tolist()


def test_a_pair_stays_together_and_an_epoch_shows_each_once(joined):
    stream = folders.pairs(joined, size=8, batch=5)
    orders = set()
    for _ in range(4):
        batch = next(stream)
        assert batch["input"].shape == batch["target"].shape == (5, 3, 8, 8)
        assert batch["input"].dtype == torch.float32
        a = levels(batch["input"])
        assert levels(batch["target"]) == [level + 100 for level in a]
        assert sorted(a) == [0, 10, 20, 30, 40]
        orders.add(tuple(a))
    assert len(orders) > 1


def test_direction_says_which_side_is_the_input(joined):
    there = folders.pairs(joined, size=8, batch=2).batch(3)
    back = folders.pairs(joined, size=8, batch=2, direction="BtoA").batch(3)
    assert torch.equal(there["input"], back["target"])
    assert torch.equal(there["target"], back["input"])


def test_two_folders_give_the_same_stream_as_one(joined, apart):
    one, two = folders.pairs(joined, size=8, batch=3, seed=4), folders.pairs(*apart, size=8, batch=3, seed=4)
    for _ in range(3):
        a, b = next(one), next(two)
        assert torch.equal(a["input"], b["input"])
        assert torch.equal(a["target"], b["target"])


def test_both_sides_are_cut_and_mirrored_alike(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    write_png(tmp_path / "pairs" / "same.png", np.hstack([image, image]))
    stream = folders.pairs(tmp_path / "pairs", size=32, batch=8)
    batch = next(stream)
    assert torch.equal(batch["input"], batch["target"])
    assert len({image.numpy().tobytes() for image in batch["input"]}) > 1


def test_a_batch_is_a_pure_function_of_seed_and_position(joined, monkeypatch):
    stream = folders.pairs(joined, size=8, batch=2, seed=1)
    expected = [next(stream)["input"] for _ in range(4)]
    monkeypatch.setattr(shelf, "MEMORY", 0)  # nothing is kept between batches
    again = folders.pairs(joined, size=8, batch=2, seed=1, ahead=2)
    again.load_state_dict(stream.state_dict() | {"position": 2})
    assert torch.equal(next(again)["input"], expected[2])
    assert torch.equal(next(again)["input"], expected[3])


def test_unpaired_folders_are_shuffled_independently(tmp_path, apart):
    write_png(tmp_path / "B" / "one more.png", plain(200))
    stream = folders.unpaired(*apart, size=8, batch=30)
    batch = next(stream)
    assert set(batch) == {"a", "b"}
    a, b = levels(batch["a"]), levels(batch["b"])
    assert sorted(a) == sorted([0, 10, 20, 30, 40] * 6)
    assert sorted(b) == sorted([100, 110, 120, 130, 140, 200] * 5)
    assert sum(y == x + 100 for x, y in zip(a, b, strict=True)) < 20


def test_evaluation_is_everything_in_natural_order(tmp_path, joined):
    write_png(joined / "10.png", np.hstack([plain(50), plain(150)]))
    batch = folders.evaluation(joined, size=8, direction="BtoA")
    assert levels(batch["input"]) == [100, 110, 120, 130, 140, 150]
    assert levels(batch["target"]) == [0, 10, 20, 30, 40, 50]


# --- what is wrong is named ----------------------------------------------------------------------------------------


def test_a_missing_partner_is_named_at_once(apart):
    (apart[1] / "3_B.png").unlink()
    with pytest.raises(DataError, match=r"no partner in .*B for .*3_A\.png"):
        folders.pairs(*apart, size=8, batch=1)
    (apart[0] / "3_A.png").unlink()
    (apart[0] / "0_A.png").unlink()
    with pytest.raises(DataError, match=r"no partner in .*A for .*0_B\.png"):
        folders.pairs(*apart, size=8, batch=1)


def test_two_files_of_one_name_are_named_at_once(apart):
    write_png(apart[0] / "2.png", plain(0))
    with pytest.raises(DataError, match="both called '2'"):
        folders.pairs(*apart, size=8, batch=1)


def test_sides_of_different_sizes_are_refused_by_name(tmp_path, apart):
    write_png(apart[1] / "3_B.png", plain(0, width=20))
    with pytest.raises(DataError, match=r"3_A\.png is 16x16 px and its partner .*3_B\.png 20x16"):
        folders.pairs(*apart, size=8, batch=5).batch(0)
    write_png(tmp_path / "odd" / "x.png", plain(0, width=21))
    with pytest.raises(DataError, match=r"x\.png is 21 px wide"):
        folders.evaluation(tmp_path / "odd", size=8)


def test_ordinary_pictures_are_not_cut_in_half_without_a_word(tmp_path):
    for name, width in (("square", 32), ("portrait", 24), ("hardly wider", 34)):
        write_png(tmp_path / name / "1.png", plain(0, 32, width))
        with pytest.raises(DataError, match=rf"1\.png is {width}x32 px; A and B side by side are wider than high"):
            folders.pairs(tmp_path / name, size=8, batch=1)
    for name, width in (("landscape, or two portraits", 48), ("two landscapes", 96)):
        write_png(tmp_path / name / "1.png", plain(0, 32, width))
        with pytest.warns(UserWarning, match=f"cut into A and B of {width // 2}x32 px each; if A and B are single"):
            folders.pairs(tmp_path / name, size=8, batch=1)
    write_png(tmp_path / "pair" / "1.png", plain(0, 32, 64))
    with warnings.catch_warnings(action="error"):
        folders.pairs(tmp_path / "pair", size=8, batch=1)


def test_names_meet_whichever_way_their_accents_are_encoded(tmp_path):
    write_png(tmp_path / "A" / "caf\u00e9.png", plain(10))
    write_png(tmp_path / "B" / "cafe\u0301.png", plain(110))
    (item,) = folders.find_pairs(tmp_path / "A", tmp_path / "B")
    assert [path.parent.name for path in item] == ["A", "B"]


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"size": 0}, "size is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"load_size": 7}, "load_size is 7"),
        ({"direction": "up"}, "expected one of AtoB, BtoA"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_wrong_numbers_get_a_sentence(joined, numbers, sentence):
    with pytest.raises(ValueError, match=sentence):
        folders.pairs(joined, **{"size": 8, "batch": 1, **numbers})


def test_an_empty_folder_is_an_error(tmp_path, joined):
    (tmp_path / "empty").mkdir()
    for call in (folders.pairs, folders.unpaired):
        with pytest.raises(DataError, match="holds no picture"):
            call(tmp_path / "empty", joined, size=8, batch=1)
