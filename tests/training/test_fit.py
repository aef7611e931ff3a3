"""The loop on toy games whose every move can be computed by hand."""

import math
import os
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from i2i_tutor import losses
from i2i_tutor.data.streams import Stream
from i2i_tutor.methods.base import Method, Recipe, Turn
from i2i_tutor.nn import ImagePool, MovingAverage, Queue
from i2i_tutor.schedules import constant, linear_decay, linear_tail
from i2i_tutor.training import (
    TrainingError,
    autocast,
    checkpoints,
    fit,
    has_native_bf16,
    make_optimisers,
    play,
)

RECIPE = Recipe(size=1, batch=1, steps=1)


class Point(nn.Module):
    """A network that is one number."""

    def __init__(self, value=0.0):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(float(value)))


class Toy(Method):
    """Two players pull at x and y: a minimises (x - y)², b minimises (x + y)²."""

    name = "toy"
    turns = (Turn("pull", ("a",)), Turn("push", ("b",)))

    def __init__(self, recipe=RECIPE):
        super().__init__(recipe)
        self.a, self.b = Point(1.0), Point(3.0)

    def optimisers(self):
        return {name: lambda p: SGD(p, lr=0.25) for name in ("a", "b")}

    def pull(self, scene):
        return {"pull": (self.a.value - self.b.value) ** 2}

    def push(self, scene):
        return {"push": (self.a.value + self.b.value) ** 2}


def stream(value=0.0):
    return Stream(lambda position, rng: {"input": torch.full((1, 1, 1, 1), value)}, seed=0)


def played(method, steps=1, first=0):
    optimisers = make_optimisers(method)
    return [play(method, optimisers, next(stream()), first + step) for step in range(steps)]


def test_two_players_move_in_turn_and_the_second_sees_the_first_ones_move():
    toy = Toy()
    terms = played(toy)[0]
    assert float(terms["pull"]) == 4.0  # (1 - 3)²
    assert toy.a.value.item() == pytest.approx(1 - 0.25 * 2 * (1 - 3))  # 2
    assert float(terms["push"]) == 25.0  # (2 + 3)²: a has moved already
    assert toy.b.value.item() == pytest.approx(3 - 0.25 * 2 * (2 + 3))  # 0.5


def test_gradients_reach_only_who_moves():
    seen = {}

    class Watching(Toy):
        def optimisers(self):
            def watched(name):
                def make(parameters):
                    optimiser = SGD(parameters, lr=0.1)
                    optimiser.register_step_pre_hook(
                        lambda *_: seen.__setitem__(name, (self.a.value.grad, self.b.value.grad))
                    )
                    return optimiser

                return make

            return {"a": watched("a"), "b": watched("b")}

    played(Watching())
    assert seen["a"][0] is not None
    assert seen["a"][1] is None
    assert seen["b"][1] is not None
    assert seen["b"][0] is None


class Three(Toy):
    """A third player moves every fifth step; b moves in two turns of a step."""

    turns = (Turn("pull", ("a",)), Turn("push", ("b",)), Turn("drift", ("b", "c"), every=5))

    def __init__(self):
        super().__init__()
        self.c = Point(0.0)
        self.seen = []

    def optimisers(self):
        return super().optimisers() | {"c": lambda p: SGD(p, lr=1.0)}

    def forward(self, scene):
        self.seen.append(scene.step)

    def drift(self, scene):
        return {"drift": self.c.value + 0.01 * self.b.value}


def test_every_fifth_step_and_a_network_that_moves_twice():
    game = Three()
    rows = played(game, steps=10)
    assert [number for number, row in enumerate(rows) if "drift" in row] == [4, 9]
    assert game.c.value.item() == -2.0  # two moves of -1
    assert game.seen == list(range(10))  # once a step, however many turns it has
    once, twice = Toy(), Three()
    played(once, steps=5)
    played(twice, steps=5)
    assert float(twice.b.value) == pytest.approx(float(once.b.value) - 0.25 * 0.01)


def test_phases_are_a_function_of_the_step():
    class Phased(Toy):
        def begin(self, step):
            return self.turns if step < 2 else self.turns[1:]

    game = Phased()
    rows = played(game, steps=4)
    assert ["pull" in row for row in rows] == [True, True, False, False]


def test_a_momentum_copy_follows_without_gradient():
    class Momentum(Toy):
        def __init__(self):
            super().__init__()
            self.copy = MovingAverage(self.a, 0.5)

        def end(self, scene):
            assert not torch.is_grad_enabled()
            self.copy.update(self.a)

    game = Momentum()
    played(game)
    assert float(game.copy.module.value) == pytest.approx(0.5 * 1 + 0.5 * 2)


def test_a_turn_may_differentiate_twice():
    class Penalised(Method):
        name = "penalised"
        turns = (Turn("penalty", ("critic",)),)

        def __init__(self):
            super().__init__(RECIPE)
            self.critic = nn.Linear(4, 1, bias=False)
            nn.init.constant_(self.critic.weight, 1.0)

        def optimisers(self):
            return {"critic": lambda p: SGD(p, lr=0.1)}

        def penalty(self, scene):
            return {"r1": losses.r1_penalty(lambda x: self.critic(x.flatten(1)), torch.zeros(2, 1, 2, 2))}

    game = Penalised()
    assert float(played(game)[0]["r1"]) == pytest.approx(4.0)  # ‖w‖²
    assert float(game.critic.weight[0, 0].detach()) == pytest.approx(1 - 0.1 * 2)  # gradient 2w


def test_two_terms_of_one_name_are_refused():
    class Twice(Toy):
        def push(self, scene):
            return {"pull": (self.a.value + self.b.value) ** 2}

    with pytest.raises(ValueError, match="both call a term 'pull'"):
        played(Twice())


# --- schedules --------------------------------------------------------------------------------------------------


def test_the_official_decay_epoch_by_epoch():
    factor = linear_decay(steps_per_epoch=400)
    expected = {1: 1.0, 99: 1.0, 100: 1 - 1 / 101, 150: 0.4950495, 199: 0.00990099, 200: 0.0, 250: 0.0}
    for epoch, value in expected.items():
        first, last = (epoch - 1) * 400, epoch * 400 - 1
        assert factor(first) == pytest.approx(value, abs=1e-7)
        assert factor(last) == factor(first)
    assert constant(10**6) == 1.0


def test_the_tail_decays_over_its_fraction_and_never_reaches_zero():
    factor = linear_tail(100, 0.5)
    assert factor(0) == factor(49) == 1.0
    assert factor(99) == pytest.approx(1 / 51)
    assert linear_tail(100, 0.0)(99) == 1.0
    assert all(a >= b > 0 for a, b in zip(map(factor, range(99)), map(factor, range(1, 100)), strict=True))


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


# --- fit --------------------------------------------------------------------------------------------------------


class Noisy(Method):
    """Everything that must survive a resume: dropout, Adam, a pool, a queue, batch norm, the stream, a schedule."""

    name = "noisy"
    turns = (Turn("critic_loss", ("critic",)), Turn("maker_loss", ("maker",), every=2))

    def __init__(self, recipe=RECIPE):
        super().__init__(recipe)
        self.maker = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 1, 1)
        )
        self.critic = nn.Conv2d(1, 1, 3)
        self.pool, self.queue = ImagePool(3), Queue(5, 1)

    def optimisers(self):
        return {name: lambda p: Adam(p, lr=1e-2) for name in ("maker", "critic")}

    def forward(self, scene):
        scene.fake = self.maker(scene.batch["input"])

    def critic_loss(self, scene):
        (fake,) = self.pool.query(scene.fake)
        return {"critic": losses.discriminator_loss(self.critic(scene.batch["input"]), self.critic(fake))}

    def maker_loss(self, scene):
        held = self.queue.entries().mean() if int(self.queue.count) else 0.0
        return {"maker": losses.generator_loss(self.critic(scene.fake)) + 0.1 * (scene.fake.mean() - held) ** 2}

    def end(self, scene):
        self.queue.push(scene.fake.mean(dim=(1, 2, 3))[:, None])

    def translate(self, image):
        return self.maker(image)


def noisy_stream():
    return Stream(lambda position, rng: {"input": torch.from_numpy(rng.standard_normal((2, 1, 6, 6))).float()}, seed=3)


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def run(folder, steps, **options):
    torch.manual_seed(1)
    game, data = Noisy(), noisy_stream()
    options = {"rates": linear_tail(24), "progress": False, "save_every": 5} | options
    history = fit(game, data, steps, folder=folder, **options)
    return game, history


@pytest.mark.parametrize("stop", [1, 5, 12, 23])
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, stop):
    straight, history = run(tmp_path / "straight", 24)
    run(tmp_path / "parts", stop)
    torch.manual_seed(99)  # another process would start anywhere
    parts, resumed = run(tmp_path / "parts", 24, resume=True)
    _, one = checkpoints.load(tmp_path / "straight")
    _, two = checkpoints.load(tmp_path / "parts")
    for state in (one, two):
        state["history"].pop("seconds")
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


def test_logging_reads_the_device_only_when_flushing(monkeypatch):
    reads = []
    original = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: reads.append(1) or original(self))
    monkeypatch.setattr(torch.Tensor, "item", lambda self: pytest.fail("a step waited for the device"))
    fit(Toy(), stream(), 40, flush_every=20, progress=False)
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


KILLED = """
    import os, signal, sys
    from pathlib import Path
    import torch
    sys.path.insert(0, {tests!r})
    from test_fit import run
    from i2i_tutor import files
    real, saves = os.replace, [0]
    def replace(a, b):
        saves[0] += 1
        if {inside} and saves[0] == {when}:
            os.kill(os.getpid(), signal.SIGKILL)
        real(a, b)
    files.os.replace = replace
    def killer(step, method):
        if not {inside} and step == {when}:
            os.kill(os.getpid(), signal.SIGKILL)
    run(Path({folder!r}), 24, resume=True, callbacks=[killer])
"""


@pytest.mark.parametrize(("inside", "when"), [(False, 3), (False, 9), (False, 17), (True, 3), (True, 4)])
def test_sigkill_leaves_a_whole_checkpoint(tmp_path, inside, when):
    straight, _ = run(tmp_path / "straight", 24)
    folder = tmp_path / "killed"
    script = textwrap.dedent(
        KILLED.format(tests=os.path.dirname(__file__), inside=inside, when=when, folder=str(folder))
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    if inside or when > 5:
        assert checkpoints.load(folder)[0]["step"] % 5 == 0
    resumed, _ = run(folder, 24, resume=True)
    assert equal(straight.state_dict(), resumed.state_dict())
    assert not list(folder.glob(".*.part"))


def test_a_full_disk_is_one_sentence_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    real = torch.save

    def full(state, file):
        if state["history"]["steps"] == 10:
            raise OSError(28, "No space left on device")
        real(state, file)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(
        checkpoints.CheckpointError, match=r"step 10 .*No space left.*last whole checkpoint is that of step 5"
    ):
        run(tmp_path / "c", 24)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["manifest.json", "step-00000005.pt"]


def test_a_damaged_checkpoint_is_named(tmp_path):
    run(tmp_path / "c", 5)
    path = tmp_path / "c" / "step-00000005.pt"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(checkpoints.CheckpointError, match=r"step-00000005\.pt is damaged"):
        run(tmp_path / "c", 10, resume=True)
    path.unlink()
    with pytest.raises(checkpoints.CheckpointError, match="is missing"):
        run(tmp_path / "c", 10, resume=True)
    (tmp_path / "c" / "manifest.json").write_text("{")
    with pytest.raises(checkpoints.CheckpointError, match="not readable JSON"):
        run(tmp_path / "c", 10, resume=True)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    run(tmp_path / "c", 5)
    other = Noisy(Recipe(size=1, batch=1, steps=1, learning_rate=0.1))
    with pytest.raises(checkpoints.CheckpointError, match=r"a run of noisy with learning_rate = 0.0002, not 0.1"):
        fit(other, noisy_stream(), 10, folder=tmp_path / "c", resume=True, progress=False)
    with pytest.raises(checkpoints.CheckpointError, match="already at step 5; 3 steps"):
        run(tmp_path / "c", 3, resume=True)


def test_a_resumed_run_shows_its_callbacks_where_it_starts_even_if_nothing_is_left_to_do(tmp_path):
    run(tmp_path / "c", 10)
    for steps, seen in ((10, [10]), (12, [10, 11, 12])):
        watched = []
        run(tmp_path / "c", steps, resume=True, callbacks=[lambda step, method, to=watched: to.append(step)])
        assert watched == seen


def test_a_stream_of_another_seed_is_refused(tmp_path):
    run(tmp_path / "c", 5)
    other = Stream(lambda position, rng: {"input": torch.zeros(2, 1, 6, 6)}, seed=4)
    with pytest.raises(checkpoints.CheckpointError, match="seed 3; this one has 4"):
        fit(Noisy(), other, 10, folder=tmp_path / "c", resume=True, progress=False)


def test_without_resume_a_run_starts_anew(tmp_path):
    run(tmp_path / "c", 10)
    (tmp_path / "c" / "mine.txt").write_text("a file of yours")
    _, history = run(tmp_path / "c", 5)
    assert history.steps == 5
    assert checkpoints.load(tmp_path / "c")[0]["step"] == 5
    assert (tmp_path / "c" / "mine.txt").exists()


class Greedy(Toy):
    """Asks in step 7 for more memory than any machine has."""

    def pull(self, scene):
        size = 2**50 if scene.step == 7 else 1
        return {"pull": (self.a.value - self.b.value) ** 2 + 0 * torch.empty(size)[0]}


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


# --- precision --------------------------------------------------------------------------------------------------


def test_precision_is_chosen_and_can_be_forced():
    cpu = torch.device("cpu")
    with autocast(cpu, "bf16")():
        assert torch.nn.functional.linear(torch.ones(1, 4), torch.ones(1, 4)).dtype == torch.bfloat16
    with autocast(cpu, "fp32")():
        assert torch.nn.functional.linear(torch.ones(1, 4), torch.ones(1, 4)).dtype == torch.float32
    with autocast(cpu, "auto")():
        expected = torch.bfloat16 if has_native_bf16(cpu) else torch.float32
        assert torch.nn.functional.linear(torch.ones(1, 4), torch.ones(1, 4)).dtype == expected
    with pytest.raises(ValueError, match="'fp16'"):
        autocast(cpu, "fp16")


def test_bf16_trains_and_keeps_fp32_weights():
    torch.manual_seed(0)
    game = Noisy()
    history = fit(game, noisy_stream(), 6, precision="bf16", progress=False)
    assert history.arithmetic == "bf16"
    assert all(p.dtype == torch.float32 for p in game.parameters())
    assert all(math.isfinite(value) for value in history.terms["critic"])


def test_losses_of_bf16_logits_are_computed_in_fp32():
    draw = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(4, 1, 30, 30, generator=draw).bfloat16() for _ in range(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for objective in ("vanilla", "least_squares", "wasserstein"):
            for loss, logits in ((losses.discriminator_loss, (real, fake)), (losses.generator_loss, (fake,))):
                value = loss(*logits, objective)
                assert value.dtype == torch.float32
                assert torch.equal(value, loss(*(each.float() for each in logits), objective))
        assert losses.l1(real, fake).dtype == losses.l2(real, fake).dtype == torch.float32


def test_a_recipe_chooses_its_schedule():
    official = Recipe(size=1, batch=1, steps=80_000, epoch=400).rates()
    expected = linear_decay(400, 100, 100)
    assert all(official(step) == expected(step) for step in range(0, 80_000, 399))
    assert Recipe(size=1, batch=1, steps=1, epoch=400).rates()(0) == 1.0  # one step of the paper's recipe
    assert Recipe(size=1, batch=1, steps=100).rates()(99) == pytest.approx(1 / 51)


def test_other_data_and_other_arithmetic_are_refused_on_resume(tmp_path):
    run(tmp_path / "c", 5)
    with pytest.raises(checkpoints.CheckpointError, match="was trained in fp32, this run would use bf16"):
        run(tmp_path / "c", 10, resume=True, precision="bf16")
    other = noisy_stream()
    other.about = {"source": "cmp"}
    with pytest.raises(checkpoints.CheckpointError, match=r"saved stream shows .* this one .*cmp"):
        fit(Noisy(), other, 10, folder=tmp_path / "c", resume=True, progress=False)


def test_a_turn_without_terms_is_named():
    class Empty(Toy):
        def push(self, scene):
            return {}

    with pytest.raises(ValueError, match="'push' returned no term"):
        played(Empty())
