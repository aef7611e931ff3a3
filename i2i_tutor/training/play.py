"""One step of any method: its turns, one after the other."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.optim import Optimizer

from i2i_tutor import processes
from i2i_tutor.methods.base import Batch, Method, Scene


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
    """
    due = [turn for turn in method.begin(step) if (step + 1) % turn.every == 0]
    scene = Scene(batch, step)
    played: dict[str, Tensor] = {}
    for number, turn in enumerate(due):
        with context():
            if number == 0:
                method(scene)
            terms = getattr(method, turn.loss)(scene)
        if not terms:
            raise ValueError(f"the turn {turn.loss!r} returned no term; it has nothing to minimise")
        movers = [p for name in turn.moves for p in getattr(method, name).parameters() if p.requires_grad]
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
    return played


def make_optimisers(method: Method) -> dict[str, Optimizer]:
    """Build the method's optimisers, one per network that moves."""
    return {name: make(getattr(method, name).parameters()) for name, make in method.optimisers().items()}
