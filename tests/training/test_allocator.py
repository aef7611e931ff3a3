"""The memory of a training on a CPU."""

import os
import subprocess
import sys

import pytest
import torch

from i2i_tutor.training import allocator

glibc = pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", ()), reason="only glibc can be told to keep memory"
)

# In a process of its own, since others ask for memory in between. Counts the MiB of pages that the system has to clear
# while five tensors of 24 MiB come and go three times.
COUNT = """
import contextlib, resource, torch
from i2i_tutor.training import allocator

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        [torch.zeros(24 << 20, dtype=torch.uint8) for _ in range(5)]
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() >> 20

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

with contextlib.suppress(RuntimeError), allocator.keeping(torch.device("cpu")):
    pages()
    kept, held = pages(), resident()
    raise RuntimeError
print(kept, held - resident(), pages())
"""


@glibc
def test_memory_is_kept_while_a_training_runs_and_given_back_at_its_end_even_after_an_error():
    told = subprocess.run([sys.executable, "-c", COUNT], check=True, capture_output=True, text=True).stdout
    kept, given_back, afterwards = map(int, told.split())
    assert kept < 16
    assert given_back > 100
    assert afterwards > 64  # what is free at the end of the heap goes back again, above 64 MiB


def test_elsewhere_nothing_is_set(monkeypatch):
    monkeypatch.setattr(allocator, "_set", lambda *given: pytest.fail("set"))
    with allocator.keeping(torch.device("cuda")):
        pass
    monkeypatch.setattr(os, "confstr_names", {})
    with allocator.keeping(torch.device("cpu")):
        pass
