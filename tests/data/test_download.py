"""Downloads against a server on this machine that behaves as badly as the net does."""

import contextlib
import errno
import hashlib
import io
import os
import shutil
import socket
import stat
import threading
import time
import types
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


GOOD = zipped()


class Server(ThreadingHTTPServer):
    """Answers each path with (status, body, announced length); remembers what it was asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[int, bytes, int]] = {}
        self.asked: list[str] = []
        self.trickling: set[str] = set()

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
        if self.path not in self.server.trickling:
            self.wfile.write(body)
            return
        with contextlib.suppress(OSError):  # until the client hangs up
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)

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
        f"{urls[2]}: wrong checksum, SHA-256 expected is {hashlib.sha256(GOOD).hexdigest()}",
        f"{urls[3]}: truncated, 1,000 bytes of {len(GOOD):,}",
        f"{urls[4]}: connection failed after 1,000 bytes of {len(GOOD):,}",
        f"{urls[5]}: more than the expected {len(GOOD):,} bytes",
    )
    assert message.startswith("set could not be downloaded")


def test_a_mirror_that_trickles_is_given_up_for_the_next(server, cache, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 0.2)
    slow = server.serve(GOOD, "/slow.zip")
    server.trickling.add("/slow.zip")
    place = fetch(archive(slow, server.serve(GOOD)), cache)
    assert (place / "trainA" / "1_A.jpg").exists()
    assert server.asked == ["/slow.zip", "/set.zip"]
    shutil.rmtree(place)
    assert_refused(cache, archive(slow), f"{slow}: slower than 4,096 bytes a second")


@pytest.mark.parametrize("length", ["many", "-5", "1e3", "", "9" * 5000])
def test_a_content_length_that_is_no_number_is_the_mirror_s_fault_alone(server, cache, length):
    odd = server.serve(GOOD, "/odd.zip", length=length)
    assert fetch(archive(odd, server.serve(GOOD)), cache) == cache / "set"


@pytest.mark.parametrize(
    "url",
    [
        f"http://{'x' * 64}.example/set.zip",
        "http://.example/set.zip",
        "http://[::1/set.zip",
        "http://127.0.0.1:99999/set.zip",
        "http:///set.zip",
        "ftp://127.0.0.1/set.zip",
        "set.zip",
    ],
)
def test_an_address_that_is_none_is_the_mirror_s_fault_alone(server, cache, url):
    assert fetch(archive(url, server.serve(GOOD)), cache) == cache / "set"


def test_a_damaged_marker_is_made_anew(server, cache):
    place = fetch(archive(server.serve(GOOD)), cache)
    (place / download.MARKER).write_bytes(b"\xff\xfe\x00")
    assert fetch(archive(server.serve(GOOD)), cache) == place
    assert len(server.asked) == 2


@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/tmp/evil", "C:/evil", "..\\evil"])
def test_a_path_that_climbs_out_is_refused_before_anything_is_written(server, cache, name):
    body = zipped({"set/fine.txt": b"fine", name: b"evil"})
    assert_refused(cache, archive(server.serve(body), body=body), "leads out of the folder")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK, stat.S_IFSOCK])
def test_what_is_neither_a_file_nor_a_folder_is_refused(server, cache, kind):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        link = zipfile.ZipInfo("set/link")
        link.external_attr = (kind | 0o777) << 16
        opened.writestr(link, "/etc")
    body = buffer.getvalue()
    assert_refused(cache, archive(server.serve(body), body=body), "'set/link' is neither")


def test_a_bomb_is_refused(server, cache):
    body = zipped({"set/zeros": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    assert_refused(cache, archive(server.serve(body), body=body), "unpack to 10,000,000")


def test_what_is_no_archive_and_what_is_a_broken_one(server, cache):
    assert_refused(cache, archive(server.serve(b"words"), body=b"words"), "cannot be unpacked (File is not a zip file)")
    broken = bytearray(GOOD)
    broken[60] ^= 255  # inside the first file's bytes: its own checksum no longer fits
    assert_refused(cache, archive(server.serve(bytes(broken)), body=bytes(broken)), "cannot be unpacked")


def encrypted():
    """The good archive with its members' encryption flag set, in both places."""
    body = bytearray(GOOD)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = body.find(signature)
        while place >= 0:
            body[place + offset] |= 1
            place = body.find(signature, place + 1)
    return bytes(body)


def test_an_encrypted_member_and_a_name_that_is_no_utf8_are_refused(server, cache):
    body = encrypted()
    assert_refused(cache, archive(server.serve(body), body=body), "'set/trainA/1_A.jpg' is encrypted")
    body = zipped({"set/é.txt": b"x"}).replace("é".encode(), b"\xff\xff")
    assert_refused(cache, archive(server.serve(body), body=body), "cannot be unpacked")


def test_an_archive_with_several_things_at_its_top(server, cache):
    body = zipped({"a.txt": b"a", "b/": b"", "b/c.txt": b"c"})
    place = fetch(archive(server.serve(body), body=body), cache)
    assert ((place / "a.txt").read_bytes(), (place / "b" / "c.txt").read_bytes()) == (b"a", b"c")


@pytest.mark.parametrize("step", ["download", "extraction"])
def test_a_full_disk_is_said_at_once(server, cache, monkeypatch, step):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "download":
        file = types.SimpleNamespace(write=full)
        monkeypatch.setattr(download, "open", lambda path, mode: contextlib.nullcontext(file), raising=False)
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
