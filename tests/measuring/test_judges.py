"""Judges learn a world from its images and labels, are cached, and a change of world or code makes new ones."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from i2i_tutor.data import digits, facades, objects
from i2i_tutor.data.streams import Stream
from i2i_tutor.data.truth import GroundTruth
from i2i_tutor.measuring import judges


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_CACHE", str(tmp_path))
    return tmp_path / "judges"


def bright(shape, batch, seed):
    """A world of two classes, told apart by brightness; labels of the given shape."""

    def make(position, rng):
        labels = rng.integers(0, 2, (batch, *shape))
        images = np.broadcast_to((labels - 0.5).reshape(batch, 1, *(shape or (1, 1))), (batch, 3, 16, 16))
        return {"image": torch.from_numpy(images.astype(np.float32)), "label": torch.from_numpy(labels)}

    return Stream(make, seed)


def toy(shape, name="toy-16"):
    return GroundTruth(name, 16, 2, partial(bright, shape), lambda: bright(shape, 40, 7).batch(0), "toy")


JUDGES = pytest.mark.parametrize(("kind", "shape"), [(judges.segmenter, (16, 16)), (judges.classifier, ())])


@JUDGES
def test_a_judge_is_trained_once_and_then_read_from_the_cache(kind, shape, monkeypatch):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, report = kind(toy(shape), steps=3)
    assert torch.equal(torch.get_rng_state(), state)  # a chapter's seed is not disturbed
    assert report["recipe"]["steps"] == 3
    monkeypatch.setattr(judges, "fit", lambda *args, **kwargs: 1 / 0)  # any second training would fail
    torch.manual_seed(6)
    no_data = replace(toy(shape), train=None, held_out=None)  # nobody asks for pictures
    second, again = kind(no_data, steps=3)
    assert again == report
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    for judge in (first, second):
        assert not any(p.requires_grad for p in judge.parameters())
        assert not judge.training


@JUDGES
def test_a_judge_learns_what_it_is_shown_and_says_how_well_it_reads_what_it_was_not(kind, shape):
    judge, report = kind(toy(shape), steps=80)
    assert min(report["held_out"].values()) > 0.95
    again, _ = kind(toy(shape, "toy-again-16"), steps=80)  # its own seed: the same judge wherever it is trained
    assert all(map(torch.equal, judge.state_dict().values(), again.state_dict().values()))
    images = torch.rand(3, 3, 16, 24) * 2 - 1
    assert judge(images).shape == (3, 2, *((16, 24) if shape else ()))
    assert judges.Features(judge)(images).shape == (3, judge.num_features)


def test_the_held_out_score_is_that_of_the_returned_judge():
    judge, report = judges.classifier(toy(()), steps=2)
    held_out = toy(()).held_out()
    right = judge(held_out["image"]).argmax(1) == held_out["label"]
    assert report["held_out"] == {"accuracy": pytest.approx(float(right.float().mean()))}


def test_the_classifier_reads_worlds_of_labelled_images():
    """The pairs of domain adaptation supply images with labels already, so they are ground truths as they stand."""
    held_out = digits.evaluation(size=16, source="digits")
    truth = GroundTruth(
        "digits-source-16", 16, 10,
        lambda batch, seed: digits.labelled(size=16, batch=batch, seed=seed, source="digits"),
        lambda: {"image": held_out["source"], "label": held_out["source_label"]},
        "digits",
    )  # fmt: skip
    assert judges.classifier(truth, steps=40)[1]["held_out"]["accuracy"] > 0.6  # guessing gives 0.1
    shapes = objects.evaluation(size=16, source="objects_black")
    truth = GroundTruth(
        "objects_black-16", 16, len(objects.CLASSES),
        lambda batch, seed: objects.labelled(size=16, batch=batch, seed=seed, source="objects_black"),
        lambda: {"image": shapes["source"], "label": shapes["source_label"]},
        "objects",
    )  # fmt: skip
    assert judges.classifier(truth, steps=40)[1]["held_out"]["accuracy"] > 0.4  # guessing gives 1 of 6


def test_a_change_of_world_recipe_or_code_asks_for_a_new_judge(cache, monkeypatch):
    def name(truth, steps=1, kind=judges.segmenter):
        return kind(truth, steps=steps)[1]["judge"]

    truth = facades.ground_truth("procedural", 32)
    names = {
        name(truth),
        name(truth, steps=2),
        name(replace(truth, fingerprint="another drawing")),
        name(facades.ground_truth("procedural", 24)),
        name(toy(()), kind=judges.classifier),
    }
    real = judges.inspect.getsource
    monkeypatch.setattr(judges.inspect, "getsource", lambda thing: real(thing) + " ")
    names.add(name(truth))
    assert len(names) == 6
    assert {path.stem for path in cache.iterdir()} == names  # one file each
    assert {each.rsplit("-", 1)[0] for each in names} == {
        "segmenter-facades-procedural-32",
        "segmenter-facades-procedural-24",
        "classifier-toy-16",
    }


@pytest.mark.parametrize("damage", ["cut", "empty", "other weights", "no report"])
def test_a_damaged_judge_is_trained_anew(cache, damage):
    before, report = judges.classifier(toy(()), steps=2)
    (path,) = cache.iterdir()
    if damage in ("cut", "empty"):
        path.write_bytes(path.read_bytes()[: 100 * (damage == "cut")])
    else:
        other = judges.Classifier(3 if damage == "other weights" else 2)
        path.write_bytes(judges.save(other.state_dict(), {"report": "{}"} if damage == "other weights" else None))
    after, again = judges.classifier(toy(()), steps=2)
    assert again == report
    assert all(map(torch.equal, before.state_dict().values(), after.state_dict().values()))


def test_an_interrupted_judge_is_not_cached(cache, monkeypatch):
    real = judges.fit

    def interrupted(*args, **kwargs):
        history = real(*args, **kwargs)
        history.interrupted = True
        return history

    monkeypatch.setattr(judges, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt, match="nothing is cached"):
        judges.classifier(toy(()), steps=2)
    assert not cache.exists()


def test_inception_takes_our_images_where_its_weights_are(tmp_path, monkeypatch):
    extractor = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    with pytest.raises(FileNotFoundError, match="Inception's weights, which are not at"):
        judges.Inception(tmp_path / "absent.pth")
    weights = tmp_path / "weights.pth"
    with monkeypatch.context() as patch:  # random weights of the right shapes stand in for the real file
        patch.setattr(nn.Module, "load_state_dict", lambda self, state: None)
        torch.save({}, weights)
        torch.save(extractor("x", ["2048"], str(weights)).state_dict(), weights)
    with pytest.raises(ValueError, match="its SHA-256 is another"):
        judges.Inception(weights)
    monkeypatch.setattr(judges, "INCEPTION_SHA256", judges.sha256(weights))
    net = judges.Inception(weights)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    features = net(images)
    assert features.shape == (2, 2048)
    expected = net.network(((images + 1) * 127.5).round().byte())[0]
    assert torch.equal(features, expected)
