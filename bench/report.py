"""What was measured, as Markdown tables and as rows for `records`."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from records import Records
from timing import Timing, micros
from workloads import Net

OURS = ("densenet, fit", "densenet, train_step")
NOT_INSTALLED = "not installed"  # the note of a contender whose library is missing
OTHER_LOSSES = "other losses"  # begins the note of a contender that computes something else
NEAR_LIMIT = 1.2  # a net within this many limits counts as at its target


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a Markdown table: the first column is aligned left, the others right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(header), f"|{rule}|", *map(line, rows)])


class LiveTable:
    """A table that is printed row by row while it grows.

    Parameters
    ----------
    header : sequence of str
    example : sequence of str
        Cells as wide as the widest to come: they set the widths of the printed columns. A wider
        cell breaks the alignment of the printed rows, not that of `text`.
    """

    def __init__(self, header: Sequence[str], example: Sequence[str]) -> None:
        self._header = header
        self._example = example
        self.rows: list[Sequence[str]] = []

    def add(self, row: Sequence[str]) -> None:
        """Add a row and print it; the first one prints the header, too."""
        self.rows.append(row)
        head, rule, _, line = table(self._header, [self._example, row]).splitlines()
        if len(self.rows) == 1:
            print(head, rule, sep="\n")
        print(line, flush=True)

    def text(self) -> str:
        """Give the whole table."""
        return table(self._header, self.rows)


def save(path: Path, parts: Sequence[str]) -> None:
    """Write a report to ``path``: the command that made it, then its parts, as paragraphs."""
    command = " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    path.write_text("\n\n".join([f"`{command}`", *parts]) + "\n", encoding="utf-8")


def describe(records: Records) -> str:
    """Say in a line on what machine a run was made, how busy that was, and with what versions."""
    about = records.circumstances
    threads, processor = about["threads"], about["processor"]
    versions = dict(about["versions"])
    densenet, numpy, compiler = (versions.pop(key) for key in ("densenet", "numpy", "compiler"))
    load = "" if about["load"] is None else f", load {about['load']:.1f} at the start"
    conditions = f", {about['conditions']}" if about["conditions"] else ""
    commit = f"commit {about['commit'][:7]}" if about["commit"] else "commit unknown"
    return "; ".join(
        [
            f"{processor_name(processor)}{load}{conditions}",
            f"{threads} thread{'s' if threads > 1 else ''}",
            f"densenet {densenet} ({processor['instruction_set']}, {compiler})",
            commit + (" with changes" if about["dirty"] else ""),
            f"NumPy {numpy}",
            *(f"{name} {version}" for name, version in versions.items()),
        ]
    )


def processor_name(processor: dict[str, Any]) -> str:
    """Name a processor of a record: what it calls itself, with family and model where known."""
    name: str = processor["name"]
    if processor["family"] is not None:
        name += f" family {processor['family']} model {processor['model']}"
    return name


@dataclass
class Result:
    """One net: seconds of a step for each contender, and the machine's peaks meanwhile."""

    net: Net
    flops: float  # peak of multiply-adds, FLOP/s
    bandwidth: float  # peak of in-place work, bytes/s
    timings: dict[str, Timing] = field(default_factory=dict)  # by the contender's name
    notes: dict[str, str] = field(default_factory=dict)  # why a contender has no time
    versions: dict[str, str] = field(default_factory=dict)  # of each library that was imported
    meetings: Sequence[float] = ()  # before each turn: seconds in which all threads met

    @property
    def limit(self) -> float:
        """Least seconds of a step, at the measured peaks."""
        return self.net.limit(self.flops, self.bandwidth)

    @property
    def best_peer(self) -> str | None:
        """The fastest contender that is not densenet itself; None if there is none."""
        peers = [name for name in self.timings if name not in OURS]
        return min(peers, key=lambda name: self.timings[name].median, default=None)

    def ratio(self, name: str) -> float | None:
        """Say how many times as fast as the best peer a contender is; None if one is missing."""
        if self.best_peer is None or name not in self.timings:
            return None
        return self.timings[self.best_peer].median / self.timings[name].median

    def percent_of_limit(self, name: str) -> str:
        """Give the limit in percent of a contender's time: 100 % is all that is possible."""
        timing = self.timings.get(name)
        return f"{100 * self.limit / timing.median:.0f} %" if timing else "-"

    @property
    def verdict(self) -> str:
        """Whether `fit` reaches the net's target: by its ratio, or by coming near the limit."""
        ratio = self.ratio(OURS[0])
        if OURS[0] not in self.timings:
            return "not run"
        if self.timings[OURS[0]].median <= NEAR_LIMIT * self.limit:
            slower = ratio is not None and ratio < 1
            return "yes, at the limit" if not slower else "at the limit, but slower than a peer"
        if ratio is None:
            return "no peer"
        if ratio >= self.net.target:
            return "yes"
        return "no" if ratio >= 1 else "no, slower than a peer"


@dataclass
class Curve:
    """Times of a net as one number changes, such as its width."""

    variable: str  # the name of that number
    fixed: str  # what stays, as text
    values: Sequence[int]  # of the variable: the points to measure
    net: Callable[[int], Net]  # the net at a value
    points: dict[int, Result] = field(default_factory=dict)  # measured so far, by value

    def growth(self, value: int, name: str) -> float | None:
        """Give the power p of time ~ variable^p since the point before; None if one is missing."""
        before = max((earlier for earlier in self.points if earlier < value), default=None)
        if before is None or any(name not in self.points[v].timings for v in (before, value)):
            return None
        first, last = (self.points[v].timings[name].median for v in (before, value))
        return math.log(last / first) / math.log(value / before)


SUMMARY = (
    "net",
    "shape",
    "batch",
    "fit µs",
    "train_step µs",
    "best peer",
    "its µs",
    "fit ratio",
    "train_step ratio",
    "limit µs",
    "fit % of limit",
    "target",
    "met",
)


def summary(result: Result) -> list[str]:
    """Give a net's row of the table `SUMMARY`."""
    times = [str(result.timings[name]) if name in result.timings else "-" for name in OURS]
    ratios = [result.ratio(name) for name in OURS]
    best = result.best_peer
    return [
        result.net.name,
        result.net.shape,
        str(result.net.batch),
        *times,
        best or "-",
        str(result.timings[best]) if best else "-",
        *("-" if ratio is None else f"{ratio:.2f}x" for ratio in ratios),
        micros(result.limit),
        result.percent_of_limit(OURS[0]),
        f"{result.net.target:g}x",
        result.verdict,
    ]


def contenders(results: Sequence[Result]) -> str:
    """Give a table with a row for each contender and a column for each net."""
    names = list(dict.fromkeys(n for result in results for n in (*result.timings, *result.notes)))
    rows = [
        [
            name,
            *(
                str(result.timings[name]) if name in result.timings else result.notes.get(name, "-")
                for result in results
            ),
        ]
        for name in names
    ]
    return table(["µs per step", *(result.net.name for result in results)], rows)


def peaks(results: Sequence[Result]) -> str:
    """Give a table of each net's work and the machine's peaks while the net was timed."""
    header = (
        "net",
        "MFLOP",
        "multiply-add peak GFLOP/s",
        "update KB",
        "in-place GB/s",
        "threads meet in ns",
    )
    rows = [
        (
            result.net.name,
            f"{result.net.flop / 1e6:,.2f}",
            f"{result.flops / 1e9:.0f}",
            f"{result.net.update_bytes / 1e3:,.0f}",
            f"{result.bandwidth / 1e9:.1f}",
            _meetings(result),
        )
        for result in results
    ]
    return table(header, rows)


def _meetings(result: Result) -> str:
    """Give the median, the least and the most of the times in which the threads met, in ns."""
    if not result.meetings:
        return "-"
    least, most = min(result.meetings), max(result.meetings)
    return f"{median(result.meetings) * 1e9:.0f} ({least * 1e9:.0f} to {most * 1e9:.0f})"


def versions(results: Sequence[Result]) -> dict[str, str]:
    """Give the versions of all libraries that densenet was compared with, by name."""
    every = {name: version for result in results for name, version in result.versions.items()}
    return {name: version for name, version in every.items() if name != "densenet"}


def missing_peers(results: Sequence[Result]) -> list[str]:
    """Say which peers are not installed and how to install them; an empty list if all are."""
    missing = {n: None for r in results for n, note in r.notes.items() if note == NOT_INSTALLED}
    if not missing:
        return []
    names = "; ".join(missing)
    return [f"Not installed: {names}. For all: pip install --group peers (pip 25.1 or newer)."]


def disagreements(results: Sequence[Result]) -> list[str]:
    """Give a line for each contender whose losses differ from the judge's."""
    return [
        f"DISAGREES: {name}, {result.net.shape}:{result.net.batch}: {note}"
        for result in results
        for name, note in result.notes.items()
        if note.startswith(OTHER_LOSSES)
    ]


def record(result: Result, records: Records, **where: Any) -> None:
    """Add a net's rows to ``records``: one for each contender, three for the machine's peaks.

    A contender whose library is not installed gets no row. Each row also holds ``where``, such as
    the point of a curve.
    """
    net, threads = result.net, where.get("threads")
    about = {**where, "net": net.name, "shape": net.shape, "batch": net.batch}
    records.add_versions(versions([result]))
    for name, timing in result.timings.items():
        records.add(
            about | {"contender": name},
            timing,
            ratio=result.ratio(name),
            ratio_to=result.best_peer,
            limit=result.limit,
            threads=threads,
        )
    for name, note in result.notes.items():
        if note != NOT_INSTALLED:
            failed = about | {"contender": name}
            records.add(failed, None, limit=result.limit, failure=note, threads=threads)
    peaks = (("multiply-adds", result.flops, "FLOP/s"), ("in-place work", result.bandwidth, "B/s"))
    for peak, rate, unit in peaks:
        records.add(about | {"peak": peak}, rate, unit=unit, threads=threads)
    if result.meetings:
        meetings = Timing.of(result.meetings)
        records.add(about | {"peak": "threads meet"}, meetings, threads=threads)
