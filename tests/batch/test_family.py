"""The processes of an execution are found and ended wherever they have gone."""

import os
import subprocess
import sys

import pytest
from toys import is_alive

from i2i_tutor.batch import family

DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        os.close(1)
        time.sleep(1000)
    os._exit(0)
os.wait()
"""


def start_daemon(mark):
    """A process that has left its family: another session, another parent."""
    environment = family.marked(dict(os.environ), mark)
    command = [sys.executable, "-c", DAEMON]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no daemons of this kind on Windows")
def test_a_daemon_ends_with_its_execution_and_no_other_does():
    first, second = family.new_mark(), family.new_mark()
    mine, other = start_daemon(first), start_daemon(second)
    try:
        family.end(first)
        assert not is_alive(mine)
        assert is_alive(other)
    finally:
        family.end(second)
    assert not is_alive(other)


@pytest.mark.parametrize("mark", ["", " ", "None", "I2I_RUN", "0" * 31])
def test_a_mark_that_is_none_ends_nothing(mark, monkeypatch):
    """It may come from a file; an empty one must not fit everybody."""
    environment = {**os.environ, family.MARKS: f"{mark} x"}
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment)
    family.end(mark)
    assert process.poll() is None
    process.communicate(b"\n")
    assert process.returncode == 0


def test_marks_nest():
    batch, run = family.new_mark(), family.new_mark()
    environment = family.marked(family.marked({}, batch), run)
    code = "from i2i_tutor.batch import family; print(family.own_mark())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == run
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=os.environ | environment)
    family.end(batch)  # the outer mark ends what is inside
    assert process.wait(10) != 0
