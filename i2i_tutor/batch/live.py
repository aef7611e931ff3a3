"""What a batch shows while it runs: a live table in a terminal, a quiet line per event elsewhere."""

import contextlib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from i2i_tutor.batch import runs
from i2i_tutor.batch.cluster import Listener
from i2i_tutor.batch.report import duration
from i2i_tutor.batch.runner import Outcome
from i2i_tutor.batch.runs import Job


def listener(jobs: list[Job]) -> contextlib.AbstractContextManager[Listener]:
    """A live table in a terminal, else quiet lines."""
    if sys.stdout.isatty():
        return _Table(jobs)
    return contextlib.nullcontext(_Lines(len(jobs)))


class _Lines(Listener):
    """A quiet line per event, for logs."""

    def __init__(self, total: int):
        self.total, self.done = total, 0

    def started(self, dashboard: str | None) -> None:
        if dashboard:
            typer.echo(f"dashboard: {dashboard}")

    def ended(self, job: Job, outcome: Outcome) -> None:
        self.done += 1
        why = f": {outcome['sentence']}" if outcome["sentence"] else ""
        typer.echo(f"[{self.done}/{self.total}] {job.label} {outcome['state']}, {outcome.get('seconds', 0):.0f} s{why}")

    def retried(self, job: Job, outcome: Outcome) -> None:
        typer.echo(f"{job.label}: {outcome['sentence']}; it is continued")


class _Table(Listener):
    """A live table: what is at work (read from the runs' status files), what failed, and how many are done."""

    def __init__(self, jobs: list[Job]):
        from rich.live import Live

        self.jobs = jobs
        self.outcomes: dict[str, Outcome] = {}
        self.notes: dict[str, str] = {}
        self.dashboard: str | None = None
        self.began, self.drawn = time.monotonic(), 0.0
        self.live = Live(auto_refresh=False)

    def __enter__(self) -> "_Table":
        self.live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._draw()
        self.live.__exit__(*error)

    def started(self, dashboard: str | None) -> None:
        self.dashboard = dashboard
        self._draw()

    def ended(self, job: Job, outcome: Outcome) -> None:
        self.outcomes[job.label] = outcome
        self._draw()

    def retried(self, job: Job, outcome: Outcome) -> None:
        self.notes[job.label] = f"{outcome['sentence']}; continued"

    def tick(self) -> None:
        if time.monotonic() - self.drawn >= 0.5:
            self._draw()

    def _draw(self) -> None:
        from rich.markup import escape
        from rich.table import Column, Table

        self.drawn = time.monotonic()
        headers = (Column("run", overflow="fold"), "state", "cell", "time", "")
        table = Table(*headers, box=None, padding=(0, 2, 0, 0), caption_justify="left")
        for job in self.jobs:
            if row := self._row(job):
                table.add_row(*map(escape, (job.label, *row)))
        done = sum(outcome["state"] == "finished" for outcome in self.outcomes.values())
        passed = duration(self.drawn - self.began)
        table.caption = f"{done} of {len(self.jobs)} finished, {passed}" + (
            f"; dashboard: {self.dashboard}" if self.dashboard else ""
        )
        self.live.update(table, refresh=True)

    def _row(self, job: Job) -> tuple[str, str, str, str] | None:
        """The cells of a run that is at work or has failed; the others are only counted, unless they are few."""
        few = len(self.jobs) <= 24
        if outcome := self.outcomes.get(job.label):
            if outcome["state"] == "finished" and not few:
                return None
            return outcome["state"], "", duration(outcome.get("seconds", 0)), outcome["sentence"]
        status = runs.read_json(Path(job.folder) / runs.STATUS) or {}
        note = self.notes.get(job.label, "")
        if status.get("state") == "running" and runs.is_busy(Path(job.folder)):
            cell = f"{status['cell']}/{status['cells']}" if "cell" in status else ""
            passed = datetime.now(UTC) - datetime.fromisoformat(status["started"])
            return "running", cell, duration(passed.total_seconds()), note
        return ("waiting", "", "", note) if few else None
