"""Sphinx extension of the book's site: an execution cache that forgets when it must, and light pages.

The cache of executed notebooks looks at a notebook's own code only. Here its folder is named by what the code depends
on (the package, the pinned versions, the claims and results, the profile), so that an edit there runs them anew.

A page transfers its figures as WebP, and of the theme only what it shows: an icon script of 1.5 MB, two icon fonts and
the search index would otherwise weigh more than a chapter with all its figures.
"""

import base64
import hashlib
import os
import re
from functools import partial
from pathlib import Path

from fontTools import subset
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config

INPUTS = ("i2i_tutor/**/*.py", "constraints.txt", "book/claims.toml", "book/results/*.json")
ENVIRONMENT = ("I2I_PROFILE", "I2I_DATA")
ICON_SCRIPT = "_static/scripts/fontawesome.js"
ICON_FONTS = "_static/vendor/fontawesome/webfonts/fa-*.ttf"
THEME_STYLE = "_static/styles/pydata-sphinx-theme.css"
SEARCH_SCRIPTS = re.compile(r'\s*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>')
# .fa-bars:before,.fa-navicon:before{content:"\\f0c9"}
ICON_RULE = re.compile(r'(?<=})(?P<names>(?:\.fa-[\w-]+:before,?)+){content:"\\(?P<code>[0-9a-f]+)"}')
DATA_URI = re.compile(r'src="data:image/webp;base64,([^"]+)"')
LOSSLESS_UP_TO = 20_000  # bytes: curves stay below it, photographs do not
QUALITY = 82  # of the photographs that are not kept lossless


def execution_key(root: Path) -> str:
    """A short name for everything that an executed page depends on, besides its own source."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in INPUTS for path in root.glob(pattern)):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    for name in ENVIRONMENT:
        digest.update(f"{name}={os.environ.get(name, '')}\0".encode())
    return digest.hexdigest()[:12]


def _configure(app: Sphinx, config: Config) -> None:
    os.environ["I2I_QUIET"] = "1"  # for the kernels: no progress bars, and no widgets, which would load foreign scripts
    key = execution_key(Path(app.srcdir))
    config.i2i_execution_key = key  # a changed value makes Sphinx read every page again
    config.nb_execution_cache_path = str(Path(app.outdir).parent / ".executed" / key)
    # Jupyter Book always loads the live-code extension, which then declares its script (on another host) twice a page
    for listeners in app.events.listeners.values():
        listeners[:] = [each for each in listeners if getattr(each.handler, "__name__", "") != "init_thebe_core"]


# --- light pages ---------------------------------------------------------------------------------------------------


def _lighten(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    renamed = {picture.name: to_webp(picture).name for picture in sorted(out.glob("_images/*.png"))}
    pages = {path: path.read_text(encoding="utf-8") for path in out.rglob("*.html")}
    (out / "_pictures").mkdir(exist_ok=True)
    for path, text in pages.items():
        filed = DATA_URI.sub(partial(_store, out / "_pictures", path.parent), text)
        light = re.sub(r"(?<=_images/)[\w.-]+\.png", lambda name: renamed.get(name[0], name[0]), filed)
        light = light.replace('<div role="list" class="citation-list">', '<div class="citation-list">')  # no such list
        if path != out / "search.html":
            light = SEARCH_SCRIPTS.sub("", light)
        if light != text:
            path.write_text(light, encoding="utf-8")
    for source_map in out.glob("_static/**/*.map"):  # 3.5 MB, for those who mend the theme's scripts
        source_map.unlink()
    for asset in out.glob("_static/**/*.[cj]s*"):
        text = asset.read_text(encoding="utf-8")
        if "sourceMappingURL" in text:
            asset.write_text(re.sub(r"/[/*]# sourceMappingURL=\S+( \*/)?", "", text), encoding="utf-8")
    if (out / THEME_STYLE).exists():
        _shrink_icons(out, "".join(pages.values()))


def _store(folder: Path, page: Path, match: re.Match) -> str:
    """Put a picture that travels inside a page, as notebooks need it, into a file that loads when it comes in sight."""
    data = base64.b64decode(match[1])
    target = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.webp"
    target.write_bytes(data)
    return f'loading="lazy" src="{os.path.relpath(target, page)}"'


def to_webp(picture: Path) -> Path:
    """Replace a PNG by a WebP of the same name, lossless if that is small; return its path."""
    target = picture.with_suffix(".webp")
    with Image.open(picture) as image:
        pixels = image.convert("RGBA")
    pixels.save(target, "WEBP", lossless=True)
    if target.stat().st_size > LOSSLESS_UP_TO:
        pixels.save(target, "WEBP", quality=QUALITY)
    picture.unlink()
    return target


def _shrink_icons(out: Path, pages: str) -> None:
    """Keep of the icons what pages and style show, and leave out the script that would draw the same icons."""
    (out / ICON_SCRIPT).write_text("// The theme's style sheet draws the icons from a font.\n", encoding="utf-8")
    style = out / THEME_STYLE
    css = style.read_text(encoding="utf-8")
    used = set(re.findall(r"\bfa-[a-z0-9-]+", pages))
    shown = {ord(letter) for letter in css if "\ue000" <= letter <= "\uf8ff"}  # icons that the style itself draws
    for other in style.parent.glob("sphinx-*.css"):
        shown |= {int(code, 16) for code in re.findall(r'content:"\\([ef][0-9a-f]{3})"', other.read_text("utf-8"))}

    def keep(rule: re.Match) -> str:
        if not used & set(re.findall(r"fa-[a-z0-9-]+", rule["names"])):
            return ""
        shown.add(int(rule["code"], 16))
        return rule[0]

    css = ICON_RULE.sub(keep, css)
    style.write_text(re.sub(r'url\([^)]*/fa-[\w-]+\.woff2\) format\("woff2"\),', "", css), encoding="utf-8")
    for font in out.glob(ICON_FONTS):
        options = subset.Options(notdef_outline=True, layout_features=[])
        smaller = subset.load_font(str(font), options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=shown)
        subsetter.subset(smaller)
        subset.save_font(smaller, str(font), options)
        font.with_suffix(".woff2").unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension. It runs before myst-nb reads its options."""
    app.add_config_value("i2i_execution_key", "", "env")
    app.connect("config-inited", _configure, priority=1)
    app.connect("build-finished", _lighten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
