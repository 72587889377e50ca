"""A loss of one's own within a step: what it sees, who may come in, what is left if it fails."""

import threading

import numpy as np
import pytest

from densenet import Adam, BatchNorm, Dropout, Linear, Network, ReLU
from densenet._engine.compiled import CompiledEngine
from tests.support.assertions import assert_same_bits
from tests.support.losses import SquaresOfClasses

LAYERS = [Linear(5, 8), BatchNorm(8), ReLU(), Dropout(0.25), Linear(8, 3)]


class Told(SquaresOfClasses):
    """Calls a function before it computes the gradient."""

    def __init__(self, tell):
        self.tell = tell

    def backward(self, outputs, targets):
        self.tell()
        return super().backward(outputs, targets)


@pytest.fixture
def data(rng):
    x = rng.normal(size=(40, 5)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def learned(network):
    return [network.flat.copy(), *(each.copy() for each in network.running_moments.values())]


def after_each_step(data, engine):
    """What a network has learned before each of its five steps."""
    x, y = data
    network, found = Network(LAYERS, SquaresOfClasses(), seed=1, backend=engine), []
    for begin in range(0, 40, 8):
        found.append(learned(network))
        network.train_step(x[begin : begin + 8], y[begin : begin + 8], Adam(0.1))
    return [*found, learned(network)]


def fit(network, data):
    return network.fit(*data, epochs=1, batch_size=8, optimizer=Adam(0.1), shuffle=False)


def test_the_network_stands_between_two_steps_while_the_loss_runs(data, engine, tmp_path):
    seen, counts, predicted = [], [], []

    def look():
        seen.append(learned(network))
        counts.append(network.optimizer_state.get("step"))
        predicted.append(network.predict(data[0]))
        network.save(tmp_path / "network")

    network = Network(LAYERS, Told(look), seed=1, backend=engine)
    fit(network, data)
    *before, last = after_each_step(data, engine)
    assert counts == [0, 1, 2, 3, 4]
    assert len(predicted) == 5
    for found, wanted in zip([*seen, learned(network)], [*before, last], strict=True):
        for array, expected in zip(found, wanted, strict=True):
            assert_same_bits(array, expected)


def test_other_threads_read_while_the_loss_runs(data, engine):
    found = []

    def wait_for_another():
        reader = threading.Thread(target=lambda: found.append(network.predict(data[0])))
        reader.start()
        reader.join(60)
        assert not reader.is_alive()

    network = Network(LAYERS, Told(wait_for_another), seed=1, backend=engine)
    fit(network, data)
    assert len(found) == 5
    for array, expected in zip(learned(network), after_each_step(data, engine)[-1], strict=True):
        assert_same_bits(array, expected)


def test_a_loss_that_raises_leaves_the_steps_before(data, engine):
    calls = []

    def fail_in_the_fourth():
        calls.append(None)
        if len(calls) == 4:
            raise ArithmeticError("enough")

    network = Network(LAYERS, Told(fail_in_the_fourth), seed=1, backend=engine)
    with pytest.raises(ArithmeticError, match="enough"):
        fit(network, data)
    assert network.optimizer_state["step"] == 3
    for array, expected in zip(learned(network), after_each_step(data, engine)[3], strict=True):
        assert_same_bits(array, expected)


def test_denormal_numbers_are_kept_where_the_loss_runs(data):
    products = []
    tiny = np.full(4, 1e-40, np.float32)
    fit(Network(LAYERS, Told(lambda: products.append(tiny * np.float32(0.5))), seed=1), data)
    assert len(products) == 5
    assert all((product > 0).all() for product in products)


def test_an_epoch_is_one_call_with_one_pass_for_each_step(data, monkeypatch):
    calls = []
    train = CompiledEngine.train

    def counted(self, *given):
        calls.append(given)
        return train(self, *given)

    def refused(self, *given):
        raise AssertionError("a pass by itself")

    monkeypatch.setattr(CompiledEngine, "train", counted)
    monkeypatch.setattr(CompiledEngine, "forward", refused)
    monkeypatch.setattr(CompiledEngine, "backward", refused)
    fit(Network(LAYERS, SquaresOfClasses(), seed=1), data)
    assert len(calls) == 1
