"""Momentum against Nesterov's momentum: looking ahead ends the swinging from wall to wall.

The loss ½(w₁² + 50 w₂²) is a ravine, 50 times as steep across as along. Three rules descend it from
one point, at one learning rate η = 0.016.

What you see. On the left, plain descent comes to the floor at once and then crawls along it.
Momentum (β = 0.9) gains speed along the floor and keeps swinging across it. Nesterov's takes the
gradient where the momentum leads to: as fast along, and soon calm across. On the right, the loss;
dotted, the slope that theory gives: a step shrinks the distance by the factor 1 - η without
momentum, √β with it and √(β (1 - η)) with Nesterov's.

    python examples/momentum_vs_nesterov.py [picture.png]
"""

import numpy as np
from _picture import landscape, name_lines, panels, save

from densenet.kernels import sgd_step
from densenet.plotting import BLUE, GREY, INK, ORANGE

STEEPNESS = np.array([1.0, 50.0])
LR, BETA = 0.016, 0.9
STEPS, SHOWN = 200, 30
RULES = {
    "plain descent": ({}, 1 - LR, GREY),
    "momentum": ({"momentum": BETA}, BETA**0.5, ORANGE),
    "Nesterov": ({"momentum": BETA, "nesterov": True}, (BETA * (1 - LR)) ** 0.5, BLUE),
}


def descend(settings: dict[str, float]) -> np.ndarray:
    """Give the points that the rule visits, the start included."""
    w, velocity = np.array([-9.0, 1.6]), np.zeros(2)
    points = [w.copy()]
    for _ in range(STEPS):
        sgd_step(w, STEEPNESS * w, velocity, lr=LR, **settings)
        points.append(w.copy())
    return np.array(points)


def loss(w1: np.ndarray, w2: np.ndarray) -> np.ndarray:
    """Compute ½ Σ h w²."""
    return 0.5 * (STEEPNESS[0] * w1**2 + STEEPNESS[1] * w2**2)


figure, (left, right) = panels(
    "Momentum against Nesterov's momentum in a ravine",
    f"Loss over the weights, and {SHOWN} steps",
    "Loss, step by step; dotted: theory",
)
for name, (settings, factor, color) in RULES.items():
    path = descend(settings)
    losses = loss(*path.T)
    slow = np.flatnonzero(losses > 1e-3 * losses[0])[-1]
    print(f"{name}: from step {slow + 1} on below a thousandth of the first loss")
    left.plot(*path[: SHOWN + 1].T, ".-", color=color, linewidth=1.2, markersize=5)
    left.plot(*path[SHOWN], "o", color=color, markersize=9)
    right.plot(losses, color=color, label=name)
    right.plot(losses[0] * factor ** (2 * np.arange(STEPS + 1)), ":", color=color, linewidth=1)
landscape(left, loss, np.linspace(-10, 5, 200), np.linspace(-2, 2, 200), np.geomspace(0.5, 150, 12))
left.plot(0, 0, "+", color=INK, markersize=12)
left.set(xlabel="w₁, along the ravine", ylabel="w₂, across it")
right.set(yscale="log", xlabel="step")
name_lines(right)
save(figure)
