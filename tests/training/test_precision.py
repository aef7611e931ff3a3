"""The arithmetic of a training, on a processor of any kind."""

import math

import pytest
import torch
from games import Noisy, noisy_stream

from i2i_tutor import losses
from i2i_tutor.training import autocast, fit, has_native_bf16


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
