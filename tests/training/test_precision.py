"""The arithmetic of a training, on a processor of any kind."""

import math

import pytest
import torch
from games import Noisy, noisy_stream

from i2i_tutor import losses
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
