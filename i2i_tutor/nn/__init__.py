"""Networks and buffers that several papers share."""

from i2i_tutor.nn.discriminators import PatchGAN, PixelGAN
from i2i_tutor.nn.ema import MovingAverage
from i2i_tutor.nn.generators import ResNetGenerator, UNet
from i2i_tutor.nn.guiding import GuidingNetwork
from i2i_tutor.nn.labelled import LabelDiscriminator, LabelGenerator
from i2i_tutor.nn.layers import count_parameters, initialise
from i2i_tutor.nn.memory import ImagePool, Queue
from i2i_tutor.nn.multitask import MultiTaskDiscriminator
from i2i_tutor.nn.styling import StyleGenerator

__all__ = [
    "GuidingNetwork",
    "ImagePool",
    "LabelDiscriminator",
    "LabelGenerator",
    "MovingAverage",
    "MultiTaskDiscriminator",
    "PatchGAN",
    "PixelGAN",
    "Queue",
    "ResNetGenerator",
    "StyleGenerator",
    "UNet",
    "count_parameters",
    "initialise",
]
