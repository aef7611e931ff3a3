"""A film keeps what it saw, also over an interruption; the slider works without a kernel and says what it shows."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i_tutor.data.streams import Stream
from i2i_tutor.film import Film, leaf, log_spaced, read_frames, scrub, strip
from i2i_tutor.methods.pix2pix import RECIPES, Pix2Pix
from i2i_tutor.training import fit


def test_log_spaced_steps_start_at_zero_and_end_at_the_last():
    assert log_spaced(60) == [0, 1, 2, 5, 10, 20, 50, 60]
    assert log_spaced(1) == [0, 1]
    with pytest.raises(ValueError, match=r"^steps is inf; expected a whole number of at least 0$"):
        log_spaced(math.inf)


def test_a_film_keeps_the_frames_it_was_asked_for():
    class Grey(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.level = torch.nn.Parameter(torch.zeros(()))

        def translate(self, images):
            return images * 0 + self.level.detach()

    film, method = Film(torch.zeros(3, 3, 8, 8), steps=5), Grey()
    for step in range(6):
        method.level.data.fill_(step / 5)
        film(step, method)
    assert film.labels == ["step 0", "step 1", "step 2", "step 5"]
    assert [frame.shape for frame in film.frames] == [(8, 24, 3)] * 4
    assert int(film.frames[-1].max()) == 255
    own = Film(torch.zeros(2, 3, 8, 8), 5, lambda method, images: torch.cat([method.translate(images)] * 2, 2))
    own(0, method)
    assert own.frames[0].shape == (16, 16, 3)


def test_the_film_of_a_resumed_training_is_whole(tmp_path):
    recipe = replace(RECIPES["smoke"], steps=10)

    def filmed(folder, steps, resume=False):
        torch.manual_seed(0)
        film = Film(torch.zeros(2, 3, 32, 32), recipe.steps)
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
    text = scrub(frames, ["before", "after <x>"], 'a "test"').data
    assert re.findall(r'alt="([^"]*)"', text) == [
        "a &quot;test&quot;: before",
        "a &quot;test&quot;: after &lt;x&gt;",
    ]
    assert re.findall(r"<p [^>]*>([^<]*)</p>", text) == ["a &quot;test&quot;."]  # for eyes that see no alt text
    assert 'type="range"' in text
    assert " hidden " in text  # the slider appears only where the script runs; the frames are there without it
    assert "display:none" not in re.sub(r"<script>.*?</script>|<style>.*?</style>", "", text, flags=re.S)
    assert "http" not in text
    with pytest.raises(ValueError, match="2 frames but 1 labels"):
        scrub(frames, ["one"], "alt")


def test_a_film_of_several_runs_comes_back_frame_by_frame(tmp_path):
    pictures = []
    for number, level in enumerate((-1.0, 0.0, 1.0)):
        picture = strip([torch.full((5, 3, 8, 8), level), torch.full((5, 1, 8, 8), -level)])
        assert picture.shape == (16, 40, 3)
        assert picture[0, 0, 0] == round((level + 1) * 127.5)
        pictures.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(pictures[-1])
    assert _film(tmp_path / "film.webp", *pictures).returncode == 0
    frames = read_frames(tmp_path / "film.webp")
    assert [frame.shape for frame in frames] == [(16, 40, 3)] * 3
    for frame, level in zip(frames, (0, 127.5, 255), strict=True):
        assert abs(float(frame[:6].mean()) - level) < 8  # WebP loses a little


def test_pictures_that_make_no_film_are_refused(tmp_path):
    small, large, broken = (tmp_path / f"{name}.png" for name in ("small", "large", "broken"))
    Image.new("RGB", (8, 8)).save(small)
    Image.new("RGB", (9, 8)).save(large)
    broken.write_bytes(small.read_bytes()[:40])
    for pictures, complaint in (
        ([small], "tools/film.py"),
        ([small, large], "expected two or more of one size"),
        ([small, broken], "image"),
        ([small, tmp_path / "absent.png"], "absent.png"),
    ):
        refused = _film(tmp_path / "film.webp", *pictures)
        assert (refused.returncode, complaint in refused.stderr) == (1, True), refused.stderr
        assert "Traceback" not in refused.stderr
        assert not (tmp_path / "film.webp").exists()


def _film(*paths):
    tool = Path(__file__).parents[1] / "tools/film.py"
    return subprocess.run([sys.executable, tool, *map(str, paths)], capture_output=True, text=True)


def test_a_film_of_a_sweep_is_shown_or_said_to_be_missing(tmp_path, monkeypatch):
    def book_file(name):
        if not (tmp_path / name).is_file():
            raise FileNotFoundError(name)
        return tmp_path / name

    monkeypatch.setattr("i2i_tutor.film.book_file", book_file)
    (tmp_path / "results").mkdir()
    first, *rest = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    first.save(tmp_path / "results/toy.webp", "WEBP", save_all=True, append_images=rest)
    assert leaf("toy", ["one", "two"], "two colours").data.count("<img") == 2
    assert (
        leaf("other", ["one"], "none").data
        == "<p>These runs have not been made yet, so there are no pictures of them.</p>"
    )
