"""Discriminators: image in, a map of logits out, one logit for every overlapping patch. None ends in a sigmoid."""

from torch import Tensor, nn

from i2i_tutor.contract import check_input, check_whole
from i2i_tutor.nn.layers import Norm, has_bias, initialise, normalisation


class PatchGAN(nn.Module):
    """The convolutional discriminator of pix2pix (section 3.2.2) and CycleGAN.

    ``layers`` strided 4x4 convolutions, then two of stride 1. The receptive field of one logit is 16, 34, **70**, 142,
    286 pixels for ``layers`` = 1..5. The input is never cut into pieces: the patches are the receptive fields of one
    convolutional pass. A conditional discriminator takes input and output image concatenated on the channels.

    Args:
        in_channels: channels of what it sees (6 for a conditional one on RGB pairs).
        base: width of the first layer ("ndf"); doubles per layer up to ``8 * base``.
        layers: number of strided convolutions, at least 1.
        norm: normalisation after every layer but the first and the last.

    Shape: ``(N, in_channels, H, W)`` → ``(N, 1, h, w)`` logits; at 256 px h = 126, 62, 30, 14, 6 for 1..5 layers.
    """

    def __init__(self, in_channels: int = 3, base: int = 64, layers: int = 3, norm: Norm = "batch"):
        super().__init__()
        check_whole("in_channels", in_channels, 1)
        check_whole("base", base, 1)
        check_whole("layers", layers, 1)  # for 1x1 patches use PixelGAN
        self.smallest = 3 * 2**layers  # the two last layers each take one pixel off
        stack: list[nn.Module] = [nn.Conv2d(in_channels, base, 4, 2, 1), nn.LeakyReLU(0.2)]
        width = base
        for layer in range(1, layers + 1):
            width_out = base * min(2**layer, 8)
            stride = 1 if layer == layers else 2
            stack += [
                nn.Conv2d(width, width_out, 4, stride, 1, bias=has_bias(norm)),
                *normalisation(norm, width_out),
                nn.LeakyReLU(0.2),
            ]
            width = width_out
        stack.append(nn.Conv2d(width, 1, 4, 1, 1))
        self.layers = nn.Sequential(*stack)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        check_input(image, self)
        if min(image.shape[-2:]) < self.smallest:
            raise ValueError(
                f"this PatchGAN needs at least {self.smallest}x{self.smallest} pixels; "
                f"the image is {image.shape[-2]}x{image.shape[-1]}"
            )
        return self.layers(image)


class PixelGAN(nn.Module):
    """The 1x1 discriminator of pix2pix (Table 3): one logit for every pixel, from its colour alone.

    Shape: ``(N, in_channels, H, W)`` → ``(N, 1, H, W)`` logits.
    """

    def __init__(self, in_channels: int = 3, base: int = 64, norm: Norm = "batch"):
        super().__init__()
        check_whole("in_channels", in_channels, 1)
        check_whole("base", base, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, base, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(base, 2 * base, 1, bias=has_bias(norm)),
            *normalisation(norm, 2 * base),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * base, 1, 1, bias=has_bias(norm)),  # the official one has no bias here with batch norm
        )
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        check_input(image, self)
        return self.layers(image)
