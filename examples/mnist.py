"""98 in 100 handwritten digits: MNIST with one hidden layer, and the test images that it misreads.

A network 784-128-10 (101,770 parameters) learns from 60,000 images, by Adam in batches of 128, with
a rate that falls to 0 along a cosine over fifteen epochs.

What you see. On the left, the share of misread images, of those that it learns from and of the
10,000 of the test: the one falls to nearly none, the other settles at two in a hundred. On the
right, test images that it misreads, the ones it is surest of first, as true → read.

    python examples/mnist.py [picture.png]           MNIST, from the folder DENSENET_DATA
    python examples/mnist.py --short [picture.png]   64-128-10, on the digits that come along
"""

import numpy as np
from _data import SHORT, handwritten
from _picture import name_lines, panels, save

from densenet import Adam, Callback, CosineLR, Linear, Network, ReLU, SoftmaxCrossEntropy
from densenet.metrics import accuracy
from densenet.plotting import BLUE, GREY, ORANGE, misclassified

EPOCHS, BATCH, SIDE = 15, 128, 8 if SHORT else 28

data = handwritten()


class Misread(Callback):
    """Notes the share of misread images after each epoch, in percent."""

    def __init__(self) -> None:
        self.learned: list[float] = []
        self.test: list[float] = []

    def on_epoch_end(self, network: Network, record: dict[str, float]) -> None:
        """Read both parts."""
        self.learned.append(100 - 100 * accuracy(data.y, network.predict(data.x)))
        self.test.append(100 - 100 * accuracy(data.y_test, network.predict(data.x_test)))


layers = [Linear(SIDE**2, 128, init="he_uniform"), ReLU(), Linear(128, 10)]
network = Network(layers, SoftmaxCrossEntropy(), seed=0)
adam = Adam(lr=CosineLR(0.002, EPOCHS * -(-len(data.x) // BATCH)))
misread = Misread()
history = network.fit(
    data.x, data.y, epochs=EPOCHS, batch_size=BATCH, optimizer=adam, callbacks=[misread], seed=0
)
seconds = sum(record["seconds"] for record in history.epochs)
print(f"test: {100 - misread.test[-1]:.2f}% read correctly, after {seconds:.1f} s of training")

figure, (left, right) = panels(
    f"A network {SIDE**2}-128-10 reads handwritten digits",
    "Misread images, by epoch",
    "",  # written by misclassified
)
for name, shares, color in (
    ("learned from", misread.learned, BLUE),
    ("test", misread.test, ORANGE),
):
    left.plot(range(1, EPOCHS + 1), shares, ".-", color=color, label=name)
left.set(xlabel="epoch", ylim=(0, None))
left.yaxis.set_major_formatter("{x:g}%")
left.axhline(2, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
name_lines(left)

probabilities = network.predict_proba(data.x_test)
read = probabilities.argmax(axis=1)
wrong = np.flatnonzero(read != data.y_test)
surest = wrong[np.argsort(-probabilities[wrong].max(axis=1))][:24]
misclassified(
    right, data.x_test[surest], data.y_test[surest], read[surest], shape=(SIDE, SIDE), columns=6
)
save(figure)
