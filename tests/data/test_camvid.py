"""CamVid: on a small made set, and on the real one where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i_tutor.data import camvid
from i2i_tutor.data.images import DataError, write_png

REAL = Path(os.environ.get("I2I_DATA", "")) / "camvid"
needs_camvid = pytest.mark.skipif(
    not (os.environ.get("I2I_DATA") and REAL.is_dir()), reason="the set camvid is not under I2I_DATA"
)
PARTS = {"train": (8, 6), "val": (0, 3), "test": (2, 3)}  # photographs at dusk, by day


def write_classes(path, classes):
    write_png(path, np.repeat(classes[..., None], 3, axis=2))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Grey photographs, dark at dusk; a car (8) in the left third, void (11) in the last row, else road (3)."""
    root, named = tmp_path / "camvid", {"dusk": [], "day": []}
    classes = np.full((24, 32), 3, np.uint8)
    classes[:, :10], classes[-1] = 8, 11
    for part, counts in PARTS.items():
        for light, count in zip(named, counts, strict=True):
            for number in range(count):
                name = f"{light}{number:02}"
                tone = (40 if light == "dusk" else 180) + number
                write_png(root / part / f"{name}.png", np.full((24, 32, 3), tone, np.uint8))
                write_classes(root / f"{part}annot" / f"{name}.png", classes)
                named[light].append(f"{part}/{name}")
    for light, names in named.items():
        (root / f"{light}.txt").write_text("\n".join(names) + "\n")
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    return root


def test_dusk_is_a_and_day_is_b_and_no_photograph_is_left_out(made):
    stream = camvid.train("camvid", 16, 2, 0)
    batches = [next(stream) for _ in range(4)]
    dusk, day = ({round(float(x.mean() + 1) * 127.5) for b in batches for x in b[side]} for side in "ab")
    assert dusk == {40 + number for number in range(8)}
    assert day == {180 + number for number in range(6)}
    assert torch.equal(stream.batch(2)["a"], batches[2]["a"])


def test_the_fixed_sets_hold_the_classes_of_dusk_and_void_is_none(made):
    held, tuning = (camvid.evaluation("camvid", 24, split=split) for split in ("evaluation", "tuning"))
    assert {key: tuple(value.shape) for key, value in held.items()} == {
        "a": (2, 3, 24, 24), "b": (2, 3, 24, 24), "labels": (2, 24, 24),
    }  # fmt: skip
    assert held["labels"].unique().tolist() == [-1, 3, 8]
    assert held["a"].max() < 0 < held["b"].min()
    assert len(tuning["a"]) == len(tuning["b"]) == 2
    assert torch.equal(camvid.evaluation("camvid", 24, count=1)["a"], held["a"][:1])


def test_a_judge_learns_from_days_alone(made):
    truth = camvid.ground_truth(16)
    assert (truth.name, truth.classes) == ("camvid-day-16", 12)
    held_out, trained = truth.held_out(), truth.train(4, 3).batch(1)
    assert (len(held_out["image"]), len(trained["image"])) == (3, 4)
    for batch in (held_out, trained):
        assert batch["image"].min() > 0
        assert batch["label"].unique().tolist() == [3, 8, 11]
    write_png(made / "train/day00.png", np.full((24, 32, 3), 90, np.uint8))
    assert camvid.ground_truth(16).fingerprint != truth.fingerprint


def test_what_is_not_there_is_named(made, monkeypatch, tmp_path):
    (made / "day.txt").write_text("train/day00\n")
    with pytest.raises(DataError, match="train holds 1 photographs of day; at least 2 are needed"):
        camvid.train("camvid", 16, 2, 0)
    (made / "day.txt").unlink()
    with pytest.raises(DataError, match=r"day\.txt cannot be read; it names the photographs of day"):
        camvid.train("camvid", 16, 2, 0)
    monkeypatch.setenv("I2I_DATA", str(tmp_path / "none"))
    with pytest.raises(DataError, match="camvid is looked for in the folder of that name under I2I_DATA"):
        camvid.evaluation("camvid", 16)


def test_a_class_that_there_is_not_is_refused(made):
    write_classes(made / "testannot/dusk00.png", np.full((24, 32), 12, np.uint8))
    with pytest.raises(DataError, match="holds class 12; expected 0 to 11, of which the last is void"):
        camvid.evaluation("camvid", 16)


@pytest.mark.parametrize(
    ("door", "wrong"),
    [
        (camvid.train, {"source": "web"}),
        (camvid.train, {"size": 4}),
        (camvid.train, {"batch": 0}),
        (camvid.evaluation, {"split": "train"}),
        (camvid.evaluation, {"count": 10**6}),
    ],
)
def test_a_wrong_argument_gets_one_sentence_that_names_it(made, door, wrong):
    right = {"source": "camvid", "size": 16} | ({"batch": 2, "seed": 0} if door is camvid.train else {})
    ((argument, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"^{argument} is {value!r}"):
        door(**right | wrong)


@needs_camvid
def test_the_real_set_has_one_drive_at_dusk():
    held = camvid.evaluation("camvid", 32)
    assert len(held["a"]) == 62
    assert held["a"].mean() < held["b"].mean()
    assert {camvid.CLASSES.index("car"), camvid.CLASSES.index("sky")} <= set(held["labels"].unique().tolist())
