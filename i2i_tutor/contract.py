"""The data contract, checked in one place: what an image, a mask or a label map must be at a public door."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

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


def check_probability(name: str, value: object) -> None:
    """Raise unless ``value``, the argument called ``name``, is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:  # also false for NaN
        raise ValueError(f"{name} is {value!r}; expected a number from 0 to 1")


def check_count(count: int | None, available: int, what: str) -> int:
    """Return ``count``, by default all that there is; raise unless it is from 1 to ``available``."""
    if count is None:
        return available
    check_whole("count", count, 1)
    if count > available:
        raise ValueError(f"count is {count}, but {what} has {available} pictures")
    return count


def check_layout(images: Tensor, channels: int | None = None) -> None:
    """Raise unless ``images`` is a non-empty float tensor ``(N, channels, H, W)`` (None: of any number of channels).

    Looks at no value, so it costs a microsecond and never waits for a device.
    """
    right = isinstance(images, Tensor) and images.ndim == 4 and images.is_floating_point() and 0 not in images.shape
    if not right or (channels is not None and images.shape[1] != channels):
        wanted = "C" if channels is None else channels
        raise ValueError(f"expected float images (N, {wanted}, H, W) with N > 0; got {described(images)}")


def check_input(images: Tensor, network: nn.Module, channels: int | None = None) -> None:
    """Raise unless a network that begins with a convolution can take ``images``; looks at no value.

    ``channels``: of the images, if the first convolution is given more than them.
    """
    weight = next(weight for weight in network.parameters() if weight.ndim == 4)  # (out, in, height, width)
    check_layout(images, weight.shape[1] if channels is None else channels)
    if images.device != weight.device:
        raise ValueError(f"the images are on {images.device}, the network on {weight.device}; expected one device")
    if images.dtype != weight.dtype and not torch.is_autocast_enabled(images.device.type):
        raise ValueError(f"the images are {images.dtype}, the network's weights {weight.dtype}; expected one type")


def check_images(images: Tensor, channels: int | None = None) -> None:
    """Raise unless ``images`` is a non-empty, finite float tensor ``(N, channels, H, W)`` in [-1, 1].

    Reads the values and so waits for the device: meant for public functions, not for a training's steps.
    """
    check_layout(images, channels)
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.001 and high <= 1.001):  # also false for NaN
        raise ValueError(f"images hold values from {low:.3g} to {high:.3g}; expected [-1, 1]")


def check_masks(masks: Tensor, images: Tensor) -> None:
    """Raise unless ``masks`` is ``(N, 1, H, W)`` for images ``(N, C, H, W)``, with values from 0 to 1."""
    expected = (len(images), 1, *images.shape[2:])
    if not isinstance(masks, Tensor) or masks.shape != expected:
        raise ValueError(f"the masks are {described(masks)}; expected {expected}, one for each image")
    low, high = float(masks.min()), float(masks.max())
    if not (low >= 0 and high <= 1):
        raise ValueError(f"the masks hold values from {low:.3g} to {high:.3g}; expected 0 to 1")


def check_label_maps(labels: Tensor, images: Tensor) -> None:
    """Raise unless ``labels`` is ``(N, H, W)`` of integers for images ``(N, C, H, W)``."""
    expected = (len(images), *images.shape[2:])
    if not is_whole(labels) or labels.shape != expected:
        raise ValueError(f"the label maps are {described(labels)}; expected integers {expected}")


def is_whole(values: object) -> bool:
    """Whether ``values`` is a tensor of integers; True and False are none."""
    other = (torch.bool, torch.complex32, torch.complex64, torch.complex128)
    return isinstance(values, Tensor) and not values.is_floating_point() and values.dtype not in other


def check_same_shape(one: Tensor, other: Tensor) -> None:
    """Raise unless both are non-empty float tensors of the **same** shape: broadcasting would hide a mistake."""
    for values in (one, other):
        check_floats(values)
    if one.shape != other.shape:
        raise ValueError(f"expected tensors of equal shapes; got {tuple(one.shape)} and {tuple(other.shape)}")


def check_floats(values: Tensor) -> None:
    """Raise unless ``values`` is a non-empty float tensor, whatever its shape: the mean of none is no number."""
    if not isinstance(values, Tensor) or not values.is_floating_point() or values.numel() == 0:
        raise ValueError(f"expected a float tensor that is not empty; got {described(values)}")


def described(value: object) -> str:
    """What was given instead, on one line and without its values: type and shape of a tensor."""
    if isinstance(value, Tensor):
        return f"{value.dtype} {tuple(value.shape)}"
    return f"the {type(value).__name__} {' '.join(repr(value).split())[:60]}"
