"""How papermill executes a notebook here: with this very Python, saved atomically, and with a bound on what is kept."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from i2i_tutor import progress
from i2i_tutor.files import write_text

KEPT = 1_000_000  # characters that are kept of what one cell prints, in the notebook and in the log


class Log:
    """A log that never stops a run: on a full disk its lines are lost."""

    def __init__(self, path: Path, append: bool):
        self.path, self.mode = path, "a" if append else "w"

    def write(self, text: str) -> None:
        """Append text, at once."""
        with contextlib.suppress(OSError):
            with open(self.path, self.mode, encoding="utf-8") as file:
                file.write(text)
            self.mode = "a"

    def flush(self) -> None:
        """Do nothing, since every write is flushed already (progress bars call this)."""

    def isatty(self) -> bool:
        """No: a log gets lines, not bars."""
        return False


def execute(
    source: Path,
    target: Path,
    parameters: dict[str, Any],
    log: Log,
    on_cell: Callable[[Any], None],
    on_stderr: Callable[[str], None],
    on_bar: Callable[[dict[str, Any]], None],
) -> None:
    """Execute the notebook ``source`` with its parameters, and save it as ``target`` after every cell.

    Args:
        log: gets what is kept of the printed text.
        on_cell: called with every cell that begins.
        on_stderr: called with all that is written to stderr, kept or not.
        on_bar: called with the numbers of a progress bar that has moved (see ``i2i_tutor.progress``).
    """
    import papermill
    from papermill.engines import papermill_engines
    from papermill.iorw import papermill_io

    papermill_io.register(str(target.parent), _atomic_handler())
    papermill_engines.register("i2i", _engine(log, on_cell, on_stderr, on_bar))
    papermill.execute_notebook(
        str(source),
        str(target),
        parameters,
        engine_name="i2i",
        kernel_name="python3",
        language="python",
        autosave_cell_every=30,
        progress_bar=False,
        cwd=str(source.parent),
    )


def _engine(
    log: Log,
    on_cell: Callable[[Any], None],
    on_stderr: Callable[[str], None],
    on_bar: Callable[[dict[str, Any]], None],
) -> type:
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import Engine

    class Client(PapermillNotebookClient):
        """Keeps the first `KEPT` characters that a cell prints."""

        cell, room = -1, 0

        def process_message(self, msg: dict[str, Any], *place: Any) -> Any:
            if numbers := progress.published(msg):
                on_bar(numbers)
            return super().process_message(msg, *place)

        def output(self, outs: list, msg: dict, display_id: str | None, cell_index: int) -> Any:
            if msg["msg_type"] != "stream":
                return super().output(outs, msg, display_id, cell_index)
            text = msg["content"]["text"]
            if msg["content"]["name"] == "stderr":
                on_stderr(text)
            if cell_index != self.cell:
                self.cell, self.room = cell_index, KEPT
            if not self.room:
                return None
            if len(text) > self.room:
                text = f"{text[: self.room]}\n[more than {KEPT} characters: the rest of this cell's text is not kept]\n"
            self.room = max(0, self.room - len(text))
            log.write(text)
            msg["content"]["text"] = text
            return super().output(outs, msg, display_id, cell_index)

    class ClientEngine(Engine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
            """Execute the notebook; papermill's own options, about output and time, are not used."""
            client = Client(
                nb_man,
                kernel_name=kernel_name,
                kernel_manager_class=_kernel_manager(),
                on_cell_start=lambda cell, cell_index: on_cell(cell),
                timeout=None,  # a cell may take days
                iopub_timeout=60,  # a busy machine is slow to deliver the last outputs
            )
            with _bounded_pipe(log) as end:  # what the kernel and its processes say past the notebook's outputs
                client.execute(stdout=end, stderr=end)

    return ClientEngine


@contextlib.contextmanager
def _bounded_pipe(log: Log) -> Iterator[int]:
    """The writing end of a pipe; the first `KEPT` bytes of its text go to the log."""
    out, end = os.pipe()

    def pump() -> None:
        room = KEPT
        while data := os.read(out, 2**16):
            if room:
                log.write(data[:room].decode(errors="replace"))
                room = max(0, room - len(data))

    reader = threading.Thread(target=pump, daemon=True)
    reader.start()
    try:
        yield end
    finally:
        os.close(end)
        reader.join(1)  # a process that the notebook has left behind may still hold the other copy


def _atomic_handler() -> Any:
    from papermill.iorw import LocalHandler

    class AtomicHandler(LocalHandler):
        """Saves the executed notebook so that a kill or a full disk leaves the one before it whole."""

        def write(self, buf: str, path: str) -> None:
            write_text(Path(path), buf)

    return AtomicHandler()


def _kernel_manager() -> type:
    """A kernel manager that starts this very Python, whatever kernels the user has registered."""
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            argv += ["--IPKernelApp.outstream_class=i2i_tutor.batch.stream.BoundedStream"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    return ThisPython
