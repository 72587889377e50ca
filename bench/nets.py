"""Time training steps of whole networks beside PyTorch, JAX and scikit-learn.

    python bench/nets.py                      nets A to G
    python bench/nets.py B 784-128-10:128     these: a letter, or widths and batch
    python bench/nets.py 784-128-10:128:gelu  with another activation, norm, dropout or optimizer
    python bench/nets.py practice             one shape with each of them
    python bench/nets.py --markdown nets.md --picture nets.png --json nets.jsonl

A step is forward pass, loss, backward pass and the update, in float32. Every contender whose
library is installed runs in a process of its own, on the same data and as many threads; they take
turns. First all must show the same losses: exit status 1 if one does not. Ctrl-C ends the run and
reports the nets that are done.
"""

import argparse
import math
import sys

import contest
import options
import pictures
import records
import report
from records import Records
from report import LiveTable, Result
from timing import Budget
from workloads import NETS, PRACTICE, Net, parse

_NOTES = (
    "Medians ± half the distance of the quartiles. A ratio above 1 is faster than the best peer. "
    "The limit is the products' FLOP over the measured multiply-add peak, and the update's bytes "
    "(24 a parameter with Adam) over the measured in-place bandwidth. A target "
    "(docs/performance.md) is met at its ratio, or within "
    f"{report.NEAR_LIMIT} limits."
)
_EXAMPLE = (  # cells as wide as any will be
    "3072-2048-2048-10",
    "3072-2048-2048-10",
    "1024",
    *["100,000 ±10%"] * 2,
    "PyTorch, foreach Adam",
    "100,000 ±10%",
    *["10.00x"] * 2,
    "100,000",
    "100 %",
    "1.15x",
    "no, slower than a peer",
)


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    parser.epilog = "Nets: " + "; ".join(f"{n.name} = {n.shape}:{n.batch}" for n in NETS.values())
    parser.add_argument(
        "nets", nargs="*", metavar="NET", help="A to G, practice, or as 784-128-10:128:relu"
    )
    options.add_threads(parser)
    options.add_picture(parser)
    options.add_only(parser)
    parser.add_argument(
        "--rounds", type=options.positive, default=9, help="turns of each contender (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=options.seconds, default=0.3, help="least length of a turn (%(default)s)"
    )
    arguments = parser.parse_args()
    try:
        arguments.nets = [net for text in arguments.nets or NETS for net in _named(text)]
    except ValueError as error:
        parser.error(str(error))
    return arguments


def _named(text: str) -> tuple[Net, ...]:
    return PRACTICE if text == "practice" else (parse(text),)


def main() -> int:
    return records.run("nets", _measure, _arguments())


def _measure(arguments: argparse.Namespace, rows: Records) -> int:
    """Time the nets, print and write the report, add the rows; give the exit status."""
    results: list[Result] = []
    live = LiveTable(report.SUMMARY, _EXAMPLE)
    interrupted = []
    try:
        for net in arguments.nets:
            result = contest.compete(
                net,
                arguments.threads,
                arguments.only,
                rounds=arguments.rounds,
                turn=arguments.seconds,
                budget=Budget(math.inf),
            )
            results.append(result)
            report.record(result, rows)
            live.add(report.summary(result))
    except KeyboardInterrupt:
        interrupted = [f"Interrupted after {len(results)} of {len(arguments.nets)} nets."]
    if not results:
        print(*interrupted)
        return 130

    about = report.describe(rows)
    wrong = report.disagreements(results)
    rest = [*interrupted, *wrong, _NOTES, report.contenders(results), report.peaks(results)]
    print()
    print(*rest, about, *report.missing_peers(results), sep="\n\n")
    if arguments.markdown:
        report.save(arguments.markdown, [about, live.text(), *rest])
    if arguments.picture:
        compared = [result for result in results if result.best_peer]
        if compared:
            pictures.ladder(compared, arguments.picture, about)
        else:
            print("\nNo picture: no peer to compare with.")
    return 130 if interrupted else int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
