"""The faces: labels that make sense, pictures that are functions of scene and label, and the exact truth of edits."""

from pathlib import Path

import numpy as np
import pytest
import torch

from i2i_tutor.data import faces
from i2i_tutor.data.faces import world
from i2i_tutor.data.streams import to_uint8

SCENES = 32
BLACK, BLOND, BROWN, SUNGLASSES, BEARD = range(5)


@pytest.fixture(scope="module")
def held():
    return faces.evaluation("procedural", 40, count=SCENES)


def test_every_label_that_makes_sense_comes_once_in_the_order_of_binary_numbers():
    assert (faces.SENSIBLE.shape, faces.SENSIBLE.dtype) == ((16, 5), np.float32)
    values = (faces.SENSIBLE @ [16, 8, 4, 2, 1]).tolist()
    assert values == [*range(12), *range(16, 20)]
    assert [faces.ATTRIBUTES[hair] for hair in faces.SENSIBLE[4::4, : faces.HAIR].argmax(1)] == [
        "brown", "blond", "black",
    ]  # fmt: skip
    assert not faces.SENSIBLE[:4, : faces.HAIR].any()
    with pytest.raises(ValueError, match="read-only"):
        faces.SENSIBLE[0, 0] = 1


def test_all_labels_are_equally_likely_and_a_function_of_the_number_alone():
    drawn = faces.labels(np.arange(32_000))
    kinds, counts = np.unique(drawn @ [16, 8, 4, 2, 1], return_counts=True)
    assert len(kinds) == 16
    assert np.abs(counts - 2000).max() < 5 * np.sqrt(2000)
    assert np.array_equal(drawn[[7, 30_000]], faces.labels([7, 30_000]))
    assert faces.labels([]).shape == (0, 5)


def test_an_edit_sets_a_hair_colour_in_place_of_another_and_flips_anything_else():
    blond = np.array([0, 1, 0, 0, 1], np.float32)
    assert faces.edit(blond, BLACK).tolist() == [1, 0, 0, 0, 1]
    assert faces.edit(blond, BLOND).tolist() == blond.tolist()
    assert faces.edit(blond, SUNGLASSES).tolist() == [0, 1, 0, 1, 1]
    assert faces.edit(blond, BEARD).tolist() == [0, 1, 0, 0, 0]
    assert blond.tolist() == [0, 1, 0, 0, 1]
    for attribute in range(5):
        edited = faces.edit(faces.SENSIBLE, attribute)
        assert (edited[:, None] == faces.SENSIBLE).all(2).any(1).all()
        if attribute >= faces.HAIR:
            assert np.array_equal(faces.edit(edited, attribute), faces.SENSIBLE)


@pytest.mark.parametrize("size", [16, 33, 64])
@pytest.mark.parametrize("hard", [True, False])
def test_a_scene_is_a_function_of_its_number_whatever_else_is_drawn_with_it(size, hard):
    numbers = [*range(10), faces.FIRST_EVALUATION_SCENE, 2**40]
    images = faces.draw(numbers, size, hard=hard)
    assert (images.shape, images.dtype) == ((12, size, size, 3), np.uint8)
    assert np.array_equal(images, faces.draw(np.array(numbers), size, faces.labels(numbers), hard=hard))
    for place in (3, 11):
        assert np.array_equal(images[place], faces.draw(numbers[place : place + 1], size, hard=hard)[0])
    assert len({image.tobytes() for image in images}) == 12


def test_no_scenes_are_no_pictures():
    assert faces.draw([], 32).shape == (0, 32, 32, 3)


def test_the_largest_picture_is_drawn():
    assert faces.draw([5], faces.LARGEST).std() > 20


def test_the_look_has_nothing_to_do_with_the_label():
    scenes = np.arange(600)
    same = faces.draw(scenes, 16, np.repeat(faces.SENSIBLE[:1], 600, axis=0))
    tone, drawn = same.mean((1, 2, 3)), faces.labels(scenes)
    for attribute in range(5):
        assert abs(np.corrcoef(tone, drawn[:, attribute])[0, 1]) < 0.15


def test_an_image_is_the_counterfactual_of_an_edit_that_changes_nothing(held):
    asked = (held["wanted"] != held["label"][:, None]).any(2)
    assert torch.equal(held["asked"], asked)
    kept = held["image"][:, None].expand_as(held["counterfactual"])[~asked]
    assert torch.equal(held["counterfactual"][~asked], kept)
    assert held["changed"][~asked].sum() == 0
    assert (held["changed"].flatten(2).sum(2)[asked] > 0).all()
    assert asked[:, faces.HAIR :].all()
    assert not asked[:, : faces.HAIR].all()


def test_a_counterfactual_is_the_same_scene_with_another_label(held):
    for place, targets in enumerate(held["wanted"].numpy()):
        drawn = faces.draw([faces.FIRST_EVALUATION_SCENE + place] * len(targets), 40, targets)
        assert np.array_equal(to_uint8(held["counterfactual"][place]), drawn)


def test_edits_are_bold_and_leave_most_of_the_picture(held):
    difference = (held["counterfactual"] - held["image"][:, None]).abs()
    assert difference[held["changed"].expand_as(difference) == 1].mean() > 0.2
    assert held["changed"][held["asked"]].mean((1, 2, 3)).min() > 0.01
    assert held["changed"].mean((0, 2, 3, 4)).max() < 0.35


def test_edits_stay_in_their_part_of_the_face():
    upright = faces.evaluation("procedural", 40, count=SCENES, hard=False)["changed"][:, :, 0]
    rows = torch.arange(40.0)
    middle = {
        place: float((upright[:, place].sum(2) * rows).sum() / upright[:, place].sum()) for place in (SUNGLASSES, BEARD)
    }
    assert middle[SUNGLASSES] + 5 < middle[BEARD]
    assert 0.01 < upright[:, SUNGLASSES].mean() < 0.2
    assert 0.01 < upright[:, BEARD].mean() < 0.25


def test_hair_colours_are_as_bright_as_their_names_say(held):
    tones = {}
    for attribute in (BLACK, BLOND, BROWN):
        where = held["changed"][:, attribute].bool().expand(-1, 3, -1, -1)
        tones[attribute] = float(held["counterfactual"][:, attribute][where].mean())
    assert tones[BLACK] + 0.15 < tones[BROWN] < tones[BLOND] - 0.3


def test_a_fixed_set_has_all_labels_equally_often_and_neighbours_differ(held):
    label = held["label"].numpy()
    assert np.unique((label[:, None] == faces.SENSIBLE).all(2).argmax(1), return_counts=True)[1].tolist() == [2] * 16
    assert (label[1:] != label[:-1]).any(1).all()
    assert {key: tuple(value.shape[1:]) for key, value in held.items()} == {
        "image": (3, 40, 40), "label": (5,), "wanted": (5, 5), "counterfactual": (5, 3, 40, 40),
        "changed": (5, 1, 40, 40), "asked": (5,),
    }  # fmt: skip
    kinds = {key: value.dtype for key, value in held.items()}
    assert kinds.pop("asked") == torch.bool
    assert set(kinds.values()) == {torch.float32}
    assert -1 <= held["counterfactual"].min() < held["counterfactual"].max() <= 1
    few = faces.evaluation("procedural", 40, count=2)
    assert all(torch.equal(few[key], held[key][:2]) for key in held)
    assert len(faces.evaluation("procedural", 16)["image"]) == 400


def test_every_seed_has_a_pile_of_its_own():
    images, labels = faces.pile(16, 200, 3)
    assert (images.shape, images.dtype) == ((200, 16, 16, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((200, 5), np.float32)
    scenes = np.random.default_rng((3, world.UNRELATED)).integers(0, faces.TRAINING_SCENES, 200)
    assert np.array_equal(images, faces.draw(scenes, 16))
    assert np.array_equal(labels, faces.labels(scenes))
    assert faces.pile(16, 200, 3)[0] is images
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0
    assert not np.array_equal(faces.pile(16, 200, 4)[0], images)
    assert not np.array_equal(faces.pile(16, 200, 3, hard=False)[0], images)


def test_splits_have_no_scene_in_common():
    most = faces.FIRST_TUNING_SCENE  # scenes in a fixed set
    assert faces.FIRST_TUNING_SCENE >= faces.TRAINING_SCENES
    assert faces.FIRST_TUNING_SCENE + most - 1 < faces.FIRST_EVALUATION_SCENE
    with pytest.raises(ValueError, match=r"^count is "):
        faces.evaluation("procedural", 16, count=most + 1)
    one, other = (faces.evaluation("procedural", 16, split=split, count=4) for split in ("tuning", "evaluation"))
    assert torch.equal(one["label"], other["label"])
    assert not torch.equal(one["image"], other["image"])


def test_the_ground_truth_says_which_sensible_label_a_face_has(held):
    truth = faces.ground_truth(40)
    assert (truth.name, truth.size, truth.classes) == ("faces-procedural-40", 40, 16)
    assert faces.ground_truth(40, hard=False).name == "faces-procedural-40-easy"
    tested, trained = truth.held_out(), truth.train(200, 3).batch(1)
    assert torch.equal(tested["image"][:SCENES], held["image"])
    assert np.array_equal(faces.SENSIBLE[tested["label"][:SCENES]], held["label"].numpy())
    assert torch.equal(trained["image"], truth.train(200, 3).batch(1)["image"])
    for batch in (tested, trained):
        assert (batch["label"].dtype, batch["image"].dtype) == (torch.int64, torch.float32)
        assert batch["label"].unique().tolist() == list(range(16))


def test_the_fingerprint_is_that_of_the_code_that_draws(monkeypatch):
    first, second = (faces.ground_truth(size).fingerprint for size in (32, 64))
    assert first == second
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: real(path) + b"#" * (path.name == "hair.py"))
    assert faces.ground_truth(32).fingerprint != first


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 8}, "size is 8; expected a whole number from 16 to 256"),
        ({"size": 512}, "size is 512"),
        ({"scenes": [0, -1]}, "scenes contain -1; expected 0 or more"),
        ({"scenes": [0.5, 1]}, r"scenes are \[0.5, 1\]; expected a row of whole numbers"),
        ({"hard": 1}, "hard is 1; expected True or False"),
        ({"labels": np.zeros(5)}, r"labels have the shape \(5,\); expected \(2, 5\)"),
        ({"labels": np.zeros((3, 5))}, r"labels have the shape \(3, 5\)"),
        ({"labels": [[0] * 5, [1, 1, 0, 0, 0]]}, r"labels contain \[1.0, 1.0, 0.0, 0.0, 0.0\]; expected 0 and 1"),
        ({"labels": [[0] * 5, [0.5, 0, 0, 0, 0]]}, r"labels contain \[0.5, 0.0"),
    ],
)
def test_a_wrong_argument_of_draw_gets_one_sentence(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        faces.draw(**{"scenes": [0, 1], "size": 32} | wrong)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: faces.evaluation("celeba", 32), "source is 'celeba'; expected one of procedural"),
        (lambda: faces.evaluation("procedural", 8), "size is 8"),
        (lambda: faces.evaluation("procedural", 32, split="test"), "split is 'test'; expected one of tuning, evaluat"),
        (lambda: faces.evaluation("procedural", 32, count=0), "count is 0"),
        (lambda: faces.evaluation("procedural", 32, hard=None), "hard is None; expected True or False"),
        (lambda: faces.ground_truth(8), "size is 8"),
        (lambda: faces.ground_truth(32, hard="yes"), "hard is 'yes'"),
        (lambda: faces.pile(8, 2, 0), "size is 8"),
        (lambda: faces.pile(16, 0, 0), "count is 0"),
        (lambda: faces.pile(16, 2, -1), "seed is -1"),
        (lambda: faces.pile(16, 2, 0, hard=0), "hard is 0"),
        (lambda: faces.pile(256, 40_000, 0), "a pile of 40000 pictures of 256 px takes 7 GB of memory; at most 4 may"),
        (lambda: faces.edit(np.zeros(5), 5), "attribute is 5; expected a whole number from 0 to 4"),
        (lambda: faces.edit(np.zeros((2, 4)), 0), r"labels have the shape \(2, 4\); expected \(\.\.\., 5\)"),
        (lambda: faces.labels([-3]), "scenes contain -3"),
    ],
)
def test_a_wrong_argument_gets_one_sentence(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()
