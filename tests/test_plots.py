"""Figures are drawn from what they are given, with labelled axes, on a transparent ground."""

import re
from pathlib import Path

import pytest
import torch

from i2i_tutor import plots
from i2i_tutor.training import History


def test_tables_write_numbers_and_words():
    text = plots.table(["a", "b"], [(0.12345, True), ("x", None), (2e-4, 0.0), (-9.5e-8, -0.002)]).data
    assert text.splitlines()[2:] == ["| 0.123 | yes |", "| x | – |", "| 0.0002 | 0.000 |", "| 0.000 | -0.002 |"]


def test_a_grid_has_a_tile_per_image_with_its_title_and_a_caption(tmp_path):
    grid = plots.grid({"left": torch.zeros(2, 3, 8, 8), "a < b": torch.zeros(3, 1, 8, 8)}, caption="What to see.")
    page = grid._repr_html_()
    assert re.findall(r'alt="([^"]*)"', page) == ["left, 1", "a &lt; b, 1", "left, 2", "a &lt; b, 2"]
    assert "<figcaption>What to see.</figcaption>" in page
    assert "http" not in page
    grid.savefig(tmp_path / "grid.png")
    assert (tmp_path / "grid.png").read_bytes().startswith(b"\x89PNG")


def contrast(colour: str, ground: str, brighter: float = 1.0) -> float:
    """Of two colours by WCAG's formula; the first made brighter as CSS does it."""

    def luminance(rgb: str, factor: float) -> float:
        parts = [min(1.0, int(rgb[at : at + 2], 16) / 255 * factor) for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(colour, brighter), luminance(ground, 1.0)])
    return (high + 0.05) / (low + 0.05)


def test_ink_and_colours_have_contrast_in_both_modes():
    css = (Path(__file__).parents[1] / "book/_static/i2i.css").read_text()
    assert f'img[src*="_images/"] {{ filter: brightness({plots.BRIGHTER}) !important; }}' in css
    for colour in (plots.INK, *plots.COLOURS):
        assert contrast(colour, "#ffffff") >= 4.5
        assert contrast(colour, "#14181e", plots.BRIGHTER) >= 4.5
    assert contrast("#7a7a7a", "#ffffff") < 4.5  # what it was


def test_figures_have_labelled_axes():
    history = History()
    history.terms["gan"], history.at["gan"] = [1.0, 0.5, 0.7], [0, 1, 2]
    axis = plots.curves(history, {"gan": 0.6931}).axes[0]
    assert axis.get_xlabel() == "step"
    assert any(line.get_ydata()[0] == 0.6931 for line in axis.get_lines())
    for name in ("d", "cycle", "identity"):
        history.terms[name], history.at[name] = [1.0, 0.5, 0.7], [0, 1, 2]
    shown = [axis.get_title() for axis in plots.curves(history).axes if axis.get_visible()]
    assert shown == ["gan", "d", "cycle", "identity"]  # two rows of at most three, the empty panels hidden
    for drawn in (
        plots.lines({"a": ([1, 2], [3, 4])}, "x (px)", "y", log="xy"),
        plots.scatter({"a": ([1.0], [2.0]), "b": ([], [])}, "x (px)", "y"),
        plots.spread({"a": {0.4: [1.0, 3.0], 0.0: [2.0], 1.0: []}}, "x (px)", "y"),
        plots.histogram({"a": torch.randn(50), "b": torch.randn(9)}, "x (px)", {"undecided": 0.0}),
    ):
        assert drawn.axes[0].get_xlabel() == "x (px)"
        assert drawn.get_facecolor()[3] == 0  # transparent: light and dark pages show through


def test_dots_have_one_line_per_name_and_one_dot_per_seed():
    panels = {"shape kept (IoU)": {"one": [0.1, 0.2, 0.3], "not run": []}, "ground (mean change)": {"one": [0.5]}}
    figure = plots.dots(panels, {"shape kept (IoU)": {"another scene": 0.4}})
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["one", "not run"]
    assert [list(line.get_xdata()) for line in first.get_lines()] == [[0.1, 0.2, 0.3], [], [0.4, 0.4]]
    assert [axis.get_xlabel() for axis in (first, second)] == list(panels)
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["another scene"]
    assert second.get_legend() is None
    for nothing in ({}, {"a": {}}):
        with pytest.raises(ValueError, match="at least one panel with at least one name"):
            plots.dots(nothing)


def test_a_history_without_a_step_has_no_curves():
    with pytest.raises(ValueError, match="holds no term yet"):
        plots.curves(History())


def test_every_seed_is_a_dot_and_the_curve_goes_through_the_means():
    drawn = plots.spread({"a": {1.0: [1.0, 3.0], 0.0: [5.0], 0.5: []}}, "x", "y").axes[0].get_lines()
    assert (list(drawn[0].get_xdata()), list(drawn[0].get_ydata())) == ([0.0, 1.0], [5.0, 2.0])
    assert list(drawn[2].get_ydata()) == [1.0, 3.0]


def test_a_histogram_holds_shares():
    (steps,) = plots.histogram({"a": torch.tensor([0.0, 0.0, 1.0, 1.0])}, "x", bins=2).axes[0].patches
    assert list(steps.get_data().values) == [0.5, 0.5]
