"""The networks of TUNIT: the sheet's parameter counts, shapes, norms, and how their weights are drawn."""

import copy

import pytest
import torch
from torch import nn

from i2i_tutor.nn import GuidingNetwork, MultiTaskDiscriminator, StyleGenerator, count_parameters
from i2i_tutor.nn.multitask import FilterResponseNorm, NormedResidual
from i2i_tutor.nn.styling import StyledResidual, adain

SMALL = {"style": 6, "base": 4, "downs": 1, "blocks": 1, "hidden": 8}


def images(count=3, size=32, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# --- sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "base_g", "base_d", "downs", "generator", "discriminator"),
    [
        (32, 64, 64, 1, 1_930_499, 8_252_106),
        (64, 64, 64, 2, 7_143_299, 33_170_122),
        (128, 64, 64, 3, 27_333_763, 70_935_242),
        (256, 32, 32, 4, 27_424_835, 70_983_018),
    ],
)
def test_the_official_numbers_of_weights(size, base_g, base_d, downs, generator, discriminator):
    with torch.device("meta"):
        assert count_parameters(StyleGenerator(base=base_g, downs=downs)) == generator
        assert count_parameters(MultiTaskDiscriminator(size=size, base=base_d)) == discriminator


def test_the_official_numbers_part_by_part_and_as_functions_of_k():
    with torch.device("meta"):
        g = StyleGenerator()
        parts = [count_parameters(g.encoder), count_parameters(g.decoder) + count_parameters(g.last)]
        assert [*parts, count_parameters(g.mlp), sum(g.sizes)] == [12_202_112, 13_749_891, 1_381_760, 4992]
        for k in (2, 10, 20):
            assert count_parameters(GuidingNetwork(k)) == 9_225_984 + 65_664 + 513 * k
            assert count_parameters(MultiTaskDiscriminator(k)) == 70_924_992 + 1025 * k
        e = GuidingNetwork()
        assert sum(b.numel() for name, b in e.named_buffers() if name != "head_losses") == 5512
        assert g(torch.zeros(2, 3, 128, 128), torch.zeros(2, 128)).shape == (2, 3, 128, 128)
        assert g.encode(torch.zeros(2, 3, 128, 128)).shape == (2, 512, 16, 16)
        logits = MultiTaskDiscriminator()(torch.zeros(2, 3, 128, 128), torch.zeros(2, dtype=torch.long))
        assert logits.shape == (2, 1, 1)


def test_weights_are_drawn_as_in_the_official_code():
    torch.manual_seed(0)
    g, d, e = StyleGenerator(base=64, downs=1, blocks=1), MultiTaskDiscriminator(size=16), GuidingNetwork(10)
    expected = [
        (e.label_head[-1], 0.01),
        (e.style_head, 0.01),
        (e.trunk[0], (2 / (64 * 9)) ** 0.5),
        (g.encoder[0], (2 / 147) ** 0.5),
        (g.mlp[-1], (2 / 256) ** 0.5),
        (d.layers[-1], (2 / d.layers[-1].in_channels) ** 0.5),
    ]
    for layer, deviation in expected:
        assert float(layer.weight.detach().std()) == pytest.approx(deviation, rel=0.05)
    for network in (g, d, e):
        plain = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        assert all((module.bias == 0).all() for module in plain if module.bias is not None)


# --- the generator -------------------------------------------------------------------------------------------------


def test_adain_gives_every_channel_the_mean_and_deviation_it_is_told():
    torch.manual_seed(0)
    features, numbers = torch.randn(3, 5, 8, 8) * 3 + 1, torch.randn(3, 10)
    styled = adain(features, numbers)
    torch.testing.assert_close(styled.mean((2, 3)), numbers[:, :5], rtol=0, atol=1e-5)
    torch.testing.assert_close(styled.std((2, 3), correction=0), numbers[:, 5:].abs(), rtol=0, atol=1e-4)
    for wrong in (numbers[:2], numbers[:, :9]):
        with pytest.raises(ValueError, match=r"the numbers are \(.*; expected \(3, 10\)"):
            adain(features, wrong)


def test_the_style_decides_light_and_the_content_shape():
    """With the first norm, what a generator sees of an image does not change with its contrast or brightness."""
    torch.manual_seed(0)
    image = images().double() * 0.5
    g = StyleGenerator(**SMALL).double()
    code = torch.randn(3, 6, dtype=torch.double)
    with torch.no_grad():
        same, other = g(image * 1.5 + 0.1, code), g(image, -code)
        picture = g(image, code)
        assert (picture - same).abs().max() < 1e-3
        assert (picture - other).abs().max() > 1e-2
        blind = StyleGenerator(**SMALL, first_norm=False).double()
        assert (blind(image, code) - blind(image * 1.5 + 0.1, code)).abs().max() > 1e-2
    assert picture.abs().max() <= 1


def test_a_generator_can_be_copied_after_a_forward():
    torch.manual_seed(0)
    g, code = StyleGenerator(**SMALL), torch.randn(3, 6)
    g(images(), code)
    assert torch.equal(copy.deepcopy(g)(images(), code), g(images(), code))


def test_unit_scales_begin_at_one():
    torch.manual_seed(0)
    g = StyleGenerator(**SMALL, unit_scales=True)
    with torch.no_grad():
        for numbers in g.mlp(torch.zeros(1, 6)).split(g.sizes, dim=1):
            shift, scale = numbers.chunk(2, dim=1)
            assert (shift == 0).all()
            assert (scale == 1).all()


def test_a_residual_block_with_an_idle_branch_is_the_identity():
    x = torch.randn(2, 4, 8, 8)
    block = StyledResidual(4, 0.1)
    nn.init.zeros_(block.second.weight)
    nn.init.zeros_(block.second.bias)
    assert torch.equal(block(x), x)


# --- the discriminator ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_a_fresh_filter_response_norm_is_a_relu_that_no_positive_factor_changes(scale):
    x = torch.randn(2, 3, 8, 8, dtype=torch.double)
    norm = FilterResponseNorm(3, epsilon=1e-12).double()
    answer = norm(scale * x)
    assert (answer >= 0).all()
    torch.testing.assert_close(answer, norm(x), rtol=1e-6, atol=1e-6)
    power = x.square().mean((2, 3), keepdim=True)
    torch.testing.assert_close(norm(x), (x / power.sqrt()).clamp(min=0), rtol=1e-6, atol=1e-6)


def test_an_idle_branch_leaves_the_shortcut():
    x, block = torch.randn(2, 4, 8, 8), NormedResidual(4, 4, halve=False)
    last = block.branch[-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    torch.testing.assert_close(block(x), x * 0.5**0.5)
    assert NormedResidual(4, 6, halve=True)(x).shape == (2, 6, 4, 4)


@pytest.mark.parametrize("body", ["residual", "patches"])
def test_each_image_is_judged_by_the_output_of_its_domain_alone(body):
    torch.manual_seed(0)
    d, image, domain = MultiTaskDiscriminator(5, 32, 4, body).double(), images().double(), torch.tensor([3, 0, 3])
    logits = d(image, domain)
    everything = d.layers(image)  # (N, K, h, w)
    assert torch.equal(logits, torch.stack([everything[n, k] for n, k in enumerate(domain)]))
    assert torch.equal(d(image, domain.byte()), logits)  # numbers, not a mask
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(d(image[order], domain[order]), logits[order])
    logits.sum().backward()
    moved = d.layers[-1].weight.grad.flatten(1).abs().sum(1) > 0
    assert moved.tolist() == [True, False, False, True, False]


# --- the guiding network -------------------------------------------------------------------------------------------


def test_the_guide_takes_any_size_from_32_on_and_codes_may_have_length_one():
    torch.manual_seed(0)
    e = GuidingNetwork(3, 5, 4)
    for size in (32, 48, 33):
        logits, code = e(images(size=size))
        assert (logits.shape, code.shape) == ((3, 3), (3, 5))
    assert not torch.allclose(code.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(GuidingNetwork(3, 5, 4, unit=True)(images())[1].norm(dim=1), torch.ones(3))


def test_of_several_label_heads_the_one_with_the_lowest_loss_of_late_answers():
    torch.manual_seed(0)
    e = GuidingNetwork(3, 5, 4, "small", heads=4, head_norm=True).eval()
    everything, _ = e.heads(e.features(images()))
    for best in (2, 0):
        for _ in range(100):
            e.remember(torch.tensor([float(head != best) for head in range(4)]))
        assert torch.equal(e(images())[0], everything[:, best])
    again = GuidingNetwork(3, 5, 4, "small", heads=4, head_norm=True).eval()
    again.load_state_dict(e.state_dict())
    assert torch.equal(again(images())[0], e(images())[0])


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: StyleGenerator(**SMALL)(images(size=31), torch.zeros(3, 6)), "multiples of 2, at least 4; .* 31x31"),
        (lambda: StyleGenerator(**SMALL)(images(), torch.zeros(3, 5)), r"the codes are \(3, 5\); expected \(3, 6\)"),
        (lambda: StyleGenerator(**SMALL)(images(), torch.zeros(2, 6)), r"expected \(3, 6\), one an image"),
        (lambda: StyleGenerator(**SMALL | {"downs": 0}), "downs is 0"),
        (lambda: MultiTaskDiscriminator(size=48), "size is 48; a discriminator of residual needs a power of 2"),
        (lambda: MultiTaskDiscriminator(size=20, body="patches"), "size is 20; .* a multiple of 8"),
        (lambda: MultiTaskDiscriminator(size=8), "size is 8; expected a whole number of at least 16"),
        (lambda: MultiTaskDiscriminator(size=32.0), "size is 32.0; expected a whole number"),
        (lambda: MultiTaskDiscriminator(size="32"), "size is '32'; expected a whole number"),
        (lambda: MultiTaskDiscriminator(body="vgg11"), "body is 'vgg11'; expected one of residual, patches"),
        (lambda: GuidingNetwork(body="patches"), "body is 'patches'; expected one of vgg11, small"),
        (lambda: MultiTaskDiscriminator(2, 32, 2)(images(size=64), torch.zeros(3)), "32x32; got"),
        (lambda: MultiTaskDiscriminator(2, 32, 2)(images(), torch.zeros(3)), "a domain number for each of 3 images"),
        (lambda: MultiTaskDiscriminator(2, 32, 2)(images(), torch.zeros(2).long()), "a domain number for each of 3"),
        (lambda: MultiTaskDiscriminator(2, 32, 2)(images(), torch.zeros(3, 99)), r"got torch.float32 \(3, 99\)$"),
        (lambda: MultiTaskDiscriminator(2, 32, 2)(images(), torch.tensor([0, 1, -1])), "from -1 to 1; expected 0 to 1"),
        (lambda: MultiTaskDiscriminator(4, 32, 2)(images(), torch.tensor([0, 9, 1])), "from 0 to 9; expected 0 to 3"),
        (lambda: GuidingNetwork(2, 4, 2)(images(size=16)), "at least 32x32 pixels; the image is 16x16"),
        (lambda: GuidingNetwork(heads=0), "heads is 0"),
    ],
)
def test_what_does_not_fit_gets_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)
