"""Results files: what a run writes, and the tables of what the book has committed of many. Loads no torch.

A run writes ``results.json``; ``book/results/*.json`` collects the runs of a sweep.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from i2i_tutor.files import book_file, write_text
from i2i_tutor.measuring.claims import Claim, State, Verdict, claims, over_seeds


def write(path: Path, results: Mapping[str, Any]) -> None:
    """Write a results file atomically: sorted keys, rounded numbers, null for what is no finite number."""
    write_text(path, json.dumps(rounded(results), indent=1, sort_keys=True, allow_nan=False) + "\n")


def rounded(value: Any) -> Any:
    """Plain values as they stand in results files: six significant digits; NaN and infinity become None."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return value


def sweep(name: str) -> list[dict[str, Any]]:
    """The rows of ``book/results/<name>.json``, one per arm and seed; none if no sweep has been committed."""
    try:
        return json.loads(book_file(f"results/{name}.json").read_text(encoding="utf-8"))["rows"]
    except FileNotFoundError:
        return []


def by_arm(rows: Iterable[Mapping[str, Any]], metric: str) -> dict[str, list[float]]:
    """Values of a metric of the method (not of its baseline) for every arm of a sweep, in the order of seeds."""
    values: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        found = row["metrics"].get("method", {})
        if metric in found:
            values.setdefault(row["arm"], []).append(math.nan if found[metric] is None else found[metric])
    return values


def table(
    rows: Iterable[Mapping[str, Any]],
    arms: Sequence[str] | Mapping[str, str],
    measures: Mapping[str, str],
    paper: Mapping[str, Sequence[object]] | None = None,
    titles: Sequence[str] = (),
) -> tuple[list[str], list[list[Any]]]:
    """Header and lines of a table: for each arm of a sweep every seed's value of some measures, never only their mean.

    Args:
        arms: the arms in their order; with the names for readers if it is a mapping arm → name.
        measures: metric → title of its column. None stands in the place of what has not been run.
        paper: arm → the paper's own numbers, which stand behind ours; ``titles`` are those of their columns. An arm
            that the paper does not have gets dashes.

    Raises:
        ValueError: the paper's numbers of an arm are not as many as the titles, or are those of an arm not shown.
    """
    rows, paper = list(rows), paper or {}
    for arm, numbers in paper.items():
        if arm not in arms or len(numbers) != len(titles):
            raise ValueError(f"the paper's numbers {numbers} of {arm!r}; expected an arm shown, and {list(titles)}")
    names = _names(arms)
    found = [by_arm(rows, metric) for metric in measures]
    lines = []
    for arm, name in names.items():
        each = [
            " / ".join(f"{round(value, 3) + 0.0:.3f}" for value in values.get(arm, [])) or None  # no "-0.000"
            for values in found
        ]
        lines.append([name, *each, *paper.get(arm, [None] * len(titles))])
    header = "" if isinstance(arms, Mapping) else "arm"
    return [header, *measures.values(), *titles], lines


def panels(
    rows: Iterable[Mapping[str, Any]], arms: Sequence[str] | Mapping[str, str], measures: Mapping[str, str]
) -> dict[str, dict[str, list[float]]]:
    """The numbers of ``table`` for ``plots.dots``: title of a measure → name of an arm → every seed's value.

    An arm without a value of a measure keeps its place, with no number.
    """
    rows = list(rows)
    found = {title: by_arm(rows, metric) for metric, title in measures.items()}
    return {title: {name: values.get(arm, []) for arm, name in _names(arms).items()} for title, values in found.items()}


def _names(arms: Sequence[str] | Mapping[str, str]) -> Mapping[str, str]:
    return arms if isinstance(arms, Mapping) else dict(zip(arms, arms, strict=True))


def verdict(claim: Claim) -> Verdict:
    """A claim over the committed runs.

    Live claims are decided by the chapter's own runs (``results/claims.json``), the others by the chapter's sweep.
    """
    return over_seeds(claim, sweep("claims" if claim.live else claim.chapter.split("_", 1)[1]))


def claims_table(chapter: str) -> tuple[list[str], list[list[str]]]:
    """Header and lines of a table: a chapter's claims, verdict first, the paper's numbers beside ours of each seed."""
    lines = []
    for claim in claims(chapter):
        found = verdict(claim)
        decisions = [decision for _, decision in found.seeds]
        numbers = ", ".join(_unbroken(f"{_short(one.baseline)} → {_short(one.value)}") for one in decisions)
        count = f": reached on {sum(bool(one.held) for one in decisions)} of {len(decisions)}" if decisions else ""
        text = f"{claim.text} *(the chapter's own run)*" if claim.live else claim.text
        remark = "" if claim.expected else " (no longer expected)"
        lines.append(
            [f"{_MARKS[found.state]}**{found.state}**{count}", text, claim.paper, numbers, claim.rule + remark]
        )
    return ["verdict", "claim", "paper", "ours, each seed: baseline → method", "reached if"], lines


def claims_totals(chapters: Mapping[str, str]) -> tuple[list[str], list[list[object]]]:
    """Header and lines of a table: how many claims of some chapters (name → title) hold on every seed, and the sum."""
    states = {name: [verdict(claim).state for claim in claims(name)] for name in chapters}
    lines = [
        [title, *(states[name].count(state) for state in _STATES), len(states[name])]
        for name, title in chapters.items()
    ]
    sums = [sum(each.count(state) for each in states.values()) for state in _STATES]
    sums.append(sum(map(len, states.values())))
    return ["chapter", *_STATES, "claims"], [*lines, ["**all**", *sums]]


_STATES: tuple[State, ...] = ("held", "not held", "not judged", "not run yet")
_MARKS = {"held": "✓ ", "not held": "✗ ", "not judged": "", "not run yet": ""}  # seen at a glance, beside the words


def contradictions() -> list[str]:
    """One sentence for every claim whose text the committed numbers deny, or confirm although the book says they don't.

    What is expected must hold on every seed that was run; what is no longer expected must not hold on all three.
    """
    found = []
    for claim in claims():
        result = verdict(claim)
        numbers = ", ".join(f"{_short(one.baseline)} → {_short(one.value)}" for _, one in result.seeds)
        if result.failed:
            found.append(f"claim {claim.id} says {claim.text!r}, and {claim.metric} says no: {numbers}")
        if not claim.expected and result.state == "held" and len(result.seeds) >= 3:
            found.append(f"claim {claim.id} is no longer expected, and holds on every seed: {numbers}")
    return found


def _short(number: float | None) -> str:
    return "no number" if number is None else f"{number:.3g}"


def _unbroken(text: str) -> str:
    """Text that a narrow table does not break into lines."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")
