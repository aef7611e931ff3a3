"""Claims are decided by their margin, over seeds, in one place that knows only the claims of today."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from i2i_tutor.measuring.claims import Claim, Decision, Verdict, claims, counts, decide, over_seeds

ROOT = Path(__file__).parents[2]


def claim(**changes):
    numbers = {
        "id": "c", "chapter": "01_toy", "text": "a beats b", "metric": "iou", "arm": "a", "baseline": "b",
        "direction": "higher", "margin": 0.1, "expected": True,
    }  # fmt: skip
    return Claim(**(numbers | changes))


def run(seed=0, arm="fast", metrics=None, **changes):
    return {"chapter": "01_toy", "arm": arm, "seed": seed, "profile": "fast", "metrics": metrics or {}} | changes


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
    decision = claim(direction=direction).decide({"a": {"iou": value}, "b": {"iou": 0.5}})
    assert (decision.baseline, decision.value, decision.held) == (0.5, value, held)
    assert decision.difference == pytest.approx(value - 0.5)


def test_what_was_not_measured_is_not_decided():
    assert claim().decide({"a": {"iou": 1.0}}) is None
    assert claim().decide({"a": {"other": 1.0}, "b": {"iou": 1.0}}) is None


@pytest.mark.parametrize("direction", ["higher", "lower", "close"])
@pytest.mark.parametrize("number", [None, math.nan, math.inf, -math.inf])
def test_a_claim_on_what_is_no_number_does_not_hold(direction, number):
    decision = claim(direction=direction).decide({"a": {"iou": number}, "b": {"iou": 0.5}})
    assert decision == Decision(0.5, None, False)
    assert decision.difference is None
    assert claim(direction=direction).decide({"a": {"iou": 0.5}, "b": {"iou": number}}).held is False


def test_a_live_claim_is_decided_in_each_run_and_another_between_arms_of_one_seed():
    live = [run(seed, metrics={"a": {"iou": 0.7}, "b": {"iou": level}}) for seed, level in ((1, 0.65), (0, 0.5))]
    verdict = over_seeds(claim(live=True), live)
    assert [(seed, one.held) for seed, one in verdict.seeds] == [(0, True), (1, False)]
    swept = [
        run(seed, arm, {"method": {"iou": value + seed / 100}})
        for arm, value in (("a", 0.7), ("b", 0.5), ("other", 0.0))
        for seed in (1, 0)
    ]
    verdict = over_seeds(claim(), [*swept, run(2, "a", {"method": {"iou": 1.0}})])  # seed 2 has no baseline
    assert {seed: (one.baseline, one.value) for seed, one in verdict.seeds} == {0: (0.5, 0.7), 1: (0.51, 0.71)}
    assert over_seeds(claim(chapter="02_none"), swept).state == "not run yet"


def test_a_seed_that_was_run_twice_counts_twice():
    runs = [run(0, metrics={"a": {"iou": value}, "b": {"iou": 0.5}}) for value in (0.7, 0.5)]
    (verdict,) = decide(runs, [claim(live=True)])
    assert [one.held for _, one in verdict.seeds] == [True, False]
    swept = [run(0, arm, {"method": {"iou": value}}) for arm, value in (("a", 0.7), ("a", 0.5), ("b", 0.5))]
    assert [one.held for _, one in over_seeds(claim(), swept).seeds] == [True, False]


def test_each_setting_is_taken_apart_and_what_nobody_measured_is_left_out():
    book = [claim(id="live", live=True), claim(id="swept"), claim(id="absent", metric="x"), claim(chapter="02_other")]
    good, bad = ({"a": {"iou": value}, "b": {"iou": 0.5}, "method": {"iou": value}} for value in (0.7, 0.5))
    verdicts = decide([run(0, "a", good), run(1, "a", good), run(0, "b", bad)], book)
    assert [(one.claim.id, one.arm, one.state) for one in verdicts] == [
        ("live", "a", "held"),
        ("live", "b", "not held"),
        ("swept", None, "held"),
    ]


@pytest.mark.parametrize(
    ("held", "state"),
    [
        ((), "not run yet"),
        ((True, True), "held"),
        ((True, False, None), "not held"),
        ((True, None), "not judged"),
        ((None,), "not judged"),
    ],
)
def test_a_claim_holds_when_it_holds_for_every_seed(held, state):
    seeds = [(seed, Decision(0.0, 1.0, one)) for seed, one in enumerate(held)]
    for expected in (True, False):
        verdict = Verdict(claim(expected=expected), "fast", seeds)
        assert verdict.state == state
        assert verdict.failed is (expected and state == "not held")


def test_smoke_and_interrupted_runs_decide_nothing():
    metrics = {"a": {"iou": 0.7}, "b": {"iou": 0.5}}
    trained = {"a": {"interrupted": False}, "b": {"interrupted": True}}
    for left_out in ({"profile": "smoke"}, {"trainings": trained}):
        assert not counts(run(**left_out))
        (verdict,) = decide([run(metrics=metrics, **left_out)], [claim(live=True)])
        assert verdict.seeds[0][1] == Decision(0.5, 0.7, None)
    pair = [run(0, "a", {"method": {"iou": 0.7}}), run(0, "b", {"method": {"iou": 0.5}}, trainings=trained)]
    assert decide(pair, [claim()])[0].state == "not judged"
    assert counts(run(trainings=None))  # as rows of older files


def test_absurd_claims_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'sideways'"):
        claim(direction="sideways")
    for margin in (-1, math.nan):
        with pytest.raises(ValueError, match=f"margin is {margin}"):
            claim(margin=margin)
    entry = '[[claim]]\nid="x"\nchapter="01"\ntext="t"\nmetric="m"\narm="a"\nbaseline="b"\ndirection="higher"\n'
    path = tmp_path / "claims.toml"
    for text, sentence in (
        ((entry + "margin=0.1\nexpected=true\n") * 2, "share an id"),
        (entry + "expected=true\n", "'x'.*margin"),
        (entry + "margin='much'\nexpected=true\n", "'x'"),
        (entry + "margin=0.1\nexpected=true\nhope=1\n", "'x'.*hope"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=sentence):
            claims(path=path)


def test_a_rule_in_words():
    assert claim(margin=0.10).rule == "iou higher by 0.1"
    assert claim(direction="close").rule == "iou within 0.1"


def test_claims_and_results_load_no_torch():
    code = "import sys; from i2i_tutor.measuring import claims, results; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


# --- the book's claims ---------------------------------------------------------------------------------------------


def test_no_expected_claim_fails_on_the_committed_runs():
    rows = [
        row for path in (ROOT / "book/results").glob("*.json") for row in json.loads(path.read_text()).get("rows", [])
    ]
    verdicts = decide(row for row in rows if "chapter" in row)
    assert {one.claim.id for one in verdicts if one.arm == "fast"} == {one.id for one in claims() if one.live}
    assert len([one for one in verdicts if one.arm is None]) > 20
    assert [one.claim.id for one in verdicts if one.failed and one.arm in ("fast", None)] == []


def test_the_numbers_are_those_that_were_written_when_the_runs_were_made():
    """Files of the old form hold a copy of each claim; its numbers are those that we take from the metrics."""
    rows = json.loads((ROOT / "book/results/claims.json").read_text())["rows"]
    written = {(row["seed"], one["id"]): one for row in rows for one in row.get("claims", [])}
    for verdict in decide(rows):
        for seed, decision in verdict.seeds:
            old = written.get((seed, verdict.claim.id))
            if old:  # a file of today's form holds none
                assert (decision.value, decision.baseline) == (old["value"], old["baseline_value"])


@pytest.mark.parametrize(
    ("chapter", "sweep", "measured"),
    [
        (
            "01_pix2pix",
            "pix2pix",
            {"class_iou", "frechet", "sharpness", "mae", "variation", "colours_a", "colours_b"},
        ),
        (
            "02_cyclegan",
            "cyclegan",
            {
                "to_b_shape",
                "to_b_coat",
                "to_b_ground",
                "to_b_diversity",
                "to_b_counterfactual",
                "to_a_counterfactual",
                "to_b_windows",
                "to_b_class_iou",
                "way_back_a",
                "way_back_b",
                "stripes_returned",
            },
        ),
        ("03_opgan", "opgan", {"gap", "miou", "car_iou", "sky_iou", "tree_iou", "error", "spread"}),
        (
            "04_matchgan",
            "matchgan",
            {"reading", "asked", "inside", "outside", "distance", "read", "match", "neighbours", "gan_train"},
        ),
        (
            "05_pixelda",
            "pixelda",
            {"target", "dark", "light", "source", "source_by_target", "fresh", "fresh_unseen", "hue"},
        ),
        (
            "06_aggan",
            "aggan",
            {"to_b_ground", "to_a_ground", "to_b_coat", "to_a_coat", "to_b_iou", "to_a_iou", "to_b_map"},
        ),
        (
            "07_tunit",
            "tunit",
            {"accuracy", "purity", "nmi_coat", "nmi_hour", "nmi_ground", "coat", "iou", "ground", "kid"},
        ),
    ],
)
def test_the_claims_name_arms_of_the_sweep_and_measured_things(chapter, sweep, measured):
    every = claims(chapter)
    assert len(every) >= 10
    arms = {entry["name"] for entry in yaml.safe_load((ROOT / f"book/sweeps/{sweep}.yml").read_text())}
    assert {arm for claim in every if not claim.live for arm in (claim.arm, claim.baseline)} <= arms
    assert {claim.metric for claim in every} <= measured
