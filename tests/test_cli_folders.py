"""What ``run`` and ``batch`` do with a folder that holds something already: nothing is lost without a word."""

import json
import shutil
from pathlib import Path

import pytest
from toys import write_toy
from typer.testing import CliRunner

from i2i_tutor.batch import runs
from i2i_tutor.cli import main


@pytest.fixture(scope="module")
def chapters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chapters")
    write_toy(folder)
    return folder


@pytest.fixture
def call(chapters, tmp_path, monkeypatch):
    """The command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("I2I_PROFILE", raising=False)
    return lambda *arguments: CliRunner().invoke(main, [*map(str, arguments), "--chapters-dir", str(chapters)])


@pytest.fixture(scope="module")
def finished(chapters, tmp_path_factory):
    """The folder of a finished run, to be copied."""
    folder = tmp_path_factory.mktemp("finished") / "toy"
    done = CliRunner().invoke(main, ["run", "toy", "--out", str(folder), "--chapters-dir", str(chapters)])
    assert done.exit_code == 0, done.stderr
    return folder


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def change_status(folder, **changes):
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps(status | changes))


@pytest.mark.parametrize("name", ["status.json", "results.json", "notebook.ipynb", "log.txt", "figures", "checkpoints"])
@pytest.mark.parametrize("options", [[], ["--resume"], ["--force"]])
def test_foreign_files_are_left_alone(name, options, call):
    folder = Path("mine")
    place = folder / name if "." in name else folder / name / "one.pt"
    place.parent.mkdir(parents=True)
    place.write_text('{"state": "finished"}')
    (folder / ".thesis.tex.part").write_text("mine")
    before = everything(folder)
    done = call("run", "toy", "--out", folder, *options)
    assert done.exit_code == 1
    assert f"/mine/{name} was not written by a run and is left alone; choose another folder with --out" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert everything(folder) == before


def test_other_files_do_not_matter_and_stay(call):
    Path("mine").mkdir()
    for name in ("README.md", ".thesis.tex.part"):
        (Path("mine") / name).write_text("mine")
    assert call("run", "toy", "--out", "mine").exit_code == 0
    assert call("run", "toy", "--out", "mine", "--force").exit_code == 0
    assert (Path("mine") / "README.md").read_text() == (Path("mine") / ".thesis.tex.part").read_text() == "mine"


def test_a_batch_leaves_foreign_files_alone(call):
    folder = Path("runs/01_toy/fast/seed-0")
    folder.mkdir(parents=True)
    (folder / "results.json").write_text("mine")
    done = call("batch", "toy", "--seeds", "0-1", "--force")
    assert done.exit_code == 1
    assert "results.json was not written by a run and is left alone" in done.stderr
    assert everything(Path("runs")) == {Path("01_toy/fast/seed-0/results.json"): b"mine"}


def test_the_same_run_again_says_that_it_is_finished(finished, call):
    shutil.copytree(finished, "toy")
    before = everything(Path("toy"))
    for options in ([], ["--resume"]):
        done = call("run", "toy", "--out", "toy", *options)
        assert done.exit_code == 0
        assert done.stdout.startswith(
            "01_toy is finished already; --force runs it anew.\n  notebook  toy/notebook.ipynb"
        )
        assert everything(Path("toy")) == before
    change_status(Path("toy"), code="0" * 16)
    assert "with a notebook whose code has changed since; --force runs" in call("run", "toy", "--out", "toy").stdout


def test_a_run_with_other_parameters_is_not_replaced_without_a_word(finished, call):
    shutil.copytree(finished, "toy")
    before = everything(Path("toy"))
    for options in ([], ["--resume"]):
        done = call("run", "toy", "--out", "toy", "--seed", "1", *options)
        assert done.exit_code == 1
        assert done.stderr.endswith(
            "holds a run with other parameters (seed 0, not 1); choose another folder with --out, "
            "or replace it with --force\n"
        )
        assert everything(Path("toy")) == before
    assert call("run", "toy", "--out", "toy", "--seed", "1", "--force").exit_code == 0
    assert runs.read_status(Path("toy"))["seed"] == 1


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ({"state": "running"}, "toy holds an interrupted run; --resume continues it, --force starts it anew"),
        ({"state": "failed"}, "toy holds a run that failed; --resume continues it, --force starts it anew"),
        (
            {"state": "failed", "code": "0" * 16},
            "toy holds an unfinished run of a notebook that has changed; --force starts anew",
        ),
    ],
)
def test_an_unfinished_run_is_not_restarted_without_a_word(state, sentence, finished, call):
    shutil.copytree(finished, "toy")
    change_status(Path("toy"), **state)
    before = everything(Path("toy"))
    done = call("run", "toy", "--out", "toy")
    assert (done.exit_code, done.stderr) == (1, sentence + "\n")
    assert everything(Path("toy")) == before


def test_an_interrupted_run_is_resumed_or_started_anew(finished, call):
    for options, attempts in ((["--resume"], 2), (["--force"], 1)):
        shutil.copytree(finished, "toy")
        change_status(Path("toy"), state="running")
        assert call("run", "toy", "--out", "toy", *options).exit_code == 0
        assert runs.read_status(Path("toy"))["attempts"] == attempts
        assert ("resume=True" in Path("toy/log.txt").read_text()) == (attempts == 2)
        shutil.rmtree("toy")
    assert "give one of them" in call("run", "toy", "--resume", "--force").stderr


def test_runs_of_other_parameters_have_other_folders(call):
    """The commands of the page for newcomers, one after the other."""
    assert call("run", "toy").exit_code == 0
    assert call("run", "toy", "--seed", "1", "--set", "weight=10").exit_code == 0
    assert {path.parent.as_posix() for path in Path("runs").rglob("results.json")} == {
        "runs/01_toy",
        "runs/01_toy_seed=1_weight=10",
    }
