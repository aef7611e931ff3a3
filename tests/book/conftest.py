"""One build of the book at `smoke`, shared by all tests of its pages; or the built book that $I2I_SITE names."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Site:
    """A built book."""

    html: Path
    log: str
    code: int

    def pages(self) -> list[str]:
        """Every page of the table of contents, for example "chapters/01_pix2pix"."""
        toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
        return [toc["root"], *(entry["file"] for part in toc["parts"] for entry in part["chapters"])]

    def text(self, page: str) -> str:
        return (self.html / f"{page}.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The book, built from nothing, every cell executed; warnings are errors. Workers share the build of the first."""
    if built := os.environ.get("I2I_SITE"):
        return Site(Path(built).resolve(), "", 0)
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # a worker's folder lies in the session's
    out, log, code = shared / "book", shared / "book.log", shared / "book.code"
    with FileLock(shared / "book.lock"):
        if not code.exists():
            program = Path(sys.executable).with_name("jupyter-book")
            command = [program, "build", ROOT, "--path-output", out, "--warningiserror", "--nitpick", "--keep-going"]
            environment = os.environ | {"I2I_PROFILE": "smoke", "NO_COLOR": "1"}
            run = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            log.write_text(run.stdout + run.stderr, encoding="utf-8")
            code.write_text(str(run.returncode))
    return Site(out / "_build/html", log.read_text(encoding="utf-8"), int(code.read_text()))
