"""Recognise what a file is, and refuse with advice what is neither CSV nor Parquet."""

import os
import zipfile
from pathlib import Path

__all__ = ["is_parquet", "refuse_others"]

_PARQUET = b"PAR1"
_UNPACK = "unpack it first, or name an unpacked table"
_SAVE = "save the sheet as CSV first"
_CONVERT = "convert it to CSV or Parquet first"
_KINDS = (
    (b"\x1f\x8b", "compressed by gzip", _UNPACK),
    *((b"BZh%d1AY&SY" % level, "compressed by bzip2", _UNPACK) for level in range(1, 10)),
    (b"\xfd7zXZ\x00", "compressed by xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook of the old kind", _SAVE),
    (b"ARROW1\x00\x00", "an Arrow or Feather file", _CONVERT),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _CONVERT),
    (b"SQLite format 3\x00", "an SQLite database", _CONVERT),
    (b"\x93NUMPY", "a NumPy array", _CONVERT),
    (b"%PDF-", "a PDF document", _CONVERT),
)
_IN_ARCHIVES = (
    ("xl/", "an Excel workbook", _SAVE),
    ("content.xml", "an OpenDocument spreadsheet", _SAVE),
)


def is_parquet(path: Path) -> bool:
    """Return whether a file is Parquet, by its name or its content.

    Examples
    --------
    >>> from pathlib import Path
    >>> from densenet.tables.file_kinds import is_parquet
    >>> is_parquet(Path("a.parquet")), is_parquet(Path("a.csv"))
    (True, False)
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        return True
    if not _beginning(path).startswith(_PARQUET):
        return False
    with path.open("rb") as file:  # the first column of a CSV file may be called PAR1
        file.seek(-len(_PARQUET), os.SEEK_END)
        return file.read() == _PARQUET


def refuse_others(path: Path) -> None:
    """Raise a ValueError that says what a file is and what to do, if it is no CSV or Parquet.

    Examples
    --------
    >>> import gzip, tempfile
    >>> from pathlib import Path
    >>> from densenet.tables.file_kinds import refuse_others
    >>> path = Path(tempfile.mkdtemp(), "a.csv.gz")
    >>> _ = path.write_bytes(gzip.compress(b"a,b"))
    >>> refuse_others(path)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...a.csv.gz: expected CSV or Parquet, got a file compressed by gzip: unpack it ...
    """
    if str(path) == "-" and not path.exists():
        raise ValueError(
            "-: expected a file, got standard input: write the table into a file first"
        )
    if path.is_dir():
        tables = sorted(one.name for one in path.iterdir() if one.suffix in (".csv", ".parquet"))
        inside = f", such as {tables[0]} in it" if tables else ""
        raise ValueError(f"{path}: expected one file, got a folder: name a file{inside}")
    what, advice = _kind(path)
    if what:
        raise ValueError(f"{path}: expected CSV or Parquet, got {what}: {advice}")


def _beginning(path: Path) -> bytes:
    """Give the first bytes of a file; none of a pipe, which can be read only once."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(16)


def _kind(path: Path) -> tuple[str, str]:
    """Say what a file is and what to do about it; two empty texts if it may be a table."""
    first = _beginning(path)
    for mark, what, advice in _KINDS:
        if first.startswith(mark):
            return what if what.startswith("a") else f"a file {what}", advice
    if not first.startswith(b"PK\x03\x04"):
        return "", ""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        names = []
    for part, what, advice in _IN_ARCHIVES:
        if any(name.startswith(part) for name in names):
            return what, advice
    return "a ZIP archive", _UNPACK
