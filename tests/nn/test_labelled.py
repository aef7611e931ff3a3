"""The networks of StarGAN and MatchGAN: the sheet's parameter counts, where a label goes in, what a match head can say.

Where two ways of computing are compared, in fp64.
"""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from i2i_tutor.nn import LabelDiscriminator, LabelGenerator, count_parameters
from i2i_tutor.nn.labelled import LabelledNorm, LabelledResidual

TINY = {"labels": 3, "base": 4, "blocks": 1, "kernel": 5}
JUDGE = {"labels": 3, "size": 16, "base": 4, "layers": 3}
FORMS = [{}, {"label_in": "norms"}, {"change": True}, {"label_in": "norms", "change": True}]


def images(count=2, size=16, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.double) * 2 - 1


def labels(*spelt):
    return torch.tensor([[float(bit) for bit in label] for label in spelt], dtype=torch.double)


def generator(seed=0, **changes):
    torch.manual_seed(seed)
    return LabelGenerator(**TINY | changes).double()


def discriminator(seed=0, **changes):
    torch.manual_seed(seed)
    return LabelDiscriminator(**JUDGE | changes).double()


# --- sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "g", "stargan", "matchgan"),
    [(5, 8_430_528, 44_762_048, 44_794_816), (8, 8_439_936, 44_786_624, 44_819_392)],
)
def test_the_official_numbers_of_weights(labels, g, stargan, matchgan):
    with torch.device("meta"):
        assert count_parameters(LabelGenerator(labels)) == g
        assert count_parameters(LabelDiscriminator(labels)) == stargan
        d = LabelDiscriminator(labels, match_head="paper")
    assert count_parameters(d) == matchgan
    assert d.same.weight.shape == (2, 4096, 2, 2)
    assert count_parameters(d.same) == matchgan - stargan == 32_768
    assert count_parameters(d.trunk) == 44_702_656
    assert [count_parameters(d.source), count_parameters(d.label)] == [18_432, 8192 * labels]


def test_the_official_numbers_at_256_pixels_and_of_two_sets_at_once():
    with torch.device("meta"):
        assert count_parameters(LabelDiscriminator(5, 256)) == 44_884_928
        assert count_parameters(LabelDiscriminator(13, 256)) == 45_147_072
        assert count_parameters(LabelGenerator(15)) == 8_461_888


def test_the_numbers_of_small_networks_of_the_same_form():
    with torch.device("meta"):
        assert count_parameters(LabelGenerator(5, 16, 2)) == 238_832
        assert count_parameters(LabelGenerator(5, 32, 2)) == 936_416
        assert count_parameters(LabelDiscriminator(5, 32, 32, 3)) == 176_992
        for numbers, expected in {
            (32, 32, 3): 185_184, (32, 16, 3): 51_632, (64, 16, 4): 192_624, (64, 32, 4): 729_312,
        }.items():  # fmt: skip
            d = LabelDiscriminator(5, *numbers, match_head="paper")
            assert count_parameters(d) == expected
            size, base, layers = numbers
            assert count_parameters(d.same) == 4 * base * 2 ** (layers - 1) * (size // 2**layers) ** 2


def test_the_shapes_at_128_pixels():
    seen = []
    with torch.device("meta"):  # where there are no values: a network that looked at one would fail
        image = torch.zeros(2, 3, 128, 128)
        g, d = LabelGenerator(), LabelDiscriminator(match_head="paper", turns=True)
        g.blocks[2].register_forward_hook(lambda module, given, made: seen.append(made.shape))
        assert g(image, torch.zeros(2, 5)).shape == (2, 3, 128, 128)
        source, label, embedding = d(image)
        assert (source.shape, label.shape, embedding.shape) == ((2, 1, 2, 2), (2, 5), (2, 2048, 2, 2))
        assert d.match(embedding, embedding).shape == (2, 2)
        assert d.turned(embedding).shape == (2, 4)
    assert seen == [(2, 256, 32, 32)]


@pytest.mark.parametrize(("size", "side"), [(16, 1), (24, 1), (32, 2), (40, 2), (48, 3)])
def test_the_small_body_takes_multiples_of_8_and_judges_patches(size, side):
    d = discriminator(size=size, body="small", match_head="compares", turns=True)
    source, label, embedding = d(images(size=size))
    assert embedding.shape == (2, 16, side, side)
    assert source.shape == (2, 1, size // 4 - 2, size // 4 - 2)
    assert label.shape == (2, 3)
    assert d.match(embedding, embedding).shape == (2, 2)
    assert d.turned(embedding).shape == (2, 4)


# --- the generator -------------------------------------------------------------------------------------------------


def test_the_generator_is_the_one_of_the_paper_s_table():
    g, image, label = generator(blocks=2, kernel=7), images(), labels("101", "010")

    def normed(x, layer):
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0)
        return (x - mean) / (variance + 1e-5).sqrt() * layer.norm.weight[:, None, None] + layer.norm.bias[:, None, None]

    for layer in g.modules():
        if isinstance(layer, nn.InstanceNorm2d):
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    x = torch.cat([image, label[:, :, None, None].repeat(1, 1, 16, 16)], 1)
    for number, (stride, padding) in enumerate([(1, 3), (2, 1), (2, 1)]):
        x = normed(F.conv2d(x, g.down[number].weight, stride=stride, padding=padding), g.down_norms[number]).relu()
    for block in g.blocks:
        inner = normed(F.conv2d(x, block.first.weight, padding=1), block.norms[0]).relu()
        x = x + normed(F.conv2d(inner, block.second.weight, padding=1), block.norms[1])
    for number in range(2):
        x = normed(F.conv_transpose2d(x, g.up[number].weight, stride=2, padding=1), g.up_norms[number]).relu()
    torch.testing.assert_close(g(image, label), F.conv2d(x, g.last.weight, padding=3).tanh(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_the_output_is_an_image_of_any_size_and_the_same_in_evaluation(form):
    g = generator(**form)
    for shape in ((2, 3, 16, 16), (2, 3, 8, 20)):
        image = torch.rand(shape, dtype=torch.double) * 2 - 1
        made = g(image, labels("101", "010"))
        assert made.shape == shape
        assert made.abs().max() < 1
        assert torch.equal(g.eval()(image, labels("101", "010")), made)  # no running statistics
        g.train()


def test_at_the_border_alone_a_label_enters_the_first_layer():
    g, image = generator(), images()
    with torch.no_grad():
        seen = [
            g.down[0](torch.cat([image, label[..., None, None].expand(-1, -1, 16, 16)], 1))
            for label in (labels("101", "101"), labels("010", "010"))
        ]
    change = seen[0] - seen[1]
    inside = change[:, :, 2:-2, 2:-2]  # a kernel of 5 sees the padding from two pixels on
    torch.testing.assert_close(inside, inside[:, :, :1, :1].expand_as(inside), rtol=0, atol=1e-12)
    away = (change - inside[:, :, :1, :1]).abs()
    assert all(float(away[:, :, row].max()) > 0.01 for row in (0, 1, -2, -1))


def reflecting(g):
    """The same generator with reflection instead of zeros around its first layer."""
    g = copy.deepcopy(g)
    g.down[0].padding_mode = "reflect"
    return g


@pytest.mark.parametrize("change", [False, True])
def test_with_reflection_padding_a_generator_is_blind_to_the_label(change):
    image, one, other = images(), labels("101", "101"), labels("010", "010")

    def effect(g):
        with torch.no_grad():
            return float((g(image, one) - g(image, other)).abs().max())

    g = generator(change=change)
    assert effect(g) > 0.05
    assert effect(reflecting(g)) < 1e-9
    assert effect(reflecting(generator(change=change, label_in="norms"))) > 0.05  # another way in


def test_a_label_chooses_the_mean_and_deviation_of_every_channel():
    torch.manual_seed(0)
    norm, x, label = LabelledNorm(4, 3).double(), torch.randn(2, 4, 9, 9).double() * 3 + 1, labels("101", "010")
    nn.init.normal_(norm.read.bias)
    with torch.no_grad():
        styled = norm(x, label)
        signs = torch.where(label == 1, 1.0, -1.0).double()
        scale, shift = (signs @ norm.read.weight.T + norm.read.bias).split(4, dim=1)
    torch.testing.assert_close(styled.mean((2, 3)), shift, rtol=0, atol=1e-9)
    torch.testing.assert_close(styled.std((2, 3), correction=0), (1 + scale).abs(), rtol=0, atol=1e-4)


def test_without_labels_a_norm_learns_one_scale_and_shift_and_looks_at_no_label():
    torch.manual_seed(0)
    norm, x = LabelledNorm(4, 0).double(), torch.randn(2, 4, 9, 9).double()
    assert count_parameters(norm) == 8
    assert torch.equal(norm(x, labels("1", "0")), norm(x, labels("0", "1")))
    torch.testing.assert_close(norm(x, labels("1", "0")), F.instance_norm(x))


def test_a_block_with_an_idle_branch_is_the_identity_and_not_its_positive_part():
    torch.manual_seed(0)
    block, x = LabelledResidual(4, 0), torch.randn(2, 4, 8, 8)
    nn.init.zeros_(block.norms[1].norm.weight)
    assert torch.equal(block(x, torch.zeros(2, 3)), x)


@pytest.mark.parametrize("label_in", ["input", "norms"])
def test_a_change_goes_as_far_towards_the_drawn_picture_as_the_mask_says(label_in):
    g, image, label = generator(change=True, label_in=label_in), images(), labels("101", "010")
    with torch.no_grad():
        (drawn, mask), made = g.layers(image, label), g(image, label)
        assert torch.equal(g.mask(image, label), mask)
        assert mask.shape == (2, 1, 16, 16)
        assert 0 < mask.min() < mask.max() < 1
        torch.testing.assert_close(made, (1 - mask) * image + mask * drawn, rtol=0, atol=1e-12)
        assert (made - image).abs().mean() < (drawn - image).abs().mean()
        for bias, expected in ((-1e4, image), (1e4, drawn)):
            g.last.bias[3] = bias
            torch.testing.assert_close(g(image, label), expected, rtol=0, atol=1e-12)


def test_a_change_begins_small():
    with torch.no_grad():
        masks = [generator(seed, change=True).mask(images(), labels("101", "010")).mean() for seed in range(5)]
    assert float(torch.stack(masks).mean()) == pytest.approx(1 / (1 + math.e), abs=0.05)


def test_the_last_layers_of_a_change_see_the_image_past_the_bottleneck():
    g, label = generator(change=True), labels("101", "101")
    nn.init.zeros_(g.up[0].weight)
    with torch.no_grad():
        drawn = [g.layers(images(seed=seed), label)[0] for seed in (0, 1)]
    assert (drawn[0] - drawn[1]).abs().max() > 0.01


# --- the discriminator ---------------------------------------------------------------------------------------------


def test_the_discriminator_is_the_one_of_the_paper_s_table():
    d, image = discriminator(match_head="paper"), images()
    x = image
    for layer in (0, 2, 4):
        x = F.leaky_relu(F.conv2d(x, d.trunk[layer].weight, d.trunk[layer].bias, stride=2, padding=1), 0.01)
    source, label, embedding = d(image)
    torch.testing.assert_close(embedding, x)
    torch.testing.assert_close(source, F.conv2d(x, d.source.weight, padding=1))
    torch.testing.assert_close(label, torch.einsum("nchw,kchw->nk", x, d.label.weight))
    torch.testing.assert_close(
        d.match(x[:1], x[1:]), torch.einsum("nchw,kchw->nk", torch.cat([x[:1], x[1:]], 1), d.same.weight)
    )
    assert d.source.bias is d.label.bias is d.same.bias is None


def test_every_convolution_of_the_small_body_has_spectral_norm_one():
    d = discriminator(size=32, body="small", match_head="paper", turns=True)
    for _ in range(200):
        d(images(size=32))
    d.eval()
    found = {
        name: float(torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2))
        for name, module in d.named_modules()
        if isinstance(module, nn.Conv2d)
    }
    heads = {name for name in found if name in ("label", "same", "turn")}
    assert len(heads) == 3
    assert len(found) == 9
    for name, largest in found.items():
        assert (largest == pytest.approx(1, abs=1e-3)) is (name not in heads), name


def test_the_small_body_asks_for_real_of_patches_and_reads_labels_of_the_whole_image():
    d, image = discriminator(size=64, body="small").eval(), images(1, 64).requires_grad_()
    source, label, _ = d(image)
    (patch,) = torch.autograd.grad(source[0, 0, 5, 5], image, retain_graph=True)
    (whole,) = torch.autograd.grad(label[0, 0], image)
    rows = patch.abs().sum((0, 1, 3)) > 0
    assert rows.nonzero().flatten().tolist() == list(range(9, 9 + 34))  # 10 pixels after two layers, 3 + 3 steps of 4
    assert (whole.abs().sum((0, 1)) > 0).all()


@pytest.mark.parametrize("body", ["paper", "small"])
def test_of_a_covered_view_label_and_embedding_are_read_and_nothing_else(body):
    d, image, covered = discriminator(body=body).eval(), images(), images(seed=1)
    source, label, embedding = d(image, covered)
    assert torch.equal(source, d(image)[0])
    assert torch.equal(label, d(covered)[1])
    assert torch.equal(embedding, d(covered)[2])
    assert not torch.equal(label, d(image)[1])


def whole_numbers(seed, count=4):
    """Embeddings of whole numbers, and a match head of such: its sums are exact in fp64."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(-9, 10, (count, 2, 16, 2, 2), generator=draw).double(), draw


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_the_paper_s_match_head_is_additive_and_knows_no_relation(seed):
    """s(a, b) + s(c, d) = s(a, d) + s(c, b): who matches whom cannot matter."""
    d = discriminator(match_head="paper")
    (a, b, c, e), draw = whole_numbers(seed)
    with torch.no_grad():
        d.same.weight.copy_(torch.randint(-9, 10, d.same.weight.shape, generator=draw))
        assert torch.equal(d.match(a, b) + d.match(c, e), d.match(a, e) + d.match(c, b))
        assert not torch.equal(d.match(a, b), d.match(b, a))
        assert not torch.equal(d.match(a, b), d.match(c, b))  # but it looks at both
        assert not torch.equal(d.match(a, b), d.match(a, e))


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_the_head_that_compares_is_symmetric_and_not_additive(seed):
    d = discriminator(match_head="compares")
    (a, b, c, e), draw = whole_numbers(seed)
    with torch.no_grad():
        d.same.weight.copy_(torch.randint(-9, 10, d.same.weight.shape, generator=draw))
        assert torch.equal(d.match(a, b), d.match(b, a))
        assert not torch.equal(d.match(a, b) + d.match(c, e), d.match(a, e) + d.match(c, b))
        assert (d.match(a, a) == 0).all()  # the paper's body has no biases in its heads
        assert torch.equal(d.match(a + 3, b + 3), d.match(a, b))


# --- bad input -----------------------------------------------------------------------------------------------------

IMAGE, LABEL = images().float(), labels("101", "010").float()
EMBEDDING = torch.zeros(2, 16, 2, 2)


def plain(**changes):
    return LabelGenerator(**TINY | changes)


def judge(**changes):
    return LabelDiscriminator(**JUDGE | changes)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: plain()(IMAGE[..., :15], LABEL), "multiples of 4, at least 8; the image is 16x15"),
        (lambda: plain()(IMAGE[..., :4, :4], LABEL), "multiples of 4, at least 8; the image is 4x4"),
        (lambda: plain()(IMAGE[:, :1], LABEL), r"expected float images \(N, 3, H, W\)"),
        (lambda: plain()(torch.cat([IMAGE, IMAGE], 1), LABEL), r"expected float images \(N, 3, H, W\)"),
        (lambda: plain()(IMAGE.double(), LABEL), "the images are torch.float64, the network's weights torch.float32"),
        (lambda: plain()(IMAGE, LABEL[:1]), r"the labels are torch.float32 \(1, 3\); expected \(2, 3\), one row"),
        (lambda: plain()(IMAGE, LABEL[:, :2]), r"expected \(2, 3\), one row an image"),
        (lambda: plain()(IMAGE, LABEL.long()), "expected a float tensor .* got torch.int64"),
        (lambda: plain()(IMAGE, None), "expected a float tensor .* got the NoneType None"),
        (lambda: plain()(IMAGE, LABEL.to("meta")), "the labels are on meta, the images on cpu; expected one device"),
        (lambda: plain().mask(IMAGE, LABEL), "draws images anew and has no mask; build it with change=True"),
        (lambda: plain(kernel=4), "kernel is 4; expected an odd number"),
        (lambda: plain(blocks=-1), "blocks is -1; expected a whole number of at least 0"),
        (lambda: plain(labels=0), "labels is 0; expected a whole number of at least 1"),
        (lambda: plain(base="4"), "base is '4'; expected a whole number"),
        (lambda: plain(label_in="everywhere"), "label_in is 'everywhere'; expected one of input, norms"),
        (lambda: judge()(IMAGE[..., :8]), r"takes images of 16x16; got \(2, 3, 16, 8\)"),
        (lambda: judge()(IMAGE, IMAGE[..., :8]), r"takes images of 16x16; got \(2, 3, 16, 8\)"),
        (lambda: judge()(IMAGE.long()), "expected float images"),
        (lambda: judge().match(EMBEDDING, EMBEDDING), "no match head; build it with match_head='paper' or 'compares'"),
        (lambda: judge(match_head="paper").match(EMBEDDING, EMBEDDING[:1]), "expected equal shapes"),
        (
            lambda: judge(match_head="paper").match(IMAGE, IMAGE),
            r"the embeddings are .* expected floats \(N, 16, 2, 2\)",
        ),
        (lambda: judge(match_head="paper").match(EMBEDDING, None), "the embeddings are the NoneType None; expected"),
        (lambda: judge(turns=True).turned(EMBEDDING.long()), r"are torch.int64 \(2, 16, 2, 2\); expected floats"),
        (lambda: judge().turned(EMBEDDING), "no head for turns; build it with turns=True"),
        (lambda: judge(size=20), "size is 20; with 3 halvings it must be a multiple of 8, at least 8"),
        (lambda: judge(size=8, body="small"), "size is 8; with 4 halvings it must be a multiple of 8, at least 16"),
        (lambda: judge(size=16.0), "size is 16.0; expected a whole number"),
        (lambda: judge(body="large"), "body is 'large'; expected one of paper, small"),
        (lambda: judge(match_head="cosine"), "match_head is 'cosine'; expected one of none, paper, compares"),
    ],
)
def test_what_does_not_fit_gets_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_label_may_be_of_another_kind_of_float():
    g = plain(label_in="norms")
    assert torch.equal(g(IMAGE, LABEL.double()), g(IMAGE, LABEL))
