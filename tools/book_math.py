"""Sphinx extension: formulas become MathML, which browsers typeset without a script, fonts or another host."""

import re

from docutils import nodes
from docutils.nodes import Element
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

BARE_LETTER = re.compile(r"\\(mathcal|mathbb|mathbf)\s*([A-Za-z])(?![A-Za-z])")


def to_mathml(formula: str, display: str = "inline") -> str:
    r"""LaTeX as MathML. The converter wants ``\mathcal{L}`` in braces and does not know ``\arg``."""
    formula = BARE_LETTER.sub(r"\\\1{\2}", formula).replace(r"\arg", r"\operatorname{arg}")
    return convert(formula, display=display)


def _inline(translator: HTML5Translator, node: Element) -> None:
    translator.body.append(to_mathml(node.astext()))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: Element) -> None:
    formula = to_mathml(node.astext(), "block").replace("<math ", '<math tabindex="0" ', 1)  # a wide one scrolls
    number = ""
    if node["number"]:
        number = f'<span class="eqno">({get_node_equation_number(translator, node)})</span>'
    identity = f' id="{node["ids"][0]}"' if node["ids"] else ""
    translator.body.append(f'<div class="math"{identity}>{number}{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer; ``html_math_renderer: mathml`` chooses it."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
