"""The learning-rate range test."""

import pickle

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    BatchNorm,
    CosineLR,
    Dropout,
    Linear,
    MeanSquaredError,
    Network,
    RMSprop,
    Sigmoid,
    SoftmaxCrossEntropy,
    lr_range_test,
)
from densenet.datasets import load_digits
from tests.support.assertions import assert_same_bits
from tests.support.examples import separable


def make(engine="compiled", **options):
    layers = [Linear(7, 20), BatchNorm(20), Sigmoid(), Dropout(0.1), Linear(20, 3)]
    return Network(layers, SoftmaxCrossEntropy(), seed=5, backend=engine, **options)


@pytest.fixture
def data(rng):
    return separable(rng, 203, 7)


def test_the_network_is_untouched(engine, data):
    network = make(engine)
    network.fit(*data, epochs=1, optimizer=Adam())
    before = pickle.dumps(network)
    result = lr_range_test(network, *data, SGD(momentum=0.9), steps=30)
    assert pickle.dumps(network) == before
    assert network.optimizer_state["step"] == 2
    assert np.ptp(result.losses) > 0


def test_it_is_a_training_whose_rate_grows(engine, data):
    """The same losses as taking the steps one by one."""
    network = make(engine, dtype="float64")
    batches = []

    result = lr_range_test(
        network,
        *data,
        RMSprop(lr=CosineLR(0.1, 9)),
        lowest=1e-4,
        highest=1e-1,
        steps=6,
        batch_size=64,
        seed=11,
    )
    np.testing.assert_allclose(result.lrs, np.geomspace(1e-4, 1e-1, 6), rtol=1e-12)
    assert result.lrs.dtype == result.losses.dtype == np.float64
    rng = np.random.default_rng(11)
    network._learner.draws = int(rng.integers(2**63))
    while len(batches) < 6:
        order = rng.permutation(203)
        batches += [order[i : i + 64] for i in (0, 64, 128)]  # the short one is left out
    x, y = data
    losses = [
        network.train_step(x[rows], y[rows], RMSprop(lr=float(lr)))
        for rows, lr in zip(batches, result.lrs, strict=True)
    ]
    np.testing.assert_allclose(result.losses, losses, rtol=1e-10)


def test_both_backends_measure_the_same(data):
    one, other = (lr_range_test(make(e), *data, seed=3) for e in ("compiled", "reference"))
    np.testing.assert_allclose(one.losses[:60], other.losses[:60], rtol=1e-4)
    assert one.suggestion == pytest.approx(other.suggestion, rel=0.5)


def test_a_seed_fixes_the_result(data):
    one, same, other = (lr_range_test(make(), *data, seed=seed, steps=30) for seed in (1, 1, 2))
    assert_same_bits(one.losses, same.losses)
    assert one.suggestion == same.suggestion
    assert not np.array_equal(one.losses, other.losses)


def test_the_smoothed_loss_is_the_mean_of_the_neighbours(data):
    result = lr_range_test(make(), *data, steps=60)
    reach = 3
    assert result.smoothed[0] == pytest.approx(result.losses[: reach + 1].mean())
    assert result.smoothed[10] == pytest.approx(result.losses[7:14].mean())
    assert result.smoothed[-1] == pytest.approx(result.losses[-reach - 1 :].mean())
    assert result.smoothed.shape == result.losses.shape == result.lrs.shape


@pytest.mark.parametrize("optimizer", [None, SGD(momentum=0.9), RMSprop()])
def test_the_suggested_rate_learns_better_than_ones_far_from_it(optimizer):
    x, y, x_test, y_test = load_digits()
    layers, rule = [Linear(64, 32), Sigmoid(), Linear(32, 10)], optimizer or Adam()

    def fresh():
        return Network(layers, SoftmaxCrossEntropy(), seed=2)

    lr = lr_range_test(fresh(), x / 16, y, optimizer, highest=10, seed=0).suggestion
    losses = []
    for rate in (lr, lr / 30, lr * 30):
        network = fresh()
        settings = {name: v for name, v in rule.settings().items() if name != "lr"}
        network.fit(x / 16, y, epochs=3, optimizer=type(rule)(lr=rate, **settings), seed=0)
        losses.append(network.loss(x_test / 16, y_test))
    assert losses[0] < min(losses[1:])


@pytest.mark.filterwarnings("error")
def test_it_stops_where_the_loss_diverges(engine, rng):
    x = rng.normal(size=(64, 5))
    network = Network([Linear(5, 1)], MeanSquaredError(), seed=0, backend=engine)
    result = lr_range_test(network, x, x @ np.arange(5.0), SGD(), highest=1e30)
    assert 15 < len(result.losses) < 60
    assert np.isfinite(result.losses).all()
    assert np.isfinite(result.smoothed).all()
    assert result.lrs[-1] < 1e12
    best = result.lrs[result.smoothed.argmin()]
    assert 1e-6 < result.suggestion < best < 1


def test_there_is_no_suggestion_where_the_loss_only_grows(rng):
    x = rng.normal(size=(64, 5))
    y = x @ np.arange(5.0) + rng.normal(size=64)
    network = Network([Linear(5, 1)], MeanSquaredError(), dtype="float64", seed=0)
    network.fit(x, y, epochs=500, batch_size=64, optimizer=SGD(lr=0.1))
    result = lr_range_test(network, x, y, SGD(), lowest=5.0, highest=50.0, batch_size=64)
    assert result.suggestion is None


class Negative:
    """A loss of the user's own, below 0."""

    def forward(self, outputs, targets):
        return float(np.mean((outputs[:, 0] - targets) ** 2)) - 100

    def backward(self, outputs, targets):
        return 2 * (outputs - targets[:, None]) / len(outputs)


def test_a_loss_may_be_negative(rng):
    x = rng.normal(size=(64, 5))
    network = Network([Linear(5, 1)], Negative(), seed=0)
    result = lr_range_test(network, x, x @ np.arange(5.0), SGD(), highest=0.1)
    assert len(result.losses) == 100
    assert 1e-4 < result.suggestion <= 0.1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"lowest": 0.0}, ValueError, r"lowest must be in \(0, inf\), got 0.0"),
        ({"highest": 1e-6}, ValueError, "lowest: expected less than highest, 1e-06, got 1e-06"),
        ({"highest": np.inf}, ValueError, r"highest must be in \(0, inf\), got inf"),
        ({"highest": "1"}, TypeError, r"highest must be a number in \(0, inf\), got str"),
        ({"steps": 1}, ValueError, r"steps must be an integer in \[2, 2147483647\], got 1"),
        ({"steps": 2.5}, TypeError, r"steps must be an integer in \[2, 2147483647\], got float"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer >= 1, got 0"),
        ({"optimizer": "adam"}, TypeError, "optimizer: expected an optimizer, got str"),
        ({"x": np.ones((203, 6))}, ValueError, r"x: expected shape \(batch, 7\), got \(203, 6\)"),
        ({"x": np.full((203, 7), np.nan)}, ValueError, "x: expected a finite loss to begin with"),
    ],
)
def test_what_is_refused(data, change, error, words):
    x, y = data
    with pytest.raises(error, match=words):
        lr_range_test(**{"network": make(), "x": x, "y": y, "steps": 3} | change)


@pytest.mark.parametrize("steps", [2, 3, 19])
def test_few_steps_are_all_taken(data, steps):
    result = lr_range_test(make(), *data, steps=steps, highest=1e-3, batch_size=20)
    assert len(result.lrs) == steps
    assert result.lrs[-1] == pytest.approx(1e-3)


def test_a_network_with_a_fit_of_its_own_is_tested(rng):
    class Quiet(Network):
        def fit(self, x, y):
            raise AssertionError

    x = rng.normal(size=(40, 3))
    network = Quiet([Linear(3, 1)], MeanSquaredError(), seed=1)
    plain = Network([Linear(3, 1)], MeanSquaredError(), seed=1)
    results = [lr_range_test(each, x, x[:, 0], steps=5, seed=2) for each in (network, plain)]
    assert_same_bits(results[0].losses, results[1].losses)
