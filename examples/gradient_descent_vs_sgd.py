"""Gradient descent against its stochastic forms: one step for a pass over the data, or many.

Logistic regression: 400 made-up students with two exam scores each, admitted (+1) or not (-1). The
three methods are one rule, `SGD`, at another `batch_size`: all rows, 16 of them, or a single one,
each at a learning rate that suits it.

What you see. On the left, the loss over the two weights: in two passes over the data, gradient
descent takes two good steps, and the noisy steps on single rows have come further. On the right,
how far above the least loss each is: at first the smaller batches are ahead; but at a constant rate
they come to hover, while gradient descent comes nearer with every pass.

    python examples/gradient_descent_vs_sgd.py [picture.png]
"""

import numpy as np
from _picture import landscape, name_lines, panels, save

from densenet import SGD, Callback, Linear, LogisticLoss, Network
from densenet.plotting import BLUE, GREY, INK, ORANGE

EPOCHS = 30
METHODS = {  # rows of a step, learning rate
    "gradient descent": (400, 4.0, BLUE),
    "batches of 16": (16, 0.5, GREY),
    "row by row": (1, 0.05, ORANGE),
}

rng = np.random.default_rng(1)
ability = rng.normal(size=(400, 1))
scores = 65 + 9 * (ability + rng.normal(size=(400, 2)))
x = (scores - scores.mean(axis=0)) / scores.std(axis=0)
y = np.where(rng.random(400) < 1 / (1 + np.exp(-x @ [2.0, 1.0])), 1, -1)


class Path(Callback):
    """Keeps the weights after each step."""

    def __init__(self) -> None:
        self.points = [np.zeros(2)]

    def on_step_end(self, network: Network, step: int, loss: float) -> None:
        """Keep a copy, for the next step changes `flat`."""
        self.points.append(network.flat.copy())


def train(batch_size: int, lr: float, epochs: int = EPOCHS) -> np.ndarray:
    """Train from zero weights; give the weights after each step, shape (steps + 1, 2)."""
    model = Network([Linear(2, 1, bias=False, init="zeros")], LogisticLoss(), dtype="float64")
    path = Path()
    sgd = SGD(lr=lr)
    model.fit(x, y, epochs=epochs, batch_size=batch_size, optimizer=sgd, callbacks=[path], seed=0)
    return np.array(path.points)


def error(w1: np.ndarray, w2: np.ndarray) -> np.ndarray:
    """Compute the logistic loss at weights of any shape."""
    margins = y * (np.multiply.outer(w1, x[:, 0]) + np.multiply.outer(w2, x[:, 1]))
    return np.logaddexp(0, -margins).mean(axis=-1)


best = train(400, 4.0, 500)[-1]
figure, (left, right) = panels(
    "Gradient descent and its stochastic forms on a logistic regression",
    "The first two passes over the data",
    "Loss above the least possible, by passes over the data",
)
for name, (batch_size, lr, color) in METHODS.items():
    path = train(batch_size, lr)
    passes = np.arange(len(path)) * EPOCHS / (len(path) - 1)
    excess = error(*path.T) - error(*best)
    near = passes[np.argmax(excess < 0.01)]
    print(f"{name}: less than 0.01 too much after {near:.2f} passes, {excess[-1]:.0e} in the end")
    few = path[passes <= 2]
    left.plot(*few.T, ".-" if batch_size > 1 else "-", color=color, linewidth=1)
    steps = np.unique(np.geomspace(1, len(path) - 1, 150).astype(int))
    right.plot(passes[steps], excess[steps], color=color, label=name)
grid = np.linspace(-0.1, 2.6, 200), np.linspace(-0.3, 1.7, 200)
landscape(left, error, *grid, np.geomspace(error(*best) + 2e-3, 1, 40))
left.plot(*best, "+", color=INK, markersize=12)
left.set(xlabel="weight of exam 1", ylabel="weight of exam 2", yticks=[0, 0.5, 1, 1.5])
right.set(xscale="log", yscale="log", xlabel="passes", xlim=(0.05, None))
name_lines(right)
save(figure)
