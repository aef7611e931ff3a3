"""The built book: no warning, nothing missing, nothing dead, nothing leaked."""

import csv
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(site) -> dict[str, BeautifulSoup]:
    return {page: BeautifulSoup(site.text(page), "html.parser") for page in site.pages()}


@pytest.mark.skipif("I2I_SITE" in os.environ, reason="the book was built elsewhere")
def test_the_book_builds_without_a_warning(site):
    complaints = [
        line for line in site.log.splitlines() if re.search(r"WARNING|ERROR", line) and "IPKernelApp" not in line
    ]
    assert site.code == 0, site.log[-4000:]
    assert (site.html / "index.html").is_file()
    assert complaints == []


def test_every_page_of_the_contents_exists(site):
    assert [page for page in site.pages() if not (site.html / f"{page}.html").is_file()] == []


def test_every_item_of_the_coverage_list_has_its_place(pages):
    rows = list(csv.DictReader((ROOT / "book/coverage.csv").open()))
    dead = [row["id"] for row in rows if row["page"] not in pages or not pages[row["page"]].find(id=row["anchor"])]
    assert dead == []
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert {f"P{number}" for number in range(1, 12)} <= set(ids)


def test_every_picture_says_what_it_shows(pages):
    silent = [
        (page, str(image)[:120])
        for page, soup in pages.items()
        for image in soup.find_all("img")
        if not image.get("alt", "").strip() or re.fullmatch(r"[\w./-]+\.\w{3,4}", image["alt"])
    ]
    assert silent == []


def test_links_inside_the_book_lead_somewhere(site, pages):
    dead = []
    for page, soup in pages.items():
        here = (site.html / f"{page}.html").resolve()
        for link in soup.find_all("a", href=True):
            url = urlsplit(link["href"])
            if url.scheme or url.netloc:
                continue
            target = (here.parent / unquote(url.path)).resolve() if url.path else here
            anchor = f'id="{unquote(url.fragment)}"' if url.fragment else ""
            if not target.is_file() or anchor not in target.read_text(encoding="utf-8"):
                dead.append((page, link["href"]))
    assert dead == []


def test_the_colab_button_opens_the_notebook_beside_the_source(pages):
    executed = [page for page in pages if (ROOT / f"{page}.py").is_file()]
    assert executed
    for page in executed:
        buttons = [a["href"] for a in pages[page].find_all("a", href=True) if "colab.research" in a["href"]]
        assert [button.rsplit("/blob/main/")[-1] for button in buttons] == [f"{page}.ipynb"]
        assert (ROOT / f"{page}.ipynb").is_file()


def test_sources_are_not_published(site):
    assert not (site.html / "_sources").exists()
    assert [path.name for path in site.html.rglob("*") if path.suffix == ".py"] == []


def test_no_raw_markup_is_left(pages):
    raw = re.compile(r"\{(?:cite|ref|numref|eq|term|math|note|figure|exercise|solution)[:\w]*\}`?")
    found = {page: raw.findall(soup.find("article").get_text()) for page, soup in pages.items()}
    assert {page: hits for page, hits in found.items() if hits} == {}


def test_figures_travel_as_webp_and_icons_as_a_few_glyphs(site, pages):
    for page, soup in pages.items():
        for image in soup.find_all("img", src=re.compile("_images/")):
            assert image["src"].endswith(".webp"), (page, image["src"])
            assert (site.html / page).parent.joinpath(image["src"]).resolve().is_file()
    fonts = list(site.html.glob("_static/vendor/fontawesome/webfonts/*"))
    assert fonts
    assert sum(font.stat().st_size for font in fonts) < 30_000


def test_links_to_other_sites_are_whole_and_encrypted(pages):
    odd = []
    for page, soup in pages.items():
        for link in soup.find_all("a", href=True):
            url = urlsplit(link["href"])
            whole = (
                url.scheme == "https"
                and re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", url.netloc)
                and " " not in link["href"]
            )
            if url.scheme not in ("", "mailto") and not whole:
                odd.append((page, link["href"]))
    assert odd == []
