"""Time predictions of whole networks beside PyTorch, JAX and scikit-learn.

    python bench/predict.py                    1, 32 and 10,000 rows of four nets
    python bench/predict.py C 64-100-10:32     of these: a letter, or widths and any batch
    python bench/predict.py --rows 1,8 practice

A call takes rows and gives their probabilities, in float32: by `Network.predict_proba` and by a
fitted `DenseClassifier`, beside each library's own inference. Contenders run and are checked as in
nets.py: first all must show the same probabilities.
"""

import argparse
import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import options
import series
from workloads import EPOCH, NETS, PLAIN, Net, named

_NETS = ("54-100-7:200:relu", "C", "784-512-512-10:128:relu", "F")
_ROWS = [1, 32, 10_000]
_LIMIT = (
    "The limit is the larger of two: the products' FLOP over the measured multiply-add peak, and "
    "the bytes of parameters, rows and probabilities over the measured in-place bandwidth."
)


@dataclass(frozen=True)
class Prediction(Net):
    """The probabilities of a number of rows, which is its batch."""

    ours: ClassVar[tuple[str, ...]] = ("densenet, predict_proba", "densenet, DenseClassifier")
    headings: ClassVar[tuple[str, ...]] = ("predict_proba", "DenseClassifier")
    call: ClassVar[str] = "call"
    shows: ClassVar[str] = "probabilities"

    @classmethod
    def of(cls, net: Net, rows: int) -> "Prediction":
        """Predict some rows by a net."""
        name = net.name
        if name not in NETS:
            name = name.split(":")[0]
        words = [name, str(rows)] + [net.design.text] * (net.design != PLAIN)
        return cls(":".join(words), net.widths, rows, design=net.design)

    @property
    def job(self) -> str:
        """What contenders do."""
        return "predict"

    @property
    def flop(self) -> int:
        """Floating-point operations of a call's products, one for each layer."""
        return 2 * self.batch * sum(i * o for i, o in pairwise(self.widths))

    @property
    def moved_bytes(self) -> int:
        """Bytes of parameters and rows, which are read, and of probabilities, which are written."""
        return 4 * (self.parameters + self.batch * (self.widths[0] + self.widths[-1]))

    @property
    def footprint(self) -> int:
        """Bytes of the arrays that are gone over."""
        return self.moved_bytes

    @property
    def epoch_calls(self) -> int:
        """Calls of an epoch: about 10 ms of work, or one."""
        guess = self.flop / 1e11 + self.moved_bytes / 3e10 + 1e-5
        return max(1, int(EPOCH / guess))

    @property
    def tolerance(self) -> float:
        """Relative difference of two contenders' probabilities: nothing is dropped."""
        return self.rounding

    def limit(self, flops: float, bandwidth: float) -> float:
        """Compute the least seconds of a call: products go on while their operands come."""
        return max(self.flop / flops, self.moved_bytes / bandwidth)


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    parser.add_argument(
        "nets",
        nargs="*",
        metavar="NET",
        help=f"A to G, practice, or as 784-128-10:128:relu ({' '.join(_NETS)})",
    )
    parser.add_argument(
        "--rows",
        type=options.positives,
        default=_ROWS,
        metavar="N,N",
        help=f"rows of a call ({','.join(map(str, _ROWS))})",
    )
    series.add_options(parser, "predict")
    arguments = parser.parse_args()
    try:
        nets = named(arguments.nets or _NETS)
    except ValueError as error:
        parser.error(str(error))
    arguments.nets = [Prediction.of(net, rows) for net in nets for rows in arguments.rows]
    return arguments


def main() -> int:
    return series.main("predict", _arguments(), _LIMIT)


if __name__ == "__main__":
    sys.exit(main())
