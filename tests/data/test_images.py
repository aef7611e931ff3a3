"""Reading what people really have, and the papers' preprocessing."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from i2i_tutor.data.images import (
    DataError,
    jitter,
    list_images,
    read_rgb,
    resize,
    resize_labels,
    stack,
    write_png,
)

RED, WHITE, GREY = (255, 0, 0), (255, 255, 255), (128, 128, 128)


def saved(folder, image, name="picture.png", **options):
    path = folder / name
    image.save(path, **options)
    return path


def noise(height=32, width=48, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_png_round_trip_is_exact(tmp_path):
    write_png(tmp_path / "new" / "a.png", noise())
    assert np.array_equal(np.asarray(read_rgb(tmp_path / "new" / "a.png")), noise())


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("L", 128, GREY),
        ("1", 1, WHITE),
        ("LA", (0, 0), WHITE),
        ("RGBA", (255, 0, 0, 255), RED),
        ("RGBA", (255, 0, 0, 0), WHITE),
        ("RGBA", (0, 0, 0, 127), GREY),
        ("I;16", 65535, WHITE),
        ("I;16", 128 * 257, GREY),
        ("I;16", 256, (1, 1, 1)),
    ],
)
def test_every_kind_of_pixel_becomes_rgb(tmp_path, mode, colour, expected):
    image = read_rgb(saved(tmp_path, Image.new(mode, (16, 16), colour)))
    assert image.mode == "RGB"
    assert image.getpixel((7, 7)) == expected


def test_palette_with_a_transparent_colour_is_laid_on_white(tmp_path):
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 0, 255, 255, 0, 0])
    image.putpixel((3, 3), 1)
    assert read_rgb(saved(tmp_path, image, transparency=0)).getpixel((0, 0)) == WHITE
    assert read_rgb(saved(tmp_path, image, transparency=0)).getpixel((3, 3)) == RED


def test_cmyk_jpeg(tmp_path):
    path = saved(tmp_path, Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "print.jpg")
    assert read_rgb(path).getpixel((8, 8)) == WHITE


def test_sixteen_bit_pgm_uses_the_whole_range(tmp_path):
    (tmp_path / "deep.pgm").write_bytes(b"P5 8 8 65535\n" + b"\xff\xff" * 32 + b"\x00\x00" * 32)
    image = read_rgb(tmp_path / "deep.pgm")
    assert (image.getpixel((0, 0)), image.getpixel((0, 7))) == (WHITE, (0, 0, 0))


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (20, 10), RED)
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    assert read_rgb(saved(tmp_path, image, "turned.jpg", exif=exif)).size == (10, 20)


def encoded(kind):
    buffer = io.BytesIO()
    Image.fromarray(noise()).save(buffer, kind)
    return buffer.getvalue()


def claiming(width, height):
    """A PNG whose header claims a size that its few bytes do not hold."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"these are words, not pixels", "no picture in a format known"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n", "no picture in a format known"),
        (encoded("PNG")[:1000], "damaged or cut short"),
        (encoded("JPEG")[:1000], "damaged or cut short"),
        (encoded("PNG")[:200] + b"\x00" * 64 + encoded("PNG")[264:], "damaged or cut short"),
        (claiming(60_000, 60_000), "pixels"),
        (claiming(9_000, 9_000), "at most 80,000,000 pixels"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, content, reason):
    path = tmp_path / "holiday 7.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read_rgb(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_tiny_and_unscaled_pictures_are_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png does not exist"):
        read_rgb(tmp_path / "gone.png")
    with pytest.raises(DataError, match="is no file"):
        read_rgb(tmp_path)
    with pytest.raises(DataError, match="7x100 px; expected at least 8"):
        read_rgb(saved(tmp_path, Image.new("RGB", (7, 100))))
    with pytest.raises(DataError, match="floating-point"):
        read_rgb(saved(tmp_path, Image.new("F", (16, 16)), "f.tif"))
    with pytest.raises(DataError, match="32-bit"):
        read_rgb(saved(tmp_path, Image.new("I", (16, 16), 70_000), "i.tif"))


def test_listing_is_in_natural_order_and_leaves_out_what_is_no_picture(tmp_path):
    for name in ("10.png", "2.png", "1.JPG", "notes.txt", "._1.jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "deeper.png").mkdir()
    assert [p.name for p in list_images(tmp_path)] == ["1.JPG", "2.png", "10.png"]


def test_listing_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match="holds no picture"):
        list_images(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        list_images(tmp_path / "gone")


# --- preprocessing -------------------------------------------------------------------------------------------------


def test_resize_agrees_with_pils_bicubic_which_the_official_code_uses():
    image = Image.fromarray(noise(256, 256)).resize((100, 120), Image.Resampling.BICUBIC)
    expected = np.asarray(image.resize((72, 72), Image.Resampling.BICUBIC)).astype(int)
    ours = stack([resize(image, 72)])[0].astype(int)
    assert np.abs(ours - expected).max() <= 1


def test_label_maps_keep_their_classes():
    labels = np.kron(np.array([[0, 11], [5, 7]], np.uint8), np.ones((8, 8), np.uint8))
    assert np.array_equal(resize_labels(labels, 4), np.kron([[0, 11], [5, 7]], np.ones((2, 2))))
    assert set(np.unique(resize_labels(labels, 37))) == {0, 5, 7, 11}


def coordinates(side):
    """An image whose pixels know their row and column."""
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.stack([row, column, torch.zeros_like(row)]).to(torch.uint8)


def test_jitter_cuts_and_mirrors_both_sides_alike():
    tops, mirrored = set(), 0
    for seed in range(400):
        a, b = jitter([coordinates(36), coordinates(36)], 32, np.random.default_rng(seed))
        assert torch.equal(a, b)
        assert a.shape == (3, 32, 32)
        steps = a[1, 0].int().diff()
        assert (steps == 1).all() or (steps == -1).all()
        assert (a[0, :, 0].int().diff() == 1).all()  # never upside down
        tops.add((int(a[0, 0, 0]), int(a[1, 0].min())))
        mirrored += int(steps[0] == -1)
    assert tops == {(top, left) for top in range(5) for left in range(5)}
    assert 150 < mirrored < 250


def test_jitter_depends_on_its_generator_alone():
    image = coordinates(36)
    torch.manual_seed(1)
    (first,) = jitter([image], 32, np.random.default_rng(3))
    state = torch.get_rng_state()
    (second,) = jitter([image], 32, np.random.default_rng(3))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


def test_jitter_refuses_what_does_not_fit():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="32 px cannot be cut out of 16x16"):
        jitter([coordinates(16)], 32, rng)
    with pytest.raises(ValueError, match="one size"):
        jitter([coordinates(36), coordinates(40)], 32, rng)
