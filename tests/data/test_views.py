"""Light and strong views: what changes, how far, and that every number comes from the generator that is handed in."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from i2i_tutor.data import views
from i2i_tutor.data.views import STRENGTHS, Strength

STILL = Strength()


def images(count=64, size=16):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 1.2 - 0.6


def dots(count=64, size=33):
    """A white dot in the middle of black."""
    image = -torch.ones(count, 3, size, size)
    image[..., size // 2, size // 2] = 1
    return image


def strong(given, strength, seed=0):
    return views.strong(given, strength, np.random.default_rng(seed))


def mirrored(view, image):
    """Which views are the mirrored image, and that all are that or the image."""
    same, turned = (torch.isclose(view, other, atol=1e-5).all(dim=(1, 2, 3)) for other in (image, image.flip(3)))
    assert bool((same | turned).all())
    return turned


def test_a_light_view_is_the_image_or_its_mirror():
    image = images()
    assert 16 < int(mirrored(views.light(image, np.random.default_rng(1)), image).sum()) < 48


def test_without_any_strength_a_strong_view_is_a_light_one():
    image = images()
    assert 16 < int(mirrored(strong(image, STILL), image).sum()) < 48


@pytest.mark.parametrize("name", STRENGTHS)
def test_a_view_keeps_the_contract_and_the_first_ones_do_not_depend_on_the_others(name):
    image = images()
    view = strong(image, STRENGTHS[name])
    assert view.shape == image.shape
    assert view.dtype == torch.float32
    assert -1 <= view.min() < view.max() <= 1
    assert torch.equal(view, strong(image, STRENGTHS[name]))
    assert not torch.equal(view, strong(image, STRENGTHS[name], seed=1))
    torch.testing.assert_close(strong(image[:5], STRENGTHS[name]), view[:5], rtol=0, atol=1e-5)


def test_shifts_go_as_far_as_they_may_in_both_directions():
    size, far = 33, 0.1
    view = strong(dots(500, size), Strength(shift=far))[:, 0]
    weight = (view + 1) / (view + 1).sum((1, 2), keepdim=True)
    axis = torch.arange(size) - size // 2
    for places in ((weight.sum(1) * axis).sum(1), (weight.sum(2) * axis).sum(1)):
        assert -far * size - 0.6 < places.min() < -0.8 * far * size
        assert 0.8 * far * size < places.max() < far * size + 0.6
        assert places.mean().abs() < 0.4


def ramps(strength, count=200, size=64):
    """What strong views show of a ramp from -1 to 1: its first and last values across, then of one that leads down."""
    ramp = torch.linspace(-1, 1, size).expand(count, 3, size, size)
    across, down = strong(ramp, strength)[:, 0, 0], strong(ramp.mT, strength)[:, 0, :, 0]
    return across[:, [0, -1]], down[:, [0, -1]]


@pytest.mark.parametrize("ratio", [1, 2])
def test_a_part_that_is_cut_out_is_enlarged_and_stays_inside(ratio):
    found = ramps(Strength(area=(0.25, 0.25), ratio=(ratio, ratio)))
    for ends, side in zip(found, (0.5 * ratio**0.5, 0.5 / ratio**0.5), strict=True):
        shown = (ends[:, 1] - ends[:, 0]).abs() / 2
        torch.testing.assert_close(shown, torch.full((200,), side), rtol=0, atol=0.025)
        assert ends.min() < -0.9
        assert ends.max() > 0.9


def test_the_ratio_goes_as_far_as_it_may_and_leaves_the_area():
    width, height = ((ends[:, 1] - ends[:, 0]).abs() / 2 for ends in ramps(Strength(area=(0.25, 0.25), ratio=(0.5, 2))))
    for side in (width, height):
        assert 0.34 < side.min() < 0.37
        assert 0.69 < side.max() < 0.72
    torch.testing.assert_close(width * height, torch.full((200,), 0.25), rtol=0, atol=0.02)


def leaning(strength, upright=False):
    """By how many degrees strong views turn a horizontal bar out of the level, or an upright one out of the upright."""
    bar = -torch.ones(300, 3, 65, 65)
    bar[..., 32, :] = 1
    view = strong(bar.mT if upright else bar, strength)[:, 0]
    view = view.mT if upright else view
    axis = torch.arange(65.0) - 32
    height = ((view + 1) * axis[:, None]).sum(1) / (view + 1).sum(1)  # (N, 65)
    return ((height * axis)[:, 20:45].sum(1) / axis[20:45].square().sum()).atan().rad2deg()


@pytest.mark.parametrize("upright", [False, True])
def test_a_rotation_turns_as_far_as_it_may(upright):
    angles = leaning(Strength(rotation=20), upright)
    assert -21 < angles.min() < -17
    assert 17 < angles.max() < 21


def test_a_shear_leans_what_is_upright_as_far_as_it_may_and_leaves_level_what_is_level():
    angles = leaning(Strength(shear=10), upright=True)
    assert -10.5 < angles.min() < -8.5
    assert 8.5 < angles.max() < 10.5
    assert leaning(Strength(shear=10)).abs().max() < 0.1


def test_light_changes_all_channels_alike_and_gain_each_by_itself():
    grey = torch.zeros(200, 3, 8, 8)
    for strength, alike in ((Strength(brightness=0.4), True), (Strength(gain=0.25), False)):
        values = (strong(grey, strength)[:, :, 0, 0] + 1) / 2 / 0.5  # factors
        most = strength.brightness + strength.gain
        assert 1 - most <= values.min() < 1 - 0.8 * most
        assert 1 + 0.8 * most < values.max() <= 1 + most
        assert torch.allclose(values[:, 0], values[:, 1]) == alike


def test_contrast_keeps_the_mean_and_saturation_the_brightness():
    image = images() * 0.5
    view = strong(image, Strength(contrast=0.4))
    torch.testing.assert_close(view.mean((1, 2, 3)), image.mean((1, 2, 3)), rtol=0, atol=1e-4)
    ratio = view.std((1, 2, 3)) / image.std((1, 2, 3))
    assert 0.6 <= ratio.min() < 0.7 < 1.3 < ratio.max() <= 1.4001
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    for strength in (Strength(saturation=0.4), Strength(hue=0.1)):
        view = strong(image, strength)
        brightness = (view * luma).sum(1)
        expected = (image * luma).sum(1)
        turned = torch.isclose(brightness, expected.flip(2), atol=2e-3).flatten(1).all(1)
        assert bool((turned | torch.isclose(brightness, expected, atol=2e-3).flatten(1).all(1)).all())
        assert (view - image).abs().amax(dim=(1, 2, 3)).max() > 0.1


def chroma(strength):
    """By how many degrees strong views turn a colour around the grey axis, and by what factor it gets away from it."""
    colour = torch.tensor([0.3, 0.0, -0.1]).view(1, 3, 1, 1).expand(300, 3, 8, 8)
    before, after = (
        ((images[:, :, 0, 0] + 1) / 2 @ views.YIQ.T)[:, 1:] for images in (colour, strong(colour, strength))
    )
    angle, expected = (torch.atan2(pair[:, 1], pair[:, 0]).rad2deg() for pair in (after, before))
    return (angle - expected + 180) % 360 - 180, after.norm(dim=1) / before.norm(dim=1)


def test_hue_and_saturation_go_as_far_as_they_may_and_each_leaves_the_other():
    angle, factor = chroma(Strength(hue=0.125))
    assert -45.1 < angle.min() < -40
    assert 40 < angle.max() < 45.1
    torch.testing.assert_close(factor, torch.ones(300), rtol=0, atol=1e-3)
    angle, factor = chroma(Strength(saturation=0.4))
    assert 0.599 < factor.min() < 0.65
    assert 1.35 < factor.max() < 1.401
    assert angle.abs().max() < 0.1


def test_a_hue_leaves_grey_alone():
    grey = torch.linspace(-0.5, 0.5, 8).expand(4, 3, 8, 8)
    mirrored(strong(grey, Strength(hue=0.5)), grey)
    assert not torch.allclose(strong(images(4), Strength(hue=0.5)), strong(images(4), STILL), atol=0.05)


def test_the_strengths_are_what_they_are_called():
    assert asdict(STRENGTHS["paper"]) == asdict(
        replace(STILL, rotation=20, shift=0.1, shear=10, area=(0.9, 1.1), ratio=(0.9, 1.1), brightness=0.4,
                contrast=0.4, saturation=0.4, hue=0.125)
    )  # fmt: skip
    assert STRENGTHS["animals"].hue == STRENGTHS["animals"].saturation == 0


@pytest.mark.parametrize(("dtype", "far"), [(torch.double, 1e-4), (torch.half, 0.2)])
@pytest.mark.parametrize("name", STRENGTHS)
def test_a_view_is_of_the_same_kind_of_float_as_its_image(name, dtype, far):
    image = dots(8) * 0.6
    expected = views.two(image, name, np.random.default_rng(0))
    found = views.two(image.to(dtype), name, np.random.default_rng(0))
    for key, view in found.items():
        assert view.dtype == dtype
        torch.testing.assert_close(view.float(), expected[key], rtol=0, atol=far)


@pytest.mark.parametrize("wrong", [images() * 9, images()[:, :1], images()[:0], images().byte(), None])
def test_what_is_no_image_is_refused(wrong):
    for view in (views.light, lambda given, rng: views.strong(given, STILL, rng)):
        with pytest.raises(ValueError, match="expected"):
            view(wrong, np.random.default_rng(0))
