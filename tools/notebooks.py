"""Write the notebooks for Colab, Jupyter and papermill from their percent sources.

``python tools/notebooks.py`` writes ``NAME.ipynb`` beside every ``chapters/NAME.py`` and ``book/NAME.py``, and the
students' version beside every ``assignments/NAME.py``; ``--check`` only says which are stale. The same source gives the
same bytes: no outputs, no widget state, ids made from content.
"""

import argparse
import ast
import hashlib
import re
import statistics
import sys
from pathlib import Path
from typing import Any

import address
import jupytext
import nbformat
from myst import Bibliography, Labels, MarkupError, Translator
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from i2i_tutor import assignments, parameters
from i2i_tutor.assignments import INSTALL, METADATA, AssignmentError

ROOT = Path(__file__).resolve().parent.parent
LONGEST_CELL = 26  # lines of code, of at most 84 columns, in a cell that stands open on the page
LONGEST_FOLDED = 40  # in one that the page folds, with a line that says what is in it
MEDIAN_CELL = 15  # of the open cells
# What `plots` has that draws nothing, or brings its own alt text.
NO_FIGURE = {"table"}  # what the package's plots make besides figures
BACK = "This notebook is a page of *The I2I Tutor*."
NOT_YET = " The book's site, which shows it with figures and results, is not public yet."


class NotebookError(ValueError):
    """A source that cannot become a notebook: the message names the file, the cell and what is wrong."""


def sources(root: Path = ROOT) -> list[Path]:
    """Every percent source of the book, in reading order."""
    return sorted([*root.glob("chapters/*.py"), *root.glob("book/*.py")])


def assigned(root: Path = ROOT) -> list[Path]:
    """Every source of an assignment, whose notebook is the students': without solutions."""
    return sorted(root.glob("assignments/[0-9]*.py"))


def read(source: Path) -> NotebookNode:
    """The percent source as a notebook."""
    return jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")


def convert(source: Path, root: Path = ROOT) -> str:
    """The text of the notebook that belongs to ``source``."""
    cells = read(source).cells
    config = address.configuration(root)
    repository = config["repository"]
    labels = _labels(source, cells, root, config)
    translate = Translator(Bibliography(root / "book/references.bib"), labels, source.parent)
    page = address.page(config, f"{source.parent.name}/{source.stem}")
    written = [
        new_code_cell(INSTALL.format(repository=repository["url"], branch=repository["branch"])),
        new_markdown_cell(BACK + (f" Its page, with figures and results: <{page}>" if page else NOT_YET)),
    ]
    for number, cell in enumerate(cells, start=1):
        try:
            text = translate(cell.source) if cell.cell_type == "markdown" else cell.source
        except MarkupError as error:
            raise _located(source, number, error) from None
        new = new_code_cell if cell.cell_type == "code" else new_markdown_cell
        metadata = {key: cell.metadata[key] for key in sorted(cell.metadata)}
        written.append(new(text, metadata=metadata))
    _number(written)
    notebook = new_notebook(cells=written, metadata=METADATA)
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return nbformat.writes(notebook, sort_keys=True, indent=1, ensure_ascii=False).rstrip("\n") + "\n"


def _located(source: Path, number: int, error: Exception) -> NotebookError:
    return NotebookError(f"{source.parent.name}/{source.name}, cell {number}: {error}")


def _labels(source: Path, cells: list[NotebookNode], root: Path, config: dict[str, Any]) -> Labels:
    labels = Labels()
    pages = {
        other: [cell.source for cell in read(other).cells if cell.cell_type == "markdown"] for other in sources(root)
    }
    pages |= {other: [other.read_text(encoding="utf-8")] for other in sorted(root.glob("book/*.md"))}
    for other, texts in pages.items():
        name = f"{other.parent.name}/{other.stem}"
        beside = f"../{name}.{'ipynb' if other.suffix == '.py' else 'md'}"  # in a checkout
        labels.collect_titles(texts, "" if other == source else address.page(config, name) or beside)
    for number, cell in enumerate(cells, start=1):
        try:
            if cell.cell_type == "markdown":
                labels.collect_numbers(cell.source)
        except MarkupError as error:
            raise _located(source, number, error) from None
    return labels


def _number(cells: list[NotebookNode]) -> None:
    """Give each cell an id made from its content and, among equal cells, its place: an edit changes one id only."""
    seen: dict[str, int] = {}
    for cell in cells:
        content = f"{cell.cell_type}\n{cell.source}"
        seen[content] = seen.get(content, 0) + 1
        cell.id = hashlib.sha256(f"{content}\n{seen[content]}".encode()).hexdigest()[:12]


# ---------------------------------------------------------------------------------------------------------- checks


def problems(source: Path) -> list[str]:
    """What in a source breaks the book's rules, one sentence each."""
    notebook = read(source)
    cells, found = notebook.cells, []
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("the header names no kernelspec python3: without it the page gets no Colab button")
    code = [(number, cell) for number, cell in enumerate(cells, start=1) if cell.cell_type == "code"]
    opened = []
    for number, cell in code:
        lines = len(cell.source.splitlines())
        folded = bool({"hide-input", "remove-input"} & set(cell.metadata.get("tags", [])))
        opened += [] if folded else [lines]
        if lines > (most := LONGEST_FOLDED if folded else LONGEST_CELL):
            found.append(f"cell {number} has {lines} lines of code; at most {most}")
        if _draws(cell.source) and not cell.metadata.get("mystnb", {}).get("image", {}).get("alt"):
            found.append(f'cell {number} draws a figure without mystnb={{"image": {{"alt": "..."}}}} in its header')
    if opened and (median := statistics.median(opened)) > MEDIAN_CELL:
        found.append(f"the median code cell has {median:g} lines; at most {MEDIAN_CELL}")
    if (prose := prose_words(cells)) < (words := code_words(cells)):
        found.append(f"{prose} words of prose and {words} of code; at least as many of prose")
    if source.parent.name == "chapters":
        found += _parameters(code)
    return [f"{source.parent.name}/{source.name}: {problem}" for problem in found]


def prose_words(cells: list[NotebookNode]) -> int:
    """Words of the markdown cells."""
    return sum(len(re.findall(r"[^\W\d_]+", cell.source)) for cell in cells if cell.cell_type == "markdown")


def code_words(cells: list[NotebookNode]) -> int:
    """Names, keywords and numbers of the code cells."""
    return sum(len(re.findall(r"\w+", cell.source)) for cell in cells if cell.cell_type == "code")


def _parameters(code: list[tuple[int, NotebookNode]]) -> list[str]:
    tagged = [number for number, cell in code if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1 or tagged[0] != code[0][0]:
        return [f"the first code cell, and no other, must have the tag `parameters`; cells {tagged} have it"]
    try:
        found = parameters.read(code[0][1].source)
    except parameters.ParameterError as error:
        return [str(error)]
    bare = [name for name, each in found.items() if not (each.help or each.choices or each.low is not None)]
    return [f"the parameter {name} has no comment that says what it may be" for name in bare]


def _draws(code: str) -> bool:
    """Whether a cell draws with matplotlib or the package's plots, outside the functions that it defines."""
    lines = ("pass" if line.lstrip().startswith(("%", "!")) else line for line in code.splitlines())
    waiting: list[ast.AST] = [ast.parse("\n".join(lines))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id in ("plt", "plots") and node.func.attr not in NO_FIGURE:
                return True
        inside = ast.iter_child_nodes(node)
        waiting += [child for child in inside if not isinstance(child, ast.FunctionDef | ast.ClassDef | ast.Lambda)]
    return False


def main(arguments: list[str] | None = None) -> int:
    """Write or check every notebook; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a notebook is stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder that holds chapters/ and book/")
    options = parser.parse_args(arguments)
    wrong = []
    every = [*sources(options.root), *assigned(options.root)]
    for source in every:
        target = source.with_suffix(".ipynb")
        try:
            if source.parent.name == "assignments":
                wrong += assignments.problems(source)
                text = assignments.student_notebook(source, assignments.address_of(options.root))
            else:
                wrong += problems(source)
                text = convert(source, options.root)
        except (NotebookError, AssignmentError) as error:
            wrong.append(str(error))
            continue
        if target.exists() and target.read_text(encoding="utf-8") == text:
            continue
        if options.check:
            wrong.append(f"{target.parent.name}/{target.name} is stale: run `make notebooks`")
        else:
            target.write_text(text, encoding="utf-8")
            print(f"wrote {target.parent.name}/{target.name}")
    known = {source.with_suffix(".ipynb") for source in every}
    there = {path for folder in ("chapters", "book", "assignments") for path in options.root.glob(f"{folder}/*.ipynb")}
    for orphan in sorted(there - known):
        wrong.append(f"{orphan.parent.name}/{orphan.name} has no source; remove it")
    print("\n".join(wrong), file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
