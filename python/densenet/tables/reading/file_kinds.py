"""Recognise what a file is, and refuse with advice what is neither CSV nor Parquet."""

import re
import zipfile
from pathlib import Path
from typing import IO

__all__ = ["beginning", "is_parquet", "packing_of", "refuse_others"]

_PARQUET = b"PAR1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the latter is empty
_PACKINGS = (
    (b"\x1f\x8b", "gzip"),
    *((b"BZh%d1AY&SY" % level, "bzip2") for level in range(1, 10)),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
)
_UNPACK = "unpack it first, or name an unpacked table"
_SAVE = "save the sheet as CSV first"
_CONVERT = "convert it to CSV or Parquet first"
_KINDS = (
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook of the old kind", _SAVE),
    (b"ARROW1\x00\x00", "an Arrow or Feather file", _CONVERT),
    (b"FEA1\x00", "a Feather file of the old kind", _CONVERT),
    (b"\xff\xff\xff\xff", "a stream of Arrow", _CONVERT),
    (b"Obj\x01", "an Avro file", _CONVERT),
    (b"$FL2@(#)", "an SPSS file", _CONVERT),
    (b"$FL3@(#)", "an SPSS file", _CONVERT),
    *((b"%c%c\x01\x00" % (v, o), "a Stata file", _CONVERT) for v in b"qrs" for o in (1, 2)),
    (b"<stata_dta>", "a Stata file", _CONVERT),
    (b"HEADER RECORD***", "a SAS transport file", _CONVERT),
    (b"\x80\x04\x95", "a pickle", _CONVERT),
    (b"\x80\x05\x95", "a pickle", _CONVERT),
    *((b"RD%s%d\n" % (kind, i), "an R file", _CONVERT) for kind in (b"X", b"A") for i in (2, 3)),
    *((b"X\n\x00\x00\x00%c" % i, "an R file", _CONVERT) for i in (2, 3)),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", _CONVERT),
    (b"SQLite format 3\x00", "an SQLite database", _CONVERT),
    (b"\x93NUMPY", "a NumPy array", _CONVERT),
    (b"%PDF-", "a PDF document", _CONVERT),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file", _CONVERT),
    (b"MATLAB 7.3 MAT-file", "a MATLAB file", _CONVERT),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file, by git lfs pull"),
    *((mark, f"a file packed twice, by {what} inside", _UNPACK) for mark, what in _PACKINGS),
)
_PATTERNS = (
    (rb"\s*(\{\s*[\"}]|\[\s*[\[{])", "JSON", _CONVERT),
    (rb"(?i)([ \t]*(%.*)?\n)*[ \t]*@relation\s", "an ARFF file", _CONVERT),
    (rb"(?i)\s*<(!doctype html|html|head|table)[\s>]", "an HTML page", "download the table itself"),
    (rb"\s*<\?xml\s", "XML", _CONVERT),
    (rb"(?s).{8}DUCK..\0\0", "a DuckDB database", _CONVERT),
    (rb"(?s)(?=[^\0]{1,100}\0).{257}ustar", "a tar archive", _UNPACK),
)
_FIRST = 1 << 12  # bytes in which an ARFF file has mostly told what it is
_IN_ARCHIVES = (
    ("xl/", "an Excel workbook", _SAVE),
    ("content.xml", "an OpenDocument spreadsheet", _SAVE),
)


def beginning(file: IO[bytes], length: int = 16) -> bytes:
    """Give the first `length` bytes of a file, and go back to its beginning.

    Examples
    --------
    >>> import io
    >>> from densenet.tables.reading.file_kinds import beginning
    >>> beginning(io.BytesIO(b"a,b"))
    b'a,b'
    """
    first = file.read(length)
    file.seek(0)
    return first


def packing_of(name: str, file: IO[bytes]) -> str:
    """Give how a file is packed: gzip, bzip2, xz, Zstandard, a ZIP archive, or "" if it is not.

    Raises
    ------
    ValueError
        If a ZIP archive is a workbook.

    Examples
    --------
    >>> import gzip, io
    >>> from densenet.tables.reading.file_kinds import packing_of
    >>> packing_of("a.gz", io.BytesIO(gzip.compress(b"a,b"))), packing_of("a", io.BytesIO(b"a,b"))
    ('gzip', '')
    """
    first = beginning(file)
    for mark, packing in _PACKINGS:
        if first.startswith(mark):
            return packing
    if not first.startswith(_ZIP):
        return ""
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    file.seek(0)
    for part, what, advice in _IN_ARCHIVES:
        if any(one.startswith(part) for one in names):
            raise ValueError(f"{name}: expected CSV or Parquet, got {what}: {advice}")
    return "a ZIP archive"


def is_parquet(path: Path, file: IO[bytes]) -> bool:
    """Return whether a file is Parquet, by its name or its content.

    Parameters
    ----------
    path : Path
        Its name, without an ending that tells of packing.
    file : binary file

    Examples
    --------
    >>> import io
    >>> from pathlib import Path
    >>> from densenet.tables.reading.file_kinds import is_parquet
    >>> is_parquet(Path("a.parquet"), io.BytesIO()), is_parquet(Path("a.csv"), io.BytesIO(b"a,b"))
    (True, False)
    """
    first = beginning(file)
    # The first column of a CSV file may be called PAR1; a comma or the like follows then.
    follows = first[len(_PARQUET) :][:1]
    is_by_content = first.startswith(_PARQUET) and follows < b" " and follows not in b"\t\r\n"
    return path.suffix.lower() in (".parquet", ".pq") or is_by_content


def refuse_others(name: str, file: IO[bytes]) -> None:
    """Raise a ValueError that says what a file is and what to do, if it is no CSV or Parquet.

    Examples
    --------
    >>> import io
    >>> from densenet.tables.reading.file_kinds import refuse_others
    >>> refuse_others("a.pdf", io.BytesIO(b"%PDF-1.7"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: a.pdf: expected CSV or Parquet, got a PDF document: convert it to CSV or ...
    """
    first = beginning(file, _FIRST).removeprefix(b"\xef\xbb\xbf")
    is_orc = first.startswith(b"ORC") and min(first[:16]) < ord("\t")  # a column may be called ORC
    kinds = ((b"ORC", "an ORC file", _CONVERT),) if is_orc else _KINDS
    found = [kind for kind in kinds if first.startswith(kind[0])]
    found += [kind for kind in _PATTERNS if re.match(kind[0], first)]
    for _, what, advice in found:
        raise ValueError(f"{name}: expected CSV or Parquet, got {what}: {advice}")
