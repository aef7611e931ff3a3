"""What happened in a training: every term of every step, read from the device only now and then."""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from i2i_tutor import processes
from i2i_tutor.training import checkpoints


class TrainingError(RuntimeError):
    """A training cannot go on; the message says why, in which step, and names the last whole checkpoint."""


@dataclass
class History:
    """What happened in a training.

    Attributes:
        terms: for every term its values, and in ``at`` the steps (from 0) in which they were computed.
        steps: steps done.
        seconds: time spent, over all sessions of a resumed run.
        interrupted: whether Ctrl-C ended it early.
        arithmetic: what was computed in, for the record: ``"fp32"`` or ``"bf16"``.
        layout: how weights and images lay in memory: ``"contiguous"`` or ``"channels last"``.
        waited: of the seconds, those in which the next batch was drawn.
    """

    terms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    at: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    steps: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    arithmetic: str = "fp32"
    layout: str = "contiguous"
    waited: float = 0.0

    def mean(self, term: str, last: int = 100) -> float:
        """Mean of a term's last values."""
        values = self.terms.get(term, [])[-last:]
        return math.fsum(values) / len(values) if values else math.nan


class Recorder:
    """Keeps terms on the device until they are asked for, so that logging never waits for the device."""

    def __init__(self, history: History):
        self.history = history
        self.pending: list[tuple[int, dict[str, Tensor]]] = []

    def add(self, step: int, terms: dict[str, Tensor]) -> None:
        """Note the terms of a step, without looking at them."""
        self.pending.append((step, terms))

    def flush(self, folder: Path | None) -> None:
        """Move the pending terms into the history; raise TrainingError at the first that is not finite."""
        if not self.pending:
            return
        flat = torch.stack([term.float() for _, terms in self.pending for term in terms.values()])
        values = iter(processes.mean(flat).tolist())
        for step, terms in self.pending:
            for name in terms:
                value = next(values)
                if not math.isfinite(value):
                    self.pending.clear()
                    raise TrainingError(
                        f"the term {name!r} is {value} in step {step}; {checkpoints.describe_last(folder)}. "
                        "Likely causes: a learning rate that is too high, a division or logarithm of zero in a loss, "
                        "or images outside [-1, 1]"
                    )
                self.history.terms[name].append(value)
                self.history.at[name].append(step)
        self.pending.clear()
