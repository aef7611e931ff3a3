"""Checkpoints that survive a kill at any moment: temporary name, fsync, rename, and the manifest last."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from i2i_tutor.files import sha256, write_atomically, write_text

MANIFEST = "manifest.json"


class CheckpointError(RuntimeError):
    """A checkpoint is missing, damaged, or belongs to another run."""


def save(folder: Path, step: int, state: dict[str, Any], about: dict[str, Any]) -> None:
    """Write ``state`` (tensors and plain values) as the checkpoint of ``step`` and make it the folder's current one.

    The state is complete and on disk before the manifest names it; the checkpoint before it is removed only then.
    ``about`` (JSON values) goes into the manifest: what is needed to build the method again.
    """
    name = f"step-{step:08d}.pt"
    try:
        write_atomically(folder / name, lambda file: torch.save(state, file))
        manifest = {"step": step, "file": name, "sha256": sha256(folder / name), **about}
        write_text(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True))
    except OSError as error:
        raise CheckpointError(
            f"the checkpoint of step {step} could not be written to {folder} ({error.strerror or error}); "
            f"{describe_last(folder)}"
        ) from error
    for old in folder.glob("step-*.pt"):
        if old.name != name:
            old.unlink(missing_ok=True)
    for orphan in folder.glob(".*.part"):  # left by a killed process
        orphan.unlink(missing_ok=True)


def manifest(folder: Path) -> dict[str, Any] | None:
    """The folder's manifest, or None where no checkpoint was ever completed."""
    try:
        return json.loads((folder / MANIFEST).read_text())
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder / MANIFEST} is not readable JSON; remove {folder} to start anew") from error


def load(folder: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (manifest, state) of the last whole checkpoint, after checking its SHA-256.

    Raises CheckpointError where there is none or the file is damaged. Loads with ``weights_only=True``: a checkpoint
    from a stranger cannot run code.
    """
    about = manifest(folder)
    if about is None:
        raise CheckpointError(f"{folder} holds no checkpoint (no {MANIFEST})")
    path = folder / str(about.get("file"))
    if not path.is_file():
        raise CheckpointError(f"{folder / MANIFEST} names {about.get('file')}, which is missing")
    if sha256(path) != about.get("sha256"):
        raise CheckpointError(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}")
    return about, torch.load(path, map_location=device, weights_only=True)


def describe_last(folder: Path | None) -> str:
    """A half sentence about the last whole checkpoint, for error messages."""
    about = manifest(folder) if folder is not None else None
    if about is None:
        return "there is no earlier checkpoint"
    return f"the last whole checkpoint is that of step {about['step']} in {folder}"


def remove(folder: Path) -> None:
    """Forget a run's checkpoints, so that the next training starts from the beginning."""
    shutil.rmtree(folder, ignore_errors=True)
