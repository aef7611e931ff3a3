"""CamVid: photographs from a car at dusk and by day, with the class of every pixel.

The set is read from the folder ``camvid`` under ``I2I_DATA``: photographs in ``train``, ``val`` and ``test``, their
classes as grey pictures of the same names in ``trainannot``, ``valannot`` and ``testannot``, and the files ``dusk.txt``
and ``day.txt``, which name the photographs of each light, ``train/NAME`` a line. Dusk is one drive, so its photographs
of ``train`` and ``test`` show the same streets.
"""

import hashlib
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_whole
from i2i_tutor.data import download, folders
from i2i_tutor.data.images import MIN_SIDE, DataError, list_images, read_rgb, resize, resize_labels, stack
from i2i_tutor.data.shelf import Item, Shelf
from i2i_tutor.data.streams import Stream, epoch_indices, to_tensor, unrelated
from i2i_tutor.data.truth import GroundTruth

Source = Literal["camvid"]
SOURCES: tuple[str, ...] = get_args(Source)
CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
LIGHTS = {"a": "dusk", "b": "day"}
PARTS = {"tuning": "val", "evaluation": "test"}  # there is no dusk in val
FEWEST = 2  # photographs of a light in a part: of one picture nothing can be learnt, and none is another


def train(source: Source, size: int, batch: int, seed: int, *, load_size: int | None = None, ahead: int = 0) -> Stream:
    """Endless stream of ``a``, streets at dusk, and ``b``, other streets by day.

    Both are float32 ``(N, 3, size, size)`` in [-1, 1]. Photographs are resized to ``load_size`` (by default 286/256 of
    ``size``), cropped and mirrored at random.

    Raises:
        ValueError: a wrong argument. DataError: the set is not there, or too small, or a photograph cannot be used.
    """
    check_choice("source", source, SOURCES)
    check_whole("size", size, MIN_SIDE)
    load_size = folders.check_sizes(size, batch, load_size)
    shelves = [Shelf(_items("train", light), load_size, _photograph) for light in LIGHTS.values()]

    def make(position: int, rng: np.random.Generator) -> Batch:
        made = {}
        for key, shelf, order in zip("ab", shelves, (seed, unrelated(seed)), strict=True):
            (pictures,) = shelf.batch(epoch_indices(position, batch, len(shelf), order), size, rng)
            made[key] = to_tensor(pictures)
        return made

    about = {"source": source, "size": size, "batch": batch, "a": len(shelves[0]), "b": len(shelves[1])}
    return Stream(make, seed, ahead, about)


def evaluation(source: Source, size: int, *, split: Split = "evaluation", count: int | None = None) -> Batch:
    """The first ``count`` photographs at dusk, by default all, as ``a``, and as many by day as ``b``.

    ``labels``, int64 ``(N, size, size)``, holds the classes of a, places in ``CLASSES``, or -1: void. Nobody knows what
    a dusk looked like by day, so b shows other streets. The part for tuning has no dusk: its a is the last quarter of
    the training's. Raises like ``train``.
    """
    check_choice("source", source, SOURCES)
    check_whole("size", size, MIN_SIDE)
    check_choice("split", split, get_args(Split))
    if split == "tuning":
        dusk = _items("train", "dusk")
        sides = {"a": dusk[-max(FEWEST, len(dusk) // 4) :], "b": _items(PARTS[split], "day")}
    else:
        sides = {key: _items(PARTS[split], light) for key, light in LIGHTS.items()}
    count = check_count(count, min(map(len, sides.values())), source)
    held = {
        key: to_tensor(stack([resize(*_photograph(item), size) for item in items[:count]]))
        for key, items in sides.items()
    }
    labels = _labels(sides["a"][:count], size)
    return held | {"labels": labels.masked_fill(labels == len(CLASSES), -1)}


def ground_truth(size: int) -> GroundTruth:
    """Photographs by day with the class of every pixel, for a judge that reads dusks which were translated.

    It learns from the days of ``train`` and is tested on those of ``test``.
    """
    check_whole("size", size, MIN_SIDE)
    files = b"".join(path.read_bytes() for item in _items("train", "day") for path in item)
    return GroundTruth(
        name=f"camvid-day-{size}",
        size=size,
        classes=len(CLASSES) + 1,
        train=partial(_labelled, size),
        held_out=partial(_held_out, size),
        fingerprint=hashlib.sha256(files + Path(__file__).read_bytes()).hexdigest(),
    )


def _labelled(size: int, batch: int, seed: int) -> Stream:
    items = _items("train", "day")
    shelf, labels = Shelf(items, size, _photograph), _labels(items, size)

    def make(position: int, rng: np.random.Generator) -> Batch:
        places = epoch_indices(position, batch, len(items), seed)
        images = to_tensor(stack([shelf[int(place)][0] for place in places]))
        mirrored = torch.from_numpy(rng.random(batch) < 0.5)
        return {
            "image": torch.where(mirrored[:, None, None, None], images.flip(3), images),
            "label": torch.where(mirrored[:, None, None], labels[places].flip(2), labels[places]),
        }

    return Stream(make, seed)


def _held_out(size: int) -> Batch:
    items = _items("test", "day")
    images = to_tensor(stack([resize(*_photograph(item), size) for item in items]))
    return {"image": images, "label": _labels(items, size)}


def _items(part: str, light: str) -> list[Item]:
    """The photographs of a part and a light, each with the picture of its classes."""
    (name,) = SOURCES
    root = download.find(name)
    if root is None:
        raise DataError(f"{name} is looked for in the folder of that name under I2I_DATA, and is not there")
    try:
        named = set((root / f"{light}.txt").read_text(encoding="utf-8").split())
    except OSError as error:
        raise DataError(f"{root / light}.txt cannot be read; it names the photographs of {light}") from error
    pairs = folders.find_pairs(root / part, root / f"{part}annot") if list_images(root / part) else []
    items = [item for item in pairs if f"{part}/{item[0].stem}" in named]
    if len(items) < FEWEST:
        raise DataError(f"{root / part} holds {len(items)} photographs of {light}; at least {FEWEST} are needed")
    return items


def _photograph(item: Item) -> tuple[Image.Image]:
    return (read_rgb(item[0]),)


def _labels(items: list[Item], size: int) -> torch.Tensor:
    return torch.from_numpy(np.stack([_classes(item[1], size) for item in items]).astype(np.int64))


def _classes(path: Path, size: int) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            classes = np.array(picture.convert("L"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if classes.max() > len(CLASSES):
        raise DataError(f"{path} holds class {classes.max()}; expected 0 to {len(CLASSES)}, of which the last is void")
    return resize_labels(classes, size)
