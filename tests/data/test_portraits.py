"""CelebA, RaFD and LFW: made folders in their layouts, and the real extract of LFW where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i_tutor.data import portraits, samplers
from i2i_tutor.data.images import DataError

REAL = Path(os.environ.get("I2I_DATA", "")) / "lfw_faces"
needs_lfw = pytest.mark.skipif(
    not (os.environ.get("I2I_DATA") and REAL.is_dir()), reason="the set lfw_faces is not under I2I_DATA"
)
HEADER = ("5_o_Clock_Shadow", "Black_Hair", "Blond_Hair", "Brown_Hair", "Eyeglasses", "Male", "Young")
NAMES = portraits.ATTRIBUTES["celeba"]


def save(path, width, height, tone, middle=None):
    """A grey picture, and in its middle square, if told, another grey."""
    pixels = np.full((height, width, 3), tone, np.uint8)
    if middle is not None:
        left, top, right, bottom = middle
        pixels[top:bottom, left:right] = 255 - tone
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def tones(images):
    return images.mean((1, 2, 3)).add(1).mul(127.5).round().int().tolist()


# --- CelebA --------------------------------------------------------------------------------------------------------


def celeba_lists(root, labels, partitions):
    """The two lists in the official format, of labels (black, blond, brown, male, young)."""
    rows = []
    for number, label in enumerate(labels, 1):
        told = dict(zip(NAMES, label, strict=True))
        rows.append(f"{number:06}.jpg " + " ".join(f"{2 * told.get(name, 0) - 1:2}" for name in HEADER) + " ")
    (root / "list_attr_celeba.txt").write_text("\n".join([str(len(rows)), " ".join(HEADER) + " ", *rows]) + "\n")
    lines = [f"{number:06}.jpg {place}" for number, place in enumerate(partitions, 1)]
    (root / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def celeba(tmp_path, monkeypatch):
    """Four pictures of each class to train on, then one of two hair colours, three for tuning, four for evaluation."""
    root = tmp_path / "celeba"
    labels = [*np.tile(portraits.sensible("celeba"), (4, 1)).astype(int).tolist(), [1, 0, 1, 0, 0]]
    partitions = [0] * len(labels) + [1] * 3 + [2] * 4
    labels += [[0, 0, 0, 0, 1]] * 3 + [[0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 1]]
    for number in range(1, len(labels) + 1):
        save(root / "img_align_celeba" / f"{number:06}.jpg", 178, 218, 2 * number, (0, 20, 178, 198))
    celeba_lists(root, labels, partitions)
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    return root


def test_celeba_s_training_pictures_of_one_hair_colour_at_most(celeba):
    pile = portraits.pile("celeba", 16)
    assert len(pile.images) == 64
    assert np.array_equal(pile.labels, np.tile(portraits.sensible("celeba"), (4, 1)))
    assert pile.labels.dtype == np.float32
    assert (pile.attributes, pile.people) == (NAMES, None)
    images = pile.images[np.array([0, 63, 5])]
    assert (images.shape, images.dtype) == ((3, 16, 16, 3), np.uint8)
    # The square in the middle, 178 px from row 20 on, and nothing besides
    assert images.reshape(3, -1).std(1).max() < 2
    assert np.allclose(images.mean((1, 2, 3)), [253, 127, 243], atol=2)


def test_celeba_s_partitions(celeba):
    held, tuning = (portraits.evaluation("celeba", 16, split=split) for split in ("evaluation", "tuning"))
    assert tones(tuning["image"]) == pytest.approx([255 - 2 * number for number in (66, 67, 68)], abs=2)
    assert tones(held["image"]) == pytest.approx([255 - 2 * number for number in (69, 71, 72)], abs=2)
    assert held["label"].tolist() == [[0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 1]]
    assert {key: (tuple(value.shape), value.dtype) for key, value in held.items()} == {
        "image": ((3, 3, 16, 16), torch.float32), "label": ((3, 5), torch.float32),
        "wanted": ((3, 5, 5), torch.float32), "asked": ((3, 5), torch.bool),
    }  # fmt: skip
    assert held["asked"].tolist() == [[True] * 5, [True, False, True, True, True], [True, True, False, True, True]]
    assert held["wanted"][1, 0].tolist() == [1, 0, 0, 1, 0]
    few = portraits.evaluation("celeba", 16, count=2)
    assert all(torch.equal(few[key], held[key][:2]) for key in held)


def test_sixteen_labels_make_sense_in_celeba():
    labels = portraits.sensible("celeba")
    hair = labels[:, :3].argmax(1) + 1
    hair[labels[:, :3].sum(1) == 0] = 0
    assert hair.tolist() == [0] * 4 + [3] * 4 + [2] * 4 + [1] * 4  # none, brown, blond, black
    assert np.array_equal(labels, np.unique(labels, axis=0))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda root: (root / "img_align_celeba").rename(root / "images"),
            "img_align_celeba is no folder; its authors",
        ),
        (lambda root: (root / "list_attr_celeba.txt").unlink(), r"list_attr_celeba\.txt cannot be read; its authors'"),
        (lambda root: (root / "list_eval_partition.txt").unlink(), r"list_eval_partition\.txt cannot be read; its"),
        (lambda root: (root / "list_attr_celeba.txt").write_text("0\n"), "is damaged or cut short; expected a line"),
        (lambda root: (root / "list_attr_celeba.txt").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda root: (root / "list_eval_partition.txt").write_text("a b c"), "is damaged or cut short"),
        (
            lambda root: (root / "list_attr_celeba.txt").write_text("1\nMale Young\n000001.jpg 1 1"),
            r"list_attr_celeba\.txt does not name Black_Hair, Blond_Hair, Brown_Hair in its second line",
        ),
        (
            lambda root: (root / "list_attr_celeba.txt").write_text(f"1\n{' '.join(HEADER)}\n000001.jpg 1 1"),
            r"list_attr_celeba\.txt has a line '000001\.jpg 1 1'; expected a file that has a partition, and 7 times",
        ),
        (
            lambda root: celeba_lists(root, [[0, 0, 0, 0, 2]], [0]),
            r"has a line '000001\.jpg .* 3'; expected a file that has a partition",
        ),
        (lambda root: celeba_lists(root, [[0] * 5] * 2, [0]), r"has a line '000002\.jpg"),
        (lambda root: celeba_lists(root, [[0] * 5], [1]), "lists no picture of partition 0, train"),
        (lambda root: (root / "img_align_celeba/000003.jpg").unlink(), r"000003\.jpg does not exist"),
        (
            lambda root: (root / "img_align_celeba/000003.jpg").write_text("no"),
            r"000003\.jpg is no picture in a format",
        ),
        (
            lambda root: save(root / "img_align_celeba/000003.jpg", 100, 218, 9),
            r"000003\.jpg is 100x218 px; CelebA's aligned pictures are 178x218",
        ),
    ],
)
def test_what_is_wrong_with_celeba_gets_one_sentence(celeba, spoil, sentence):
    spoil(celeba)
    with pytest.raises(DataError, match=sentence) as caught:
        portraits.pile("celeba", 16)
    assert "\n" not in str(caught.value)


# --- RaFD ----------------------------------------------------------------------------------------------------------

PEOPLE = (1, 2, 3, 5, 8, 13, 21, 34, 40, 41, 42)  # with 7 of 67 kept, two of these


@pytest.fixture
def rafd(tmp_path, monkeypatch):
    """Two emotions of eleven people, two gazes each."""
    root = tmp_path / "rafd"
    for person in PEOPLE:
        for emotion, gaze in (("angry", "left"), ("angry", "frontal"), ("surprised", "left"), ("surprised", "right")):
            about = "Caucasian_female" if person % 2 else "Moroccan_male"
            name = f"Rafd090_{person:02}_{about}_{emotion}_{gaze}.jpg"
            save(root / name, 681, 1024, 5 * person, (40, 170, 640, 770))
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    return root


def shown(images):
    """Who is shown, by the tone of the square around the face."""
    return {round((255 - tone) / 5) for tone in tones(images)}


def test_no_person_is_in_the_training_and_in_the_evaluation(rafd):
    pile = portraits.pile("rafd", 16)
    held, tuning = (portraits.evaluation("rafd", 16, split=split) for split in ("evaluation", "tuning"))
    training = set(pile.people.tolist())
    assert (len(pile.images), len(training), len(held["image"])) == (36, 9, 8)
    assert shown(held["image"]) | training == set(PEOPLE)
    assert not shown(held["image"]) & training
    assert shown(tuning["image"]) == set(pile.people[-8:].tolist())  # the last two of the training
    assert pile.images[np.arange(36)].reshape(36, -1).std(1).max() < 2  # the square around the face alone
    assert [round((255 - tone) / 5) for tone in pile.images[np.arange(36)].mean((1, 2, 3))] == pile.people.tolist()


def test_an_emotion_is_one_of_eight(rafd):
    pile = portraits.pile("rafd", 16)
    assert pile.labels.sum(1).tolist() == [1] * 36
    assert set(pile.labels.argmax(1).tolist()) == {0, 7}
    assert np.array_equal(pile.sensible, np.eye(8)[::-1])
    held = portraits.evaluation("rafd", 16)
    assert torch.equal(held["wanted"], torch.eye(8).expand(8, 8, 8))
    assert torch.equal(held["asked"], held["label"] == 0)


def test_labels_of_rafd_are_bought_by_the_person(rafd):
    pile = portraits.pile("rafd", 16)
    labelled = samplers.few(pile, 9)  # of persons with 4 pictures each
    people = set(pile.people[labelled].tolist())
    assert (len(labelled), len(people)) == (12, 3)
    assert not people & set(np.delete(pile.people, labelled).tolist())


def test_people_are_shuffled_once_and_for_all(rafd):
    assert portraits.pile("rafd", 16).people.tolist() == portraits.pile("rafd", 32).people.tolist()
    order = list(dict.fromkeys(portraits.pile("rafd", 16).people.tolist()))
    assert order != sorted(order)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda root: save(root / "anna.jpg", 681, 1024, 9),
            r"anna\.jpg is no picture of RaFD; expected a name as Rafd090_01_Caucasian_female_angry_frontal\.jpg$",
        ),
        (lambda root: save(root / "Rafd090_01_Kid_male_bored_left.jpg", 681, 1024, 9), "is no picture of RaFD"),
        (
            lambda root: [path.unlink() for path in root.iterdir() if "_08_" not in path.name],
            "shows 1 people; at least",
        ),
        (lambda root: [path.unlink() for path in root.iterdir()], "rafd holds no picture"),
        (
            lambda root: save(root / "Rafd090_03_Caucasian_female_angry_left.jpg", 600, 600, 9),
            r"angry_left\.jpg is 600x600 px; RaFD's pictures are 681x1024",
        ),
    ],
)
def test_what_is_wrong_with_rafd_gets_one_sentence(rafd, spoil, sentence):
    spoil(rafd)
    with pytest.raises(DataError, match=sentence):
        [portraits.evaluation("rafd", 16), portraits.pile("rafd", 16)]


# --- LFW, and all --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "how"),
    [("celeba", "Chinese University of Hong Kong"), ("rafd", "Radboud University gives the database to researchers"),
     ("lfw_faces", "an extract of Labeled Faces in the Wild")],
)  # fmt: skip
@pytest.mark.parametrize("door", [portraits.pile, portraits.evaluation])
def test_what_is_not_there_gets_a_sentence_that_says_how_it_is_had(tmp_path, monkeypatch, source, how, door):
    monkeypatch.setenv("I2I_DATA", str(tmp_path))
    with pytest.raises(DataError, match=f"^{source} is looked for in the folder of that name under I2I_DATA.*{how}"):
        door(source, 16)


@pytest.mark.parametrize(
    ("door", "wrong"),
    [
        (portraits.pile, {"source": "web"}),
        (portraits.sensible, {"source": "faces"}),
        (portraits.pile, {"size": 4}),
        (portraits.evaluation, {"size": 4}),
        (portraits.evaluation, {"source": None}),
        (portraits.evaluation, {"split": "train"}),
        (portraits.evaluation, {"count": 0}),
        (portraits.evaluation, {"count": 10**6}),
    ],
)
def test_a_wrong_argument_gets_one_sentence_that_names_it(celeba, door, wrong):
    right = {"source": "celeba"} | ({} if door is portraits.sensible else {"size": 16})
    ((argument, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"^{argument} is {value!r}"):
        door(**right | wrong)


@needs_lfw
def test_the_real_extract_of_lfw():
    pile = portraits.pile("lfw_faces", 32)
    held, tuning = (portraits.evaluation("lfw_faces", 32, split=split) for split in ("evaluation", "tuning"))
    assert (len(pile.images), len(tuning["image"]), len(held["image"])) == (240, 80, 80)
    assert pile.labels.mean() == held["label"].mean() == 0.5
    assert pile.sensible.tolist() == [[0], [1]]
    assert torch.equal(held["wanted"][:, 0], 1 - held["label"])
    assert held["asked"].all()
    assert held["label"][:4, 0].tolist() == [0, 1, 0, 1]
    pictures = [set(map(bytes, some)) for some in (
        pile.images[np.arange(240)],
        *(held["image"].add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy() for held in (tuning, held)),
    )]  # fmt: skip
    assert len(set.union(*pictures)) == 400
