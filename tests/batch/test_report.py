"""The report: what is read from the runs' files, and the page about them."""

import base64
import io
import json
import math
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from i2i_tutor.batch import page, report


def write_run(folder: Path, arm: str = "fast", seed: int = 0, status: dict | None = None, **changes) -> Path:
    """A finished run; changes go into its results.json."""
    place = folder / f"{arm.replace('/', '-')[:20]}-{seed}"
    place.mkdir(parents=True)
    results = {
        "chapter": "01_toy",
        "seed": seed,
        "profile": "fast",
        "metrics": {"method": {"iou": 0.5}},
        "seconds": 2.0,
    }
    (place / "results.json").write_text(json.dumps(results | changes), encoding="utf-8")
    about = {"state": "finished", "chapter": "01_toy", "arm": arm, "seed": seed, "parameters": {}, "seconds": 3.0}
    (place / "status.json").write_text(json.dumps(about | (status or {})), encoding="utf-8")
    return place


def written(folder: Path, commands: tuple[str, ...] = ()) -> str:
    """The page about a folder."""
    table, path = report.write_report(folder, commands)
    assert (table, path) == (folder / "results.csv", folder / "report.html")
    return path.read_text(encoding="utf-8")


def plots(text: str) -> dict[str, ElementTree.Element]:
    """The drawings of a page by their metrics."""
    found = re.findall(r"<code>(\w+)</code></figcaption>\s*(<svg.*?</svg>)", text, re.DOTALL)
    return {metric: ElementTree.fromstring(svg) for metric, svg in found}


def dots(plot: ElementTree.Element) -> dict[str, float]:
    """Title of each dot, "arm, part, seed 0: value", and where it is."""
    return {use.findtext("title", ""): float(use.get("x", "nan")) for use in plot.iter("use")}


# --- the page ------------------------------------------------------------------------------------------------------


def test_method_and_baseline_of_all_arms_share_one_axis(tmp_path):
    for arm, shift in (("a", 0.0), ("b", 0.3)):
        for seed in (0, 1):
            values = {"baseline": 0.11 + shift + seed / 7, "method": 0.47 + shift + seed / 7}
            write_run(tmp_path, arm, seed, metrics={part: {"iou": value} for part, value in values.items()})
    (plot,) = plots(written(tmp_path)).values()
    places = {float(title.rsplit(": ")[1]): x for title, x in dots(plot).items()}
    assert len(places) == 8
    ticks = {float(text.text): float(text.get("x")) for text in plot.iter("text") if text.get("class") == "tick"}
    assert len(ticks) >= 2
    values, x = (np.array(side) for side in zip(*(places | ticks).items(), strict=True))
    slope, start = np.polyfit(values, x, 1)
    np.testing.assert_allclose(x, slope * values + start, atol=0.2)  # values are told to four digits
    assert slope > 0
    names = [text for text in plot.iter("text") if text.get("class") in ("arm", "part")]
    names.sort(key=lambda text: float(text.get("y", "nan")))
    assert [name.text for name in names] == ["a", "method", "baseline", "b", "method", "baseline"]


def test_what_all_arms_have_in_common_stands_there_once(tmp_path):
    for arm in ("a", "b", "c"):
        write_run(
            tmp_path, arm, metrics={"method": {"iou": len(tmp_path.name) + ord(arm)}, "input copied": {"iou": 0.25}}
        )
    (plot,) = plots(written(tmp_path)).values()
    assert sum("input copied" in title for title in dots(plot)) == 1
    assert "a, b, c: input copied, seed 0: 0.25" in dots(plot)


def test_a_seed_that_was_run_twice_stands_there_twice(tmp_path):
    for part, value in (("monday", 0.5), ("tuesday", 0.75)):
        write_run(tmp_path / part, metrics={"method": {"iou": value}})
    text = written(tmp_path)
    assert set(dots(plots(text)["iou"])) == {"fast, method, seed 0: 0.5", "fast, method, seed 0: 0.75"}
    assert '<td class="n">0.5, 0.75</td>' in text


def test_a_value_that_is_no_number_is_a_dash_and_no_dot(tmp_path):
    write_run(tmp_path, "a", 0, metrics={"method": {"iou": 0.5, "lost": None}, "baseline": {"iou": math.nan}})
    write_run(tmp_path, "a", 1, metrics={"method": {"iou": 0.6, "lost": math.inf}, "baseline": {"iou": 0.25}})
    text = written(tmp_path)
    assert set(plots(text)) == {"iou"}
    assert sorted(dots(plots(text)["iou"])) == [
        "a, baseline, seed 1: 0.25",
        "a, method, seed 0: 0.5",
        "a, method, seed 1: 0.6",
    ]
    cells = [re.findall(r'<td class="n">(.*?)</td>', row) for row in re.findall("<tr>.*?</tr>", text, re.DOTALL)]
    assert ["–", "0.25"] in cells
    assert ["–", "–"] in cells
    assert not re.search(r"\b(nan|inf|none)\b", text.partition("</style>")[2], re.IGNORECASE)


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "x/../../../escaped",
    "{{ 7 * 7 }}",
    "a\u202eb",
]


@pytest.mark.parametrize("evil", HOSTILE)
def test_names_from_files_are_text_and_nothing_else(evil, tmp_path):
    runs = tmp_path / "here" / "deep" / "runs"
    write_run(runs, arm="fast", status={"arm": evil}, chapter=evil, metrics={evil: {evil: 1.0}}, device=evil)
    write_run(runs, arm="other", status={"state": "failed", "sentence": evil})
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(runs)}
    text = written(runs, (evil,))
    assert "<script" not in text
    assert "onerror=alert(1)>" not in text
    assert "<td>49" not in text
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(runs)} == before
    assert {path.name for path in runs.iterdir() if path.is_file()} == {"results.csv", "report.html"}


def test_the_page_asks_for_nothing_from_elsewhere(tmp_path):
    place = write_run(tmp_path)
    (place / "figures").mkdir()
    Image.new("RGB", (8, 8), "red").save(place / "figures" / "one.png")
    text = written(tmp_path, ("i2i-tutor batch toy",))
    assert "default-src 'none'" in text
    for link in re.findall(r'(?:src|href)="([^"]*)"', text):
        assert link.startswith(("#", "data:image/webp;base64,", "results.csv", "fast-0/figures/one.png")), link
    assert not re.search(r"<script|<link|<iframe|url\(|@import|https?://", text)
    assert "i2i-tutor batch toy" in text


def test_unfinished_runs_are_told_with_their_reason(tmp_path):
    write_run(tmp_path, "whole")
    write_run(tmp_path, "broken", status={"state": "failed", "sentence": "cell In [4] raised ValueError: it broke"})
    write_run(tmp_path, "cut", status={"state": "running"})
    text = written(tmp_path)
    assert "1 finished run, 2 unfinished" in text
    assert "cell In [4] raised ValueError: it broke" in text
    assert re.search(r"<td>cut-0</td><td class=\"interrupted\">interrupted</td>", text)


# --- pictures ------------------------------------------------------------------------------------------------------


def figures(folder: Path, count: int) -> None:
    (folder / "figures").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (400, 1600, 3), dtype=np.uint8)
    for number in range(count):
        Image.fromarray(pixels).save(folder / "figures" / f"{number:02d}.png", compress_level=0)


def pictures(text: str) -> list[Image.Image]:
    found = re.findall(r"data:image/webp;base64,([^\"]+)", text)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_pictures_are_bounded_in_size_and_number_and_every_arm_has_its_first(tmp_path):
    for arm in ("a", "b"):
        figures(write_run(tmp_path, arm), 8)
        figures(write_run(tmp_path, arm, 1), 1)  # of another seed: not shown
    text = written(tmp_path)
    shown = pictures(text)
    assert len(shown) == page.PICTURES == 12
    assert {picture.size for picture in shown} == {(720, 180)}
    assert re.findall(r"<figcaption>(.*?)</figcaption></figure>", text)[:3] == [
        "a, seed 0: 00",
        "b, seed 0: 00",
        "a, seed 0: 01",
    ]
    assert "a-0/figures/00.png" in text


def test_names_that_are_no_utf_8_are_shown_as_far_as_they_are(tmp_path):
    odd = Path(os.fsdecode(b"\xff"))
    try:
        (tmp_path / odd).mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    place = write_run(tmp_path / odd)
    figures(place, 1)
    (place / "figures" / "00.png").rename(place / "figures" / os.fsdecode(b"a\xfe.png"))
    assert f"%FF/{place.name}/figures/a%FE.png" in written(tmp_path)
    assert "?" in (tmp_path / "results.csv").read_text()


def test_pictures_are_bounded_in_bytes(tmp_path, monkeypatch):
    figures(write_run(tmp_path), 4)
    one = len(base64.b64decode(re.findall(r"base64,([^\"]+)", written(tmp_path))[0]))
    monkeypatch.setattr(page, "LARGEST_PICTURES", int(2.5 * one))
    assert len(pictures(written(tmp_path))) == 2


def test_what_is_no_picture_is_left_out(tmp_path):
    place = write_run(tmp_path)
    figures(place, 1)
    whole = (place / "figures" / "00.png").read_bytes()
    (place / "figures" / "cut.png").write_bytes(whole[:1000])
    (place / "figures" / "empty.png").write_bytes(b"")
    (place / "figures" / "text.webp").write_text("<svg onload=alert(1)>")
    (place / "figures" / "folder.png").mkdir()
    os.mkfifo(place / "figures" / "pipe.png")
    assert len(pictures(written(tmp_path))) == 1


# --- the axis ------------------------------------------------------------------------------------------------------


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_an_axis_holds_its_values_and_its_labels_are_apart(first, second):
    low, high = sorted((first, second))
    axis = page._Axis.of(low, high, 100, 320)
    assert 100 - 0.1 <= axis.x(low) <= axis.x(high) <= 320 + 0.1
    labels = axis.labels()
    assert 2 <= len(labels) <= 8
    assert len({text for _, text in labels}) == len(labels)
    for tick, (_, text) in zip(axis.ticks, labels, strict=True):
        assert abs(float(text) - tick) <= (axis.ticks[1] - axis.ticks[0]) / 20
    widths = [page.LETTER * len(text) for _, text in labels]
    places = [place for place, _ in labels]
    if len(labels) > 2:
        for left, right, width in zip(places, places[1:], widths, strict=False):
            assert right - left >= width * 0.9


# --- what no run has written ---------------------------------------------------------------------------------------

RESULTS = {"chapter": "01_toy", "seed": 0, "metrics": {}}


def nested(levels):
    """Objects in objects."""
    return {"a": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[]", "it is not a readable JSON object"),
        ("{", "it is not a readable JSON object"),
        (RESULTS | {"seconds": 10**400}, "it is not a readable JSON object"),
        (RESULTS | {"metrics": {"method": {"iou": -(10**400)}}}, "it is not a readable JSON object"),
        (RESULTS | {"chapter": "\ud800"}, "it is not a readable JSON object"),
        (RESULTS | {"parameters": nested(700)}, "it is not a readable JSON object"),
        ("{}", "chapter is null; expected a text"),
        (RESULTS | {"chapter": 5}, "chapter is 5; expected a text"),
        (RESULTS | {"seed": True}, "seed is true; expected a whole number"),
        (RESULTS | {"seed": "0"}, 'seed is "0"; expected a whole number'),
        (RESULTS | {"metrics": [1]}, "metrics is [1]; expected an object"),
        (RESULTS | {"metrics": {"method": 1}}, "metrics of 'method' is 1; expected an object"),
        (RESULTS | {"metrics": {"method": {"iou": "x"}}}, "iou of 'method' is \"x\"; expected a number or null"),
        (RESULTS | {"seconds": "long"}, 'seconds is "long"; expected a number'),
        (RESULTS | {"trainings": {"method": 3}}, "trainings of 'method' is 3; expected an object"),
        (RESULTS | {"parameters": []}, "parameters is []; expected an object"),
    ],
)
def test_results_of_another_form_are_named_and_left_out(content, sentence, tmp_path):
    write_run(tmp_path, "whole")
    place = write_run(tmp_path, "odd")
    (place / "results.json").write_text(content if isinstance(content, str) else json.dumps(content))
    assert [run["arm"] for run in report.read_runs(tmp_path)] == ["whole"]
    (odd,) = report.unfinished(tmp_path)
    assert (odd["folder"], odd["state"], odd["sentence"]) == ("odd-0", "unreadable", f"results.json: {sentence}")
    assert "odd-0" in written(tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, "state is null; expected a text"),
        ({"state": "up", "uptime": 3}, "state is 'up'; expected running, finished, failed"),
        ({"state": "finished", "arm": ["a"]}, 'arm is ["a"]; expected a text'),
        ({"state": "finished", "seconds": "x"}, 'seconds is "x"; expected a number'),
        ([], "it is not a readable JSON object"),
    ],
)
def test_a_status_of_another_form_is_named_and_left_out(content, sentence, tmp_path):
    write_run(tmp_path, "whole")
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "status.json").write_text(json.dumps(content))
    assert [run["arm"] for run in report.read_runs(tmp_path)] == ["whole"]
    (odd,) = report.unfinished(tmp_path)
    assert (odd["folder"], odd["state"], odd["sentence"]) == ("server", "unreadable", f"status.json: {sentence}")


def test_a_run_by_hand_has_no_status_and_its_folder_s_name(tmp_path):
    place = write_run(tmp_path)
    (place / "status.json").unlink()
    (run,) = report.read_runs(tmp_path)
    assert (run["arm"], run["state"], run["seconds"]) == ("fast-0", "finished", 2.0)
