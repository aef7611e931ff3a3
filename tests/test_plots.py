"""Figures are drawn from what they are given; the slider works without a kernel and says what it shows."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from i2i_tutor import plots
from i2i_tutor.data.streams import Stream
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix
from i2i_tutor.training import History, fit


def test_log_spaced_steps_start_at_zero_and_end_at_the_last():
    assert plots.log_spaced(60) == [0, 1, 2, 5, 10, 20, 50, 60]
    assert plots.log_spaced(1) == [0, 1]


def test_a_film_keeps_the_frames_it_was_asked_for():
    class Grey(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.level = torch.nn.Parameter(torch.zeros(()))

        def translate(self, images):
            return images * 0 + self.level.detach()

    film, method = plots.Film(torch.zeros(3, 3, 8, 8), steps=5), Grey()
    for step in range(6):
        method.level.data.fill_(step / 5)
        film(step, method)
    assert film.labels == ["step 0", "step 1", "step 2", "step 5"]
    assert [frame.shape for frame in film.frames] == [(8, 24, 3)] * 4
    assert int(film.frames[-1].max()) == 255
    own = plots.Film(torch.zeros(2, 3, 8, 8), 5, lambda method, images: torch.cat([method.translate(images)] * 2, 2))
    own(0, method)
    assert own.frames[0].shape == (16, 16, 3)


def test_the_film_of_a_resumed_training_is_whole(tmp_path):
    recipe = replace(RECIPES["smoke"], steps=10)

    def filmed(folder, steps, resume=False):
        torch.manual_seed(0)
        film = plots.Film(torch.zeros(2, 3, 32, 32), recipe.steps)
        stream = Stream(lambda position, rng: {key: torch.zeros(2, 3, 32, 32) for key in ("input", "target")}, 0)
        fit(Pix2Pix(recipe), stream, steps, callbacks=[film], folder=folder, resume=resume, progress=False)
        return film

    straight = filmed(tmp_path / "straight", 10)
    filmed(tmp_path / "parts", 5)
    resumed = filmed(tmp_path / "parts", 10, resume=True)
    assert resumed.labels == straight.labels == [f"step {step}" for step in (0, 1, 2, 5, 10)]
    assert all(map(np.array_equal, resumed.frames, straight.frames))


def test_the_slider_has_text_for_every_frame_and_works_without_script():
    frames = [np.zeros((4, 6, 3), np.uint8), np.full((4, 6, 3), 255, np.uint8)]
    text = plots.scrub(frames, ["before", "after <x>"], 'a "test"').data
    assert re.findall(r'alt="([^"]*)"', text) == [
        "a &quot;test&quot;: before",
        "a &quot;test&quot;: after &lt;x&gt;",
    ]
    assert 'type="range"' in text
    assert "hidden" in text  # the slider appears only where the script runs; the frames are there without it
    assert "display:none" not in re.sub(r"<script>.*?</script>|<style>.*?</style>", "", text, flags=re.S)
    assert "http" not in text
    with pytest.raises(ValueError, match="2 frames but 1 labels"):
        plots.scrub(frames, ["one"], "alt")


def test_tables_write_numbers_and_words():
    text = plots.table(["a", "b"], [(0.12345, True), ("x", None), (2e-4, 0.0)]).data
    assert text.splitlines()[2:] == ["| 0.123 | yes |", "| x | – |", "| 0.0002 | 0.000 |"]


def test_figures_have_one_picture_per_image_and_labelled_axes():
    figure = plots.grid({"left": torch.zeros(2, 3, 8, 8), "right": torch.zeros(3, 1, 8, 8)}, rows=["one", "two"])
    assert len(figure.axes) == 4
    assert figure.axes[0].get_title() == "left"
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
    ):
        assert drawn.axes[0].get_xlabel() == "x (px)"
        assert drawn.get_facecolor()[3] == 0  # transparent: light and dark pages show through
