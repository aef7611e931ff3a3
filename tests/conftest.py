"""One thread for all tests: their networks are tiny, and equal bits need an equal number of threads."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, and for the processes that tests start
os.environ.setdefault("I2I_QUIET", "1")
