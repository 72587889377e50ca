"""Local search against descent: what a gradient is worth.

Local search tries a random step, and keeps it where the loss falls. Descent takes the gradient's
direction, which costs about as much as two more evaluations of the loss, whatever the number of
weights. Both learn to read 500 handwritten digits with a network 64-h-10 from the same weights.

What you see. On the left, the loss by the evaluations spent: descent is done when local search has
hardly begun, and the further down, the farther local search falls behind. On the right, how many
evaluations it takes until half of the loss of guessing is left: ten to thirty times as many
without the gradient, whatever the number of parameters. Wider networks are easier for both.

    python examples/local_search.py [picture.png]
"""

import numpy as np
from _data import SHORT
from _picture import name_lines, panels, save

from densenet import SGD, Linear, Network, SoftmaxCrossEntropy, Tanh
from densenet.datasets import load_digits
from densenet.plotting import BLUE, GREY, ORANGE

HIDDEN = (4, 16) if SHORT else (4, 8, 16, 32, 64, 128)
GUESSING = np.log(10)

digits = load_digits()
x, y = (digits.x_train[:500] / 8 - 1).astype(np.float32), digits.y_train[:500]


def new(hidden: int) -> Network:
    """Make the network that both begin with."""
    return Network([Linear(64, hidden), Tanh(), Linear(hidden, 10)], SoftmaxCrossEntropy(), seed=0)


def search(network: Network, until: float) -> list[tuple[int, float]]:
    """Try random steps; their size grows after a success and shrinks after a failure."""
    rng, size, best = np.random.default_rng(0), 0.05, network.loss(x, y)
    losses = [(1, best)]
    while best > until:
        before = network.flat.copy()
        network.flat[...] += size * rng.normal(size=network.n_parameters).astype(np.float32)
        loss = network.loss(x, y)
        if loss < best:
            best, size = loss, 1.3 * size
        else:
            network.flat[...], size = before, 0.93 * size  # keeps if one of five steps succeeds
        losses.append((len(losses) + 1, best))
    return losses


def descend(network: Network, until: float) -> list[tuple[int, float]]:
    """Take steps of gradient descent; a gradient counts as two evaluations."""
    losses, sgd = [(1, network.train_step(x, y, SGD(lr=0.5)))], SGD(lr=0.5)
    while losses[-1][1] > until:
        losses.append((3 * len(losses) + 1, network.train_step(x, y, sgd)))
    return losses


figure, (left, right) = panels(
    "Random steps against the gradient",
    f"Loss of a network 64-16-10 ({new(16).n_parameters:,} parameters)",
    "Evaluations until the loss is half of guessing's",
)
for name, method, color in (
    ("local search", search, ORANGE),
    ("descent", descend, BLUE),
):
    curve = method(new(16), GUESSING / 8)
    left.plot(*zip(*curve, strict=True), color=color, label=name)
    needed = {new(h).n_parameters: method(new(h), GUESSING / 2)[-1][0] for h in HIDDEN}
    right.plot(needed.keys(), needed.values(), "o-", color=color, label=name)
    for parameters, evaluations in needed.items():
        print(f"{name}, {parameters} parameters: {evaluations:.0f} evaluations")
left.axhline(GUESSING, color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="guessing")
left.set(xscale="log", yscale="log", xlabel="evaluations of the loss")
left.set_yticks([0.3, 0.5, 1, 2], ["0.3", "0.5", "1", "2"])
left.set_yticks([], minor=True)
right.set(xscale="log", yscale="log", xlabel="parameters", ylim=(5, 2000))
right.set_xticks([500, 1000, 2000, 5000], ["500", "1,000", "2,000", "5,000"])
right.set_xticks([], minor=True)
name_lines(left)
name_lines(right)
save(figure)
