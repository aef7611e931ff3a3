"""A process that is killed at its n-th file operation, whichever that is.

Operations are not listed but found: every call from Python into ``posix``, ``fcntl`` or a file object counts, so what a
save does tomorrow is covered too.
"""

import builtins
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable

MODULES = ("posix", "fcntl", "_io", "io")
HARMLESS = ("fspath", "getpid", "urandom")  # in posix, but no operation on a file


class _Written:
    """A file for writing whose methods are Python's, so that what C code asks of it is seen too."""

    def __init__(self, file, operations: "_Operations"):
        self.file, self.operations = file, operations

    def write(self, data) -> int:
        if self.operations.count + 1 == self.operations.deadly:  # half of it reaches the disk
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
    def __init__(self, deadly: int):
        self.count, self.deadly = 0, deadly

    def __call__(self, frame, event: str, function) -> None:
        if event != "c_call" or not _on_a_file(function):
            return
        self.count += 1
        if self.count == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    def open(self, path, mode="r", *arguments, **options):
        file = io.open(path, mode, *arguments, **options)  # noqa: UP020 (builtins.open is this function)
        return file if "r" in mode else _Written(file, self)


def _on_a_file(function) -> bool:
    owner = getattr(function, "__self__", None)
    module = getattr(owner, "__name__", None)
    return isinstance(owner, io.IOBase) or (module in MODULES and function.__name__ not in HARMLESS)


def killed(work: Callable[[], object], deadly: int) -> bool:
    """Whether a forked process is killed at file operation number ``deadly`` of its work, or ends before it."""
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):
            operations = _Operations(deadly)
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
