"""Piles of pictures without labels: the drawn herd, photographs of fruit, and your own folder.

``grocery_fruit`` has ten kinds of fruit, photographed in shops, a folder each under ``train`` and ``test``; it is found
under its name in ``I2I_DATA``. The stream mixes all folders into one pile, and which was whose is known to the
evaluation only.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_whole
from i2i_tutor.data import download, herd, safari, views
from i2i_tutor.data.images import MIN_SIDE, DataError, list_images, read_rgb, resize, stack
from i2i_tutor.data.shelf import Item, Shelf
from i2i_tutor.data.streams import Stream, epoch_indices, to_tensor

Source = Literal["herd", "grocery_fruit"]
SOURCES: tuple[str, ...] = get_args(Source)
STRONG = {"herd": "animals", "grocery_fruit": "paper"}  # what strong views may do, unless told otherwise
SMALLEST_PILE = 2  # pictures: a single one has no other to be told from
EVERY = 4  # of the training pictures of a kind, every fourth is kept for tuning


def train(source: str, size: int, batch: int, seed: int, *, strong: str | None = None, ahead: int = 0) -> Stream:
    """Endless stream of ``image`` and of ``strong``, another view of each: float32 ``(N, 3, size, size)`` in [-1, 1].

    Photographs are resized, the aspect ratio given up, and mirrored at random; the pile is reshuffled in every epoch.

    Args:
        source: "herd" or "grocery_fruit".
        strong: what the strong views may do, one of ``views.STRENGTHS``; by default "animals" for the drawn ones, whose
            coats are colours, and "paper" for photographs.
        ahead: batches made in advance in the background.

    Raises:
        ValueError: a wrong argument. DataError: the set is not there, or a photograph cannot be used.
    """
    strong = _views(source, strong)
    if source == "herd":
        return herd.train("procedural", size, batch, seed, strong=strong, ahead=ahead)
    files = [path for kind in kinds(source) for path in _files(source, kind, "train")]
    return _stream(files, size, batch, seed, strong, ahead, {"source": source})


def from_folder(
    folder: Path | str, *, size: int, batch: int, seed: int = 0, strong: str = "paper", ahead: int = 0
) -> Stream:
    """The same stream from your own folder of pictures (its subfolders are left out).

    Raises:
        ValueError: a wrong number. DataError: the folder has fewer than two pictures, or a picture cannot be used.
    """
    return _stream(list_images(folder), size, batch, seed, strong, ahead, {"folder": str(folder)})


def evaluation(
    source: str, size: int, *, split: Split = "evaluation", count: int | None = None, strong: str | None = None
) -> Batch:
    """The first ``count`` pictures of a fixed set with their domains, int64 ``(N,)``, as ``domain``.

    Of "herd" see ``herd.evaluation``, which knows more. Of "grocery_fruit" the 200 test pictures, by default all, or,
    for tuning, every fourth training picture of a kind, which no training shows; kinds by turns, ``kinds`` names them.

    Raises:
        ValueError: a wrong argument. DataError: the set is not there, or a photograph cannot be used.
    """
    strong = _views(source, strong)
    if source == "herd":
        return herd.evaluation("procedural", size, split=split, count=count, strong=strong)
    check_whole("size", size, MIN_SIDE)
    check_choice("split", split, get_args(Split))
    found = [
        (place, number, path)
        for number, kind in enumerate(kinds(source))
        for place, path in enumerate(_files(source, kind, split))
    ]
    found = sorted(found)[: check_count(count, len(found), source)]
    image = to_tensor(stack([resize(read_rgb(path), size) for *_, path in found]))
    return {
        "image": image,
        "strong": views.strong(image, views.STRENGTHS[strong], np.random.default_rng(views.FIXED)),
        "domain": torch.tensor([number for _, number, _ in found]),
    }


def kinds(source: str) -> list[str]:
    """The names of a set's true domains in the order of their numbers; no training is told."""
    check_choice("source", source, SOURCES)
    if source == "herd":
        return list(safari.COATS)
    root = _root(source) / "train"
    folders = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    names = sorted(path.name for path in folders if not path.name.startswith("."))
    if len(names) < 2:
        raise DataError(f"{root} holds {len(names)} folders; expected one for each kind, at least 2")
    return names


def _views(source: str, strong: str | None) -> str:
    """What the strong views of a set may do; None: what suits it."""
    check_choice("source", source, SOURCES)
    strong = STRONG[source] if strong is None else strong
    check_choice("strong", strong, tuple(views.STRENGTHS))
    return strong


def _stream(
    files: Sequence[Path], size: int, batch: int, seed: int, strong: str, ahead: int, about: dict[str, str]
) -> Stream:
    check_whole("size", size, MIN_SIDE)
    check_whole("batch", batch, 1)
    check_whole("seed", seed, 0)
    check_choice("strong", strong, tuple(views.STRENGTHS))
    if len(files) < SMALLEST_PILE:
        raise DataError(f"{files[0]} is the only picture; a style is told from others, so at least 2 are needed")
    shelf = Shelf([(path,) for path in files], size, _one)

    def make(position: int, rng: np.random.Generator) -> Batch:
        indices = epoch_indices(position, batch, len(shelf), seed)
        pictures = stack([shelf[int(index)][0] for index in indices])
        return views.two(to_tensor(pictures), strong, rng)

    return Stream(make, seed, ahead, about | {"size": size, "batch": batch, "strong": strong, "pile": len(shelf)})


def _one(item: Item) -> tuple[Image.Image]:
    return (read_rgb(item[0]),)


def _root(source: str) -> Path:
    root = download.find(source)
    if root is None:
        raise DataError(f"{source} is looked for in the folder of that name under I2I_DATA, and is not there")
    return root


def _files(source: str, kind: str, split: str) -> list[Path]:
    """The pictures of a kind for "train", "tuning" or "evaluation"."""
    if split == "evaluation":
        return list_images(_root(source) / "test" / kind)
    files = list_images(_root(source) / "train" / kind)
    return [path for place, path in enumerate(files) if (place % EVERY == 0) == (split == "tuning")]
