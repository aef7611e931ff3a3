"""The networks of StarGAN and MatchGAN: a generator that is told a label, and a discriminator that reads one."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from i2i_tutor.contract import check_choice, check_floats, check_input, check_whole, described
from i2i_tutor.nn.layers import InstanceNorm2d

LabelIn = Literal["input", "norms"]
Body = Literal["paper", "small"]
MatchHead = Literal["none", "paper", "compares"]
DOWNS = 4  # a generator halves the image twice, so its sides must be multiples of 4
SHY = -1.0  # added to the logits of the mask, so that a generator begins by changing little


class LabelledNorm(nn.Module):
    """Instance norm whose scale and shift a label chooses, or, without one, are learnt (``labels=0``).

    The label is read as -1 and 1. Shape: ``(N, channels, H, W)`` and label ``(N, labels)`` of 0 and 1 → the same as the
    first.
    """

    def __init__(self, channels: int, labels: int):
        super().__init__()
        self.norm = InstanceNorm2d(channels, affine=not labels)
        self.read = nn.Linear(labels, 2 * channels) if labels else None
        if self.read is not None:
            nn.init.normal_(self.read.weight, 0.0, 0.2)
            nn.init.zeros_(self.read.bias)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        x = self.norm(x)
        if self.read is None:
            return x
        scale, shift = self.read(2 * label - 1)[..., None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


class LabelledResidual(nn.Module):
    """Two 3x3 convolutions with zero padding, added to their input; no ReLU after the sum."""

    def __init__(self, width: int, labels: int):
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(LabelledNorm(width, labels) for _ in range(2))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return x + self.norms[1](self.second(F.relu(self.norms[0](self.first(x), label))), label)


class LabelGenerator(nn.Module):
    """G of StarGAN: image and target label in, image out. 8,430,528 weights with the defaults, at any size.

    The label is stretched to ``labels`` constant planes beside the three of the image. A convolution makes of a
    constant plane a constant, which instance norm takes off again, except near the border, where **zero padding**
    breaks the plane: that is the only way in, and with reflection padding there would be none. With
    ``label_in="norms"`` the label also chooses scale and shift of every norm (Dumoulin, Shlens, Kudlur, *A Learned
    Representation for Artistic Style*, ICLR 2017).

    Args:
        labels: numbers in a label, K.
        base: channels at full size.
        blocks: residual blocks at a quarter of the size.
        kernel: side of the first and the last convolution, odd.
        label_in: where the label goes in, see above.
        change: do not draw the image anew but change it: ``x + m (colour - x)`` with a mask m, a fourth channel; and
            let the last layers see the features at half size once more. Upwards by nearest neighbour instead of
            transposed convolutions, and the planes of the label are -1 and 1 instead of 0 and 1.

    Shape: image ``(N, 3, H, W)`` in [-1, 1] and label ``(N, labels)`` of 0 and 1 → ``(N, 3, H, W)`` in [-1, 1]; H and W
    are multiples of 4, at least 8. Raises ValueError if they are not, or the labels do not fit.
    """

    def __init__(
        self,
        labels: int = 5,
        base: int = 64,
        blocks: int = 6,
        kernel: int = 7,
        label_in: LabelIn = "input",
        change: bool = False,
    ):
        super().__init__()
        for name, value in {"labels": labels, "base": base, "kernel": kernel}.items():
            check_whole(name, value, 1)
        check_whole("blocks", blocks, 0)
        check_choice("label_in", label_in, get_args(LabelIn))
        if kernel % 2 == 0:
            raise ValueError(f"kernel is {kernel}; expected an odd number, so that the size stays")
        self.labels, self.change = labels, change
        told = labels if label_in == "norms" else 0
        widths = (base, 2 * base, 4 * base)
        self.down = nn.ModuleList(
            (
                nn.Conv2d(3 + labels, widths[0], kernel, padding=kernel // 2, bias=False),
                *(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False) for width in widths[:2]),
            )
        )
        self.down_norms = nn.ModuleList(LabelledNorm(width, told) for width in widths)
        self.blocks = nn.ModuleList(LabelledResidual(widths[2], told) for _ in range(blocks))
        if change:
            inner = nn.Conv2d(widths[2], widths[1], 3, padding=1, bias=False)
            outer = nn.Conv2d(2 * widths[1], widths[0], 3, padding=1, bias=False)
            self.up = nn.ModuleList((inner, outer))
        else:
            self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 4, 2, 1, bias=False) for w in (widths[1], widths[0]))
        self.up_norms = nn.ModuleList(LabelledNorm(width, told) for width in (widths[1], widths[0]))
        self.last = nn.Conv2d(base, 4 if change else 3, kernel, padding=kernel // 2, bias=change)

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        drawn, mask = self.layers(image, label)
        return drawn if mask is None else image + mask * (drawn - image)

    def mask(self, image: Tensor, label: Tensor) -> Tensor:
        """Where the image is changed, ``(N, 1, H, W)`` from 0 to 1; raises ValueError if it is drawn anew."""
        _, mask = self.layers(image, label)
        if mask is None:
            raise ValueError("this generator draws images anew and has no mask; build it with change=True")
        return mask

    def layers(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the last layer draws, ``(N, 3, H, W)``, and its mask, if it has one."""
        self._check(image, label)
        label = label.to(image.dtype)
        planes = (2 * label - 1 if self.change else label)[..., None, None].expand(-1, -1, *image.shape[2:])
        x, seen = torch.cat([image, planes], dim=1), []
        for convolution, norm in zip(self.down, self.down_norms, strict=True):
            x = F.relu(norm(convolution(x), label))
            seen.append(x)
        for block in self.blocks:
            x = block(x, label)
        for number, (convolution, norm) in enumerate(zip(self.up, self.up_norms, strict=True)):
            if self.change:
                x = torch.cat([x, seen[1]], dim=1) if number else x
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = F.relu(norm(convolution(x), label))
        x = self.last(x)
        if not self.change:
            return torch.tanh(x), None
        return torch.tanh(x[:, :3]), torch.sigmoid(x[:, 3:] + SHY)

    def _check(self, image: Tensor, label: Tensor) -> None:
        check_input(image, self, 3)
        height, width = image.shape[-2:]
        if height % DOWNS or width % DOWNS or min(height, width) < 2 * DOWNS:
            raise ValueError(
                f"this generator needs height and width that are multiples of {DOWNS}, at least {2 * DOWNS}; "
                f"the image is {height}x{width}"
            )
        check_floats(label)
        if label.shape != (len(image), self.labels):
            raise ValueError(
                f"the labels are {described(label)}; expected {(len(image), self.labels)}, one row an image"
            )
        if label.device != image.device:
            raise ValueError(f"the labels are on {label.device}, the images on {image.device}; expected one device")


class LabelDiscriminator(nn.Module):
    """D of StarGAN and MatchGAN: is it real, what label has it, and, of two images, have they the same label?

    All heads read one embedding. The body "paper" is ``layers`` strided 4x4 convolutions without any norm, each halving
    the image and doubling the channels; the heads are one convolution each. With the defaults (128 px) 44,762,048
    weights, and 32,768 more with the paper's match head.

    The body "small", for a CPU, has spectral norm on every convolution but the heads of label, match and turns (Miyato
    et al., ICLR 2018), asks "real?" of small patches after two layers, and lets those heads read two layers deeper.

    The match head "paper" is one convolution over the two embeddings side by side, [a; b], as large as their map. It is
    **linear**: each logit is a sum of something of a and something of b, ``f(a) + g(b)``. "compares" is one convolution
    over what the two differ in, ``|a - b|``.

    Args:
        labels: numbers in a label, K.
        size: side of the images, a multiple of ``2 ** layers`` ("small": of 8, at least 16).
        base: channels of the first layer.
        layers: strided convolutions of the body "paper"; "small" always has four.
        body: see above.
        match_head: see above; "none" leaves it out.
        turns: whether there is a head that tells by how many right angles an image was turned.
    """

    def __init__(
        self,
        labels: int = 5,
        size: int = 128,
        base: int = 64,
        layers: int = 6,
        body: Body = "paper",
        match_head: MatchHead = "none",
        turns: bool = False,
    ):
        super().__init__()
        for name, value in {"labels": labels, "base": base, "layers": layers, "size": size}.items():
            check_whole(name, value, 1)
        check_choice("body", body, get_args(Body))
        check_choice("match_head", match_head, get_args(MatchHead))
        depth, multiple = (layers, 2**layers) if body == "paper" else (4, 8)  # an odd size is rounded down at last
        if size % multiple or size < 2**depth:
            raise ValueError(
                f"size is {size}; with {depth} halvings it must be a multiple of {multiple}, at least {2**depth}"
            )
        self.size, self.labels, self.match_head = size, labels, match_head
        side, bias = size // 2**depth, body == "small"
        if body == "paper":
            widths = [base * 2**level for level in range(layers)]
            self.trunk = nn.Sequential(*_halvings(3, widths, 0.01))
            self.deep: nn.Module = nn.Identity()
            self.source: nn.Module = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)
            embedded = widths[-1]
        else:
            embedded = 4 * base
            self.trunk = nn.Sequential(*_halvings(3, [base, 2 * base], 0.2))
            self.deep = nn.Sequential(*_halvings(2 * base, [embedded, embedded], 0.2))
            patches = (nn.Conv2d(2 * base, embedded, 4, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(embedded, 1, 4, 1, 1))
            self.source = nn.Sequential(*patches)
            for part in (self.trunk, self.deep, self.source):
                for module in part.modules():
                    if isinstance(module, nn.Conv2d):
                        spectral_norm(module)
        self.label = nn.Conv2d(embedded, labels, side, bias=bias)
        pairs = embedded if match_head == "compares" else 2 * embedded
        self.same = None if match_head == "none" else nn.Conv2d(pairs, 2, side, bias=bias)
        self.turn = nn.Conv2d(embedded, 4, side, bias=bias) if turns else None

    def forward(self, image: Tensor, covered: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of "real?" ``(N, 1, h, w)`` and of the label ``(N, labels)``, and the embedding ``(N, C, s, s)``.

        ``covered``: another view of the images, from which label and embedding are read instead.
        """
        seen = self._look(image)
        source = self.source(seen)
        embedding = self.deep(seen if covered is None else self._look(covered))
        return source, self.label(embedding).flatten(1), embedding

    def match(self, one: Tensor, other: Tensor) -> Tensor:
        """Two logits for each pair of embeddings, ``(P, C, s, s)`` each → ``(P, 2)``: not the same label, the same."""
        if self.same is None:
            raise ValueError("this discriminator has no match head; build it with match_head='paper' or 'compares'")
        self._check(one)
        self._check(other)
        if one.shape != other.shape:
            raise ValueError(f"the embeddings are {tuple(one.shape)} and {tuple(other.shape)}; expected equal shapes")
        pair = (one - other).abs() if self.match_head == "compares" else torch.cat([one, other], dim=1)
        return self.same(pair).flatten(1)

    def turned(self, embedding: Tensor) -> Tensor:
        """Logits ``(N, 4)`` of how many right angles an image was turned by, from its embedding."""
        if self.turn is None:
            raise ValueError("this discriminator has no head for turns; build it with turns=True")
        self._check(embedding)
        return self.turn(embedding).flatten(1)

    def _check(self, embedding: Tensor) -> None:
        expected = tuple(self.label.weight.shape[1:])
        if not isinstance(embedding, Tensor) or not embedding.is_floating_point() or embedding.shape[1:] != expected:
            wanted = ", ".join(map(str, expected))
            raise ValueError(f"the embeddings are {described(embedding)}; expected floats (N, {wanted})")

    def _look(self, image: Tensor) -> Tensor:
        check_input(image, self)
        if image.shape[-2:] != (self.size, self.size):
            raise ValueError(f"this discriminator takes images of {self.size}x{self.size}; got {tuple(image.shape)}")
        return self.trunk(image)


def _halvings(width_in: int, widths: list[int], slope: float) -> list[nn.Module]:
    """Strided 4x4 convolutions to these widths, with biases, a leaky ReLU behind each."""
    stack: list[nn.Module] = []
    for width in widths:
        stack += [nn.Conv2d(width_in, width, 4, 2, 1), nn.LeakyReLU(slope)]
        width_in = width
    return stack
