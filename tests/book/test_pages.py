"""The pages in a browser: phone and desktop, light and dark, with and without script; nothing from other hosts."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from urllib.parse import quote

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
HEAVIEST_PAGE = 2_000_000  # bytes, everything counted
PHONE, DESKTOP = {"width": 360, "height": 800}, {"width": 1280, "height": 900}
pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")]


class Server(http.server.ThreadingHTTPServer):
    """Serves the site on the loopback interface and counts the bytes that it hands out."""

    sent = 0


class Handler(http.server.SimpleHTTPRequestHandler):
    server: Server

    def copyfile(self, source, outputfile):
        content = source.read()
        self.server.sent += len(content)
        outputfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server(site) -> Iterator[Server]:
    with Server(("127.0.0.1", 0), functools.partial(Handler, directory=site.html)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(scope="module")
def address(server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield running
        running.close()


class Visit:
    """One page in a fresh browser context; remembers what went wrong and what other hosts were asked for."""

    def __init__(self, browser, address: str, path: str, **options):
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.context = browser.new_context(**options)
        self.context.route(lambda url: not url.startswith((address, "data:", "blob:")), self._refuse)
        self.page = self.context.new_page()
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"{address}/{path}", wait_until="networkidle")
        self.page.wait_for_load_state("load")  # a busy machine may still read the page when its network is quiet

    def _refuse(self, route):
        self.foreign.append(route.request.url)
        route.abort()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.context.close()


@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone in the dark", "desktop by day"]
)
def test_pages_load_cleanly_stay_in_the_window_and_can_be_read_by_all(site, server, address, browser, size, scheme):
    """No console error, no other host, no sideways scrolling, not too heavy, and nothing serious that axe finds."""
    wrong = []
    for page in site.pages():
        before = server.sent
        with Visit(browser, address, f"{page}.html", viewport=size, color_scheme=scheme) as visit:
            width = visit.page.evaluate("document.documentElement.scrollWidth")
            wrong += [f"{page}: {problem}" for problem in visit.errors]
            wrong += [f"{page} asks for {url}" for url in visit.foreign]
            weight = server.sent - before
            if page != "book/api" or scheme == "light":  # thousands of elements of one kind: once is enough
                wrong += [f"{page}: {problem}" for problem in barriers(visit.page)]
        if width > size["width"]:
            wrong.append(f"{page} is {width} px wide on a screen of {size['width']}")
        if weight > HEAVIEST_PAGE:
            wrong.append(f"{page} transfers {weight} bytes")
    assert wrong == []


def barriers(page, without: str = "pre, math, dt.sig") -> list[str]:
    """What axe calls serious or critical; the thousands of pieces of code and formulas would take it minutes a page."""
    result = axe.Axe().run(page, context={"exclude": [[part] for part in without.split(", ") if part]})
    return [
        f"{found['id']}: {node['html'][:160]} ({node['any'][0]['message'] if node['any'] else found['help']})"
        for found in result.response["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"][:3]
    ]


# --- nothing is cut at the right -----------------------------------------------------------------------------------

WIDTHS = (390, 1280, 1440, 1920)
CUT = """() => {
  document.querySelectorAll("details").forEach((folded) => folded.open = true);
  const column = document.querySelector("article.bd-article").getBoundingClientRect().right;
  const parts = document.querySelectorAll(".bd-article :is(pre, math, table, th, td, svg, img, figure)");
  return [...parts].filter((part) => {
    const box = part.getBoundingClientRect();
    return box.width && (box.right > column + 1 || (part.clientWidth && part.scrollWidth > part.clientWidth + 1));
  }).map((part) => `<${part.localName}> ${part.textContent.trim().slice(0, 60)}`);
}"""


def cut(page) -> dict[int, list[str]]:
    """For each width: the pieces of code, formulas, tables and pictures of which a part is out of sight."""
    found = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found[width] = page.evaluate(CUT)
    return found


def test_no_code_formula_or_table_is_cut_at_any_width(site, address, browser):
    wrong = []
    for name in site.pages():
        with Visit(browser, address, f"{name}.html") as visit:
            found = cut(visit.page)
        print(name, {width: len(parts) for width, parts in found.items()})
        wrong += [f"{name} at {width}: {part}" for width, parts in found.items() for part in parts]
    assert wrong == []


@pytest.mark.parametrize(
    "planted",
    [
        "<pre style='white-space: pre'>" + "long = 'line' " * 40 + "</pre>",
        "<div class='math'><math display='block'><mrow>" + "<mi>x</mi><mo>+</mo>" * 90 + "</mrow></math></div>",
        "<table><tr><td>narrow</td><td><div style='width: 130em'>wide</div></td></tr></table>",
        "<details><summary>folded</summary><pre style='white-space: pre'>" + "long " * 99 + "</pre></details>",
    ],
    ids=["code", "formula", "table", "folded code"],
)
def test_what_is_cut_would_be_found(address, browser, planted):
    with Visit(browser, address, "book/index.html") as visit:
        assert not any(cut(visit.page).values())
        visit.page.evaluate("part => document.querySelector('article').insertAdjacentHTML('beforeend', part)", planted)
        assert all(cut(visit.page).values())


def test_a_line_of_84_columns_stays_one_line_on_a_desktop(address, browser):
    code = "<div class='cell_input'><div class='highlight'><pre>{}</pre></div></div>"
    with Visit(browser, address, "chapters/01_pix2pix.html", viewport={"width": 1280, "height": 800}) as visit:
        add = "part => document.querySelector('article').insertAdjacentHTML('beforeend', part)"
        for columns in (1, 84, 200):
            visit.page.evaluate(add, code.format("m" * columns))
        short, full, long = [part.bounding_box()["height"] for part in visit.page.locator("pre").all()[-3:]]
    assert short == full < long


def test_the_search_field_is_in_reach_on_a_chapter_s_page(address, browser):
    with Visit(browser, address, "chapters/02_cyclegan.html", viewport={"width": 1280, "height": 800}) as visit:
        field = visit.page.locator(".bd-sidebar-primary .search-button-field").first.bounding_box()
    assert field
    assert 0 <= field["y"] <= 800 - field["height"]


def test_pictures_of_a_grid_are_large_and_its_titles_do_not_collide(address, browser):
    for width in (390, 1280):
        with Visit(browser, address, "chapters/01_pix2pix.html", viewport={"width": width, "height": 800}) as visit:
            tiles = visit.page.locator(".i2i-grid img")
            assert tiles.count()
            sides = tiles.evaluate_all("every => every.map(tile => tile.getBoundingClientRect().width)")
            crowded = visit.page.locator(".i2i-grid span:visible").evaluate_all(
                "every => every.filter(title => title.scrollWidth > title.clientWidth + 1).length"
            )
        assert min(side for side in sides if side) >= 128
        assert crowded == 0


def test_before_and_after_can_be_dragged(address, browser):
    with Visit(browser, address, "book/index.html", viewport=PHONE) as visit:
        box = visit.page.locator(".i2i-compare").first
        line, after = box.locator("input"), box.locator("img").nth(1)
        assert line.get_attribute("aria-label")
        for place in ("20", "80"):
            line.fill(place)
            clip = after.evaluate("part => getComputedStyle(part).clipPath")
            assert clip == f"inset(0px 0px 0px {place}%)"
    with Visit(browser, address, "book/index.html", java_script_enabled=False) as visit:
        first, second = [part.bounding_box() for part in visit.page.locator(".i2i-compare").first.locator("img").all()]
        assert second["y"] >= first["y"] + first["height"]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_code_and_formulas_can_be_read_by_all(address, browser, scheme):
    for page in ("book/how_to_run.html", "book/backgrounds.html"):
        with Visit(browser, address, page, viewport=PHONE, color_scheme=scheme) as visit:
            assert barriers(visit.page, without="") == []


def test_a_barrier_would_be_found(address, browser):
    with Visit(browser, address, "book/index.html") as visit:
        visit.page.evaluate("document.querySelector('article').insertAdjacentHTML('beforeend', '<img src=data:,>')")
        assert any(found.startswith("image-alt") for found in barriers(visit.page))


def test_dark_and_light_follow_the_reader(address, browser):
    shades = {}
    for scheme in ("dark", "light"):
        with Visit(browser, address, "book/index.html", color_scheme=scheme) as visit:
            colour = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades[scheme] = sum(int(part) for part in colour.strip("rgba()").split(",")[:3])
    assert shades["dark"] < 150 < 600 < shades["light"]


def test_formulas_are_typeset(address, browser):
    with Visit(browser, address, "book/backgrounds.html") as visit:
        formulas = visit.page.locator("math")
        assert visit.page.locator("math[display=block]").count() >= 1
        assert not any("\\" in text for text in formulas.all_text_contents())  # a command that was not understood
        assert formulas.first.evaluate("part => part instanceof MathMLElement")


@pytest.mark.parametrize(("words", "page"), [("순환 일관성", "glossary"), ("receptive field", "01_pix2pix")])
def test_the_search_finds_words_in_both_languages(address, browser, words, page):
    with Visit(browser, address, f"search.html?q={quote(words)}") as visit:
        result = visit.page.locator(f"#search-results li a[href*='{page}']").first
        result.wait_for(timeout=10_000)
        assert visit.errors == []


def test_the_keyboard_is_enough(address, browser):
    """Tab leads to the content, Control-K to the search, and the search to its results."""
    with Visit(browser, address, "book/glossary.html", viewport=DESKTOP) as visit:
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.getAttribute('href')") == "#main-content"
        visit.page.keyboard.press("Enter")
        assert visit.page.url.endswith("#main-content")
        visit.page.keyboard.press("Control+k")
        assert visit.page.evaluate("document.activeElement.type") == "search"
        visit.page.keyboard.type("generator")
        visit.page.keyboard.press("Enter")
        visit.page.locator("#search-results li a").first.wait_for(timeout=10_000)
        assert visit.errors == []


def test_an_address_with_an_anchor_opens_at_its_place(address, browser):
    with Visit(browser, address, "chapters/01_pix2pix.html#p8", viewport=PHONE) as visit:
        in_sight = "height => { const y = p8.getBoundingClientRect().top; return -5 <= y && y <= height / 2; }"
        visit.page.wait_for_function(in_sight, arg=PHONE["height"], timeout=10_000)


def test_touch_targets_are_wide_enough_for_a_finger(address, browser):
    with Visit(browser, address, "book/index.html", viewport=PHONE, has_touch=True) as visit:
        visit.page.locator(".primary-toggle").first.click()
        boxes = [link.bounding_box() for link in visit.page.locator(".bd-sidebar-primary nav a:visible").all()]
    heights = [box["height"] for box in boxes if box]
    assert heights
    assert min(heights) >= 44


def sliders(site) -> list[str]:
    """The pages with a scrubbing slider."""
    return [page for page in site.pages() if 'class="i2i-scrub"' in site.text(page)]


def test_a_slider_shows_one_frame_at_a_time_and_is_announced(site, address, browser):
    if not sliders(site):
        pytest.skip("no page has a slider yet")
    for page in sliders(site):
        with Visit(browser, address, f"{page}.html", viewport=PHONE) as visit:
            box = visit.page.locator(".i2i-scrub").first
            slider, frames = box.locator("input[type=range]"), box.locator("figure:visible")
            assert slider.get_attribute("aria-label")
            assert frames.count() == 1
            slider.focus()
            visit.page.keyboard.press("End")
            last = frames.inner_text()
            slider.fill("0")
            assert frames.count() == 1
            assert frames.inner_text() != last
            assert slider.get_attribute("aria-valuetext") == frames.inner_text()
            assert slider.bounding_box()["height"] >= 44
            visit.page.keyboard.press("End")
            assert frames.inner_text() == last
            visit.page.keyboard.press("ArrowLeft")
            assert frames.inner_text() != last


def test_without_script_every_frame_is_there(site, address, browser):
    if not sliders(site):
        pytest.skip("no page has a slider yet")
    for page in sliders(site):
        with Visit(browser, address, f"{page}.html", java_script_enabled=False) as visit:
            frames = visit.page.locator(".i2i-scrub").first.locator("figure")
            assert frames.count() > 1
            assert all(frame.is_visible() for frame in frames.all())
            folded = visit.page.locator(".admonition.dropdown p")
            assert all(text.is_visible() for text in folded.all())
            assert visit.page.locator("a[href$='glossary.html']").count()
