"""Where the book stands: one setting, ``repository.url`` in ``_config.yml``, and what follows from it."""

from pathlib import Path
from typing import Any

import yaml

from i2i_tutor.assignments import site


def configuration(root: Path) -> dict[str, Any]:
    """What ``_config.yml`` says."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


def page(config: dict[str, Any], name: str) -> str | None:
    """The address of a page, for example ``book/glossary``; None while the site is not public."""
    published = config.get("sphinx", {}).get("config", {}).get("i2i_published", False)
    return f"{site(config['repository']['url'])}{name}.html" if published else None
