"""The data contract, checked in one place: what an image, a mask or a label map must be at a public door."""

from torch import Tensor


def check_images(images: Tensor) -> None:
    """Raise unless ``images`` is a non-empty, finite float tensor ``(N, C, H, W)`` in [-1, 1]."""
    if images.ndim != 4 or len(images) == 0 or not images.is_floating_point():
        raise ValueError(f"expected float images (N, C, H, W) with N > 0; got {images.dtype} {tuple(images.shape)}")
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.001 and high <= 1.001):  # also false for NaN
        raise ValueError(f"images hold values from {low:.3g} to {high:.3g}; expected [-1, 1]")
