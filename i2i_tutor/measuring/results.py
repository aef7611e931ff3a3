"""Results files with provenance, and the claims that they decide.

A run writes ``results.json``; ``book/results/*.json`` collects the runs of a sweep; ``book/claims.toml`` says, before
any of them was run, what is expected.
"""

import json
import os
import platform
import subprocess
import sys
import sysconfig
import tomllib
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from i2i_tutor.files import write_text

Metrics = dict[str, dict[str, float]]  # arm -> metric -> value, for example {"l1": {"class_iou": 0.21}}


def book_file(name: str) -> Path:
    """Path of a file of the book (``claims.toml``, ``results/pix2pix.json``), in a checkout or an installed package."""
    places = [Path(__file__).parents[2] / "book", Path(sysconfig.get_path("data")) / "share/i2i-tutor/book"]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(f"the book's {name} is neither in a checkout nor in this installation")


# --- claims ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """One sentence of a paper, made measurable before it is measured.

    Attributes:
        id: short name, unique in the book.
        chapter: the chapter that makes it, for example "01_pix2pix".
        text: the claim as a sentence.
        metric: which number decides.
        arm, baseline: the two arms that are compared.
        direction: whether the arm's number shall be "higher" or "lower" than the baseline's, or "close" to it.
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
        if self.margin < 0:
            raise ValueError(f"claim {self.id!r}: the margin is {self.margin}; expected 0 or more")

    def judge(self, metrics: Metrics) -> dict[str, Any] | None:
        """The claim's row for a results file, or None where these metrics do not hold both arms."""
        value = metrics.get(self.arm, {}).get(self.metric)
        baseline = metrics.get(self.baseline, {}).get(self.metric)
        if value is None or baseline is None:
            return None
        difference = value - baseline
        held = {
            "higher": difference >= self.margin,
            "lower": -difference >= self.margin,
            "close": abs(difference) <= self.margin,
        }[self.direction]
        return asdict(self) | {"value": value, "baseline_value": baseline, "difference": difference, "held": held}


def claims(chapter: str | None = None, path: Path | None = None) -> list[Claim]:
    """The claims of the book, or of one chapter, in the order in which ``book/claims.toml`` lists them."""
    table = tomllib.loads((path or book_file("claims.toml")).read_text(encoding="utf-8"))
    every = [Claim(**entry) for entry in table.get("claim", [])]
    if len({claim.id for claim in every}) < len(every):
        raise ValueError("two claims share an id")
    return [claim for claim in every if chapter in (None, claim.chapter)]


# --- results files ---------------------------------------------------------------------------------------------------


def provenance(device: torch.device) -> dict[str, Any]:
    """Versions, device and git commit of this process, and its peak memory so far in MiB."""
    return {
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "torchmetrics", "numpy", "i2i-tutor")},
        },
        "device": _device_name(device),
        "git_commit": _git_commit(),
        "peak_memory_mib": round(_peak_memory(device) / 2**20),
    }


def write(path: Path, results: dict[str, Any]) -> None:
    """Write a results file atomically: sorted keys, numbers rounded to six significant digits."""
    write_text(path, json.dumps(_rounded(results), indent=1, sort_keys=True, allow_nan=False) + "\n")


def sweep(name: str) -> list[dict[str, Any]]:
    """The rows of ``book/results/<name>.json``, one per arm and seed; none where no sweep has been committed."""
    try:
        return json.loads(book_file(f"results/{name}.json").read_text(encoding="utf-8"))["rows"]
    except FileNotFoundError:
        return []


def verdict(claim: Claim) -> dict[str, list]:
    """A claim over the committed runs: for every seed ``baseline`` and ``value``, and whether it ``held``.

    Live claims are decided by the chapter's own runs (``results/claims.json``), the others by the chapter's sweep. The
    lists are empty where nothing has been run.
    """
    seeds: dict[int, Metrics] = {}
    for row in sweep("claims" if claim.live else claim.chapter.split("_", 1)[1]):
        if row["chapter"] == claim.chapter:
            arms = row["metrics"] if claim.live else {row["arm"]: row["metrics"].get("method", {})}
            seeds.setdefault(row["seed"], {}).update(arms)
    judged = [decided for _, metrics in sorted(seeds.items()) if (decided := claim.judge(metrics))]
    columns = {"baseline": "baseline_value", "value": "value", "held": "held"}
    return {name: [row[key] for row in judged] for name, key in columns.items()}


def verdicts(chapter: str) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of a table: a chapter's claims with their numbers (baseline → arm) for each committed seed."""
    rows: list[list[Any]] = []
    for claim in claims(chapter):
        found = verdict(claim)
        pairs = zip(found["baseline"], found["value"], strict=True)
        numbers = ", ".join(_unbroken(f"{baseline:.3g} → {value:.3g}") for baseline, value in pairs)
        held = _unbroken(f"{sum(found['held'])} of {len(found['held'])}") if found["held"] else "not run yet"
        rule = f"{claim.metric} {'within' if claim.direction == 'close' else f'{claim.direction} by'} {claim.margin:g}"
        held += "" if claim.expected else " (no longer expected)"
        rows.append([claim.text, claim.paper, rule, numbers, held])
    return ["claim", "paper", "holds when", "baseline → arm, each seed", "held on"], rows


def _unbroken(text: str) -> str:
    """Text that a narrow table does not break into lines."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def by_arm(rows: list[dict[str, Any]], metric: str) -> dict[str, list[float]]:
    """Values of a metric of the method (not of its baseline) for every arm of a sweep, in the order of seeds."""
    values: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        if metric in row["metrics"].get("method", {}):
            values.setdefault(row["arm"], []).append(row["metrics"]["method"][metric])
    return values


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads of {os.cpu_count()} cores"


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0.0  # the standard library has no way to ask
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would count what the parent held when it started this process
        peaks = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if peaks:
            return int(peaks[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, KiB on Linux


def _git_commit() -> str | None:
    root = Path(__file__).parents[2]
    if not (root / "pyproject.toml").is_file():
        return None  # an installed package has no commit; its version says what it is
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
