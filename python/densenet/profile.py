"""Where the time of a training step goes."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from densenet._engine.layout import Place
from densenet.layers import Activation
from densenet.plan import table

__all__ = ["Profile", "ProfiledPart"]

Lap: TypeAlias = tuple[float, float]  # seconds of a product, and of what is done with its tiles
Spent: TypeAlias = tuple[list[float], list[Lap]]  # one thread's: on the step, on its layers

_WAYS = ("forward", "input gradient", "weight gradient")
_STEP = ("gather rows", "loss", "clip and update", "wait for threads")


class ProfiledPart(NamedTuple):
    """One part of a training step.

    Attributes
    ----------
    name, layer : str
        As in `Network.plan`; empty for what belongs to no layer.
    part : str
        ``"forward"``, ``"input gradient"``, ``"weight gradient"`` or what else is done.
    product : float
        Microseconds of the matrix product, 0 where there is none, or where it is not told apart
        from what is done with it: the weight gradient of a few rows.
    gflops : float
        Its rate, in 10^9 floating point operations a second, of all threads together.
    then : str
        What is done with each finished tile of the product, or elementwise.
    rest : float
        Microseconds of that.

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

    @property
    def micros(self) -> float:
        """Microseconds of both."""
        return self.product + self.rest


class Profile(tuple[ProfiledPart, ...]):
    """The parts of a training step; prints as a table.

    Times are a thread's mean over the steps measured. A clock is read around each tile, so that
    the whole takes somewhat longer than a step that is not looked at.

    Attributes
    ----------
    step : float
        Microseconds of a step, from call to return.
    threads : int
        Threads that shared it.

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
        """Keep the parts with the time of a whole step."""
        self = super().__new__(cls, parts)
        self.step = step
        self.threads = threads
        return self

    def __str__(self) -> str:
        rows = [("name", "layer", "part", "product µs", "GFLOP/s", "then", "µs", "%")]
        for part in self:
            product = (f"{part.product:.1f}", f"{part.gflops:.1f}") if part.product else ("", "")
            share = f"{100 * part.micros / self.step:.0f}"
            rows.append(
                (part.name, part.layer, part.part, *product, part.then, f"{part.rest:.1f}", share)
            )
        threads = f"{self.threads} thread" + ("s" if self.threads > 1 else "")
        return f"{table(rows)}\n{self.step:.1f} µs a step on {threads}"


def collect(
    places: Sequence[Place],
    units: Sequence[tuple[int, bool]],
    spent: Sequence[Spent],
    seconds: float,
    steps: int,
    rows: int,
    unfused: bool,
) -> Profile:
    """Turn what the compiled core has measured into a profile."""
    count = len(spent)

    def mean(values: Sequence[float]) -> float:
        return 1e6 * sum(values) / count

    threads = count // steps
    parts = []
    for unit, (number, is_product) in enumerate(units):
        place = places[number]
        following = places[number + 1] if number + 1 < len(places) else None
        before = places[number - 1] if number else None
        for way, part in enumerate(_WAYS):
            laps = [each[1][len(_WAYS) * unit + way] for each in spent]
            product, rest = (mean(times) for times in zip(*laps, strict=True))
            if not product + rest:
                continue
            then = "elementwise"
            if is_product:
                if part == "forward":
                    done = ["bias"] * (place.bias is not None) + _name(following)
                elif part == "input gradient":
                    done = [f"derivative of {name}" for name in _name(before)]
                else:
                    done = ["store" if unfused else "update"]
                then = ", ".join(done) or "store"
            flop = 2 * rows * place.inputs * place.outputs / threads
            rate = flop / product * 1e-3 * threads if product else 0.0
            layer = type(place.layer).__name__
            parts.append(ProfiledPart(place.name, layer, part, product, rate, then, rest))
    for index, part in enumerate(_STEP):
        rest = mean([each[0][index] for each in spent])
        if rest:
            parts.append(ProfiledPart("", "", part, 0.0, 0.0, "", rest))
    step = 1e6 * seconds / steps
    left = max(0.0, step - sum(part.micros for part in parts))
    parts.append(ProfiledPart("", "", "start and join threads", 0.0, 0.0, "", left))
    return Profile(parts, step, threads)


def _name(place: Place | None) -> list[str]:
    """Give the name of an activation that is part of the product beside it."""
    fused = place is not None and isinstance(place.layer, Activation) and place.kind != "identity"
    return [type(place.layer).__name__] if place is not None and fused else []
