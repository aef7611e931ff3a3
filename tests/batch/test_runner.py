"""One execution: what it leaves behind, whatever ends it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from toys import expected_value, is_alive, write_toy

from i2i_tutor.batch import family, notebook, plan, runner, runs


def toy(folder, note="", **options):
    """A job of a toy chapter with further code in its training cell."""
    write_toy(folder / "chapters", note=note)
    settings = {name: [str(value)] for name, value in options.pop("settings", {}).items()}
    (job,) = plan.jobs([plan.Entry("toy", settings=settings)], folder / "runs", folder / "chapters", **options)
    return job


def value(job):
    return json.loads((Path(job.folder) / runs.RESULTS).read_text())["metrics"]["method"]["value"]


DAEMON = """
import subprocess
code = "import os, time; os.setsid(); open('{0}/daemon.part', 'w').write(str(os.getpid())); " \\
       "os.rename('{0}/daemon.part', '{0}/daemon'); time.sleep(1000)".format(out)
subprocess.Popen([sys.executable, "-c", f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}])"])
while not (Path(out) / "daemon").exists():
    time.sleep(0.05)
"""


@pytest.mark.parametrize("how", ["finished", "failed", "timeout"])
def test_a_daemon_of_a_notebook_ends_with_the_run(how, tmp_path):
    job = toy(tmp_path, DAEMON, settings={"fault": {"failed": "raise", "timeout": "hang"}.get(how, "none")})
    end = threading.Event()

    def stop(event):  # instead of --timeout, which would have to guess how long the machine takes
        if how == "timeout" and event.get("cell") == 4:
            end.set()

    threading.Thread(target=lambda: end.wait(300) and runner.stop_all(), daemon=True).start()
    outcome = runner.supervise(job, stop)
    assert outcome["state"] == {"timeout": "stopped"}.get(how, how)
    assert not is_alive(int((Path(job.folder) / "daemon").read_text()))


HOLD = """
import ctypes
if state["sessions"] == 1:
    (Path(out) / "kernel").write_text(str(os.getpid()))
    ctypes.PyDLL(None).sleep(1000)  # a PyDLL's functions hold the interpreter's lock
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the C library's sleep is POSIX")
def test_a_kernel_that_holds_the_interpreters_lock_does_not_outlive_its_killed_child(tmp_path):
    job = toy(tmp_path, HOLD)
    kernel = Path(job.folder) / "kernel"

    def kill_child():
        while not kernel.exists() or not kernel.read_text():
            time.sleep(0.05)
        os.kill(runs.read_status(Path(job.folder))["pid"], signal.SIGKILL)

    threading.Thread(target=kill_child, daemon=True).start()
    assert runner.supervise(job)["state"] == "died"
    assert not is_alive(int(kernel.read_text()))
    assert runner.supervise(job)["state"] == "finished"
    assert value(job) == expected_value(0)


@pytest.mark.skipif(sys.platform == "win32", reason="the C library's sleep is POSIX")
def test_an_execution_ends_the_kernel_that_outlived_its_supervisor_and_its_child(tmp_path):
    job = toy(tmp_path, HOLD)
    kernel = Path(job.folder) / "kernel"
    code = (
        "import json, sys; from i2i_tutor.batch import runner, runs; "
        "runner.supervise(runs.Job(**json.loads(sys.argv[1])))"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code, json.dumps(vars(job))])
    while not kernel.exists() or not kernel.read_text():
        assert supervisor.poll() is None
        time.sleep(0.05)
    child = runs.read_status(Path(job.folder))["pid"]
    os.kill(child, signal.SIGSTOP)  # so that it cannot notice that its supervisor is gone
    supervisor.kill()
    supervisor.wait()
    os.kill(child, signal.SIGKILL)
    orphan = int(kernel.read_text())
    time.sleep(2)
    assert is_alive(orphan)  # it is deaf
    assert runs.state(job) == "interrupted"
    assert runner.supervise(job)["state"] == "finished"
    assert not is_alive(orphan)
    assert value(job) == expected_value(0)


def test_a_foreign_folder_is_refused_by_the_child_too(tmp_path):
    job = toy(tmp_path)
    folder = Path(job.folder)
    folder.mkdir(parents=True)
    (folder / "results.json").write_text("mine")
    outcome = runner.supervise(job)
    assert outcome["state"] == "failed"
    assert "results.json was not written by a run and is left alone" in outcome["sentence"]
    assert (folder / "results.json").read_text() == "mine"


def test_who_waits_for_a_folder_in_vain_writes_nothing_into_it(tmp_path):
    """Two batches with one --out: the loser's --timeout is no news about the winner's run."""
    job = toy(tmp_path, timeout=1.5)
    folder = Path(job.folder)
    status = {"state": "running", "chapter": "01_toy", "arm": "fast", "seed": 0, "parameters": job.parameters}
    status |= {"code": "0" * 16, "attempts": 1, "seconds": 0.0, "started": "", "execution": family.new_mark()}
    with runs.lock(folder, 0):
        runs.write_status(folder, status)
        outcome = runner.supervise(job)
    assert (outcome["state"], outcome["sentence"]) == (
        "failed",
        "not done after 1.5 s (--timeout); it was before its first cell",
    )
    assert runs.read_status(folder) == status


FLOOD = """
import subprocess
for _ in range(30):
    print("x" * 1_000_000)
    print("y" * 1_000_000, file=sys.stderr)
subprocess.run([sys.executable, "-c", "print('z' * 30_000_000)"])
"""


def test_of_a_flood_of_text_a_bounded_part_is_kept(tmp_path):
    job = toy(tmp_path, FLOOD, echo=True)
    heard = []
    assert runner.supervise(job, lambda event: heard.append(len(event.get("text", ""))))["state"] == "finished"
    folder = Path(job.folder)
    text = (folder / runs.NOTEBOOK).read_text()
    assert len(text) < 1.2 * notebook.KEPT
    assert text.count("the rest of this cell's text is not kept") == 1
    assert (folder / runs.LOG).stat().st_size < 3 * notebook.KEPT
    assert sum(heard) < 10 * notebook.KEPT
    assert value(job) == expected_value(0)


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
