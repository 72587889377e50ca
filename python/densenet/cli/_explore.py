"""``densenet explore``: look at a table before anything is learned from it."""

import argparse
from pathlib import Path

from densenet.cli import _options, _tables
from densenet.cli._options import Commands


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "explore",
        help="look at a table, CSV or Parquet, before anything is learned from it",
        description="Tell each column's kind, gaps, distinct values and range or most frequent "
        "texts, correlations, and what has to do with the column to predict. Draw all that and the "
        "two leading principal components, coloured by that column, as one picture.",
    )
    add = parser.add_argument
    _tables.add_table(parser)
    add("--target", metavar="COLUMN", help="the column that is to be predicted")
    add("--task", choices=("auto", "classification", "regression"), default="auto")
    add(
        "--out",
        type=_options.picture,
        default=Path("explore.png"),
        metavar="FILE",
        help="the picture (default: explore.png)",
    )
    add("--no-picture", action="store_true", help="draw no picture")
    for option, words in (
        ("--ignore", "columns to leave out"),
        ("--text", "columns to read as categories"),
        ("--missing", "further words for missing cells"),
        ("--present", "words for missing cells that are values here"),
    ):
        add(option, type=_options.names, default=(), metavar="A,B", help=words)
    _tables.add_reading(parser)
    parser.set_defaults(run=_explore)


def _explore(arguments: argparse.Namespace) -> int:
    from densenet._extras import require
    from densenet.tables import explore
    from densenet.tables.looking.exploring_picture import exploration_picture
    from densenet.tables.looking.exploring_report import exploration_report

    if not arguments.no_picture:
        require("densenet explore, without --no-picture,", "demo", "matplotlib", "pyarrow")
        _tables.spare(_tables.inputs(arguments), [arguments.out])
    table = _tables.read(
        arguments, arguments.missing, arguments.present, frozenset(arguments.ignore).__contains__
    )
    found = explore(
        table,
        arguments.target,
        task=arguments.task,
        ignore=arguments.ignore,
        text=arguments.text,
    )
    print(exploration_report(found))
    if not arguments.no_picture:
        exploration_picture(found).savefig(arguments.out, dpi=144)
        print(f"\npicture: {arguments.out}")
    return 0
