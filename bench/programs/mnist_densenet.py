"""MNIST, 784-128-10 with ReLU: Adam along a cosine, 15 epochs."""

from densenet import Adam, CosineLR, Linear, Network, ReLU, SoftmaxCrossEntropy
from densenet._typing import Array
from programs.data import Rows


def train(rows: Rows, seed: int) -> Array:
    """Learn, and predict the classes of the test rows."""
    layers = [Linear(784, 128, init="pytorch"), ReLU(), Linear(128, 10, init="pytorch")]
    network = Network(layers, SoftmaxCrossEntropy(), seed=seed)
    adam = Adam(lr=CosineLR(0.002, 15 * -(-len(rows.x) // 128)))
    network.fit(rows.x, rows.y, epochs=15, batch_size=128, optimizer=adam, seed=seed)
    return network.predict(rows.x_test)
