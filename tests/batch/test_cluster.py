"""Real kernels, workers and schedulers: what they leave, and what happens if they raise, hang, die or are stopped."""

import contextlib
import dataclasses
import ipaddress
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from toys import BatchProcess, expected_value, write_toy

from i2i_tutor.batch import cluster, plan, report, runs


@pytest.mark.parametrize(
    ("jobs", "cores", "threads", "gpus", "workers"),
    [(12, 2, 1, 0, 2), (12, 2, 2, 0, 1), (1, 16, 1, 0, 1), (12, 16, 4, 0, 4), (12, 2, 4, 0, 1), (12, 16, 1, 2, 2)],
)
def test_workers_times_threads_fit_the_cores(jobs, cores, threads, gpus, workers):
    assert cluster.worker_count(jobs, cores, threads, gpus) == workers


@pytest.mark.parametrize(("jobs", "gpus", "wanted", "workers"), [(1, 0, 10, 1), (12, 0, 10, 10), (12, 2, 10, 2)])
def test_no_worker_is_started_for_nothing(jobs, gpus, wanted, workers):
    assert cluster.worker_count(jobs, cores=2, gpus=gpus, wanted=wanted) == workers


# --- what goes wrong, for real -------------------------------------------------------------------------------------


def listening_addresses():
    """Where this process and all below it wait for connections."""
    found = set()
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            every = process.net_connections("inet")
            found |= {(process.pid, one.laddr.ip) for one in every if one.status == psutil.CONN_LISTEN}
    return found


class Killer(cluster.Listener):
    """Kills the worker that executes one job, in the middle of its training."""

    def __init__(self, victim):
        self.victim, self.killed, self.retries = Path(victim.folder), None, []
        self.addresses = set()

    def retried(self, job, outcome):
        self.retries.append(job.label)

    def tick(self):
        self.addresses |= listening_addresses()
        saved = runs.read_json(self.victim / "checkpoints/state.json") or {"step": 0}
        if self.killed is None and 3 <= saved["step"] < 30:
            child = psutil.Process(runs.read_json(self.victim / runs.STATUS)["pid"])
            self.killed = child.parent()
            self.family = [child, *child.children(recursive=True)]
            self.killed.kill()


@pytest.fixture(scope="module")
def faults(chapters, tmp_path_factory):
    """One batch with every fault of a single run; outcomes by arm."""
    out = tmp_path_factory.mktemp("faults")

    def job(name, seed=0, timeout=None, **settings):
        arm = plan.Entry("toy", (seed,), "fast", name, {key: [value] for key, value in settings.items()})
        return plan.jobs([arm], out, chapters, timeout=timeout)[0]

    jobs = [
        job("slow", steps=40, pause=0.1),
        job("raise", fault="raise"),
        job("hang", timeout=12, fault="hang"),
        job("die", fault="die"),
        job("plain", seed=7),
    ]
    killer = Killer(jobs[0])
    outcomes = cluster.execute(jobs, cluster.Engine(workers=3), killer)
    return {job.arm: (job, outcomes[job.label]) for job in jobs}, killer, out


def value(job):
    return json.loads((Path(job.folder) / runs.RESULTS).read_text())["metrics"]["method"]["value"]


def test_a_plain_run_leaves_everything_in_its_folder(faults):
    job, outcome = faults[0]["plain"]
    assert outcome["state"] == "finished"
    names = {path.name for path in Path(job.folder).iterdir()}
    assert names >= {"notebook.ipynb", "log.txt", "results.json", "status.json", "figures", "checkpoints"}
    results = json.loads((Path(job.folder) / runs.RESULTS).read_text())
    assert results["metrics"]["method"]["value"] == expected_value(7)
    assert (results["python"], results["threads"]) == (sys.executable, "1")
    assert runs.state(job) == "finished"
    assert "step 5" in (Path(job.folder) / runs.LOG).read_text()


def test_a_killed_workers_run_is_continued_and_equal_to_an_undisturbed_one(faults):
    job, outcome = faults[0]["slow"]
    killer = faults[1]
    assert killer.killed is not None
    assert outcome["state"] == "finished"
    state = json.loads((Path(job.folder) / "checkpoints/state.json").read_text())
    assert state["sessions"] == 2
    assert value(job) == expected_value(0, 40)
    assert json.loads((Path(job.folder) / runs.STATUS).read_text())["attempts"] == 2
    assert not any(process.is_running() for process in killer.family)


def test_a_killed_kernels_run_is_continued(faults):
    job, outcome = faults[0]["die"]
    assert outcome["state"] == "finished"
    assert faults[1].retries == [job.label]
    assert value(job) == expected_value(0)


def test_nobody_else_can_reach_a_batch(faults):
    """Scheduler, workers (their HTTP too) and kernels listen on the loopback only."""
    addresses = faults[1].addresses
    assert len({pid for pid, _ in addresses}) >= 1 + 3 + 3  # this process, workers, kernels
    assert {ip for _, ip in addresses if not ipaddress.ip_address(ip).is_loopback} == set()


def test_a_notebook_that_raises_is_reported_with_its_cell(faults):
    job, outcome = faults[0]["raise"]
    assert outcome["state"] == "failed"
    assert outcome["sentence"] == "cell In [4] raised ValueError: the toy is broken"
    assert "the toy is broken" in (Path(job.folder) / runs.NOTEBOOK).read_text()
    assert runs.state(job) == "failed"


def test_a_hanging_cell_is_ended(faults):
    job, outcome = faults[0]["hang"]
    assert outcome["state"] == "failed"
    assert outcome["sentence"].startswith("not done after 12 s (--timeout); it was ")
    assert runs.state(job) == "failed"


def test_the_table_has_a_row_for_every_run(faults):
    rows = report.gather(faults[2])
    assert sorted((row["arm"], row["state"]) for row in rows) == [
        ("die", "finished"),
        ("hang", "failed"),
        ("plain", "finished"),
        ("raise", "failed"),
        ("slow", "finished"),
    ]
    finished = {row["arm"]: row for row in rows if row["state"] == "finished"}
    assert finished["plain"]["metrics.method.value"] == expected_value(7)
    assert finished["slow"]["parameters.steps"] == 40


def test_a_changed_notebook_or_setting_is_noticed(faults, tmp_path):
    plain, failed = faults[0]["plain"][0], faults[0]["raise"][0]
    changed = str(write_toy(tmp_path, note="# edited\n"))
    assert runs.state(dataclasses.replace(plain, notebook=changed)) == "finished"
    assert runs.state(dataclasses.replace(failed, notebook=changed)) == "changed"
    assert runs.state(dataclasses.replace(plain, parameters={**plain.parameters, "steps": 6})) == "other"
    assert runs.state(dataclasses.replace(plain, folder=str(tmp_path / "none"))) == "new"


# --- Ctrl-C, external clusters -------------------------------------------------------------------------------------


def test_ctrl_c_leaves_nothing_running_and_the_same_command_continues(chapters, tmp_path):
    out = tmp_path / "runs"
    command = ["batch", "toy", "--seeds", "0-1", "--set", "steps=30", "--set", "pause=0.1", "--workers", "2"]
    command += ["--out", str(out), "--chapters-dir", str(chapters)]
    first = BatchProcess(command)
    first.wait_for_step(out, 3, runs=2)
    first.interrupt_group()
    time.sleep(0.2)
    first.interrupt_group()  # an impatient user
    assert first.process.wait(30) == 130
    assert first.survivors() == []
    assert "To continue: i2i-tutor batch toy" in first.errors()
    assert "Traceback" not in first.errors()
    again = BatchProcess(command)
    assert again.process.wait(60) == 0
    values = {row["seed"]: row["metrics.method.value"] for row in report.gather(out)}
    assert values == {0: expected_value(0, 30), 1: expected_value(1, 30)}
    sessions = [json.loads(path.read_text())["sessions"] for path in out.rglob("state.json")]
    assert sessions == [2, 2]


@pytest.fixture(scope="module")
def external(tmp_path_factory):
    """A scheduler and two workers as processes on the loopback."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    log = open(folder / "log.txt", "wb")  # noqa: SIM115
    start = {"cwd": folder, "stdout": log, "stderr": log}
    loopback = ["--host", "127.0.0.1"]
    python = [sys.executable, "-m", "dask"]
    scheduler = [*python, "scheduler", *loopback, "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    worker = [*python, "worker", *loopback, "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard"]
    processes = [subprocess.Popen(scheduler, **start), *(subprocess.Popen(worker, **start) for _ in range(2))]
    while not file.exists():
        assert processes[0].poll() is None, (folder / "log.txt").read_text()
        time.sleep(0.1)
    yield json.loads(file.read_text())["address"], processes
    for process in processes:
        process.kill()
        process.wait()
    log.close()


def test_an_external_cluster_gives_the_same_numbers_and_its_loss_is_said(chapters, tmp_path, external, faults):
    address, processes = external
    common = ["--scheduler", address, "--chapters-dir", str(chapters)]
    plain = BatchProcess(["batch", "toy", "--seeds", "7", "--out", str(tmp_path / "a"), *common])
    assert plain.process.wait(60) == 0, plain.errors()
    (row,) = report.gather(tmp_path / "a")
    (local,) = (row for row in report.gather(faults[2]) if row["arm"] == "plain")
    for key in ("metrics.method.value", "metrics.method.third", "seed", "threads"):
        assert row[key] == local[key]

    out = tmp_path / "b"
    settings = ["--set", "steps=1000", "--set", "pause=0.1"]
    lost = BatchProcess(["batch", "toy", "--seeds", "0", "--out", str(out), *settings, *common])
    lost.wait_for_step(out, 2, runs=1)
    processes[0].send_signal(signal.SIGKILL)
    assert lost.process.wait(30) == 1
    assert f"the scheduler at {address} is gone; 0 runs finished and stay" in lost.errors()
    assert "Traceback" not in lost.errors()


def test_a_scheduler_that_does_not_answer_is_one_sentence(chapters, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_PATIENCE", 0.5)
    job = plan.jobs([plan.Entry("toy")], tmp_path, chapters)
    with pytest.raises(cluster.ClusterError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9"):
        cluster.execute(job, cluster.Engine(scheduler="tcp://127.0.0.1:9"), cluster.Listener())
