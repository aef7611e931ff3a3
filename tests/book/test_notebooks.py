"""The notebook writer: its bytes, its white list, its checks, and that the committed notebooks are its own."""

import json
from pathlib import Path

import notebooks
import pytest
from myst import Bibliography, Labels, MarkupError, Translator

ROOT = Path(__file__).parents[2]
HEADER = "# ---\n# jupyter:\n#   kernelspec: {display_name: Python 3, language: python, name: python3}\n# ---\n\n"
PARAMETERS = '# %% tags=["parameters"]\nseed: int = 0  # of weights, data and noise [0, 2147483647]\n'
BIB = """@inproceedings{one, author = {Isola, Phillip and Zhu, Jun-Yan and Efros, Alexei}, title = {T}, year = {2017},
eprint = {1611.07004}}
@misc{two, author = {Li, Chuan and Wand, Michael}, title = {T}, year = {2016}, doi = {10.1/x}}
@misc{solo, author = {van den Oord, Aaron}, title = {T}, year = {2018}}"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book with a bibliography and no chapter yet."""
    (tmp_path / "chapters").mkdir()
    (tmp_path / "book").mkdir()
    (tmp_path / "book/references.bib").write_text(BIB)
    (tmp_path / "_config.yml").write_text("repository: {url: https://example.org/book, branch: main}\n")
    return tmp_path


def chapter(book: Path, *markdown: str, code: str = PARAMETERS) -> Path:
    """Write a chapter of some markdown cells and code; return its path."""
    cells = ["# %% [markdown]\n" + "".join(f"# {line}\n" for line in text.split("\n")) for text in markdown]
    path = book / "chapters/01_toy.py"
    path.write_text(HEADER + "\n".join([*cells, code]))
    return path


def translated(book: Path, text: str) -> str:
    labels = Labels()
    labels.collect_titles([text])
    labels.collect_numbers(text)
    return Translator(Bibliography(book / "book/references.bib"), labels, book / "chapters")(text)


def test_committed_notebooks_are_what_the_writer_writes(capsys):
    assert notebooks.main(["--check"]) == 0, capsys.readouterr().err


def test_the_same_source_gives_the_same_bytes_and_no_outputs(book):
    source = chapter(book, "# Title\nSome words that say more than the code does, or so one hopes.")
    text = notebooks.convert(source, book)
    assert text == notebooks.convert(source, book)
    written = json.loads(text)
    assert text.endswith("}\n")
    assert all(cell.get("outputs", []) == [] and cell.get("execution_count") is None for cell in written["cells"])
    assert set(written["metadata"]) == {"kernelspec", "language_info"}


def test_ids_are_unique_and_an_edit_changes_one_of_them(book):
    def ids(*texts):
        return [cell["id"] for cell in json.loads(notebooks.convert(chapter(book, *texts), book))["cells"]]

    before, after = ids("same", "same", "other"), ids("same", "same", "edited")
    assert len(set(before)) == len(before)
    assert [a == b for a, b in zip(before, after, strict=True)].count(False) == 1


def test_the_install_cell_comes_first_and_brings_no_torch(book):
    first = json.loads(notebooks.convert(chapter(book, "Text"), book))["cells"][0]
    code = "".join(first["source"])
    assert "find_spec" in code
    assert "--no-deps" in code
    assert not [word for word in code.split("%pip")[1].split() if word.startswith("torch") and word != "torchmetrics"]


def test_check_names_a_stale_notebook_and_an_orphan(book, capsys):
    source = chapter(book, "Words enough to outweigh what little code this toy of a chapter has, all told.")
    arguments = ["--root", str(book)]
    assert notebooks.main(arguments) == 0
    assert notebooks.main([*arguments, "--check"]) == 0
    source.write_text(source.read_text().replace("Words", "Many words"))
    (book / "chapters/02_gone.ipynb").write_text("{}")
    assert notebooks.main([*arguments, "--check"]) == 1
    said = capsys.readouterr().err
    assert "chapters/01_toy.ipynb is stale: run `make notebooks`" in said
    assert "chapters/02_gone.ipynb has no source" in said


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("```{tableofcontents}\n```", "{tableofcontents}"),
        (":::{margin}\nText\n:::", "{margin}"),
        ("See {doc}`other`.", "{doc}"),
        ("```{note}\nnever closed", "not closed"),
        ("{cite:p}`nobody`", "nobody"),
        ("{ref}`nowhere`", "nowhere"),
        ("{eq}`nowhere`", "nowhere"),
        ("![](https://example.org/x.png)", "no alt text"),
        ("```{figure} https://example.org/x.png\nCaption\n```", "no :alt:"),
        ("```{exercise} Try\nText\n```", "no :label:"),
        ("```{solution} ex-none\n```", "ex-none"),
    ],
)
def test_what_is_not_on_the_white_list_is_refused_by_file_cell_and_name(book, text, named):
    with pytest.raises(notebooks.NotebookError, match=r"chapters/01_toy\.py, cell 2: ") as caught:
        notebooks.convert(chapter(book, "Fine.", text), book)
    assert named in str(caught.value)


@pytest.mark.parametrize("fence", ["```", ":::"])
def test_an_admonition_becomes_a_quote_and_a_folded_one_details(book, fence):
    assert (
        translated(book, f"{fence}{{note}}\nSee {{math}}`x`.\n\nMore.\n{fence}")
        == "> **Note**\n>\n> See $x$.\n>\n> More."
    )
    assert translated(book, f"{fence}{{admonition}} A *title*\nText\n{fence}") == "> **A *title***\n>\n> Text"
    folded = translated(book, f"{fence}{{tip}}\n:class: dropdown\nText\n{fence}")
    assert folded == "<details>\n<summary><b>Tip</b></summary>\n\nText\n\n</details>"
    assert "<summary><b>More</b></summary>" in translated(book, f"{fence}{{dropdown}} More\nText\n{fence}")


def test_citations_become_text_with_links(book):
    assert translated(book, "{cite:p}`one,two`") == (
        "([Isola et al., 2017](https://arxiv.org/abs/1611.07004); [Li and Wand, 2016](https://doi.org/10.1/x))"
    )
    assert translated(book, "{cite:t}`one` and {cite:t}`solo`") == (
        "[Isola et al. (2017)](https://arxiv.org/abs/1611.07004) and van den Oord (2018)"
    )


def test_names_with_accents_are_no_latex(book):
    bib = book / "book/references.bib"
    bib.write_text(
        BIB + r"""@misc{accents, author = {Tyle{\v{c}}ek, Radim and Bi{\'n}kowski, M}, title = {T}, year = {2013}}"""
    )
    assert translated(book, "{cite:t}`accents`") == "Tyleček and Bińkowski (2013)"


@pytest.mark.parametrize(
    ("published", "link", "back"),
    [
        (
            True,
            "[boxes](https://some.github.io/book/book/boxes.html#b1)",
            "<https://some.github.io/book/chapters/01_toy.html>",
        ),
        (False, "[boxes](../book/boxes.md#b1)", "not public yet"),
    ],
)
def test_a_notebook_links_to_the_book_s_pages_and_back_to_its_own(book, published, link, back):
    setting = f"sphinx: {{config: {{i2i_published: {str(published).lower()}}}}}\n"
    (book / "_config.yml").write_text("repository: {url: https://github.com/some/book, branch: main}\n" + setting)
    (book / "book/boxes.md").write_text("(b1)=\n# A box\n")
    cells = json.loads(notebooks.convert(chapter(book, "(own)=\n## Own\nSee {ref}`boxes <b1>` and {ref}`own`."), book))[
        "cells"
    ]
    texts = ["".join(cell["source"]) for cell in cells]
    assert link in texts[2]
    assert texts[2].endswith("and Own.")  # of this notebook: words
    assert back in texts[1]


def test_references_become_words(book):
    text = "(here)=\n## The *losses*\nSee {ref}`here`, {ref}`them <here>`, [this](#here), {term}`players <player>`."
    assert translated(book, text) == "## The *losses*\nSee The losses, them, this, players."
    assert translated(book, "[out](https://example.org) and [in](../book/glossary.md)") == (
        "[out](https://example.org) and in"
    )


def test_equations_are_numbered_and_referred_to(book):
    text = "$$\na\n$$ (first)\n\n```{math}\n:label: second\nb\n```\n\nSee {eq}`second` and {eq}`first`."
    assert translated(book, text) == "$$\na \\tag{1}\n$$\n\n$$\nb \\tag{2}\n$$\n\nSee (2) and (1)."


def test_exercise_and_solution_become_details_with_the_code_inside(book):
    text = (
        "````{exercise} Try it\n:label: ex\nWhat is {math}`x`?\n````\n\n"
        "````{solution} ex\n:class: dropdown\nThis:\n\n```python\nx = '{cite}`kept`'\n```\n````\n\nSee {ref}`ex`."
    )
    told = translated(book, text)
    assert "<details open>\n<summary><b>Exercise 1: Try it</b></summary>\n\nWhat is $x$?" in told
    assert "<details>\n<summary><b>Solution of Exercise 1: Try it</b></summary>" in told
    assert "```python\nx = '{cite}`kept`'\n```" in told
    assert told.endswith("See Exercise 1: Try it.")


def test_a_local_picture_travels_inside_the_notebook(book):
    (book / "chapters/dot.svg").write_text("<svg/>")
    text = "```{figure} dot.svg\n:alt: A dot\n:name: fig-dot\nThe dot.\n```\n\nSee {numref}`fig-dot`."
    assert translated(book, text) == (
        "![A dot](data:image/svg+xml;base64,PHN2Zy8+)\n\n**Figure 1.** The dot.\n\nSee Figure 1."
    )
    with pytest.raises(MarkupError, match="does not exist"):
        translated(book, "![A cat](cat.png)")


def test_code_stays_as_it_is(book):
    text = "Inline `{ref}` and ``{cite}`x` ``.\n\n```python\n(label)=\n{note}\n```"
    assert translated(book, text) == text


@pytest.mark.parametrize(
    ("code", "wrong"),
    [
        ("# %%\nx = 1", "must have the tag `parameters`"),
        (PARAMETERS + "\n" + PARAMETERS, "must have the tag `parameters`"),
        ('# %% tags=["parameters"]\nseed: int = 0', "no comment"),
        ('# %% tags=["parameters"]\nseed = 0  # of weights', "name: type = value"),
        ('# %% tags=["parameters"]\nseed: int = pick()  # of weights', "plain value"),
        (PARAMETERS + "# %%\n" + "x = 1\n" * 27, "27 lines of code; at most 26"),
        (PARAMETERS + '# %% tags=["hide-input"]\n' + "x = 1\n" * 41, "41 lines of code; at most 40"),
        (PARAMETERS + "# %%\nplt.plot([1])", "draws a figure without"),
        (PARAMETERS + "# %%\nplots.grid({})", "draws a figure without"),
        (PARAMETERS + "# %%\n" + "\n".join(f"name_{i}" for i in range(20)), "at least as many of prose"),
    ],
)
def test_a_source_that_breaks_a_rule_is_told(book, code, wrong):
    found = notebooks.problems(chapter(book, "Some words, but not so very many of them.", code=code))
    assert any(wrong in problem for problem in found), found


def test_a_source_that_keeps_the_rules_has_no_problems(book):
    drawn = '# %% mystnb={"image": {"alt": "A line"}}\nplt.plot([1])\n\n# %%\ndef draw():\n    plt.plot([1])\n'
    assert notebooks.problems(chapter(book, "Words " * 40, code=PARAMETERS + "\n" + drawn)) == []


def test_a_source_without_kernelspec_is_told(book):
    source = chapter(book, "Words " * 40)
    source.write_text(source.read_text().removeprefix(HEADER))
    assert any("Colab" in problem for problem in notebooks.problems(source))
