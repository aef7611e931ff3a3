"""Checkpoints that survive a kill at any moment: temporary name, fsync, rename, and the manifest last.

Of a training on several processes each writes a file of its own, and process 0 the manifest that names them all.
"""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from i2i_tutor import processes
from i2i_tutor.files import sha256, write_atomically, write_text

MANIFEST = "manifest.json"
STATES = "step-*.pt"
ORPHANS = (f".{STATES}.*.part", f".{MANIFEST}.*.part")  # left by a killed process


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, or belongs to another run."""


def save(folder: Path, step: int, state: dict[str, Any], about: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values) as the checkpoint of ``step`` and make it the folder's current one.

    The state is complete and on disk before the manifest names it; the checkpoint before it is removed only then.
    ``about`` (JSON values) goes into the manifest: what is needed to build the method again.
    """
    rank = processes.rank()
    name = f"step-{step:08d}.pt" if rank == 0 else f"step-{step:08d}.{rank}.pt"
    written = _together(folder, step, lambda: _write_state(folder / name, state))
    manifest = {"step": step, **written[0], **about}
    if len(written) > 1:
        manifest["others"] = written[1:]
    text = json.dumps(manifest, indent=2, sort_keys=True)
    _together(folder, step, lambda: write_text(folder / MANIFEST, text) if rank == 0 else None)
    if rank == 0:
        _clean(folder, {file["file"] for file in written})


def _write_state(path: Path, state: dict[str, Any]) -> dict[str, str]:
    write_atomically(path, lambda file: torch.save(state, file))
    return {"file": path.name, "sha256": sha256(path)}


def _together(folder: Path, step: int, write: Callable[[], Any]) -> list[Any]:
    """What ``write`` returns on every process; all of them raise where one could not write."""
    result, problem, cause = None, "", None
    try:
        result = write()
    except OSError as error:
        problem, cause = error.strerror or str(error), error
    results, problems = zip(*processes.gather((result, problem)), strict=True)
    if any(problems):
        raise CheckpointError(
            f"the checkpoint of step {step} could not be written to {folder} ({next(filter(None, problems))}); "
            f"{describe_last(folder)}"
        ) from cause
    return list(results)


def _clean(folder: Path, current: set[str]) -> None:
    for old in folder.glob(STATES):
        if old.name not in current:
            old.unlink(missing_ok=True)
    for pattern in ORPHANS:
        for orphan in folder.glob(pattern):
            orphan.unlink(missing_ok=True)


def manifest(folder: Path) -> dict[str, Any] | None:
    """The folder's manifest, or None where no checkpoint was ever completed."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder / MANIFEST} is not readable JSON; remove {folder} to start anew") from error


def load(folder: Path, rank: int = 0, count: int | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (manifest, state) of the last whole checkpoint, after checking its SHA-256; all tensors on the CPU.

    Networks and optimisers copy from there to their own device: they know what belongs where (Adam's step counts, for
    one, stay on the CPU). Raises CheckpointError where there is none, the file is damaged, or it holds more than
    tensors and plain values: it is loaded with ``weights_only=True``, so a checkpoint from a stranger cannot run code.

    ``rank`` chooses the file of one of several processes; all hold the same networks. ``count`` is how many processes
    want to continue: it must be as many as wrote.
    """
    about = manifest(folder)
    if about is None:
        raise CheckpointError(f"{folder} holds no checkpoint (no {MANIFEST})")
    files = [about, *about.get("others", [])]
    if count is not None and len(files) != count:
        raise CheckpointError(f"{folder} was trained by {len(files)} processes and cannot be continued by {count}")
    path = folder / str(files[rank].get("file"))
    if not path.is_file():
        raise CheckpointError(f"{folder / MANIFEST} names {path.name}, which is missing")
    if sha256(path) != files[rank].get("sha256"):
        raise CheckpointError(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}")
    try:
        return about, torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} holds more than tensors and plain values; refused") from error


def describe_last(folder: Path | None) -> str:
    """A half sentence about the last whole checkpoint, for error messages."""
    about = manifest(folder) if folder is not None else None
    if about is None:
        return "there is no earlier checkpoint"
    return f"the last whole checkpoint is that of step {about['step']} in {folder}"


def remove(folder: Path) -> None:
    """Forget a run's checkpoints, so that the next training starts from the beginning. Other files stay."""
    if processes.rank() == 0:
        for pattern in (MANIFEST, STATES, *ORPHANS):  # the manifest first: without it nothing names the others
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)
    processes.gather(None)  # the others wait, so that none writes before the old ones are gone
