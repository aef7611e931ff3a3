"""Checks of assignment 3, OP-GAN: pairs of patches, content and domain loss, one step, and finding patches again."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from itertools import combinations, pairwise
from operator import index
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.methods import opgan
from i2i_tutor.methods.opgan import Pair
from i2i_tutor.tasks.base import Wrong, equal_parameters, gradients, number, same, student_seed, task

PAIRS = "chapters/03_opgan.html#the-idea"
LOSSES = "chapters/03_opgan.html#the-losses-from-scratch"
STABLE = "chapters/03_opgan.html#a-content-that-cannot-collapse"
STEP = "chapters/03_opgan.html#one-step-by-hand"
Pairs = Sequence[Pair]
Step = Callable[..., object]


# --- by hand -------------------------------------------------------------------------------------------------------


def by_hand(student: str) -> SimpleNamespace:
    """Two content maps ``(2, 2)``, and two pairs of patches with the exponentials of their scores, ``(2, 3)``.

    One pair is of kind D1 or D2, the other of C1 or C2. Every student has others, all easy by hand.
    """
    generator = torch.Generator().manual_seed(student_seed(student))

    def draw(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=generator)

    while True:
        map_a, map_b = draw(-2, 5, 2, 2, 2).double() / 2
        low, high = sorted(torch.randperm(9, generator=generator)[:2].tolist())
        picture, night, day = draw(0, 2).item(), *draw(0, 9, 2).tolist()
        pairs = [(low + 9 * picture, high + 9 * picture), (night, day + 9)]
        powers = torch.stack([1 + torch.randperm(6, generator=generator)[:3] for _ in range(2)]).double()
        own = SimpleNamespace(map_a=map_a, map_b=map_b, pairs=pairs, powers=powers)
        every = [[right, *mistakes.values()] for right, mistakes in (_content_by_hand(own), _domain_by_hand(own))]
        gaps = [b - a for values in every for a, b in pairwise(sorted(values))]
        if min(gaps) > 0.01:  # every mistake can be told
            return own


def _content_by_hand(own: SimpleNamespace) -> tuple[float, dict[str, float]]:
    """The right number, and what mistakes lead to."""
    d = own.map_a - own.map_b
    right = float(d.square().mean())
    return right, {
        "that is the sum over the pixels; divide it by their number": float(d.square().sum()),
        "those are absolute differences; square them": float(d.abs().mean()),
        "that is the root of it": right**0.5,
        "that is the square of the mean difference; square first, pixel by pixel": float(d.mean() ** 2),
        "you divided by the side of the patch, not by the number of its pixels": float(d.square().sum()) / 2,
        "a half is too much: nothing is halved here": right / 2,
    }


def _domain_by_hand(own: SimpleNamespace) -> tuple[float, dict[str, float]]:
    """The right number, and what mistakes lead to."""
    every = own.powers / own.powers.sum(1, keepdim=True)

    def shares(which: Sequence[int] = (0, 1, 2)) -> Tensor:
        return every[[0, 1], [which[each] for each in classes_of(own.pairs)]]

    def mean(which: Sequence[int]) -> float:
        return float(-shares(which).log().mean())

    right, first, second = mean((0, 1, 2)), *(-shares().log()).tolist()
    return right, {
        "that is the sum over the two pairs; take the mean": 2 * right,
        "D1 and D2 are exchanged: D1 is two patches of the night": mean((1, 0, 2)),
        "one of each is class C, the third score, whether the places are equal (C1) or not (C2)": mean((0, 1, 0)),
        "the logarithm is missing, that is a mean share": float(shares().mean()),
        "the sign is wrong: the loss is minus the logarithm of the share": -right,
        "only the first pair is counted": first,
        "only the second pair is counted": second,
        "that is the logarithm to base 10; the loss has the natural one": right / 2.302585,
    }


@task(LOSSES)
def check_by_hand(content: float, domain: float, *, student: str) -> None:
    """Task 1: L_cc of the two maps and the mean L_dc of the two pairs of ``by_hand(student)``."""
    own = by_hand(student)
    number(content, *_content_by_hand(own), "content")
    number(domain, *_domain_by_hand(own), "domain")


def classes_of(pairs: Pairs) -> list[int]:
    """The class of every pair: 0 for D1, 1 for D2, 2 for C1 and C2."""
    return [opgan.CLASSES[opgan.scenario(pair)] for pair in pairs]


# --- pairs ---------------------------------------------------------------------------------------------------------


@task(PAIRS)
def check_draw_pairs(answer: Callable[[int], Sequence[Sequence[int]]], *, grid: int = 3, calls: int = 1200) -> None:
    """Task 2: a function (grid) → a D1, a D2 and, at even odds, a C1 or a C2 pair of the 2 * grid**2 patches."""
    count = grid**2
    drawn = [_pairs(answer(grid), count) for _ in range(calls)]
    if len({tuple(pairs) for pairs in drawn}) == 1:
        raise Wrong("all calls draw the same pairs; draw new ones each time")
    night, day = ([pairs[2][n] % count for pairs in drawn] for n in range(2))
    _even(night, count, "as the night's patch of the third pair")
    _even(day, count, "as the day's patch of the third pair")
    equal = sum(one == other for one, other in zip(night, day, strict=True)) / calls
    if equal in (0, 1):
        raise Wrong(f"the third pair is always of kind {'C1' if equal else 'C2'}; expected C1 and C2 at even odds")
    if abs(equal - 0.5) > 0.09:
        free = abs(equal - 1 / count) < 0.05
        hint = ": both places are drawn freely, and then they are seldom equal" if free else ""
        raise Wrong(f"{equal:.0%} of the third pairs are of kind C1; expected half of them{hint}")
    apart = {(other - one) % count for one, other in zip(night, day, strict=True)}
    if len(apart) < count:
        raise Wrong(f"in {calls} calls pairs of kind C2 join only some of the places; all pairs of places are possible")
    for kind in (0, 1):
        found = [tuple(sorted(i % count for i in pairs[kind])) for pairs in drawn]
        _even([place for pair in found for place in pair], count, f"in pairs of kind D{kind + 1}")
        if missing := set(combinations(range(count), 2)) - set(found):
            never = f"the places {min(missing)[0]} and {min(missing)[1]}"
            raise Wrong(f"in {calls} calls no pair of kind D{kind + 1} joins {never}; all pairs of places are possible")


def _pairs(got: object, count: int) -> list[Pair]:
    """The answer as three pairs of the kinds D1, D2 and C; raises `Wrong` if it isn't."""
    if not isinstance(got, tuple | list):
        raise Wrong(f"the answer is of type {type(got).__name__}; expected a list of three pairs")
    if len(got) != 3:
        raise Wrong(f"{len(got)} pairs are drawn; expected three: one for every class of the domain loss")
    pairs = []
    for each, wanted in zip(got, ("D1", "D2", "C1 or C2"), strict=True):
        try:
            first, second = map(index, each)
        except (TypeError, ValueError):
            raise Wrong(f"a pair is {each!r}; expected two whole numbers") from None
        if not (0 <= first < 2 * count and 0 <= second < 2 * count):
            raise Wrong(f"a pair is {(first, second)}; the patches are numbered from 0 to {2 * count - 1}")
        if first == second:
            raise Wrong(f"the pair {(first, second)} is one patch twice; draw two different ones")
        days = (first >= count) + (second >= count)
        kind = {0: "D1", 2: "D2"}.get(days, "C1 or C2")
        if kind != wanted:
            raise Wrong(
                f"the pair {(first, second)} is of kind {kind}; expected {wanted} here: the night has the patches 0 to "
                f"{count - 1}, the day {count} to {2 * count - 1}"
            )
        if days == 1 and first >= count:
            raise Wrong(f"the pair {(first, second)} begins with the day's patch; expected the night's first")
        pairs.append((first, second))
    return pairs


def _even(places: Sequence[int], count: int, where: str) -> None:
    """Raise `Wrong` unless every place is drawn about as often as the others."""
    found = Counter(places)
    expected = len(places) / count
    for place in range(count):
        if not 0.5 * expected < found[place] < 1.6 * expected:
            times = f"{found[place]} times in {len(places)}, expected about {expected:.0f}"
            raise Wrong(f"place {place} is drawn {times}, {where}; all places are equally likely")


# --- the content term ----------------------------------------------------------------------------------------------


class _Looker(nn.Module):
    """A small content half of S, that wants patches of one size."""

    def __init__(self, height: int, width: int, dtype: torch.dtype):
        super().__init__()
        self.side = (height, width)
        self.first = nn.Conv2d(3, 4, 3, 1, 1, padding_mode="replicate", dtype=dtype)
        self.last = nn.Conv2d(4, 1, 1, dtype=dtype)

    def forward(self, patches: Tensor) -> Tensor:
        if patches.shape[-3:] != (3, *self.side):
            raise Wrong(
                f"S is shown tensors {tuple(patches.shape)}; expected patches (..., 3, {self.side[0]}, {self.side[1]}):"
                " a third of the picture's sides, what is left over on the right and below is dropped"
            )
        maps = self.last(self.first(patches.flatten(0, -4)).tanh()) + 0.5
        return maps[:, 0].unflatten(0, patches.shape[:-3])


def reference_content_term(content: Callable[[Tensor], Tensor], in_a: Tensor, in_b: Tensor) -> Tensor:
    """The stabilised content loss of a picture in domain a and its counterpart in b, over all nine places."""
    return opgan.content_loss(*(opgan.standardised(content(opgan.cells(images))) for images in (in_a, in_b)))


@task(STABLE)
def check_content_term(
    answer: Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], Tensor],
    *,
    batch: int = 2,
    height: int = 14,
    width: int = 19,
    dtype: torch.dtype = torch.float64,
    flat: bool = False,
) -> None:
    """Task 3: a function (content, in_a, in_b) → the content term. ``flat`` pictures have one colour each."""
    h, w = height // 3, width // 3
    content = _Looker(h, w, dtype)
    in_a, in_b = torch.rand(2, batch, 3, height, width, dtype=dtype) * 2 - 1
    in_b = 0.5 * in_b + 0.5 * in_a
    if flat:
        in_a, in_b = (images[..., :1, :1].expand_as(images).contiguous() for images in (in_a, in_b))
    right = reference_content_term(content, in_a, in_b).detach()
    same(answer(content, in_a, in_b), right, {} if flat else _content_mistakes(content, in_a, in_b, right))
    if not flat:
        both = {"in_a": in_a, "in_b": in_b}
        gradients(partial(answer, content), partial(reference_content_term, content), both)


def _standard(maps: Tensor, axes: tuple[int, ...] = (-2, -1), correction: int = 0, under: float = 1e-3) -> Tensor:
    variance, mean = torch.var_mean(maps, axes, correction=correction, keepdim=True)
    return (maps - mean) / (variance + under).sqrt()


def _content_mistakes(content: _Looker, in_a: Tensor, in_b: Tensor, right: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        h, w = content.side
        both = [opgan.cells(images) for images in (in_a, in_b)]
        raw = [content(some) for some in both]
        kept = [images[..., : 3 * h, : 3 * w].contiguous() for images in (in_a, in_b)]
        torn = [opgan.standardised(content(images.reshape(len(images), 9, 3, h, w))) for images in kept]

        def wrong(how: Callable[[Tensor], Tensor]) -> Tensor:
            return opgan.content_loss(*map(how, raw))

        def mean(maps: Tensor) -> Tensor:
            return maps.mean((-2, -1), keepdim=True)

        def deviation(maps: Tensor) -> Tensor:
            return maps.std((-2, -1), correction=0, keepdim=True)

        one, other = map(opgan.standardised, raw)
        turned = other.unflatten(1, (3, 3)).transpose(1, 2).flatten(1, 2)
        return {
            "the maps are not standardised: small maps would be a way out": wrong(lambda m: m),
            "the variance of the maps is not made 1": wrong(lambda m: m - mean(m)),
            "the mean of the maps is not taken away": wrong(lambda m: m / (deviation(m) ** 2 + 1e-3).sqrt()),
            "the nine maps of a picture share a mean and a variance": wrong(lambda m: _standard(m, (-3, -2, -1))),
            "all maps of the batch share a mean and a variance": wrong(lambda m: _standard(m, (0, 1, 2, 3))),
            "the variance divides by the number of pixels less one": wrong(lambda m: _standard(m, correction=1)),
            "1e-3 stands beside the root, not under it": wrong(lambda m: (m - mean(m)) / (deviation(m) + 1e-3)),
            "1e-3 is missing under the root: a flat map would be divided by 0": wrong(lambda m: _standard(m, under=0)),
            "you summed over the nine patches; take the mean of all": right * 9,
            "you summed over everything; take the mean": right * one.numel(),
            "those are absolute differences; square them": (one - other).abs().mean(),
            "that is the root of it": right.sqrt(),
            "one picture is cut row by row, the other column by column": (one - turned).square().mean(),
            "the patches are torn: reshape cuts rows of pixels apart; slice instead": opgan.content_loss(*torn),
        }


# --- the domain loss -----------------------------------------------------------------------------------------------


MIXED = [(0, 8), (9, 17), (4, 13), (8, 9), (2, 7)]  # D1, D2, C1, C2, D1


@task(LOSSES)
def check_domain_loss(
    answer: Callable[[Tensor, Pairs], Tensor],
    *,
    batch: int = 3,
    pairs: Pairs = MIXED,
    dtype: torch.dtype = torch.float64,
    scale: float = 3.0,
) -> None:
    """Task 4: a function (scores ``(N, P, 3)``, the P pairs) → the domain loss."""
    scores = torch.randn(batch, len(pairs), 3, dtype=dtype) * scale
    given, right, classes = list(pairs), opgan.domain_loss(scores, pairs), torch.tensor(classes_of(pairs))
    every = -scores.log_softmax(-1)

    def of(which: Tensor, some: Tensor = every) -> Tensor:  # (N, P): what the classes ``which`` of the pairs cost
        return some[:, range(len(pairs)), which]

    def exchanged(*which: int) -> Tensor:
        return of(torch.tensor(which)[classes]).mean()

    def split(first_day: int) -> Tensor:
        days = torch.tensor([(a >= first_day) + (b >= first_day) for a, b in pairs])
        return of(torch.tensor([0, 2, 1])[days]).mean()

    costs, far = of(classes), torch.tensor([opgan.scenario(pair) == "C2" for pair in pairs])
    rows, shares = scores.flatten(0, 1), of(classes, scores.softmax(-1))
    mistakes = {
        "D1 and D2 are exchanged: class 0 is two patches of the night": exchanged(1, 0, 2),
        "one of each is class 2, behind D1 and D2, not between them": exchanged(0, 2, 1),
        "pairs of kind C2 are left out: they have no content loss, but a domain loss": costs[:, ~far].mean(),
        "pairs of kind C2 are counted as D1; the places do not matter here": of(classes.where(~far, 0)).mean(),
        "patch 9 is the day's first, not the night's last": split(10),
        "patch 8 is the night's last, not the day's first": split(8),
        "the classes stand in another order than the scores": F.cross_entropy(rows, classes.repeat_interleave(batch)),
        "you summed over the pairs; take the mean": right * len(pairs),
        "you summed over pictures and pairs; take the mean": right * batch * len(pairs),
        "the mean goes over pictures and pairs, not over the three classes": right / 3,
        "only the first picture is counted": costs[0].mean(),
        "only the first pair is counted": costs[:, 0].mean(),
        "the softmax is taken twice": of(classes, -scores.softmax(-1).log_softmax(-1)).mean(),
        "the sign is wrong: the loss is minus the logarithm of the share": -right,
        "the logarithm is missing": -shares.mean(),
    }
    same(answer(scores, pairs), right, mistakes)
    if list(pairs) != given:
        raise Wrong("the list of pairs has changed; write into nothing")
    gradients(lambda s: answer(s, pairs), lambda s: opgan.domain_loss(s, pairs), {"scores": scores})


# --- one step ------------------------------------------------------------------------------------------------------


class _Both(nn.Module):
    """Two small networks, one for each domain: of generators (``paint``) or of discriminators."""

    def __init__(self, dtype: torch.dtype, paint: bool):
        super().__init__()
        self.paint = paint
        out = 3 if paint else 1
        self.to_a, self.to_b = (
            nn.Sequential(
                nn.Conv2d(3, 4, 3, 1, 1, dtype=dtype), nn.LeakyReLU(0.2), nn.Conv2d(4, out, 3, 1, 1, dtype=dtype)
            )
            for _ in range(2)
        )

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Generators: the a made of b, and the b made of a. Discriminators: what they say of a, and of b."""
        if self.paint:
            return self.to_a(b).tanh(), self.to_b(a).tanh()
        return self.to_a(a), self.to_b(b)


def _game_g(
    generators: nn.Module, discriminators: nn.Module, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor
) -> Tensor:
    """CycleGAN's terms of the generators: fool, and find the way back."""
    back_a, back_b = generators(fake_a, fake_b)
    fooled = sum((said - 1).square().mean() for said in discriminators(fake_a, fake_b))
    return fooled + 10 * (losses.l1(back_a, a) + losses.l1(back_b, b))


def _game_d(discriminators: nn.Module, a: Tensor, b: Tensor, fake_a: Tensor, fake_b: Tensor) -> Tensor:
    """What CycleGAN's discriminators minimise."""
    real = sum((said - 1).square().mean() for said in discriminators(a, b))
    return 0.5 * (real + sum(said.square().mean() for said in discriminators(fake_a, fake_b)))


def _content(siamese: opgan.Siamese, in_a: Tensor, in_b: Tensor) -> Tensor:
    return reference_content_term(siamese.content, in_a, in_b)


def _domain(siamese: opgan.Siamese, in_a: Tensor, in_b: Tensor) -> Tensor:
    """The domain loss of one direction, of the same pairs each time."""
    return opgan.domain_loss(siamese.domain(*opgan.chosen(in_a, in_b, MIXED)), MIXED)


def _learn(siamese: opgan.Siamese, a: Tensor, b: Tensor) -> Tensor:
    """What S pays to learn content from real pictures; the other colours are always the same ones."""
    real = opgan.cells(torch.cat([a, b]))
    maps = opgan.standardised(siamese.content(torch.cat([real, (3 * real.flip(2)).sin()])))
    return opgan.registration_loss(*maps.chunk(2))


TERMS = SimpleNamespace(game_g=_game_g, game_d=_game_d, content=_content, domain=_domain, learn=_learn)


@task(STEP)
def check_training_step(
    answer: Step,
    *,
    steps: int = 3,
    batch: int = 2,
    side: int = 15,
    weight: float = 4.0,
    dtype: torch.dtype = torch.float64,
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
) -> None:
    """Task 5: (G, D, S, adam, a, b, terms, weight): one step of OP-GAN, in which each moves once."""
    players = {
        "generators": _Both(dtype, paint=True),
        "discriminators": _Both(dtype, paint=False),
        "S": opgan.Siamese(4, 1, 4, 3, 1).to(dtype),
    }
    batches = [tuple(torch.rand(2, batch, 3, side, side, dtype=dtype) * 2 - 1) for _ in range(steps)]
    expected = _after(_step, players, batches, weight, optimiser)
    mine = _after(answer, players, batches, weight, optimiser)
    if _equal(mine, expected):
        return
    for sentence, settings in _MISTAKES.items():
        if _equal(mine, _after(partial(_step, **settings), players, batches, weight, optimiser)):
            raise Wrong(sentence)
    who = [name for name in players if not equal_parameters(mine[name], expected[name])]
    raise Wrong(f"after {steps} steps the weights of {' and '.join(who)} are not those of a step of OP-GAN")


def _equal(mine: Mapping[str, nn.Module], others: Mapping[str, nn.Module]) -> bool:
    return all(equal_parameters(mine[name], others[name]) for name in others)


def _after(
    step: Step,
    players: Mapping[str, nn.Module],
    batches: Sequence[tuple[Tensor, ...]],
    weight: float,
    optimiser: Callable[..., torch.optim.Optimizer],
) -> dict[str, nn.Module]:
    """The three players after a step with each batch; the given ones stay as they were."""
    copies = {name: deepcopy(player) for name, player in players.items()}
    adam = {player: optimiser(player.parameters(), lr=0.02) for player in copies.values()}
    for a, b in batches:
        step(*copies.values(), adam, a, b, TERMS, weight)
    return copies


def _step(
    generators: nn.Module, discriminators: nn.Module, siamese: opgan.Siamese,
    adam: Mapping[nn.Module, torch.optim.Optimizer], a: Tensor, b: Tensor, terms: SimpleNamespace, weight: float, *,
    first: str = "G", again: bool = False, clear: str = "GDS", once: bool = False, moves: str = "GDS",
    of_g: str = "game content domain", of_s: str = "learn domain", ways: str = "both", original: bool = False,
) -> None:  # fmt: skip
    """A step of OP-GAN. What stands behind the star makes it wrong.

    Whose turn is ``first``; whether the second turn paints ``again``; whose gradients are cleared, and whether only
    ``once``, at the beginning; who moves; the terms of G and of S; for which ways; ``original``: D1 is the original.
    """
    nets: dict[str, nn.Module] = {"G": generators, "D": discriminators, "S": siamese}
    if once:
        for net in nets.values():
            adam[net].zero_grad()

    def minimise(name: str, loss: Tensor) -> None:
        if name in clear and not once:
            adam[nets[name]].zero_grad()
        loss.backward()
        if name in moves:
            adam[nets[name]].step()

    def both(term: Callable[..., Tensor], fake_a: Tensor, fake_b: Tensor) -> Tensor:
        there, back = term(siamese, a, fake_b), term(siamese, *((b, fake_a) if original else (fake_a, b)))
        return there if ways == "one" else there + back

    def play(fake_a: Tensor, fake_b: Tensor) -> None:
        factor = 1.0 if "unweighted" in of_g else weight
        loss = torch.zeros((), dtype=a.dtype)
        if "game" in of_g:
            loss = loss + terms.game_g(generators, discriminators, a, b, fake_a, fake_b)
        if "content" in of_g:
            loss = loss + factor * both(terms.content, fake_a, fake_b)
        if "domain" in of_g:
            loss = loss + (weight if "weighted domain" in of_g else 1.0) * both(terms.domain, fake_a, fake_b)
        minimise("G", loss)

    def learn(fake_a: Tensor, fake_b: Tensor) -> None:
        minimise("D", terms.game_d(discriminators, a, b, fake_a, fake_b))
        loss = torch.zeros((), dtype=a.dtype)
        if "learn" in of_s:
            loss = loss + terms.learn(siamese, a, b)
        if "content" in of_s:
            loss = loss + both(terms.content, fake_a, fake_b)
        if "domain" in of_s:
            loss = loss + (-1 if "against" in of_s else 1) * both(terms.domain, fake_a, fake_b)
        minimise("S", loss)

    fakes = generators(a, b)
    kept = [fake.detach() for fake in fakes]
    if first == "G":
        play(*fakes)
        learn(*([fake.detach() for fake in generators(a, b)] if again else kept))
    else:
        learn(*kept)
        play(*fakes)


_MISTAKES: dict[str, dict[str, Any]] = {
    "S and the discriminators move first; here the generators do, as in chapter 2": {"first": "S"},
    "the second turn is shown new pictures, not those with which the generators have just played": {"again": True},
    "gradients are cleared at the beginning alone; S and the discriminators pay what the generators do": {"once": True},
    "the gradients of the discriminators are not cleared: those of the generators' loss are in them": {"clear": "GS"},
    "the gradients of S are not cleared: those of the generators' loss are in them": {"clear": "GD"},
    "the gradients of S and the discriminators are not cleared before their turn": {"clear": "G"},
    "the gradients of the generators are not cleared": {"clear": "DS"},
    "no gradients are cleared: those of the steps before are still in them": {"clear": ""},
    "the generators never move": {"moves": "DS"},
    "the discriminators never move": {"moves": "GS"},
    "S never moves": {"moves": "GD"},
    "no gradient of the content term reaches the generators: is it missing, or detached?": {"of_g": "game domain"},
    "no gradient of the domain term reaches the generators: is it missing, or detached?": {"of_g": "game content"},
    "no gradient of S's terms reaches the generators: are they missing, or under no_grad?": {"of_g": "game"},
    "CycleGAN's terms of the generators are missing": {"of_g": "content domain"},
    "the content term of the generators lacks its weight": {"of_g": "game content domain unweighted"},
    "the domain term has the weight, too; only the content term has one": {"of_g": "game content weighted domain"},
    "S learns content from translations, and so to forgive them": {"of_s": "content domain"},
    "S minimises the content term of translations, too, and so learns to forgive them": {
        "of_s": "learn content domain"
    },
    "S does not learn content: terms.learn is missing": {"of_s": "domain"},
    "S does not learn the domains: its domain term is missing": {"of_s": "learn"},
    "S is no adversary: it minimises the domain loss, as the generators do": {"of_s": "learn against domain"},
    "the way from day to night is missing in the terms of S; both directions go through it": {"ways": "one"},
    "from day to night the pictures are exchanged: the first is always the one in domain A": {"original": True},
}


# --- finding again -------------------------------------------------------------------------------------------------


def reference_find_again(maps: Tensor, others: Tensor) -> Tensor:
    """How well each map finds its partner among the nine of its image: a cross-entropy."""
    return opgan.registration_loss(maps, others) - opgan.content_loss(maps, others)


@task(STABLE)
def check_find_again(
    answer: Callable[[Tensor, Tensor], Tensor],
    *,
    batch: int = 4,
    height: int = 5,
    width: int = 6,
    dtype: torch.dtype = torch.float64,
    likeness: float = 0.3,
) -> None:
    """Task 6: a function (maps, others ``(N, 9, h, w)``) → the loss of finding partners; 1: partners are equal."""
    noise = torch.randn(2, batch, 9, height, width, dtype=dtype)
    maps, others = (opgan.standardised(some) for some in (noise[0], likeness * noise[0] + (1 - likeness) * noise[1]))
    pixels, many, nine = height * width, 9 * batch, torch.arange(9)
    right = reference_find_again(maps, others)
    one, other = maps.flatten(2), others.flatten(2)
    alike = one @ other.mT / (pixels * opgan.TEMPERATURE)  # (N, 9, 9)

    def found(logits: Tensor, places: Tensor | None = None) -> Tensor:
        return F.cross_entropy(logits.flatten(0, 1), nine.repeat(len(logits)) if places is None else places)

    together = one.flatten(0, 1) @ other.flatten(0, 1).T / (pixels * opgan.TEMPERATURE)
    apart = (one[:, :, None] - other[:, None]).square().mean(-1)
    mistakes = {
        "the places stand in another order than the rows of scores": found(alike, nine.repeat_interleave(batch)),
        "the roles are exchanged: each of the maps looks among the others, not the other way round": found(alike.mT),
        "each map looks among its own nine, and finds itself": found(one @ one.mT / (pixels * opgan.TEMPERATURE)),
        "each map looks in all pictures of the batch, not in its own alone": found(together[None], torch.arange(many)),
        "the division by 0.2 is missing": found(alike * opgan.TEMPERATURE),
        "the correlations are multiplied by 0.2; divide": found(alike * opgan.TEMPERATURE**2),
        "the correlation is a mean over the pixels; you summed": found(alike * pixels),
        "the correlation divides by the number of pixels, not by its root": found(alike * pixels**0.5),
        "the sign of the scores is wrong: the partner is the most alike": found(-alike),
        "you summed over maps and pictures; take the mean": right * many,
        "you summed over the pictures; take the mean": right * batch,
        "the softmax is taken twice: cross_entropy wants scores": found(alike.softmax(-1)),
        "the content loss is paid besides; this is the finding alone": right + opgan.content_loss(maps, others),
        "only the first picture is counted": found(alike[:1]),
        "squared distances are no correlations": found(-apart / opgan.TEMPERATURE),
    }
    same(answer(maps, others), right, mistakes)
    gradients(answer, reference_find_again, {"maps": maps, "others": others})
