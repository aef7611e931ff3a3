"""StarGAN (Choi et al., CVPR 2018) and MatchGAN (Sun, Bhattarai, Kim, ACCV 2020, arXiv 2006.06614).

StarGAN: one generator for all edits of a face. It is told the whole target label, and the discriminator reads labels
as well as it judges: whoever fools it must have changed what was asked for.

MatchGAN: what if few faces have a label? Then the others are given labels, as **targets**: any label that makes sense
may be asked for of any face, labelled or not. And two outputs with the same target should look alike to the
discriminator, two with different targets should not: the match loss asks about pairs, of real labelled images in D's
turn and of fakes in G's.

The paper's text was out of our reach; what goes beyond its abstract follows the official code. Four things are done
otherwise there: its rate hardly falls, because a factor is forgotten (``decay=0`` is nearly that); it passes images
through D twice more for the pairs, whose embeddings are the same; its instance norm keeps running statistics, and it
translates in training mode to stay clear of them; and the root in its gradient penalty has no guard at a gradient of
exactly 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_tutor import losses
from i2i_tutor.contract import Batch, check_floats, check_images, check_same_shape
from i2i_tutor.methods.base import WEIGHT, WIDTH, AveragingRecipe, Method, Scene, Terms, Turn
from i2i_tutor.nn.labelled import Body, LabelDiscriminator, LabelGenerator, LabelIn, MatchHead
from i2i_tutor.nn.layers import in_mode, precise
from i2i_tutor.parameters import ParameterError, Range

IN_A_GROUP = 4  # images of one label in a batch of MatchGAN
FEWEST_GROUPS = 3  # with two, one of the two "negatives" of a group is of its own
MOST_SPELT = 12  # numbers in a label whose combinations ``directions`` spells out


@dataclass(frozen=True)
class StarGANRecipe(AveragingRecipe):
    """The numbers of StarGAN. The defaults are the official code's, for CelebA at 128 px."""

    size: int = 128
    batch: int = 16
    steps: int = 200_000
    learning_rate: float = 1e-4
    decay: float = 0.0
    labels: Annotated[int, Range(1, 1000), "numbers in a label, K"] = 5
    exclusive: Annotated[bool, "exactly one number of a label is 1 (softmax), or each is 0 or 1 by itself"] = False
    critic: Annotated[int, Range(1, 1000), "D's turns for one of G's (n_critic)"] = 5
    # The losses
    objective: Annotated[Literal["wasserstein", "hinge"], "of the adversarial terms"] = "wasserstein"
    weight_adversarial: Annotated[float, WEIGHT, "of the adversarial term in G's turn"] = 1.0
    gradient_penalty: Annotated[float, WEIGHT, "of D's gradient penalty (WGAN-GP)"] = 10.0
    weight_label: Annotated[float, WEIGHT, "of the label losses of D and G"] = 1.0
    weight_reconstruction: Annotated[float, WEIGHT, "of the L1 distance after the way there and back"] = 10.0
    cover: Annotated[float, Range(0, 1), "side of the square hidden from D's label head, as part of the image's"] = 0.0
    # The networks
    base: Annotated[int, WIDTH, "channels of the generator's first layer"] = 64
    blocks: Annotated[int, Range(0, 64), "residual blocks of the generator"] = 6
    kernel: Annotated[int, Range(1, 31), "side of the generator's first and last convolution, odd"] = 7
    label_in: Annotated[LabelIn, "where the label enters the generator: with the image, or in its norms, too"] = "input"
    change: Annotated[bool, "the generator changes the image under a mask, and does not draw it anew"] = False
    body: Annotated[Body, "of the discriminator: the paper's, or one with spectral norm for small images"] = "paper"
    discriminator_base: Annotated[int, WIDTH, "channels of the discriminator's first layer"] = 64
    layers: Annotated[int, Range(1, 10), "halvings in the discriminator's paper body"] = 6

    def __post_init__(self):
        super().__post_init__()
        if self.kernel % 2 == 0:
            raise ParameterError(f"kernel is {self.kernel}; expected an odd number, so that the size stays")
        depth, multiple = (self.layers, 2**self.layers) if self.body == "paper" else (4, 8)
        if self.size % 4 or self.size % multiple or self.size < max(8, 2**depth):
            raise ParameterError(
                f"size is {self.size}; the networks need a multiple of {max(4, multiple)}, at least {max(8, 2**depth)}"
            )


@dataclass(frozen=True)
class MatchGANRecipe(StarGANRecipe):
    """The numbers of MatchGAN: StarGAN's, and those of the match loss."""

    unlabelled: Annotated[bool, "every other batch has no labels"] = True
    groups: Annotated[int, Range(1, 1000), "labels in a batch, four images of each in it"] = 4
    weight_match: Annotated[float, WEIGHT, "of the match losses of D and G; 0 leaves the head out"] = 0.5
    match_head: Annotated[Literal["paper", "compares"], "what the match head is given: [a; b], or |a - b|"] = "paper"
    weight_turns: Annotated[float, WEIGHT, "of the other pretext task: by how much was the image turned?"] = 0.0

    def __post_init__(self):
        super().__post_init__()
        if self.batch != self.groups * IN_A_GROUP:
            raise ParameterError(
                f"batch is {self.batch}; with groups={self.groups} it must be {self.groups * IN_A_GROUP}, "
                f"{IN_A_GROUP} images a group"
            )
        if self.weight_match and self.groups < FEWEST_GROUPS:
            raise ParameterError(
                f"groups is {self.groups}; the match loss needs at least {FEWEST_GROUPS}, or a negative pair would "
                "have one label; use more labels, or weight_match=0"
            )
        if self.unlabelled and self.critic % 2 == 0:
            raise ParameterError(
                f"critic is {self.critic}; with unlabelled batches in between it must be odd, or G would never move on "
                "a labelled one"
            )


_SMALL: dict[str, Any] = {
    "learning_rate": 2e-3, "decay": 0.5, "average": 0.99, "critic": 1, "objective": "hinge", "gradient_penalty": 0.0,
    "cover": 0.5, "kernel": 5, "label_in": "norms", "change": True, "body": "small",
}  # fmt: skip
RECIPES = {
    "smoke": MatchGANRecipe(size=32, batch=12, groups=3, steps=4, base=4, blocks=1, discriminator_base=4, **_SMALL),
    # The paper's generator and WGAN-GP need hours. Small: the label past the norms, a change under a mask instead of a
    # new picture, hinge and spectral norm, G at every step, a covered square before the heads of label and match, and
    # twenty times the rate, which falls.
    "fast": MatchGANRecipe(size=40, steps=1200, base=16, blocks=3, discriminator_base=32, **_SMALL),
    "paper": MatchGANRecipe(),
}  # fmt: skip


# --- the losses ----------------------------------------------------------------------------------------------------


def label_loss(logits: Tensor, label: Tensor, exclusive: bool = False) -> Tensor:
    """How badly a label is read: binary cross entropies, **summed** over the numbers of a label, mean over the images.

    ``exclusive``: one cross entropy over all numbers instead, of which exactly one is 1. With logits 0 it is K ln 2, or
    ln K. StarGAN, equations 2 and 3.

    Shape: both ``(N, K)`` → a number. Raises ValueError if they are of different shapes.
    """
    check_same_shape(logits, label)
    logits, label = precise(logits), precise(label)
    if exclusive:
        return losses.cross_entropy(logits, label.argmax(1))
    # softplus(z) - z y is the binary cross entropy of σ(z)
    return (F.softplus(logits) - logits * label).sum(1).mean()


def pairs(groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs of a batch of ``groups`` labels with four images each, rows in the order of the groups.

    Two triplets a group k, indices modulo the batch: anchor 4k, positive 4k + 1, negative 4(k - 2) + 3; anchor 4k + 2,
    positive 4k + 1, negative 4(k - 1) + 3. Each anchor stands in one positive and in one negative pair, so that who
    looks at the anchor alone has nothing to go by. With fewer than three groups some negatives are of one label.

    Returns three int64 tensors ``(4 groups,)``: first of the pair, second, and 1 where they have one label, else 0.
    """
    start = IN_A_GROUP * torch.arange(groups)
    many = IN_A_GROUP * groups
    first = torch.cat([start, start + 2, start, start + 2])
    second = torch.cat([start + 1, (start - 4 + 3) % many, (start - 8 + 3) % many, start + 1])
    return first, second, torch.tensor([1, 0, 0, 1]).repeat_interleave(groups)


def by_target(groups: int) -> Tensor:
    """The order that puts fakes of one target together, if row j was given target ``j % groups``: ``(4 groups,)``.

    A group of fakes then comes from as many groups of sources as there can be. With four groups it is a transposition.
    """
    return torch.argsort(torch.arange(IN_A_GROUP * groups) % groups, stable=True)


def match_loss(logits: Tensor, same: Tensor) -> Tensor:
    """The cross entropy of "have they the same label?", mean over the pairs. With logits 0 it is ln 2.

    Of triplets it is half the sum of what the positive and what the negative pair of each costs. There is no margin,
    and no distance: who has read of "triplets" expects both.

    Shape: logits ``(P, 2)``, same int64 ``(P,)`` of 0 and 1 → a number.
    """
    return losses.cross_entropy(logits, same)


# --- StarGAN -------------------------------------------------------------------------------------------------------


class StarGAN(Method):
    """The game of StarGAN. Batches hold ``image`` ``(N, 3, H, W)`` in [-1, 1], ``label`` and ``wanted`` ``(N, K)``.

    ``wanted`` is the target label of each image. A batch without ``label`` is played without what needs one: D reads no
    label, and there is no way back for G (``MatchGAN``).

    Attributes:
        directions: target labels, spelt "10001", or for exclusive ones "0", "1", ...; none if there were too many.
    """

    name = "stargan"
    recipe_type = StarGANRecipe
    recipe: StarGANRecipe
    # Of the losses; an instance may be given a learner's own
    read_label: Callable[..., Tensor] = staticmethod(label_loss)

    def __init__(self, recipe: StarGANRecipe):
        super().__init__(recipe)
        self.generator = LabelGenerator(
            *(recipe.labels, recipe.base, recipe.blocks, recipe.kernel, recipe.label_in, recipe.change)
        )
        self.discriminator = self.build_discriminator()
        self.keep_averages(recipe.average, "generator")
        self.turns = (
            Turn("discriminator_loss", ("discriminator",)),
            Turn("generator_loss", ("generator",), every=recipe.critic),
        )
        if recipe.exclusive:
            self.directions = tuple(map(str, range(recipe.labels)))
        elif recipe.labels <= MOST_SPELT:
            self.directions = tuple("".join(bits) for bits in product("01", repeat=recipe.labels))

    def build_discriminator(self) -> LabelDiscriminator:
        """The discriminator with the heads that the game needs."""
        recipe = self.recipe
        return LabelDiscriminator(recipe.labels, recipe.size, recipe.discriminator_base, recipe.layers, recipe.body)

    def forward(self, scene: Scene) -> None:
        """Make the fakes; with gradients only if the generator moves in this step."""
        batch = scene.batch
        scene.image, scene.wanted, scene.label = batch["image"], batch["wanted"], batch.get("label")
        with torch.set_grad_enabled((scene.step + 1) % self.recipe.critic == 0):
            scene.fake = self.generator(scene.image, scene.wanted)

    def judge(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """D's logits and embeddings, with a square of each image hidden from all but the question "real?"."""
        return self.discriminator(images, self.covered(images) if self.recipe.cover else None)

    def covered(self, images: Tensor) -> Tensor:
        """The images with a grey square at a random place, of which a part may lie outside."""
        side = images.shape[-1]
        place = torch.arange(side, device=images.device)
        centres = torch.randint(0, side, (2, len(images), 1), device=images.device)
        near = (place - centres).abs() < self.recipe.cover * side / 2  # (2, N, side)
        return images.masked_fill((near[0][:, :, None] & near[1][:, None, :])[:, None], 0.0)

    def discriminator_loss(self, scene: Scene) -> Terms:
        """Real or fake, and what label a real image has."""
        recipe, fake = self.recipe, scene.fake.detach()
        source, label, scene.embedding = self.judge(torch.cat([scene.image, fake.to(scene.image.dtype)]))
        real, made = source.chunk(2)
        terms = {"discriminator": losses.discriminator_loss(real, made, recipe.objective)}
        if recipe.gradient_penalty:
            penalty = losses.gradient_penalty(lambda images: self.discriminator(images)[0], scene.image, fake)
            terms["gradient_penalty"] = recipe.gradient_penalty * penalty
        if scene.label is not None:
            read = self.read_label(label[: len(scene.image)], scene.label, recipe.exclusive)
            terms["label_real"] = recipe.weight_label * read
        return terms

    def generator_loss(self, scene: Scene) -> Terms:
        """Pass for real, show the target label, and find the way back."""
        recipe = self.recipe
        source, label, scene.embedding = self.judge(scene.fake)
        terms = {
            "adversarial": recipe.weight_adversarial * losses.generator_loss(source, recipe.objective),
            "label_fake": recipe.weight_label * self.read_label(label, scene.wanted, recipe.exclusive),
        }
        if scene.label is not None:
            back = self.generator(scene.fake.to(scene.image.dtype), scene.label)
            terms["reconstruction"] = recipe.weight_reconstruction * losses.l1(back, scene.image)
        return terms

    # --- what a user calls ---------------------------------------------------------------------------------------

    def translation(self, image: Tensor, direction: str | None) -> Tensor:
        if direction is None:
            raise ValueError(
                f"labels of {self.recipe.labels} numbers have too many combinations to be directions; use translate_to"
            )
        if self.recipe.exclusive:
            wanted = F.one_hot(torch.tensor(int(direction)), self.recipe.labels)
        else:
            wanted = torch.tensor([int(bit) for bit in direction])
        return self.averaged("generator")(image, wanted.to(image).expand(len(image), -1))

    def translate_to(self, image: Tensor, wanted: Tensor) -> Tensor:
        """Each image with its target label: ``(N, 3, H, W)`` in [-1, 1] and ``(N, K)`` of 0 and 1 → ``(N, 3, H, W)``.

        Raises ValueError if the images break the data contract, or the labels do not fit or hold other numbers.
        """
        return self._asked(self.averaged("generator"), image, wanted)

    def mask(self, image: Tensor, wanted: Tensor) -> Tensor:
        """Where ``translate_to`` changes the images, ``(N, 1, H, W)`` from 0 to 1; ValueError without a mask."""
        generator = self.averaged("generator")
        assert isinstance(generator, LabelGenerator)
        return self._asked(generator.mask, image, wanted)

    def _asked(self, what: Callable[[Tensor, Tensor], Tensor], image: Tensor, wanted: Tensor) -> Tensor:
        check_images(image, 3)
        check_floats(wanted)
        if wanted.shape != (len(image), self.recipe.labels):
            raise ValueError(
                f"the target labels are {tuple(wanted.shape)}; expected {(len(image), self.recipe.labels)}"
            )
        if not bool(((wanted == 0) | (wanted == 1)).all()):
            raise ValueError("the target labels hold other numbers than 0 and 1")
        with torch.no_grad(), in_mode(self, training=False):
            return what(image, wanted.to(image))

    def embed(self, image: Tensor) -> Tensor:
        """What D's heads read of the images, ``(N, features)``."""
        check_images(image, 3)
        with torch.no_grad(), in_mode(self, training=False):
            return self.discriminator(image)[2].flatten(1)

    def read(self, image: Tensor) -> Tensor:
        """D's logits of the labels of images, ``(N, K)``."""
        check_images(image, 3)
        with torch.no_grad(), in_mode(self, training=False):
            return self.discriminator(image)[1]


# --- MatchGAN ------------------------------------------------------------------------------------------------------


class MatchGAN(StarGAN):
    """The game of MatchGAN: StarGAN's, on labelled and unlabelled batches by turns, both players with the match loss.

    A labelled batch has four images of each of its labels, in the order of the labels; in any batch row j is given
    target ``j % groups`` (``data.samplers`` makes such batches). On an unlabelled one D only judges, and G has no way
    back, but its fakes have targets, and so they have matching and other pairs.
    """

    name = "matchgan"
    recipe_type = MatchGANRecipe
    recipe: MatchGANRecipe
    # Of the losses; an instance may be given a learner's own
    compare: Callable[..., Tensor] = staticmethod(match_loss)

    def build_discriminator(self) -> LabelDiscriminator:
        recipe = self.recipe
        head: MatchHead = recipe.match_head if recipe.weight_match else "none"
        return LabelDiscriminator(
            *(recipe.labels, recipe.size, recipe.discriminator_base, recipe.layers, recipe.body, head),
            turns=recipe.weight_turns > 0,
        )

    def forward(self, scene: Scene) -> None:
        if self.recipe.weight_match:
            self._check_layout(scene.batch)
        super().forward(scene)

    def _check_layout(self, batch: Batch) -> None:
        """Raise unless rows that are paired as equals are equal: the pairs are places, and nobody looks again."""
        groups, count, needed = self.recipe.groups, len(batch["image"]), self.recipe.batch
        if count != needed:
            raise ValueError(f"the batch has {count} images; the pairs of the match loss need {needed}")
        for name in ("label", "wanted"):
            if name in batch and len(batch[name]) != count:
                raise ValueError(f"the batch has {count} images, but {len(batch[name])} rows of {name!r}")
        if (label := batch.get("label")) is not None:
            of_group = label.unflatten(0, (groups, IN_A_GROUP))
            if not bool((of_group == of_group[:, :1]).all()):
                raise ValueError(f"the labels of the batch are not {groups} groups of {IN_A_GROUP} equal rows")
        of_target = batch["wanted"].unflatten(0, (IN_A_GROUP, groups))
        if not bool((of_target == of_target[:1]).all()):
            raise ValueError(f"the target labels of the batch do not repeat after {groups} rows")

    def match(self, embedding: Tensor) -> Tensor:
        """The match loss of embeddings ``(4 groups, C, s, s)``, rows in the order of the groups."""
        first, second, same = (part.to(embedding.device) for part in pairs(self.recipe.groups))
        return self.compare(self.discriminator.match(embedding[first], embedding[second]), same)

    def discriminator_loss(self, scene: Scene) -> Terms:
        """StarGAN's terms, and the match loss of real labelled images."""
        recipe, terms = self.recipe, super().discriminator_loss(scene)
        if recipe.weight_match and scene.label is not None:
            terms["match_real"] = recipe.weight_match * self.match(scene.embedding[: len(scene.image)])
        if recipe.weight_turns:
            terms["turns_real"] = recipe.weight_turns * self.turned(scene.image)
        return terms

    def generator_loss(self, scene: Scene) -> Terms:
        """StarGAN's terms, and the match loss of the fakes, grouped by their targets, labelled or not."""
        recipe, terms = self.recipe, super().generator_loss(scene)
        if recipe.weight_match:
            order = by_target(recipe.groups).to(scene.embedding.device)
            terms["match_fake"] = recipe.weight_match * self.match(scene.embedding[order])
        if recipe.weight_turns:
            terms["turns_fake"] = recipe.weight_turns * self.turned(scene.fake)
        return terms

    def turned(self, images: Tensor) -> Tensor:
        """How badly D tells by how many right angles it was turned, one at random for each image (Chen et al. 2019)."""
        angle = torch.randint(0, 4, (len(images),), device=images.device)
        views = torch.stack([images.rot90(int(k), (2, 3)) for k in range(4)])  # (4, N, 3, H, W)
        chosen = views[angle, torch.arange(len(images), device=images.device)]
        return losses.cross_entropy(self.discriminator.turned(self.discriminator(chosen)[2]), angle)

    def couples(self) -> str:
        if not self.recipe.weight_match:
            return super().couples()
        return "the match loss compares the images of a batch, of which each would see a part; use one process"
