"""Faces with attributes behind one door: the drawn ones, and the real extract of LFW where it is at hand."""

import inspect
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i_tutor.data import attributes, faces, portraits, samplers
from i2i_tutor.data.images import DataError, write_png
from i2i_tutor.data.streams import to_uint8

REAL = Path(os.environ.get("I2I_DATA", "")) / "lfw_faces"
needs_lfw = pytest.mark.skipif(
    not (os.environ.get("I2I_DATA") and REAL.is_dir()), reason="the set lfw_faces is not under I2I_DATA"
)
SIZE = 16


def train(**settings):
    return attributes.train(**{"source": "faces", "size": SIZE, "batch": 16, "seed": 0, "pile": 400} | settings)


@pytest.fixture
def lfw(tmp_path, monkeypatch):
    """Sixteen grey training faces of a kind and four test faces, of which no two have one tone."""
    for male, kind in enumerate(("female", "male")):
        for split, count in (("train", 16), ("test", 4)):
            for place in range(count):
                tone = 40 + 100 * male + 4 * place + 2 * (split == "test")
                write_png(tmp_path / "lfw_faces" / split / kind / f"{place}.png", np.full((20, 20, 3), tone, np.uint8))
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    return tmp_path / "lfw_faces"


def test_the_doors_are_those_of_every_world():
    positional = {attributes.train: ["source", "size", "batch", "seed"], attributes.evaluation: ["source", "size"]}
    for door, names in positional.items():
        given = list(inspect.signature(door).parameters.values())
        assert [p.name for p in given if p.kind is p.POSITIONAL_OR_KEYWORD] == names
        assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in given[len(names) :])


def test_drawn_faces_of_which_few_are_labelled():
    stream = train(labels=64)
    labelled, other = next(stream), next(stream)
    assert {key: tuple(value.shape) for key, value in labelled.items()} == {
        "image": (16, 3, SIZE, SIZE), "label": (16, 5), "wanted": (16, 5),
    }  # fmt: skip
    assert set(other) == {"image", "wanted"}
    assert all(value.dtype == torch.float32 for value in (labelled | other).values())
    assert all(-1 <= batch["image"].min() < batch["image"].max() <= 1 for batch in (labelled, other))
    assert stream.about == {
        "source": "faces", "size": SIZE, "pile": 400, "hard": True, "batch": 16, "wanted": "sensible", "groups": 4,
        "mirror_unlabelled": True, "labelled": 64, "unlabelled": 336, "classes": 16,
    }  # fmt: skip


def test_labels_belong_to_their_images():
    images, labels = faces.pile(SIZE, 400, 0)
    known = {bytes(image): label.tolist() for image, label in zip(images, labels, strict=True)}
    batch = train(labels=64).batch(0)
    for image, label in zip(batch["image"], batch["label"], strict=True):
        pixels = to_uint8(torch.stack([image, image.flip(2)]))
        assert label.tolist() in [known.get(bytes(view)) for view in pixels]


def test_the_labelled_images_are_balanced_and_always_the_same():
    stream = train(labels=64, groups=None, unlabelled=False)
    shown, labels = [], []
    for turn in range(4):  # one epoch
        batch = stream.batch(turn)
        shown += [min(bytes(view) for view in to_uint8(torch.stack([one, one.flip(2)]))) for one in batch["image"]]
        labels.append(batch["label"].numpy())
    assert len(set(shown)) == 64
    assert np.bincount(samplers.class_of(np.concatenate(labels), faces.SENSIBLE)).tolist() == [4] * 16
    later = stream.batch(4)["image"]
    assert {min(bytes(view) for view in to_uint8(torch.stack([one, one.flip(2)]))) for one in later} <= set(shown)


def test_without_a_number_all_are_labelled():
    stream = train()
    assert (stream.period, stream.about["labelled"]) == (1, 400)
    own = train(labels=64, unlabelled=False, wanted="own", groups=None)
    assert (own.period, own.about["labelled"], own.about["unlabelled"]) == (1, 64, 0)


def test_every_batch_is_a_function_of_seed_and_position():
    one, again, other = (train(seed=seed, labels=64) for seed in (5, 5, 6))
    for _ in range(2):
        next(again)
    for key in ("image", "label", "wanted"):
        assert torch.equal(one.batch(2)[key], again.batch(2)[key])
    assert not torch.equal(one.batch(2)["image"], other.batch(2)["image"])
    resumed = train(seed=5, labels=64)
    resumed.load_state_dict(again.state_dict())
    assert torch.equal(next(resumed)["image"], one.batch(2)["image"])
    with pytest.raises(ValueError, match="the saved stream shows"):
        train(seed=5, labels=64, hard=False).load_state_dict(again.state_dict())


def test_the_fixed_sets_are_the_worlds(lfw):
    held = attributes.evaluation("faces", SIZE, count=4, hard=False)
    theirs = faces.evaluation("procedural", SIZE, count=4, hard=False)
    assert held.keys() == theirs.keys() > {"image", "label", "wanted", "asked", "counterfactual"}
    assert all(torch.equal(held[key], theirs[key]) for key in held)
    held = attributes.evaluation("lfw_faces", SIZE, split="tuning", count=4)
    assert set(held) == {"image", "label", "wanted", "asked"}
    assert torch.equal(held["image"], portraits.evaluation("lfw_faces", SIZE, split="tuning")["image"][:4])


def test_a_drawn_face_is_edited_as_a_photograph_s_label():
    held = faces.evaluation("procedural", SIZE, count=16)
    assert np.array_equal(held["wanted"], samplers.edits(held["label"].numpy(), faces.HAIR))


def test_names_and_sensible_labels():
    assert attributes.names("faces") == ("black", "blond", "brown", "sunglasses", "beard")
    assert attributes.names("celeba")[3:] == ("Male", "Young")
    for source, (count, numbers) in {"faces": (16, 5), "celeba": (16, 5), "rafd": (8, 8), "lfw_faces": (2, 1)}.items():
        labels = attributes.sensible(source)
        assert labels.shape == (count, numbers)
        assert labels.dtype == np.float32
        assert len(attributes.names(source)) == numbers
        assert np.array_equal(labels, np.unique(labels, axis=0))  # each once, counting in binary
    assert np.array_equal(attributes.sensible("faces"), attributes.sensible("celeba"))


def test_two_classes_make_two_groups(lfw):
    stream = attributes.train("lfw_faces", SIZE, 8, 0, labels=8, groups=2)
    labelled, other = next(stream), next(stream)
    assert labelled["label"][:, 0].tolist() in ([0] * 4 + [1] * 4, [1] * 4 + [0] * 4)
    assert labelled["wanted"][:, 0].tolist() in ([0, 1] * 4, [1, 0] * 4)
    assert set(other) == {"image", "wanted"}
    assert (stream.about["labelled"], stream.about["unlabelled"]) == (8, 16)
    # tones of the training alone: 12 of 16 of either kind, tuning has the others
    seen = {round(float(image.mean() + 1) * 127.5) for place in range(12) for image in stream.batch(place)["image"]}
    assert seen == {40 + 100 * male + 4 * place for male in (0, 1) for place in range(16) if place % 4}
    with pytest.raises(ValueError, match=r"^the labelled images are of 2 classes; expected at least groups, 4$"):
        attributes.train("lfw_faces", SIZE, 8, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "web"}, {"source": None}, {"size": 4}, {"size": 10**6}, {"size": 32.0}, {"batch": 0},
        {"batch": True}, {"seed": -1}, {"seed": 0.5}, {"ahead": -1}, {"labels": 0}, {"labels": 401},
        {"labels": True}, {"pile": 0}, {"pile": 10**9}, {"hard": 1}, {"wanted": "all"}, {"groups": 0},
        {"unlabelled": None}, {"mirror_unlabelled": "no"},
    ],
)  # fmt: skip
def test_a_wrong_argument_gets_one_sentence_that_names_it(wrong):
    ((argument, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"^{argument} is {value!r}"):
        train(**wrong)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: attributes.evaluation("web", SIZE),
            "^source is 'web'; expected one of faces, celeba, rafd, lfw_faces$",
        ),
        (lambda: attributes.evaluation("faces", SIZE, split="train"), "^split is 'train'"),
        (lambda: attributes.evaluation("faces", SIZE, count=0), "^count is 0"),
        (lambda: attributes.names("web"), "^source is 'web'"),
        (lambda: attributes.sensible("web"), "^source is 'web'"),
        (lambda: train(labels=32), "has 2 labelled images, which are too few: a batch of 16 in 4 groups takes 4"),
        (lambda: train(batch=18, labels=64), "^batch is 18; expected a multiple of groups, 4$"),
        (lambda: train(labels=390), "images are unlabelled; a batch of 16 needs at least that many, or none$"),
    ],
)
def test_what_does_not_fit_gets_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_a_set_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    for source in ("celeba", "rafd", "lfw_faces"):
        with pytest.raises(DataError, match=f"^{source} is looked for in the folder of that name under I2I_DATA"):
            attributes.train(source, SIZE, 16, 0)


def test_a_damaged_photograph_is_named_before_anything_is_trained(lfw):
    path = lfw / "train" / "male" / "3.png"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match=r"3\.png is damaged or cut short"):
        attributes.train("lfw_faces", SIZE, 8, 0, groups=2)


@needs_lfw
def test_the_real_faces():
    stream = attributes.train("lfw_faces", 32, 16, 0, labels=32, groups=2)
    assert (stream.about["labelled"], stream.about["unlabelled"]) == (32, 208)
    assert next(stream)["label"].mean() == 0.5
    assert next(stream)["image"].shape == (16, 3, 32, 32)
