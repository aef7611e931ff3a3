"""Long proofs of one training: twenty kills, five of them and more inside a save; a disk that is really full."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from test_fit import Noisy, equal, noisy_stream

from i2i_tutor import files
from i2i_tutor.schedules import constant
from i2i_tutor.training import checkpoints, fit

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]
STEPS, EVERY, KILLS, INSIDE = 3000, 25, 20, 8


def train(folder: Path, steps: int = STEPS):
    torch.manual_seed(1)
    game = Noisy()
    options = {"save_every": EVERY, "resume": True, "progress": False}
    fit(game, noisy_stream(), steps, rates=constant, folder=folder, **options)
    return game


def child(work) -> int:
    """Do some work in a forked process, which has torch already; returns its number."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    return pid


def die_inside_a_save(draw: random.Random) -> None:
    """From some save on, kill this very process at a random point of writing: mid-file, before or after a rename."""
    left = draw.randrange(2, 40)  # calls until then; a save makes several of each kind

    def deadly(function):
        def wrapped(*arguments):
            nonlocal left
            left -= 1
            if left == 0 and draw.random() < 0.5:
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*arguments)
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    def half_written(write):
        def wrapped(path, content):
            nonlocal left
            left -= 1
            if left == 0:
                with open(path.with_name(f".{path.name}.{os.getpid()}.part"), "wb") as file:
                    file.write(b"half of a file")
                os.kill(os.getpid(), signal.SIGKILL)
            return write(path, content)

        return wrapped

    files.os.replace, files.os.fsync = deadly(os.replace), deadly(os.fsync)
    checkpoints.write_atomically = half_written(checkpoints.write_atomically)


def test_twenty_kills_and_the_training_ends_as_if_there_had_been_none(tmp_path):
    draw = random.Random(0)
    folder, step, killed = tmp_path / "killed", 0, {"inside": 0, "anywhere": 0}
    order = ["inside"] * INSIDE + ["anywhere"] * (KILLS - INSIDE)
    draw.shuffle(order)
    for number, place in enumerate(order):

        def work(place=place, number=number):
            if place == "inside":
                die_inside_a_save(random.Random(number))
            train(folder)

        pid = child(work)
        if place == "anywhere":
            time.sleep(draw.uniform(0.01, 0.3))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(status), "the training ended before it was killed"
        killed[place] += 1
        if checkpoints.manifest(folder) is not None:
            about, state = checkpoints.load(folder)  # whole: its checksum is looked at
            assert about["step"] % EVERY == 0
            assert about["step"] == state["history"]["steps"] >= step
            step = about["step"]
    assert killed == {"inside": INSIDE, "anywhere": KILLS - INSIDE}
    assert 0 < step < STEPS
    resumed, straight = train(folder), train(tmp_path / "straight")
    assert equal(resumed.state_dict(), straight.state_dict())
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", f"step-{STEPS:08d}.pt"]


def said_on_a_full_disk(folder: Path, report: Path, limit: int | None) -> str:
    """What a training says whose folder takes no more bytes after its first checkpoint."""

    def work():
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            train(folder, EVERY)
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            else:
                (folder.parent / "filler").write_bytes(b"0" * 2**10)
                with contextlib.suppress(OSError), open(folder.parent / "filler", "ab") as filler:
                    while True:
                        filler.write(b"0" * 2**12)
                        filler.flush()
            train(folder, 4 * EVERY)
        except checkpoints.CheckpointError as error:
            os.write(channel, str(error).encode())

    channel = os.open(report, os.O_CREAT | os.O_WRONLY)
    os.waitpid(child(work), 0)
    return report.read_text()


def test_a_file_that_may_not_grow_is_one_sentence_and_the_last_checkpoint_stays(tmp_path):
    said = said_on_a_full_disk(tmp_path / "run", tmp_path / "said", limit=1000)
    assert "could not be written" in said
    assert "\n" not in said
    assert f"the last whole checkpoint is that of step {EVERY}" in said
    assert checkpoints.load(tmp_path / "run")[0]["step"] == EVERY
    assert not list((tmp_path / "run").glob("*.part"))


def test_a_full_disk_is_one_sentence_and_the_training_goes_on_when_there_is_space(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount a small disk here")
    try:
        said = said_on_a_full_disk(disk / "run", tmp_path / "said", limit=None)
        assert "No space left" in said
        assert f"the last whole checkpoint is that of step {EVERY}" in said
        assert checkpoints.load(disk / "run")[0]["step"] == EVERY
        (disk / "filler").unlink()
        assert equal(train(disk / "run", 4 * EVERY).state_dict(), train(tmp_path / "straight", 4 * EVERY).state_dict())
    finally:
        subprocess.run(["umount", disk], check=True)
