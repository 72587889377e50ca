"""A variable learning rate, and Adam, beside fixed rates.

Full gradient descent with a network 64-16-10 that reads handwritten digits. The variable rate is a
rule of old: after a step that lowers the loss, η grows by a tenth; a step that raises it is taken
back, and η is halved.

What you see. On the left, the loss by gradients computed: of the fixed rates, one crawls, one does
well, and one jumps about; the variable one finds its way from the smallest of them, and Adam gives
each weight a rate of its own. On the right, what the variable rate does: it climbs quickly to where
the fixed ones fail, is thrown back, and comes again.

    python examples/variable_learning_rate.py [picture.png]
"""

import numpy as np
from _data import SHORT
from _picture import name_lines, panels, save

from densenet import SGD, Adam, Linear, Network, SoftmaxCrossEntropy, Tanh
from densenet.datasets import load_digits
from densenet.optimizers import Optimizer
from densenet.plotting import BLUE, GREY, INK, ORANGE

STEPS, FIXED, ADAM = (100 if SHORT else 400), (0.01, 0.3, 5.0), 0.02

digits = load_digits()
x, y = (digits.x_train / 8 - 1).astype(np.float32), digits.y_train


def new() -> Network:
    """Make the network that every method begins with."""
    return Network([Linear(64, 16), Tanh(), Linear(16, 10)], SoftmaxCrossEntropy(), seed=0)


def train(optimizer: Optimizer) -> list[float]:
    """Give the loss before each step."""
    network = new()
    return [network.train_step(x, y, optimizer) for _ in range(STEPS)]


def drive(rate: float) -> tuple[list[float], list[float]]:
    """Descend with a variable rate; give the loss and the rate of each step that was tried."""
    network, losses, rates = new(), [], []
    loss, gradient = network.value_and_gradient(network.flat, x, y)
    for _ in range(STEPS):
        losses.append(loss)
        rates.append(rate)
        there = network.flat - rate * gradient
        new_loss, new_gradient = network.value_and_gradient(there, x, y)
        if new_loss < loss:
            network.flat[...], loss, gradient = there, new_loss, new_gradient
            rate *= 1.1
        else:
            rate *= 0.5
    return losses, rates


figure, (left, right) = panels(
    "A learning rate that finds itself", "Loss by gradients computed", "The variable rate"
)
for rate in FIXED:
    losses = train(SGD(lr=rate))
    print(f"η = {rate:g}: loss {losses[-1]:.3f}")
    left.plot(losses, color=GREY, linewidth=1, label=f"η = {rate:g}")
    right.axhline(rate, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    right.text(STEPS * 1.01, rate, f"η = {rate:g}", color=GREY, va="center")
losses, rates = drive(FIXED[0])
adam = train(Adam(lr=ADAM))
print(f"variable: loss {losses[-1]:.3f}, rates {min(rates):.2f} to {max(rates):.2f}")
print(f"Adam: loss {adam[-1]:.3f}")
left.plot(losses, color=ORANGE, linewidth=2, label="variable η")
left.plot(adam, color=BLUE, linewidth=2, label="Adam")
taken = np.append(np.diff(rates) > 0, True)
steps = np.arange(STEPS)
right.plot(rates, color=ORANGE, linewidth=1)
right.plot(steps[~taken], np.array(rates)[~taken], "x", color=INK, markersize=5, label="taken back")
right.set(yscale="log", xlabel="step", xlim=(0, STEPS))
right.text(STEPS * 0.98, FIXED[0] * 2, "×  a step taken back", color=INK, ha="right")
left.set(yscale="log", xlabel="step")
name_lines(left)
save(figure)
