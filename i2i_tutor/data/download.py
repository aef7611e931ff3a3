"""Archives from the net: several mirrors, a pinned SHA-256, and extraction that never leaves its folder."""

import errno
import lzma
import os
import shutil
import stat
import tempfile
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pooch
import requests

from i2i_tutor import progress
from i2i_tutor.files import write_text

MARKER = ".i2i-tutor-sha256"  # written last: a folder that holds it is complete
TIMEOUT = (10, 60)  # seconds to connect, and of silence
SLOWEST, PATIENCE = 4096, 30  # bytes a second, as a mean over so many seconds: less, and the next mirror is tried
CHUNK = 2**16  # bytes
ENCRYPTED = 1  # flag of a zip's member
MAX_GROWTH = 20  # pictures hardly shrink in an archive; one that unpacks to more than this factor is a bomb
FULL = {errno.ENOSPC, errno.EDQUOT}
DAY = 24 * 60 * 60


class DownloadError(RuntimeError):
    """An archive could not be downloaded or unpacked; the message says what was tried and how it ended."""


@dataclass(frozen=True)
class Archive:
    """A zip archive on the net.

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
    """Return the archive's unpacked folder, ``folder / archive.name``; download it if it is not there yet.

    The mirrors are tried in turn until one gives, not too slowly, the bytes with the expected SHA-256. Everything
    happens in a temporary neighbour that is renamed into place when complete, so an interrupted call leaves nothing
    that looks finished, and two processes may call at once. If all members lie in one folder, that folder is left out.

    Args:
        folder: by default ``cache_folder()``.

    Raises:
        DownloadError: every mirror failed (the message says how each), the disk is full, the archive is damaged, or
            it holds a link, something encrypted, a path that leads out of the folder, or unpacks to far more bytes
            than its size allows.
    """
    place = (Path(folder) if folder is not None else cache_folder()) / archive.name
    try:
        if _is_complete(place, archive):
            return place
        if place.exists() and not (place / MARKER).exists():
            raise DownloadError(
                f"{place} is in the way: it was not made by a download of {archive.name}; move it elsewhere"
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(place)
        workshop = Path(tempfile.mkdtemp(prefix=f".{archive.name}.", suffix=".part", dir=place.parent))
        try:
            content = _extract(archive, _download(archive, workshop), workshop / "content")
            write_text(content / MARKER, archive.sha256)
            _put(content, place, archive)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    except OSError as error:
        raise DownloadError(f"{archive.name} cannot be stored in {place.parent}: {error.strerror or error}") from error
    return place


def _is_complete(place: Path, archive: Archive) -> bool:
    marker = place / MARKER
    return marker.is_file() and marker.read_bytes() == archive.sha256.encode()


def _remove_leftovers(place: Path) -> None:
    """Remove what a killed process left; no download under way stays untouched for a day."""
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


class _MirrorError(Exception):
    """What is wrong with one mirror, in a few words."""


def _download(archive: Archive, folder: Path) -> Path:
    failures = []
    for url in archive.urls:
        try:
            return _from_mirror(url, archive, folder)
        except _MirrorError as error:
            failures.append(f"{url}: {error}")
    raise DownloadError(f"{archive.name} could not be downloaded ({'; '.join(failures)})")


def _from_mirror(url: str, archive: Archive, folder: Path) -> Path:
    """The downloaded file, of the right SHA-256. Raises OSError if the fault is this machine's own disk."""

    def receive(url: str, path: str, pooch: object) -> None:
        with open(path, "wb") as file:
            _receive(url, archive, file)

    try:
        return Path(pooch.retrieve(url, f"sha256:{archive.sha256}", "archive", folder, downloader=receive))
    except ValueError as error:  # pooch's own; what receive raises is none
        raise _MirrorError(f"wrong checksum, SHA-256 expected is {archive.sha256}") from error


def _receive(url: str, archive: Archive, file: BinaryIO) -> None:
    """Write what a mirror sends, but no more than the archive's size, and not if it comes too slowly."""
    received = counted = 0
    try:
        with (
            requests.get(url, stream=True, timeout=TIMEOUT) as response,
            progress.bar(archive.bytes, title=archive.name, unit="byte", scaled=True) as bar,
        ):
            if not response.ok:
                raise _MirrorError(f"HTTP status {response.status_code}")
            since = time.monotonic()
            while chunk := response.raw.read1(CHUNK):  # whatever has come; read would wait for a whole chunk
                received += len(chunk)
                if received > archive.bytes:
                    raise _MirrorError(f"more than the expected {archive.bytes:,} bytes")
                file.write(chunk)
                bar.update(len(chunk))
                if time.monotonic() - since > PATIENCE:
                    if received - counted < SLOWEST * PATIENCE:
                        raise _MirrorError(f"slower than {SLOWEST:,} bytes a second")
                    since, counted = time.monotonic(), received
    except _MirrorError:
        raise
    except Exception as error:  # a mirror's nonsense comes out of requests, urllib3, http.client and the codecs
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        said = f"connection failed after {received:,} bytes of {archive.bytes:,}, {type(error).__name__}"
        raise _MirrorError(said) from error
    if received < archive.bytes:
        raise _MirrorError(f"truncated, {received:,} bytes of {archive.bytes:,}")


# --- unpacking -----------------------------------------------------------------------------------------------------


def _extract(archive: Archive, path: Path, target: Path) -> Path:
    """Unpack after looking at every member; return ``target``, or the one folder in it that holds everything."""
    try:
        with zipfile.ZipFile(path) as opened:
            _refuse_dangers(archive, opened.infolist())
            opened.extractall(target)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeError) as error:
        raise DownloadError(f"{archive.name} has the right checksum but cannot be unpacked ({error})") from error
    inside = list(target.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else target


def _refuse_dangers(archive: Archive, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in member.filename:
            raise DownloadError(f"{archive.name} is refused: its member {member.filename!r} leads out of the folder")
        kind = stat.S_IFMT(member.external_attr >> 16)  # 0 if the archive was not made on Unix
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DownloadError(
                f"{archive.name} is refused: its member {member.filename!r} is neither a file nor a folder"
            )
        if member.flag_bits & ENCRYPTED:
            raise DownloadError(f"{archive.name} is refused: its member {member.filename!r} is encrypted")
    total = sum(member.file_size for member in members)
    if total > MAX_GROWTH * archive.bytes:
        raise DownloadError(
            f"{archive.name} is refused: {archive.bytes:,} bytes that unpack to {total:,} are no set of pictures"
        )
