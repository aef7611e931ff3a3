"""The loop on toy games."""

import math
import os
import re
import signal
import time
from dataclasses import replace

import pytest
import torch
from games import RECIPE, Toy, equal, run, stream
from torch.optim import SGD

from i2i_tutor.data.streams import Stream
from i2i_tutor.methods.base import Recipe, Turn
from i2i_tutor.training import TrainingError, checkpoints, fit


def test_fit_applies_the_schedule():
    class Recording(Toy):
        def pull(self, scene):
            rates.append(next(group["lr"] for group in optimisers[0].param_groups))
            return super().pull(scene)

        def optimisers(self):
            def make(parameters):
                optimisers.append(SGD(parameters, lr=0.25))
                return optimisers[-1]

            return {"a": make, "b": make}

    rates, optimisers = [], []
    fit(Recording(), stream(), 4, rates=lambda step: 1 / (step + 1), progress=False)
    assert rates == pytest.approx([0.25, 0.125, 0.25 / 3, 0.0625])


@pytest.mark.parametrize("stop", [1, 5, 12, 23])
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, stop):
    straight, history = run(tmp_path / "straight", 24)
    run(tmp_path / "parts", stop)
    torch.manual_seed(99)  # another process would start anywhere
    parts, resumed = run(tmp_path / "parts", 24, resume=True)
    _, one = checkpoints.load(tmp_path / "straight")
    _, two = checkpoints.load(tmp_path / "parts")
    for state in (one, two):
        del state["history"]["seconds"], state["history"]["waited"]
    assert equal(one, two)
    assert equal(straight.state_dict(), parts.state_dict())
    assert resumed.terms == history.terms
    assert resumed.at == history.at


def test_watching_a_training_does_not_change_it(tmp_path):
    watched = []
    plain, _ = run(tmp_path / "plain", 10)
    seen, _ = run(
        tmp_path / "seen",
        10,
        callbacks=[lambda step, method: watched.append((step, float(torch.rand(())), method.training))],
    )
    assert [step for step, _, _ in watched] == list(range(11))
    assert equal(plain.state_dict(), seen.state_dict())


def test_terms_are_logged_by_name_with_their_steps(tmp_path):
    _, history = run(None, 7, flush_every=3)
    assert history.at["critic"] == list(range(7))
    assert history.at["maker"] == [1, 3, 5]
    assert all(math.isfinite(value) for value in history.terms["critic"])
    assert history.mean("maker", 2) == pytest.approx(sum(history.terms["maker"][-2:]) / 2)


def test_the_time_spent_waiting_for_batches_is_told_and_goes_on_after_a_resume(tmp_path):
    def slow(position, rng):
        time.sleep(0.02)
        return {"input": torch.zeros(1, 1, 1, 1)}

    options = {"folder": tmp_path, "progress": False}
    first = fit(Toy(), Stream(slow, 0), 4, **options)
    assert 4 * 0.02 <= first.waited <= first.seconds
    both = fit(Toy(), Stream(slow, 0), 8, resume=True, **options)
    assert first.waited + 4 * 0.02 <= both.waited <= both.seconds
    ready = fit(Toy(), stream(), 4, progress=False)
    assert ready.waited <= ready.seconds


def test_logging_reads_the_device_only_when_flushing(monkeypatch):
    reads = []
    original = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: reads.append(1) or original(self))
    monkeypatch.setattr(torch.Tensor, "item", lambda self: pytest.fail("a step waited for the device"))
    fit(Toy(replace(RECIPE, steps=40)), stream(), flush_every=20, progress=False)
    assert len(reads) == 2


class Poisoned(Toy):
    def pull(self, scene):
        return {"pull": super().pull(scene)["pull"], "spoilt": self.a.value * (math.inf if scene.step == 7 else 0.0)}


def test_a_term_that_is_not_finite_stops_with_term_step_and_checkpoint(tmp_path):
    with pytest.raises(
        TrainingError, match=r"'spoilt' is (-?inf|nan) in step 7; the last whole checkpoint is that of step 5"
    ):
        fit(Poisoned(), stream(), 20, folder=tmp_path / "c", save_every=5, progress=False)
    about, state = checkpoints.load(tmp_path / "c")
    assert about["step"] == 5
    assert all(torch.isfinite(value).all() for value in state["method"].values())
    with pytest.raises(TrainingError, match="there is no earlier checkpoint"):
        fit(Poisoned(), stream(), 20, progress=False)


class Rooted(Toy):
    """In step 4 its last term is the root of 0, whose gradient is infinite."""

    turns = (Turn("push", ("b",)), Turn("pull", ("a",)))

    def pull(self, scene):
        return {"pull": (0 * self.a.value).abs().sqrt() if scene.step == 4 else self.a.value**2}


def test_weights_poisoned_by_a_gradient_are_never_saved(tmp_path):
    with pytest.raises(TrainingError, match=r"a\.value is NaN or infinite after 5 steps.*no earlier checkpoint"):
        fit(Rooted(), stream(), 5, folder=tmp_path / "c", progress=False, save_every=5)
    assert checkpoints.manifest(tmp_path / "c") is None


def test_ctrl_c_ends_after_the_step_and_can_be_resumed(tmp_path):
    def interrupt(step, method):
        if step == 8:
            os.kill(os.getpid(), signal.SIGINT)

    straight, _ = run(tmp_path / "straight", 24)
    _, history = run(tmp_path / "parts", 24, callbacks=[interrupt])
    assert history.interrupted
    assert history.steps == 8
    parts, history = run(tmp_path / "parts", 24, resume=True)
    assert not history.interrupted
    assert equal(straight.state_dict(), parts.state_dict())


def test_a_resumed_run_shows_its_callbacks_where_it_starts_even_if_nothing_is_left_to_do(tmp_path):
    run(tmp_path / "c", 10)
    for steps, seen in ((10, [10]), (12, [10, 11, 12])):
        watched = []
        run(tmp_path / "c", steps, resume=True, callbacks=[lambda step, method, to=watched: to.append(step)])
        assert watched == seen


class Greedy(Toy):
    """Asks in step 7 for more memory than any machine has."""

    def pull(self, scene):
        size = 2**50 if scene.step == 7 else 1
        return {"pull": (self.a.value - self.b.value) ** 2 + 0 * torch.zeros(size)[0]}


def test_out_of_memory_is_one_sentence_with_a_ladder(tmp_path):
    game = Greedy(Recipe(size=64, batch=8, steps=20))
    with pytest.raises(TrainingError) as caught:
        fit(game, stream(), 20, folder=tmp_path / "c", save_every=5, precision="fp32", progress=False)
    assert str(caught.value) == (
        f"memory ran out in step 7, with batch 8 at 64 px in fp32; the last whole checkpoint is that of step 5 in "
        f"{tmp_path / 'c'}. Try, in this order: a smaller batch (batch=4), then smaller images (size=32), then half "
        "the bits (precision='bf16')"
    )
    with pytest.raises(TrainingError, match=r"earlier checkpoint\. Try, in this order: smaller images \(size=32\)$"):
        fit(Greedy(Recipe(size=64, batch=1, steps=20)), stream(), 20, precision="bf16", progress=False)


def test_another_error_stays_what_it_is():
    class Broken(Toy):
        def pull(self, scene):
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match=r"^shapes do not fit$"):
        fit(Broken(), stream(), 1, progress=False)


def test_steps_and_rates_are_the_recipes_unless_said_otherwise():
    class Still(Toy):
        def optimisers(self):
            made.append({name: SGD(getattr(self, name).parameters(), lr=1.0) for name in "ab"})
            return {name: lambda parameters, name=name: made[-1][name] for name in "ab"}

        def end(self, scene):
            seen.append([made[-1][name].param_groups[0]["lr"] for name in "ab"])

    made, seen = [], []
    recipe = replace(RECIPE, steps=10)
    assert fit(Still(recipe), stream(), progress=False).steps == 10
    assert seen == [[recipe.rates()(step)] * 2 for step in range(10)]
    seen.clear()
    fit(Still(recipe), stream(), 3, rates=lambda step: 0.5, progress=False)
    assert seen == [[0.5, 0.5]] * 3


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf"), None, "half", [1.0]])
def test_an_absurd_rate_is_a_sentence(factor):
    with pytest.raises(ValueError, match=rf"rates\(2\) is {re.escape(repr(factor))}; expected a factor of 0 or more"):
        fit(Toy(), stream(), rates=lambda step: factor if step == 2 else 1.0, progress=False)


def test_what_is_no_method_or_stream_is_a_sentence():
    with pytest.raises(ValueError, match=r"method is Linear\(.*expected a method, for example Pix2Pix\(recipe\)"):
        fit(torch.nn.Linear(1, 1), stream())
    with pytest.raises(ValueError, match=r"stream is \[1\]; expected a stream of batches"):
        fit(Toy(), [1])
    for made in ([torch.zeros(1)], {"input": 3}):
        with pytest.raises(ValueError, match=r"the stream gave a (list|dict).*; expected a dict of tensors"):
            fit(Toy(), Stream(lambda position, rng, made=made: made, seed=0), progress=False)


@pytest.mark.parametrize("folder", [3, b"runs", "", "a\0b", []])
def test_a_folder_that_is_no_name_is_refused(folder):
    with pytest.raises(ValueError, match=r"^folder is .*; expected the name of a folder"):
        fit(Toy(RECIPE), stream(), 1, folder=folder)
