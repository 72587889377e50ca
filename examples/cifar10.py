"""CIFAR-10 with one hidden layer: which things it takes for which, and what F-beta makes of that.

A network 3072-128-10 with ELU learns from photographs of 32 x 32 pixels: SGD at a rate of 0.1,
batches of 128, ten epochs, of which the best by its validation accuracy counts. A tenth of the
rows validates, and another tenth, which no choice has seen, is tested.

What you see. On the left, the confusion matrix of the test rows: cars are taken for trucks, cats
for dogs, birds for deer, ships for airplanes. On the right, F-beta of each class, all three from
this one matrix: with β = 0.1 it is nearly the precision, with β = 10 nearly the recall, and with β
= 1 it lies between the two, nearer the smaller.

    python examples/cifar10.py [picture.png]           CIFAR-10, from the folder DENSENET_DATA
    python examples/cifar10.py --short [picture.png]   64-128-10, on the digits that come along
"""

import numpy as np
from _data import SHORT, photographs
from _picture import panels, save

from densenet import ELU, SGD, EarlyStopping, Linear, Network, SoftmaxCrossEntropy
from densenet.datasets import CIFAR10_CLASSES
from densenet.metrics import accuracy, confusion_matrix
from densenet.plotting import BLUE, GREY, INK, ORANGE, PALE
from densenet.plotting import confusion_matrix as draw_matrix

EPOCHS = 10
NAMES = [str(i) for i in range(10)] if SHORT else list(CIFAR10_CLASSES)

data = photographs()
held = len(data.x_test)
x, y, x_valid, y_valid = data.x[held:], data.y[held:], data.x[:held], data.y[:held]
layers = [Linear(x.shape[1], 128, init="pytorch"), ELU(), Linear(128, 10, init="pytorch")]
network = Network(layers, SoftmaxCrossEntropy(), seed=42)
best = EarlyStopping("val_accuracy", mode="max", patience=EPOCHS)  # which puts it back in the end
history = network.fit(
    x,
    y,
    epochs=EPOCHS,
    optimizer=SGD(lr=0.1),
    validation_data=(x_valid, y_valid),
    metrics=[accuracy],
    early_stopping=best,
    seed=42,
)
matrix = confusion_matrix(data.y_test, network.predict(data.x_test), 10)
validation = max(epoch["val_accuracy"] for epoch in history.epochs)
seconds = sum(epoch["seconds"] for epoch in history.epochs)
print(f"validation: {100 * validation:.1f}% at best, {seconds:.1f} s for {EPOCHS} epochs")
print(f"test: {100 * np.trace(matrix) / matrix.sum():.1f}%")


def f_beta(beta: float) -> np.ndarray:
    """Compute F-beta of each class from the confusion matrix."""
    right = np.diag(matrix)
    precision = right / np.maximum(matrix.sum(axis=0), 1)
    recall = right / np.maximum(matrix.sum(axis=1), 1)
    weighted = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / np.maximum(weighted, 1e-12)


figure, (left, right) = panels(
    f"A network {x.shape[1]}-128-10 on {'digits' if SHORT else 'CIFAR-10'}",
    "",
    "F-beta of each class",
    height=5.2,
)
draw_matrix(left, matrix, NAMES)
left.grid(visible=False)
for beta, color, size in (0.1, BLUE, 8), (10.0, ORANGE, 8), (1.0, INK, 5):
    scores = f_beta(beta)
    print(f"β = {beta:g}: {', '.join(f'{score:.3f}' for score in scores)}")
    right.plot(scores, range(10), "o", color=color, markersize=size, label=f"β = {beta:g}")
ends = np.array([f_beta(0.1), f_beta(10.0)])
right.hlines(range(10), ends.min(axis=0), ends.max(axis=0), color=PALE, linewidth=3, zorder=1)
right.set_yticks(range(10), NAMES)
right.invert_yaxis()
right.grid(visible=False)
right.grid(axis="x", color=PALE)
names = {"β = 0.1": "≈ precision", "β = 10": "≈ recall", "β = 1": ""}
handles, labels = right.get_legend_handles_labels()
labels = [f"{label} {names[label]}" for label in labels]
right.legend(handles, labels, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
right.tick_params(axis="x", color=GREY)
save(figure)
