"""``densenet info``: tell of a model's file, or of this build."""

import argparse

from densenet.cli._options import Commands


def add(commands: Commands) -> None:
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
    from densenet.tables.looking import report as table_report
    from densenet.tables.model import TableModel

    try:
        networks, attachments = serialization.load_many(path)
    except TypeError as error:  # a file with a loss of the user's own has only its name
        raise ValueError(f"{path}: {error}") from None
    if "table" in attachments:
        return table_report.describe(TableModel.load(path))
    return "\n\n".join(map(repr, networks))
