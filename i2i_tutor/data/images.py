"""Pictures on disk: reading what people really have, writing PNG, and the papers' resize, crop and flip."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode  # type: ignore[import-untyped]
from torchvision.transforms.v2 import functional as transforms

from i2i_tutor.files import write_atomically

# Only formats that are plain pixels: PIL would hand EPS to an interpreter of programs.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
MIN_SIDE = 8
MAX_PIXELS = 80_000_000  # 240 MB as RGB; a few kilobytes of PNG can claim far more


class DataError(ValueError):
    """A picture or a folder of pictures cannot be used; the message names it and the reason."""


def read_rgb(path: Path | str) -> Image.Image:
    """Read a picture as 8-bit RGB, upright.

    The EXIF orientation is applied. Transparency is laid on white. Grey, palette and CMYK become RGB; 16-bit grey is
    scaled from 0..65535 to 0..255. Of several frames the first counts.

    Raises:
        DataError: the file is missing, empty, damaged, cut short, no picture of a known format, of 32-bit or
            floating-point pixels (whose range nobody states), smaller than 8 px on a side, or above 80 million pixels.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path} {'is no file' if path.exists() else 'does not exist'}")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes)")
    try:
        with Image.open(path, formats=FORMATS) as image:  # reads the header only
            _check_sides(path, *image.size)
            return _to_rgb(path, ImageOps.exif_transpose(image))
    except (DataError, MemoryError):
        raise
    except Image.UnidentifiedImageError:
        raise DataError(f"{path} is no picture in a format known here ({', '.join(FORMATS)})") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path} claims more than {MAX_PIXELS:,} pixels") from None
    except Exception as error:  # on damaged bytes PIL's decoders raise a dozen different types
        raise DataError(f"{path} is damaged or cut short ({error})") from error


def _check_sides(path: Path, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise DataError(f"{path} is {width}x{height} px; expected at least {MIN_SIDE} px on each side")
    if width * height > MAX_PIXELS:
        raise DataError(f"{path} claims {width}x{height} px; expected at most {MAX_PIXELS:,} pixels")


def _to_rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise DataError(f"{path} has floating-point pixels, whose range is not known; save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # PIL's own conversion would clip 16 bits at 255
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise DataError(f"{path} has 32-bit pixels, whose range is not known; save it with 8 or 16 bits")
        return Image.fromarray(np.round(grey / 257).astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def write_png(path: Path | str, image: np.ndarray) -> None:
    """Write a uint8 image ``(H, W, 3)`` as PNG: ``path`` holds the whole picture or what it held before."""
    write_atomically(Path(path), lambda file: Image.fromarray(image).save(file, format="PNG"))


def list_images(folder: Path | str) -> list[Path]:
    """The pictures directly in a folder, by suffix, in natural order (``2.png`` before ``10.png``).

    Hidden files and files of other kinds are left out. Raises DataError where there is no folder or no picture in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} {'is no folder' if folder.exists() else 'does not exist'}")
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    images = [path for path in visible if path.suffix.lower() in SUFFIXES and path.is_file()]
    if not images:
        raise DataError(f"{folder} holds no picture (looked for {', '.join(sorted(SUFFIXES))})")
    return sorted(images, key=_natural)


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


# --- the papers' preprocessing -------------------------------------------------------------------------------------


def resize(image: Image.Image, size: int) -> Tensor:
    """A picture as uint8 ``(3, size, size)``: bicubic, antialiased, the aspect ratio given up, as in the papers."""
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
