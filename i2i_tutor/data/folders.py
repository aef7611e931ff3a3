"""Your own pictures: a folder of side-by-side pairs, two folders of partners, or two unrelated folders.

Each of ``pairs`` and ``unpaired`` gives a stream to train a method on::

    fit(Pix2Pix(recipe), folders.pairs("my_pairs", size=recipe.size, batch=recipe.batch), folder="runs/mine")
"""

import re
import warnings
from pathlib import Path
from typing import get_args
from unicodedata import normalize

import numpy as np
from PIL import Image

from i2i_tutor.contract import Batch, Direction, check_choice, check_whole
from i2i_tutor.data.images import DataError, list_images, read_rgb, resize, stack
from i2i_tutor.data.shelf import Item, Shelf
from i2i_tutor.data.streams import Stream, epoch_indices, to_tensor, unrelated

FOLDERS = {"evaluation": "test", "tuning": "val"}  # what the papers' sets call their splits
LEAST, SQUARE = 1.1, (0.9, 1.1)  # width by height: of two pictures side by side at least, and of one that is square


# --- the doors -----------------------------------------------------------------------------------------------------


def pairs(
    folder: Path | str,
    folder_b: Path | str | None = None,
    *,
    size: int,
    batch: int,
    seed: int = 0,
    direction: Direction = "AtoB",
    load_size: int | None = None,
    ahead: int = 0,
) -> Stream:
    """Stream of ``input`` and ``target`` from your own pairs, found by ``find_pairs``.

    Pictures are resized to ``load_size`` (by default 286/256 of ``size``), cropped to ``size`` and mirrored at random,
    both sides of a pair alike, and reshuffled in every epoch. All pictures are checked at once; see ``Shelf``.

    Args:
        folder, folder_b: one folder of files with A left and B right, or a folder of A and one of B.
        direction: "AtoB" makes A the input, "BtoA" B.
        ahead: batches made in advance in the background.

    Raises:
        ValueError: a wrong number.
        DataError: a folder is missing or has no picture, or a picture has no partner, is damaged, differs in size from
            its partner, or cannot be two pictures side by side, naming the files.

    Warns:
        UserWarning: the halves of one folder's pictures are not square, so perhaps they are no pairs.
    """
    check_choice("direction", direction, get_args(Direction))
    load_size = check_sizes(size, batch, load_size)
    items = find_pairs(folder, folder_b)
    shelf = Shelf(items, load_size, read_pair)
    _warn_of_shape(items[0])

    def make(position: int, rng: np.random.Generator) -> Batch:
        a, b = shelf.batch(epoch_indices(position, batch, len(shelf), seed), size, rng)
        first, second = (a, b) if direction == "AtoB" else (b, a)
        return {"input": to_tensor(first), "target": to_tensor(second)}

    return Stream(make, seed, ahead, {"pairs": len(shelf), "size": size, "batch": batch, "direction": direction})


def unpaired(
    folder_a: Path | str,
    folder_b: Path | str,
    *,
    size: int,
    batch: int,
    seed: int = 0,
    load_size: int | None = None,
    ahead: int = 0,
) -> Stream:
    """Stream of ``a`` and ``b`` from two folders that have nothing to do with each other; otherwise like ``pairs``.

    Each side is shuffled by itself in every epoch, so that every picture is shown equally often. The official code
    draws b with replacement instead, and calls one pass over the larger folder an epoch.
    """
    load_size = check_sizes(size, batch, load_size)
    shelf_a, shelf_b = (
        Shelf([(path,) for path in list_images(folder)], load_size, _read_one) for folder in (folder_a, folder_b)
    )

    def make(position: int, rng: np.random.Generator) -> Batch:
        (a,) = shelf_a.batch(epoch_indices(position, batch, len(shelf_a), seed), size, rng)
        (b,) = shelf_b.batch(epoch_indices(position, batch, len(shelf_b), unrelated(seed)), size, rng)
        return {"a": to_tensor(a), "b": to_tensor(b)}

    return Stream(make, seed, ahead, {"a": len(shelf_a), "b": len(shelf_b), "size": size, "batch": batch})


def evaluation(
    folder: Path | str, folder_b: Path | str | None = None, *, size: int, direction: Direction = "AtoB"
) -> Batch:
    """All your pairs in natural order as one batch of ``input`` and ``target``, only resized. Raises like ``pairs``."""
    check_choice("direction", direction, get_args(Direction))
    check_sizes(size, 1, size)
    a, b = zip(*([resize(x, size) for x in read_pair(item)] for item in find_pairs(folder, folder_b)), strict=True)
    first, second = (a, b) if direction == "AtoB" else (b, a)
    return {"input": to_tensor(stack(first)), "target": to_tensor(stack(second))}


# --- which files belong together -----------------------------------------------------------------------------------


def find_pairs(folder: Path | str, folder_b: Path | str | None = None) -> list[Item]:
    """The pairs of one folder, whose files hold A in their left half and B in their right, or of two, in natural order.

    Of two folders those files belong together whose names agree without suffix and without a final ``_A`` or ``_B``,
    in whichever way their accents are encoded.
    Raises DataError naming files without a partner, or two files of one folder that claim the same name.
    """
    if folder_b is None:
        return [(path,) for path in list_images(folder)]
    a, b = _by_name(folder), _by_name(folder_b)
    for mine, theirs, there in ((a, b, folder_b), (b, a, folder)):
        lonely = [str(path) for name, path in mine.items() if name not in theirs]
        if lonely:
            more = f" and {len(lonely) - 3} more" if len(lonely) > 3 else ""
            raise DataError(f"no partner in {there} for {', '.join(lonely[:3])}{more}")
    return [(path, b[name]) for name, path in a.items()]


def _by_name(folder: Path | str) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in list_images(folder):
        name = re.sub(r"_[AB]$", "", normalize("NFC", path.stem))  # macOS and Linux write one name in two ways
        if name in named:
            raise DataError(f"{named[name]} and {path} are both called {name!r}; one picture of each name expected")
        named[name] = path
    return named


def read_pair(item: Item) -> tuple[Image.Image, Image.Image]:
    """Read A and B. Raises DataError naming the files if their sizes differ or one file is no pair."""
    if len(item) == 1:
        both = read_rgb(item[0])
        if both.width < LEAST * both.height:
            raise DataError(
                f"{item[0]} is {both.width}x{both.height} px; A and B side by side are wider than high, about 2:1 "
                "(if A and B are single pictures, give the two folders as folder and folder_b)"
            )
        if both.width % 2:
            raise DataError(f"{item[0]} is {both.width} px wide; two pictures side by side have an even width")
        middle = both.width // 2
        return both.crop((0, 0, middle, both.height)), both.crop((middle, 0, both.width, both.height))
    a, b = read_rgb(item[0]), read_rgb(item[1])
    if a.size != b.size:
        raise DataError(
            f"{item[0]} is {a.width}x{a.height} px and its partner {item[1]} {b.width}x{b.height}; "
            "the two pictures of a pair have one size"
        )
    return a, b


def _warn_of_shape(item: Item) -> None:
    """Ordinary pictures in landscape format look like two in portrait format side by side; a person can tell."""
    if len(item) == 1:
        half, _ = read_pair(item)
        if not SQUARE[0] <= half.width / half.height <= SQUARE[1]:
            warnings.warn(
                f"{item[0]} is cut into A and B of {half.width}x{half.height} px each; "
                "if A and B are single pictures, give the two folders as folder and folder_b",
                stacklevel=3,
            )


def _read_one(item: Item) -> tuple[Image.Image]:
    return (read_rgb(item[0]),)


# --- numbers ------------------------------------------------------------------------------------------------------


def check_sizes(size: int, batch: int, load_size: int | None) -> int:
    """Return ``load_size``, by default the papers' 286/256 of ``size``; ValueError if the numbers do not fit."""
    check_whole("size", size, 1)
    check_whole("batch", batch, 1)
    if load_size is None:
        return round(size * 286 / 256)
    check_whole("load_size", load_size, size)  # crops of ``size`` need at least that much
    return load_size
