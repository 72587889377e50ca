"""The networks that are timed: their shapes and their work."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

import designs
from densenet._typing import Array
from designs import Design
from tasks import FIRST_LOSSES, Task
from timing import Unit

PLAIN = Design()
ALONE = "densenet, one thread"  # the contender that does the same on one thread
AGREE = 1e-3  # relative difference of what contenders must agree in
AGREE_ROUNDED = 0.02  # and where products are of bf16 pieces
AGREE_DRAWN = 0.25  # and where each library drops elements at random, by its own draws
EPOCH = 0.01  # seconds of work in a row, much more than an epoch costs besides


@dataclass(frozen=True)
class Net:
    """A dense network with softmax cross-entropy, and its batch: one step of its training.

    Subclasses are other work of a network. Class attributes say who does it and how a report calls
    that.
    """

    ours: ClassVar[tuple[str, ...]] = ("densenet, fit", "densenet, train_step")
    headings: ClassVar[tuple[str, ...]] = ("fit", "train_step")  # of `ours`
    beside: ClassVar[str] = ALONE  # our own contender that the first of `ours` is compared with
    beside_heading: ClassVar[str] = "one thread"
    call: ClassVar[str] = "step"  # what takes the times that are told
    unit: ClassVar[Unit] = "µs"  # in which they are told
    shows: ClassVar[str] = "losses"  # what contenders must agree in

    name: str
    widths: tuple[int, ...]
    batch: int
    target: float = 1.0  # ratio to the best peer, the goal in docs/performance.md
    design: Design = PLAIN

    @property
    def job(self) -> str:
        """What contenders do, as in `peers.CONTENDERS`."""
        return "train"

    @property
    def shape(self) -> str:
        """The widths as text, and the design if it is not the plain one."""
        widths = "-".join(map(str, self.widths))
        return widths if self.design == PLAIN else f"{widths} {self.design.text}"

    @property
    def about(self) -> dict[str, Any]:
        """What a record says of it."""
        return {"net": self.name, "shape": self.shape, "batch": self.batch}

    @property
    def parameters(self) -> int:
        """Number of weights and biases of the linear layers."""
        return sum(i * o + o for i, o in pairwise(self.widths))

    @property
    def flop(self) -> int:
        """Floating-point operations of a step's products.

        Each layer has three of 2 * batch * inputs * outputs; the first computes no input gradient.
        """
        products = [i * o for i, o in pairwise(self.widths)]
        return 6 * self.batch * sum(products) - 2 * self.batch * products[0]

    @property
    def moved_bytes(self) -> int:
        """Bytes that an update reads and writes."""
        return self.design.update_bytes * self.parameters

    @property
    def footprint(self) -> int:
        """Bytes of the arrays that `moved_bytes` go over: parameters, gradient and moments."""
        return 16 * self.parameters

    @property
    def epoch_calls(self) -> int:
        """Calls of an epoch: about 10 ms of work."""
        guess = self.flop / 1e11 + self.moved_bytes / 3e10 + 5e-5
        return max(FIRST_LOSSES if guess < 0.05 else 2, int(EPOCH / guess))

    @property
    def rounding(self) -> float:
        """Relative difference that is allowed where nothing is drawn: by the precision."""
        return AGREE if self.design.precision == "highest" else AGREE_ROUNDED

    @property
    def tolerance(self) -> float:
        """Relative difference of two contenders' losses that is allowed."""
        return AGREE_DRAWN if self.design.dropout else self.rounding

    def limit(self, flops: float, bandwidth: float) -> float:
        """Compute the least seconds of a step, from the peaks of its products and its update.

        Parameters
        ----------
        flops : float
            Peak of multiply-adds, FLOP/s.
        bandwidth : float
            Peak of in-place work, bytes/s.
        """
        return self.flop / flops + self.moved_bytes / bandwidth

    def task(self, threads: int, seed: int = 7) -> Task:
        """Draw rows, targets and parameters at random."""
        rng = np.random.default_rng(seed)
        weights, biases = [], []
        for inputs, outputs in pairwise(self.widths):
            bound = np.sqrt(6 / (inputs + outputs))
            weights.append(rng.uniform(-bound, bound, (outputs, inputs)).astype(np.float32))
            biases.append(rng.normal(0, 0.1, outputs).astype(np.float32))
        x = rng.random((self._rows, self.widths[0]), np.float32)
        y = self._targets(x, rng)
        return Task(self.job, self.batch, threads, self.design, x, y, weights, biases)

    @property
    def _rows(self) -> int:
        return self.batch * self.epoch_calls

    def _targets(self, x: Array, rng: np.random.Generator) -> Array:
        return rng.integers(0, self.widths[-1], len(x))


NETS = {
    net.name: net
    for net in (
        Net("A", (784, 16, 16, 10), 1, 5.0),
        Net("B", (784, 16, 16, 10), 32, 4.0),
        Net("C", (784, 128, 10), 128, 2.8),
        Net("D", (518, 256, 128, 16), 64, 3.0),
        Net("E", (3072, 128, 10), 128, 2.0),
        Net("F", (784, 1024, 1024, 10), 256, 1.4),
        Net("G", (3072, 2048, 2048, 10), 1024, 1.15),
    )
}


# What people run besides: each activation, norm, regularization, rule and a loss of one's own, on
# one shape.
PRACTICE = tuple(
    Net(f"784-512-512-10:128:{design}", (784, 512, 512, 10), 128, design=designs.parse(design))
    for design in (
        *("tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "mish"),
        *("relu+dropout", "relu+batch_norm", "silu+layer_norm", "relu+residual"),
        *("relu+sgd", "relu+rmsprop", "relu+adamw", "relu+clip", "relu+own_loss"),
    )
)


def powers(least: int, most: int) -> tuple[int, ...]:
    """Give the powers of two from ``least`` to ``most``."""
    return tuple(2**k for k in range((least - 1).bit_length(), most.bit_length()))


def named(texts: Sequence[str]) -> list[Net]:
    """Find nets as `parse` does; ``practice`` stands for all of `PRACTICE`."""
    return [net for t in texts for net in (PRACTICE if t == "practice" else (parse(t),))]


def parse(text: str) -> Net:
    """Find a net by its letter, or make one from widths, batch and design.

    They are written as ``784-128-10:128`` or ``784-128-10:128:relu+dropout``.

    Raises
    ------
    ValueError
        If the text is no known letter and no list of widths >= 1 and a batch >= 1 with two classes
        or more, or its design is unknown.
    """
    if text.upper() in NETS:
        return NETS[text.upper()]
    if not re.fullmatch(r"\d+(-\d+)+:\d+(:.*)?", text):
        raise ValueError(
            f"net: expected one of {', '.join(NETS)}, or widths and batch as in 784-128-10:128 "
            f"and a design, as in 784-128-10:128:relu, got {text!r}"
        )
    shape, batch, *rest = text.split(":", 2)
    design = designs.parse(rest[0]) if rest else PLAIN
    net = Net(text, tuple(map(int, shape.split("-"))), int(batch), design=design)
    if min(*net.widths, net.batch) < 1 or net.widths[-1] < 2:
        raise ValueError(f"net: widths and batch must be >= 1, the last width >= 2, got {text!r}")
    return net
