"""Values of houses, n-64-64-1 with ReLU: AdamW along a cosine, 40 epochs."""

from densenet import AdamW, CosineLR, Linear, MeanSquaredError, Network, ReLU
from densenet._typing import Array
from programs.data import Rows


def train(rows: Rows, seed: int) -> Array:
    """Learn, and predict the values of the test rows."""
    layers = [
        Linear(rows.x.shape[1], 64, init="pytorch"),
        ReLU(),
        Linear(64, 64, init="pytorch"),
        ReLU(),
        Linear(64, 1, init="pytorch"),
    ]
    network = Network(layers, MeanSquaredError(), seed=seed)
    adam = AdamW(lr=CosineLR(0.003, 40 * -(-len(rows.x) // 128)))
    network.fit(rows.x, rows.y, epochs=40, batch_size=128, optimizer=adam, seed=seed)
    return network.predict(rows.x_test)
