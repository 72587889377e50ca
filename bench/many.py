"""Time many small networks on one data set: `fit_many` beside the same work by hand, and others.

    python bench/many.py                              200 networks 64-32-10, 20 epochs
    python bench/many.py 64-32-10:32:relu 784-16-10:64:tanh --networks 50
    python bench/many.py --json many.jsonl --rounds 9

A call makes the networks and trains all of them. Beside `fit_many` stand a pool of Python's threads
over `Network.fit` by hand, `Network.fit` of one network after the other, scikit-learn's perceptrons
in as many processes as there are threads, and JAX's vmap over all networks. Contenders run as in
nets.py. Each library draws its own orders of the rows, so the mean of the last losses has to agree
to a few percent only.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import options
import series
from estimators import Fitting
from tasks import Task
from workloads import Net, parse

_NET = "64-32-10:32:relu"
_AGREE = 0.1
_LIMIT = (
    "The limit is the FLOP of all steps' products over the measured multiply-add peak of all "
    "threads, and the bytes of all updates over the measured in-place bandwidth."
)


@dataclass(frozen=True)
class Many(Fitting):
    """Many networks of one shape, each with its own first weights and orders of the rows."""

    ours: ClassVar[tuple[str, ...]] = ("densenet, fit_many",)
    headings: ClassVar[tuple[str, ...]] = ("fit_many",)
    beside: ClassVar[str] = "densenet, thread pool"
    beside_heading: ClassVar[str] = "a thread pool"

    networks: int = 200

    @property
    def job(self) -> str:
        """What contenders do."""
        return "many"

    @property
    def about(self) -> dict[str, object]:
        """What a record says of it."""
        return super().about | {"networks": self.networks}

    @property
    def fits(self) -> int:
        """Number of networks that a call trains."""
        return self.networks

    @property
    def tolerance(self) -> float:
        """Relative difference of mean losses that is allowed."""
        return _AGREE

    def task(self, threads: int, seed: int = 7) -> Task:
        """Draw rows and targets at random."""
        return replace(super().task(threads, seed), networks=self.networks)


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    parser.add_argument(
        "nets",
        nargs="*",
        metavar="NET",
        help=f"widths, batch and design as 784-16-10:64:tanh ({_NET})",
    )
    for name, default in (("networks", 200), ("rows", 1440), ("epochs", 20)):
        parser.add_argument(
            f"--{name}", type=options.positive, default=default, metavar="N", help="(%(default)s)"
        )
    series.add_options(parser, "many")
    arguments = parser.parse_args()
    given: list[Net] = []
    for text in arguments.nets or [_NET]:
        try:
            given.append(parse(text))
        except ValueError as error:
            parser.error(f"NET: {error}")
    arguments.nets = [
        Many(
            *(net.name, net.widths, net.batch, 1.0, net.design),
            examples=arguments.rows,
            passes=arguments.epochs,
            networks=arguments.networks,
        )
        for net in given
    ]
    return arguments


def main() -> int:
    return series.main("many", _arguments(), _LIMIT)


if __name__ == "__main__":
    sys.exit(main())
