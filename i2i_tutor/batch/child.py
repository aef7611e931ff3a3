"""The process that executes one run: ``python -m i2i_tutor.batch.child``, started by `runner.supervise`.

It reads its job from stdin, holds the run folder's lock, keeps ``status.json`` and tells its supervisor on stdout what
happens, a JSON object per line. It ends when stdin does.
"""

import contextlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from filelock import Timeout

from i2i_tutor import progress
from i2i_tutor.batch import family, notebook, runs
from i2i_tutor.batch.runner import disk_sentence
from i2i_tutor.batch.runs import Job

LOCK_PATIENCE = 10.0  # seconds that a child waits for the one before it to end


class Child:
    """Executes a job and tells the supervisor."""

    def __init__(self, job: Job, out: IO[str]):
        self.job, self.out = job, out
        self.folder = Path(job.folder)
        self.mark = family.own_mark()
        self.began = time.monotonic()
        self.earlier = 0.0

    def tell(self, event: str, **details: Any) -> None:
        """Send an event to the supervisor."""
        with contextlib.suppress(OSError):
            print(json.dumps({"event": event, **details}), file=self.out, flush=True)

    def main(self) -> int:
        """Execute the job; returns the exit code."""
        try:
            with runs.lock(self.folder, LOCK_PATIENCE):
                outcome, sentence = self.execute()
        except Timeout:
            outcome, sentence = "failed", runs.refusal(self.job, "busy")
        except OSError as error:
            outcome, sentence = "failed", disk_sentence(str(error), self.folder) or f"{error}"
        self.tell("outcome", state=outcome, sentence=sentence)
        return 0 if outcome == "finished" else 1

    def execute(self) -> tuple[str, str]:
        """Run the notebook under the folder's lock; (state, sentence)."""
        found = runs.state_at_rest(self.job)
        if found == "finished":  # Dask repeats a finished run whose worker died before it could tell
            return "finished", ""
        if refusal := runs.refusal(self.job, found):
            return "failed", refusal
        resume = self.begin(found)
        try:
            self.run_notebook(resume)
        except Exception as error:
            outcome, sentence = explain(error, self.folder)
        else:
            outcome, sentence = "finished", ""
            if runs.read_json(self.folder / runs.RESULTS) is None:
                outcome, sentence = "failed", f"the notebook ended without writing {runs.RESULTS}"
        if outcome != "died":  # a run whose kernel died counts as interrupted
            self.record(state=outcome, sentence=sentence, seconds=self.seconds())
        return outcome, sentence

    def begin(self, found: str) -> bool:
        """Write the first status of this execution; returns whether it continues an earlier one."""
        job = self.job
        before = runs.read_status(self.folder) or {}
        family.end(str(before.get("execution")))  # a kernel that has outlived its supervisor and its child
        if found == "changed":  # it restarts: checkpoints and pictures of other code go
            runs.clear(self.folder)
        resume = found in ("interrupted", "failed")
        self.earlier = before["seconds"] if resume else 0.0
        status = {
            "state": "running",
            "chapter": job.chapter,
            "arm": job.arm,
            "seed": job.seed,
            "parameters": job.parameters,
            "code": runs.code_hash(Path(job.notebook)),
            "threads": job.threads,
            "attempts": before["attempts"] + 1 if resume else 1,
            "pid": os.getpid(),
            "execution": self.mark,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": self.earlier,
        }
        runs.write_status(self.folder, status)
        (self.folder / runs.RESULTS).unlink(missing_ok=True)  # an old table must not outlive its run
        runs.sweep(self.folder)
        return resume

    def record(self, **changes: Any) -> None:
        """Change the run's status."""
        runs.record(self.folder, self.mark, **changes)

    def seconds(self) -> float:
        """What the run has taken so far, interrupted executions included."""
        return round(self.earlier + time.monotonic() - self.began, 2)

    def run_notebook(self, resume: bool) -> None:
        """Let papermill execute the notebook into the run's folder."""
        log = notebook.Log(self.folder / runs.LOG, append=resume)
        log.write(f"--- {datetime.now(UTC).isoformat(timespec='seconds')} {self.job.label}, resume={resume}\n")
        _send_stderr_to(self.folder / runs.LOG)
        notebook.execute(
            Path(self.job.notebook),
            self.folder / runs.NOTEBOOK,
            {**self.job.parameters, "out": str(self.folder), "resume": resume},
            log,
            on_cell=self.cell_watcher(log),
            on_stderr=(lambda text: self.tell("text", text=text)) if self.job.echo else (lambda text: None),
            on_bar=self.bar_watcher(log),
        )

    def bar_watcher(self, log: notebook.Log) -> Callable[[dict[str, Any]], None]:
        """What is called with the numbers of a progress bar that has moved."""
        bars = progress.Follower(log)

        def moved(numbers: dict[str, Any]) -> None:
            bars.show(numbers)
            self.tell("progress", **numbers)

        return moved

    def cell_watcher(self, log: notebook.Log) -> Callable[[Any], None]:
        """What is called with every cell that begins."""
        cells = json.loads(Path(self.job.notebook).read_text(encoding="utf-8"))["cells"]
        total = sum(cell["cell_type"] == "code" for cell in cells) + 1  # papermill injects one
        headings = _headings(cells)
        heading, count = "", 0

        def started(cell: Any) -> None:
            nonlocal heading, count
            if cell.cell_type != "code":
                return
            count += 1
            first = next((line for line in cell.source.splitlines() if line.strip()), "")[:70]
            log.write(f"[{self.seconds():.1f} s] cell {count} of {total}: {first}\n")
            self.record(cell=count, cells=total, seconds=self.seconds())
            heading = headings.get(cell.id, heading)
            self.tell("cell", cell=count, cells=total, source=first, heading=heading)

        return started


def _send_stderr_to(path: Path) -> None:
    """Let what this process says go to the log."""
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


def explain(error: Exception, folder: Path) -> tuple[str, str]:
    """(state, one sentence) of an exception that ended a notebook."""
    name = type(error).__name__
    if name == "PapermillExecutionError":
        where, kind, text = f"cell In [{error.exec_count}]", error.ename, _first_line(error.evalue)  # type: ignore
        return "failed", disk_sentence(text, folder) or f"{where} raised {kind}: {text}"
    if name == "DeadKernelError":
        return "died", "its kernel died (killed; or memory ran out: fewer workers, a smaller batch, smaller images)"
    return "failed", disk_sentence(str(error), folder) or f"{name}: {_first_line(str(error))}"


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:300]


def _live_on_pipe() -> None:
    """End this process and all that it has started when the supervisor's end of stdin is closed, or on SIGTERM."""

    def end(*_: Any) -> None:
        family.end(family.own_mark(), os.getpid())
        os._exit(1)

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
    raise SystemExit(Child(Job(**values | {"gpus": tuple(values["gpus"])}), events).main())
