"""The digits' worlds: nothing leaks between splits, the blend is MNIST-M's, and both doors keep one contract."""

import bz2
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i_tutor.data import adaptation, digits
from i2i_tutor.data.images import DataError
from i2i_tutor.data.streams import to_uint8

SPLITS = ("source", "train", "tuning", "evaluation")


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder with tiny copies of MNIST, BSDS500 and USPS in their own formats."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(digits, "MNIST_TUNING", 4)
    for kind, count in (("train", 40), ("t10k", 10)):
        folder = tmp_path / "mnist"
        folder.mkdir(exist_ok=True)
        pixels = rng.integers(0, 2, (count, 28, 28), dtype=np.uint8) * rng.integers(0, 256, dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        header = struct.pack(">4B3i", 0, 0, 8, 3, count, 28, 28)
        (folder / f"{kind}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + pixels.tobytes()))
        header = struct.pack(">4Bi", 0, 0, 8, 1, count)
        (folder / f"{kind}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + labels.tobytes()))
    for number, split in enumerate(("train", "val", "test")):
        (tmp_path / "bsds500" / split).mkdir(parents=True)
        colour = np.full((60, 90, 3), 60 * (number + 1), np.uint8)
        Image.fromarray(colour).save(tmp_path / "bsds500" / split / "photo.png")
    (tmp_path / "usps").mkdir()
    for name, count in (("usps.bz2", 30), ("usps.t.bz2", 10)):
        rows = [
            " ".join([str(n % 10 + 1), *(f"{k + 1}:{v:.3f}" for k, v in enumerate(rng.uniform(-1, 1, 256)))])
            for n in range(count)
        ]
        (tmp_path / "usps" / name).write_bytes(bz2.compress("\n".join(rows).encode()))
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    forget()
    yield tmp_path
    forget()


def forget():
    for function in (digits._source_set, digits._target_set, digits._mnist, digits._usps, digits._photographs):
        function.cache_clear()


def test_blending_twice_gives_the_background_back():
    rng = np.random.default_rng(0)
    background = rng.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    strokes = rng.random((5, 8, 8)) > 0.5
    blended = digits.blend(strokes, background)
    assert blended.dtype == np.uint8
    absolute = np.abs(background.astype(int) - 255 * strokes[..., None].astype(int))
    assert np.array_equal(blended, absolute)
    assert np.array_equal(digits.blend(strokes, blended), background)


def test_no_digit_is_in_two_splits():
    pictures = [{image.tobytes() for image in digits._scikit_digits(split)[0]} for split in SPLITS]
    assert [len(digits._scikit_digits(split)[1]) for split in SPLITS] == [720, 520, 157, 400]
    for number, some in enumerate(pictures):
        for others in pictures[number + 1 :]:
            assert not some & others


def test_no_pixel_of_a_photograph_is_in_two_splits():
    used = [set(strips) for strips in adaptation.STRIPS.values()]
    assert len(set.union(*used)) == sum(map(len, used)) == 640 // adaptation.STRIP
    for split, strips in adaptation.STRIPS.items():
        pieces = adaptation.bundled_photographs(split)
        assert [piece.shape for piece in pieces] == [(427, adaptation.STRIP, 3)] * (2 * len(strips))


def test_light_and_dark_backgrounds_both_occur_in_both_splits():
    for split in ("train", "evaluation"):
        assert 0.2 < digits._target_set("digits", 16, split).light.mean() < 0.6


def test_a_batch_has_the_keys_the_ranges_and_no_target_label():
    stream = digits.train("digits", 16, 8, 1)
    batch = next(stream)
    assert set(batch) == {"source", "source_label", "source_mask", "target"}
    for side in ("source", "target"):
        assert batch[side].shape == (8, 3, 16, 16)
        assert batch[side].dtype == torch.float32
        assert -1 <= batch[side].min() <= batch[side].max() <= 1
    assert batch["source_label"].dtype == torch.int64
    assert set(batch["source_mask"].unique().tolist()) == {0.0, 1.0}
    inside = batch["source_mask"].expand(-1, 3, -1, -1) > 0.5
    assert batch["source"][inside].min() >= 0 > batch["source"][~inside].max()
    again = digits.train("digits", 16, 8, 1)
    assert all(torch.equal(value, batch[key]) for key, value in next(again).items())
    again.load_state_dict(stream.state_dict())
    assert torch.equal(next(again)["target"], next(stream)["target"])


def test_fewer_classes_leave_digits_out_on_both_sides():
    stream = digits.train("digits", 16, 64, 0, classes=3)
    shown = {tuple(image.flatten().tolist()) for _ in range(3) for image in next(stream)["target"]}
    allowed = digits._target_set("digits", 16, "train").first_classes(3).images
    from i2i_tutor.data.streams import to_tensor

    assert shown <= {tuple(image.flatten().tolist()) for image in to_tensor(allowed)}
    assert next(stream)["source_label"].max() == 2


def test_the_references_see_what_their_names_say():
    looks = {look: next(digits.labelled("digits", 16, 8, 0, look=look)) for look in ("source", "target", "fresh")}
    assert all(set(batch) == {"image", "label"} for batch in looks.values())
    # fresh blends are of the source's digits, on other ground in every epoch
    assert torch.equal(looks["source"]["label"], looks["fresh"]["label"])
    stream = digits.labelled("digits", 16, 720, 0, look="fresh")
    epochs = [next(stream) for _ in range(2)]
    assert torch.equal(epochs[0]["label"].sort().values, epochs[1]["label"].sort().values)
    unlabelled = digits._target_set("digits", 16, "train").images
    assert {i.tobytes() for i in to_uint8(looks["target"]["image"])} <= {i.tobytes() for i in unlabelled}


def test_evaluation_is_fixed_and_tells_the_truth():
    batch = digits.evaluation("digits", 16)
    assert batch["target"].shape == (400, 3, 16, 16)
    assert torch.equal(batch["target"], digits.evaluation("digits", 16)["target"])
    strokes = batch["source_mask"][:, 0].numpy() > 0.5
    ground = digits.blend(strokes, to_uint8(batch["target"]))
    assert np.array_equal(adaptation.is_light(ground), batch["target_light"].numpy())
    assert torch.equal(batch["target_mask"], batch["source_mask"])  # both looks of the same digits
    assert not torch.equal(digits.evaluation("digits", 16, split="tuning")["source"][:9], batch["source"][:9])


def test_the_ground_truth_is_fresh_blends_to_learn_from_and_the_target_to_be_tested_on():
    truth = digits.ground_truth("digits", 16)
    assert (truth.name, truth.size, truth.classes) == ("digits-digits-16", 16, 10)
    fresh = digits.labelled("digits", 16, 5, 3, look="fresh").batch(1)
    assert torch.equal(truth.train(5, 3).batch(1)["image"], fresh["image"])
    held_out = truth.held_out()
    assert torch.equal(held_out["image"], digits.evaluation("digits", 16)["target"])
    assert torch.equal(held_out["label"], digits.evaluation("digits", 16)["target_label"])
    assert digits.ground_truth("digits", 16).fingerprint == truth.fingerprint
    assert digits.ground_truth("digits", 24).fingerprint != truth.fingerprint
    with pytest.raises(ValueError, match="there is no recipe"):
        digits.ground_truth("usps", 16)


def test_mnist_m_is_made_of_own_files(own):
    batch = next(digits.train("mnist_m", 32, 4, 0))
    assert batch["source"].shape == batch["target"].shape == (4, 3, 32, 32)
    assert {len(digits._mnist(split)[1]) for split in SPLITS} == {20, 16, 4, 10}
    for split, level in (("train", 60), ("tuning", 120), ("evaluation", 180)):
        levels = set(np.unique(digits._target_set("mnist_m", 32, split).images))
        assert levels == {level, 255 - level}
    assert digits.evaluation("mnist_m", 32)["target"].shape == (10, 3, 32, 32)


def test_usps_is_read_in_its_own_format(own):
    assert next(digits.train("usps", 16, 4, 0))["target"].shape == (4, 3, 16, 16)
    found = digits.evaluation("usps", 16)
    assert found["target_label"].tolist() == list(range(10))
    assert not {"target_light", "target_mask"} & set(found)
    assert len(digits._usps("train")[1]) + len(digits._usps("tuning")[1]) == 30
    with pytest.raises(ValueError, match="there is no recipe"):
        digits.labelled("usps", 16, 32, 0, look="fresh")


def test_missing_and_damaged_data_are_explained(own, monkeypatch):
    (own / "bsds500").rename(own / "photos")
    with pytest.raises(DataError, match=r"BSDS500.*I2I_DATA/bsds500"):
        digits.train("mnist_m", 32, 32, 0)
    (own / "mnist/t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x01" + b"\0\0\0\x09" + b"1234"))
    with pytest.raises(DataError, match="cut short"):
        digits._mnist_files("t10k")
    (own / "mnist/t10k-images-idx3-ubyte.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match="no whole gzip file"):
        digits._mnist_files("t10k")
    (own / "usps/usps.bz2").unlink()
    forget()
    with pytest.raises(DataError, match=r"usps\.bz2"):
        digits.train("usps", 16, 32, 0)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[20::7] = bytes(value ^ 0xFF for value in content[20::7])
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [cut, flip, lambda path: path.write_bytes(b""), lambda path: path.write_text("<p>")])
@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("mnist/train-images-idx3-ubyte.gz", "mnist_m"),
        ("mnist/train-labels-idx1-ubyte.gz", "mnist_m"),
        ("bsds500/train/photo.png", "mnist_m"),
        ("usps/usps.bz2", "usps"),
    ],
)
def test_a_damaged_file_is_named_in_one_sentence(own, file, source, damage):
    damage(own / file)
    with pytest.raises(DataError) as caught:
        digits.train(source, 32, 32, 0)
    assert Path(file).name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: digits.train("digits", 4, 32, 0), "size is 4"),
        (lambda: digits.train("svhn", 16, 32, 0), "'svhn'"),
        (lambda: digits.labelled("digits", 16, 32, 0, look="sideways"), "'sideways'"),
        (lambda: adaptation.crops([np.zeros((8, 8, 3), np.uint8)], 1, 9, np.random.default_rng(0)), "8x8"),
    ],
)
def test_wrong_arguments_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
