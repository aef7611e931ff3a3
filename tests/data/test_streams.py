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
