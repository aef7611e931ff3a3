"""The segmenter learns, is cached, and a change of the world makes a new one."""

import pytest
import torch
from torch import nn

from i2i_tutor.data import facades
from i2i_tutor.measuring import judges


def test_the_judge_is_trained_once_and_then_read_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_CACHE", str(tmp_path))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, report = judges.segmenter("procedural", 32, steps=3)
    assert torch.equal(torch.get_rng_state(), state)  # a chapter's seed is not disturbed
    assert set(report["held_out"]) == {"pixel_accuracy", "class_accuracy", "class_iou"}
    monkeypatch.setattr(judges, "fit", lambda *args, **kwargs: 1 / 0)  # any second training would fail
    torch.manual_seed(6)
    second, again = judges.segmenter("procedural", 32, steps=3)
    assert again == report
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    assert not any(p.requires_grad for p in second.parameters())
    assert not second.training


def test_a_change_of_the_recipe_or_the_drawing_asks_for_a_new_judge(monkeypatch):
    recipe = judges.SegmenterRecipe()
    before = judges._fingerprint(recipe)
    assert judges._fingerprint(judges.SegmenterRecipe(steps=7)) != before
    real = judges.inspect.getsource
    monkeypatch.setattr(judges.inspect, "getsource", lambda thing: real(thing) + " ")
    assert judges._fingerprint(recipe) != before


def test_the_segmenter_learns_and_its_features_have_the_stated_width():
    torch.manual_seed(0)
    game = judges.Segmentation(judges.SegmenterRecipe(size=32, steps=80, base=8))
    history = judges.fit(game, facades.train("procedural", 32, 8, 1), 80, progress=False)
    assert history.mean("cross_entropy", 5) < 0.75 * history.terms["cross_entropy"][0]
    images = facades.evaluation("procedural", 32, count=3)["target"]
    assert game.segmenter(images).shape == (3, 12, 32, 32)
    assert judges.Features(game.segmenter)(images).shape == (3, game.segmenter.num_features)


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
