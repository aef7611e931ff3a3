"""The guiding network of TUNIT: what domain an image belongs to, and in what style it is, from one body."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_tutor.contract import check_choice, check_input, check_whole
from i2i_tutor.nn.layers import initialise_kaiming, precise

Body = Literal["vgg11", "small"]
# Widths of the 3x3 convolutions, in multiples of the first, and where the size is halved
LAYERS: dict[str, tuple[int, ...]] = {"vgg11": (1, 0, 2, 0, 4, 4, 0, 8, 8, 0, 8, 8, 0), "small": (1, 0, 2, 0, 4, 0, 4)}
HEAD_STD = 0.01
MEMORY = 0.95  # decay of the running loss by which a label head is chosen


class GuidingNetwork(nn.Module):
    """E of TUNIT: a VGG with batch norm, averaged over all places, and two linear heads on it.

    The label head gives the logits of K pseudo domains, the style head a style code. 9,296,778 weights with the
    defaults. Instead of one label head there may be several, all trained alike; the one whose loss has been lowest of
    late answers (``head_losses``).

    Args:
        domains: K.
        style: length of a style code.
        base: channels of the first layer.
        body: "vgg11", the paper's, or "small", four convolutions.
        heads: label heads.
        head_norm: batch norm in front of them.
        unit: scale every code to length 1.

    Shape: ``(N, 3, H, W)``, at least 32x32 for "vgg11" and 8x8 for "small" → logits ``(N, K)`` and codes
    ``(N, style)``, in fp32 at least. Raises ValueError if an image is too small.
    """

    head_losses: Tensor

    def __init__(
        self,
        domains: int = 10,
        style: int = 128,
        base: int = 64,
        body: Body = "vgg11",
        heads: int = 1,
        head_norm: bool = False,
        unit: bool = False,
    ):
        super().__init__()
        for name, value in {"domains": domains, "style": style, "base": base, "heads": heads}.items():
            check_whole(name, value, 1)
        check_choice("body", body, get_args(Body))
        self.domains, self.unit, self.smallest = domains, unit, 2 ** LAYERS[body].count(0)
        layers: list[nn.Module] = []
        width = 3
        for times in LAYERS[body]:
            if times:
                layers += [nn.Conv2d(width, times * base, 3, padding=1), nn.BatchNorm2d(times * base), nn.ReLU()]
                width = times * base
            else:
                layers.append(nn.MaxPool2d(2))
        self.trunk = nn.Sequential(*layers)
        labels, self.style_head = nn.Linear(width, heads * domains), nn.Linear(width, style)
        self.label_head = nn.Sequential(*([nn.BatchNorm1d(width)] if head_norm else []), labels)
        self.register_buffer("head_losses", torch.zeros(heads))
        initialise_kaiming(self.trunk, "fan_out")
        for head in (labels, self.style_head):
            nn.init.normal_(head.weight, 0.0, HEAD_STD)
            nn.init.zeros_(head.bias)

    def features(self, image: Tensor) -> Tensor:
        """What both heads read, ``(N, width)``."""
        check_input(image, self)
        if min(image.shape[-2:]) < self.smallest:
            raise ValueError(
                f"this guiding network needs at least {self.smallest}x{self.smallest} pixels; "
                f"the image is {image.shape[-2]}x{image.shape[-1]}"
            )
        return precise(self.trunk(image)).mean((2, 3))

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of all label heads, ``(N, heads, K)``, and style codes, of features."""
        with torch.autocast(features.device.type, enabled=False):  # both losses are small differences
            logits = self.label_head(features).unflatten(1, (-1, self.domains))
            code = self.style_head(features)
            return logits, F.normalize(code) if self.unit else code

    @torch.no_grad()
    def remember(self, losses: Tensor) -> None:
        """Note the loss of each label head, ``(heads,)``, so that the best of late can answer."""
        self.head_losses.lerp_(losses.to(self.head_losses.dtype), 1 - MEMORY)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logits, code = self.heads(self.features(image))
        return logits.index_select(1, self.head_losses.argmin().view(1)).squeeze(1), code
