"""``densenet fit``: train on a table, and write a model."""

import argparse
import os
from dataclasses import fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from densenet.cli import _options, _tables
from densenet.cli._options import Commands

if TYPE_CHECKING:
    from densenet.tables import Settings
    from densenet.workers import MPIWorkers


def add(commands: Commands) -> None:
    from densenet.tables.files import MISSING
    from densenet.tables.settings import Settings
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
    default = Settings(target="")
    add = parser.add_argument
    _tables.add_table(parser)
    add(
        "--out",
        type=_options.model,
        default=Path("model.safetensors"),
        metavar="FILE",
        help="the model",
    )
    add(
        "--picture",
        type=_options.picture,
        metavar="FILE",
        help="the picture (default: beside the model)",
    )
    add("--no-picture", action="store_true", help="draw no picture")
    add("--target", required=True, metavar="COLUMN", help="the column to predict")
    _add_columns(parser, default)
    _add_training(parser, default)
    _tables.add_reading(parser)
    parser.set_defaults(run=_fit)


def _add_columns(parser: argparse.ArgumentParser, default: "Settings") -> None:
    """Add the settings that say what the columns are; those not given stay out of the result."""
    add = partial(parser.add_argument, default=argparse.SUPPRESS)
    add("--id", metavar="COLUMN", help="a column that names the rows: not learned from")
    add("--task", choices=("auto", "classification", "regression"))
    add("--ignore", type=_options.names, metavar="A,B", help="columns to leave out")
    add("--text", type=_options.names, metavar="A,B", help="columns to read as categories")
    add("--missing", type=_options.names, metavar="A,B", help="further words for missing cells")
    add(
        "--present",
        type=_options.names,
        metavar="A,B",
        help="words for missing cells that are values here",
    )
    add("--impute", choices=("median", "mean"), help="what fills missing numbers")
    add(
        "--categories",
        dest="most_categories",
        type=_options.integer(1),
        metavar="N",
        help="features of a column of texts; rarer ones share one more "
        f"(default: {default.most_categories})",
    )


def _add_training(parser: argparse.ArgumentParser, default: "Settings") -> None:
    """Add the settings of network and training; those not given stay out of the result."""
    from densenet.tables.settings import ACTIVATIONS, OPTIMIZERS

    add = partial(parser.add_argument, default=argparse.SUPPRESS)
    widths = ",".join(map(str, default.hidden))
    add("--hidden", type=_options.widths, metavar="A,B", help=f"widths (default: {widths})")
    add("--activation", choices=sorted(ACTIVATIONS), help=f"(default: {default.activation})")
    add(
        "--dropout",
        type=_options.share,
        metavar="P",
        help=f"after hidden layers (default: {default.dropout:g})",
    )
    add("--optimizer", choices=sorted(OPTIMIZERS), help=f"(default: {default.optimizer})")
    add("--lr", type=_options.rate, metavar="R", help="learning rate (default: the optimizer's)")
    add(
        "--epochs",
        type=_options.integer(1),
        metavar="N",
        help=f"at most (default: {default.epochs})",
    )
    add(
        "--batch-size",
        type=_options.integer(1),
        metavar="B",
        help=f"(default: {default.batch_size})",
    )
    add(
        "--validation",
        type=_options.share,
        metavar="P",
        help="share of the rows to hold out; with 0 no early stopping "
        f"(default: {default.validation:g})",
    )
    add(
        "--patience",
        type=_options.integer(1),
        metavar="N",
        help="epochs without a lower validation loss before training stops "
        f"(default: {default.patience})",
    )
    add(
        "--seed",
        type=_options.integer(0),
        metavar="S",
        help=f"of all random numbers (default: {default.seed})",
    )


def _fit(arguments: argparse.Namespace) -> int:
    from densenet._extras import require
    from densenet.tables import Settings, fit
    from densenet.tables import report as table_report

    if not arguments.no_picture:
        require("densenet fit, without --no-picture,", "plot", "matplotlib")
    output = arguments.picture or arguments.out.with_suffix(".png")
    options = {field.name for field in fields(Settings)}
    settings = Settings(
        **{name: value for name, value in vars(arguments).items() if name in options}
    )
    _tables.spare(
        arguments.table, [arguments.out] if arguments.no_picture else [arguments.out, output]
    )
    workers = _workers()
    table = _tables.read(arguments, settings.missing, settings.present)
    progress = find_spec("tqdm") is not None
    fitted = fit(table, settings, progress=progress, workers=workers)
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
