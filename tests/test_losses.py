"""Losses against values computed by hand; in fp32 unless a test says otherwise."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from i2i_tutor import losses

ZERO = torch.zeros(2, 1, 3, 3)


def test_an_undecided_discriminator():
    assert float(0.5 * losses.discriminator_loss(ZERO, ZERO)) == pytest.approx(math.log(2))
    assert float(losses.generator_loss(ZERO)) == pytest.approx(math.log(2))
    assert float(0.5 * losses.discriminator_loss(ZERO, ZERO, "least_squares")) == pytest.approx(0.5)
    assert float(losses.generator_loss(ZERO, "least_squares")) == pytest.approx(1.0)
    half = ZERO + 0.5
    assert float(0.5 * losses.discriminator_loss(half, half, "least_squares")) == pytest.approx(0.25)
    assert float(losses.generator_loss(half, "least_squares")) == pytest.approx(0.25)


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_vanilla_is_the_negative_log_likelihood(real, fake):
    real_t, fake_t = torch.tensor([real]).double(), torch.tensor([fake]).double()
    by_hand = math.log1p(math.exp(-real)) + math.log1p(math.exp(fake))
    assert float(losses.discriminator_loss(real_t, fake_t)) == pytest.approx(by_hand)
    assert float(losses.generator_loss(fake_t)) == pytest.approx(math.log1p(math.exp(-fake)))


def test_vanilla_stays_finite_for_absurd_logits():
    assert float(losses.generator_loss(torch.tensor([-1e4]))) == pytest.approx(1e4)


def test_the_generator_prefers_higher_logits_under_every_objective():
    for objective in ("vanilla", "least_squares", "wasserstein"):
        logit = torch.zeros(1, requires_grad=True)
        losses.generator_loss(logit, objective).backward()
        assert float(logit.grad) < 0


def test_wasserstein():
    assert float(losses.discriminator_loss(torch.tensor([3.0]), torch.tensor([1.0]), "wasserstein")) == -2
    assert float(losses.generator_loss(torch.tensor([3.0]), "wasserstein")) == -3


def test_l1_and_l2_are_means_over_all_elements():
    image = torch.full((2, 3, 4, 4), 0.1)
    target = torch.zeros(2, 3, 4, 4)
    assert float(100 * losses.l1(image, target)) == pytest.approx(10.0)
    assert float(losses.l2(image, target)) == pytest.approx(0.01)
    assert float(losses.l1(image, image)) == 0


@pytest.mark.parametrize("distance", [losses.l1, losses.l2])
def test_broadcasting_is_refused(distance):
    with pytest.raises(ValueError, match="equal shapes"):
        distance(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4))


def test_r1_of_a_linear_critic_is_its_squared_norm():
    weight = torch.tensor([[[[1.0, 2.0], [0.0, 2.0]]]])  # squared norm 9
    images = torch.randn(5, 1, 2, 2)
    assert float(losses.r1_penalty(lambda x: (x * weight).sum(dim=(1, 2, 3)), images)) == pytest.approx(9.0)


def test_the_gradient_penalty_is_zero_for_slope_one_and_differentiable_twice():
    weight = torch.full((1, 1, 2, 2), 0.5, requires_grad=True)  # norm 1
    images = torch.randn(4, 1, 2, 2)
    flat = losses.gradient_penalty(lambda x: (x * weight).sum(dim=(1, 2, 3)), images, -images)
    assert float(flat.detach()) == pytest.approx(0.0, abs=1e-9)
    steep = losses.gradient_penalty(lambda x: (x * 3 * weight).sum(dim=(1, 2, 3)), images, -images)
    assert float(steep.detach()) == pytest.approx(4.0, rel=1e-5)  # (3 - 1)²
    steep.backward()
    assert float(weight.grad.sum()) == pytest.approx(2 * (3 - 1) * 3 * 2, rel=1e-5)  # d/dw of (3‖w‖ - 1)², summed


def test_penalties_run_in_fp32_under_autocast():
    seen = []

    def critic(x):
        seen.append((x.dtype, torch.nn.functional.linear(x.flatten(1), torch.ones(1, 4)).dtype))
        return x.flatten(1).sum(dim=1)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses.r1_penalty(critic, torch.randn(2, 1, 2, 2).bfloat16())
    assert seen == [(torch.float32, torch.float32)]


def test_penalties_of_a_double_critic_are_double():
    weight = torch.full((1, 1, 2, 2), 1.0, dtype=torch.double)  # norm 2
    images = torch.randn(4, 1, 2, 2, dtype=torch.double)
    for penalty, value in (
        (losses.r1_penalty(lambda x: (x * weight).sum(dim=(1, 2, 3)), images), 4.0),
        (losses.gradient_penalty(lambda x: (x * weight).sum(dim=(1, 2, 3)), images, -images), 1.0),
    ):
        assert penalty.dtype == torch.double
        assert float(penalty) == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize(
    "call",
    [
        lambda: losses.discriminator_loss(ZERO, ZERO, "squares"),
        lambda: losses.generator_loss(ZERO, "squares"),
        lambda: losses.gradient_penalty(lambda x: x, torch.zeros(2, 1, 2, 2), torch.zeros(1, 1, 2, 2)),
    ],
)
def test_wrong_arguments_are_named(call):
    with pytest.raises(ValueError, match=r"'hinge'|equal shapes"):
        call()


def test_cross_entropy_is_minus_the_log_of_the_right_class():
    logits = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    assert float(losses.cross_entropy(logits, torch.tensor([1, 0]))) == pytest.approx(
        (math.log(4 / 3) + math.log(2)) / 2
    )


# --- PixelDA ---------------------------------------------------------------------------------------------------------


def content(difference, mask=None):
    image = torch.zeros_like(difference)
    return losses.masked_pairwise_error(image, image - difference, mask)


def test_content_similarity_is_the_variance_of_the_masked_difference():
    torch.manual_seed(0)
    d = torch.randn(3, 3, 4, 4, dtype=torch.double)
    mask = (torch.rand(3, 1, 4, 4) > 0.4).double()
    masked = (d * mask).flatten(1)
    k = masked.shape[1]
    formula = (masked.square().sum(1) / k - masked.sum(1).square() / k**2).mean()
    pairs = (masked[:, :, None] - masked[:, None, :]).square().sum((1, 2)).div(2 * k**2).mean()  # i < j: half of all
    assert torch.allclose(content(d, mask), formula)
    assert torch.allclose(content(d, mask), pairs)
    assert float(content(torch.zeros(2, 3, 4, 4))) == 0


@pytest.mark.parametrize("p", [0, 1, 4, 12, 16])
def test_a_shared_shift_costs_nothing_under_a_whole_mask_and_p_times_1_minus_p_under_a_part(p):
    mask = (torch.arange(16) < p).double().view(1, 1, 4, 4)
    shift = torch.full((1, 3, 4, 4), 0.3, dtype=torch.double)
    assert float(content(shift, mask)) == pytest.approx(0.09 * (p / 16) * (1 - p / 16), abs=1e-12)


def test_content_similarity_ignores_what_is_outside_the_mask():
    torch.manual_seed(0)
    adapted = torch.randn(2, 3, 4, 4, requires_grad=True)
    mask = torch.zeros(2, 1, 4, 4)
    mask[..., :2, :] = 1
    losses.masked_pairwise_error(torch.randn(2, 3, 4, 4), adapted, mask).backward()
    assert adapted.grad[..., 2:, :].abs().max() == 0
    assert (adapted.grad[..., :2, :] != 0).all()
    with pytest.raises(ValueError, match="equal shapes"):
        losses.masked_pairwise_error(torch.zeros(1, 3, 4, 4), torch.zeros(2, 3, 4, 4))
