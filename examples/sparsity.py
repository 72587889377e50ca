"""Sparsity against α: Adam with the proximal L1 step makes most weights exactly 0.

A network 64-128-10 learns to read handwritten digits. After each update `Adam(l1=α)` moves every
weight towards 0, by α times the step that Adam gives this weight, and no further: weights become 0,
not merely small.

What you see. On the left, the share of zeros rises with α long before the accuracy falls: with
nine weights in ten gone, digits by people who wrote none of the training rows are read two points
worse. From α = 0.02 on nothing is left. On the right, how many of the 128 hidden units each pixel
is connected to: the margin, where there is hardly ever ink, goes first.

    python examples/sparsity.py [picture.png]
"""

import numpy as np
from _picture import name_lines, panels, save

from densenet import Adam, Linear, Network, ReLU, SoftmaxCrossEntropy
from densenet.datasets import load_digits
from densenet.metrics import accuracy
from densenet.plotting import BLUE, GREY, INK, ORANGE

STRENGTHS = np.geomspace(1e-5, 1e-1, 13)

digits = load_digits()
x, x_test = digits.x_train / 16, digits.x_test / 16


def train(alpha: float) -> Network:
    """Minimise the cross-entropy plus α Σ|w|."""
    network = Network([Linear(64, 128), ReLU(), Linear(128, 10)], SoftmaxCrossEntropy(), seed=0)
    adam = Adam(lr=0.003, l1=alpha)
    network.fit(x, digits.y_train, epochs=30, batch_size=64, optimizer=adam, seed=0)
    return network


def zeros(network: Network) -> float:
    """Give the share of weights, biases aside, that are exactly 0."""
    weights = [array for name, array in network.parameters.items() if name.endswith("weight")]
    return sum(np.sum(w == 0) for w in weights) / sum(w.size for w in weights)


networks = {alpha: train(alpha) for alpha in (0.0, *STRENGTHS)}
shares = {alpha: 100 * zeros(network) for alpha, network in networks.items()}
scores = {a: 100 * accuracy(digits.y_test, n.predict(x_test)) for a, n in networks.items()}
for alpha in networks:
    print(f"α = {alpha:.1e}: {shares[alpha]:5.1f}% zeros, accuracy {scores[alpha]:.1f}%")

figure, (left, right) = panels(
    "Sparsity against the strength α of the L1 penalty",
    "Weights that are exactly 0, and test accuracy",
    "Connections of each pixel to the hidden layer",
)
left.axhline(scores[0.0], color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="without L1")
left.plot(STRENGTHS, [scores[alpha] for alpha in STRENGTHS], color=BLUE, label="accuracy")
left.plot(STRENGTHS, [shares[alpha] for alpha in STRENGTHS], color=ORANGE, label="zeros")
left.set(xscale="log", xlabel="α", ylim=(0, 102))
left.yaxis.set_major_formatter("{x:g}%")
name_lines(left)
for i, alpha in enumerate(STRENGTHS[:10:3]):
    used = np.count_nonzero(networks[alpha].parameters["0.weight"], axis=0)
    x0, y0 = 1.5 * (i % 2), 1.3 * (i // 2)
    image = np.sqrt(used.reshape(8, 8))  # the root lets few be seen beside many
    right.imshow(image, cmap="Blues", vmin=0, vmax=128**0.5, extent=(x0, x0 + 1, y0 + 1, y0))
    caption = f"α = $10^{{{np.log10(alpha):.0f}}}$: {used.mean():.0f} of 128"
    right.text(x0 + 0.5, y0 + 1.04, caption, color=INK, ha="center", va="top")
right.set(xlim=(0, 2.5), ylim=(2.5, 0), anchor="NW")
right.set_axis_off()
save(figure)
