"""Executes jobs on a Dask cluster: one of our own on this machine, or one that is running somewhere."""

import contextlib
import dataclasses
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from i2i_tutor.batch import family, runner
from i2i_tutor.batch.runner import Outcome
from i2i_tutor.batch.runs import Job

CONNECT_PATIENCE = 10.0  # seconds in which a given scheduler has to answer


class ClusterError(RuntimeError):
    """The cluster cannot be reached, or is lost; the message says so in a sentence."""


@dataclass(frozen=True)
class Engine:
    """Where runs are executed.

    Attributes:
        scheduler: address of a running cluster's scheduler; None: a cluster of our own, on this machine's loopback.
        workers: number of our own workers.
        gpu: whether every run claims a GPU (Dask's resource ``GPU``), so that a GPU has one run at a time; None: if a
            worker of the given cluster offers one.
        retries: how often a run is tried again after its kernel was killed, or after a given cluster gave it up because
            too many of its workers died. (Our own cluster hands a dead worker's run on as often as it must.)
    """

    scheduler: str | None = None
    workers: int = 1
    gpu: bool | None = None
    retries: int = 3


def cores() -> int:
    """CPU cores that this process may use (its affinity and its container's share are respected)."""
    from dask.system import cpu_count

    return int(cpu_count())


def worker_count(jobs: int, cores: int, threads: int = 1, gpus: int = 0, wanted: int | None = None) -> int:
    """The rule: one worker per GPU if there are any; else as many as fit, so that workers x threads <= cores.

    ``wanted`` replaces the number of those that fit. No worker is without a run or, if there are GPUs, without one.
    """
    return max(1, min(jobs, gpus or jobs, wanted or gpus or cores // threads))


def visible_gpus() -> tuple[str, ...]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them, found without torch."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return tuple(part.strip() for part in given.split(",") if part.strip() not in ("", "-1"))
    if shutil.which("nvidia-smi") is None:
        return ()
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=False)
    return tuple(str(i) for i, line in enumerate(listing.stdout.splitlines()) if line.startswith("GPU "))


class Listener:
    """Hears what happens to a batch; the command line's tables are such listeners."""

    def started(self, dashboard: str | None) -> None:
        """The cluster is there."""

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A run has an outcome for good."""

    def retried(self, job: Job, outcome: Outcome) -> None:
        """A run's worker or kernel died, and it will be continued."""

    def tick(self) -> None:
        """Called a few times a second."""


def work(values: dict[str, Any]) -> Outcome:
    """What a worker does: supervise one run."""
    return runner.supervise(Job(**values))


def execute(
    jobs: Sequence[Job], engine: Engine, listener: Listener, check: Callable[[], None] = lambda: None
) -> dict[str, Outcome]:
    """Execute the jobs and return the outcomes by label; ``check`` is called a few times a second and may raise.

    Raises ClusterError if the scheduler cannot be reached or is lost. On this and on KeyboardInterrupt every run
    at work is ended before the exception leaves; what was finished stays.
    """
    _silence_dask()
    with _connect(engine) as (client, workers):
        listener.started(_dashboard(client))
        return _Loop(client, workers, engine, listener, check).run(jobs)


def _silence_dask() -> None:
    """Keep Dask's own log off the terminal: our own sentences say what matters of it."""
    import distributed  # noqa: F401 (its loggers, each with a level of its own, are made by this)

    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


class _Loop:
    """Submits jobs, watches them, tries again those whose worker died."""

    def __init__(
        self, client: Any, workers: "Workers | None", engine: Engine, listener: Listener, check: Callable[[], None]
    ):
        self.client, self.workers, self.engine, self.listener, self.check = client, workers, engine, listener, check
        gpu = _offers_gpu(client) if engine.gpu is None and engine.scheduler else bool(engine.gpu)
        self.resources = {"GPU": 1} if gpu else None
        self.deaths: dict[str, int] = {}

    def submit(self, job: Job) -> Any:
        return self.client.submit(
            work,
            dataclasses.asdict(job),
            key=f"{job.label} {uuid.uuid4().hex[:8]}",
            pure=False,
            resources=self.resources,
        )

    def run(self, jobs: Sequence[Job]) -> dict[str, Outcome]:
        pending = {self.submit(job): job for job in jobs}
        outcomes: dict[str, Outcome] = {}
        try:
            self.watch(pending, outcomes)
        except BaseException:
            self.cancel(pending)
            raise
        return outcomes

    def watch(self, pending: dict[Any, Job], outcomes: dict[str, Outcome]) -> None:
        while pending:
            done = [future for future in pending if future.done()]
            self.require_scheduler(outcomes)  # after asking: a lost scheduler's futures count as done
            for future in done:
                outcome = _outcome(future)
                if outcome is None:
                    continue
                job = pending.pop(future)
                if outcome["state"] in ("died", "stopped") and self.may_retry(job):
                    self.listener.retried(job, outcome)
                    pending[self.submit(job)] = job
                else:
                    outcomes[job.label] = outcome
                    self.listener.ended(job, outcome)
            if self.workers:
                self.workers.mend()
            self.listener.tick()
            self.check()
            time.sleep(0.1)

    def cancel(self, pending: Iterable[Any]) -> None:
        """End the runs at work, and start none of those that wait."""
        with contextlib.suppress(Exception):
            self.client.cancel(list(pending), force=True)
        for _ in range(2):  # a worker may just have taken the next one
            _stop(self.client)
            time.sleep(0.3)

    def may_retry(self, job: Job) -> bool:
        self.deaths[job.label] = self.deaths.get(job.label, 0) + 1
        return self.deaths[job.label] <= self.engine.retries

    def require_scheduler(self, outcomes: dict[str, Outcome]) -> None:
        if self.client.status != "running":
            raise ClusterError(
                f"the scheduler{' at ' + self.engine.scheduler if self.engine.scheduler else ''} is gone; "
                f"{sum(outcome['state'] == 'finished' for outcome in outcomes.values())} runs finished and stay, "
                "and the same command continues the others"
            )


def _outcome(future: Any) -> Outcome | None:
    """A job's outcome; None if its worker was lost before it could be fetched, so that Dask computes it again."""
    if future.status == "finished":
        try:
            return future.result(timeout=2)
        except TimeoutError:
            return None
    if future.status == "error":
        error = future.exception()
        died = type(error).__name__ == "KilledWorker"
        sentence = "its worker was killed" if died else f"its worker raised {type(error).__name__}: {error}"
        return {"state": "died" if died else "failed", "sentence": sentence}
    return {"state": "died", "sentence": "its worker was lost"}


@contextlib.contextmanager
def _connect(engine: Engine) -> Iterator[tuple[Any, "Workers | None"]]:
    """A client, and the workers if they are our own."""
    import dask
    from distributed import Client

    if engine.scheduler:
        try:
            client = Client(engine.scheduler, timeout=CONNECT_PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(f"no scheduler answers at {engine.scheduler}") from error
        try:
            yield client, None
        finally:
            client.close(timeout=5)
        return
    # A worker's death counts, for Dask, against every run that it held; a run that only waited there is not to blame.
    with dask.config.set({"distributed.scheduler.allowed-failures": 1000}):
        with _scheduler() as address, Client(address, set_as_default=False) as client:
            workers = Workers(address, engine)
            try:
                yield client, workers
            finally:
                workers.close()


@contextlib.contextmanager
def _scheduler() -> Iterator[str]:
    """A scheduler in this process, on the loopback; gives its address."""
    from distributed import LocalCluster

    addresses = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=0, **addresses, silence_logs=logging.CRITICAL) as cluster:
        yield cluster.scheduler_address


class Workers:
    """The worker processes of our own cluster, each restarted when it has been killed.

    Dask's Nanny does this too, but gives up on a worker that is killed while it starts. Like a run's child, a worker
    lives on a pipe and ends when this process is gone. It is a session of its own: a Ctrl-C is for this process.
    They and what they start carry one mark, by which `close` finds a kernel whose worker has been killed.
    """

    def __init__(self, scheduler: str, engine: Engine):
        self.command = [sys.executable, "-m", "dask", "worker", scheduler, "--host", "127.0.0.1", "--preload", __name__]
        self.command += ["--dashboard-address", "127.0.0.1:0", "--no-dashboard"]  # it serves HTTP all the same
        self.command += ["--no-nanny", "--nthreads", "1"]  # a worker has one run at a time
        self.command += ["--memory-limit", "0"]  # the kernels are other processes, which Dask would not count
        self.command += ["--resources", "GPU=1"] if engine.gpu else []
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the workers)
        self.mark = family.new_mark()
        self.misstarts = 0
        self.processes = [self.start(name) for name in range(engine.workers)]

    def start(self, name: int) -> subprocess.Popen:
        return subprocess.Popen(
            [*self.command, "--name", str(name)],
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=self.log,
            env=family.marked(dict(os.environ), self.mark),
            start_new_session=True,
        )

    def mend(self) -> None:
        """Start the workers that have ended; ClusterError if they end by themselves again and again."""
        for name, process in enumerate(self.processes):
            if process.poll() is not None:
                self.misstarts += process.returncode > 0  # not by a signal
                if self.misstarts > 3 * len(self.processes):
                    self.log.seek(0)
                    last = (self.log.read().decode(errors="replace").strip().splitlines() or ["no message"])[-1]
                    raise ClusterError(f"the workers end by themselves; the last said: {last}")
                self.processes[name] = self.start(name)

    def close(self) -> None:
        """End the workers, and with them what they execute."""
        family.end(self.mark)
        for process in self.processes:
            process.kill()
            process.wait()
        self.log.close()


def dask_setup(worker: Any) -> None:
    """End a worker of our own cluster when the process that started it is gone. Dask calls this by its name."""

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _dashboard(client: Any) -> str | None:
    if importlib.util.find_spec("bokeh") is None:  # it draws the pages
        return None
    with contextlib.suppress(Exception):
        return client.dashboard_link or None
    return None


def _offers_gpu(client: Any) -> bool:
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return any(worker.get("resources", {}).get("GPU") for worker in workers)


def _stop(client: Any) -> None:
    """End every run that is at work, on every worker that can be reached."""
    if client.status == "running":
        with contextlib.suppress(Exception):
            client.run(runner.stop_all, on_error="ignore")
