"""Signals while a network trains: every step is taken and counted, or neither, and files fit."""

import copy
import itertools
import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import densenet
from densenet import (
    SGD,
    Adam,
    BatchNorm,
    Callback,
    Dropout,
    EarlyStopping,
    Linear,
    Network,
    RMSprop,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
)
from tests.support.assertions import assert_same_bits
from tests.support.losses import SquaresOfClasses
from tests.support.processes import run_python

if not hasattr(signal, "pthread_kill"):
    pytest.skip("not applicable: no signals between threads here", allow_module_level=True)

PACKAGE = str(Path(densenet.__file__).parent)
LAYERS = [Linear(5, 8), BatchNorm(8), Tanh(), Dropout(0.25), Linear(8, 3)]


class Left(Exception):  # noqa: N818 (no error)
    """Raised by the signal handler."""


class Handler:
    """Calls `then` when the signal comes, and raises; it does so once, and within `catch` alone."""

    def __init__(self, number, then):
        self.number, self.then, self.armed = number, then, False

    def __call__(self, number, frame):
        if self.armed:
            self.armed = False
            self.then()
            raise Left

    def catch(self, call):
        """Run a call; tell whether it was interrupted."""
        before = signal.signal(self.number, self)
        self.armed = True
        try:
            call()
            self.armed = False
        except Left:
            return True
        finally:
            signal.signal(self.number, before)
        return False


def interrupted_at(event, call, number=signal.SIGINT, then=lambda: None):
    """Run a call with a signal at the so-many-th function that densenet enters or has called.

    There, and where a loop begins again, Python runs signal handlers. Gives whether it came to that
    and how many such moments there were.
    """
    left = [event]

    def count(frame, kind, argument):
        if kind in ("call", "c_return") and frame.f_code.co_filename.startswith(PACKAGE):
            left[0] -= 1
            if left[0] == 0:
                sys.setprofile(None)
                signal.raise_signal(number)

    def counted():
        sys.setprofile(count)
        try:
            call()
        finally:
            sys.setprofile(None)

    return Handler(number, then).catch(counted), event - left[0]


def interrupted_after(steps, network, call, number, then):
    """Run a call with a signal from another thread once so many steps have been counted."""
    ended = threading.Event()

    def send():
        while not ended.is_set() and network.optimizer_state.get("step", 0) < steps:
            time.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident, number)

    sender = threading.Thread(target=send)

    def watched():
        try:
            sender.start()
            call()
        finally:
            ended.set()
            sender.join()

    return Handler(number, then).catch(watched)


def make(engine, loss=None, layers=LAYERS):
    return Network(layers, loss or SoftmaxCrossEntropy(), seed=1, backend=engine)


def rows(rng, n):
    x = rng.normal(size=(n, 5)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def assert_same(network, other):
    """Both have learned the same, to the bit."""
    assert_same_bits(network.flat, other.flat)
    for name, value in network.running_moments.items():
        assert_same_bits(value, other.running_moments[name])
    assert network.optimizer_state.keys() == other.optimizer_state.keys()
    for name, value in network.optimizer_state.items():
        assert_same_bits(np.asarray(value), np.asarray(other.optimizer_state[name]))


def resumed(network, data, options):
    """Go on with a training, from its beginning if the signal came before that."""
    begun = network._learner.position is not None
    return network.fit(*data, resume=begun, **options)


OPTIONS = {"batch_size": 8, "optimizer": Adam(lr=0.01)}
NUMBERS = (signal.SIGINT, signal.SIGTERM)
NEVER = 10**9

TRAININGS = {
    "one step an epoch": (8, {}),
    "epochs": (20, {}),
    "early stopping": (20, {"early_stopping": EarlyStopping("loss", patience=1)}),
    "restored": (20, {"early_stopping": EarlyStopping("loss", "max"), "optimizer": SGD(0.1)}),
    "seed": (20, {"seed": 3, "drop_last": True}),
    "tolerance": (20, {"tolerance": 1e-9, "sample_weight": np.linspace(0, 1, 20)}),
}


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), SquaresOfClasses()], ids=["known", "own"])
@pytest.mark.parametrize("kind", TRAININGS)
def test_fit_resumes_from_any_function(engine, rng, tmp_path, kind, loss):
    """In this process, and from the file that the handler has saved."""
    n, others = TRAININGS[kind]
    if isinstance(loss, SquaresOfClasses):
        others = {name: value for name, value in others.items() if name != "sample_weight"}
    data, options = rows(rng, n), OPTIONS | {"epochs": 3} | others
    whole = make(engine, loss)
    expected = whole.fit(*data, **options)
    own = loss if isinstance(loss, SquaresOfClasses) else None
    network = make(engine, loss)
    _, most = interrupted_at(NEVER, lambda: network.fit(*data, **options))
    path, moments = tmp_path / "model", rng.choice(most, 7, replace=False)
    for moment, number in zip(moments, itertools.cycle(NUMBERS)):
        network = make(engine, loss)

        def train(network=network):
            network.fit(*data, **options)

        def save(network=network):
            network.save(path)

        came, _ = interrupted_at(moment + 1, train, number, save)
        assert came
        for each in (network, Network.load(path, backend=engine, loss=own)):
            history = resumed(each, data, options)
            assert_same(each, whole)
            assert history.batch_loss == expected.batch_loss


@pytest.mark.parametrize(("steps", "epochs", "times"), [(1000, 6, 12), (40_000, 2, 2)])
def test_fit_resumes_from_within_a_compiled_call(rng, tmp_path, steps, epochs, times):
    """Whose epochs take some milliseconds, or a second."""
    data, options = rows(rng, 8 * steps), OPTIONS | {"epochs": epochs}
    whole = make("compiled")
    expected = whole.fit(*data, **options)
    path, came = tmp_path / "model", 0
    for after, number in zip(rng.integers(0, steps * epochs // 2, times), itertools.cycle(NUMBERS)):
        network = make("compiled")

        def train(network=network):
            network.fit(*data, **options)

        def save(network=network):
            network.save(path)

        if interrupted_after(after, network, train, number, save):
            came += 1
            for each in (network, Network.load(path)):
                history = resumed(each, data, options)
                assert_same(each, whole)
                assert history.batch_loss == expected.batch_loss
    assert came > 0


@pytest.mark.parametrize("optimizer", [Adam(0.01), SGD(0.1, momentum=0.9), RMSprop(clip_norm=1.0)])
def test_steps_go_on_from_any_function(engine, rng, tmp_path, optimizer):
    """What `optimizer_state` counts is what the parameters have seen."""
    x, y = rows(rng, 80)

    def train(network):
        for step in range(network.optimizer_state.get("step", 0), 10):
            part = slice(8 * step, 8 * step + 8)
            network.train_step(x[part], y[part], optimizer)

    whole = make(engine)
    train(whole)
    network = make(engine)
    _, most = interrupted_at(NEVER, lambda: train(network))
    path, moments = tmp_path / "model", rng.choice(most, 12, replace=False)
    for moment, number in zip(moments, itertools.cycle(NUMBERS)):
        network = make(engine)

        def train_it(network=network):
            train(network)

        def save(network=network):
            network.save(path)

        came, _ = interrupted_at(moment + 1, train_it, number, save)
        assert came
        for each in (network, Network.load(path, backend=engine)):
            train(each)
            assert_same(each, whole)


def test_copies_and_pickles_of_a_handler_resume(engine, rng):
    data, options = rows(rng, 100), OPTIONS | {"epochs": 2}
    whole = make(engine)
    expected = whole.fit(*data, **options)
    network = make(engine)
    _, most = interrupted_at(NEVER, lambda: network.fit(*data, **options))
    network, kept = make(engine), []

    def keep():
        kept.extend((copy.copy(network), copy.deepcopy(network), pickle.dumps(network)))

    def train():
        network.fit(*data, **options)

    came, _ = interrupted_at(most // 2, train, signal.SIGINT, keep)
    assert came
    for each in (*kept[:2], pickle.loads(kept[2])):
        assert resumed(each, data, options).batch_loss == expected.batch_loss
        assert_same(each, whole)


def test_a_handler_sees_whole_steps(rng):
    """Parameters, moments and count belong together while a compiled call runs."""
    x, y = rows(rng, 8 * 8_000)
    network, seen = make("compiled"), []

    class Look(Callback):
        def is_due(self):
            seen.append((network.optimizer_state["step"], network.flat.copy()))
            return False

    network.fit(x, y, epochs=2, batch_size=8, shuffle=False, callbacks=[Look()])
    twin, looks = make("compiled"), dict(seen)
    assert len(looks) > 1
    for step in range(1, max(looks) + 1):
        begin = 8 * (step - 1) % len(x)
        twin.train_step(x[begin : begin + 8], y[begin : begin + 8], Adam())
        if step in looks:
            assert_same_bits(looks.pop(step), twin.flat)
    assert not looks


# ---- the end of the program --------------------------------------------------------------------

DAEMON = """
import threading, time
import numpy as np
from densenet import Adam, Linear, Network, SoftmaxCrossEntropy, kernels

x = np.random.default_rng(0).normal(size=(20_000, 5)).astype(np.float32)
y = x[:, :3].argmax(axis=1)
network = Network([Linear(5, 8), Linear(8, 3)], SoftmaxCrossEntropy(), backend={engine!r})

def fit():
    network.fit(x, y, epochs=10**6, batch_size=8)

def steps():
    while True:
        network.train_step(x[:2000], y[:2000], Adam())

def predictions():
    while True:
        network.predict(x)

def functions():
    while True:
        kernels.tanh_forward(x)

thread = threading.Thread(target={target}, daemon=True)
thread.start()
time.sleep(0.1)
"""


@pytest.mark.parametrize("target", ["fit", "steps", "predictions", "functions"])
def test_a_daemon_thread_at_work_lets_the_program_end(engine, target):
    run_python(DAEMON.format(engine=engine, target=target))


# ---- a fork ------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="not applicable: no fork")
def test_the_child_of_a_fork_may_use_what_another_thread_trained(engine):
    """Whatever that thread was doing when the fork came; a child that hangs, its alarm ends."""
    code = f"""
import os, signal, threading, time, warnings
import numpy as np
from densenet import Adam, Linear, Network, SoftmaxCrossEntropy
warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads

x = np.random.default_rng(0).normal(size=(200_000, 5)).astype(np.float32)
y = x[:, :3].argmax(axis=1)
network = Network([Linear(5, 8), Linear(8, 3)], SoftmaxCrossEntropy(), backend={engine!r})
thread = threading.Thread(target=network.fit, args=(x, y), kwargs=dict(epochs=10**6), daemon=True)
thread.start()
time.sleep(0.1)
for _ in range(60):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        network.predict(x[:5])
        network.train_step(x[:5], y[:5], Adam())
        network.fit(x[:50], y[:50], epochs=2)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status:
        break
print(status)
"""
    assert run_python(code) == "0"


def test_a_network_of_one_layer_says_what_interrupted_it(engine, rng):
    """The exception is the handler's, and the network goes on."""
    x, y = rows(rng, 800)
    network = make(engine, layers=[Linear(5, 3), Sigmoid(), Linear(3, 3)])

    def train():
        network.fit(x, y, epochs=10**6, batch_size=8)

    assert interrupted_after(1, network, train, signal.SIGINT, lambda: None)
    assert network.fit(x, y, epochs=1).stopped == "epochs"
