"""Parameters: what each may be is declared once, and every value is checked before anything starts.

The truth is a class (a method's recipe, a chapter's own parameters) whose annotations say type, range and help; a
``Literal`` gives the choices::

    steps: Annotated[int, Range(1, 10_000_000), "training steps"] = 1000

A notebook shows it in the cell tagged ``parameters``, one line each. The comment is the help, and its last bracket the
range ``[low, high]`` or the choices ``{"a", "b"}``; the default None stands for the profile's own number::

    steps: int = None  # training steps [1, 10000000]

A test compares the two. The cell is parsed, not executed, so that a batch of a hundred runs is checked in milliseconds.
"""

import ast
import difflib
import hashlib
import inspect
import io
import json
import math
import os
import re
import reprlib
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

Profile = Literal["smoke", "fast", "paper"]
PROFILES: tuple[str, ...] = get_args(Profile)
RUNS = Path("runs")  # where results go if no folder is named
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=+-]*")  # of a file or folder

_NO_RESULT = ("profile", "out", "resume", "allow_slow")  # do not change what is computed, or (profile) named by itself
_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_BRACKET = re.compile(r"(\[[^\[\]{}]*\]|\{[^\[\]{}]*\})\s*$")


class ParameterError(ValueError):
    """A parameter is unknown, or has a value that it cannot take."""


@dataclass(frozen=True)
class Range:
    """The legal numbers, both ends included."""

    low: float
    high: float


@dataclass(frozen=True)
class Parameter:
    """One parameter of a recipe or a notebook.

    Attributes:
        type: bool, int, float or str.
        optional: whether None is legal (it stands for the profile's own number).
        low, high: the legal range, both ends included; None if there is none.
        choices: the legal values; empty if any will do.
    """

    name: str
    type: type
    optional: bool
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    help: str = ""

    def legal(self) -> str:
        """What the parameter may be, in words."""
        if self.choices:
            *first, last = (repr(choice) for choice in self.choices)
            text = f"{', '.join(first)} or {last}" if first else last
        else:
            text = _NAMES[self.type]
            if self.low is not None:
                text += f" from {self.low:.15g} to {self.high:.15g}"
        return text + (" (or none)" if self.optional else "")


# --- where parameters are declared ---------------------------------------------------------------------------------


def of_class(owner: type) -> Mapping[str, Parameter]:
    """The parameters that a class and its parents declare as ``name: Annotated[type, Range(...), "help"] = default``.

    A child that only gives another default (``size: int = 256``) keeps its parent's range and help.
    """
    annotations = {
        name: annotation
        for parent in reversed(owner.__mro__)
        for name, annotation in inspect.get_annotations(parent, eval_str=True).items()
        if get_origin(annotation) is Annotated
    }
    return {name: _declared(name, annotation, getattr(owner, name, None)) for name, annotation in annotations.items()}


def _declared(name: str, annotation: Any, default: Any) -> Parameter:
    annotated, *about = get_args(annotation)
    (text,) = (one for one in about if isinstance(one, str))
    low, high = next(((one.low, one.high) for one in about if isinstance(one, Range)), (None, None))
    optional = NoneType in get_args(annotated)
    if optional:
        (annotated,) = (part for part in get_args(annotated) if part is not NoneType)
    choices = get_args(annotated)  # of a Literal
    kind = type(choices[0]) if choices else annotated
    return Parameter(name, kind, optional, default, low, high, choices, text)


def read(source: str) -> dict[str, Parameter]:
    """Parse the source of a parameters cell into ``{name: Parameter}``, in the cell's order.

    Raises ParameterError if a line is not of the form above, or a default is outside its own range.
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


# --- values --------------------------------------------------------------------------------------------------------


def check(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> None:
    """Check values against the parameters' types and ranges.

    Raises ParameterError with one sentence per wrong value. A bool is not taken for a number; an int is taken if a
    float is wanted; NaN and infinity are never taken.
    """
    problems = [problem for name, value in values.items() if (problem := _problem(parameters, name, value))]
    if problems:
        raise ParameterError("\n".join(problems))


def convert(parameters: Mapping[str, Parameter], name: str, text: str) -> Any:
    """The value that ``text`` (of a command line) stands for, by the parameter's type; "none" is None.

    If "none" is one of the choices (no adversary, say) it stands for that choice.

    Raises ParameterError if the name is unknown or the text cannot be such a value. The range is left to `check`.
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
        raise ParameterError(f"{name} must be {parameter.legal()}, not {_shown(text)}") from error


def normalise(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values and return them with every int that stands for a float made one (so 10 and 10.0 are one run)."""
    check(parameters, values)
    return {
        name: float(value) if parameters[name].type is float and value is not None else value
        for name, value in values.items()
    }


# --- names ---------------------------------------------------------------------------------------------------------


def default_profile() -> str:
    """The profile if none is named: ``$I2I_PROFILE``, or else "fast"."""
    profile = os.environ.get("I2I_PROFILE") or "fast"
    if profile not in PROFILES:
        raise ParameterError(f"$I2I_PROFILE must be {', '.join(PROFILES)} or unset, not {_shown(profile)}")
    return profile


def default_folder(chapter: str, parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> Path:
    """Where a run without ``out`` keeps its results: equal values, equal folder; different values, different folders.

    ``runs/01_pix2pix`` for the defaults; what differs from them stands in the name, as in
    ``runs/01_pix2pix_smoke_seed=1``.
    """
    profile = values.get("profile") or default_profile()
    differing = {
        name: value
        for name, value in sorted(normalise(parameters, values).items())
        if name not in _NO_RESULT and value != parameters[name].default
    }
    return RUNS / label(chapter if profile == "fast" else f"{chapter}_{profile}", differing)


def label(first: str, values: Mapping[str, Any]) -> str:
    """A name for some values, always the same: ``fast_lambda_pixel=10`` or, if that gets long, with a hash."""
    parts = [f"{name}={str(value).removesuffix('.0')}" for name, value in values.items()]
    name = "_".join([first, *parts])
    if len(name) <= 80 and SAFE_NAME.fullmatch(name):
        return name
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]
    return f"{first}_{digest}"


# --- reading one line ----------------------------------------------------------------------------------------------


def _comments(source: str) -> dict[int, str]:
    """The comment on each line, by line number."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _parameter(node: ast.AnnAssign, name: str, comment: str) -> Parameter:
    kind = _annotation(node.annotation, name)
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
    return Parameter(name, kind, default is None, default, low, high, choices, comment)


def _annotation(node: ast.expr, name: str) -> type:
    text = ast.unparse(node)
    if text not in _TYPES:
        raise ParameterError(f"{name} must be annotated bool, int, float or str, not {text!r}")
    return _TYPES[text]


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
    if right_type and _inside(parameter, value):
        return None
    return f"{name} must be {parameter.legal()}, not {_shown(value)}"


def _inside(parameter: Parameter, value: Any) -> bool:
    if parameter.choices:
        return value in parameter.choices
    if isinstance(value, float) and not math.isfinite(value):
        return False
    above = parameter.low is None or value >= parameter.low
    return above and (parameter.high is None or value <= parameter.high)


def _shown(value: Any) -> str:
    """A value for a sentence, cut if it is long."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python prints no integer of more than 4,300 digits
        return "a number of thousands of digits"


def _unknown(parameters: Mapping[str, Parameter], name: str) -> str:
    close = difflib.get_close_matches(name, parameters, n=1)
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(parameters)}"
    return f"the notebook has no parameter {name}; {hint}"
