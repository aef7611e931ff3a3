"""Claims are decided by their margin; results files carry where they come from; the book's claims came first."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from i2i_tutor import chapter
from i2i_tutor.measuring import results
from i2i_tutor.methods.pix2pix import RECIPES
from i2i_tutor.training import History

ROOT = Path(__file__).parents[2]


def claim(**changes):
    numbers = {
        "id": "c", "chapter": "01", "text": "a beats b", "metric": "iou", "arm": "a", "baseline": "b",
        "direction": "higher", "margin": 0.1, "expected": True,
    }  # fmt: skip
    return results.Claim(**(numbers | changes))


@pytest.mark.parametrize(
    ("direction", "value", "held"),
    [
        ("higher", 0.61, True),
        ("higher", 0.59, False),
        ("lower", 0.39, True),
        ("lower", 0.41, False),
        ("close", 0.59, True),
        ("close", 0.41, True),
        ("close", 0.61, False),
    ],
)
def test_a_claim_is_decided_by_direction_and_margin(direction, value, held):
    row = claim(direction=direction).judge({"a": {"iou": value}, "b": {"iou": 0.5}})
    assert row["held"] is held
    assert row["difference"] == pytest.approx(value - 0.5)


def test_what_was_not_measured_is_not_judged():
    assert claim().judge({"a": {"iou": 1.0}}) is None
    assert claim().judge({"a": {"other": 1.0}, "b": {"iou": 1.0}}) is None


def test_absurd_claims_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'sideways'"):
        claim(direction="sideways")
    with pytest.raises(ValueError, match="margin is -1"):
        claim(margin=-1)
    entry = '[[claim]]\nid="x"\nchapter="01"\ntext="t"\nmetric="m"\narm="a"\nbaseline="b"\ndirection="higher"\n'
    path = tmp_path / "claims.toml"
    path.write_text((entry + "margin=0.1\nexpected=true\n") * 2)
    with pytest.raises(ValueError, match="share an id"):
        results.claims(path=path)


def test_the_book_s_claims_are_readable_and_name_measured_things():
    every = results.claims("01_pix2pix")
    assert len(every) >= 10
    assert {c.arm for c in every if c.live} == {"method"}
    measured = {"class_iou", "frechet", "sharpness", "mae", "variation"}
    assert {c.metric for c in every} <= measured


def test_the_claims_of_chapter_5_name_arms_of_its_sweep_and_measured_things():
    every = results.claims("05_pixelda")
    arms = {entry["name"] for entry in yaml.safe_load((ROOT / "book/sweeps/pixelda.yml").read_text())}
    assert {arm for claim in every if not claim.live for arm in (claim.arm, claim.baseline)} <= arms
    assert {claim.metric for claim in every} <= {"target", "dark", "light", "source", "svm", "svm_unseen", "hue"}


def test_claims_were_committed_before_the_results_that_judge_them():
    def first_commit(path):
        log = subprocess.run(
            ["git", "log", "--diff-filter=A", "--format=%H", "--", path], cwd=ROOT, capture_output=True, text=True
        )
        return log.stdout.split()[-1:] if log.returncode == 0 else []

    claims = first_commit("book/claims.toml")
    if not claims:
        pytest.skip("no git history here")
    for path in sorted((ROOT / "book/results").glob("*.json")):
        for row in json.loads(path.read_text()).get("rows", []):
            commit = (row.get("git_commit") or "").split("-")[0]
            if not commit:
                continue
            known = subprocess.run(["git", "cat-file", "-e", commit], cwd=ROOT, capture_output=True)
            if known.returncode:
                continue  # a shallow clone
            older = subprocess.run(["git", "merge-base", "--is-ancestor", claims[0], commit], cwd=ROOT)
            assert older.returncode == 0, f"{path.name}: {row} ran on {commit}, before the claims were written"


def test_results_files_are_rounded_sorted_and_whole(tmp_path):
    path = tmp_path / "results.json"
    results.write(path, {"b": 1 / 3, "a": [2 / 3, {"c": 12345678.9}]})
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    assert json.loads(path.read_text()) == {"a": [0.666667, {"c": 12345700.0}], "b": 0.333333}
    with pytest.raises(ValueError, match="JSON compliant"):
        results.write(path, {"a": math.nan})
    assert json.loads(path.read_text())["b"] == 0.333333


def test_provenance_says_where_numbers_come_from():
    about = results.provenance(torch.device("cpu"))
    assert (
        about["versions"]["torch"] == torch.__version__.split("+")[0] or about["versions"]["torch"] == torch.__version__
    )
    assert about["peak_memory_mib"] > 50
    assert "CPU" in about["device"]


def test_the_peak_memory_is_this_process_s_own_and_not_its_parent_s():
    code = (
        "import subprocess, sys; held = bytearray(b'x' * 1_500_000_000);"
        "subprocess.run([sys.executable, '-c', 'from i2i_tutor.measuring import results; import torch;"
        'print(results.provenance(torch.device("cpu"))["peak_memory_mib"])\'], check=True)'
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert 50 < float(said) < 1400


def test_by_arm_orders_by_seed():
    rows = [
        {"arm": "x", "seed": seed, "metrics": {"method": {"iou": float(seed)}, "other": {"iou": 9.0}}}
        for seed in (2, 0, 1)
    ]
    assert results.by_arm(rows, "iou") == {"x": [0.0, 1.0, 2.0]}
    assert results.by_arm(rows, "none") == {}


def test_a_verdict_gathers_both_arms_of_every_seed(monkeypatch):
    rows = [
        {"chapter": "01_toy", "arm": arm, "seed": seed, "metrics": {"method": {"iou": value + seed / 100}}}
        for arm, value in (("a", 0.7), ("b", 0.5), ("other", 0.0))
        for seed in (1, 0)
    ]
    live = [{"chapter": "01_toy", "arm": "x", "seed": 0, "metrics": {"a": {"iou": 0.5}, "b": {"iou": 0.45}}}]
    monkeypatch.setattr(results, "sweep", lambda name: {"toy": rows, "claims": live}.get(name, []))
    found = results.verdict(claim(chapter="01_toy"))
    assert found == {"baseline": [0.5, 0.51], "value": [0.7, 0.71], "held": [True, True]}
    assert results.verdict(claim(chapter="01_toy", live=True))["held"] == [False]
    assert results.verdict(claim(chapter="02_none"))["held"] == []
    both = [claim(chapter="01_toy"), claim(chapter="02_none", expected=False)]
    monkeypatch.setattr(results, "claims", lambda chapter: both)
    header, lines = results.verdicts("01_toy")
    assert [len(header), *map(len, lines)] == [5, 5, 5]
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in lines[0][-2:]] == ["0.5 → 0.7, 0.51 → 0.71", "2 of 2"]
    assert lines[1][-2:] == ["", "not run yet (no longer expected)"]


# --- chapter ----------------------------------------------------------------------------------------------------

GIVEN = {
    "profile": "smoke", "seed": 0, "source": "procedural", "steps": None, "device": "cpu", "resume": False,
    "allow_slow": False,
}  # fmt: skip


def open_run(folder, **changes):
    return chapter.open_run(
        "01_pix2pix", RECIPES, ("procedural", "cmp"), out=str(folder), slow="days", **(GIVEN | changes)
    )


def test_a_run_knows_its_recipe_and_writes_its_results(tmp_path):
    run = open_run(tmp_path, steps=3, lambda_pixel=5.0, patch_layers=None, own={"task": "t"})
    assert run.recipe.steps == 3
    assert run.recipe.lambda_pixel == 5.0
    assert run.recipe.patch_layers == RECIPES["smoke"].patch_layers
    run.record("method", {"class_iou": 0.5})
    run.record("baseline", {"class_iou": 0.2})
    written = json.loads(run.close().read_text())
    assert written["metrics"]["method"] == {"class_iou": 0.5}
    assert written["parameters"] == {"steps": 3, "lambda_pixel": 5.0, "resume": False, "task": "t"}
    assert [(row["id"], row["held"]) for row in written["claims"]] == [("pix2pix-fcn", None)]  # smoke judges nothing
    run.profile = "fast"
    assert run.judged()[0]["held"] is True
    run.trained("method", History(steps=2, interrupted=True))
    assert run.judged()[0]["held"] is None  # what was interrupted is not judged


def test_the_profile_defaults_to_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("I2I_PROFILE", "smoke")
    assert open_run(tmp_path, profile=None).profile == "smoke"
    monkeypatch.delenv("I2I_PROFILE")
    assert open_run(tmp_path, profile=None).profile == "fast"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"profile": "quick"}, "profile is 'quick'; expected one of smoke, fast, paper"),
        ({"source": "imagenet"}, "source is 'imagenet'"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": True}, "seed is True"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": "ten"}, "steps is 'ten'"),
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"resume": "yes"}, "resume is 'yes'"),
        ({"lambda_pixel": -1.0}, "lambda_pixel is -1"),
        ({"lambda_pixel": math.nan}, "lambda_pixel is nan"),
        ({"lambda_pixel": "much"}, "lambda_pixel is 'much'"),
        ({"colour": 3}, "colour is no number of a Pix2PixRecipe"),
        ({"skips": 1}, "skips is 1"),
        ({"profile": "paper"}, "profile 'paper' on a CPU: days.* allow_slow=True"),
    ],
)
def test_wrong_parameters_get_one_sentence_and_leave_nothing(tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        open_run(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_one_step_of_the_paper_may_be_asked_for(tmp_path):
    assert open_run(tmp_path, profile="paper", allow_slow=True, steps=1).recipe.size == 256
