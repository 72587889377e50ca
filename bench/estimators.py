"""Time whole fits of the estimators beside scikit-learn's, and beside the same work by hand.

    python bench/estimators.py                            a classifier, a regressor, and bagging
    python bench/estimators.py classifier --net 64-100-10:32:tanh
    python bench/estimators.py bagging --rows 1000 --epochs 10

A call is `fit` of a `DenseClassifier` or `DenseRegressor`, or of a `BaggingClassifier` of twenty.
Beside it stand scikit-learn's with the same parameters and, by hand, what it comes to: a network
and one `Network.fit` of the same steps, or twenty fits one after the other. Contenders run and are
checked as in nets.py: first all must show the same losses. The report has times by the clock and
times on processors.
"""

import argparse
import sys
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

import options
import series
from densenet._typing import Array
from peers.estimators import BAGGED
from tasks import Task
from timing import Unit
from workloads import Net, parse

_KINDS = ("classifier", "regressor", "bagging")
_AGREE = 1e-2
_NET = "54-100-7:200:relu"
_LIMIT = (
    "The limit is the FLOP of all steps' products over the measured multiply-add peak, and the "
    "bytes of all updates over the measured in-place bandwidth."
)


@dataclass(frozen=True)
class Fitting(Net):
    """Whole fits of an estimator, with Adam and its other defaults, on rows that can be learned.

    It is a classifier, a regressor with one output, or 20 classifiers by bagging.
    """

    ours: ClassVar[tuple[str, ...]] = ("densenet, estimator",)
    headings: ClassVar[tuple[str, ...]] = ("estimator",)
    beside: ClassVar[str] = "densenet, by hand"
    beside_heading: ClassVar[str] = "work by hand"
    call: ClassVar[str] = "fit"
    unit: ClassVar[Unit] = "ms"

    kind: Literal["classifier", "regressor", "bagging"] = "classifier"
    examples: int = 10_000
    passes: int = 5

    @classmethod
    def of(cls, kind: Any, net: Net, examples: int, passes: int) -> "Fitting":
        """Fit an estimator of a kind with the hidden layers and the batch of a net."""
        widths = (*net.widths[:-1], 1) if kind == "regressor" else net.widths
        name, design = f"{kind}:{net.name}", net.design
        return cls(name, widths, net.batch, 1.0, design, kind, examples, passes)

    @property
    def job(self) -> str:
        """What contenders do."""
        return self.kind

    @property
    def about(self) -> dict[str, Any]:
        """What a record says of it."""
        return super().about | {"rows": self.examples, "epochs": self.passes}

    @property
    def flop(self) -> int:
        """Floating-point operations of all steps' products."""
        return self.fits * self.passes * super().flop * self.examples // self.batch

    @property
    def moved_bytes(self) -> int:
        """Bytes that all updates read and write."""
        return self.fits * self.passes * -(-self.examples // self.batch) * super().moved_bytes

    @property
    def fits(self) -> int:
        """Number of estimators that a call fits."""
        return BAGGED if self.kind == "bagging" else 1

    @property
    def epoch_calls(self) -> int:
        """Calls of an epoch: one."""
        return 1

    @property
    def tolerance(self) -> float:
        """Relative difference of losses that is allowed: by hand, Adam adds its ε elsewhere."""
        return max(super().tolerance, _AGREE)

    def task(self, threads: int, seed: int = 7) -> Task:
        """Draw rows and targets at random."""
        return replace(super().task(threads, seed), passes=self.passes)

    @property
    def _rows(self) -> int:
        return self.examples

    def _targets(self, x: Array, rng: np.random.Generator) -> Array:
        directions = rng.normal(0, 1, (self.widths[0], self.widths[-1])).astype(np.float32)
        scores: Array = (x - 0.5) @ directions
        return scores[:, 0] if self.kind == "regressor" else scores.argmax(axis=1)


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    parser.add_argument(
        "kinds", nargs="*", metavar="KIND", help=f"of {', '.join(_KINDS)} (all of them)"
    )
    parser.add_argument(
        "--net",
        default=_NET,
        metavar="NET",
        help="widths, batch and design as 784-128-10:128:relu; a regressor has one output instead "
        "(%(default)s)",
    )
    parser.add_argument(
        "--rows",
        type=options.positive,
        metavar="N",
        help="rows to fit (10,000; bagging 2,000)",
    )
    parser.add_argument(
        "--epochs", type=options.positive, default=5, metavar="N", help="epochs (%(default)s)"
    )
    series.add_options(parser, *_KINDS)
    arguments = parser.parse_args()
    try:
        net = parse(arguments.net)
    except ValueError as error:
        parser.error(f"--net: {error}")
    arguments.nets = []
    for kind in arguments.kinds or _KINDS:
        if kind not in _KINDS:
            parser.error(f"KIND: must be one of {', '.join(_KINDS)}, got {kind!r}")
        rows = arguments.rows or (2_000 if kind == "bagging" else 10_000)
        arguments.nets.append(Fitting.of(kind, net, rows, arguments.epochs))
    return arguments


def main() -> int:
    return series.main("estimators", _arguments(), _LIMIT)


if __name__ == "__main__":
    sys.exit(main())
