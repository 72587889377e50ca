"""Test that more threads are never slower than one: a grid of width x batch for each call.

    python bench/threads.py
    python bench/threads.py --calls all --budget 600
    python bench/threads.py --calls train_step,adam_step --widths 32,64,128 --batches 16,64

A cell repeats one call with one thread and with more, in turns, in one process, on the same arrays.
It shows how many times as fast the call is with more threads: the median over the rounds. A cell
that looks slower is measured again, and the second result alone counts. Exit status 1 if a cell is
slower than one thread by more than 2 %, with 99 % confidence. Ctrl-C ends the run and reports the
cells that are done.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import options
import records
import report
from calls import CALLS, SHAPES
from densenet import set_num_threads
from machine import Machine, pinned, thread_counts
from records import Records
from report import LiveTable
from timing import Budget, Timing, interleaved, median_interval
from workloads import powers

_WIDTHS, _BATCHES = powers(16, 1024), (1, 4, 16, 64, 256, 1024)
_FIRST = 0.75  # part of the time for the first pass; the rest is for cells that look slower
_FIRST_ROUNDS, _SECOND_ROUNDS = (3, 25), (10, 101)  # least and most; a verdict needs 8
_PAUSE = 0.02  # seconds between turns, longer than idle OpenMP threads spin
_MARGIN = 0.02  # a smaller difference does not count
_BUSY = 0.75  # threads that reach less of their multiply-adds share processors with others


@dataclass
class Cell:
    """One call at one size: its times with one thread over those with more, round by round."""

    speedups: list[float]  # times as fast as one thread, one for each round
    seconds: list[float]  # of a call with more threads, likewise

    @property
    def suspicious(self) -> bool:
        """Whether more threads look slower than one: the median says so."""
        return median(self.speedups) < 1 - _MARGIN

    @property
    def slower(self) -> bool:
        """Whether more threads are slower than one with 99 % confidence."""
        return median_interval(self.speedups)[1] < 1 - _MARGIN

    def __str__(self) -> str:
        mark = " SLOWER" if self.slower else " ?" if self.suspicious else ""
        return f"{median(self.speedups):.2f}x{mark}"


class Key(NamedTuple):
    """Which call and which size a cell measures."""

    call: str
    threads: int
    width: int
    batch: int

    def __str__(self) -> str:
        return f"{self.call}, {self.threads} threads, width {self.width}, batch {self.batch}"


class Sweep:
    """The cells that have been measured, and how many threads' work the machine did meanwhile."""

    def __init__(self) -> None:
        self.cells: dict[Key, Cell] = {}
        self._scalings: dict[int, list[float]] = {}

    def measure(self, key: Key, *, seconds: float, rounds: tuple[int, int]) -> None:
        """Measure a cell; an earlier measurement of it is replaced."""
        call = CALLS[key.call](key.threads, key.width, key.batch)

        def on(count: int) -> Callable[[], None]:
            def run() -> None:
                set_num_threads(count)
                call()

            return run

        samples = interleaved(
            {"one": on(1), "more": on(key.threads)},
            seconds=seconds,
            pause=_PAUSE,
            least_rounds=rounds[0],
            most_rounds=rounds[1],
        )
        pairs = zip(samples["one"], samples["more"], strict=True)
        self.cells[key] = Cell([one / more for one, more in pairs], samples["more"])
        one, more = Machine(1), Machine(key.threads)
        one.measure_flops()
        more.measure_flops()
        self._scalings.setdefault(key.threads, []).append(more.flops / one.flops)

    def row(self, call: str, threads: int, width: int, batches: list[int]) -> list[str]:
        """Give a row of the printed table: the cells of one width, ``-`` where not measured."""
        cells = (self.cells.get(Key(call, threads, width, batch)) for batch in batches)
        return [str(width), *("-" if cell is None else str(cell) for cell in cells)]

    @property
    def notes(self) -> list[str]:
        """Say whether the machine was busy, and which cells are slower than one thread."""
        notes = []
        for threads, scalings in self._scalings.items():
            scaling = median(scalings)
            busy = scaling < _BUSY * threads
            notes.append(
                f"Meanwhile {threads} threads made {scaling:.2f} times the multiply-adds of one."
                + " The machine is busy: this run says little about threads." * busy
            )
        slower = [key for key, cell in self.cells.items() if cell.slower]
        doubtful = sum(cell.suspicious for cell in self.cells.values()) - len(slower)
        notes.append(
            f"Of {len(self.cells)} cells {len(slower)} are slower than one thread, "
            f"{doubtful} perhaps."
        )
        return notes + [f"SLOWER: {key}" for key in slower]

    def record(self, rows: Records) -> None:
        """Add a row for each cell: seconds of a call with its threads, and the speed-up."""
        for key, cell in self.cells.items():
            measured = {"call": key.call, "width": key.width, "batch": key.batch}
            timing, speedup = Timing.of(cell.seconds), median(cell.speedups)
            rows.add(measured, timing, ratio=speedup, ratio_to="1 thread", threads=key.threads)


def _calls(text: str) -> list[str]:
    """Read the names of calls, separated by commas, or ``all``."""
    names = list(CALLS) if text == "all" else text.split(",")
    for name in names:
        if name not in CALLS:
            raise argparse.ArgumentTypeError(f"must be all or of {', '.join(CALLS)}, got {name!r}")
    return names


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    options.add_threads(parser)
    parser.add_argument(
        "--calls",
        type=_calls,
        default="fit",
        metavar="A,B",
        help=f"what to time (%(default)s): all, or of {', '.join(CALLS)}",
    )
    for name, default in (("widths", _WIDTHS), ("batches", _BATCHES)):
        parser.add_argument(
            f"--{name}",
            type=options.positives,
            default=list(default),
            metavar="N,N",
            help="(%(default)s)",
        )
    parser.add_argument(
        "--budget", type=options.seconds, default=120.0, help="seconds in all, about (%(default)g)"
    )
    arguments = parser.parse_args()
    if arguments.threads < 2:
        parser.error("--threads: two or more are to be compared with one, got 1")
    return arguments


def main() -> int:
    return records.run("threads", _measure, _arguments())


def _measure(arguments: argparse.Namespace, rows: Records) -> int:
    """Time the grids, print and write the report, add the rows; give the exit status."""
    counts = thread_counts(arguments.threads)[1:]
    widths, batches = arguments.widths, arguments.batches
    grids = [(call, threads) for call in arguments.calls for threads in counts]
    header = ["width \\ batch", *map(str, batches)]
    sweep, budget = Sweep(), Budget(arguments.budget)
    first = Budget(_FIRST * arguments.budget)
    left = len(grids) * len(widths) * len(batches)
    interrupted = []
    try:
        with pinned(arguments.threads):
            for call, threads in grids:
                print(f"\n{_title(call, threads)}\n")
                live = LiveTable(header, ["", *["0.00x SLOWER"] * len(batches)])
                for width in widths:
                    for batch in batches:
                        key = Key(call, threads, width, batch)
                        sweep.measure(key, seconds=first.share(left), rounds=_FIRST_ROUNDS)
                        left -= 1
                    live.add(sweep.row(call, threads, width, batches))
            print(flush=True)
            suspects = [key for key, cell in sweep.cells.items() if cell.suspicious]
            for i, key in enumerate(suspects):
                before, share = sweep.cells[key], budget.share(len(suspects) - i)
                sweep.measure(key, seconds=share, rounds=_SECOND_ROUNDS)
                print(f"again, {key}: {before}, then {sweep.cells[key]}", flush=True)
    except KeyboardInterrupt:
        interrupted = ["Interrupted before the end."]

    sweep.record(rows)
    about = report.describe(rows)
    notes = [*interrupted, *sweep.notes, about]
    print(*notes, sep="\n\n")
    if arguments.markdown:
        tables = [
            f"{_title(call, threads)}\n\n"
            + report.table(header, [sweep.row(call, threads, width, batches) for width in widths])
            for call, threads in grids
        ]
        report.save(arguments.markdown, [*tables, *notes])
    slower = any(cell.slower for cell in sweep.cells.values())
    return 130 if interrupted else int(slower)


def _title(call: str, threads: int) -> str:
    return f"**{call}, {threads} threads over one**, {SHAPES[call]}"


if __name__ == "__main__":
    sys.exit(main())
