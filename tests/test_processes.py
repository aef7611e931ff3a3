"""Two processes train as one would: launched as a user launches them, compared with one on the same pictures."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from two_processes import RECIPE, Plain, Pooled, doubled, trained

from i2i_tutor import processes
from i2i_tutor.data.streams import Stream
from i2i_tutor.training import checkpoints
from i2i_tutor.translate import load_method

HERE = Path(__file__).parent
# accelerate's --cpu starts one process only, unless there is MPI; --multi_gpu hands the work to torchrun, GPUs or not
LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
    "accelerate": ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
                   "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"],
}  # fmt: skip


def launch(launcher: str, script: Path, *arguments: Path | str) -> None:
    command = [sys.executable, "-m", *LAUNCHERS[launcher], str(script), *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    assert run.returncode == 0, run.stderr[-4000:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    launch("torchrun", HERE / "two_processes.py", folder)
    return folder


@pytest.fixture(scope="module")
def found(folder) -> list[dict]:
    return json.loads((folder / "found.json").read_text())


@pytest.fixture(scope="module")
def alone():
    return trained(lambda: Plain(RECIPE), doubled)


def farthest(state: dict, other: dict) -> float:
    assert state.keys() == other.keys()
    return max(float((state[key].double() - other[key].double()).abs().max()) for key in state)


def test_after_ten_steps_two_processes_hold_the_weights_of_one(folder, found, alone):
    method, _ = alone
    assert [each["count"] for each in found] == [2, 2]
    assert [each["rank"] for each in found] == [0, 1]
    assert all(each["equal weights"] for each in found)
    _, state = checkpoints.load(folder / "straight")
    start = trained(lambda: Plain(RECIPE), steps=0)[0]
    assert farthest(state["method"], method.state_dict()) < 1e-5
    assert farthest(start.state_dict(), method.state_dict()) > 1e-3  # they did move


def test_terms_are_means_over_the_processes(found, alone):
    _, history = alone
    assert found[0]["terms"] == found[1]["terms"]
    for name, values in history.terms.items():
        assert found[0]["terms"][name] == pytest.approx(values, abs=1e-5)


def test_a_resumed_training_equals_an_uninterrupted_one_bit_for_bit(folder, found):
    assert all(each["resumed equals straight"] for each in found)
    lock, manifest, first, second = found[0]["files"]
    assert (lock, manifest) == (checkpoints.LOCK, "manifest.json")
    assert re.fullmatch(r"step-00000010-\w{16}\.pt", first)
    assert re.fullmatch(r"step-00000010\.1-\w{16}\.pt", second)


def test_pools_and_queues_are_shared(folder, found):
    """While the pool is not full nothing in it is drawn, so that one process can be compared."""
    assert all(each["equal pools"] and each["equal full pools"] for each in found)
    method, _ = trained(Pooled, doubled, steps=4)
    _, state = checkpoints.load(folder / "pooled")
    assert int(method.pool.count) == int(state["method"]["pool.count"]) == 16
    assert farthest(state["method"], method.state_dict()) < 1e-5


def test_a_gradient_on_one_process_counts_half_and_none_stays_none(found):
    assert [each["averaged"] for each in found] == [[[1.0, 2.0], True]] * 2


def test_ctrl_c_in_one_process_ends_all_in_the_same_step(found):
    assert [each["interrupted"] for each in found] == [[True, 10]] * 2


def test_what_couples_a_batch_is_refused_by_a_sentence(found):
    for each in found:
        assert re.fullmatch(
            r"pix2pix cannot be trained by 2 processes: the batch norm of \S+ .*one process", each["refused"]
        )


def test_when_one_process_cannot_write_all_of_them_say_so_and_nothing_is_left(found):
    for each in found:
        assert len(each["blocked"]) == 2
        for said in each["blocked"]:
            assert re.fullmatch(r"the checkpoint of step 1 could not be written to .*no earlier checkpoint", said)
        assert each["left"] == [[checkpoints.LOCK]] * 2


def test_what_process_0_finds_in_the_folder_all_of_them_say(found):
    for each in found:
        assert "holds a training of pix2pix at step 10; go on with resume=True" in each["again"]
        assert "file cannot be used for a training" in each["no folder"]
        assert each["busy"].startswith("another training is at work in")


def test_a_checkpoint_of_two_is_used_by_one_but_not_continued_by_one(folder):
    assert load_method(folder / "straight").name == "pix2pix"
    with pytest.raises(checkpoints.CheckpointError, match="trained by 2 processes and cannot be continued by 1"):
        trained(lambda: Plain(RECIPE), steps=12, folder=folder / "straight", resume=True)


def test_without_a_group_nothing_happens():
    assert (processes.count(), processes.rank()) == (1, 0)
    images = torch.ones(2, 3)
    assert processes.gather_batch(images) is images
    assert processes.gather("x") == ["x"]
    with processes.group("cpu") as device:
        assert device.type == "cpu"
        assert processes.count() == 1


def test_shares_of_a_stream_cover_it_and_keep_its_rhythm():
    def positions(stream, steps):
        return [int(next(stream)["position"]) for _ in range(steps)]

    def stream(period=1):
        return Stream(lambda position, rng: {"position": torch.tensor(position)}, seed=0, period=period)

    shares = [positions(stream().share(rank, 3), 4) for rank in range(3)]
    assert shares == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    kinds = [[position % 2 for position in positions(stream(2).share(rank, 2), 6)] for rank in range(2)]
    assert kinds == [[0, 1, 0, 1, 0, 1]] * 2
    assert sorted(position for rank in range(2) for position in positions(stream(2).share(rank, 2), 4)) == [*range(8)]
    other = stream().share(0, 2)
    with pytest.raises(ValueError, match="processes"):
        other.load_state_dict(stream().share(0, 3).state_dict())


@pytest.mark.soak
def test_the_script_of_the_page_runs_with_and_without_a_launcher(tmp_path):
    page = (HERE.parent / "book/more_gpus.md").read_text(encoding="utf-8")
    script = tmp_path / "train.py"
    script.write_text(re.search(r"```python\n(.*?)```", page, re.DOTALL).group(1))
    launch("torchrun", script, "smoke", tmp_path / "two")
    assert checkpoints.manifest(tmp_path / "two")["step"] == len(checkpoints.manifest(tmp_path / "two")["others"]) * 4
    subprocess.run([sys.executable, str(script), "smoke", str(tmp_path / "one")], check=True, capture_output=True)
    assert "others" not in checkpoints.manifest(tmp_path / "one")


@pytest.mark.soak
def test_accelerate_launches_it_too(tmp_path, alone):
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    launch("accelerate", HERE / "two_processes.py", tmp_path)
    _, state = checkpoints.load(tmp_path / "straight")
    assert farthest(state["method"], alone[0].state_dict()) < 1e-5
