"""Convolutions and their borders: torch's layers, computed otherwise where that is faster on a CPU."""

from typing import Any, Literal

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


LANES, NEIGHBOURS = 16, 4


class NarrowConv2d(nn.Conv2d):
    """A convolution to a few channels, such as those of a picture, with stride 1.

    A processor with wide registers computes 16 channels in the time of 3. With channels last on a CPU four pixels that
    are neighbours in a row are therefore computed as channels of one place, by a kernel that is three columns wider and
    moves on by four; in memory they lie where they would have lain. The sums are the same.
    """

    def __init__(self, width_in: int, width_out: int, kernel: int, padding: int = 0):
        super().__init__(width_in, width_out, kernel, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        width = x.shape[-1] + 2 * self.padding[0] - self.kernel_size[0] + 1  # type: ignore[operator]
        if not is_channels_last(x) or width % NEIGHBOURS or self.out_channels > LANES // NEIGHBOURS:
            return super().forward(x)
        wide = torch.cat([F.pad(self.weight, (shift, NEIGHBOURS - 1 - shift)) for shift in range(NEIGHBOURS)])
        assert self.bias is not None
        made = F.conv2d(x, wide, self.bias.repeat(NEIGHBOURS), (1, NEIGHBOURS), self.padding)  # (N, 4 D, H, W / 4)
        count, _, height, _ = made.shape
        return made.permute(0, 2, 3, 1).reshape(count, height, width, -1).permute(0, 3, 1, 2)


class TransposedConv2d(nn.ConvTranspose2d):
    """torch's layer; with channels last on a CPU the gradient of its bias is a sum of its own.

    torch computes it together with the others, which in bf16 then take up to twice as long.
    """

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is not None or self.bias is None or not is_channels_last(x):
            return super().forward(x, output_size)
        form = self.stride, self.padding, self.output_padding, self.groups, self.dilation
        made = F.conv_transpose2d(x, self.weight, self.bias.detach(), *form)  # type: ignore[arg-type]
        return _BiasGradient.apply(made, self.bias)


class _BiasGradient(torch.autograd.Function):
    """Gives on what a layer has made, and tells the layer's bias, which is in it already, its gradient."""

    @staticmethod
    def forward(ctx: Any, made: Tensor, bias: Tensor) -> Tensor:
        ctx.dtype = bias.dtype
        return made.detach()  # a view of one image may lose its memory format

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, gradient.sum((0, 2, 3)).to(ctx.dtype)


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


def is_channels_last(x: Tensor) -> bool:
    """Whether a tensor is on a CPU, its channels last, and not contiguous as well, as a single channel would be."""
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return last and x.device.type == "cpu"


def _small(x: Tensor, places: int) -> bool:
    """Whether bf16 maps have so few places that a product of matrices is faster (measured)."""
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and len(x) * places <= 64
