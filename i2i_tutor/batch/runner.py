"""One execution of one notebook, in a process that can be killed at any moment without leaving a kernel behind.

Three processes take part. The *supervisor* (a Dask worker, or ``i2i-tutor run``) starts a *child*
(``python -m i2i_tutor.batch.runner``), which lets papermill drive the *kernel*. The child lives on a pipe: when the
supervisor is gone, for whatever reason, the pipe closes, and the child ends the kernel and itself. When the child is
gone, the kernel notices that its parent has changed and ends itself. So nothing has to be cleaned up by hand.
"""

import contextlib
import errno
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from i2i_tutor.batch.runs import (
    LOG,
    NOTEBOOK,
    RESULTS,
    STATUS,
    Job,
    code_hash,
    is_finished,
    lock,
    read_json,
    record,
    write_status,
)
from i2i_tutor.files import write_text

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LOCK_PATIENCE = 10.0  # seconds that a child waits for the one before it to end

Event = dict[str, Any]
Outcome = dict[str, Any]  # {"state": ..., "sentence": ..., "seconds": ...}


# --- the supervisor ------------------------------------------------------------------------------------------------

_children: set[subprocess.Popen] = set()  # of this process, so that `stop_all` finds them


def supervise(job: Job, on_event: Callable[[Event], None] = lambda event: None) -> Outcome:
    """Execute a job in a child process and return its outcome; whatever happens, no process is left.

    The outcome's "state" is "finished", "failed" (for good: the notebook raised, the time was up, the disk is full),
    "died" (the child or its kernel was killed; trying again continues it) or "stopped" (by `stop_all`).
    """
    began = time.monotonic()
    events: list[Event] = []
    child = subprocess.Popen(
        [sys.executable, "-m", "i2i_tutor.batch.runner"],
        stdin=subprocess.PIPE,  # kept open: its end is what tells the child that we are gone
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=_environment(job),
        start_new_session=True,  # a Ctrl-C in the terminal is for the supervisor, which then ends the child
    )
    assert child.stdin is not None
    assert child.stdout is not None
    _children.add(child)

    def listen(lines: IO[str]) -> None:
        for line in lines:
            with contextlib.suppress(ValueError):
                events.append(json.loads(line))
                on_event(events[-1])

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
        stopped = child not in _children
        _end(child)
        _children.discard(child)
    if listener.ident is not None:
        listener.join(5)
    outcome = _outcome(job, events, timed_out, stopped)
    return outcome | {"seconds": round(time.monotonic() - began, 2)}


def stop_all() -> int:
    """End every child of this process (each `supervise` then returns "stopped"); returns how many there were."""
    children = list(_children)
    for child in children:
        _children.discard(child)
        kill_tree(child.pid)
    return len(children)


def kill_tree(pid: int) -> None:
    """Kill a process and everything below it, kernels in sessions of their own included."""
    import psutil  # type: ignore[import-untyped]

    try:
        top = psutil.Process(pid)
        family = [*top.children(recursive=True), top]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


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


def _end(child: subprocess.Popen) -> None:
    orphaned = child.poll() not in (None, 0, 1)  # killed from outside: its kernel needs a second to notice
    kill_tree(child.pid)
    child.wait()
    if child.stdin:
        with contextlib.suppress(OSError):
            child.stdin.close()
    if orphaned:
        time.sleep(1.5)


def _outcome(job: Job, events: list[Event], timed_out: bool, stopped: bool) -> Outcome:
    cells = [event for event in events if event["event"] == "cell"]
    where = f"in cell {cells[-1]['cell']} of {cells[-1]['cells']}" if cells else "before its first cell"
    if stopped:
        return {"state": "stopped", "sentence": f"stopped {where}"}
    if timed_out:
        source = f" ({cells[-1]['source']})" if cells else ""
        sentence = f"not done after {job.timeout:g} s (--timeout); it was {where}{source}"
        record(Path(job.folder), state="failed", sentence=sentence)
        return {"state": "failed", "sentence": sentence}
    for event in reversed(events):
        if event["event"] == "outcome":
            return {"state": event["state"], "sentence": event["sentence"]}
    return {"state": "died", "sentence": f"its process was killed {where}"}


# --- the child -----------------------------------------------------------------------------------------------------


class _Child:
    """What the child does: run papermill, tell the supervisor, keep status.json."""

    def __init__(self, job: Job, out: IO[str]):
        self.job, self.out = job, out
        self.folder = Path(job.folder)
        self.began = time.monotonic()
        self.earlier = 0.0

    def tell(self, event: str, **details: Any) -> None:
        """Send an event to the supervisor."""
        with contextlib.suppress(OSError):
            print(json.dumps({"event": event, **details}), file=self.out, flush=True)

    def main(self) -> int:
        try:
            with lock(self.folder, LOCK_PATIENCE):
                # Dask repeats a finished run whose worker died before it could tell.
                outcome, sentence = ("finished", "") if is_finished(self.job) else self.execute()
        except BlockingIOError:
            outcome, sentence = "failed", f"another process is at work in {self.folder}"
        except OSError as error:
            outcome, sentence = "failed", disk_sentence(str(error), self.folder) or f"{error}"
        self.tell("outcome", state=outcome, sentence=sentence)
        return 0 if outcome == "finished" else 1

    def execute(self) -> tuple[str, str]:
        """Run the notebook under the folder's lock; (state, sentence)."""
        resume = self.begin()
        try:
            self.papermill(resume)
        except Exception as error:
            outcome, sentence = explain(error, self.folder)
        else:
            outcome, sentence = "finished", ""
            if read_json(self.folder / RESULTS) is None:
                outcome, sentence = "failed", f"the notebook ended without writing {RESULTS}"
        if outcome != "died":  # a run whose kernel died counts as interrupted
            record(self.folder, state=outcome, sentence=sentence, seconds=self.seconds())
        return outcome, sentence

    def begin(self) -> bool:
        """Write the first status of this attempt; returns whether it continues an earlier one."""
        job = self.job
        before = read_json(self.folder / STATUS) or {}
        code = code_hash(Path(job.notebook))
        resume = before.get("parameters") == job.parameters and before.get("code") == code
        self.earlier = before.get("seconds", 0.0) if resume else 0.0
        (self.folder / RESULTS).unlink(missing_ok=True)  # an old table must not outlive its run
        for orphan in self.folder.rglob(".*.part"):  # left by a killed process
            orphan.unlink(missing_ok=True)
        status = {
            "state": "running",
            "chapter": job.chapter,
            "arm": job.arm,
            "seed": job.seed,
            "parameters": job.parameters,
            "code": code,
            "threads": job.threads,
            "attempts": before.get("attempts", 0) + 1 if resume else 1,
            "pid": os.getpid(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": self.earlier,
        }
        write_status(self.folder, status)
        return resume

    def seconds(self) -> float:
        return round(self.earlier + time.monotonic() - self.began, 2)

    def papermill(self, resume: bool) -> None:
        import papermill
        from papermill.iorw import papermill_io

        logging.getLogger("papermill").setLevel(logging.ERROR)  # it cannot read "str | None", and says so at length
        papermill_io.register(str(self.folder), _atomic_handler())
        log = _Log(self.folder / LOG, append=resume)
        log.write(f"--- {datetime.now(UTC).isoformat(timespec='seconds')} {self.job.label}, resume={resume}\n")
        _send_stderr_to(self.folder / LOG)
        papermill.execute_notebook(
            self.job.notebook,
            str(self.folder / NOTEBOOK),
            {**self.job.parameters, "out": str(self.folder), "resume": resume},
            kernel_name="python3",
            language="python",
            kernel_manager_class=_kernel_manager(),
            iopub_timeout=60,  # a busy machine is slow to deliver the last outputs
            autosave_cell_every=30,
            progress_bar=False,
            stdout_file=log,
            stderr_file=_Tee(log, self) if self.job.echo else log,
            on_cell_start=self._cell_watcher(log),
            cwd=str(Path(self.job.notebook).parent),
        )

    def _cell_watcher(self, log: "_Log") -> Callable[..., None]:
        cells = json.loads(Path(self.job.notebook).read_text(encoding="utf-8"))["cells"]
        total = sum(cell["cell_type"] == "code" for cell in cells) + 1  # papermill injects one
        headings = _headings(cells)
        heading, count = "", 0

        def started(cell: Any, cell_index: int) -> None:
            nonlocal heading, count
            if cell.cell_type != "code":
                return
            count += 1
            first = next((line for line in cell.source.splitlines() if line.strip()), "")[:70]
            log.write(f"[{self.seconds():.1f} s] cell {count} of {total}: {first}\n")
            record(self.folder, cell=count, cells=total, seconds=self.seconds())
            heading = headings.get(cell.id, heading)
            self.tell("cell", cell=count, cells=total, source=first, heading=heading)

        return started


def _send_stderr_to(path: Path) -> None:
    """Let what this process and its kernel say outside of cells go to the log."""
    with contextlib.suppress(OSError), open(path, "ab") as file:
        os.dup2(file.fileno(), 2)


def _headings(cells: list[dict[str, Any]]) -> dict[str, str]:
    """For every cell id the heading under which the cell stands."""
    heading, found = "", {}
    for cell in cells:
        if cell["cell_type"] == "markdown":
            match = re.search(r"^#+ (.+)$", "".join(cell["source"]), re.MULTILINE)
            heading = match.group(1) if match else heading
        found[cell.get("id", "")] = heading
    return found


class _Log:
    """A log that never stops a run: on a full disk its lines are lost."""

    def __init__(self, path: Path, append: bool):
        self.path, self.mode = path, "a" if append else "w"

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            with open(self.path, self.mode, encoding="utf-8") as file:
                file.write(text)
            self.mode = "a"

    def flush(self) -> None:
        """Part of a file's face; every write is flushed already."""


class _Tee(_Log):
    """Writes to the log and to the supervisor."""

    def __init__(self, log: _Log, child: _Child):
        self.log, self.child = log, child

    def write(self, text: str) -> None:
        self.log.write(text)
        self.child.tell("text", text=text)


def _atomic_handler() -> Any:
    from papermill.iorw import LocalHandler

    class AtomicHandler(LocalHandler):
        """Saves the executed notebook so that a kill or a full disk leaves the one before it whole."""

        def write(self, buf: str, path: str) -> None:
            write_text(Path(path), buf)

    return AtomicHandler()


def _kernel_manager() -> type:
    """A kernel manager that starts this very Python, whatever kernels the user has registered."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    return ThisPython


def explain(error: Exception, folder: Path) -> tuple[str, str]:
    """(state, one sentence) of an exception that ended a notebook."""
    name = type(error).__name__
    if name == "PapermillExecutionError":
        where, kind, text = f"cell In [{error.exec_count}]", error.ename, _first_line(error.evalue)  # type: ignore
        return "failed", disk_sentence(text, folder) or f"{where} raised {kind}: {text}"
    if name == "DeadKernelError":
        return "died", "its kernel died (killed; or memory ran out: fewer workers, a smaller batch, smaller images)"
    return "failed", disk_sentence(str(error), folder) or f"{name}: {_first_line(str(error))}"


def disk_sentence(text: str, folder: Path) -> str:
    """A sentence about a full disk where that is what an error's text speaks of, else ""."""
    signs = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), os.strerror(errno.EFBIG))
    if not any(sign in text for sign in signs):
        return ""
    return f"the disk is full ({folder}): free some space and give the same command again; the run then continues"


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:300]


def _live_on_pipe() -> None:
    """End this process and its kernel when the supervisor's end of stdin is closed, or on SIGTERM."""

    def end(*_: Any) -> None:
        kill_tree(os.getpid())

    def watch() -> None:
        while os.read(0, 4096):  # not sys.stdin: its lock would be held at exit
            pass
        end()

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=watch, daemon=True).start()


def _read_line() -> str:
    """The first line of stdin, without reading ahead."""
    data = b""
    while not data.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            raise SystemExit(1)
        data += byte
    return data.decode()


if __name__ == "__main__":
    values = json.loads(_read_line())
    _live_on_pipe()
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not mix with the events
    raise SystemExit(_Child(Job(**values | {"gpus": tuple(values["gpus"])}), events).main())
