"""The façade world: houses drawn by procedure, and the CMP façades of the pix2pix paper, behind one contract.

Label maps have the 12 classes of the CMP façade database in both. The procedural world is endless: training draws
houses 0 to 2^20 - 1 in photographs 0 to 2^20 - 1, evaluation houses from 2^25 on in photograph 2^20, which no training
ever sees. The tuning split has the houses from 2^24 to 2^25 - 1; nothing is reported on them. How many photographs of
one house are right is the world's ``variety``.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_probability, check_whole
from i2i_tutor.data import download
from i2i_tutor.data.facades.drawing import VARIETY, colourise, draw, to_labels
from i2i_tutor.data.folders import FOLDERS, check_sizes, find_pairs, read_pair
from i2i_tutor.data.images import DataError, resize, resize_labels, stack
from i2i_tutor.data.shelf import Item, Shelf
from i2i_tutor.data.streams import Make, Stream, epoch_indices, to_tensor, unrelated

Task = Literal["labels_to_photo", "photo_to_labels", "edges_to_photo", "grey_to_colour", "day_to_night"]
Source = Literal["procedural", "cmp"]
TASKS: tuple[str, ...] = get_args(Task)
SOURCES: tuple[str, ...] = get_args(Source)

TRAINING_HOUSES = TRAINING_PHOTOS = 2**20
FIRST_TUNING_HOUSE, FIRST_EVALUATION_HOUSE = 2**24, 2**25
FIXED_HOUSES = 100  # in a fixed set that nobody asked to be larger
EVALUATION_PHOTO = 2**20
EDGE_THRESHOLD = 200  # of the Sobel gradient: a straight step of 50 grey levels


def train(
    source: Source,
    size: int,
    batch: int,
    seed: int,
    *,
    task: Task = "labels_to_photo",
    variety: float | None = None,
    paired: bool = True,
    load_size: int | None = None,
    ahead: int = 0,
) -> Stream:
    """Endless stream of façades, float32 ``(N, 3, size, size)`` in [-1, 1].

    Paired, a batch has ``input`` and ``target``, two views of the same houses. Unpaired it has ``a`` and ``b``: views
    of the same kinds, of houses drawn independently.

    Args:
        source: "procedural", or "cmp": the 400 training pairs, found in ``facades/train`` under ``I2I_DATA`` or
            downloaded, resized to ``load_size``, cropped and mirrored at random, both sides alike.
        size: side of the images, 16 to 512 pixels.
        task: what becomes what. Grey and edges are repeated on three channels; edges are dark lines on white. Only
            drawn houses are seen at night, each then in the photograph that was taken by day.
        variety: of the drawn houses, from 0 (one right photograph for each) to 1 (free colours); None: 0.3.
        load_size: for "cmp", by default 286/256 of ``size``, as in the paper. Procedural houses are drawn at ``size``.
        ahead: batches made in advance in the background.

    Raises:
        ValueError: a wrong argument. DataError, DownloadError: the pictures are damaged or cannot be had.
    """
    variety = _check(source, size, task, variety)
    load_size = check_sizes(size, batch, load_size)
    make = (
        _procedural_batches(size, batch, task, paired, variety)
        if source == "procedural"
        else _cmp_batches(size, batch, seed, task, paired, load_size)
    )
    about: dict[str, Any] = {
        "world": "facades",
        "source": source,
        "task": task,
        "size": size,
        "batch": batch,
        "paired": paired,
    }
    if source == "procedural":
        about["variety"] = variety
    return Stream(make, seed, ahead, about)


def evaluation(
    source: Source,
    size: int,
    *,
    split: Split = "evaluation",
    count: int | None = None,
    task: Task = "labels_to_photo",
    variety: float | None = None,
) -> Batch:
    """The first ``count`` houses of a fixed set; none of them is in the training stream.

    Returns ``input`` and ``target`` like ``train`` and ``labels``, int64 class numbers ``(N, size, size)``. Those of
    "cmp" are the classes of the nearest colours, found before resizing by nearest neighbour.

    Args:
        split: of "cmp", "evaluation" is its folder ``test`` (106 pairs), "tuning" its folder ``val``, which only
            pix2pix's archive has (100 pairs).
        count: by default all of "cmp", and 100 houses of the endless procedural set.

    Raises:
        ValueError: a wrong argument. DataError, DownloadError: the pictures are damaged or cannot be had.
    """
    variety = _check(source, size, task, variety)
    check_choice("split", split, get_args(Split))
    if source == "procedural":
        count = FIXED_HOUSES if count is None else check_count(count, FIRST_TUNING_HOUSE, "a fixed set of houses")
        start = FIRST_EVALUATION_HOUSE if split == "evaluation" else FIRST_TUNING_HOUSE
        labels, first, second = _draw_views(task, range(start, start + count), size, EVALUATION_PHOTO, variety)
    else:
        labels, maps, photos = _cmp_set(size, split, count)
        first, second = _views(task, maps, photos)
    return {
        "input": to_tensor(first),
        "target": to_tensor(second),
        "labels": torch.from_numpy(labels.astype(np.int64)),
    }


def painted(labels: Tensor) -> Tensor:
    """Class ids ``(N, H, W)`` in 0..11 as images of label maps, float32 ``(N, 3, H, W)`` in [-1, 1]."""
    return to_tensor(colourise(labels.cpu().numpy()))


def _check(source: str, size: int, task: str, variety: float | None) -> float:
    """Raise if the arguments are wrong or do not go together; returns the variety."""
    check_choice("source", source, SOURCES)
    check_whole("size", size, 16, 512)
    check_choice("task", task, TASKS)
    if source != "procedural" and variety is not None:
        raise ValueError(f"variety is {variety}, but only drawn houses have one; leave it out with source={source!r}")
    if source != "procedural" and task == "day_to_night":
        raise ValueError(f"of {source!r} there are no photographs at night; task='day_to_night' is for drawn houses")
    variety = VARIETY if variety is None else variety
    check_probability("variety", variety)
    return variety


# --- procedural ----------------------------------------------------------------------------------------------------


def _procedural_batches(size: int, batch: int, task: str, paired: bool, variety: float) -> Make:
    def make(position: int, rng: np.random.Generator) -> Batch:
        houses = rng.integers(0, TRAINING_HOUSES, batch if paired else 2 * batch)
        photo = int(rng.integers(0, TRAINING_PHOTOS))
        _, first, second = _draw_views(task, houses, size, photo, variety)
        return _batch(first, second) if paired else _unpaired_batch(first[:batch], second[batch:])

    return make


def _draw_views(
    task: str, houses: Sequence[int] | np.ndarray, size: int, photo: int, variety: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class ids ``(N, size, size)`` of houses, and the two views of them that a task wants."""
    labels, photos = draw(houses, size, photo, variety=variety)
    if task == "day_to_night":
        return labels, photos, draw(houses, size, photo, variety=variety, light="night")[1]
    return labels, *_views(task, colourise(labels), photos)


# --- CMP -----------------------------------------------------------------------------------------------------------


def _cmp_batches(size: int, batch: int, seed: int, task: str, paired: bool, load_size: int) -> Make:
    shelf = Shelf(_cmp_items("train"), load_size, read_pair)

    def views(position: int, rng: np.random.Generator, order: int) -> tuple[np.ndarray, np.ndarray]:
        photos, maps = shelf.batch(epoch_indices(position, batch, len(shelf), order), size, rng)
        return _views(task, maps, photos)

    def make(position: int, rng: np.random.Generator) -> Batch:
        first, second = views(position, rng, seed)
        if paired:
            return _batch(first, second)
        return _unpaired_batch(first, views(position, rng, unrelated(seed))[1])

    return make


def _cmp_set(size: int, split: Split, count: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    items = _cmp_items(FOLDERS[split])
    count = check_count(count, len(items), f"the {split} split of the CMP façades")
    pairs = [read_pair(item) for item in items[:count]]
    labels = np.stack([resize_labels(to_labels(np.asarray(drawn)), size) for _, drawn in pairs])
    maps = stack([resize(drawn, size) for _, drawn in pairs])
    photos = stack([resize(photo, size) for photo, _ in pairs])
    return labels, maps, photos


def _cmp_items(split: str) -> Sequence[Item]:
    """Pairs (photo, label map) in pix2pix's layout (one folder) or CycleGAN's (two), wherever they are."""
    root = download.find("facades") or download.fetch(download.FACADES)
    if (root / split).is_dir():
        return find_pairs(root / split)
    if (root / f"{split}A").is_dir():
        return find_pairs(root / f"{split}A", root / f"{split}B")
    raise DataError(f"{root} holds neither {split} (photo and labels side by side) nor {split}A and {split}B")


# --- the two views of a house that a task wants --------------------------------------------------------------------


def _views(task: str, maps: np.ndarray, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Input and target of a task from coloured label maps and photographs, all uint8 ``(N, H, W, 3)``."""
    match task:
        case "labels_to_photo":
            return maps, photos
        case "photo_to_labels":
            return photos, maps
        case "edges_to_photo":
            return edges(photos), photos
        case _:
            return grey(photos), photos


def grey(photos: np.ndarray) -> np.ndarray:
    """Luminance (Rec. 601) of uint8 RGB ``(N, H, W, 3)``, repeated on three channels."""
    luminance = photos @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat(np.rint(luminance).astype(np.uint8)[..., None], 3, axis=-1)


def edges(photos: np.ndarray) -> np.ndarray:
    """Edges of uint8 RGB ``(N, H, W, 3)``: black where the Sobel gradient of the luminance is steep, else white."""
    level = grey(photos)[..., 0].astype(np.float32)
    steep = np.zeros(level.shape, bool)
    for picture, lines in zip(level, steep, strict=True):  # scipy would smooth across the pictures, too
        across, down = (ndimage.sobel(picture, axis, mode="nearest") for axis in (1, 0))
        lines[:] = across**2 + down**2 >= EDGE_THRESHOLD**2
    return np.repeat(np.where(steep, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)


def _batch(first: np.ndarray, second: np.ndarray) -> dict[str, Tensor]:
    return {"input": to_tensor(first), "target": to_tensor(second)}


def _unpaired_batch(first: np.ndarray, second: np.ndarray) -> dict[str, Tensor]:
    return {"a": to_tensor(first), "b": to_tensor(second)}
