"""The console command ``densenet``: reads its options and calls the modules that do the work."""

import argparse
import io
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from densenet._version import __version__

if TYPE_CHECKING:
    from densenet.tables.table import Table
    from densenet.workers import MPIWorkers

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments, by default those of the process.

    Returns
    -------
    int
        Exit status: 0; 1 if the demo's backends disagree; 2 if the command could not run; 130 if
        it was interrupted.

    Examples
    --------
    >>> from densenet.cli import main
    >>> main(["info"])  # doctest: +ELLIPSIS
    version ...
    0
    """
    parser = _Parser(prog="densenet", description="Dense neural networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"densenet {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    for add in (_add_demo, _add_fit, _add_predict, _add_info):
        add(commands)
    arguments = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # its encoding may lack letters of a name
            stream.reconfigure(errors="backslashreplace")
    try:
        status: int = arguments.run(arguments)
    except OSError as error:
        where = "" if error.filename is None else f"{error.filename}: "
        return _failed(f"{where}{error.strerror or error}")
    except (ImportError, ValueError) as error:
        # A missing extra, a wrong environment variable, a bad table: the message says what to do.
        return _failed(str(error))
    except MemoryError:
        return _failed("not enough memory")
    except KeyboardInterrupt:
        return 130
    return status


def _failed(message: str) -> int:
    print(f"densenet: {' '.join(message.splitlines())}", file=sys.stderr)
    return 2


# ---- commands ----------------------------------------------------------------------------------


def _add_demo(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from densenet.demo import Options

    default = Options()
    parser = commands.add_parser(
        "demo", help="train on handwritten digits, in C++ and in NumPy, and compare"
    )
    for name, kind, value, metavar, text in (
        ("--epochs", _integer(1), default.epochs, "N", "passes over the training rows"),
        ("--batch-size", _integer(1), default.batch_size, "B", "rows of a training step"),
        ("--seed", _integer(0), default.seed, "S", "for validation rows, weights and order"),
        ("--output", _picture, str(default.output), "FILE", "the picture: .png, .svg or .pdf"),
    ):
        parser.add_argument(
            name, type=kind, default=value, metavar=metavar, help=f"{text} (default: {value})"
        )
    parser.add_argument(
        "--threads",
        type=_integer(1),
        metavar="N",
        help="threads of the compiled backend (default: all cores)",
    )
    parser.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from densenet import demo

    return demo.run(
        demo.Options(
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            seed=arguments.seed,
            output=arguments.output,
            threads=arguments.threads,
        )
    )


def _add_fit(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from densenet.tables.files import MISSING
    from densenet.tables.fitting import ACTIVATIONS, OPTIMIZERS
    from densenet.tables.targets import TASK_RULES

    rules = ", and ".join(f"{task} if {rule}" for task, rule in TASK_RULES.items())
    missing = ", ".join(word or "nothing" for word in MISSING)
    parser = commands.add_parser(
        "fit",
        help="train on a table, CSV or Parquet, and write a model",
        description="Train a network to predict one column of a table from the others. Columns of "
        "numbers are standardised, their missing cells filled; columns of text become a feature "
        "for each frequent text. Prints a report, writes the model and a picture.",
        epilog=f"The task is {rules}. Cells that hold {missing} are missing, in upper or lower "
        "case, and so are dashes in a column of numbers.".replace("%", "%%"),
    )
    add = parser.add_argument
    add("table", metavar="TABLE", help="the file: .parquet, otherwise CSV")
    add("--target", required=True, metavar="COLUMN", help="the column to predict")
    add("--id", metavar="COLUMN", help="a column that names the rows: not learned from")
    add("--out", type=_model, default=Path("model.safetensors"), metavar="FILE", help="the model")
    add("--picture", type=_picture, metavar="FILE", help="the picture (default: beside the model)")
    add("--no-picture", action="store_true", help="draw no picture")
    add("--task", choices=("auto", "classification", "regression"), default="auto")
    add("--ignore", type=_names, default=(), metavar="A,B", help="columns to leave out")
    add("--text", type=_names, default=(), metavar="A,B", help="columns to read as categories")
    add("--missing", type=_names, default=(), metavar="A,B", help="further words for missing cells")
    add(
        "--present",
        type=_names,
        default=(),
        metavar="A,B",
        help="words for missing cells that are values here",
    )
    add("--impute", choices=("median", "mean"), default="median", help="what fills missing numbers")
    add(
        "--categories",
        type=_integer(1),
        default=100,
        metavar="N",
        help="features of a column of texts; rarer ones share one more (default: 100)",
    )
    add("--hidden", type=_widths, default=(64, 32), metavar="A,B", help="widths (default: 64,32)")
    add("--activation", choices=sorted(ACTIVATIONS), default="relu", help="(default: relu)")
    add("--dropout", type=_share, default=0.0, metavar="P", help="after hidden layers (default: 0)")
    add("--optimizer", choices=sorted(OPTIMIZERS), default="adam", help="(default: adam)")
    add("--lr", type=_rate, metavar="R", help="learning rate (default: the optimizer's)")
    add("--epochs", type=_integer(1), default=100, metavar="N", help="at most (default: 100)")
    add("--batch-size", type=_integer(1), default=32, metavar="B", help="(default: 32)")
    add(
        "--validation",
        type=_share,
        default=0.2,
        metavar="P",
        help="share of the rows to hold out; with 0 no early stopping (default: 0.2)",
    )
    add(
        "--patience",
        type=_integer(1),
        default=10,
        metavar="N",
        help="epochs without a lower validation loss before training stops (default: 10)",
    )
    add(
        "--seed",
        type=_integer(0),
        default=0,
        metavar="S",
        help="of all random numbers (default: 0)",
    )
    _add_reading(parser)
    parser.set_defaults(run=_fit)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--no-header", action="store_true", help="CSV: name the columns c0, c1, ...")
    add(
        "--delimiter", metavar="D", help="CSV (default: comma, semicolon or tab, by the first rows)"
    )
    add("--encoding", default="utf-8", metavar="E", help="CSV (default: utf-8)")
    add("--decimal", metavar="M", help="decimal mark, as , in 3,14 (default: recognised)")
    add("--thousands", metavar="M", help="mark between thousands (default: recognised)")
    add("--threads", type=_integer(1), metavar="N", help="to compute with (default: all cores)")


def _read(arguments: argparse.Namespace, missing: Sequence[str], present: Sequence[str]) -> "Table":
    from densenet.config import set_num_threads
    from densenet.tables.files import read_table

    if arguments.threads is not None:
        set_num_threads(arguments.threads)
    return read_table(
        arguments.table,
        header=not arguments.no_header,
        delimiter=arguments.delimiter,
        encoding=arguments.encoding,
        missing=missing,
        present=present,
        decimal=arguments.decimal,
        thousands=arguments.thousands,
    )


def _fit(arguments: argparse.Namespace) -> int:
    from densenet._extras import require
    from densenet.tables import fitting
    from densenet.tables import report as table_report

    if not arguments.no_picture:
        require("densenet fit, without --no-picture,", "plot", "matplotlib")
    output = arguments.picture or arguments.out.with_suffix(".png")
    options = {field.name for field in fields(fitting.Settings)}
    chosen = {name: value for name, value in vars(arguments).items() if name in options}
    settings = fitting.Settings(most_categories=arguments.categories, **chosen)
    _spare([arguments.table], [arguments.out] if arguments.no_picture else [arguments.out, output])
    table = _read(arguments, settings.missing, settings.present)
    workers = _workers()
    progress = find_spec("tqdm") is not None
    fitted = fitting.fit(table, settings, progress=progress, workers=workers)
    if workers is not None and workers.rank > 0:  # rank 0 alone writes and prints
        return 0
    fitted.model.save(arguments.out)
    print(f"{table_report.fit_report(fitted)}\n\nmodel: {arguments.out}")
    if not arguments.no_picture:
        table_report.picture(fitted).savefig(output, dpi=150)
        print(f"picture: {output}")
    return 0


def _workers() -> "MPIWorkers | None":
    """Give the processes of ``mpiexec``, whose variables tell that there are several."""
    if all(os.environ.get(name, "1") == "1" for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")):
        return None
    from densenet.workers import MPIWorkers

    return MPIWorkers()


def _spare(inputs: Sequence[str | Path], outputs: Sequence[Path]) -> None:
    """Raise a ValueError if an output file is one of the input files."""
    for output in outputs:
        for path in map(Path, inputs):
            if path.exists() and output.exists() and path.samefile(output):
                raise ValueError(f"{output}: expected another file to write than {path}, the input")


def _add_predict(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser(
        "predict",
        help="predict the rows of a table with a model that fit wrote",
        description="Write the predictions for a table's rows, in their order. A category that "
        "training did not have, or too rarely, counts as 'other'; a note says how many do. Another "
        "counts rows of classes that training did not have, which --score counts as wrong.",
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="the file that densenet fit wrote")
    add("table", metavar="TABLE", help="the file: .parquet, otherwise CSV")
    add("--out", type=_csv, default=Path("predictions.csv"), metavar="FILE", help="predictions")
    add("--probabilities", action="store_true", help="add a column for each class")
    add("--score", action="store_true", help="compare with the target, which the table has")
    _add_reading(parser)
    parser.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace) -> int:
    from densenet.tables import report as table_report
    from densenet.tables.files import write_csv
    from densenet.tables.model import TableModel

    _spare([arguments.model, arguments.table], [arguments.out])
    model = TableModel.load(arguments.model)
    table = _read(arguments, model.missing, model.present)
    predictions = model.answer(table, arguments.probabilities)
    evaluation = model.score(table) if arguments.score else None
    write_csv(arguments.out, predictions)
    for column, surprise in model.features.surprises(table).items():
        print(f"densenet: note: column {column!r}: {surprise}", file=sys.stderr)
    if evaluation is not None:
        print(f"{table_report.score_report(model, evaluation)}\n")
    print(f"{len(table):,} predictions: {arguments.out}")
    return 0


def _add_info(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser(
        "info", help="tell what is in a model's file, or what this version was built from"
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a file of densenet")
    parser.set_defaults(run=_info)


def _info(arguments: argparse.Namespace) -> int:
    from densenet.config import show_config

    if arguments.model is not None:
        print(_about(arguments.model))
        return 0
    config = show_config()
    width = max(map(len, config))
    for name, value in config.items():
        print(f"{name:<{width}}  {value}")
    return 0


def _about(path: str) -> str:
    from densenet import serialization
    from densenet.tables import report as table_report
    from densenet.tables.model import TableModel

    try:
        network, attachments = serialization.load(path)
    except TypeError as error:  # a file with a loss of the user's own has only its name
        raise ValueError(f"{path}: {error}") from None
    is_of_table = "table" in attachments
    return table_report.describe(TableModel.load(path)) if is_of_table else repr(network)


# ---- options -----------------------------------------------------------------------------------


def _integer(least: int) -> Callable[[str], int]:
    """Make a converter from text to an integer >= ``least``."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"must be an integer >= {least}, got {text}")
        return value

    return convert


def _between(low: float, high: float, words: str) -> Callable[[str], float]:
    """Make a converter from text to a number in [low, high), which errors call ``words``."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low <= value < high):
            raise argparse.ArgumentTypeError(f"must be {words}, got {text}")
        return value

    return convert


_share = _between(0, 1, "a number in [0, 1)")
_rate = _between(sys.float_info.min, math.inf, "a number > 0")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _widths(text: str) -> tuple[int, ...]:
    """Read the widths of hidden layers; an empty text stands for none, a linear model."""
    return tuple(map(_integer(1), text.split(","))) if text else ()


def _writable(*suffixes: str) -> Callable[[str], Path]:
    """Make a converter to the path of a file, and test already here that it can be written."""

    def convert(text: str) -> Path:
        path = Path(text)
        if path.suffix not in suffixes:
            *others, last = suffixes
            expected = f"{', '.join(others)} or {last}" if others else last
            raise argparse.ArgumentTypeError(f"must end in {expected}, got {text}")
        is_new = not path.exists()
        try:
            path.open("ab").close()
            if is_new:
                path.unlink()
        except OSError as error:
            raise argparse.ArgumentTypeError(f"cannot write {text}: {error.strerror}") from None
        return path

    return convert


_picture = _writable(".png", ".svg", ".pdf")
_model = _writable(".safetensors")
_csv = _writable(".csv")
