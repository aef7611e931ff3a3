"""Progress bars: what a terminal, a log and a notebook get to see, and that a notebook does not fill up."""

import io
import re
import subprocess
import sys

import pytest
from toys import in_terminal

from i2i_tutor import progress

SCRIPT = """
import time
from i2i_tutor.progress import bar
with bar(20, title="toy", shown=True) as moved:
    for _ in range(20):
        time.sleep(0.1)
        moved.update()
"""


def test_a_terminal_shows_one_line_that_is_drawn_over():
    text = in_terminal([sys.executable, "-c", SCRIPT])
    assert "20/20" in text
    assert text.count("\r") >= 3
    assert text.count("\n") == 1
    assert re.search(r"<\d\d:\d\d", text), "no time left is shown"


def test_a_log_gets_a_line_every_tenth_at_most():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert "\r" not in done.stderr
    assert lines[0] == "toy: 0 of 20 steps, 00:00 passed, ? left"
    assert lines[-1].startswith("toy: 20 of 20 steps, 00:02 passed, 00:00 left")
    assert 3 <= len(lines) <= 11


def test_a_log_is_told_of_a_slow_training_every_half_minute(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    file = io.StringIO()
    with progress.bar(10**6, 500, "slow", shown=True, file=file) as bar:
        for _ in range(90):
            now[0] += 1
            bar.update()
    steps = [int(line.split()[1]) for line in file.getvalue().splitlines()]
    assert steps == [500, 530, 560, 590]  # and the last one, when it is closed, has been told already


@pytest.mark.parametrize(("shown", "quiet"), [(False, ""), (None, "1")])
def test_a_hidden_bar_says_nothing(shown, quiet, monkeypatch):
    monkeypatch.setenv("I2I_QUIET", quiet)
    file = io.StringIO()
    with progress.bar(3, shown=shown, file=file) as bar:
        bar.update(3)
    assert file.getvalue() == ""


def test_items_come_with_a_bar(monkeypatch, capsys):
    monkeypatch.delenv("I2I_QUIET")
    assert list(progress.each("abc", "letters", "letter")) == ["a", "b", "c"]
    assert capsys.readouterr().err.splitlines()[-1].startswith("letters: 3 of 3 letters")


class Cell:
    """A notebook's cell: keeps its outputs, and the messages that a kernel sent."""

    def __init__(self):
        self.outputs, self.messages = {}, []

    def publish(self, data, *, transient, update):
        assert update == (transient["display_id"] in self.outputs)
        self.outputs[transient["display_id"]] = data["text/plain"]
        self.messages.append({"content": {"data": data, "transient": transient}})


def test_a_notebook_keeps_one_line_of_each_bar_and_another_process_draws_them():
    cell, log = Cell(), io.StringIO()
    for title, start in (("method", 4), ("baseline", 0)):
        options = {"total": 10, "initial": start, "desc": title, "unit": "step", "mininterval": 0}
        with progress._Published(cell, options) as bar:
            for _ in range(start, 10):
                bar.set_postfix({"l1": "0.5"}, refresh=False)
                bar.update()
    assert [text.split("[")[0] for text in cell.outputs.values()] == [
        "method: 100%|██████████| 10/10 ",
        "baseline: 100%|██████████| 10/10 ",
    ]
    follower = progress.Follower(log)
    for message in cell.messages:
        follower.show(progress.published(message))
    follower.close()
    lines = log.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines if "10 of 10" in line] == [
        "method: 10 of 10 steps",
        "baseline: 10 of 10 steps",
    ]
    assert lines[0].startswith("method: 4 of 10 steps")
    assert lines[-1].endswith("l1=0.5")


def test_large_numbers_are_shortened_in_another_process_too():
    cell, log = Cell(), io.StringIO()
    options = {"total": 12_000_000, "initial": 0, "desc": "facades", "unit": "byte", "unit_scale": True}
    with progress._Published(cell, options) as bar:
        bar.update(12_000_000)
    follower = progress.Follower(log)
    for message in cell.messages:
        follower.show(progress.published(message))
    assert log.getvalue().splitlines()[-1].startswith("facades: 12.0M of 12.0M bytes")


def test_other_messages_of_a_kernel_hold_no_progress():
    assert progress.published({"content": {"name": "stderr", "text": "a warning"}}) is None
    assert progress.published({"content": {"data": {}, "transient": {"display_id": "1"}}}) is None
