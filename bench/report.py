"""What was measured, as Markdown tables and as rows for `records`."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from records import Records
from timing import Counts, Timing, written
from workloads import Net

REFERENCE = "NumPy reference"  # the contender that judges the others, and is no peer
HIGHEST = "densenet, highest precision"  # of floats as they are, beside a lower precision
NOT_INSTALLED = "not installed"  # the note of a contender whose library is missing
OTHER = "other "  # begins the note of a contender that computes something else
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
    if about["busy"]:
        conditions += f", beside {about['busy']} endless loop{'s' if about['busy'] > 1 else ''}"
    if about["held_to"]:
        conditions += f", all held to {about['held_to']}"
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


def is_peer(name: str) -> bool:
    """Tell whether a contender is another library's."""
    return name != REFERENCE and not name.startswith("densenet")


@dataclass
class Result:
    """One net: seconds of a call for each contender, and the machine's peaks meanwhile.

    A contender is as fast as its median; or as its mean, where ``counts`` says so.
    """

    net: Net
    flops: float  # peak of multiply-adds, FLOP/s
    bandwidth: float  # peak of in-place work, bytes/s
    timings: dict[str, Timing] = field(default_factory=dict)  # by the contender's name
    notes: dict[str, str] = field(default_factory=dict)  # why a contender has no time
    versions: dict[str, str] = field(default_factory=dict)  # of each library that was imported
    meetings: Sequence[float] = ()  # before each turn: seconds in which all threads met
    counts: Counts = "median"
    # of each timed contender: the largest relative difference of its first numbers from the judge's
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def limit(self) -> float:
        """Least seconds of a call, at the measured peaks."""
        return self.net.limit(self.flops, self.bandwidth)

    def seconds(self, name: str) -> float:
        """Give the time of a contender that has one."""
        return float(getattr(self.timings[name], self.counts))

    def text(self, name: str | None) -> str:
        """Give the time of a contender in the net's unit, with its spread; or why there is none."""
        if name in self.timings:
            return self.timings[name].text(self.counts, self.net.unit)
        return self.notes.get(name or "", "-")

    @property
    def best_peer(self) -> str | None:
        """The fastest contender of another library; None if there is none."""
        peers = [name for name in self.timings if is_peer(name)]
        return min(peers, key=self.seconds, default=None)

    def ratio(self, name: str, to: str | None = None) -> float | None:
        """Say how many times as fast as another contender one is; None if one is missing.

        The other is the best peer, unless ``to`` names one.
        """
        to = to or self.best_peer
        if to not in self.timings or name not in self.timings:
            return None
        return self.seconds(to) / self.seconds(name)

    def percent_of_limit(self, name: str) -> str:
        """Give the limit in percent of a contender's time: 100 % is all that is possible."""
        known = name in self.timings
        return f"{100 * self.limit / self.seconds(name):.0f} %" if known else "-"

    @property
    def verdict(self) -> str:
        """Whether `fit` reaches the net's target: by its ratio, or by coming near the limit."""
        fit = self.net.ours[0]
        ratio = self.ratio(fit)
        if fit not in self.timings:
            return "not run"
        if self.seconds(fit) <= NEAR_LIMIT * self.limit:
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


def header(kind: type[Net], targets: bool) -> list[str]:
    """Give the header of the table whose rows `summary` gives."""
    return [
        *("net", "shape", "batch"),
        *(f"{heading} {kind.unit}" for heading in (*kind.headings, kind.beside_heading)),
        *("best peer", f"its {kind.unit}"),
        *(f"{heading} ratio" for heading in kind.headings),
        f"over {kind.beside_heading}",
        f"limit {kind.unit}",
        f"{kind.headings[0]} % of limit",
        *(("target", "met") if targets else ()),
    ]


def summary(result: Result, targets: bool) -> list[str]:
    """Give a net's row; if ``targets``, with its target and whether that is met."""
    net, best = result.net, result.best_peer
    ratios = [*map(result.ratio, net.ours), result.ratio(net.ours[0], net.beside)]
    return [
        *(net.name, net.shape, str(net.batch)),
        *(result.text(name) if name in result.timings else "-" for name in (*net.ours, net.beside)),
        *(best or "-", result.text(best)),
        *("-" if ratio is None else f"{ratio:.2f}x" for ratio in ratios),
        written(result.limit, net.unit),
        result.percent_of_limit(net.ours[0]),
        *((f"{net.target:g}x", result.verdict) if targets else ()),
    ]


def losers(results: Sequence[Result]) -> list[str]:
    """Give what is slower than its best peer, then what is slower than our own other way.

    That is one thread, or the same work by hand. Each is a paragraph: a line says that there is
    nothing.
    """
    compared = [result for result in results if result.best_peer]
    lost = [
        f"{result.net.name}, {heading}: {ratio:.2f}x of {result.best_peer}"
        for result in compared
        for name, heading in zip(result.net.ours, result.net.headings, strict=True)
        if (ratio := result.ratio(name)) is not None and ratio < 1
    ]
    beside = [
        f"{result.net.name}, {result.net.headings[0]}: {ratio:.2f}x of {result.net.beside_heading}"
        for result in results
        if (ratio := result.ratio(result.net.ours[0], result.net.beside)) is not None and ratio < 1
    ]
    none = "Nothing is slower than the best peer." if compared else "No peer to compare with."
    paragraphs = [paragraph_of("Slower than the best peer:", lost) or none]
    if beside:
        paragraphs.append(paragraph_of(f"Slower than {results[0].net.beside_heading}:", beside))
    return paragraphs


def paragraph_of(title: str, cells: Sequence[str]) -> str:
    """Give a list under a title; "" if there is nothing to list."""
    return "\n".join([f"{title}\n", *(f"- {cell}" for cell in cells)]) if cells else ""


def contenders(results: Sequence[Result]) -> str:
    """Give a table of times: a row for each contender and a column for each net."""
    return _by_contender(results, Result.text, _times(results))


def processor_times(results: Sequence[Result]) -> str:
    """Give a table of mean times on processors, likewise."""

    def text(result: Result, name: str) -> str:
        timing = result.timings.get(name)
        if timing is None or timing.processor is None:
            return "-"
        return written(timing.processor, result.net.unit)

    return _by_contender(results, text, _times(results, " on processors"))


def errors(results: Sequence[Result]) -> list[str]:
    """Give a table of how far each contender's first losses are from those of floats.

    Only of nets of a lower precision; an empty list if there are none.
    """
    lower = [result for result in results if result.net.design.precision != "highest"]
    if not lower:
        return []

    def text(result: Result, name: str) -> str:
        return f"{result.errors[name]:.1e}" if name in result.errors else "-"

    return [_by_contender(lower, text, f"{lower[0].net.shows} differ from floats' by at most")]


def _by_contender(
    results: Sequence[Result], text: Callable[[Result, str], str], heading: str
) -> str:
    names = list(dict.fromkeys(n for result in results for n in (*result.timings, *result.notes)))
    rows = [[name, *(text(result, name) for result in results)] for name in names]
    return table([heading, *(result.net.name for result in results)], rows)


def _times(results: Sequence[Result], where: str = "") -> str:
    return f"{results[0].net.unit}{where} per {results[0].net.call}"


def peaks(results: Sequence[Result]) -> str:
    """Give a table of each net's work and the machine's peaks while the net was timed."""
    header = (
        "net",
        "MFLOP",
        "multiply-add peak GFLOP/s",
        "moved KB",
        "in-place GB/s",
        "threads meet in ns",
    )
    rows = [
        (
            result.net.name,
            f"{result.net.flop / 1e6:,.2f}",
            f"{result.flops / 1e9:.0f}",
            f"{result.net.moved_bytes / 1e3:,.0f}",
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
    """Give a line for each contender that computes something else than the judge."""
    return [
        f"DISAGREES: {name}, {result.net.shape}:{result.net.batch}: {note}"
        for result in results
        for name, note in result.notes.items()
        if note.startswith(OTHER)
    ]


def too_fast(results: Sequence[Result]) -> list[str]:
    """Give a line for each peer that was faster than the measured peaks allow.

    Either it used wider vectors than it was held to, or a peak was measured too low. Lower
    precisions have a higher peak of their own, and are left out.
    """
    return [
        f"FASTER THAN THE LIMIT: {name}, {result.net.shape}:{result.net.batch}: "
        f"{result.limit / result.seconds(name):.2f}x"
        for result in results
        if result.net.design.precision == "highest"
        for name in result.timings
        if is_peer(name) and result.seconds(name) < result.limit
    ]


def record(result: Result, records: Records, **where: Any) -> None:
    """Add a net's rows to ``records``: one for each contender, three for the machine's peaks.

    A contender whose library is not installed gets no row. Each row also holds ``where``, such as
    the point of a curve.
    """
    net, threads = result.net, where.get("threads")
    about = where | net.about
    records.add_versions(versions([result]))
    for name, timing in result.timings.items():
        records.add(
            about | {"contender": name},
            timing,
            ratio=result.ratio(name),
            ratio_to=result.best_peer,
            limit=result.limit,
            threads=threads,
            error=result.errors.get(name),
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
