"""Unpaired image sets: drawn worlds, the CMP façades, and folders in CycleGAN's layout.

A set in that layout has the folders ``trainA``, ``trainB``, ``testA`` and ``testB``. It is found under its name in
``I2I_DATA``; those of the CycleGAN paper are downloaded if they are not there. Your own two folders:
``folders.unpaired``.
"""

from pathlib import Path
from typing import Any, get_args

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_whole
from i2i_tutor.data import download, facades, folders, safari
from i2i_tutor.data.images import DataError, list_images, read_rgb, resize, stack
from i2i_tutor.data.streams import Stream, to_tensor

PAPER = tuple(name for name in download.ARCHIVES if name not in ("facades", "cityscapes", "maps"))  # sets of no pairs
# Views of the façade world. By day and at night the city is of one stone, so that the windows are what changes.
HOUSES: dict[str, dict[str, Any]] = {
    "day_night": {"source": "procedural", "task": "day_to_night", "variety": 0.0},
    "facades": {"source": "procedural", "task": "labels_to_photo"},
    "cmp": {"source": "cmp", "task": "labels_to_photo"},
}
SOURCES: tuple[str, ...] = ("safari", *HOUSES, "apple2orange_grocery", *PAPER)


def train(
    source: str,
    size: int,
    batch: int,
    seed: int,
    *,
    load_size: int | None = None,
    ahead: int = 0,
) -> Stream:
    """Endless stream of ``a`` and ``b``, float32 ``(N, 3, size, size)`` in [-1, 1], drawn independently of each other.

    a and b are horses and zebras ("safari"), drawn houses of one stone by day and at night ("day_night"), label maps
    and photographs of drawn houses ("facades") or of real ones ("cmp"), or the two folders of a set. Pictures of files
    are resized to ``load_size`` (by default 286/256 of ``size``), cropped and mirrored at random.

    Raises:
        ValueError: a wrong argument. DataError, DownloadError: the pictures are damaged or missing.
    """
    check_choice("source", source, SOURCES)
    if source == "safari":
        return safari.train("procedural", size, batch, seed, ahead=ahead)
    if source in HOUSES:
        views = {"size": size, "batch": batch, "seed": seed, "paired": False, **HOUSES[source]}
        return facades.train(**views, load_size=load_size, ahead=ahead)
    folder_a, folder_b = _folders(source, "train")
    return folders.unpaired(folder_a, folder_b, size=size, batch=batch, seed=seed, load_size=load_size, ahead=ahead)


def evaluation(source: str, size: int, *, split: Split = "evaluation", count: int | None = None) -> Batch:
    """The first ``count`` pictures of two fixed sets as ``a`` and ``b``, float32 ``(N, 3, size, size)``.

    Here, and only here, ``a`` and ``b`` of a drawn world and of "cmp" show the same scenes, so that a translation can
    be judged. Of "safari" ``mask`` is where the animals are, float32 ``(N, 1, size, size)``; of houses ``labels`` holds
    the true classes, int64 ``(N, size, size)``. Of other sets nothing is known.

    Args:
        split: "evaluation" is the folders ``testA`` and ``testB``, "tuning" ``valA`` and ``valB`` of sets that have
            them.
        count: by default all pictures, on either side as many as there are, and 100 scenes of a drawn world.

    Raises:
        ValueError: a wrong argument. DataError, DownloadError: the pictures are damaged or missing.
    """
    check_choice("source", source, SOURCES)
    if source == "safari":
        return safari.evaluation("procedural", size, split=split, count=count)
    if source in HOUSES:
        held = facades.evaluation(size=size, split=split, count=count, **HOUSES[source])
        return {"a": held["input"], "b": held["target"], "labels": held["labels"]}
    check_whole("size", size, 1)
    check_choice("split", split, get_args(Split))
    batch = {}
    for side, folder in zip("ab", _folders(source, folders.FOLDERS[split]), strict=True):
        files = list_images(folder)
        shown = files[: check_count(count, len(files), str(folder))]
        batch[side] = to_tensor(stack([resize(read_rgb(path), size) for path in shown]))
    return batch


def _folders(source: str, split: str) -> tuple[Path, Path]:
    root = download.find(source)
    if root is None:
        if source not in download.ARCHIVES:
            raise DataError(f"{source} is looked for in the folder of that name under I2I_DATA, and is not there")
        root = download.fetch(download.ARCHIVES[source])
    return root / f"{split}A", root / f"{split}B"
