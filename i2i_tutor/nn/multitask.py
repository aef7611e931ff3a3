"""A discriminator of many tasks: one question for each domain, "is this a real image of it?", on one shared body."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from i2i_tutor.contract import check_choice, check_input, check_whole, described, is_whole
from i2i_tutor.nn.layers import initialise_kaiming, precise

Body = Literal["residual", "patches"]
WIDEST = 1024  # channels
SMALLEST = 16  # pixels


class FilterResponseNorm(nn.Module):
    """Filter response normalisation with its thresholded linear unit, which begins as a ReLU.

    ``max(γ x / √(mean over places of x² + ε) + β, τ)`` of every channel: no mean is taken off, and no other image of
    the batch takes part. Singh and Krishnan, CVPR 2020, arXiv 1911.09737. Shape: ``(N, C, H, W)`` → the same.
    """

    def __init__(self, channels: int, epsilon: float = 1e-6):
        super().__init__()
        self.epsilon = epsilon
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.threshold = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        power = precise(x).square().mean((2, 3), keepdim=True)
        factor = self.scale * (power + self.epsilon).rsqrt()  # first of all: one map fewer to remember
        return torch.maximum(x * factor + self.shift, self.threshold)


class NormedResidual(nn.Module):
    """Norm, 3x3 convolution, norm, 3x3 convolution, beside a shortcut; half the size if ``halve``."""

    def __init__(self, width_in: int, width_out: int, halve: bool):
        super().__init__()
        pool = [nn.AvgPool2d(2)] if halve else []
        self.branch = nn.Sequential(
            *(FilterResponseNorm(width_in), nn.Conv2d(width_in, width_in, 3, padding=1), *pool),
            *(FilterResponseNorm(width_in), nn.Conv2d(width_in, width_out, 3, padding=1)),
        )
        change = [nn.Conv2d(width_in, width_out, 1, bias=False)] if width_in != width_out else []
        self.shortcut = nn.Sequential(*change, *pool)

    def forward(self, x: Tensor) -> Tensor:
        return (self.shortcut(x) + self.branch(x)) * 0.5**0.5


class MultiTaskDiscriminator(nn.Module):
    """D of TUNIT: K outputs, of which each image is judged by that of its own domain alone.

    The body "residual" is the paper's (that of StarGAN v2, with filter response norm): down to 4x4 with two residual
    blocks at each size, one logit an image and domain; 70,935,242 weights at 128 px with the other defaults. "patches"
    is three strided convolutions, one logit for each place of the map, small enough for a CPU.

    Args:
        domains: K.
        size: side of the images, a power of 2 from 16 for "residual", a multiple of 8 from 16 for "patches".
        base: channels of the first layer; they double with every halving, up to 1,024 ("residual").

    Shape: image ``(N, 3, size, size)`` and domain int64 ``(N,)`` in 0..K-1 → logits ``(N, h, w)``, 1x1 for "residual".
    Raises ValueError if they do not fit.
    """

    def __init__(self, domains: int = 10, size: int = 128, base: int = 64, body: Body = "residual"):
        super().__init__()
        check_whole("domains", domains, 1)
        check_whole("base", base, 1)
        check_choice("body", body, get_args(Body))
        check_whole("size", size, SMALLEST)
        fits = size.bit_count() == 1 if body == "residual" else size % 8 == 0
        if not fits:
            wanted = "a power of 2" if body == "residual" else "a multiple of 8"
            raise ValueError(f"size is {size}; a discriminator of {body} needs {wanted}, at least {SMALLEST}")
        self.size, self.domains = size, domains
        layers: list[nn.Module] = [nn.Conv2d(3, base, 3, padding=1)]
        width = base
        if body == "residual":
            while size > 4:
                wider = min(2 * width, WIDEST)
                layers += [NormedResidual(width, width, halve=False), NormedResidual(width, wider, halve=True)]
                size, width = size // 2, wider
            layers += [nn.LeakyReLU(0.2), nn.Conv2d(width, width, 4), nn.LeakyReLU(0.2), nn.Conv2d(width, domains, 1)]
        else:
            for _ in range(3):
                layers += [nn.LeakyReLU(0.2), nn.Conv2d(width, 2 * width, 4, 2, 1)]
                width *= 2
            layers += [nn.LeakyReLU(0.2), nn.Conv2d(width, domains, 3, padding=1)]
        self.layers = nn.Sequential(*layers)
        initialise_kaiming(self)

    def forward(self, image: Tensor, domain: Tensor) -> Tensor:
        check_input(image, self)
        if image.shape[-2:] != (self.size, self.size):
            raise ValueError(f"this discriminator takes images of {self.size}x{self.size}; got {tuple(image.shape)}")
        if not is_whole(domain) or domain.shape != image.shape[:1]:
            raise ValueError(f"expected a domain number for each of {len(image)} images; got {described(domain)}")
        if domain.device.type == "cpu":  # elsewhere it would wait for the device
            low, high = int(domain.min()), int(domain.max())
            if low < 0 or high >= self.domains:
                raise ValueError(f"the domains are numbers from {low} to {high}; expected 0 to {self.domains - 1}")
        # Bytes are numbers here; to torch they would be a mask
        return self.layers(image)[torch.arange(len(image), device=image.device), domain.long()]
