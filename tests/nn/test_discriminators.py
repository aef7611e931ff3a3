"""PatchGANs: counts, output sizes, and receptive fields measured by which pixels move one logit."""

import pytest
import torch

from i2i_tutor.nn import PatchGAN, PixelGAN, count_parameters


@pytest.mark.parametrize(
    ("layers", "conditional", "unconditional"),
    [
        (1, 139_585, 136_513),
        (2, 666_433, 663_361),
        (3, 2_768_705, 2_765_633),
        (4, 6_964_033, 6_960_961),
        (5, 11_159_361, 11_156_289),
    ],
)
def test_parameter_counts(layers, conditional, unconditional):
    assert count_parameters(PatchGAN(6, layers=layers)) == conditional
    assert count_parameters(PatchGAN(3, layers=layers)) == unconditional


def test_parameter_counts_of_the_others():
    assert count_parameters(PatchGAN(3, norm="instance")) == 2_764_737
    assert count_parameters(PatchGAN(6, norm="instance")) == 2_767_809
    assert count_parameters(PixelGAN(6)) == 9_024
    assert count_parameters(PixelGAN(3)) == 8_832
    assert count_parameters(PixelGAN(6, norm="instance")) == 8_897


@pytest.mark.parametrize(("layers", "side"), [(1, 126), (2, 62), (3, 30), (4, 14), (5, 6)])
def test_output_sizes_at_256(layers, side):
    with torch.no_grad():
        assert PatchGAN(3, base=2, layers=layers)(torch.zeros(1, 3, 256, 256)).shape == (1, 1, side, side)


@pytest.mark.parametrize(("size", "side"), [(64, 6), (70, 6), (128, 14), (286, 33), (512, 62), (24, 1)])
def test_output_sizes_of_the_70_pixel_patch(size, side):
    with torch.no_grad():
        assert PatchGAN(3, base=2)(torch.zeros(1, 3, size, size)).shape[-2:] == (side, side)


@pytest.mark.parametrize(("layers", "field"), [(0, 1), (1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_receptive_fields_by_gradient_support(layers, field):
    torch.manual_seed(0)
    net = PatchGAN(3, base=2, layers=layers, norm="none") if layers else PixelGAN(3, base=2, norm="none")
    side = field + 2 * 2 ** (layers + 2)
    image = torch.randn(1, 3, side, side, requires_grad=True)
    logits = net(image)
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    touched = image.grad.abs().sum(dim=(0, 1)) > 0
    rows = touched.any(dim=1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == field


def test_too_small_images_are_refused():
    with pytest.raises(ValueError, match=r"at least 24x24 pixels; the image is 23x64"):
        PatchGAN(3, base=2)(torch.zeros(1, 3, 23, 64))
    with pytest.raises(ValueError, match="layers is 0"):
        PatchGAN(3, layers=0)
