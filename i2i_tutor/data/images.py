"""Pictures on disk: reading what people really have, writing PNG, and the papers' resize, crop and flip."""

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from unicodedata import normalize

import numpy as np
import torch
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode  # type: ignore[import-untyped]
from torchvision.transforms.v2 import functional as transforms

from i2i_tutor.files import write_atomically

# Only formats that are plain pixels: PIL would hand EPS to an interpreter of programs.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset({".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
PHONES = frozenset({".heic", ".heif"})  # read through pillow-heif, if it is installed
NEEDS_HEIF = "pip install pillow-heif to have it read"
MIN_SIDE = 8
MAX_PIXELS = 80_000_000  # 240 MB as RGB; a few kilobytes of PNG can claim far more
LEAST_OF_16_BITS = 2**14  # pictures of 10, 12 or 14 bits, depths and class numbers in 16-bit files stay below
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0  # tag and value of TIFF


class DataError(ValueError):
    """A picture or a folder of pictures cannot be used; the message names it and the reason."""


@cache
def _reads_heif() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def read_rgb(path: Path | str) -> Image.Image:
    """Read a picture as 8-bit RGB, upright.

    The EXIF orientation is applied. Transparency is laid on white. Grey, palette and CMYK become RGB; 16 bits are
    scaled from 0..65535 to 0..255. Of several frames the first counts.

    Raises:
        DataError: the file is missing, unreadable, empty, damaged, cut short, no picture of a known format, of 32-bit
            or floating-point pixels or of 16 bits of which only 14 or fewer are used (whose range is not stated),
            smaller than 8 px on a side, or above 80 million pixels.
    """
    path = Path(path)
    formats = (*FORMATS, "HEIF") if _reads_heif() else FORMATS
    try:
        if not path.is_file():
            raise DataError(f"{path} {'is no file' if path.exists() else 'does not exist'}")
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty (0 bytes)")
        with Image.open(path, formats=formats) as image:  # reads the header only
            _check_sides(path, *image.size)
            return _to_rgb(path, image)
    except (DataError, MemoryError):
        raise
    except Image.UnidentifiedImageError:
        hint = f"; {NEEDS_HEIF}" if path.suffix.lower() in PHONES and not _reads_heif() else ""
        raise DataError(f"{path} is no picture in a format known here ({', '.join(formats)}){hint}") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path} claims more than {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # on damaged bytes PIL's decoders raise a dozen different types
        if isinstance(error, OSError) and error.errno:  # the system's, not PIL's
            raise DataError(f"{path} cannot be read ({error.strerror})") from error
        raise DataError(f"{path} is damaged or cut short ({error})") from error


def _check_sides(path: Path, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise DataError(f"{path} is {width}x{height} px; expected at least {MIN_SIDE} px on each side")
    if width * height > MAX_PIXELS:
        raise DataError(f"{path} claims {width}x{height} px; expected at most {MAX_PIXELS:,} pixels")


def _to_rgb(path: Path, image: Image.Image) -> Image.Image:
    deep, inverted = _is_16_bit(image), _is_white_zero(image)  # what a copy of the image does not know any more
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise DataError(f"{path} has floating-point pixels, whose range is not known; save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # PIL's own conversion would clip 16 bits at 255
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise DataError(f"{path} has 32-bit pixels, whose range is not known; save it with 8 or 16 bits")
        _check_range(path, int(grey.min()), int(grey.max()))
        grey = 65535 - grey if inverted else grey
        return Image.fromarray(np.round(grey / 257).astype(np.uint8)).convert("RGB")
    if deep:  # of colours PIL has kept the upper byte
        colours = np.asarray(image.convert("RGB")).astype(np.int64) * 256
        _check_range(path, int(colours.min()), int(colours.max()))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _is_16_bit(image: Image.Image) -> bool:
    """Whether the file has 16 bits a channel, as the name of PIL's raw mode tells: "RGB;16B", say."""
    return any(re.search(r";16[BLN]", str(tile[3])) for tile in getattr(image, "tile", ()))


def _is_white_zero(image: Image.Image) -> bool:
    """Whether 16-bit greys of a TIFF count from white; PIL turns round fewer bits only."""
    return image.mode.startswith("I") and getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO


def _check_range(path: Path, low: int, high: int) -> None:
    if 0 < high < LEAST_OF_16_BITS:
        raise DataError(
            f"{path} has 16-bit pixels, but only from {low} to {high} of 0 to 65535, so their range is not known; "
            "save it with 8 bits"
        )


def write_png(path: Path | str, image: np.ndarray, software: str = "") -> None:
    """Write a uint8 image ``(H, W, 3)`` as PNG: ``path`` holds the whole picture or what it held before.

    ``software`` names the program that made it, under PNG's standard keyword; "" names none.
    """
    mark = PngInfo()
    if software:
        mark.add_text("Software", software)
    write_atomically(Path(path), lambda file: Image.fromarray(image).save(file, format="PNG", pnginfo=mark))


def list_images(folder: Path | str) -> list[Path]:
    """The pictures directly in a folder, by suffix, in natural order (``2.png`` before ``10.png``).

    Hidden files are left out. So are subfolders and files of other kinds, and a UserWarning counts each kind.
    Raises DataError if there is no folder or no picture in it.
    """
    folder = Path(folder)
    known = SUFFIXES | PHONES if _reads_heif() else SUFFIXES
    images, others = [], Counter[str]()
    try:
        if not folder.is_dir():
            raise DataError(f"{folder} {'is no folder' if folder.exists() else 'does not exist'}")
        for path in folder.iterdir():
            suffix = path.suffix.lower()
            if path.name.startswith("."):
                continue
            if suffix in known and path.is_file():
                images.append(path)
            else:
                others["folder" if path.is_dir() else suffix or "file without suffix"] += 1
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror})") from error
    hint = f"; {NEEDS_HEIF}" if others.keys() & PHONES else ""
    left_out = "left out: " + ", ".join(f"{count} {kind}" for kind, count in sorted(others.items())) + hint
    if not images:
        reason = left_out if others else "it is empty"
        raise DataError(f"{folder} holds no picture (looked for {', '.join(sorted(known))}; {reason})")
    if others:
        warnings.warn(f"{folder}: {len(images)} pictures; {left_out}", stacklevel=2)
    return sorted(images, key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.findall(r"\d+|\D+", normalize("NFC", path.name).lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


# --- the papers' preprocessing -------------------------------------------------------------------------------------


def resize(image: Image.Image, size: int) -> Tensor:
    """A picture as uint8 ``(3, size, size)``: bicubic, antialiased, the aspect ratio given up, as in the papers.

    torchvision's kernel for tensors, which does not round as PIL's in the official code does: one value in 300 differs,
    by at most 2 grey levels.
    """
    pixels = transforms.pil_to_tensor(image)
    return transforms.resize(pixels, [size, size], interpolation=InterpolationMode.BICUBIC, antialias=True)


def resize_labels(labels: np.ndarray, size: int) -> np.ndarray:
    """A label map ``(H, W)`` of class numbers at ``(size, size)`` by nearest neighbour: no class between two others."""
    pixels = torch.from_numpy(labels)[None]
    return transforms.resize(pixels, [size, size], interpolation=InterpolationMode.NEAREST_EXACT)[0].numpy()


def jitter(images: Sequence[Tensor], size: int, rng: np.random.Generator) -> list[Tensor]:
    """Cut the same random square out of every image and mirror all of them or none, each with probability 1/2.

    With images of 286 px and ``size=256`` this is the jitter of pix2pix (offsets 0..30 on each axis). The numbers come
    from ``rng``, not from torch's global state, so a batch stays a pure function of its position in the stream.

    Args:
        images: tensors ``(C, H, W)`` of one height and width, at least ``size``; the two sides of a pair, say.

    Returns:
        Tensors ``(C, size, size)``.
    """
    height, width = images[0].shape[-2:]
    if any(image.shape[-2:] != (height, width) for image in images):
        raise ValueError(f"images of one size expected, got {[tuple(image.shape) for image in images]}")
    if min(height, width) < size:
        raise ValueError(f"a square of {size} px cannot be cut out of {width}x{height} px")
    top = int(rng.integers(0, height - size + 1))
    left = int(rng.integers(0, width - size + 1))
    mirrored = rng.random() < 0.5
    cut = [transforms.crop(image, top, left, size, size) for image in images]
    return [transforms.horizontal_flip(image) for image in cut] if mirrored else cut


def stack(images: Sequence[Tensor]) -> np.ndarray:
    """uint8 tensors ``(3, H, W)`` of one size → array ``(N, H, W, 3)``."""
    return torch.stack(list(images)).permute(0, 2, 3, 1).numpy()
