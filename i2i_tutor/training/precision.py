"""The arithmetic of a training, fp32 or bf16 under autocast, and how its tensors lie in memory."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

from i2i_tutor.methods.base import Method

Precision = Literal["auto", "fp32", "bf16"]
Layout = Literal["contiguous", "channels last"]


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


@contextmanager
def laid_out(method: Method, device: torch.device) -> Iterator[Layout]:
    """Within, the method's weights lie as its convolutions are fastest; at the end they are turned back.

    On a CPU they are faster with channels last if nothing between them needs the other layout. A method's
    ``channels_last`` says whether it is so (measured by ``make bench``). The answer hangs on nothing else, so that a
    resumed training computes what it would have computed.
    """
    if device.type != "cpu" or not method.channels_last:
        yield "contiguous"
        return
    method.to(memory_format=torch.channels_last)
    try:
        yield "channels last"
    finally:
        method.to(memory_format=torch.contiguous_format)
