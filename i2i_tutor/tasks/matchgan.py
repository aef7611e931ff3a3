"""Checks of assignment 4, MatchGAN: the label loss, pairs, the match loss, targets, and one step of the game."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.methods import matchgan
from i2i_tutor.tasks.base import Wrong, equal_parameters, gradients, number, same, student_seed, task

LOSSES = "chapters/04_matchgan.html#the-losses-from-scratch"
PAIRS = "chapters/04_matchgan.html#pairs"
MATCH = "chapters/04_matchgan.html#the-match-loss"
TRAINING = "chapters/04_matchgan.html#training"
STEP = "chapters/04_matchgan.html#who-minimises-what-and-when"
Pairs = tuple[Tensor, Tensor, Tensor]
Head = Callable[[Tensor, Tensor], Tensor]


# --- by hand -------------------------------------------------------------------------------------------------------


def by_hand(student: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Label logits and labels ``(2, 3)``, match logits ``(2, 2)`` and which pair is the same: each student has others.

    All logits are whole numbers, so that one table of ln(1 + exp(d)) is enough.
    """
    generator = torch.Generator().manual_seed(student_seed(student))
    while True:
        logits = torch.randint(-2, 3, (2, 3), generator=generator).double()
        label = torch.randint(2, (2, 3), generator=generator).double()
        scores = torch.randint(-1, 2, (2, 2), generator=generator).double()
        equal = torch.randperm(2, generator=generator)
        every = _label_by_hand(logits, label), _match_by_hand(scores, equal)
        gaps = [b - a for right, wrong in every for a, b in pairwise(sorted([right, *wrong.values()]))]
        if min(gaps) > 0.01:  # every mistake can be told
            return logits, label, scores, equal


def _label_by_hand(logits: Tensor, label: Tensor) -> tuple[float, dict[str, float]]:
    """The right number, and what mistakes lead to."""
    cost, other = (F.softplus(logits) - logits * y for y in (label, 1 - label))
    mistakes = {
        "the costs of a face are summed over its numbers; you took the mean of all": cost.mean(),
        "the mean over the two faces is missing": cost.sum(),
        "sum over the numbers and take the mean over the faces; you did it the other way round": cost.sum(0).mean(),
        "yes and no are exchanged": other.sum(1).mean(),
        "the numbers that are 0 have a cost, too": (cost * label).sum(1).mean(),
        "the numbers that are 1 have a cost, too": (cost * (1 - label)).sum(1).mean(),
        "the logarithm is missing: those are one minus the probabilities": (1 - (-cost).exp()).sum(1).mean(),
    }
    return float(cost.sum(1).mean()), {sentence: float(value) for sentence, value in mistakes.items()}


def _match_by_hand(scores: Tensor, equal: Tensor) -> tuple[float, dict[str, float]]:
    cost, other = (F.cross_entropy(scores, k, reduction="none") for k in (equal, 1 - equal))
    hot = F.one_hot(equal, 2)
    mistakes = {
        "the mean over the two pairs is missing": cost.sum(),
        "you halved twice: the half in the formula is the mean over the two pairs": cost.mean() / 2,
        "the logits are exchanged: the first says `not the same`, the second `the same`": other.mean(),
        "the pair with different labels has a cost, too": (cost * equal).mean(),
        "the pair with one label has a cost, too": (cost * (1 - equal)).mean(),
        "the two logits are one softmax, not two yes-or-no questions": (F.softplus(scores) - scores * hot)
        .sum(1)
        .mean(),
        "the logarithm is missing: those are one minus the probabilities": (1 - (-cost).exp()).mean(),
    }
    return float(cost.mean()), {sentence: float(value) for sentence, value in mistakes.items()}


@task(LOSSES)
def check_by_hand(label_value: float, match_value: float, *, student: str) -> None:
    """Task 1: the label loss and the match loss of ``by_hand(student)``."""
    logits, label, scores, equal = by_hand(student)
    number(label_value, *_label_by_hand(logits, label), what="label_value", within=4e-3)
    number(match_value, *_match_by_hand(scores, equal), what="match_value", within=4e-3)


# --- the label loss ------------------------------------------------------------------------------------------------


@task(LOSSES)
def check_label_loss(
    answer: Callable[[Tensor, Tensor, bool], Tensor],
    *,
    batch: int = 4,
    numbers: int = 5,
    dtype: torch.dtype = torch.float64,
    scale: float = 2.0,
) -> None:
    """Task 2: a function (logits, label, exclusive) → the label loss of either kind. ``scale`` makes D surer."""
    logits = scale * torch.randn(batch, numbers, dtype=dtype)
    label = (torch.rand(batch, numbers) < 0.5).to(dtype)
    label[0, :2] = torch.tensor([1, 0])
    one_hot = F.one_hot(torch.randint(numbers, (batch,)), numbers).to(dtype)
    kinds = {"with exclusive=False the answer": (label, False), "with exclusive=True the answer": (one_hot, True)}
    for what, (truth, exclusive) in kinds.items():
        _check_label_loss(answer, logits, truth, exclusive, what)
    for what, (truth, exclusive) in kinds.items():
        try:
            _check_label_loss(answer, 500 * logits, truth, exclusive, what)
        except Wrong as error:
            hint = "start from the logits, with logsigmoid, softplus or log_softmax; no clamp and no small number helps"
            raise Wrong(f"with logits of 1,000, {error}: {hint}") from None


def _check_label_loss(
    answer: Callable[[Tensor, Tensor, bool], Tensor], logits: Tensor, label: Tensor, exclusive: bool, what: str
) -> None:
    batch, numbers = logits.shape
    right = matchgan.label_loss(logits, label, exclusive)
    yes, no, softmax = F.softplus(-logits), F.softplus(logits), logits.log_softmax(1)  # costs of each number
    asked = label * yes + (1 - label) * no
    if exclusive:
        kind = "where one number is 1, "
        costs = {
            "exactly one number is 1 here: that is one question, one softmax over all numbers": asked,
            kind + "the softmax is taken twice: cross_entropy wants logits": -label * softmax.exp().log_softmax(1),
            kind + "the logarithm is missing": label * (1 - softmax.exp()),
            kind + "the softmax compares all numbers already; the zeros need no term of their own": (
                -label * softmax - (1 - label) * (1 - softmax.exp()).log()
            ),
        }
    else:
        kind = "where each number is yes or no, "
        seen = logits.sigmoid()
        costs = {
            "the numbers do not exclude each other here: each is a question of its own": -label * softmax,
            "the numbers do not exclude each other here; you ask for the place of the first 1 alone": (
                -F.one_hot(label.argmax(1), numbers) * softmax
            ),
            kind + "yes and no are exchanged": label * no + (1 - label) * yes,
            kind + "the numbers that are 0 have a cost, too": label * yes,
            kind + "the numbers that are 1 have a cost, too": (1 - label) * no,
            kind + "the sigmoid is taken twice: this function wants logits": F.softplus(seen) - seen * label,
            kind + "the logarithm is missing": (label - seen).abs(),
        }
    mistakes = {
        kind + f"sum over the {numbers} numbers; with their mean it is {numbers} times too weak": right / numbers,
        kind + "take the mean over the faces; you summed": right * batch,
        kind + "sum over the numbers, and take the mean over the faces; not the reverse": right * batch / numbers,
        kind + "minus the logarithm is the cost; the sign is wrong": -right,
        "exactly one number is 1 here: one softmax, and no mean over the numbers": asked.mean(),
    }
    mistakes |= {sentence: cost.sum(1).mean() for sentence, cost in costs.items()}
    same(answer(logits, label, exclusive), right, mistakes, what)
    reference = partial(matchgan.label_loss, label=label, exclusive=exclusive)
    gradients(lambda z: answer(z, label, exclusive), reference, {"the logits": logits})


# --- pairs ---------------------------------------------------------------------------------------------------------


@task(PAIRS)
def check_pairs(answer: Callable[[int], Pairs], *, groups: int = 4) -> None:
    """Task 3: a function of the number of groups → (first, second, same), the pairs of two triplets a group.

    Asked for ``groups`` and for one more, so that no number of groups can be built in.
    """
    for count in (groups, groups + 1):
        _check_pairs(answer(count), count)


def _check_pairs(got: object, groups: int) -> None:
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise Wrong(f"the answer is of type {type(got).__name__}; expected the three tensors first, second, same")
    many = 4 * groups
    for name, part, most in zip(("first", "second", "same"), got, (many - 1, many - 1, 1), strict=True):
        if type(part) is not Tensor or part.dtype != torch.int64:
            kind = str(part.dtype) if type(part) is Tensor else f"of type {type(part).__name__}"
            raise Wrong(f"{name} is {kind}; expected a tensor of whole numbers, torch.int64")
        if part.shape != (many,):
            says = f"{many} pairs: {groups} groups, two triplets of each, two pairs of each triplet"
            raise Wrong(f"{name} has shape {tuple(part.shape)}; expected {says}")
        for value in part[(part < 0) | (part > most)].tolist()[:1]:
            hint = "1 for one label and 0 for different ones" if most == 1 else "before the first group comes the last"
            raise Wrong(f"{name} holds {value}; expected 0 to {most}: {hint}")
    mine = sorted(zip(*(part.tolist() for part in got), strict=True))
    if mine == _pairs(groups):
        return
    for sentence, layout in _LAYOUTS.items():
        if mine == layout(groups):
            raise Wrong(sentence)
    lost = next(pair for pair in _pairs(groups) if pair not in mine)
    kind = "of one label" if lost[2] else "of different labels"
    raise Wrong(f"with {groups} groups the pair {lost[:2]}, {kind}, is missing: anchor first, then its partner")


def _pairs(
    groups: int,
    *,
    anchors: tuple[int, int] = (0, 2),
    positives: tuple[int, int] = (1, 1),
    back: tuple[int, int] = (2, 1),
    face: int = 3,
    flip: bool = False,
    swap: bool = False,
    cut: bool = False,
) -> list[tuple[int, int, int]]:
    """The pairs of a batch. What stands behind the star makes it wrong.

    The faces of the two anchors and of their positives; how many groups ``back`` the negatives are, and their ``face``;
    ``flip``: 1 means different; ``swap``: the partner first; ``cut``: the groups do not go round but stop.
    """
    found = []
    for k in range(groups):
        for a, p, b in zip(anchors, positives, back, strict=True):
            other = max(k - b, 0) if cut else (k - b) % groups
            found += [(4 * k + a, 4 * k + p, 1), (4 * k + a, 4 * other + face, 0)]
    if flip:
        found = [(a, b, 1 - equal) for a, b, equal in found]
    return sorted((b, a, equal) if swap else (a, b, equal) for a, b, equal in found)


_LAYOUTS: dict[str, Callable[[int], list[tuple[int, int, int]]]] = {
    "same is turned round: 1 says that the two have one label": partial(_pairs, flip=True),
    "first and second are exchanged: the anchor comes first": partial(_pairs, swap=True),
    "the negatives of the two triplets are exchanged: face 0 meets the group two before its own, face 2 the group "
    "before": partial(_pairs, back=(1, 2)),
    "both negatives are from the group before; that of face 0 is from the one two before": partial(_pairs, back=(1, 1)),
    "both negatives are from the group two before; that of face 2 is from the one before": partial(_pairs, back=(2, 2)),
    "the negatives are from the groups after; expected those before": partial(_pairs, back=(-2, -1)),
    "the negatives are of the anchors' own group, so they have the anchors' label": partial(_pairs, back=(0, 0)),
    "the positive of face 2 is face 1, as that of face 0; you took face 3": partial(_pairs, positives=(1, 3)),
    "the anchors are faces 0 and 2 of a group; you took 0 and 1": partial(_pairs, anchors=(0, 1), positives=(1, 2)),
    "the negative is face 3 of its group; you took face 0": partial(_pairs, face=0),
    "the negative is face 3 of its group; you took face 2": partial(_pairs, face=2),
    "the groups stop at the first; they go round: before the first comes the last": partial(_pairs, cut=True),
}


# --- the match loss ------------------------------------------------------------------------------------------------


def _head(a: Tensor, b: Tensor) -> Tensor:
    """A match head that is not symmetric."""
    if type(a) is not Tensor or type(b) is not Tensor or a.shape != b.shape or a.ndim != 4:
        shapes = " and ".join(str(tuple(each.shape)) if isinstance(each, Tensor) else "no tensor" for each in (a, b))
        raise Wrong(f"the head is given {shapes}; expected the embeddings of some pairs, (P, C, s, s) twice")
    x, y = a.flatten(1), b.flatten(1)
    weight = torch.linspace(-1.5, 2, x.shape[1], dtype=x.dtype)
    return torch.stack([x @ weight - y.square().mean(1), 2 * (x * y).mean(1) + y @ weight.flip(0)], dim=1)


def _reference(embedding: Tensor, pairs: Pairs, order: Tensor, head: Head = _head) -> Tensor:
    """The match loss of embeddings that are put in an order first."""
    e = embedding[order]
    return matchgan.match_loss(head(e[pairs[0]], e[pairs[1]]), pairs[2])


@task(MATCH)
def check_match_loss(
    answer: Callable[[Tensor, int, Pairs, Head], Tensor],
    *,
    groups: int = 3,
    channels: int = 4,
    side: int = 2,
    dtype: torch.dtype = torch.float64,
    scale: float = 1.0,
) -> None:
    """Task 4: a function (embedding, groups, pairs, head) → the match loss of the fakes of a batch."""
    e = scale * torch.randn(4 * groups, channels, side, side, dtype=dtype)
    first, second, equal = pairs = matchgan.pairs(groups)
    order = matchgan.by_target(groups)
    a, b = e[order][first], e[order][second]
    logits, of = _head(a, b), matchgan.match_loss
    right, cost, near = (
        of(logits, equal),
        F.cross_entropy(logits, equal, reduction="none"),
        (a - b).flatten(1).norm(dim=1),
    )
    as_it_lies, opposite = (_reference(e, pairs, each) for each in (torch.arange(4 * groups), order.argsort()))
    questions = F.binary_cross_entropy_with_logits(logits, F.one_hot(equal, 2).to(dtype))
    mistakes = {
        "the rows are not put in the order of their targets; those of one target stand `groups` apart": as_it_lies,
        "the rows are put in the opposite order: as if there were four targets, each of `groups` fakes": opposite,
        "the head is given the pair in the wrong order: first before second": of(_head(b, a), equal),
        "same is turned round: 1 is the place of the logit that says `the same`": of(logits, 1 - equal),
        "you summed over the pairs; take the mean": cost.sum(),
        "you added the means of both kinds of pairs; the loss is half of that, the mean of all": 2 * right,
        "you halved the mean: half of the sum of both pairs is the mean already": right / 2,
        "the pairs with different targets are left out": cost[equal == 1].mean(),
        "the pairs with one target are left out": cost[equal == 0].mean(),
        "the softmax is taken twice: cross_entropy wants logits": of(logits.softmax(1), equal),
        "that asks each logit yes or no; the two exclude each other, so take softmax": questions,
        "that is a triplet loss with distances and a margin; the match loss classifies pairs": (
            F.relu(near[equal == 1] - near[equal == 0] + 1).mean()
        ),
        "the sign is wrong": -right,
    }
    same(answer(e, groups, pairs, _head), right, mistakes)
    gradients(lambda x: answer(x, groups, pairs, _head), lambda x: _reference(x, pairs, order), {"embedding": e})


# --- targets -------------------------------------------------------------------------------------------------------


def reference_targets(label: Tensor) -> Tensor:
    """The labels of a batch in random order, in a tensor of their own."""
    return label[torch.randperm(len(label))]


@task(TRAINING)
def check_targets(
    answer: Callable[[Tensor], Tensor],
    *,
    batch: int = 6,
    numbers: int = 5,
    dtype: torch.dtype = torch.float64,
    calls: int = 300,
) -> None:
    """Task 5: a function of labels ``(N, K)`` → their rows in random order, and the labels stay as they were."""
    label = _labels(batch, numbers).to(dtype)  # all rows differ
    rows, drawn = label.tolist(), []
    for _ in range(calls):
        given = label.clone()
        got = answer(given)
        if type(got) is not Tensor or got.shape != label.shape or got.dtype != dtype:
            kind = f"{tuple(got.shape)} of {got.dtype}" if type(got) is Tensor else f"of type {type(got).__name__}"
            raise Wrong(f"the targets are {kind}; expected {tuple(label.shape)} of {dtype}, as the labels")
        shared = got.untyped_storage().data_ptr() == given.untyped_storage().data_ptr()
        if not torch.equal(given, label):
            view = "the targets are a second name, or a view, of the same tensor, so D is taught what was asked for"
            late = "they are copied only after that; copy them before anything is written"
            raise Wrong(f"the labels themselves are overwritten: {view if shared else late}")
        strange = [row for row in got.tolist() if row not in rows]
        if strange:
            raise Wrong(
                f"the target {strange[0]} is no label of the batch; rows change their places as a whole, or one face "
                "is asked for two colours of hair"
            )
        order = [rows.index(row) for row in got.tolist()]
        if len(set(order)) < batch:
            raise Wrong("a label of the batch is asked for twice, and another of nobody; each is given away once")
        if shared:
            raise Wrong("the targets share their memory with the labels: who writes into one changes the other")
        drawn.append(order)
    _check_random(torch.tensor(drawn))


def _check_random(drawn: Tensor) -> None:
    """Raise `Wrong` unless orders ``(calls, N)`` are drawn evenly from all orders."""
    calls, batch = drawn.shape
    if batch == 1:
        return
    if (drawn == torch.arange(batch)).all():
        raise Wrong("every face is asked for the label that it has: nothing to do for G")
    if (drawn == drawn[0]).all():
        raise Wrong("the order is the same in every call; draw a new one each time")
    share = (drawn[:, :, None] == torch.arange(batch)).double().mean(0)  # (place, label)
    if not share.diagonal().any():
        raise Wrong("no face ever keeps its label; all orders are equally likely, and in some of them one does")
    if ((share - 1 / batch).abs() > 6 * (1 / (batch * calls)) ** 0.5).any():
        raise Wrong("some labels go to some faces far too often; all orders are equally likely")
    if batch > 3 and len(drawn.unique(dim=0)) <= 2 * batch:
        raise Wrong("only a few orders come up, such as all faces moved on by some places; draw from all orders")


def _labels(count: int, numbers: int) -> Tensor:
    """Labels ``(count, numbers)`` that all differ."""
    return torch.randperm(2**numbers)[:count, None] >> torch.arange(numbers) & 1


# --- one step ------------------------------------------------------------------------------------------------------


class _Judge(nn.Module):
    """A small D with three answers, and a match head."""

    def __init__(self, labels: int, dtype: torch.dtype):
        super().__init__()
        self.trunk = nn.Conv2d(3, 6, 3, 2, 1, dtype=dtype)
        self.source, self.read, self.same = (nn.Conv2d(6, n, 1, dtype=dtype) for n in (1, labels, 2))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        seen = 2 * self.trunk(images).tanh()
        return self.source(seen), 3 * self.read(seen).mean((2, 3)), seen

    def match(self, a: Tensor, b: Tensor) -> Tensor:
        return self.same((a - b).abs()).mean((2, 3)) * 3


class _Painter(nn.Module):
    """A small G(image, label)."""

    def __init__(self, labels: int, dtype: torch.dtype):
        super().__init__()
        self.labels = labels
        self.first = nn.Conv2d(3 + labels, 6, 3, 1, 1, dtype=dtype)
        self.last = nn.Conv2d(6, 3, 3, 1, 1, dtype=dtype)

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        if not isinstance(label, Tensor) or label.shape != (len(image), self.labels):
            kind = tuple(label.shape) if isinstance(label, Tensor) else "no tensor"
            raise Wrong(f"G is given labels that are {kind}; expected {(len(image), self.labels)}, a row for each face")
        planes = label[:, :, None, None].expand(-1, -1, *image.shape[2:])
        return self.last(self.first(torch.cat([image, planes], dim=1)).tanh()).tanh()


def _match(discriminator: nn.Module, embedding: Tensor, fakes: bool) -> Tensor:
    groups = len(embedding) // 4
    order = matchgan.by_target(groups) if fakes else torch.arange(len(embedding))
    match: Head = discriminator.match  # type: ignore[assignment]
    return _reference(embedding, matchgan.pairs(groups), order, match)


TERMS = SimpleNamespace(
    hinge=lambda on_image, on_fake: losses.discriminator_loss(on_image, on_fake, "hinge"),
    fool=lambda on_fake: losses.generator_loss(on_fake, "hinge"),
    label=matchgan.label_loss,
    match_real=partial(_match, fakes=False),
    match_fake=partial(_match, fakes=True),
)


@task(STEP)
def check_training_step(
    answer: Callable[..., object],
    *,
    kinds: str = "LULU",
    groups: int = 3,
    numbers: int = 5,
    side: int = 8,
    dtype: torch.dtype = torch.float64,
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
) -> None:
    """Task 6: (G, D, adam, batch, terms): one step on each batch of ``kinds``, L for labelled and U for unlabelled."""
    players = {"G": _Painter(numbers, dtype), "D": _Judge(numbers, dtype)}
    batches = []
    for kind in kinds:
        image = torch.rand(4 * groups, 3, side, side, dtype=dtype) * 2 - 1
        label, wanted = (_labels(groups, numbers).to(dtype) for _ in range(2))  # of each group, another
        batch = {"image": image, "wanted": wanted.repeat(4, 1)}
        batches.append(batch | ({"label": label.repeat_interleave(4, 0)} if kind == "L" else {}))
    expected = _after(_step, players, batches, optimiser)
    try:
        mine = _after(answer, players, batches, optimiser)
    except RuntimeError as error:
        if "backward through the graph a second time" in str(error):
            raise Wrong("what D pays goes back into G, which has no part in D's turn: detach the fakes") from None
        if "inplace operation" in str(error):
            raise Wrong(
                "G's loss was computed with the D of before, which has moved since: compute it after D's step"
            ) from None
        raise
    if _equal(mine, expected):
        return
    for sentence, wrong in _MISTAKES.items():
        if _equal(mine, _after(wrong, players, batches, optimiser)):
            raise Wrong(sentence)
    for name, before in players.items():
        if equal_parameters(mine[name], before):
            raise Wrong(f"{name} has not moved")
    who = " and ".join(name for name in players if not equal_parameters(mine[name], expected[name]))
    given = ", ".join({"L": "a labelled", "U": "an unlabelled"}[kind] for kind in kinds)
    raise Wrong(f"after steps on {given} batch the weights of {who} are not those of MatchGAN")


def _equal(mine: Mapping[str, nn.Module], others: Mapping[str, nn.Module]) -> bool:
    return all(equal_parameters(mine[name], others[name]) for name in others)


def _after(
    step: Callable[..., object],
    players: Mapping[str, nn.Module],
    batches: list[dict[str, Tensor]],
    optimiser: Callable[..., torch.optim.Optimizer],
) -> dict[str, nn.Module]:
    """The players after a step with each batch; the given ones stay as they were."""
    copies = {name: deepcopy(player) for name, player in players.items()}
    adam = {player: optimiser(player.parameters(), lr=0.05) for player in copies.values()}
    for batch in batches:
        step(*copies.values(), adam, dict(batch), TERMS)
    return copies


LABELLED = {"hinge": 1.0, "label": 1.0, "match": 0.5, "fool": 1.0, "target": 1.0, "match_fake": 0.5, "back": 10.0}
UNLABELLED = {"hinge": 1.0, "fool": 1.0, "target": 1.0, "match_fake": 0.5}


def _step(
    G: nn.Module,  # noqa: N803 - the players have the chapter's names
    D: nn.Module,  # noqa: N803
    adam: Mapping[nn.Module, torch.optim.Optimizer],
    batch: Mapping[str, Tensor],
    terms: SimpleNamespace,
    *,
    labelled: Mapping[str, float] = LABELLED,
    unlabelled: Mapping[str, float] = UNLABELLED,
    idle: str = "",
    clear: str = "DG",
    after: bool = False,
    moves: str = "DG",
    first: str = "D",
    late: bool = False,
) -> None:
    """A step of MatchGAN. Other values behind the star make it wrong.

    The weights of the terms on both kinds of batches; who is ``idle`` on unlabelled ones; whose gradients are cleared,
    and whether not before but ``after`` a move; who moves; who is ``first``; ``late``: nobody moves before all
    gradients are taken.
    """
    image, wanted, label = batch["image"], batch["wanted"], batch.get("label")
    weights = unlabelled if label is None else labelled

    def of_d() -> dict[str, Callable[[], Tensor]]:
        (on_image, read, embedding), (on_fake, read_fake, made) = D(image), D(G(image, wanted).detach())
        return {
            "hinge": lambda: terms.hinge(on_image, on_fake),
            "exchanged": lambda: terms.hinge(on_fake, on_image),
            "label": lambda: terms.label(read, label),
            "match": lambda: terms.match_real(D, embedding),
            "by target": lambda: terms.match_fake(D, embedding),
            "of fakes": lambda: terms.match_fake(D, made),
            "in reals": lambda: terms.label(read, wanted),
            "in fakes": lambda: terms.label(read_fake, wanted),
        }

    def of_g() -> dict[str, Callable[[], Tensor]]:
        fake = G(image, wanted)
        on_fake, read, embedding = D(fake)
        return {
            "fool": lambda: terms.fool(on_fake),
            "target": lambda: terms.label(read, wanted),
            "old": lambda: terms.label(read, label),
            "match_fake": lambda: terms.match_fake(D, embedding),
            "by place": lambda: terms.match_real(D, embedding),
            "back": lambda: losses.l1(G(fake, label), image),
            "to target": lambda: losses.l1(G(fake, wanted), image),
            "from face": lambda: losses.l1(G(image, label), image),
            "cut": lambda: losses.l1(G(fake.detach(), label), image),
            "squared": lambda: (G(fake, label) - image).square().mean(),
            "summed": lambda: (G(fake, label) - image).abs().sum(),
        }

    waiting: list[nn.Module] = []
    for net, name, turn in sorted(((D, "D", of_d), (G, "G", of_g)), key=lambda each: each[1] != first):
        if name in clear and not after:
            adam[net].zero_grad()
        parts = [weights[term] * value() for term, value in turn().items() if weights.get(term)]
        if parts:
            torch.stack(parts).sum().backward()
        waiting += [net] if name in moves and not (label is None and name in idle) else []
        if not late or name != first:
            for each in waiting:
                adam[each].step()
                if after:
                    adam[each].zero_grad()
            waiting.clear()


def _but(
    labelled: dict[str, float], unlabelled: dict[str, float] | None = None, **both: float
) -> Callable[..., object]:
    """A step with other weights on labelled batches, on unlabelled ones, or on both."""
    return partial(_step, labelled=LABELLED | labelled | both, unlabelled=UNLABELLED | (unlabelled or {}) | both)


_MISTAKES: dict[str, Callable[..., object]] = {
    "G moves first; D learns first, and G plays against the one that has just learnt": partial(_step, first="G"),
    "all gradients are taken before anybody moves: G plays against the D of before, and D is left with what G pays": (
        partial(_step, late=True)
    ),
    "on unlabelled batches there is no way back: nobody knows the face's own label": _but({}, {"to target": 10}),
    "the way back is given the target, on both kinds of batches; it needs the face's own label, so it must be known": (
        _but({"back": 0, "to target": 10}, {"to target": 10})
    ),
    "the way back is given the target; it needs the face's own label": _but({"back": 0, "to target": 10}),
    "there is no way back on labelled batches: nothing asks G to keep the person": _but({"back": 0}),
    "the way back starts at the face; it starts at the fake": _but({"back": 0, "from face": 10}),
    "the fake is detached before its way back, so the first translation learns nothing": _but({"back": 0, "cut": 10}),
    "the way back is squared; it is L1, a mean of absolute values": _but({"back": 0, "squared": 10}),
    "the weight 10 of the way back is missing": _but({"back": 1}),
    "the way back is summed; it is a mean over pixels and faces": _but({"back": 0, "summed": 10}),
    "the weight 0.5 of the match losses is missing": _but({"match": 1}, match_fake=1),
    "the weight 0.5 of D's match loss is missing": _but({"match": 1}),
    "the weight 0.5 of G's match loss is missing": _but({}, match_fake=1),
    "real and fake are exchanged in D's hinge: terms.hinge(on_image, on_fake)": _but(
        {"exchanged": 1}, {"exchanged": 1}, hinge=0
    ),
    "on unlabelled batches the targets are taken for labels; nobody has written down what those faces show": _but(
        {}, {"in reals": 1, "match": 0.5, "to target": 10}
    ),
    "neither pays a match loss": _but({"match": 0}, match_fake=0),
    "D pays no match loss: it learns from real labelled faces what one label is": _but({"match": 0}),
    "G pays no match loss": _but({}, match_fake=0),
    "G's match loss is missing on unlabelled batches: its fakes have targets there, too": _but({}, {"match_fake": 0}),
    "D pays a match loss on unlabelled batches; nobody knows which of them have one label": _but({}, {"match": 0.5}),
    "D's match loss is that of the fakes; it learns from real faces": _but({"match": 0, "of fakes": 0.5}),
    "D's match loss groups real faces by target; they lie in groups of one label": _but({"match": 0, "by target": 0.5}),
    "G's match loss takes the fakes as they lie; it groups them by target": _but(
        {"by place": 0.5}, {"by place": 0.5}, match_fake=0
    ),
    "D learns to read no labels": _but({"label": 0}),
    "D learns to read the targets in unlabelled faces, which do not show them": _but({}, {"in reals": 1}),
    "D learns to read the targets in real faces; those show their own labels": _but({"label": 0, "in reals": 1}),
    "D learns to read the targets in fakes, whatever these show": _but({"in fakes": 1}, {"in fakes": 1}),
    "G is not asked to show its targets": _but({}, target=0),
    "G is not asked to show its targets on unlabelled batches; it needs no label for that": _but({}, {"target": 0}),
    "G is asked for the label that the face has; it must show the target": _but({"target": 0, "old": 1}),
    "G no longer has to pass for real": _but({}, fool=0),
    "unlabelled batches are passed over; D learns from them what is real, and G to show targets": (
        partial(_step, idle="DG")
    ),
    "D does not move on unlabelled batches; it learns from them what is real": partial(_step, idle="D"),
    "G does not move on unlabelled batches; it learns from them to show targets": partial(_step, idle="G"),
    "D's gradients are not cleared before its turn: those of G's loss, which would fool D, are still in them": (
        partial(_step, clear="G")
    ),
    "G's loss has left gradients in D, by which D moves in its next turn: clear D's gradients before its turn, or "
    "give backward() the weights that are to get any": partial(_step, after=True),
    "G's gradients are not cleared: those of the steps before are still in them": partial(_step, clear="D"),
    "no gradients are cleared: those of the steps before are still in them": partial(_step, clear=""),
    "D never moves": partial(_step, moves="G"),
    "G never moves": partial(_step, moves="D"),
}
