"""Long proofs of batch runs: many random kills, a killed command, and what running side by side gains."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
from toys import BatchProcess, expected_value, write_toy

from i2i_tutor.batch import cluster, plan, report, runner, runs

pytestmark = pytest.mark.soak


class RandomKiller(cluster.Listener):
    """Kills a worker that is at work every few seconds, so many times."""

    def __init__(self, jobs, kills):
        self.folders = [Path(job.folder) for job in jobs]
        self.left, self.random, self.next = kills, random.Random(0), 0.0

    def tick(self):
        if not self.left or time.monotonic() < self.next:
            return
        busy = [folder for folder in self.folders if runs.is_busy(folder)]
        if busy:
            child = (runs.read_json(self.random.choice(busy) / runs.STATUS) or {}).get("pid", -1)
            worker = psutil.Process(child).parent() if psutil.pid_exists(child) else None
            if worker is not None and worker.pid not in (1, os.getpid()):
                worker.kill()
                self.left -= 1
        self.next = time.monotonic() + self.random.uniform(1, 8)


def test_twenty_killed_workers_end_in_a_complete_and_correct_table(tmp_path):
    write_toy(tmp_path / "chapters")
    settings = {"steps": ["80"], "pause": ["0.1"], "weight": ["1", "2"]}
    arm = plan.Entry("toy", tuple(range(6)), "fast", None, settings)
    jobs = plan.jobs([arm], tmp_path / "runs", tmp_path / "chapters")
    killer = RandomKiller(jobs, 20)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    outcomes = cluster.execute(jobs, cluster.Engine(workers=2), killer)
    assert killer.left == 0
    assert {outcome["state"] for outcome in outcomes.values()} == {"finished"}
    rows = report.gather(tmp_path / "runs")
    assert len(rows) == 12
    for row in rows:
        assert row["metrics.method.value"] == expected_value(row["seed"], 80, int(row["parameters.weight"]))
    attempts = [row["attempts"] for row in rows]
    assert 12 < sum(attempts) <= 12 + 20  # a kill before the first status is an attempt that left no trace
    left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    assert [process for process in left if "ipykernel" in " ".join(process.cmdline())] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_command_leaves_nothing_running(number, tmp_path):
    write_toy(tmp_path / "chapters")
    arguments = ["batch", "toy", "--seeds", "0-1", "--set", "steps=1000", "--set", "pause=0.1", "--workers", "2"]
    places = ["--out", str(tmp_path / "runs"), "--chapters-dir", str(tmp_path / "chapters")]
    command = BatchProcess([*arguments, *places])
    command.wait_for_step(tmp_path / "runs", 3, runs=2)
    os.kill(command.process.pid, number)
    assert command.process.wait(30) in (143, -signal.SIGKILL)
    assert command.survivors(10) == []


CONVOLUTIONS = """
import torch
torch.manual_seed(seed)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 3), torch.nn.ReLU(), torch.nn.Conv2d(64, 64, 3), torch.nn.ReLU())
optimiser = torch.optim.Adam(net.parameters())
for _ in range(60):
    net(torch.randn(4, 3, 64, 64)).square().mean().backward()
    optimiser.step()
"""


def test_side_by_side_is_faster_than_one_after_another(tmp_path, capsys):
    """Twelve runs on one-thread workers against the same runs in turn with every core; prints the ratio."""
    cores = cluster.cores()
    if cores < 2:
        pytest.skip("there is nothing to share out")
    write_toy(tmp_path / "chapters", note=CONVOLUTIONS)
    arm = plan.Entry("toy", tuple(range(12)))

    def seconds(folder, workers, threads):
        jobs = plan.jobs([arm], tmp_path / folder, tmp_path / "chapters", threads=threads)
        began = time.monotonic()
        outcomes = cluster.execute(jobs, cluster.Engine(workers=workers), cluster.Listener())
        assert {outcome["state"] for outcome in outcomes.values()} == {"finished"}
        return time.monotonic() - began

    together = seconds("together", cluster.worker_count(12, cores), 1)
    in_turn = seconds("in_turn", 1, cores)
    with capsys.disabled():
        print(json.dumps({"in_turn": in_turn, "together": together, "ratio": in_turn / together}))
    assert in_turn / together > 1


def test_a_child_ends_when_its_supervisor_is_gone(tmp_path):
    """The pipe alone does it: no signal reaches the child or its kernel."""
    notebook = write_toy(tmp_path / "chapters")
    code = (
        "import sys; from i2i_tutor.batch import plan, runner; from pathlib import Path; "
        f"arm = plan.Entry({str(notebook)!r}, settings={{'fault': ['hang']}}); "
        f"runner.supervise(plan.jobs([arm], Path({str(tmp_path / 'runs')!r}))[0])"
    )
    supervisor = psutil.Popen([sys.executable, "-c", code])
    end = time.monotonic() + 150
    while not list((tmp_path / "runs").rglob("state.json")):
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(1)
    family = supervisor.children(recursive=True)
    assert len(family) >= 2
    supervisor.kill()
    supervisor.wait()
    assert psutil.wait_procs(family, 5)[1] == []


def test_nothing_is_lost_when_the_child_alone_is_killed(tmp_path):
    write_toy(tmp_path / "chapters")
    settings = {"steps": ["60"], "pause": ["0.1"]}
    job = plan.jobs([plan.Entry("toy", settings=settings)], tmp_path / "runs", tmp_path / "chapters")[0]

    def kill(event):
        if event["event"] == "cell" and event["cell"] == 3:
            time.sleep(1)
            os.kill(runs.read_json(Path(job.folder) / runs.STATUS)["pid"], signal.SIGKILL)

    assert runner.supervise(job, kill)["state"] == "died"
    assert runner.supervise(job)["state"] == "finished"
    assert runs.read_json(Path(job.folder) / runs.RESULTS)["metrics"]["method"]["value"] == expected_value(0, 60)
