"""The one place that decides the book's claims, always by ``book/claims.toml``. Loads no torch, for the command line.

A results file says what was measured. What that decides is worked out here each time, so no file holds a copy of a
claim that could go stale.
"""

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from i2i_tutor.files import book_file

Metrics = Mapping[str, Mapping[str, float | None]]  # arm -> metric -> value; None: no finite number came out
State = Literal["held", "not held", "not judged", "not run yet"]
Run = Mapping[str, Any]  # a results file, or a row of a collected one: chapter, arm, seed, profile, metrics, ...


@dataclass(frozen=True)
class Decision:
    """What one seed says to a claim: the two numbers, and whether it held (None: not judged)."""

    baseline: float | None
    value: float | None
    held: bool | None

    @property
    def difference(self) -> float | None:
        """By how much the arm's number is larger than the baseline's; None if one of them is no number."""
        return None if self.baseline is None or self.value is None else self.value - self.baseline


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper, made measurable before it is measured.

    Attributes:
        id: short name, unique in the book.
        chapter: the chapter that makes it, for example "01_pix2pix".
        text: the claim as a sentence.
        metric: which number decides.
        arm, baseline: the two arms that are compared.
        direction: whether the arm's number should be "higher" or "lower" than the baseline's, or "close" to it.
        margin: by how much at least (for "close": at most), in the metric's unit.
        expected: whether we expect it to hold here.
        live: whether the chapter itself measures both arms at ``fast``; otherwise the sweep's results decide.
        paper: the paper's two numbers as a string for the table, for example ".11 → .17".
    """

    id: str
    chapter: str
    text: str
    metric: str
    arm: str
    baseline: str
    direction: Literal["higher", "lower", "close"]
    margin: float
    expected: bool
    live: bool = False
    paper: str = ""

    def __post_init__(self):
        if self.direction not in ("higher", "lower", "close"):
            raise ValueError(f"claim {self.id!r}: direction is {self.direction!r}; expected higher, lower or close")
        if not self.margin >= 0:  # also refuses NaN
            raise ValueError(f"claim {self.id!r}: the margin is {self.margin}; expected 0 or more")

    @property
    def rule(self) -> str:
        """When it holds, in words: "class_iou higher by 0.03"."""
        return f"{self.metric} {'within' if self.direction == 'close' else f'{self.direction} by'} {self.margin:g}"

    def decide(self, metrics: Metrics) -> Decision | None:
        """The claim on one set of numbers, or None if these do not hold both arms.

        A measured value that is no finite number does not let a claim hold: it shows nothing.
        """
        try:
            baseline, value = (_finite(metrics[arm][self.metric]) for arm in (self.baseline, self.arm))
        except KeyError:
            return None
        if baseline is None or value is None:
            return Decision(baseline, value, False)
        difference = value - baseline
        held = {
            "higher": difference >= self.margin,
            "lower": -difference >= self.margin,
            "close": abs(difference) <= self.margin,
        }[self.direction]
        return Decision(baseline, value, held)


@dataclass(frozen=True)
class Verdict:
    """A claim over seeds.

    Attributes:
        claim: as the book has it today.
        arm: the setting whose runs decided it, each by itself; None if runs of two arms were compared.
        seeds: what each seed says, in the order of the seeds; a seed that was run twice stands there twice.
    """

    claim: Claim
    arm: str | None
    seeds: Sequence[tuple[int, Decision]]

    @property
    def state(self) -> State:
        """A claim holds when it holds on every seed; it is "not judged" if no seed says no and one was not judged."""
        held = [decision.held for _, decision in self.seeds]
        if not held:
            return "not run yet"
        return "not held" if False in held else "not judged" if None in held else "held"

    @property
    def failed(self) -> bool:
        """Whether it was expected to hold and does not."""
        return self.claim.expected and self.state == "not held"


def claims(chapter: str | None = None, path: Path | None = None) -> list[Claim]:
    """The claims of the book, or of one chapter, in the order in which ``book/claims.toml`` lists them.

    Raises ValueError if the file holds an entry that is no claim, or two claims with the same id.
    """
    every = []
    for entry in tomllib.loads((path or book_file("claims.toml")).read_text(encoding="utf-8")).get("claim", []):
        try:
            every.append(Claim(**entry))
        except TypeError as error:  # a key that is missing, unknown, or no number
            raise ValueError(f"claim {entry.get('id')!r}: {error}") from error
    if len({claim.id for claim in every}) < len(every):
        raise ValueError("two claims share an id")
    return [claim for claim in every if chapter in (None, claim.chapter)]


def over_seeds(claim: Claim, runs: Iterable[Run], arm: str | None = None) -> Verdict:
    """A claim over runs of its chapter, by seed.

    A live claim is decided in each run by itself, so ``runs`` should be those of one setting, which ``arm`` names. Any
    other compares the methods of two arms that were run with the same seed.
    """
    own = sorted((run for run in runs if run["chapter"] == claim.chapter), key=lambda run: run["seed"])
    cases: list[tuple[tuple[Run, ...], Metrics]]
    if claim.live:
        cases = [((run,), run.get("metrics") or {}) for run in own]
    else:
        pairs = [
            (baseline, run)
            for baseline in own
            for run in own
            if (baseline["arm"], run["arm"]) == (claim.baseline, claim.arm) and baseline["seed"] == run["seed"]
        ]
        cases = [(pair, {run["arm"]: (run.get("metrics") or {}).get("method", {}) for run in pair}) for pair in pairs]
    seeds = []
    for used, metrics in cases:
        if decision := claim.decide(metrics):
            seeds.append((used[0]["seed"], decision if all(map(counts, used)) else replace(decision, held=None)))
    return Verdict(claim, arm, seeds)


def decide(runs: Iterable[Run], book: Sequence[Claim] | None = None) -> list[Verdict]:
    """Every claim that some runs can decide: first those of each chapter and setting, then those between settings.

    ``book`` holds the claims; None: those of ``book/claims.toml``.
    """
    book = claims() if book is None else book
    settings: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        settings.setdefault((run["chapter"], run["arm"]), []).append(run)
    live = [
        over_seeds(claim, some, arm)
        for (chapter, arm), some in settings.items()
        for claim in book
        if claim.live and claim.chapter == chapter
    ]
    every = [run for some in settings.values() for run in some]
    between = [over_seeds(claim, every) for claim in book if not claim.live]
    return [verdict for verdict in live + between if verdict.seeds]


def counts(run: Run) -> bool:
    """Whether a run may decide claims: not at ``smoke``, and not if one of its trainings was interrupted."""
    trainings = (run.get("trainings") or {}).values()
    return run.get("profile") != "smoke" and not any(training.get("interrupted") for training in trainings)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
