"""The plan of a batch: chapters x seeds x settings, checked before anything starts, and how long it will take."""

import dataclasses
import itertools
import json
import re
import statistics
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2i_tutor import parameters
from i2i_tutor.batch import runs
from i2i_tutor.batch.runs import Job
from i2i_tutor.files import write_text

COMMANDS = "batch.json"
RESERVED = {"seed": "--seeds", "profile": "--profile", "out": "--out", "resume": "nothing: runs resume by themselves"}
GRID_KEYS = ("chapter", "seeds", "profile", "name", "set")


class BatchError(RuntimeError):
    """A batch cannot be planned; the message says why in a sentence."""


# --- chapters ------------------------------------------------------------------------------------------------------


def chapters_folder(given: Path | None = None) -> Path:
    """The folder of the notebooks: the given one, ``chapters/`` here, or the one of the checkout or installation."""
    if given is not None:
        if not given.is_dir():
            raise BatchError(f"there is no folder {given}")
        return given
    installed = Path(sysconfig.get_path("data")) / "share/i2i-tutor/chapters"
    for place in (Path("chapters"), Path(__file__).parents[2] / "chapters", installed):
        if place.is_dir():
            return place
    raise BatchError("there is no folder chapters/ here; name one with --chapters-dir")


def find_chapter(name: str, folder: Path | None = None) -> Path:
    """The notebook of ``01_pix2pix``, of ``pix2pix``, or of a path that ends in .ipynb."""
    if name.endswith(".ipynb"):
        if not Path(name).is_file():
            raise BatchError(f"there is no notebook {name}")
        return Path(name).resolve()
    place = chapters_folder(folder)
    known = {path.stem: path for path in sorted(place.glob("*.ipynb"))}
    matches = [stem for stem in known if stem == name or re.sub(r"^\d+_", "", stem) == name]
    if len(matches) != 1:
        what = "is ambiguous" if matches else "is not known"
        raise BatchError(f"the chapter {name!r} {what}; {place} has {', '.join(known) or 'no notebooks'}")
    return known[matches[0]].resolve()


# --- the plan ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arm:
    """One setting of one chapter, for several seeds.

    Attributes:
        settings: parameter → the values that it takes; every combination is run. Values may be texts.
        name: the arm's name; by default it is made of the profile and the settings.
    """

    chapter: str
    seeds: tuple[int, ...] = (0,)
    profile: str | None = None
    name: str | None = None
    settings: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)


def parse_seeds(text: str) -> tuple[int, ...]:
    """``"0-2"``, ``"0,3,7"`` or ``"10-12,20"`` as numbers."""
    seeds: list[int] = []
    for part in str(text).split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise BatchError(f"seeds must read like 0-2 or 0,3,7, not {text!r}")
        first = int(match[1])
        last = int(match[2] or first)
        if not first <= last < first + 10_000:
            raise BatchError(f"the seeds {part} are no range of at most 10000")
        seeds += range(first, last + 1)
    return tuple(dict.fromkeys(seeds))


def parse_settings(pairs: Iterable[str]) -> dict[str, list[str]]:
    """``["lambda_pixel=10,100"]`` as ``{"lambda_pixel": ["10", "100"]}``."""
    settings: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, values = pair.partition("=")
        if not equals or not values or not name.strip():
            raise BatchError(f"--set must read name=value or name=value,value, not {pair!r}")
        if name.strip() in settings:
            raise BatchError(f"--set {name.strip()} is given twice; give its values as name=value,value")
        settings[name.strip()] = [value.strip() for value in values.split(",")]
    return settings


def read_grid(path: Path) -> list[Arm]:
    """The arms of a grid file: a YAML list of ``{chapter, seeds, profile, name, set: {parameter: value or list}}``."""
    import yaml

    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BatchError(f"{path} cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise BatchError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list) or not entries:
        raise BatchError(f"{path} must be a list of arms, each with a chapter")
    return [arm for number, entry in enumerate(entries, 1) for arm in _grid_entry(entry, f"{path}, arm {number}")]


def _grid_entry(entry: Any, where: str) -> list[Arm]:
    if not isinstance(entry, dict) or "chapter" not in entry:
        raise BatchError(f"{where}: must be a mapping with a chapter")
    unknown = [str(key) for key in entry if key not in GRID_KEYS]
    if unknown:
        raise BatchError(f"{where}: has no key {unknown[0]!r}; the keys are {', '.join(GRID_KEYS)}")
    settings = entry.get("set") or {}
    if not isinstance(settings, dict):
        raise BatchError(f"{where}: set must map parameters to a value or a list of values")
    name = entry.get("name")
    if name is not None and not (isinstance(name, str) and parameters.SAFE_NAME.fullmatch(name)):
        raise BatchError(f"{where}: a name has letters, digits and . _ = + -, and is not {name!r}")
    seeds = entry.get("seeds", 0)
    text = ",".join(str(seed) for seed in seeds) if isinstance(seeds, list) else str(seeds)
    values = {str(key): value if isinstance(value, list) else [value] for key, value in settings.items()}
    empty = [key for key, several in values.items() if not several]
    if empty:
        raise BatchError(f"{where}: {empty[0]} has an empty list of values")
    chapters = entry["chapter"] if isinstance(entry["chapter"], list) else [entry["chapter"]]
    return [Arm(str(chapter), parse_seeds(text), entry.get("profile"), name, values) for chapter in chapters]


def jobs(arms: Iterable[Arm], out: Path, chapters: Path | None = None, **options: Any) -> list[Job]:
    """Every run of the arms, each checked against its notebook's parameters cell.

    Args:
        out: the runs' folder; a run is ``<out>/<chapter>/<arm>/seed-<n>``.
        options: ``threads``, ``timeout`` and ``gpus`` of every Job.

    Raises:
        BatchError: an unknown chapter, or two runs that would share a folder.
        ParameterError: one sentence per wrong parameter.
    """
    found: dict[str, Job] = {}
    problems: list[str] = []
    known: dict[Path, dict[str, parameters.Parameter]] = {}
    for arm in arms:
        notebook = find_chapter(arm.chapter, chapters)
        if notebook not in known:
            known[notebook] = parameters.of_notebook(notebook)
        for settings in _combinations(arm.settings):
            for seed in arm.seeds:
                try:
                    job = _job(arm, settings, seed, notebook, known[notebook], out, options)
                except parameters.ParameterError as error:
                    problems += [f"{notebook.stem}: {line}" for line in str(error).splitlines()]
                    continue
                if job.folder in found:
                    raise BatchError(f"two runs of the plan are {job.label}; give the arms different names")
                found[job.folder] = job
    if problems:
        raise parameters.ParameterError("\n".join(dict.fromkeys(problems)))
    return list(found.values())


def in_folder(job: Job, folder: Path) -> Job:
    """The same job with a folder of the caller's choice."""
    return dataclasses.replace(job, folder=str(folder.resolve()))


def _combinations(settings: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*settings.values()):
        yield dict(zip(settings, values, strict=True))


def _job(
    arm: Arm,
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
    profile = arm.profile or parameters.default_profile()
    values = {
        name: parameters.convert(known, name, value) if isinstance(value, str) else value
        for name, value in settings.items()
    }
    values = parameters.normalise(known, {"profile": profile, "seed": seed, **values})
    folder = f"{notebook.stem}/{_arm_name(arm, profile, {name: values[name] for name in settings})}/seed-{seed}"
    return Job(
        chapter=notebook.stem,
        notebook=str(notebook),
        folder=str(out.resolve() / folder),
        arm=folder.split("/")[1],
        seed=seed,
        parameters=values,
        **options,
    )


def _arm_name(arm: Arm, profile: str, settings: dict[str, Any]) -> str:
    """``fast``, ``fast_lambda_pixel=10``, or the arm's own name."""
    several = {name: value for name, value in settings.items() if arm.name is None or len(arm.settings[name]) > 1}
    return parameters.label(arm.name or profile, several)


# --- how long it will take -----------------------------------------------------------------------------------------


def history(places: Iterable[Path]) -> list[dict[str, Any]]:
    """What earlier finished runs took: status files below folders, or rows of summaries made by ``collect``."""
    rows: list[dict[str, Any]] = []
    for place in places:
        if place.is_file():
            rows += [row for row in (runs.read_json(place) or {}).get("rows", []) if row.get("seconds")]
        else:
            found = (runs.read_json(path) for path in sorted(place.rglob(runs.STATUS)))
            rows += [status for status in found if status and status.get("state") == "finished"]
    return rows


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


# --- what a batch remembers ----------------------------------------------------------------------------------------


def remember_command(out: Path, command: str) -> None:
    """Add a command line to ``<out>/batch.json``, from where ``collect`` takes it."""
    commands = [line for line in recalled_commands(out) if line != command]
    write_text(out / COMMANDS, json.dumps({"commands": [*commands, command]}, indent=1) + "\n")


def recalled_commands(out: Path) -> list[str]:
    """The commands that filled this folder."""
    return list((runs.read_json(out / COMMANDS) or {}).get("commands", []))
