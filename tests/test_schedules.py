"""Learning rates as functions of the step."""

import pytest

from i2i_tutor.methods.base import Recipe
from i2i_tutor.schedules import constant, linear_decay, linear_tail, staircase


def test_the_official_decay_epoch_by_epoch():
    factor = linear_decay(steps_per_epoch=400)
    expected = {1: 1.0, 99: 1.0, 100: 1 - 1 / 101, 150: 0.4950495, 199: 0.00990099, 200: 0.0, 250: 0.0}
    for epoch, value in expected.items():
        first, last = (epoch - 1) * 400, epoch * 400 - 1
        assert factor(first) == pytest.approx(value, abs=1e-7)
        assert factor(last) == factor(first)
    assert constant(10**6) == 1.0


def test_the_tail_decays_over_its_fraction_and_never_reaches_zero():
    factor = linear_tail(100, 0.5)
    assert factor(0) == factor(49) == 1.0
    assert factor(99) == pytest.approx(1 / 51)
    assert linear_tail(100, 0.0)(99) == 1.0
    assert all(a >= b > 0 for a, b in zip(map(factor, range(99)), map(factor, range(1, 100)), strict=True))


def test_a_recipe_chooses_its_schedule():
    official = Recipe(size=1, batch=1, steps=80_000, epoch=400).rates()
    expected = linear_decay(400, 100, 100)
    assert all(official(step) == expected(step) for step in range(0, 80_000, 399))
    assert Recipe(size=1, batch=1, steps=1, epoch=400).rates()(0) == 1.0  # one step of the paper's recipe
    assert Recipe(size=1, batch=1, steps=100).rates()(99) == pytest.approx(1 / 51)


def test_stairs_go_down_every_so_many_steps():
    factor = staircase(0.5, 10)
    assert [factor(step) for step in (0, 9, 10, 29, 30)] == [1.0, 1.0, 0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    "make",
    [
        lambda: linear_decay(0),
        lambda: linear_decay(10, -1),
        lambda: linear_decay(10, 1, -1),
        lambda: linear_tail(0),
        lambda: linear_tail(10, 1.5),
        lambda: linear_tail(10, float("nan")),
        lambda: staircase(0.5, 0),
        lambda: staircase(-0.5, 10),
        lambda: staircase(float("nan"), 10),
    ],
)
def test_absurd_schedules_are_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()
