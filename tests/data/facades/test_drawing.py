import hashlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from i2i_tutor.data.facades.drawing import CLASSES, COLOURS, colourise, draw, to_labels
from i2i_tutor.data.facades.grammar import rasterise

FACADE, WINDOW = CLASSES.index("facade"), CLASSES.index("window")


@pytest.fixture(scope="module")
def street():
    """Labels of 300 houses."""
    return draw(range(300), 64)[0]


@pytest.fixture(scope="module")
def album():
    """Labels (8, 64, 64) and 32 photographs (32, 8, 64, 64, 3) of eight houses."""
    houses = range(8)
    return draw(houses, 64)[0], np.stack([draw(houses, 64, photo)[1] for photo in range(32)])


@pytest.mark.parametrize("size", [16, 32, 64, 100, 256, 512])
def test_shapes_types_and_ranges(size):
    labels, photos = draw([3, 1], size)
    assert labels.shape == (2, size, size)
    assert photos.shape == (2, size, size, 3)
    assert labels.dtype == photos.dtype == np.uint8
    assert labels.max() < len(CLASSES)


def test_an_empty_batch_is_empty():
    labels, photos = draw([], 64)
    assert labels.shape == (0, 64, 64)
    assert photos.shape == (0, 64, 64, 3)


@settings(max_examples=10, deadline=None)
@given(
    houses=st.lists(st.integers(0, 2**40), min_size=1, max_size=5),
    size=st.sampled_from([16, 33, 64]),
    photo=st.integers(0, 2**40),
)
def test_a_house_does_not_depend_on_its_batch(houses, size, photo):
    labels, photos = draw(np.array(houses), size, photo)
    for n, house in enumerate(houses):
        alone_labels, alone_photos = draw([house], size, photo)
        assert np.array_equal(labels[n], alone_labels[0])
        assert np.array_equal(photos[n], alone_photos[0])


def test_houses_stay_the_same_for_ever():
    # A changed hash means that results measured on the procedural façades no longer hold: measure them anew.
    labels, _ = draw([0, 1, 2, 1000, 2**24], 64)
    assert hashlib.sha256(labels.tobytes()).hexdigest()[:16] == "8dc688f1d0c7abce"


def test_houses_differ(street):
    assert len(np.unique(street.reshape(len(street), -1), axis=0)) == len(street)


def test_every_class_is_in_at_least_a_tenth_of_the_houses(street):
    share = {name: (street == k).any(axis=(1, 2)).mean() for k, name in enumerate(CLASSES)}
    assert min(share.values()) >= 0.1, share
    assert share["facade"] == share["window"] == 1


def test_photographs_of_a_house_share_its_labels_and_differ(album):
    labels, photos = album
    assert np.array_equal(draw(range(8), 64, 31)[0], labels)
    brightness = photos.astype(float)
    difference = np.abs(brightness[:-1] - brightness[1:]).mean(axis=(1, 2, 3, 4))
    assert difference.min() > 20


def test_the_mean_photograph_is_flat_and_grey(album):
    labels, photos = album
    photos = photos.astype(float)
    mean = photos.mean(axis=0)

    def detail(pictures):
        return np.abs(np.diff(pictures, axis=-2)).mean() + np.abs(np.diff(pictures, axis=-3)).mean()

    def contrast(pictures):  # of windows and wall, per house
        grey = pictures.mean(axis=-1)
        return np.mean([abs(g[m == WINDOW].mean() - g[m == FACADE].mean()) for g, m in zip(grey, labels, strict=True)])

    def saturation(pictures):
        return (pictures.max(axis=-1) - pictures.min(axis=-1)).mean()

    assert detail(mean) < 0.6 * detail(photos)
    assert contrast(mean) < 0.6 * np.mean([contrast(picture) for picture in photos])
    assert saturation(mean) < 0.75 * saturation(photos)


def test_windows_are_darker_than_the_wall_in_some_photographs_and_lighter_in_others(album):
    labels, photos = album
    grey = photos.mean(axis=-1)
    darker = [
        grey[k, n][labels[n] == WINDOW].mean() < grey[k, n][labels[n] == FACADE].mean()
        for k in range(len(photos))
        for n in range(len(labels))
    ]
    assert 0.2 < np.mean(darker) < 0.8


@pytest.mark.parametrize(("small", "large"), [(32, 64), (64, 128), (128, 256)])
def test_a_house_is_the_same_at_every_size(small, large):
    coarse, fine = draw(range(12), small)[0], draw(range(12), large)[0]
    assert (coarse == fine[:, ::2, ::2]).mean() > 0.8


def test_at_64_pixels_no_part_is_thinner_than_two():
    raster = rasterise(range(100), 64)
    assert min(raster.width.min(), raster.height.min()) >= 2


def test_colours_are_told_apart(street):
    assert np.array_equal(to_labels(colourise(street)), street)
    assert np.array_equal(to_labels(COLOURS), np.arange(len(CLASSES)))


def test_labels_survive_jpeg():
    labels = draw(range(6), 128)[0]
    for house in labels:
        file = io.BytesIO()
        Image.fromarray(colourise(house)).save(file, "JPEG", quality=90, subsampling=0)
        assert (to_labels(np.asarray(Image.open(file))) == house).mean() >= 0.95


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([0], 15), "size is 15; façades are drawn with 16 to 512 pixels"),
        (([0], 513), "size is 513; façades are drawn with 16 to 512 pixels"),
        (([4, -2], 64), "indices contains -2; house numbers are 0 or more"),
        (([0], 64, -1), "photo is -1; expected 0 or more"),
    ],
)
def test_bad_arguments_get_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        draw(*arguments)


def test_bad_maps_get_a_sentence():
    with pytest.raises(ValueError, match="labels contain 12; expected class ids 0 to 11"):
        colourise(np.array([[0, 12]]))
    with pytest.raises(ValueError, match="labels contain -1; expected class ids 0 to 11"):
        colourise(np.array([[0, -1]]))
    with pytest.raises(ValueError, match=r"rgb has shape \(4, 4\); expected a last axis of 3 colour channels"):
        to_labels(np.zeros((4, 4)))
