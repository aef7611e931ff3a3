"""Convolutions and their borders: torch's layers, computed otherwise where that is faster on a CPU in bf16."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def pad(images: Tensor, width: int | tuple[int, int, int, int], mode: Literal["reflect", "replicate"]) -> Tensor:
    """``F.pad`` by ``width`` pixels on each side, in the precision of ``images``.

    Under autocast torch pads in fp32 on a CPU, and so copies a tensor of bf16 to 32 bits and back for nothing.
    """
    widths = (width,) * 4 if isinstance(width, int) else width
    if images.dtype == torch.float32:
        return F.pad(images, widths, mode)
    with torch.autocast(images.device.type, enabled=False):
        return F.pad(images, widths, mode)


class ReflectionPad2d(nn.ReflectionPad2d):
    """torch's layer by ``pad``."""

    def forward(self, x: Tensor) -> Tensor:
        return pad(x, self.padding, "reflect")


class PaddedConv2d(nn.Conv2d):
    """A convolution whose borders are made by ``pad``, equally wide on all sides: ``padding_mode`` says how."""

    def forward(self, x: Tensor) -> Tensor:
        padded = pad(x, self.padding[0], self.padding_mode)  # type: ignore[arg-type]
        return F.conv2d(padded, self.weight, self.bias, self.stride)


class HalvingConv2d(nn.Conv2d):
    """A 4x4 convolution that halves height and width, ``(N, C, 2h, 2w)`` → ``(N, D, h, w)``.

    If the map is small and the weights are many, torch spends its time on rearranging the weights. As one product of
    matrices the same sum takes a fraction of it, in bf16 on a CPU.
    """

    def __init__(self, width_in: int, width_out: int, bias: bool = True):
        super().__init__(width_in, width_out, 4, 2, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = (side // 2 for side in x.shape[2:])
        if not _small(x, height * width):
            return super().forward(x)
        made = self.weight.flatten(1) @ F.unfold(x, 4, padding=1, stride=2)
        if self.bias is not None:
            made = (made + self.bias[:, None]).to(x.dtype)  # the sum is one of fp32
        return made.unflatten(2, (height, width))


class DoublingConv2d(nn.ConvTranspose2d):
    """A transposed 4x4 convolution that doubles height and width, ``(N, C, h, w)`` → ``(N, D, 2h, 2w)``.

    Small maps as in ``HalvingConv2d``; what falls on one place is added up in fp32.
    """

    def __init__(self, width_in: int, width_out: int, bias: bool = True):
        super().__init__(width_in, width_out, 4, 2, 1, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        height, width = x.shape[2:]
        if output_size is not None or not _small(x, height * width):
            return super().forward(x, output_size)
        columns = self.weight.flatten(1).T @ x.flatten(2)
        made = F.fold(columns.float(), (2 * height, 2 * width), 4, padding=1, stride=2)
        if self.bias is not None:
            made = made + self.bias[:, None, None]
        return made.to(x.dtype)


def _small(x: Tensor, places: int) -> bool:
    """Whether bf16 maps have so few places that a product of matrices is faster (measured)."""
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and len(x) * places <= 64
