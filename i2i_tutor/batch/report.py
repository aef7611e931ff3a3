"""What came out of many runs: one table, a page with plots, a small summary to commit, and the claims."""

import csv
import io
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from i2i_tutor.batch.runs import RESULTS, STATUS, is_busy, read_json
from i2i_tutor.files import write_atomically, write_text
from i2i_tutor.measuring import results
from i2i_tutor.measuring.claims import Verdict, decide

FIRST_COLUMNS = ("chapter", "arm", "seed", "profile", "source", "state", "seconds", "peak_memory_mib", "device")
ROW_KEYS = (
    *("chapter", "arm", "seed", "profile", "source", "parameters", "metrics", "judge", "trainings"),
    *("seconds", "peak_memory_mib", "device", "versions", "git_commit"),
)
NOT_SETTINGS = ("out", "resume", "allow_slow")  # where and how, not what: they say nothing about a result
LARGEST_SUMMARY = 200_000  # bytes


class ReportError(RuntimeError):
    """There is nothing to report, or it cannot be reported so; the message says why in a sentence."""


# --- reading the runs ----------------------------------------------------------------------------------------------


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """The results of every finished run below a folder, by chapter, arm and seed.

    Every run is its ``results.json`` plus ``arm``, ``state``, ``folder`` and ``attempts`` from its status; ``seconds``
    is the whole time that the run took, kernel start and interrupted attempts included. A run without a status (a
    notebook executed by hand) counts as finished, and its arm is its folder's name.
    """
    if not folder.is_dir():
        raise ReportError(f"there is no folder {folder}")
    runs = [_run(path, folder) for path in folder.rglob(RESULTS)]
    return sorted((run for run in runs if run), key=lambda run: (run["chapter"], run["arm"], run["seed"]))


def unfinished(folder: Path) -> list[dict[str, Any]]:
    """The status of every run below a folder that is not finished; "running" with no process behind is interrupted."""
    found = []
    for path in sorted(folder.rglob(STATUS)):
        status = read_json(path)
        if status is None or status.get("state") == "finished":
            continue
        if status.get("state") == "running" and not is_busy(path.parent):
            status["state"] = "interrupted"
        found.append(status | {"folder": path.parent.relative_to(folder).as_posix()})
    return found


def _run(path: Path, folder: Path) -> dict[str, Any] | None:
    results, status = read_json(path), read_json(path.parent / STATUS)
    if results is None or (status is not None and status.get("state") != "finished"):
        return None
    status = status or {}
    settings = {**status.get("parameters", {}), **results.get("parameters", {})}
    for name in (*NOT_SETTINGS, "seed", "profile", "source"):
        settings.pop(name, None)
    return results | {
        "arm": status.get("arm", path.parent.name),
        "state": "finished",
        "folder": path.parent.relative_to(folder).as_posix(),
        "attempts": status.get("attempts", 1),
        "seconds": status.get("seconds", results.get("seconds")),
        "parameters": {name: value for name, value in settings.items() if value is not None},
    }


def gather(folder: Path | str) -> list[dict[str, Any]]:
    """Every run below a folder as a flat row, ready for a table.

    Nested values get dotted names: ``parameters.steps``, ``metrics.method.class_iou``, ``claims.l1_blurs.held``,
    ``claims.l1_blurs.difference``, ``versions.torch``. An unfinished run is a row without numbers.
    """
    folder = Path(folder)
    runs = [_flat(run) | _decided(run) for run in read_runs(folder)]
    return runs + [_flat(status) for status in unfinished(folder)]


def _decided(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a run by itself says to the book's claims."""
    row: dict[str, Any] = {}
    for verdict in decide([run]):
        ((_, decision),) = verdict.seeds
        name = f"claims.{verdict.claim.id}"
        row |= {f"{name}.held": decision.held, f"{name}.difference": decision.difference}
    return row


def _flat(run: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for key, value in run.items():
        if isinstance(value, Mapping):
            row |= {f"{key}.{name}": inner for name, inner in _flat(value).items()}
        elif key != "claims":  # what older files say of claims, which may have changed since
            row[key] = value
    return row


# --- results.csv, the page, the plots ------------------------------------------------------------------------------


def write_csv(folder: Path) -> Path:
    """Write ``results.csv``: a line per run, the same columns for all."""
    rows = gather(folder)
    names = {name for row in rows for name in row}
    columns = [name for name in FIRST_COLUMNS if name in names] + sorted(names - set(FIRST_COLUMNS))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "results.csv", text.getvalue())
    return folder / "results.csv"


def write_report(folder: Path) -> list[Path]:
    """Write results.csv, report.md and a plot per chapter; returns their paths."""
    runs, open_runs = read_runs(folder), unfinished(folder)
    if not runs and not open_runs:
        raise ReportError(f"{folder} holds no runs")
    plots = {chapter: _plot(folder, chapter, some) for chapter, some in _by(runs, "chapter").items()}
    page = folder / "report.md"
    write_text(page, _markdown(runs, open_runs, plots))
    return [write_csv(folder), page, *(path for path in plots.values() if path)]


def _by(runs: Iterable[dict[str, Any]], *keys: str) -> dict[Any, list[dict[str, Any]]]:
    groups: dict[Any, list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault(tuple(run[key] for key in keys) if len(keys) > 1 else run[keys[0]], []).append(run)
    return groups


def _values(runs: Sequence[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """Metric ("method.class_iou") → arm → its values in the order of seeds; only finite numbers."""
    table: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for name, value in _flat(run.get("metrics", {})).items():
            if isinstance(value, int | float) and math.isfinite(value):
                table.setdefault(name, {}).setdefault(run["arm"], []).append(float(value))
    return table


def _markdown(
    runs: Sequence[dict[str, Any]], open_runs: Sequence[dict[str, Any]], plots: Mapping[str, Path | None]
) -> str:
    total = sum(run["seconds"] or 0 for run in runs)
    lines = ["# Runs", "", f"{len(runs)} finished runs, {len(open_runs)} unfinished; {duration(total)} in all.", ""]
    for chapter, some in _by(runs, "chapter").items():
        lines += [f"## {chapter}", ""]
        seeds = sorted({run["seed"] for run in some})
        lines += [f"Values of the seeds {', '.join(map(str, seeds))} in this order, where an arm has them all.", ""]
        lines += ["| metric | arm | values | mean |", "|---|---|---|---|"]
        for metric, arms in _values(some).items():
            for arm, values in arms.items():
                shown = ", ".join(f"{value:.4g}" for value in values)
                lines.append(f"| {metric} | {arm} | {shown} | {statistics.fmean(values):.4g} |")
        lines.append("")
        plot = plots.get(chapter)
        if plot:
            lines += [f"![A dot per run for every metric and arm of {chapter}]({plot.name})", ""]
    if claims := decide(runs):
        lines += ["## Claims", "", "| chapter | arm | claim | seeds | held |", "|---|---|---|---|---|"]
        for one in claims:
            cells = (one.claim.chapter, arm_of(one), one.claim.text, each_seed(one), one.state)
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    if open_runs:
        lines += ["## Unfinished", "", "| run | state | why |", "|---|---|---|"]
        lines += [f"| {run['folder']} | {run['state']} | {run.get('sentence', '')} |" for run in open_runs]
        lines.append("")
    return "\n".join(lines)


def _plot(folder: Path, chapter: str, runs: Sequence[dict[str, Any]]) -> Path | None:
    """A panel per metric with a dot per run, arms side by side."""
    table = _values(runs)
    if not table:
        return None
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    columns = min(3, len(table))
    rows = math.ceil(len(table) / columns)
    arms = list(dict.fromkeys(run["arm"] for run in runs))
    figure = Figure(figsize=(4.5 * columns, (0.9 + 0.35 * len(arms)) * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, (metric, values) in zip(panels, table.items(), strict=False):
        for height, arm in enumerate(arms):
            panel.plot(values.get(arm, []), [height] * len(values.get(arm, [])), "o", color="#0072b2", alpha=0.7)
        panel.set_yticks(range(len(arms)), arms, fontsize=8)
        panel.set_ylim(len(arms) - 0.5, -0.5)
        panel.set_xlabel(metric, fontsize=8)
        panel.grid(axis="x", alpha=0.3)
    for panel in panels[len(table) :]:
        panel.set_visible(False)
    figure.suptitle(chapter, fontsize=10)
    path = folder / f"report-{chapter}.png"
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=120))
    return path


def duration(seconds: float) -> str:
    """``47 s``, ``12 min`` or ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


# --- the summary that is committed ---------------------------------------------------------------------------------


def summary(folder: Path, commands: Sequence[str]) -> dict[str, Any]:
    """The rows of every finished run below a folder, and the commands that made them.

    Numbers have six significant digits, keys and rows a fixed order, so that equal runs give an equal file. A row has
    the keys of ``ROW_KEYS``; what the runs decide is not written down (see ``measuring.claims``).
    """
    runs = read_runs(folder)
    if not runs:
        raise ReportError(f"{folder} holds no finished run")
    rows = [{key: results.rounded(run.get(key)) for key in ROW_KEYS} for run in runs]
    return {"commands": list(commands), "rows": rows}


def collect(folder: Path, to: Path, commands: Sequence[str], keep: bool = False) -> int:
    """Write the summary to a JSON file; returns its number of rows. Refuses more than 200 kB, and mixed judges.

    With ``keep`` the file's rows of other runs (another chapter, arm or seed) stay, so that a sweep can be made
    in parts.
    """
    content = summary(folder, commands)
    if keep and to.is_file():
        old = read_json(to)
        if old is None or not {"commands", "rows"} <= old.keys():
            raise ReportError(f"{to} holds no summary whose rows could be kept")
        content = _merged(old, content)
    _check_judges(content["rows"])
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    if len(text.encode()) > LARGEST_SUMMARY:
        raise ReportError(
            f"the summary of {len(content['rows'])} runs would have {len(text.encode()) / 1000:.0f} kB, more than "
            f"{LARGEST_SUMMARY / 1000:.0f}; collect fewer runs into one file"
        )
    write_text(to, text)
    return len(content["rows"])


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    def run(row: Mapping[str, Any]) -> tuple:
        return row["chapter"], row["arm"], row["seed"]

    rows = {run(row): row for row in [*old["rows"], *new["rows"]]}
    commands = dict.fromkeys([*old["commands"], *new["commands"]])
    return {"commands": list(commands), "rows": [rows[key] for key in sorted(rows)]}


def _check_judges(rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise if the pictures of one chapter and source were read by more than one judge: numbers that no table may mix.

    Rows that name no judge, as all did once, belong together.
    """
    judges: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        judges.setdefault((row["chapter"], row["source"]), set()).add(row.get("judge") or "no judge named")
    for (chapter, source), names in judges.items():
        if len(names) > 1:
            raise ReportError(
                f"the runs of {chapter} on {source} were read by several judges ({', '.join(sorted(names))}), so their "
                "numbers must not stand in one table; run again what the older ones read"
            )


# --- claims in words -----------------------------------------------------------------------------------------------


def arm_of(verdict: Verdict) -> str:
    """The setting that decided a claim, or the two whose runs were compared."""
    return verdict.arm or f"{verdict.claim.arm} beside {verdict.claim.baseline}"


def each_seed(verdict: Verdict) -> str:
    """What every seed said: "0: yes, 1: no, 2: –"."""
    word = {True: "yes", False: "no", None: "–"}
    return ", ".join(f"{seed}: {word[decision.held]}" for seed, decision in verdict.seeds)
