"""One execution of one notebook, in a process that can be killed at any moment without leaving a kernel behind.

Three processes take part. The *supervisor* (a Dask worker, or ``i2i-tutor run``) starts a *child*
(``python -m i2i_tutor.batch.child``), which lets papermill drive the *kernel*. The child lives on a pipe: when the
supervisor is gone, for whatever reason, the pipe closes, and the child ends the kernel and itself. When the child is
gone, the supervisor ends the kernel. Should both be killed at once, the kernel notices that its parent has changed and
ends itself, unless it is deep in a library that holds the interpreter's lock; the next execution in the same folder
ends it then, before it begins. What the notebook has started ends with it (see `family`).
"""

import contextlib
import errno
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from i2i_tutor.batch import family
from i2i_tutor.batch.runs import Job, lock, read_status, record

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

Event = dict[str, Any]
Outcome = dict[str, Any]  # {"state": ..., "sentence": ..., "seconds": ...}

_children: dict[str, subprocess.Popen] = {}  # of this process, by the mark of their execution; `stop_all` empties it


def supervise(job: Job, on_event: Callable[[Event], None] = lambda event: None) -> Outcome:
    """Execute a job in a child process and return its outcome; whatever happens, no process is left.

    The outcome's "state" is "finished", "failed" (for good: the notebook raised, the time was up, the disk is full),
    "died" (the child or its kernel was killed; trying again continues it) or "stopped" (by `stop_all`).
    """
    began = time.monotonic()
    latest: dict[str, Event] = {}
    mark = family.new_mark()
    child = subprocess.Popen(
        [sys.executable, "-m", "i2i_tutor.batch.child"],
        stdin=subprocess.PIPE,  # kept open: its end is what tells the child that we are gone
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=family.marked(_environment(job), mark),
        start_new_session=True,  # a Ctrl-C in the terminal is for the supervisor, which then ends the child
    )
    assert child.stdin is not None
    assert child.stdout is not None
    _children[mark] = child

    def listen(lines: IO[str]) -> None:
        for line in lines:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                latest[event["event"]] = event
                on_event(event)

    listener = threading.Thread(target=listen, args=(child.stdout,), daemon=True)
    timed_out = False
    try:
        child.stdin.write(json.dumps(asdict(job)) + "\n")
        child.stdin.flush()
        listener.start()
        child.wait(job.timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
    except BrokenPipeError:
        pass  # the child ended before it had read its job; told apart below
    finally:
        stopped = mark not in _children
        _end(mark, child)
        _children.pop(mark, None)
    if listener.ident is not None:
        listener.join(5)
    outcome = _outcome(job, mark, latest, timed_out, stopped)
    return outcome | {"seconds": round(time.monotonic() - began, 2)}


def stop_all() -> int:
    """End every child of this process (each `supervise` then returns "stopped"); returns how many there were."""
    children = list(_children.items())
    for mark, child in children:
        _children.pop(mark, None)
        family.end(mark, child.pid if child.returncode is None else None)
    return len(children)


def disk_sentence(text: str, folder: Path) -> str:
    """A sentence about a full disk if that is what an error's text speaks of, else ""."""
    signs = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), os.strerror(errno.EFBIG))
    if not any(sign in text for sign in signs):
        return ""
    return f"the disk is full ({folder}): free some space, and the run can be continued"


def _environment(job: Job) -> dict[str, str]:
    environment = dict(os.environ)
    if job.threads:
        environment |= dict.fromkeys(THREAD_VARIABLES, str(job.threads))
    if job.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = job.gpus[_worker_index() % len(job.gpus)]
    if not job.echo:
        environment["I2I_QUIET"] = "1"  # no progress bars in the executed notebook
    return environment


def _worker_index() -> int:
    """The number of the Dask worker that this is called in; 0 elsewhere. It survives the worker's restart."""
    try:
        from distributed import get_worker

        return int(get_worker().name)
    except (ImportError, ValueError, TypeError):
        return 0


def _end(mark: str, child: subprocess.Popen) -> None:
    """End the child and everything that it has started."""
    family.end(mark, child.pid if child.returncode is None else None)
    child.wait()
    if child.stdin:
        with contextlib.suppress(OSError):
            child.stdin.close()


def _outcome(job: Job, mark: str, latest: dict[str, Event], timed_out: bool, stopped: bool) -> Outcome:
    cell = latest.get("cell")
    where = f"in cell {cell['cell']} of {cell['cells']}" if cell else "before its first cell"
    if stopped:
        return {"state": "stopped", "sentence": f"stopped {where}"}
    if timed_out:
        source = f" ({cell['source']})" if cell else ""
        sentence = f"not done after {job.timeout:g} s (--timeout); it was {where}{source}"
        _record_timeout(Path(job.folder), mark, sentence)
        return {"state": "failed", "sentence": sentence}
    if outcome := latest.get("outcome"):
        return {"state": outcome["state"], "sentence": outcome["sentence"]}
    return {"state": "died", "sentence": f"its process was killed {where}"}


def _record_timeout(folder: Path, mark: str, sentence: str) -> None:
    """Note it in the folder, unless another execution has the folder (or our child has waited for it in vain)."""
    if (read_status(folder) or {}).get("execution") == mark:
        with contextlib.suppress(OSError), lock(folder, patience=0):
            record(folder, mark, state="failed", sentence=sentence)
