"""Checks of assignment 1, pix2pix: what a pair is, who pays for what, what a logit sees, and one step of the game."""

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.tasks.base import Wrong, equal_parameters, gradients, number, same, student_seed, task

LOSSES = "chapters/01_pix2pix.html#the-losses-from-scratch"
NETWORKS = "chapters/01_pix2pix.html#the-networks"
STEP = "chapters/01_pix2pix.html#one-step-by-hand"
PROBLEM = "chapters/01_pix2pix.html#the-problem"
Loss = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


# --- by hand -------------------------------------------------------------------------------------------------------


def by_hand(student: str) -> tuple[Tensor, Tensor]:
    """Two maps of logits ``(2, 2)``, on a real and on a made pair: every student has others, all easy by hand.

    Each logit is 0, ln 3, -ln 3 or ln 7, so that its probability is 1/2, 3/4, 1/4 or 7/8.
    """
    generator = torch.Generator().manual_seed(student_seed(student))
    choices = torch.tensor([0.0, math.log(3), -math.log(3), math.log(7)], dtype=torch.float64)
    while True:
        real, fake = choices[torch.randint(4, (2, 2, 2), generator=generator)]
        values = sorted([*_by_hand(real, fake)[1].values(), _by_hand(real, fake)[0]["loss_d"]])
        if all(b - a > 0.01 for a, b in pairwise(values)):  # every mistake can be told
            return real, fake


def _by_hand(real: Tensor, fake: Tensor) -> tuple[dict[str, float], dict[str, float]]:
    """The right numbers, and for the discriminator's what mistakes lead to."""
    right = {"loss_d": 0.5 * losses.discriminator_loss(real, fake), "gan": losses.generator_loss(fake)}
    d = float(right["loss_d"])
    mistakes = {
        "you did not halve the sum of the two terms": 2 * d,
        "you summed over the four patches, the loss is their mean": 4 * d,
        "real and made are exchanged": 0.5 * float(losses.discriminator_loss(fake, real)),
        "that is the term on the made pair alone": 0.5 * float(losses.generator_loss(-fake)),
        "the sign is wrong: D minimises minus the logarithm": -d,
        "log has base e here": d / math.log(2),
    }
    return {name: float(value) for name, value in right.items()}, mistakes


@task(LOSSES)
def check_by_hand(loss_d: float, gan: float, *, student: str) -> None:
    """Task 1: what D pays (halved), and G's term on the made pair, for the logits of ``by_hand(student)``."""
    real, fake = by_hand(student)
    right, mistakes = _by_hand(real, fake)
    number(loss_d, right["loss_d"], mistakes, "loss_d")
    saturating, undone = -float(losses.generator_loss(-fake)), float(losses.generator_loss(-fake))
    of_g = {
        "you summed over the four patches, the loss is their mean": 4 * right["gan"],
        "that is log(1 - D), which saturates; pix2pix maximises log D": saturating,
        "that is what D pays for the made pair": undone,
        "G's term is not halved, only D's loss is": 0.5 * right["gan"],
        "that is of the real pair; G never sees it": float(losses.generator_loss(real)),
        "the sign is wrong": -right["gan"],
    }
    number(gan, right["gan"], of_g, "gan")


# --- the losses ----------------------------------------------------------------------------------------------------


class _Judge(nn.Module):
    """A small D that knows what it must be shown: x beside y, in this order, never a batch of both."""

    def __init__(self, batch: int, dtype: torch.dtype):
        super().__init__()
        self.batch = batch
        self.first, self.last = nn.Conv2d(6, 4, 4, 2, 1, dtype=dtype), nn.Conv2d(4, 1, 3, 1, 1, dtype=dtype)

    def forward(self, pair: Tensor) -> Tensor:
        if pair.shape[1] == 3:
            joined = "x and the picture are joined along the batch" if len(pair) > self.batch else "D sees one picture"
            raise Wrong(f"{joined}; a conditional D sees both as one image of six channels: torch.cat([x, y], dim=1)")
        if pair.shape[1] != 6:
            raise Wrong(f"D is shown {pair.shape[1]} channels; expected six, x and the picture beside it")
        return self.last(F.leaky_relu(self.first(pair), 0.2))


def _pictures(count: int, batch: int, side: int, dtype: torch.dtype) -> list[Tensor]:
    return [torch.rand(batch, 3, side, side, dtype=dtype) * 2 - 1 for _ in range(count)]


def reference_discriminator_loss(discriminator: nn.Module, x: Tensor, y: Tensor, fake: Tensor) -> Tensor:
    """What D of pix2pix minimises, halved, on the pairs (x, y) and (x, fake); fake receives no gradient."""
    real, made = discriminator(torch.cat([x, y], dim=1)), discriminator(torch.cat([x, fake.detach()], dim=1))
    return 0.5 * losses.discriminator_loss(real, made)


def reference_generator_loss(
    discriminator: nn.Module, x: Tensor, y: Tensor, fake: Tensor, weight: float = 100.0
) -> Tensor:
    """What G of pix2pix minimises: the non-saturating GAN term, plus ``weight`` times the mean absolute error."""
    return losses.generator_loss(discriminator(torch.cat([x, fake], dim=1))) + weight * losses.l1(fake, y)


@task(LOSSES)
def check_discriminator_loss(
    answer: Loss, *, batch: int = 2, side: int = 8, dtype: torch.dtype = torch.float64, scale: float = 1.0
) -> None:
    """Task 2: a function (discriminator, x, y, fake) → what D minimises. ``scale`` makes D surer of itself."""
    judge = _Judge(batch, dtype)
    judge.last.weight.data *= 4 * scale
    x, y, fake = _pictures(3, batch, side, dtype)
    with torch.no_grad():
        real, made = judge(torch.cat([x, y], 1)), judge(torch.cat([x, fake], 1))
        turned = judge(torch.cat([y, x], 1)), judge(torch.cat([fake, x], 1))
    right = reference_discriminator_loss(judge, x, y, fake)
    twice = losses.discriminator_loss(real.sigmoid(), made.sigmoid())
    mistakes = {
        "you did not halve the sum of the two terms": 2 * right,
        f"{real.numel()}x too large: you summed over the patches, the official code averages": right * real.numel(),
        "real and made are exchanged: the label of a real pair is 1": 0.5 * losses.discriminator_loss(made, real),
        "the pair is in the other order: first x, then the picture": 0.5 * losses.discriminator_loss(*turned),
        "the sign is wrong: D maximises the likelihood, so it minimises its negative": -right,
        "the sigmoid is applied twice; the logits have none, binary_cross_entropy_with_logits has one": 0.5 * twice,
        "the term on the real pair is missing": 0.5 * losses.generator_loss(-made),
        "the term on the made pair is missing": 0.5 * losses.generator_loss(real),
        "that is least squares, the loss of chapter 2": 0.5 * losses.discriminator_loss(real, made, "least_squares"),
    }
    same(answer(judge, x, y, fake), right.detach(), {name: value.detach() for name, value in mistakes.items()})
    pictures = {"y": y, "fake": fake}
    cut = "a gradient reaches fake, so G would learn from D's loss, the opposite of its own: detach it here"
    gradients(
        lambda a, b: answer(judge, x, a, b),
        lambda a, b: reference_discriminator_loss(judge, x, a, b),
        pictures,
        {cut: lambda a, b: 0.5 * losses.discriminator_loss(judge(torch.cat([x, a], 1)), judge(torch.cat([x, b], 1)))},
    )
    _of_judge(answer, reference_discriminator_loss, judge, (x, y, fake))


@task(LOSSES)
def check_generator_loss(
    answer: Callable[..., Tensor],
    *,
    batch: int = 2,
    side: int = 8,
    dtype: torch.dtype = torch.float64,
    weight: float = 10.0,
    scale: float = 1.0,
) -> None:
    """Task 3: a function (discriminator, x, y, fake, weight) → what G minimises."""
    judge = _Judge(batch, dtype)
    judge.last.weight.data *= 4 * scale
    x, y, fake = _pictures(3, batch, side, dtype)
    with torch.no_grad():
        made = judge(torch.cat([x, fake], 1))
        gan, pixel = losses.generator_loss(made), losses.l1(fake, y)
        real = losses.generator_loss(judge(torch.cat([x, y], 1)))
    mistakes = {
        f"{fake.numel()}x too large a pixel term = {' * '.join(map(str, fake.shape))}: you summed, the official code "
        "averages": gan + weight * pixel * fake.numel(),
        "the pixel term is squared: that is L2": gan + weight * losses.l2(fake, y),
        "this G minimises log(1 - D), which saturates; the paper maximises log D": -losses.generator_loss(-made)
        + weight * pixel,
        "the GAN term has the sign of the discriminator's: G would help D": losses.generator_loss(-made)
        + weight * pixel,
        "the GAN term is missing": weight * pixel,
        "the pixel term is missing": gan,
        "the weight stands at the wrong term": weight * gan + pixel,
        "the weight is missing": gan + pixel,
        "the weight is always 100; take the argument": gan + 100 * pixel,
        "G's GAN term is not halved, only D's loss is": 0.5 * gan + weight * pixel,
        "fake is compared with the plan x; the target is y": gan + weight * losses.l1(fake, x),
        "D is shown the real pair, on which G has no influence": real + weight * pixel,
    }
    same(answer(judge, x, y, fake, weight), gan + weight * pixel, mistakes)
    gradients(
        lambda a: answer(judge, x, y, a, weight),
        lambda a: reference_generator_loss(judge, x, y, a, weight),
        {"fake": fake},
        {
            "the GAN term gives fake no gradient: it was detached on its way to D": lambda a: weight * losses.l1(a, y),
            "the pixel term gives fake no gradient": lambda a: losses.generator_loss(judge(torch.cat([x, a], 1))),
        },
    )


def _of_judge(answer: Loss, reference: Loss, judge: _Judge, pictures: tuple[Tensor, Tensor, Tensor]) -> None:
    """D's own weights must receive the reference's gradients."""
    mine, theirs = deepcopy(judge), deepcopy(judge)
    answer(mine, *pictures).backward()
    reference(theirs, *pictures).backward()
    for ours, expected in zip(mine.parameters(), theirs.parameters(), strict=True):
        if ours.grad is None:
            raise Wrong("the value is right, but D's weights receive no gradient from it")
        assert expected.grad is not None
        same(ours.grad, expected.grad, what="the gradient of D's weights")


# --- what a logit sees ---------------------------------------------------------------------------------------------


@task(NETWORKS)
def check_patch(
    answer: Callable[[Sequence[tuple[int, int]]], tuple[int, int]],
    *,
    networks: Sequence[Sequence[tuple[int, int]]] = (
        ((3, 2), (5, 4), (4, 1)),  # tells all the mistakes apart
        ((4, 2), (4, 2)),
        ((4, 2), (4, 2), (4, 2), (4, 1), (4, 1)),
    ),
) -> None:
    """Task 4: a function [(kernel, stride), ...], first layer first → (side of a patch, its distance to the next)."""
    for layers in networks:
        got = answer(list(layers))
        side, apart = _patch(layers)
        if not isinstance(got, tuple | list) or len(got) != 2 or not all(type(one) is int for one in got):
            raise Wrong(f"the answer is {got!r}; expected two whole numbers, (side, apart)")
        of = f"for {layers_in_words(layers)} you say side {got[0]}, apart {got[1]}"
        if got[0] != side:
            mistakes = [
                (_patch(tuple(reversed(layers)))[0], "the layers are taken in the wrong order"),
                (math.prod(kernel for kernel, _ in layers), "you multiplied the kernels"),
                (1 + sum(kernel - 1 for kernel, _ in layers), "the strides are missing: that is as if all were 1"),
                (sum(kernel for kernel, _ in layers), "you added the kernels"),
                (_spread(layers), "going back, r becomes (r - 1) * stride + kernel, not r * stride + kernel"),
            ]
            hint = next((f": {sentence}" for value, sentence in mistakes if value == got[0]), "")
            raise Wrong(f"{of}; the side is {side}{hint}")
        if got[1] != apart:
            hints = {
                sum(stride for _, stride in layers): "you added the strides; each layer multiplies",
                side: "patches overlap, they are not laid side by side",
                layers[-1][1] if layers else 0: "that is the last layer's stride alone",
            }
            raise Wrong(f"{of}; they are {apart} pixels apart" + (f": {hints[got[1]]}" if got[1] in hints else ""))


def layers_in_words(layers: Sequence[tuple[int, int]]) -> str:
    """``(4, 2), (4, 1)`` → "kernels 4, 4 with strides 2, 1"."""
    if not layers:
        return "no layer at all"
    return f"kernels {', '.join(str(k) for k, _ in layers)} with strides {', '.join(str(s) for _, s in layers)}"


def _patch(layers: Sequence[tuple[int, int]]) -> tuple[int, int]:
    side, apart = 1, 1
    for kernel, stride in layers:
        side, apart = side + (kernel - 1) * apart, apart * stride
    return side, apart


def _spread(layers: Sequence[tuple[int, int]]) -> int:
    field = 1
    for kernel, stride in reversed(layers):
        field = field * stride + kernel
    return field


# --- a run that fails ----------------------------------------------------------------------------------------------


@task(PROBLEM)
def check_jitter(
    answer: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]],
    *,
    batch: int = 2,
    load_size: int = 10,
    size: int = 8,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Task 5: a function (x, y, size) → a random crop and mirroring of a batch of pairs, which stay pairs."""
    whole = torch.arange(batch * 3 * load_size**2, dtype=dtype).view(batch, 3, load_size, load_size)
    seen: set[tuple[int, int, bool]] = set()
    for _ in range(300):
        x, y = whole.clone(), -whole
        got = answer(x, y, size)
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise Wrong(f"the answer is of type {type(got).__name__}; expected the pair (x, y)")
        for name, image in (("x", got[0]), ("y", got[1])):
            if type(image) is not Tensor or image.shape != (batch, 3, size, size) or image.dtype != dtype:
                kind = f"{tuple(image.shape)} of {image.dtype}" if isinstance(image, Tensor) else type(image).__name__
                raise Wrong(f"{name} comes back as {kind}; expected {(batch, 3, size, size)} of {dtype}")
        seen |= {_place(whole[one], got[0][one], -got[1][one]) for one in range(batch)}
        if not torch.equal(x, whole) or not torch.equal(y, -whole):
            raise Wrong("the pictures that were given have changed; cut copies or views, and write into nothing")
    _variety(seen, load_size - size + 1)


def _place(whole: Tensor, a: Tensor, b: Tensor) -> tuple[int, int, bool]:
    """Where the twins ``a`` and ``b`` were cut from a picture that counts its pixels, and whether they are mirrored."""
    places = []
    for name, image in (("x", a), ("y", b)):
        mirrored = bool(image[0, 0, 0] > image[0, 0, -1])
        upright = image.flip(-1) if mirrored else image
        top, left = divmod(int(upright[0, 0, 0] - whole[0, 0, 0]), whole.shape[-1])
        if not torch.equal(upright, whole[:, top : top + image.shape[1], left : left + image.shape[2]]):
            heads = "; houses do not stand on their heads" if image[0, 0, 0] > image[0, -1, 0] else ""
            raise Wrong(f"{name} comes back as something that is neither a crop of it nor a mirrored one{heads}")
        places.append((top, left, mirrored))
    (row, column, turned), (other_row, other_column, _) = places
    if places[0] == places[1]:
        return row, column, turned
    if (row, column) == (other_row, other_column):
        raise Wrong("x and y are cut at one place, but only one of them is mirrored: the door changes sides in it")
    raise Wrong(
        f"x was cut at row {row}, column {column}, y at row {other_row}, column {other_column}: they are no longer a "
        "pair, so the right answer to one plan lies elsewhere every time"
    )


def _variety(seen: set[tuple[int, int, bool]], places: int) -> None:
    if len({mirrored for *_, mirrored in seen}) < 2:
        raise Wrong("in 300 draws the pictures were always, or never, mirrored; expected every second time")
    for name, found in (("row", {top for top, _, _ in seen}), ("column", {left for _, left, _ in seen})):
        if len(found) == 1 and places > 1:
            raise Wrong(f"the {name} of the crop is always {found.pop()}: that cures the pairs by losing the jitter")
        if len(found) < places:
            missing = sorted(set(range(places)) - found)
            raise Wrong(f"no crop ever begins at {name} {missing[0]}; expected every one from 0 to {places - 1}")
    if len({place[:2] for place in seen}) < places**2:
        raise Wrong("row and column of a crop go together; expected every place, drawn by two numbers")


# --- one step ------------------------------------------------------------------------------------------------------


@task(STEP)
def check_training_step(
    answer: Callable[..., object],
    *,
    steps: int = 3,
    batch: int = 2,
    side: int = 8,
    dtype: torch.dtype = torch.float64,
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
) -> None:
    """Task 6: (generator, discriminator, adam_g, adam_d, x, y, loss_d, loss_g): one step, D first, both move once."""
    generator: nn.Module = nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1, dtype=dtype), nn.Tanh(), nn.Conv2d(4, 3, 3, 1, 1, dtype=dtype)
    )
    players = generator, _Judge(batch, dtype)
    pairs = [_pictures(2, batch, side, dtype) for _ in range(steps)]
    expected = _after(_step, players, pairs, optimiser)
    mine = _after(answer, players, pairs, optimiser)
    if equal_parameters(mine[0], expected[0]) and equal_parameters(mine[1], expected[1]):
        return
    for sentence, wrong in _MISTAKES.items():
        other = _after(wrong, players, pairs, optimiser)
        if equal_parameters(mine[0], other[0]) and equal_parameters(mine[1], other[1]):
            raise Wrong(sentence)
    for name, player, before in zip(("generator", "discriminator"), mine, players, strict=True):
        if equal_parameters(player, before):
            raise Wrong(f"the {name} has not moved")
    who = "discriminator" if not equal_parameters(mine[1], expected[1]) else "generator"
    raise Wrong(f"after {steps} steps the weights of the {who} are not those of a step of pix2pix")


def _after(
    step: Callable[..., object],
    players: tuple[nn.Module, nn.Module],
    pairs: list[list[Tensor]],
    optimiser: Callable[..., torch.optim.Optimizer],
) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator after a step with each pair; the players themselves stay as they were."""
    generator, discriminator = deepcopy(players)
    adam_g, adam_d = optimiser(generator.parameters(), lr=0.05), optimiser(discriminator.parameters(), lr=0.05)
    weighted = partial(reference_generator_loss, weight=10.0)
    for x, y in pairs:
        step(generator, discriminator, adam_g, adam_d, x, y, reference_discriminator_loss, weighted)
    return generator, discriminator


def _step(
    generator: nn.Module,
    discriminator: nn.Module,
    adam_g: torch.optim.Optimizer,
    adam_d: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    loss_d: Loss,
    loss_g: Loss,
    *,
    order: str = "dg",
    clear: str = "dg",
    moves: str = "dg",
) -> None:
    """A step of pix2pix. The last three arguments make it wrong: who is first, whose gradients are cleared, who moves.

    Every gradient is taken anew; one that is not cleared is added to, as PyTorch does.
    """
    fake = generator(x)
    for player in order:
        optimiser, loss = (adam_d, loss_d) if player == "d" else (adam_g, loss_g)
        if player in clear:
            optimiser.zero_grad()
        loss(discriminator, x, y, fake).backward(retain_graph=True)
        if player in moves:
            optimiser.step()


_MISTAKES: dict[str, Callable[..., object]] = {
    "G plays against the D of before; D learns first, and G plays against the D that has just learnt": partial(
        _step, order="gd"
    ),
    "D's gradients are not cleared before its turn: those of G's loss, which would fool D, are still in them": partial(
        _step, clear="g"
    ),
    "G's gradients are not cleared: those of the steps before are still in them": partial(_step, clear="d"),
    "no gradients are cleared: those of the steps before are still in them": partial(_step, clear=""),
    "the discriminator never moves": partial(_step, moves="g"),
    "the generator never moves": partial(_step, moves="d"),
}
