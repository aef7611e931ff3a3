"""Where the book stands: one setting, ``repository.url`` in ``_config.yml``, and what follows from it."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


def configuration(root: Path) -> dict[str, Any]:
    """What ``_config.yml`` says."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


def site(repository: str) -> str:
    """The address of the pages that a GitHub repository publishes, with a slash at its end."""
    owner, name = urlsplit(repository).path.strip("/").split("/")
    return f"https://{owner}.github.io/{name}/"


def page(config: dict[str, Any], name: str) -> str | None:
    """The address of a page, for example ``book/glossary``; None while the site is not public."""
    published = config.get("sphinx", {}).get("config", {}).get("i2i_published", False)
    return f"{site(config['repository']['url'])}{name}.html" if published else None
