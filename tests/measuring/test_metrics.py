"""Metrics on cases whose answer is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from i2i_tutor.contract import check_images
from i2i_tutor.measuring import metrics


def test_scores_of_a_confusion_matrix_computed_by_hand():
    truth = torch.tensor([[0, 0, 0, 1], [1, 1, 2, 255]])
    prediction = torch.tensor([[0, 0, 1, 1], [1, 0, 2, 2]])
    matrix = metrics.confusion_matrix(truth, prediction, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]  # 255 is void
    scores = metrics.segmentation_scores(matrix)
    assert scores["pixel_accuracy"] == pytest.approx(5 / 7)
    assert scores["class_accuracy"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)  # class 3 never occurs
    assert scores["class_iou"] == pytest.approx((2 / 4 + 2 / 4 + 1) / 3)


def test_a_prediction_outside_the_classes_is_refused_and_counted_nowhere():
    truth = torch.tensor([0, 1, 255])
    for wrong in (2, -1, 7):
        with pytest.raises(ValueError, match=f"the prediction holds class {wrong}; expected 0 to 1"):
            metrics.confusion_matrix(truth, torch.tensor([0, wrong, 0]), 2)
    assert metrics.confusion_matrix(torch.tensor([255, -1]), torch.tensor([0, 1]), 2).sum() == 0
    for maps in ((truth.float(), truth), (truth.clamp(max=1), truth > 0)):
        with pytest.raises(ValueError, match="expected integer class numbers"):
            metrics.confusion_matrix(*maps, 2)


@settings(max_examples=30)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_a_perfect_prediction_scores_one_and_no_score_leaves_zero_to_one(classes, seed):
    draw = torch.Generator().manual_seed(seed)
    truth = torch.randint(classes, (2, 5, 5), generator=draw)
    perfect = metrics.segmentation_scores(metrics.confusion_matrix(truth, truth, classes))
    assert all(value == pytest.approx(1.0) for value in perfect.values())
    guess = torch.randint(classes, (2, 5, 5), generator=draw)
    scores = metrics.segmentation_scores(metrics.confusion_matrix(truth, guess, classes))
    assert all(0 <= value <= 1 for value in scores.values())
    assert scores["class_iou"] <= scores["class_accuracy"]


@settings(max_examples=20)
@given(st.permutations(range(5)), st.integers(0, 1000))
def test_renaming_undoes_a_permutation_and_never_makes_anything_worse(order, seed):
    draw = torch.Generator().manual_seed(seed)
    truth = torch.cat([torch.arange(5), torch.randint(5, (40,), generator=draw)])
    permuted = metrics.confusion_matrix(truth, torch.tensor(order)[truth], 5)
    mended, names = metrics.relabelled(permuted)
    assert metrics.segmentation_scores(mended)["pixel_accuracy"] == 1.0
    assert names.tolist() == list(order)
    noisy = metrics.confusion_matrix(truth, torch.randint(5, truth.shape, generator=draw), 5)
    assert metrics.relabelled(noisy)[0].diagonal().sum() >= noisy.diagonal().sum()


def test_renaming_does_not_help_a_collapsed_answer():
    truth = torch.arange(4).repeat(10)
    collapsed = metrics.confusion_matrix(truth, torch.full_like(truth, 2), 4)
    assert metrics.segmentation_scores(metrics.relabelled(collapsed)[0])["pixel_accuracy"] == 0.25


class Brightness(nn.Module):
    """A judge that sees two classes: dark and bright."""

    num_features = 2

    def forward(self, images):
        mean = images.mean(dim=1, keepdim=True)
        return torch.cat([-mean, mean], dim=1)


def test_the_fcn_score_counts_the_whole_set_in_one_matrix():
    labels = torch.tensor([[[0, 1], [1, 1]]]).repeat(100, 1, 1)
    images = (labels.float() * 2 - 1)[:, None].repeat(1, 3, 1, 1)
    assert metrics.fcn_score(images, labels, Brightness())["class_iou"] == pytest.approx(1.0)
    images[:50] *= -1  # half of the set is inverted: both classes are right half of the time
    scores = metrics.fcn_score(images, labels, Brightness())
    assert scores["pixel_accuracy"] == pytest.approx(0.5)
    assert scores["class_accuracy"] == pytest.approx(0.5)


def test_the_label_score_reads_the_nearest_colour():
    colours = torch.tensor([[0, 0, 0], [255, 0, 0], [0, 0, 255]])
    labels = torch.tensor([[[0, 1], [2, 1]]])
    images = (colours[labels].permute(0, 3, 1, 2) / 127.5 - 1) * 0.8
    assert metrics.label_score(images, labels, colours)["pixel_accuracy"] == pytest.approx(1.0)


class Pixels(nn.Module):
    """The first two values of an image as its features."""

    num_features = 2

    def forward(self, images):
        return images.flatten(1)[:, :2]


def test_the_frechet_distance_of_two_shifted_clouds_is_their_squared_shift():
    draw = torch.Generator().manual_seed(0)
    cloud = torch.rand(400, 1, 1, 2, generator=draw) * 0.5 - 0.5
    shifted = cloud + 0.4
    distances = metrics.distribution_distances(cloud, shifted, Pixels())
    assert distances["frechet"] == pytest.approx(2 * 0.4**2, rel=1e-2)  # equal covariances: only the means count
    same = metrics.distribution_distances(cloud, cloud.clone(), Pixels())
    assert same["frechet"] == pytest.approx(0.0, abs=1e-4)
    assert abs(same["kernel"]) < distances["kernel"]


def test_the_kernel_distance_of_two_points_is_that_of_the_paper():
    """k(x, y) = (x·y / d + 1)³ with d = 2: k(a, a) + k(b, b) - 2 k(a, b) = 1 + 8 - 2 for a = (0, 0), b = (1, 1)."""
    zeros, ones = torch.zeros(20, 1, 1, 2), torch.ones(20, 1, 1, 2)
    assert metrics.distribution_distances(zeros, ones, Pixels())["kernel"] == pytest.approx(7.0, abs=1e-5)
    half = metrics.distribution_distances(-0.5 * ones, ones, Pixels())["kernel"]
    assert half == pytest.approx(1.25**3 + 8 - 2 * 0.5**3, abs=1e-5)


def test_distances_do_not_touch_the_random_state_and_repeat():
    images = torch.rand(16, 1, 1, 2) * 2 - 1
    state = torch.get_rng_state()
    first = metrics.distribution_distances(images, -images, Pixels())
    assert torch.equal(torch.get_rng_state(), state)
    assert metrics.distribution_distances(images, -images, Pixels()) == first


def test_a_wave_has_its_power_at_its_frequency():
    size, cycles = 32, 5
    wave = torch.cos(2 * math.pi * cycles * torch.arange(size) / size).expand(1, 1, size, size)
    power = metrics.spectrum(wave)
    assert int(power.argmax()) == cycles
    assert float(power[cycles] / power.sum()) == pytest.approx(1.0, abs=1e-6)


def test_sharpness_is_one_for_itself_zero_when_flat_and_falls_with_blur():
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 32, 32, generator=draw) * 2 - 1
    assert metrics.sharpness(image, image) == pytest.approx(1.0)
    assert metrics.sharpness(torch.zeros_like(image), image) == pytest.approx(0.0, abs=1e-9)
    assert metrics.sharpness(image * 0.5, image) == pytest.approx(0.25, rel=1e-4)  # power is squared
    blurred = nn.functional.avg_pool2d(image, 3, 1, 1)
    assert metrics.sharpness(blurred, image) < 0.3


@pytest.mark.parametrize("reference", [torch.full((2, 3, 16, 16), 0.3), torch.zeros(2, 3, 16, 16)])
def test_nothing_is_sharp_beside_a_flat_reference(reference):
    with pytest.raises(ValueError, match="the reference has no high frequencies"):
        metrics.sharpness(torch.rand(2, 3, 16, 16), reference)
    with pytest.raises(ValueError, match="its 2 px are too few"):
        metrics.sharpness(torch.rand(1, 3, 2, 2), torch.rand(1, 3, 2, 2))
    with pytest.raises(ValueError, match="16 px but the reference 32"):
        metrics.sharpness(torch.rand(2, 3, 16, 16), torch.rand(2, 3, 32, 32))


def test_the_accuracy_of_a_classifier_is_the_share_of_right_names():
    images = torch.linspace(-1, 1, 100).view(100, 1, 1, 1).expand(100, 3, 2, 2)

    class Sign(nn.Module):
        def forward(self, images):
            mean = images.mean(dim=(1, 2, 3))
            return torch.stack([-mean, mean], dim=1)

    assert metrics.accuracy(images, (images[:, 0, 0, 0] > 0).long(), Sign()) == {"accuracy": 1.0}
    assert metrics.accuracy(images, torch.ones(100).long(), Sign()) == {"accuracy": 0.5}
    with pytest.raises(ValueError, match=r"labels are \(99,\)"):
        metrics.accuracy(images, torch.ones(99).long(), Sign())


def test_diversity_is_zero_for_equal_images():
    assert metrics.diversity(torch.zeros(3, 1, 2, 2)) == 0
    assert metrics.diversity(torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)) == pytest.approx(1.0)


def test_the_signal_to_noise_ratio_computed_by_hand():
    black, grey = -torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    left = torch.zeros(2, 1, 4, 4)
    left[..., :2] = 1
    assert metrics.psnr(black, grey) == pytest.approx(10 * math.log10(4))
    half = torch.where(left == 1, black, grey)
    assert metrics.psnr(half, grey) == pytest.approx(10 * math.log10(8))
    assert metrics.psnr(half, grey, left) == pytest.approx(10 * math.log10(4))
    assert metrics.psnr(half, grey, 1 - left) == math.inf


def test_the_overlap_of_a_map_with_a_mask():
    mask = torch.zeros(2, 1, 4, 4)
    mask[..., :2] = 1
    maps = torch.tensor([0.1, 0.5]).view(2, 1, 1, 1) * mask + 0.05
    assert metrics.map_iou(maps, mask) == pytest.approx(0.5)  # the first map reaches 0.5 nowhere
    assert metrics.map_iou(maps, mask, 0.1) == 1
    assert metrics.map_iou(torch.ones_like(mask), mask) == pytest.approx(0.5)
    assert metrics.map_iou(0.1 * mask, mask, 0.1) == 1  # what is at the threshold counts
    with pytest.raises(ValueError, match="a mask is empty"):
        metrics.map_iou(maps, torch.cat([mask[:1], 0 * mask[1:]]))


def test_the_mean_absolute_error():
    black, grey = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), 0.25)
    assert metrics.mean_absolute_error(black, grey) == pytest.approx(0.25)
    grey[..., 0] = 1
    left = torch.tensor([1.0, 0.0]).expand(1, 1, 2, 2)
    assert metrics.mean_absolute_error(black, grey, left) == 1
    assert metrics.mean_absolute_error(black, grey, 1 - left) == pytest.approx(0.25)
    assert metrics.mean_absolute_error(black, grey, (1 + left) / 2) == pytest.approx((1 + 0.25 / 2) / 1.5)
    with pytest.raises(ValueError, match="mask is empty everywhere"):
        metrics.mean_absolute_error(black, grey, 0 * left)


def test_the_correlation_of_patterns_hears_neither_contrast_nor_brightness_nor_what_is_outside():
    torch.manual_seed(0)
    stripes = torch.sin(torch.arange(16.0)).expand(2, 3, 16, 16)
    mask = torch.zeros(2, 1, 16, 16)
    mask[..., 2:13, 1:14] = 1
    assert metrics.pattern_correlation(stripes, stripes, mask) == pytest.approx(1)
    assert metrics.pattern_correlation(stripes, 0.1 * stripes - 0.5, mask) == pytest.approx(1)
    assert metrics.pattern_correlation(stripes, -stripes, mask) == pytest.approx(-1)
    elsewhere = torch.where(mask > 0, stripes, torch.rand(2, 3, 16, 16))
    assert metrics.pattern_correlation(stripes, elsewhere, mask) == pytest.approx(1)
    assert abs(metrics.pattern_correlation(stripes, stripes.mT, torch.ones(2, 1, 16, 16))) < 0.1
    flat = torch.cat([stripes[:1], torch.full_like(stripes[:1], 0.3)])  # the second has no pattern
    assert metrics.pattern_correlation(stripes, flat, mask) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="mask of image 0 is empty"):
        metrics.pattern_correlation(stripes, stripes, 0 * mask)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (torch.full((1, 3, 4, 4), math.nan), "nan"),
        (torch.full((1, 3, 4, 4), 2.0), "from 2 to 2"),
        (torch.zeros(3, 4, 4), "float images"),
        (torch.zeros(0, 3, 4, 4), "N > 0"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "uint8"),
    ],
)
def test_wrong_images_are_refused_by_a_sentence(images, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_images(images)


def test_wrong_shapes_and_sets_are_refused():
    with pytest.raises(ValueError, match="prediction"):
        metrics.confusion_matrix(torch.zeros(2, 2).long(), torch.zeros(2, 3).long(), 2)
    with pytest.raises(ValueError, match="at least 8 images each; got 8 and 7"):
        metrics.distribution_distances(torch.zeros(8, 1, 1, 2), torch.zeros(7, 1, 1, 2), Pixels())
    with pytest.raises(ValueError, match="square"):
        metrics.spectrum(torch.zeros(1, 1, 4, 8))
    with pytest.raises(ValueError, match="no pixel with a known label"):
        metrics.segmentation_scores(torch.zeros(2, 2))
    with pytest.raises(ValueError, match="at least 2"):
        metrics.diversity(torch.zeros(1, 1, 2, 2))


def test_hue_difference_is_an_angle_on_the_colour_circle():
    red = torch.tensor([0.9, -0.6, -0.6]).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    green, dark = red.roll(1, dims=1), 0.5 * red - 0.3
    mask = torch.zeros(2, 1, 4, 4)
    mask[..., :2] = 1
    assert metrics.hue_difference(red, red, mask) == 0
    assert metrics.hue_difference(red, green, mask) == pytest.approx(120, abs=1e-3)
    assert metrics.hue_difference(red, dark, mask) == pytest.approx(0, abs=1e-3)
    half = torch.where(mask > 0, red, green)  # what is outside the mask does not count
    assert metrics.hue_difference(red, half, mask) == 0
    opposite = -red
    assert metrics.hue_difference(red, opposite, mask) == pytest.approx(180, abs=1e-3)


def test_a_grey_has_no_hue_and_counts_as_turned_by_a_right_angle():
    red = torch.tensor([0.9, -0.6, -0.6]).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    grey, mask = torch.full_like(red, 0.3), torch.ones(2, 1, 4, 4)
    assert metrics.hue_difference(red, grey, mask) == pytest.approx(90)
    assert metrics.hue_difference(grey, grey, mask) == pytest.approx(90)
    half = torch.cat([red[:1], grey[:1]])
    assert metrics.hue_difference(red, half, mask) == pytest.approx(45)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (torch.zeros(2, 1, 4, 4), "mask of image 0 is empty"),
        (torch.ones(2, 1, 4, 4) * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1), "mask of image 1 is empty"),
        (torch.ones(4, 4), r"masks are torch.float32 \(4, 4\); expected \(2, 1, 4, 4\)"),
        (torch.ones(()), r"masks are torch.float32 \(\)"),
        (torch.ones(2, 3, 4, 4), r"masks are torch.float32 \(2, 3, 4, 4\)"),
        (torch.full((2, 1, 4, 4), 2.0), "values from 2 to 2; expected 0 to 1"),
        (torch.full((2, 1, 4, 4), math.nan), "nan"),
    ],
)
def test_masks_that_are_none_are_refused(mask, sentence):
    images = torch.rand(2, 3, 4, 4)
    with pytest.raises(ValueError, match=sentence):
        metrics.hue_difference(images, images, mask)


@pytest.mark.parametrize(
    "labels",
    [torch.zeros(2, 2).long(), torch.zeros(1, 2, 2).long(), torch.zeros(2, 2, 2), torch.zeros(2, 1, 2, 2).long()],
)
def test_label_maps_that_do_not_fit_the_images_are_refused(labels):
    images = torch.zeros(2, 3, 2, 2)
    for score, judge in ((metrics.fcn_score, Brightness()), (metrics.label_score, torch.zeros(2, 3))):
        with pytest.raises(ValueError, match=r"expected integers \(2, 2, 2\)"):
            score(images, labels, judge)


PICTURES = torch.zeros(2, 3, 16, 16)
MAPS = torch.zeros(2, 16, 16, dtype=torch.long)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: metrics.confusion_matrix([0, 1], MAPS, 2), "truth is a list; expected integer"),
        (lambda: metrics.confusion_matrix(MAPS, MAPS, 2.5), "classes is 2.5; expected a whole number"),
        (lambda: metrics.segmentation_scores(torch.ones(2, 3)), "confusion matrix is \\(2, 3\\)"),
        (lambda: metrics.label_score(PICTURES, MAPS, torch.zeros(12)), "colours is .*12.*; expected a tensor"),
        (lambda: metrics.label_score(PICTURES, None, torch.zeros(12, 3)), "label maps are the NoneType"),
        (lambda: metrics.label_score(PICTURES[:, :1], MAPS, torch.zeros(12, 3)), "\\(N, 3, H, W\\)"),
        (lambda: metrics.fcn_score(PICTURES[:, :1], MAPS, nn.Conv2d(3, 2, 1)), "\\(N, 3, H, W\\)"),
        (lambda: metrics.accuracy(PICTURES[:, :1], MAPS[:, 0, 0], nn.Identity()), "\\(N, 3, H, W\\)"),
        (lambda: metrics.hue_difference(PICTURES, PICTURES, None), "masks are the NoneType"),
        (lambda: metrics.hue_difference(None, PICTURES, PICTURES[:, :1]), "got the NoneType"),
        (lambda: metrics.hue_difference(PICTURES[:, :1], PICTURES[:, :1], PICTURES[:, :1]), "\\(N, 3, H, W\\)"),
        (lambda: metrics.sharpness(torch.zeros(()), PICTURES), "got torch.float32 \\(\\)"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_lab_of_known_colours():
    white, black, red, blue = [1.0, 1, 1], [-1.0, -1, -1], [1.0, -1, -1], [-1.0, -1, 1]
    pixels = torch.tensor([white, black, red, blue]).reshape(4, 3, 1, 1)
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [32.30, 79.19, -107.86]]  # sRGB's primaries
    torch.testing.assert_close(metrics.lab(pixels).flatten(1), torch.tensor(expected).double(), atol=0.02, rtol=0)


def test_colours_overlap_wholly_with_themselves_and_less_when_they_are_narrower():
    channels = ("colours_l", "colours_a", "colours_b")
    draw = torch.Generator().manual_seed(0)
    pictures = torch.rand((6, 3, 16, 16), generator=draw) * 2 - 1
    assert metrics.colours(pictures, pictures.flip(3)) == pytest.approx(dict.fromkeys(channels, 1))
    faded = metrics.colours(pictures * 0.5, pictures)
    assert all(value < 0.9 for value in faded.values())
    grey = pictures.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    assert metrics.colours(grey, pictures)["colours_a"] < 0.2
    red, green = (torch.tensor(colour).view(1, 3, 1, 1).expand(2, 3, 4, 4) for colour in ((1.0, -1, -1), (-1.0, 1, -1)))
    assert metrics.colours(red, green) == pytest.approx(dict.fromkeys(channels, 0))
    half = torch.cat([red[:1], green[:1]])
    assert metrics.colours(half, red)["colours_a"] == pytest.approx(0.5)


def test_the_power_of_a_wave_is_found_in_its_octave_and_grows_with_the_square_of_its_height():
    place = torch.arange(32) / 32
    waves = {cycles: torch.sin(2 * torch.pi * cycles * place).expand(1, 1, 32, 32) for cycles in (1, 3, 5, 9)}
    reference = sum(waves.values()) / 16
    assert metrics.octaves(reference, reference) == pytest.approx({f"power_{low}": 1 for low in (1, 2, 4, 8)})
    louder = metrics.octaves(reference + waves[5] / 16, reference)  # twice as high, only there
    assert louder == pytest.approx({"power_1": 1, "power_2": 1, "power_4": 4, "power_8": 1}, abs=1e-4)
    with pytest.raises(ValueError, match="flat at 8 to 15"):
        metrics.octaves(reference, sum(waves[cycles] for cycles in (1, 3, 5)) / 16)
    with pytest.raises(ValueError, match="equal sizes"):
        metrics.octaves(reference, reference[..., :16, :16])


def test_class_scores_are_those_counted_by_hand():
    truth = torch.tensor([[[0, 0, 0, 1], [1, 1, 2, 9]]])  # 9 is void
    prediction = torch.tensor([[[0, 0, 1, 1], [1, 0, 2, 2]]])
    found = metrics.class_scores(truth, prediction, 4, [0, 1, 2])
    assert found[0] == pytest.approx({"iou": 2 / 4, "recall": 2 / 3})
    assert found[1] == pytest.approx({"iou": 2 / 4, "recall": 2 / 3})
    assert found[2] == pytest.approx({"iou": 1.0, "recall": 1.0})


def test_a_class_that_is_not_there_cannot_be_found():
    maps = torch.zeros(1, 4, 4, dtype=torch.long)
    with pytest.raises(ValueError, match="no pixel of the truth is of class 1; there is nothing of it"):
        metrics.class_scores(maps, maps, 2, [0, 1])
    with pytest.raises(ValueError, match=r"^truth is \(1, 4, 4\) but the prediction \(1, 2, 2\)"):
        metrics.class_scores(maps, maps[:, :2, :2], 2, [0])


# --- clusters ------------------------------------------------------------------------------------------------------

TRUTH = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])


@settings(max_examples=30)
@given(st.permutations(range(4)))
def test_the_names_of_clusters_do_not_matter(names):
    renamed = torch.tensor(names)[TRUTH]
    assert metrics.clustering_accuracy(TRUTH, renamed, 4) == 1
    assert metrics.purity(TRUTH, renamed) == 1
    assert metrics.clustering_information(TRUTH, renamed) == pytest.approx(1)


def test_two_classes_in_one_cluster_count_once():
    merged = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1, 1, 3, 3, 3])
    assert metrics.clustering_accuracy(TRUTH, merged, 4) == pytest.approx(9 / 12)
    assert metrics.purity(TRUTH, merged) == pytest.approx(9 / 12)
    # H(classes) = ln 4, H(clusters) = 1.5 ln 2 = I
    assert metrics.clustering_information(TRUTH, merged) == pytest.approx(2 * 1.5 / (2 + 1.5))


def test_what_has_nothing_to_do_with_the_classes_has_no_information():
    truth, clusters = torch.arange(4).repeat_interleave(4), torch.arange(4).repeat(4)
    assert metrics.clustering_accuracy(truth, clusters, 4) == 0.25
    assert metrics.purity(truth, clusters) == 0.25
    assert metrics.clustering_information(truth, clusters) == pytest.approx(0)


def test_more_clusters_than_classes_are_refused_where_there_is_no_matching():
    many = torch.arange(12)
    said = r"^clusters holds 4, but there are 4 classes; expected 0 to 3 \(purity and clustering_information take any"
    with pytest.raises(ValueError, match=said):
        metrics.clustering_accuracy(TRUTH, many, 4)
    assert metrics.purity(TRUTH, many) == 1
    assert 0 < metrics.clustering_information(TRUTH, many) < 1


def test_of_fewer_clusters_than_classes_some_classes_get_none():
    few = TRUTH // 2
    assert metrics.clustering_accuracy(TRUTH, few, 4) == 0.5
    assert metrics.purity(TRUTH, few) == 0.5
    # H(classes) = 2 ln 2, H(clusters) = ln 2 = I
    assert metrics.clustering_information(TRUTH, few) == pytest.approx(2 * 1 / (2 + 1))


@pytest.mark.parametrize(
    ("truth", "clusters", "sentence"),
    [
        (TRUTH, TRUTH[:5], "there are 12 classes and 5 clusters"),
        (TRUTH.float(), TRUTH, r"truth is torch.float32 \(12,\); expected integers"),
        (TRUTH, None, "clusters is the NoneType None; expected integers"),
        (TRUTH[:0], TRUTH[:0], "expected integers .N,. with N > 0"),
        (TRUTH + 1, TRUTH, "truth holds class 4; expected 0 to 3"),
        (TRUTH, TRUTH - 1, "clusters holds -1, but there are 4 classes; expected 0 to 3"),
    ],
)
def test_what_are_no_clusters_is_refused_in_one_sentence(truth, clusters, sentence):
    with pytest.raises(ValueError, match=sentence):
        metrics.clustering_accuracy(truth, clusters, 4)
