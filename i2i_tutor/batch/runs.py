"""A run's folder, which is all that is remembered of a run.

``status.json`` says how far it came, and the process that executes the run holds a lock on the folder until it ends.
A run that is "running" but not locked was interrupted; the next execution continues it.

A folder belongs to a run if its ``status.json`` has the form of ours. Everything that a run writes is written after
that file and removed before it; so in a folder without it, files under a run's names are somebody else's, and are left
alone.
"""

import contextlib
import hashlib
import itertools
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from i2i_tutor.files import write_text

STATUS, RESULTS, NOTEBOOK, LOG = "status.json", "results.json", "notebook.ipynb", "log.txt"
LOCK = ".i2i-tutor.lock"
_FOLDERS = ("figures", "checkpoints")
_FILES = (RESULTS, NOTEBOOK, LOG, STATUS)
STATES = ("running", "finished", "failed")
DEEPEST = 50  # levels of nesting in a JSON file; ours have fewer than ten


@dataclass(frozen=True)
class Job:
    """One run of the plan: a notebook with its parameters, and a folder of its own.

    Attributes:
        chapter: name of the notebook without its suffix.
        arm: name of the setting; runs that differ in nothing but their seed share it.
        parameters: everything that is passed to the notebook but ``out`` and ``resume``, which the runner sets.
        threads: what torch and the BLAS libraries may use; 0 leaves the environment as it is.
        timeout: seconds after which the run is ended; None: never.
        gpus: the GPUs that the local workers share out among them (worker i takes the i-th). Empty: the environment
            decides; ("",): none is visible.
        echo: whether the notebook's progress bars and warnings are passed on as events.
    """

    chapter: str
    notebook: str
    folder: str
    arm: str
    seed: int
    parameters: dict[str, Any]
    threads: int = 1
    timeout: float | None = None
    gpus: tuple[str, ...] = ()
    echo: bool = False

    @property
    def label(self) -> str:
        """Readable name, unique in a plan."""
        return f"{self.chapter}/{self.arm}/seed-{self.seed}"


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file, or None if there is no readable one.

    A file may hold anything. Whole numbers that no float can hold, texts that no UTF-8 file can hold and more than
    `DEEPEST` levels of nesting count as not readable, since whoever calculates with them or writes them would fail.
    """
    if not path.is_file():  # a pipe would be waited for
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"), parse_int=_whole_number)
        json.dumps(value, ensure_ascii=False).encode()  # fails on half a surrogate pair
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and not _is_deep(value) else None


def _whole_number(digits: str) -> int:
    value = int(digits)
    if abs(value) > sys.float_info.max:
        raise ValueError("a whole number that no float can hold")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = list(itertools.chain.from_iterable(inner))
    return bool(level)


# --- whose folder it is, and what it holds -------------------------------------------------------------------------


def read_status(folder: Path) -> dict[str, Any] | None:
    """The status of the run that the folder belongs to; None if there is none, or one that no run has written."""
    status = read_json(folder / STATUS) or {}
    texts = all(isinstance(status.get(key), str) for key in ("chapter", "arm", "started"))
    numbers = all(isinstance(status.get(key), int | float) for key in ("seed", "attempts", "seconds"))
    form = texts and numbers and isinstance(status.get("parameters"), dict) and status.get("state") in STATES
    return status if form and re.fullmatch("[0-9a-f]{16}", str(status.get("code"))) else None


def foreign(folder: Path) -> Path | None:
    """What a run in this folder would overwrite though no run has written it; None if there is nothing."""
    if read_status(folder) is not None:
        return None
    return next((folder / name for name in (*_FILES, *_FOLDERS) if os.path.lexists(folder / name)), None)


def state(job: Job) -> str:
    """What the folder says about a job.

    "new", "finished", "failed", "interrupted", "busy" (at work right now), "changed" (unfinished, and the notebook's
    code has changed, so it restarts), "other" (the folder holds a run with other parameters) or
    "foreign" (it holds files that no run has written).
    """
    return "busy" if is_busy(Path(job.folder)) else state_at_rest(job)


def state_at_rest(job: Job) -> str:
    """`state` without a look at the lock: for a caller that holds it, or does not care who does."""
    folder = Path(job.folder)
    status = read_status(folder)
    if status is None:
        return "foreign" if foreign(folder) else "new"
    if status["parameters"] != job.parameters:
        return "other"
    if status["state"] == "finished" and read_json(folder / RESULTS) is not None:
        return "finished"
    if not is_current(job):
        return "changed"
    return "failed" if status["state"] == "failed" else "interrupted"


def is_current(job: Job) -> bool:
    """Whether the code of the job's notebook is that with which the folder's run began."""
    status = read_status(Path(job.folder))
    return status is not None and status["code"] == code_hash(Path(job.notebook))


def refusal(job: Job, state: str) -> str:
    """Why nothing may begin in a folder of this state, in a sentence that ends with what to do; "" if a run may."""
    folder = Path(job.folder)
    if state == "foreign":
        return f"{foreign(folder)} was not written by a run and is left alone; choose another folder with --out"
    if state == "busy":
        return f"another process is at work in {folder}; wait for it, or choose another folder with --out"
    if state == "other":
        there = (read_status(folder) or {}).get("parameters", {})
        names = [name for name in {**there, **job.parameters} if there.get(name) != job.parameters.get(name)]
        what = ", ".join(f"{name} {there.get(name)}, not {job.parameters.get(name)}" for name in names[:3])
        return f"{folder} holds a run with other parameters ({what}); choose another folder with --out"
    return ""


def code_hash(notebook: Path) -> str:
    """SHA-256 (first 16 digits) of a notebook's code cells; prose may change without making its runs stale."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def forget(job: Job) -> None:
    """Make the job's folder new: remove what a run has written there, and nothing else.

    A folder that belongs to no run is left alone. Raises `filelock.Timeout` if a run is at work in it.
    """
    folder = Path(job.folder)
    if read_status(folder) is None:
        return
    with lock(folder, patience=0):
        clear(folder)


def clear(folder: Path) -> None:
    """`forget` for a caller that holds the folder's lock and knows that it belongs to a run."""
    for name in _FOLDERS:
        if (folder / name).is_symlink():  # the user's: what it points at is not ours
            (folder / name).unlink()
        elif (folder / name).exists():
            shutil.rmtree(folder / name)
    sweep(folder)
    for name in _FILES:  # the status last: it is what tells that the folder is a run's
        (folder / name).unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove the temporary files that a killed process has left in a run's folder."""
    orphans = [orphan for name in _FILES for orphan in folder.glob(f".{name}.*.part")]
    for place in (folder / name for name in _FOLDERS):
        orphans += [] if place.is_symlink() else place.rglob(".*.part")
    for orphan in orphans:
        orphan.unlink(missing_ok=True)


# --- the lock ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def lock(folder: Path, patience: float) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back when this process ends.

    Raises `filelock.Timeout` if another process has it for longer than ``patience`` (seconds).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK).acquire(timeout=patience, poll_interval=0.1):
        yield


def is_busy(folder: Path) -> bool:
    """Whether a run is at work in this folder (on any machine that shares it). Nothing is made by asking."""
    if not (folder / LOCK).is_file():
        return False
    try:  # a second look, since another one who asks holds the lock for a moment
        with FileLock(folder / LOCK).acquire(timeout=0.01, poll_interval=0.01):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that we may only read
        return False


# --- writing the status --------------------------------------------------------------------------------------------


def record(folder: Path, execution: str, **changes: Any) -> None:
    """Change the status of a run, if this execution is still its latest one.

    As far as the disk lets us: a full one is met by overwriting the old file in its place.
    """
    status = read_status(folder)
    if status is None or status.get("execution") != execution:
        return
    try:
        write_status(folder, status | changes)
    except OSError:
        with contextlib.suppress(OSError), open(folder / STATUS, "r+b") as file:
            file.write(json.dumps(status | changes, indent=1).encode())
            file.truncate()


def write_status(folder: Path, status: dict[str, Any]) -> None:
    """Write status.json."""
    write_text(folder / STATUS, json.dumps(status, indent=1))
