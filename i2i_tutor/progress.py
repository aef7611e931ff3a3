"""How far a training is: a bar in a terminal, one line that replaces itself in a notebook, a few lines in a log.

No widget: its state bloats a saved notebook, and a notebook that is executed without a page shows none.
"""

import io
import math
import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from tqdm.std import tqdm

T = TypeVar("T")

LINE = "{desc}: {n_fmt} of {total_fmt} {unit}s, {elapsed} passed, {remaining} left{postfix}"
PATIENCE = 30.0  # seconds after which a log is told again
KEY = "i2i_progress"  # under which a notebook's bar publishes its numbers; see `published`


def bar(
    total: int,
    initial: int = 0,
    title: str = "",
    *,
    unit: str = "step",
    scaled: bool = False,
    shown: bool | None = None,
    file: Any = None,
) -> tqdm:
    """A bar that is moved on by ``update(steps)`` and ended by ``close()``, or a ``with`` block.

    Args:
        initial: steps that were done before; they do not count for the time left.
        scaled: whether numbers are shortened, 12.3M for 12,345,678.
        shown: by default unless the environment variable ``I2I_QUIET`` is set.
        file: where to write (``write``, ``flush``, ``isatty``); by default to the notebook's cell, or else to stderr.
    """
    hidden = bool(os.environ.get("I2I_QUIET")) if shown is None else not shown
    # A bar is redrawn twice a second at most, however fast the steps are
    options: dict[str, Any] = {"miniters": 1, "mininterval": 0.5, "disable": hidden}
    options |= {"total": total, "initial": initial, "desc": title, "unit": unit, "unit_scale": scaled}
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if file is None and getattr(shell, "kernel", None) is not None:
        return _Published(shell.display_pub, options)
    file = file or sys.stderr
    if file.isatty():
        sized = os.get_terminal_size(file.fileno()).columns > 0  # in some containers a terminal has no size
        shape = {"dynamic_ncols": True} if sized else {"ncols": 80, "nrows": 24}
        return tqdm(file=file, **shape, **options)
    return _Lines(file, options)


def each(items: Sequence[T], title: str, unit: str) -> Iterator[T]:
    """The items one by one, with a bar."""
    with bar(len(items), title=title, unit=unit) as moved:
        for item in items:
            yield item
            moved.update()


class _Lines(tqdm):
    """A line at every tenth of the way, and at the latest every half minute."""

    def __init__(self, out: Any, options: dict[str, Any]):
        self.out, self.told, self.when = out, -1, -math.inf
        super().__init__(file=io.StringIO(), bar_format=LINE, **options)  # what tqdm itself writes goes nowhere

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        ended = self.disable or self.n >= self.total  # `close` disables a bar before it draws it for the last time
        tenth = 10 * (self.n - self.told) >= self.total
        if self.n > self.told and (ended or tenth or self._time() - self.when >= PATIENCE):
            self.told, self.when = self.n, self._time()
            self.out.write(f"{self}\n")
            self.out.flush()


class _Published(tqdm):
    """A line in a cell's output that is replaced, so that the saved notebook keeps the last one.

    Its numbers go along as transient data, which is never saved, for the program that executes the notebook.
    """

    def __init__(self, publisher: Any, options: dict[str, Any]):
        self.publisher, self.key, self.begun = publisher, uuid.uuid4().hex, False
        super().__init__(file=io.StringIO(), ascii=False, **options)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        numbers = {"key": self.key, "title": self.desc, "unit": self.unit, "scaled": self.unit_scale}
        numbers |= {"step": self.n, "total": self.total, "initial": self.initial, "note": self.postfix or ""}
        transient = {"display_id": self.key, KEY: numbers}
        self.publisher.publish({"text/plain": str(self)}, transient=transient, update=self.begun)
        self.begun = True


def published(message: dict[str, Any]) -> dict[str, Any] | None:
    """The numbers of a bar in a kernel's message, for `Follower.show`, or None."""
    return message["content"].get("transient", {}).get(KEY)


class Follower:
    """Draws the bars of another process, one after the other, from the numbers that they publish."""

    def __init__(self, file: Any = None):
        self.file, self.key = file or sys.stderr, ""
        self.bar: tqdm | None = None

    def show(self, numbers: dict[str, Any]) -> None:
        """Draw the bar with these numbers, a new one if they are another bar's."""
        if numbers["key"] != self.key:
            self.close()
            self.key, start = numbers["key"], numbers["initial"]
            options = {"unit": numbers["unit"], "scaled": numbers["scaled"], "shown": True, "file": self.file}
            self.bar = bar(numbers["total"], start, numbers["title"], **options)
        if self.bar is not None:
            self.bar.set_postfix_str(numbers["note"], refresh=False)
            self.bar.update(numbers["step"] - self.bar.n)
            if numbers["step"] >= numbers["total"]:
                self.close()

    def write(self, text: str) -> None:
        """Write a text above the bar."""
        tqdm.write(text, file=self.file, end="")
        self.file.flush()

    def close(self) -> None:
        """Leave the last bar as it is; what is written next begins on a new line."""
        if self.bar is not None:
            self.bar.close()
        self.bar = None
