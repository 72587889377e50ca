"""CIFAR-10, 3072-128-10 with ELU: SGD, the best of 10 epochs by its validation accuracy."""

from densenet import ELU, SGD, EarlyStopping, Linear, Network, SoftmaxCrossEntropy
from densenet._typing import Array
from densenet.metrics import accuracy
from programs.data import Rows


def train(rows: Rows, seed: int) -> Array:
    """Learn, and predict the classes of the test rows."""
    layers = [Linear(3072, 128, init="pytorch"), ELU(), Linear(128, 10, init="pytorch")]
    network = Network(layers, SoftmaxCrossEntropy(), seed=seed)
    network.fit(
        rows.x,
        rows.y,
        epochs=10,
        optimizer=SGD(lr=0.1),
        validation_data=(rows.x_valid, rows.y_valid),
        metrics=[accuracy],
        early_stopping=EarlyStopping("val_accuracy", mode="max", patience=10),
        seed=seed,
    )
    return network.predict(rows.x_test)
