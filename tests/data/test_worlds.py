"""What all worlds have in common: one signature, one contract of keys, shapes and ranges."""

import inspect

import pytest
import torch

from i2i_tutor.data import digits, facades, herd, objects, safari, streets, unlabelled, unpaired

WORLDS = {
    "facades": facades, "unpaired": unpaired, "digits": digits, "objects": objects, "safari": safari,
    "streets": streets, "herd": herd, "unlabelled": unlabelled,
}  # fmt: skip
DRAWN = dict.fromkeys(WORLDS, "procedural") | {
    "unpaired": "safari", "digits": "digits", "objects": "objects_black", "unlabelled": "herd",
}  # fmt: skip
ADAPTATION = ("digits", "objects")
SIZE = 32


def parameters(function):
    return inspect.signature(function).parameters.values()


def images(batch):
    return {key: value for key, value in batch.items() if value.ndim == 4 and not key.endswith("mask")}


def check_contract(batch):
    for key, value in images(batch).items():
        assert value.dtype == torch.float32, key
        assert value.shape[1:] == (3, SIZE, SIZE), key
        assert value.is_contiguous(), key
        assert -1 <= value.min() < value.max() <= 1, key
    for key in batch.keys() & {"labels", "label", "source_label", "target_label", "domain"}:
        assert batch[key].dtype == torch.int64
        assert batch[key].min() >= 0
    if "source_mask" in batch:
        assert batch["source_mask"].shape == (len(batch["source"]), 1, SIZE, SIZE)
        assert set(batch["source_mask"].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_has_the_same_two_doors(name):
    world = WORLDS[name]
    positional = {"train": ["source", "size", "batch", "seed"], "evaluation": ["source", "size"]}
    if name in ADAPTATION:
        positional |= {"labelled": positional["train"], "unlabelled": positional["evaluation"]}
    for door, names in positional.items():
        given = [p for p in parameters(getattr(world, door)) if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert [p.name for p in given] == names, door
        assert all(p.default is p.empty for p in given), door
        further = [p for p in parameters(getattr(world, door)) if p not in given]
        assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in further), door
    defaults = {p.name: p.default for p in parameters(world.evaluation) if p.kind is p.KEYWORD_ONLY}
    assert (defaults["split"], defaults["count"]) == ("evaluation", None)
    assert {p.name: p.default for p in parameters(world.train)}["ahead"] == 0


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_keeps_the_contract(name):
    world, source = WORLDS[name], DRAWN[name]
    batch = next(world.train(source, SIZE, 3, 0))
    held = world.evaluation(source, SIZE, count=5)
    tuning = world.evaluation(source, SIZE, split="tuning", count=5)
    assert {key: len(value) for key, value in batch.items()} == dict.fromkeys(batch, 3)
    assert {key: len(value) for key, value in held.items()} == dict.fromkeys(held, 5)
    assert set(held) == set(tuning) > set(batch)  # the truth about the judged side comes from the fixed sets only
    for some in (batch, held, tuning):
        check_contract(some)
    few = world.evaluation(source, SIZE, count=2)
    assert all(torch.equal(few[key], held[key][:2]) for key in held)
    for key in images(held):
        assert not torch.equal(held[key], tuning[key]), key


@pytest.mark.parametrize("name", WORLDS)
def test_every_stream_is_a_function_of_seed_and_position(name):
    world, source = WORLDS[name], DRAWN[name]
    one, again, other = (world.train(source, SIZE, 2, seed) for seed in (5, 5, 6))
    next(again)
    key = next(iter(images(one.batch(0))))
    assert torch.equal(one.batch(1)[key], next(again)[key])
    assert not torch.equal(one.batch(1)[key], one.batch(0)[key])
    assert not torch.equal(one.batch(0)[key], other.batch(0)[key])
    assert {"source", "world"} & one.about.keys()
    assert one.about["size"] == SIZE


@pytest.mark.parametrize("name", ADAPTATION)
def test_references_of_the_adaptation_worlds_keep_the_contract(name):
    world, source = WORLDS[name], DRAWN[name]
    batch = next(world.labelled(source, SIZE, 3, 0))
    assert set(batch) == {"image", "label"}
    check_contract(batch)
    target = world.unlabelled(source, SIZE)
    check_contract({"target": target})
    assert len(target) == len(world.labelled(source, SIZE, len(target), 0, look="target").batch(0)["label"])


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize(
    ("door", "wrong"),
    [
        ("train", {"source": "web"}),
        ("train", {"source": None}),
        ("train", {"size": 4}),
        ("train", {"size": 32.0}),
        ("train", {"size": "32"}),
        ("train", {"size": 10**6}),
        ("train", {"batch": 0}),
        ("train", {"batch": True}),
        ("train", {"seed": -1}),
        ("train", {"seed": 0.5}),
        ("train", {"ahead": -1}),
        ("evaluation", {"split": "x"}),
        ("evaluation", {"split": "train"}),
        ("evaluation", {"split": ["evaluation"]}),
        ("evaluation", {"count": 0}),
        ("evaluation", {"count": 10**9}),
        ("evaluation", {"count": 1.5}),
    ],
)
def test_a_wrong_argument_gets_one_sentence_that_names_it(name, door, wrong):
    right = {"source": DRAWN[name], "size": SIZE} | ({"batch": 2, "seed": 0} if door == "train" else {})
    ((argument, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"^{argument} is ") as caught:
        getattr(WORLDS[name], door)(**right | wrong)
    assert repr(value) in str(caught.value)
    assert "\n" not in str(caught.value)
