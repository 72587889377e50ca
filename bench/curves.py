"""Show how the time of a training step grows with batch, width, depth and threads.

    python bench/curves.py
    python bench/curves.py batch width --only fit,fused,epoch
    python bench/curves.py --budget 30 --markdown curves.md --picture curves.png

Each curve changes one number and keeps the others. Every point is checked and timed as in nets.py;
beside densenet stand the NumPy reference and the least time that the machine's measured peaks
allow. Exit status 1 if losses differ. Ctrl-C ends the run and reports the points that are done.
"""

import argparse
import sys

import contest
import options
import pictures
import records
import report
from machine import thread_counts
from records import Records
from report import Curve, LiveTable
from timing import Budget, micros
from workloads import Net, powers

_ROUNDS, _TURN = 9, 0.05  # turns of each contender, and the least seconds of one
_NOTES = (
    "Medians ± half the distance of the quartiles. Growth is the power of the variable with which "
    "the first contender's time has grown since the point before: 1 where twice the value takes "
    "twice as long. "
    "The limit is the products' FLOP over the measured multiply-add peak, and the update's 24 "
    "bytes a parameter over the measured in-place bandwidth."
)


def _net(widths: tuple[int, ...], batch: int) -> Net:
    return Net("-".join(map(str, widths)), widths, batch)


def every_curve(threads: int) -> dict[str, Curve]:
    """Give all curves by name, not yet measured; the last one goes from 1 to ``threads``."""
    counts = thread_counts(threads)
    curves = (
        Curve("batch", "784-128-10", powers(1, 4096), lambda n: _net((784, 128, 10), n)),
        Curve("width", "n-n-n-10, batch 64", powers(8, 2048), lambda n: _net((n, n, n, 10), 64)),
        Curve(
            "depth",
            "n hidden layers of 128, batch 64",
            powers(1, 64),
            lambda n: _net((*[128] * (n + 1), 10), 64),
        ),
        Curve(
            "threads",
            "784-1024-1024-10, batch 256",
            counts,
            lambda _: _net((784, 1024, 1024, 10), 256),
        ),
    )
    return {curve.variable: curve for curve in curves}


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    options.add_threads(parser)
    options.add_picture(parser)
    options.add_only(parser, default="fit,reference")
    parser.add_argument("curves", nargs="*", metavar="CURVE", help="batch, width, depth, threads")
    parser.add_argument(
        "--budget", type=options.seconds, default=120.0, help="seconds in all, about (%(default)g)"
    )
    arguments = parser.parse_args()
    curves = every_curve(arguments.threads)
    for name in arguments.curves:
        if name not in curves:
            parser.error(f"CURVE: must be one of {', '.join(curves)}, got {name!r}")
    arguments.curves = [curves[name] for name in arguments.curves or curves]
    return arguments


def _row(curve: Curve, value: int, names: list[str]) -> list[str]:
    result = curve.points[value]
    first = names[0]
    growth = curve.growth(value, first)
    return [
        f"{value}",
        f"{result.net.parameters:,}",
        f"{result.net.flop / 1e6:,.2f}",
        *(result.text(name) for name in names),
        micros(result.limit),
        result.percent_of_limit(first),
        "-" if growth is None else f"{growth:.2f}",
    ]


def _header(curve: Curve, names: list[str]) -> list[str]:
    times = [f"{name}, µs" for name in names]
    share = f"{names[0]}, % of limit"
    return [curve.variable, "parameters", "MFLOP", *times, "limit µs", share, "growth"]


def _title(curve: Curve) -> str:
    return f"**{curve.variable.capitalize()}**: {curve.fixed}"


def main() -> int:
    return records.run("curves", _measure, _arguments())


def _measure(arguments: argparse.Namespace, rows: Records) -> int:
    """Time the curves, print and write the report, add the rows; give the exit status."""
    names: list[str] = arguments.only
    budget = Budget(arguments.budget)
    left = sum(len(curve.values) for curve in arguments.curves)
    times = ["100,000 ±10%"] * len(names)
    example = ["", "10,000,000", "100,000.00", *times, "100,000", "", ""]
    interrupted = []
    try:
        for curve in arguments.curves:
            live = LiveTable(_header(curve, names), example)
            print(f"\n{_title(curve)}\n")
            for value in curve.values:
                threads = value if curve.variable == "threads" else arguments.threads
                curve.points[value] = contest.compete(
                    curve.net(value),
                    threads,
                    names,
                    rounds=_ROUNDS,
                    turn=_TURN,
                    budget=Budget(budget.share(left)),
                )
                left -= 1
                point = {"curve": curve.variable, "value": value, "threads": threads}
                report.record(curve.points[value], rows, **point)
                live.add(_row(curve, value, names))
    except KeyboardInterrupt:
        interrupted = [f"Interrupted, {left} points before the end."]

    measured = [curve for curve in arguments.curves if curve.points]
    results = [result for curve in measured for result in curve.points.values()]
    about = report.describe(rows)
    wrong = report.disagreements(results)
    rest = [*interrupted, *wrong, _NOTES, about]
    print()
    print(*rest, *report.missing_peers(results), sep="\n\n")
    if arguments.markdown:
        tables = []
        for curve in measured:
            cells = [_row(curve, value, names) for value in curve.points]
            tables += [_title(curve), report.table(_header(curve, names), cells)]
        report.save(arguments.markdown, [*tables, *rest])
    if arguments.picture and measured:
        pictures.curves(measured, names, arguments.picture, about)
    return 130 if interrupted else int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
