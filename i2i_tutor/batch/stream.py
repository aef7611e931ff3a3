"""The stdout and stderr of a run's kernel, which a flood of text cannot fill the memory with."""

import time

from ipykernel.iostream import OutStream

BURST = 2_000_000  # characters that may be written at once
RATE = 20_000  # characters a second that may be written for ever; a progress bar needs a tenth of it
NOTE = "\n[too much text at once: some is dropped]\n"


class BoundedStream(OutStream):
    """Drops what is written faster than it can be delivered, with a note."""

    room, last, full = float(BURST), 0.0, False

    def write(self, string: str) -> int:
        """Write a text, or as much of it as there is room for; returns its length."""
        now = time.monotonic()
        self.room = min(BURST, self.room + RATE * (now - self.last))
        self.last = now
        if self.full:
            self.full = self.room < BURST / 10  # so that a flood has one note, not one in each pause
        if not self.full:
            self.full = len(string) > self.room
            super().write(string[: int(self.room)] + NOTE if self.full else string)
            self.room = 0.0 if self.full else self.room - len(string)
        return len(string)
