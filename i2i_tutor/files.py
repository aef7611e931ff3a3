"""Files of the book, and writing so that a kill, a full disk or a damaged download never leaves half a file behind."""

import hashlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_ORPHAN = re.compile(r"\..+\.[0-9a-f]{16}\.part")


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write(file)`` on a temporary neighbour of ``path``, fsync it, then rename it over ``path``.

    Whatever happens, ``path`` holds either its old or its complete new content. The temporary file is removed, unless
    the process is killed outright; ``orphans`` finds what such a kill leaves.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name is cut, so that a long one stays within what file systems take, and cannot be foreseen
    temporary = path.with_name(f".{path.name[:48]}.{secrets.token_hex(8)}.part")
    try:
        with open(temporary, "xb") as file:  # exclusive: never through a link that somebody has planted
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _fsync_folder(path.parent)


def orphans(folder: Path) -> list[Path]:
    """Temporary files of ``write_atomically`` that killed processes have left in ``folder``."""
    return [path for path in folder.glob(".*.part") if _ORPHAN.fullmatch(path.name)]


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def book_places() -> list[Path]:
    """Folders that may hold ``book/`` and ``chapters/``: the checkout, or where an installation puts its data.

    An installation's data stand in share/i2i-tutor of its prefix, which is above the package, whether it is an
    environment's, a user's own, or a folder given to pip by --prefix or --target.
    """
    root, *above = Path(__file__).resolve().parents[1:]
    checkout = [root] if (root / "pyproject.toml").is_file() else []
    return checkout + [folder / "share/i2i-tutor" for folder in (root, *above)]


def book_file(name: str) -> Path:
    """Path of a file of the book (``claims.toml``, ``results/pix2pix.json``), in a checkout or an installed package."""
    for place in book_places():
        if (place / "book" / name).is_file():
            return place / "book" / name
    raise FileNotFoundError(f"the book's {name} is neither in a checkout nor in this installation")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync_folder(folder: Path) -> None:
    if os.name == "posix":  # Windows cannot open a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
