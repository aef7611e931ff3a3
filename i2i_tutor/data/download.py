"""Archives from the net: several mirrors, a pinned SHA-256, and extraction that never leaves its folder."""

import errno
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

import pooch

from i2i_tutor.files import sha256, write_text

MARKER = ".i2i-tutor-sha256"  # written last: a folder that holds it is complete
TIMEOUT = (10, 60)  # seconds to connect, and of silence
MAX_GROWTH = 20  # pictures hardly shrink in an archive; one that unpacks to more than this factor is a bomb
FULL = {errno.ENOSPC, errno.EDQUOT}
DAY = 24 * 60 * 60


class DownloadError(RuntimeError):
    """An archive cannot be had; the message says what was tried and how it ended."""


@dataclass(frozen=True)
class Archive:
    """A zip or tar archive on the net.

    Attributes:
        name: of the folder that it becomes.
        urls: mirrors, tried in this order.
        sha256, bytes: checksum and size of the archive.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    bytes: int


def _cyclegan(name: str, size: int, checksum: str) -> Archive:
    """An archive of the CycleGAN authors; their host has moved, and the old address may come back."""
    return Archive(
        name,
        (
            f"https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/{name}.zip",
            f"https://people.eecs.berkeley.edu/~taesung_park/CycleGAN/datasets/{name}.zip",
        ),
        checksum,
        size,
    )


# Sizes and checksums as listed by TensorFlow Datasets.
ARCHIVES = {
    archive.name: archive
    for archive in (
        _cyclegan("apple2orange", 78456409, "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8"),
        _cyclegan("cezanne2photo", 279885071, "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff"),
        _cyclegan("cityscapes", 279601602, "d2f6910fd056c1ee9873777ae838e7ac4a2c833598ae62a04188e5ab2f4ea036"),
        _cyclegan("facades", 35135868, "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0"),
        _cyclegan("horse2zebra", 116867962, "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1"),
        _cyclegan("maps", 1476754427, "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e"),
        _cyclegan("monet2photo", 305231073, "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04"),
        _cyclegan(
            "summer2winter_yosemite", 132640856, "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"
        ),
    )
}
FACADES = ARCHIVES["facades"]


def cache_folder() -> Path:
    """Where downloads are kept: the environment variable ``I2I_CACHE``, else the system's folder for caches."""
    return Path(os.environ.get("I2I_CACHE") or pooch.os_cache("i2i_tutor"))


def find(name: str) -> Path | None:
    """Your own copy of a set: the folder ``name`` under the environment variable ``I2I_DATA``; None without one."""
    root = os.environ.get("I2I_DATA")
    return Path(root) / name if root and (Path(root) / name).is_dir() else None


def fetch(archive: Archive, folder: Path | str | None = None) -> Path:
    """Return the archive's unpacked folder, ``folder / archive.name``; download it where it is not there yet.

    The mirrors are tried in turn until one gives the bytes with the expected SHA-256. Everything happens in a temporary
    neighbour that is renamed into place when complete, so an interrupted call leaves nothing that looks finished, and
    two processes may call at once. Where all members lie in one folder, that folder is left out.

    Args:
        folder: by default ``cache_folder()``.

    Raises:
        DownloadError: every mirror failed (the message says how each), the disk is full, the archive is damaged, or
            it holds a link, a path that leads out of the folder, or far more bytes than its size lets expect.
    """
    place = (Path(folder) if folder is not None else cache_folder()) / archive.name
    if _is_complete(place, archive):
        return place
    if place.exists() and not (place / MARKER).exists():
        raise DownloadError(
            f"{place} is in the way: it was not made by a download of {archive.name}; move it elsewhere"
        )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(place)
        workshop = Path(tempfile.mkdtemp(prefix=f".{archive.name}.", suffix=".part", dir=place.parent))
        try:
            _download(archive, workshop / "archive")
            content = _extract(archive, workshop / "archive", workshop / "content")
            write_text(content / MARKER, archive.sha256)
            _put(content, place, archive)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    except OSError as error:
        raise DownloadError(f"{archive.name} cannot be stored in {place.parent}: {error.strerror or error}") from error
    return place


def _is_complete(place: Path, archive: Archive) -> bool:
    marker = place / MARKER
    return marker.is_file() and marker.read_text() == archive.sha256


def _remove_leftovers(place: Path) -> None:
    """Remove what a killed process left; nobody else's download lies untouched for a day."""
    for leftover in place.parent.glob(f".{place.name}.*.part"):
        if time.time() - leftover.stat().st_mtime > DAY:
            shutil.rmtree(leftover, ignore_errors=True)


def _put(content: Path, place: Path, archive: Archive) -> None:
    if (place / MARKER).exists() and not _is_complete(place, archive):  # an older version of the archive
        shutil.rmtree(place)
    try:
        content.rename(place)
    except OSError:
        if not _is_complete(place, archive):  # else another process was faster
            raise


# --- downloading ---------------------------------------------------------------------------------------------------


def _download(archive: Archive, path: Path) -> None:
    failures = []
    for url in archive.urls:
        failure = _attempt(url, archive, path)
        if failure is None:
            return
        failures.append(f"{url}: {failure}")
    raise DownloadError(f"{archive.name} could not be downloaded ({'; '.join(failures)})")


def _attempt(url: str, archive: Archive, path: Path) -> str | None:
    """Download from one mirror; return what went wrong. Raises OSError where the fault is this machine's own disk."""
    get = pooch.HTTPDownloader(progressbar=not os.environ.get("I2I_QUIET"), chunk_size=2**16, timeout=TIMEOUT)
    try:
        with open(path, "wb") as file:
            get(url, _Limited(file, archive.bytes), None)
    except _TooLongError:
        return f"more than the expected {archive.bytes:,} bytes"
    except OSError as error:  # the errors of requests are OSErrors, too
        if error.errno in FULL:
            raise
        response = getattr(error, "response", None)
        if response is not None:
            return f"HTTP status {response.status_code}"
        return f"connection failed after {path.stat().st_size:,} bytes of {archive.bytes:,}, {type(error).__name__}"
    size = path.stat().st_size
    if size < archive.bytes:
        return f"truncated, {size:,} bytes of {archive.bytes:,}"
    checksum = sha256(path)
    if checksum != archive.sha256:
        return f"wrong checksum, SHA-256 {checksum} instead of {archive.sha256}"
    return None


class _TooLongError(Exception):
    """A mirror sends more than the archive's size."""


class _Limited:
    """A file that refuses to grow beyond a limit, so that no mirror can fill the disk."""

    def __init__(self, file: BinaryIO, limit: int):
        self._file, self._left = file, limit
        self.flush = file.flush

    def write(self, data: bytes) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise _TooLongError
        return self._file.write(data)


# --- unpacking -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    is_folder: bool
    is_file: bool
    open: Callable[[], IO[bytes] | None]


def _extract(archive: Archive, path: Path, target: Path) -> Path:
    """Unpack after looking at every member; return ``target``, or the one folder in it that holds everything."""
    try:
        with _open(archive, path) as opened:
            members = _zip_members(opened) if isinstance(opened, zipfile.ZipFile) else _tar_members(opened)
            _refuse_dangers(archive, members)
            target.mkdir()
            for member in members:
                _write(member, target)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError) as error:
        raise DownloadError(f"{archive.name} has the right checksum but cannot be unpacked ({error})") from error
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def _open(archive: Archive, path: Path) -> zipfile.ZipFile | tarfile.TarFile:
    if zipfile.is_zipfile(path):
        return zipfile.ZipFile(path)
    if tarfile.is_tarfile(path):
        return tarfile.open(path)
    raise DownloadError(f"{archive.name} has the right checksum but is neither a zip nor a tar archive")


def _zip_members(opened: zipfile.ZipFile) -> list[_Member]:
    def member(info: zipfile.ZipInfo) -> _Member:
        kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
        is_file = not info.is_dir() and kind in (0, stat.S_IFREG)
        return _Member(info.filename, info.file_size, info.is_dir(), is_file, lambda: opened.open(info))

    return [member(info) for info in opened.infolist()]


def _tar_members(opened: tarfile.TarFile) -> list[_Member]:
    def member(info: tarfile.TarInfo) -> _Member:
        return _Member(info.name, info.size, info.isdir(), info.isreg(), lambda: opened.extractfile(info))

    return [member(info) for info in opened]


def _refuse_dangers(archive: Archive, members: list[_Member]) -> None:
    for member in members:
        path = PurePosixPath(member.name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in member.name:
            raise DownloadError(f"{archive.name} is refused: its member {member.name!r} leads out of the folder")
        if not (member.is_file or member.is_folder):
            raise DownloadError(f"{archive.name} is refused: its member {member.name!r} is neither a file nor a folder")
    total = sum(member.size for member in members)
    if total > MAX_GROWTH * archive.bytes:
        raise DownloadError(
            f"{archive.name} is refused: {archive.bytes:,} bytes that unpack to {total:,} are no set of pictures"
        )


def _write(member: _Member, target: Path) -> None:
    path = target / member.name
    if member.is_folder:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    source = member.open()
    assert source is not None  # a regular file has content
    with source, open(path, "wb") as file:
        shutil.copyfileobj(source, file)
