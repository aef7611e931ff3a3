"""Two toy chapters."""

import pytest
from toys import write_toy


@pytest.fixture(scope="session")
def chapters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chapters")
    write_toy(folder)
    write_toy(folder, "02_other")
    return folder
