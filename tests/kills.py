"""A process that is killed at its n-th file operation, whichever that is.

Operations are not listed but found: every call from Python into ``posix``, ``fcntl`` or a file object counts, so what a
save does tomorrow is covered too. Only what is known to change nothing is left out: a kill before it leaves the same
disk as a kill before what follows.
"""

import builtins
import contextlib
import io
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from games import RECIPE, Toy, equal, stream

from i2i_tutor.training import checkpoints, fit

MODULES = ("posix", "fcntl", "_io", "io")
HARMLESS = re.compile(
    "fspath|getpid|urandom|l?stat|fstat|scandir|listdir|access|getcwd|fileno|isatty|readable|writable|seekable|"
    "read|readinto|readlines?|readall|peek|seek|tell|getvalue|getbuffer"
)


class _Written:
    """A file for writing whose methods are Python's, so that what C code asks of it is seen too."""

    def __init__(self, file, operations: "_Operations"):
        self.file, self.operations = file, operations

    def write(self, data) -> int:
        operations = self.operations
        if operations.count + operations.counts("write") == operations.deadly:  # half of it reaches the disk
            sys.setprofile(None)
            self.file.write(memoryview(data).cast("B")[: len(data) // 2])
            self.file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.file.close()

    def __getattr__(self, name: str):
        return getattr(self.file, name)


class _Operations:
    def __init__(self, deadly: int, every_write: bool):
        self.count, self.deadly, self.every_write, self.last = 0, deadly, every_write, ""

    def __call__(self, frame, event: str, function) -> None:
        if event != "c_call" or not _on_a_file(function):
            return
        if self.counts(function.__name__):
            self.count += 1
        self.last = function.__name__
        if self.count == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def counts(self, name: str) -> bool:
        """Whether it is an operation of its own; of a row of writes only the first is, unless all shall be."""
        return self.every_write or not name == self.last == "write"

    def open(self, path, mode="r", *arguments, **options):
        file = io.open(path, mode, *arguments, **options)  # noqa: SIM115, UP020 (builtins.open is this function)
        return file if "r" in mode else _Written(file, self)


def _on_a_file(function) -> bool:
    owner = getattr(function, "__self__", None)
    module = getattr(owner, "__name__", None)
    return not HARMLESS.fullmatch(function.__name__) and (isinstance(owner, io.IOBase) or module in MODULES)


def killed(
    work: Callable[[], object], deadly: int, every_write: bool = True, first: Callable[[], object] = lambda: None
) -> bool:
    """Whether a forked process is killed at file operation number ``deadly`` of its work, or ends before it.

    What it does ``first`` does not count.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):
            first()
            operations = _Operations(deadly, every_write)
            builtins.open = operations.open
            sys.setprofile(operations)
            try:
                work()
                code = 0
            finally:
                sys.setprofile(None)
        os._exit(code)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work itself failed"
    return os.WIFSIGNALED(status)


def toy(folder, steps=4, **options):
    """A tiny training that ends at step 4 and saves at every second step."""
    game = Toy(replace(RECIPE, steps=4))
    history = fit(game, stream(), steps, folder=folder, **{"save_every": 2, "progress": False} | options)
    return game, history


def interrupted(folder):
    """A training that is interrupted in the very step in which it saves."""
    toy(folder, callbacks=[lambda step, method: os.kill(os.getpid(), signal.SIGINT) if step == 2 else None])


# what there is before, what is killed at every operation, and whether a checkpoint must be there whenever that is
SITUATIONS = {
    "the first save": (None, lambda folder: toy(folder, 2), False),
    "a save over an earlier one": (2, lambda folder: toy(folder, resume=True), True),
    "a finished training resumed": (4, lambda folder: toy(folder, resume=True), True),
    "Ctrl-C in the step of a save": (None, interrupted, False),
    "starting over": (4, lambda folder: toy(folder, 2, overwrite=True), False),
}


def kill_everywhere(place: Path, situation: str, every_write: bool) -> int:
    """Kill at one operation after the other; each time nothing may be lost. Returns how many operations there were."""
    before, work, needed = SITUATIONS[situation]
    straight, _ = toy(place / "straight")
    if before is not None:
        toy(place / "before", before)
    number, dead = 0, True
    while dead:
        number += 1
        folder = place / str(number)
        if before is not None:
            shutil.copytree(place / "before", folder)
        dead = killed(lambda folder=folder: work(folder), number, every_write)
        if needed or checkpoints.manifest(folder):
            about, state = checkpoints.load(folder)  # whole: its checksum is looked at
            assert about["step"] == state["history"]["steps"] >= (before or 0) * needed
        resumed, _ = toy(folder, resume=True)
        assert equal(resumed.state_dict(), straight.state_dict())
        assert files_of(folder) == 1
    return number - 1


def files_of(folder) -> int:
    """How many states there are, if nothing else is left but the manifest and the lock."""
    names = {path.name for path in folder.iterdir()}
    assert names >= {"manifest.json", ".training.lock"}
    return len(names) - 2
