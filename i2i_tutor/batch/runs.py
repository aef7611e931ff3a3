"""A run's folder, which is all that is remembered of a run.

``status.json`` says how far it came, and whoever executes the run holds a lock on the folder for as long as it lives.
A run that is "running" but not locked was interrupted; the next execution continues it.
"""

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2i_tutor.files import write_text

try:
    import fcntl
except ImportError:  # Windows: runs are not protected from being executed twice at the same time
    fcntl = None  # type: ignore[assignment]

STATUS, RESULTS, NOTEBOOK, LOG, LOCK = "status.json", "results.json", "notebook.ipynb", "log.txt", ".lock"


@dataclass(frozen=True)
class Job:
    """One run of the plan: a notebook with its parameters, and the folder that is its alone.

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
    """A JSON object from a file, or None where there is no readable one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def state(job: Job) -> str:
    """What the folder says about a job.

    "new", "finished", "failed", "interrupted", "busy" (at work right now), "changed" (unfinished, but the notebook's
    code is another one since, so that it will begin anew) or "other" (the folder holds a run with other parameters).
    """
    folder = Path(job.folder)
    status = read_json(folder / STATUS)
    if status is None:
        return "new"
    if is_busy(folder):
        return "busy"
    if status.get("parameters") != job.parameters:
        return "other"
    if is_finished(job):
        return "finished"
    if status.get("code") != code_hash(Path(job.notebook)):
        return "changed"
    return "failed" if status.get("state") == "failed" else "interrupted"


def is_finished(job: Job) -> bool:
    """Whether the folder holds the whole results of a run with the job's parameters."""
    status = read_json(Path(job.folder) / STATUS) or {}
    done = status.get("state") == "finished" and status.get("parameters") == job.parameters
    return done and read_json(Path(job.folder) / RESULTS) is not None


def forget(job: Job) -> None:
    """Make the job's folder new, so that its next execution starts from the beginning.

    A folder that holds no run is left alone.
    """
    folder = Path(job.folder)
    if not (folder / STATUS).is_file():
        return
    for name in ("figures", "checkpoints"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (RESULTS, NOTEBOOK, LOG, STATUS):  # the status last: what tells that the folder is a run's
        (folder / name).unlink(missing_ok=True)


def is_busy(folder: Path) -> bool:
    """Whether a live child is at work in this folder (on any machine that shares it)."""
    try:
        with lock(folder, patience=0, probe=True):
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False


def code_hash(notebook: Path) -> str:
    """SHA-256 (first 16 digits) of a notebook's code cells; prose may change without making its runs stale."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


@contextlib.contextmanager
def lock(folder: Path, patience: float, probe: bool = False) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back when this process ends. BlockingIOError: another has it."""
    if not probe:
        folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "r" if probe else "a") as file:
        end = time.monotonic() + patience
        while fcntl is not None:
            try:
                fcntl.flock(file, (fcntl.LOCK_SH if probe else fcntl.LOCK_EX) | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.1)
        yield


def record(folder: Path, **changes: Any) -> None:
    """Change a run's status, as far as the disk lets us: a full one is met by overwriting the old file in its place."""
    status = read_json(folder / STATUS)
    if status is None:
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
