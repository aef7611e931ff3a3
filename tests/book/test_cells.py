"""The first cells of every chapter: they show what is declared, papermill can read them, and nothing wrong gets in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
import torch
from cells import CHAPTERS, FirstCells, try_sets

from i2i_tutor import chapter as chapter_module
from i2i_tutor import parameters
from i2i_tutor.data import safari

SETS = 300
FAST = {name: value for name, value in os.environ.items() if name != "I2I_PROFILE"} | {"CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module", params=CHAPTERS, ids=lambda path: path.stem)
def first(request) -> FirstCells:
    return FirstCells(request.param)


def test_the_cell_shows_exactly_what_the_recipe_and_the_chapter_declare(first, monkeypatch):
    class OpenedError(Exception):
        """Carries the chapter's name and its declared parameters out of the cell."""

    def declare(namespace, name, recipes, own, *, numbers, slow):
        raise OpenedError(name, chapter_module.declared(recipes, own, numbers))

    monkeypatch.setattr(chapter_module, "open_run", declare)
    with pytest.raises(OpenedError) as caught:
        first.open()
    assert first.parameters == caught.value.args[1]
    assert all(parameter.help for parameter in first.parameters.values())


def test_a_set_of_values_is_accepted_or_refused_as_the_cell_says(first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ends, wrong = try_sets(first, SETS)
    assert wrong == []
    assert min(ends["accepted"], ends["refused"]) > SETS / 10


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_papermill_reads_every_line_of_the_cell(path, caplog):
    shown = parameters.of_notebook(path)
    read = papermill.inspect_notebook(path)
    assert {name: one["inferred_type_name"] for name, one in read.items()} == {
        name: parameter.type.__name__ for name, parameter in shown.items()
    }
    assert all(one["help"].startswith(shown[name].help) for name, one in read.items())
    assert "Unable to parse" not in caplog.text


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"wanted": "own"}, "wanted='own' is StarGAN, which has neither unlabelled faces nor a match loss"),
        ({"source": "celeba", "hard": False}, "hard belongs to drawn faces: source 'faces'"),
        ({"labels": 63}, "labels is 63; of 4,000 drawn faces in 16 classes at least 64 have a label"),
        ({"labels": 3901}, "labels is 3901; .* at most 3,900, or 0 for all"),
        ({"source": "lfw_faces"}, "lfw_faces has two classes, and the match loss takes three; set weight_match=0"),
        ({"cover": 1.5}, "cover must be a number from 0 to 1"),
        ({"match_head": "paper's"}, "match_head must be 'paper' or 'compares'"),
    ],
)
def test_matchgan_refuses_what_cannot_be_before_anything_is_trained(values, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (path,) = (path for path in CHAPTERS if path.stem == "04_matchgan")
    with pytest.raises(parameters.ParameterError, match=sentence):
        FirstCells(path).open(profile="smoke", **values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"task": "style", "source": "horse2zebra"}, "task 'style' is drawn, so it needs source 'safari'"),
        ({"meadow": 1.5}, "meadow must be a number from 0 to 1, not 1.5"),
        ({"switch": 2.0}, "switch must be a number from 0 to 1"),
        ({"threshold": -0.1}, "threshold must be a number from 0 to 1"),
    ],
)
def test_aggan_refuses_what_cannot_be_before_anything_is_trained(values, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (path,) = (path for path in CHAPTERS if path.stem == "06_aggan")
    with pytest.raises(parameters.ParameterError, match=sentence):
        FirstCells(path).open(profile="smoke", **values)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"source": "grocery_fruit", "hours": False}, "meadow and hours belong to drawn scenes: source 'herd'"),
        ({"source": "grocery_fruit", "meadow": 0.5}, "meadow and hours belong to drawn scenes: source 'herd'"),
        ({"domains": 1}, "domains must be a whole number from 2 to 1000"),
        ({"domains": 9}, "batch is 8; to sort images into 9 domains a batch needs at least as many"),
        ({"feedback": "some"}, "feedback must be 'all'"),
    ],
)
def test_tunit_refuses_what_cannot_be_before_anything_is_trained(values, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (path,) = (path for path in CHAPTERS if path.stem == "07_tunit")
    with pytest.raises(parameters.ParameterError, match=sentence):
        FirstCells(path).open(profile="smoke", **values)


@pytest.fixture(scope="module")
def tasks_of_aggan(tmp_path_factory) -> dict[str, dict]:
    """The first ten batches of every task of chapter 6, drawn by its cells, and what they call evening."""
    (path,) = (path for path in CHAPTERS if path.stem == "06_aggan")
    first = FirstCells(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("tasks"))
        names = first.open(profile="smoke", meadow=0.5)
    (piles,) = ("".join(cell["source"]) for cell in first.cells if "def world(" in "".join(cell["source"]))
    exec(piles, names)
    drawn = {}
    for task in ("coat", "shape", "style", "alike"):
        stream = names["world"](names["recipe"], task)
        drawn[task] = [next(stream) for _ in range(10)]
    return drawn | {"evening": names["evening"]}


def test_the_piles_of_aggans_tasks_differ_in_what_the_task_says_and_in_nothing_else(tasks_of_aggan):
    drawn, evening = tasks_of_aggan, tasks_of_aggan["evening"]
    for coat, shape in zip(drawn["coat"], drawn["shape"], strict=True):
        assert torch.equal(shape["a"], coat["a"])
        assert torch.equal(shape["b"], coat["b"].flip(2))
    zebras = [batch["b"] for batch in drawn["coat"]]
    horses = safari.train("procedural", 32, len(zebras[0]), seed=0, plants=True, coats=("plain", "plain"))
    for number, (style, alike) in enumerate(zip(drawn["style"], drawn["alike"], strict=True)):
        brown = horses.batch(number)
        assert torch.equal(style["a"], brown["a"])
        assert torch.equal(style["b"], evening(brown["b"]))
        assert torch.equal(alike["b"], zebras[number] if number % 5 == 0 else brown["b"])
    torch.testing.assert_close(evening(torch.ones(1, 3, 1, 1)).flatten(), torch.tensor([1.0, 0.44, 0.0]))


# --- through papermill ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opening(tmp_path_factory) -> Path:
    """Chapter 1 up to the cell that opens the run, which then writes its results."""
    first = FirstCells(CHAPTERS[0])
    notebook = nbformat.read(CHAPTERS[0], as_version=4)
    last = next(cell.id for cell in notebook.cells if cell.source == first.opening)
    notebook.cells = notebook.cells[: [cell.id for cell in notebook.cells].index(last) + 1]
    notebook.cells.append(nbformat.v4.new_code_cell("run.close()", id="close"))
    path = tmp_path_factory.mktemp("opening") / "opening.ipynb"
    nbformat.write(notebook, path)
    return path


def start(notebook: Path, folder: Path, number: int, *values: str) -> subprocess.Popen:
    """Papermill's own command line, started in ``folder``."""
    options = [word for pair in zip(values[::2], values[1::2], strict=True) for word in ("-p", *pair)]
    command = [sys.executable, "-m", "papermill", str(notebook), f"{number}.ipynb", *options, "--no-progress-bar"]
    return subprocess.Popen(
        command, cwd=folder, env=FAST, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


@pytest.mark.slow
def test_papermill_runs_without_out_do_not_share_a_folder(opening, tmp_path):
    for number, change in enumerate([("seed", "1"), ("lambda_pixel", "20"), ("steps", "3")]):
        # One after another: kernels that start at the same moment now and then choose the same port
        one = start(opening, tmp_path, number, *change)
        said = one.communicate()[1]
        assert one.returncode == 0, said
        assert "unknown parameter" not in said
    found = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("runs/*/results.json")}
    assert set(found) == {"01_pix2pix_seed=1", "01_pix2pix_lambda_pixel=20", "01_pix2pix_steps=3"}
    assert found["01_pix2pix_lambda_pixel=20"]["parameters"]["lambda_pixel"] == 20.0


@pytest.mark.slow
def test_papermill_cannot_pass_what_no_cell_declares_nor_what_it_must_not_be(opening, tmp_path):
    one = start(opening, tmp_path, 0, "lamda_pixel", "999", "compare", "false")
    said = one.communicate()[1]
    assert one.returncode != 0
    assert "compare must be true or false, not 'false'" in said
    assert "the notebook has no parameter lamda_pixel; did you mean lambda_pixel?" in said
    assert not (tmp_path / "runs").exists()
