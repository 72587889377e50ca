"""Losses that are not finite: the step is not taken, training ends and says so."""

import copy
import math
import warnings

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    BatchNorm,
    Callback,
    Checkpoint,
    EarlyStopping,
    Linear,
    MeanSquaredError,
    Network,
    RMSprop,
    SoftmaxCrossEntropy,
    Tanh,
    lr_range_test,
)
from tests.support.assertions import assert_same_bits


class Own:
    """A squared error of the user's own."""

    def forward(self, outputs, targets):
        with np.errstate(all="ignore"):
            return float(np.mean((outputs - targets) ** 2))

    def backward(self, outputs, targets):
        with np.errstate(all="ignore"):
            return 2 * (outputs - targets) / outputs.size


def make(engine, loss=None, **options):
    layers = [Linear(3, 8), BatchNorm(8), Tanh(), Linear(8, 1)]
    return Network(layers, loss or MeanSquaredError(), seed=1, backend=engine, **options)


def everything(network):
    """All that a step changes."""
    state = network.optimizer_state
    arrays = [network.flat, *network.running_moments.values()]
    return [each.copy() for each in arrays] + [np.asarray(state[name]).copy() for name in state]


def assert_unchanged(network, before):
    for now, then in zip(everything(network), before, strict=True):
        assert_same_bits(now, then)


@pytest.fixture
def data(rng):
    return rng.normal(size=(480, 3)), rng.normal(size=(480, 1))


LOSSES = {"known": MeanSquaredError(), "own": Own()}
HOLES = {"nan in x": (np.nan, 0), "infinity in x": (np.inf, 0), "nan in y": (np.nan, 1)}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize(("value", "which"), HOLES.values(), ids=HOLES)
def test_one_cell_that_is_no_number_ends_training(engine, data, loss, value, which):
    data[which][301, 0] = value
    network = make(engine, loss)
    options = {"epochs": 50, "batch_size": 32, "shuffle": False, "optimizer": Adam()}
    with pytest.warns(RuntimeWarning) as caught:
        history = network.fit(*data, **options)
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message) == (
        f"training has diverged: the loss of step 10, in epoch 1, is {history.batch_loss[-1]}; "
        "the step was not taken"
    )
    assert history.stopped == "diverged"
    assert [math.isfinite(value) for value in history.batch_loss] == [True] * 9 + [False]
    assert len(history.epochs) == 1
    twin = make(engine, loss)
    twin.fit(data[0][:288], data[1][:288], **options | {"epochs": 1})
    assert_unchanged(network, everything(twin))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize(
    "optimizer", [SGD(1.0), SGD(1.0, momentum=0.9), SGD(1.0, momentum=0.5, nesterov=True)]
)
def test_a_rate_that_is_too_high_ends_training(engine, data, loss, optimizer):
    x, y = data
    network = Network([Linear(3, 1)], loss, seed=1, backend=engine)
    with pytest.warns(RuntimeWarning, match="training has diverged"):
        history = network.fit(x * 100, y, epochs=50, batch_size=48, optimizer=optimizer)
    assert history.stopped == "diverged"
    assert len(history.batch_loss) < 500
    assert np.isfinite(history.batch_loss[:-1]).all()
    assert network.optimizer_state["step"] in (len(history.batch_loss) - 1, len(history.batch_loss))


def test_both_backends_diverge_at_one_step(data):
    x, y = data
    ends = []
    for engine in ("compiled", "reference"):
        network = Network([Linear(3, 1)], MeanSquaredError(), seed=1, backend=engine)
        with pytest.warns(RuntimeWarning):
            history = network.fit(x * 100, y, batch_size=48, optimizer=SGD(1.0), seed=1)
        ends.append((len(history.batch_loss), history.stopped, len(history.epochs)))
    assert ends[0] == ends[1]


def test_parameters_that_the_last_step_ruins_are_told_of(engine):
    network = Network([Linear(1, 1, init="zeros")], MeanSquaredError(), backend=engine)
    with pytest.warns(RuntimeWarning, match="a parameter is not finite after the last step, 1"):
        history = network.fit([[1e30]], [1e30], epochs=1, optimizer=SGD(1e9))
    assert history.stopped == "diverged"


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("optimizer", [Adam(), SGD(0.1), RMSprop(clip_norm=1.0)])
def test_a_step_whose_loss_is_not_finite_is_not_taken(engine, data, loss, optimizer):
    x, y = data
    network = make(engine, loss)
    for _ in range(3):
        network.train_step(x, y, optimizer)
    before = everything(network)
    for value in (np.nan, -np.inf):
        hole = y.copy()
        hole[7] = value
        assert not math.isfinite(network.train_step(x, hole, optimizer))
        assert_unchanged(network, before)
    network.train_step(x, y, optimizer)
    assert network.optimizer_state["step"] == 4


def test_weights_of_zero_hide_no_row_from_others(engine, data):
    """A batch without weight has no loss; its steps are taken as before."""
    x, y = data
    network = make(engine)
    x[:32] = np.nan
    weights = np.ones(len(x))
    weights[:32] = 0
    history = network.fit(
        x, y, epochs=2, batch_size=32, shuffle=False, sample_weight=weights, optimizer=SGD(0.01)
    )
    assert history.stopped == "epochs"
    assert np.isfinite(network.flat).all()


# ---- what is kept --------------------------------------------------------------------------------


def test_a_checkpoint_keeps_the_last_finite_parameters(engine, data, tmp_path):
    class Ruin(Callback):
        def on_epoch_end(self, network, record):
            if record["epoch"] == 3:
                network.flat[5] = np.nan

    x, y = data
    network, path = make(engine), tmp_path / "model"
    with pytest.warns(RuntimeWarning, match="the loss of step 46, in epoch 4"):
        network.fit(x, y, epochs=9, batch_size=32, callbacks=[Ruin(), Checkpoint(path)])
    kept = Network.load(path)
    assert np.isfinite(kept.flat).all()
    assert kept.optimizer_state["step"] == 30


def test_early_stopping_restores_the_best_parameters(engine, data):
    x, y = data
    network, best = make(engine), []

    class Ruin(Callback):
        def on_epoch_end(self, network, record):
            best.append((record["loss"], network.flat.copy()))
            if record["epoch"] == 4:
                network.flat[:] = np.inf

    rule = EarlyStopping("loss", patience=10)
    options = {"epochs": 9, "batch_size": 32, "early_stopping": rule, "optimizer": SGD(0.01)}
    with pytest.warns(RuntimeWarning):
        history = network.fit(x, y, callbacks=[Ruin()], **options)
    assert history.stopped == "diverged"
    finite = [each for each in best if math.isfinite(each[0])]
    assert_same_bits(network.flat, min(finite, key=lambda each: each[0])[1])


def test_a_training_that_diverged_may_be_taken_up(engine, data):
    """It stands where it was: with better data it goes on, to the bit."""
    x, y = data
    bad = y.copy()
    bad[100] = np.nan
    network, whole = make(engine), make(engine)
    options = {"epochs": 3, "batch_size": 32, "shuffle": False}
    with pytest.warns(RuntimeWarning):
        network.fit(x, bad, **options)
    expected = whole.fit(x, y, **options)
    assert network.fit(x, y, resume=True, **options).batch_loss == expected.batch_loss
    assert_same_bits(network.flat, whole.flat)


def test_the_range_test_says_nothing_of_its_own_end(data):
    network = make("compiled")
    before = copy.deepcopy(network)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = lr_range_test(network, data[0], data[1], SGD(), highest=1e30, steps=60)
    assert np.isfinite(result.losses).all()
    assert_same_bits(network.flat, before.flat)


def test_scores_that_are_not_finite_do_not_end_training(engine, data):
    x, y = data
    network = Network([Linear(3, 2)], SoftmaxCrossEntropy(), seed=1, backend=engine)
    labels = (y[:, 0] > 0).astype(int)

    def nothing(actual, predicted):
        return math.nan

    history = network.fit(
        x, labels, epochs=2, validation_data=(x, labels), metrics=[nothing], batch_size=100
    )
    assert history.stopped == "epochs"


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_estimators_raise_the_error_of_scikit_learn(data, solver):
    estimators = pytest.importorskip("densenet.estimators")
    x, y = data
    regressor = estimators.DenseRegressor(
        hidden_layer_sizes=(8,),
        solver=solver,
        learning_rate_init=1e300,
        max_iter=50,
        activation="identity",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            regressor.fit(x * 1e6, y[:, 0] * 1e6)
