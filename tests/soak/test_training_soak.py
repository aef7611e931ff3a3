"""Long proofs of one training: a kill at every operation of a save, twenty anywhere, a disk that is really full."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from games import RECIPE, Noisy, equal, noisy_stream
from kills import SITUATIONS, files_of, kill_everywhere, killed, toy

from i2i_tutor.schedules import constant
from i2i_tutor.training import checkpoints, fit

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]
STEPS, EVERY, KILLS, INSIDE = 3000, 25, 20, 8


def train(folder: Path, steps: int = STEPS):
    torch.manual_seed(1)
    game = Noisy(replace(RECIPE, steps=STEPS))
    options = {"save_every": EVERY, "resume": True, "progress": False}
    fit(game, noisy_stream(), steps, rates=constant, folder=folder, **options)
    return game


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_kill_at_every_single_write(tmp_path, situation):
    assert kill_everywhere(tmp_path, situation, every_write=True) > 20


def meet(folder: Path, rank: int) -> None:
    """Become one of two processes that train in the folder."""
    meeting = f"file://{folder}.meeting"
    dist.init_process_group("gloo", meeting, rank=rank, world_size=2, timeout=timedelta(seconds=60))


def one_of_two(folder: Path, rank: int) -> None:
    """What each of two processes does: train the toy from wherever it is to step 4, saving at the end."""
    meet(folder, rank)
    toy(folder, resume=True, save_every=4)


def both(folder: Path) -> list[dict]:
    """Train with two processes to the end; returns their states."""
    Path(f"{folder}.meeting").unlink(missing_ok=True)
    for pid in [child(lambda rank=rank: one_of_two(folder, rank)) for rank in range(2)]:
        assert os.waitpid(pid, 0)[1] == 0
    return [checkpoints.load(folder, rank, 2)[1]["method"] for rank in range(2)]


@pytest.mark.parametrize("victim", [0, 1])
def test_a_kill_of_either_of_two_processes_at_any_operation(tmp_path, victim):
    toy(None)  # imported once, here, what every forked process needs
    straight = both(tmp_path / "straight")
    number, dead = 0, True
    while dead:
        number += 1
        folder = tmp_path / str(number)
        partner = child(lambda folder=folder: one_of_two(folder, 1 - victim))
        dead = killed(
            lambda folder=folder: toy(folder, resume=True, save_every=4),
            number,
            every_write=False,
            first=lambda folder=folder: meet(folder, victim),
        )
        if dead:
            os.kill(partner, signal.SIGKILL)  # as a launcher does
        os.waitpid(partner, 0)
        if checkpoints.manifest(folder):
            steps = {checkpoints.load(folder, rank, 2)[1]["history"]["steps"] for rank in range(2)}
            assert steps == {checkpoints.manifest(folder)["step"]}
        assert equal(both(folder), straight)
        assert files_of(folder) == 2
    assert number > 15


def child(work) -> int:
    """Do some work in a forked process, which has torch already; returns its number."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    return pid


def test_twenty_kills_and_the_training_ends_as_if_there_had_been_none(tmp_path):
    draw = random.Random(0)
    folder, step, kills = tmp_path / "killed", 0, {"inside": 0, "anywhere": 0}
    order = ["inside"] * INSIDE + ["anywhere"] * (KILLS - INSIDE)
    draw.shuffle(order)
    for place in order:
        if place == "inside":
            dead = killed(lambda: train(folder), draw.randrange(20, 800))
        else:
            pid = child(lambda: train(folder))
            time.sleep(draw.uniform(0.01, 0.3))
            os.kill(pid, signal.SIGKILL)
            dead = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        assert dead, "the training ended before it was killed"
        kills[place] += 1
        if checkpoints.manifest(folder) is not None:
            about, state = checkpoints.load(folder)  # whole: its checksum is looked at
            assert about["step"] % EVERY == 0
            assert about["step"] == state["history"]["steps"] >= step
            step = about["step"]
    assert kills == {"inside": INSIDE, "anywhere": KILLS - INSIDE}
    assert 0 < step < STEPS
    resumed, straight = train(folder), train(tmp_path / "straight")
    assert equal(resumed.state_dict(), straight.state_dict())
    assert files_of(folder) == 1


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
