"""The effect of the learning rate: too small crawls, too large jumps about, and a cliff between.

A network 64-32-10 learns to read handwritten digits by plain stochastic gradient descent, batches
of 32, for ten epochs. Only the learning rate η changes.

What you see. On the left, the loss of each batch: with η = 0.003 it is still on its way down when
time is up; with η = 0.3 it nears 0; with η = 10 it jumps about, far above the ln 10 that guessing
costs. On the right, where 29 rates have led to: the larger the better, up to the cliff near 1.

    python examples/learning_rate.py [picture.png]
"""

from math import log

import numpy as np
from _picture import name_lines, panels, save

from densenet import SGD, Linear, Network, SoftmaxCrossEntropy, Tanh
from densenet.datasets import load_digits
from densenet.plotting import BLUE, GREY, INK, ORANGE

SHOWN = {0.003: GREY, 0.3: BLUE, 10: ORANGE}
EPOCHS = 10
RATES = np.geomspace(1e-4, 1e3, 29)

digits = load_digits()
x, y = digits.x_train / 8 - 1, digits.y_train


def train(rate: float) -> tuple[list[float], float]:
    """Train at a learning rate; give the loss of each batch and the mean of the last epoch."""
    network = Network([Linear(64, 32), Tanh(), Linear(32, 10)], SoftmaxCrossEntropy(), seed=0)
    history = network.fit(x, y, epochs=EPOCHS, batch_size=32, optimizer=SGD(lr=rate), seed=0)
    return history.batch_loss, history.epochs[-1]["loss"]


figure, (left, right) = panels(
    "The effect of the learning rate on reading digits",
    "Loss of each batch",
    f"Training loss of epoch {EPOCHS}, by learning rate",
)
right.plot(RATES, [train(rate)[1] for rate in RATES], color=INK)
for rate, color in SHOWN.items():
    losses, last = train(rate)
    print(f"learning rate {rate:g}: loss {losses[0]:.2f} at first, {last:.3f} in epoch {EPOCHS}")
    steps = np.linspace(0, EPOCHS, len(losses))
    left.plot(steps, losses, color=color, linewidth=0.7, label=f"η = {rate:g}")
    right.plot(rate, last, "o", color=color, markersize=9, zorder=3)
for axes in left, right:
    axes.axhline(log(10), color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="guessing")
    axes.set_yscale("log")
left.set_xlabel("epoch")
right.set(xscale="log", xlabel="learning rate η")
name_lines(left)
name_lines(right)
save(figure)
