"""A run's folder: whose it is, what state it is in, and who is at work in it."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import Timeout

from i2i_tutor.batch import plan, runs

FILES = ("status.json", "results.json", "notebook.ipynb", "log.txt")


@pytest.fixture
def job(chapters, tmp_path):
    (job,) = plan.jobs([plan.Entry("toy")], tmp_path, chapters)
    return job


def fill(job, state="finished", **changes):
    """The folder of a run, as the runner leaves it."""
    folder = Path(job.folder)
    status = {
        "state": state,
        "chapter": job.chapter,
        "arm": job.arm,
        "seed": job.seed,
        "parameters": job.parameters,
        "code": runs.code_hash(Path(job.notebook)),
        "attempts": 1,
        "execution": "0" * 32,
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
    }
    for place in ("figures/one.png", "checkpoints/method/state.pt", *FILES):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text("{}")
    (folder / "status.json").write_text(json.dumps(status | changes))
    return folder


def everything(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", ["mine", "{}", "[]", '{"state": "finished", "parameters": {}}', "[" * 100_000])
def test_a_foreign_file_is_recognised_and_left_alone(name, content, job):
    folder = Path(job.folder)
    folder.mkdir(parents=True)
    (folder / name).write_text(content)
    assert runs.state(job) == "foreign"
    assert runs.refusal(job, "foreign").startswith(f"{folder / name} was not written by a run and is left alone")
    runs.forget(job)
    assert everything(folder) == {name: content.encode()}


@pytest.mark.parametrize("name", ["figures", "checkpoints"])
def test_a_foreign_folder_is_recognised_and_left_alone(name, job):
    folder = Path(job.folder)
    (folder / name).mkdir(parents=True)
    (folder / name / ".mine.part").write_text("mine")
    assert runs.state(job) == "foreign"
    runs.forget(job)
    assert everything(folder) == {f"{name}/.mine.part": b"mine"}


def test_a_link_to_nowhere_is_foreign_too(job):
    Path(job.folder).mkdir(parents=True)
    (Path(job.folder) / "log.txt").symlink_to("elsewhere.txt")
    assert runs.state(job) == "foreign"


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": None},
        {"code": "what"},
        {"state": "ok"},
        {"seconds": "long"},
        {"seed": None},
        {"chapter": 1},
        {"started": None},
    ],
)
def test_a_status_of_another_form_is_foreign(changes, job):
    fill(job, **changes)
    assert runs.state(job) == "foreign"


def test_forgetting_removes_what_the_run_wrote_and_nothing_else(job, tmp_path):
    folder = fill(job)
    (folder / ".status.json.123.part").write_text("half")
    mine = {"notes.md": b"mine", ".draft.md.7.part": b"mine", "data/figures/one.png": b"mine"}
    for name, content in mine.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    runs.forget(job)
    left = everything(folder)
    left.pop(runs.LOCK)
    assert left == mine
    assert runs.state(job) == "new"


def test_checkpoints_that_are_kept_elsewhere_are_not_removed(job, tmp_path):
    folder = fill(job)
    (folder / "checkpoints").rename(tmp_path / "disk")
    (folder / "checkpoints").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/.mine.part").write_text("mine")
    runs.sweep(folder)
    runs.forget(job)
    assert not (folder / "checkpoints").is_symlink()
    assert set(everything(tmp_path / "disk")) == {"method/state.pt", ".mine.part"}


def test_the_states_of_a_folder(job, tmp_path):
    assert runs.state(job) == "new"
    folder = fill(job)
    assert runs.state(job) == "finished"
    changed = {**job.parameters, "seed": 7, "steps": 3}
    other = dataclasses.replace(job, parameters=changed)
    assert runs.state(other) == "other"
    assert runs.refusal(other, "other") == (
        f"{folder} holds a run with other parameters (seed 0, not 7, steps None, not 3); "
        "choose another folder with --out"
    )
    (folder / "results.json").unlink()
    assert runs.state(job) == "interrupted"
    fill(job, "failed")
    assert runs.state(job) == "failed"
    fill(job, "running", code="0" * 16)
    assert runs.state(job) == "changed"


def test_who_asks_whether_a_folder_is_busy_changes_nothing(job):
    folder = Path(job.folder)
    assert not runs.is_busy(folder)
    assert not folder.exists()
    folder.mkdir(parents=True)
    assert not runs.is_busy(folder)
    assert list(folder.iterdir()) == []


def test_a_folder_is_busy_as_long_as_its_process_lives(job):
    folder = fill(job)
    code = (
        "import sys; from pathlib import Path; from i2i_tutor.batch import runs\n"
        "with runs.lock(Path(sys.argv[1]), 0):\n    print('locked', flush=True)\n    input()"
    )
    before = everything(folder)
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "locked\n"
        assert runs.state(job) == "busy"
        with pytest.raises(Timeout):
            runs.forget(job)
        assert everything(folder).items() >= before.items()
    finally:
        holder.kill()
        holder.communicate()
    assert not runs.is_busy(folder)


def test_a_status_is_changed_by_its_own_execution_only(job):
    folder = fill(job, "running", execution="a" * 32)
    runs.record(folder, "b" * 32, state="failed", sentence="not done in time")
    assert runs.read_status(folder)["state"] == "running"
    runs.record(folder, "a" * 32, state="failed")
    assert runs.read_status(folder)["state"] == "failed"
