"""The image pool's exact rule, the queue's order, the moving average; all of them travel in a state dict."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from i2i_tutor.nn import ImagePool, MovingAverage, Queue


def numbered(*values):
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1, 1)


def test_a_pool_returns_what_it_stores_until_it_is_full():
    pool = ImagePool(50)
    for value in range(50):
        (answer,) = pool.query(numbered(value))
        assert float(answer) == value
    assert int(pool.count) == 50


def test_a_full_pool_exchanges_half_of_the_time_and_else_leaves_its_store_alone():
    torch.manual_seed(0)
    pool = ImagePool(50)
    pool.query(numbered(*range(50)))
    older = 0
    for value in range(50, 1050):
        before = pool.slot0.clone()
        (answer,) = pool.query(numbered(value))
        if float(answer) == value:
            assert torch.equal(pool.slot0, before)
        else:
            older += 1
            assert float(answer) in before.flatten().tolist()
            assert int((pool.slot0 != before).sum()) == 1
            assert value in pool.slot0.flatten().tolist()
    assert 440 < older < 560  # binomial(1000, 1/2), four standard deviations
    assert int(pool.count) == 50


def test_a_pool_of_tuples_keeps_partners_together():
    torch.manual_seed(0)
    pool = ImagePool(5)
    for start in range(0, 100, 4):
        images = numbered(*range(start, start + 4))
        a, b = pool.query(images, -images)
        assert torch.equal(a, -b)


def test_a_pool_of_size_zero_returns_its_input_detached():
    image = torch.ones(2, 3, 4, 4, requires_grad=True)
    (answer,) = ImagePool(0).query(image)
    assert torch.equal(answer, image)
    assert not answer.requires_grad


def test_a_pool_resumes_from_its_state():
    torch.manual_seed(0)
    pool = ImagePool(3)
    pool.query(numbered(1, 2, 3, 4))
    fresh = ImagePool(3)
    fresh.load_state_dict(pool.state_dict())
    state = torch.get_rng_state()
    expected = pool.query(numbered(5, 6, 7))[0]
    torch.set_rng_state(state)
    assert torch.equal(fresh.query(numbered(5, 6, 7))[0], expected)


@settings(max_examples=50)
@given(st.integers(1, 7), st.lists(st.integers(1, 9), max_size=8))
def test_a_queue_holds_the_newest_entries(size, pushes):
    queue, history = Queue(size, 1), []
    for count in pushes:
        entries = torch.arange(len(history), len(history) + count, dtype=torch.float32)[:, None]
        queue.push(entries)
        history += entries.flatten().tolist()
    assert sorted(queue.entries().flatten().tolist()) == history[-size:]
    again = Queue(size, 1)
    again.load_state_dict(queue.state_dict())
    assert torch.equal(again.entries(), queue.entries())


def test_the_first_update_of_a_moving_average_is_already_an_average():
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 1.0)
    average = MovingAverage(net, 0.9)
    nn.init.constant_(net.weight, 2.0)
    average.update(net)
    assert float(average.module.weight) == pytest.approx(0.9 * 1 + 0.1 * 2)
    average.update(net)
    assert float(average.module.weight) == pytest.approx(0.9 * 1.1 + 0.1 * 2)


def test_a_moving_average_follows_buffers_too_and_never_waits_for_the_device(monkeypatch):
    network = nn.BatchNorm2d(2)
    average = MovingAverage(network, 0.75)
    network.running_mean.fill_(4.0)
    network.num_batches_tracked.fill_(7)
    for name in ("item", "tolist", "__bool__"):
        monkeypatch.setattr(torch.Tensor, name, lambda self: pytest.fail("it waited for the device"))
    average.update(network)
    average.update(network)
    monkeypatch.undo()
    assert average.module.running_mean.tolist() == [1.75, 1.75]  # 0, then 1, then 1.75
    assert int(average.module.num_batches_tracked) == 7
    assert not any(p.requires_grad for p in average.parameters())
    assert copy.deepcopy(average).state_dict().keys() == average.state_dict().keys()


@pytest.mark.parametrize(
    "make", [lambda: ImagePool(-1), lambda: Queue(0, 1), lambda: MovingAverage(nn.Linear(1, 1), 1)]
)
def test_absurd_arguments_are_refused(make):
    with pytest.raises(ValueError, match=r"expected|holds"):
        make()


@pytest.mark.parametrize("wrong", [torch.zeros(2), torch.zeros(2, 4), torch.zeros(2, 1), None])
def test_a_queue_refuses_entries_of_another_width(wrong):
    queue = Queue(4, width=2)
    with pytest.raises(ValueError, match=r"expected entries \(N, 2\)"):  # torch would spread the first over the rows
        queue.push(wrong)
    assert len(queue.entries()) == 0
