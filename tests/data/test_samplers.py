"""Labelled and unlabelled batches: which images they hold, in which order, and which labels they want."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from i2i_tutor.data import samplers
from i2i_tutor.data.samplers import Pile
from i2i_tutor.methods.matchgan import by_target

NAMES = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
ALL = np.array(list(product((0, 1), repeat=5)), dtype=np.float32)
PSI = ALL[ALL[:, :3].sum(axis=1) <= 1]
SIZE = 8


def made_pile(each=12, people=None, seed=0):
    """Images of which every one has its number in its first pixel, and a ramp, so that a mirrored one is seen."""
    classes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(PSI)), each))
    images = np.zeros((len(classes), SIZE, SIZE, 3), np.uint8)
    images[:] = 10 * np.arange(SIZE)[None, None, :, None]
    images[:, 1:, :, 0] = (np.arange(len(classes)) % 256)[:, None, None]
    return Pile(images, PSI[classes], NAMES, PSI, people)


def numbers(batch):
    return batch["image"][:, 0, 1, 0].add(1).mul(127.5).round().int().tolist()


def classes(labels):
    return samplers.class_of(labels.numpy(), PSI)


PILE = made_pile()
LABELLED = samplers.few(PILE, 64)


def test_a_class_is_a_place_among_the_sensible_labels():
    assert samplers.class_of(PSI[[3, 0, 15]], PSI).tolist() == [3, 0, 15]
    with pytest.raises(ValueError, match=r"^label 11000 is none of the 16 sensible ones$"):
        samplers.class_of(np.array([PSI[0], [1, 1, 0, 0, 0]]), PSI)


def test_an_edit_sets_one_hair_colour_and_turns_the_others_round():
    edited = samplers.edits(np.array([[0, 1, 0, 1, 0]], np.float32), 3)
    assert edited[0].tolist() == [
        [1, 0, 0, 1, 0], [0, 1, 0, 1, 0], [0, 0, 1, 1, 0], [0, 1, 0, 0, 0], [0, 1, 0, 1, 1]
    ]  # fmt: skip
    assert samplers.edits(np.zeros((2, 1), np.float32), 0).tolist() == [[[1]], [[1]]]
    assert edited.dtype == np.float32


# --- which are labelled --------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.data())
def test_round_robin_takes_in_file_order_and_as_many_of_each_class(kinds, data):
    kinds = np.array(kinds)
    count = data.draw(st.integers(1, len(kinds)))
    taken = samplers.round_robin(kinds, count)
    assert all(a < b for a, b in pairwise(taken))
    assert count <= len(taken) < count + len(np.unique(kinds))
    held = {kind: (kinds[taken] == kind).sum() for kind in np.unique(kinds)}
    most = max(held.values())
    for kind, number in held.items():
        places = np.flatnonzero(kinds == kind)
        assert number == len(places) or number in (most, most - 1)
        assert np.array_equal(taken[kinds[taken] == kind], places[:number])


def test_round_robin_looks_between_rounds_only():
    assert samplers.round_robin(np.array([5, 5, 5, 2, 5, 2]), 1).tolist() == [0, 3]
    assert samplers.round_robin(np.array([5, 5, 5, 2, 5, 2]), 3).tolist() == [0, 1, 3, 5]
    assert samplers.round_robin(np.array([5, 5, 5, 2, 5, 2]), 5).tolist() == [0, 1, 2, 3, 5]
    assert len(samplers.round_robin(np.repeat(np.arange(16), 200), 1609)) == 1616  # 1 % of CelebA


def test_whole_people_are_labelled_until_there_are_enough():
    pile = made_pile(people=np.repeat([7, 3, 9, 1], 48))
    for count, people in ((1, [7]), (48, [7]), (49, [7, 3]), (150, [7, 3, 9, 1])):
        taken = samplers.few(pile, count)
        assert len(taken) == 48 * len(people)
        assert set(pile.people[taken].tolist()) == set(people)


@pytest.mark.parametrize("count", [0, 10**6, True, 2.0])
def test_a_count_that_cannot_be_labelled_is_refused(count):
    for call in (lambda: samplers.round_robin(np.zeros(9, int), count), lambda: samplers.few(PILE, count)):
        with pytest.raises(ValueError, match=f"^count is {count}"):
            call()


# --- batches -------------------------------------------------------------------------------------------------------


def test_labelled_and_unlabelled_batches_come_by_turns_and_share_no_image():
    stream = samplers.train(PILE, 16, 3, labelled=LABELLED)
    seen = {0: set(), 1: set()}
    for position in range(48):
        batch = next(stream)
        assert set(batch) == ({"image", "label", "wanted"} if position % 2 == 0 else {"image", "wanted"})
        assert batch["image"].shape == (16, 3, SIZE, SIZE)
        assert all(value.dtype == torch.float32 and value.is_contiguous() for value in batch.values())
        assert batch["wanted"].shape == (16, 5)
        seen[position % 2] |= set(numbers(batch))
    assert stream.period == 2
    assert seen[0] == set(LABELLED.tolist())
    assert seen[1] == set(range(192)) - seen[0]


def test_the_label_is_the_image_s_own():
    batch = samplers.train(PILE, 16, 3, labelled=LABELLED).batch(4)
    assert np.array_equal(batch["label"].numpy(), PILE.labels[numbers(batch)])


def test_a_labelled_batch_holds_four_classes_one_after_the_other():
    stream = samplers.train(PILE, 16, 3, unlabelled=False)
    for start in range(0, 40, 4):
        kinds = [classes(stream.batch(start + number)["label"]).reshape(4, 4) for number in range(4)]
        assert all((rows == rows[:, :1]).all() for rows in kinds)
        assert sorted(np.concatenate(kinds)[:, 0].tolist()) == list(range(16))  # every class once a shuffle
    assert stream.period == 1


def test_every_image_of_a_class_comes_before_one_comes_again():
    stream = samplers.train(PILE, 16, 3, unlabelled=False)
    for around in range(3):  # 12 images a class, 4 a turn
        seen = [number for position in range(12) for number in numbers(stream.batch(12 * around + position))]
        assert sorted(seen) == list(range(192))


def test_no_image_is_twice_in_a_batch_and_what_a_cut_leaves_over_is_not_lost():
    pile = made_pile(each=7)
    stream = samplers.train(pile, 15, 3, unlabelled=False, groups=5)  # 16 classes by 5, 7 images by 3
    batches = [next(stream) for _ in range(60)]
    assert all(len(set(numbers(batch))) == 15 for batch in batches)
    assert set().union(*(numbers(batch) for batch in batches)) == set(range(112))
    for number in range(0, 60, 3):
        kinds = [kind for batch in batches[number : number + 3] for kind in classes(batch["label"])[::3].tolist()]
        assert len(set(kinds)) == 15


def test_each_class_meets_each_of_four_different_targets():
    stream = samplers.train(PILE, 16, 3, labelled=LABELLED)
    order = by_target(4).numpy()  # MatchGAN's order of the fakes
    assert order.tolist() == [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]
    drawn = set()
    for batch in (stream.batch(position) for position in range(30)):
        wanted = classes(batch["wanted"])
        assert len(set(wanted[:4].tolist())) == 4
        assert np.array_equal(wanted, np.tile(wanted[:4], 4))
        assert np.array_equal(wanted[order], np.repeat(wanted[:4], 4))
        assert all(set((rows // 4).tolist()) == {0, 1, 2, 3} for rows in order.reshape(4, 4))
        drawn |= set(wanted.tolist())
    assert drawn == set(range(16))


def test_targets_are_all_the_sensible_ones_although_few_classes_are_labelled():
    places = np.flatnonzero(samplers.class_of(PILE.labels, PSI) < 4)
    stream = samplers.train(PILE, 16, 3, labelled=places)
    drawn = {kind for position in range(60) for kind in classes(stream.batch(position)["wanted"]).tolist()}
    assert drawn == set(range(16))


def test_own_labels_are_dealt_out_anew():
    stream = samplers.train(PILE, 16, 3, unlabelled=False, wanted="own")
    for batch in (stream.batch(position) for position in range(5)):
        assert sorted(batch["wanted"].tolist()) == sorted(batch["label"].tolist())
        assert not torch.equal(batch["wanted"], batch["label"])


def test_without_groups_all_labelled_images_are_shuffled_together():
    stream = samplers.train(PILE, 16, 3, unlabelled=False, wanted="own", groups=None)
    assert sorted(number for position in range(12) for number in numbers(stream.batch(position))) == list(range(192))
    wanted = classes(samplers.train(PILE, 64, 3, unlabelled=False, groups=None).batch(0)["wanted"])
    assert len(set(wanted.tolist())) > 10


def test_no_number_of_an_unlabelled_batch_depends_on_its_labels():
    lying = PILE.labels.copy()
    rest = np.setdiff1d(np.arange(192), LABELLED)
    lying[rest] = 1  # not even sensible
    streams = [
        samplers.train(pile, 16, 3, labelled=LABELLED)
        for pile in (PILE, Pile(PILE.images, lying, NAMES, PSI))
    ]  # fmt: skip
    for position in range(4):
        told, lied = (stream.batch(position) for stream in streams)
        assert all(torch.equal(told[key], lied[key]) for key in told)


def test_if_all_are_labelled_every_batch_is():
    stream = samplers.train(PILE, 16, 3)
    assert all("label" in stream.batch(position) for position in range(4))
    assert (stream.period, stream.about["unlabelled"]) == (1, 0)
    assert samplers.train(PILE, 16, 3, wanted="own").batch(0)["wanted"].shape == (16, 5)


def test_images_are_mirrored_at_random_and_unlabelled_ones_unless_told_otherwise():
    def mirrored(kind, **settings):
        stream = samplers.train(PILE, 16, 3, labelled=LABELLED, **settings)
        images = torch.cat([stream.batch(position)["image"] for position in range(kind, 20, 2)])
        return (images[:, 0, 0, 0] > images[:, 0, 0, -1]).float().mean()

    for kind in (0, 1):
        assert 0.3 < mirrored(kind) < 0.7
    assert mirrored(1, mirror_unlabelled=False) == 0 < mirrored(0, mirror_unlabelled=False)


# --- the stream ----------------------------------------------------------------------------------------------------


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("settings", [{}, {"groups": None}, {"ahead": 2}])
def test_every_batch_is_a_function_of_seed_and_position(settings):
    one, again, other = (samplers.train(PILE, 16, seed, labelled=LABELLED, **settings) for seed in (5, 5, 6))
    behind = [next(again) for _ in range(7)]
    assert all(equal(one.batch(position), behind[position]) for position in (6, 1, 0, 3))
    resumed = samplers.train(PILE, 16, 5, labelled=LABELLED, **settings)
    resumed.load_state_dict(again.state_dict())
    assert equal(next(resumed), next(again))
    for position in (0, 1):
        assert not torch.equal(one.batch(position)["image"], other.batch(position)["image"])
        assert not torch.equal(one.batch(position)["image"], one.batch(position + 2)["image"])


def test_processes_play_one_kind_of_turn_and_see_every_batch_once():
    whole = samplers.train(PILE, 16, 3, labelled=LABELLED)
    shares = [samplers.train(PILE, 16, 3, labelled=LABELLED).share(rank, 3) for rank in range(3)]
    for position in range(4):
        batches = [share.batch(position) for share in shares]
        assert all(("label" in batch) == (position % 2 == 0) for batch in batches)
        turn, kind = divmod(position, 2)
        for rank, batch in enumerate(batches):
            assert equal(batch, whole.batch(2 * (3 * turn + rank) + kind))


def test_a_run_is_not_resumed_on_other_labels():
    one = samplers.train(PILE, 16, 3, labelled=LABELLED, about={"source": "made"})
    assert one.about == {
        "source": "made", "batch": 16, "wanted": "sensible", "groups": 4, "mirror_unlabelled": True, "labelled": 64,
        "unlabelled": 128, "classes": 16,
    }  # fmt: skip
    with pytest.raises(ValueError, match="the saved stream shows"):
        samplers.train(PILE, 16, 3, labelled=samplers.few(PILE, 80)).load_state_dict(one.state_dict())


# --- what is wrong -------------------------------------------------------------------------------------------------


def of_class(*kinds):
    return np.flatnonzero(np.isin(samplers.class_of(PILE.labels, PSI), kinds))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"batch": 0}, "^batch is 0; expected a whole number of at least 1$"),
        ({"seed": -1}, "^seed is -1"),
        ({"ahead": -1}, "^ahead is -1"),
        ({"wanted": "all"}, "^wanted is 'all'; expected one of sensible, own$"),
        ({"groups": 0}, "^groups is 0"),
        ({"groups": 3}, "^batch is 16; expected a multiple of groups, 3$"),
        ({"unlabelled": 1}, "^unlabelled is 1; expected True or False$"),
        ({"mirror_unlabelled": None}, "^mirror_unlabelled is None"),
        ({"labelled": of_class(1, 2, 3)}, "^the labelled images are of 3 classes; expected at least groups, 4$"),
        (
            {"labelled": samplers.few(PILE, 48)},
            r"^the class 00000 \(no attribute\) has 3 labelled images, which are too few: a batch of 16 in 4 groups "
            "takes 4 of a class; label more images or make the batch smaller$",
        ),
        (
            {"labelled": np.append(of_class(1, 2, 3, 4), of_class(15)[:2])},
            r"^the class 10011 \(Black_Hair, Male, Young\) has 2 labelled images",
        ),
        ({"labelled": np.arange(177)}, "^15 images are unlabelled; a batch of 16 needs at least that many, or none$"),
        ({"labelled": LABELLED, "wanted": "own"}, "^wanted is 'own', which unlabelled images have not"),
        ({"labelled": np.arange(9), "groups": None}, "^9 images are labelled; a batch of 16 needs"),
        ({"labelled": np.array([0, 192])}, "^labelled holds 2 places; expected whole numbers from 0 to 191$"),
        ({"labelled": np.array([], int)}, "^labelled holds 0 places"),
        ({"labelled": np.array([0.5])}, "^labelled holds 1 places"),
        ({"labelled": np.zeros(3, int)}, "^labelled holds 3 places, of which 1 are different; expected all$"),
    ],
)
def test_what_is_wrong_gets_one_sentence_before_anything_starts(wrong, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        samplers.train(**{"pile": PILE, "batch": 16, "seed": 3} | wrong)
    assert "\n" not in str(caught.value)


def test_a_label_that_is_not_sensible_is_refused_where_it_is_used():
    labels = PILE.labels.copy()
    labels[5] = 1
    with pytest.raises(ValueError, match=r"^label 11111 is none of the 16 sensible ones$"):
        samplers.train(Pile(PILE.images, labels, NAMES, PSI), 16, 3)
    with pytest.raises(ValueError, match=r"^the labels are \(192, 4\); expected \(192, 5\), images by attributes$"):
        Pile(PILE.images, labels[:, :4], NAMES, PSI)
    with pytest.raises(ValueError, match=r"^the sensible labels are \(16, 4\); expected \(labels, 5\)$"):
        Pile(PILE.images, PILE.labels, NAMES, PSI[:, :4])
    with pytest.raises(ValueError, match=r"^the people are \(12,\); expected one for each of 192 images$"):
        Pile(PILE.images, PILE.labels, NAMES, PSI, np.arange(12))
