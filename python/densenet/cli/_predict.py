"""``densenet predict``: predict the rows of a table with a model that ``fit`` wrote."""

import argparse
import io
import sys
from pathlib import Path

from densenet.cli import _options, _tables
from densenet.cli._options import Commands


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "predict",
        help="predict the rows of a table with a model that fit wrote",
        description="Write the predictions for a table's rows, in their order. A category that "
        "training did not have, or too rarely, counts as 'other'; a note says how many do. Another "
        "counts rows of classes that training did not have, which --score counts as wrong.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="the file that densenet fit wrote")
    _tables.add_table(parser)
    add(
        "--out",
        type=_options.csv_or_standard_output,
        default=Path("predictions.csv"),
        metavar="FILE",
        help="predictions; - is standard output, and what else is told goes to standard error",
    )
    add("--probabilities", action="store_true", help="add a column for each class")
    add("--score", action="store_true", help="compare with the target, which the table has")
    _tables.add_reading(parser)
    parser.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace) -> int:
    from densenet.tables.looking import report as table_report
    from densenet.tables.model import TableModel
    from densenet.tables.reading.files import write_csv

    to_standard_output = str(arguments.out) == _options.STANDARD_OUTPUT
    read = [arguments.model, *_tables.inputs(arguments)]
    _tables.spare(read, [] if to_standard_output else [arguments.out])
    model = TableModel.load(arguments.model)
    table = _tables.read_for(model, arguments)
    predictions = model.answer(table, arguments.probabilities)
    if arguments.on is not None:  # rows without a partner are not there
        predictions = {arguments.on: table.texts(arguments.on).tolist(), **predictions}
    evaluation = model.score(table) if arguments.score else None
    if to_standard_output:
        file = io.TextIOWrapper(sys.stdout.buffer, "utf-8", newline="")
        write_csv(file, predictions)
        file.detach()
    else:
        write_csv(arguments.out, predictions)
    told = sys.stderr if to_standard_output else sys.stdout
    for column, surprise in model.features.surprises(table).items():
        print(f"densenet: note: column {column!r}: {surprise}", file=sys.stderr)
    if evaluation is not None:
        print(f"{table_report.score_report(model, evaluation)}\n", file=told)
    print(f"{len(table):,} predictions: {arguments.out}", file=told)
    return 0
