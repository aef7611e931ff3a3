"""One thread for all tests: their networks are tiny, and equal bits need an equal number of threads."""

import os

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, and for the processes that tests start
os.environ.setdefault("I2I_QUIET", "1")


@pytest.hookimpl(tryfirst=True)  # before the workers read the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On several workers the tests of a file stay together, and all that need the built book, so that each is built
    once; the executions of chapters have nothing in common and go wherever there is room.
    """
    for item in items:
        name = "site" if "site" in item.fixturenames else item.path.name  # type: ignore[attr-defined]
        if name != "test_execution.py":
            item.add_marker(pytest.mark.xdist_group(name))
