"""One step of any method: its turns, one after the other."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from i2i_tutor import processes
from i2i_tutor.methods.base import Batch, Method, Scene, Terms, Turn


def play(
    method: Method,
    optimisers: dict[str, Optimizer],
    batch: Batch,
    step: int,
    context: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """Play all turns that are due in this step; return every term, detached, by name.

    Only the networks that move receive a gradient (``backward(inputs=...)``), so no turn freezes or detaches anything
    by hand. A turn sees the networks as the turns before it left them.

    Raises ValueError if the batch lacks a key, or a turn names what the method does not have, or returns no terms.
    """
    due = [turn for turn in method.begin(step) if (step + 1) % turn.every == 0]
    for turn in due:
        _check_names(turn, method, optimisers)
    scene = Scene(_Batch(batch), step)
    played: dict[str, Tensor] = {}
    for number, turn in enumerate(due):
        with context():
            if number == 0:
                method(scene)
            terms = getattr(method, turn.loss)(scene)
        movers = [p for name in turn.moves for p in getattr(method, name).parameters() if p.requires_grad]
        _check_terms(turn, terms, movers)
        total = torch.stack([term.float() for term in terms.values()]).sum()
        total.backward(inputs=movers)
        processes.average(movers)
        for name in turn.moves:
            optimisers[name].step()
            optimisers[name].zero_grad()
        for name, term in terms.items():
            if name in played:
                raise ValueError(f"two turns of one step both call a term {name!r}; each needs its own name")
            played[name] = term.detach()
    with torch.no_grad():
        method.end(scene)
        method.move_averages()
    return played


class _Batch(dict):
    """A batch that says what it holds when asked for what it does not."""

    def __missing__(self, key: str) -> Tensor:
        raise ValueError(f"the batch has no {key!r}; it holds {', '.join(map(repr, self)) or 'nothing'}")


def _check_names(turn: Turn, method: Method, optimisers: dict[str, Optimizer]) -> None:
    for name in (turn.loss, *turn.moves):
        if not hasattr(method, name):
            raise ValueError(f"the turn {turn.loss!r} names {name!r}, which the method {method.name!r} does not have")
    for name in turn.moves:
        if name not in optimisers:
            raise ValueError(f"the turn {turn.loss!r} moves {name!r}, which has no optimiser")


def _check_terms(turn: Turn, terms: Terms, movers: list[nn.Parameter]) -> None:
    if not terms:
        raise ValueError(f"the turn {turn.loss!r} returned no term; it has nothing to minimise")
    if not movers:
        raise ValueError(f"the turn {turn.loss!r} moves {', '.join(turn.moves)}, which has no weights to move")
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.ndim:
            what = f"a tensor {tuple(term.shape)}" if isinstance(term, Tensor) else repr(term)
            raise ValueError(f"the term {name!r} of the turn {turn.loss!r} is {what}; expected a tensor of one number")
    if not any(term.requires_grad for term in terms.values()):
        raise ValueError(f"no term of the turn {turn.loss!r} depends on a weight; it has nothing to minimise")


def make_optimisers(method: Method) -> dict[str, Optimizer]:
    """Build the method's optimisers, one per network that moves."""
    return {name: make(getattr(method, name).parameters()) for name, make in method.optimisers().items()}
