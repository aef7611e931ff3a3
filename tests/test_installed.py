"""The package as others get it: a wheel, installed somewhere else."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from i2i_tutor.assignments import MARKS

ROOT = Path(__file__).parents[1]
# pip would uninstall the package from this environment first; uv leaves it alone
INSTALL = (
    [sys.executable, "-m", "pip", "install", "--ignore-installed"]
    if importlib.util.find_spec("pip")
    else ["uv", "pip", "install"]
)
pytestmark = pytest.mark.slow


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in names.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    for name in tracked():  # a copy: a build leaves folders behind
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, folder], cwd=folder / "source", capture_output=True, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module", params=["--target", "--prefix"])
def installed(request, wheel, tmp_path_factory) -> tuple[dict[str, str], Path]:
    """The environment variables with which Python finds the installed package, and its folder."""
    place = tmp_path_factory.mktemp("place")
    quiet = ["--quiet", "--no-deps", "--no-index", request.param, place]
    subprocess.run([*INSTALL, *map(str, quiet), str(wheel)], capture_output=True, check=True)
    package = next(place.rglob("i2i_tutor/__init__.py")).parent
    return os.environ | {"PYTHONPATH": str(package.parent)}, place


def test_a_wheel_carries_the_chapters_and_what_they_read(wheel):
    inside = zipfile.ZipFile(wheel).namelist()
    shared = {name.partition("share/i2i-tutor/")[2] for name in inside if "share/i2i-tutor/" in name}
    data = ("chapters/*.ipynb", "assignments/*.ipynb", "book/results/*")
    wanted = {str(name) for name in tracked() if any(name.match(each) for each in data)}
    assert shared == wanted | {"book/claims.toml"}
    assert any(name.endswith("batch/page.html") for name in inside)
    assert not [name for name in inside if name.startswith(("tests/", "tools/", "book/"))]


def test_a_wheel_holds_no_solution_and_no_hidden_test(wheel):
    inside = zipfile.ZipFile(wheel)
    notebooks = [name for name in inside.namelist() if "share/i2i-tutor/assignments/" in name]
    assert notebooks
    for name in inside.namelist():
        if name.endswith("i2i_tutor/assignments/source.py"):
            continue  # where the marks are named
        for mark in (*MARKS, "BEGIN HIDDEN TESTS"):
            assert mark.encode() not in inside.read(name), (name, mark)


def test_an_installed_package_finds_them_from_anywhere(installed, tmp_path):
    environment, place = installed
    (tmp_path / "chapters").mkdir()  # somebody's thesis
    code = (
        "from i2i_tutor.batch import plan; from i2i_tutor.files import book_file\n"
        "print(plan.find_chapter('pix2pix'), book_file('claims.toml'), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    share = place / "share/i2i-tutor"
    assert done.stdout.split() == [str(share / "chapters/01_pix2pix.ipynb"), str(share / "book/claims.toml")]


@pytest.mark.soak
def test_an_installed_package_runs_a_chapter(installed, tmp_path):
    command = [sys.executable, "-m", "i2i_tutor.cli", "run", "pix2pix", "--profile", "smoke", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, env=installed[0], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "out" / "results.json").is_file()
