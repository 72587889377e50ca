"""Time the functions of docs/equations.md: the page's NumPy, densenet's NumPy, and its C++.

    python bench/equations.py
    python bench/equations.py --budget 120 --markdown equations.md

The page's programs are run as they stand, and the functions that they define are timed, on arrays
in single precision and on one thread, after all three have agreed. A residual block is a network of
the same arrays, so what is timed of it is a forward and a backward pass. Exit status 1 if one of
them disagrees. Ctrl-C ends the run and reports what is done.
"""

import os

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # NumPy's BLAS reads this when NumPy is imported

import argparse
import contextlib
import io
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import options
import records
import report
from densenet import (
    Linear,
    MeanSquaredError,
    Network,
    Residual,
    Sigmoid,
    kernels,
    reference,
    set_num_threads,
)
from densenet._typing import Array
from machine import pinned
from records import ROOT, Records
from report import LiveTable
from timing import Budget, Timing, interleaved

_PAGE = ROOT / "docs" / "equations.md"
_BUDGET = 40.0  # seconds
_AGREE = 1e-4  # relative to the largest number of an output
_WAYS = ("this page's NumPy", "densenet.reference", "densenet.kernels")
_HEADER = ("function", "shape", *(f"{way}, µs" for way in _WAYS), "times as fast")
_EXAMPLE = ("softmax_cross_entropy_backward", "784 to 128, 128 rows", *["100,000 ±10%"] * 3, "100x")

_ROWS, _INPUTS, _OUTPUTS, _CLASSES = 128, 784, 128, 10
_WEIGHTS = _INPUTS * _OUTPUTS + _OUTPUTS + _OUTPUTS * _CLASSES + _CLASSES  # of 784-128-10
_WIDE = f"{_INPUTS} to {_OUTPUTS}, {_ROWS} rows"


class Row(NamedTuple):
    """A function of the page and, in the order of `_WAYS`, three ways to compute it.

    A way gives the arrays that it has computed.
    """

    name: str
    shape: str
    ways: tuple[Callable[[], Any], Callable[[], Any], Callable[[], Any]]

    @property
    def disagreement(self) -> float:
        """The largest difference from the page's numbers, relative to the largest of an output."""
        page, *others = (
            result if isinstance(result, tuple) else (result,)
            for result in (way() for way in self.ways)
        )
        return max(
            float(np.max(np.abs(np.subtract(right, result))) / np.max(np.abs(right)))
            for other in others
            for right, result in zip(page, other, strict=True)
        )


def page() -> dict[str, Any]:
    """Run the programs of the page, and give the names that they define."""
    shared: dict[str, Any] = {}
    text = _PAGE.read_text(encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        for program in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            exec(program, shared)
    return shared


def every_row() -> Iterator[Row]:
    """Give what is timed, in the order of the page."""
    defined = page()
    rng = np.random.default_rng(1)

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape, np.float32)

    def row(name: str, shape: str, *arguments: Array) -> Row:
        first, second, third = (
            lambda function=function: function(*arguments)
            for function in (defined[name], getattr(reference, name), getattr(kernels, name))
        )
        return Row(name, shape, (first, second, third))

    x, dy = normal(_ROWS, _INPUTS), normal(_ROWS, _OUTPUTS)
    weight, bias = normal(_OUTPUTS, _INPUTS), normal(_OUTPUTS)
    yield row("linear_forward", _WIDE, x, weight, bias)
    yield row("linear_backward", _WIDE, dy, x, weight)
    hidden = f"{_ROWS} x {_OUTPUTS}"
    yield row("sigmoid_forward", hidden, dy)
    yield row("sigmoid_backward", hidden, dy, defined["sigmoid_forward"](dy))
    yield _residual(defined, normal)
    logits, targets = normal(_ROWS, _CLASSES), rng.integers(0, _CLASSES, _ROWS)
    few = f"{_ROWS} x {_CLASSES}"
    yield row("softmax_cross_entropy_forward", few, logits, targets)
    probabilities = defined["softmax_cross_entropy_forward"](logits, targets)[1]
    yield row("softmax_cross_entropy_backward", few, probabilities, targets)
    yield from _steps(defined, normal)


def _residual(defined: dict[str, Any], normal: Callable[..., Array]) -> Row:
    """Make the passes of a residual block, written with the page's functions and as networks."""
    block = [Linear(_OUTPUTS, _OUTPUTS), Sigmoid(), Linear(_OUTPUTS, _OUTPUTS)]
    theirs, ours = (
        Network([Residual(block)], MeanSquaredError(), seed=0, backend=backend)
        for backend in ("reference", "compiled")
    )
    w1, b1, w2, b2 = ours.parameters.values()
    x, dy = normal(_ROWS, _OUTPUTS), normal(_ROWS, _OUTPUTS)

    def by_page() -> tuple[Array, ...]:
        hidden = defined["sigmoid_forward"](defined["linear_forward"](x, w1, b1))
        x + defined["linear_forward"](hidden, w2, b2)  # the output, which `backward` computes too
        dhidden, dw2, db2 = defined["linear_backward"](dy, hidden, w2)
        dinner = defined["sigmoid_backward"](dhidden, hidden)
        dx, dw1, db1 = defined["linear_backward"](dinner, x, w1)
        return dy + dx, dw1, db1, dw2, db2

    def by(network: Network) -> tuple[Array, ...]:
        dx, gradients = network.backward(x, dy)
        return dx, *gradients.values()

    shape = f"{_OUTPUTS} to {_OUTPUTS} to {_OUTPUTS}, {_ROWS} rows"
    return Row("residual block", shape, (by_page, lambda: by(theirs), lambda: by(ours)))


def _steps(defined: dict[str, Any], normal: Callable[..., Array]) -> Iterator[Row]:
    """Make the steps of optimizers: each way updates arrays of its own, in place."""
    start, grad = normal(_WEIGHTS), normal(_WEIGHTS)
    lr, l1, shape = 1e-3, 1e-2, f"{_WEIGHTS:,} weights"

    def step(function: Callable[..., None], states: int, *counted: int) -> Callable[[], Any]:
        arrays = [start.copy(), *(np.zeros_like(start) for _ in range(states))]

        def once() -> tuple[Array, ...]:
            function(arrays[0], grad, *arrays[1:], *counted, lr=lr)
            return tuple(arrays)

        return once

    for name, states, counted in ("rmsprop_step", 1, ()), ("adam_step", 2, (10,)):
        functions = defined[name], getattr(reference, name), getattr(kernels, name)
        first, second, third = (step(function, states, *counted) for function in functions)
        yield Row(name, shape, (first, second, third))

    def by_page(param: Array, grad: Array, lr: float) -> None:
        param[:] = defined["soft_threshold"](param - lr * grad, lr * l1)

    def by(module: Any) -> Callable[..., None]:
        return lambda param, grad, lr: module.sgd_step(param, grad, lr=lr, l1=l1)

    ways = step(by_page, 0), step(by(reference), 0), step(by(kernels), 0)
    yield Row("SGD step with L1", shape, ways)


def _measure(arguments: argparse.Namespace, rows: Records) -> int:
    """Check and time all rows, print and write the report; give the exit status."""
    table, wrong, interrupted = LiveTable(_HEADER, _EXAMPLE), [], []
    set_num_threads(1)
    try:
        with pinned(1):
            wanted = list(every_row())
            budget = Budget(arguments.budget)
            for done, row in enumerate(wanted):
                off = row.disagreement
                if not off <= _AGREE:
                    wrong.append(f"DISAGREES: {row.name}: by {off:.2g} of the largest number")
                    print(wrong[-1], flush=True)
                    continue
                _time(row, budget.share(len(wanted) - done), table, rows)
    except KeyboardInterrupt:
        interrupted = ["Interrupted: the rest was neither checked nor timed."]
    notes = [
        "Medians of interleaved rounds ± half the distance of the quartiles; the last column is "
        "the page's time over that of densenet.kernels. A residual block's passes are those of "
        'networks with backend="reference" and "compiled".',
        *wrong,
        *interrupted,
    ]
    about = report.describe(rows)
    print()
    print(*notes, about, sep="\n\n")
    if arguments.markdown:
        report.save(arguments.markdown, [about, table.text(), *notes])
    return 130 if interrupted else int(bool(wrong))


def _time(row: Row, seconds: float, table: LiveTable, rows: Records) -> None:
    """Time the three ways of a row in turns, and add them to the table and the records."""
    ways = dict(zip(_WAYS, row.ways, strict=True))
    samples = interleaved(ways, seconds=seconds)
    timings = {way: Timing.of(samples[way]) for way in _WAYS}
    slowest = timings[_WAYS[0]].median
    for way, timing in timings.items():
        measured = {"function": row.name, "shape": row.shape, "by": way}
        ratio = slowest / timing.median
        rows.add(measured, timing, ratio=ratio, ratio_to=_WAYS[0])
    table.add((row.name, row.shape, *map(str, timings.values()), f"{ratio:.3g}"))


def main() -> int:
    parser = options.parser(__doc__)
    parser.set_defaults(threads=1)
    parser.add_argument(
        "--budget",
        type=options.seconds,
        default=_BUDGET,
        help="seconds for the whole run (%(default)g)",
    )
    return records.run("equations", _measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
