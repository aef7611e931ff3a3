"""Whatever a user hands in: two thousand parameter sets, and a damaged file in every folder of data."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from cells import CHAPTERS, FirstCells, try_sets

from i2i_tutor.data import facades, folders, unpaired
from i2i_tutor.data.images import DataError, write_png
from i2i_tutor.measuring import judges

pytestmark = pytest.mark.soak
SETS = 2000


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_set_of_values_is_accepted_or_refused_as_the_cell_says(chapter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ends, wrong = try_sets(FirstCells(chapter), SETS)
    assert wrong == [], f"{len(wrong)} of {SETS}, {dict(ends)}"
    assert min(ends["accepted"], ends["refused"]) > SETS / 10


# --- damaged files ---------------------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(60, len(content), 97):
        content[place] ^= 0xFF
    path.write_bytes(bytes(content))


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": cut,
    "flipped": flip,
    "no picture": lambda path: path.write_text("<html>404 Not Found</html>"),
    "tiny": lambda path: write_png(path, np.zeros((2, 4, 3), np.uint8)),
}


def pairs_folder(folder: Path, count: int = 6) -> None:
    for number in range(count):
        write_png(folder / f"{number}.png", np.random.default_rng(number).integers(0, 256, (48, 96, 3), np.uint8))


def halves(folder: Path, split: str) -> None:
    for side in "AB":
        for number in range(6):
            picture = np.random.default_rng(number).integers(0, 256, (48, 48, 3), np.uint8)
            write_png(folder / f"{split}{side}" / f"{number}_{side}.png", picture)


READERS = {  # making a stream is enough: no batch is asked for, yet a damaged file must be found
    "facades/train": (lambda root: facades.train("cmp", 32, 2, 0, load_size=36), "facades/train/3.png"),
    "facades/test": (lambda root: facades.evaluation("cmp", 32), "facades/test/3.png"),
    "own pairs": (lambda root: folders.pairs(root / "pairs", size=32, batch=2), "pairs/3.png"),
    "own halves": (
        lambda root: folders.pairs(root / "two/trainA", root / "two/trainB", size=32, batch=2),
        "two/trainB/3_B.png",
    ),
    "own unpaired": (
        lambda root: folders.unpaired(root / "two/trainA", root / "two/trainB", size=32, batch=2),
        "two/trainA/3_A.png",
    ),
    "unpaired set, train": (lambda root: unpaired.train("horse2zebra", 32, 2, 0), "horse2zebra/trainA/3_A.png"),
    "unpaired set, test": (lambda root: unpaired.evaluation("horse2zebra", 32), "horse2zebra/testB/3_B.png"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_is_named_in_one_sentence_before_the_start(reader, damage, tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    monkeypatch.setenv("I2I_CACHE", str(tmp_path / "cache"))
    for folder in ("facades/train", "facades/test", "pairs"):
        pairs_folder(tmp_path / folder)
    halves(tmp_path / "two", "train")
    for split in ("train", "test"):
        halves(tmp_path / "horse2zebra", split)
    read_all, name = READERS[reader]
    read_all(tmp_path)  # whole, it can be read
    DAMAGE[damage](tmp_path / name)
    with pytest.raises(DataError) as caught:
        read_all(tmp_path)
    assert Path(name).name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["empty", "cut", "no picture"])
def test_a_damaged_judge_is_trained_anew(damage, tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_CACHE", str(tmp_path))
    truth = facades.ground_truth("procedural", 32)
    _, before = judges.segmenter(truth, steps=2)
    (file,) = (tmp_path / "judges").iterdir()
    DAMAGE[damage](file)
    _, after = judges.segmenter(truth, steps=2)
    assert after == before
    shutil.rmtree(tmp_path / "judges")
