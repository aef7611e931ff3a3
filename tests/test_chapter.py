"""Opening a run: every value is checked, whoever gave it, and no run takes another's folder."""

import json
import math
import re
from pathlib import Path
from typing import Annotated, Literal

import pytest

from i2i_tutor import chapter
from i2i_tutor.methods.pix2pix import RECIPES
from i2i_tutor.parameters import ParameterError, Range


class Own:
    source: Annotated[Literal["procedural", "cmp"], "where the images come from"] = "procedural"
    task: Annotated[Literal["there", "back"], "which way"] = "there"
    upside_down: Annotated[bool, "on its head"] = False
    seen: Annotated[int | None, Range(2, 10), "how many classes are shown; None: all"] = None


NUMBERS = ("lambda_pixel", "adversary", "skips")
DECLARED = chapter.declared(RECIPES, Own, NUMBERS)
SMOKE = {name: parameter.default for name, parameter in DECLARED.items()} | {"profile": "smoke", "device": "cpu"}


def open_run(**values):
    return chapter.open_run(SMOKE | values, "01_pix2pix", RECIPES, Own, numbers=NUMBERS, slow="days")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """Every test opens its runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_knows_its_recipe_and_writes_what_it_was_given():
    run = open_run(steps=3, lambda_pixel=5, task="back")
    assert run.recipe.steps == 3
    assert run.recipe.lambda_pixel == 5.0
    assert run.recipe.patch_layers == RECIPES["smoke"].patch_layers
    written = json.loads(run.close().read_text())
    assert [written[name] for name in ("chapter", "profile", "seed")] == ["01_pix2pix", "smoke", 0]
    assert written["parameters"] == {"steps": 3, "lambda_pixel": 5.0, "task": "back", "upside_down": False}


def test_the_profile_defaults_to_the_environment(monkeypatch):
    monkeypatch.setenv("I2I_PROFILE", "smoke")
    assert open_run(profile=None).profile == "smoke"
    monkeypatch.delenv("I2I_PROFILE")
    assert open_run(profile=None).profile == "fast"
    monkeypatch.setenv("I2I_PROFILE", "quick")
    with pytest.raises(ParameterError, match=r"^\$I2I_PROFILE must be smoke, fast, paper or unset, not 'quick'$"):
        open_run(profile=None)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"profile": "quick"}, "profile must be 'smoke', 'fast' or 'paper' (or none), not 'quick'"),
        ({"profile": []}, "profile must be 'smoke', 'fast' or 'paper' (or none), not []"),
        ({"source": "imagenet"}, "source must be 'procedural' or 'cmp', not 'imagenet'"),
        ({"seed": -1}, "seed must be a whole number from 0 to 2147483647, not -1"),
        ({"seed": 1.5}, "seed must be a whole number from 0 to 2147483647, not 1.5"),
        ({"seed": True}, "seed must be a whole number from 0 to 2147483647, not True"),
        ({"steps": 0}, "steps must be a whole number from 1 to 10000000 (or none), not 0"),
        ({"steps": "ten"}, "steps must be a whole number from 1 to 10000000 (or none), not 'ten'"),
        ({"steps": 10**30}, f"steps must be a whole number from 1 to 10000000 (or none), not {10**30}"),
        ({"steps": 10**9999}, "steps must be a whole number from 1 to 10000000 (or none), not a number of thousands"),
        ({"device": "tpu"}, "device must be 'cpu' or 'cuda' (or none), not 'tpu'"),
        ({"resume": "false"}, "resume must be true or false, not 'false'"),
        ({"upside_down": "false"}, "upside_down must be true or false, not 'false'"),
        ({"upside_down": "no"}, "upside_down must be true or false, not 'no'"),
        ({"upside_down": 0}, "upside_down must be true or false, not 0"),
        ({"task": "sideways"}, "task must be 'there' or 'back', not 'sideways'"),
        ({"task": None}, "task must be 'there' or 'back', not None"),
        ({"seen": 1}, "seen must be a whole number from 2 to 10 (or none), not 1"),
        ({"lambda_pixel": -1.0}, "lambda_pixel must be a number from 0 to 1000000 (or none), not -1.0"),
        ({"lambda_pixel": math.nan}, "lambda_pixel must be a number from 0 to 1000000 (or none), not nan"),
        ({"lambda_pixel": 10**400}, "lambda_pixel must be a number from 0 to 1000000 (or none), not 1000"),
        ({"lambda_pixel": "x" * 999}, "lambda_pixel must be a number from 0 to 1000000 (or none), not 'xxx"),
        ({"skips": 1}, "skips must be true or false (or none), not 1"),
        ({"out": 3}, "out must be a text (or none), not 3"),
        ({"out": "a\0b"}, "out cannot be the folder 'a\\x00b': "),
        ({"out": "x" * 999}, "out cannot be the folder 'xxx"),
        ({"adversary": "none", "lambda_pixel": 0.0}, "without a discriminator and without a pixel loss there is noth"),
        ({"profile": "paper"}, "profile 'paper' on a CPU: days. If you mean it, set allow_slow=True"),
    ],
)
def test_a_wrong_value_gets_one_sentence_and_leaves_nothing(here, values, sentence):
    with pytest.raises(ParameterError) as caught:
        open_run(**values)
    assert str(caught.value).startswith(sentence)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
    assert list(here.iterdir()) == []


def test_every_wrong_value_gets_its_own_sentence():
    with pytest.raises(ParameterError) as caught:
        open_run(seed=-1, task="x", skips="no")
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["seed", "task", "skips"]


def test_one_step_of_the_paper_may_be_asked_for():
    assert open_run(profile="paper", allow_slow=True, steps=1).recipe.size == 256


def test_a_cell_that_was_not_run_is_named():
    values = {name: value for name, value in SMOKE.items() if name != "lambda_pixel"}
    with pytest.raises(ParameterError, match=r"^lambda_pixel has no value; run the cell of parameters first"):
        chapter.open_run(values, "01_pix2pix", RECIPES, Own, numbers=NUMBERS, slow="days")


def test_what_papermill_passes_and_no_cell_declares_is_refused():
    cell = "# Parameters\nlamda_pixel = 999\nseed = 1\n"
    with pytest.raises(ParameterError, match=r"no parameter lamda_pixel; did you mean lambda_pixel\?$"):
        open_run(In=["", "import torch", cell], lamda_pixel=999, seed=1)
    mended = "# Parameters\nlambda_pixel = 999\n"  # by hand, in the same kernel
    assert open_run(In=["", cell, mended], lamda_pixel=999, lambda_pixel=999).recipe.lambda_pixel == 999


# --- folders -------------------------------------------------------------------------------------------------------


def test_without_out_different_parameters_have_different_folders(here):
    changes = [
        {}, {"profile": "fast"}, {"seed": 1}, {"seed": 2}, {"source": "cmp"}, {"steps": 3}, {"task": "back"},
        {"upside_down": True}, {"seen": 3}, {"lambda_pixel": 1.0}, {"lambda_pixel": 1.0000001}, {"adversary": "none"},
        {"skips": False}, {"skips": True}, {"seed": 1, "steps": 3},
    ]  # fmt: skip
    folders = [open_run(**change).out for change in changes]
    assert len({str(folder).lower() for folder in folders}) == len(changes)
    assert folders[0] == Path("runs/01_pix2pix_smoke_device=cpu")
    assert folders[9] == Path("runs/01_pix2pix_smoke_device=cpu_lambda_pixel=1")
    assert all(folder.parent == Path("runs") and len(folder.name) <= 80 for folder in folders)


def test_without_out_equal_parameters_have_an_equal_folder(monkeypatch):
    folder = open_run(lambda_pixel=1).out
    assert open_run(lambda_pixel=1.0, resume=True, allow_slow=True).out == folder
    monkeypatch.setenv("I2I_PROFILE", "smoke")
    assert open_run(lambda_pixel=1, profile=None).out == folder
    monkeypatch.delenv("I2I_PROFILE")
    assert open_run(profile=None, device=None).out == Path("runs/01_pix2pix")


def test_a_run_replaces_its_own_results_only():
    path = open_run(out="mine", lambda_pixel=0.123456789).close()
    open_run(out="mine", lambda_pixel=0.123456789, device=None).close()
    before = path.read_bytes()
    for change in ({"seed": 1}, {"lambda_pixel": 2.0}, {"task": "back"}, {"profile": "fast"}, {"source": "cmp"}):
        with pytest.raises(ParameterError, match=r"^mine holds the results of another run; choose another folder"):
            open_run(**({"out": "mine", "lambda_pixel": 0.123456789} | change))
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["{}", "[]", "{", "null", '{"chapter": "01_pix2pix"}', "[" * 100_000])
def test_a_foreign_results_file_is_left_alone(content):
    Path("mine").mkdir()
    Path("mine/results.json").write_text(content)
    with pytest.raises(ParameterError, match=r"^mine holds the results of another run"):
        open_run(out="mine")
    assert Path("mine/results.json").read_text() == content


def test_an_unfinished_run_in_a_chosen_folder_is_not_trained_over():
    (Path("mine") / "checkpoints" / "method").mkdir(parents=True)
    (Path("mine") / "checkpoints" / "method" / "manifest.json").write_text("{}")
    with pytest.raises(ParameterError, match=r"^mine holds trainings of a run that did not come to its end; .*resume"):
        open_run(out="mine")
    run = open_run(out="mine", resume=True)
    run.close()
    open_run(out="mine")  # now it is known to be this very run's


def test_a_file_is_no_folder():
    Path("mine").write_text("")
    with pytest.raises(ParameterError, match=re.escape("out cannot be the folder 'mine': ")):
        open_run(out="mine")
