"""The one door for the name of a device; loads torch only when it is asked."""

import re
from typing import TYPE_CHECKING

from i2i_tutor.parameters import ParameterError

if TYPE_CHECKING:
    import torch


def find(name: "torch.device | str | None" = None) -> "torch.device":
    """The device called "cpu", "cuda" or "cuda:1"; None: a GPU if there is one. A torch.device is taken as it is.

    Raises ParameterError if the name is none of these, or if there is no such GPU.
    """
    import torch

    if isinstance(name, torch.device):
        return name
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name is None:
        return torch.device("cuda" if gpus else "cpu")
    match = re.fullmatch(r"cpu|cuda(?::(\d{1,3}))?", name) if isinstance(name, str) else None
    if not match:
        raise ParameterError(f"device is {name!r}; expected cpu, cuda, or one of several GPUs like cuda:1")
    if name != "cpu" and int(match[1] or 0) >= gpus:
        seen = "no GPU" if not gpus else "one GPU" if gpus == 1 else f"{gpus} GPUs, cuda:0 to cuda:{gpus - 1},"
        raise ParameterError(f"device is {name!r}, but torch sees {seen} here")
    return torch.device(name)
