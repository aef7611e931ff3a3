"""Checks of assignment 5, PixelDA: the masked PMSE, the task loss, the noise, one step of the game, and two domains."""

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.tasks.base import Wrong, equal_parameters, gradients, number, same, student_seed, task

CONTENT = "chapters/05_pixelda.html#d6"
LOSSES = "chapters/05_pixelda.html#the-losses-from-scratch"
IDEA = "chapters/05_pixelda.html#the-idea"
NETWORKS = "chapters/05_pixelda.html#the-networks"
STEP = "chapters/05_pixelda.html#one-step-by-hand"
Step = Callable[..., object]


# --- by hand -------------------------------------------------------------------------------------------------------


def by_hand(student: str) -> tuple[Tensor, Tensor, Tensor]:
    """Two grey pictures ``(2, 2)`` and a mask: every student has others, all easy by hand.

    Pixels are -1, -0.5, 0, 0.5 or 1; the mask covers two or three of the four.
    """
    generator = torch.Generator().manual_seed(student_seed(student))
    while True:
        x, fake = torch.randint(-2, 3, (2, 2, 2), generator=generator).double() / 2
        mask = torch.randint(2, (2, 2), generator=generator).double()
        if 2 <= mask.sum() <= 3:
            whole, of_whole = _by_hand(x, fake, torch.ones_like(mask))
            masked, of_masked = _by_hand(x, fake, mask)
            every = [whole, *of_whole.values()], [masked, *of_masked.values(), *_of_mask(x, fake, mask).values()]
            gaps = [b - a for values in every for a, b in pairwise(sorted(values))]
            if min(gaps) > 0.01:  # every mistake can be told
                return x, fake, mask


def _by_hand(x: Tensor, fake: Tensor, mask: Tensor) -> tuple[float, dict[str, float]]:
    """The right number, and what mistakes lead to."""
    d = (x - fake) * mask
    k = d.numel()
    right = float(d.var(correction=0))
    square, total = float(d.square().sum()), float(d.sum())
    return right, {
        "the second term is missing: that is the mean square of the differences": square / k,
        "the second term is subtracted, not added": square / k + (total / k) ** 2,
        "the sum is squared, and then divided by the square of k, which is 16": square / k - total**2 / k,
        "the second term squares the sum of the differences; you summed their squares": square / k - square / k**2,
        "divide the sum over all pairs by the square of k, not by the number of pairs": right * k * 2 / (k - 1),
        "that is the sample variance, with k - 1; here k = 4 divides": right * k / (k - 1),
        "you counted every pair twice": 2 * right,
        "nothing is divided: the sum over all pairs is divided by the square of k": right * k * k,
        "that is the root of it, the standard deviation": math.sqrt(right),
    }


def _of_mask(x: Tensor, fake: Tensor, mask: Tensor) -> dict[str, float]:
    """What mistakes with the mask lead to."""
    return {
        "the mask is left out": float((x - fake).var(correction=0)),
        "k counts all four pixels, those outside the mask as differences of 0": float(
            (x - fake)[mask > 0].var(correction=0)
        ),
        "the mask is turned round: a 1 keeps the difference, a 0 clears it": float(
            ((x - fake) * (1 - mask)).var(correction=0)
        ),
    }


@task(CONTENT)
def check_by_hand(pmse: float, masked: float, *, student: str) -> None:
    """Task 1: the PMSE of ``by_hand(student)`` without the mask, and with it."""
    x, fake, mask = by_hand(student)
    for answer, kept, what in ((pmse, torch.ones_like(mask), "pmse"), (masked, mask, "masked")):
        right, mistakes = _by_hand(x, fake, kept)
        number(answer, right, mistakes | (_of_mask(x, fake, mask) if what == "masked" else {}), what)


# --- the content similarity ----------------------------------------------------------------------------------------


@task(CONTENT)
def check_content_loss(
    answer: Callable[[Tensor, Tensor, Tensor], Tensor],
    *,
    batch: int = 3,
    side: int = 6,
    channels: int = 1,
    covered: float | None = None,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Task 2: a function (x, fake, mask) → the masked PMSE.

    The mask has ``channels`` channels and covers about the part ``covered``; by default another part in each picture.
    """
    x, fake = torch.rand(2, batch, 3, side, side, dtype=dtype) * 2 - 1
    # each picture's brightness changes by another amount, and each channel's
    fake = 0.4 * fake + 0.4 * torch.arange(1, batch + 1, dtype=dtype).view(-1, 1, 1, 1) / batch
    fake = fake + 0.2 * torch.arange(3, dtype=dtype).view(1, 3, 1, 1)
    part: Tensor | float = torch.linspace(0.3, 0.7, batch).view(-1, 1, 1, 1) if covered is None else covered
    mask = (torch.rand(batch, channels, side, side) < part).to(dtype)
    d = ((x - fake) * mask).flatten(1)
    k = d.shape[1]
    square, total = d.square().sum(1), d.sum(1)
    right = losses.masked_pairwise_error(x, fake, mask)
    inside = mask.expand_as(x).flatten(1).sum(1).clamp(min=1)
    mistakes = {
        "the second term is missing: that is the masked mean squared error": (square / k).mean(),
        "the second term has the wrong sign": (square / k + (total / k).square()).mean(),
        "the second term lacks its square": (square / k - total / k**2).mean(),
        "the second term is divided by k, not by its square": (square / k - total.square() / k).mean(),
        "the second term sums the squares; it squares the sum": (square / k - square / k**2).mean(),
        "the mask is missing": losses.masked_pairwise_error(x, fake),
        "the mask is turned round: it is 1 on the object, which is what must be kept": losses.masked_pairwise_error(
            x, fake, 1 - mask
        ),
        "you divided by the number of values under the mask; k counts all of the picture": (
            square / inside - (total / inside).square()
        ).mean(),
        "that is the sample variance, which divides by k - 1": d.var(dim=1).mean(),
        "the variance is over the whole batch; take it picture by picture, then their mean": d.var(correction=0),
        "you summed over the batch; take the mean": batch * right,
        "you counted every pair twice": 2 * right,
        "you summed over the batch and doubled, as the official code does": 2 * batch * right,
        "the channels are taken apart; all values of a picture are compared with each other": d.view(batch, 3, -1)
        .var(dim=2, correction=0)
        .mean(),
        "that is the root of it: a standard deviation": d.std(dim=1, correction=0).mean(),
    }
    same(answer(x, fake, mask), right, mistakes)
    if covered != 0:
        gradients(lambda a: answer(x, a, mask), lambda a: losses.masked_pairwise_error(x, a, mask), {"fake": fake})


# --- the task loss -------------------------------------------------------------------------------------------------


class _Reader(nn.Module):
    """A small T with two first layers, that wants to be told which, and to be shown one domain at a time."""

    def __init__(self, batch: int, classes: int, dtype: torch.dtype):
        super().__init__()
        self.batch = batch
        self.private = nn.ModuleDict({domain: nn.Conv2d(3, 4, 3, 2, 1, dtype=dtype) for domain in ("source", "target")})
        self.last = nn.Linear(4, classes, dtype=dtype)

    def forward(self, images: Tensor, domain: str | None = None) -> Tensor:
        if domain not in ("source", "target"):
            raise Wrong(
                f'T has two first layers; say which: T(images, "source") or T(images, "target"), not {domain!r}'
            )
        if len(images) != self.batch:
            raise Wrong(f"T is shown {len(images)} pictures at once; each domain goes through a first layer of its own")
        hidden = self.private[domain](images).tanh()
        return self.last(hidden.square().mean((2, 3)) + hidden.mean((2, 3)))


def reference_task_loss(reader: nn.Module, x: Tensor, fake: Tensor, label: Tensor) -> Tensor:
    """Cross entropy on the adapted pictures, plus that on the source's, each through its own first layer."""
    return losses.cross_entropy(reader(fake, "target"), label) + losses.cross_entropy(reader(x, "source"), label)


@task(LOSSES)
def check_task_loss(
    answer: Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor],
    *,
    batch: int = 4,
    classes: int = 5,
    side: int = 8,
    dtype: torch.dtype = torch.float64,
    scale: float = 8.0,
) -> None:
    """Task 3: a function (T, x, fake, label) → the task loss. ``scale`` makes T surer of itself."""
    reader = _Reader(batch, classes, dtype)
    reader.last.weight.data *= scale
    x, fake = torch.rand(2, batch, 3, side, side, dtype=dtype) * 2 - 1
    label = torch.randint(classes, (batch,))
    entropy = losses.cross_entropy
    with torch.no_grad():
        right = reference_task_loss(reader, x, fake, label)
        on_fake, on_x = reader(fake, "target"), reader(x, "source")
        fake_by_source, x_by_target = reader(fake, "source"), reader(x, "target")
        adapted, source = entropy(on_fake, label), entropy(on_x, label)
        twice = entropy(on_fake.softmax(1), label) + entropy(on_x.softmax(1), label)
        named = [logits.softmax(1)[torch.arange(batch), label].mean() for logits in (on_fake, on_x)]
        sigmoids = [
            F.binary_cross_entropy_with_logits(each, F.one_hot(label, classes).to(dtype)) for each in (on_fake, on_x)
        ]
    mistakes = {
        "the term on the source images is missing": adapted,
        "the term on the adapted images is missing": source,
        "the adapted images pass the source's first layer: the target's never learns": entropy(fake_by_source, label)
        + source,
        "the source images pass the target's first layer": adapted + entropy(x_by_target, label),
        "the two first layers are exchanged": entropy(fake_by_source, label) + entropy(x_by_target, label),
        "the two terms are added, not averaged": right / 2,
        "you summed over the batch; take the mean": right * batch,
        "the mean goes over the pictures, not over the classes, too": right / classes,
        "the softmax is taken twice: cross_entropy wants logits": twice,
        "the sign is wrong: T minimises minus the logarithm": -right,
        "the logarithm is missing": -named[0] - named[1],
        "that asks yes or no for each class; the classes exclude each other, so take softmax": sigmoids[0]
        + sigmoids[1],
    }
    same(answer(reader, x, fake, label), right, mistakes)
    cut = "fake is detached: T learns, but in its own turn G would pay nothing for a picture that nobody can read"
    gradients(
        lambda a: answer(reader, x, a, label),
        lambda a: reference_task_loss(reader, x, a, label),
        {"fake": fake},
        {cut: lambda a: reference_task_loss(reader, x, a.detach(), label)},
    )
    mine, theirs = deepcopy(reader), deepcopy(reader)
    answer(mine, x, fake, label).backward()
    reference_task_loss(theirs, x, fake, label).backward()
    for ours, expected in zip(mine.parameters(), theirs.parameters(), strict=True):
        if ours.grad is None:
            raise Wrong("the value is right, but not all of T's weights receive a gradient from it")
        assert expected.grad is not None
        same(ours.grad, expected.grad, what="the gradient of T's weights")


# --- the noise -----------------------------------------------------------------------------------------------------


@task(NETWORKS)
def check_with_noise(
    answer: Callable[[Tensor, int], Tensor],
    *,
    batch: int = 4,
    size: int = 3,
    height: int = 6,
    width: int = 8,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Task 4: a function (x, size) → x with ``size`` more channels, each pixel given the picture's own new z."""
    x = torch.rand(batch, 3, height, width, dtype=dtype) * 2 - 1
    drawn = []
    for _ in range(max(3, 2500 // (batch * max(size, 1)))):
        given = x.clone()
        got = answer(given, size)
        _form_of_noise(got, x, size)
        if not torch.equal(given, x):
            raise Wrong("the picture that was given has changed; write into nothing")
        drawn.append(got[:, 3:, 0, 0].detach().double())  # (N, size)
    if not size:
        return
    if torch.equal(drawn[0], drawn[1]):
        raise Wrong("two calls give the same z; draw a new one each time, or every digit has one look only")
    z = torch.stack(drawn)  # (calls, N, size)
    if batch > 1 and (z == z[:, :1]).all():
        raise Wrong("all pictures of a batch share one z; each is given its own")
    if size > 1 and (z == z[..., :1]).all():
        raise Wrong("all channels of the noise are equal; z has as many numbers as there are channels")
    if z.abs().max() > 1:
        far = float(z.flatten()[z.abs().argmax()])
        raise Wrong(f"z reaches {far:.2f}; expected numbers from -1 to 1, all equally likely")
    if z.min() > -0.5 or z.max() < 0.5:
        raise Wrong(f"z lies between {z.min():.2f} and {z.max():.2f}; expected all of -1 to 1: stretch and shift it")
    if abs(float(z.square().mean()) - 1 / 3) > 0.045 or abs(float(z.mean())) > 0.08:
        raise Wrong(
            f"z lies in -1 to 1, but its mean is {z.mean():.2f} and its mean square {z.square().mean():.2f}; if all "
            "numbers are equally likely, they are 0 and 1/3"
        )


def _form_of_noise(got: object, x: Tensor, size: int) -> None:
    """Raise `Wrong` unless ``got`` is ``x`` followed by ``size`` channels that are flat."""
    count, _, height, width = x.shape
    wanted = (count, 3 + size, height, width)
    if type(got) is not Tensor:
        raise Wrong(f"the answer is of type {type(got).__name__}; expected a tensor {wanted}")
    if got.shape != wanted:
        hint = ""
        if got.shape == (count, size, height, width) and torch.equal(got, got[..., :1, :1].expand_as(got)):
            hint = ": the picture itself is missing"
        elif got.shape == (count, 4, height, width):
            hint = ": z needs a channel for each of its numbers"
        elif got.shape == x.shape:
            hint = ": the noise stands beside the picture, it is not added to it"
        raise Wrong(f"the answer has shape {tuple(got.shape)}; expected {wanted}{hint}")
    if got.dtype != x.dtype:
        raise Wrong(f"the answer is {got.dtype}; expected {x.dtype}, as the picture")
    if not torch.equal(got[:, :3], x):
        behind = size and torch.equal(got[:, size:], x)
        what = "the noise stands before the picture; expected the picture first" if behind else None
        raise Wrong(what or "the first three channels are not the picture as it was")
    if not torch.equal(got[:, 3:], got[:, 3:, :1, :1].expand(-1, -1, height, width)):
        raise Wrong("the noise differs from pixel to pixel; every pixel is given the same z, so that all can agree")


# --- one step ------------------------------------------------------------------------------------------------------


class _Painter(nn.Module):
    """A small G(x, z)."""

    def __init__(self, size: int, dtype: torch.dtype):
        super().__init__()
        self.size = size
        self.first, self.last = nn.Conv2d(3 + size, 4, 3, 1, 1, dtype=dtype), nn.Conv2d(4, 3, 3, 1, 1, dtype=dtype)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        if z.shape != (len(x), self.size):
            raise Wrong(f"G is given noise of shape {tuple(z.shape)}; new_noise() returns {(len(x), self.size)}")
        channels = z[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return self.last(self.first(torch.cat([x, channels], dim=1)).tanh()).tanh()


def reference_domain_d(discriminator: nn.Module, target: Tensor, fake: Tensor) -> Tensor:
    """What D minimises, not halved."""
    return losses.discriminator_loss(discriminator(target), discriminator(fake))


def reference_domain_g(discriminator: nn.Module, fake: Tensor) -> Tensor:
    """G's domain term, in the form that does not saturate."""
    return losses.generator_loss(discriminator(fake))


TERMS = SimpleNamespace(domain_d=reference_domain_d, domain_g=reference_domain_g, task=reference_task_loss)


@task(STEP)
def check_training_step(
    answer: Step,
    *,
    steps: int = 3,
    batch: int = 3,
    side: int = 8,
    beta: float = 0.3,
    dtype: torch.dtype = torch.float64,
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
) -> None:
    """Task 5: (G, D, T, adam, x, label, target, new_noise, terms, beta): one step, D and T first, each moves once."""
    inner = 4 * ((side + 1) // 2) ** 2
    judge = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1, dtype=dtype), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(inner, 1, dtype=dtype)
    )
    players = {"G": _Painter(2, dtype), "D": judge, "T": _Reader(batch, 4, dtype)}
    batches = [
        (
            torch.rand(batch, 3, side, side, dtype=dtype) * 2 - 1,
            torch.randint(4, (batch,)),
            torch.rand(batch, 3, side, side, dtype=dtype) * 2 - 1,
        )
        for _ in range(steps)
    ]
    expected = _after(_step, players, batches, beta, optimiser)
    mine = _after(answer, players, batches, beta, optimiser)
    if _equal(mine, expected):
        return
    for sentence, wrong in _MISTAKES.items():
        if _equal(mine, _after(wrong, players, batches, beta, optimiser)):
            raise Wrong(sentence)
    for name, before in players.items():
        if equal_parameters(mine[name], before):
            raise Wrong(f"{name} has not moved")
    who = [name for name in players if not equal_parameters(mine[name], expected[name])]
    raise Wrong(f"after {steps} steps the weights of {' and '.join(who)} are not those of a step of PixelDA")


def _equal(mine: Mapping[str, nn.Module], others: Mapping[str, nn.Module]) -> bool:
    return all(equal_parameters(mine[name], others[name]) for name in others)


def _after(
    step: Step,
    players: Mapping[str, nn.Module],
    batches: list[tuple[Tensor, Tensor, Tensor]],
    beta: float,
    optimiser: Callable[..., torch.optim.Optimizer],
) -> dict[str, nn.Module]:
    """The three players after a step with each batch; the given ones stay as they were. The noise repeats."""
    copies = {name: deepcopy(player) for name, player in players.items()}
    adam = {player: optimiser(player.parameters(), lr=0.05) for player in copies.values()}
    generator = torch.Generator().manual_seed(5)
    for x, label, target in batches:

        def new_noise(x: Tensor = x) -> Tensor:
            return torch.rand(len(x), 2, generator=generator, dtype=x.dtype) * 2 - 1

        step(*copies.values(), adam, x, label, target, new_noise, TERMS, beta)
    return copies


def _step(
    G: nn.Module,  # noqa: N803 - the players have the chapter's names
    D: nn.Module,  # noqa: N803
    T: nn.Module,  # noqa: N803
    adam: Mapping[nn.Module, torch.optim.Optimizer],
    x: Tensor,
    label: Tensor,
    target: Tensor,
    new_noise: Callable[[], Tensor],
    terms: SimpleNamespace,
    beta: float,
    *,
    first: str = "learn",
    clear: str = "DTG",
    moves: str = "DTG",
    noise: str = "new",
    with_g: str = "",
    of_g: str = "domain task",
    late: bool = False,
    leak: bool = False,
) -> None:
    """A step of PixelDA. What stands behind the star makes it wrong.

    Which turn is ``first``; whose gradients are cleared; who moves; whether G's turn has noise "new", "old", or D and T
    see different pictures ("apart"); whether T moves with G "again", on gradients that are "kept", or "only" then; the
    terms of G; ``late``: nobody moves before all gradients are taken; ``leak``: what D and T pay reaches G.
    """

    waiting: list[nn.Module] = []

    def clear_and_minimise(loss: Tensor, nets: dict[str, nn.Module], movers: str) -> None:
        for name in movers:
            if name in clear and not (with_g == "kept" and movers == "GT" and name == "T"):
                adam[nets[name]].zero_grad()
        loss.backward()
        waiting.extend(nets[name] for name in movers if name in moves)
        if not late or "G" in movers:
            for net in waiting:
                adam[net].step()
            waiting.clear()

    def learn() -> Tensor:
        z = new_noise()
        fake = G(x, z)
        if not leak:
            fake = fake.detach()
        other = G(x, new_noise()).detach() if noise == "apart" else fake
        if leak:
            adam[G].zero_grad()
        loss, movers = terms.domain_d(D, target, fake), "D"
        if with_g != "only":
            loss, movers = loss + terms.task(T, x, other, label), "DT"
        clear_and_minimise(loss, {"D": D, "T": T}, movers)
        return z

    def repaint(z: Tensor | None) -> None:
        fake = G(x, new_noise() if z is None else z)
        loss = torch.zeros((), dtype=x.dtype)
        if "domain" in of_g:
            loss = loss + terms.domain_g(D, fake)
        if "task" in of_g:
            loss = loss + (1.0 if "heavy" in of_g else beta) * terms.task(T, x, fake, label)
        clear_and_minimise(loss, {"G": G, "T": T}, "GT" if with_g else "G")

    if first == "repaint":
        repaint(None)
        learn()
    else:
        z = learn()
        repaint(z if noise == "old" else None)


_MISTAKES: dict[str, Step] = {
    "G moves first; D and T learn first, and G plays against those that have just learnt": partial(
        _step, first="repaint"
    ),
    "all gradients are taken before anybody moves: G plays against the D and T of before, and what G pays is added to "
    "their gradients": partial(_step, late=True),
    "G is judged on the pictures from which D and T have just learnt; its turn has new noise": partial(
        _step, noise="old"
    ),
    "D and T are shown different pictures; both learn from the same ones": partial(_step, noise="apart"),
    "T moves with G, which lets the two agree on a mark that names the label; T moves beside D": partial(
        _step, with_g="only"
    ),
    "T moves twice in a step: beside D, and again with G": partial(_step, with_g="again"),
    "T moves twice in a step, with G on the gradients of both turns": partial(_step, with_g="kept"),
    "the domain term of G is missing: nothing makes its pictures look like the target's": partial(_step, of_g="task"),
    "the task term of G is missing: it pays nothing for a digit that nobody can read": partial(_step, of_g="domain"),
    "beta is missing: G's task term is weighted": partial(_step, of_g="domain task heavy"),
    "what D and T pay reaches G: make their pictures without a gradient, or clear G's before its turn": partial(
        _step, leak=True, clear="DT"
    ),
    "D's gradients are not cleared before its turn: those of G's loss, which would fool D, are still in them": partial(
        _step, clear="TG"
    ),
    "T's gradients are not cleared before its turn: those of G's loss are still in them": partial(_step, clear="DG"),
    "the gradients of D and T are not cleared before their turn: those of G's loss are in them": partial(
        _step, clear="G"
    ),
    "G's gradients are not cleared: those of the steps before are still in them": partial(_step, clear="DT"),
    "no gradients are cleared: those of the steps before are still in them": partial(_step, clear=""),
    "D never moves": partial(_step, moves="TG"),
    "T never moves": partial(_step, moves="DG"),
    "G never moves": partial(_step, moves="DT"),
}


# --- two domains ---------------------------------------------------------------------------------------------------


@task(NETWORKS)
def check_prepare(
    answer: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], *, batch: int = 2, height: int = 6, width: int = 8
) -> None:
    """Task 6: a function (renderings, photographs) of bytes ``(N, H, W, 3)`` → both as float32 in [-1, 1]."""
    for least, most in ((0, 255), (60, 150)):  # a batch of all bytes, and one of middle greys alone
        renderings, photographs = torch.randint(least, most + 1, (2, batch, height, width, 3), dtype=torch.uint8)
        renderings[0, 0, 0], photographs[0, 0, 0] = least, most
        given = renderings.clone(), photographs.clone()
        got = answer(*given)
        if not isinstance(got, tuple | list) or len(got) != 2:
            raise Wrong(f"the answer is of type {type(got).__name__}; expected the pair (x, target)")
        _check_images("x", got[0], renderings)
        _check_images("target", got[1], photographs)
        if not torch.equal(given[0], renderings) or not torch.equal(given[1], photographs):
            raise Wrong("the bytes that were given have changed; write into nothing")


def _check_images(name: str, made: object, pixels: Tensor) -> None:
    """Raise `Wrong` unless ``made`` is what the bytes ``pixels`` become."""
    planes = pixels.float().movedim(-1, 1)
    expected = planes / 127.5 - 1
    if type(made) is Tensor and made.shape == pixels.shape:
        raise Wrong(f"{name} has its channels at the end, as bytes have them; expected (N, 3, H, W)")
    if type(made) is Tensor and made.dtype != torch.float32:
        raise Wrong(f"{name} is {made.dtype}; expected torch.float32, the type of the networks")
    centred, each = planes - 127.5, (1, 2, 3)
    lowest, highest = planes.amin(each, keepdim=True), planes.amax(each, keepdim=True)
    by_largest = f"{name} is divided by the largest value of its batch; what a byte becomes must not depend on others"
    mistakes = {
        f"{name} reaches from 0 to 1 only; the other domain begins at -1, as does what G can paint": planes / 255,
        f"{name} reaches from 0 to 1 only, and depends on the largest value of its batch": planes / planes.max(),
        by_largest: centred / centred.abs().max(),
        f"{name} holds the right numbers at the wrong places: view and reshape cut rows of pixels into planes, "
        "movedim and permute move the axis": (pixels.float() / 127.5 - 1).reshape(expected.shape),
        f"in {name} the bytes have wrapped around at 256: make them floats first": (pixels * 2).float().movedim(-1, 1)
        / 255
        - 1,
        f"{name} is divided by 128: 255 must become 1": planes / 128 - 1,
        f"{name} has its colours in reverse order": expected.flip(1),
        f"every picture of {name} is stretched by itself: a dark one would become as light as the others": (
            (planes - lowest) / (highest - lowest) * 2 - 1
        ),
        f"every channel of {name} is standardised: what a byte becomes depends on its batch": (
            expected - expected.mean((0, 2, 3), keepdim=True)
        )
        / expected.std((0, 2, 3), keepdim=True),
    }
    same(made, expected, mistakes, what=name)
