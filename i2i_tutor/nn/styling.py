"""A generator in two halves: what an image shows is encoded, and decoded again in a style that is given as a code."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_tutor.contract import check_floats, check_input, check_whole
from i2i_tutor.nn.convolutions import PaddedConv2d
from i2i_tutor.nn.layers import InstanceNorm2d, initialise_kaiming, instance_norm

SMALLER = 0.3  # with unit scales: factor on the weights behind which the AdaIN numbers come out


def adain(features: Tensor, numbers: Tensor) -> Tensor:
    """Adaptive instance norm: each channel of each image gets the mean and the deviation that are asked for.

    Huang and Belongie, *Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization*, ICCV 2017.

    Shape: features ``(N, C, H, W)``, numbers ``(N, 2C)``, first the C means (β), then the C deviations (γ) → features.
    Raises ValueError if their numbers do not fit.
    """
    if numbers.shape != (len(features), 2 * features.shape[1]):
        raise ValueError(f"the numbers are {tuple(numbers.shape)}; expected {(len(features), 2 * features.shape[1])}")
    shift, scale = numbers[..., None, None].chunk(2, dim=1)
    return instance_norm(features) * scale + shift


def _convolution(width_in: int, width_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return PaddedConv2d(width_in, width_out, kernel, stride, (kernel - 1) // 2, padding_mode="reflect")


class StyledResidual(nn.Module):
    """Two 3x3 convolutions with instance norm, or AdaIN if numbers are given, of which a part is added to the input."""

    def __init__(self, width: int, part: float):
        super().__init__()
        self.part, self.numbers = part, (2 * width, 2 * width)
        self.first, self.second = _convolution(width, width, 3), _convolution(width, width, 3)

    def forward(self, x: Tensor, numbers: tuple[Tensor, Tensor] | None = None) -> Tensor:
        if numbers is None:
            return x + self.part * instance_norm(self.second(F.relu(instance_norm(self.first(x)))))
        return x + self.part * adain(self.second(F.relu(adain(self.first(x), numbers[0]))), numbers[1])


class Upwards(nn.Module):
    """Twice the size and half the channels: nearest neighbour, convolution, AdaIN, ReLU."""

    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.numbers = (width,)  # two for each of its channels
        self.convolution = _convolution(width, width // 2, kernel)

    def forward(self, x: Tensor, numbers: tuple[Tensor]) -> Tensor:
        return F.relu(adain(self.convolution(F.interpolate(x, scale_factor=2, mode="nearest")), numbers[0]))


class StyleGenerator(nn.Module):
    """G of TUNIT (that of FUNIT): a content encoder with instance norm, a decoder with AdaIN, a style MLP.

    Instance norm takes mean and deviation of every channel from the content; AdaIN puts in those that an MLP makes of
    the style code. 27,333,763 weights with the defaults, which take 128x128 to a content of 512x16x16 and read 4,992
    AdaIN numbers.

    Args:
        style: length of a style code.
        base: channels at full size; they double with every halving.
        downs: halvings.
        blocks: residual blocks in the encoder, and as many in the decoder.
        hidden: width of the MLP's two hidden layers.
        kernels: sides of the convolutions at full size (the first and the last), and of those that lead upwards.
        part: of a residual branch that is added.
        first_norm: instance norm behind the first convolution; without, the content knows light and colours.
        unit_scales: let all AdaIN deviations begin near 1; else they begin as what Kaiming's weights make of a code.

    Shape: image ``(N, 3, H, W)`` in [-1, 1] and code ``(N, style)`` → ``(N, 3, H, W)`` in [-1, 1]; H and W are
    multiples of ``2 ** downs``. Raises ValueError if they are not, or the codes do not fit.
    """

    def __init__(
        self,
        style: int = 128,
        base: int = 64,
        downs: int = 3,
        blocks: int = 2,
        hidden: int = 256,
        kernels: tuple[int, int] = (7, 5),
        part: float = 0.1,
        first_norm: bool = True,
        unit_scales: bool = False,
    ):
        super().__init__()
        for name, value in {"style": style, "base": base, "downs": downs, "blocks": blocks, "hidden": hidden}.items():
            check_whole(name, value, 1)
        self.style, self.multiple = style, 2**downs
        outer, inner = kernels
        encoder: list[nn.Module] = [_convolution(3, base, outer)]
        encoder += [InstanceNorm2d(base)] if first_norm else []
        encoder.append(nn.ReLU())
        width = base
        for _ in range(downs):
            encoder += [_convolution(width, 2 * width, 4, 2), InstanceNorm2d(2 * width), nn.ReLU()]
            width *= 2
        self.encoder = nn.Sequential(*encoder, *(StyledResidual(width, part) for _ in range(blocks)))
        decoder: list[StyledResidual | Upwards] = [StyledResidual(width, part) for _ in range(blocks)]
        for _ in range(downs):
            decoder.append(Upwards(width, inner))
            width //= 2
        self.decoder = nn.ModuleList(decoder)
        self.last = _convolution(base, 3, outer)
        self.norms = [len(layer.numbers) for layer in decoder]  # AdaINs of each layer
        self.sizes = [size for layer in decoder for size in layer.numbers]  # and the numbers that each of them reads
        end = nn.Linear(hidden, sum(self.sizes))
        self.mlp = nn.Sequential(nn.Linear(style, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), end)
        initialise_kaiming(self)
        if unit_scales:
            with torch.no_grad():
                end.weight *= SMALLER
                for numbers in end.bias.split(self.sizes):
                    numbers[len(numbers) // 2 :] = 1

    def encode(self, image: Tensor) -> Tensor:
        """The content of images, ``(N, base * 2 ** downs, H / 2 ** downs, W / 2 ** downs)``."""
        check_input(image, self)
        height, width = image.shape[-2:]
        if height % self.multiple or width % self.multiple or min(height, width) < 2 * self.multiple:
            raise ValueError(
                f"this generator needs height and width that are multiples of {self.multiple}, at least "
                f"{2 * self.multiple}; the image is {height}x{width}"
            )
        return self.encoder(image)

    def decode(self, content: Tensor, code: Tensor) -> Tensor:
        """Images of a content in the styles of N codes."""
        check_floats(code)
        if code.shape != (len(content), self.style):
            raise ValueError(f"the codes are {tuple(code.shape)}; expected {(len(content), self.style)}, one an image")
        numbers = iter(self.mlp(code).split(self.sizes, dim=1))
        for layer, norms in zip(self.decoder, self.norms, strict=True):
            content = layer(content, tuple(next(numbers) for _ in range(norms)))
        return torch.tanh(self.last(content))

    def forward(self, image: Tensor, code: Tensor) -> Tensor:
        return self.decode(self.encode(image), code)
