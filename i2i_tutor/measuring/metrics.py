"""What is measured. Every function takes the images, and the networks that it needs, as arguments, on one device."""

import math
import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_confusion_matrix
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from i2i_tutor.contract import (
    check_images,
    check_label_maps,
    check_layout,
    check_masks,
    check_probability,
    check_same_shape,
    check_whole,
    described,
    is_whole,
)

CHUNK = 64  # images per forward pass of a judge
ROUNDING = 1e-9  # share of a flat image's power that fp32 leaves at other frequencies, with room to spare
BIN = 4.0  # units of CIE Lab: width of a bin of a colour histogram
GREY = 1e-3  # of the range -1 to 1: a colour that is nearer to grey has no hue


def confusion_matrix(truth: Tensor, prediction: Tensor, classes: int) -> Tensor:
    """Counts ``(classes, classes)``, rows the truth, columns the prediction.

    ``truth`` and ``prediction`` are integer maps of equal shape. Truth outside ``0..classes - 1`` is void and not
    counted; a prediction outside is refused with a ValueError.
    """
    check_whole("classes", classes, 1)
    for name, ids in (("truth", truth), ("the prediction", prediction)):
        if not is_whole(ids):
            kind = ids.dtype if isinstance(ids, Tensor) else f"a {type(ids).__name__}"
            raise ValueError(f"{name} is {kind}; expected integer class numbers")
    if truth.shape != prediction.shape:
        raise ValueError(f"truth is {tuple(truth.shape)} but the prediction {tuple(prediction.shape)}")
    outside = prediction[(prediction < 0) | (prediction >= classes)]
    if len(outside):
        raise ValueError(f"the prediction holds class {int(outside[0])}; expected 0 to {classes - 1}")
    counted = (truth >= 0) & (truth < classes)
    pairs = prediction[counted].long(), truth[counted].long()
    return multiclass_confusion_matrix(*pairs, classes, validate_args=False)  # it would say less clearly what is wrong


def segmentation_scores(confusion: Tensor) -> dict[str, float]:
    """Pixel accuracy, mean class accuracy and mean class IoU of one confusion matrix (the FCN-score's three numbers).

    Classes that never occur in the truth are left out of both means; the paper's classes all occur.
    """
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"the confusion matrix is {tuple(confusion.shape)}; expected (classes, classes)")
    h = confusion.double()
    hit, truth, predicted = h.diagonal(), h.sum(dim=1), h.sum(dim=0)
    present = truth > 0
    if not present.any():
        raise ValueError("the confusion matrix is empty: there is no pixel with a known label")
    return {
        "pixel_accuracy": float(hit.sum() / h.sum()),
        "class_accuracy": float((hit / truth)[present].mean()),
        "class_iou": float((hit / (truth + predicted - hit))[present].mean()),
    }


def relabelled(confusion: Tensor) -> tuple[Tensor, Tensor]:
    """Rename the predicted classes one to one so that as many pixels as possible agree with the truth.

    Returns the renamed confusion matrix and, for every true class, the predicted class that took its place. A
    consistent but permuted answer (windows called doors, doors called windows) gains much by this, a collapsed one
    hardly anything. The best assignment is found by the Hungarian method (Kuhn 1955), through scipy.
    """
    rows, columns = linear_sum_assignment(confusion.cpu().numpy(), maximize=True)
    order = torch.empty(len(confusion), dtype=torch.long)
    order[torch.from_numpy(rows)] = torch.from_numpy(columns)
    return confusion[:, order.to(confusion.device)], order


def clustering_accuracy(truth: Tensor, clusters: Tensor, classes: int) -> float:
    """Share of the images in the cluster that stands for their class, 0 to 1, under the best one-to-one matching.

    The clusters have no names; ``relabelled`` finds the matching (Hungarian method), on the same images. With equally
    many images of each class chance is a little above 1 / classes.

    Args:
        truth, clusters: integers ``(N,)``, both in 0 to classes - 1. Of more clusters than classes there is no such
            matching: see ``purity`` and ``clustering_information``.

    Raises:
        ValueError: not such numbers.
    """
    check_whole("classes", classes, 1)
    _check_clustering(truth, clusters)
    if len(outside := truth[(truth < 0) | (truth >= classes)]):
        raise ValueError(f"truth holds class {int(outside[0])}; expected 0 to {classes - 1}")
    if len(outside := clusters[(clusters < 0) | (clusters >= classes)]):
        raise ValueError(
            f"clusters holds {int(outside[0])}, but there are {classes} classes; expected 0 to {classes - 1} "
            "(purity and clustering_information take any number of clusters)"
        )
    confusion, _ = relabelled(confusion_matrix(truth, clusters, classes))
    return float(confusion.diagonal().sum() / confusion.sum())


def purity(truth: Tensor, clusters: Tensor) -> float:
    """Share of the images that are of the commonest class of their cluster, 0 to 1; any number of clusters.

    It can only grow if a cluster is split, up to 1 if every image is a cluster, so compare equal numbers of clusters.
    truth and clusters are integers ``(N,)``. Raises ValueError otherwise.
    """
    _check_clustering(truth, clusters)
    _, rows = truth.unique(return_inverse=True)
    _, columns = clusters.unique(return_inverse=True)
    counts = torch.zeros(int(rows.max()) + 1, int(columns.max()) + 1, dtype=torch.long)
    counts.index_put_((rows.cpu(), columns.cpu()), torch.ones(len(rows), dtype=torch.long), accumulate=True)
    return float(counts.amax(dim=0).sum() / len(truth))


def clustering_information(truth: Tensor, clusters: Tensor) -> float:
    """Normalised mutual information of classes and clusters: 0 unrelated, 1 the same partition.

    Their mutual information divided by the mean of their entropies (NMI, through scikit-learn); any number of clusters.
    truth and clusters are integers ``(N,)``. Raises ValueError otherwise.
    """
    from sklearn.metrics import normalized_mutual_info_score  # here, because scikit-learn takes a second to import

    _check_clustering(truth, clusters)
    return float(normalized_mutual_info_score(truth.cpu().numpy(), clusters.cpu().numpy()))


def _check_clustering(truth: Tensor, clusters: Tensor) -> None:
    for name, numbers in (("truth", truth), ("clusters", clusters)):
        if not is_whole(numbers) or numbers.ndim != 1 or not len(numbers):
            raise ValueError(f"{name} is {described(numbers)}; expected integers (N,) with N > 0")
    if truth.shape != clusters.shape:
        raise ValueError(f"there are {len(truth)} classes and {len(clusters)} clusters; expected one each for N images")


@torch.no_grad()
def fcn_score(images: Tensor, labels: Tensor, segmenter: nn.Module) -> dict[str, float]:
    """How well a segmenter trained on real photos reads the images as the label maps they were made from.

    images ``(N, 3, H, W)`` in [-1, 1], labels ``(N, H, W)`` ids; the segmenter returns logits ``(N, classes, H, W)``.
    Source: pix2pix, section 4.1 ("FCN-score"), one confusion matrix over the whole set.
    """
    check_images(images, 3)
    check_label_maps(labels, images)
    confusion: Tensor | None = None
    for image, truth in zip(images.split(CHUNK), labels.split(CHUNK), strict=True):
        logits = segmenter(image)
        part = confusion_matrix(truth, logits.argmax(dim=1), logits.shape[1])
        confusion = part if confusion is None else confusion + part
    assert confusion is not None
    return segmentation_scores(confusion)


def class_scores(truth: Tensor, prediction: Tensor, classes: int, asked: Sequence[int]) -> dict[int, dict[str, float]]:
    """Of each class that is asked for: its intersection over union (``iou``), and the share of it found (``recall``).

    Integer maps of equal shape, all pixels together; truth outside of ``0..classes - 1`` is void and not counted.
    Raises ValueError if the truth holds no pixel of a class that is asked for, because then there is nothing to find.
    """
    confusion = confusion_matrix(truth, prediction, classes)
    hit, there, named = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    scores = {}
    for one in asked:
        check_whole("asked", one, 0, classes - 1)
        if not there[one]:
            raise ValueError(f"no pixel of the truth is of class {one}; there is nothing of it that could be found")
        union = there[one] + named[one] - hit[one]
        scores[one] = {"iou": float(hit[one] / union), "recall": float(hit[one] / there[one])}
    return scores


@torch.no_grad()
def accuracy(images: Tensor, labels: Tensor, classifier: nn.Module) -> dict[str, float]:
    """Share of the images ``(N, 3, H, W)`` whose class, ``(N,)``, a classifier names: ``{"accuracy": 0..1}``."""
    check_images(images, 3)
    named = torch.cat([classifier(part).argmax(dim=1) for part in images.split(CHUNK)])
    if named.shape != labels.shape:
        raise ValueError(f"the labels are {tuple(labels.shape)} but the classifier's answers {tuple(named.shape)}")
    return {"accuracy": float((named == labels).float().mean())}


def label_score(images: Tensor, labels: Tensor, colours: Tensor) -> dict[str, float]:
    """The same three numbers for photo → labels: every pixel is read as the class of the nearest colour.

    images ``(N, 3, H, W)`` in [-1, 1]; colours ``(classes, 3)`` in 0..255. No network judges (pix2pix, Table 6).
    """
    check_images(images, 3)
    check_label_maps(labels, images)
    if not isinstance(colours, Tensor) or colours.ndim != 2 or colours.shape[1] != 3 or not len(colours):
        raise ValueError(f"colours is {getattr(colours, 'shape', colours)!r}; expected a tensor (classes, 3)")
    pixels = (images.permute(0, 2, 3, 1) + 1) * 127.5  # (N, H, W, 3)
    prediction = torch.cdist(pixels.flatten(0, 2), colours.to(pixels)).argmin(dim=1).reshape(labels.shape)
    return segmentation_scores(confusion_matrix(labels, prediction, len(colours)))


def distribution_distances(real: Tensor, fake: Tensor, features: nn.Module, seed: int = 0) -> dict[str, float]:
    """Fréchet distance and kernel distance (KID, mean over subsets) between two sets in a judge's features.

    real and fake are ``(N, 3, H, W)`` in [-1, 1]; ``features`` maps them to ``(N, num_features)`` and has that
    attribute. In features of our own this is **not** FID and is not called so: "Fréchet distance (world features)".
    At least 8 images each; below a few thousand the Fréchet distance is biased upwards, so compare only sets of equal
    size. With the Inception network of ``judges.inception`` it is FID and KID. Source: Heusel et al. 2017,
    Bińkowski et al. 2018, through torchmetrics.
    """
    check_images(real)
    check_images(fake)
    if min(len(real), len(fake)) < 8:
        raise ValueError(f"a distance of distributions needs at least 8 images each; got {len(real)} and {len(fake)}")
    frechet = FrechetInceptionDistance(feature=features).to(real.device)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all")  # a few hundred vectors
        kernel = KernelInceptionDistance(feature=features, subsets=50, subset_size=min(50, len(real), len(fake)))
    with torch.no_grad():
        for images, is_real in ((real, True), (fake, False)):
            for part in images.split(CHUNK):
                frechet.update(part, real=is_real)
                kernel.update(part, real=is_real)
    with torch.random.fork_rng(devices=[]):  # KID draws its subsets from the global generator of the CPU
        torch.default_generator.manual_seed(seed)
        return {"frechet": float(frechet.compute()), "kernel": float(kernel.compute()[0])}


def spectrum(images: Tensor) -> Tensor:
    """Radially averaged power spectrum, ``(size // 2,)``, of square images ``(N, C, S, S)``.

    Entry r is the mean power at a radius of r cycles per image (entry 0: of the mean brightness).
    """
    check_images(images)
    size = images.shape[-1]
    if images.shape[-2] != size:
        raise ValueError(f"the spectrum is averaged over rings and needs square images; got {tuple(images.shape)}")
    power = torch.fft.fft2(images.float(), norm="ortho").abs().square().mean(dim=(0, 1))  # (S, S)
    frequency = torch.fft.fftfreq(size, d=1 / size, device=images.device)
    radius = (frequency[:, None].square() + frequency[None, :].square()).sqrt().round().long()
    inside = radius < size // 2
    sums = torch.bincount(radius[inside], weights=power[inside].double(), minlength=size // 2)
    return sums / torch.bincount(radius[inside], minlength=size // 2)


def sharpness(images: Tensor, reference: Tensor) -> float:
    """High-frequency power relative to reference images: 1 is as sharp as they are, 0 is flat.

    The upper half of the frequencies of ``spectrum``, summed over rings with their size. Raises ValueError if the
    reference is flat, so that there is nothing to compare with, or of another size.
    """
    check_images(images)
    check_images(reference)
    size = images.shape[-1]
    if reference.shape[-1] != size:
        raise ValueError(f"the images have {size} px but the reference {reference.shape[-1]}; expected equal sizes")
    powers = [spectrum(pictures) for pictures in (images, reference)]
    ring = torch.arange(size // 2, dtype=torch.double, device=images.device)
    found, wanted = ((power * ring)[ring >= size // 4].sum() for power in powers)
    if not wanted > ROUNDING * powers[1].sum():
        raise ValueError(f"the reference has no high frequencies: it is flat, or its {size} px are too few")
    return float(found / wanted)


def octaves(images: Tensor, reference: Tensor) -> dict[str, float]:
    """Power in every octave of frequencies relative to reference images: 1 is as much contrast as they have.

    ``power_1`` is that of 1 cycle per image, ``power_2`` of 2 and 3, ``power_4`` of 4 to 7, ...; with all rings of
    ``spectrum`` summed with their size. Square images ``(N, C, S, S)`` of one size. Raises ValueError if the reference
    is flat in an octave, so that there is nothing to compare with.
    """
    check_images(images)
    check_images(reference)
    size = images.shape[-1]
    if reference.shape[-1] != size:
        raise ValueError(f"the images have {size} px but the reference {reference.shape[-1]}; expected equal sizes")
    ring = torch.arange(size // 2, dtype=torch.double, device=images.device)
    found, wanted = (spectrum(pictures) * ring for pictures in (images, reference))
    shares = {}
    low = 1
    while low < size // 2:
        inside = (ring >= low) & (ring < 2 * low)
        if not wanted[inside].sum() > ROUNDING * wanted.sum():
            raise ValueError(f"the reference is flat at {low} to {2 * low - 1} cycles per image")
        shares[f"power_{low}"] = float(found[inside].sum() / wanted[inside].sum())
        low *= 2
    return shares


def lab(images: Tensor) -> Tensor:
    """CIE Lab (white D65) of sRGB images ``(N, 3, H, W)`` in [-1, 1].

    Channels: lightness L from 0 to 100, a from green to red, b from blue to yellow, both about -110 to 110.
    """
    check_images(images, 3)
    encoded = (images.double() + 1) / 2
    linear = torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_xyz = torch.tensor(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    ).to(linear)
    xyz = torch.einsum("ij,njhw->nihw", to_xyz / to_xyz.sum(dim=1, keepdim=True), linear)  # white is (1, 1, 1)
    x, y, z = torch.where(xyz > (6 / 29) ** 3, xyz ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29).unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def colours(images: Tensor, reference: Tensor) -> dict[str, float]:
    """How much the histograms of lightness and colour of two sets of images overlap, 0 to 1 (1: they are equal).

    ``colours_l``, ``colours_a`` and ``colours_b`` are the intersections of the histograms of the three channels of CIE
    Lab, over all pixels, with bins of 4 units. Both sets are ``(N, 3, H, W)`` in [-1, 1] and may differ in number and
    size. Source: pix2pix, figure 7.
    """
    shares = []
    for pictures in (images, reference):
        bins = ((lab(pictures) + 128) / BIN).long().clamp(0, int(256 / BIN) - 1)  # (N, 3, H, W)
        counts = [torch.bincount(channel.flatten(), minlength=int(256 / BIN)) for channel in bins.unbind(dim=1)]
        shares.append(torch.stack(counts).double() / bins[:, 0].numel())
    overlap = torch.minimum(*shares).sum(dim=1)
    return {f"colours_{name}": float(value) for name, value in zip("lab", overlap, strict=True)}


def diversity(images: Tensor) -> float:
    """Mean absolute difference per value between all pairs of images ``(N, C, H, W)``: 0 when all are the same."""
    check_images(images)
    if len(images) < 2:
        raise ValueError("diversity compares images with each other and needs at least 2")
    return float(F.pdist(images.float().flatten(1), p=1).mean() / images[0].numel())


def hue_difference(images: Tensor, others: Tensor, mask: Tensor) -> float:
    """By how many degrees the hue of the masked mean colour is turned, 0 to 180, averaged over the images.

    images and others are ``(N, 3, H, W)`` in [-1, 1], mask ``(N, 1, H, W)`` of 0 and 1, nowhere empty. The hue is the
    angle in the plane at right angles to the greys. A grey has none: it counts as turned by 90°, as unrelated hues are
    on average, so that a method gains nothing by turning everything grey.
    """
    for pictures in (images, others):
        check_images(pictures, 3)
    if images.shape != others.shape:
        raise ValueError(f"the images are {tuple(images.shape)} but the others {tuple(others.shape)}")
    check_masks(mask, images)
    area = mask.sum((2, 3))  # (N, 1)
    if not (area > 0).all():
        raise ValueError(f"the mask of image {int((area <= 0).nonzero()[0, 0])} is empty; it has no colour to compare")
    angles, chroma = [], []
    for pictures in (images, others):
        red, green, blue = ((pictures * mask).sum((2, 3)) / area).unbind(1)
        across, along = 3**0.5 * (green - blue), 2 * red - green - blue
        angles.append(torch.atan2(across, along))
        chroma.append(torch.hypot(across, along))
    turned = torch.remainder(angles[0] - angles[1] + torch.pi, 2 * torch.pi) - torch.pi
    degrees = turned.abs().rad2deg()
    return float(torch.where(torch.minimum(*chroma) < GREY, 90.0, degrees).mean())


def pattern_correlation(images: Tensor, others: Tensor, mask: Tensor) -> float:
    """How alike the patterns of light and dark inside a mask are: 1 the same, 0 unrelated, -1 exchanged.

    images and others are ``(N, 3, H, W)`` in [-1, 1], mask ``(N, 1, H, W)`` in 0 to 1, nowhere empty. The correlation
    of the brightness (mean of the channels) over the mask, averaged over the images; where one of the two is flat there
    is no pattern, and the correlation counts as 0. Contrast and overall brightness play no part.
    """
    for pictures in (images, others):
        check_images(pictures, 3)
    check_same_shape(images, others)
    check_masks(mask, images)
    area = mask.double().sum((2, 3), keepdim=True)  # (N, 1, 1, 1)
    if not (area > 0).all():
        raise ValueError(f"the mask of image {int((area <= 0).nonzero()[0, 0])} is empty; it has no pattern to compare")

    def centred(pictures: Tensor) -> Tensor:
        light = pictures.double().mean(1, keepdim=True)
        return (light - (light * mask).sum((2, 3), keepdim=True) / area) * mask.sqrt()

    one, other = centred(images), centred(others)
    power = one.square().sum((1, 2, 3)), other.square().sum((1, 2, 3))
    flat = torch.minimum(*power) <= ROUNDING * area.flatten()
    together = (one * other).sum((1, 2, 3)) / (power[0] * power[1]).sqrt()
    return float(together.masked_fill(flat, 0).mean())


def mean_absolute_error(images: Tensor, targets: Tensor, mask: Tensor | None = None) -> float:
    """Mean absolute difference per value, in the units of [-1, 1] images.

    With a mask, ``(N, 1, H, W)`` in 0 to 1, every difference counts as much as the mask says; ValueError if that is
    nowhere.
    """
    return _mean_difference(images, targets, mask, power=1)


def psnr(images: Tensor, targets: Tensor, mask: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in decibels of images in [-1, 1] (the peak is 2); infinite if they are equal.

    10 log10(4 / mean squared difference), over all images together. The mask is that of ``mean_absolute_error``.
    """
    error = _mean_difference(images, targets, mask, power=2)
    return 10 * math.log10(4 / error) if error else math.inf


def _mean_difference(images: Tensor, targets: Tensor, mask: Tensor | None, power: int) -> float:
    check_images(images)
    check_images(targets)
    check_same_shape(images, targets)
    difference = (images - targets).abs().pow(power)
    if mask is None:
        return float(difference.mean())
    check_masks(mask, images)
    if not mask.any():
        raise ValueError("the mask is empty everywhere; there is nothing to compare")
    return float((difference * mask).sum() / mask.expand_as(difference).sum())


def map_iou(maps: Tensor, masks: Tensor, threshold: float = 0.5) -> float:
    """Intersection over union of maps, where they reach a threshold, with masks, where they exceed 0.5; mean of images.

    maps and masks are ``(N, 1, H, W)`` in 0 to 1. Raises ValueError if a mask is empty, so that nothing can be found.
    """
    check_probability("threshold", threshold)
    check_layout(maps, 1)
    check_masks(maps, maps)
    check_masks(masks, maps)
    found, there = maps >= threshold, masks > 0.5
    if not there.flatten(1).any(dim=1).all():
        raise ValueError("a mask is empty; there is no object that a map could find, expected one in each image")
    both, either = ((found & there).sum((1, 2, 3)), (found | there).sum((1, 2, 3)))
    return float((both / either).mean())
