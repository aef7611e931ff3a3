"""The execution cache of the book: an edit of the package runs a page anew, and nothing else does."""

import os
import subprocess
import sys
from pathlib import Path

import book_extension
import pytest

TOOLS = Path(__file__).parents[2] / "tools"
CONFIGURATION = """
extensions = ["myst_nb", "book_extension"]
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
exclude_patterns = ["i2i_tutor", "out", "conf.py"]
"""
PAGE = """# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # A page

# %%
import sys
sys.path.insert(0, "ROOT")
from i2i_tutor import number
with open("ROOT/out/runs.txt", "a") as log:
    log.write("run ")
print("the number is", number.NUMBER)
"""


@pytest.fixture
def root(tmp_path) -> Path:
    """A book of one page and a package of one module."""
    (tmp_path / "i2i_tutor").mkdir()
    (tmp_path / "i2i_tutor/__init__.py").write_text("")
    (tmp_path / "i2i_tutor/number.py").write_text("NUMBER = 1\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "conf.py").write_text(CONFIGURATION)
    (tmp_path / "index.py").write_text(PAGE.replace("ROOT", str(tmp_path)))
    return tmp_path


@pytest.mark.slow
def test_an_edit_of_the_package_executes_a_page_anew(root):
    def build() -> tuple[str, int]:
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", root, root / "out/html"]
        path = os.pathsep.join([str(TOOLS), os.environ.get("PYTHONPATH", "")])
        run = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr[-3000:]
        runs = (root / "out/runs.txt").read_text().split()
        return (root / "out/html/index.html").read_text(encoding="utf-8"), len(runs)

    page, runs = build()
    assert "the number is 1" in page
    assert runs == 1
    (root / "index.py").write_text((root / "index.py").read_text().replace("# # A page", "# # Another title"))
    page, runs = build()
    assert "Another title" in page
    assert runs == 1  # words are no reason to run
    (root / "i2i_tutor/number.py").write_text("NUMBER = 2\n")
    page, runs = build()
    assert "the number is 2" in page
    assert runs == 2


def test_the_key_follows_package_versions_results_claims_and_profile(root, monkeypatch):
    keys = {book_extension.execution_key(root)}

    def changed() -> bool:
        key = book_extension.execution_key(root)
        known = key in keys
        keys.add(key)
        return not known

    assert not changed()
    for name in ("i2i_tutor/data/world.py", "constraints.txt", "book/claims.toml", "book/results/pix2pix.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x = 1\n")
        assert changed(), name
        (root / name).write_text("x = 2\n")
        assert changed(), name
    for name in ("I2I_PROFILE", "I2I_DATA"):
        monkeypatch.setenv(name, "other")
        assert changed(), name
    (root / "README.md").write_text("words")
    assert not changed()
