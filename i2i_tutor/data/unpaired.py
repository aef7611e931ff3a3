"""Two sets of pictures that belong to nobody's pairs: the façade worlds, and sets in CycleGAN's layout of four folders.

A set in that layout has ``trainA``, ``trainB``, ``testA`` and ``testB``. It is found under its name in ``I2I_DATA``; of
those that the CycleGAN paper published the archive is downloaded otherwise. Your own two folders: ``folders.unpaired``.
"""

import os
from pathlib import Path
from typing import get_args

from i2i_tutor.data import download, facades, folders
from i2i_tutor.data.images import DataError, list_images, read_rgb, resize, stack
from i2i_tutor.data.streams import Batch, Stream, to_tensor

PAPER = tuple(name for name in download.ARCHIVES if name not in ("facades", "cityscapes", "maps"))  # sets of no pairs
SOURCES: tuple[str, ...] = (*get_args(facades.Source), "apple2orange_grocery", *PAPER)


def train(
    source: str = "procedural",
    size: int = 64,
    batch: int = 1,
    seed: int = 0,
    load_size: int | None = None,
    ahead: int = 0,
) -> Stream:
    """Endless stream of ``a`` and ``b``, float32 ``(N, 3, size, size)`` in [-1, 1], drawn independently of each other.

    Of the façade worlds ("procedural", "cmp") a is the label map and b the photograph, of different houses. Pictures of
    files are resized to ``load_size`` (by default 286/256 of ``size``), cropped and mirrored at random.

    Raises:
        ValueError: a wrong argument. DataError, DownloadError: the pictures are damaged or cannot be had.
    """
    _check(source)
    if source in facades.SOURCES:
        return facades.train(size, batch, seed, "labels_to_photo", source, load_size, ahead, paired=False)  # type: ignore[arg-type]
    folder_a, folder_b = _folders(source, "train")
    return folders.unpaired(folder_a, folder_b, size=size, batch=batch, seed=seed, load_size=load_size, ahead=ahead)


def evaluation(source: str = "procedural", size: int = 64, count: int = 100) -> Batch:
    """The first ``count`` pictures of the fixed test sets as ``a`` and ``b``, float32 ``(N, 3, size, size)``.

    Here, and only here, ``a`` and ``b`` of a façade world show the same houses, so that a translation can be judged,
    and ``labels`` holds the true classes, int64 ``(N, size, size)``. Of other sets nothing is known.
    """
    _check(source)
    if source in facades.SOURCES:
        held = facades.evaluation(size, count, source=source)  # type: ignore[arg-type]
        return {"a": held["input"], "b": held["target"], "labels": held["labels"]}
    batch = {}
    for side, folder in zip("ab", _folders(source, "test"), strict=True):
        files = list_images(folder)
        if not 1 <= count <= len(files):
            raise ValueError(f"count is {count}, but {folder} has {len(files)} pictures")
        batch[side] = to_tensor(stack([resize(read_rgb(path), size) for path in files[:count]]))
    return batch


def _check(source: str) -> None:
    if source not in SOURCES:
        raise ValueError(f"source is {source!r}; expected one of {', '.join(SOURCES)}")


def _folders(source: str, split: str) -> tuple[Path, Path]:
    own = os.environ.get("I2I_DATA")
    root = Path(own) / source if own else None
    if root is None or not root.is_dir():
        if source not in download.ARCHIVES:
            raise DataError(f"{source} is looked for in the folder of that name under I2I_DATA, and is not there")
        root = download.fetch(download.ARCHIVES[source])
    return root / f"{split}A", root / f"{split}B"
