"""Where numbers come from: versions, device, git commit and peak memory of this process."""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from i2i_tutor import __version__


def provenance(device: torch.device) -> dict[str, Any]:
    """Versions, device and git commit of this process, and its peak memory so far in MiB."""
    return {
        "versions": {
            "python": platform.python_version(),
            "i2i-tutor": __version__,  # of the copy that runs, which need not be the installed one
            **{name: version(name) for name in ("torch", "torchvision", "torchmetrics", "numpy")},
        },
        "device": _device_name(device),
        "git_commit": _git_commit(),
        "peak_memory_mib": round(_peak_memory(device) / 2**20),
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads of {os.cpu_count()} cores"


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        return 0.0  # the standard library has no way to ask
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would count what the parent held when it started this process
        peaks = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if peaks:
            return int(peaks[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, KiB on Linux


def _git_commit() -> str | None:
    root = Path(__file__).parents[2]
    if not (root / "pyproject.toml").is_file():
        return None  # an installed package has no commit; its version says what it is
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
