"""What is on disk: nothing is lost, nothing foreign is touched, and what is damaged is named."""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count

import pytest
import torch
from games import RECIPE, Noisy, Toy, equal, noisy_stream, run, stream
from kills import SITUATIONS, files_of, kill_everywhere, toy
from torch.optim import SGD

from i2i_tutor import files
from i2i_tutor.data.streams import Stream
from i2i_tutor.schedules import constant, linear_tail
from i2i_tutor.training import CheckpointError, checkpoints, fit


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_kill_at_any_file_operation_leaves_a_whole_checkpoint(tmp_path, situation):
    """A row of writes into one file counts as one; the soak test kills at each of them."""
    fewest = 8 if situation == "a finished training resumed" else 15  # so that they are seen at all
    assert kill_everywhere(tmp_path, situation, every_write=False) > fewest


@pytest.mark.parametrize("when", [3, 9, 17])
def test_a_kill_in_any_step_is_made_good(tmp_path, when):
    straight, _ = run(tmp_path / "straight", 24)
    folder = tmp_path / "killed"
    pid = os.fork()
    if pid == 0:
        run(folder, 24, callbacks=[lambda step, _: os.kill(os.getpid(), signal.SIGKILL) if step == when else None])
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    resumed, _ = run(folder, 24, resume=True)
    assert equal(straight.state_dict(), resumed.state_dict())


def test_a_finished_training_is_not_written_again(tmp_path):
    toy(tmp_path / "c")
    before = {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()}
    _, history = toy(tmp_path / "c", resume=True)
    assert history.steps == 4
    assert {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()} == before  # a new one had a new name


# --- one training at a time, and nothing foreign ------------------------------------------------------------------


def test_the_second_training_in_a_folder_is_refused_and_harms_nothing(tmp_path):
    refused = []

    def second(step, method):
        if step in (0, 3):
            with pytest.raises(CheckpointError, match=r"^another training is at work in .*c; choose another folder$"):
                toy(tmp_path / "c", resume=True)
            refused.append(step)

    watched, _ = toy(tmp_path / "c", callbacks=[second])
    assert refused == [0, 3]
    assert equal(watched.state_dict(), toy(tmp_path / "straight")[0].state_dict())
    toy(tmp_path / "c", resume=True)  # the lock is free again


def test_a_second_process_is_refused(tmp_path):
    code = "import sys; from kills import toy; toy(sys.argv[1], resume=True)"
    paths = os.pathsep.join([os.path.dirname(os.path.dirname(__file__)), *sys.path])
    said = []

    def second(step, method):
        if step == 2:
            command, environment = [sys.executable, "-c", code, tmp_path / "c"], os.environ | {"PYTHONPATH": paths}
            said.append(subprocess.run(command, capture_output=True, text=True, env=environment).stderr)

    toy(tmp_path / "c", callbacks=[second])
    assert "CheckpointError: another training is at work in" in said[0]


def test_foreign_files_are_neither_deleted_nor_overwritten(tmp_path):
    mine = {
        "step-00000002.pt": "a file of yours",
        "step-00000001-final.pt": "another",
        ".manifest.json.1234.part": "a third",
        ".notes.0123456789abcdef.part": "a fourth",
    }
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
    toy(tmp_path)
    toy(tmp_path, resume=True)
    toy(tmp_path, overwrite=True)
    assert {name: (tmp_path / name).read_text() for name in mine} == mine


@pytest.mark.parametrize("text", ['{"name": "my app", "start_url": "/"}', "[]", "null", "3", "{", "\udce4", ""])
@pytest.mark.parametrize("option", [{}, {"resume": True}, {"overwrite": True}])
def test_a_foreign_manifest_is_refused_and_stays(tmp_path, text, option):
    path = tmp_path / "manifest.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    (tmp_path / "step-00000001.pt").write_text("mine")
    with pytest.raises(
        CheckpointError, match=r"^\S+manifest\.json is not a training's manifest \(.*\); choose another"
    ):
        toy(tmp_path, **option)
    assert path.read_bytes() == text.encode(errors="surrogateescape")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["manifest.json", "step-00000001.pt"]


def test_an_earlier_training_is_refused_unless_it_is_to_be_resumed_or_overwritten(tmp_path):
    run(tmp_path / "c", 10)
    (tmp_path / "c" / "mine.txt").write_text("a file of yours")
    with pytest.raises(
        CheckpointError, match=r"c holds a training of noisy at step 10; go on with resume=True, replace"
    ):
        run(tmp_path / "c", 5)
    assert checkpoints.load(tmp_path / "c")[0]["step"] == 10
    _, history = run(tmp_path / "c", 5, overwrite=True)
    assert history.steps == 5
    assert checkpoints.load(tmp_path / "c")[0]["step"] == 5
    assert (tmp_path / "c" / "mine.txt").exists()


WRONG = [
    {"steps": -1},
    {"steps": 2.5},
    {"steps": True},
    {"flush_every": 0},
    {"save_every": 0},
    {"save_every": "10"},
    {"precision": "fp16"},
    {"device": "gpu"},
    {"device": "cuda:99"},
    {"rates": 0.5},
    {"callbacks": print},
    {"callbacks": [1]},
    {"resume": "no"},
    {"resume": True},  # with overwrite
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_wrong_argument_is_a_sentence_and_leaves_the_old_checkpoint(tmp_path, wrong):
    toy(tmp_path)
    options = {"steps": 4, "overwrite": True} | wrong
    with pytest.raises(ValueError, match=next(iter(wrong))) as caught:
        toy(tmp_path, **options)
    assert "\n" not in str(caught.value)
    assert checkpoints.load(tmp_path)[0]["step"] == 4


# --- damage ---------------------------------------------------------------------------------------------------------


class FullDisk:
    """A file on a disk that takes so many bytes more."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("room", [0, 1, 100, 600, 1200, 2000])
def test_a_full_disk_is_one_sentence_and_keeps_the_last_checkpoint(tmp_path, monkeypatch, room):
    """torch hides the disk's error behind one of its own ("unexpected pos"), depending on where the space ends."""
    toy(tmp_path, 2)
    with monkeypatch.context() as patched:
        patched.setattr(files, "open", lambda *path: FullDisk(io.FileIO(*path), room), raising=False)
        with pytest.raises(CheckpointError, match=r"step 4 could not .*checkpoint is that of step 2") as caught:
            toy(tmp_path, resume=True)
        assert os.strerror(errno.ENOSPC) in str(caught.value)
    assert checkpoints.load(tmp_path)[0]["step"] == 2
    assert files_of(tmp_path) == 1
    assert toy(tmp_path, resume=True)[1].steps == 4


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_of_the_disk_at_any_place_is_a_sentence(tmp_path, monkeypatch, call):
    toy(tmp_path, 2)
    for number in range(1, 5 if call == "fsync" else 3):  # file and folder, of the state and of the manifest
        shutil.copytree(tmp_path, here := tmp_path.with_name(f"{call} {number}"))
        calls, real = count(1), getattr(os, call)

        def failing(*arguments, calls=calls, real=real, number=number):
            if next(calls) == number:
                raise OSError(errno.EIO, "Input/output error")
            return real(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(files.os, call, failing)
            with pytest.raises(CheckpointError, match=r"step 4 could not be written to .*Input/output error"):
                toy(here, resume=True)
        assert checkpoints.load(here)[0]["step"] in (2, 4)
        assert equal(toy(here, resume=True)[0].state_dict(), toy(None)[0].state_dict())


def test_a_place_that_cannot_be_a_folder_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("a file of yours")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CheckpointError, match=r"file\S* cannot be used for a training \("):
            toy(place)


def test_a_damaged_checkpoint_is_named(tmp_path):
    toy(tmp_path)
    (path,) = tmp_path.glob("step-*.pt")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=rf"{path.name} is damaged"):
        toy(tmp_path, resume=True)
    path.unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        toy(tmp_path, resume=True)
    toy(tmp_path, overwrite=True)
    assert toy(tmp_path, resume=True)[1].steps == 4


def forged(folder, change):
    """Rewrite a checkpoint's manifest: ``change(manifest)``."""
    about = json.loads((folder / "manifest.json").read_text())
    change(about)
    (folder / "manifest.json").write_text(json.dumps(about))


MANIFESTS = {
    "no step": lambda m: m.pop("step"),
    "a step that is text": lambda m: m.update(step="4"),
    "a step that is true": lambda m: m.update(step=True),
    "another step": lambda m: m.update(step=3),
    "no file": lambda m: m.pop("file"),
    "a file elsewhere": lambda m: m.update(file="../step-1.pt"),
    "a file by its whole path": lambda m: m.update(file="/etc/step-1.pt"),
    "a file that is a number": lambda m: m.update(file=4),
    "another file": lambda m: m.update(file="step-notes.txt"),
    "no checksum": lambda m: m.pop("sha256"),
    "a method that is a list": lambda m: m.update(method=[]),
    "no method": lambda m: m.pop("method"),
    "another method": lambda m: m.update(method="pix2pix"),
    "a recipe that is a list": lambda m: m.update(recipe=[1]),
    "no recipe": lambda m: m.pop("recipe"),
    "an empty recipe": lambda m: m.update(recipe={}),
    "others that are a number": lambda m: m.update(others=3),
    "others that are numbers": lambda m: m.update(others=[3]),
    "others that are missing": lambda m: m.update(others=[{"file": "step-9.pt", "sha256": "0"}]),
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_forged_manifest_is_a_sentence(tmp_path, kind):
    toy(tmp_path)
    forged(tmp_path, MANIFESTS[kind])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CheckpointError, match=r"^[^\n]+$"):
        toy(tmp_path, resume=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_deep_manifest_is_a_sentence(tmp_path):
    (tmp_path / "manifest.json").write_text("[" * 10**5)
    with pytest.raises(CheckpointError, match="not a training's manifest"):
        toy(tmp_path, resume=True)
    (tmp_path / "manifest.json").write_text('{"step": ' + "9" * 10**4 + "}")
    with pytest.raises(CheckpointError, match="not a training's manifest"):
        toy(tmp_path, resume=True)


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("owned",))


def _with_memory(state, wrong):
    """The state, but every tensor that an optimiser keeps for a weight, or would keep, is ``wrong``."""
    for optimiser in state["optimisers"].values():
        for number in optimiser["param_groups"][0]["params"]:
            optimiser["state"].setdefault(number, {})["exp_avg"] = wrong
    return state


STATES = {
    "text": b"hello",
    "nothing": b"",
    "half an archive": lambda state, whole: whole[: len(whole) // 2],
    "code": lambda state, whole: {**state, "method": Evil()},
    "a list": lambda state, whole: [state],
    "a tensor": lambda state, whole: torch.zeros(3),
    "networks that are a list": lambda state, whole: {**state, "method": [1]},
    "networks by number": lambda state, whole: {**state, "method": {1: torch.zeros(2)}},
    "networks of text": lambda state, whole: {**state, "method": {"a.value": "1"}},
    "networks of another shape": lambda state, whole: {**state, "method": {"a.value": torch.zeros(2)}},
    "an optimiser that is None": lambda state, whole: {**state, "optimisers": {"a": None, "b": None}},
    "an empty optimiser": lambda state, whole: {**state, "optimisers": {"a": {}, "b": {}}},
    "an optimiser that remembers other weights": lambda state, whole: _with_memory(state, torch.zeros(7)),
    "a history of text": lambda state, whole: {**state, "history": "long"},
    "terms of text": lambda state, whole: {**state, "history": {**state["history"], "terms": {"pull": ["x"]}}},
    "a stream that is None": lambda state, whole: {**state, "stream": None},
    "random numbers that are None": lambda state, whole: {**state, "random": {"cpu": None, "cuda": []}},
    **{
        f"no {key}": lambda state, whole, key=key: {name: value for name, value in state.items() if name != key}
        for key in ("method", "optimisers", "stream", "history", "callbacks", "random")
    },
}


@pytest.mark.parametrize("kind", STATES)
def test_a_forged_state_with_a_matching_checksum_is_a_sentence(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "c"
    toy(folder)
    (path,) = folder.glob("step-*.pt")
    make = STATES[kind]
    content = make(checkpoints.load(folder)[1], path.read_bytes()) if callable(make) else make
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    forged(folder, lambda about: about.update(sha256=files.sha256(path)))
    with pytest.raises(CheckpointError, match=r"^[^\n]+$"):
        toy(folder, resume=True)
    assert not (tmp_path / "owned").exists()


# --- another run ----------------------------------------------------------------------------------------------------


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    run(tmp_path / "c", 5)
    other = Noisy(replace(RECIPE, learning_rate=0.1, steps=30))
    with pytest.raises(CheckpointError, match=r"noisy with steps = 24, not 30, learning_rate = 0.0002, not 0.1; only"):
        fit(other, noisy_stream(), 10, folder=tmp_path / "c", resume=True, progress=False)
    with pytest.raises(CheckpointError, match=r"a run of noisy with method = noisy, not toy; only"):
        fit(Toy(), stream(), 10, folder=tmp_path / "c", resume=True, progress=False)
    with pytest.raises(CheckpointError, match="already at step 5; 3 steps"):
        run(tmp_path / "c", 3, resume=True)


def test_other_data_and_other_arithmetic_are_refused_on_resume(tmp_path):
    run(tmp_path / "c", 5, precision="fp32")
    with pytest.raises(CheckpointError, match=r"trained in fp32, this run would use bf16; .*I2I_PRECISION=fp32"):
        run(tmp_path / "c", 10, resume=True, precision="bf16")
    options = {"folder": tmp_path / "c", "resume": True, "progress": False, "precision": "fp32"}
    other = noisy_stream()
    other.about = {"source": "cmp"}
    with pytest.raises(CheckpointError, match=r"saved stream shows .* this one .*cmp"):
        fit(Noisy(), other, 10, **options)
    other = Stream(lambda position, rng: {"input": torch.zeros(2, 1, 6, 6)}, seed=4)
    with pytest.raises(CheckpointError, match="seed 3; this one has 4"):
        fit(Noisy(), other, 10, **options)


# --- longer ---------------------------------------------------------------------------------------------------------


def rates_of(folder, steps, planned, **options):
    """The learning rates of the steps that a training takes, and its last weights."""
    seen = []

    class Recording(Toy):
        def optimisers(self):
            def make(parameters):
                optimiser = SGD(parameters, lr=0.25)
                optimiser.register_step_pre_hook(lambda o, *_: seen.append(o.param_groups[0]["lr"]))
                return optimiser

            return super().optimisers() | {"a": make}

    game = Recording(replace(RECIPE, steps=planned))
    fit(game, stream(), steps, folder=folder, progress=False, **options)
    return seen


def test_a_finished_training_goes_on_when_its_recipe_gets_more_steps(tmp_path):
    rates_of(tmp_path, 20, 20)
    with pytest.warns(UserWarning, match=r"a recipe of 20 steps, which now has 60; from step 20 on the learning rates"):
        seen = rates_of(tmp_path, None, 60, resume=True)
    expected = linear_tail(60)
    assert seen == pytest.approx([0.25 * expected(step) for step in range(20, 60)])
    assert checkpoints.manifest(tmp_path)["recipe"]["steps"] == checkpoints.manifest(tmp_path)["step"] == 60


def test_nothing_trains_silently_at_rate_0(tmp_path):
    rates_of(tmp_path, 20, 20)
    with pytest.raises(ValueError, match=r"steps is 60, but the learning rates end at 0 .* a recipe with steps=60"):
        rates_of(tmp_path, 60, 20, resume=True)
    with pytest.raises(ValueError, match="steps is 60"):
        rates_of(None, 60, 20)
    assert len(rates_of(tmp_path, 30, 20, resume=True, rates=constant)) == 10  # what is said goes


def test_a_part_of_a_training_has_the_rates_of_the_whole(tmp_path):
    parts = rates_of(tmp_path, 12, 20) + rates_of(tmp_path, None, 20, resume=True)
    assert parts == rates_of(None, None, 20)
