"""``densenet demo``: train on handwritten digits, in C++ and in NumPy, and compare."""

import argparse

from densenet.cli import _options
from densenet.cli._options import Commands


def add(commands: Commands) -> None:
    from densenet.demo import Options

    default = Options()
    parser = commands.add_parser(
        "demo", help="train on handwritten digits, in C++ and in NumPy, and compare"
    )
    for name, kind, value, metavar, text in (
        ("--epochs", _options.integer(1), default.epochs, "N", "passes over the training rows"),
        ("--batch-size", _options.integer(1), default.batch_size, "B", "rows of a training step"),
        (
            "--seed",
            _options.integer(0),
            default.seed,
            "S",
            "for validation rows, weights and order",
        ),
        (
            "--output",
            _options.picture,
            str(default.output),
            "FILE",
            "the picture: .png, .svg or .pdf",
        ),
    ):
        parser.add_argument(
            name, type=kind, default=value, metavar=metavar, help=f"{text} (default: {value})"
        )
    parser.add_argument(
        "--threads",
        type=_options.integer(1),
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
