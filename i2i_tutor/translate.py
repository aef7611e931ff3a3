"""A trained method applied to your own pictures."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unicodedata import normalize

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from i2i_tutor import devices, methods, progress
from i2i_tutor.contract import check_whole
from i2i_tutor.data.download import FULL
from i2i_tutor.data.images import SUFFIXES, DataError, list_images, read_rgb, resize, stack, write_png
from i2i_tutor.data.streams import to_tensor, to_uint8
from i2i_tutor.methods.base import Method
from i2i_tutor.training import checkpoints

Translate = Callable[[Tensor], Tensor]
LARGEST = 8192  # pixels of a side, as in a recipe; the square of a slip of the finger exhausts the memory
SOFTWARE = "i2i-tutor translate"  # PNG's standard keyword "Software" tells our results from everybody else's files


class TranslationError(RuntimeError):
    """Some pictures could not be translated: ``failures`` says why, ``written`` lists the results that are there."""

    def __init__(self, failures: list[str], written: list[Path]):
        total = len(failures) + len(written)
        super().__init__(f"{len(failures)} of {total} pictures could not be translated: {'; '.join(failures)}")
        self.failures, self.written = failures, written


def load_method(folder: Path | str, device: torch.device | str = "cpu") -> Method:
    """Build the method of a checkpoint folder with its trained networks, in evaluation mode.

    Loads tensors only, never pickled objects. Raises CheckpointError if the folder holds no whole checkpoint or one
    that does not fit this version.
    """
    about, state = checkpoints.load(Path(folder))
    try:
        method = methods.build(about)
        method.load_state_dict(state["method"])
    except ValueError as error:
        raise checkpoints.CheckpointError(f"{folder} does not fit this version: {error}") from error
    except (KeyError, RuntimeError) as error:  # torch lists every tensor that does not fit, on many lines
        raise checkpoints.CheckpointError(f"{folder} does not fit: its networks are not those of its recipe") from error
    return method.to(device).eval()


def translate_files(
    checkpoint: Path | str,
    source: Path | str,
    out: Path | str,
    size: int | None = None,
    keep_size: bool = False,
    device: torch.device | str = "cpu",
    direction: str | None = None,
) -> list[Path]:
    """Translate a picture or all pictures of a folder; return the PNG files written, in natural order.

    Each picture is resized to a square, translated, and written under its own name with the suffix ``.png``. A
    method's noise is drawn from seed 0 for each picture, so a result does not depend on the others.
    Results of an earlier call are replaced (each PNG says that it is one); no other file is ever overwritten.

    Args:
        checkpoint: folder that ``fit`` wrote.
        source: a picture, or a folder of pictures (its subfolders are left out).
        out: a folder, made if it is missing; for a single picture also a file name that ends in ``.png``.
        size: side of the square in pixels, by default that of the training.
        keep_size: translate at the picture's own size instead, padded at the right and below for the network.
        direction: one of the method's ``directions``, by default the first: "AtoB" or "BtoA", for TUNIT the number
            of a domain ("0", "1", ...), for StarGAN and MatchGAN the target label ("10001"). A method that translates
            one way has none.

    Raises:
        CheckpointError: see ``load_method``.
        DataError: before anything is written: ``source`` is missing or has no pictures, two results share a file, or
            a file that is no earlier result is in the way.
        ValueError: there is no such ``device``, ``size`` does not suit the network, ``size`` and ``keep_size`` are
            both given, or ``direction`` is none of the method's ``directions``.
        TranslationError: at the end, if some pictures could not be read or written; all others are there by then.
        OSError: the disk is full.
    """
    if not isinstance(keep_size, bool):
        raise ValueError(f"keep_size is {keep_size!r}; expected True or False")
    if keep_size and size is not None:
        raise ValueError(f"size is {size} and keep_size is set; give one of them")
    if size is not None:
        check_whole("size", size, 1, LARGEST)
    jobs = _plan(Path(source), Path(out))
    device = devices.find(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        method = load_method(checkpoint, device)
        translate = partial(method.translate, direction=direction)
        side = method.recipe.size if size is None else size
        return _translate_all(jobs, translate, side, keep_size, device)


def _translate_all(
    jobs: list[tuple[Path, Path]], translate: Translate, side: int, keep_size: bool, device: torch.device
) -> list[Path]:
    written: list[Path] = []
    failures: list[str] = []
    for path, target in progress.each(jobs, "translate", "picture"):
        try:
            image = read_rgb(path)
        except DataError as error:
            failures.append(str(error))
            continue
        pixels = np.array(image)[None] if keep_size else stack([resize(image, side)])
        result = _run(translate, pixels, side, device)
        try:
            write_png(target, result, SOFTWARE)
        except OSError as error:  # a name that is too long for this disk, say
            if error.errno in FULL:
                raise
            failures.append(f"{target} cannot be written ({error.strerror or error})")
            continue
        written.append(target)
    if failures:
        raise TranslationError(failures, written)
    return written


def _run(translate: Translate, pixels: np.ndarray, multiple: int, device: torch.device) -> np.ndarray:
    """Translate uint8 ``(1, H, W, 3)`` of any size to ``(H, W, 3)``, in between mirrored outwards to full multiples."""
    height, width = pixels.shape[1:3]
    padded = np.pad(pixels, ((0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0)), mode="symmetric")
    torch.manual_seed(0)
    return to_uint8(translate(to_tensor(padded).to(device)))[0, :height, :width]


def _is_ours(path: Path) -> bool:
    """Whether a file is a result of an earlier call. A link is not: what it leads to has another owner."""
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.info.get("Software") == SOFTWARE
    except Exception:  # damaged, unreadable, no PNG: not known to be ours
        return False


def _plan(source: Path, out: Path) -> list[tuple[Path, Path]]:
    """Pairs (picture, result). Refuses what would overwrite a file of yours, or one result with another."""
    try:
        if not source.exists():
            raise DataError(f"{source} does not exist")
    except OSError as error:  # a name that is too long, a folder that we may not look into
        raise DataError(f"{source} cannot be read ({error.strerror})") from error
    pictures = list_images(source) if source.is_dir() else [source]
    single = source.is_file() and out.suffix.lower() in SUFFIXES and not out.is_dir()
    if single and out.suffix.lower() != ".png":
        raise DataError(f"{out}: results are written as PNG; expected a name that ends in .png, or a folder")
    if not single and out.is_file():
        raise DataError(f"{out} is a file; expected a folder for the results")
    inputs = {path.resolve() for path in pictures}
    jobs: dict[str, tuple[Path, Path]] = {}
    for path in pictures:
        target = out if single else out / f"{path.stem}.png"
        if target.resolve() in inputs or (os.path.lexists(target) and not _is_ours(target)):
            raise DataError(
                f"the result of {path} would overwrite {target}, which is no earlier result; choose another place"
            )
        name = normalize("NFC", target.name).casefold()  # some disks take such names for one
        if name in jobs:
            other, theirs = jobs[name]
            alike = "" if theirs == target else f" (and {theirs}, the same name on many disks)"
            raise DataError(f"{other} and {path} would both become {target}{alike}; rename one of them")
        jobs[name] = (path, target)
    return list(jobs.values())
