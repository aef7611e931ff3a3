"""Batch runs: the plan, and real kernels, workers and schedulers that raise, hang, die and are interrupted."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from toys import BatchProcess, expected_value, write_toy

from i2i_tutor.batch import cluster, plan, report, runner, runs
from i2i_tutor.parameters import ParameterError

# --- the plan ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chapters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chapters")
    write_toy(folder)
    write_toy(folder, "02_other")
    return folder


def test_a_plan_is_chapters_by_settings_by_seeds(chapters, tmp_path):
    settings = plan.parse_settings(["weight=10,100", "steps=5"])
    arms = [plan.Entry(name, (0, 1, 2), "smoke", None, settings) for name in ("toy", "02_other")]
    jobs = plan.jobs(arms, tmp_path, chapters)
    assert len(jobs) == 2 * 2 * 3
    assert jobs[0].label == "01_toy/smoke_weight=10_steps=5/seed-0"
    assert jobs[0].folder == str(tmp_path / jobs[0].label)
    assert jobs[0].parameters == {"profile": "smoke", "seed": 0, "weight": 10.0, "steps": 5}


def test_a_long_setting_is_named_by_a_hash_that_stays(chapters, tmp_path):
    arm = plan.Entry("toy", name="n" * 60, settings={"weight": [0.1, 0.2], "steps": [9_000_000, 1]})
    first, second = (plan.jobs([arm], tmp_path, chapters) for _ in range(2))
    assert first == second
    assert len({job.arm for job in first}) == 4
    assert all(len(job.arm) <= 80 for job in first)


@pytest.mark.parametrize(("text", "seeds"), [("0-2", (0, 1, 2)), ("3", (3,)), ("10-11,20,10", (10, 11, 20))])
def test_seeds(text, seeds):
    assert plan.parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "2-1", "-1", "1.5", "0-99999999"])
def test_seeds_that_are_none(text):
    with pytest.raises(plan.BatchError):
        plan.parse_seeds(text)


def test_a_grid_names_its_arms(chapters, tmp_path):
    grid = tmp_path / "grid.yml"
    grid.write_text(
        "- {chapter: toy, seeds: 0-1, profile: smoke, name: plain}\n"
        "- {chapter: [toy, other], seeds: [5], name: heavy, set: {weight: [1e2, 2e2], steps: 3}}\n"
    )
    labels = [job.label for job in plan.jobs(plan.read_grid(grid), tmp_path, chapters)]
    assert labels == [
        "01_toy/plain/seed-0",
        "01_toy/plain/seed-1",
        "01_toy/heavy_weight=100/seed-5",
        "01_toy/heavy_weight=200/seed-5",
        "02_other/heavy_weight=100/seed-5",
        "02_other/heavy_weight=200/seed-5",
    ]


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ([{"chapter": "toy", "sets": {}}], "has no key 'sets'"),
        ([{"seeds": 0}], "must be a mapping with a chapter"),
        ({"chapter": "toy"}, "must be a list of entries"),
        ([{"chapter": "toy", "name": "../up"}], "a name has letters"),
        ([{"chapter": "toy", "set": {"weight": []}}], "empty list"),
        ([{"chapter": "toy", "set": ["weight"]}], "set must map"),
    ],
)
def test_a_wrong_grid_is_refused(grid, words, tmp_path):
    path = tmp_path / "grid.yml"
    path.write_text(yaml.safe_dump(grid))
    with pytest.raises(plan.BatchError) as error:
        plan.read_grid(path)
    assert words in str(error.value)


def test_broken_yaml_is_one_sentence(tmp_path):
    (tmp_path / "grid.yml").write_text("- {chapter: [")
    with pytest.raises(plan.BatchError, match="is not YAML") as error:
        plan.read_grid(tmp_path / "grid.yml")
    assert "\n" not in str(error.value)


def test_a_plan_names_every_wrong_value_once(chapters, tmp_path):
    arm = plan.Entry("toy", (0, 1), "fast", None, {"weight": ["x"], "wait": ["3"]})
    with pytest.raises(ParameterError) as error:
        plan.jobs([arm, dataclasses.replace(arm, settings={"seed": ["1"]})], tmp_path, chapters)
    assert str(error.value).splitlines() == [
        "01_toy: weight must be a number from 0 to 1000000 (or none), not 'x'",
        "01_toy: seed is not set like this; use --seeds",
    ]


def test_an_unknown_chapter_lists_the_known(chapters):
    with pytest.raises(plan.BatchError, match=r"'pix' is not known; .* has 01_toy, 02_other"):
        plan.find_chapter("pix", chapters)


def test_two_runs_never_share_a_folder(chapters, tmp_path):
    with pytest.raises(plan.BatchError, match="different names"):
        plan.jobs([plan.Entry("toy", name="a"), plan.Entry("toy", name="a", profile="smoke")], tmp_path, chapters)


@pytest.mark.parametrize(
    ("jobs", "cores", "threads", "gpus", "workers"),
    [(12, 2, 1, 0, 2), (12, 2, 2, 0, 1), (1, 16, 1, 0, 1), (12, 16, 4, 0, 4), (12, 2, 4, 0, 1), (12, 16, 1, 2, 2)],
)
def test_workers_times_threads_fit_the_cores(jobs, cores, threads, gpus, workers):
    assert cluster.worker_count(jobs, cores, threads, gpus) == workers


def test_expected_time_comes_from_equal_runs_first(chapters, tmp_path):
    job = plan.jobs([plan.Entry("toy", settings={"steps": ["5"]})], tmp_path, chapters)[0]
    row = {"chapter": "01_toy", "profile": "fast", "parameters": {"steps": 5}}
    other = [{**row, "parameters": {"steps": 9}, "seconds": 100.0}]
    assert plan.expected_seconds(job, []) is None
    assert plan.expected_seconds(job, other) == 100
    assert plan.expected_seconds(job, [*other, {**row, "seconds": 4.0}, {**row, "seconds": 6.0}]) == 5
    assert plan.makespan([4, 4, 4, 4, 8], 2) == 16


# --- what goes wrong, for real -------------------------------------------------------------------------------------


class Killer(cluster.Listener):
    """Kills the worker that executes one job, in the middle of its training."""

    def __init__(self, victim):
        self.victim, self.killed, self.retries = Path(victim.folder), None, []

    def retried(self, job, outcome):
        self.retries.append(job.label)

    def tick(self):
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


def test_a_notebook_that_raises_is_reported_with_its_cell(faults):
    job, outcome = faults[0]["raise"]
    assert outcome["state"] == "failed"
    assert outcome["sentence"] == "cell In [4] raised ValueError: the toy is broken"
    assert "the toy is broken" in (Path(job.folder) / runs.NOTEBOOK).read_text()
    assert runs.state(job) == "failed"


def test_a_hanging_cell_is_ended(faults):
    job, outcome = faults[0]["hang"]
    assert outcome["state"] == "failed"
    assert outcome["sentence"].startswith("not done after 12 s (--timeout); it was in cell")
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


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_in_a_sentence_and_leaves_nothing_half_written(chapters, tiny_disk):
    job = plan.jobs([plan.Entry("toy", settings={"fault": ["fill"]})], tiny_disk, chapters)[0]
    outcome = runner.supervise(job)
    assert outcome["state"] == "failed"
    assert outcome["sentence"].startswith("the disk is full")
    folder = Path(job.folder)
    assert runs.state(job) == "failed"
    json.loads((folder / runs.NOTEBOOK).read_text())
    assert not (folder / runs.RESULTS).exists()
    assert not list(folder.rglob("*.part"))


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
