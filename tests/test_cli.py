"""The command line: what it prints, its exit codes, and that no mistake of a user ends in a traceback."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from PIL import Image
from toys import CLAIMS, in_terminal, write_toy
from typer.testing import CliRunner

import i2i_tutor
from i2i_tutor import cli
from i2i_tutor.batch import report
from i2i_tutor.cli import main
from i2i_tutor.measuring import claims

ROOT = Path(__file__).parents[1]


COMMANDS = ["run", "parameters", "batch", "report", "collect", "claims", "translate", "assignment"]


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def claim_in(patch, folder: Path, **changes: str) -> None:
    """Let the book be a folder that claims one thing, "even", of the toy; changes: key → TOML."""
    text = CLAIMS
    for key, value in changes.items():
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
    (folder / "claims.toml").write_text(text)
    patch.setattr(claims, "book_file", folder.joinpath)


@pytest.fixture
def book(monkeypatch, tmp_path_factory):
    """A function that changes what the book claims of the toy."""
    folder = tmp_path_factory.mktemp("book")
    claim_in(monkeypatch, folder)
    return lambda **changes: claim_in(monkeypatch, folder, **changes)


@pytest.fixture(scope="module")
def chapters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chapters")
    write_toy(folder)
    return folder


# --- before anything starts ----------------------------------------------------------------------------------------


def test_the_command_does_not_import_torch():
    code = "import sys, i2i_tutor.cli; sys.exit(bool({'torch', 'dask', 'papermill', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_wrong_parameter_is_refused_without_importing_torch(chapters, tmp_path):
    code = (
        "import sys\nfrom i2i_tutor.cli import main\ntry:\n    main()\nexcept SystemExit as end:\n"
        "    sys.exit(end.code if 'torch' not in sys.modules and 'dask' not in sys.modules else 99)"
    )
    arguments = ["batch", "toy", "--set", "wieght=3", "--chapters-dir", str(chapters), "--out", str(tmp_path / "runs")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "01_toy: the notebook has no parameter wieght; did you mean weight?\n"
    assert not (tmp_path / "runs").exists()


def test_a_chapters_parameters_are_printed_without_importing_torch(chapters):
    code = "import sys\nfrom i2i_tutor.cli import main\nmain(standalone_mode=False)\nassert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code, "parameters", "toy", "--chapters-dir", str(chapters)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "weight: weight of the term\n    a number from 0 to 1000000 (or none); default none\n" in done.stdout
    assert "source: where the images come from\n    'procedural' or 'cmp'; default 'procedural'\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["batch"], "name at least one chapter, or give --grid"),
        (["batch", "pix"], "the chapter 'pix' is not known;"),
        (["batch", "toy", "--seeds", "x"], "seeds must read like 0-2 or 0,3,7, not 'x'"),
        (["batch", "toy", "--set", "weight"], "--set must read name=value"),
        (["batch", "toy", "--set", "weight=1", "--set", "weight=2"], "--set weight is given twice"),
        (["batch", "toy", "--set", "weight=-1"], "01_toy: weight must be a number from 0 to 1000000 (or none), not -1"),
        (["batch", "toy", "--profile", "quick"], "01_toy: profile must be 'smoke', 'fast' or 'paper' (or none)"),
        (["batch", "toy", "--grid", "none.yml"], "--grid says all about its runs"),
        (["batch", "--grid", "none.yml"], "none.yml cannot be read (No such file or directory)"),
        (["run", "nothing.ipynb"], "there is no notebook nothing.ipynb"),
        (["run", "toy", "--set", "weight=1,2"], "weight has several values"),
        (["run", "toy", "--steps", "0"], "01_toy: steps must be a whole number from 1 to 10000000"),
    ],
)
def test_a_mistake_gets_one_sentence(arguments, sentence, chapters):
    done = call(*arguments, "--chapters-dir", chapters)
    assert done.exit_code == 1
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1


def test_an_option_that_does_not_exist_is_exit_code_2():
    assert call("batch", "--what").exit_code == 2


def test_the_version_is_that_of_the_package():
    assert call("--version").stdout == f"i2i-tutor {i2i_tutor.__version__}\n"


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_is_short_or_long_and_every_command_has_a_whole_sentence(command):
    short, long = call(*command, "-h"), call(*command, "--help")
    assert short.exit_code == 0
    assert short.stdout == long.stdout
    if not command:
        lines = short.stdout.partition("Commands:")[2].split("\n")
        assert [line.split()[0] for line in lines if line.strip()] == COMMANDS
        assert all(line.endswith(".") and not line.endswith("...") for line in lines if line.strip())


@pytest.mark.parametrize("encoding", ["ascii", "cp932"])
@pytest.mark.parametrize("arguments", [["claims"], ["run", "--help"], ["run", "nöwhere–"]])
def test_any_terminal_s_encoding_will_do(arguments, encoding, tmp_path):
    if arguments == ["claims"]:
        row = json.loads((ROOT / "book/results/claims.json").read_text(encoding="utf-8"))["rows"][0]
        (tmp_path / "run–1").mkdir()
        (tmp_path / "run–1/results.json").write_text(json.dumps(row | {"profile": "smoke"}))
        arguments = [*arguments, str(tmp_path)]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "i2i_tutor.cli", *arguments]
    done = subprocess.run(command, capture_output=True, env=environment)
    assert b"Traceback" not in done.stderr
    assert b"Error" not in done.stderr, done.stderr
    assert done.returncode == (1 if "nöwhere–" in arguments else 0), done.stderr
    assert done.stdout or done.stderr


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(tmp_path):
    command = f"{shlex.quote(sys.executable)} -m i2i_tutor.cli claims {shlex.quote(str(tmp_path))} | true"
    row = json.loads((ROOT / "book/results/claims.json").read_text(encoding="utf-8"))["rows"][0]
    (tmp_path / "results.json").write_text(json.dumps(row))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


def test_a_dry_run_prints_the_plan_and_writes_nothing(chapters, tmp_path):
    earlier = tmp_path / "earlier.json"
    rows = [{"chapter": "01_toy", "profile": "smoke", "parameters": {}, "seconds": 300.0}]
    earlier.write_text(json.dumps({"rows": rows}))
    out = tmp_path / "runs"
    options = ["--profile", "smoke", "--seeds", "0-1", "--set", "weight=1,2", "--workers", "2", "--out", out]
    done = call("batch", "toy", *options, "--chapters-dir", chapters, "--dry-run", "--history", earlier)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "01_toy/smoke_weight=1/seed-0: new, about 5 min"
    assert lines[-1] == "4 runs, 0 finished already, 4 to do, 2 at a time with 1 thread each; about 10 min"
    assert not out.exists()


# --- one chapter, for real -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_run(chapters, tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "toy"
    with pytest.MonkeyPatch.context() as patch:
        claim_in(patch, tmp_path_factory.mktemp("book"))
        return out, call("run", "toy", "--seed", "3", "--set", "weight=2", "--out", out, "--chapters-dir", chapters)


def test_run_says_where_everything_is(one_run):
    out, done = one_run
    assert done.exit_code == 0, done.stderr
    for name in ("notebook.ipynb", "figures", "results.json"):
        assert str(out / name) in done.stdout
        assert (out / name).exists()
    assert "cell   3/5  Training" in done.stdout
    assert "held         the toy is even (difference +1; seed 3: yes)" in done.stdout


def test_a_run_without_out_has_a_folder_of_its_parameters(chapters, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for settings in (["--seed", "3"], ["--set", "weight=2"]):
        assert call("run", "toy", *settings, "--chapters-dir", chapters).exit_code == 0
    found = {path.parent.name for path in tmp_path.glob("runs/*/results.json")}
    assert found == {"01_toy_seed=3", "01_toy_weight=2"}


LOUD = {name: value for name, value in os.environ.items() if name != "I2I_QUIET"}


def test_run_shows_steps_and_time_left_in_a_log(chapters, tmp_path):
    command = [sys.executable, "-m", "i2i_tutor.cli", "run", "toy", "--set", "steps=6", "--set", "pause=0.6"]
    command += ["--out", str(tmp_path / "x"), "--chapters-dir", str(chapters)]
    done = subprocess.run(command, capture_output=True, text=True, env=LOUD, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("toy: ")]
    assert lines[0] == "toy: 0 of 6 steps, 00:00 passed, ? left"
    assert re.fullmatch(r"toy: 3 of 6 steps, \d\d:\d\d passed, \d\d:\d\d left", lines[3])
    assert lines[-1].startswith("toy: 6 of 6 steps")
    assert [line for line in (tmp_path / "x/log.txt").read_text().splitlines() if line.startswith("toy: 6 of 6")]
    notebook = (tmp_path / "x/notebook.ipynb").read_text(encoding="utf-8")
    assert notebook.count("6/6") == 1
    assert "3/6" not in notebook, "every state of the bar was kept"


def test_run_shows_a_bar_in_a_terminal(chapters, tmp_path):
    command = [sys.executable, "-m", "i2i_tutor.cli", "run", "toy", "--set", "steps=6", "--set", "pause=0.6"]
    text = in_terminal([*command, "--out", str(tmp_path / "x"), "--chapters-dir", str(chapters)], env=LOUD)
    assert re.search(r"\rtoy:  50%\|.*\| 3/6 \[\d\d:\d\d<\d\d:\d\d", text)
    assert "toy: 100%" in text
    assert "\nstep 4" in text.replace("\r\n", "\n").replace("\r", "\n")  # what is printed stands above the bar


def test_a_finished_run_can_be_gathered(one_run):
    out = one_run[0]
    (row,) = report.gather(out.parent)
    assert (row["chapter"], row["arm"], row["seed"], row["parameters.weight"]) == ("01_toy", "fast_weight=2", 3, 2.0)


def test_run_that_fails_says_in_which_cell(chapters, tmp_path):
    done = call("run", "toy", "--set", "fault=raise", "--out", tmp_path / "x", "--chapters-dir", chapters)
    assert done.exit_code == 1
    assert "01_toy failed: cell In [4] raised ValueError: the toy is broken;" in done.stderr
    assert "Traceback" not in done.stderr
    again = call("batch", "toy", "--out", tmp_path, "--dry-run", "--chapters-dir", chapters)
    assert again.exit_code == 0


def test_a_notebook_without_results_fails(chapters, tmp_path):
    done = call("run", "toy", "--set", "fault=silent", "--out", tmp_path, "--chapters-dir", chapters)
    assert "the notebook ended without writing results.json" in done.stderr


# --- afterwards ----------------------------------------------------------------------------------------------------


def finished_run(folder: Path, seed: int, arm: str = "fast", difference: float | None = None, **changes) -> None:
    """A finished run as the runner leaves it, whose method is better than its baseline by a difference."""
    difference = 0.5 + seed if difference is None else difference
    results = {
        "chapter": "01_toy",
        "profile": "fast",
        "seed": seed,
        "source": "procedural",
        "parameters": {"resume": False, "steps": None},
        "metrics": {"method": {"iou": 1 / 3 + seed, "value": difference}, "baseline": {"value": 0.0}},
        "seconds": 5.0,
        "versions": {"torch": "2"},
    } | changes.get("results", {})
    status = {
        "state": "finished",
        "chapter": "01_toy",
        "arm": arm,
        "seed": seed,
        "seconds": 7.123456789,
        "attempts": 1,
        "parameters": {"profile": "fast", "seed": seed, "weight": 10.0},
    } | changes.get("status", {})
    place = folder / "01_toy" / arm / f"seed-{seed}"
    place.mkdir(parents=True)
    (place / "results.json").write_text(json.dumps(results))
    (place / "status.json").write_text(json.dumps(status))


def test_collect_writes_a_small_file_that_does_not_depend_on_the_order(tmp_path):
    for number, seeds in enumerate([(0, 1), (1, 0)]):
        for seed in seeds:
            finished_run(tmp_path / str(number), seed)
        (tmp_path / str(number) / "batch.json").write_text('{"commands": ["i2i-tutor batch toy"]}')
        done = call("collect", tmp_path / str(number), "--to", tmp_path / f"{number}.json")
        assert done.exit_code == 0, done.stderr
    first, second = ((tmp_path / f"{number}.json").read_bytes() for number in range(2))
    assert first == second
    content = json.loads(first)
    assert content["commands"] == ["i2i-tutor batch toy"]
    row = content["rows"][1]
    assert (row["chapter"], row["arm"], row["seed"], row["profile"]) == ("01_toy", "fast", 1, "fast")
    assert row["parameters"] == {"weight": 10.0}
    assert row["metrics"] == {"method": {"iou": 1.33333, "value": 1.5}, "baseline": {"value": 0.0}}
    assert "claims" not in row  # what the numbers decide is asked anew each time
    assert row["seconds"] == 7.12346
    assert str(tmp_path) not in first.decode()


def test_collect_refuses_what_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "LARGEST_SUMMARY", 100)
    finished_run(tmp_path / "runs", 0)
    done = call("collect", tmp_path / "runs", "--to", tmp_path / "x.json")
    assert done.exit_code == 1
    assert "collect fewer runs into one file" in done.stderr
    assert not (tmp_path / "x.json").exists()


def test_collect_can_keep_the_rows_of_other_runs(tmp_path):
    to = tmp_path / "x.json"
    finished_run(tmp_path / "first", 0)
    finished_run(tmp_path / "first", 1)
    assert call("collect", tmp_path / "first", "--to", to).exit_code == 0
    finished_run(tmp_path / "second", 1, difference=9.0)
    finished_run(tmp_path / "second", 2)
    done = call("collect", tmp_path / "second", "--to", to, "--keep")
    assert done.exit_code == 0, done.stderr
    rows = json.loads(to.read_text())["rows"]
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert [row["metrics"]["method"]["value"] for row in rows] == [0.5, 9.0, 2.5]  # the newer run of seed 1


@pytest.mark.parametrize("content", ["[]", "thesis", '{"mine": 1}', '{"commands": [], "rows": [{"seed": 1}]}'])
@pytest.mark.parametrize("options", [[], ["--keep"]])
def test_collect_leaves_files_of_another_kind_alone(content, options, tmp_path):
    to = tmp_path / "x.json"
    to.write_text(content)
    finished_run(tmp_path / "runs", 0)
    done = call("collect", tmp_path / "runs", "--to", to, *options)
    assert (done.exit_code, done.stderr) == (
        1,
        f"{to} holds no summary of runs and is left alone; choose another file\n",
    )
    assert to.read_text() == content


@pytest.mark.parametrize("name", ["results.csv", "report.html"])
def test_a_report_leaves_files_of_another_kind_alone(name, tmp_path):
    finished_run(tmp_path, 0)
    assert call("report", tmp_path).exit_code == call("report", tmp_path).exit_code == 0
    (tmp_path / name).write_text("mine")
    done = call("report", tmp_path)
    assert done.exit_code == 1
    assert f"{name} is none of ours and is left alone" in done.stderr
    assert (tmp_path / name).read_text() == "mine"


def test_a_name_from_a_file_does_not_command_the_terminal(tmp_path):
    finished_run(tmp_path, 0)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "status.json").write_text(json.dumps({"state": "failed", "sentence": "\x1b[2J\x07"}))
    assert "odd is failed (?[2J?) and not counted" in call("report", tmp_path).stderr


def test_collect_refuses_numbers_of_several_judges(tmp_path):
    old, new = {"results": {}}, {"results": {"judge": "segmenter-toys-32-abc"}}
    other = {"results": {"judge": "segmenter-toys-32-def"}}
    easy = {"results": {"judge": "segmenter-toys-32-easy-abc"}}
    folders = {
        "old": [old, old],
        "new": [new, new],
        "mixed": [new, other],
        "unnamed": [old, new],
        "worlds": [new, easy],
    }
    for name, runs in folders.items():
        for seed, changes in enumerate(runs):
            finished_run(tmp_path / name, seed, **changes)
    for name in ("old", "new", "worlds"):
        assert call("collect", tmp_path / name, "--to", tmp_path / f"{name}.json").exit_code == 0
    assert json.loads((tmp_path / "new.json").read_text())["rows"][0]["judge"] == "segmenter-toys-32-abc"
    for name, judges in {
        "mixed": "segmenter-toys-32-abc, segmenter-toys-32-def",
        "unnamed": "no judge named, segmenter-toys-32-abc",
    }.items():
        done = call("collect", tmp_path / name, "--to", tmp_path / f"{name}.json")
        assert done.exit_code == 1
        assert f"the runs of 01_toy on procedural were read by several judges ({judges})" in done.stderr
        assert not (tmp_path / f"{name}.json").exists()
    before = (tmp_path / "old.json").read_text()
    done = call("collect", tmp_path / "new", "--to", tmp_path / "old.json", "--keep")  # the same seeds: all are new
    assert done.exit_code == 0, done.stderr
    (tmp_path / "old.json").write_text(before)
    finished_run(tmp_path / "third", 2, **new)
    assert call("collect", tmp_path / "third", "--to", tmp_path / "old.json", "--keep").exit_code == 1
    assert (tmp_path / "old.json").read_text() == before


def test_a_claim_holds_when_it_holds_for_every_seed(tmp_path, book):
    finished_run(tmp_path, 0)
    finished_run(tmp_path, 1)
    assert (
        "held         the toy is even (difference +0.5, +1.5; seed 0: yes, 1: yes)" in call("claims", tmp_path).stdout
    )
    finished_run(tmp_path, 2, difference=0.4)
    done = call("claims", tmp_path)
    assert done.exit_code == 1
    assert "not held" in done.stdout
    assert "1 of 1 claims were expected to hold and do not: even" in done.stderr


def test_the_book_s_claim_of_today_decides_whatever_a_results_file_says(tmp_path, book):
    copy = {"id": "even", "text": "even", "difference": 0.5, "held": True, "expected": True, "margin": 0.5}
    finished_run(tmp_path, 0, results={"claims": [copy]})
    assert call("claims", tmp_path).exit_code == 0
    book(direction='"lower"')
    assert call("claims", tmp_path).exit_code == 1
    book(direction='"lower"', expected="false")
    assert call("claims", tmp_path).exit_code == 0
    book(margin="0.6")
    assert call("claims", tmp_path).exit_code == 1
    (row,) = report.gather(tmp_path)
    assert (row["claims.even.held"], row["claims.even.difference"]) == (False, 0.5)
    assert call("report", tmp_path).exit_code == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert re.search(r"<td class=\"verdict not-held\">✗ not held</td>\s*<td>the toy is even", page)


@pytest.mark.parametrize(
    ("difference", "results", "expected", "code", "said"),
    [
        (0.1, {}, "true", 1, "not held, expected otherwise"),
        (0.1, {}, "false", 0, "not held "),
        (0.9, {}, "false", 0, "held, expected otherwise"),
        (0.1, {"profile": "smoke"}, "true", 0, "not judged"),
        (0.1, {"trainings": {"method": {"interrupted": True}}}, "true", 0, "not judged"),
        (0.9, {"metrics": {"method": {"value": None}, "baseline": {"value": 0.0}}}, "true", 1, "not held, expected"),
    ],
)
def test_only_an_expected_claim_that_was_judged_can_fail(difference, results, expected, code, said, tmp_path, book):
    book(expected=expected)
    finished_run(tmp_path, 0, difference=difference, results=results)
    done = call("claims", tmp_path)
    assert (done.exit_code, said in done.stdout) == (code, True), done.output


def test_an_unfinished_run_is_told_and_not_counted(tmp_path, book):
    finished_run(tmp_path, 0)
    finished_run(tmp_path, 1, difference=0.0, status={"state": "running"})
    done = call("claims", tmp_path)
    assert done.exit_code == 0
    assert "01_toy/fast/seed-1 is interrupted and not counted" in done.stderr


def test_the_committed_runs_pass_make_claims_though_their_files_hold_old_copies(tmp_path):
    """What `make claims` does over the finished runs that the book shows: no claim that is expected fails."""
    for row in json.loads((ROOT / "book/results/claims.json").read_text(encoding="utf-8"))["rows"]:
        place = tmp_path / row["chapter"] / row["arm"] / f"seed-{row['seed']}"
        place.mkdir(parents=True)
        (place / "results.json").write_text(json.dumps(row))
        about = {"state": "finished", "arm": row["arm"], "seed": row["seed"], "parameters": {}}
        (place / "status.json").write_text(json.dumps(about))
    done = call("claims", tmp_path)
    assert done.exit_code == 0, done.stderr
    live = [claim for claim in claims.claims() if claim.live]
    assert done.stdout.count("(difference ") == len(live)


def test_report_writes_a_table_and_a_page(tmp_path):
    finished_run(tmp_path, 0)
    finished_run(tmp_path, 0, arm="other")
    done = call("report", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "results.csv"), str(tmp_path / "report.html")]
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"results.csv", "report.html"}
    header, first, _ = (tmp_path / "results.csv").read_text().splitlines()
    assert header.startswith("chapter,arm,seed,profile,source,state,seconds")
    assert first.startswith("01_toy,fast,0,fast,procedural,finished")


@pytest.mark.parametrize("command", ["report", "claims", "collect"])
def test_files_that_no_run_wrote_are_named_and_left_out(command, tmp_path, book):
    runs = tmp_path / "deep" / "runs"
    finished_run(runs, 0)
    for name, content in {
        "a/results.json": {"chapter": "x/../../../escaped", "seed": 0, "metrics": {"method": []}},
        "b/status.json": {"state": "ok"},
        "c/status.json": [1],
        "d/results.json": {"name": "a project"},
    }.items():
        (runs / name).parent.mkdir()
        (runs / name).write_text(json.dumps(content))
    (runs / "batch.json").write_text('{"commands": 5}')
    before = set(tmp_path.rglob("*"))
    done = call(command, runs, *(["--to", runs / "x.json"] if command == "collect" else []))
    assert done.exit_code == 0, done.stderr
    assert [line.split(" (")[0] for line in done.stderr.splitlines()] == [f"{name} is unreadable" for name in "abcd"]
    assert (
        "a is unreadable (results.json: metrics of 'method' is []; expected an object) and not counted" in done.stderr
    )
    assert {path.parent for path in set(tmp_path.rglob("*")) - before} <= {runs}


@pytest.mark.parametrize("command", ["claims", "report"])
def test_an_empty_folder_is_one_sentence(command, tmp_path):
    done = call(command, tmp_path)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert call(command, tmp_path / "none").stderr == f"there is no folder {tmp_path / 'none'}\n"


def test_a_folder_that_cannot_be_written_is_one_sentence(chapters, tmp_path):
    (tmp_path / "file").write_text("")
    done = call("batch", "toy", "--out", tmp_path / "file" / "runs", "--chapters-dir", chapters)
    assert done.exit_code == 1
    assert "Not a directory" in done.stderr


def test_translate_says_in_a_sentence_that_there_is_no_checkpoint(tmp_path):
    done = call("translate", "--checkpoint", tmp_path / "none", tmp_path / "a.png", tmp_path / "b")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert os.fspath(tmp_path) in done.stderr


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:77", "cuda"])
def test_translate_says_in_a_sentence_that_there_is_no_such_device(device, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    done = call("translate", "--checkpoint", tmp_path, "--device", device, tmp_path / "a.png", tmp_path / "out")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"device is {device!r}")
    assert len(line) < 100
    assert not (tmp_path / "out").exists()


def test_an_interrupt_that_a_callback_swallowed_is_not_lost():
    def interrupted_in_a_callback():
        with cli._interruptible("Interrupted.") as check:
            check()  # nothing yet
            with contextlib.suppress(KeyboardInterrupt):  # as a library's callback, or a finaliser, would
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
            os.kill(os.getpid(), signal.SIGINT)  # an impatient user
            check()

    with pytest.raises(typer.Exit) as ended:
        interrupted_in_a_callback()
    assert ended.value.exit_code == 130
