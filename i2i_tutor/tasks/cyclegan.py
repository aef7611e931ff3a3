"""Checks of assignment 2, CycleGAN: least squares, ways back, identity, the image pool, and one step of the game."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.nn import ImagePool
from i2i_tutor.tasks.base import Wrong, equal_parameters, gradients, number, same, student_seed, task

LOSSES = "chapters/02_cyclegan.html#the-losses-from-scratch"
OBJECTIVE = "chapters/02_cyclegan.html#c7"  # the full objective, and the pool
STEP = "chapters/02_cyclegan.html#one-step-by-hand"
Network = Callable[[Tensor], Tensor]


def loss_d(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """What a discriminator of CycleGAN pays for the numbers that it gave, halved."""
    return 0.5 * losses.discriminator_loss(on_real, on_fake, "least_squares")


def loss_g(on_fake: Tensor) -> Tensor:
    """What a generator of CycleGAN pays for the numbers that its pictures were given."""
    return losses.generator_loss(on_fake, "least_squares")


# --- by hand -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ByHand:
    """Two pictures of three values, and two generators: G(x) = times * x, and F(y) = back * y + plus."""

    a: list[float]
    b: list[float]
    times: float
    back: float
    plus: float


def by_hand(student: str) -> ByHand:
    """Every student has other pictures and other generators, all easy by hand."""
    generator = torch.Generator().manual_seed(student_seed(student))

    def one_of(*choices: float) -> float:
        return choices[int(torch.randint(len(choices), (), generator=generator))]

    while True:
        a, b = ([one_of(-1.0, -0.5, 0.0, 0.5, 1.0) for _ in range(3)] for _ in "ab")
        own = ByHand(a, b, one_of(0.5, -0.5, -1.0), one_of(1.0, -1.0, 2.0, -2.0), one_of(-0.5, -0.25, 0.25, 0.5))
        told = [sorted([right, *mistakes.values()]) for right, mistakes in _by_hand(own).values()]
        if all(second - first > 0.01 for values in told for first, second in pairwise(values)):
            return own


def _by_hand(own: ByHand) -> dict[str, tuple[float, dict[str, float]]]:
    """The two right numbers, each with what mistakes lead to."""
    a, b = (torch.tensor(values, dtype=torch.float64) for values in (own.a, own.b))

    def g(x: Tensor) -> Tensor:
        return own.times * x

    def f(y: Tensor) -> Tensor:
        return own.back * y + own.plus

    def both(first: Tensor, second: Tensor, distance: Callable[[Tensor, Tensor], Tensor] = losses.l1) -> float:
        return float(distance(first, a) + distance(second, b))

    forward, backward = float(losses.l1(f(g(a)), a)), float(losses.l1(g(f(b)), b))
    of_f, of_g = float(losses.l1(f(a), a)), float(losses.l1(g(b), b))
    cycle, identity = forward + backward, of_f + of_g
    return {
        "cycle": (
            10 * cycle,
            {
                "you summed over the three values, the loss is their mean": 30 * cycle,
                "the weight is missing": cycle,
                "that is the forward half alone, a to b to a": 10 * forward,
                "that is the backward half alone, b to a to b": 10 * backward,
                "the two halves are added, each with its weight of 10": 5 * cycle,
                "the difference is squared; L1 takes its absolute value": 10 * both(f(g(a)), g(f(b)), losses.l2),
                "a goes through G first and b through F, you have the other order": 10 * both(g(f(a)), f(g(b))),
                "that compares the translations with the pictures; the ways back are asked for": 10 * both(g(a), f(b)),
            },
        ),
        "identity": (
            5 * identity,
            {
                "you summed over the three values, the loss is their mean": 15 * identity,
                "the weight is half of the cycle's, 5": 10 * identity,
                "the weight is missing": identity,
                "that is F's half alone": 5 * of_f,
                "that is G's half alone": 5 * of_g,
                "the difference is squared; L1 takes its absolute value": 5 * both(f(a), g(b), losses.l2),
                "G is shown b, which it must leave alone, and F is shown a; you have it the other way round": 5
                * both(g(a), f(b)),
                "those are the ways back; the identity terms translate once": 5 * cycle,
            },
        ),
    }


@task(OBJECTIVE)
def check_by_hand(cycle: float, identity: float, *, student: str) -> None:
    """Task 1: the cycle loss with weight 10 and the identity loss with weight 5 of ``by_hand(student)``."""
    expected = _by_hand(by_hand(student))
    for name, answer in (("cycle", cycle), ("identity", identity)):
        right, mistakes = expected[name]
        number(answer, right, mistakes, name)


# --- the adversarial terms -----------------------------------------------------------------------------------------


class _Judge(nn.Module):
    """A small D, which is shown one picture and never a pair."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 4, 2, 1, dtype=dtype), nn.Conv2d(4, 1, 3, 1, 1, dtype=dtype)

    def forward(self, image: Tensor) -> Tensor:
        if image.shape[1] != 3:
            raise Wrong(f"D is shown {image.shape[1]} channels; it sees one picture of three: there are no pairs here")
        return self.last(F.leaky_relu(self.first(image), 0.2))


def _pictures(count: int, batch: int, side: int, dtype: torch.dtype) -> list[Tensor]:
    return [torch.rand(batch, 3, side, side, dtype=dtype) * 2 - 1 for _ in range(count)]


def _two(answer: object, names: str) -> tuple[Any, Any]:
    """The two members of an answer. Raises `Wrong` if it has others."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        kind = "None (is there a return?)" if answer is None else f"of type {type(answer).__name__}"
        count = f", with {len(answer)} members" if isinstance(answer, tuple | list) else ""
        raise Wrong(f"the answer is {kind}{count}; expected two: {names}")
    return answer[0], answer[1]


def reference_adversarial(discriminator: nn.Module, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """What a discriminator pays, without a gradient for the fake, and what the generator pays."""
    return loss_d(discriminator(real), discriminator(fake.detach())), loss_g(discriminator(fake))


@task(LOSSES)
def check_adversarial(
    answer: Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]],
    *,
    batch: int = 2,
    side: int = 8,
    dtype: torch.dtype = torch.float64,
    scale: float = 1.0,
) -> None:
    """Task 2: a function (discriminator, real, fake) → (what D pays, what G pays). ``scale`` makes D surer."""
    judge = _Judge(dtype)
    judge.last.weight.data *= 4 * scale
    real, fake = _pictures(2, batch, side, dtype)

    def of(number: int) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda y, made: _two(answer(judge, y, made), "what D pays, what G pays")[number]

    with torch.no_grad():
        numbers = judge(real), judge(fake)
        right = [value.detach() for value in reference_adversarial(judge, real, fake)]
        mistakes = _of_adversarial(*numbers)
    for n, name in enumerate(("what D pays", "what G pays")):
        same(of(n)(real, fake), right[n], mistakes[n], name)
    cut = "a gradient of what D pays reaches fake, so G would learn from D's loss, the opposite of its own: detach it"
    gradients(
        of(0),
        lambda y, made: reference_adversarial(judge, y, made)[0],
        {"real": real, "fake": fake},
        {cut: lambda y, made: loss_d(judge(y), judge(made))},
    )
    gradients(of(1), lambda _, made: loss_g(judge(made)), {"real": real, "fake": fake})
    _moves_alike(judge, lambda one: _of_judge(answer, one, real, fake), lambda one: loss_d(one(real), one(fake)))


def _of_judge(answer: Callable[..., Any], judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """What a discriminator pays in an answer."""
    paid = _two(answer(judge, real, fake), "what D pays, what G pays")[0]
    assert isinstance(paid, Tensor)
    return paid


def _of_adversarial(real: Tensor, made: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What mistakes lead to, for the numbers on real and made pictures: of what D pays, and of what G pays."""
    d, g = loss_d(real, made), loss_g(made)
    summed = f"{made.numel()}x too large: you summed over the patches, the loss is their mean"
    of_d = {
        "you did not halve the sum of the two terms": 2 * d,
        summed: d * made.numel(),
        "real and made are exchanged: D has to answer 1 to a real picture": loss_d(made, real),
        "that is chapter 1's cross entropy; here the numbers are compared by squares": 0.5
        * losses.discriminator_loss(real, made),
        "a sigmoid is applied; least squares takes D's numbers as they are": loss_d(real.sigmoid(), made.sigmoid()),
        "that takes absolute values; the distance to 1 and 0 is squared": 0.5
        * ((real - 1).abs().mean() + made.abs().mean()),
        "the label of a made picture is 0, you have -1": 0.5
        * ((real - 1).square().mean() + (made + 1).square().mean()),
        "the term on the real picture is missing": 0.5 * made.square().mean(),
        "the term on the made picture is missing": 0.5 * loss_g(real),
        "that is what G pays; what D pays comes first": g,
    }
    of_g = {
        "G's term is not halved, only D's loss is": 0.5 * g,
        summed: g * made.numel(),
        "G is paid for a 0, so it would help D; it wants the answer 1": made.square().mean(),
        "that is chapter 1's cross entropy; here the numbers are compared by squares": losses.generator_loss(made),
        "a sigmoid is applied; least squares takes D's numbers as they are": loss_g(made.sigmoid()),
        "that takes absolute values; the distance to 1 is squared": (made - 1).abs().mean(),
        "D is shown the real picture, on which G has no influence": loss_g(real),
        "the sign is wrong: both sides minimise a distance": -g,
        "that is minus what D pays; with least squares G has a term of its own": -d,
    }
    return of_d, of_g


def _moves_alike(network: nn.Module, answer: Callable[..., Tensor], reference: Callable[..., Tensor]) -> None:
    """D's own weights must receive the reference's gradients."""
    mine, theirs = deepcopy(network), deepcopy(network)
    answer(mine).backward()
    reference(theirs).backward()
    for ours, expected in zip(mine.parameters(), theirs.parameters(), strict=True):
        if ours.grad is None:
            raise Wrong("the value is right, but D's weights receive no gradient from it")
        assert expected.grad is not None
        same(ours.grad, expected.grad, what="the gradient of D's weights")


# --- ways back, and identity ---------------------------------------------------------------------------------------


def reference_round_trips(g_ab: Network, g_ba: Network, a: Tensor, b: Tensor, weight: float = 10.0) -> Tensor:
    """Both cycle terms with their weight, and both identity terms with half of it."""
    cycles = losses.l1(g_ba(g_ab(a)), a) + losses.l1(g_ab(g_ba(b)), b)
    return weight * cycles + weight / 2 * (losses.l1(g_ab(b), b) + losses.l1(g_ba(a), a))


def _network(weights: Tensor) -> Network:
    """A generator of one layer, with these weights."""
    return lambda image: torch.tanh(F.conv2d(image, weights, padding=1))


@task(OBJECTIVE)
def check_round_trips(
    answer: Callable[..., Tensor],
    *,
    batch: int = 2,
    side: int = 8,
    dtype: torch.dtype = torch.float64,
    weight: float = 4.0,
) -> None:
    """Task 3: a function (g_ab, g_ba, a, b, weight) → the cycle terms and, at half the weight, the identity terms."""
    a, b = _pictures(2, batch, side, dtype)
    b = 0.5 * b + 0.3  # another pile: no mistake is hidden by likeness
    weights = {name: 0.3 * torch.randn(3, 3, 3, 3, dtype=dtype) for name in ("g_ab", "g_ba")}
    g_ab, g_ba = (_network(one) for one in weights.values())
    mistakes = _of_round_trips(g_ab, g_ba, a, b, weight)
    same(answer(g_ab, g_ba, a, b, weight), reference_round_trips(g_ab, g_ba, a, b, weight), mistakes)

    def detached(there: Tensor, back: Tensor) -> Tensor:
        ab, ba = _network(there), _network(back)
        cycles = losses.l1(ba(ab(a).detach()), a) + losses.l1(ab(ba(b).detach()), b)
        return weight * cycles + weight / 2 * (losses.l1(ab(b), b) + losses.l1(ba(a), a))

    gradients(
        lambda there, back: answer(_network(there), _network(back), a, b, weight),
        lambda there, back: reference_round_trips(_network(there), _network(back), a, b, weight),
        weights,
        {"the way there is detached, so each half moves one generator; it has to move both": detached},
    )


def _of_round_trips(g_ab: Network, g_ba: Network, a: Tensor, b: Tensor, weight: float) -> dict[str, Tensor]:
    """What mistakes lead to."""
    forward, backward = losses.l1(g_ba(g_ab(a)), a), losses.l1(g_ab(g_ba(b)), b)
    same_b, same_a = losses.l1(g_ab(b), b), losses.l1(g_ba(a), a)
    there_a, there_b = losses.l1(g_ab(a), a), losses.l1(g_ba(b), b)
    cycles, identity = weight * (forward + backward), weight / 2 * (same_a + same_b)
    turned = losses.l1(g_ab(g_ba(a)), a) + losses.l1(g_ba(g_ab(b)), b)
    squares = losses.l2(g_ba(g_ab(a)), a) + losses.l2(g_ab(g_ba(b)), b)
    squares_once = losses.l2(g_ab(b), b) + losses.l2(g_ba(a), a)
    return {
        "g_ab is shown a in the identity terms, which asks it not to translate at all; show it b, and g_ba a": cycles
        + weight / 2 * (there_a + there_b),
        "the cycles take the networks in the other order: a goes through g_ab first": weight * turned + identity,
        "the cycle terms compare the translation with the picture; take the way back": weight * (there_a + there_b)
        + identity,
        "the identity terms are missing": cycles,
        "the cycle terms are missing": identity,
        "the cycle b, a, b is missing": weight * forward + identity,
        "the cycle a, b, a is missing": weight * backward + identity,
        "g_ba's identity term is missing": cycles + weight / 2 * same_b,
        "g_ab's identity term is missing": cycles + weight / 2 * same_a,
        "the identity terms have half of the cycle's weight, you gave them all of it": cycles + 2 * identity,
        "the cycle terms have the whole weight, you gave them half of it": cycles / 2 + identity,
        "everything is half as large as it should be: the two directions are added, not averaged": (cycles + identity)
        / 2,
        "the weight is missing": forward + backward + same_a + same_b,
        "the identity terms have no weight": cycles + same_a + same_b,
        "the weight is always 10; take the argument": 10 * (forward + backward) + 5 * (same_a + same_b),
        "the identity terms' weight is always 5; take half of the argument": cycles + 5 * (same_a + same_b),
        "you summed over the pixels, the loss is their mean": (cycles + identity) * a.numel(),
        "the differences are squared; L1 takes their absolute values": weight * squares + weight / 2 * squares_once,
    }


# --- the image pool ------------------------------------------------------------------------------------------------


@task(OBJECTIVE)
def check_pool(
    answer: Callable[[list[Tensor], Tensor, int], Tensor],
    *,
    size: int = 8,
    batch: int = 4,
    side: int = 3,
    dtype: torch.dtype = torch.float64,
    calls: int = 250,
) -> None:
    """Task 4: a function (stored, fakes, size) → what D is shown; ``stored`` is a list that it fills and exchanges."""
    with mock.patch.object(ImagePool, "query", _refuse):
        _check_pool(answer, size, batch, side, dtype, calls)


def _refuse(*_: object) -> None:
    raise Wrong("your answer uses the pool of this book's package; write it in plain PyTorch")


def _check_pool(
    answer: Callable[[list[Tensor], Tensor, int], Tensor],
    size: int,
    batch: int,
    side: int,
    dtype: torch.dtype,
    calls: int,
) -> None:
    stored: list[Tensor] = []
    held: list[int] = []  # the same, as numbers of pictures
    seen = _Seen(size)
    last = 0
    for call in range(calls):
        count = 1 if call < 4 * size else batch  # one by one at first: then a mistake is told best
        new = list(range(last + 1, last + count + 1))
        last += count
        leaf = torch.tensor(new, dtype=dtype).view(-1, 1, 1, 1).expand(count, 3, side, side).clone().requires_grad_()
        fakes = leaf * 1.0  # as from a generator: with a graph
        shown = answer(stored, fakes, size)
        _check_shown(shown, fakes)
        if not torch.equal(fakes.detach(), leaf.detach()):
            raise Wrong("the fakes that were given have changed; G still needs them: write into a copy")
        answered = _numbers(list(shown), "a picture that D is shown")
        if not all(isinstance(picture, Tensor) for picture in stored):
            raise Wrong("`stored` holds something that is no picture; keep the pictures, and nothing else, in it")
        if any(picture.requires_grad for picture in stored):
            raise Wrong("`stored` holds pictures with their graphs, so memory is never given back: detach them")
        kept = _numbers(stored, "a picture in `stored`")
        held = _after_query(held, new, answered, kept, size, seen)
    seen.judge()


def _check_shown(shown: object, fakes: Tensor) -> None:
    if type(shown) is not Tensor:
        kind = "None (is there a return?)" if shown is None else f"of type {type(shown).__name__}"
        raise Wrong(f"the answer is {kind}; expected the pictures that D is shown, a tensor {tuple(fakes.shape)}")
    if shown.shape != fakes.shape or shown.dtype != fakes.dtype:
        expected = f"{tuple(fakes.shape)} of {fakes.dtype}, as many pictures as were given"
        raise Wrong(f"the answer is {tuple(shown.shape)} of {shown.dtype}; expected {expected}")
    if shown.requires_grad:
        raise Wrong("the answer carries a graph, so D's loss would reach the generator: detach it")


def _numbers(pictures: list[Tensor], what: str) -> list[int]:
    """The numbers of pictures all of whose values are their number."""
    if not pictures:
        return []
    if len({picture.numel() for picture in pictures}) != 1:
        raise Wrong(f"{what} has another size than the others; every place holds one picture")
    rows = torch.stack([picture.detach().flatten() for picture in pictures])
    if not torch.equal(rows, rows[:, :1].expand_as(rows)):
        raise Wrong(f"{what} is a mixture of several; pictures are exchanged whole")
    return [int(value) for value in rows[:, 0].tolist()]


class _Seen:
    """What a pool did once it was full."""

    def __init__(self, size: int):
        self.size = size
        self.old, self.new, self.mixed, self.batches = 0, 0, 0, 0
        self.ages = [0] * size  # how often the oldest was taken, the second oldest, ...

    def note(self, coins: list[bool]) -> None:
        """Of one call on a full pool: which of its pictures were exchanged."""
        self.old += sum(coins)
        self.new += len(coins) - sum(coins)
        self.batches += len(coins) > 1
        self.mixed += 0 < sum(coins) < len(coins)

    def judge(self) -> None:
        """Raise `Wrong` unless the coin was fair and every place had its turn."""
        count = self.old + self.new
        if not count or not self.size:
            return
        share, apart = self.old / count, 2.5 / count**0.5  # five standard deviations
        if self.old == 0:
            raise Wrong("the full pool never exchanges: D is shown the newest fakes alone, as without a pool")
        if self.new == 0:
            raise Wrong("once the pool is full, D is never shown a new picture; it is every second time")
        if abs(share - 0.5) > apart:
            raise Wrong(f"D is shown an old picture {share:.0%} of the time; the probability is one half")
        often = max(range(self.size), key=self.ages.__getitem__)
        if self.size > 1 and self.ages[often] >= self.old - self.size:
            place = {0: "oldest", self.size - 1: "newest"}.get(often, "same")
            raise Wrong(f"it is always the {place} picture that leaves the pool; draw one at random")
        expected = self.old / self.size
        if any(abs(times - expected) > 6 * expected**0.5 for times in self.ages):
            raise Wrong("some pictures leave the pool far more often than others; draw each with the same probability")
        if self.batches > 20 and not self.mixed:
            raise Wrong("all pictures of a batch are exchanged, or none; every picture has a coin of its own")


def _after_query(
    held: list[int], new: list[int], answered: list[int], kept: list[int], size: int, seen: _Seen
) -> list[int]:
    """The numbers of the pictures that a right pool holds after these answers, the oldest first."""
    before, coins = list(held), []
    filling = len(held) + len(new) <= size
    for fresh, shown in zip(new, answered, strict=True):
        if len(held) < size:
            if shown != fresh:
                raise Wrong("while the pool fills, D is shown the new picture every time, and the pool keeps it")
            held = [*held, fresh]
        elif shown == fresh:
            coins.append(False)
        elif shown in held:
            seen.ages[held.index(shown)] += 1
            held = [*(one for one in held if one != shown), fresh]
            coins.append(True)
        else:
            _explain_stranger(shown, fresh, new, before, kept, size)
    if sorted(kept) != sorted(held):
        _explain_kept(kept, held, before, new, answered, size, filling)
    seen.note(coins)
    return held


def _explain_stranger(shown: int, fresh: int, new: list[int], before: list[int], kept: list[int], size: int) -> None:
    if len(kept) > size:
        raise Wrong(f"the pool holds {len(kept)} pictures; its size is {size}")
    if shown in before:
        raise Wrong("one picture of the pool is shown twice in a batch: the new one takes its place at once")
    if shown in new:
        raise Wrong("D is shown another picture of this batch, which is not in the pool")
    raise Wrong(f"D is shown picture {shown}, which the pool does not hold, while picture {fresh} comes in")


def _explain_kept(
    kept: list[int], held: list[int], before: list[int], new: list[int], answered: list[int], size: int, filling: bool
) -> None:
    if len(kept) > size:
        raise Wrong(f"the pool holds {len(kept)} pictures; its size is {size}")
    if filling:
        raise Wrong(f"the pool holds {len(kept)} and not {len(held)}; while it fills, it keeps every new one")
    if len(set(kept)) < len(kept):
        raise Wrong("the pool holds one picture twice")
    if len(kept) < len(held):
        raise Wrong("a picture has left the pool and none has come in: the new one takes its place")
    if sorted(kept) == sorted(before):
        raise Wrong("D is shown an old picture, but the new one does not take its place: the pool never changes again")
    if any(fresh == shown and fresh in kept for fresh, shown in zip(new, answered, strict=True)):
        raise Wrong(
            "a new picture that D is shown is stored, too; a full pool stores one only in exchange for an old one"
        )
    raise Wrong("the picture that leaves the pool is not the one that D is shown; the new one takes that one's place")


# --- a run that fails ----------------------------------------------------------------------------------------------


class _Pool:
    """A pool that hands back pictures of its own, and remembers what it was asked."""

    def __init__(self, old: Tensor):
        self.old = old
        self.asked: list[Tensor] = []

    def __call__(self, fakes: Tensor) -> Tensor:
        self.asked.append(fakes.detach().clone())
        return self.old.clone()


def reference_side(
    discriminator: nn.Module,
    real: Tensor,
    fake: Tensor,
    pool: Network,
    loss_d: Callable[[Tensor, Tensor], Tensor],
    loss_g: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """One side of the game: D pays for what the pool shows it, G for what it has just made."""
    return loss_d(discriminator(real), discriminator(pool(fake))), loss_g(discriminator(fake))


@task(OBJECTIVE)
def check_side(
    answer: Callable[..., tuple[Tensor, Tensor]],
    *,
    batch: int = 2,
    side: int = 8,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Task 5: (discriminator, real, fake, pool, loss_d, loss_g) → what D pays and what G pays."""
    judge = _Judge(dtype)
    judge.last.weight.data *= 4
    real, fake, old = _pictures(3, batch, side, dtype)

    def both(one: nn.Module, made: Tensor) -> tuple[Any, Any]:
        pool = _Pool(old)
        got = _two(answer(one, real, made, pool, loss_d, loss_g), "what D pays, what G pays")
        if len(pool.asked) > 1:
            raise Wrong("the pool is asked more than once, and each time it may store and exchange: ask it once")
        if pool.asked and torch.equal(pool.asked[0], real):
            raise Wrong("the pool is given the real picture; it is a pool of fakes")
        return got

    with torch.no_grad():
        on_real, on_fake, on_old = judge(real), judge(fake), judge(old)
        of_d = {
            "D is shown the newest fake; it pays for what the pool shows it": loss_d(on_real, on_fake),
            "real and made are exchanged: loss_d takes D's numbers on the real picture first": loss_d(on_old, on_real),
            "that is what G pays; what D pays comes first": loss_g(on_fake),
        }
        of_g = {
            "G pays for the picture from the pool, which has no graph, so it learns nothing from D; it pays for its "
            "own new one": loss_g(on_old),
            "G pays for the real picture, on which it has no influence": loss_g(on_real),
            "that is what D pays for the newest fake; G has a term of its own": loss_d(on_real, on_fake),
        }
        right = loss_d(on_real, on_old), loss_g(on_fake)
    paid = both(judge, fake)
    same(paid[0], right[0], of_d, "what D pays")
    same(paid[1], right[1], of_g, "what G pays")
    detached = "G pays for the right picture, but it was detached on its way to D, so no gradient reaches G"
    made = fake.clone().requires_grad_()
    for_d, for_g = both(judge, made)
    if not for_g.requires_grad or torch.autograd.grad(for_g, made, retain_graph=True, allow_unused=True)[0] is None:
        raise Wrong(detached)
    gradients(lambda image: both(judge, image)[1], lambda image: loss_g(judge(image)), {"fake": fake})
    if not for_d.requires_grad:
        raise Wrong("what D pays is right, but carries no gradient, so D learns nothing")
    if torch.autograd.grad(for_d, made, allow_unused=True)[0] is not None:
        raise Wrong("a gradient of what D pays reaches fake; only D learns from it")
    _moves_alike(judge, lambda one: both(one, fake)[0], lambda one: loss_d(one(real), one(old)))


# --- one step ------------------------------------------------------------------------------------------------------


class _Players(nn.Module):
    """Four small networks."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.g_ab, self.g_ba = (
            nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1, dtype=dtype), nn.Tanh(), nn.Conv2d(4, 3, 3, 1, 1, dtype=dtype))
            for _ in "ab"
        )
        self.d_a, self.d_b = _Judge(dtype), _Judge(dtype)


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
    """Task 6: (model, adam_g, adam_d, a, b, loss_g, loss_d, trips): one step, the generators first."""
    players = _Players(dtype)
    pairs = [_pictures(2, batch, side, dtype) for _ in range(steps)]
    expected = _after(_step, players, pairs, optimiser)
    try:
        mine = _after(answer, players, pairs, optimiser)
    except RuntimeError as error:
        if "backward through the graph a second time" in str(error) or "inplace operation" in str(error):
            raise Wrong(
                "the discriminators' loss goes back into the generators, which have played already: detach the fakes"
            ) from None
        raise
    if equal_parameters(mine, expected):
        return
    for sentence, wrong in _MISTAKES.items():
        if equal_parameters(mine, _after(wrong, players, pairs, optimiser)):
            raise Wrong(sentence)
    for name, player in mine.named_children():
        if equal_parameters(player, getattr(players, name)):
            raise Wrong(f"{name} has not moved")
    who = next(n for n, player in mine.named_children() if not equal_parameters(player, getattr(expected, n)))
    raise Wrong(f"after {steps} steps the weights of {who} are not those of a step of CycleGAN")


def _after(
    step: Callable[..., object],
    players: _Players,
    pairs: list[list[Tensor]],
    optimiser: Callable[..., torch.optim.Optimizer],
) -> _Players:
    """The four networks after a step with each pair of pictures; the players themselves stay as they were."""
    model = deepcopy(players)
    of_g = optimiser([*model.g_ab.parameters(), *model.g_ba.parameters()], lr=0.05)
    of_d = optimiser([*model.d_a.parameters(), *model.d_b.parameters()], lr=0.05)
    for a, b in pairs:
        step(model, of_g, of_d, a, b, loss_g, loss_d, reference_round_trips)
    return model


def _step(
    model: _Players,
    adam_g: torch.optim.Optimizer,
    adam_d: torch.optim.Optimizer,
    a: Tensor,
    b: Tensor,
    loss_g: Callable[[Tensor], Tensor],
    loss_d: Callable[[Tensor, Tensor], Tensor],
    trips: Callable[..., Tensor],
    *,
    order: str = "gd",
    clear: str = "gd",
    moves: str = "gd",
    anew: bool = False,
    crossed: bool = False,
    swapped: bool = False,
    early: bool = False,
    pays: Mapping[str, float] = {},
) -> None:
    """A step of CycleGAN. The last arguments make it wrong: who is first, whose gradients are cleared, who moves,
    whether the fakes are made anew for the discriminators, whose fakes they see, who judges the generators, whether all
    gradients are cleared at the start, and the weights of some terms.
    """
    fakes = model.g_ba(b), model.g_ab(a)
    for optimiser in (adam_g, adam_d) if early else ():
        optimiser.zero_grad()
    for player in order:
        if player in clear and not early:
            (adam_g if player == "g" else adam_d).zero_grad()
        if player == "g":
            to_a, to_b = reversed(fakes) if swapped else fakes
            gan = pays.get("gan_a", 1) * loss_g(model.d_a(to_a)) + pays.get("gan_b", 1) * loss_g(model.d_b(to_b))
            (gan + pays.get("trips", 1) * trips(model.g_ab, model.g_ba, a, b)).backward()
        else:
            made = (model.g_ba(b), model.g_ab(a)) if anew else fakes
            of_a, of_b = (one.detach() for one in (reversed(made) if crossed else made))
            paid = pays.get("d_a", 1) * loss_d(model.d_a(a), model.d_a(of_a))
            (paid + pays.get("d_b", 1) * loss_d(model.d_b(b), model.d_b(of_b))).backward()
        if player in moves:
            (adam_g if player == "g" else adam_d).step()


_MISTAKES: dict[str, Callable[..., object]] = {
    "the discriminators learn first; here the generators play first, against the discriminators of before": partial(
        _step, order="dg"
    ),
    "the discriminators are shown fakes made anew, after the generators' step; show them those made before it": partial(
        _step, anew=True
    ),
    "the discriminators' gradients are not cleared before their turn: the generators' loss, which would fool them, "
    "has left its own in them": partial(_step, clear="g"),
    "the generators' gradients are not cleared: those of the steps before are still in them": partial(_step, clear="d"),
    "no gradients are cleared: those of the steps before are still in them": partial(_step, clear=""),
    "the discriminators' gradients are cleared too early: the generators' loss, which would fool them, leaves its own "
    "in them after that": partial(_step, early=True),
    "the discriminators are shown each other's fakes: d_a compares a with g_ba(b), and d_b b with g_ab(a)": partial(
        _step, crossed=True
    ),
    "the generators are judged by the wrong discriminators: d_b judges g_ab(a), and d_a judges g_ba(b)": partial(
        _step, swapped=True
    ),
    "d_b does not learn": partial(_step, pays={"d_b": 0}),
    "d_a does not learn": partial(_step, pays={"d_a": 0}),
    "the generators do not pay the trips": partial(_step, pays={"trips": 0}),
    "the generators pay nothing to the discriminators": partial(_step, pays={"gan_a": 0, "gan_b": 0}),
    "g_ab pays nothing to d_b": partial(_step, pays={"gan_b": 0}),
    "g_ba pays nothing to d_a": partial(_step, pays={"gan_a": 0}),
    "the discriminators never move": partial(_step, moves="g"),
    "the generators never move": partial(_step, moves="d"),
}
