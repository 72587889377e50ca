"""A training step that is settled but for the batch: quick to begin, and no different."""

import copy
import pickle

import numpy as np
import pytest

import densenet
from densenet import (
    SGD,
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    Dropout,
    ExponentialLR,
    Huber,
    Linear,
    MeanSquaredError,
    Network,
    RMSprop,
    Sigmoid,
    SoftmaxCrossEntropy,
)
from densenet._network.learner import Learner
from tests.support.assertions import assert_same_bits

OPTIMIZERS = [
    Adam(),
    RMSprop(l1=1e-3),
    SGD(momentum=0.9),
    Adam(clip_norm=0.1),
    SGD(clip_value=0.01),
]


def make(loss, dtype="float32"):
    layers = [Linear(5, 7), Sigmoid(), Dropout(0.2), BatchNorm(7), Linear(7, 3)]
    return Network(layers, loss, dtype=dtype, seed=4)


def batches(loss, dtype, n=6, rows=9):
    rng = np.random.default_rng(8)
    for _ in range(n):
        x = rng.normal(size=(rows, 5)).astype(dtype)
        classes = isinstance(loss, SoftmaxCrossEntropy)
        yield x, rng.integers(3, size=rows) if classes else rng.random((rows, 3)).astype(dtype)


def step_without_preparation(network, *given):
    network._learner.prepared = None
    return network.train_step(*given)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(0.1), MeanSquaredError(), Huber()], ids=repr)
def test_prepared_steps_are_the_ordinary_ones(loss, dtype, optimizer):
    prepared, ordinary = make(loss, dtype), make(loss, dtype)
    for x, y in batches(loss, dtype):
        ours = prepared.train_step(x, y, optimizer)
        assert ours == step_without_preparation(ordinary, x, y, optimizer)
    assert prepared._learner.prepared is not None
    assert_same_bits(prepared.flat, ordinary.flat)
    assert_same_bits(prepared._learner.running, ordinary._learner.running)
    assert prepared.optimizer_state.keys() == ordinary.optimizer_state.keys()
    for name, moment in prepared.optimizer_state.items():
        assert_same_bits(moment, ordinary.optimizer_state[name])
    assert prepared.optimizer_state["step"] == 6


def refuse(*_, **__):
    raise AssertionError


def test_a_prepared_step_calls_no_check(monkeypatch):
    network, adam = make(SoftmaxCrossEntropy()), Adam()
    (x, y), *_ = batches(network.loss_function, "float32")
    network.train_step(x, y, adam)
    monkeypatch.setattr(Learner, "examples", refuse)
    assert network.train_step(x, y, adam) > 0
    with pytest.raises(AssertionError):
        network.train_step(x, y, Adam())  # another optimizer


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), MeanSquaredError()], ids=repr)
def test_arrays_that_fit_as_they_are_need_no_check(monkeypatch, loss, dtype):
    network = make(loss, dtype)
    (x, y), *_ = batches(loss, dtype)
    monkeypatch.setattr("densenet._checks.inputs", refuse)
    assert network.fit(x, y, epochs=1).batch_loss[0] > 0
    assert network.loss(x, y) > 0
    others = (x.astype(">f4"), y), (x.view(type("Other", (np.ndarray,), {})), y), (x, y.tolist())
    for given in others:
        with pytest.raises(AssertionError):
            network.fit(*given, epochs=1)


def unusable(x, y):
    """Batches that a prepared step must leave to the checks, and what these say of them."""
    wrong = np.where(np.arange(len(y)) == 4, 3, y)
    yield x[0], y, ValueError, "x: expected shape"
    yield x[:, :4], y, ValueError, "x: expected shape"
    yield x[:0], y[:0], ValueError, "x: expected"
    yield x.astype(complex), y, TypeError, "x: expected float32"
    yield x, y[:-1], ValueError, "y: expected shape"
    yield x, wrong, ValueError, "y: expected class indices"
    yield x, -wrong, ValueError, "y: expected class indices"
    yield x, y.astype(float), TypeError, "y: expected integer"
    yield None, y, TypeError, "x: expected"


def test_errors_are_those_of_the_checks_and_change_nothing():
    network, adam = make(SoftmaxCrossEntropy()), Adam()
    (x, y), *_ = batches(network.loss_function, "float32")
    network.train_step(x, y, adam)
    before = pickle.dumps(network)
    for bad_x, bad_y, error, message in unusable(x, y):
        with pytest.raises(error, match=message):
            network.train_step(bad_x, bad_y, adam)
        assert pickle.dumps(network) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda x, y: (x.astype(np.float64), y),
        lambda x, y: (x.astype(">f4"), y),
        lambda x, y: (np.asfortranarray(x), y),
        lambda x, y: (np.repeat(x, 2, axis=1)[:, ::2], y),
        lambda x, y: (x[::-1], y[::-1]),
        lambda x, y: (x, y.astype(np.uint8)),
        lambda x, y: (x, np.eye(3)[y]),
        lambda x, y: (x.tolist(), y),
    ],
)
def test_whatever_the_checks_convert_is_converted(change):
    prepared, ordinary, adam = make(SoftmaxCrossEntropy()), make(SoftmaxCrossEntropy()), Adam()
    for x, y in batches(prepared.loss_function, "float32"):
        given = change(x, y)
        ours = prepared.train_step(*given, adam)
        assert ours == step_without_preparation(ordinary, *given, adam)
    assert_same_bits(prepared.flat, ordinary.flat)


def epoch_of_fit(network, x, y, optimizer):
    network.fit(x, y, epochs=1, batch_size=3, shuffle=False, optimizer=optimizer)


@pytest.mark.parametrize("backend", ["compiled", "reference"])
@pytest.mark.parametrize("step", [Network.train_step, step_without_preparation, epoch_of_fit])
def test_input_that_lies_in_the_parameters_is_copied_first(backend, step):
    ours, twin = (
        Network([Linear(4, 4)], MeanSquaredError(), seed=1, backend=backend) for _ in range(2)
    )
    adam, y = Adam(lr=0.1), np.ones((4, 4), np.float32)
    for network in (ours, twin):
        network.train_step(np.eye(4, dtype=np.float32), y, adam)
    step(ours, ours.flat[:16].reshape(4, 4), y, adam)
    step(twin, twin.flat[:16].reshape(4, 4).copy(), y, adam)
    step(ours, ours.optimizer_state["m"][15::-1].reshape(4, 4), y, adam)
    step(twin, twin.optimizer_state["m"][15::-1].reshape(4, 4).copy(), y, adam)
    assert_same_bits(ours.flat, twin.flat)


def test_a_copy_steps_by_itself():
    network, adam = make(SoftmaxCrossEntropy()), Adam()
    (x, y), *_ = batches(network.loss_function, "float32")
    network.train_step(x, y, adam)
    for twin in (copy.copy(network), copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        before, step = network.flat.copy(), network.optimizer_state["step"]
        twin.train_step(x, y, adam)
        twin.train_step(x, y, adam)
        assert_same_bits(network.flat, before)
        assert network.optimizer_state["step"] == step
        assert twin.optimizer_state["step"] == step + 2


def test_a_reset_or_another_optimizer_ends_what_was_prepared():
    network, adam, rms = make(SoftmaxCrossEntropy()), Adam(), RMSprop()
    (x, y), *_ = batches(network.loss_function, "float32")
    for _ in range(3):
        network.train_step(x, y, adam)
    network.reset_optimizer()
    network.train_step(x, y, adam)
    assert network.optimizer_state["step"] == 1
    with pytest.warns(UserWarning, match="state of Adam is discarded"):
        network.fit(x, y, epochs=2, optimizer=rms)
    with pytest.warns(UserWarning, match="state of RMSprop is discarded"):
        network.train_step(x, y, adam)
    assert network.optimizer_state["step"] == 1


def test_steps_and_epochs_take_turns():
    mixed, steps, adam = make(SoftmaxCrossEntropy()), make(SoftmaxCrossEntropy()), Adam()
    for x, y in batches(mixed.loss_function, "float32"):
        mixed.train_step(x, y, adam)
        mixed.fit(x, y, epochs=1, shuffle=False, optimizer=adam)
        for _ in range(2):
            step_without_preparation(steps, x, y, adam)
    assert_same_bits(mixed.flat, steps.flat)
    assert mixed.optimizer_state["step"] == 12


def test_schedules_and_ranges_of_targets_take_the_ordinary_way():
    scheduled = SGD(lr=ExponentialLR(0.1, 0.5))
    network = Network([Linear(2, 1, init="zeros")], MeanSquaredError())
    x, y = np.ones((1, 2), np.float32), np.ones((1, 1), np.float32)
    steps = []
    for _ in range(3):
        before = network.flat.copy()
        network.train_step(x, 0 * y + 1e6, scheduled)
        steps.append(np.abs(network.flat - before).max() / 1e6)
    assert steps[0] > 1.5 * steps[1] > 2 * steps[2]

    network, adam = Network([Linear(2, 1)], BinaryCrossEntropy()), Adam()
    network.train_step(x, y, adam)
    with pytest.raises(ValueError, match="y: expected"):
        network.train_step(x, 2 * y, adam)


def test_a_prepared_step_heeds_the_number_of_threads(keep_threads):
    layers = [Linear(300, 300), Linear(300, 10)]
    networks = [Network(layers, SoftmaxCrossEntropy(), seed=2) for _ in range(2)]
    rng, adam = np.random.default_rng(0), Adam()
    x, y = rng.normal(size=(64, 300)).astype(np.float32), rng.integers(10, size=64)
    for threads, network in zip((1, 3), networks, strict=True):
        for _ in range(3):
            densenet.set_num_threads(threads)
            network.train_step(x, y, adam)
    assert_same_bits(networks[0].flat, networks[1].flat)
