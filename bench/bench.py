"""Time every kernel and the training step: compiled against reference, after checking both agree.

    python bench/bench.py
    python bench/bench.py --quick --markdown kernels.md

Exit status 1 if a kernel or a training run disagrees with its reference by more than promised.
"""

import os

# A short life for the idle threads of NumPy's BLAS, which would spin on processors that the
# compiled code is to use next; read when NumPy is imported.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")

import argparse
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cases import Case, every_case, unknown_kernels
from densenet import (
    Adam,
    Linear,
    Network,
    Sigmoid,
    SoftmaxCrossEntropy,
    get_num_threads,
    kernels,
    reference,
    set_num_threads,
)
from machine import Machine, describe, pin
from report import table
from timing import Timing, interleaved
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
_PAUSE = 0.02  # seconds between turns, longer than idle OpenMP threads spin
_LOSSES_AGREE = {4: 1e-4, 8: 1e-10}  # over 20 steps, by the size of an element
_EPOCH = 20  # steps

Row = tuple[str, ...]


class Bench:
    """Rows of the table, and what went wrong on the way to them."""

    def __init__(self, threads: int, seconds: float) -> None:
        self.machine = Machine(threads)
        self.seconds = seconds
        self.rows: list[Row] = []
        self.losses: list[str] = []
        self.disagreements: list[str] = []

    def kernel(self, case: Case) -> None:
        """Check a case, then time it."""
        off = case.disagreement()
        title = (case.kernel, case.shape, case.dtype.name)
        if off > 1:
            self._disagree(title, f"{off:.3g} times what is allowed")
            return
        functions = {"compiled": case.bind(kernels), "reference": case.bind(reference)}
        timings = interleaved(functions, seconds=self.seconds, pause=_PAUSE)
        bandwidth = self.machine.bandwidth(_power_of_two(case.footprint)) if case.bytes else 0.0
        self._add(title, timings, case.flop, case.bytes, case.dtype.itemsize, bandwidth)

    def training(self, net: Net, dtype: np.dtype[Any]) -> None:
        """Check a training run, then time `train_step`, and `fit` per step."""
        shape = f"{net.name}: {net.shape}, {net.batch}"
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
            self._disagree(("fit", shape, dtype.name), f"losses differ by {off:.2g}")
            return
        for kernel, make, steps in (("train_step", step, 1), ("fit, per step", epoch, _EPOCH)):
            functions = {name: make(name) for name in networks}
            timings = {
                name: Timing(*(quartile / steps for quartile in timing))
                for name, timing in interleaved(
                    functions, seconds=self.seconds, pause=_PAUSE
                ).items()
            }
            self._add((kernel, shape, dtype.name), timings, net.flop, 0, dtype.itemsize, 0.0)

    def _add(
        self,
        title: Row,
        timings: dict[str, Timing],
        flop: int,
        count: int,
        itemsize: int,
        bandwidth: float,
    ) -> None:
        ours, theirs = timings["compiled"], timings["reference"]
        ratio = theirs.median / ours.median
        rate = (flop or count) / ours.median
        peak = self.machine.flops(itemsize) if flop else bandwidth
        lost = "" if ratio >= 1 else "LOSS"
        if lost:
            self.losses.append(f"{', '.join(title)}: {ratio:.2f}x")
        row = (
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
        self.rows.append(row)
        progress = f"{row[0]:30} {row[1]:24} {row[2]:8} {ratio:8.2f}x {lost}"
        print(progress, file=sys.stderr, flush=True)

    def _disagree(self, title: Row, why: str) -> None:
        self.disagreements.append(f"DISAGREES: {', '.join(title)}: {why}")
        print(self.disagreements[-1], file=sys.stderr, flush=True)

    def text(self, about: str) -> str:
        """Give the report."""
        counts = f"{len(self.rows) - len(self.losses)} wins, {len(self.losses)} losses"
        lines = [
            about,
            "",
            table(_HEADER, self.rows),
            "",
            "Medians of interleaved rounds ± half the distance of the quartiles; the ratio is the "
            "reference's time over ours. GFLOP/s of products stand beside the measured peak of "
            "multiply-adds in registers, GB/s beside in-place work on arrays of the same size.",
            "",
            counts + (": " + "; ".join(self.losses) if self.losses else ""),
            *(f"not timed, no case for it: {name}" for name in unknown_kernels()),
            *self.disagreements,
        ]
        return "\n".join(lines)


def _power_of_two(footprint: int) -> int:
    """Round up, so that cases of about one size share a measurement."""
    return 1 << max(14, footprint - 1).bit_length() if footprint > 1 << 14 else 1 << 14


def _network(net: Net, dtype: np.dtype[Any], backend: Any) -> Network:
    layers: list[Any] = []
    for inputs, outputs in pairwise(net.widths):
        layers += [Linear(inputs, outputs), Sigmoid()]
    return Network(layers[:-1], SoftmaxCrossEntropy(), dtype=dtype, seed=1, backend=backend)


def _trainings(quick: bool) -> Iterator[tuple[Net, np.dtype[Any]]]:
    for letter in "BC" if quick else "ABCDE":
        for dtype in (np.float32, np.float64):
            yield NETS[letter], np.dtype(dtype)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--threads", type=int, default=get_num_threads())
    parser.add_argument("--quick", action="store_true", help="no large sizes, less time for each")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    arguments = parser.parse_args()
    pin(arguments.threads)
    set_num_threads(arguments.threads)

    bench = Bench(arguments.threads, seconds=0.08 if arguments.quick else 0.6)
    for case in every_case(arguments.quick):
        bench.kernel(case)
    for net, dtype in _trainings(arguments.quick):
        bench.training(net, dtype)
    text = bench.text(describe(arguments.threads))
    print(text)
    if arguments.markdown:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")
    return 1 if bench.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
