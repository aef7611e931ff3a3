"""Exponential moving averages of a network: the copy that is kept for translating or for a momentum encoder."""

from copy import deepcopy
from typing import Any

import torch
from torch import nn


class MovingAverage(nn.Module):
    """A copy of ``network``, its ``module``, that every ``update`` moves by ``1 - decay`` towards the network.

    Buffers (batch-norm statistics) are averaged as well, whole numbers among them are copied. The first update is an
    average like all others, and none waits for the device. Calling it calls the copy.
    """

    def __init__(self, network: nn.Module, decay: float):
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}; expected 0 <= decay < 1")
        self.decay = decay
        self.module = deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards ``network``, which has the same form."""
        for mine, theirs in zip(self.module.state_dict().values(), network.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - self.decay)
            else:
                mine.copy_(theirs)

    def forward(self, *arguments: Any, **options: Any) -> Any:
        return self.module(*arguments, **options)
