"""Endless, seeded, resumable streams of batches."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from i2i_tutor.contract import Batch, check_images, check_layout, check_whole

Make = Callable[[int, np.random.Generator], Batch]


class Stream:
    """An endless stream in which batch number ``position`` is a pure function of (seed, position).

    That makes resuming trivial: the only state is the position. ``make(position, rng)`` returns the batch; ``rng`` is a
    numpy Generator of its own for every position, so nothing depends on the order in which batches are made.

    Args:
        make: function of (position, rng) to a dict of tensors.
        seed: non-negative integer.
        ahead: batches made in advance by a background thread; 0 makes each when it is asked for.
        about: plain values that say what the stream shows (world, size, batch, ...). A resumed run compares them.
        period: batches of several kinds come in this rhythm (labelled, unlabelled, ...); 1 if all are alike.
    """

    def __init__(
        self,
        make: Make,
        seed: int,
        ahead: int = 0,
        about: dict[str, Any] | None = None,
        period: int = 1,
    ):
        if not callable(make):
            raise ValueError(f"make is {make!r}; expected a function of (position, rng) to a batch")
        check_whole("seed", seed, 0)
        check_whole("ahead", ahead, 0)
        check_whole("period", period, 1)
        self._make, self.seed, self.ahead, self.about, self.period = make, seed, ahead, about or {}, period
        self.position = 0
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[Batch]] = deque()

    def batch(self, position: int) -> Batch:
        """The batch at a position, without moving the stream."""
        return self._make(position, np.random.default_rng((self.seed, position)))

    def share(self, rank: int, count: int) -> "Stream":
        """The part of process ``rank`` of ``count``: together, step by step, they see every batch once.

        In a step all of them get batches of one kind (see ``period``), so that they play the same turns.
        """
        if not 0 <= rank < count:
            raise ValueError(f"rank is {rank} of {count} processes; expected 0 to {count - 1}")

        def make(position: int, rng: np.random.Generator) -> Batch:
            rounds, kind = divmod(position, self.period)
            return self.batch((rounds * count + rank) * self.period + kind)

        return Stream(make, self.seed, self.ahead, self.about | {"processes": count}, self.period)

    def mapped(self, function: Callable[[Batch], Batch], **about: Any) -> "Stream":
        """A stream of ``function(batch)``, from the beginning; ``about`` says what the function does."""

        def make(position: int, rng: np.random.Generator) -> Batch:
            return function(self.batch(position))

        return Stream(make, self.seed, self.ahead, self.about | about, self.period)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        if self.ahead == 0:
            batch = self.batch(self.position)
        else:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, thread_name_prefix="stream")
            while len(self._waiting) <= self.ahead:
                self._waiting.append(self._pool.submit(self.batch, self.position + len(self._waiting)))
            batch = self._waiting[0].result()  # if it raises, the stream has not moved
            self._waiting.popleft()
        self.position += 1
        return batch

    def state_dict(self) -> dict[str, Any]:
        return {"seed": self.seed, "position": self.position, "about": self.about}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state["seed"] != self.seed:
            raise ValueError(f"the saved stream has seed {state['seed']}; this one has {self.seed}")
        if state["about"] != self.about:
            raise ValueError(f"the saved stream shows {state['about']}; this one {self.about}")
        self._waiting.clear()
        self.position = int(state["position"])


def epoch_indices(position: int, batch: int, size: int, seed: int) -> np.ndarray:
    """Indices of batch number ``position`` when a set of ``size`` items is reshuffled in every epoch.

    Every item comes once per epoch; a batch may reach over the seam of two epochs. Pure in its arguments.
    """
    if size < 1:
        raise ValueError("the set is empty")
    first = position * batch
    numbers = np.arange(first, first + batch)
    indices = np.empty(batch, dtype=np.int64)
    for epoch in np.unique(numbers // size):
        order = np.random.default_rng((seed, 0x5EED, int(epoch))).permutation(size)
        inside = numbers // size == epoch
        indices[inside] = order[numbers[inside] % size]
    return indices


def unrelated(seed: int) -> int:
    """Another seed, so that two sets are shuffled independently of each other."""
    return seed + 2**32


def to_tensor(images: np.ndarray) -> Tensor:
    """uint8 images ``(N, H, W, 3)`` in 0..255 → float32 ``(N, 3, H, W)`` in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0).contiguous()


def to_uint8(images: Tensor) -> np.ndarray:
    """Float images ``(N, 3, H, W)`` in [-1, 1] → uint8 ``(N, H, W, 3)``, rounded; values outside are clipped."""
    check_layout(images)
    return images.detach().float().add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()


def to_pictures(images: Tensor) -> np.ndarray:
    """Images ``(N, 1 or 3, H, W)``, checked to be in [-1, 1], as uint8 ``(N, H, W, 3)`` for a figure."""
    check_images(images)
    colours = images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
    check_layout(colours, 3)
    return to_uint8(colours)
