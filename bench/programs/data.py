"""What the programs learn from, as float32: the same rows for either library.

MNIST, CIFAR-10 and the table of houses are read from the folder that DENSENET_DATA names.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from densenet._typing import Array
from densenet.datasets import load_cifar10, load_digits, load_mnist
from densenet.tables import Table, read_table
from table_data import DATA


class Rows(NamedTuple):
    """Rows to learn from, to choose an epoch by (where a program does) and to test with."""

    x: Array
    y: Array
    x_valid: Array
    y_valid: Array
    x_test: Array
    y_test: Array


def digits(seed: int) -> Rows:
    """Give the handwritten digits that come with densenet, from 0 to 1."""
    x, y, x_test, y_test = load_digits()
    return Rows(x / np.float32(16), y, x[:0], y[:0], x_test / np.float32(16), y_test)


def mnist(seed: int) -> Rows:
    """Give MNIST and its test images, from 0 to 1."""
    x, y, x_test, y_test = load_mnist()
    return Rows(x / np.float32(255), y, x[:0], y[:0], x_test / np.float32(255), y_test)


def cifar10(seed: int) -> Rows:
    """Give CIFAR-10's training images, a tenth to validate with and a tenth to test.

    They are split and scaled as in examples/cifar10.py: each color has mean 0 and deviation 1.
    """
    x, y, *_ = load_cifar10()
    held = len(x) // 10
    test, valid, train = np.split(np.random.default_rng(42).permutation(len(x)), [held, 2 * held])
    planes = x.reshape(len(x), 3, -1)
    known = planes[np.concatenate([valid, train])]
    mean = known.mean(axis=(0, 2), keepdims=True, dtype=np.float32)
    deviation = known.std(axis=(0, 2), keepdims=True, dtype=np.float32)
    x = ((planes - mean) / deviation).reshape(len(x), -1)
    return Rows(x[train], y[train], x[valid], y[valid], x[test], y[test])


def housing(seed: int) -> Rows:
    """Give districts of California and the median value of their houses, in 100,000 dollars.

    A fifth, drawn by the seed, tests. Numbers are standardised by the rows that train, gaps are
    their mean, and a text is a column of 0 and 1 for each of its values.
    """
    data = DATA["housing"]
    table = read_table(data.path)
    train, test = data.split(len(table), seed)
    x = np.column_stack([_columns(table, name) for name in table.columns if name != data.target])
    mean, deviation = np.nanmean(x[train], axis=0), np.nanstd(x[train], axis=0)
    x = np.nan_to_num((x - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    y = (table.numbers(data.target) / 1e5).astype(np.float32)
    return Rows(x[train], y[train], x[:0], y[:0], x[test], y[test])


def _columns(table: Table, name: str) -> Array:
    """Give a column's numbers, or a column of 0 and 1 for each of its texts."""
    if name != "ocean_proximity":
        return table.numbers(name)
    texts = table.texts(name)
    chosen: Array = texts[:, None] == np.unique(texts)
    return chosen.astype(float)


READERS: Mapping[str, Callable[[int], Rows]] = {
    "digits": digits,
    "mnist": mnist,
    "cifar10": cifar10,
    "housing": housing,
}
"""The programs' names, in the order of the report, and what reads their rows by a seed."""

VALUES = frozenset({"housing"})
"""Programs that predict values: their score is the root mean squared error, else the accuracy."""
