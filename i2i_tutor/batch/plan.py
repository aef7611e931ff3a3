"""The plan of a batch: chapters x seeds x settings, checked before anything starts, and how long it will take."""

import dataclasses
import functools
import itertools
import json
import math
import os
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2i_tutor import parameters
from i2i_tutor.batch import runs
from i2i_tutor.batch.runs import Job
from i2i_tutor.files import book_places, write_text

COMMANDS, TABLE, PAGE = "batch.json", "results.csv", "report.html"
RESERVED = {"seed": "--seeds", "profile": "--profile", "out": "--out", "resume": "nothing: runs resume by themselves"}
MOST_RUNS = 10_000  # of one plan; checked before anything is multiplied out


class BatchError(RuntimeError):
    """A batch cannot be planned; the message says why in a sentence."""


# --- chapters ------------------------------------------------------------------------------------------------------


def chapters_folder(given: Path | None = None) -> Path:
    """The folder of the notebooks: the given one, ``chapters/`` here if it has some, or that of the book."""
    if given is not None:
        if not given.is_dir():
            raise BatchError(f"there is no folder {given}")
        return given
    for place in (Path("chapters"), *(place / "chapters" for place in book_places())):
        if any(place.glob("*.ipynb")):
            return place
    raise BatchError("there are no notebooks in chapters/ here; name their folder with --chapters-dir")


def find_chapter(name: str, folder: Path | None = None) -> Path:
    """The notebook of ``01_pix2pix``, of ``pix2pix``, or of a path that ends in .ipynb."""
    if name.endswith(".ipynb"):
        if not Path(name).is_file():
            raise BatchError(f"there is no notebook {name}")
        if Path(name).stem.startswith("."):  # it names the folder of its runs
            raise BatchError(f"the notebook's name must not begin with a dot, and {name} does")
        return Path(name).resolve()
    place = chapters_folder(folder)
    known = {path.stem: path for path in sorted(place.glob("*.ipynb"))}
    matches = [stem for stem in known if stem == name or re.sub(r"^\d+_", "", stem) == name]
    if len(matches) != 1:
        what = "is ambiguous" if matches else "is not known"
        raise BatchError(f"the chapter {shown(name)} {what}; {place} has {', '.join(known) or 'no notebooks'}")
    return known[matches[0]].resolve()


# --- the plan ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """An entry of the plan: a chapter with some settings, for several seeds.

    Attributes:
        settings: parameter → the values that it takes; every combination is an arm. Values may be texts.
        name: what the arms are called; by default they are named by the profile and the settings.
    """

    chapter: str
    seeds: tuple[int, ...] = (0,)
    profile: str | None = None
    name: str | None = None
    settings: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)

    def count(self) -> int:
        """The number of its runs."""
        return len(self.seeds) * math.prod(len(values) for values in self.settings.values())


def parse_seeds(text: str) -> tuple[int, ...]:
    """``"0-2"``, ``"0,3,7"`` or ``"10-12,20"`` as numbers."""
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,10})(?:-([0-9]{1,10}))?\s*", part)
        if not match:
            raise BatchError(f"seeds must read like 0-2 or 0,3,7, not {shown(text)}")
        first = int(match[1])
        last = int(match[2] or first)
        if last < first:
            raise BatchError(f"the seeds {part.strip()} run backwards")
        if last - first + len(seeds) >= MOST_RUNS:
            raise BatchError(f"{shown(text)} is more than the {MOST_RUNS} seeds that a batch may have")
        seeds |= dict.fromkeys(range(first, last + 1))
    return tuple(seeds)


def parse_settings(pairs: Iterable[str]) -> dict[str, list[str]]:
    """``["lambda_pixel=10,100"]`` as ``{"lambda_pixel": ["10", "100"]}``."""
    settings: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, values = pair.partition("=")
        if not equals or not values or not name.strip():
            raise BatchError(f"--set must read name=value or name=value,value, not {shown(pair)}")
        if name.strip() in settings:
            raise BatchError(f"--set {name.strip()} is given twice; give its values as name=value,value")
        settings[name.strip()] = [value.strip() for value in values.split(",")]
    return settings


def shown(text: str) -> str:
    """A text as a sentence may show it: in quotes, and cut if it is long."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


# --- the runs ------------------------------------------------------------------------------------------------------


def jobs(entries: Iterable[Entry], out: Path, chapters: Path | None = None, **options: Any) -> list[Job]:
    """Every run of the entries, each checked against its notebook's parameters cell.

    Args:
        out: the runs' folder; a run is ``<out>/<chapter>/<arm>/seed-<n>``.
        options: ``threads``, ``timeout``, ``gpus`` and ``echo`` of every Job.

    Raises:
        BatchError: an unknown chapter, more runs than `MOST_RUNS`, or two runs that would share a folder.
        ParameterError: one sentence per wrong parameter.
    """
    entries = list(entries)
    count = sum(entry.count() for entry in entries)
    if count > MOST_RUNS:
        raise BatchError(f"the plan has {count} runs, and {MOST_RUNS} is the most that a batch may have")
    found: dict[str, Job] = {}
    problems: dict[str, None] = {}
    find = functools.cache(lambda name: find_chapter(name, chapters))
    read = functools.cache(parameters.of_notebook)
    for entry in entries:
        notebook = find(entry.chapter)
        for values in itertools.product(*entry.settings.values()):
            for seed in entry.seeds:
                try:
                    settings = dict(zip(entry.settings, values, strict=True))
                    job = _job(entry, settings, seed, notebook, read(notebook), out, options)
                except parameters.ParameterError as error:
                    problems |= dict.fromkeys(f"{notebook.stem}: {line}" for line in str(error).splitlines())
                    continue
                if job.folder in found:
                    raise BatchError(f"two runs of the plan are {job.label}; give their entries different names")
                found[job.folder] = job
    if problems:
        raise parameters.ParameterError("\n".join(problems))
    return list(found.values())


def in_folder(job: Job, folder: Path) -> Job:
    """The same job with a folder of the caller's choice."""
    return dataclasses.replace(job, folder=str(folder.resolve()))


def _job(
    entry: Entry,
    settings: dict[str, Any],
    seed: int,
    notebook: Path,
    known: dict[str, parameters.Parameter],
    out: Path,
    options: dict[str, Any],
) -> Job:
    for name in settings:
        if name in RESERVED:
            raise parameters.ParameterError(f"{name} is not set like this; use {RESERVED[name]}")
    for name in ("out", "resume", "seed", "profile"):
        if name not in known:
            raise parameters.ParameterError(f"the parameters cell lacks {name}, so it cannot be run in a batch")
    profile = entry.profile or parameters.default_profile()
    values = {
        name: parameters.convert(known, name, value) if isinstance(value, str) else value
        for name, value in settings.items()
    }
    values = parameters.normalise(known, {"profile": profile, "seed": seed, **values})
    told = {name: values[name] for name in settings if entry.name is None or len(entry.settings[name]) > 1}
    arm = parameters.label(entry.name or profile, told)
    return Job(
        chapter=notebook.stem,
        notebook=str(notebook),
        folder=str(out.resolve() / notebook.stem / arm / f"seed-{seed}"),
        arm=arm,
        seed=seed,
        parameters=values,
        **options,
    )


# --- how long it will take -----------------------------------------------------------------------------------------


def history(places: Iterable[Path]) -> list[dict[str, Any]]:
    """What earlier finished runs took: status files below folders, or rows of summaries made by ``collect``."""
    rows: list[Any] = []
    for place in places:
        if place.is_file():
            collected = (runs.read_json(place) or {}).get("rows")
            rows += collected if isinstance(collected, list) else []
        else:
            found = (runs.read_status(path.parent) for path in sorted(place.rglob(runs.STATUS)))
            rows += [status for status in found if status and status["state"] == "finished"]
    return [row for row in rows if _tells_a_time(row)]


def _tells_a_time(row: Any) -> bool:
    """Whether this is a row of a summary, or a status; a file may hold anything."""
    if not isinstance(row, dict) or not isinstance(row.get("parameters", {}), dict):
        return False
    seconds = row.get("seconds")
    return isinstance(row.get("chapter"), str) and isinstance(seconds, int | float) and 0 < seconds < math.inf


def expected_seconds(job: Job, earlier: Sequence[dict[str, Any]]) -> float | None:
    """Median time of earlier runs with equal settings, else of the chapter at this profile; None: not known."""

    def settings(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name not in ("seed", "profile", "source")}

    def profile(row: Mapping[str, Any]) -> Any:
        return row.get("profile") or row.get("parameters", {}).get("profile")

    same = [row for row in earlier if row["chapter"] == job.chapter and profile(row) == job.parameters["profile"]]
    equal = [row for row in same if settings(row.get("parameters", {})) == settings(job.parameters)]
    times = [float(row["seconds"]) for row in equal or same]
    return statistics.median(times) if times else None


def makespan(times: Iterable[float], workers: int) -> float:
    """Time until the last of the runs is done, each going to the first worker that is free."""
    free = [0.0] * max(1, workers)
    for seconds in times:
        free[free.index(min(free))] += seconds
    return max(free)


# --- what a batch writes beside its runs ---------------------------------------------------------------------------


def check_out(out: Path, *names: str) -> None:
    """Refuse a folder in which files under these names (`COMMANDS`, `TABLE`, `PAGE`) are somebody else's."""
    is_ours = {COMMANDS: _is_commands, TABLE: _is_table, PAGE: _is_page}
    for name in names:
        if os.path.lexists(out / name) and not is_ours[name](out / name):
            raise BatchError(f"{out / name} is none of ours and is left alone; move it, or choose another folder")


def _is_commands(path: Path) -> bool:
    return isinstance((runs.read_json(path) or {}).get("commands"), list)


def _is_table(path: Path) -> bool:
    """Whether a results.csv is one of ours: empty, or with the columns that every run has."""
    header = _beginning(path, 100).partition("\n")[0]
    return path.is_file() and (not header.strip() or header.startswith("chapter,arm,seed,"))


def _is_page(path: Path) -> bool:
    return "runs of the I2I Tutor</title>" in _beginning(path, 10_000)


def _beginning(path: Path, length: int) -> str:
    """So many bytes of a file as text; "" if it is no file."""
    if not path.is_file():  # a pipe would be waited for
        return ""
    with open(path, "rb") as file:
        return file.read(length).decode("utf-8", "replace")


def remember_command(out: Path, command: str) -> None:
    """Add a command line to ``<out>/batch.json``, for ``collect``."""
    commands = [line for line in recalled_commands(out) if line != command]
    write_text(out / COMMANDS, json.dumps({"commands": [*commands, command]}, indent=1) + "\n")


def recalled_commands(out: Path) -> list[str]:
    """The commands that filled this folder; none if its file holds something else."""
    commands = (runs.read_json(out / COMMANDS) or {}).get("commands")
    return [line for line in commands if isinstance(line, str)] if isinstance(commands, list) else []
