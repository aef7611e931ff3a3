"""Handwritten digits in two looks, for domain adaptation: white on black, and drawn into photographs.

``digits`` needs no download: scikit-learn's 1,797 digits and its two photographs. ``mnist_m`` and ``usps`` are the
paper's pairs MNIST → MNIST-M and MNIST → USPS. In every world source, target, tuning and evaluation digits are
different ones, and so are the pieces of photographs behind them. The chapter's settings were found on the tuning
split; no result is reported on it.
"""

import gzip
import hashlib
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from i2i_tutor.contract import Batch, Split, check_choice, check_whole
from i2i_tutor.data import adaptation, download
from i2i_tutor.data.adaptation import LabelledSet
from i2i_tutor.data.images import DataError, list_images, read_rgb
from i2i_tutor.data.streams import Stream, to_tensor, to_uint8
from i2i_tutor.data.truth import GroundTruth

Source = Literal["digits", "mnist_m", "usps"]
Look = Literal["source", "target", "fresh"]
SOURCES: tuple[str, ...] = get_args(Source)
CLASSES = tuple("0123456789")

SEED = 41  # of the splits and the fixed blends; never a run's seed
SHARES = {"source": 720, "train": 520, "tuning": 157, "evaluation": 400}  # of scikit-learn's 1,797 digits
MNIST_TUNING = 500  # digits at the end of the target's half
SMALLEST, LARGEST = 8, 64  # pixels


def blend(strokes: np.ndarray, background: np.ndarray) -> np.ndarray:
    """``|background - digit|``: the background inverted under the stroke, the recipe of MNIST-M.

    strokes: bool ``(N, S, S)``; background: uint8 ``(N, S, S, 3)``, also of the result. Blending twice with the same
    strokes gives the background back. Source: Ganin et al. 2016.
    """
    return np.where(strokes[..., None], 255 - background, background)


def train(
    source: Source,
    size: int,
    batch: int,
    seed: int,
    *,
    classes: int | None = None,
    ahead: int = 0,
) -> Stream:
    """Endless stream of labelled source digits and unlabelled target digits; keys in ``adaptation_stream``.

    Args:
        source: "digits"; "mnist_m" needs ``mnist`` and ``bsds500``, "usps" needs ``mnist`` and ``usps`` under
            ``I2I_DATA``; MNIST and USPS are downloaded if they are missing, BSDS500 cannot be.
        size: side of the images, 8 to 64 pixels.
        classes: leave out the digits from this one on, on both sides.
        ahead: batches made in advance in the background.

    Raises:
        ValueError: a wrong argument. DataError: the data are missing or damaged.
    """
    _check(source, size)
    left = _source_set(source, size).first_classes(classes)
    right = _target_set(source, size, "train").first_classes(classes)
    about = {"world": source, "size": size, "batch": batch, "classes": classes}
    return adaptation.adaptation_stream(left, right, batch, seed, ahead, about)


def labelled(source: Source, size: int, batch: int, seed: int, *, look: Look = "source", ahead: int = 0) -> Stream:
    """Endless stream of ``image`` and ``label`` for the references that may see labels.

    look: "source" for source-only; "target" for target-only, on the same target images that ``train`` shows without
    labels; "fresh" blends every source digit with a new piece of a training photograph each time, which is what a
    perfect generator would do.
    """
    _check(source, size)
    check_choice("look", look, get_args(Look))
    if look == "fresh" and source == "usps":
        raise ValueError("look is 'fresh', but there is no recipe for new USPS digits")
    photographs = _photographs(source, "train") if look == "fresh" else []

    def change(some: LabelledSet, rng: np.random.Generator) -> np.ndarray:
        strokes = some.masks
        assert strokes is not None
        return blend(strokes, adaptation.crops(photographs, len(some), size, rng))

    pictures = _target_set(source, size, "train") if look == "target" else _source_set(source, size)
    about = {"world": source, "look": look, "size": size, "batch": batch}
    return adaptation.labelled_stream(pictures, batch, seed, ahead, about, change if look == "fresh" else None)


def unlabelled(source: Source, size: int) -> Tensor:
    """Every target image that ``train`` shows, ``(N, 3, size, size)`` in [-1, 1]."""
    _check(source, size)
    return to_tensor(_target_set(source, size, "train").images)


def evaluation(source: Source, size: int, *, split: Split = "evaluation", count: int | None = None) -> Batch:
    """Digits that no training has seen, in both looks.

    Returns what ``adaptation.fixed_batch`` lists, of each side the first ``count`` (by default all). Raises like
    ``train``.
    """
    _check(source, size)
    check_choice("split", split, get_args(Split))
    return adaptation.fixed_batch(_source_set(source, size, split), _target_set(source, size, split), count)


def ground_truth(source: Source, size: int) -> GroundTruth:
    """Target-like pictures with their labels, for a judge that reads what a generator paints.

    It learns from fresh blends of the source's digits (``labelled``, look "fresh") and is tested on the target's
    evaluation digits. Raises like ``train``; ValueError for "usps", of which no fresh blends can be made.
    """
    _check(source, size)

    def held_out() -> Batch:
        batch = evaluation(source, size)
        return {"image": batch["target"], "label": batch["target_label"]}

    shown = labelled(source, size, 64, SEED, look="fresh").batch(0)["image"], held_out()["image"]
    return GroundTruth(
        name=f"digits-{source}-{size}",
        size=size,
        classes=len(CLASSES),
        train=lambda batch, seed: labelled(source, size, batch, seed, look="fresh"),
        held_out=held_out,
        fingerprint=hashlib.sha256(b"".join(to_uint8(images).tobytes() for images in shown)).hexdigest(),
    )


def _check(source: str, size: int) -> None:
    check_choice("source", source, SOURCES)
    check_whole("size", size, SMALLEST, LARGEST)


# --- the two looks -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _source_set(source: str, size: int, split: str = "source") -> LabelledSet:
    """White digits on black, three equal channels, and where their strokes are."""
    grey, strokes, labels = _digits(source, size, split)
    return LabelledSet(np.repeat(grey[..., None], 3, axis=-1), labels, strokes)


@lru_cache(maxsize=8)
def _target_set(source: str, size: int, split: str) -> LabelledSet:
    """One fixed picture of every target digit: as unlabelled real data are."""
    if source == "usps":
        grey, labels = _usps(split)
        return LabelledSet(np.repeat(_resized(grey, size)[..., None], 3, axis=-1), labels)
    _, strokes, labels = _digits(source, size, split)
    rng = np.random.default_rng((SEED, size, *split.encode()))
    backgrounds = adaptation.crops(_photographs(source, split), len(labels), size, rng)
    return LabelledSet(blend(strokes, backgrounds), labels, strokes, adaptation.is_light(backgrounds))


def _digits(source: str, size: int, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grey levels ``(N, size, size)`` uint8, strokes of the same shape (bool) and labels of a split."""
    if source == "digits":
        small, labels = _scikit_digits(split)
        grey = _resized(small, size)
        return grey, grey > 127, labels  # enlarged from 8 x 8 the digits are soft, so they are cut at half
    small, labels = _mnist(split)
    strokes = _resized(np.where(small > 0, 255, 0).astype(np.uint8), size) > 127
    return _resized(small, size), strokes, labels


def _resized(grey: np.ndarray, size: int) -> np.ndarray:
    """uint8 ``(N, H, W)`` → ``(N, size, size)``: bicubic from scikit-learn's 8 pixels, else bilinear.

    The official code resizes bilinearly too, but TensorFlow places the pixels differently: its values differ a little.
    """
    if grey.shape[-1] == size:
        return grey
    mode = "bicubic" if grey.shape[-1] == 8 else "bilinear"
    pixels = torch.from_numpy(grey[:, None].astype(np.float32))
    larger = F.interpolate(pixels, size, mode=mode, antialias=size < grey.shape[-1])
    return larger[:, 0].round().clamp(0, 255).byte().numpy()


# --- where digits and photographs come from ------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _scikit_digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits  # here, because scikit-learn takes a second to import

    everything = load_digits()
    parts = np.split(
        np.random.default_rng(SEED).permutation(len(everything.target)), np.cumsum([*SHARES.values()])[:-1]
    )
    chosen = dict(zip(SHARES, parts, strict=True))[split]
    grey = np.rint(everything.images[chosen] * (255 / 16)).astype(np.uint8)
    return grey, everything.target[chosen].astype(np.int64)


@lru_cache(maxsize=4)
def _mnist(split: str) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's training digits in two halves, source and target (its end for tuning); its test digits to evaluate."""
    kind = "t10k" if split == "evaluation" else "train"
    images, labels = _mnist_files(kind)
    half = len(labels) // 2
    part = {
        "source": slice(0, half),
        "train": slice(half, -MNIST_TUNING),
        "tuning": slice(-MNIST_TUNING, None),
        "evaluation": slice(None),
    }[split]
    return images[part], labels[part]


def _mnist_files(kind: str) -> tuple[np.ndarray, np.ndarray]:
    folder = download.find("mnist")
    if folder is not None:
        return _idx(folder / f"{kind}-images-idx3-ubyte.gz"), _idx(folder / f"{kind}-labels-idx1-ubyte.gz").astype(
            np.int64
        )
    from torchvision.datasets import MNIST  # type: ignore[import-untyped]

    try:
        downloaded = MNIST(str(download.cache_folder()), train=kind == "train", download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"MNIST is neither in $I2I_DATA/mnist nor can it be downloaded ({error})") from error
    return downloaded.data.numpy(), downloaded.targets.numpy()


def _idx(path: Path) -> np.ndarray:
    """The array of a gzipped idx file of bytes: two zeros, type 8, number of axes, their lengths, the values."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is missing or no whole gzip file ({error})") from error
    axes = content[3] if content[:3] == b"\0\0\x08" else 0
    shape = tuple(np.frombuffer(content, ">i4", axes, 4)) if len(content) >= 4 + 4 * axes else ()
    if not axes or len(content) != 4 + 4 * axes + int(np.prod(shape)):
        raise DataError(f"{path} is no idx file of bytes, or is cut short")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


@lru_cache(maxsize=4)
def _usps(split: str) -> tuple[np.ndarray, np.ndarray]:
    """USPS: of its 7,291 training digits the last tenth is for tuning; its 2,007 test digits to evaluate."""
    from torchvision.datasets import USPS

    folder = download.find("usps")
    place = folder or download.cache_folder() / "usps"
    try:
        place.mkdir(parents=True, exist_ok=True)
        found = USPS(str(place), train=split != "evaluation", download=folder is None)
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        raise DataError(
            "USPS is neither whole in $I2I_DATA/usps, as usps.bz2 and usps.t.bz2 (LIBSVM's copies), nor can it be "
            f"downloaded ({error})"
        ) from error
    images, labels = found.data, np.asarray(found.targets, np.int64)
    tenth = len(labels) // 10
    part = {"train": slice(0, -tenth), "tuning": slice(-tenth, None), "evaluation": slice(None)}[split]
    return images[part], labels[part]


@lru_cache(maxsize=4)
def _photographs(source: str, split: str) -> list[np.ndarray]:
    if source == "digits":
        return adaptation.bundled_photographs(split)
    folder = download.find("bsds500")
    name = {"train": "train", "tuning": "val", "evaluation": "test"}[split]
    places = [] if folder is None else [folder / name, folder / "BSDS500/data/images" / name, folder / "images" / name]
    for place in places:
        if place.is_dir():
            return [np.asarray(read_rgb(path)) for path in list_images(place)]
    raise DataError(
        "MNIST-M is made with the photographs of BSDS500, which must be asked for at Berkeley: put its folders train, "
        "val and test (of data/images) into $I2I_DATA/bsds500"
    )
