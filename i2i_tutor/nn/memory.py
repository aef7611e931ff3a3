"""Buffers of fixed size with a count, so that they travel in a checkpoint like any other part of a method."""

import torch
from torch import Tensor, nn

from i2i_tutor import processes
from i2i_tutor.contract import check_whole


class ImagePool(nn.Module):
    """A pool of earlier fakes for the discriminator (CycleGAN, section 4: 50 images, after Shrivastava et al.).

    Holds tuples: a conditional discriminator needs the fake together with its input. Until the pool is full every image
    is stored and returned. Then, with probability 1/2, a random stored one is returned and replaced by the new one;
    otherwise the new one is returned and **not** stored. Size 0 returns what it is given.

    The draws come from torch's global generator on the CPU, which a checkpoint holds. On several processes all fakes
    go through one pool, and each process keeps the same copy of it.
    """

    count: Tensor

    def __init__(self, size: int = 50):
        super().__init__()
        check_whole("size", size, 0)
        self.size = size
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self._held = 0  # the count once more, so that a query does not wait for the device
        self.slots: list[str] = []  # one buffer (size, C, H, W) per member of the tuple, made at the first query

    @torch.no_grad()
    def query(self, *images: Tensor) -> tuple[Tensor, ...]:
        """Exchange a batch. Each argument is ``(N, C, H, W)``; returns detached tensors of the same shapes.

        Raises ValueError unless all have one N and the shapes and number of those that the pool holds.
        """
        if len({len(image) for image in images}) != 1:
            raise ValueError(f"a pool exchanges tuples of equally many images; got {[len(image) for image in images]}")
        images = tuple(image.detach() for image in images)
        if self.size == 0:
            return images
        if not self.slots:
            self._make_slots([(image.shape[1:], image.dtype, image.device) for image in images])
        stored = [getattr(self, name) for name in self.slots]
        held, given = ([tuple(member.shape[1:]) for member in members] for members in (stored, images))
        if held != given:
            raise ValueError(f"the pool holds images of the shapes {held}; got {given}")
        if processes.count() > 1:
            return self._query_together(stored, images)
        answers = [image.clone() for image in images]
        for n in range(len(images[0])):
            if self._held < self.size:
                self._store(stored, images, n)
            elif torch.rand(()) < 0.5:
                self._exchange(stored, images, answers, n, int(torch.randint(self.size, ())))
        return tuple(answers)

    def _query_together(self, stored: list[Tensor], images: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        mine = len(images[0])
        images = tuple(processes.gather_batch(image) for image in images)
        answers = [image.clone() for image in images]
        draws = processes.draws(2 * len(images[0]), images[0].device).tolist()
        for n, (coin, place) in enumerate(zip(draws[::2], draws[1::2], strict=True)):
            if self._held < self.size:
                self._store(stored, images, n)
            elif coin < 0.5:
                self._exchange(stored, images, answers, n, int(place * self.size))
        first = processes.rank() * mine
        return tuple(answer[first : first + mine] for answer in answers)

    def _store(self, stored: list[Tensor], images: tuple[Tensor, ...], n: int) -> None:
        for slot, image in zip(stored, images, strict=True):
            slot[self._held] = image[n]
        self.count += 1
        self._held += 1

    @staticmethod
    def _exchange(stored: list[Tensor], images: tuple[Tensor, ...], answers: list[Tensor], n: int, index: int) -> None:
        for slot, image, answer in zip(stored, images, answers, strict=True):
            answer[n] = slot[index]
            slot[index] = image[n]

    def _make_slots(self, members) -> None:
        for k, (shape, dtype, device) in enumerate(members):
            self.register_buffer(f"slot{k}", torch.zeros(self.size, *shape, dtype=dtype, device=device))
        self.slots = [f"slot{k}" for k in range(len(members))]

    def _load_from_state_dict(self, state_dict, prefix, *args, **kwargs):
        # A fresh pool does not know yet what it will hold; the checkpoint does.
        if not self.slots:
            saved: list[Tensor] = []
            while f"{prefix}slot{len(saved)}" in state_dict:
                saved.append(state_dict[f"{prefix}slot{len(saved)}"])
            if saved:
                self._make_slots([(s.shape[1:], s.dtype, self.count.device) for s in saved])
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self._held = int(self.count)


class Queue(nn.Module):
    """First in, first out: the negatives of a contrastive loss (He et al., MoCo; used by TUNIT).

    ``entries()`` returns what it holds, ``(count, width)``; ``push`` adds ``(N, width)`` and drops the oldest.
    """

    buffer: Tensor
    count: Tensor
    head: Tensor

    def __init__(self, size: int, width: int):
        super().__init__()
        check_whole("size", size, 1)
        check_whole("width", width, 1)
        self.size = size
        self.register_buffer("buffer", torch.zeros(size, width))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))
        self.register_buffer("head", torch.zeros((), dtype=torch.long))  # where the next entry goes
        self._held = 0  # the count once more, so that reading does not wait for the device

    @torch.no_grad()
    def push(self, entries: Tensor) -> None:
        """Add ``(N, width)``, detached; of several processes those of all."""
        if not isinstance(entries, Tensor) or entries.ndim != 2 or entries.shape[1] != self.buffer.shape[1]:
            got = tuple(entries.shape) if isinstance(entries, Tensor) else type(entries).__name__
            raise ValueError(f"expected entries (N, {self.buffer.shape[1]}); got {got}")
        entries = processes.gather_batch(entries.detach())[-self.size :].to(self.buffer.dtype)
        where = (self.head + torch.arange(len(entries), device=self.buffer.device)) % self.size
        self.buffer[where] = entries
        self.head.copy_((self.head + len(entries)) % self.size)
        self._held = min(self._held + len(entries), self.size)
        self.count.fill_(self._held)

    def entries(self) -> Tensor:
        """What the queue holds, ``(count, width)``, in no particular order; a copy."""
        return self.buffer[: self._held].clone()

    def _load_from_state_dict(self, *args, **kwargs):
        super()._load_from_state_dict(*args, **kwargs)
        self._held = int(self.count)
