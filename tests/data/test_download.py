"""Downloads against a server on this machine that behaves as badly as the net does."""

import errno
import hashlib
import io
import os
import shutil
import socket
import stat
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from i2i_tutor.data import download
from i2i_tutor.data.download import ARCHIVES, Archive, DownloadError, fetch

FILES = {"set/trainA/1_A.jpg": b"photo" * 500, "set/trainB/1_B.jpg": b"labels" * 500}


def zipped(files=FILES, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                archive.addfile(info)
    return buffer.getvalue()


GOOD = zipped()


class Server(ThreadingHTTPServer):
    """Answers each path with (status, body, announced length); remembers what it was asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, bytes, int]] = {}
        self.asked: list[str] = []

    def serve(self, body, name="/set.zip", status=200, length=None):
        self.answers[name] = (status, body, len(body) if length is None else length)
        return f"http://127.0.0.1:{self.server_port}{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        self.server.asked.append(self.path)
        status, body, length = self.server.answers[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("I2I_QUIET", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.shutdown()


def archive(*urls, body=GOOD):
    return Archive("set", urls, hashlib.sha256(body).hexdigest(), len(body))


def dead_host():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/set.zip"


def everything_under(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def assert_refused(folder, wanted, *reasons):
    with pytest.raises(DownloadError) as caught:
        fetch(wanted, folder)
    for reason in reasons:
        assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert everything_under(folder.parent) == ["cache"]  # nothing half-written, nothing outside
    return str(caught.value)


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def test_a_good_mirror_after_a_dead_one_and_a_missing_file(server, cache):
    missing = server.serve(b"gone", "/gone.zip", status=404)
    place = fetch(archive(dead_host(), missing, server.serve(GOOD)), cache)
    assert place == cache / "set"
    assert (place / "trainA" / "1_A.jpg").read_bytes() == FILES["set/trainA/1_A.jpg"]
    assert [p.name for p in cache.iterdir()] == ["set"]


def test_what_is_there_is_not_downloaded_again(server, cache):
    wanted = archive(server.serve(GOOD))
    assert fetch(wanted, cache) == fetch(wanted, cache)
    assert len(server.asked) == 1


def test_a_new_version_of_an_archive_replaces_the_old(server, cache):
    fetch(archive(server.serve(GOOD)), cache)
    newer = zipped({"set/new.txt": b"newer"})
    place = fetch(archive(server.serve(newer), body=newer), cache)
    assert {p.name for p in place.iterdir()} == {"new.txt", download.MARKER}


def test_the_cache_is_where_the_environment_says(server, cache, monkeypatch):
    monkeypatch.setenv("I2I_CACHE", str(cache))
    assert fetch(archive(server.serve(GOOD))) == cache / "set"


def test_the_message_says_how_every_mirror_failed(server, cache):
    flipped = bytes([GOOD[0] ^ 1]) + GOOD[1:]
    urls = [
        dead_host(),
        server.serve(b"gone", "/404.zip", status=404),
        server.serve(flipped, "/corrupt.zip"),
        server.serve(GOOD[:1000], "/short.zip"),
        server.serve(GOOD[:1000], "/cut.zip", length=len(GOOD)),
        server.serve(GOOD + b"more", "/long.zip"),
    ]
    message = assert_refused(
        cache,
        archive(*urls),
        f"{urls[0]}: connection failed after 0 bytes",
        f"{urls[1]}: HTTP status 404",
        f"{urls[2]}: wrong checksum, SHA-256 {hashlib.sha256(flipped).hexdigest()} instead of",
        f"{urls[3]}: truncated, 1,000 bytes of {len(GOOD):,}",
        f"{urls[4]}: connection failed after",
        f"{urls[5]}: more than the expected {len(GOOD):,} bytes",
    )
    assert message.startswith("set could not be downloaded")


@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/tmp/evil", "C:/evil", "..\\evil"])
def test_a_path_that_climbs_out_is_refused_before_anything_is_written(server, cache, name):
    body = zipped({"set/fine.txt": b"fine", name: b"evil"})
    assert_refused(cache, archive(server.serve(body), body=body), "leads out of the folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_in_a_tar_are_refused(server, cache, kind):
    body = tarred(("set/fine.txt", tarfile.REGTYPE, b"fine"), ("set/link", kind, "../../outside"))
    assert_refused(cache, archive(server.serve(body), body=body), "'set/link' is neither a file nor a folder")


def test_a_symlink_in_a_zip_is_refused(server, cache):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        link = zipfile.ZipInfo("set/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc")
    body = buffer.getvalue()
    assert_refused(cache, archive(server.serve(body), body=body), "'set/link' is neither")


def test_a_bomb_is_refused(server, cache):
    body = zipped({"set/zeros": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    assert_refused(cache, archive(server.serve(body), body=body), "unpack to 10,000,000")


def test_what_is_no_archive_and_what_is_a_broken_one(server, cache):
    assert_refused(cache, archive(server.serve(b"words"), body=b"words"), "neither a zip nor a tar")
    broken = bytearray(GOOD)
    broken[60] ^= 255  # inside the first file's bytes: its own checksum no longer fits
    assert_refused(cache, archive(server.serve(bytes(broken)), body=bytes(broken)), "cannot be unpacked")


def test_a_tar_with_several_things_at_its_top(server, cache):
    body = tarred(("a.txt", tarfile.REGTYPE, b"a"), ("b", tarfile.DIRTYPE, ""), ("b/c.txt", tarfile.REGTYPE, b"c"))
    place = fetch(archive(server.serve(body), body=body), cache)
    assert ((place / "a.txt").read_bytes(), (place / "b" / "c.txt").read_bytes()) == (b"a", b"c")


@pytest.mark.parametrize("step", ["download", "extraction"])
def test_a_full_disk_is_said_at_once(server, cache, monkeypatch, step):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "download":
        monkeypatch.setattr(download._Limited, "write", full)
    else:
        monkeypatch.setattr(shutil, "copyfileobj", full)
    urls = [server.serve(GOOD), server.serve(GOOD, "/mirror.zip")]
    assert_refused(cache, archive(*urls), "cannot be stored", "No space left on device")
    assert server.asked == ["/set.zip"]  # another mirror would not help


def test_an_interrupted_call_leaves_nothing_and_the_next_succeeds(server, cache, monkeypatch):
    wanted = archive(server.serve(GOOD))

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(wanted, cache)
    assert everything_under(cache) == []
    assert (fetch(wanted, cache) / "trainB" / "1_B.jpg").exists()


def test_leftovers_of_a_kill_are_removed_a_day_later(server, cache):
    old, young = cache / ".set.abc.part", cache / ".set.def.part"
    old.mkdir()
    young.mkdir()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    fetch(archive(server.serve(GOOD)), cache)
    assert {p.name for p in cache.iterdir()} == {"set", young.name}


def test_two_calls_at_once_share_the_result(server, cache):
    wanted = archive(server.serve(GOOD))
    places: list = []
    threads = [threading.Thread(target=lambda: places.append(fetch(wanted, cache))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert places == [cache / "set"] * 4
    assert [p.name for p in cache.iterdir()] == ["set"]


def test_a_folder_of_ones_own_is_not_overwritten(server, cache):
    (cache / "set").mkdir()
    (cache / "set" / "mine.txt").write_text("mine")
    with pytest.raises(DownloadError, match="in the way"):
        fetch(archive(server.serve(GOOD)), cache)
    assert (cache / "set" / "mine.txt").read_text() == "mine"
    assert server.asked == []


def test_the_table_of_archives_is_well_formed():
    for name, entry in ARCHIVES.items():
        assert entry.name == name
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert len(entry.urls) == 2
        assert all(url.startswith("https://") and url.endswith(f"/{name}.zip") for url in entry.urls)
