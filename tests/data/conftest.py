"""No test of the data reads or writes the cache of whoever runs it."""

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("I2I_CACHE", str(folder))
    return folder
