"""Networks and buffers that several papers share."""

from i2i_tutor.nn.discriminators import PatchGAN, PixelGAN
from i2i_tutor.nn.ema import MovingAverage
from i2i_tutor.nn.generators import ResNetGenerator, UNet
from i2i_tutor.nn.layers import count_parameters, initialise
from i2i_tutor.nn.memory import ImagePool, Queue

__all__ = [
    "ImagePool",
    "MovingAverage",
    "PatchGAN",
    "PixelGAN",
    "Queue",
    "ResNetGenerator",
    "UNet",
    "count_parameters",
    "initialise",
]
