"""Escape from a saddle: where the gradient is exactly 0, only noise finds the way down.

The smallest deep network, y = w₂ w₁ x, learns y = x. At w = 0 its loss (w₂ w₁ - 1)² has a saddle:
up along w₂ = -w₁, down along w₂ = w₁, and a gradient of exactly 0.

What you see. On the left, plain descent from (1.2, -1.2) walks straight into the saddle and stays;
the same steps with a little noise on the weights leave it, for one valley of least loss or for the
other. On the right, from the saddle itself: plain descent does not change a bit in 800 steps.
With noise, the distance grows by a constant factor a step, so that a thousand times less noise
delays the escape by a constant number of steps: noise too small to be seen is enough.

    python examples/saddle.py [picture.png]
"""

import numpy as np
from _picture import landscape, name_lines, panels, save

from densenet import SGD, Linear, MeanSquaredError, Network
from densenet.plotting import BLUE, ORANGE

STEPS = 800
x = np.array([[-1.0], [1.0]])  # no rounding breaks the symmetry, as it would for most other inputs


def descend(start: tuple[float, float], noise: float, seed: int = 0) -> np.ndarray:
    """Give the weights after each step."""
    network = Network(
        [Linear(1, 1, bias=False), Linear(1, 1, bias=False)], MeanSquaredError(), dtype="float64"
    )
    network.flat[...] = start
    rng = np.random.default_rng(seed)
    path = [network.flat.copy()]
    for _ in range(STEPS):
        network.train_step(x, x, SGD(lr=0.02))
        network.flat[...] += noise * rng.normal(size=2)
        path.append(network.flat.copy())
    return np.array(path)


def loss(w1: np.ndarray, w2: np.ndarray) -> np.ndarray:
    """Compute the mean squared error."""
    return (w1 * w2 - 1) ** 2


figure, (left, right) = panels(
    "Escape from the saddle of y = w₂ w₁ x",
    "Loss over the weights, and ways down",
    "Loss from the saddle on, step by step",
)
grid = np.linspace(-1.8, 1.8, 200)
landscape(left, loss, grid, grid, [0.01, 0.1, 0.3, 0.6, 1, 1.5, 2.2, 3.2, 5, 8, 12])
for seed in range(8):
    left.plot(*descend((1.2, -1.2), 0.01, seed)[:250].T, color=BLUE, linewidth=0.8)
left.plot(*descend((1.2, -1.2), 0.0).T, color=ORANGE, linewidth=2.5)
left.plot(0, 0, "o", color=ORANGE, markersize=9)
left.set(xlabel="w₁", ylabel="w₂", xticks=[-1, 0, 1], yticks=[-1, 0, 1], aspect="equal")

still = descend((0.0, 0.0), 0.0)
changed = still.tobytes() != bytes(still.nbytes)
print(f"no noise, {'changed' if changed else 'unchanged bit for bit'}: after {STEPS} steps")
right.plot(loss(*still.T), color=ORANGE, label="no noise")
for power in -2, -5, -8, -11:
    losses = loss(*descend((0.0, 0.0), 10.0**power).T)
    half = int(np.argmax(losses < 0.5))
    print(f"noise 1e{power}: half of the loss left after {half} steps")
    right.plot(losses, color=BLUE)
    right.text(half + 12, 0.7, f"noise\n$10^{{{power}}}$", color=BLUE, va="center")
right.set(xlabel="step")
name_lines(right)
save(figure)
