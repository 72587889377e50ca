"""The networks that are timed: their shapes, their work, and the task given to contenders."""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import designs
from densenet._typing import Array
from designs import Design

PLAIN = Design()
FIRST_LOSSES = 5  # steps whose losses are compared before anything is timed


@dataclass(frozen=True)
class Net:
    """A dense network with softmax cross-entropy, and its batch."""

    name: str
    widths: tuple[int, ...]
    batch: int
    target: float = 1.0  # ratio to the best peer, the goal in docs/performance.md
    design: Design = PLAIN

    @property
    def shape(self) -> str:
        """The widths as text, and the design if it is not the plain one."""
        widths = "-".join(map(str, self.widths))
        return widths if self.design == PLAIN else f"{widths} {self.design.text}"

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
    def update_bytes(self) -> int:
        """Bytes that an update reads and writes."""
        return self.design.update_bytes * self.parameters

    @property
    def epoch_steps(self) -> int:
        """Steps of an epoch: about 10 ms of work, much more than an epoch costs besides."""
        guess = self.flop / 1e11 + self.update_bytes / 3e10 + 5e-5
        return max(FIRST_LOSSES if guess < 0.05 else 2, int(0.01 / guess))

    def limit(self, flops: float, bandwidth: float) -> float:
        """Compute the least seconds of a step, from the peaks of its products and its update.

        Parameters
        ----------
        flops : float
            Peak of multiply-adds, FLOP/s.
        bandwidth : float
            Peak of in-place work, bytes/s.
        """
        return self.flop / flops + self.update_bytes / bandwidth


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


# What people run besides: each activation, norm, regularization and rule, on one shape.
PRACTICE = tuple(
    Net(f"784-512-512-10:128:{design}", (784, 512, 512, 10), 128, design=designs.parse(design))
    for design in (
        *("tanh", "relu", "leaky_relu", "elu", "gelu", "silu", "mish"),
        *("relu+dropout", "relu+batch_norm", "silu+layer_norm", "relu+residual"),
        *("relu+sgd", "relu+rmsprop", "relu+adamw", "relu+clip"),
    )
)


def powers(least: int, most: int) -> tuple[int, ...]:
    """Give the powers of two from ``least`` to ``most``."""
    return tuple(2**k for k in range((least - 1).bit_length(), most.bit_length()))


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


@dataclass(frozen=True)
class Task:
    """What every contender gets: the rows of one epoch and the parameters to start from."""

    batch: int
    threads: int
    design: Design
    x: Array
    y: Array
    weights: list[Array] = field(repr=False)  # (outputs, inputs) each
    biases: list[Array] = field(repr=False)

    @classmethod
    def make(cls, net: Net, threads: int, seed: int = 7) -> "Task":
        """Draw rows, labels and parameters at random."""
        rng = np.random.default_rng(seed)
        rows = net.batch * net.epoch_steps
        weights, biases = [], []
        for inputs, outputs in pairwise(net.widths):
            bound = np.sqrt(6 / (inputs + outputs))
            weights.append(rng.uniform(-bound, bound, (outputs, inputs)).astype(np.float32))
            biases.append(rng.normal(0, 0.1, outputs).astype(np.float32))
        return cls(
            net.batch,
            threads,
            net.design,
            rng.random((rows, net.widths[0]), np.float32),
            rng.integers(0, net.widths[-1], rows),
            weights,
            biases,
        )

    def save(self, path: Path) -> None:
        """Write the task to an .npz file."""
        arrays: dict[str, Any] = {f"weight{i}": weight for i, weight in enumerate(self.weights)}
        arrays |= {f"bias{i}": bias for i, bias in enumerate(self.biases)}
        arrays |= {"batch": self.batch, "threads": self.threads, "design": self.design.text}
        np.savez(path, x=self.x, y=self.y, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Task":
        """Read a task that `save` wrote."""
        with np.load(path) as file:
            layers = sum(name.startswith("weight") for name in file.files)
            return cls(
                int(file["batch"]),
                int(file["threads"]),
                designs.parse(str(file["design"])),
                file["x"],
                file["y"],
                [file[f"weight{i}"] for i in range(layers)],
                [file[f"bias{i}"] for i in range(layers)],
            )

    @property
    def widths(self) -> list[int]:
        """Inputs, hidden widths and outputs."""
        return [self.x.shape[1], *(len(bias) for bias in self.biases)]

    @property
    def batches(self) -> list[tuple[Array, Array]]:
        """The rows and labels of each step, as views of ``x`` and ``y``."""
        begins = range(0, len(self.x), self.batch)
        return [(self.x[i : i + self.batch], self.y[i : i + self.batch]) for i in begins]
