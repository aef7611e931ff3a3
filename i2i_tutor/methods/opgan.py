"""OP-GAN: Xie, Chen, Li, Shen, Ma, Zheng, *Self-Supervised CycleGAN for Object-Preserving Image-to-Image Domain
Adaptation*, ECCV 2020.

CycleGAN compares a picture with its round trip, never with its translation. OP-GAN adds a Siamese network S that is
shown cells of both: cells of one place must have the same *content*, and S tells from which domain two cells come. Who
made the cells is known, so nobody labels anything.

Neither the paper's text nor an official code was at hand; what we know comes from two summaries of it. What one of
them alone says (the weights α and β, which pairs have a content loss) we take from it; the rest is marked "our choice".
Three contents can be chosen. ``content="literal"`` is the paper's as the summaries give it; that S minimises it, too,
neither says in words. S may make its content maps constant, which costs nothing. ``content="stabilised"`` is this
book's extension: maps are standardised, and the content half of S learns from real pictures alone, to find a cell again
whose colours have been changed. ``content="edges"`` compares edges, without any network.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from i2i_tutor import losses
from i2i_tutor.contract import check_images, check_layout
from i2i_tutor.methods.base import WEIGHT, WIDTH, OptimiserFactory, Scene, Terms, Turn
from i2i_tutor.methods.cyclegan import CycleGAN, CycleGANRecipe
from i2i_tutor.nn.convolutions import PaddedConv2d
from i2i_tutor.nn.layers import in_mode, precise
from i2i_tutor.parameters import ParameterError, Range
from i2i_tutor.schedules import Schedule

GRID = 3  # cells a side
CELLS = GRID * GRID
CLASSES = {"D1": 0, "D2": 1, "C1": 2, "C2": 2}  # of the domain loss
SLOPE = 0.2  # of S's leaky units below 0
FLAT = 1e-3  # added to a map's variance: a flat cell keeps a small map, rather than a magnified noise
TEMPERATURE = 0.2  # of "which of the nine cells is it?"
WAVES, FREQUENCY = 6, 1.5  # of a random map of colours; radians for half the range of a channel

Pair = tuple[int, int]  # places among the 18 cells: 0 to 8 in the picture of domain a, 9 to 17 in that of domain b


def receptive_field(kernel: int, layers: int, stride: int) -> int:
    """Pixels a side that a point of S's maps looks at: 21 in the paper's size, as we built it."""
    return kernel + 2 * sum(stride**number for number in range(layers))


@dataclass(frozen=True)
class OPGANRecipe(CycleGANRecipe):
    """The numbers of OP-GAN. Steps, rates, batch and pool of the defaults are CycleGAN's: no source names others."""

    lambda_identity: float = 0.0
    content: Annotated[
        Literal["literal", "stabilised", "edges"], "content loss: the paper's, this book's, or edges without a network"
    ] = "literal"
    lambda_content: Annotated[float, WEIGHT, "weight of the content loss; 0 leaves it out"] = 1.0  # the paper's β
    lambda_domain: Annotated[float, WEIGHT, "weight of the domain loss; 0 leaves it out"] = 1.0  # β, too
    # Our choice: by the uniform law the content loss would be there in one of 17 steps
    sampling: Annotated[
        Literal["balanced", "uniform"], "of pairs: one of every class, or any two of the 18 cells"
    ] = "balanced"  # fmt: skip
    pairs: Annotated[int, Range(1, 153), "drawn in each direction: of every class, or in all"] = 1
    # Our choice, for the stabilised content only: there is nothing to keep before S has learnt to look
    warm_up: Annotated[int, Range(0, 1_000_000), "first steps, in which S alone learns"] = 0
    siamese_rate: Annotated[float, Range(1e-9, 1), "learning rate of the Siamese network"] = 2e-4
    # Our choice: of S we know that 85 pixels become 11x11x512 twice
    siamese_base: Annotated[int, WIDTH, "channels of the first layer of the Siamese network"] = 64
    siamese_layers: Annotated[int, Range(1, 5), "of its encoder, before the one that is divided"] = 3
    siamese_features: Annotated[int, WIDTH, "channels of content and of domain"] = 512
    siamese_kernel: Annotated[int, Range(1, 15), "side of its first kernel in pixels, an odd number"] = 7
    siamese_stride: Annotated[int, Range(1, 2), "of all its layers but the first"] = 2

    def __post_init__(self):
        super().__post_init__()
        if not self.adversarial:
            raise ParameterError("OP-GAN has discriminators; set adversarial=True")
        if self.siamese_kernel % 2 == 0:
            raise ParameterError(f"siamese_kernel is {self.siamese_kernel}; a kernel with a middle has an odd side")
        if self.warm_up and not (self.content == "stabilised" and self.lambda_content):
            raise ParameterError("warm_up teaches the stabilised content; without that content set warm_up=0")
        if self.warm_up >= self.steps:
            raise ParameterError(
                f"warm_up is {self.warm_up} of {self.steps} steps; the generators need some, too; set a smaller warm_up"
            )
        field, side = receptive_field(self.siamese_kernel, self.siamese_layers, self.siamese_stride), self.size // GRID
        if self.has_siamese and side < field:
            smallest = -(-GRID * field // 4) * 4  # a multiple of 4, as the generators need it
            raise ParameterError(
                f"at size {self.size} a cell of the {GRID} x {GRID} grid has {side} pixels a side, fewer than the "
                f"{field} that a point of S's maps looks at; choose size {smallest} or more, or a smaller S"
            )

    @property
    def has_siamese(self) -> bool:
        """Whether a loss asks for S. With no loss at all an OP-GAN is a CycleGAN."""
        return self.lambda_domain > 0 or (self.lambda_content > 0 and self.content != "edges")

    def rates(self) -> Schedule:
        """CycleGAN's, which begin to count behind the warm-up."""
        if not self.warm_up:
            return super().rates()
        later = replace(self, steps=self.steps - self.warm_up, warm_up=0).rates()
        return lambda step: later(max(0, step - self.warm_up))


RECIPES = {
    "smoke": OPGANRecipe(
        size=32, load_size=36, batch=2, steps=6, epoch=0, base=4, blocks=1, patch_layers=1, learning_rate=1e-3,
        lambda_identity=5.0, content="stabilised", lambda_content=4.0, warm_up=3, siamese_rate=2e-3, siamese_base=4,
        siamese_layers=2, siamese_features=8, siamese_kernel=3, siamese_stride=1, average=0.99,
    ),
    # Smaller pictures and networks, higher rates, the stabilised content. Identity terms, since content that is blind
    # to the order of brightness would let colours invert. Tuned on seeds 10 to 12.
    "fast": OPGANRecipe(
        size=64, load_size=72, batch=1, steps=1300, epoch=0, base=16, blocks=3, patch_layers=2, learning_rate=5e-4,
        lambda_identity=5.0, content="stabilised", lambda_content=4.0, warm_up=400, siamese_rate=2e-3, siamese_base=8,
        siamese_layers=2, siamese_features=16, siamese_kernel=3, siamese_stride=1, average=0.99,
    ),
    "paper": OPGANRecipe(),
}  # fmt: skip


# --- cells and pairs -----------------------------------------------------------------------------------------------


def cells(images: Tensor) -> Tensor:
    """The nine cells of every image, row by row: ``(N, C, H, W)`` → ``(N, 9, C, H // 3, W // 3)``.

    Rows and columns that are left over, on the right and below, belong to no cell (our choice): of 256 pixels one.
    Raises ValueError if a side has fewer than 3 pixels.
    """
    check_layout(images)
    height, width = (side // GRID for side in images.shape[-2:])
    if not (height and width):
        raise ValueError(f"the images are {images.shape[-2]}x{images.shape[-1]}; a 3 x 3 grid needs 3 pixels a side")
    cut = images[..., : GRID * height, : GRID * width]
    return cut.unflatten(-2, (GRID, height)).unflatten(-1, (GRID, width)).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


def assembled(patches: Tensor) -> Tensor:
    """Nine cells side by side again: ``(N, 9, C, h, w)`` → ``(N, C, 3 h, 3 w)``."""
    return patches.unflatten(1, (GRID, GRID)).permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def scenario(pair: Pair) -> Literal["D1", "D2", "C1", "C2"]:
    """What two of the 18 cells have in common.

    D1, D2: both are of domain a, or of domain b. C1: one of each, from the same place. C2: one of each, from two
    places. That D1 means domain a in both directions, and not "the original" in each, is our choice: with one S for
    both directions it would otherwise be told two things of the same pair.
    """
    first, second = sorted(pair)
    if not 0 <= first < second < 2 * CELLS:
        raise ValueError(f"the pair is {pair}; expected two different whole numbers from 0 to {2 * CELLS - 1}")
    if second < CELLS:
        return "D1"
    if first >= CELLS:
        return "D2"
    return "C1" if second - first == CELLS else "C2"


def uniform_pair() -> Pair:
    """Any two of the 18 cells, the smaller place first: D1 and D2 in 36 of 153 cases each, C1 in 9, C2 in 72."""
    first, second = sorted(torch.randperm(2 * CELLS)[:2].tolist())
    return first, second


def balanced_pairs() -> list[Pair]:
    """One pair of every class of the domain loss: D1, D2, and C1 or C2, which are equally likely."""
    first, second = torch.randperm(CELLS)[:2].tolist()
    other = first if torch.rand(()) < 0.5 else second
    low, high = sorted((first, second))
    return [(low, high), (low + CELLS, high + CELLS), (first, other + CELLS)]


# --- the losses ----------------------------------------------------------------------------------------------------


def content_loss(map_a: Tensor, map_b: Tensor) -> Tensor:
    """L_cc: the mean squared difference of two content maps of one shape, over all pixels of the patch."""
    return losses.l2(map_a, map_b)


def domain_loss(logits: Tensor, pairs: Sequence[Pair]) -> Tensor:
    """L_dc: the cross-entropy of three classes, both of a (0), both of b (1), one of each (2); mean of all pairs.

    logits: ``(N, P, 3)`` for the P pairs of N images.
    """
    classes = torch.tensor([CLASSES[scenario(pair)] for pair in pairs], device=logits.device)
    return F.cross_entropy(precise(logits).flatten(0, 1), classes.repeat(len(logits)))


def standardised(maps: Tensor) -> Tensor:
    """Content maps ``(..., h, w)`` with mean 0 and variance 1 (flat ones: less), each by itself; in fp32 at least."""
    maps = precise(maps)
    centred = maps - maps.mean((-2, -1), keepdim=True)
    return centred / (centred.square().mean((-2, -1), keepdim=True) + FLAT).sqrt()


def recoloured(patches: Tensor) -> Tensor:
    """The cells ``(N, 9, 3, h, w)`` in [-1, 1] in other colours, by one random change for each image (our choice).

    Every colour becomes another, by a smooth map that is drawn anew: a few waves through the space of colours, mixed.
    So no order of brightness survives, nor which edges are strong and which weak. Then light falls off to one side,
    and grain is added. What remains is where something changes. The result lies in [-1.2, 1.2].
    """
    count, device = len(patches), patches.device

    def between(low: float, high: float, *shape: int) -> Tensor:
        return (low + (high - low) * torch.rand(count, 1, *shape)).to(device)

    directions, mixture = FREQUENCY * torch.randn(count, WAVES, 3), torch.randn(count, 3, WAVES) / WAVES**0.5
    through = torch.einsum("nij,npjhw->npihw", directions.to(patches), patches)
    waves = torch.sin(through + between(0, 2 * torch.pi, WAVES, 1, 1))
    parts = torch.einsum("nij,npjhw->npihw", mixture.to(patches), waves) * between(0.35, 1, 1, 1, 1)
    down, across = (torch.linspace(-0.5, 0.5, side, device=device) for side in patches.shape[-2:])
    parts = parts + between(-0.4, 0.4, 1, 1, 1) * down[:, None] + between(-0.4, 0.4, 1, 1, 1) * across
    return (parts + 0.04 * torch.randn(patches.shape).to(device)).clamp(-1.2, 1.2).to(patches.dtype)


def registration_loss(maps: Tensor, others: Tensor) -> Tensor:
    """What S minimises for its content if stabilised, on standardised maps ``(N, 9, h, w)`` (our choice).

    Corresponding maps are alike (L_cc), and each finds its partner among the nine of its image: a cross-entropy whose
    logits are correlations, divided by ``TEMPERATURE``. A constant map finds nothing, so the maps cannot collapse.
    """
    one, other = maps.flatten(2), others.flatten(2)
    alike = torch.einsum("nip,njp->nij", one, other) / (one.shape[-1] * TEMPERATURE)
    places = torch.arange(CELLS, device=maps.device).repeat(len(maps))
    return content_loss(maps, others) + F.cross_entropy(alike.flatten(0, 1), places)


def edges(images: Tensor) -> Tensor:
    """Where something changes, whatever the colours: ``(N, 3, H, W)`` → ``(N, 1, H - 1, W - 1)`` in 0..1.

    The size of the gradient of a slightly blurred picture, e, as e / (e + half its mean). It needs no network.
    """
    smooth = F.avg_pool2d(F.pad(precise(images), (1, 1, 1, 1), "replicate"), 3, 1)
    down, across = smooth[..., 1:, :-1] - smooth[..., :-1, :-1], smooth[..., :-1, 1:] - smooth[..., :-1, :-1]
    size = (down.square() + across.square()).sum(1, keepdim=True).add(1e-5).sqrt()
    return size / (size + 0.5 * size.mean((2, 3), keepdim=True).detach())


# --- the Siamese network -------------------------------------------------------------------------------------------


class Siamese(nn.Module):
    """S: one encoder for both patches, whose features are divided into content c and domain d, and a head for each.

    The content head is a 1x1 convolution to one map, brought to the patch's size by interpolation; the domain head
    sees the d of two patches, concatenated. There is no norm: instance norm would take away the brightness that tells
    domains apart. Borders repeat the outermost pixel, since zeros draw a frame around every flat patch. Number of map
    channels (1), norm, borders, the layers and the domain head's mean over places are our choice. At base 64 with 512
    features S has 2,742,404 weights, and makes 11x11x512 of content and of domain out of 85 pixels.
    """

    def __init__(self, base: int = 64, layers: int = 3, features: int = 512, kernel: int = 7, stride: int = 2):
        super().__init__()
        widths = [3, *(base * 2**number for number in range(layers)), 2 * features]
        steps: list[nn.Module] = []
        for number, (before, width) in enumerate(pairwise(widths)):
            side = 3 if number else kernel
            steps.append(
                PaddedConv2d(before, width, side, stride if number else 1, side // 2, padding_mode="replicate")
            )  # fmt: skip
            steps.append(nn.LeakyReLU(SLOPE))
        self.encoder = nn.Sequential(*steps)
        self.content_head = nn.Conv2d(features, 1, 1)
        self.domain_head = nn.Linear(2 * features, 3)
        for part in self.encoder:  # with PyTorch's own smaller weights every map is flat at first, and may stay so
            if isinstance(part, nn.Conv2d):
                assert part.bias is not None
                nn.init.kaiming_normal_(part.weight, SLOPE)
                nn.init.zeros_(part.bias)
        nn.init.normal_(self.content_head.weight, 0, features**-0.5)

    def encode(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Content c and domain d of patches ``(N, 3, h, w)``, each ``(N, features, h', w')``."""
        content, domain = self.encoder(patches).chunk(2, dim=1)
        return content, domain

    def content(self, patches: Tensor) -> Tensor:
        """The content map of every patch: ``(N, ..., 3, h, w)`` → ``(N, ..., h, w)``, with values of any size."""
        many = patches.flatten(0, -4) if patches.ndim > 4 else patches
        maps = self.content_head(self.encode(many)[0])
        maps = F.interpolate(maps, size=patches.shape[-2:], mode="bilinear", align_corners=False)
        return maps.view(*patches.shape[:-3], *patches.shape[-2:])

    def domain(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits of the three classes of pairs: two ``(..., 3, h, w)`` → ``(..., 3)``."""
        both = torch.stack([first, second])
        found = precise(self.encode(both.flatten(0, -4))[1]).mean((2, 3)).view(*both.shape[:-3], -1)
        return self.domain_head(torch.cat([found[0], found[1]], dim=-1))


# --- the game ------------------------------------------------------------------------------------------------------


class OPGAN(CycleGAN):
    """The game of OP-GAN. Batches hold ``a`` and ``b``, ``(N, 3, H, W)`` in [-1, 1], that have nothing in common.

    The generators move while S and the discriminators stay, then S and the discriminators move. Both directions go
    through one S, and their losses are added (our choice). S is shown the translations of this very step, never those
    of a pool, because it compares them with their originals.
    """

    name = "opgan"
    recipe_type = OPGANRecipe
    recipe: OPGANRecipe

    def __init__(self, recipe: OPGANRecipe):
        super().__init__(recipe)
        self.siamese = self.new_siamese() if recipe.has_siamese else None
        self.keep_averages(recipe.average, "g_ab", "g_ba")
        if self.siamese is not None:
            self.turns = (
                Turn("generator_loss", ("g_ab", "g_ba")),
                Turn("discriminator_loss", ("d_a", "d_b", "siamese")),
            )
        self._learning = (Turn("warm_up_loss", ("siamese",)),)

    def new_siamese(self) -> Siamese:
        """An untrained S."""
        numbers = self.recipe
        return Siamese(
            numbers.siamese_base, numbers.siamese_layers, numbers.siamese_features, numbers.siamese_kernel,
            numbers.siamese_stride,
        )  # fmt: skip

    def optimisers(self) -> dict[str, OptimiserFactory]:
        """Adam for every network; S has a rate of its own."""
        factories = super().optimisers()
        return factories | ({"siamese": self.siamese_optimiser} if "siamese" in factories else {})

    def siamese_optimiser(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """What moves S."""
        optimiser = self.optimiser(parameters)
        for group in optimiser.param_groups:
            group["lr"] = self.recipe.siamese_rate
        return optimiser

    def begin(self, step: int) -> tuple[Turn, ...]:
        """Both turns; in the warm-up S alone, on real pictures."""
        return self._learning if step < self.recipe.warm_up else self.turns

    def forward(self, scene: Scene) -> None:
        """CycleGAN's pictures, and the pairs of cells that S will be shown; none of them in the warm-up."""
        names = ("fake_b", "fake_a", "cycled_a", "cycled_b", "pairs", "content_pairs")
        for name in names:
            setattr(scene, name, None)
        if scene.step < self.recipe.warm_up:
            return
        super().forward(scene)
        if self.siamese is None:
            return
        scene.pairs, scene.content_pairs = zip(*(self.draw_pairs() for _ in self.directions), strict=True)

    def draw_pairs(self) -> tuple[list[Pair], list[Pair]]:
        """The pairs of one direction for the domain loss, and those for the literal content loss."""
        count = self.recipe.pairs
        if self.recipe.sampling == "uniform":
            drawn = [uniform_pair() for _ in range(count)]
            return drawn, [pair for pair in drawn if scenario(pair) == "C1"]
        drawn = [pair for _ in range(count) for pair in balanced_pairs()]
        places = torch.randint(CELLS, (count,)).tolist()
        return drawn, [(place, place + CELLS) for place in places]

    def both_directions(self, scene: Scene) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Of a → b and of b → a: the picture in domain a and the picture in domain b."""
        return (scene.batch["a"], scene.fake_b), (scene.fake_a, scene.batch["b"])

    def generator_loss(self, scene: Scene) -> Terms:
        """CycleGAN's terms, and β L_S = β (L_cc + L_dc) of both directions."""
        recipe, terms = self.recipe, super().generator_loss(scene)
        if recipe.lambda_content:
            terms["content"] = recipe.lambda_content * self.content_of(scene)
        if recipe.lambda_domain:
            terms["domain"] = recipe.lambda_domain * self.domain_of(scene)
        return terms

    def discriminator_loss(self, scene: Scene) -> Terms:
        """What the discriminators minimise, and what S does: not against the generators, but with them."""
        recipe, terms = self.recipe, super().discriminator_loss(scene)
        if self.siamese is None:
            return terms
        scene.fake_a, scene.fake_b = scene.fake_a.detach(), scene.fake_b.detach()
        if recipe.lambda_content and recipe.content != "edges":
            literal = recipe.content == "literal"
            terms["siamese_content"] = self.content_of(scene) if literal else self.registration(scene)
        if recipe.lambda_domain:
            terms["siamese_domain"] = self.domain_of(scene)
        return terms

    def warm_up_loss(self, scene: Scene) -> Terms:
        """What S minimises before the game begins."""
        return {"siamese_content": self.registration(scene)}

    def content_of(self, scene: Scene) -> Tensor:
        """The content loss of both directions, added: of drawn C1 pairs, of all cells if stabilised, or of edges."""
        siamese = self.siamese
        total = scene.fake_a.new_zeros((), dtype=torch.float32)
        for number, (in_a, in_b) in enumerate(self.both_directions(scene)):
            if self.recipe.content == "edges":
                total = total + (edges(in_a) - edges(in_b)).abs().mean()
                continue
            assert siamese is not None
            if self.recipe.content == "stabilised":
                maps = standardised(siamese.content(torch.cat([cells(in_a), cells(in_b)])))
                total = total + content_loss(*maps.chunk(2))
            elif scene.content_pairs[number]:
                first, second = chosen(in_a, in_b, scene.content_pairs[number])
                total = total + content_loss(siamese.content(first), siamese.content(second))
        return total

    def domain_of(self, scene: Scene) -> Tensor:
        """The domain loss of both directions, added."""
        assert self.siamese is not None
        both = zip(self.both_directions(scene), scene.pairs, strict=True)
        return torch.stack(
            [domain_loss(self.siamese.domain(*chosen(in_a, in_b, pairs)), pairs) for (in_a, in_b), pairs in both]
        ).sum()

    def registration(self, scene: Scene) -> Tensor:
        """``registration_loss`` of the real pictures of both domains and of the same in other colours."""
        assert self.siamese is not None
        real = cells(torch.cat([scene.batch["a"], scene.batch["b"]]))
        maps = standardised(self.siamese.content(torch.cat([real, recoloured(real)])))
        return registration_loss(*maps.chunk(2))

    def content_maps(self, images: Tensor, standard: bool = True) -> Tensor:
        """S's maps of images ``(N, 3, H, W)`` in [-1, 1], their nine cells side by side: ``(N, 1, 3 (H // 3), ...)``.

        ``standard``: as the stabilised loss compares them. Raises ValueError if the images break the data contract,
        or if the method has no S.
        """
        check_images(images, 3)
        if self.siamese is None:
            raise ValueError("this OP-GAN has no Siamese network, because no loss asks for one; it has no content maps")
        with torch.no_grad(), in_mode(self, training=False):
            maps = self.siamese.content(cells(images))[:, :, None]
            return assembled(standardised(maps) if standard else maps)


def chosen(in_a: Tensor, in_b: Tensor, pairs: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    """The first and the second cells of P pairs, ``(N, P, 3, h, w)`` each, out of pictures in domain a and in b."""
    pool = torch.cat([cells(in_a), cells(in_b)], dim=1)  # (N, 18, 3, h, w)
    first, second = zip(*pairs, strict=True)
    return pool[:, list(first)], pool[:, list(second)]
