"""Generators: image in, image of the same size out, values in [-1, 1]."""

import torch
from torch import Tensor, nn

from i2i_tutor.contract import check_input, check_probability, check_whole
from i2i_tutor.nn.convolutions import DoublingConv2d, HalvingConv2d, NarrowConv2d, ReflectionPad2d, TransposedConv2d
from i2i_tutor.nn.layers import Norm, has_bias, initialise, normalisation


class UNet(nn.Module):
    """U-Net generator of pix2pix (section 3.2.1 and appendix 6.1.1), of any depth, with or without skips.

    The encoder halves the image ``depth`` times; width doubles from ``base`` up to ``8 * base``. With ``skips`` every
    decoder level but the innermost gets the encoder's output of the same size, concatenated as [encoder, decoder].
    ``depth=8`` is the paper's ``unet_256`` (54,413,955 parameters for 3→3 channels), ``depth=7`` is ``unet_128``;
    ``skips=False`` is the encoder-decoder of the paper's Table 2.

    Args:
        in_channels, out_channels: channels of the images.
        base: width of the first level ("ngf").
        depth: number of halvings, at least 2. Height and width must be multiples of ``2 ** depth``.
        norm: normalisation after every layer but the first, the innermost and the last.
        dropout: probability in the decoder layers that have dropout. It is the only noise pix2pix has.
        dropout_layers: how many decoder layers have it, counted outwards from the second; by default
            ``depth - 5`` as in the official code (3 at depth 8), but at least 0.
        skips: whether encoder and decoder are connected at every size.

    Shape: ``(N, in_channels, H, W)`` → ``(N, out_channels, H, W)``; input and output in [-1, 1].
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        base: int = 64,
        depth: int = 8,
        norm: Norm = "batch",
        dropout: float = 0.5,
        dropout_layers: int | None = None,
        skips: bool = True,
    ):
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("base", base)):
            check_whole(name, value, 1)
        check_whole("depth", depth, 2)
        check_probability("dropout", dropout)
        if dropout_layers is None:
            dropout_layers = max(0, depth - 5)
        check_whole("dropout_layers", dropout_layers, 0, depth - 2)
        self.depth, self.skips = depth, skips
        widths = [base * min(2**level, 8) for level in range(depth)]  # width of the encoder's output at each level

        self.encoder = nn.ModuleList()
        for level, width in enumerate(widths):
            outer, inner = level == 0, level == depth - 1
            bare = outer or inner  # no norm: the first sees raw pixels, the innermost may be a single pixel
            # With batch norm none of these has a bias, not even the two that no norm follows (official code).
            conv = HalvingConv2d(in_channels if outer else widths[level - 1], width, bias=has_bias(norm))
            self.encoder.append(
                nn.Sequential(
                    *([] if outer else [nn.LeakyReLU(0.2)]), conv, *([] if bare else normalisation(norm, width))
                )
            )

        self.decoder = nn.ModuleList()
        for step, level in enumerate(reversed(range(depth))):
            innermost, last = step == 0, level == 0
            width_in = widths[level] * (2 if skips and not innermost else 1)
            width_out = out_channels if last else widths[level - 1]
            layers: list[nn.Module] = [
                nn.ReLU(),
                DoublingConv2d(width_in, width_out, bias=last or has_bias(norm)),
            ]
            if last:
                layers.append(nn.Tanh())
            else:
                layers += normalisation(norm, width_out)
                if dropout > 0 and 1 <= step <= dropout_layers:
                    layers.append(nn.Dropout(dropout))
            self.decoder.append(nn.Sequential(*layers))
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        check_input(image, self)
        multiple = 2**self.depth
        height, width = image.shape[-2:]
        if height % multiple or width % multiple:
            nearest = [max(1, round(side / multiple)) * multiple for side in (height, width)]
            raise ValueError(
                f"a U-Net of depth {self.depth} needs height and width that are multiples of {multiple}, "
                f"for example {nearest[0]}x{nearest[1]}; the image is {height}x{width}"
            )
        encoded = []
        x = image
        for level in self.encoder:
            x = level(x)  # (N, width, H / 2^(level+1), W / 2^(level+1))
            encoded.append(x)
        x = self.decoder[0](encoded.pop())
        for level in self.decoder[1:]:
            skip = encoded.pop()
            x = level(torch.cat([skip, x], dim=1) if self.skips else x)
        return x


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with reflection padding, added to their input; no ReLU after the sum."""

    def __init__(self, width: int, norm: Norm = "instance", dropout: float = 0.0):
        super().__init__()
        self.branch = nn.Sequential(
            ReflectionPad2d(1),
            nn.Conv2d(width, width, 3, bias=has_bias(norm)),
            *normalisation(norm, width),
            nn.ReLU(),
            *([nn.Dropout(dropout)] if dropout > 0 else []),
            ReflectionPad2d(1),
            nn.Conv2d(width, width, 3, bias=has_bias(norm)),
            *normalisation(norm, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class ResNetGenerator(nn.Module):
    """The residual generator of CycleGAN (appendix 7.2): c7s1-64, d128, d256, R256 x ``blocks``, u128, u64, c7s1-3.

    9 blocks for 256x256 (11,378,179 parameters with instance norm), 6 for 128x128 (7,837,699).

    Shape: ``(N, in_channels, H, W)`` → ``(N, out_channels, H, W)``, if H and W are multiples of 4. Like the official
    network it rounds other sizes up to a multiple of 4 (257 → 260), which no pixel loss can compare with the input.
    At least 8x8.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        base: int = 64,
        blocks: int = 9,
        norm: Norm = "instance",
        dropout: float = 0.0,
    ):
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("base", base)):
            check_whole(name, value, 1)
        check_whole("blocks", blocks, 0)
        check_probability("dropout", dropout)
        bias = has_bias(norm)
        layers: list[nn.Module] = [
            ReflectionPad2d(3),
            nn.Conv2d(in_channels, base, 7, bias=bias),
            *normalisation(norm, base),
            nn.ReLU(),
        ]
        for width in (base, 2 * base):
            layers += [
                nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias),
                *normalisation(norm, 2 * width),
                nn.ReLU(),
            ]
        layers += [ResidualBlock(4 * base, norm, dropout) for _ in range(blocks)]
        for width in (4 * base, 2 * base):
            layers += [
                TransposedConv2d(width, width // 2, 3, 2, 1, output_padding=1, bias=bias),
                *normalisation(norm, width // 2),
                nn.ReLU(),
            ]
        layers += [ReflectionPad2d(3), NarrowConv2d(base, out_channels, 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        check_input(image, self)
        height, width = image.shape[-2:]
        if min(height, width) < 8:
            raise ValueError(f"the residual generator needs at least 8x8 pixels; the image is {height}x{width}")
        return self.layers(image)
