"""The rendered objects: masks are true, hues are free, source and target differ in light and ground only."""

import colorsys

import numpy as np
import pytest
import torch

from i2i_tutor.data import objects
from i2i_tutor.data.streams import to_uint8


def test_objects_have_every_hue_and_one_saturation():
    batch = objects.evaluation("objects_black", 64, count=200)
    core = torch.nn.functional.avg_pool2d(batch["source_mask"], 5, 1, 2) == 1  # where nothing of the ground shines in
    turns = set()
    for image, inside in zip(batch["source"], core[:, 0], strict=True):
        if inside.any():
            colour = (image[:, inside].mean(1) + 1) / 2
            hue, saturation, value = colorsys.rgb_to_hsv(*colour.tolist())
            assert (saturation, value) == pytest.approx((0.8, 0.95), abs=0.01)
            turns.add(int(hue * 12))
    assert turns == set(range(12))


def test_on_black_everything_outside_the_mask_is_dark_and_inside_is_the_object():
    batch = next(objects.train("objects_black", 32, 64, 0))
    inside = batch["source_mask"] > 0.5
    brightest = batch["source"].amax(1, keepdim=True)
    assert brightest[inside].min() > -0.1
    assert brightest[~inside].max() < 0.05
    assert (batch["source_mask"].mean((1, 2, 3)) > 0.05).all()


def test_natural_backgrounds_change_the_ground_and_the_source_s_ground_is_not_the_target_s():
    batch = next(objects.train("objects_natural", 32, 16, 0))
    ground = batch["source"][(batch["source_mask"] < 0.5).expand(-1, 3, -1, -1)]
    assert ground.std() > 0.2
    assert set(batch) == {"source", "source_label", "source_mask", "target"}


def test_the_photographs_mask_is_known_to_the_evaluation_alone():
    batch = objects.evaluation("objects_black", 16, count=50)
    assert batch["target_mask"].shape == (50, 1, 16, 16)
    assert not torch.equal(batch["target_mask"], batch["source_mask"])  # other objects
    spread = [
        float((batch["target"] * part).std(1).sum() / part.sum())  # a mean over its pixels: objects are colourful
        for part in (batch["target_mask"], 1 - batch["target_mask"])
    ]
    assert spread[0] > spread[1]


def test_every_class_has_its_own_area_and_all_occur():
    rng = np.random.default_rng(0)
    areas = [objects.shapes(np.full(50, label), 32, rng).mean() for label in range(len(objects.CLASSES))]
    assert areas[0] > areas[-1] > 0.05  # a disc and half of it
    assert areas[-1] == pytest.approx(areas[0] / 2, rel=0.15)
    labels = objects.evaluation("objects_black", 16)["source_label"]
    assert sorted(labels.unique().tolist()) == list(range(len(objects.CLASSES)))


def test_splits_are_different_pictures_and_fixed():
    sets = [objects._pictures("photograph", 16, split).images for split in ("train", "tuning", "evaluation")]
    pictures = [{image.tobytes() for image in some} for some in sets]
    assert not pictures[0] & pictures[1]
    assert not (pictures[0] | pictures[1]) & pictures[2]
    assert torch.equal(
        objects.evaluation("objects_black", 16)["target"], objects.evaluation("objects_black", 16)["target"]
    )
    labelled = next(objects.labelled("objects_black", 16, 8, 0, look="target"))
    assert {image.tobytes() for image in to_uint8(labelled["image"])} <= pictures[0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: objects.train("objects_black", 8, 32, 0), "size is 8"),
        (lambda: objects.train("digits", 16, 32, 0), "'digits'"),
        (lambda: objects.labelled("objects_black", 16, 32, 0, look="fresh"), "'fresh'"),
    ],
)
def test_wrong_arguments_are_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
