"""The processes of one execution, found and ended wherever they have gone.

A notebook may start processes that leave its process tree (daemons: a double fork, a session of their own). They keep
one thing: the environment that they were started with. So the process that starts an execution puts a *mark* into the
child's environment, and every process with that mark ends with the execution. Only a process that leaves the tree *and*
drops its environment escapes; it would take a container to hold that one.
"""

import contextlib
import os
import re
import time
import uuid
from typing import Any

MARKS = "I2I_RUN"  # the environment variable: the marks of the batch, of the run in it, ..., separated by spaces
_PATIENCE = 10.0  # seconds until a process that the system cannot end (in a hung disk access, say) is given up


def new_mark() -> str:
    """A mark that no other execution has."""
    return uuid.uuid4().hex


def marked(environment: dict[str, str], mark: str) -> dict[str, str]:
    """The environment with one more mark, for a process that is about to be started."""
    return environment | {MARKS: f"{environment.get(MARKS, '')} {mark}".strip()}


def own_mark() -> str:
    """The mark that this process was started with; "" if there is none."""
    return (os.environ.get(MARKS, "").split() or [""])[-1]


def end(mark: str, top: int | None = None) -> None:
    """Kill every process with the mark, and the process ``top`` with everything below it, and wait until they are gone.

    This very process is spared. ``top`` must not have been waited for, since its number may belong to another by then.
    """
    import psutil  # type: ignore[import-untyped] # it belongs to the extra ``batch``, which other commands do without

    def is_alive(process: Any) -> bool:
        with contextlib.suppress(psutil.Error):
            return process.status() != psutil.STATUS_ZOMBIE
        return False

    def find() -> list[Any]:
        found = []
        if re.fullmatch("[0-9a-f]{32}", mark):  # it may have been read from a file
            every = psutil.process_iter(["environ"])  # None if it is another user's
            found = [process for process in every if mark in (process.info["environ"] or {}).get(MARKS, "").split()]
        if top is not None:
            with contextlib.suppress(psutil.Error):
                first = psutil.Process(top)
                found += [first, *first.children(recursive=True)]
        return [process for process in found if process.pid != os.getpid() and is_alive(process)]

    deadline, killed = time.monotonic() + _PATIENCE, set[Any]()
    # One that is just ending has lost its environment, so it is not found again, but it is still there
    while ((family := find()) or any(map(is_alive, killed))) and time.monotonic() < deadline:
        for process in family:  # what they start meanwhile is found in the next round
            with contextlib.suppress(psutil.Error):
                process.kill()
        killed.update(family)
        time.sleep(0.02)
