"""A file from a server has its name when all of it is there, and never before."""

import contextlib
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from densenet.datasets import download

CONTENT = np.random.default_rng(3).bytes(3_000_000)
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """A server on this computer, of one file, that can break off and change its mind."""

    content = CONTENT
    breaks_after = len(CONTENT)  # bytes that it sends of each answer, at most
    etag: "str | None" = '"first"'
    knows_parts = True
    tells_length = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []  # the header Range of each request

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/data/file%20one.bin?version=2"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *of_each_request):
        pass

    def do_GET(self):
        server, wanted = self.server, self.headers["Range"]
        server.asked.append(wanted)
        if not self.path.startswith("/data/"):
            self.send_error(404)
            return
        start = 0
        if wanted and server.knows_parts and self.headers["If-Range"] in (None, server.etag):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            self.send_response(206)
            last = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        else:
            self.send_response(200)
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.tells_length:
            self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        with contextlib.suppress(OSError):  # the one who asked has gone
            self.wfile.write(server.content[start:][: server.breaks_after])


@pytest.fixture
def server():
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("checksum", [None, CHECKSUM, CHECKSUM.upper()])
@pytest.mark.parametrize("tells_length", [True, False])
def test_a_file_is_fetched_once(server, tmp_path, checksum, tells_length):
    server.tells_length = tells_length
    path = download(server.url, tmp_path, sha256=checksum)
    assert path == tmp_path / "file one.bin"
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == ["file one.bin"]
    asked = list(server.asked)
    assert download(server.url, tmp_path, sha256=checksum) == path
    assert server.asked == asked == [None]
    assert download(server.url, tmp_path, name="other").read_bytes() == CONTENT
    assert names(tmp_path) == ["file one.bin", "other"]


def test_what_is_missing_is_fetched_alone(server, tmp_path):
    server.breaks_after = 1_300_000
    for came in (1_300_000, 2_600_000):
        with pytest.raises(
            ConnectionError, match=f"ended {3_000_000 - came} bytes too early; call"
        ):
            download(server.url, tmp_path)
        [part] = tmp_path.iterdir()
        assert part.suffix == ".part"
        assert part.read_bytes() == CONTENT[:came]
    assert download(server.url, tmp_path, sha256=None).read_bytes() == CONTENT
    asked = [None, None, "bytes=1300000-", None, "bytes=2600000-"]
    assert server.asked == asked
    assert names(tmp_path) == ["file one.bin"]


@pytest.mark.parametrize("checksum", [None, hashlib.sha256(CONTENT[::-1]).hexdigest()])
def test_a_part_of_another_version_is_no_part(server, tmp_path, checksum):
    server.breaks_after = 1000
    with pytest.raises(ConnectionError):
        download(server.url, tmp_path, sha256=checksum)
    server.breaks_after = len(CONTENT)
    server.content, server.etag = CONTENT[::-1], '"second"'
    path = download(server.url, tmp_path, sha256=checksum)
    assert path.read_bytes() == CONTENT[::-1]
    assert server.asked == [None, None]


@pytest.mark.parametrize("checksum", [None, CHECKSUM])
def test_servers_that_know_less_send_all_again(server, tmp_path, checksum):
    server.breaks_after, server.etag, server.knows_parts = 1000, None, False
    with pytest.raises(ConnectionError):
        download(server.url, tmp_path, sha256=checksum)
    server.breaks_after = len(CONTENT)
    assert download(server.url, tmp_path, sha256=checksum).read_bytes() == CONTENT
    # Without a version, only a checksum could tell that the rest belongs to the part.
    assert server.asked == [None, None] + ["bytes=1000-"] * (checksum is not None)


def test_a_part_that_is_all_of_it_is_not_fetched_again(server, tmp_path):
    server.breaks_after = 1000
    with pytest.raises(ConnectionError):
        download(server.url, tmp_path)
    [part] = tmp_path.iterdir()
    part.write_bytes(CONTENT)  # as where the process ends just before it gives the name
    assert download(server.url, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_an_altered_file_is_refused_and_removed(server, tmp_path):
    server.content = CONTENT[:-1] + b"\0"
    words = f"expected the SHA-256 {CHECKSUM}, got [0-9a-f]{{64}}: the server has another file"
    with pytest.raises(ValueError, match=words):
        download(server.url, tmp_path, sha256=CHECKSUM)
    assert names(tmp_path) == []
    path = tmp_path / "file one.bin"
    path.write_bytes(b"altered")
    with pytest.raises(
        ValueError, match=r"file one\.bin: expected the SHA-256 .*: remove the file"
    ):
        download(server.url, tmp_path, sha256=CHECKSUM)
    assert path.read_bytes() == b"altered"


def test_no_server_and_no_file_are_told_with_the_url(server, tmp_path):
    missing = server.url.replace("data", "none")
    with pytest.raises(ConnectionError, match=r"^http://.*: the server answered 404 Not Found$"):
        download(missing, tmp_path)
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionError, match=r"^http://.*: .*refused"):
        download(server.url, tmp_path)
    assert names(tmp_path) == []


def test_two_processes_do_not_write_one_part(server, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    server.breaks_after = 1000
    with pytest.raises(ConnectionError):
        download(server.url, tmp_path)
    [part] = tmp_path.iterdir()
    with part.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError, match="another process is fetching it"):
            download(server.url, tmp_path)
    assert part.read_bytes() == CONTENT[:1000]


def test_a_folder_in_the_place_of_the_file_is_refused(server, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError, match=r"^name: expected a file, got the folder "):
        download(server.url, tmp_path, name="taken")
    assert server.asked == []


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"url": 1}, TypeError, "url: expected a str, got"),
        ({"url": "file:///etc/hosts"}, ValueError, "url: expected http:// or https://"),
        ({"url": "http://"}, ValueError, "url: expected http:// or https://"),
        ({"url": "http://a/b/"}, ValueError, "name: expected the name of a file, got ''"),
        ({"url": "http://a/b%2F..%2Fc/.."}, ValueError, "name: expected the name of a file, got"),
        ({"name": "../b"}, ValueError, "name: expected the name of a file, got '../b'"),
        ({"name": 1}, TypeError, "name: expected a str"),
        ({"folder": 1}, TypeError, "folder: expected a str or path"),
        ({"folder": "none"}, FileNotFoundError, "folder: expected an existing folder, got 'none'"),
        ({"sha256": "12"}, ValueError, "sha256: expected 64 hexadecimal digits, got '12'"),
        ({"sha256": 1}, TypeError, "sha256: expected a str"),
        ({"timeout": 0}, ValueError, "timeout must be"),
    ],
)
def test_wrong_arguments_are_refused(empty_folder, changed, error, words):
    arguments = {"url": "http://127.0.0.1:9/b", "folder": "."} | changed
    with pytest.raises(error, match=f"^{words}"):
        download(**arguments)
    assert names(empty_folder) == []
