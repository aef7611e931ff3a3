"""The parameters of a chapter: read from the notebook's parameters cell and checked before anything starts.

The cell is tagged ``parameters`` and has one annotated line per parameter. A trailing comment explains it, and the
last bracket of the comment gives the legal range ``[low, high]`` or the legal choices ``{"a", "b"}``::

    steps: int | None = None  # training steps [1, 10000000]

Nothing is executed: the cell is parsed, so that a batch of a hundred runs is checked in milliseconds.
"""

import ast
import difflib
import io
import json
import math
import re
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_BRACKET = re.compile(r"(\[[^\[\]{}]*\]|\{[^\[\]{}]*\})\s*$")


class ParameterError(ValueError):
    """A parameter is unknown, or has a value that it cannot take."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook.

    Attributes:
        type: bool, int, float or str.
        optional: whether None is legal (it stands for the profile's own number).
        low, high: the legal range, both ends included; None where there is none.
        choices: the legal values; empty where any will do.
    """

    name: str
    type: type
    optional: bool
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    help: str = ""


def read(source: str) -> dict[str, Parameter]:
    """Parse the source of a parameters cell into ``{name: Parameter}``, in the cell's order.

    Raises ParameterError where a line is not of the form above, or a default is outside its own range.
    """
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(f"line {error.lineno} of the parameters cell is not Python: {error.msg}") from error
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for node in body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            continue  # a docstring
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
            raise ParameterError(
                f"line {node.lineno} of the parameters cell must read 'name: type = value', not {ast.unparse(node)!r}"
            )
        parameter = _parameter(node, node.target.id, comments.get(node.end_lineno or node.lineno, ""))
        found[parameter.name] = parameter
    check(found, {name: parameter.default for name, parameter in found.items()})
    return found


def of_notebook(path: Path) -> dict[str, Parameter]:
    """Read the parameters of a notebook file from its cell tagged ``parameters``."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ParameterError(f"{path} is not a readable notebook ({error})") from error
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise ParameterError(f"{path} must have one cell tagged 'parameters', and has {len(tagged)}")
    try:
        return read("".join(tagged[0]["source"]))
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error


def check(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> None:
    """Check values against the parameters' types and ranges.

    Raises ParameterError with one sentence per wrong value. A bool is not taken for a number; an int is taken where a
    float is wanted; NaN and infinity are never taken.
    """
    problems = [problem for name, value in values.items() if (problem := _problem(parameters, name, value))]
    if problems:
        raise ParameterError("\n".join(problems))


def convert(parameters: Mapping[str, Parameter], name: str, text: str) -> Any:
    """The value that ``text`` (of a command line) stands for, by the parameter's type; "none" is None.

    Where "none" is one of the choices (no adversary, say) it stands for that choice.

    Raises ParameterError where the name is unknown or the text cannot be such a value. The range is left to `check`.
    """
    if name not in parameters:
        raise ParameterError(_unknown(parameters, name))
    parameter = parameters[name]
    if parameter.optional and text.strip().lower() == "none" and "none" not in (parameter.choices or ()):
        return None
    try:
        if parameter.type is bool:
            return {"true": True, "false": False}[text.strip().lower()]
        return parameter.type(text)
    except (KeyError, ValueError) as error:
        raise ParameterError(f"{name} must be {_expected(parameter)}, not {text!r}") from error


def normalise(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values and return them with every int that stands for a float made one (so 10 and 10.0 are one run)."""
    check(parameters, values)
    return {
        name: float(value) if parameters[name].type is float and value is not None else value
        for name, value in values.items()
    }


# --- reading one line ----------------------------------------------------------------------------------------------


def _comments(source: str) -> dict[int, str]:
    """The comment on each line, by line number."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _parameter(node: ast.AnnAssign, name: str, comment: str) -> Parameter:
    kind, optional = _annotation(node.annotation, name)
    try:
        default = ast.literal_eval(node.value) if node.value else None
    except ValueError as error:
        raise ParameterError(f"the default of {name} must be a plain value") from error
    low = high = None
    choices: tuple[Any, ...] = ()
    bracket = _BRACKET.search(comment)
    if bracket:
        comment = comment[: bracket.start()].strip()
        low, high, choices = _legal(bracket.group(1), name)
    return Parameter(name, kind, optional, default, low, high, choices, comment)


def _annotation(node: ast.expr, name: str) -> tuple[type, bool]:
    text = ast.unparse(node).strip("'\"")
    parts = [part.strip() for part in text.split("|")]
    kinds = [part for part in parts if part != "None"]
    if len(kinds) != 1 or kinds[0] not in _TYPES or len(parts) > 2:
        raise ParameterError(f"{name} must be annotated bool, int, float or str (perhaps '| None'), not {text!r}")
    return _TYPES[kinds[0]], "None" in parts


def _legal(bracket: str, name: str) -> tuple[float | None, float | None, tuple[Any, ...]]:
    """(low, high, choices) of a comment's last bracket."""
    if bracket.startswith("{"):
        try:
            values = ast.literal_eval(f"({bracket[1:-1]},)")
        except (ValueError, SyntaxError) as error:
            raise ParameterError(f"the choices of {name} cannot be read: {bracket}") from error
        return None, None, tuple(values)
    try:
        low, high = (float(part) for part in bracket[1:-1].split(","))
    except ValueError as error:
        raise ParameterError(f"the range of {name} must read [low, high], not {bracket}") from error
    return low, high, ()


# --- checking one value --------------------------------------------------------------------------------------------


def _problem(parameters: Mapping[str, Parameter], name: str, value: Any) -> str | None:
    """What is wrong with one value, in a sentence, or None."""
    if name not in parameters:
        return _unknown(parameters, name)
    parameter = parameters[name]
    if value is None and parameter.optional:
        return None
    accepted: tuple[type, ...] = (int, float) if parameter.type is float else (parameter.type,)
    right_type = isinstance(value, accepted) and (parameter.type is bool or not isinstance(value, bool))
    if not right_type or (isinstance(value, float) and not math.isfinite(value)) or not _inside(parameter, value):
        return f"{name} must be {_expected(parameter)}, not {value!r}"
    return None


def _inside(parameter: Parameter, value: Any) -> bool:
    if parameter.choices:
        return value in parameter.choices
    above = parameter.low is None or value >= parameter.low
    return above and (parameter.high is None or value <= parameter.high)


def _expected(parameter: Parameter) -> str:
    if parameter.choices:
        *first, last = (repr(choice) for choice in parameter.choices)
        text = f"{', '.join(first)} or {last}" if first else last
    else:
        text = _NAMES[parameter.type]
        if parameter.low is not None:
            text += f" from {parameter.low:.15g} to {parameter.high:.15g}"
    return text + (" (or none)" if parameter.optional else "")


def _unknown(parameters: Mapping[str, Parameter], name: str) -> str:
    close = difflib.get_close_matches(name, parameters, n=1)
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(parameters)}"
    return f"the notebook has no parameter {name}; {hint}"
