"""Rewrite the book's MyST markdown into plain markdown that Jupyter and Colab show well.

The white list of the book: admonitions, figure, cite, ref, numref, eq, term, exercise, solution, dropdown, math.
Anything else is refused, so that a reader of a notebook never meets raw markup.
"""

import base64
import html
import mimetypes
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pybtex.database import Entry, parse_file

ADMONITIONS = ("note", "warning", "tip", "important", "hint", "caution", "admonition")
DIRECTIVES = (*ADMONITIONS, "figure", "exercise", "solution", "dropdown", "math")
ROLES = ("cite", "cite:p", "cite:t", "ref", "numref", "eq", "term", "math")
LARGEST_IMAGE = 200_000  # bytes of a picture that a notebook carries inside itself

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|:{3,})(?P<info>.*)$")
DIRECTIVE = re.compile(r"^\{(?P<name>[^}]+)\}\s*(?P<argument>.*)$")
OPTION = re.compile(r"^:(?P<key>[\w-]+):\s*(?P<value>.*)$")
TARGET = re.compile(r"^\((?P<label>[^)\s]+)\)=\s*$")
HEADING = re.compile(r"^#+\s+(?P<title>.+)$")
DISPLAY_MATH = re.compile(r"^\$\$(?P<body>.*?)\$\$[ \t]*\((?P<label>[\w:-]+)\)[ \t]*$", re.MULTILINE | re.DOTALL)
# What can hold a backquote comes before what could be mistaken inside it.
INLINE = re.compile(
    r"\{(?P<role>[A-Za-z][\w:+-]*)\}(?P<ticks>`+)(?P<content>.+?)(?P=ticks)"
    r"|(?P<code>(?P<code_ticks>`+).+?(?P=code_ticks))"
    r"|(?P<bang>!?)\[(?P<text>[^\]]*)\]\((?P<url>[^)\s]+)\)",
    re.DOTALL,
)
EXPLICIT = re.compile(r"^(?P<text>.+?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)


class MarkupError(ValueError):
    """Markup outside the white list, or a reference to nothing."""


class Code(str):
    """A fenced block of code: kept as it is."""


@dataclass
class Directive:
    """One ``{name} argument`` block with its options."""

    name: str
    argument: str
    options: dict[str, str]
    body: str

    @property
    def folded(self) -> bool:
        return self.name == "dropdown" or "dropdown" in self.options.get("class", "").split()


def blocks(text: str) -> Iterator[str | Code | Directive]:
    """Cut markdown into its directives, its blocks of code and the prose between them."""
    lines, start, i = text.split("\n"), 0, 0
    while i < len(lines):
        opening = FENCE.match(lines[i])
        if not opening:
            i += 1
            continue
        end = _closing(lines, i, opening)
        directive = DIRECTIVE.match(opening["info"].strip())
        if end is None or (opening["fence"][0] == ":" and not directive):
            raise MarkupError(f"the block that {lines[i].strip()!r} opens is not closed, or has no {{name}}")
        if lines[start:i]:
            yield "\n".join(lines[start:i])
        inside = [line.removeprefix(opening["indent"]) for line in lines[i + 1 : end]]
        yield _read(directive, inside) if directive else Code("\n".join(lines[i : end + 1]))
        i = start = end + 1
    if lines[start:]:
        yield "\n".join(lines[start:])


def _closing(lines: list[str], start: int, opening: re.Match) -> int | None:
    fence = opening["fence"]
    close = re.compile(rf"^ *{fence[0]}{{{len(fence)},}}\s*$")
    return next((j for j in range(start + 1, len(lines)) if close.match(lines[j])), None)


def _read(match: re.Match, lines: list[str]) -> Directive:
    options = {}
    while lines and (option := OPTION.match(lines[0])):
        options[option["key"]] = option["value"].strip()
        lines = lines[1:]
    if lines and lines[0].strip() == "---":
        raise MarkupError(f"{{{match['name']}}} has its options between --- lines; write them as :key: value")
    return Directive(match["name"], match["argument"].strip(), options, "\n".join(lines).strip("\n"))


class Bibliography:
    """The entries of a BibTeX file, cited as text with a link."""

    def __init__(self, path: Path):
        self.entries = parse_file(str(path)).entries if path.exists() else {}

    def cite(self, key: str, parenthetical: bool) -> str:
        """``Isola et al., 2017`` or ``Isola et al. (2017)``, linked if the entry has an address."""
        if key not in self.entries:
            raise MarkupError(f"the citation {key!r} is not in the bibliography")
        entry = self.entries[key]
        names = [
            " ".join(map(str, (*person.rich_prelast_names, *person.rich_last_names)))  # rich: accents, not LaTeX
            for person in entry.persons["author"]
        ]
        who = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."
        year = entry.fields["year"]
        text = f"{who}, {year}" if parenthetical else f"{who} ({year})"
        url = self._url(entry)
        return f"[{text}]({url})" if url else text

    @staticmethod
    def _url(entry: Entry) -> str | None:
        fields = entry.fields
        if "url" in fields:
            return fields["url"]
        if "doi" in fields:
            return f"https://doi.org/{fields['doi']}"
        return f"https://arxiv.org/abs/{fields['eprint']}" if "eprint" in fields else None


@dataclass
class Labels:
    """What can be referred to. Titles are the whole book's; numbers are counted anew in each notebook."""

    titles: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)  # label → the page of the book that has it, if another one
    figures: dict[str, int] = field(default_factory=dict)
    equations: dict[str, int] = field(default_factory=dict)
    exercises: dict[str, str] = field(default_factory=dict)

    def collect_titles(self, texts: Iterable[str], page: str = "") -> None:
        """Remember every ``(label)=`` with the heading that follows it, and the address of its page, if given."""
        for text in texts:
            waiting: list[str] = []
            for line in text.split("\n"):
                if target := TARGET.match(line):
                    waiting.append(target["label"])
                elif line.strip():
                    heading = HEADING.match(line)
                    title = re.sub(r"[`*]", "", heading["title"]) if heading else ""
                    self.titles |= dict.fromkeys(waiting, title)
                    self.places |= {label: f"{page}#{label}" for label in waiting if page}
                    waiting = []

    def collect_numbers(self, text: str) -> None:
        """Number the named figures, labelled equations and exercises of this notebook's next cell."""
        for block in blocks(text):
            if isinstance(block, Code):
                continue
            if isinstance(block, str):
                for match in DISPLAY_MATH.finditer(block):
                    self.equations[match["label"]] = len(self.equations) + 1
                continue
            label = block.options.get("label") or block.options.get("name")
            if label and block.name == "figure":
                self.figures[label] = len(self.figures) + 1
            elif label and block.name == "math":
                self.equations[label] = len(self.equations) + 1
            elif block.name == "exercise":
                if not label:
                    raise MarkupError("an {exercise} has no :label:")
                title = f"Exercise {len(self.exercises) + 1}"
                self.exercises[label] = f"{title}: {block.argument}" if block.argument else title
            if block.name != "math":
                self.collect_numbers(block.body)


class Translator:
    """Plain markdown from MyST markdown. ``folder`` is where the notebook stands: pictures are found from there."""

    def __init__(self, bibliography: Bibliography, labels: Labels, folder: Path):
        self.bibliography = bibliography
        self.labels = labels
        self.folder = folder

    def __call__(self, text: str) -> str:
        """Translate one markdown cell."""
        parts = (self._block(block).strip("\n") for block in blocks(text))
        return "\n\n".join(part for part in parts if part)

    def _block(self, block: str | Code | Directive) -> str:
        if isinstance(block, Directive):
            return self._directive(block)
        return block if isinstance(block, Code) else self._prose(block)

    # ------------------------------------------------------------------------------------------------- directives

    def _directive(self, block: Directive) -> str:
        if block.name not in DIRECTIVES:
            raise MarkupError(f"the directive {{{block.name}}} is not on the white list ({', '.join(DIRECTIVES)})")
        if block.name in ADMONITIONS and not block.folded:
            return self._quote(block)
        write = {"figure": self._figure, "math": self._math}.get(block.name, self._details)
        return write(block)

    def _title(self, block: Directive) -> str:
        if block.name == "exercise":
            return self.labels.exercises[block.options["label"]]
        if block.name == "solution":
            if block.argument not in self.labels.exercises:
                raise MarkupError(f"the {{solution}} names the exercise {block.argument!r}, which this notebook lacks")
            return f"Solution of {self.labels.exercises[block.argument]}"
        if block.name in ("dropdown", "admonition"):
            if not block.argument:
                raise MarkupError(f"the {{{block.name}}} has no title")
            return self._inline(block.argument)
        return block.name.capitalize()

    def _body(self, block: Directive) -> str:
        # {note} and its kin may begin on the line of their name
        first = block.argument if block.name in ADMONITIONS and block.name != "admonition" else ""
        return self("\n".join(part for part in (first, block.body) if part))

    def _quote(self, block: Directive) -> str:
        lines = [f"**{self._title(block)}**", "", *self._body(block).split("\n")]
        return "\n".join(f"> {line}".rstrip() for line in lines)

    def _details(self, block: Directive) -> str:
        opened = " open" if block.name == "exercise" and not block.folded else ""
        title = html.escape(self._title(block), quote=False)
        return f"<details{opened}>\n<summary><b>{title}</b></summary>\n\n{self._body(block)}\n\n</details>"

    def _figure(self, block: Directive) -> str:
        alt = block.options.get("alt", "")
        if not alt:
            raise MarkupError(f"the figure {block.argument} has no :alt: text")
        number = self.labels.figures.get(block.options.get("name", ""))
        caption = self(block.body)
        caption = f"**Figure {number}.** {caption}".strip() if number else caption
        return f"![{alt}]({self._picture(block.argument)})\n\n{caption}".rstrip()

    def _math(self, block: Directive) -> str:
        body = "\n".join(part for part in (block.argument, block.body) if part)
        return self._display(body, block.options.get("label", ""))

    def _picture(self, url: str) -> str:
        """The address of a picture; a local one is carried inside the notebook, since Colab sees no other file."""
        if url.startswith("https://"):
            return url
        path = self.folder / url
        if not path.is_file():
            raise MarkupError(f"the picture {url} does not exist")
        if path.stat().st_size > LARGEST_IMAGE:
            raise MarkupError(f"the picture {url} has {path.stat().st_size} bytes; at most {LARGEST_IMAGE}")
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"

    # ------------------------------------------------------------------------------------------------------ prose

    def _prose(self, text: str) -> str:
        text = "\n".join(line for line in text.split("\n") if not TARGET.match(line))
        text = DISPLAY_MATH.sub(self._numbered, text)
        return self._inline(text)

    def _numbered(self, match: re.Match) -> str:
        return self._display(match["body"].strip("\n"), match["label"])

    def _display(self, body: str, label: str) -> str:
        number = self.labels.equations.get(label)
        tag = rf" \tag{{{number}}}" if number else ""
        return f"$$\n{body}{tag}\n$$"

    def _inline(self, text: str) -> str:
        return INLINE.sub(self._replace, text)

    def _replace(self, match: re.Match) -> str:
        if match["code"]:
            return match["code"]
        if match["role"]:
            return self._role(match["role"], match["content"].strip())
        if match["bang"]:
            if not match["text"].strip():
                raise MarkupError(f"the picture {match['url']} has no alt text")
            return f"![{match['text']}]({self._picture(match['url'])})"
        # A link to another page or label of the book leads nowhere from a notebook: only its words stay.
        outside = match["url"].startswith(("https://", "http://", "mailto:"))
        return match[0] if outside else self._inline(match["text"]) or self._title_of(match["url"].lstrip("#"))

    def _role(self, name: str, content: str) -> str:
        if name not in ROLES:
            raise MarkupError(f"the role {{{name}}} is not on the white list ({', '.join(ROLES)})")
        if name == "math":
            return f"${content}$"
        if name.startswith("cite"):
            cite = partial(self.bibliography.cite, parenthetical=name != "cite:t")
            cited = "; ".join(cite(key.strip()) for key in content.split(","))
            return cited if name == "cite:t" else f"({cited})"
        if explicit := EXPLICIT.match(content):
            text, target = explicit["text"], explicit["target"]
        else:
            text, target = "", content
        if name == "term":
            return text or target
        if name == "eq":
            if target not in self.labels.equations:
                raise MarkupError(f"the equation {target!r} is not in this notebook")
            return f"({self.labels.equations[target]})"
        if name == "numref" and target in self.labels.figures:
            return f"Figure {self.labels.figures[target]}"
        title = self._title_of(target)
        place = self.labels.places.get(target)
        return f"[{text or title}]({place})" if place else text or title

    def _title_of(self, label: str) -> str:
        if label in self.labels.exercises:
            return self.labels.exercises[label]
        if label in self.labels.figures:
            return f"Figure {self.labels.figures[label]}"
        if label not in self.labels.titles:
            raise MarkupError(f"the label {label!r} does not exist")
        return self.labels.titles[label] or label
