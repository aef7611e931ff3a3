"""Photographs of faces with attributes: CelebA, the Radboud Faces Database, and a small extract of LFW.

None is downloaded: each is read from the folder of its name under ``I2I_DATA``.

- ``celeba``: ``img_align_celeba``, ``list_attr_celeba.txt`` and ``list_eval_partition.txt``, named as torchvision has
  them. Its own class is not used: it demands three further lists and reads five at every start.
- ``rafd``: the pictures under their own names, as ``Rafd090_01_Caucasian_female_angry_frontal.jpg``.
- ``lfw_faces``: ``train`` and ``test``, in each ``female`` and ``male``.
"""

import math
import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image

from i2i_tutor.contract import Batch, Split, check_choice, check_count, check_whole
from i2i_tutor.data import download, samplers
from i2i_tutor.data.images import MIN_SIDE, DataError, list_images, read_rgb, resize, stack
from i2i_tutor.data.samplers import Pile
from i2i_tutor.data.shelf import Item, Read, Shelf
from i2i_tutor.data.streams import to_tensor

Source = Literal["celeba", "rafd", "lfw_faces"]
SOURCES: tuple[str, ...] = get_args(Source)
EMOTIONS = ("angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "celeba": ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young"),
    "rafd": EMOTIONS,
    "lfw_faces": ("Male",),
}
EXCLUSIVE = {"celeba": 3, "rafd": len(EMOTIONS), "lfw_faces": 0}  # so many first attributes exclude each other
MOST = 1000  # pictures of a fixed set that nobody asked to be larger
HOW_TO = {
    "celeba": "its authors' page (CelebA, Multimedia Laboratory of the Chinese University of Hong Kong) has it, for "
    "research only; unpack img_align_celeba.zip beside the lists list_attr_celeba.txt and list_eval_partition.txt",
    "rafd": "Radboud University gives the database to researchers who ask for it; put all its pictures there",
    "lfw_faces": "it is an extract of Labeled Faces in the Wild, with the folders female and male in train and in test",
}

PARTITIONS = {"train": 0, "tuning": 1, "evaluation": 2}  # CelebA's
SQUARE = 178  # pixels, cut from the middle of CelebA's pictures
LEFT, TOP, RIGHT, BOTTOM = 40, 170, 640, 770  # what is cut from RaFD's
RAFD_NAME = re.compile(rf"Rafd\d+_(\d+)_\w+_(?:fe)?male_({'|'.join(EMOTIONS)})_(?:left|frontal|right)")
RAFD_SEED, RAFD_PEOPLE, RAFD_HELD_OUT = 1234, 67, 7
EVERY = 4  # of LFW's training pictures of a kind, every fourth is kept for tuning


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of a set: files, their labels, how they are read, and who is shown, if that matters."""

    items: list[Item]
    labels: np.ndarray
    read: Read
    people: np.ndarray | None = None


class _Photographs:
    """A shelf that is indexed like an array of pictures, uint8 ``(N, size, size, 3)``."""

    def __init__(self, part: _Part, size: int):
        self._shelf = Shelf(part.items, size, part.read)

    def __len__(self) -> int:
        return len(self._shelf)

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        return stack([self._shelf[int(place)][0] for place in places])


def sensible(source: str) -> np.ndarray:
    """The labels that a face may be given, float32 ``(P, K)``: 16 of CelebA, 8 of RaFD, 2 of LFW.

    CelebA's are all of at most one hair colour, RaFD's the single emotions.
    """
    check_choice("source", source, SOURCES)
    labels = np.array(list(product((0, 1), repeat=len(ATTRIBUTES[source]))), dtype=np.float32)
    exclusive = labels[:, : EXCLUSIVE[source]].sum(axis=1)
    return labels[exclusive == 1 if source == "rafd" else exclusive <= 1]


def pile(source: str, size: int) -> Pile:
    """All training pictures of a set with their labels; read from the disk when they are asked for. See ``Shelf``.

    CelebA: the square of 178 px in the middle; pictures of two hair colours are left out, 160,852 remain. RaFD: the
    square of 600 px around the face, 60 of 67 people, shuffled once and for all (not in the official code's order);
    ``people`` says who is who. LFW: 3 of 4 training pictures.

    Raises:
        ValueError: a wrong argument. DataError: the set is not there or damaged; every picture is decoded before.
    """
    check_choice("source", source, SOURCES)
    check_whole("size", size, MIN_SIDE)
    part = PARTS[source]("train")
    return Pile(_Photographs(part, size), part.labels, ATTRIBUTES[source], sensible(source), part.people)


def evaluation(source: str, size: int, *, split: Split = "evaluation", count: int | None = None) -> Batch:
    """The first ``count`` pictures of a split, by default 1,000 or all if there are fewer.

    - ``image``, float32 ``(N, 3, size, size)``, ``label``, float32 ``(N, K)``.
    - ``wanted``, float32 ``(N, K, K)``: the label with each of the attributes edited, see ``samplers.edits``.
    - ``asked``, bool ``(N, K)``: whether that is another label.

    Evaluation takes CelebA's test partition without pictures of two hair colours, which the official code leaves in,
    the other 7 people of RaFD, and LFW's test; no training shows any of them. For tuning there is CelebA's validation
    partition and every fourth training picture of LFW, which no training shows either; of RaFD the last 7 people of the
    training, whom it does.
    Raises like ``pile``.
    """
    check_choice("source", source, SOURCES)
    check_whole("size", size, MIN_SIDE)
    check_choice("split", split, get_args(Split))
    part = PARTS[source](split)
    count = check_count(count, len(part.items), source) if count is not None else min(MOST, len(part.items))
    label = torch.from_numpy(part.labels[:count])
    wanted = torch.from_numpy(samplers.edits(part.labels[:count], EXCLUSIVE[source]))
    return {
        "image": to_tensor(stack([resize(part.read(item)[0], size) for item in part.items[:count]])),
        "label": label,
        "wanted": wanted,
        "asked": (wanted != label[:, None]).any(dim=2),
    }


def _root(source: str) -> Path:
    root = download.find(source)
    if root is None:
        raise DataError(
            f"{source} is looked for in the folder of that name under I2I_DATA, and is not there; {HOW_TO[source]}"
        )
    return root


# --- CelebA --------------------------------------------------------------------------------------------------------


def _celeba(split: str) -> _Part:
    root, names = _root("celeba"), ATTRIBUTES["celeba"]
    pictures, path = root / "img_align_celeba", root / "list_attr_celeba.txt"
    if not pictures.is_dir():
        raise DataError(f"{pictures} is no folder; {HOW_TO['celeba']}")
    _, header, *rows = _lines(path, 3)
    if lacking := [name for name in names if name not in header]:
        raise DataError(f"{path} does not name {', '.join(lacking)} in its second line; expected all attributes there")
    columns = [1 + header.index(name) for name in names]
    partition = dict(_lines(root / "list_eval_partition.txt", 1, columns=2))
    files, labels = [], []
    for row in rows:
        values = [row[column] for column in columns] if len(row) == 1 + len(header) else []
        if not values or not set(values) <= {"1", "-1"} or row[0] not in partition:
            raise DataError(
                f"{path} has a line {' '.join(row)[:40]!r}; expected a file that has a partition, and {len(header)} "
                "times 1 or -1"
            )
        label = [float(value == "1") for value in values]
        if partition[row[0]] == str(PARTITIONS[split]) and sum(label[: EXCLUSIVE["celeba"]]) <= 1:
            files.append(pictures / row[0])
            labels.append(label)
    if not files:
        raise DataError(
            f"{path} lists no picture of partition {PARTITIONS[split]}, {split}, with at most one hair colour"
        )
    return _Part([(file,) for file in files], np.array(labels, dtype=np.float32), _celeba_square)


def _lines(path: Path, least: int, columns: int | None = None) -> list[list[str]]:
    """The words of each line of a list."""
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path} cannot be read; {HOW_TO['celeba']}") from error
    if len(lines) < least or (columns and any(len(line) != columns for line in lines)):
        raise DataError(f"{path} is damaged or cut short; expected a line for each picture")
    return lines


def _celeba_square(item: Item) -> tuple[Image.Image]:
    image = read_rgb(item[0])
    if min(image.size) < SQUARE:
        raise DataError(f"{item[0]} is {image.width}x{image.height} px; CelebA's aligned pictures are 178x218")
    left, top = (image.width - SQUARE) // 2, (image.height - SQUARE) // 2
    return (image.crop((left, top, left + SQUARE, top + SQUARE)),)


# --- RaFD ----------------------------------------------------------------------------------------------------------


def _rafd(split: str) -> _Part:
    root = _root("rafd")
    shown: dict[int, list[tuple[Path, int]]] = {}
    for path in list_images(root):
        if (named := RAFD_NAME.fullmatch(path.stem)) is None:
            raise DataError(
                f"{path} is no picture of RaFD; expected a name as Rafd090_01_Caucasian_female_angry_frontal.jpg"
            )
        shown.setdefault(int(named[1]), []).append((path, EMOTIONS.index(named[2])))
    held_out = math.ceil(len(shown) * RAFD_HELD_OUT / RAFD_PEOPLE)
    if len(shown) < 1 + held_out:
        raise DataError(f"{root} shows {len(shown)} people; at least 2 are needed, one of them for the evaluation")
    order = np.random.default_rng(RAFD_SEED).permutation(sorted(shown)).tolist()
    training, held = order[:-held_out], order[-held_out:]
    people = {"train": training, "tuning": training[-held_out:], "evaluation": held}[split]
    found = [(path, emotion, person) for person in people for path, emotion in shown[person]]
    labels = np.eye(len(EMOTIONS), dtype=np.float32)[[emotion for _, emotion, _ in found]]
    return _Part([(path,) for path, *_ in found], labels, _rafd_square, np.array([person for *_, person in found]))


def _rafd_square(item: Item) -> tuple[Image.Image]:
    image = read_rgb(item[0])
    if image.width < RIGHT or image.height < BOTTOM:
        raise DataError(f"{item[0]} is {image.width}x{image.height} px; RaFD's pictures are 681x1024")
    return (image.crop((LEFT, TOP, RIGHT, BOTTOM)),)


# --- LFW -----------------------------------------------------------------------------------------------------------


def _lfw_faces(split: str) -> _Part:
    root = _root("lfw_faces") / ("test" if split == "evaluation" else "train")
    found = [
        (place, male, path)
        for male, kind in enumerate(("female", "male"))
        for place, path in enumerate(list_images(root / kind))
        if split == "evaluation" or (place % EVERY == 0) == (split == "tuning")
    ]
    found.sort()  # by turns, so that the first few are of both kinds
    return _Part([(path,) for *_, path in found], np.array([[male] for _, male, _ in found], dtype=np.float32), _whole)


def _whole(item: Item) -> tuple[Image.Image]:
    return (read_rgb(item[0]),)


PARTS = {"celeba": _celeba, "rafd": _rafd, "lfw_faces": _lfw_faces}
