"""An estimator's epoch is one compiled call, and its steps are scikit-learn's to ten digits."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from densenet import Callback
from densenet._engine.compiled import CompiledEngine
from densenet.estimators import DenseClassifier, DenseRegressor

X, Y = load_digits(return_X_y=True)
X, Y = X[:330] / 16, Y[:330]


def fit(kind, x, y, weight=None, **settings):
    settings = {"hidden_layer_sizes": 20, "batch_size": 30, "random_state": 0} | settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return kind(**settings).fit(x, y, weight)


@pytest.fixture
def calls(monkeypatch):
    """The steps of each compiled call that trains."""
    counts, train = [], CompiledEngine.train

    def counted(engine, flat, moments, optimizer, examples, steps, *others):
        counts.append(len(steps.lr))
        return train(engine, flat, moments, optimizer, examples, steps, *others)

    monkeypatch.setattr(CompiledEngine, "train", counted)
    return counts


@pytest.mark.parametrize("estimator", [DenseClassifier, DenseRegressor])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, 11),
        ({"alpha": 0.0}, 11),
        ({"batch_size": 31}, 11),
        ({"early_stopping": True}, 10),
        ({"shuffle": False}, 11),
    ],
    ids=repr,
)
def test_an_epoch_is_one_call(estimator, solver, weighted, settings, steps, calls, rng):
    weight = rng.random(len(Y)) if weighted else None
    fit(estimator, X, Y, weight, solver=solver, max_iter=12, **settings)
    assert calls == [steps] * 12


def test_batches_without_weight_are_skipped(calls):
    weight = np.ones(len(Y))
    weight[60:120] = 0
    settings = {"shuffle": False, "max_iter": 3}
    model = fit(DenseClassifier, X, Y, weight, **settings)
    assert calls == [2, 7] * 3
    weighs = weight > 0
    few = fit(DenseClassifier, X[weighs], Y[weighs], **settings)
    np.testing.assert_array_equal(model.network_.flat, few.network_.flat)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_adam_stays_with_scikit_learn_for_hundreds_of_steps(early_stopping):
    """Many inputs of the digits are always 0: their gradients are about ε."""
    settings = {"max_iter": 40, "early_stopping": early_stopping, "alpha": 1e-3, "tol": 0.0}
    for ours, theirs in ((DenseClassifier, MLPClassifier), (DenseRegressor, MLPRegressor)):
        model, expected = (fit(kind, X, Y, **settings) for kind in (ours, theirs))
        assert model.t_ > 300
        for weight, other in zip(model.coefs_, expected.coefs_, strict=True):
            np.testing.assert_allclose(weight, other, rtol=0, atol=1e-10)
        np.testing.assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_watching_steps_changes_no_bit(dtype):
    class Watch(Callback):
        def on_step_end(self, network, step, loss):
            return False

    settings = {"max_iter": 20, "dtype": dtype, "alpha": 1e-2}
    plain = fit(DenseClassifier, X, Y, **settings)
    watched = fit(DenseClassifier, X, Y, callbacks=[Watch()], **settings)
    np.testing.assert_array_equal(watched.network_.flat, plain.network_.flat)
    np.testing.assert_allclose(watched.loss_curve_, plain.loss_curve_, rtol=1e-14)
