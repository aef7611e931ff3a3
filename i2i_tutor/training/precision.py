"""The arithmetic of a training: fp32, or bf16 under autocast."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]


def has_native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 in hardware. Emulated bf16 is slower than fp32 and gains nothing."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16"))
    return False


def arithmetic(device: torch.device, precision: Precision = "auto") -> Literal["fp32", "bf16"]:
    """What a training computes in.

    "auto" takes bf16 if the device computes it natively, else fp32; the environment variable ``I2I_PRECISION``
    ("fp32" or "bf16") decides in its place, so that two machines can be made to agree.
    """
    if precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"precision is {precision!r}; expected 'auto', 'fp32' or 'bf16'")
    if precision != "auto":
        return precision
    forced = os.environ.get("I2I_PRECISION")
    if forced in ("fp32", "bf16"):
        return forced  # type: ignore[return-value]
    if forced:
        raise ValueError(f"the environment variable I2I_PRECISION is {forced!r}; expected 'fp32' or 'bf16'")
    return "bf16" if has_native_bf16(device) else "fp32"


def autocast(device: torch.device, precision: Precision = "auto") -> Callable[[], AbstractContextManager]:
    """A factory of contexts, one per turn: autocast's cache of cast weights goes stale when an optimiser steps."""
    if arithmetic(device, precision) == "bf16":
        return lambda: torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext
