"""``densenet predict``: predict the rows of a table with a model that ``fit`` wrote."""

import argparse
import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from densenet._files.whole import written_whole
from densenet.cli import _options, _tables
from densenet.cli._options import Commands

if TYPE_CHECKING:
    from densenet.tables.encoding.oddities import Oddities
    from densenet.tables.model import Evaluation


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
    from densenet.tables.model import TableModel, together
    from densenet.tables.reading.files import write_csv

    to_standard_output = str(arguments.out) == _options.STANDARD_OUTPUT
    read = [arguments.model, *_tables.inputs(arguments)]
    _tables.spare(read, [] if to_standard_output else [arguments.out])
    model = TableModel.load(arguments.model)
    rows = bare = 0
    odd: list[Oddities] = []
    evaluations: list[Evaluation] = []
    with _output(arguments.out) as file:
        for table in _tables.chunks_for(model, arguments, arguments.score):
            predictions = model.answer(table, arguments.probabilities)
            if arguments.on is not None:  # rows without a partner are not there
                predictions = {arguments.on: table.texts(arguments.on).tolist(), **predictions}
            write_csv(file, predictions, header=not rows)
            these = model.features.oddities(table)
            pairs = zip(odd, these, strict=True)
            odd = [one.plus(other) for one, other in pairs] if rows else these
            rows += len(table)
            if arguments.score and table.missing(model.target.column).all():
                bare += len(table)
            elif arguments.score:
                evaluations.append(model.score(table))
        if arguments.score and not evaluations:
            column = model.target.column
            raise ValueError(f"{table.source}, column {column!r}: expected targets, got none")
    told = sys.stderr if to_standard_output else sys.stdout
    for column, surprise in model.features.told(odd).items():
        print(f"densenet: note: column {column!r}: {surprise}", file=sys.stderr)
    if evaluations:
        evaluation = together(model.target, evaluations) if len(evaluations) > 1 else evaluations[0]
        evaluation = evaluation._replace(unlabelled=evaluation.unlabelled + bare)
        print(f"{table_report.score_report(model, evaluation)}\n", file=told)
    print(f"{rows:,} predictions: {arguments.out}", file=told)
    return 0


@contextmanager
def _output(path: Path) -> Iterator[IO[str]]:
    """Open what takes the place of a file, or goes to standard output, once all is written."""
    with ExitStack() as stack:
        if str(path) != _options.STANDARD_OUTPUT:
            binary: IO[bytes] = stack.enter_context(written_whole(path))
        else:
            binary = stack.enter_context(tempfile.TemporaryFile())
        text = io.TextIOWrapper(binary, "utf-8", newline="")
        yield text
        text.detach()
        if str(path) == _options.STANDARD_OUTPUT:
            binary.seek(0)
            shutil.copyfileobj(binary, sys.stdout.buffer)
