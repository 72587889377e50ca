"""Vanishing gradients: what reaches the first layers of a deep network, without and with residuals.

Thirty layers of 32 units read handwritten digits. In the plain network each layer replaces what it
gets, ``y = σ(W x + b)``; in the other it adds to it, ``y = x + σ(W x + b)`` (He et al. 2016), so
that the gradient of what comes out reaches what went in by the sum as well.

What you see. On the left, the norm of the gradient of each layer's weights before the first step:
sigmoids, whose slope is 1/4 at most, divide it by four in each layer, until nothing is left; tanh,
whose slope is 1 at 0, keeps it, and so do the same sigmoids with residuals. On the right, the loss
in training: what gets no gradient does not learn. Thirty added sigmoids are large at first, and
their loss too; within an epoch it is the least.

    python examples/vanishing_gradients.py [picture.png]
"""

import numpy as np
from _picture import name_lines, panels, save

from densenet import Adam, Linear, Network, Residual, Sigmoid, SoftmaxCrossEntropy, Tanh
from densenet.datasets import load_digits
from densenet.layers import Layer
from densenet.plotting import BLUE, GREY, ORANGE

DEPTH, WIDTH, EPOCHS = 30, 32, 8

digits = load_digits()
x, y = digits.x_train / 8 - 1, digits.y_train
KINDS: dict[str, tuple[list[Layer], str]] = {
    "sigmoid": ([Linear(WIDTH, WIDTH), Sigmoid()], ORANGE),
    "tanh": ([Linear(WIDTH, WIDTH), Tanh()], GREY),
    "sigmoid, residual": ([Residual([Linear(WIDTH, WIDTH), Sigmoid()])], BLUE),
}


def norms(network: Network) -> list[float]:
    """Give the norm of the gradient of each weight between hidden layers."""
    _, gradients = network.gradients(x[:512], y[:512])
    weights = [array for name, array in gradients.items() if name.endswith("weight")]
    return [float(np.linalg.norm(array)) for array in weights[1:-1]]


figure, (left, right) = panels(
    f"The gradient on its way through {DEPTH} layers",
    "Norm of the gradient of each layer's weights, at the start",
    "Loss of each batch in training",
)
for name, (block, color) in KINDS.items():
    layers = [Linear(64, WIDTH), *(block * DEPTH), Linear(WIDTH, 10)]
    network = Network(layers, SoftmaxCrossEntropy(), seed=0)
    at_start = norms(network)
    left.plot(range(1, DEPTH + 1), at_start, ".-", color=color, label=name)
    history = network.fit(x, y, epochs=EPOCHS, batch_size=64, optimizer=Adam(lr=1e-3), seed=0)
    print(
        f"{name}: first layer {at_start[0]:.1e}, last {at_start[-1]:.1e}, "
        f"loss {history.epochs[-1]['loss']:.3f}"
    )
    smooth = np.convolve(history.batch_loss, np.full(10, 0.1), mode="valid")
    right.plot(np.linspace(0, EPOCHS, len(smooth)), smooth, color=color, label=name)
right.axhline(np.log(10), color=GREY, linewidth=1, linestyle=(0, (4, 3)))
right.text(EPOCHS, np.log(10) * 1.04, "guessing", color=GREY, ha="right", va="bottom")
left.set(yscale="log", xlabel="layer, from the input to the output")
right.set(xlabel="epoch", ylim=(0, 3))
name_lines(left)
name_lines(right)
save(figure)
