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
    """Labels (8, 64, 64) and 32 photographs (32, 8, 64, 64, 3) of eight houses whose colours are free."""
    return draw(range(8), 64)[0], photographs(1.0)


def photographs(variety, light="day", count=32):
    """As many photographs of each of eight houses, (count, 8, 64, 64, 3) uint8."""
    return np.stack([draw(range(8), 64, photo, variety=variety, light=light)[1] for photo in range(count)])


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


@settings(max_examples=10)
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


@pytest.mark.parametrize(
    ("variety", "light", "expected"),
    [
        (0, "day", "e8832c4e6099a179"),
        (0.4, "day", "9529d2b33155cdd4"),
        (1, "day", "255734ccc952ec2c"),
        (0.4, "night", "8215f23525710e86"),
    ],
)
def test_photographs_stay_the_same_for_ever(variety, light, expected):
    # As above; and the bytes are those of every machine.
    photos = draw([0, 1, 2, 1000, 2**24], 64, 5, variety=variety, light=light)[1]
    assert hashlib.sha256(photos.tobytes()).hexdigest()[:16] == expected


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


def test_without_variety_a_house_has_one_photograph():
    photos = photographs(0.0, count=4)
    assert (photos == photos[0]).all()


def test_photographs_of_a_house_differ_more_the_more_variety_there_is():
    spread = [photographs(variety).std(axis=0).mean() for variety in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    assert spread == sorted(spread)
    assert spread[0] == 0 < spread[1]
    assert spread[-1] > 1.2 * spread[2]


@pytest.mark.parametrize(("variety", "always"), [(0.0, True), (0.4, True), (1.0, False)])
def test_with_little_variety_glass_is_darker_than_walls(variety, always):
    labels, photos = draw(range(200), 64, variety=variety)
    grey = photos.mean(axis=-1)
    darker = [np.quantile(g[m == WINDOW], 0.2) < g[m == FACADE].mean() for g, m in zip(grey, labels, strict=True)]
    assert (np.mean(darker) > 0.98) == always


def test_at_night_only_panes_and_what_is_near_them_shine():
    labels, day = draw(range(60), 64, variety=0.4)
    night = draw(range(60), 64, variety=0.4, light="night")[1]
    assert night.mean() < 0.4 * day.mean()
    shining = night[..., 0] > 200
    behind = np.isin(labels, [WINDOW, CLASSES.index("shop")])
    assert 0 < (shining & behind).sum() == shining.sum()
    assert 0.2 < np.mean([(shining & (m == WINDOW))[n].any() for n, m in enumerate(labels)]) <= 1
    assert (night[..., 2] > night[..., 0])[~behind].mean() > 0.7  # moonlight is blue


def test_which_windows_are_lit_is_chance_even_without_variety():
    night = photographs(0.0, "night", count=4)
    assert not (night == night[0]).all()
    assert len(np.unique((night[..., 0] > 200).reshape(4, -1), axis=0)) == 4


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


@pytest.mark.parametrize(
    ("look", "sentence"),
    [
        ({"variety": -0.1}, "variety is -0.1; expected a number from 0 to 1"),
        ({"variety": "much"}, "variety is 'much'; expected a number from 0 to 1"),
        ({"light": "dusk"}, "light is 'dusk'; expected one of day, night"),
    ],
)
def test_a_bad_look_gets_a_sentence(look, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        draw([0], 64, **look)


def test_bad_maps_get_a_sentence():
    with pytest.raises(ValueError, match="labels contain 12; expected class ids 0 to 11"):
        colourise(np.array([[0, 12]]))
    with pytest.raises(ValueError, match="labels contain -1; expected class ids 0 to 11"):
        colourise(np.array([[0, -1]]))
    with pytest.raises(ValueError, match=r"rgb has shape \(4, 4\); expected a last axis of 3 colour channels"):
        to_labels(np.zeros((4, 4)))
