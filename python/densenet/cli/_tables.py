"""What commands that read a table share: options of reading, and the reading itself."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from densenet.cli import _options

if TYPE_CHECKING:
    from densenet.tables.model import TableModel
    from densenet.tables.reading.chunks import TableChunks
    from densenet.tables.table import Table


def add_table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "table",
        nargs="+",
        metavar="TABLE",
        help="a file, packed or not: .parquet, otherwise CSV; several, or a folder of them, are "
        "one table; - is standard input",
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    header = parser.add_mutually_exclusive_group()
    header.add_argument(
        "--no-header", action="store_true", help="CSV: name the columns c0, c1, ..."
    )
    header.add_argument(
        "--header-rows",
        type=_options.integer(1),
        default=1,
        metavar="N",
        help="CSV: the first rows, whose cells are joined by _ to names (default: 1)",
    )
    add(
        "--delimiter",
        metavar="D",
        help="CSV (default: as sep= says, else comma, semicolon, tab or |, by the first rows)",
    )
    add("--comment", metavar="C", help="CSV: what lines begin with that are skipped, such as #")
    add("--encoding", default="utf-8", metavar="E", help="CSV (default: utf-8)")
    add("--decimal", metavar="M", help="decimal mark, as , in 3,14 (default: recognised)")
    add("--thousands", metavar="M", help="mark between thousands (default: recognised)")
    add("--join", metavar="FILE", help="a table whose columns are added to rows of the same key")
    add(
        "--join-header-rows",
        type=_options.integer(1),
        metavar="N",
        help="CSV: those of --join (default: as --header-rows)",
    )
    add("--on", metavar="COLUMN", help="the column of both tables that has the keys of --join")
    add(
        "--threads",
        type=_options.integer(1),
        metavar="N",
        help="to compute with (default: all cores)",
    )


def read(
    arguments: argparse.Namespace,
    missing: Sequence[str],
    present: Sequence[str],
    unused: Callable[[str], bool],
) -> "Table":
    """Read the table, joined with that of ``--join``; tell how many rows have no partner in it.

    Columns of both tables that are unused, by name, may hold other cells in one than in the other.
    """
    from densenet.tables.joining import join
    from densenet.tables.reading.files import read_table

    _prepare(arguments)
    table = read_table(arguments.table, **_options_of(arguments, missing, present))
    if arguments.join is None:
        return table
    other = _read_other(arguments, missing, present)
    joined = join(table, other, arguments.on, ignore=_unlike(table, other, unused))
    _tell_of_alone(arguments, len(table), len(joined))
    return joined


def read_chunks(
    arguments: argparse.Namespace,
    missing: Sequence[str],
    present: Sequence[str],
    unused: Callable[[str], bool],
) -> "TableChunks":
    """Look at a table that is read in chunks; otherwise as `read`."""
    from densenet.tables.reading.chunks import read_chunks

    _prepare(arguments)
    chunks = read_chunks(arguments.table, **_options_of(arguments, missing, present))
    if arguments.join is None:
        return chunks
    other = _read_other(arguments, missing, present)
    joined = chunks.join(other, arguments.on, ignore=_unlike(chunks.sample, other, unused))
    _tell_of_alone(arguments, len(chunks), len(joined))
    return joined


def _prepare(arguments: argparse.Namespace) -> None:
    """Check the options of ``--join``, and set the threads."""
    from densenet.config import set_num_threads

    if (arguments.join is None) != (arguments.on is None):
        raise ValueError("--join and --on: expected both, a table and its key, got one of them")
    if arguments.join is None and arguments.join_header_rows is not None:
        raise ValueError("--join-header-rows: expected a table by --join, got none")
    if arguments.threads is not None:
        set_num_threads(arguments.threads)


def _read_other(
    arguments: argparse.Namespace, missing: Sequence[str], present: Sequence[str]
) -> "Table":
    """Read the table of ``--join``."""
    from densenet.tables.reading.files import read_table

    options = _options_of(arguments, missing, present)
    rows = options["header"] and (arguments.join_header_rows or options["header"])
    return read_table(arguments.join, **{**options, "header": rows})


def _unlike(table: "Table", other: "Table", unused: Callable[[str], bool]) -> list[str]:
    """Give the columns of both tables that may hold other cells in one than in the other."""
    return [name for name in other.columns if name in table.columns and unused(name)]


def _tell_of_alone(arguments: argparse.Namespace, rows: int, joined: int) -> None:
    """Tell how many rows have no partner in the table of ``--join``."""
    if joined < rows:
        print(
            f"densenet: note: {rows - joined:,} of {rows:,} rows have no partner in "
            f"{arguments.join} and are left out",
            file=sys.stderr,
        )


def _options_of(
    arguments: argparse.Namespace, missing: Sequence[str], present: Sequence[str]
) -> dict[str, Any]:
    """Give the arguments of reading."""
    return {
        "header": 0 if arguments.no_header else arguments.header_rows,
        "delimiter": arguments.delimiter,
        "encoding": arguments.encoding,
        "missing": missing,
        "present": present,
        "decimal": arguments.decimal,
        "thousands": arguments.thousands,
        "comment": arguments.comment,
    }


def is_unused(model: "TableModel", column: str) -> bool:
    """Tell whether a model has nothing to do with a column."""
    return column not in {*model.features.columns, model.target.column, model.id}


def chunks_for(
    model: "TableModel", arguments: argparse.Namespace, target: bool
) -> "Iterator[Table]":
    """Read the table as that was read which the model was trained on, in tables of some rows.

    They have the model's target or, without `target`, what it needs to predict.
    """
    chunks = read_chunks(arguments, model.missing, model.present, partial(is_unused, model))
    if chunks.is_whole:
        yield chunks.sample
        return
    wanted = [model.id, *model.features.columns, model.target.column if target else None]
    wanted.append(arguments.on)
    yield from chunks.tables(list(dict.fromkeys(name for name in wanted if name is not None)))


def inputs(arguments: argparse.Namespace) -> list[str]:
    """Give the files and folders that a command reads."""
    others = (arguments.join, getattr(arguments, "validation_file", None))
    return [*arguments.table, *(path for path in others if path is not None)]


def spare(read: Sequence[str | Path], outputs: Sequence[Path]) -> None:
    """Raise a ValueError if an output file is one of the input files, or in a folder of them."""
    from densenet.tables.reading.sources import find_files

    files = find_files(read)
    for output in outputs:
        for path in files:
            if path.exists() and output.exists() and path.samefile(output):
                raise ValueError(f"{output}: expected another file to write than {path}, the input")
