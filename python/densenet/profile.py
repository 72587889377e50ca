"""Where the time of a training step goes."""

from collections.abc import Sequence
from typing import NamedTuple

from densenet.plan import table

__all__ = ["Profile", "ProfiledPart"]


class ProfiledPart(NamedTuple):
    """One part of a training step.

    Attributes
    ----------
    name, layer : str
        As in `Network.plan`; empty for what belongs to no layer.
    part : str
        ``"forward"``, ``"input gradient"``, ``"weight gradient"``, or for the whole step
        ``"gather rows"``, ``"loss"``, ``"clip and update"``, ``"wait for threads"`` or ``"start and
        join threads"``.
    product : float
        Microseconds of the matrix product; 0 where there is none, and for the weight gradient of up
        to 64 rows, or 192 rows and 16 outputs, whose product is not measured apart from the update.
    gflops : float
        The product's rate, in 10^9 floating point operations a second, of all threads together;
        those with the zeros of sparse rows, which are left out, are counted.
    then : str
        What follows on each finished tile of the product: bias, activation, derivative or update;
        ``"elementwise"`` for a layer without a product.
    rest : float
        Microseconds of what `then` names.
    numbers : str
        What the product multiplies: ``"float32"``, ``"float64"``, or with a lower precision
        ``"bf16"`` or ``"two bf16 pieces"``; empty where there is none.

    Examples
    --------
    >>> from densenet.profile import ProfiledPart
    >>> part = ProfiledPart("0", "Linear(9, 8)", "forward", 3.0, 1.5, "bias, Sigmoid", 2.0)
    >>> part.micros
    5.0
    """

    name: str
    layer: str
    part: str
    product: float
    gflops: float
    then: str
    rest: float
    numbers: str = ""

    @property
    def micros(self) -> float:
        """Microseconds of the product and of what follows it."""
        return self.product + self.rest


class Profile(tuple[ProfiledPart, ...]):
    """The parts of a training step; prints as a table.

    Times are the mean of one thread's over the measured steps. Reading the clock around each tile
    makes a measured step somewhat slower than others.

    Attributes
    ----------
    step : float
        Microseconds of a step, from call to return.
    threads : int
        Number of threads that shared the step.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, Network, Sigmoid, SoftmaxCrossEntropy
    >>> network = Network([Linear(9, 8), Sigmoid(), Linear(8, 3)], SoftmaxCrossEntropy())
    >>> profile = network.profile(np.ones((32, 9)), np.zeros(32, int))
    >>> [(part.part, part.then) for part in profile if part.name == "0"]
    [('forward', 'bias, Sigmoid'), ('weight gradient', 'update')]
    >>> profile.step > sum(part.micros for part in profile[:3])
    True
    """

    step: float
    threads: int

    def __new__(cls, parts: Sequence[ProfiledPart], step: float, threads: int) -> "Profile":
        """Make a profile of parts, a step's microseconds and its number of threads."""
        self = super().__new__(cls, parts)
        self.step = step
        self.threads = threads
        return self

    def __str__(self) -> str:
        rows = [("name", "layer", "part", "product µs", "GFLOP/s", "of", "then", "µs", "%")]
        for part in self:
            measured = f"{part.product:.1f}", f"{part.gflops:.1f}", part.numbers
            product = measured if part.product else ("", "", "")
            share = f"{100 * part.micros / self.step:.0f}"
            rows.append(
                (part.name, part.layer, part.part, *product, part.then, f"{part.rest:.1f}", share)
            )
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        return f"{table(rows)}\n{self.step:.1f} µs a step on {threads}"
