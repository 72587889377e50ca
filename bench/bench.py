"""Time every kernel and the training step: compiled against reference, after checking both agree.

    python bench/bench.py
    python bench/bench.py --quick --markdown kernels.md

Every case gets its share of a budget of time; cases that come after its end are left out, and the
report says so. Exit status 1 if a kernel or a training run differs from its reference by more than
docs/promises.md allows. Ctrl-C ends the run and reports what is done.
"""

import os

# Let idle threads of NumPy's BLAS sleep soon: they would spin on processors that the compiled code
# is to use next. OpenBLAS reads this when NumPy is imported.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import options
import records
import report
from cases import Case, every_case, unknown_kernels
from densenet import (
    Adam,
    Network,
    SoftmaxCrossEntropy,
    kernels,
    reference,
    set_num_threads,
)
from machine import Machine, pinned
from records import Records
from report import LiveTable
from timing import Budget, Timing, interleaved
from workloads import NETS, Net

_HEADER = (
    "kernel",
    "shape",
    "dtype",
    "compiled µs",
    "reference µs",
    "ratio",
    "rate",
    "unit",
    "peak",
    "% of peak",
    "",
)
_EXAMPLE = (  # cells as wide as any will be
    "softmax_cross_entropy_backward",
    "E: 3072-128-10, 128",
    "float32",
    *["100,000 ±10%"] * 2,
    "1000.00x",
    "1000.0",
    "GFLOP/s",
    "1000",
    "100 %",
    "LOSS",
)
_BUDGET, _QUICK_BUDGET = 140.0, 22.0  # seconds
_PAUSE = 0.02  # seconds between turns, longer than idle OpenMP threads spin
_LOSSES_AGREE = {4: 1e-4, 8: 1e-10}  # relative, over an epoch; by the bytes of a number
_EPOCH = 20  # steps

Title = tuple[str, str, str]  # kernel, shape and dtype of a row


class Bench:
    """The table of a run and its rows as records; which rows are slower, wrong or left out."""

    def __init__(self, threads: int, budget: Budget, parts: int, rows: Records) -> None:
        self._threads = threads
        self._budget = budget
        self._parts = parts  # rows that are still to be timed
        self._rows = rows
        self._table = LiveTable(_HEADER, _EXAMPLE)
        self._losses: list[str] = []
        self._omitted: list[str] = []
        self.disagreements: list[str] = []

    def kernel(self, case: Case) -> None:
        """Check a kernel against its reference, then time both."""
        title = (case.kernel, case.shape, case.dtype.name)
        budget = self._reserve(title)
        if budget is None:
            return
        off = case.disagreement()
        if off > 1:
            self._disagree(title, f"{off:.3g} times what is allowed")
            return
        functions = {"compiled": case.bind(kernels), "reference": case.bind(reference)}
        machine = Machine(self._threads, case.footprint)
        self._time(title, functions, budget.left, machine, flop=case.flop, bytes_=case.bytes)

    def training(self, net: Net, dtype: np.dtype[Any]) -> None:
        """Check the losses of a training run, then time a step of `fit` and `train_step`."""
        shape = f"{net.name}: {net.shape}, {net.batch}"
        titles: list[Title] = [
            (call, shape, dtype.name) for call in ("fit, per step", "train_step")
        ]
        budget = self._reserve(*titles)
        if budget is None:
            return
        rng = np.random.default_rng(3)
        x = rng.random((_EPOCH * net.batch, net.widths[0])).astype(dtype)
        y = rng.integers(0, net.widths[-1], len(x))
        networks = {name: _network(net, dtype, name) for name in ("compiled", "reference")}

        def epoch(name: str) -> Callable[[], Any]:
            fit = networks[name].fit
            return lambda: fit(x, y, epochs=1, batch_size=net.batch, shuffle=False)

        def step(name: str) -> Callable[[], Any]:
            train_step, adam = networks[name].train_step, Adam()
            return lambda: train_step(x[: net.batch], y[: net.batch], adam)

        ours, theirs = (np.array(epoch(name)().batch_loss) for name in networks)
        off = float(np.max(np.abs(ours - theirs) / np.abs(theirs)))
        if not off <= _LOSSES_AGREE[dtype.itemsize]:
            self._disagree(titles[0], f"losses differ by {off:.2g}")
            return
        calls = zip(titles, (epoch, step), (_EPOCH, 1), strict=True)
        for done, (title, make, steps) in enumerate(calls):
            functions = {name: make(name) for name in networks}
            machine, share = Machine(self._threads), budget.share(len(titles) - done)
            self._time(title, functions, share, machine, flop=net.flop, steps=steps)

    def _reserve(self, *titles: Title) -> Budget | None:
        """Give the budget for checking and timing some rows; None if no time is left."""
        seconds = len(titles) * self._budget.share(self._parts)
        self._parts -= len(titles)
        if not seconds:
            self._omitted += [", ".join(title) for title in titles]
            return None
        return Budget(seconds)

    def _time(
        self,
        title: Title,
        functions: dict[str, Callable[[], Any]],
        seconds: float,
        machine: Machine,
        *,
        flop: int = 0,
        bytes_: int = 0,
        steps: int = 1,
    ) -> None:
        """Time compiled and reference, and add the row.

        The rate counts ``flop``, if any, else ``bytes_``; a call takes ``steps`` training steps.
        """
        samples = interleaved(
            functions,
            seconds=seconds,
            pause=_PAUSE,
            each_round=machine.measure_flops if flop else machine.measure_bandwidth,
        )
        ours, theirs = (
            Timing.of([call / steps for call in samples[name]])
            for name in ("compiled", "reference")
        )
        ratio = theirs.median / ours.median
        rate = (flop or bytes_) / ours.median
        # Vectors hold half as many elements in double precision.
        lanes = 4 / np.dtype(title[-1]).itemsize
        peak = machine.flops * lanes if flop else machine.bandwidth
        kernel, shape, dtype = title
        for backend, timing in (("compiled", ours), ("reference", theirs)):
            self._rows.add(
                {"kernel": kernel, "shape": shape, "dtype": dtype, "backend": backend},
                timing,
                ratio=theirs.median / timing.median,
                ratio_to="reference",
                limit=(flop or bytes_) / peak,
            )
        lost = "" if ratio >= 1 else "LOSS"
        if lost:
            self._losses.append(f"{', '.join(title)}: {ratio:.2f}x")
        self._table.add(
            (
                *title,
                str(ours),
                str(theirs),
                f"{ratio:.2f}x",
                f"{rate / 1e9:.1f}",
                "GFLOP/s" if flop else "GB/s",
                f"{peak / 1e9:.0f}",
                f"{100 * rate / peak:.0f} %",
                lost,
            )
        )

    def _disagree(self, title: Title, why: str) -> None:
        kernel, shape, dtype = title
        measured = {"kernel": kernel, "shape": shape, "dtype": dtype, "backend": "compiled"}
        self._rows.add(measured, None, failure=why)
        self.disagreements.append(f"DISAGREES: {', '.join(title)}: {why}")
        print(self.disagreements[-1], flush=True)

    @property
    def table(self) -> str:
        """The whole table as Markdown."""
        return self._table.text()

    @property
    def notes(self) -> list[str]:
        """What the report says below the table."""
        wins, losses = len(self._table.rows) - len(self._losses), len(self._losses)
        notes = [
            "Medians of interleaved rounds ± half the distance of the quartiles; the ratio is the "
            "reference's time over the compiled one. The peak of GFLOP/s is that of multiply-adds "
            "in registers; the peak of GB/s is that of in-place work on arrays of the same size. "
            "Both are measured in the same rounds.",
            f"Wins: {wins}. Losses: {losses}. " + "; ".join(self._losses),
        ]
        if self._omitted:
            notes.append(
                "Neither checked nor timed, for want of time: the last "
                f"{len(self._omitted)} rows, from {self._omitted[0]}"
            )
        if unknown := unknown_kernels():
            notes.append("Neither checked nor timed, for want of a case: " + ", ".join(unknown))
        return notes + self.disagreements


def _network(net: Net, dtype: np.dtype[Any], backend: Any) -> Network:
    loss = SoftmaxCrossEntropy()
    return Network(net.design.layers(net.widths), loss, dtype=dtype, seed=1, backend=backend)


def _trainings(quick: bool) -> Iterator[tuple[Net, np.dtype[Any]]]:
    for letter in "BC" if quick else "ABCDE":
        for dtype in (np.float32,) if quick else (np.float32, np.float64):
            yield NETS[letter], np.dtype(dtype)


def main() -> int:
    return records.run("bench", _measure, _arguments())


def _arguments() -> argparse.Namespace:
    parser = options.parser(__doc__)
    options.add_threads(parser)
    parser.add_argument(
        "--quick", action="store_true", help="single precision, no large sizes, less time"
    )
    parser.add_argument(
        "--budget",
        type=options.seconds,
        help=f"seconds for the whole run ({_BUDGET:g}; {_QUICK_BUDGET:g} if quick)",
    )
    return parser.parse_args()


def _measure(arguments: argparse.Namespace, rows: Records) -> int:
    """Check and time all cases, print and write the report, add the rows; give the exit status."""
    quick, threads = arguments.quick, arguments.threads
    budget = Budget(arguments.budget or (_QUICK_BUDGET if quick else _BUDGET))
    cases, trainings = list(every_case(quick)), list(_trainings(quick))
    bench = Bench(threads, budget, len(cases) + 2 * len(trainings), rows)
    interrupted = []
    set_num_threads(threads)
    try:
        with pinned(threads):
            for net, dtype in trainings:
                bench.training(net, dtype)
            for case in cases:
                bench.kernel(case)
    except KeyboardInterrupt:
        interrupted = ["Interrupted: the rest was neither checked nor timed."]

    about = report.describe(rows)
    notes = [*interrupted, *bench.notes]
    print()
    print(*notes, about, sep="\n\n")
    if arguments.markdown:
        report.save(arguments.markdown, [about, bench.table, *notes])
    return 130 if interrupted else int(bool(bench.disagreements))


if __name__ == "__main__":
    sys.exit(main())
