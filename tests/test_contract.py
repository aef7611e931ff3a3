"""Bad images, masks, labels and numbers at every public door: one sentence each, and never a number that is none."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from i2i_tutor import contract, film, losses, plots
from i2i_tutor.data import images as pictures
from i2i_tutor.data import streams, views
from i2i_tutor.measuring import metrics
from i2i_tutor.methods import cyclegan, pix2pix, pixelda, tunit
from i2i_tutor.nn import (
    GuidingNetwork,
    ImagePool,
    MultiTaskDiscriminator,
    PatchGAN,
    PixelGAN,
    ResNetGenerator,
    StyleGenerator,
    UNet,
)

PACKAGE = Path(contract.__file__).parent
SIZE = 32


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 1.8 - 0.9


IMAGES = drawn(8, 3, SIZE, SIZE)
MASKS = (IMAGES[:, :1] > 0).float()
LABELS = (IMAGES[:, 0] > 0).long()

# What may be handed in instead of images, and is never right
NEVER = {
    "None": None,
    "a number": 0.5,
    "a word": "picture",
    "a list": [[0.0]],
    "an array": IMAGES.numpy(),
    "bytes": (IMAGES * 127 + 128).byte(),
    "integers": IMAGES.long(),
    "complex": IMAGES.to(torch.complex64),
    "Booleans": IMAGES > 0,
    "a scalar": torch.tensor(0.5),
    "a vector": IMAGES[0, 0, 0],
    "no batch": IMAGES[0],
    "too many axes": IMAGES[None],
    "an empty batch": IMAGES[:0],
    "no channel": IMAGES[:, :0],
    "no pixel": IMAGES[:, :, :0],
}
# What is wrong where a number of channels, a kind of float, or a device is expected
LAYOUT = {
    "one channel": IMAGES[:, :1],
    "two channels": IMAGES[:, :2],
    "seven channels": drawn(8, 7, SIZE, SIZE),
    "doubles": IMAGES.double(),
    "halves": IMAGES.half(),
    "elsewhere": IMAGES.to("meta"),
}
# What is wrong where values are looked at
VALUES = {
    "NaN": IMAGES.clone().index_fill_(0, torch.tensor([1]), math.nan),
    "infinity": IMAGES.clone().index_fill_(0, torch.tensor([1]), math.inf),
    "0 to 255": (IMAGES + 1) * 127.5,
}


@dataclass
class Door:
    """A public function, arguments that it takes, and for some of them what it must refuse."""

    call: Callable
    right: tuple
    wrong: dict[int, dict[str, object]]


def network(make, channels=3):
    right = drawn(2, channels, SIZE, SIZE)
    bad = NEVER | LAYOUT | {"too small": right[:, :, :1, :1]}
    if channels == 1:
        bad = {name: value for name, value in bad.items() if name != "one channel"} | {"colours": IMAGES}
    if isinstance(make, PixelGAN):
        bad.pop("too small")
    return Door(make, (right,), {0: bad})


def method(make, **recipe):
    return make(make.recipe_type(**recipe)).eval()


TINY = {"size": SIZE, "batch": 2, "steps": 2, "base": 2}
PIX2PIX = method(pix2pix.Pix2Pix, **TINY, depth=5, load_size=36)
GREY_NOISE = method(pix2pix.Pix2Pix, **TINY, depth=5, load_size=36, in_channels=1, noise=True)
CYCLEGAN = method(cyclegan.CycleGAN, **TINY, blocks=1, load_size=36, patch_layers=1)
PIXELDA = method(pixelda.PixelDA, size=SIZE, batch=2, steps=2, width=4, blocks=1, discriminator_width=2, task_width=2)
TUNIT = tunit.TUNIT(replace(tunit.RECIPES["smoke"], guide_base=2, base=2, discriminator_base=2)).eval()
TUNIT.code_counts.fill_(1)  # no domain is empty
CODES, CLUSTERS = drawn(8, 8), drawn(8, 4).softmax(1)
EVERYTHING = NEVER | {k: v for k, v in LAYOUT.items() if k not in ("doubles", "halves", "elsewhere")} | VALUES
OTHER_SHAPES = {"fewer": IMAGES[:4], "one channel": IMAGES[:, :1], "smaller": IMAGES[..., :16]}
ODD_MASKS = {"(16, 16)": torch.ones(16, 16), "()": torch.ones(()), "no mask axis": MASKS[:, 0], "fewer": MASKS[:4]}
ODD_LABELS = {"one": LABELS[:1], "floats": LABELS.float(), "flat": LABELS.flatten(), "smaller": LABELS[..., :16]}
SEVERAL_FLOATS = {k: v for k, v in NEVER.items() if k not in ("a scalar", "a vector", "no batch", "too many axes")}


class Reader(nn.Module):
    """A judge that tells two classes by brightness."""

    num_features = 3

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([-images[:, 0], images[:, 0]], dim=1)


class MeanColour(nn.Module):
    num_features = 3

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def whole(images):
    return images.flatten(1).sum(1)


DOORS = {
    "UNet": network(UNet(base=2, depth=3)),
    "UNet of greys": network(UNet(1, base=2, depth=3), channels=1),
    "ResNetGenerator": network(ResNetGenerator(base=2, blocks=1)),
    "PatchGAN": network(PatchGAN(3, base=2)),
    "PixelGAN": network(PixelGAN(3, base=2)),
    "pixelda.Discriminator": Door(PIXELDA.discriminator, (IMAGES,), {0: NEVER | {"smaller": IMAGES[..., :16]}}),
    "pixelda.TaskNetwork": Door(
        PIXELDA.task,
        (IMAGES, "source"),
        {0: NEVER | {"smaller": IMAGES[..., :16]}, 1: {"unknown": "moon", "None": None}},
    ),
    "pixelda.Generator": Door(
        PIXELDA.generator,
        (IMAGES, drawn(8, 10)),
        {
            0: NEVER | {"smaller": IMAGES[..., :16]},
            1: {"fewer": drawn(4, 10), "narrow": drawn(8, 9), "()": torch.ones(())},
        },
    ),
    "Pix2Pix.translate": Door(PIX2PIX.translate, (IMAGES,), {0: EVERYTHING}),
    "Pix2Pix.generate": Door(PIX2PIX.generate, (IMAGES,), {0: NEVER | LAYOUT}),
    "Pix2Pix.generate, grey with noise": Door(GREY_NOISE.generate, (IMAGES[:, :1],), {0: NEVER | {"colours": IMAGES}}),
    "CycleGAN.translate": Door(CYCLEGAN.translate, (IMAGES, "BtoA"), {0: EVERYTHING, 1: {"up": "up", "empty": ""}}),
    "PixelDA.translate": Door(PIXELDA.translate, (IMAGES,), {0: EVERYTHING}),
    "GuidingNetwork": network(GuidingNetwork(2, 4, 2).eval()),
    "StyleGenerator": Door(
        TUNIT.generator,
        (IMAGES, CODES),
        {0: NEVER | LAYOUT | {"odd": IMAGES[..., :31]}, 1: {"fewer": CODES[:3], "narrow": CODES[:, :5], "none": None}},
    ),
    "MultiTaskDiscriminator": Door(
        TUNIT.discriminator,
        (IMAGES, LABELS[:, 0, 0]),
        {
            0: NEVER | LAYOUT | {"smaller": IMAGES[..., :16]},
            1: {
                "fewer": LABELS[:3, 0, 0],
                "floats": CODES[:, 0],
                "none": None,
                "two axes": LABELS[:, 0],
                "Booleans": LABELS[:, 0, 0] > 0,
                "negative": LABELS[:, 0, 0] - 1,
                "beyond": LABELS[:, 0, 0] + 8,
            },
        },
    ),
    "TUNIT.translate": Door(TUNIT.translate, (IMAGES, "1"), {0: EVERYTHING, 1: {"beyond": "4", "a number": 1}}),
    "TUNIT.translate_like": Door(
        TUNIT.translate_like, (IMAGES, -IMAGES), {0: EVERYTHING, 1: EVERYTHING | {"fewer": IMAGES[:3]}}
    ),
    "TUNIT.restyle": Door(
        TUNIT.restyle,
        (IMAGES, CODES),
        {
            0: EVERYTHING,
            1: {
                "NaN": CODES.clone().index_fill_(0, torch.tensor([1]), math.nan),
                "infinity": CODES.clone().index_fill_(0, torch.tensor([1]), math.inf),
                "beyond fp32": CODES.double() * 1e99,
                "integers": CODES.long(),
                "fewer": CODES[:3],
                "narrow": CODES[:, :5],
                "one axis": CODES[0],
                "none": None,
            },
        },
    ),
    "TUNIT.restyle, doubles": Door(TUNIT.restyle, (IMAGES, CODES.double()), {}),
    "TUNIT.codes": Door(TUNIT.codes, (IMAGES,), {0: EVERYTHING}),
    "TUNIT.assign": Door(TUNIT.assign, (IMAGES,), {0: EVERYTHING}),
    "tunit.information_loss": Door(
        tunit.information_loss,
        (CLUSTERS, CLUSTERS.flip(0)),
        {0: {"fewer": CLUSTERS[:3], "images": IMAGES, "none": None}, 1: {"narrow": CLUSTERS[:, :2], "none": None}},
    ),
    "tunit.contrastive_loss": Door(
        tunit.contrastive_loss,
        (CODES, -CODES, drawn(20, 8)),
        {0: {"fewer": CODES[:3], "none": None}, 1: {"narrow": CODES[:, :2]}, 2: {"narrow": drawn(20, 5)}},
    ),
    "views.light": Door(lambda images: views.light(images, np.random.default_rng(0)), (IMAGES,), {0: EVERYTHING}),
    "views.strong": Door(
        lambda images: views.strong(images, views.STRENGTHS["paper"], np.random.default_rng(0)),
        (IMAGES,),
        {0: EVERYTHING},
    ),
    "losses.discriminator_loss": Door(
        losses.discriminator_loss, (IMAGES, IMAGES), {0: SEVERAL_FLOATS, 1: SEVERAL_FLOATS}
    ),
    "losses.generator_loss": Door(
        losses.generator_loss, (IMAGES, "vanilla"), {0: SEVERAL_FLOATS, 1: {"none": "hinge2"}}
    ),
    "losses.l1": Door(
        losses.l1, (IMAGES, -IMAGES), {0: SEVERAL_FLOATS | OTHER_SHAPES, 1: SEVERAL_FLOATS | OTHER_SHAPES}
    ),
    "losses.l2": Door(
        losses.l2, (IMAGES, -IMAGES), {0: SEVERAL_FLOATS | OTHER_SHAPES, 1: SEVERAL_FLOATS | OTHER_SHAPES}
    ),
    "losses.masked_pairwise_error": Door(
        losses.masked_pairwise_error,
        (IMAGES, -IMAGES, MASKS),
        {0: NEVER | OTHER_SHAPES, 1: NEVER | OTHER_SHAPES, 2: ODD_MASKS},
    ),
    "losses.r1_penalty": Door(losses.r1_penalty, (whole, IMAGES), {1: NEVER}),
    "losses.gradient_penalty": Door(
        losses.gradient_penalty, (whole, IMAGES, -IMAGES), {1: NEVER | OTHER_SHAPES, 2: NEVER | OTHER_SHAPES}
    ),
    "plots.grid": Door(
        lambda images: plots.grid({"a": images}), (IMAGES,), {0: EVERYTHING | {"one channel": IMAGES[:, :2]}}
    ),
    "film.strip": Door(
        lambda *rows: film.strip(rows), (IMAGES, IMAGES), {1: NEVER | VALUES | {"smaller": IMAGES[..., :16]}}
    ),
    "streams.to_uint8": Door(streams.to_uint8, (IMAGES,), {0: NEVER}),
    "contract.check_images": Door(contract.check_images, (IMAGES, 3), {0: EVERYTHING}),
    "contract.check_masks": Door(contract.check_masks, (MASKS, IMAGES), {0: ODD_MASKS}),
    "contract.check_label_maps": Door(contract.check_label_maps, (LABELS, IMAGES), {0: ODD_LABELS}),
    "metrics.fcn_score": Door(metrics.fcn_score, (IMAGES, LABELS, Reader()), {0: NEVER | VALUES}),
    "metrics.label_score": Door(
        metrics.label_score, (IMAGES, LABELS, torch.tensor([[0.0] * 3, [255.0] * 3])), {0: NEVER | VALUES}
    ),
    "metrics.distribution_distances": Door(
        metrics.distribution_distances, (IMAGES, -IMAGES, MeanColour()), {0: NEVER | VALUES, 1: NEVER | VALUES}
    ),
    "metrics.spectrum": Door(metrics.spectrum, (IMAGES,), {0: NEVER | VALUES}),
    "metrics.diversity": Door(metrics.diversity, (IMAGES,), {0: NEVER | VALUES}),
    "metrics.psnr": Door(
        metrics.psnr,
        (IMAGES, -IMAGES, MASKS),
        {0: NEVER | VALUES | OTHER_SHAPES, 1: NEVER | VALUES | OTHER_SHAPES, 2: ODD_MASKS},
    ),
    "metrics.map_iou": Door(
        metrics.map_iou,
        (MASKS, MASKS, 0.1),
        {
            0: NEVER | {"signed": IMAGES[:, :1], "smaller": MASKS[..., :16]},
            1: ODD_MASKS,
            2: {"high": 1.5, "none": None},
        },
    ),
    "metrics.mean_absolute_error": Door(
        metrics.mean_absolute_error,
        (IMAGES, -IMAGES),
        {0: NEVER | VALUES | OTHER_SHAPES, 1: NEVER | VALUES | OTHER_SHAPES},
    ),
    "metrics.mean_absolute_error, in a mask": Door(
        metrics.mean_absolute_error, (IMAGES, -IMAGES, MASKS), {2: ODD_MASKS}
    ),
    "metrics.pattern_correlation": Door(
        metrics.pattern_correlation,
        (IMAGES, -IMAGES, MASKS),
        {0: NEVER | VALUES | OTHER_SHAPES, 1: NEVER | VALUES | OTHER_SHAPES, 2: ODD_MASKS},
    ),
    "images.jitter": Door(
        lambda one, other: pictures.jitter([one, other], 16, np.random.default_rng(0)),
        (IMAGES[0], IMAGES[1]),
        {1: {"smaller": IMAGES[0, :, :8], "other size": IMAGES[0, :, :20]}},
    ),
    "ImagePool.query": Door(
        lambda first, then: [pool.query(image) for pool in [ImagePool(4)] for image in (first, then)],
        (IMAGES, IMAGES),
        {1: {"smaller": IMAGES[..., :16], "one channel": IMAGES[:, :1]}},
    ),
}

CASES = [
    pytest.param(door, place, value, id=f"{name}({place}: {case})")
    for name, door in DOORS.items()
    for place, cases in door.wrong.items()
    for case, value in cases.items()
]


def numbers(result):
    """All numbers in a result, of whatever kind it is."""
    if isinstance(result, Tensor):
        return [result.detach().double().flatten()]
    if isinstance(result, np.ndarray | float | int):
        return [torch.as_tensor(result).double().flatten()]
    if isinstance(result, dict):
        return [number for value in result.values() for number in numbers(value)]
    if isinstance(result, tuple | list):
        return [number for value in result for number in numbers(value)]
    assert result is None or isinstance(result, Figure | plots.Grid), type(result)
    return []


@pytest.mark.parametrize("name", DOORS)
def test_what_is_right_is_taken_and_gives_finite_numbers(name):
    door = DOORS[name]
    torch.manual_seed(0)
    assert all(part.isfinite().all() for part in numbers(door.call(*door.right)))


@pytest.mark.parametrize(("door", "place", "value"), CASES)
def test_what_is_wrong_is_refused_in_one_sentence(door, place, value):
    arguments = [*door.right[:place], value, *door.right[place + 1 :]]
    with pytest.raises(ValueError, match=r"expected|equal|images?|needs|have one size") as caught:
        door.call(*arguments)
    said = str(caught.value)
    assert 10 < len(said) < 400
    assert "\n" not in said
    assert PACKAGE in Path(caught.traceback[-1].path).parents  # ours, not torch's from deep inside


@pytest.mark.parametrize(
    "make",
    [lambda n: UNet(n), lambda n: UNet(3, n), lambda n: UNet(base=n), lambda n: UNet(depth=n), lambda n: PatchGAN(n),
     lambda n: UNet(base=2, depth=3, dropout_layers=n), lambda n: ResNetGenerator(n), lambda n: ResNetGenerator(3, n),
     lambda n: ResNetGenerator(base=n), lambda n: ResNetGenerator(blocks=n), lambda n: PatchGAN(base=n),
     lambda n: PatchGAN(layers=n), lambda n: PixelGAN(n), lambda n: PixelGAN(base=n), lambda n: ImagePool(n),
     lambda n: GuidingNetwork(n), lambda n: GuidingNetwork(heads=n), lambda n: StyleGenerator(n),
     lambda n: StyleGenerator(downs=n), lambda n: MultiTaskDiscriminator(n), lambda n: MultiTaskDiscriminator(size=n)],
)  # fmt: skip
@pytest.mark.parametrize("number", [-1, 1.5, "3", True, math.nan, [3]])
def test_a_network_of_impossible_size_is_refused_in_one_sentence(make, number):
    with pytest.raises(ValueError, match=rf"^\w+ is {re.escape(repr(number))}; expected a whole number"):
        make(number)


def test_networks_look_at_no_value():
    """On the device "meta" there is none: a network that waited for its device to read one would fail."""
    image = torch.empty(2, 3, SIZE, SIZE, device="meta")
    for make in (UNet(base=2, depth=3), ResNetGenerator(base=2, blocks=1), PatchGAN(3, base=2), PixelGAN(3, base=2)):
        assert make.to("meta")(image).device.type == "meta"
    for loss in (losses.l1, losses.l2, losses.discriminator_loss):
        assert loss(image, image).device.type == "meta"


def test_autocast_may_mix_kinds_of_floats():
    with torch.autocast("cpu", torch.bfloat16):
        assert UNet(base=2, depth=3)(IMAGES.bfloat16()).dtype == torch.bfloat16


def test_values_a_little_outside_are_rounding():
    contract.check_images(IMAGES / IMAGES.abs().max() * 1.0005)
    with pytest.raises(ValueError, match=r"from -1.\d+ to 1.\d+; expected \[-1, 1\]|images hold"):
        contract.check_images(IMAGES / IMAGES.abs().max() * 1.01)
