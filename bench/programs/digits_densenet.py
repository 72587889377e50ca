"""Digits of 8 x 8 pixels, 64-64-10 with tanh: Adam, 30 epochs."""

from densenet import Adam, Linear, Network, SoftmaxCrossEntropy, Tanh
from densenet._typing import Array
from programs.data import Rows


def train(rows: Rows, seed: int) -> Array:
    """Learn, and predict the classes of the test rows."""
    layers = [Linear(64, 64, init="pytorch"), Tanh(), Linear(64, 10, init="pytorch")]
    network = Network(layers, SoftmaxCrossEntropy(), seed=seed)
    network.fit(rows.x, rows.y, epochs=30, batch_size=32, optimizer=Adam(lr=1e-3), seed=seed)
    return network.predict(rows.x_test)
