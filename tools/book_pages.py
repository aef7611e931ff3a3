"""Sphinx extension: what a reader sees of the site beyond its text.

The chapters' own numbers, tables that a phone can turn into cards, the alt text of grids, the pictures of the front
page, links to the repository only if it is public, and a warning if a claim says what its numbers deny.
"""

import html
import re
import tomllib
from pathlib import Path

import numpy as np
from address import site
from bs4 import BeautifulSoup
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

from i2i_tutor.film import read_frames
from i2i_tutor.measuring import results

LOG = logging.getLogger(__name__)
CHAPTER = re.compile(r"chapters/(\d+)_")
TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
GRID = '<figure class="i2i-grid"'  # of plots.grid
REPOSITORY_BUTTONS = ("use_repository_button", "use_issues_button", "use_edit_page_button")
# Of the front page: a picture of the results, its frame, the side of its tiles, the row of the answers to the first row
FRONT = {"horses": ("cyclegan_opening", 0, 144, 2), "houses": ("pix2pix_arms", 5, 64, 1)}


def _configure(app: Sphinx, config: Config) -> None:
    options = config.html_theme_options
    config.html_baseurl = config.ogp_site_url = site(options["repository_url"])
    project = tomllib.loads((Path(app.srcdir) / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    config.version = config.release = project["version"]
    options["extra_footer"] = f"Version {project['version']}. {options['extra_footer']}"
    if config.i2i_published:
        app.tags.add("published")
    else:
        options.update(dict.fromkeys(REPOSITORY_BUTTONS, False), launch_buttons={})


def _contradictions(app: Sphinx) -> None:
    for sentence in results.contradictions():
        LOG.warning(sentence)


def number(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """PixelDA is chapter 5 also while 3 and 4 are missing: a chapter's number is that of its file.

    Sphinx has counted them 1, 2, 3 just before, in titles, contents and the numbers of exercises.
    """
    pages = {page: int(match[1]) for page in env.found_docs if (match := CHAPTER.match(page))}
    for page, own in pages.items():
        for node in (env.titles[page], env.longtitles[page], *env.tocs[page].findall(nodes.reference)):
            if "secnumber" in node:
                node["secnumber"] = (own, *node["secnumber"][1:])
        for numbers in (env.toc_secnumbers.get(page, {}), *env.toc_fignumbers.get(page, {}).values()):
            numbers.update({name: (own, *counted[1:]) for name, counted in numbers.items() if counted})
    return list(pages)


def describe(app: Sphinx, doctree: nodes.document) -> None:
    """Give a grid of pictures the alt text that stands in its cell's header; its tiles only have their titles."""
    for cell in doctree.findall(nodes.container):
        alt = cell.get("cell_metadata", {}).get("mystnb", {}).get("image", {}).get("alt", "")
        for raw in cell.findall(nodes.raw) if alt else ():
            label = f'{GRID} aria-label="{html.escape(alt, quote=True)}"'
            raw[:] = [nodes.Text(raw.astext().replace(GRID, label))]


def label_cells(page: str) -> str:
    """Write into every cell of a page's tables the heading of its column, which a narrow page shows beside it."""

    def labelled(table: re.Match) -> str:
        soup = BeautifulSoup(table[0], "html.parser")
        headings = [cell.get_text(" ", strip=True) for cell in soup.select("thead tr:last-child > *")]
        for row in soup.select("tbody tr"):
            for cell, heading in zip(row.find_all(["td", "th"], recursive=False), headings, strict=False):
                cell["data-label"] = heading
        return str(soup)

    return TABLE.sub(labelled, page)


def _label_cells(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None) -> None:
    if "body" in context:
        context["body"] = label_cells(context["body"])


def _front(app: Sphinx, error: Exception | None) -> None:
    """Draw the pictures of the front page, before and after, of what the book's results hold of our own models."""
    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static"
    for name, (picture, frame, side, answers) in FRONT.items():
        strip = read_frames(Path(app.srcdir) / f"book/results/{picture}.webp")[frame]
        rows = {"before": strip[:side], "after": strip[answers * side : (answers + 1) * side]}
        for when, row in rows.items():
            Image.fromarray(row[:, : 3 * side]).save(folder / f"{name}_{when}.webp", "WEBP", lossless=True)
        if name == "horses":  # what other sites show beside a link
            both = Image.fromarray(np.concatenate(list(rows.values())))
            both.resize((1200, 480), Image.Resampling.NEAREST).save(folder / "front.png")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension. Sphinx has numbered the sections before ``number``, the theme has read no option yet."""
    app.add_config_value("i2i_published", False, "env")
    app.connect("config-inited", _configure, priority=1)
    app.connect("builder-inited", _contradictions)
    app.connect("doctree-read", describe)
    app.connect("env-get-updated", number, priority=900)
    app.connect("html-page-context", _label_cells)
    app.connect("build-finished", _front)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
