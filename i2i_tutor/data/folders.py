"""Your own pictures: a folder of side-by-side pairs, two folders of partners, or two folders that never met.

Every door gives a stream that any fitting method trains on::

    fit(Pix2Pix(recipe), folders.pairs("my_pairs", size=recipe.size, batch=recipe.batch), folder="runs/mine")
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image
from torch import Tensor

from i2i_tutor.data.images import DataError, jitter, list_images, read_rgb, resize, stack
from i2i_tutor.data.streams import Batch, Stream, epoch_indices, to_tensor

Direction = Literal["AtoB", "BtoA"]
Item = tuple[Path, ...]  # (one file,) or (file of A, file of B)
MEMORY = 512 * 2**20  # bytes of resized pictures that one stream keeps


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
    both sides of a pair alike, and shuffled anew in every epoch. A file is read when its turn comes.

    Args:
        folder, folder_b: one folder of files with A left and B right, or a folder of A and one of B.
        direction: "AtoB" makes A the input, "BtoA" B.
        ahead: batches made in advance in the background.

    Raises:
        ValueError: a wrong number.
        DataError: at once where a folder is missing, has no picture or a picture without a partner; in the stream where
            a file is damaged or the two sides of a pair differ in size, naming the file.
    """
    _check_direction(direction)
    shelf = Shelf(find_pairs(folder, folder_b), check_sizes(size, batch, load_size), read_pair)

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
    """Stream of ``a`` and ``b`` from two folders that have nothing to do with each other; otherwise like ``pairs``."""
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
    _check_direction(direction)
    check_sizes(size, 1, size)
    a, b = zip(*([resize(x, size) for x in read_pair(item)] for item in find_pairs(folder, folder_b)), strict=True)
    first, second = (a, b) if direction == "AtoB" else (b, a)
    return {"input": to_tensor(stack(first)), "target": to_tensor(stack(second))}


# --- which files belong together -----------------------------------------------------------------------------------


def find_pairs(folder: Path | str, folder_b: Path | str | None = None) -> list[Item]:
    """The pairs of one folder, whose files hold A in their left half and B in their right, or of two, in natural order.

    Of two folders those files belong together whose names agree without suffix and without a final ``_A`` or ``_B``.
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
        name = re.sub(r"_[AB]$", "", path.stem)
        if name in named:
            raise DataError(f"{named[name]} and {path} are both called {name!r}; one picture of each name expected")
        named[name] = path
    return named


def read_pair(item: Item) -> tuple[Image.Image, Image.Image]:
    """Read A and B. Raises DataError naming the files where their sizes differ or one file has no middle."""
    if len(item) == 1:
        both = read_rgb(item[0])
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


def _read_one(item: Item) -> tuple[Image.Image]:
    return (read_rgb(item[0]),)


# --- batches -------------------------------------------------------------------------------------------------------


class Shelf:
    """Pictures on disk, each read and resized to ``load_size`` when first asked for, and kept while ``MEMORY`` lasts.

    Args:
        items: files, one or two an item.
        load_size: side of the square to which every picture is resized.
        read: function of an item to its pictures: one, or the two of a pair.
    """

    def __init__(self, items: Sequence[Item], load_size: int, read: Callable[[Item], tuple[Image.Image, ...]]):
        self._items, self._load_size, self._read = items, load_size, read
        self._kept: dict[int, tuple[Tensor, ...]] = {}
        self._free = MEMORY

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """The item's pictures as uint8 ``(3, load_size, load_size)``."""
        if index in self._kept:
            return self._kept[index]
        images = tuple(resize(image, self._load_size) for image in self._read(self._items[index]))
        needed = sum(image.numel() for image in images)
        if needed <= self._free:
            self._free -= needed
            self._kept[index] = images
        return images

    def batch(self, indices: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Jittered items, for each side an array ``(N, size, size, 3)``; the sides of an item are cut alike."""
        items = [jitter(self[int(index)], size, rng) for index in indices]
        return tuple(stack(side) for side in zip(*items, strict=True))


def check_sizes(size: int, batch: int, load_size: int | None) -> int:
    """Return ``load_size``, by default the papers' 286/256 of ``size``; ValueError where the numbers do not fit."""
    if size < 1 or batch < 1:
        raise ValueError(f"size is {size} and batch {batch}; expected at least 1 each")
    if load_size is None:
        return round(size * 286 / 256)
    if load_size < size:
        raise ValueError(f"load_size is {load_size}; crops of {size} px need at least that much")
    return load_size


def unrelated(seed: int) -> int:
    """Another seed, so that two sets are shuffled independently of each other."""
    return seed + 2**32


def _check_direction(direction: str) -> None:
    if direction not in get_args(Direction):
        raise ValueError(f"direction is {direction!r}; expected {' or '.join(map(repr, get_args(Direction)))}")
