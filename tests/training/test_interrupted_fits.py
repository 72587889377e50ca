"""Ctrl-C while `fit_many` trains: all networks end between two steps, and can go on."""

import signal
import sys
import threading
import time

import numpy as np
import pytest

from densenet import (
    Adam,
    BatchNorm,
    Dropout,
    EarlyStopping,
    Linear,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    fit_many,
)
from tests.support.losses import SquaresOfClasses
from tests.support.signals import interrupt_when_trained
from tests.support.skips import POSIX_SIGNALS
from tests.support.training import assert_same

pytestmark = POSIX_SIGNALS
LAYERS = [Linear(5, 8), BatchNorm(8), ReLU(), Dropout(0.25), Linear(8, 3)]
LOSSES = {"ours": SoftmaxCrossEntropy(), "own": SquaresOfClasses()}
FOREVER = 10**9


def make(n, engine, loss):
    return [Network(LAYERS, loss, seed=i, backend=engine) for i in range(n)]


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("batch_size", [8, 64], ids=["steps", "one step an epoch"])
def test_networks_are_left_between_two_steps_and_go_on(rng, engine, loss, batch_size):
    x = rng.normal(size=(64, 5)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    rows = [rng.integers(0, 64, 64) for _ in range(4)]
    networks = make(4, engine, loss)
    settings = {"batch_size": batch_size, "optimizer": Adam(lr=0.01)}
    interrupt_when_trained(networks[1])
    with pytest.raises(KeyboardInterrupt):
        fit_many(networks, x, y, epochs=FOREVER, rows=rows, seeds=range(4), n_threads=2, **settings)
    assert networks[2].optimizer_state == networks[3].optimizer_state == {}
    for i, (network, twin) in enumerate(zip(networks[:2], make(2, engine, loss), strict=True)):
        steps = network.optimizer_state["step"]
        settings |= {"epochs": steps // -(-64 // batch_size) + 1, "seed": i}
        own = x[rows[i]], y[rows[i]]
        history = network.fit(*own, resume=True, **settings)
        assert_same(network, history, twin, twin.fit(*own, **settings))


def test_early_stopping_restores_the_best_epoch(rng):
    x = rng.normal(size=(64, 5)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    network = make(1, "compiled", SoftmaxCrossEntropy())[0]
    rule = EarlyStopping("loss", patience=FOREVER)
    interrupt_when_trained(network)
    with pytest.raises(KeyboardInterrupt):
        fit_many([network], x, y, epochs=FOREVER, early_stopping=rule)
    kept = network._learner.position.best.kept
    assert kept is None or np.array_equal(kept.flat, network.flat)


class Stuck(SquaresOfClasses):
    """A loss that does not come back until it is let go."""

    def __init__(self):
        self.let_go, self.begun = threading.Event(), threading.Event()

    def forward(self, outputs, targets):
        self.begun.set()
        assert self.let_go.wait(60)
        return super().forward(outputs, targets)


def test_another_one_does_not_wait_for_a_loss_that_never_returns(rng):
    x, y, loss = rng.normal(size=(8, 5)), np.arange(8) % 3, Stuck()
    [network] = make(1, "compiled", loss)
    main = threading.get_ident()

    def press_twice():
        assert loss.begun.wait(60)
        signal.pthread_kill(main, signal.SIGINT)
        while not waits(main, "join"):
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    presser = threading.Thread(target=press_twice)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        fit_many([network], x, y, epochs=1)
    loss.let_go.set()
    presser.join()


def waits(ident, function):
    """Tell whether a thread is within a function of `threading`."""
    frame = sys._current_frames()[ident]
    while frame is not None:
        if frame.f_code.co_name == function and frame.f_code.co_filename == threading.__file__:
            return True
        frame = frame.f_back
    return False
