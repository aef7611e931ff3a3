"""The data contract, checked in one place: what an image, a mask or a label map must be at a public door."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

Batch = dict[str, Tensor]
Direction = Literal["AtoB", "BtoA"]
Split = Literal["tuning", "evaluation"]  # settings are found on the first, numbers reported on the second


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise unless ``value``, the argument called ``name``, is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(choices)}")


def check_whole(name: str, value: object, low: int, high: int | None = None) -> None:
    """Raise unless ``value``, the argument called ``name``, is an int from ``low`` to ``high`` (None: no upper end)."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        wanted = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} is {value!r}; expected a whole number {wanted}")


def check_count(count: int | None, available: int, what: str) -> int:
    """Return ``count``, by default all that there is; raise unless it is from 1 to ``available``."""
    if count is None:
        return available
    check_whole("count", count, 1)
    if count > available:
        raise ValueError(f"count is {count}, but {what} has {available} pictures")
    return count


def check_images(images: Tensor) -> None:
    """Raise unless ``images`` is a non-empty, finite float tensor ``(N, C, H, W)`` in [-1, 1]."""
    if images.ndim != 4 or len(images) == 0 or not images.is_floating_point():
        raise ValueError(f"expected float images (N, C, H, W) with N > 0; got {images.dtype} {tuple(images.shape)}")
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.001 and high <= 1.001):  # also false for NaN
        raise ValueError(f"images hold values from {low:.3g} to {high:.3g}; expected [-1, 1]")
