"""One thread for all tests: their networks are tiny, and equal bits need an equal number of threads. And no clock."""

import os
import signal

import hypothesis

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, and for the processes that tests start
os.environ.setdefault("I2I_QUIET", "1")
# Whoever starts the tests in a shell's background has them ignore Ctrl-C, and what they start would ignore it too
signal.signal(signal.SIGINT, signal.default_int_handler)
# A busy machine may take long over a single example
hypothesis.settings.register_profile("no clock", deadline=None)
hypothesis.settings.load_profile("no clock")
