"""Rows to train on."""


def separable(rng, rows, inputs, classes=3):
    """Give normal x of shape (rows, inputs), and which of its first columns is the largest."""
    x = rng.normal(size=(rows, inputs))
    return x, x[:, :classes].argmax(axis=1)


def labelled(rng, rows, inputs, classes=3):
    """Give normal x of shape (rows, inputs), and classes that do not depend on it."""
    return rng.normal(size=(rows, inputs)), rng.integers(0, classes, rows)
