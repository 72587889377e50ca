"""What was measured, as tables: Markdown that reads well as it is."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from timing import Timing, micros
from workloads import UPDATE_BYTES, Net

OURS = ("densenet, fit", "densenet, train_step")
NOT_INSTALLED = "not installed"  # the note of a contender whose library is missing
OTHER_LOSSES = "other losses"  # how the note of one begins that computes something else
NEAR_LIMIT = 1.2  # a time below so many limits is as good as a target


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a Markdown table with aligned columns; all but the first are set right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(header), f"|{rule}|", *map(line, rows)])


class LiveTable:
    """A table that is printed while it grows.

    Parameters
    ----------
    header : sequence of str
    example : sequence of str
        Cells that are as wide as any that will come. Wider ones still fit into `text`.
    """

    def __init__(self, header: Sequence[str], example: Sequence[str]) -> None:
        self._header = header
        self._example = example
        self.rows: list[Sequence[str]] = []

    def add(self, row: Sequence[str]) -> None:
        """Print a row, the first one under the header."""
        self.rows.append(row)
        head, rule, _, line = table(self._header, [self._example, row]).splitlines()
        if len(self.rows) == 1:
            print(head, rule, sep="\n")
        print(line, flush=True)

    def text(self) -> str:
        """Give the whole table."""
        return table(self._header, self.rows)


def save(path: Path, parts: Sequence[str]) -> None:
    """Write a report's parts to a file, after the command that made it."""
    command = " ".join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    path.write_text("\n\n".join([f"`{command}`", *parts]) + "\n", encoding="utf-8")


@dataclass
class Result:
    """One net: seconds of a step for each contender, and what the machine could do meanwhile."""

    net: Net
    flops: float
    bandwidth: float
    timings: dict[str, Timing] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # of contenders without a time
    versions: dict[str, str] = field(default_factory=dict)  # of each module that was imported
    meetings: Sequence[float] = ()  # seconds that all threads took to meet, before each turn

    @property
    def limit(self) -> float:
        """Seconds of a step at the measured peaks."""
        return self.net.limit(self.flops, self.bandwidth)

    @property
    def best_peer(self) -> str | None:
        """Who is fastest of all others."""
        peers = [name for name in self.timings if name not in OURS]
        return min(peers, key=lambda name: self.timings[name].median, default=None)

    def ratio(self, name: str) -> float | None:
        """How many times as fast as the best peer a contender is."""
        if self.best_peer is None or name not in self.timings:
            return None
        return self.timings[self.best_peer].median / self.timings[name].median

    def percent_of_limit(self, name: str) -> str:
        """Say how near a contender comes to the limit, 100 % being all that is possible."""
        timing = self.timings.get(name)
        return f"{100 * self.limit / timing.median:.0f} %" if timing else "-"

    @property
    def verdict(self) -> str:
        """Whether `fit` reaches its target, and by which of its two ways."""
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
    """A net of which one thing changes: the points asked for, and those that were measured."""

    variable: str
    fixed: str
    values: Sequence[int]
    net: Callable[[int], Net]
    points: dict[int, Result] = field(default_factory=dict)

    def growth(self, value: int, name: str) -> float | None:
        """Give the power of the variable with which a time grew from the point before."""
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
    """Give a net's row: our times, the best peer's, the limit and the target."""
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
    """Give a row for each contender, with its time for each net."""
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
    """Give the machine's peaks, and how far apart its cores were, between each net's turns."""
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
            f"{result.net.parameters * UPDATE_BYTES / 1e3:,.0f}",
            f"{result.bandwidth / 1e9:.1f}",
            _meetings(result),
        )
        for result in results
    ]
    return table(header, rows)


def _meetings(result: Result) -> str:
    """Give the median of a net's meetings, and the least and the most."""
    if not result.meetings:
        return "-"
    least, most = min(result.meetings), max(result.meetings)
    return f"{median(result.meetings) * 1e9:.0f} ({least * 1e9:.0f} to {most * 1e9:.0f})"


def versions(results: Sequence[Result]) -> dict[str, str]:
    """Give the version of every library that was compared with."""
    every = {name: version for result in results for name, version in result.versions.items()}
    return {name: version for name, version in every.items() if name != "densenet"}


def missing_peers(results: Sequence[Result]) -> list[str]:
    """Say who was not there to compare with, and how to install them; nothing if all were."""
    missing = {n: None for r in results for n, note in r.notes.items() if note == NOT_INSTALLED}
    if not missing:
        return []
    names = "; ".join(missing)
    return [f"Not installed: {names}. For all: pip install --group peers (pip 25.1 or newer)."]


def disagreements(results: Sequence[Result]) -> list[str]:
    """Name the contenders that do not compute what they should."""
    return [
        f"DISAGREES: {name}, {result.net.shape}:{result.net.batch}: {note}"
        for result in results
        for name, note in result.notes.items()
        if note.startswith(OTHER_LOSSES)
    ]
