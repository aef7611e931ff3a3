"""Steps as a method plays them, beside the same steps as a textbook writes them in plain PyTorch; both in fp64."""

from collections.abc import Callable, Iterable
from copy import deepcopy

import torch
from torch import Tensor

from i2i_tutor.methods.base import Batch, Method, Terms
from i2i_tutor.nn import ImagePool
from i2i_tutor.training import make_optimisers, play

NEAR = 1e-10
# A bias that cancels, as one in front of a norm does, has no gradient but rounding, and Adam magnifies that: it moves
# less than this, and differs by as much. With a gradient it moves at least a thousand times as far.
INERT = 1e-8
MOVED = 1e-6  # how far all others have moved at least: weights that stay would agree, too


Textbook = Callable[[Method], Callable[[Batch, int], Terms]]


def compare_steps(game: Method, textbook: Textbook, batches: Iterable[Batch]) -> Method:
    """Play a step on each batch with the method's own optimisers, and write it by ``textbook``: all of it must agree.

    ``textbook`` takes a copy of the method, as a box of networks and buffers, and returns what writes one step:
    batch and number of the step → the terms, by name. Compared are all terms of each step and, behind the last one,
    all weights and buffers, but for biases that do nothing (``INERT``). Each step is seeded: random numbers are the
    same on both sides if they are drawn in the same order. A method that trains with channels last is played in both
    layouts. Returns the method as it was played last.
    """
    batches, layouts = list(batches), [torch.contiguous_format, *([torch.channels_last] if game.channels_last else [])]
    return [_compare(deepcopy(game), textbook, batches, layout) for layout in layouts][-1]


def _compare(game: Method, textbook: Textbook, batches: list[Batch], layout: torch.memory_format) -> Method:
    other, start = deepcopy(game), deepcopy(dict(game.named_parameters()))
    game.to(memory_format=layout)
    optimisers, write = make_optimisers(game), textbook(other)
    for step, batch in enumerate(batches):
        torch.manual_seed(step)
        laid = {key: value.to(memory_format=layout) if value.ndim == 4 else value for key, value in batch.items()}
        played = play(game, optimisers, laid, step)
        torch.manual_seed(step)
        close(played, write(batch, step), f"step {step}, ")
    found, expected = game.state_dict(), other.state_dict()
    for name, weight in start.items():
        moved, theirs = ((state[name] - weight).abs().max() for state in (found, expected))
        if "bias" in name and max(moved, theirs) < INERT:
            del found[name], expected[name]
        elif weight.requires_grad:
            assert moved > MOVED, f"{name} has hardly moved"
    close(found, expected)
    return game


def close(found: dict[str, Tensor], expected: dict[str, Tensor], where: str = "") -> None:
    """Whether two dictionaries hold the same names and, but for rounding, the same numbers."""
    assert found.keys() == expected.keys(), where
    for name, value in found.items():
        torch.testing.assert_close(
            value, expected[name].detach(), rtol=0, atol=NEAR, msg=lambda text, name=name: f"{where}{name}: {text}"
        )


def exchanged(pool: ImagePool, *images: Tensor) -> list[Tensor]:
    """What a discriminator is shown (CycleGAN, section 4): every image, or with probability 1/2 an earlier one.

    Works on the buffers of a pool that holds something already, image by image, and without its code. A coin is drawn
    for each image, and behind it, if it says so, a place.
    """
    shown = [image.detach().clone() for image in images]
    if pool.size == 0:
        return shown
    slots = [getattr(pool, f"slot{k}") for k in range(len(images))]
    for n in range(len(images[0])):
        if pool.count < pool.size:
            for slot, image in zip(slots, images, strict=True):
                slot[int(pool.count)] = image[n].detach()
            pool.count += 1
        elif torch.rand(()) < 0.5:
            place = int(torch.randint(pool.size, ()))
            for slot, image, answer in zip(slots, images, shown, strict=True):
                answer[n] = slot[place]
                slot[place] = image[n].detach()
    return shown
