"""Photographs of horses, half of them striped by a small renderer: two real piles whose truth is known.

The set is ``weizmann_horse``: photographs with the horses' masks, in the folders ``images`` and ``masks`` under
``I2I_DATA``. Inside its mask every horse can be striped, so each photograph has its exact counterfactual. Of six photos
in a row two become horses of the training, two others striped ones; the last two are kept for tuning and evaluation.
Two photographs are in the set twice, so a scene of the evaluation may have been in the training.
"""

import zlib
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_whole
from i2i_tutor.data import download, folders
from i2i_tutor.data.images import MIN_SIDE, DataError, resize, stack
from i2i_tutor.data.shelf import Item, Shelf
from i2i_tutor.data.streams import Stream, epoch_indices, to_tensor, unrelated

Source = Literal["weizmann_horse"]
SOURCES: tuple[str, ...] = get_args(Source)
PLACES = {"a": (0, 2), "b": (1, 3), "tuning": (4,), "evaluation": (5,)}  # in every six photos
STRIPES = 7  # across a horse's own width
LIGHT, DARK = np.array([(0.96, 0.95, 0.92), (0.09, 0.08, 0.09)]) * 255


def train(source: Source, size: int, batch: int, seed: int, *, load_size: int | None = None, ahead: int = 0) -> Stream:
    """Endless stream of ``a``, horses as they are, and ``b``, other horses with stripes.

    Both are float32 ``(N, 3, size, size)`` in [-1, 1]. Photographs are resized to ``load_size`` (by default
    286/256 of ``size``), cropped and mirrored at random.

    Raises:
        ValueError: a wrong argument. DataError: the set is not there, or a photograph or its mask cannot be used.
    """
    check_choice("source", source, SOURCES)
    check_whole("size", size, MIN_SIDE)
    load_size = folders.check_sizes(size, batch, load_size)
    shelves = [Shelf(_items(side), load_size, read) for side, read in (("a", _plain), ("b", _striped))]

    def make(position: int, rng: np.random.Generator) -> Batch:
        made = {}
        for key, shelf, order in zip("ab", shelves, (seed, unrelated(seed)), strict=True):
            (pictures,) = shelf.batch(epoch_indices(position, batch, len(shelf), order), size, rng)
            made[key] = to_tensor(pictures)
        return made

    about = {"source": source, "size": size, "batch": batch, "a": len(shelves[0]), "b": len(shelves[1])}
    return Stream(make, seed, ahead, about)


def evaluation(source: Source, size: int, *, split: Split = "evaluation", count: int | None = None) -> Batch:
    """The first ``count`` photographs, by default all, that no training shows.

    Here, and only here, ``a`` and ``b`` are the same photographs, as they are and with stripes. ``mask``, float32
    ``(N, 1, size, size)``, is 1 on the horse and 0 elsewhere. Raises like ``train``.
    """
    check_choice("source", source, SOURCES)
    check_whole("size", size, MIN_SIDE)
    check_choice("split", split, get_args(Split))
    items = _items(split)
    items = items[: check_count(count, len(items), source)]
    sides = {
        key: to_tensor(stack([resize(*read(item), size) for item in items]))
        for key, read in (("a", _plain), ("b", _striped), ("mask", _mask))
    }
    return sides | {"mask": (sides["mask"][:, :1] > 0).float()}


def stripe(image: np.ndarray, mask: np.ndarray, number: int) -> np.ndarray:
    """An image ``(H, W, 3)`` uint8 with stripes where the mask ``(H, W)`` is true; ``number`` chooses their course.

    The stripes keep the light and shade of the coat that they cover. Nothing changes outside of the mask.
    """
    phase, slant, wave = np.random.default_rng(number).random(3)
    rows, columns = np.nonzero(mask)
    u = (columns - columns.min()) / max(1, np.ptp(columns))
    v = (rows - rows.min()) / max(1, np.ptp(rows))
    course = u + 0.3 * (slant - 0.5) * v + 0.03 * np.sin(2 * np.pi * (1.5 * v + wave))
    dark = np.clip(0.5 + 2 * np.sin(2 * np.pi * (STRIPES * course + phase)), 0, 1)[:, None]
    coat = image[mask].mean(axis=1, keepdims=True)
    shade = np.clip(coat / max(1.0, float(coat.mean())), 0.6, 1.2)
    striped = image.copy()
    striped[mask] = np.clip((LIGHT + (DARK - LIGHT) * dark) * shade, 0, 255).round()
    return striped


def _items(part: str) -> list[Item]:
    (name,) = SOURCES
    root = download.find(name)
    if root is None:
        raise DataError(f"{name} is looked for in the folder of that name under I2I_DATA, and is not there")
    items = folders.find_pairs(root / "images", root / "masks")
    if len(items) < 6:
        raise DataError(f"{root} holds {len(items)} photographs; at least 6 are needed for all parts of the set")
    return [item for place, item in enumerate(items) if place % 6 in PLACES[part]]


def _read(item: Item) -> tuple[Image.Image, np.ndarray]:
    image, drawn = folders.read_pair(item)
    mask = np.asarray(drawn)[..., 0] > 127
    if not mask.any():
        raise DataError(f"{Path(item[1])} is black everywhere; a mask shows its horse in white")
    return image, mask


def _plain(item: Item) -> tuple[Image.Image]:
    return (_read(item)[0],)


def _striped(item: Item) -> tuple[Image.Image]:
    image, mask = _read(item)
    return (Image.fromarray(stripe(np.asarray(image), mask, zlib.crc32(item[0].stem.encode()))),)


def _mask(item: Item) -> tuple[Image.Image]:
    return (Image.fromarray(_read(item)[1]).convert("RGB"),)
