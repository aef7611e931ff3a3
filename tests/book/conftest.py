"""One build of the book at `smoke`, shared by all tests of its pages; or the built book that $I2I_SITE names."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))


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
    """The book, built from nothing, every cell executed; warnings are errors."""
    if built := os.environ.get("I2I_SITE"):
        return Site(Path(built).resolve(), "", 0)
    out = tmp_path_factory.mktemp("book")
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", ROOT, "--path-output", out]
    flags = ["--warningiserror", "--nitpick", "--keep-going"]
    environment = os.environ | {"I2I_PROFILE": "smoke", "NO_COLOR": "1"}
    run = subprocess.run([*command, *flags], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return Site(out / "_build/html", run.stdout + run.stderr, run.returncode)
