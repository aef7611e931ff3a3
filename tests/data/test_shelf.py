"""Pictures are checked before a training starts, once, and all that are broken are named."""

import os
import time

import numpy as np
import pytest

from i2i_tutor.data import folders, shelf
from i2i_tutor.data.images import DataError, read_rgb, write_png
from i2i_tutor.data.shelf import Shelf


def read_one(item):
    READ.append(item[0].name)
    return (read_rgb(item[0]),)


READ: list[str] = []


@pytest.fixture
def items(tmp_path):
    READ.clear()
    for i in range(8):
        write_png(tmp_path / "pictures" / f"{i}.png", np.full((16, 16, 3), 10 * i, np.uint8))
    return [(path,) for path in sorted((tmp_path / "pictures").iterdir())]


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_every_picture_is_read_once_and_never_again_while_there_is_room(items):
    some = Shelf(items, 8, read_one)
    assert sorted(READ) == [f"{i}.png" for i in range(8)]
    assert [int(some[i][0][0, 0, 0]) for i in range(8)] == [10 * i for i in range(8)]
    assert len(READ) == 8


def test_pictures_that_were_found_good_are_not_decoded_again(items):
    Shelf(items, 8, read_one)
    READ.clear()
    again = Shelf(items, 12, read_one)
    assert READ == []
    assert again[3][0].shape == (3, 12, 12)
    path = items[5][0]
    write_png(path, np.zeros((16, 20, 3), np.uint8))  # another size in bytes
    os.utime(items[6][0], (1, 1))  # touched
    READ.clear()
    Shelf(items, 8, read_one)
    assert sorted(READ) == ["5.png", "6.png"]


def test_all_broken_pictures_are_named_before_the_start_and_stay_so(items):
    for number in (1, 2, 4, 6):
        cut(items[number][0])
    for _ in range(2):
        with pytest.raises(DataError, match=r"^4 of 8 cannot be used: .*1\.png .*2\.png .*4\.png .*; and 1 more$"):
            Shelf(items, 8, read_one)
    READ.clear()
    for number in (1, 2, 4, 6):
        write_png(items[number][0], np.zeros((16, 16, 3), np.uint8))
    Shelf(items, 8, read_one)
    assert sorted(READ) == ["1.png", "2.png", "4.png", "6.png"]  # the good ones were remembered


def test_a_picture_that_goes_bad_between_two_trainings_is_found(items):
    Shelf(items, 8, read_one)
    cut(items[7][0])
    with pytest.raises(DataError, match=r"7\.png is damaged or cut short"):
        Shelf(items, 8, read_one)
    items[7][0].unlink()
    with pytest.raises(DataError, match=r"7\.png does not exist"):
        Shelf(items, 8, read_one)


def test_what_was_good_for_one_use_is_not_taken_for_granted_in_another(items):
    Shelf(items, 8, read_one)
    with pytest.raises(DataError, match="A and B side by side"):
        folders.pairs(items[0][0].parent, size=8, batch=1)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"one line that is none\n" * 1000, None])
def test_a_broken_memory_is_ignored_and_mended(items, cache, content):
    Shelf(items, 8, read_one)
    (memory,) = cache.iterdir()
    if content is None:
        memory.unlink()
    else:
        memory.write_bytes(content)
    READ.clear()
    Shelf(items, 8, read_one)
    assert len(READ) == 8
    READ.clear()
    Shelf(items, 8, read_one)
    assert READ == []


def test_a_memory_that_cannot_be_written_only_costs_time(items, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        READ.clear()
        Shelf(items, 8, read_one)
        assert len(READ) == 8


def test_the_memory_is_bounded_and_forgets_the_oldest(items, cache, monkeypatch):
    monkeypatch.setattr(shelf, "REMEMBERED", 5)
    Shelf(items, 8, read_one)
    (memory,) = cache.iterdir()
    assert len(memory.read_text().split()) == 5
    READ.clear()
    Shelf(items, 8, read_one)
    assert sorted(READ) == ["0.png", "1.png", "2.png"]


def test_ctrl_c_ends_the_check_without_reading_on(tmp_path):
    read = []

    def interrupted(item):
        read.append(item)
        if item is many[0]:
            raise KeyboardInterrupt
        time.sleep(0.01)  # as a picture takes; else all are read before anybody hears of the first
        raise DataError("no picture")

    many = [(tmp_path / f"{i}.png",) for i in range(10_000)]
    with pytest.raises(KeyboardInterrupt):
        Shelf(many, 8, interrupted)
    assert len(read) < 10_000
