"""``densenet export``: write a table's model as code of C or as an ONNX model."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from densenet.cli import _options, _tables
from densenet.cli._options import Commands

if TYPE_CHECKING:
    from densenet.tables import TableModel


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "export",
        help="write a model that fit wrote for programs without densenet: C or ONNX",
        description="Write a model that fit wrote, with the encoding of its columns, for programs "
        "without densenet. They give it the raw cells of a row: numbers as they are, categories as "
        "codes. A header of C says at its beginning how, and names its functions after the file.",
    )
    parser.add_argument("model", metavar="MODEL", help="the file that densenet fit wrote")
    parser.add_argument(
        "out",
        type=_options.writable(".h", ".onnx"),
        metavar="FILE",
        help="what to write: .h, a header of C, or .onnx",
    )
    parser.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> int:
    from densenet.exchange import table_to_c, table_to_onnx

    out: Path = arguments.out
    _tables.spare([arguments.model], [out])
    model = _read(arguments.model)
    if out.suffix == ".h":
        table_to_c(model, out, _identifier(out.stem))
    else:
        table_to_onnx(model, out)
    columns = len(model.features.columns)
    plural = "s" if columns > 1 else ""
    print(f"{model.target.column!r} from {columns:,} column{plural}: {out}")
    return 0


def _read(path: str) -> "TableModel":
    from densenet import serialization
    from densenet.tables.model import TableModel

    try:
        _, attachments = serialization.load_many(path)
    except TypeError:  # a loss of the user's own, of which TableModel tells
        return TableModel.load(path)
    if "table" not in attachments:
        raise ValueError(
            f"{path}: expected a model that densenet fit wrote, got a network without columns: "
            "densenet.exchange.to_c and to_onnx export it"
        )
    return TableModel.load(path)


def _identifier(stem: str) -> str:
    """Make of a file's name the beginning of names in C."""
    plain = re.sub("[^A-Za-z0-9_]", "_", stem)
    return plain if plain[0].isalpha() else f"model_{plain}"
