"""The built book: no warning, nothing missing, nothing dead, nothing leaked."""

import csv
import os
import re
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import address
import book_pages
import pytest
from bs4 import BeautifulSoup

from i2i_tutor.assignments import MARKS

ROOT = Path(__file__).parents[2]
CONFIG = address.configuration(ROOT)
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


def test_the_site_holds_no_solution_and_no_hidden_test(site):
    """Pages, their sources, the search index: no canary of an assignment."""
    files = [path for path in site.html.rglob("*") if path.suffix in (".html", ".js", ".txt", ".ipynb", ".py", ".json")]
    found = [path for path in files if any(mark in path.read_text("utf-8", "replace") for mark in MARKS)]
    assert files
    assert found == []


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
    published = CONFIG["sphinx"]["config"]["i2i_published"]
    for page in executed:
        buttons = [a["href"] for a in pages[page].find_all("a", href=True) if "colab.research" in a["href"]]
        opened = [button.rsplit("/blob/main/")[-1] for button in buttons]
        assert opened == ([f"{page}.ipynb"] if published else [])
        assert (ROOT / f"{page}.ipynb").is_file()


def test_until_the_repository_is_public_no_link_leads_there_and_the_pages_say_so(pages):
    if CONFIG["sphinx"]["config"]["i2i_published"]:
        pytest.skip("the repository is public")
    repository = CONFIG["repository"]["url"]
    leading = {
        page: [a["href"] for a in soup.find_all("a", href=True) if repository in a["href"]]
        for page, soup in pages.items()
    }
    assert {page: links for page, links in leading.items() if links} == {}
    for page in ("book/index", "book/how_to_run"):
        assert "not public yet" in pages[page].get_text()


@pytest.mark.parametrize("published", [True, False])
def test_one_setting_decides_about_buttons(published):
    options = {
        "repository_url": "https://github.com/some/book",
        "launch_buttons": {"colab_url": "x"},
        "extra_footer": "",
    }
    options |= dict.fromkeys(book_pages.REPOSITORY_BUTTONS, True)
    tags = set()
    config = SimpleNamespace(html_theme_options=options, i2i_published=published)
    book_pages._configure(SimpleNamespace(srcdir=ROOT, tags=tags), config)
    assert (options["use_edit_page_button"], bool(options["launch_buttons"]), tags) == (
        (True, True, {"published"}) if published else (False, False, set())
    )
    assert config.html_baseurl == "https://some.github.io/book/"


def test_the_repository_s_address_is_the_same_everywhere():
    own = CONFIG["repository"]["url"]
    texts = [*ROOT.glob("*.md"), *ROOT.glob("*.cff"), *ROOT.glob("book/*.md"), *ROOT.glob("chapters/*.py")]
    named = {
        link.rstrip("/.")
        for path in texts
        for link in re.findall(r"https://github\.com/[\w-]+/i2i[\w-]*", path.read_text(encoding="utf-8"))
    }
    assert named <= {own}


def test_chapters_have_the_book_s_numbers_also_while_others_are_missing(pages):
    contents = pages["book/index"].find("nav", class_="bd-links").get_text()
    for page in (page for page in pages if page.startswith("chapters/")):
        number = int(page.removeprefix("chapters/")[:2])
        title = pages[page].find("article").find("h1").get_text()
        assert title.startswith(f"{number}. ")
        assert title[:10] in contents
        counted = re.findall(r"(?:Exercise|Fig\.) (\d+)\.\d", pages[page].find("article").get_text())
        assert set(counted) == {str(number)}


def test_every_page_describes_itself_to_other_sites(pages):
    for page, soup in pages.items():
        head = {tag.get("property") or tag.get("name"): tag.get("content") for tag in soup.find_all("meta")}
        assert len(head.get("description") or "") > 20, page
        assert head["og:image"] == f"{address.site(CONFIG['repository']['url'])}_static/front.png", page
        assert "Version " in soup.find("footer", class_="bd-footer-content").get_text(), page


def test_no_source_map_is_shipped(site):
    assert list(site.html.rglob("*.map")) == []
    assert [
        path.name for path in site.html.rglob("*.js") if "sourceMappingURL" in path.read_text(encoding="utf-8")
    ] == []


def test_a_cell_of_a_table_knows_its_heading():
    head = "<thead><tr><th>verdict</th><th>claim</th></tr></thead>"
    table = f"<p>x</p><table>{head}<tbody><tr><td>held</td><td>a &lt; b</td></tr></tbody></table>"
    assert '<td data-label="verdict">held</td><td data-label="claim">a &lt; b</td>' in book_pages.label_cells(table)
    assert book_pages.label_cells("<p>no table</p>") == "<p>no table</p>"


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
