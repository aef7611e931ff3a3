"""How the C library hands out memory while a training runs on a CPU."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # malloc.h
MIB = 2**20
# Larger blocks are still given back at once: kept, too, they would leave gaps that nothing fits into
KEEPING = {TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 256 * MIB, MMAP_THRESHOLD: 32 * MIB}
# What glibc itself arrives at when large blocks come and go
USUAL = {TRIM_THRESHOLD: 64 * MIB, TOP_PAD: 128 * 1024, MMAP_THRESHOLD: 32 * MIB}


@contextmanager
def keeping(device: torch.device) -> Iterator[None]:
    """Within, memory that is freed stays with the process, but for blocks above 32 MiB; at the end it goes back.

    By itself glibc gives a large block back as soon as it is free, and the system clears every page of the next one
    (``make bench`` measures what that costs). Does nothing for a GPU, or with another C library.
    """
    if device.type != "cpu" or "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", ()):
        yield
        return
    libc = ctypes.CDLL(None)
    _set(libc, KEEPING)
    try:
        yield
    finally:
        _set(libc, USUAL)
        libc.malloc_trim(0)


def _set(libc: ctypes.CDLL, values: dict[int, int]) -> None:
    for parameter, value in values.items():
        libc.mallopt(parameter, value)
