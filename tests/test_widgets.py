"""Live controls: the first state without a kernel, every further one with it."""

import ipywidgets
import matplotlib.pyplot as plt
import pytest

from i2i_tutor import widgets


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, in order."""
    seen = []
    monkeypatch.setattr(widgets, "display", seen.append)
    return seen


@pytest.fixture
def drawn():
    """The values with which the figure was drawn, in order, and the function that draws it."""
    calls = []

    def draw(**values):
        calls.append(values)
        return plt.Figure()

    return calls, draw


def test_a_quiet_page_shows_the_figure_of_the_first_state(shown, drawn, monkeypatch):
    monkeypatch.setenv("I2I_QUIET", "1")
    calls, draw = drawn
    widgets.live(draw, house=ipywidgets.IntSlider(value=3), into=ipywidgets.Dropdown(options=["door", "shop"]))
    assert calls == [{"house": 3, "into": "door"}]
    assert [type(item) for item in shown] == [plt.Figure]  # and no widget, whose scripts the page would load


def test_moving_a_control_draws_anew(shown, drawn, monkeypatch):
    monkeypatch.delenv("I2I_QUIET")
    calls, draw = drawn
    house, into = ipywidgets.IntSlider(value=3), ipywidgets.Dropdown(options=["door", "shop"], description="becomes")
    widgets.live(draw, house=house, into=into)
    into.value = "shop"
    house.value = 5
    assert calls == [{"house": 3, "into": "door"}, {"house": 3, "into": "shop"}, {"house": 5, "into": "shop"}]
    assert (house.description, into.description) == ("house", "becomes")
    assert [type(item) for item in shown].count(ipywidgets.VBox) == 1
