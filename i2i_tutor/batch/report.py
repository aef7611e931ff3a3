"""What came out of many runs: one table, a page with pictures, and a small summary to commit."""

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from i2i_tutor.batch import page
from i2i_tutor.batch.runs import RESULTS, STATES, STATUS, is_busy, read_json
from i2i_tutor.files import write_text
from i2i_tutor.measuring import results
from i2i_tutor.measuring.claims import decide

FIRST_COLUMNS = ("chapter", "arm", "seed", "profile", "source", "state", "seconds", "peak_memory_mib", "device")
ROW_KEYS = (
    *("chapter", "arm", "seed", "profile", "source", "parameters", "metrics", "judge", "trainings"),
    *("seconds", "peak_memory_mib", "device", "versions", "git_commit"),
)
NOT_SETTINGS = ("out", "resume", "allow_slow")  # where and how, not what: they say nothing about a result
LARGEST_SUMMARY = 250_000  # bytes


# What must be there, and what may be, in the two files of a run
Form = tuple[dict[str, type], dict[str, type]]
STATUS_FORM: Form = ({"state": str}, {"chapter": str, "arm": str, "seed": int, "parameters": dict, "attempts": int})
RESULTS_FORM: Form = (
    {"chapter": str, "seed": int, "metrics": dict},
    {"profile": str, "source": str, "parameters": dict, "trainings": dict, "judge": str, "versions": dict},
)
FREE_FORM = {"seconds": float, "peak_memory_mib": float, "device": str, "git_commit": str, "sentence": str}
_WORDS = {str: "a text", int: "a whole number", float: "a number", dict: "an object"}


class ReportError(RuntimeError):
    """There is nothing to report, or a file that cannot be used; the message says why in a sentence."""


# --- reading the runs ----------------------------------------------------------------------------------------------


def read_runs(folder: Path) -> list[dict[str, Any]]:
    """The results of every finished run below a folder, by chapter, arm and seed.

    Every run is its ``results.json`` plus ``arm``, ``state``, ``folder`` and ``attempts`` from its status; ``seconds``
    is the whole time that the run took, kernel start and interrupted attempts included. A run without a status (a
    notebook executed by hand) counts as finished, and its arm is its folder's name. What no run has written is left
    to `unfinished`.
    """
    return sorted(_read(folder)[0], key=lambda run: (run["chapter"], run["arm"], run["seed"], run["folder"]))


def unfinished(folder: Path) -> list[dict[str, Any]]:
    """The status of every run below a folder that has no results to count, by folder.

    A run that says "running" with no process behind it is "interrupted". Files under a run's names that no run can
    have written are "unreadable", with a ``sentence`` that says what is wrong.
    """
    return sorted(_read(folder)[1], key=lambda run: run["folder"])


def _read(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(finished runs, others) below a folder."""
    if not folder.is_dir():
        raise ReportError(f"there is no folder {folder}")
    finished, others = [], []
    for place in {path.parent for name in (STATUS, RESULTS) for path in folder.rglob(name)}:
        where = {"folder": place.relative_to(folder).as_posix()}
        status = read_json(place / STATUS) if (place / STATUS).is_file() else None
        problem = wrong_form(status, STATUS_FORM) if (place / STATUS).is_file() else ""
        if status is not None and not problem and status["state"] not in STATES:
            problem = f"state is {status['state'][:60]!r}; expected {', '.join(STATES)}"
        if problem:
            others.append(where | {"state": "unreadable", "sentence": f"{STATUS}: {problem}"})
            continue
        if status is not None and status["state"] != "finished":
            busy = status["state"] == "running" and is_busy(place)
            state = "interrupted" if status["state"] == "running" and not busy else status["state"]
            others.append(status | where | {"state": state})
            continue
        results = read_json(place / RESULTS)
        if problem := wrong_form(results, RESULTS_FORM):
            others.append(where | {"state": "unreadable", "sentence": f"{RESULTS}: {problem}"})
        else:
            finished.append(_run(results or {}, status or {}, place) | where)
    return finished, others


def wrong_form(content: Mapping[str, Any] | None, form: Form) -> str:
    """What keeps a file's content from being a run's, in a sentence; "" if nothing does."""
    if content is None:
        return "it is not a readable JSON object"
    needed, possible = form
    for key, kind in (needed | possible | FREE_FORM).items():
        value = content.get(key)
        if (key in needed or value is not None) and not _is(value, kind):
            return f"{key} is {json.dumps(value)[:60]}; expected {_WORDS[kind]}"
    for key in ("metrics", "trainings"):
        for arm, found in (content.get(key) or {}).items():
            if not isinstance(found, Mapping):
                return f"{key} of {arm!r} is {json.dumps(found)[:60]}; expected an object"
    for arm, found in (content.get("metrics") or {}).items():
        for name, value in found.items():
            if not (value is None or _is(value, float, finite=False)):
                return f"{name} of {arm!r} is {json.dumps(value)[:60]}; expected a number or null"
    return ""


def _is(value: Any, kind: type, finite: bool = True) -> bool:
    if isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, int | float) and (not finite or math.isfinite(value))
    return isinstance(value, kind)


def _run(results: dict[str, Any], status: Mapping[str, Any], place: Path) -> dict[str, Any]:
    settings = {**status.get("parameters", {}), **results.get("parameters", {})}
    for name in (*NOT_SETTINGS, "seed", "profile", "source"):
        settings.pop(name, None)
    return results | {
        "arm": status.get("arm", place.resolve().name),
        "state": "finished",
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


# --- results.csv and the page ---------------------------------------------------------------------------------------


def write_csv(folder: Path) -> Path:
    """Write ``results.csv``: a line per run, the same columns for all."""
    rows = gather(folder)
    names = {name for row in rows for name in row}
    columns = [name for name in FIRST_COLUMNS if name in names] + sorted(names - set(FIRST_COLUMNS))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "results.csv", _writable(text.getvalue()))
    return folder / "results.csv"


def write_report(folder: Path, commands: Sequence[str]) -> list[Path]:
    """Write results.csv and report.html, a page about the runs and the ``commands`` that made them; their paths."""
    runs, others = read_runs(folder), unfinished(folder)
    if not runs and not others:
        raise ReportError(f"{folder} holds no runs")
    path = folder / "report.html"
    time = duration(sum(run["seconds"] or 0 for run in runs))
    write_text(path, _writable(page.render(folder, runs, others, commands, time)))
    return [write_csv(folder), path]


def _writable(text: str) -> str:
    """Text with a question mark in place of what is no UTF-8, as the name of a folder may have."""
    return text.encode(errors="replace").decode()


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
    """Write the summary to a JSON file; returns its number of rows. Refuses more than 250 kB, and mixed judges.

    A file that holds something else is left alone. With ``keep`` the file's rows of other runs (another chapter, arm or
    seed) stay, so that a sweep can be made in parts.
    """
    content = summary(folder, commands)
    if os.path.lexists(to):
        old = read_json(to)
        if old is None or not _is_summary(old):
            raise ReportError(f"{to} holds no summary of runs and is left alone; choose another file")
        content = _merged(old, content) if keep else content
    _check_judges(content["rows"])
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"
    if len(text.encode()) > LARGEST_SUMMARY:
        raise ReportError(
            f"the summary of {len(content['rows'])} runs would have {len(text.encode()) / 1000:.0f} kB, more than "
            f"{LARGEST_SUMMARY / 1000:.0f}; collect fewer runs into one file"
        )
    write_text(to, text)
    return len(content["rows"])


def _is_summary(content: Mapping[str, Any]) -> bool:
    rows = content.get("rows")
    return (
        isinstance(content.get("commands"), list)
        and isinstance(rows, list)
        and all(isinstance(row, dict) and _is(row.get("arm"), str) for row in rows)
        and not any(wrong_form(row, RESULTS_FORM) for row in rows)
    )


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    def run(row: Mapping[str, Any]) -> tuple:
        return row["chapter"], row["arm"], row["seed"]

    rows = {run(row): row for row in [*old["rows"], *new["rows"]]}
    commands = dict.fromkeys([*old["commands"], *new["commands"]])
    return {"commands": list(commands), "rows": [rows[key] for key in sorted(rows)]}


def _check_judges(rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise if judges of several makes read one world's pictures in a chapter: numbers that no table may mix.

    A judge's name ends in what it was made of; before that stands its world, of which a chapter's source may have more
    than one (easy and hard faces). Rows without a judge (older files have none) count as one judge's.
    """
    judges: dict[tuple[str, str | None], set[str]] = {}
    for row in rows:
        judges.setdefault((row["chapter"], row.get("source")), set()).add(row.get("judge") or "no judge named")
    for (chapter, source), names in judges.items():
        worlds = {name.rpartition("-")[0] for name in names}
        if len(names) > len(worlds) or (len(names) > 1 and "" in worlds):
            raise ReportError(
                f"the runs of {chapter} on {source} were read by several judges ({', '.join(sorted(names))}), so their "
                "numbers must not stand in one table; run again what the older ones read"
            )
