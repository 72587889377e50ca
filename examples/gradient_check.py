"""The gradient check: how far to step, and how it tells a misprint from rounding.

The derivative of the loss by each weight is compared with (L(w + h) - L(w - h)) / 2h. The error of
such a difference has two parts: the cut-off series, of order h², and the rounding of L, of order ε
/ h. With float64 it is least near h = ε^(1/3) = 6e-6.

What you see. On the left, the largest relative error of a network's gradient by the step h: a
valley between the two parts. On the right, the gradient of the squared error in six ways, as one
may write it down from memory: the right one is off by rounding alone, the others by a half and
more.

    python examples/gradient_check.py [picture.png]
"""

from collections.abc import Callable

import numpy as np
from _picture import panels, save

from densenet import Linear, MeanSquaredError, Network, Tanh, check_gradients
from densenet.plotting import BLUE, GREY, INK, ORANGE

rng = np.random.default_rng(0)
x, y = rng.normal(size=(16, 5)), rng.normal(size=(16, 2))

Slope = Callable[[np.ndarray, np.ndarray], np.ndarray]
SLOPES: dict[str, Slope] = {
    "right: 2 (o - t) / n": lambda o, t: 2 * (o - t) / o.size,
    "the 2 forgotten": lambda o, t: (o - t) / o.size,
    "divided by rows alone": lambda o, t: 2 * (o - t) / len(o),
    "not divided at all": lambda o, t: 2 * (o - t),
    "the sign turned": lambda o, t: 2 * (t - o) / o.size,
    "one output left out": lambda o, t: 2 * (o - t) / o.size * [1, 0],
}


class SquaredError:
    """A loss of one's own: the mean of (o - t)² over n outputs, with a slope to be checked."""

    def __init__(self, slope: Slope) -> None:
        self.backward = slope

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        """Compute the loss."""
        return float(np.mean((outputs - targets) ** 2))


def check(loss: object, step: float) -> float:
    """Give the largest relative error of a small network's gradient."""
    layers = [Linear(5, 8), Tanh(), Linear(8, 2)]
    return check_gradients(Network(layers, loss, dtype="float64", seed=1), x, y, step=step)


figure, (left, right) = panels(
    "Is this gradient right? Compare it with differences",
    "Largest relative error, by the step h",
    "Largest relative error of six ways to write it, h = 6e-6",
)
steps = np.geomspace(1e-12, 1, 49)
errors = np.array([check(MeanSquaredError(), step) for step in steps])
left.plot(steps, errors, color=BLUE, linewidth=2)
best = steps[errors.argmin()]
print(f"best step: {best:.0e}, error {errors.min():.0e}")
left.axvline(6e-6, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
left.text(6e-6, errors.max(), " h = ε^(1/3)", color=GREY, va="top")
left.text(1e-12, 1e-6, "rounding, ε / h", color=INK)
left.text(1e-3, 1e-6, "series cut off, h²", color=INK)
left.set(xscale="log", yscale="log", xlabel="h")
for place, (name, slope) in enumerate(SLOPES.items()):
    error = check(SquaredError(slope), 6e-6)
    color = BLUE if place == 0 else ORANGE
    print(f"{name}: {error:.1e}")
    right.plot([1e-12, error], [place, place], color=color, linewidth=3)
    right.plot(error, place, "o", color=color, markersize=9)
right.set_yticks(range(len(SLOPES)), list(SLOPES))
right.invert_yaxis()
right.set(xscale="log", xlim=(1e-12, 20), xlabel="relative error")
save(figure)
