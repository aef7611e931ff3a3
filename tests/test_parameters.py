"""The parameters cell: what is read from it, and which values it refuses in which words."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import PARAMETERS, write_toy

from i2i_tutor import parameters
from i2i_tutor.parameters import Parameter, ParameterError, Range

KNOWN = parameters.read(PARAMETERS)


def test_a_line_gives_name_type_default_range_and_help():
    assert KNOWN["steps"] == Parameter("steps", int, True, None, 1, 10_000_000, (), "training steps")
    assert KNOWN["resume"] == Parameter(
        "resume", bool, False, False, None, None, (), "continue an interrupted training"
    )
    assert KNOWN["source"].choices == ("procedural", "cmp")
    assert list(KNOWN)[:3] == ["profile", "seed", "source"]


def test_only_the_last_bracket_of_a_comment_is_the_range():
    profile = parameters.read('p: str = "a"  # one of [1] or {"x"} {"a", "b"}\n')["p"]
    assert profile.choices == ("a", "b")
    assert profile.help == 'one of [1] or {"x"}'


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("steps = 3", "name: type = value"),
        ("steps: int", "name: type = value"),
        ("steps: list = 3", "annotated bool, int, float or str"),
        ("steps: int | None = 3", "annotated bool, int, float or str"),  # papermill's parser cannot read it
        ("steps: int = len('a')", "plain value"),
        ("steps: int = 0  # [1, 5]", "from 1 to 5, not 0"),
        ("steps: int = 0  # [1; 5]", "must read [low, high]"),
        ("steps: int = = 0", "not Python"),
    ],
)
def test_a_malformed_cell_is_refused(source, words):
    with pytest.raises(ParameterError) as error:
        parameters.read(source)
    assert words in str(error.value)


@dataclass(frozen=True)
class Parent:
    size: Annotated[int, Range(1, 64), "side"]
    norm: Annotated[Literal["batch", "instance"], "of what"] = "batch"
    rate: Annotated[float, Range(0, 1), "speed"] = 0.5
    unknown: int = 3


@dataclass(frozen=True)
class Child(Parent):
    size: int = 32
    rate: Annotated[float | None, "without a range"] = None


def test_a_class_declares_what_its_fields_may_be():
    assert parameters.of_class(Parent) == {
        "size": Parameter("size", int, False, None, 1, 64, (), "side"),
        "norm": Parameter("norm", str, False, "batch", None, None, ("batch", "instance"), "of what"),
        "rate": Parameter("rate", float, False, 0.5, 0, 1, (), "speed"),
    }


def test_another_default_keeps_the_range_and_another_annotation_replaces_it():
    child = parameters.of_class(Child)
    assert child["size"] == Parameter("size", int, False, 32, 1, 64, (), "side")
    assert child["rate"] == Parameter("rate", float, True, None, None, None, (), "without a range")
    assert list(child) == ["size", "norm", "rate"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"seed": -1}, "seed must be a whole number from 0 to 2147483647, not -1"),
        ({"seed": True}, "seed must be a whole number from 0 to 2147483647, not True"),
        ({"seed": 1.0}, "seed must be a whole number from 0 to 2147483647, not 1.0"),
        ({"seed": None}, "seed must be a whole number from 0 to 2147483647, not None"),
        ({"resume": 1}, "resume must be true or false, not 1"),
        ({"weight": math.nan}, "weight must be a number from 0 to 1000000 (or none), not nan"),
        ({"weight": math.inf}, "weight must be a number from 0 to 1000000 (or none), not inf"),
        ({"weight": "10"}, "weight must be a number from 0 to 1000000 (or none), not '10'"),
        ({"profile": "fats"}, "profile must be 'smoke', 'fast' or 'paper' (or none), not 'fats'"),
        ({"wieght": 1.0}, "the notebook has no parameter wieght; did you mean weight?"),
    ],
)
def test_a_wrong_value_gets_one_sentence(values, sentence):
    with pytest.raises(ParameterError) as error:
        parameters.check(KNOWN, values)
    assert str(error.value) == sentence


def test_every_wrong_value_gets_its_own_sentence():
    with pytest.raises(ParameterError) as error:
        parameters.check(KNOWN, {"seed": -1, "steps": 3, "weight": -1})
    assert len(str(error.value).splitlines()) == 2


def test_ends_of_a_range_and_none_are_legal():
    parameters.check(KNOWN, {"steps": 1, "weight": 1_000_000, "profile": None})
    parameters.check(KNOWN, {"steps": 10_000_000, "weight": 0})


@given(st.integers(-(2**40), 2**40))
def test_an_int_is_accepted_exactly_in_its_range(value):
    if 0 <= value <= 2**31 - 1:
        parameters.check(KNOWN, {"seed": value})
    else:
        with pytest.raises(ParameterError):
            parameters.check(KNOWN, {"seed": value})


@given(st.floats(0, 1e6))
def test_a_float_survives_the_command_line(value):
    assert parameters.convert(KNOWN, "weight", repr(value)) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("steps", "7", 7), ("steps", "none", None), ("weight", "1e-3", 1e-3), ("resume", "true", True), ("out", "a", "a")],
)
def test_text_becomes_a_value_of_the_parameters_type(name, text, value):
    assert parameters.convert(KNOWN, name, text) == value


def test_a_choice_that_is_called_none_is_that_choice():
    known = parameters.read('adversary: str = None  # {"conditional", "none"}')
    assert parameters.convert(known, "adversary", "none") == "none"
    assert parameters.convert(known, "adversary", "conditional") == "conditional"


@pytest.mark.parametrize(("name", "text"), [("seed", "none"), ("steps", "1.5"), ("resume", "1"), ("weights", "1")])
def test_text_of_another_type_is_refused(name, text):
    with pytest.raises(ParameterError):
        parameters.convert(KNOWN, name, text)


def test_an_int_that_stands_for_a_float_becomes_one():
    value = parameters.normalise(KNOWN, {"weight": 10})["weight"]
    assert isinstance(value, float)
    assert value == 10


def test_a_notebooks_cell_is_found_by_its_tag(tmp_path):
    path = write_toy(tmp_path)
    assert parameters.of_notebook(path) == KNOWN
    notebook = json.loads(path.read_text())
    notebook["cells"][1]["metadata"]["tags"] = []
    path.write_text(json.dumps(notebook))
    with pytest.raises(ParameterError, match="one cell tagged 'parameters', and has 0"):
        parameters.of_notebook(path)
    path.write_text("{")
    with pytest.raises(ParameterError, match="not a readable notebook"):
        parameters.of_notebook(path)


# --- names ---------------------------------------------------------------------------------------------------------


def test_a_label_is_readable_and_safe_as_a_file_name():
    assert parameters.label("fast", {}) == "fast"
    assert parameters.label("fast", {"weight": 10.0, "on": True, "seed": 3}) == "fast_weight=10_on=True_seed=3"
    for awkward in ("a/b", "..", "x" * 99, "a b", "\0", "ä"):
        label = parameters.label("fast", {"name": awkward})
        assert label.startswith("fast_")
        assert parameters.SAFE_NAME.fullmatch(label)
        assert label == parameters.label("fast", {"name": awkward})


@given(*[st.dictionaries(st.sampled_from(["weight", "pause"]), st.floats(0, 100))] * 2)
def test_different_numbers_have_different_folders(one, other):
    folders = {parameters.default_folder("01_toy", KNOWN, {"profile": "fast", **values}) for values in (one, other)}
    same = [{"weight": None, "pause": 0.0} | values for values in (one, other)]
    assert len(folders) == (1 if same[0] == same[1] else 2)


def test_the_folder_names_what_differs_and_nothing_that_changes_no_result():
    def name(**values):
        return parameters.default_folder("01_toy", KNOWN, {"profile": "fast", **values})

    assert name(seed=0, resume=True, out="elsewhere") == Path("runs/01_toy")
    assert name(seed=1, profile="smoke") == Path("runs/01_toy_smoke_seed=1")
