"""Whatever a user hands in: two thousand parameter sets, and a damaged file in every folder of data."""

import json
import math
import random
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from i2i_tutor.data import facades, folders, unpaired
from i2i_tutor.data.images import DataError, write_png
from i2i_tutor.measuring import judges
from i2i_tutor.parameters import Parameter, read

pytestmark = pytest.mark.soak
ROOT = Path(__file__).parents[2]
SETS = 2000
STRANGE = (None, True, False, 0, 1, -1, 3, 2**31, 10**30, 0.5, -0.0, 1e308, math.nan, math.inf, "", "none", "fast",
           "x" * 200, "\n", "../..", "procedural", b"bytes", [], [1], {}, (1, 2))  # fmt: skip


def first_cells(chapter: Path) -> tuple[dict[str, Parameter], str, str]:
    """The chapter's parameters, its imports, and the cell that checks the parameters and opens the run."""
    cells = ["".join(c["source"]) for c in json.loads(chapter.read_text())["cells"] if c["cell_type"] == "code"]
    opens = next(number for number, code in enumerate(cells) if "chapter.open_run(" in code)
    start = next(number for number, code in enumerate(cells) if re.search(r"^profile: ", code, re.MULTILINE))
    return read(cells[start]), "\n".join(cells[start + 1 : opens]), cells[opens]


def draw_value(parameter: Parameter, draw: random.Random):
    """Mostly what the parameter may be, sometimes at its edge, sometimes anything at all."""
    if draw.random() < 0.12:
        return draw.choice(STRANGE)
    if parameter.choices:
        return draw.choice(parameter.choices)
    if parameter.type is bool:
        return draw.random() < 0.5
    if parameter.low is not None:
        low, high = parameter.low, parameter.high
        value = draw.choice([low, high, draw.uniform(low, high), low - 1, high + 1, low + draw.random() * 20])
        return parameter.type(value)
    return parameter.default


@pytest.mark.parametrize("chapter", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_parameter_set_is_accepted_or_refused_by_one_sentence(chapter, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    parameters, imports, opening = first_cells(chapter)
    namespace: dict = {}
    exec(imports, namespace)
    draw, ends, wrong = random.Random(0), Counter(), []
    for _ in range(SETS):
        values = {name: parameter.default for name, parameter in parameters.items()}
        for name in draw.sample(sorted(parameters), draw.randint(1, 4)):
            values[name] = draw_value(parameters[name], draw)
        try:
            exec(opening, namespace | values)
            ends["accepted"] += 1
        except ValueError as error:
            ends["refused"] += 1
            if not 10 < len(str(error)) < 400 or "\n" in str(error):
                wrong.append((values, str(error)[:300]))
        except Exception as error:
            wrong.append((values, repr(error)[:300]))
        capsys.readouterr()
    changed = [({k: v for k, v in values.items() if v != parameters[k].default}, said) for values, said in wrong]
    assert changed == [], f"{len(changed)} of {SETS}, {dict(ends)}"
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


def all_of(stream) -> None:
    for position in range(6):
        stream.batch(position)


READERS = {
    "facades/train": (lambda root: all_of(facades.train("cmp", 32, 2, 0, load_size=36)), "facades/train/3.png"),
    "facades/test": (lambda root: facades.evaluation("cmp", 32), "facades/test/3.png"),
    "own pairs": (lambda root: all_of(folders.pairs(root / "pairs", size=32, batch=2)), "pairs/3.png"),
    "own halves": (
        lambda root: all_of(folders.pairs(root / "two/trainA", root / "two/trainB", size=32, batch=2)),
        "two/trainB/3_B.png",
    ),
    "own unpaired": (
        lambda root: all_of(folders.unpaired(root / "two/trainA", root / "two/trainB", size=32, batch=2)),
        "two/trainA/3_A.png",
    ),
    "unpaired set, train": (lambda root: all_of(unpaired.train("horse2zebra", 32, 2, 0)), "horse2zebra/trainA/3_A.png"),
    "unpaired set, test": (lambda root: unpaired.evaluation("horse2zebra", 32), "horse2zebra/testB/3_B.png"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_is_named_in_one_sentence(reader, damage, tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
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
