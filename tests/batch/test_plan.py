"""The plan of a batch: what is run, where, and for how long; and that no plan is without bounds."""

import dataclasses
import json

import pytest

from i2i_tutor.batch import plan
from i2i_tutor.parameters import ParameterError


def test_a_plan_is_chapters_by_settings_by_seeds(chapters, tmp_path):
    settings = plan.parse_settings(["weight=10,100", "steps=5"])
    arms = [plan.Entry(name, (0, 1, 2), "smoke", None, settings) for name in ("toy", "02_other")]
    jobs = plan.jobs(arms, tmp_path, chapters)
    assert len(jobs) == 2 * 2 * 3
    assert jobs[0].label == "01_toy/smoke_weight=10_steps=5/seed-0"
    assert jobs[0].folder == str(tmp_path / jobs[0].label)
    assert jobs[0].parameters == {"profile": "smoke", "seed": 0, "weight": 10.0, "steps": 5}


def test_a_long_setting_is_named_by_a_hash_that_stays(chapters, tmp_path):
    arm = plan.Entry("toy", name="n" * 60, settings={"weight": [0.1, 0.2], "steps": [9_000_000, 1]})
    first, second = (plan.jobs([arm], tmp_path, chapters) for _ in range(2))
    assert first == second
    assert len({job.arm for job in first}) == 4
    assert all(len(job.arm) <= 80 for job in first)


@pytest.mark.parametrize(("text", "seeds"), [("0-2", (0, 1, 2)), ("3", (3,)), ("10-11,20,10", (10, 11, 20))])
def test_seeds(text, seeds):
    assert plan.parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "2-1", "-1", "1.5", "0-99999999"])
def test_seeds_that_are_none(text):
    with pytest.raises(plan.BatchError):
        plan.parse_seeds(text)


def test_a_plan_names_every_wrong_value_once(chapters, tmp_path):
    arm = plan.Entry("toy", (0, 1), "fast", None, {"weight": ["x"], "wait": ["3"]})
    with pytest.raises(ParameterError) as error:
        plan.jobs([arm, dataclasses.replace(arm, settings={"seed": ["1"]})], tmp_path, chapters)
    assert str(error.value).splitlines() == [
        "01_toy: weight must be a number from 0 to 1000000 (or none), not 'x'",
        "01_toy: seed is not set like this; use --seeds",
    ]


def test_an_unknown_chapter_lists_the_known(chapters):
    with pytest.raises(plan.BatchError, match=r"'pix' is not known; .* has 01_toy, 02_other"):
        plan.find_chapter("pix", chapters)


def test_two_runs_never_share_a_folder(chapters, tmp_path):
    with pytest.raises(plan.BatchError, match="different names"):
        plan.jobs([plan.Entry("toy", name="a"), plan.Entry("toy", name="a", profile="smoke")], tmp_path, chapters)


def test_a_plan_is_bounded_before_it_is_multiplied_out(chapters, tmp_path):
    values = [str(value) for value in range(1, 1001)]
    settings = {"weight": values, "steps": values, "pause": values}
    with pytest.raises(plan.BatchError, match="the plan has 1000000000 runs, and 10000 is the most"):
        plan.jobs([plan.Entry("toy", settings=settings)], tmp_path, chapters)
    with pytest.raises(plan.BatchError, match="the plan has 20000 runs"):
        plan.jobs([plan.Entry("toy", tuple(range(10_000)))] * 2, tmp_path, chapters)


def test_a_notebook_cannot_lead_its_runs_out_of_their_folder(chapters, tmp_path):
    sly = tmp_path / "...ipynb"  # its name without the suffix is ".."
    sly.write_bytes((chapters / "01_toy.ipynb").read_bytes())
    with pytest.raises(plan.BatchError, match="must not begin with a dot"):
        plan.jobs([plan.Entry(str(sly))], tmp_path / "runs", chapters)


def test_expected_time_comes_from_equal_runs_first(chapters, tmp_path):
    job = plan.jobs([plan.Entry("toy", settings={"steps": ["5"]})], tmp_path, chapters)[0]
    row = {"chapter": "01_toy", "profile": "fast", "parameters": {"steps": 5}}
    other = [{**row, "parameters": {"steps": 9}, "seconds": 100.0}]
    assert plan.expected_seconds(job, []) is None
    assert plan.expected_seconds(job, other) == 100
    assert plan.expected_seconds(job, [*other, {**row, "seconds": 4.0}, {**row, "seconds": 6.0}]) == 5
    assert plan.makespan([4, 4, 4, 4, 8], 2) == 16


def test_history_takes_nothing_from_files_of_another_kind(tmp_path):
    status = {"state": "finished", "seconds": 3.0}
    (tmp_path / "status.json").write_text(json.dumps(status))
    rows = [1, {"seconds": 3.0}, {"chapter": "01_toy", "seconds": "3"}, {"chapter": "01_toy", "seconds": 4.0}]
    (tmp_path / "rows.json").write_text(json.dumps({"rows": rows}))
    (tmp_path / "list.json").write_text("[]")
    places = [tmp_path, tmp_path / "rows.json", tmp_path / "list.json"]
    assert plan.history(places) == [{"chapter": "01_toy", "seconds": 4.0}]


@pytest.mark.parametrize(
    ("name", "content"), [("batch.json", '{"mine": 1}'), ("results.csv", "name,age\n"), ("report.html", "<p>")]
)
def test_a_batch_does_not_overwrite_files_that_are_not_a_batchs(name, content, tmp_path):
    plan.check_out(tmp_path / "new", name)
    (tmp_path / name).write_text(content)
    with pytest.raises(plan.BatchError, match=f"{name} .* is left alone; move it, or choose another folder"):
        plan.check_out(tmp_path, name)
    assert (tmp_path / name).read_text() == content


def test_a_batch_knows_the_files_of_a_batch(tmp_path):
    plan.remember_command(tmp_path, "i2i-tutor batch toy")
    (tmp_path / "results.csv").write_text("chapter,arm,seed,state\n01_toy,fast,0,finished\n")
    plan.check_out(tmp_path, "batch.json", "results.csv", "report.html")
    assert plan.recalled_commands(tmp_path) == ["i2i-tutor batch toy"]
