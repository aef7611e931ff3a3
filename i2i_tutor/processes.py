"""One training on several processes: started by ``torchrun`` or ``accelerate launch``, each with its own share of data.

The networks start equal, every gradient is averaged before a network moves, so they stay equal. Nothing is wrapped: a
wrapper expects each forward pass to be followed by a backward pass into the same weights, which a game in turns breaks.
Without a process group every function here does nothing.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn

from i2i_tutor import devices


def count() -> int:
    """Processes of this training; 1 if no process group is initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0. Process 0 reports, and writes what exists once."""
    return dist.get_rank() if count() > 1 else 0


@contextmanager
def group(device: str | None = None) -> Iterator[torch.device]:
    """Join the processes that a launcher has started, and leave them at the end; yields this process's device.

    ``device`` is "cpu" or "cuda", by default a GPU if there is one: GPUs talk through NCCL, CPUs through gloo.
    Started without a launcher, it yields the device and does nothing else.
    """
    place = devices.find(device)
    if place.type == "cuda":
        place = devices.find(f"cuda:{os.environ.get('LOCAL_RANK', 0)}")
        torch.cuda.set_device(place)
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        yield place
        return
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield place
    finally:
        dist.destroy_process_group()


def start_equal(network: nn.Module) -> None:
    """Give every process the weights and buffers of process 0."""
    if count() > 1:
        for tensor in network.state_dict().values():
            dist.broadcast(tensor, src=0)


def average(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes: one all-reduce of one flat tensor.

    The list is the same on all of them. A parameter that has a gradient on some only (a term that looks at labels, say)
    counts as zero on the others; one that has none anywhere keeps none, so that its optimiser leaves it alone.
    """
    moving = list(parameters)
    if count() == 1 or not moving:
        return
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in moving]
    present = torch.tensor([float(p.grad is not None) for p in moving], device=moving[0].device)
    flat = torch.cat([present, *(gradient.flatten().float() for gradient in gradients)])
    dist.all_reduce(flat)
    sums = flat[len(moving) :].split([gradient.numel() for gradient in gradients])
    for number, (p, gradient, total) in enumerate(zip(moving, gradients, sums, strict=True)):
        if p.grad is not None or flat[number] > 0:  # looks at the device only if there is no gradient here
            p.grad = gradient.copy_(total.view_as(gradient) / count())


def mean(values: Tensor) -> Tensor:
    """The mean of a tensor over the processes; every process must ask for it."""
    if count() == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / count()


def anywhere(flag: bool, device: torch.device) -> bool:
    """Whether a flag is set on any process; every process must ask for it."""
    if count() == 1:
        return flag
    flags = torch.tensor(float(flag), device=device)
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    return bool(flags)


def gather(value: object) -> list:
    """A small picklable value of every process, by rank; on all of them."""
    values: list = [value] * count()
    if count() > 1:
        dist.all_gather_object(values, value)
    return values


def gather_batch(images: Tensor) -> Tensor:
    """The batches of all processes, one after another by rank: ``(N, ...)`` → ``(count * N, ...)``; no gradient."""
    if count() == 1:
        return images
    parts = [torch.empty_like(images) for _ in range(count())]
    dist.all_gather(parts, images.detach().contiguous())
    return torch.cat(parts)


def draws(size: int, device: torch.device) -> Tensor:
    """``size`` uniform numbers, the same on every process (those of process 0), on the CPU."""
    numbers = torch.rand(size)
    if count() > 1:
        shared = numbers.to(device)
        dist.broadcast(shared, src=0)
        numbers = shared.cpu()
    return numbers
