"""Checks of assignment 7, TUNIT: the joint matrix, its information, the style contrast, memory, and a step of E."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_tutor.methods.tunit import contrastive_loss, information_loss, joint_matrix
from i2i_tutor.nn import Queue
from i2i_tutor.tasks.base import Wrong, equal_parameters, gradients, number, same, student_seed, task

INFORMATION = "chapters/07_tunit.html#mutual-information"
STYLE = "chapters/07_tunit.html#t5"  # the style code: told from all others
STEP = "chapters/07_tunit.html#one-step-by-hand"
LEAST = 1e-10  # of a probability in a logarithm


def entropies(joint: Tensor) -> tuple[float, float]:
    """H(p) and H(p | p+) of a joint matrix ``(K, K)``, in nats; their difference is the information."""
    joint = joint.detach().double()
    alone, both = (float(-(part * part.clamp(min=LEAST).log()).sum()) for part in (joint.sum(1), joint))
    return alone, both - alone


# --- by hand -------------------------------------------------------------------------------------------------------


def by_hand(student: str) -> tuple[Tensor, Tensor]:
    """The soft assignments p and q of two pictures to two domains, ``(2, 2)`` each: every student has others."""
    generator = torch.Generator().manual_seed(student_seed(student))
    while True:
        tenths = torch.randint(1, 10, (2, 2, 1), generator=generator)  # of domain 1
        p, q = torch.cat([tenths, 10 - tenths], dim=2).double() / 10
        told = [sorted([right, *mistakes.values()]) for right, mistakes in _by_hand(p, q).values()]
        if all(b - a > 0.01 for values in told for a, b in pairwise(values)):  # every mistake can be told
            return p, q


def _by_hand(p: Tensor, q: Tensor) -> dict[str, tuple[float, dict[str, float]]]:
    """The two right numbers, each with what mistakes lead to."""
    counted = p.T @ q / 2
    joint = (counted + counted.T) / 2
    alone, given = entropies(joint)
    rows, columns = counted.sum(1, keepdim=True), counted.sum(0, keepdim=True)
    each = joint * (joint / (joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True))).log()
    right, apart = float(each.sum()), float(joint[0, 1])
    return {
        "apart": (
            apart,
            {
                "that is twice too much: the pictures' matrices are averaged, and P12 is one of the two entries off "
                "the diagonal": 2 * apart,
                "that is the sum over both pictures and both orders; it is divided by their number, 4": 4 * apart,
                "that is one order alone, image on 1 and strong view on 2; average it with the other": float(
                    counted[0, 1]
                ),
                "that is one order alone, image on 2 and strong view on 1; average it with the other": float(
                    counted[1, 0]
                ),
                "you averaged the pictures first, so nobody knows which views belong together; multiply first": float(
                    rows[0] * columns[0, 1] + rows[1] * columns[0, 0]
                )
                / 2,
                "that is P11, both views on domain 1": float(joint[0, 0]),
                "that is P22, both views on domain 2": float(joint[1, 1]),
            },
        ),
        "information": (
            right,
            {
                "that is minus the information, the loss": -right,
                "that is in bits; take the natural logarithm": right / float(torch.tensor(2.0).log()),
                "that is H(p) alone; subtract H(p | p+)": alone,
                "that is H(p | p+) alone; subtract it from H(p)": given,
                "that is the entropy of all four entries": alone + given,
                "one of the two marginals is missing: that is minus H(p | p+)": -given,
                "a bracket is missing: P is divided by the product of both marginals": -alone - given,
                "the entries off the diagonal are missing": float(each.trace()),
                "that is the information within single pictures, always 0; it is a property of both together": 0.0,
            },
        ),
    }


@task(INFORMATION)
def check_by_hand(apart: float, information: float, *, student: str) -> None:
    """Task 1: P12 of the joint matrix of ``by_hand(student)``, and its mutual information."""
    expected = _by_hand(*by_hand(student))
    for name, answer in (("apart", apart), ("information", information)):
        right, mistakes = expected[name]
        number(answer, right, mistakes, name)


# --- the joint matrix ----------------------------------------------------------------------------------------------


@task(INFORMATION)
def check_joint(
    answer: Callable[[Tensor, Tensor], Tensor],
    *,
    batch: int = 5,
    domains: int = 4,
    sure: float = 2.0,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Task 2: a function (p, q) → their joint matrix ``(K, K)``. ``sure`` is the deviation of the logits."""
    logits = sure * torch.randn(2, batch, domains, dtype=dtype)
    p, q = logits.softmax(2)
    counted = p.T @ q
    right = (counted + counted.T) / (2 * batch)
    means = torch.outer(p.mean(0), q.mean(0))
    hot = [F.one_hot(each.argmax(1), domains).to(dtype) for each in (p, q)]
    mistakes = {
        "the two orders are not averaged: which view is called the first is chance, so add the transpose and halve": (
            counted / batch
        ),
        "that is the transpose of one order alone; average it with the other": counted.T / batch,
        "the sum of all entries is N; divide by it, so that it is 1": (counted + counted.T) / 2,
        "the sum of all entries is 2 N; divide by it, so that it is 1": counted + counted.T,
        "the sum of all entries is 2: adding the transpose has doubled it": 2 * right,
        "nothing is divided and the two orders are not averaged: the sum of all entries is N": counted,
        "each row sums to 1; only the sum of all entries does": right / right.sum(1, keepdim=True),
        "each column sums to 1; only the sum of all entries does": right / right.sum(0, keepdim=True),
        "the softmax of a matrix is not its share; divide by the sum": right.flatten().softmax(0).view_as(right),
        "you averaged over the pictures first, so nobody knows which views belong together; multiply first": (
            means + means.T
        )
        / 2,
        "the pictures are averaged before they are multiplied, and the two orders are not": means,
        "p stands in both places; the strong views q have no part in it": p.T @ p / batch,
        "q stands in both places; the images' p has no part in it": q.T @ q / batch,
        "that counts the likeliest domains, which has no gradient; take the probabilities": (
            hot[0].T @ hot[1] + hot[1].T @ hot[0]
        )
        / (2 * batch),
    }

    weights = torch.randn(domains, domains, dtype=dtype)  # the plain sum is always 1, and has no gradient

    def weighted(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda a, b: (function(a.softmax(1), b.softmax(1)) * weights).sum()

    given = p.clone(), q.clone()
    got = answer(*given)
    if isinstance(got, Tensor) and got.shape == (batch, batch) and batch != domains:
        raise Wrong(f"the answer has a row for each picture, {tuple(got.shape)}; sum over them: (K, K)")
    same(got, right, mistakes)
    if not (torch.equal(given[0], p) and torch.equal(given[1], q)):
        raise Wrong("the assignments that were given have changed; write into nothing")
    if sure < 10:  # else there is nothing left to learn
        gradients(weighted(answer), weighted(joint_matrix), {"p": logits[0], "q": logits[1]})


# --- its information -----------------------------------------------------------------------------------------------


def reference_information(joint: Tensor, entropy: float = 1.0) -> Tensor:
    """Minus the information of a symmetric joint matrix, whose logarithms of marginals are weighted by ``entropy``."""
    return information_loss(torch.eye(len(joint), dtype=joint.dtype), joint, entropy)


@task(INFORMATION)
def check_information(
    answer: Callable[[Tensor, float], Tensor],
    *,
    batch: int = 6,
    domains: int = 4,
    entropy: float = 1.3,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Task 3: a function (joint, entropy) → the information loss. An empty domain is tried as well."""
    p, q = torch.randn(2, batch, domains, dtype=dtype).mul(2).softmax(2)
    joint = joint_matrix(p, q)
    marginals = joint.sum(1, keepdim=True)
    all_, sides = -(joint * joint.log()).sum(), -(marginals * marginals.log()).sum()  # entropies
    right = reference_information(joint, entropy)
    plain = reference_information(joint)
    unlogged = (joint - entropy * (marginals + marginals.T)) * joint
    mistakes = {
        "the marginals cancel out or are missing, so what is left is least if all pictures lie on one domain: divide "
        "by both": all_,
        "the sign is wrong: the loss falls as the information rises": -right,
        "one of the two marginals is missing": all_ - entropy * sides,
        "the marginals are multiplied by, not divided by": all_ + 2 * entropy * sides,
        "entropy is not used": plain,
        "entropy weights one of the two marginals only": all_ - (1 + entropy) * sides,
        "entropy weights the logarithms of the marginals, you weighted that of the joint matrix": entropy * all_
        - 2 * sides,
        "entropy weights the marginals' logarithms alone, you multiplied everything by it": entropy * plain,
        "the marginals are weighted by the square of entropy": reference_information(joint, entropy**2),
        "that is in bits; take the natural logarithm": right / float(torch.tensor(2.0).log()),
        "the loss is the sum over all entries, you took the mean": right / domains**2,
        "only the diagonal is summed": -(joint * (joint.log() - entropy * (marginals * marginals.T).log())).trace(),
        "the joint matrix is not multiplied by, so rare entries count as much as common ones": -(
            joint.log() - entropy * (marginals * marginals.T).log()
        ).sum(),
        "the logarithms are missing": -unlogged.sum(),
        "the joint entropy is missing: that is minus H(p), twice and weighted": -2 * entropy * sides,
        "that is H(p) alone, with its sign": -sides,
    }
    same(answer(joint.clone(), entropy), right, mistakes)
    gradients(
        lambda a, b: answer(joint_matrix(a, b), entropy), partial(information_loss, entropy=entropy), {"p": p, "q": q}
    )
    empty = joint.clone()
    empty[-1], empty[:, -1] = 0, 0
    empty = (empty / empty.sum()).requires_grad_(True)
    got = answer(empty, entropy)
    same(got.detach() * 0, torch.zeros((), dtype=dtype), what="the loss with an empty domain")
    if abs(float(got.detach() - reference_information(empty.detach(), entropy))) > 1e-4:
        raise Wrong(
            f"with an empty domain the loss is {float(got):.4f}; 0 ln 0 counts as 0: clamp before the logarithm"
        )
    got.backward()
    assert empty.grad is not None
    if not empty.grad.isfinite().all():
        raise Wrong("with an empty domain a gradient is infinite or nan: clamp before the logarithm, not behind it")


# --- the style contrast --------------------------------------------------------------------------------------------


@task(STYLE)
def check_contrast(
    answer: Callable[[Tensor, Tensor, Tensor, float], Tensor],
    *,
    batch: int = 4,
    style: int = 6,
    entries: int = 7,
    temperature: float = 0.6,
    scale: float = 1.0,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Task 4: a function (query, key, negatives, temperature) → the style contrastive loss; ``scale`` of the codes."""
    query, key = torch.randn(2, batch, style, dtype=dtype) * scale
    key = key + 0.5 * query  # somewhat like its own
    negatives = torch.randn(entries, style, dtype=dtype) * scale
    reference = partial(contrastive_loss, negatives=negatives, temperature=temperature)
    right = reference(query, key)
    own, others = (query * key).sum(1, keepdim=True), query @ negatives.T
    first = torch.zeros(batch, dtype=torch.long)

    def entropy(products: Tensor, target: Tensor = first) -> Tensor:
        return F.cross_entropy(products / temperature, target)

    both = torch.cat([own, others], 1)
    unit = partial(F.normalize, dim=1)
    distances = torch.cat([key[:, None] - query[:, None], negatives - query[:, None]], 1).norm(dim=2)
    mistakes = {
        "the temperature divides the products, you multiplied by it": F.cross_entropy(both * temperature, first),
        "the temperature is missing": F.cross_entropy(both, first),
        "the temperature divides the products, not the loss": F.cross_entropy(both, first) / temperature,
        "the key is not among the answers below the line: the softmax is over all, the right one included": (
            (others / temperature).logsumexp(1) - own[:, 0] / temperature
        ).mean(),
        "the negatives are not used; the other keys of the batch are": entropy(query @ key.T, torch.arange(batch)),
        "the other keys of the batch are among the negatives; only those of the queue are": entropy(
            torch.cat([query @ key.T, others], 1), torch.arange(batch)
        ),
        "the right answer stands in the first column, you named another": entropy(both, first + (entries > 0)),
        "the codes are taken as they are; it is the network that may give them length 1": contrastive_loss(
            unit(query), unit(key), unit(negatives), temperature
        ),
        "the codes' inner products are asked for, you took their distances": entropy(-distances),
        "the sign of the products is wrong: a query should be like its own key": entropy(-both),
        "the sign is wrong: minus the logarithm is minimised": -right,
        "you summed over the batch; take the mean": batch * right,
        "the softmax is taken twice: cross_entropy wants logits": F.cross_entropy(
            (both / temperature).softmax(1), first
        ),
        "the logarithm is missing": -(both / temperature).softmax(1)[:, 0].mean(),
        "that asks yes or no for each product; take a softmax over all": F.binary_cross_entropy_with_logits(
            both / temperature, F.one_hot(first, entries + 1).to(dtype)
        ),
        "queries and keys are exchanged": contrastive_loss(key, query, negatives, temperature),
    }
    same(answer(query, key, negatives, temperature), right, mistakes)
    if not entries:
        return
    gradients(
        lambda a, b, c: answer(a, b, c, temperature),
        lambda a, b, c: contrastive_loss(a, b, c, temperature),
        {"query": query, "key": key, "negatives": negatives},
    )


# --- memory --------------------------------------------------------------------------------------------------------


@task(STYLE)
def check_memory(
    answer: Callable[[Tensor, Tensor, int, nn.Module, nn.Module, float], Tensor],
    *,
    size: int = 7,
    batch: int = 3,
    style: int = 4,
    momentum: float = 0.8,
    dtype: torch.dtype = torch.float64,
) -> None:
    """Task 5: (queue, keys, size, slow, fast, momentum) → the queue of later; and the copy has moved."""
    queue = torch.zeros(0, style, dtype=dtype)
    fast, slow = (nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, style)).to(dtype) for _ in range(2))
    slow.requires_grad_(False)
    copies = {sentence: deepcopy(slow) for sentence in ["right", *_FOLLOWING]}
    for _ in range(4 + 2 * size // batch):
        made = torch.randn(batch, style, dtype=dtype, requires_grad=True)
        keys, before, network = made * 1, queue.clone(), deepcopy(fast)
        got = answer(queue, keys, size, slow, fast, momentum)
        if not (torch.equal(queue, before) and torch.equal(keys, made)):
            raise Wrong("the queue or the keys that were given have changed; return a new tensor")
        _check_queue(got, queue, made.detach(), size)
        if got.requires_grad:
            raise Wrong("the queue drags the graphs of earlier steps along: detach the keys")
        queue = torch.cat([queue, made.detach()])[-size:]
        if not equal_parameters(fast, network):
            raise Wrong("the network itself has moved; only its slow copy moves here")
        _check_copy(slow, fast, copies, momentum)
        with torch.no_grad():  # the network learns on; a copy that shares its memory would learn with it
            for weight in fast.parameters():
                weight.add_(torch.randn_like(weight))


def _check_queue(got: object, held: Tensor, keys: Tensor, size: int) -> None:
    """Raise `Wrong` unless ``got`` is what a queue of ``size`` that held ``held`` is after ``keys``."""
    everything = torch.cat([held, keys])
    right, count = everything[-size:], len(everything)
    if isinstance(got, Tensor) and got.ndim == 2 and len(got) != len(right):
        what = f"the queue holds {len(got)} keys after {count} were pushed; expected {len(right)}, size is {size}"
        if len(got) > size:
            raise Wrong(what + ": the oldest leave")
        if len(got) == len(keys):
            raise Wrong(what + ": the earlier keys are gone")
        raise Wrong(what)
    mistakes = {
        "the newest keys leave the queue; the oldest have to": everything[:size],
        "the new keys stand first in the queue; the oldest do": torch.cat([keys, held])[:size],
        "the new keys stand first in the queue, and the oldest stay": torch.cat([keys, held])[-size:],
        "the queue is turned round; the oldest stand first": right.flip(0),
    }
    same(got, right, mistakes, what="the queue")


def _check_copy(slow: nn.Module, fast: nn.Module, copies: Mapping[str, nn.Module], momentum: float) -> None:
    """Raise `Wrong` unless ``slow`` has moved like the right one of the ``copies``, which move with it."""
    if any(weight.requires_grad for weight in slow.parameters()):
        raise Wrong("the weights of the copy have become part of a graph: move them under no_grad")
    for sentence, copy in copies.items():
        _move(copy, fast, partial(_FOLLOWING.get(sentence, _right), momentum))
    if equal_parameters(slow, copies["right"]):
        return
    for sentence, copy in copies.items():
        if equal_parameters(slow, copy):
            raise Wrong(sentence)
    raise Wrong("the weights of the momentum copy are not those expected")


def _move(slow: nn.Module, fast: nn.Module, rule: Callable[[Tensor, Tensor], Tensor]) -> None:
    for mine, theirs in zip(slow.parameters(), fast.parameters(), strict=True):
        mine.data = rule(mine.data, theirs.data)


def _right(m: float, mine: Tensor, theirs: Tensor) -> Tensor:
    return m * mine + (1 - m) * theirs


_FOLLOWING: dict[str, Callable[[float, Tensor, Tensor], Tensor]] = {
    "the copy has not moved: write into its weights": lambda m, mine, theirs: mine,
    "momentum is the part that the copy keeps; you gave it to the network": lambda m, mine, theirs: (
        (1 - m) * mine + m * theirs
    ),
    "the copy has jumped onto the network; it keeps the part momentum of itself": lambda m, mine, theirs: theirs,
    "the two parts do not sum to 1: the network's is 1 - momentum": lambda m, mine, theirs: m * mine + theirs,
    "the network's part is missing, so the copy fades": lambda m, mine, theirs: m * mine,
    "the copy moves away from the network": lambda m, mine, theirs: mine - (1 - m) * (theirs - mine),
}


# --- one step ------------------------------------------------------------------------------------------------------


class _Guide(nn.Module):
    """A small E: a picture to logits and a style code."""

    def __init__(self, domains: int, style: int, dtype: torch.dtype):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, 2, 1, dtype=dtype)
        self.label, self.style = nn.Linear(6, domains, dtype=dtype), nn.Linear(6, style, dtype=dtype)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = (2 * self.first(image)).sin().mean((2, 3))
        return 5 * self.label(features), self.style(features)


def _information(p: Tensor, q: Tensor) -> Tensor:
    for name, each in (("p", p), ("q", q)):
        if not torch.allclose(each.sum(1), torch.ones_like(each[:, 0]), atol=1e-3):
            raise Wrong(f"the rows of {name} do not sum to 1; the information is of probabilities, (N, K)")
    return 5 * information_loss(p, q)


def _follow(slow: nn.Module, fast: nn.Module) -> None:
    _move(slow, fast, lambda mine, theirs: 0.6 * mine + 0.4 * theirs)


TERMS = SimpleNamespace(information=_information, contrast=partial(contrastive_loss, temperature=0.3), follow=_follow)
Step = Callable[..., object]
Outcome = dict[str, list[Tensor]]


@task(STEP)
def check_guide_step(
    answer: Step,
    *,
    steps: int = 3,
    batch: int = 4,
    side: int = 8,
    domains: int = 3,
    entries: int = 10,
    dtype: torch.dtype = torch.float64,
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.SGD,
) -> None:
    """Task 6: (guide, slow, queue, adam, image, strong, terms): one step of E alone, then queue and copy."""
    guide, slow = _Guide(domains, 5, dtype), _Guide(domains, 5, dtype).requires_grad_(False)
    image = torch.rand(steps, batch, 3, side, side, dtype=dtype) * 2 - 1
    strong = (image * 0.6 + 0.5 * torch.rand(steps, batch, 3, side, side, dtype=dtype)).flip(-1)
    batches = list(zip(image, strong, strict=True))
    first = torch.randn(entries - 1, 5, dtype=dtype)  # nearly full: it overflows
    after = partial(_after, guide=guide, slow=slow, first=first, batches=batches, optimiser=optimiser)
    expected, mine = after(_step), after(answer)
    different = [name for name in expected if not _alike(mine[name], expected[name])]
    if not different:
        return
    for sentence, wrong in _MISTAKES.items():
        other = after(wrong)
        if all(_alike(mine[name], other[name]) for name in mine):
            raise Wrong(sentence)
    if _alike(mine["the guiding network"], [weight.detach() for weight in guide.parameters()]):
        raise Wrong("the guiding network never moves")
    raise Wrong(f"after {steps} steps {' and '.join(different)} are not those of a step of the warm-up")


def _alike(mine: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    return all(
        a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=1e-4 * float(b.abs().max()))
        for a, b in zip(mine, others, strict=True)
    )


def _after(
    step: Step,
    guide: nn.Module,
    slow: nn.Module,
    first: Tensor,
    batches: list[tuple[Tensor, Tensor]],
    optimiser: Callable[..., torch.optim.Optimizer],
) -> Outcome:
    """E, its copy and the queue after a step with each batch; the given ones stay as they were."""
    guide, slow = deepcopy(guide), deepcopy(slow)
    queue = Queue(len(first) + 1, first.shape[1]).to(first.dtype)
    queue.push(first)
    adam = optimiser(guide.parameters(), lr=0.02)
    for image, strong in batches:
        step(guide, slow, queue, adam, image, strong, TERMS)
    parts = {"the guiding network": guide.parameters(), "its momentum copy": slow.parameters()}
    kept = {name: [weight.detach() for weight in weights] for name, weights in parts.items()}
    return kept | {"the queue": [queue.entries()]}


def _step(
    guide: nn.Module,
    slow: nn.Module,
    queue: Queue,
    adam: torch.optim.Optimizer,
    image: Tensor,
    strong: Tensor,
    terms: SimpleNamespace,
    *,
    keys: str = "slow strong",
    query: str = "image",
    pairs: str = "pq",
    push: str = "last",
    follow: str = "last",
    clear: bool = True,
    losses: str = "both",
) -> None:
    """A step of E alone. What stands behind the star makes it wrong.

    Who makes the ``keys``, of which view; of which view the ``query`` is; which assignments are compared; when keys are
    pushed and the copy follows; whether gradients are cleared; which ``losses`` count, or whether E moves by "each".
    """
    if follow == "first":
        terms.follow(slow, guide)
    (logits, code), (other, strong_code) = guide(image), guide(strong)
    p, q = logits.softmax(1), other.softmax(1)
    made = (slow if "slow" in keys else guide)(strong if "strong" in keys else image)[1].detach()
    if push == "first":
        queue.push(made)
    own = {"pq": (p, q), "pp": (p, p), "p": (p, q.detach()), "q": (p.detach(), q)}[pairs]
    information = terms.information(*own)
    style = terms.contrast(code if query == "image" else strong_code, made, queue.entries())
    if clear:
        adam.zero_grad()
    if losses == "each":
        information.backward()
        adam.step()
        adam.zero_grad()
        style = terms.contrast(guide(image)[1], made, queue.entries())
        style.backward()
    else:
        (information * (losses != "style") + style * (losses != "information")).backward()
    adam.step()
    if follow == "last":
        terms.follow(slow, guide)
    if push in ("last", "codes", "late"):
        queue.push({"last": made, "codes": code}[push] if push != "late" else slow(strong)[1])


_MISTAKES: Mapping[str, Step] = {
    "the keys are made by the guiding network itself; its momentum copy makes them": partial(_step, keys="strong"),
    "the keys are of the images; they are codes of the strong views": partial(_step, keys="slow image"),
    "the query is the code of the strong view; it is that of the image": partial(_step, query="strong"),
    "query and key have changed places: the image is the query, the strong view the key": partial(
        _step, keys="slow image", query="strong"
    ),
    "the keys are pushed before the contrast, so that each picture is among its own negatives": partial(
        _step, push="first"
    ),
    "the queue never receives the keys": partial(_step, push="never"),
    "the queue receives the codes of the images; the keys belong there": partial(_step, push="codes"),
    "the queue receives keys made anew after the step; push those that were compared": partial(_step, push="late"),
    "the momentum copy never moves": partial(_step, follow="never"),
    "the momentum copy moves before the guiding network has learnt; it follows at the end": partial(
        _step, follow="first"
    ),
    "the gradients are not cleared: those of the steps before are still in them": partial(_step, clear=False),
    "the information compares the images with themselves; their strong views are the other side": partial(
        _step, pairs="pp"
    ),
    "no gradient of the information comes from the strong views; both views teach": partial(_step, pairs="p"),
    "no gradient of the information comes from the images; both views teach": partial(_step, pairs="q"),
    "the information is missing: nothing sorts the pictures": partial(_step, losses="style"),
    "the contrast is missing, or no gradient comes from it": partial(_step, losses="information"),
    "the guiding network moves twice; both losses are one sum": partial(_step, losses="each"),
}
