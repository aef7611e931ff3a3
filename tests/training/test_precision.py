"""The arithmetic of a training, on a processor of any kind."""

import math
import shutil
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from games import Noisy, noisy_stream

from i2i_tutor import losses
from i2i_tutor.data import unpaired
from i2i_tutor.methods import cyclegan
from i2i_tutor.methods.base import Scene
from i2i_tutor.methods.cyclegan import CycleGAN
from i2i_tutor.training import arithmetic, autocast, fit, precision

CPU = torch.device("cpu")


def computed_in(precision) -> torch.dtype:
    with autocast(CPU, precision)():
        return torch.nn.functional.linear(torch.ones(1, 4), torch.ones(1, 4)).dtype


def test_precision_is_chosen_by_the_processor_and_can_be_forced(monkeypatch):
    monkeypatch.delenv("I2I_PRECISION", raising=False)
    for native, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(precision, "has_native_bf16", lambda device, native=native: native)
        assert arithmetic(CPU) == arithmetic(CPU, "auto") == expected
        assert [arithmetic(CPU, forced) for forced in ("fp32", "bf16")] == ["fp32", "bf16"]
    assert computed_in("bf16") == torch.bfloat16
    assert computed_in("fp32") == torch.float32
    with pytest.raises(ValueError, match="precision is 'fp16'; expected 'auto', 'fp32' or 'bf16'"):
        autocast(CPU, "fp16")


def test_one_switch_decides_for_auto_on_any_processor(monkeypatch):
    for forced, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        monkeypatch.setenv("I2I_PRECISION", forced)
        assert computed_in("auto") == dtype
        assert fit(Noisy(), noisy_stream(), 1, progress=False).arithmetic == forced
    assert computed_in("fp32") == torch.float32  # what a call says goes
    for wrong in ("fp16", "auto", "BF16"):
        monkeypatch.setenv("I2I_PRECISION", wrong)
        with pytest.raises(
            ValueError, match=rf"^the environment variable I2I_PRECISION is '{wrong}'; expected 'fp32' or"
        ):
            fit(Noisy(), noisy_stream(), 1, progress=False)
    monkeypatch.setenv("I2I_PRECISION", "")
    assert arithmetic(CPU) in ("fp32", "bf16")


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


# --- how tensors lie in memory -------------------------------------------------------------------------------------

TINY = replace(cyclegan.RECIPES["smoke"], lambda_identity=0.5, pool=3, steps=6)


def cycle(precision, folder=None, steps=6, **options):
    """A small CycleGAN after some steps, and its history."""
    torch.manual_seed(0)
    game, data = CycleGAN(TINY), unpaired.train("safari", TINY.size, TINY.batch, 0, load_size=TINY.load_size)
    return game, fit(game, data, steps, precision=precision, folder=folder, progress=False, **options)


def turned(game) -> set[bool]:
    weights = [w for w in game.parameters() if w.ndim == 4 and min(w.shape[1:]) > 1]
    return {w.is_contiguous(memory_format=torch.channels_last) for w in weights}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_channels_are_last_where_a_method_says_so_and_only_while_it_trains(precision):
    seen = []
    game, history = cycle(precision, steps=1, callbacks=[lambda step, method: seen.append(turned(method))])
    assert history.layout == "channels last"
    assert seen == [{True}] * 2
    assert turned(game) == {False}
    assert fit(Noisy(), noisy_stream(), 1, precision=precision, progress=False).layout == "contiguous"


def test_an_error_turns_the_weights_back():
    game = CycleGAN(TINY)
    with pytest.raises(ValueError, match="the batch has no 'a'"):
        fit(game, noisy_stream(), 1, precision="bf16", progress=False)
    assert turned(game) == {False}


@pytest.mark.parametrize("count", [1, 2])
def test_with_channels_last_gradients_are_as_near_to_double_precision_as_without(count):
    """Whatever lies in between: bf16 rounds as much, and what is computed in fp32 is the same in both layouts."""
    torch.manual_seed(0)
    game = CycleGAN(replace(TINY, base=8, blocks=2)).train()
    a, b = torch.rand(2, count, 3, 32, 32) * 2 - 1

    def gradient(dtype, memory_format, context):
        mine = deepcopy(game).to(dtype=dtype, memory_format=memory_format)
        batch = {"a": a.to(dtype=dtype, memory_format=memory_format), "b": b.to(dtype=dtype)}
        scene = Scene(batch, 0)
        with context():
            mine(scene)
            terms = mine.generator_loss(scene)
        weights = [*mine.g_ab.parameters(), *mine.g_ba.parameters()]
        return torch.cat([g.double().flatten() for g in torch.autograd.grad(sum(terms.values()), weights)])

    plain, turned_round = torch.contiguous_format, torch.channels_last
    exact = gradient(torch.double, plain, nullcontext)
    error = {
        (precision, layout): float((gradient(torch.float, layout, autocast(CPU, precision)) - exact).norm())
        for precision in ("fp32", "bf16")
        for layout in (plain, turned_round)
    }
    assert error["fp32", turned_round] < 1e-4 * exact.norm()
    assert error["bf16", turned_round] < 1.2 * error["bf16", plain]
    assert error["bf16", plain] < 0.6 * exact.norm()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_equals_uninterrupted_bit_for_bit_with_channels_last(tmp_path, precision):
    whole, told = cycle(precision, tmp_path / "whole", save_every=2)
    cycle(precision, tmp_path / "parts", steps=3)
    resumed, history = cycle(precision, tmp_path / "parts", resume=True)
    assert history.terms == told.terms
    for (name, mine), theirs in zip(resumed.state_dict().items(), whole.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name


def test_the_memory_of_an_optimiser_lies_as_its_weights_do(tmp_path, monkeypatch):
    """A checkpoint may come from a time in which they lay otherwise, and a fused Adam looks at addresses only."""
    monkeypatch.setattr(CycleGAN, "channels_last", False)
    cycle("bf16", tmp_path / "old", steps=3)
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    plain, _ = cycle("bf16", tmp_path / "old", steps=4, resume=True)
    monkeypatch.setattr(CycleGAN, "channels_last", True)
    other, _ = cycle("bf16", tmp_path / "new", steps=4, resume=True)
    for mine, theirs in zip(other.g_ab.parameters(), plain.g_ab.parameters(), strict=True):
        if mine.ndim == 4:  # a bias before a norm follows rounding alone
            assert float((mine - theirs).detach().abs().mean()) < 1e-4  # a tenth of the learning rate
