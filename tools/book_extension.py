"""Sphinx extension of the book's site: an execution cache that forgets when it must, and light pages.

The cache of executed notebooks looks at a notebook's own code only. Here its folder is named by what the code depends
on (the package, the pinned versions, the claims and results, the profile), so that an edit there runs them anew.

The theme's icon script weighs 1.5 MB, most of what a page would transfer, and draws what a font already draws.
"""

import hashlib
import os
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ("i2i_tutor/**/*.py", "constraints.txt", "book/claims.toml", "book/results/*.json")
ENVIRONMENT = ("I2I_PROFILE", "I2I_DATA")
ICON_SCRIPT = "_static/scripts/fontawesome.js"


def execution_key(root: Path = ROOT) -> str:
    """A short name for everything that an executed page depends on, besides its own source."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in INPUTS for path in root.glob(pattern)):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    for name in ENVIRONMENT:
        digest.update(f"{name}={os.environ.get(name, '')}\0".encode())
    return digest.hexdigest()[:12]


def _configure(app: Sphinx, config: Config) -> None:
    key = execution_key()
    config.i2i_execution_key = key  # a changed value makes Sphinx read every page again
    config.nb_execution_cache_path = str(Path(app.outdir).parent / ".executed" / key)
    # Jupyter Book always loads the live-code extension, which then declares its script (on another host) twice a page
    for listeners in app.events.listeners.values():
        listeners[:] = [each for each in listeners if getattr(each.handler, "__name__", "") != "init_thebe_core"]


def _lighten(app: Sphinx, error: Exception | None) -> None:
    script = Path(app.outdir) / ICON_SCRIPT
    if not error and script.exists():
        script.write_text("// The theme's style sheet draws the icons from a font.\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension. It runs before myst-nb reads its options."""
    app.add_config_value("i2i_execution_key", "", "env")
    app.connect("config-inited", _configure, priority=1)
    app.connect("build-finished", _lighten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
