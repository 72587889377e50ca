"""The console command ``densenet``: options are read here, and the work is done elsewhere."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from densenet._version import __version__

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it."""

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
        Exit status: 0; 1 if the result is not as it should be; 2 if the command could not run;
        130 if it was interrupted.

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
    for add in (_add_demo, _add_info):
        add(commands)
    arguments = parser.parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except (ImportError, OSError, ValueError) as error:
        # A missing extra, a full disk, a wrong variable: the message tells what to do about it.
        print(f"densenet: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status


# ---- commands ----------------------------------------------------------------------------------


def _add_demo(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from densenet.demo import Settings

    default = Settings()
    parser = commands.add_parser(
        "demo", help="train on handwritten digits, in C++ and in NumPy, and compare"
    )
    for name, kind, value, metavar, text in (
        ("--epochs", _integer(1), default.epochs, "N", "passes over the training rows"),
        ("--batch-size", _integer(1), default.batch_size, "B", "rows of a training step"),
        ("--seed", _integer(0), default.seed, "S", "of validation rows, weights and order"),
        ("--output", _picture, str(default.output), "FILE", "the picture: .png, .svg or .pdf"),
    ):
        parser.add_argument(
            name, type=kind, default=value, metavar=metavar, help=f"{text} (default: {value})"
        )
    parser.add_argument(
        "--threads",
        type=_integer(1),
        metavar="N",
        help="of the compiled backend (default: all cores)",
    )
    parser.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from densenet import demo

    return demo.run(
        demo.Settings(
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            seed=arguments.seed,
            output=arguments.output,
            threads=arguments.threads,
        )
    )


def _add_info(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser("info", help="tell the version and what it was built from")
    parser.set_defaults(run=_info)


def _info(arguments: argparse.Namespace) -> int:
    from densenet.config import show_config

    config = show_config()
    width = max(map(len, config))
    for name, value in config.items():
        print(f"{name:<{width}}  {value}")
    return 0


# ---- options -----------------------------------------------------------------------------------


def _integer(least: int) -> Callable[[str], int]:
    """Make a converter to an integer of at least this size."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"must be an integer >= {least}, got {text}")
        return value

    return convert


def _picture(text: str) -> Path:
    """Check that a picture can be written here: before the training rather than after it."""
    path = Path(text)
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise argparse.ArgumentTypeError(f"must end in .png, .svg or .pdf, got {text}")
    is_new = not path.exists()
    try:
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write {text}: {error.strerror}") from None
    return path
