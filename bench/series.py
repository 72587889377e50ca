"""A series of contests, from the first row that is printed to the report and the records."""

import argparse
import math
from collections.abc import Sequence
from functools import partial

import contest
import isa
import options
import pictures
import records
import report
from peers import CONTENDERS
from records import Records
from report import LiveTable, Result
from timing import Budget
from workloads import Net

_NOTES = (
    "{counts} ± half the distance of the quartiles. A ratio above 1 is faster than the best peer, "
    "or than {beside}. {limit}"
)
_COUNTS = {
    "median": "Medians",
    "mean": "Means, for other processes ran beside, which take whole slices of time from some "
    "calls and none from most,",
}
_TIME, _RATIO = "100,000 ±10%", "10.00x"


def add_options(parser: argparse.ArgumentParser, *jobs: str) -> None:
    """Add the options of a series of contests whose contenders do these jobs."""
    options.add_threads(parser)
    options.add_only(parser, jobs)
    parser.add_argument(
        "--rounds", type=options.positive, default=9, help="turns of each contender (%(default)s)"
    )
    parser.add_argument(
        "--seconds", type=options.seconds, default=0.3, help="least length of a turn (%(default)s)"
    )
    parser.add_argument(
        "--busy",
        type=options.count,
        default=0,
        metavar="K",
        help="keep K processors busy by endless loops of the same priority, and count means",
    )
    parser.add_argument(
        "--isa",
        dest="held_to",
        type=options.level,
        metavar="|".join(isa.SWITCHES),
        help="hold densenet and every peer to an instruction set: v3 is AVX2",
    )


def main(tool: str, arguments: argparse.Namespace, limit: str) -> int:
    """Run a tool whose parser has `add_options`; give its exit status.

    Parameters
    ----------
    tool : str
    arguments : argparse.Namespace
        Its ``nets`` are all of one class.
    limit : str
        A sentence that says what the least time consists of.
    """
    isa.hold(arguments.held_to)
    return records.run(tool, partial(_measure, limit=limit), arguments)


def _measure(arguments: argparse.Namespace, rows: Records, limit: str) -> int:
    """Time the nets, print and write the report, add the rows; give the exit status."""
    nets: list[Net] = arguments.nets
    kind = type(nets[0])
    targets = kind is Net
    header = report.header(kind, targets)
    results: list[Result] = []
    live = LiveTable(header, _example(nets, targets))
    interrupted = []
    try:
        for net in nets:
            result = contest.compete(
                net,
                arguments.threads,
                arguments.only,
                rounds=arguments.rounds,
                turn=arguments.seconds,
                budget=Budget(math.inf),
                loops=arguments.busy,
            )
            results.append(result)
            report.record(result, rows)
            live.add(report.summary(result, targets))
    except KeyboardInterrupt:
        interrupted = [f"Interrupted after {len(results)} of {len(nets)} nets."]
    if not results:
        print(*interrupted)
        return 130

    about = report.describe(rows)
    wrong = report.disagreements(results)
    lost = report.losers(results)
    counts = _COUNTS[results[0].counts]
    rest = [
        *wrong,
        *report.too_fast(results),
        _NOTES.format(counts=counts, beside=kind.beside_heading, limit=limit),
        report.contenders(results),
        report.processor_times(results),
        *report.errors(results),
        report.peaks(results),
    ]
    print()
    print(*interrupted, *lost, *rest, about, *report.missing_peers(results), sep="\n\n")
    if arguments.markdown:
        report.save(arguments.markdown, [about, *interrupted, *lost, live.text(), *rest])
    if getattr(arguments, "picture", None):
        compared = [result for result in results if result.best_peer]
        if compared:
            pictures.ladder(compared, arguments.picture, about)
        else:
            print("\nNo picture: no peer to compare with.")
    return 130 if interrupted else int(bool(wrong))


def _example(nets: Sequence[Net], targets: bool) -> list[str]:
    """Give cells as wide as any will be."""
    kind, names = type(nets[0]), [name for net in nets for name in CONTENDERS[net.job]]
    titles = zip(*((net.name, net.shape, str(net.batch)) for net in nets), strict=True)
    return [
        *(max(title, key=len) for title in titles),
        *[_TIME] * (len(kind.ours) + 1),
        *(max(names, key=len), _TIME),
        *[_RATIO] * (len(kind.ours) + 1),
        *("100,000", "100 %"),
        *(("1.15x", "no, slower than a peer") if targets else ()),
    ]
