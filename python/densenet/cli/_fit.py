"""``densenet fit``: train on a table, and write a model."""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from densenet.cli import _options, _tables
from densenet.cli._options import Commands

if TYPE_CHECKING:
    from densenet.tables import Fitted, Settings, Table, TableModel
    from densenet.workers import MPIWorkers


def add(commands: Commands) -> None:
    from densenet.tables.encoding.targets import TASK_RULES
    from densenet.tables.reading.files import MISSING
    from densenet.tables.training.settings import PRESETS, Settings

    rules = ", and ".join(f"{task} if {rule}" for task, rule in TASK_RULES.items())
    missing = ", ".join(word or "nothing" for word in MISSING)
    parser = commands.add_parser(
        "fit",
        help="train on a table, CSV or Parquet, and write a model",
        description="Train a network to predict one column of a table from the others. Columns of "
        "numbers are cut into pieces, their missing cells filled; columns of text become a "
        "feature for each frequent text. Prints a report, writes the model and a picture.",
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
    add(
        "--page",
        type=_options.page,
        metavar="FILE",
        help="write a page, .html, too: the report, pictures, importance and partial dependence",
    )
    add(
        "--preset",
        choices=tuple(PRESETS),
        help="settings for less time or better predictions; options given override them",
    )
    learned = parser.add_mutually_exclusive_group(required=True)
    learned.add_argument("--target", metavar="COLUMN", help="the column to predict")
    learned.add_argument(
        "--from",
        dest="start",
        metavar="MODEL",
        help="go on from a model with new rows: what it reads and predicts stays, and its networks "
        "are trained further",
    )
    _add_columns(parser, default)
    _add_training(parser, default)
    add(
        "--folds",
        type=_options.integer(2),
        metavar="K",
        help="first score K models, each on a part of the rows that it has not seen",
    )
    add(
        "--chunks",
        action="store_true",
        help="read the table in chunks, once for each epoch, as memory need not hold it; what "
        "columns are is decided by a sample of the rows",
    )
    _tables.add_reading(parser)
    parser.set_defaults(run=_fit)


def _add_columns(parser: argparse.ArgumentParser, default: "Settings") -> None:
    """Add the settings that say what the columns are; those not given stay out of the result."""
    add = partial(parser.add_argument, default=argparse.SUPPRESS)
    add("--id", metavar="COLUMN", help="a column that names the rows: not learned from")
    add(
        "--weight",
        metavar="COLUMN",
        help="a column of the rows' weights, from 0 on: not learned from, and ignored by predict",
    )
    add("--task", choices=_choices("task"))
    add("--ignore", type=_options.names, metavar="A,B", help="columns to leave out")
    add("--text", type=_options.names, metavar="A,B", help="columns to read as categories")
    add("--numbers", type=_options.names, metavar="A,B", help="columns to read as numbers, ids too")
    add("--missing", type=_options.names, metavar="A,B", help="further words for missing cells")
    add(
        "--present",
        type=_options.names,
        metavar="A,B",
        help="words for missing cells that are values here",
    )
    add("--impute", choices=_choices("impute"), help="what fills missing numbers")
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
    from densenet.tables.training.monitors import HELD_OUT
    from densenet.tables.training.settings import DECAY, HELD_OUT_SHARES, SMOOTHING

    add = partial(parser.add_argument, default=argparse.SUPPRESS)
    by_rows = "(default: by rows and classes)"
    activations, optimizers = sorted(_choices("activation")), sorted(_choices("optimizer"))
    add(
        "--pieces",
        type=_options.integer(0),
        metavar="N",
        help="pieces at most into which a column of numbers is cut; with 0 it is standardised "
        f"{by_rows}",
    )
    add("--hidden", type=_options.widths, metavar="A,B", help=f"widths {by_rows}")
    add(
        "--activation",
        choices=activations,
        help=f"(default: {default.activation})",
    )
    add(
        "--dropout",
        type=_options.share,
        metavar="P",
        help=f"after hidden layers (default: {default.dropout:g})",
    )
    add(
        "--label-smoothing",
        type=_options.share,
        metavar="P",
        help=f"share of a target that goes to all classes (default: {SMOOTHING:g})",
    )
    add("--normalization", choices=_choices("normalization"), help="after hidden linear layers")
    add("--residual", action="store_true", help="add its input to a hidden layer of the same width")
    add(
        "--reduce",
        metavar="pca:P",
        help="train on principal components of the encoded columns: as many as explain this share "
        "of their variance (pca:0.95), or so many (pca:20)",
    )
    add("--optimizer", choices=optimizers, help=f"(default: {default.optimizer})")
    add(
        "--weight-decay",
        type=_options.from_zero,
        metavar="R",
        help=f"of adamw (default: {DECAY:g})",
    )
    add("--l1", type=_options.from_zero, metavar="R", help="penalty that gives exact zeros")
    add("--l2", type=_options.from_zero, metavar="R", help="penalty on squares of weights")
    add("--lr", type=_options.rate, metavar="R", help="highest learning rate")
    add(
        "--schedule",
        choices=_choices("schedule"),
        help=f"course of the learning rate (default: {default.schedule})",
    )
    add(
        "--average",
        type=_options.share,
        metavar="P",
        help="share of all steps over which the weights that are kept are averaged; 0: not at all "
        f"(default: {default.average:g})",
    )
    add("--epochs", type=_options.integer(1), metavar="N", help=by_rows)
    add("--batch-size", type=_options.integer(1), metavar="B", help=by_rows)
    held_out = parser.add_mutually_exclusive_group()
    held_out.add_argument(
        "--validation",
        default=argparse.SUPPRESS,
        type=_options.share,
        metavar="P",
        help="share of the rows to hold out, by which the epoch to keep is chosen "
        f"(default: {HELD_OUT} rows, but {' to '.join(map(str, HELD_OUT_SHARES))})",
    )
    held_out.add_argument("--validation-file", metavar="FILE", help="a table of rows to hold out")
    add(
        "--monitor",
        choices=_choices("monitor"),
        help="the score of rows held out by which the epoch to keep is chosen "
        "(default: accuracy, or the loss of values)",
    )
    add(
        "--patience",
        type=_options.integer(1),
        metavar="N",
        help="epochs without a better score before training stops (default: all epochs are run)",
    )
    add(
        "--nets",
        type=_options.integer(1),
        metavar="N",
        help=f"networks that are trained and averaged (default: {default.nets})",
    )
    add(
        "--class-weight",
        type=_options.class_weights,
        metavar="A=W,B=W",
        help="weights of the rows of classes; balanced gives each class as much as any other",
    )
    add(
        "--threshold",
        type=_options.threshold,
        metavar="P",
        help="predict the rarer of two classes from this probability on; auto: that of its best F1",
    )
    add(
        "--calibrate",
        action="store_true",
        help="divide the logits by the temperature that suits the rows held out",
    )
    add(
        "--seed",
        type=_options.integer(0),
        metavar="S",
        help=f"of all random numbers (default: {default.seed})",
    )


def _choices(setting: str) -> list[str]:
    """Give what a setting may be told to be."""
    from densenet.tables.training.settings import CHOICES

    return [choice for choice in CHOICES[setting] if choice is not None]


def _fit(arguments: argparse.Namespace) -> int:
    from densenet._extras import require
    from densenet.tables import fit, fit_chunks

    if not arguments.no_picture:
        require("densenet fit, without --no-picture,", "demo", "matplotlib", "pyarrow")
    if arguments.page:
        require("densenet fit, with --page,", "demo", "matplotlib", "pyarrow")
    output = arguments.picture or arguments.out.with_suffix(".png")
    outputs = [arguments.out, None if arguments.no_picture else output, arguments.page]
    read = [*_tables.inputs(arguments), *([arguments.start] if arguments.start else [])]
    _tables.spare(read, [path for path in outputs if path is not None])
    workers = _workers()
    settings, start = _settings(arguments)
    progress = find_spec("tqdm") is not None
    if arguments.chunks:
        if workers is not None:
            raise ValueError("--chunks: expected one process, got several by mpiexec")
        chunks = _tables.read_chunks(arguments, *_how(settings, start))
        validation = _held_out(arguments, settings, start)
        folds = _folds(arguments, settings, chunks.sample, is_whole=chunks.is_whole)
        fitted = fit_chunks(chunks, settings, start=start, validation=validation, progress=progress)
        return _tell(arguments, fitted, folds, output)
    table = _read(arguments, settings, start)
    validation = _held_out(arguments, settings, start)
    folds = _folds(arguments, settings, table)
    fitted = fit(
        table, settings, start=start, validation=validation, progress=progress, workers=workers
    )
    if workers is not None and workers.rank > 0:  # rank 0 alone writes and prints
        return 0
    return _tell(arguments, fitted, folds, output)


def _folds(
    arguments: argparse.Namespace, settings: "Settings", rows: "Table", is_whole: bool = True
) -> str:
    """Report the scores of a cross-validation, if ``--folds`` asks for one; "" otherwise."""
    if not arguments.folds:
        return ""
    from densenet.tables import cross_validate
    from densenet.tables.looking.report import folds_report

    scores = cross_validate(rows, settings, arguments.folds)
    return f"{folds_report(scores, 0 if is_whole else len(rows))}\n\n"


def _tell(arguments: argparse.Namespace, fitted: "Fitted", folds: str, output: Path) -> int:
    """Write the model, print the report of folds and that of the fit, write picture and page."""
    from densenet._files.whole import written_whole
    from densenet.tables.looking import pictures
    from densenet.tables.looking import report as table_report
    from densenet.tables.looking.importance import importances_of
    from densenet.tables.looking.page import fit_page

    fitted.model.save(arguments.out)
    seed = fitted.model.facts["settings"]["seed"]
    importances = importances_of(fitted, seed=seed)
    print(f"{folds}{table_report.fit_report(fitted, importances)}\n\nmodel: {arguments.out}")
    if not arguments.no_picture:
        pictures.fit_picture(fitted, importances).savefig(output, dpi=150)
        print(f"picture: {output}")
    if arguments.page:
        with written_whole(arguments.page) as file:
            text = fit_page(fitted, importances)
            file.write(text.encode("utf-8", "xmlcharrefreplace"))
        print(f"page: {arguments.page}")
    return 0


def _settings(arguments: argparse.Namespace) -> "tuple[Settings, TableModel | None]":
    """Give the settings, and the model to go on from, if there is one, which decides some."""
    from densenet.tables import Settings, TableModel
    from densenet.tables.training.going_on import DECIDED
    from densenet.tables.training.settings import PRESETS

    options = {field.name for field in fields(Settings)}
    given = {name: value for name, value in vars(arguments).items() if name in options}
    if arguments.start is None:
        return Settings(**{**PRESETS[arguments.preset or "default"], **given}), None
    del given["target"]  # argparse refuses one beside --from
    refused = [name for name in ("preset", "folds") if getattr(arguments, name)]
    for name in [*(name for name in given if name in DECIDED), *refused]:
        option = "categories" if name == "most_categories" else name.replace("_", "-")
        reason = "it scores models made anew" if name == "folds" else "the model decides that"
        raise ValueError(f"--{option}: expected no such option with --from, as {reason}")
    start = TableModel.load(arguments.start)
    return Settings(start.target.column, **given), start


def _read(
    arguments: argparse.Namespace, settings: "Settings", start: "TableModel | None"
) -> "Table":
    return _tables.read(arguments, *_how(settings, start))


def _how(
    settings: "Settings", start: "TableModel | None"
) -> tuple[Sequence[str], Sequence[str], Callable[[str], bool]]:
    """Give the words for missing cells, those that are values, and which columns are not used."""
    if start is not None:
        return start.missing, start.present, partial(_tables.is_unused, start)
    return settings.missing, settings.present, settings.ignore.__contains__


def _held_out(
    arguments: argparse.Namespace, settings: "Settings", start: "TableModel | None"
) -> "Table | None":
    """Read the table of rows to hold out, if there is one, as the other is read."""
    if arguments.validation_file is None:
        return None
    other = argparse.Namespace(**{**vars(arguments), "table": [arguments.validation_file]})
    return _read(other, settings, start)


def _workers() -> "MPIWorkers | None":
    """Give the processes of ``mpiexec``, whose variables tell that there are several."""
    if all(os.environ.get(name, "1") == "1" for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")):
        return None
    from densenet.workers import MPIWorkers

    return MPIWorkers()
