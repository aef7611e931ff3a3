"""Checks for the exercises: they run a learner's function against the reference and name what is wrong.

Every check prints one line when the answer is right, and raises ``AssertionError`` with a sentence when it is not. A
wrong answer that learners often give is recognised and named.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from i2i_tutor import losses
from i2i_tutor.methods.matchgan import match_loss
from i2i_tutor.methods.tunit import information_loss
from i2i_tutor.nn import PatchGAN


def check_discriminator_loss(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a function (real_logits, fake_logits) → the discriminator's loss of pix2pix, halved."""
    real, fake = _logits(), _logits()
    reference = 0.5 * losses.discriminator_loss(real, fake)
    answer = _scalar(function, real, fake)
    sigmoid = torch.sigmoid(torch.sigmoid(real)), torch.sigmoid(torch.sigmoid(fake))
    _compare(
        answer,
        reference,
        {
            "you did not halve the sum of the two terms": 2 * reference,
            "real and fake are exchanged": 0.5 * losses.discriminator_loss(fake, real),
            "you summed over the patches, the official code averages": reference * real.numel(),
            "the sigmoid is applied twice; the logits have none, binary_cross_entropy_with_logits has one": 0.5
            * -(sigmoid[0].log().mean() + (1 - sigmoid[1]).log().mean()),
            "the sign is wrong: D maximises the likelihood, so it minimises its negative": -reference,
            "the term on the real patches is missing": 0.5 * losses.generator_loss(-fake),
            "the term on the made patches is missing": 0.5 * losses.generator_loss(real),
        },
    )
    _gradient(function, (real, fake), lambda a, b: 0.5 * losses.discriminator_loss(a, b))
    print("right: the discriminator's loss")


def check_least_squares_loss(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a function (on_real, on_fake) → the least-squares loss of CycleGAN's discriminators, halved."""
    real, fake = _logits(), _logits()
    reference = 0.5 * losses.discriminator_loss(real, fake, "least_squares")
    answer = _scalar(function, real, fake)
    _compare(
        answer,
        reference,
        {
            "you did not halve the sum of the two terms": 2 * reference,
            "real and fake are exchanged": 0.5 * losses.discriminator_loss(fake, real, "least_squares"),
            "you summed over the patches, the official code averages": reference * real.numel(),
            "there is a sigmoid; with least squares D's number is compared as it is": 0.5
            * losses.discriminator_loss(real.sigmoid(), fake.sigmoid(), "least_squares"),
            "the term on the real patches is missing": 0.5 * fake.square().mean(),
            "the term on the made patches is missing": 0.5 * losses.generator_loss(real, "least_squares"),
        },
    )
    _gradient(function, (real, fake), lambda a, b: 0.5 * losses.discriminator_loss(a, b, "least_squares"))
    print("right: the discriminators' least-squares loss")


def check_generator_loss(function: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> None:
    """Check a function (fake_logits, fake, target, weight) → the generator's loss of pix2pix."""
    logits, fake, target = _logits(), _images(), _images()
    gan, pixel = losses.generator_loss(logits), losses.l1(fake, target)
    weight = 100.0
    reference = gan + weight * pixel
    count = fake.numel()
    _compare(
        _scalar(function, logits, fake, target, weight),
        reference,
        {
            f"{count:,}x too large a pixel term = {count}: you summed, the official code averages": gan
            + weight * pixel * count,
            "the pixel term is summed over each image and averaged over the batch only": gan
            + weight * pixel * fake[0].numel(),
            "the pixel term is squared: that is L2": gan + weight * losses.l2(fake, target),
            "this G minimises log(1 - D), which saturates; the paper maximises log D": -losses.generator_loss(-logits)
            + weight * pixel,
            "the GAN term has the sign of the discriminator's": losses.generator_loss(-logits) + weight * pixel,
            "the GAN term is missing": weight * pixel,
            "the pixel term is missing": gan,
            "the weight stands at the wrong term": weight * gan + pixel,
            "the weight is missing": gan + pixel,
        },
    )
    _gradient(
        lambda a, b: function(a, b, target, weight),
        (logits, fake),
        lambda a, b: losses.generator_loss(a) + weight * losses.l1(b, target),
    )
    print("right: the generator's loss")


def check_content_loss(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Check a function (image, adapted, mask) → the content similarity of PixelDA, the masked PMSE."""
    image = _images()
    brighter = torch.tensor([0.3, 0.6], dtype=torch.double).view(2, 1, 1, 1)  # means that tell the mistakes apart
    adapted = 0.4 * _images() + brighter
    mask = (torch.rand(2, 1, 8, 8, dtype=torch.double) > 0.5).double()
    d = ((image - adapted) * mask).flatten(1)
    k = d.shape[1]
    square, sum_ = d.square().mean(dim=1), d.sum(dim=1)
    reference = losses.masked_pairwise_error(image, adapted, mask)
    inside = mask.expand_as(image).flatten(1).sum(dim=1)
    _compare(
        _scalar(function, image, adapted, mask),
        reference,
        {
            "the second term is missing: that is the masked mean squared error": square.mean(),
            "the second term has the wrong sign": (square + (sum_ / k).square()).mean(),
            "the second term lacks its square": (square - sum_ / k**2).mean(),
            "the second term sums the squares instead of squaring the sum": (square - d.square().sum(1) / k**2).mean(),
            "the mask is missing": losses.masked_pairwise_error(image, adapted),
            "you divided by the number of values under the mask, k counts all": (
                d.square().sum(dim=1) / inside - (sum_ / inside).square()
            ).mean(),
            "you took the sample variance, which divides by k - 1": d.var(dim=1).mean(),
            "the variance is over the whole batch, the paper takes it image by image": d.var(correction=0),
            "you summed over the batch and doubled, as the official code does": 2 * len(d) * reference,
        },
    )
    _gradient(
        lambda a, b: function(a, b, mask),
        (image, adapted),
        lambda a, b: losses.masked_pairwise_error(a, b, mask),
    )
    print("right: the content similarity")


def check_composition(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """Check a function (image, painted, map) → the composed picture of AGGAN, for maps ``(N, 1, H, W)`` in 0 to 1."""
    image, painted = _images(), _images()
    where = torch.rand(2, 1, 8, 8, dtype=torch.double)
    answer = function(image, painted, where)
    if not isinstance(answer, Tensor) or answer.shape != image.shape:
        got = tuple(answer.shape) if isinstance(answer, Tensor) else f"a {type(answer).__name__}"
        raise AssertionError(f"the answer is {got}; expected a picture {tuple(image.shape)}")
    reference = torch.lerp(image, painted, where)
    mistakes = {
        "the map and its inverse are exchanged": torch.lerp(painted, image, where),
        "what is kept is missing: that is the painted part alone": where * painted,
        "what is painted is missing: that is the kept part alone": (1 - where) * image,
        "all of the image is added, not only where the map is low": where * painted + image,
        "the map is used as hard; the composition has the soft one": torch.where(where >= 0.5, painted, image),
    }
    if not torch.allclose(answer.double(), reference):
        for sentence, value in mistakes.items():
            if torch.allclose(answer.double(), value):
                raise AssertionError(sentence)
        raise AssertionError(f"some pixels differ by {float((answer - reference).abs().max()):.4f} from the reference")
    parts = (image, painted, where)
    _gradient(lambda *some: function(*some).square().sum(), parts, lambda a, b, m: torch.lerp(a, b, m).square().sum())
    print("right: the composition")


def check_content_maps(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a function (map_a, map_b) → OP-GAN's content loss of maps of one shape: their mean squared difference."""
    one, other = torch.rand(2, 9, 5, 5, dtype=torch.double), torch.rand(2, 9, 5, 5, dtype=torch.double)
    difference = one - other
    reference = difference.square().mean()
    _compare(
        _scalar(function, one, other),
        reference,
        {
            f"{one.numel()}x too large: you summed over the pixels, the loss is their mean": reference * one.numel(),
            "the difference is not squared: that is L1": difference.abs().mean(),
            "there is a root: that is the norm, the loss is its square, averaged": reference.sqrt(),
            "the maps are multiplied, not compared": (one * other).mean(),
            "the sign is wrong: equal maps must cost least": -reference,
        },
    )
    _gradient(function, (one, other), lambda a, b: (a - b).square().mean())
    print("right: the content loss")


def check_information_loss(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a function (p, q) → minus the mutual information of two soft assignments ``(N, K)``, as TUNIT has it."""
    logits = torch.randn(12, 4, dtype=torch.double), torch.randn(12, 4, dtype=torch.double)
    p, q = (each.softmax(1) for each in logits)
    reference = information_loss(p, q)
    joint = p.T @ q / len(p)
    symmetric = (joint + joint.T) / 2
    independent = symmetric.sum(1, keepdim=True) * symmetric.sum(0, keepdim=True)
    rows, columns = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    each = p[:, :, None] * q[:, None, :]  # (N, K, K)
    _compare(
        _scalar(function, p, q),
        reference,
        {
            "the sign is wrong: the information is maximised, so the loss is its negative": -reference,
            "the joint matrix is not symmetric": -(joint * (joint / (rows * columns)).log()).sum(),
            "the joint matrix is not divided by its sum": -(
                len(p) * symmetric * (symmetric / (len(p) * independent)).log()
            ).sum(),
            "the marginals are missing: that is the entropy of the joint matrix": -(symmetric * symmetric.log()).sum(),
            "you averaged over the cells of the matrix, the information is their sum": reference / 16,
            "you took the matrix of each image by itself, and in it nothing is common": -(
                each * (each / (each.sum(2, keepdim=True) * each.sum(1, keepdim=True))).log()
            )
            .mean(0)
            .sum(),
        },
    )
    # of the logits: whether the matrix is divided by N or by its sum must not matter
    _gradient(
        lambda a, b: function(a.softmax(1), b.softmax(1)),
        logits,
        lambda a, b: information_loss(a.softmax(1), b.softmax(1)),
    )
    print("right: minus the mutual information")


def check_match_loss(function: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Check a function (logits ``(P, 2)``, same ``(P,)`` of 0 and 1) → MatchGAN's match loss, a mean over pairs."""
    logits = torch.randn(16, 2, dtype=torch.double)
    same = torch.tensor([1] * 6 + [0] * 10)  # not half and half, so that the mistakes have different numbers
    reference = match_loss(logits, same)
    right, wrong = logits.gather(1, same[:, None]), logits.gather(1, 1 - same[:, None])
    probability = torch.sigmoid(right - wrong)
    _compare(
        _scalar(function, logits, same),
        reference,
        {
            "you summed over the pairs, the loss is their mean": reference * len(logits),
            "you summed the two pairs of a triplet, the loss is the mean over pairs": 2 * reference,
            "the two logits are exchanged: the second says that the labels are the same": match_loss(logits, 1 - same),
            "the sign is wrong: a likely answer must cost little": -reference,
            "the logarithm is missing: that is the probability of the wrong answer": (1 - probability).mean(),
            "the logarithm is missing: that is minus the probability of the right answer": -probability.mean(),
            "the softmax is missing: logits are no probabilities": -right.mean(),
            "the softmax is applied twice; cross_entropy has one": match_loss(logits.softmax(1), same),
            "that is a margin of 1 and no cross entropy": torch.relu(1 - right + wrong).mean(),
        },
    )
    _gradient(lambda some: function(some, same), (logits,), lambda some: match_loss(some, same))
    print("right: the match loss")


def check_receptive_field(function: Callable[[list[tuple[int, int]]], int]) -> None:
    """Check a function from [(kernel, stride), ...], first layer first, to the receptive field in pixels."""
    for layers in range(1, 6):
        network = PatchGAN(3, base=1, layers=layers, norm="none")
        shape = [(m.kernel_size[0], m.stride[0]) for m in network.modules() if isinstance(m, nn.Conv2d)]
        answer, reference = function(shape), {1: 16, 2: 34, 3: 70, 4: 142, 5: 286}[layers]
        if answer == reference:
            continue
        hint = ""
        if answer == _forward_product(shape):
            hint = ": you multiplied kernels; go back from one output, r becomes (r - 1) * stride + kernel"
        elif answer == _fold(list(reversed(shape))):
            hint = ": you went from the input to the output; start at the last layer"
        raise AssertionError(f"for {layers} strided layers you answer {answer}, the gradient says {reference}{hint}")
    print("right: the receptive field")


def _fold(layers: list[tuple[int, int]]) -> int:
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


def _forward_product(layers: list[tuple[int, int]]) -> int:
    return math.prod(kernel for kernel, _ in layers)


def _logits() -> Tensor:
    return torch.randn(2, 1, 5, 5, dtype=torch.double)


def _images() -> Tensor:
    return torch.rand(2, 3, 8, 8, dtype=torch.double) * 2 - 1


def _scalar(function: Callable[..., Tensor], *arguments: object) -> Tensor:
    answer = function(*arguments)
    if not isinstance(answer, Tensor):
        raise AssertionError(f"the answer is a {type(answer).__name__}; expected a tensor, so that gradients can flow")
    if answer.shape != ():
        raise AssertionError(f"the answer has shape {tuple(answer.shape)}; expected one number: take the mean")
    if not torch.isfinite(answer):
        raise AssertionError(f"the answer is {float(answer)}; is there a logarithm of zero? softplus avoids it")
    return answer.double()  # a learner may have computed in another precision


def _compare(answer: Tensor, reference: Tensor, mistakes: Mapping[str, Tensor]) -> None:
    if torch.isclose(answer, reference, rtol=1e-6):
        return
    for sentence, value in mistakes.items():
        if torch.isclose(answer, value.to(answer), rtol=1e-6):
            raise AssertionError(f"{sentence} (yours {float(answer):.4f}, expected {float(reference):.4f})")
    raise AssertionError(f"yours is {float(answer):.6f}, expected {float(reference):.6f}")


def _gradient(function: Callable[..., Tensor], arguments: tuple[Tensor, ...], reference: Callable[..., Tensor]) -> None:
    mine = [a.clone().requires_grad_(True) for a in arguments]
    theirs = [a.clone().requires_grad_(True) for a in arguments]
    answer = function(*mine)
    if not answer.requires_grad:
        raise AssertionError("the value is right but carries no gradient: is there a detach(), item() or no_grad()?")
    answer.backward()
    reference(*theirs).backward()
    for number, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        if a.grad is None or not torch.allclose(a.grad, b.grad):  # type: ignore[arg-type]
            raise AssertionError(f"the value is right, but the gradient of argument {number + 1} is not")
