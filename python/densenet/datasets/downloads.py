"""Files from the internet, fetched whole or not at all."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from densenet import _checks

if TYPE_CHECKING:
    from http.client import HTTPResponse

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["download"]

PIECE = 1 << 20  # bytes that are read at a time


def download(
    url: str,
    folder: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    name: str | None = None,
    timeout: float = 30.0,
) -> Path:
    """Fetch a file into a folder, unless it is there already, and check it.

    The file has its name only once all of it has come and `sha256` fits. Until then it is beside it
    under a name that ends in ``.part``. Where the connection breaks, call again: the rest alone is
    fetched, if the server can, and if it says that its file is still the same one.

    Parameters
    ----------
    url : str
        Begins with ``http://`` or ``https://``.
    folder : str or path
        It must exist.
    sha256 : str, optional
        The checksum that the file must have, 64 hexadecimal digits.
    name : str, optional
        What the file is called; by default what the URL ends with.
    timeout : float > 0
        Seconds to wait for an answer, or for more to come.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `url` is of another kind, `sha256` no checksum or `name` no name of a file; or if the
        file has another checksum, whether it was there or has come. One that has come is removed.
    FileNotFoundError
        If `folder` does not exist.
    IsADirectoryError
        If there is a folder where the file should be.
    ConnectionError
        If the server cannot be reached, has no such file, or the connection breaks.
    BlockingIOError
        If another process is fetching the same file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from densenet.datasets import download
    >>> checksum = "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4"
    >>> _ = Path("greeting.txt").write_bytes(b"hi")  # as if it had been fetched before
    >>> download("https://example.org/greeting.txt", ".", sha256=checksum).name
    'greeting.txt'
    """
    target = Path(_checks.path("folder", folder)) / _name(url, name)
    wanted = None if sha256 is None else _checksum(sha256)
    timeout = _checks.positive("timeout", timeout)
    if not target.parent.is_dir():
        where = os.fspath(target.parent)
        raise FileNotFoundError(f"folder: expected an existing folder, got {where!r}")
    if target.is_dir():
        raise IsADirectoryError(f"name: expected a file, got the folder {os.fspath(target)!r}")
    if target.exists():
        _check(target, wanted, "remove the file to fetch it again")
    else:
        _fetch(url, target, wanted, timeout)
    return target


def _name(url: str, name: str | None) -> str:
    if not re.match(r"https?://[^/\s]", _checks.text("url", url)):
        raise ValueError(f"url: expected http:// or https:// and an address, got {url!r}")
    found = unquote(urlsplit(url).path).rpartition("/")[2] if name is None else name
    if re.search(r"[/\\:\0]|^\.*$", _checks.text("name", found)):
        raise ValueError(f"name: expected the name of a file, got {found!r}")
    return found


def _checksum(sha256: str) -> str:
    if not re.fullmatch("[0-9a-fA-F]{64}", _checks.text("sha256", sha256)):
        raise ValueError(f"sha256: expected 64 hexadecimal digits, got {sha256!r}")
    return sha256.lower()


def _check(path: Path, wanted: str | None, advice: str) -> None:
    if wanted is None:
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    if digest.hexdigest() != wanted:
        raise ValueError(
            f"{path}: expected the SHA-256 {wanted}, got {digest.hexdigest()}: {advice}"
        )


def _fetch(url: str, target: Path, wanted: str | None, timeout: float) -> None:
    with _ask(url, timeout) as answer:
        version = _version(answer)
        # The name of what has come in part says of which version of which file it is a part.
        key = hashlib.sha256(f"{url}\n{version}\n{wanted}".encode()).hexdigest()[:16]
        part = target.with_name(f"{target.name}.{key}.part")
        with _alone(part) as file:
            start, length = file.seek(0, os.SEEK_END), _length(answer)
            # Where nothing tells whether the rest belongs to what is there, all is fetched.
            if not (version or wanted) or length is None or start > length:
                start = file.truncate(0)
            if start == 0:
                _append(url, answer, file)
            elif start != length:
                _append_rest(url, timeout, version, file)
            os.fsync(file.fileno())
            try:
                _check(part, wanted, "the server has another file, or it was altered on its way")
            except ValueError:
                part.unlink()  # no rest would mend it
                raise
            if fcntl:  # while it is locked; Windows moves no file that is open
                part.replace(target)
    if not fcntl:
        part.replace(target)


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """Open a file to append to, which no other process has opened so."""
    while True:
        with part.open("ab") as file:
            if fcntl:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise BlockingIOError(f"{part}: another process is fetching it") from None
                if not _is_at(file, part):
                    continue  # another process has just finished it
            yield file
            return


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _append_rest(url: str, timeout: float, version: str | None, file: BinaryIO) -> None:
    start = file.tell()
    condition = {"If-Range": version} if version and not version.startswith("W/") else {}
    with _ask(url, timeout, {"Range": f"bytes={start}-", **condition}) as answer:
        if answer.status != 206:  # all of it: the server knows no parts, or has another version
            file.truncate(0)
        elif _version(answer) != version:
            raise ConnectionError(f"{url}: the file has changed on the server; call again")
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise ConnectionError(f"{url}: the server sent another part than was asked for")
        _append(url, answer, file)


def _append(url: str, answer: "HTTPResponse", file: BinaryIO) -> None:
    length, came = _length(answer), 0
    while True:
        with _told(url):
            piece = answer.read(PIECE)
        if not piece:
            break
        file.write(piece)
        came += len(piece)
    file.flush()
    if length is not None and came != length:
        raise ConnectionError(
            f"{url}: the connection ended {length - came} bytes too early; call again for the rest"
        )


def _ask(url: str, timeout: float, headers: Mapping[str, str] = {}) -> "HTTPResponse":
    from urllib.error import HTTPError  # imported late: they take longer than `datasets` itself
    from urllib.request import Request, urlopen

    # Without compression on its way, for parts of a file are counted in its bytes.
    headers = {"Accept-Encoding": "identity", "User-Agent": "densenet", **headers}
    with _told(url):
        try:
            answer: HTTPResponse = urlopen(Request(url, headers=headers), timeout=timeout)
        except HTTPError as error:
            error.close()
            raise ConnectionError(f"the server answered {error.code} {error.reason}") from None
    return answer


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Within the context, turn what the connection raises into a ConnectionError with the URL."""
    from http.client import HTTPException

    try:
        yield
    except (HTTPException, OSError) as error:
        told = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise ConnectionError(f"{url}: {told}") from error


def _version(answer: "HTTPResponse") -> str | None:
    return answer.headers["ETag"] or answer.headers["Last-Modified"]


def _length(answer: "HTTPResponse") -> int | None:
    length = answer.headers["Content-Length"]
    return None if length is None else int(length)
