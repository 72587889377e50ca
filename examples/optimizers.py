"""Eight optimizers side by side: the same network, the same digits, in the same order.

A network 784-16-16-10 (13,002 parameters) learns MNIST from the same initial weights, in batches
of 128, for ten epochs. Only the rule by which the weights move changes, each at a rate that suits
it.

What you see. On the left, the training loss, on logarithmic axes: plain descent comes last;
momentum and Adam lead from the first steps on, beside each other and the rest. On the right, the
test images read correctly after one epoch and after the last: two points apart at first, and about
one in the end, where the order is another with each seed.

    python examples/optimizers.py [picture.png]           MNIST, from the folder DENSENET_DATA
    python examples/optimizers.py --short [picture.png]   64-16-16-10, on the digits that come along
"""

import numpy as np
from _data import SHORT, handwritten
from _picture import name_lines, panels, save

from densenet import SGD, Adam, AdamW, CosineLR, Linear, Network, ReLU, RMSprop, SoftmaxCrossEntropy
from densenet.metrics import accuracy
from densenet.optimizers import Optimizer
from densenet.plotting import BLUE, GREY, INK, ORANGE, PALE

EPOCHS, BATCH = 10, 128
data = handwritten()
steps = EPOCHS * -(-len(data.x) // BATCH)
METHODS: dict[str, tuple[Optimizer, str]] = {
    "SGD": (SGD(lr=0.1), INK),
    "SGD, L2": (SGD(lr=0.1, l2=1e-4), GREY),
    "momentum": (SGD(lr=0.03, momentum=0.9), BLUE),
    "Nesterov": (SGD(lr=0.03, momentum=0.9, nesterov=True), GREY),
    "RMSprop": (RMSprop(lr=0.002), GREY),
    "Adam": (Adam(lr=0.003), ORANGE),
    "AdamW": (AdamW(lr=0.003), GREY),
    "Adam, cosine": (Adam(lr=CosineLR(0.005, steps)), GREY),
}


def train(optimizer: Optimizer) -> tuple[Network, list[dict[str, float]], np.ndarray]:
    """Train; give the network, a record of each epoch and the smoothed loss of each step."""
    layers = [Linear(data.x.shape[1], 16, init="he_normal"), ReLU()]
    layers += [Linear(16, 16, init="he_normal"), ReLU(), Linear(16, 10)]
    network = Network(layers, SoftmaxCrossEntropy(), seed=0)
    test = (data.x_test, data.y_test)
    settings = {"validation_data": test, "metrics": [accuracy], "seed": 0}
    history = network.fit(
        data.x, data.y, epochs=EPOCHS, batch_size=BATCH, optimizer=optimizer, **settings
    )
    window = 5 if SHORT else 50
    smooth = np.convolve(history.batch_loss, np.full(window, 1 / window), mode="valid")
    return network, history.epochs, smooth


figure, (left, right) = panels(
    "Eight optimizers learn to read handwritten digits",
    "Training loss, step by step",
    "Test accuracy after epoch 1 (○) and 10 (●)",
)
for place, (name, (optimizer, color)) in enumerate(METHODS.items()):
    network, epochs, smooth = train(optimizer)
    first, last = (100 * epochs[i]["val_accuracy"] for i in (0, -1))
    seconds = sum(epoch["seconds"] for epoch in epochs)
    print(f"{name}: {first:.1f}%, then {last:.1f}% in {seconds:.2f} s, {network.n_parameters}")
    at = np.unique(np.geomspace(1, len(smooth), 200).astype(int)) - 1
    shown = color != GREY
    left.plot(
        at + 1,
        smooth[at],
        color=color if shown else PALE,
        label=name if shown else None,
        zorder=2 + shown,
    )
    right.plot([first, last], [place, place], color=PALE, linewidth=3, zorder=1)
    right.plot(first, place, "o", color=INK, markerfacecolor="white", markersize=9)
    right.plot(last, place, "o", color=INK, markersize=9)
left.set(xscale="log", yscale="log", xlabel="step")
left.set_yticks([0.1, 0.2, 0.5, 1, 2], ["0.1", "0.2", "0.5", "1", "2"])
left.set_yticks([], minor=True)
name_lines(left, gap=0.07)
right.set_yticks(range(len(METHODS)), list(METHODS))
right.xaxis.set_major_formatter("{x:g}%")
right.invert_yaxis()
right.grid(axis="x", color=PALE)
save(figure)
