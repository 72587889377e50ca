"""Open what is given as a table: files, packed or not, folders of files, standard input."""

import bz2
import gzip
import lzma
import shutil
import sys
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

from densenet.tables.reading.file_kinds import is_parquet, packing_of, refuse_others

STANDARD_INPUT = "standard input"
"""What errors call ``-``."""

_TABLES = (".csv", ".tsv", ".parquet", ".pq")
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")


class Source(NamedTuple):
    """A file that is open to be read.

    Attributes
    ----------
    name : str
        For error messages.
    stream : binary file
    is_parquet : bool
    was_packed : bool
        True if it is slow to go to another place in it.

    Examples
    --------
    >>> import io
    >>> from densenet.tables.reading.sources import Source
    >>> Source("a.csv", io.BytesIO(b"a"), False, False).stream.read()
    b'a'
    """

    name: str
    stream: IO[bytes]
    is_parquet: bool
    was_packed: bool


def find_files(paths: Iterable[str | Path]) -> list[Path]:
    """Give files as they are, and in place of a folder its tables, in the order of their names.

    Raises
    ------
    ValueError
        If a folder has no tables, or has folders in it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from densenet.tables.reading.sources import find_files
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in "b.csv", "a.csv.gz", "read.me":
    ...     (folder / name).touch()
    >>> [path.name for path in find_files([folder, "c.txt"])]
    ['a.csv.gz', 'b.csv', 'c.txt']
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(one for one in path.iterdir() if not one.name.startswith((".", "_")))
        folders = [one.name for one in inside if one.is_dir()]
        if folders and "=" in folders[0]:
            column = folders[0].partition("=")[0]
            raise ValueError(
                f"{path}: expected a folder of tables, got the folder {folders[0]} in it, whose "
                f"files lack the column {column!r}: write one file that has it, or read the folder "
                "with pyarrow, pandas or polars and use densenet.tables"
            )
        if folders:
            raise ValueError(
                f"{path}: expected a folder of tables, got the folder {folders[0]} in it: name "
                "the folders that have the tables"
            )
        tables = [one for one in inside if _is_named_as_table(one)]
        if not tables:
            raise ValueError(
                f"{path}: expected files of CSV or Parquet in the folder, got none whose name ends "
                f"in {', '.join(_TABLES)}"
            )
        found += tables
    return found


@contextmanager
def open_source(path: Path, name: str | None = None) -> Iterator[Source]:
    """Open one file, unpacked; errors call it by its path, unless it has another name.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no table, a ZIP archive of other than one file, or damaged.

    Examples
    --------
    >>> import gzip, tempfile
    >>> from pathlib import Path
    >>> from densenet.tables.reading.sources import open_source
    >>> path = Path(tempfile.mkdtemp(), "a.csv.gz")
    >>> _ = path.write_bytes(gzip.compress(b"x,y"))
    >>> with open_source(path) as source:
    ...     source.stream.read(), source.is_parquet, source.was_packed
    (b'x,y', False, True)
    """
    name = name or name_of(path)
    packing = ""
    with ExitStack() as stack:
        file = stack.enter_context(_seekable(path))
        try:
            packing = packing_of(name, file)
            stream = _unpacked(name, packing, file, stack) if packing else file
            refuse_others(name, stream)
            named = path.with_suffix("") if path.suffix.lower() in _PACKED else path
            yield Source(name, stream, is_parquet(named, stream), bool(packing))
        except (*_DAMAGED, OSError, RuntimeError, NotImplementedError) as error:
            if not isinstance(error, _DAMAGED) and not (packing and _is_of_content(error)):
                raise
            what = packing or "a ZIP archive"
            raise ValueError(f"{name}: not readable as {what}: {error}") from None


def name_of(path: Path) -> str:
    """Give what errors call a file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from densenet.tables.reading.sources import name_of
    >>> name_of(Path("-")), name_of(Path("a.csv"))
    ('standard input', 'a.csv')
    """
    return STANDARD_INPUT if str(path) == "-" else str(path)


class Copies:
    """Copies of what cannot be read several times, in files that go when this object does.

    Examples
    --------
    >>> from pathlib import Path
    >>> from densenet.tables.reading.sources import Copies
    >>> Copies().of(Path(__file__)) == Path(__file__)
    True
    """

    def __init__(self) -> None:
        self._folder: str | None = None

    def of(self, path: Path) -> Path:
        """Give a file itself, or a copy of a pipe's content, or of Parquet that was packed."""
        with open_source(path) as source:
            is_file = str(path) != "-" and path.is_file()
            if is_file and not (source.is_parquet and source.was_packed):
                return path
            if self._folder is None:
                self._folder = tempfile.mkdtemp()
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            descriptor, name = tempfile.mkstemp(dir=self._folder)
            with open(descriptor, "wb") as copy:
                shutil.copyfileobj(source.stream, copy)
            return Path(name)


def _is_of_content(error: Exception) -> bool:
    """Return whether an error tells of what is in a file, such as an encrypted archive."""
    return getattr(error, "errno", None) is None


def _is_named_as_table(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in _TABLES


@contextmanager
def _seekable(path: Path) -> Iterator[IO[bytes]]:
    """Open a file; copy a pipe or standard input, which can be read only once."""
    if str(path) != "-" and path.is_file():
        with path.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as copy:
        if str(path) == "-":
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with path.open("rb") as pipe:
                shutil.copyfileobj(pipe, copy)
        copy.seek(0)
        yield cast(IO[bytes], copy)


def _unpacked(name: str, packing: str, file: IO[bytes], stack: ExitStack) -> IO[bytes]:
    if packing == "gzip":
        return cast(IO[bytes], gzip.GzipFile(fileobj=file))
    if packing == "bzip2":
        return bz2.BZ2File(file)
    if packing == "xz":
        return lzma.LZMAFile(file)
    if packing == "Zstandard":
        import pyarrow as arrow

        # There is no going back in the stream, so it is unpacked into a file.
        whole = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        shutil.copyfileobj(arrow.CompressedInputStream(arrow.PythonFile(file), "zstd"), whole)
        whole.seek(0)
        return cast(IO[bytes], whole)
    archive = zipfile.ZipFile(file)
    inside = [one for one in archive.namelist() if not one.endswith("/")]
    if len(inside) != 1:
        raise ValueError(f"{name}: expected a ZIP archive of one file, got {_listed(inside)}")
    return archive.open(inside[0])


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)}: {shown}" if names else "none"
