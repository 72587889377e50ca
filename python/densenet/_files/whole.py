"""Files that are written whole or not at all."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows removes no file that is open
    fcntl = None  # type: ignore[assignment]


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of the one at `path` once all of it is on the disk.

    It is written under another name in the same folder. A process that is killed meanwhile leaves
    it behind; the next one to write the same file removes it.

    Raises
    ------
    OSError
        If the file cannot be written; it names `path`. A file that was there is as it was.
    """
    target = Path(os.path.realpath(path))  # a link goes on pointing to its file
    # Of one length, because a name may be as long as the file system allows.
    prefix = f".densenet-{hashlib.sha256(target.name.encode()).hexdigest()[:16]}-"
    beside = target.with_name(f"{prefix}{secrets.token_hex(8)}.tmp")
    try:
        _remove_left_behind(target.parent, prefix)
        with _opened(beside) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if fcntl:  # while the lock is held; Windows moves no file that is open
                beside.replace(target)
        if not fcntl:
            beside.replace(target)
    except OSError as error:
        if error.filename is None or Path(error.filename) != beside:
            raise
        raise type(error)(error.errno, error.strerror, os.fspath(path)) from None
    finally:
        with suppress(OSError):
            beside.unlink()


def _opened(path: Path) -> BinaryIO:
    """Make a file and lock it for as long as it is open, so that others see that it is in use."""
    while True:
        file = path.open("xb")
        if not fcntl:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks: nothing is removed there
            return file
        if os.fstat(file.fileno()).st_nlink > 0:
            return file
        file.close()  # another process took it for one that was left behind


def _remove_left_behind(folder: Path, prefix: str) -> None:
    """Remove files with this prefix that no process is writing."""
    for path in folder.glob(f"{prefix}*.tmp"):
        with suppress(OSError):  # it is in use, or another process has removed it
            if not fcntl:
                path.unlink()
                continue
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
