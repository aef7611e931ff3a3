"""Exponential moving averages of a network: the copy that is kept for translating or for a momentum encoder."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """Return a copy of ``network`` whose ``update_parameters(network)`` moves it by ``1 - decay`` towards the network.

    Buffers (batch-norm statistics) are averaged as well. torch's ``AveragedModel`` *copies* the network at its first
    update; its counter starts at 1 here, so that the first update is an average like all others.
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay is {decay}; expected 0 <= decay < 1")
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    average.n_averaged.fill_(1)
    return average.requires_grad_(False)
