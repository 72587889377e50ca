"""The soft threshold: what an L1 penalty makes of each weight, drawn over what training finds.

A linear model ``y = w* x`` is learned with ``loss + α Σ|w|``. Where the columns of x are
uncorrelated, the loss is a sum over the weights, ``½ H (w - w*)²`` with ``H = 2`` for squared
errors, and its minimum with the penalty is the soft threshold of w* (Tibshirani 1996)::

    w = sign(w*) max(|w*| - α / H, 0)

What you see. On the left, the formula as a line and the weights that `SGD(l1=α)` finds as dots:
all move towards 0 by α / H, and those that were nearer are exactly 0. On the right, every weight
while α grows: each goes straight to 0 and stays.

    python examples/soft_threshold.py [picture.png]
"""

import numpy as np
from _picture import panels, save

from densenet import SGD, Linear, MeanSquaredError, Network
from densenet.plotting import BLUE, GREY, INK, ORANGE, PALE

ROWS, WEIGHTS, ALPHA, H = 256, 24, 1.0, 2.0

rng = np.random.default_rng(3)
x = np.sqrt(ROWS) * np.linalg.qr(rng.normal(size=(ROWS, WEIGHTS)))[0]  # xᵀ x / rows = 1
best = np.sort(rng.uniform(-2, 2, WEIGHTS))  # w*, what is best without the penalty
y = x @ best


def train(alpha: float) -> np.ndarray:
    """Minimise the squared error plus α Σ|w|, by proximal steps."""
    model = Network(
        [Linear(WEIGHTS, 1, bias=False, init="zeros")], MeanSquaredError(), dtype="float64"
    )
    model.fit(x, y, epochs=100, batch_size=ROWS, optimizer=SGD(lr=0.2, l1=alpha))
    return model.flat.copy()


def soft_threshold(w: np.ndarray, alpha: float) -> np.ndarray:
    """Give the minimum of ½ H (v - w)² + α |v| over v."""
    return np.sign(w) * np.maximum(np.abs(w) - alpha / H, 0)


figure, (left, right) = panels(
    "The soft threshold of an L1 penalty",
    f"Weights with the penalty α = {ALPHA:g}, by what they are without",
    "Weights while the penalty α grows",
)
line = np.linspace(-2.1, 2.1, 400)
found = train(ALPHA)
zero = found == 0
left.plot(line, line, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
left.text(1.4, 1.6, "no penalty", color=GREY, ha="right", va="bottom")
left.plot(line, soft_threshold(line, ALPHA), color=BLUE, linewidth=2)
left.text(2.1, -1.5, "sign(w*) max(|w*| - α/H, 0)", color=BLUE, ha="right", va="center")
left.plot(best[~zero], found[~zero], "o", color=INK, markersize=6, zorder=3)
left.plot(best[zero], found[zero], "o", color=ORANGE, markersize=6, zorder=3)
left.text(0.15, -0.15, f"{zero.sum()} weights are exactly 0", color=ORANGE, va="top")
left.set(xlabel="w*")
left.grid(axis="x", color=PALE)

alphas = np.linspace(0, 4.2, 43)
paths = np.array([train(alpha) for alpha in alphas])
right.plot(alphas, paths, color=BLUE, linewidth=1)
right.plot(H * np.abs(best), np.zeros(WEIGHTS), "o", color=ORANGE, markersize=6, zorder=3)
right.axvline(ALPHA, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
right.text(4.2, 1.7, "a weight reaches 0\nat α = H |w*|", color=ORANGE, ha="right", va="center")
right.set(xlabel="α")
away = max(np.abs(w - soft_threshold(best, a)).max() for a, w in zip(alphas, paths, strict=True))
print(f"zeros: {zero.sum()} of {WEIGHTS} at α = {ALPHA:g}")
print(f"largest distance from the formula: {away:.0e}")
save(figure)
