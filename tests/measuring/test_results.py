"""Results files are rounded and whole, and the tables of what is committed show every seed."""

import json
import math

import numpy as np
import pytest

from i2i_tutor.measuring import results
from i2i_tutor.measuring.claims import Claim


def test_results_files_are_rounded_sorted_and_whole(tmp_path):
    path = tmp_path / "results.json"
    results.write(path, {"b": 1 / 3, "a": [2 / 3, {"c": 12345678.9}], "n": np.float64(1 / 3), "i": 1234567, "t": True})
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    content = {"a": [0.666667, {"c": 12345700.0}], "b": 0.333333, "n": 0.333333, "i": 1234567, "t": True}
    assert json.loads(path.read_text()) == content
    with pytest.raises(TypeError):
        results.write(path, {"a": object()})
    assert json.loads(path.read_text()) == content


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_what_is_no_number_becomes_null(number, tmp_path):
    results.write(tmp_path / "x.json", {"a": number, "b": [{"c": number}, 1.0]})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": [{"c": None}, 1.0]}


def test_by_arm_orders_by_seed():
    rows = [
        {"arm": "x", "seed": seed, "metrics": {"method": {"iou": value}, "other": {"iou": 9.0}}}
        for seed, value in ((2, 2.0), (0, 0.0), (1, None))
    ]
    first, second, third = results.by_arm(rows, "iou")["x"]
    assert (first, third) == (0.0, 2.0)
    assert math.isnan(second)  # null in the file: it was measured, and no number came out
    assert results.by_arm(rows, "none") == {}


def test_a_table_shows_every_seed_of_every_arm():
    rows = [
        {"arm": arm, "seed": seed, "metrics": {"method": {"iou": value + seed / 10, arm: 1.0}}}
        for arm, value in (("a", 0.1234), ("b", 0.5))
        for seed in (1, 0)
    ]
    header, lines = results.table(iter(rows), ["b", "a", "absent"], {"iou": "class IoU", "a": "only a"})
    assert header == ["arm", "class IoU", "only a"]
    assert lines == [["b", "0.500 / 0.600", None], ["a", "0.123 / 0.223", "1.000 / 1.000"], ["absent", None, None]]
    header, named = results.table(rows, {"b": "the best", "absent": "not run"}, {"iou": "class IoU"})
    assert (header, named) == (["", "class IoU"], [["the best", "0.500 / 0.600"], ["not run", None]])
    assert results.panels(iter(rows), {"b": "the best", "absent": "not run"}, {"iou": "class IoU"}) == {
        "class IoU": {"the best": [0.5, 0.6], "not run": []}
    }


def test_a_table_names_its_arms_and_puts_the_paper_s_numbers_behind_ours():
    rows = [{"arm": arm, "seed": 0, "metrics": {"method": {"iou": 0.25}}} for arm in ("l1", "l2")]
    names = {"l2": "L2", "l1": "L1 alone"}
    header, lines = results.table(rows, names, {"iou": "class IoU"}, {"l1": (".42", ".11")}, ("paper: pixel", "IoU"))
    assert header == ["", "class IoU", "paper: pixel", "IoU"]
    assert lines == [["L2", "0.250", None, None], ["L1 alone", "0.250", ".42", ".11"]]
    for paper in ({"l1": (".42",)}, {"other": (".42", ".11")}):
        with pytest.raises(ValueError, match="the paper's numbers"):
            results.table(rows, names, {"iou": "class IoU"}, paper, ("paper: pixel", "IoU"))


def test_the_table_of_claims_has_every_seed_and_what_it_decides(monkeypatch):
    numbers = {
        "chapter": "01_toy", "text": "a beats b", "metric": "iou", "arm": "a", "baseline": "b",
        "direction": "higher", "margin": 0.1, "expected": True,
    }  # fmt: skip
    book = [
        Claim(id="swept", **numbers),
        Claim(id="live", **numbers | {"live": True, "expected": False}),
        Claim(id="absent", **numbers | {"metric": "x", "expected": False}),
    ]
    rows = [
        {"chapter": "01_toy", "arm": arm, "seed": seed, "metrics": {"method": {"iou": value}}}
        for arm, values in (("a", (0.7, None)), ("b", (0.5, 0.5)), ("other", (0.0, 0.0)))
        for seed, value in enumerate(values)
    ]
    live = [{"chapter": "01_toy", "arm": "x", "seed": 0, "metrics": {"a": {"iou": 0.5}, "b": {"iou": 0.45}}}]
    monkeypatch.setattr(results, "sweep", lambda name: {"toy": rows, "claims": live}[name])
    monkeypatch.setattr(results, "claims", lambda chapter: book)
    header, lines = results.claims_table("01_toy")
    assert {len(header), *map(len, lines)} == {5}
    assert [line[4] for line in lines] == [
        "iou higher by 0.1",
        "iou higher by 0.1 (no longer expected)",
        "x higher by 0.1 (no longer expected)",
    ]
    assert [(line[0], line[3].replace("\N{NO-BREAK SPACE}", " ")) for line in lines] == [
        ("✗ **not held**: reached on 1 of 2", "0.5 → 0.7, 0.5 → no number"),
        ("✗ **not held**: reached on 0 of 1", "0.45 → 0.5"),
        ("**not run yet**", ""),
    ]
    assert [line[1] for line in lines] == ["a beats b", "a beats b *(the chapter's own run)*", "a beats b"]
    monkeypatch.setattr(results, "claims", lambda chapter=None: book)
    header, (toy, total) = results.claims_totals({"01_toy": "1. toy"})
    assert header == ["chapter", "held", "not held", "not judged", "not run yet", "claims"]
    assert (toy, total) == (["1. toy", 0, 2, 0, 1, 3], ["**all**", 0, 2, 0, 1, 3])
    # what the book still says, and its numbers deny, stops the building of the site
    (said,) = results.contradictions()
    assert "claim swept says 'a beats b', and iou says no: 0.5 → 0.7, 0.5 → no number" in said


def test_a_claim_that_is_no_longer_expected_and_holds_everywhere_is_a_contradiction_too(monkeypatch):
    claim = Claim("x", "01_toy", "a beats b", "iou", "a", "b", "higher", 0.1, expected=False)
    rows = [
        {"chapter": "01_toy", "arm": arm, "seed": seed, "metrics": {"method": {"iou": value}}}
        for arm, value in (("a", 0.7), ("b", 0.5))
        for seed in range(3)
    ]
    monkeypatch.setattr(results, "claims", lambda chapter=None: [claim])
    monkeypatch.setattr(results, "sweep", lambda name: rows)
    assert "no longer expected, and holds on every seed" in results.contradictions()[0]
    monkeypatch.setattr(results, "sweep", lambda name: rows[:2])  # one seed is too few to say so
    assert results.contradictions() == []


def test_a_sweep_that_nobody_has_made_has_no_rows():
    assert results.sweep("nothing_of_this_name") == []
    assert results.sweep("claims")
