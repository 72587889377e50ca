"""Training that is ended by a callback, and the comparison of what two runs have learned."""

import numpy as np

from densenet import BatchNorm, Callback, Dropout, Linear, Network, SoftmaxCrossEntropy, Tanh
from tests.support.assertions import assert_same_bits


def make(engine="compiled", dtype="float32", loss=None):
    layers = [Linear(5, 8), BatchNorm(8), Tanh(), Dropout(0.25), Linear(8, 3)]
    return Network(layers, loss or SoftmaxCrossEntropy(), dtype=dtype, seed=1, backend=engine)


def learned(network):
    state = network.optimizer_state
    return [
        network.flat,
        *network.running_moments.values(),
        *(np.asarray(state[name]) for name in sorted(state)),
        np.array(network._learner.rng.bit_generator.state["state"]["state"] % 2**60),
    ]


def assert_same(network, history, expected_network, expected):
    for array, wanted in zip(learned(network), learned(expected_network), strict=True):
        assert_same_bits(array, wanted)
    assert history.batch_loss == expected.batch_loss
    assert history.stopped == expected.stopped
    timeless = [
        [{name: record[name] for name in record if name != "seconds"} for record in each.epochs]
        for each in (history, expected)
    ]
    assert timeless[0] == timeless[1]


class KilledError(Exception):
    pass


class Kill(Callback):
    """Raises after a step, or after so many ends of epochs."""

    def __init__(self, step=0, epoch=0):
        self.step, self.epoch = step, epoch

    def on_step_end(self, network, step, loss):
        if step == self.step:
            raise KilledError

    def on_epoch_end(self, network, record):
        if record["epoch"] == self.epoch:
            raise KilledError
