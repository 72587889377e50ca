"""Work that is wide enough for several threads, and the comparison of what any number computes."""

import numpy as np

import densenet
from densenet import Linear, Network, Sigmoid
from densenet import SoftmaxCrossEntropy as Loss
from tests.support.assertions import assert_same_bits

NUMBERS = [1, 2, 3, 4, 7]
WIDE = [Linear(300, 700), Sigmoid(), Linear(700, 10)]  # several threads' work even on one row


def wide(dtype="float32", layers=WIDE):
    """A network that takes 300 inputs and tells 10 classes apart."""
    return Network(layers, Loss(), dtype=dtype, seed=1)


def assert_same_for_all_numbers(compute):
    """compute() gives the same arrays on any number of threads."""
    expected = None
    for threads in NUMBERS:
        densenet.set_num_threads(threads)
        results = [np.asarray(result) for result in compute()]
        expected = results if expected is None else expected
        for result, one in zip(results, expected, strict=True):
            assert_same_bits(result, one)
