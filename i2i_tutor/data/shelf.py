"""Pictures on disk behind a stream: all are checked before a training starts, and kept in memory while there is room.

A picture that is cut short must not end a training hours later, when its turn comes, so every one is decoded once at
the start. What was found good is remembered in the cache folder by path, size and time of change.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from i2i_tutor import __version__, progress
from i2i_tutor.data.download import cache_folder
from i2i_tutor.data.images import DataError, jitter, resize, stack
from i2i_tutor.files import write_atomically

Item = tuple[Path, ...]  # (one file,) or (file of A, file of B)
Pictures = tuple[Tensor, ...]  # of one item, uint8
Read = Callable[[Item], tuple[Image.Image, ...]]
MEMORY = 512 * 2**20  # bytes of resized pictures that one shelf keeps
THREADS = min(8, os.cpu_count() or 1)  # each may hold a picture of 240 MB
REMEMBERED = 200_000  # items; the file then has 3.4 MB
NAMED = 3  # broken pictures that a sentence spells out


class Shelf:
    """Pictures on disk, resized to ``load_size`` and kept while ``MEMORY`` lasts, else read again.

    Args:
        items: files, one or two an item.
        load_size: side of the square to which every picture is resized.
        read: function of an item to its pictures: one, or the two of a pair.

    Raises:
        DataError: pictures that cannot be read, naming them. All are decoded, in threads and with a progress bar,
            unless they were found good before.
    """

    def __init__(self, items: Sequence[Item], load_size: int, read: Read):
        self._items, self._load_size, self._read = items, load_size, read
        self._kept: dict[int, Pictures] = {}
        self._free = MEMORY
        self._check()

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Pictures:
        """The item's pictures as uint8 ``(3, load_size, load_size)``."""
        if index not in self._kept:
            return self._keep(index, self._load(index))
        return self._kept[index]

    def batch(self, indices: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Jittered items, for each side an array ``(N, size, size, 3)``; the sides of an item are cut alike."""
        items = [jitter(self[int(index)], size, rng) for index in indices]
        return tuple(stack(side) for side in zip(*items, strict=True))

    def _load(self, index: int) -> Pictures:
        return tuple(resize(image, self._load_size) for image in self._read(self._items[index]))

    def _keep(self, index: int, images: Pictures) -> Pictures:
        needed = sum(image.numel() for image in images)
        if needed <= self._free:
            self._free -= needed
            self._kept[index] = images
        return images

    def _check(self) -> None:
        signatures = [_signature(item, self._read) for item in self._items]
        known = _remembered()
        unknown = [index for index, signature in enumerate(signatures) if signature not in known]
        good, failures = [], []
        for index, loaded in zip(unknown, _in_threads(self._try, unknown), strict=True):
            if isinstance(loaded, DataError):
                failures.append(str(loaded))
            else:
                self._keep(index, loaded)
                good.append(signatures[index])
        _remember(known, good)
        if len(failures) > 1:
            more = f"; and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
            failures = [f"{len(failures)} of {len(self)} cannot be used: {'; '.join(failures[:NAMED])}{more}"]
        if failures:
            raise DataError(failures[0])

    def _try(self, index: int) -> Pictures | DataError:
        try:
            return self._load(index)
        except DataError as error:
            return error


def _in_threads(
    function: Callable[[int], Pictures | DataError], indices: Sequence[int]
) -> Iterator[Pictures | DataError]:
    """``function`` of every index, in order, several at a time (decoding lets go of the interpreter's lock)."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="check")
    try:
        results = pool.map(function, indices)
        with progress.bar(len(indices), title="check", unit="picture", shown=None if indices else False) as bar:
            for result in results:
                yield result
                bar.update()
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for thousands of pictures


# --- what was found good before ------------------------------------------------------------------------------------


def _signature(item: Item, read: Read) -> str:
    """Changes whenever a file, the way it is read, or this package changes."""
    about: list[object] = [__version__, read.__name__]
    for path in item:
        with contextlib.suppress(OSError):  # a file that is not there is never found good
            status = path.stat()
            about += [os.path.abspath(path), status.st_size, status.st_mtime_ns]
    return hashlib.sha256(repr(about).encode()).hexdigest()[:16]


def _memory() -> Path:
    return cache_folder() / "checked-pictures.txt"


def _remembered() -> dict[str, None]:
    """Signatures in the order in which they were noted; none if the file is not there. What is damaged matches none."""
    try:
        return dict.fromkeys(_memory().read_bytes().decode("ascii", "replace").split())
    except OSError:
        return {}


def _remember(known: dict[str, None], good: Sequence[str]) -> None:
    if good:
        text = "\n".join([*known, *good][-REMEMBERED:])
        with contextlib.suppress(OSError):  # a folder that cannot be written to only costs time
            write_atomically(_memory(), lambda file: file.write(text.encode()))
