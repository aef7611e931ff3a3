"""Toy chapters for the tests of batch runs: no torch, a training that takes as long as is asked, faults to order."""

import json
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil

PARAMETERS = """\
profile: str = None  # None: $I2I_PROFILE or "fast" {"smoke", "fast", "paper"}
seed: int = 0  # of weights, data and noise [0, 2147483647]
source: str = "procedural"  # where the images come from {"procedural", "cmp"}
steps: int = None  # training steps [1, 10000000]
out: str = None  # folder of results; None: runs/01_toy
resume: bool = False  # continue an interrupted training
weight: float = None  # weight of the term [0, 1000000]
pause: float = 0.0  # seconds per step [0, 100]
fault: str = "none"  # what goes wrong {"none", "raise", "hang", "die", "fill", "silent"}
"""

TRAINING = """\
import json, os, signal, sys, time
from pathlib import Path
from i2i_tutor.progress import bar
folder = Path(out) / "checkpoints"
folder.mkdir(parents=True, exist_ok=True)
saved = folder / "state.json"
state = json.loads(saved.read_text()) if resume and saved.exists() else {"step": 0, "value": seed, "sessions": 0}
state["sessions"] += 1
moved = bar(steps or 5, state["step"], "toy")
while state["step"] < (steps or 5):
    time.sleep(pause)
    state["value"] = (state["value"] * 1103515245 + 12345 + int(weight or 0)) % 2**31
    state["step"] += 1
    saved.with_suffix(".tmp").write_text(json.dumps(state))
    os.replace(saved.with_suffix(".tmp"), saved)
    print("step", state["step"], file=sys.stderr)
    moved.update()
moved.close()
"""

FAULT = """\
if fault == "raise":
    raise ValueError("the toy is broken")
if fault == "hang":
    time.sleep(1000)
if fault == "die" and state["sessions"] == 1:
    os.kill(os.getpid(), signal.SIGKILL)
if fault == "fill":
    (Path(out) / "big").write_bytes(b"0" * 2**24)
"""

CLOSE = """\
figures = Path(out) / "figures"
figures.mkdir(exist_ok=True)
(figures / "one.png").write_bytes(b"")
results = {"chapter": "01_toy", "method": "toy", "profile": profile, "seed": seed, "source": source,
           "parameters": {"steps": steps, "weight": weight, "resume": resume},
           "metrics": {"method": {"value": state["value"], "third": 1 / 3}, "baseline": {"value": state["value"] - 1}},
           "versions": {"python": sys.version.split()[0]}, "device": "cpu", "git_commit": None, "seconds": 0.1,
           "peak_memory_mib": 10, "python": sys.executable, "threads": os.environ.get("OMP_NUM_THREADS")}
if fault != "silent":
    (Path(out) / "results.json").write_text(json.dumps(results))
"""


CLAIMS = """\
[[claim]]
id = "even"
chapter = "01_toy"
text = "the toy is even"
metric = "value"
arm = "method"
baseline = "baseline"
direction = "higher"
margin = 0.5
expected = true
live = true
"""


def write_toy(folder: Path, name: str = "01_toy", note: str = "") -> Path:
    """Write a toy chapter; ``note`` changes its code."""
    cells = [
        nbformat.v4.new_markdown_cell("# A toy"),
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_markdown_cell("## Training"),
        nbformat.v4.new_code_cell(TRAINING + note),
        nbformat.v4.new_code_cell(FAULT),
        nbformat.v4.new_markdown_cell("## Results"),
        nbformat.v4.new_code_cell(CLOSE.replace("01_toy", name)),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"toy-{number}"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def expected_value(seed: int, steps: int = 5, weight: int = 0) -> int:
    """What an undisturbed toy training ends with."""
    value = seed
    for _ in range(steps):
        value = (value * 1103515245 + 12345 + weight) % 2**31
    return value


def in_terminal(command: list[str], **options) -> str:
    """What a command writes to stderr if that is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stderr=theirs, stdout=subprocess.DEVNULL, **options) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                text += (part := os.read(ours, 4096))
            except OSError:  # how Linux says that the other end is closed
                break
            if not part:
                break
    os.close(ours)
    assert process.returncode == 0, text.decode()
    return text.decode()


class BatchProcess:
    """The command line as a process with a process group of its own, as a shell would start it."""

    def __init__(self, arguments: list[str]):
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the process)
        command = [sys.executable, "-m", "i2i_tutor.cli", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=self._errors, start_new_session=True, text=True
        )
        self.family: list[psutil.Process] = []

    def wait_for_step(self, out: Path, step: int, runs: int, patience: float = 150) -> None:
        """Wait until so many trainings have made so many steps, and remember every process below the command."""
        end = time.monotonic() + patience
        while sum(_step(path) >= step for path in out.rglob("state.json")) < runs:
            assert self.process.poll() is None, self.errors()
            assert time.monotonic() < end, "the batch does not get going"
            time.sleep(0.05)
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    def interrupt_group(self) -> None:
        """What a terminal does on Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def survivors(self, patience: float = 5) -> list[psutil.Process]:
        """Which of the remembered processes are still there after a while."""
        assert len(self.family) >= 3, "a worker, a child and a kernel should have been there"
        _, alive = psutil.wait_procs(self.family, patience)
        return alive

    def errors(self) -> str:
        """What was written to stderr so far."""
        self._errors.seek(0)
        return self._errors.read()


def _step(path: Path) -> int:
    try:
        return json.loads(path.read_text())["step"]
    except (OSError, ValueError):
        return 0


def is_alive(pid: int) -> bool:
    """Whether a process is there, and not only waiting for its parent to hear of its end."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
