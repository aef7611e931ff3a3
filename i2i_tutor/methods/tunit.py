"""TUNIT: Baek, Choi, Uh, Yoo, Shim, *Rethinking the Truly Unsupervised Image-to-Image Translation*, ICCV 2021.

One pile of images, and no label at all: neither pairs nor sets. The guiding network E gives each image a pseudo domain,
one of K, and a style code; G puts the style of one image on the content of another; the K-fold discriminator D asks of
each result whether it is a real image of its reference's domain. E learns alone first, from two views of each image;
then all three learn together, and what D says of a translation reaches E through the style code.

Where paper and official code differ, the recipe has a number for either, and its defaults are the code's, which made
the published models: hinge with R1 instead of the logarithms (of which G minimises the usual -log D, not log(1 - D)),
the reconstruction judged as well, the target of G's style loss from the momentum copy. Three of its properties are not
ours. It forgets its queue every thousand steps; ours goes on, and begins empty. Its batch norms of E also remember
translations, and those of the momentum copy E' are set to E's now and then; ours remember real images alone, and E'
follows E in them as in all else. And our E sees both views in one pass, so that they share their batch statistics. The
paper's training with a few labels, or with all of them, is not here.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Adam, Optimizer, RMSprop

from i2i_tutor import losses
from i2i_tutor.contract import check_floats, check_images, check_same_shape
from i2i_tutor.methods.base import WEIGHT, WIDTH, AveragingRecipe, Method, OptimiserFactory, Scene, Terms, Turn
from i2i_tutor.nn import (
    GuidingNetwork,
    MovingAverage,
    MultiTaskDiscriminator,
    Queue,
    StyleGenerator,
    guiding,
    multitask,
)
from i2i_tutor.nn.layers import frozen_statistics, in_mode, precise
from i2i_tutor.parameters import ParameterError, Range
from i2i_tutor.schedules import Schedule

KERNELS = {"paper": (7, 5), "small": (5, 3)}  # of the generator: at full size, and on the way up
CODE_DECAY = 0.99  # of the mean style code of each domain
FEWEST = 1e-6  # images a step, in a domain that has a mean style
LEAST = 1e-10  # of a probability in a logarithm
UNIT = 1e-4  # a unit code may be as much longer or shorter than 1
Feedback = Literal["all", "no_adversarial", "no_style", "no_reconstruction", "none"]


@dataclass(frozen=True)
class TUNITRecipe(AveragingRecipe):
    """The numbers of TUNIT. The defaults are the official code's, for ten kinds of animals at 128 px."""

    size: int = 128
    batch: int = 32
    steps: int = 200_000
    learning_rate: float = 1e-4  # of G and D
    beta1: float = 0.0  # RMSprop has none
    beta2: float = 0.99
    decay: float = 0.0
    average: float = 0.999
    domains: Annotated[int, Range(2, 1000), "K, how many domains the images are sorted into"] = 10
    style: Annotated[int, WIDTH, "length of a style code"] = 128
    # The two phases
    warm_up: Annotated[float, Range(0, 1), "part of the steps in which the guiding network learns alone"] = 0.325
    warm_up_rate: Annotated[float, Range(1e-3, 1e3), "factor on its learning rate as long as it learns alone"] = 1.0
    translated: Annotated[int, Range(2, 8192), "images of a batch that are translated, when all learn together"] = 32
    guide_every: Annotated[int, Range(1, 10_000), "steps from one turn of E's own losses to the next, then"] = 1
    joint_weight: Annotated[float, WEIGHT, "factor on E's own losses, then"] = 0.1
    # Which losses of the translation reach E (the paper's ablation); none: E stays as the warm-up left it
    feedback: Annotated[Feedback, "what the translation tells the guiding network"] = "all"
    # Who moves, and how fast
    rmsprop: Annotated[bool, "RMSprop moves G and D, its decay is beta2 (True), or Adam (False)"] = True
    weight_decay: Annotated[float, Range(0, 1), "of G and D, added to the gradient"] = 1e-4
    guide_rate: Annotated[float, Range(1e-9, 1), "of Adam (0.9, 0.999), for the guiding network"] = 1e-4
    guide_weight_decay: Annotated[float, Range(0, 1), "of the guiding network"] = 1e-3
    momentum: Annotated[float, Range(0, 0.999999), "decay of its momentum copy, which makes keys and codes"] = 0.999
    # The losses
    queue: Annotated[int, Range(1, 1_000_000), "keys of earlier images that serve as negatives"] = 1024
    temperature: Annotated[float, Range(1e-3, 100), "of the style contrastive losses"] = 0.07
    weight_information: Annotated[float, WEIGHT, "of the mutual information of the two views' domains"] = 5.0
    entropy: Annotated[float, Range(0, 10), "weight of the entropies in it; above 1 asks for even domains"] = 1.0
    weight_style: Annotated[float, WEIGHT, "of E's style contrastive loss"] = 1.0
    objective: Annotated[Literal["hinge", "vanilla"], "of the adversarial terms: the code's, or the paper's"] = "hinge"
    judge_reconstruction: Annotated[bool, "D judges reconstructions as well, as in the code"] = True
    r1: Annotated[float, WEIGHT, "of the gradient penalty on real images (R1), without the factor 1/2"] = 10.0
    r1_every: Annotated[int, Range(1, 10_000), "steps from one penalty to the next, which counts as often"] = 1
    weight_reconstruction: Annotated[float, WEIGHT, "of the L1 distance of an image in its own style"] = 0.1
    weight_generator_style: Annotated[float, WEIGHT, "of G's style contrastive loss"] = 0.01
    # The paper's target is the live code of the reference, the code's that of the momentum copy
    style_target: Annotated[Literal["momentum", "live"], "where the target of G's style loss comes from"] = "momentum"
    # The networks
    guide_body: Annotated[guiding.Body, "of the guiding network: the paper's, or four layers"] = "vgg11"
    guide_base: Annotated[int, WIDTH, "channels of its first layer"] = 64
    heads: Annotated[int, Range(1, 100), "label heads, of which the best at the end of the warm-up answers"] = 1
    head_norm: Annotated[bool, "batch norm in front of the label heads"] = False
    unit_codes: Annotated[bool, "style codes have length 1"] = False
    base: Annotated[int, WIDTH, "channels of the first layer of the generator"] = 64
    downs: Annotated[int, Range(1, 8), "halvings in the generator; at 128 px 3 leave the paper's 16x16"] = 3
    blocks: Annotated[int, Range(1, 64), "residual blocks of its encoder, and of its decoder"] = 2
    hidden: Annotated[int, WIDTH, "width of the MLP that reads a style code"] = 256
    kernels: Annotated[Literal["paper", "small"], "of the generator: 7 and 5 pixels, or 5 and 3"] = "paper"
    residual: Annotated[float, Range(0, 10), "part of a residual branch that is added"] = 0.1
    first_norm: Annotated[bool, "instance norm behind the generator's first layer"] = True
    unit_scales: Annotated[bool, "the deviations that AdaIN puts in begin near 1"] = False
    discriminator_body: Annotated[multitask.Body, "the paper's, or strided layers"] = "residual"
    discriminator_base: Annotated[int, WIDTH, "channels of the discriminator's first layer"] = 64

    def __post_init__(self):
        super().__post_init__()
        if self.batch < self.domains:
            raise ParameterError(
                f"batch is {self.batch}; to sort images into {self.domains} domains a batch needs at least as many"
            )
        if self.queue < self.batch:
            raise ParameterError(f"queue is {self.queue}; it must hold the keys of a batch at least, {self.batch}")
        if self.translated > self.batch:
            raise ParameterError(f"translated is {self.translated}; a batch has {self.batch} images")
        multiple, guide = 2**self.downs, 2 ** guiding.LAYERS[self.guide_body].count(0)
        smallest = max(multitask.SMALLEST, 2 * multiple, guide)
        if self.size % multiple or self.size < smallest:
            raise ParameterError(
                f"size is {self.size}; with downs={self.downs} and guide_body={self.guide_body!r} the networks need a "
                f"multiple of {multiple}, at least {smallest}"
            )
        if self.discriminator_body == "residual" and self.size.bit_count() != 1:
            raise ParameterError(f"size is {self.size}; the residual discriminator needs a power of 2")
        if self.discriminator_body == "patches" and self.size % 8:
            raise ParameterError(f"size is {self.size}; the discriminator of patches needs a multiple of 8")

    @property
    def warm_up_steps(self) -> int:
        """How many steps the guiding network learns alone, rounded down."""
        return int(round(self.warm_up * self.steps, 6))  # 0.29 * 100 is 28.999...


_SMALL: dict[str, Any] = {
    "domains": 4, "warm_up": 0.375, "warm_up_rate": 4.0, "guide_rate": 5e-4, "guide_weight_decay": 1e-4,
    "learning_rate": 1e-3, "beta1": 0.5, "rmsprop": False, "weight_decay": 0.0, "average": 0.99, "momentum": 0.99,
    "temperature": 0.15, "entropy": 1.1, "weight_style": 5.0, "r1": 1.0, "weight_reconstruction": 10.0,
    "guide_body": "small", "heads": 5, "head_norm": True, "unit_codes": True, "blocks": 1, "kernels": "small",
    "residual": 0.3, "first_norm": False, "unit_scales": True, "discriminator_body": "patches",
}  # fmt: skip
RECIPES = {
    "smoke": TUNITRecipe(
        size=32, batch=8, steps=4, translated=4, style=8, queue=16, guide_base=4, base=4, downs=1, hidden=16,
        discriminator_base=4, **_SMALL,
    ),
    # A thousandth of the work, and an E that must find the domains in 480 steps: codes of length 1 with a higher
    # temperature and five times their weight, five label heads, 1.1 times the entropies. D looks at patches, R1 is
    # rare and weak, the reconstruction counts a hundred times as much.
    "fast": TUNITRecipe(
        size=48, batch=32, steps=1280, translated=8, guide_every=4, r1_every=8, style=32, queue=256, guide_base=16,
        base=16, downs=2, hidden=64, discriminator_base=16, **_SMALL,
    ),
    "paper": TUNITRecipe(),
}  # fmt: skip


# --- the losses that are new ---------------------------------------------------------------------------------------


def information_loss(p: Tensor, q: Tensor, entropy: float = 1.0) -> Tensor:
    """Minus the mutual information of two soft assignments of the same images: -I(p, q) = -H(p) + H(p | q).

    From the joint matrix P of the batch, made symmetric, ``-Σ P_ij (log P_ij - λ log P_i - λ log P_j)`` with λ the
    ``entropy``. At λ = 1 it goes from -ln K (every domain equally often, no doubt) to 0; a greater λ also asks for even
    domains. Ji, Henriques, Vedaldi, *Invariant Information Clustering*, ICCV 2019, equation 3.

    Shape: both ``(N, K)``, rows of probabilities → a number. Raises ValueError if they are of different shapes.
    """
    joint = joint_matrix(p, q)
    rows, columns = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    joint, rows, columns = (part.clamp(min=LEAST) for part in (joint, rows, columns))
    return -(joint * (joint.log() - entropy * (rows.log() + columns.log()))).sum()


def joint_matrix(p: Tensor, q: Tensor) -> Tensor:
    """How often two assignments of N images, ``(N, K)`` each, name domains i and j: ``(K, K)``, symmetric, sum 1."""
    check_same_shape(p, q)
    if p.ndim != 2:
        raise ValueError(f"the assignments are {tuple(p.shape)}; expected (N, K)")
    with torch.autocast(p.device.type, enabled=False):  # it would multiply in half precision
        joint = precise(p).T @ precise(q)  # (K, K)
    return (joint + joint.T) / (2 * joint.sum())


def contrastive_loss(query: Tensor, key: Tensor, negatives: Tensor, temperature: float = 0.07) -> Tensor:
    """How badly a query is told its own key from the negatives: the cross entropy of their inner products.

    ``-log e^(s·k/τ) / (e^(s·k/τ) + Σ e^(s·n/τ))``, mean over the queries (He et al., *MoCo*, CVPR 2020, equation 1).
    Neither key nor negatives receive a gradient. Without negatives it is 0.

    Shape: query and key ``(N, style)``, negatives ``(M, style)`` → a number. Raises ValueError if they don't fit.
    """
    check_same_shape(query, key)
    if query.ndim != 2 or negatives.ndim != 2 or negatives.shape[1] != query.shape[1]:
        raise ValueError(
            f"queries and negatives are {tuple(query.shape)} and {tuple(negatives.shape)}; expected (N, style) and "
            "(M, style)"
        )
    query, key, negatives = precise(query), precise(key.detach()), precise(negatives.detach())
    with torch.autocast(query.device.type, enabled=False):  # it would multiply in half precision
        products = torch.cat([(query * key).sum(1, keepdim=True), query @ negatives.T], 1)  # (N, 1 + M)
    return losses.cross_entropy(products / temperature, torch.zeros(len(query), dtype=torch.long, device=query.device))


# --- the game ------------------------------------------------------------------------------------------------------


class TUNIT(Method):
    """The game of TUNIT. Batches hold ``image`` and ``strong``, another view of each, ``(N, 3, H, W)`` in [-1, 1].

    Attributes:
        momentum: E', which follows E; makes the keys, and the codes that ``translate_like`` uses.
        queue: keys of earlier images.
        joint_since: the first step in which all learnt together; -1 in the warm-up.
        directions: the K domains by number, "0", "1", ...: ``translate`` puts a domain's mean style on an image.
    """

    name = "tunit"
    recipe_type = TUNITRecipe
    recipe: TUNITRecipe
    code_sums: Tensor
    code_counts: Tensor
    joint_since: Tensor
    # Two of the losses; an instance may be given a learner's own
    information: Callable[..., Tensor] = staticmethod(information_loss)
    contrast: Callable[..., Tensor] = staticmethod(contrastive_loss)

    def __init__(self, recipe: TUNITRecipe):
        super().__init__(recipe)
        self.guide = GuidingNetwork(
            *(recipe.domains, recipe.style, recipe.guide_base, recipe.guide_body),
            *(recipe.heads, recipe.head_norm, recipe.unit_codes),
        )
        self.generator = StyleGenerator(
            *(recipe.style, recipe.base, recipe.downs, recipe.blocks, recipe.hidden, KERNELS[recipe.kernels]),
            *(recipe.residual, recipe.first_norm, recipe.unit_scales),
        )
        self.discriminator = MultiTaskDiscriminator(
            recipe.domains, recipe.size, recipe.discriminator_base, recipe.discriminator_body
        )
        self.momentum = MovingAverage(self.guide, recipe.momentum)
        self.queue = Queue(recipe.queue, recipe.style)
        self.register_buffer("code_sums", torch.zeros(recipe.domains, recipe.style))  # running, of each domain's codes
        self.register_buffer("code_counts", torch.zeros(recipe.domains))
        self.register_buffer("joint_since", torch.tensor(-1))
        self._joint = False  # once more, so that no step waits for the device
        self.keep_averages(recipe.average, "generator")
        self.directions = tuple(map(str, range(recipe.domains)))
        judge = Turn("discriminator_loss", ("discriminator",))
        self.warm_up_turns: tuple[Turn, ...] = (Turn("guide_loss", ("guide",)),)
        # The official order. E moves twice in a step, by its own losses and by those of the translation
        self.joint_turns: tuple[Turn, ...] = (
            *(Turn("guide_loss", ("guide",), recipe.guide_every), judge),
            Turn("generator_loss", ("generator", "guide")),
        )
        if recipe.feedback == "none":
            self.joint_turns = (judge, Turn("generator_loss", ("generator",)))
        self.turns = self.warm_up_turns + self.joint_turns
        # With a penalty in every step it is slower so: torch is slow at deriving twice with channels last
        self.channels_last = not recipe.r1 or recipe.r1_every > 1

    def optimisers(self) -> dict[str, OptimiserFactory]:
        """Adam for E, and RMSprop or Adam for G and D, with the L2 decay of each."""
        return super().optimisers() | {"guide": self.guide_optimiser}

    def guide_optimiser(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """What moves the guiding network."""
        return Adam(parameters, self.recipe.guide_rate, weight_decay=self.recipe.guide_weight_decay, fused=True)

    def optimiser(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        """What moves the generator, and what moves the discriminator."""
        recipe = self.recipe
        if recipe.rmsprop:
            return RMSprop(parameters, recipe.learning_rate, recipe.beta2, weight_decay=recipe.weight_decay)
        betas = recipe.beta1, recipe.beta2
        return Adam(parameters, recipe.learning_rate, betas, weight_decay=recipe.weight_decay, fused=True)

    def alone(self, step: int) -> bool:
        """Whether E learns alone in this step. A recipe that is given more steps later does not take it back there."""
        return not self._joint and step < self.recipe.warm_up_steps

    def rates(self) -> Schedule:
        """``warm_up_rate`` in the warm-up, in which only E moves; then 1, or the tail if there is one."""
        tail = super().rates()
        return lambda step: tail(step) * (self.recipe.warm_up_rate if self.alone(step) else 1.0)

    def begin(self, step: int) -> tuple[Turn, ...]:
        """E alone in the warm-up; then E, D, and G with E."""
        if self.alone(step):
            return self.warm_up_turns
        if not self._joint:
            self._joint = True
            self.joint_since.fill_(step)
        return self.joint_turns

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._joint = bool(self.joint_since >= 0)

    def forward(self, scene: Scene) -> None:
        """Choose the images to be translated and a reference for each, one of them, at random.

        The pictures are not made before E has moved: ``discriminator_loss`` makes them.
        """
        image, strong = scene.batch["image"], scene.batch["strong"]
        if len(image) < self.recipe.domains:
            raise ValueError(f"the batch has {len(image)} images; {self.recipe.domains} domains need at least as many")
        if strong.shape != image.shape:
            raise ValueError(f"the images are {tuple(image.shape)}, their strong views {tuple(strong.shape)}")
        scene.image = image[: self.recipe.translated]
        scene.order = torch.randperm(len(scene.image), device=image.device)  # the references, π of the paper
        scene.key = scene.domain = scene.code = scene.content = scene.fake = scene.reconstruction = None

    def guide_loss(self, scene: Scene) -> Terms:
        """E's own losses: both views are of one domain, all domains are used, and a style is told from all others."""
        recipe, image, strong = self.recipe, scene.batch["image"], scene.batch["strong"]
        with torch.no_grad(), frozen_statistics(self.momentum):
            _, scene.key = self.momentum(strong)
        logits, code = self.guide.heads(self.guide.features(torch.cat([image, strong])))
        p, q = logits.softmax(2).chunk(2)  # (N, heads, K) each
        information = torch.stack(
            [self.information(p[:, head], q[:, head], recipe.entropy) for head in range(recipe.heads)]
        )
        alone = self.alone(scene.step)
        if alone:  # later the head that answers stays: each numbers the domains in its own way, and D goes by them
            self.guide.remember(information.detach())
        scene.code = code[: len(image)]
        scene.domain = p[:, self.guide.head_losses.argmin().view(1)].squeeze(1).argmax(1)
        weight = 1.0 if alone else recipe.joint_weight
        style = self.contrast(scene.code, scene.key, self.queue.entries(), recipe.temperature)
        return {
            "information": weight * recipe.weight_information * information.mean(),
            "style_guide": weight * recipe.weight_style * style,
        }

    def paint(self, scene: Scene) -> None:
        """Put on the scene the pseudo ``domain`` and style ``code`` of each image, ``fake`` and ``reconstruction``.

        A fake has the content of its image and the style of its reference; a reconstruction both of its image.
        """
        with in_mode(self.guide, training=self.learns):
            logits, scene.code = self.guide(scene.image)
        scene.domain = logits.argmax(1)
        scene.content = self.generator.encode(scene.image)
        scene.fake, scene.reconstruction = self.both(scene, scene.code)

    def both(self, scene: Scene, code: Tensor) -> tuple[Tensor, Tensor]:
        """Each content of the scene in the style of its reference, and in its own, ``(N, 3, H, W)`` each."""
        content, codes = torch.cat([scene.content, scene.content]), torch.cat([code[scene.order], code])
        fake, reconstruction = self.generator.decode(content, self.scaled(codes)).chunk(2)
        return fake, reconstruction

    def scaled(self, code: Tensor) -> Tensor:
        """What the generator is given of a style code: a unit code as long as a random one, else the code."""
        return code * self.recipe.style**0.5 if self.recipe.unit_codes else code

    def discriminator_loss(self, scene: Scene) -> Terms:
        """Is it a real image of this domain? Asked of the references, and of the fakes that should be of theirs."""
        recipe = self.recipe
        self.paint(scene)
        reference, domain = scene.image[scene.order], scene.domain[scene.order]
        terms = {}
        if recipe.r1 and (scene.step + 1) % recipe.r1_every == 0:

            def critic(images: Tensor) -> Tensor:  # whose answers the adversarial term takes, too
                scene.real = self.discriminator(images, domain)
                return scene.real.mean((1, 2))

            terms["r1"] = recipe.r1 * recipe.r1_every * losses.r1_penalty(critic, reference)
        else:
            scene.real = self.discriminator(reference, domain)
        fake = self.discriminator(scene.fake.detach(), domain)
        return {"discriminator": losses.discriminator_loss(scene.real, fake, recipe.objective)} | terms

    def generator_loss(self, scene: Scene) -> Terms:
        """What G and E minimise together. Labels carry no gradient, so it reaches E through the style codes alone."""
        recipe, order = self.recipe, scene.order
        pictures = scene.fake, scene.reconstruction
        cut = pictures if recipe.feedback in ("all", "none") else self.both(scene, scene.code.detach())

        def made(loss: str) -> tuple[Tensor, Tensor]:
            return cut if recipe.feedback == loss else pictures

        fake, reconstruction = made("no_adversarial")
        terms = {"adversarial": self.convince(fake, scene.domain[order])}
        if recipe.judge_reconstruction:
            terms["adversarial_reconstruction"] = self.convince(reconstruction, scene.domain)
        _, reconstruction = made("no_reconstruction")
        terms["reconstruction"] = recipe.weight_reconstruction * losses.l1(reconstruction, scene.image)
        if recipe.weight_generator_style:
            fake, _ = made("no_style")
            target = self.target(scene)
            style = self.contrast(self.read(fake), target, self.queue.entries(), recipe.temperature)
            terms["style_generator"] = recipe.weight_generator_style * style
        return terms

    def convince(self, images: Tensor, domain: Tensor) -> Tensor:
        """What the discriminator's answer costs the generator."""
        return losses.generator_loss(self.discriminator(images, domain), self.recipe.objective)

    def target(self, scene: Scene) -> Tensor:
        """The code that a fake's should be like: the reference's, by E' (the code) or by E (the paper)."""
        if self.recipe.style_target == "live":
            return scene.code[scene.order]
        with torch.no_grad(), self.looking(self.momentum):
            return self.momentum(scene.image[scene.order])[1]

    def read(self, images: Tensor) -> Tensor:
        """E's codes of what the generator made; if the style loss must not reach E, by an E that stands still."""
        with self.looking(self.guide):
            if self.recipe.feedback not in ("no_style", "none"):
                return self.guide(images)[1]
            still = {name: weight.detach() for name, weight in self.guide.named_parameters()}
            return functional_call(self.guide, still, images)[1]

    @property
    def learns(self) -> bool:
        """Whether E learns in the joint phase; if not, it answers as it would in a translation."""
        return self.guide.training and self.recipe.feedback != "none"

    def looking(self, network: nn.Module) -> AbstractContextManager[None]:
        """The mode in which E or E' reads an image that its batch norms are not to remember."""
        return frozen_statistics(network) if self.learns else in_mode(network, training=False)

    def end(self, scene: Scene) -> None:
        """Keys into the queue, E' towards E, and the codes of this step into the mean code of each domain."""
        if scene.key is not None:
            self.queue.push(scene.key)
        self.momentum.update(self.guide)
        members = F.one_hot(scene.domain, self.recipe.domains).to(self.code_sums.dtype)  # (N, K)
        self.code_sums.lerp_(members.T @ scene.code.detach().to(members.dtype), 1 - CODE_DECAY)
        self.code_counts.lerp_(members.sum(0), 1 - CODE_DECAY)

    def couples(self) -> str:
        return (
            "the mutual information and the batch norms of the guiding network are taken over a whole batch, of which "
            "each would see a part; use one process"
        )

    # --- what a user calls ---------------------------------------------------------------------------------------

    def translation(self, image: Tensor, direction: str | None) -> Tensor:
        """Each image in the mean style of a domain. Height and width are multiples of ``2 ** downs``."""
        assert direction is not None  # this method has directions, so the door has put one in
        number = int(direction)
        if float(self.code_counts[number]) < FEWEST:
            raise ValueError(f"domain {number} has no mean style: of late no image was sorted into it")
        code = self.mean_codes()[number]
        return self.averaged("generator")(image, self.scaled(code.to(image.dtype).expand(len(image), -1)))

    def translate_like(self, image: Tensor, reference: Tensor) -> Tensor:
        """Each image in the style of its reference, ``(N, 3, H, W)`` in [-1, 1]; a single reference serves all.

        Raises ValueError if the images break the data contract or there are neither one reference nor N.
        """
        check_images(image, 3)
        code = self.codes(reference)
        if len(code) not in (1, len(image)):
            raise ValueError(f"there are {len(code)} references for {len(image)} images; expected one, or one for each")
        return self.restyle(image, code.expand(len(image), -1))

    def restyle(self, image: Tensor, code: Tensor) -> Tensor:
        """Each image in the style of a code ``(N, style)``, for example one between two that ``codes`` gave.

        If the recipe says ``unit_codes``, a code of another length is scaled to 1: the straight way between two codes
        leaves the sphere. A code of zeros has no direction and stays. Raises ValueError if images or codes do not fit
        or hold what is no number.
        """
        check_images(image, 3)
        check_floats(code)
        code = code.to(image)
        if not bool(code.isfinite().all()):
            raise ValueError("the codes hold NaN or infinity; expected finite numbers")
        if self.recipe.unit_codes:
            right = (code.norm(dim=-1, keepdim=True) - 1).abs() < UNIT  # stay as they are, bit for bit
            code = torch.where(right, code, F.normalize(code, dim=-1))
        with torch.no_grad(), in_mode(self, training=False):
            return self.averaged("generator")(image, self.scaled(code))

    def codes(self, image: Tensor) -> Tensor:
        """The style codes ``(N, style)`` of images, by the momentum copy."""
        check_images(image, 3)
        with torch.no_grad(), in_mode(self, training=False):
            return self.momentum(image)[1]

    def assign(self, image: Tensor) -> Tensor:
        """The probabilities of the K domains, ``(N, K)``, by the guiding network; argmax is the pseudo domain."""
        check_images(image, 3)
        with torch.no_grad(), in_mode(self, training=False):
            return self.guide(image)[0].softmax(1)

    def mean_codes(self) -> Tensor:
        """The mean style code of each domain over the last hundred steps or so, ``(K, style)``; 0 of an empty one."""
        mean = self.code_sums / self.code_counts.clamp(min=LEAST)[:, None]
        return F.normalize(mean) if self.recipe.unit_codes else mean
