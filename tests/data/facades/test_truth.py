"""The ground truth of the façades: what a judge learns is what the stream of pairs shows, as ids instead of colours."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i_tutor.data import facades
from i2i_tutor.data.facades import drawing
from i2i_tutor.data.streams import to_uint8


def same_as_pairs(source):
    truth = facades.ground_truth(source, 32)
    batch = truth.train(4, 9).batch(3)
    pairs = facades.train(source=source, size=32, batch=4, seed=9).batch(3)
    assert torch.equal(batch["image"], pairs["target"]) == (source == "cmp")  # drawn ones come in every variety
    assert batch["label"].dtype == torch.int64
    assert np.array_equal(batch["label"], facades.to_labels(to_uint8(pairs["input"])))
    return truth


def test_drawn_houses_are_those_of_the_training_stream():
    truth = same_as_pairs("procedural")
    assert (truth.name, truth.size, truth.classes) == ("facades-procedural-32", 32, 12)
    held_out = truth.held_out()
    views = facades.evaluation(source="procedural", size=32, count=100)
    assert torch.equal(held_out["image"], views["target"])
    assert torch.equal(held_out["label"], views["labels"])


def test_drawn_houses_are_photographed_in_every_variety(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        facades.truth, "draw", lambda *numbers, **look: drawn.append(look["variety"]) or drawing.draw(*numbers, **look)
    )
    stream = facades.ground_truth("procedural", 16).train(1, 0)
    for _ in range(30):
        next(stream)
    assert min(drawn) < 0.2 < 0.8 < max(drawn)


def test_real_houses_are_read_from_their_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    folder = tmp_path / "facades/train"
    folder.mkdir(parents=True)
    labels, photos = drawing.draw(range(3), 48)
    for number, (ids, photo) in enumerate(zip(labels, photos, strict=True)):
        Image.fromarray(np.concatenate([photo, facades.colourise(ids)], axis=1)).save(folder / f"{number}.png")
    truth = same_as_pairs("cmp")
    assert truth.name == "facades-cmp-32"
    assert truth.train(2, 0).batch(0)["label"].max() < 12


def test_the_fingerprint_is_that_of_the_code_that_draws(monkeypatch):
    first, second = (facades.ground_truth("procedural", size).fingerprint for size in (32, 64))
    assert first == second
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: real(path) + b"#" * (path.name == "rendering.py"))
    assert facades.ground_truth("procedural", 32).fingerprint != first


def test_label_maps_are_painted_in_the_colours_of_their_classes():
    labels = torch.tensor([[[0, 1], [2, 11]]])
    images = facades.painted(labels)
    assert images.shape == (1, 3, 2, 2)
    assert torch.equal(images[0, :, 1, 1], torch.from_numpy(facades.COLOURS[11]).float() / 127.5 - 1)
    assert np.array_equal(facades.to_labels(to_uint8(images)), labels)
    with pytest.raises(ValueError, match="labels contain 12"):
        facades.painted(labels + 1)
