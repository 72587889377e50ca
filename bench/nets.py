"""Time training steps of whole networks beside PyTorch, JAX and scikit-learn.

    python bench/nets.py                      nets A to G
    python bench/nets.py B 784-128-10:128     these: a letter, or widths and batch
    python bench/nets.py 784-128-10:128:gelu  with another activation, norm, loss or optimizer
    python bench/nets.py practice             one shape with each of them
    python bench/nets.py --busy 2 C           beside two busy processes
    python bench/nets.py --isa v3             with AVX2 alone
    python bench/nets.py --markdown nets.md --picture nets.png --json nets.jsonl

A step is forward pass, loss, backward pass and the update, in float32. Every contender whose
library is installed runs in a process of its own, on the same data and as many threads; they take
turns. First all must show the same losses: exit status 1 if one does not. Ctrl-C ends the run and
reports the nets that are done.
"""

import argparse
import sys

import designs
import options
import report
import series
from workloads import NETS, named

_LIMIT = (
    "The limit is the products' FLOP over the measured multiply-add peak of float32, and the "
    "update's bytes (24 a parameter with Adam) over the measured in-place bandwidth. A target "
    f"(docs/performance.md) is met at its ratio, or within {report.NEAR_LIMIT} limits."
)


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    nets = "; ".join(f"{net.name} = {net.shape}:{net.batch}" for net in NETS.values())
    parser.epilog = f"Nets: {nets}. Words of a design, joined by +: {', '.join(designs.WORDS)}."
    parser.add_argument(
        "nets", nargs="*", metavar="NET", help="A to G, practice, or as 784-128-10:128:relu"
    )
    series.add_options(parser, "train")
    options.add_picture(parser)
    arguments = parser.parse_args()
    try:
        arguments.nets = named(arguments.nets or list(NETS))
    except ValueError as error:
        parser.error(str(error))
    return arguments


def main() -> int:
    return series.main("nets", _arguments(), _LIMIT)


if __name__ == "__main__":
    sys.exit(main())
