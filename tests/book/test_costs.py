"""What teaching costs: how it is measured at `paper`, and what the instructors' page makes of it."""

import json
from dataclasses import replace
from pathlib import Path

import costs
import jupytext
import pytest

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("[0-9]*.py"))
MEASURED = [row for row in json.loads(costs.FILE.read_text(encoding="utf-8"))["rows"] if row["profile"] == "paper"]


@pytest.mark.slow
def test_a_training_in_two_phases_is_timed_in_both():
    row = costs.training("06_aggan", "smoke")
    early, late = row["phases"]
    assert row["steps"] == early["steps"] + late["steps"] == costs.TRAININGS["06_aggan"].recipes["smoke"].steps
    assert min(early["seconds_per_step"], late["seconds_per_step"]) > 0
    assert row["seconds_per_step"] == pytest.approx(
        (early["seconds_per_step"] + late["seconds_per_step"]) / 2, abs=1e-4
    )
    assert row["peak_memory_mib"] > 100
    assert row["arithmetic"] == "fp32"
    assert row["device"]


def test_every_turn_is_among_the_timed_steps(monkeypatch):
    """With a generator that moves in every third step and labels in every other batch: six to warm up, six timed."""
    game = costs.TRAININGS["04_matchgan"]
    slower = {"smoke": replace(game.recipes["smoke"], critic=3, steps=99)}
    monkeypatch.setitem(costs.TRAININGS, "04_matchgan", replace(game, recipes=slower))
    taken = []
    fit = costs.fit
    monkeypatch.setattr(costs, "fit", lambda *given, **options: taken.append(fit(*given, **options)) or taken[0])
    assert costs.some_steps("04_matchgan", "smoke", 0)["seconds"] > 0
    assert taken[0].steps == 12
    assert taken[0].at["adversarial"] == [2, 5, 8, 11]


@pytest.mark.parametrize(
    ("name", "first", "later"),
    [("06_aggan", lambda method: method.switched, True), ("07_tunit", lambda method: method.alone(0), False)],
)
def test_the_later_phase_begins_at_once(name, first, later):
    game = costs.TRAININGS[name]
    for phase, (steps, numbers) in enumerate(game.phases("paper")):
        small = replace(game.recipes["smoke"], **{key: getattr(numbers, key) for key in game.skipped})
        method = game.method(small)
        method.begin(0)
        assert steps > 0
        assert first(method) is (later if phase else not later)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_chapter_was_measured_at_paper(chapter):
    (row,) = [row for row in MEASURED if row["what"] == chapter]
    phases = costs.TRAININGS[chapter].phases("paper")
    assert [phase["steps"] for phase in row["phases"]] == [steps for steps, _ in phases]
    assert row["steps"] == costs.TRAININGS[chapter].recipes["paper"].steps
    assert row["seconds_per_step"] > 0
    assert row["peak_memory_mib"] > 0
    assert row["device"]
    assert row["arithmetic"] in ("fp32", "bf16")
    assert row["git_commit"]


def test_the_page_for_instructors_shows_all_of_it():
    cells = [cell for cell in jupytext.read(ROOT / "book/instructors.py").cells if cell.cell_type == "code"]
    space, shown = {}, []
    for cell in cells:
        *lines, last = cell.source.splitlines()
        exec("\n".join(lines), space)
        shown.append(eval(last, space).data)
    table = next(text for text in shown if "extrapolated" in text)
    assert all(f"| {chapter} |" in table for chapter in CHAPTERS)
    assert "paper" not in next(text for text in shown if "| profile |" in text)
    assert [space["long_time"](seconds) for seconds in (3600 * 30, 3600 * 24 * 90)] == ["30 hours", "90 days"]
