"""Two views of an image: a light one, at most mirrored, and a strong one, moved, turned, cut out and recoloured.

What a network is asked to find in both views alike is whatever the strong one leaves alone; it never learns to tell
apart what the strong one changes. So the numbers here decide what can become a domain: a colour that is jittered
cannot. Every number is drawn from a numpy Generator, so that a batch stays a function of its place in the stream.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_tutor.contract import Batch, check_images

DRAWS = 14  # random numbers of one image's strong view
FIXED = 0x71E85  # seed of the strong views of fixed sets


@dataclass(frozen=True)
class Strength:
    """How far a strong view may go from its image. All jitters are drawn evenly from both sides of "no change".

    Attributes:
        rotation: degrees, to either side.
        shift: part of the side, in either direction of both axes.
        shear: degrees, to either side.
        area: least and greatest part of the image that is cut out and enlarged again; above 1 it shrinks.
        ratio: least and greatest width by height of that part.
        brightness, contrast, saturation: greatest relative change.
        hue: greatest turn of the colours around the grey axis, in turns.
        gain: greatest relative change of each channel by itself.
    """

    rotation: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    area: tuple[float, float] = (1.0, 1.0)
    ratio: tuple[float, float] = (1.0, 1.0)
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    gain: float = 0.0


STRENGTHS = {
    # The official code's. Its crop turns after its shift; ours in one go, sampled once. Its hue turns in HSV
    "paper": Strength(20, 0.1, 10, (0.9, 1.1), (0.9, 1.1), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.125),
    # For the drawn animals, whose coats are colours as well: no hue, no saturation, but a light of any colour
    "animals": Strength(15, 0.05, 0, (0.75, 1.0), brightness=0.4, contrast=0.4, gain=0.25),
    # Any hue: coats that differ in their colours alone become one
    "hues": Strength(15, 0.05, 0, (0.75, 1.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.5),
    # The place and the turn change, the light does not: a domain may be an hour of the day
    "places": Strength(15, 0.05, 0, (0.75, 1.0)),
}

# Rows: brightness and the two chroma coordinates of YIQ, in which a hue turns
YIQ = torch.tensor([(0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)])


def two(images: Tensor, strength: str, rng: np.random.Generator) -> Batch:
    """What a step sees of images ``(N, 3, H, W)``: ``image``, a light view, and ``strong``, one of ``STRENGTHS``."""
    return {"image": light(images, rng), "strong": strong(images, STRENGTHS[strength], rng)}


def light(images: Tensor, rng: np.random.Generator) -> Tensor:
    """The images ``(N, 3, H, W)``, each mirrored with probability 1/2. Raises ValueError if they break the contract."""
    check_images(images, 3)
    mirrored = torch.from_numpy(rng.random(len(images)) < 0.5).to(images.device)
    return torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)


def strong(images: Tensor, strength: Strength, rng: np.random.Generator) -> Tensor:
    """A strong view of each image, mirrored with probability 1/2 as well.

    Shape: ``(N, 3, H, W)`` in [-1, 1] → the same. What comes into view from outside is the mirrored image. Every image
    takes the same count of numbers from ``rng``, so the first views of a batch do not depend on the others. Raises
    ValueError if the images break the data contract.
    """
    check_images(images, 3)
    chance = torch.from_numpy(rng.random((len(images), DRAWS))).to(images)
    grid = F.affine_grid(_placement(chance[:, :7], strength), list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return _recoloured((moved + 1) / 2, chance[:, 7:], strength) * 2 - 1


def _between(chance: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * chance


def _placement(chance: Tensor, strength: Strength) -> Tensor:
    """From a pixel of the view to the place in the image that it shows, ``(N, 2, 3)`` in -1 to 1."""
    mirror = 1 - 2 * (chance[:, 0] < 0.5).to(chance)  # -1 or 1
    angle, shear = (
        math.radians(degrees) * (2 * chance[:, place] - 1)
        for place, degrees in ((1, strength.rotation), (2, strength.shear))
    )
    side = _between(chance[:, 3], *strength.area).sqrt()
    stretch = _between(chance[:, 4], *strength.ratio).sqrt()
    across, down = side * stretch * mirror, side / stretch
    first = torch.stack([across * angle.cos(), -down * (angle + shear).sin()], 1)
    second = torch.stack([across * angle.sin(), down * (angle + shear).cos()], 1)
    room = (1 - torch.stack([side * stretch, side / stretch], 1)).clamp(min=0) + 2 * strength.shift
    centre = (2 * chance[:, 5:7] - 1) * room
    return torch.cat([torch.stack([first, second], 1), centre[..., None]], 2)


def _recoloured(images: Tensor, chance: Tensor, strength: Strength) -> Tensor:
    """Images in 0..1 under another light: brightness and gains, contrast, saturation and hue, clipped at the end."""

    def factor(numbers: Tensor, most: float) -> Tensor:  # (N, 1 or 3, 1, 1)
        return (1 + most * (2 * numbers - 1))[..., None, None]

    images = images * factor(chance[:, :1], strength.brightness) * factor(chance[:, 2:5], strength.gain)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * factor(chance[:, 1:2], strength.contrast)
    if strength.saturation or strength.hue:
        turn = 2 * math.pi * strength.hue * (2 * chance[:, 6] - 1)
        amount = factor(chance[:, 5], strength.saturation).flatten()
        along, across = amount * turn.cos(), amount * turn.sin()
        chroma = images.new_zeros(len(images), 3, 3)
        chroma[:, 0, 0], chroma[:, 1, 1], chroma[:, 2, 2] = 1, along, along
        chroma[:, 1, 2], chroma[:, 2, 1] = -across, across
        turned = YIQ.inverse().to(images) @ chroma @ YIQ.to(images)  # torch inverts no half precision
        images = torch.einsum("nij,njhw->nihw", turned, images)
    return images.clamp(0, 1)
