"""Learning rates as functions of the step."""

import pytest

from i2i_tutor.methods.base import Recipe
from i2i_tutor.schedules import constant, linear_decay, linear_tail


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
