"""Checkpoints that survive a kill at any moment: temporary name, fsync, rename, and the manifest last.

A checkpoint never takes the name of another, so the one that the manifest names stays whole until a newer manifest
names the next. If a training has several processes, each writes a file of its own, and process 0 the manifest.
"""

import json
import re
import reprlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from filelock import FileLock, Timeout

from i2i_tutor import processes
from i2i_tutor.files import orphans, sha256, write_atomically, write_text

MANIFEST = "manifest.json"
LOCK = ".training.lock"
_LISTED = re.compile(r"step-[\w.-]+\.pt")  # names that we delete once a manifest of ours has listed them
_WRITTEN = re.compile(r"step-\d{8,}(\.\d+)?-[0-9a-f]{16}\.pt")  # names that nothing else has

T = TypeVar("T")


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, in use, or belongs to another run."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other training out of ``folder``; the system ends the lock with the process, however it ends.

    Raises CheckpointError if another training is at work there, or the folder cannot be written.
    """
    manifest(folder)  # before a foreign folder gets a lock file
    lock = FileLock(folder / LOCK, timeout=0)

    def acquire() -> None:
        with _explained(folder, f"{folder} cannot be used for a training"):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except Timeout as error:
                raise CheckpointError(f"another training is at work in {folder}; choose another folder") from error

    together(lambda: acquire() if processes.rank() == 0 else None)
    try:
        yield
    finally:
        lock.release()


def save(folder: Path, step: int, state: dict[str, Any], about: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values) as the checkpoint of ``step`` and make it the folder's current one.

    The state is complete and on disk before the manifest names it; the checkpoint before it is removed only then.
    ``about`` is ``Method.settings()``: what is needed to build the method again.
    """
    rank = processes.rank()
    name = f"step-{step:08d}{f'.{rank}' if rank else ''}-{secrets.token_hex(8)}.pt"

    failed = f"the checkpoint of step {step} could not be written to {folder}"

    def write_state() -> dict[str, str]:
        with _explained(folder, failed):
            write_atomically(folder / name, lambda file: torch.save(state, file))
            return {"file": name, "sha256": sha256(folder / name)}

    def write_manifest(first: dict[str, str], *others: dict[str, str]) -> None:
        listed = {**first, "others": list(others)} if others else first
        with _explained(folder, failed):
            write_text(folder / MANIFEST, json.dumps({"step": step, **listed, **about}, indent=2))

    before = kept = _files(manifest(folder))
    try:
        written = together(write_state)
        together(lambda: write_manifest(*written) if rank == 0 else None)
        kept = set()
    finally:
        if rank == 0:
            _clean(folder, before, kept | _files(manifest(folder)))


def tidy(folder: Path) -> None:
    """Remove what a kill has left beside the current checkpoint."""
    if processes.rank() == 0:
        _clean(folder, set(), keep=_files(manifest(folder)))


def remove(folder: Path) -> None:
    """Forget a training, so that the next one starts from the beginning. Files that are not its own stay."""
    before = _files(manifest(folder))

    def forget() -> None:
        with _explained(folder, f"{folder} could not be cleared"):
            if before:
                (folder / MANIFEST).unlink()  # first: without it nothing names the others
            _clean(folder, before, keep=set())

    together(lambda: forget() if processes.rank() == 0 else None)


def manifest(folder: Path) -> dict[str, Any] | None:
    """The folder's manifest: ``step``, ``file``, ``sha256``, ``method``, ``recipe`` and perhaps ``others``.

    None if no checkpoint was ever completed there. Raises CheckpointError if the file is not a training's.
    """
    path = folder / MANIFEST
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no readable JSON"
        raise CheckpointError(f"{path} is not a training's manifest ({reason}); choose another folder") from error
    if wrong := _what_is_wrong(about):
        raise CheckpointError(f"{path} is not a training's manifest ({wrong}); choose another folder")
    return about


def load(folder: Path, rank: int = 0, count: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (manifest, state) of the last whole checkpoint, after checking its SHA-256; all tensors on the CPU.

    Networks and optimisers copy from there to their own device: they know what belongs where (Adam's step counts, for
    one, stay on the CPU). Raises CheckpointError if there is none, the file is damaged, or it holds more than tensors
    and plain values: it is loaded with ``weights_only=True``, so a checkpoint from a stranger cannot run code.

    ``rank`` chooses the file of one of several processes; all hold the same networks. ``count`` is how many processes
    want to continue: it must be as many as wrote.
    """
    about = manifest(folder)
    if about is None:
        raise CheckpointError(f"{folder} holds no checkpoint (no {MANIFEST})")
    files = [about, *about.get("others", [])]
    if count is not None and len(files) != count:
        raise CheckpointError(f"{folder} was trained by {len(files)} processes and cannot be continued by {count}")
    path = folder / files[rank]["file"]
    if not path.is_file():
        raise CheckpointError(f"{folder / MANIFEST} names {path.name}, which is missing")
    try:
        checksum = sha256(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror})") from error
    if checksum != files[rank]["sha256"]:
        raise CheckpointError(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, as the file can be anything whose checksum somebody wrote down
        raise CheckpointError(f"{path} is damaged, or holds more than tensors and plain values; refused") from error
    networks = state.get("method") if isinstance(state, dict) else None
    if not isinstance(networks, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in networks.items()
    ):
        raise CheckpointError(f"{path} is not the checkpoint of a training: it holds no networks by name")
    return about, state


def describe_last(folder: Path | None) -> str:
    """A half sentence about the last whole checkpoint, for error messages."""
    about = manifest(folder) if folder is not None else None
    if about is None:
        return "there is no earlier checkpoint"
    return f"the last whole checkpoint is that of step {about['step']} in {folder}"


def together(work: Callable[[], T]) -> list[T]:
    """What ``work`` returns on every process, by rank; if it fails on one of them, all raise a CheckpointError."""
    result: Any = None
    problem: CheckpointError | None = None
    try:
        result = work()
    except CheckpointError as error:
        problem = error
    found = processes.gather((result, str(problem or "")))
    if problem:
        raise problem
    for _, elsewhere in found:
        if elsewhere:
            raise CheckpointError(elsewhere)
    return [each for each, _ in found]


@contextmanager
def _explained(folder: Path, failed: str) -> Iterator[None]:
    """Turn an error of the file system into a sentence; torch hides a full disk behind a RuntimeError of its own."""
    try:
        yield
    except CheckpointError:
        raise
    except (OSError, RuntimeError) as error:
        cause: BaseException | None = error
        while cause and not isinstance(cause, OSError):
            cause = cause.__cause__ or cause.__context__
        if not isinstance(cause, OSError):
            raise
        raise CheckpointError(f"{failed} ({cause.strerror or cause}); {describe_last(folder)}") from error


def _what_is_wrong(about: Any) -> str:
    """What keeps ``about`` from being a manifest that ``save`` wrote, in words; empty if nothing does."""
    if not isinstance(about, dict):
        return "it is no JSON object"
    for key, kind in {"step": int, "method": str, "recipe": dict}.items():
        if type(about.get(key)) is not kind:
            return f"its {key} is {reprlib.repr(about.get(key))}"
    others = about.get("others", [])
    if not isinstance(others, list):
        return f"its others are {reprlib.repr(others)}"
    for file in (about, *others):
        name, checksum = (file.get("file"), file.get("sha256")) if isinstance(file, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(checksum, str):
            return "it does not name its files with their SHA-256"
        if not _LISTED.fullmatch(name):
            return f"it names the file {reprlib.repr(name)}"
    return ""


def _files(about: dict[str, Any] | None) -> set[str]:
    return {file["file"] for file in (about, *about.get("others", []))} if about else set()


def _clean(folder: Path, before: set[str], keep: set[str]) -> None:
    """Remove what only we can have written: what the manifest before listed, and what a kill has left."""
    ours = [path for path in folder.glob("step-*.pt") if path.name in before or _WRITTEN.fullmatch(path.name)]
    ours += [path for path in orphans(folder) if path.name.startswith((".step-", f".{MANIFEST}."))]
    for path in ours:
        if path.name not in keep:
            with suppress(OSError):  # the new checkpoint is whole; the next save tries again
                path.unlink()
