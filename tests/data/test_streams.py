"""Streams are pure functions of seed and position, whatever is done to their batches."""

import pytest
import torch

from i2i_tutor.data.streams import Stream


def test_a_mapped_stream_maps_every_batch_and_says_so():
    stream = Stream(lambda position, rng: {"a": torch.from_numpy(rng.standard_normal(3))}, seed=2, about={"size": 3})
    doubled = stream.mapped(lambda batch: {"a": 2 * batch["a"]}, doubled=True)
    for position in range(3):
        assert torch.equal(next(doubled)["a"], 2 * stream.batch(position)["a"])
    again = stream.mapped(lambda batch: {"a": 2 * batch["a"]}, doubled=True)
    again.load_state_dict(doubled.state_dict())
    assert torch.equal(next(again)["a"], 2 * stream.batch(3)["a"])
    with pytest.raises(ValueError, match="the saved stream shows"):
        stream.load_state_dict(doubled.state_dict())


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"seed": "0"}, {"seed": True}, {"ahead": -1}, {"ahead": 0.5},
                                   {"period": 0}, {"make": 3}], ids=str)  # fmt: skip
def test_a_stream_of_wrong_arguments_is_refused_by_name(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=rf"^{name} is {value!r}; expected"):
        Stream(**({"make": lambda position, rng: {}, "seed": 0} | wrong))


def test_a_share_of_nobody_is_refused():
    with pytest.raises(ValueError, match="rank is 2 of 2 processes; expected 0 to 1"):
        Stream(lambda position, rng: {}, 0).share(2, 2)
