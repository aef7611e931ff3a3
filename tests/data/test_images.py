"""Reading what people really have, and the papers' preprocessing."""

import errno
import io
import struct
import sys
import types
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from i2i_tutor.data.images import (
    DataError,
    _reads_heif,
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
    ],
)
def test_every_kind_of_pixel_becomes_rgb(tmp_path, mode, colour, expected):
    image = read_rgb(saved(tmp_path, Image.new(mode, (16, 16), colour)))
    assert image.mode == "RGB"
    assert image.getpixel((7, 7)) == expected


def deep(folder, values, name="deep.png", **options):
    """A picture of 16-bit greys."""
    return saved(folder, Image.fromarray(np.array(values, np.uint16)), name, **options)


def deep_colours(folder, highest):
    """A PNG of 16-bit colours from 0 to ``highest``, written by hand because PIL cannot."""
    rows = np.linspace(0, highest, 8 * 8 * 3).astype(">u2").reshape(8, -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    path = folder / "colours.png"
    path.write_bytes(SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))
    return path


def test_sixteen_bits_are_scaled_from_their_full_range(tmp_path):
    values = np.full((8, 8), 65535)
    values[0, :4] = 0, 128, 129, 256  # 129 / 257 is the first to be rounded up
    assert np.asarray(read_rgb(deep(tmp_path, values)))[0, :5, 0].tolist() == [0, 0, 1, 1, 255]
    assert np.asarray(read_rgb(deep(tmp_path, np.zeros((8, 8))))).max() == 0  # black in any range
    assert np.asarray(read_rgb(deep_colours(tmp_path, 65535))).max() == 255


@pytest.mark.parametrize("highest", [11, 255, 4095, 2**14 - 1])
def test_sixteen_bits_of_a_small_range_are_refused_with_that_range(tmp_path, highest):
    values = np.linspace(0, highest, 64).reshape(8, 8)
    for name in ("deep.png", "deep.tif"):
        with pytest.raises(DataError, match=f"16-bit pixels, but only from 0 to {highest} of 0 to 65535"):
            read_rgb(deep(tmp_path, values, name))
    if highest > 255:  # of colours PIL keeps the upper byte
        with pytest.raises(DataError, match=f"16-bit pixels, but only from 0 to {highest // 256 * 256} of"):
            read_rgb(deep_colours(tmp_path, highest))


def test_sixteen_bits_that_count_from_white_are_turned_round(tmp_path):
    values = np.full((8, 8), 65535)
    values[0] = 0
    path = deep(tmp_path, values, "xray.tif", tiffinfo={262: 0})
    pixels = np.asarray(read_rgb(path))
    assert (pixels[0] == 255).all()
    assert (pixels[1:] == 0).all()


def test_a_bitmap_of_16_bits_a_pixel_is_not_taken_for_16_bits_a_channel(tmp_path):
    header = struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, 16, 0, 128, 0, 0, 0, 0)  # five bits a channel, all dark
    content = b"BM" + struct.pack("<IHHI", 54 + 128, 0, 0, 54) + header + struct.pack("<H", 0b00001) * 64
    (tmp_path / "old.bmp").write_bytes(content)
    assert read_rgb(tmp_path / "old.bmp").getpixel((0, 0)) == (0, 0, 8)


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


SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def claiming(width, height):
    """A PNG whose header claims a size that its few bytes do not hold."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


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


def test_a_file_that_the_system_refuses_is_no_damaged_one(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.new("RGB", (16, 16)))
    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", raising(PermissionError(errno.EACCES, "Permission denied")))
        with pytest.raises(DataError, match=r"picture\.png cannot be read \(Permission denied\)"):
            read_rgb(path)
    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "iterdir", raising(PermissionError(errno.EACCES, "Permission denied")))
        with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
            list_images(tmp_path)
    with pytest.raises(DataError, match=r"cannot be read \(File name too long\)|does not exist"):
        read_rgb(tmp_path / ("x" * 5000))


def raising(error):
    def refuse(*args, **kwargs):
        raise error

    return refuse


def test_a_phone_s_picture_needs_its_library_and_says_so(tmp_path, monkeypatch):
    picture = Image.new("RGB", (16, 16), RED)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64
    (tmp_path / "phone.HEIC").write_bytes(heic)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # not installed
    _reads_heif.cache_clear()
    with pytest.raises(DataError, match=r"no picture in a format known here .*pip install pillow-heif"):
        read_rgb(tmp_path / "phone.HEIC")
    with pytest.raises(DataError, match=r"holds no picture .*left out: 1 \.heic; pip install pillow-heif"):
        list_images(tmp_path)
    saved(tmp_path, picture, "camera.jpg")
    with pytest.warns(UserWarning, match=r"1 pictures; left out: 1 \.heic; pip install pillow-heif"):
        assert [path.name for path in list_images(tmp_path)] == ["camera.jpg"]

    class Opened(ImageFile.ImageFile):
        format = "HEIF"

        def _open(self):
            self._size, self._mode, self.tile = (16, 16), "RGB", []

        def load(self):
            self.im = picture.im
            return super().load()

    library = types.ModuleType("pillow_heif")  # what the real one does: it registers an opener of that name
    library.register_heif_opener = lambda: Image.register_open("HEIF", Opened, lambda start: start[4:12] == b"ftypheic")
    monkeypatch.setitem(sys.modules, "pillow_heif", library)
    _reads_heif.cache_clear()
    assert read_rgb(tmp_path / "phone.HEIC").getpixel((3, 3)) == RED
    assert [path.name for path in list_images(tmp_path)] == ["camera.jpg", "phone.HEIC"]
    Image.OPEN.pop("HEIF")
    Image.ID.remove("HEIF")
    _reads_heif.cache_clear()


def test_listing_is_in_natural_order_and_says_what_it_leaves_out(tmp_path):
    for name in ("10.png", "2.png", "1.JPG", "3.jfif", "notes.txt", "more.TXT", "README", "._1.jpg"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "deeper.png").mkdir()
    with pytest.warns(UserWarning, match=r"4 pictures; left out: 2 \.txt, 1 file without suffix, 1 folder$"):
        assert [p.name for p in list_images(tmp_path)] == ["1.JPG", "2.png", "3.jfif", "10.png"]


def test_listing_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"holds no picture .*it is empty"):
        list_images(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"holds no picture .*left out: 1 \.txt"):
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
