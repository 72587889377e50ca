"""The loss that decides when to stop is scikit-learn's, which bounds every probability."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_wine
from sklearn.neural_network import MLPClassifier

from densenet import BinaryCrossEntropy, Linear, Network, SoftmaxCrossEntropy
from densenet.estimators import DenseClassifier

X, Y = load_wine(return_X_y=True)


def fitted(kind, y, x=X, weights=None, **settings):
    settings = {"hidden_layer_sizes": (50,), **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**settings).fit(x, y, sample_weight=weights)


def assert_same_curve(y, rtol=1e-6, **settings):
    """Losses of hundreds in single rows, which the bound cuts down to 36."""
    ours, theirs = (fitted(kind, y, **settings) for kind in (DenseClassifier, MLPClassifier))
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=rtol)
    if settings.get("solver") != "lbfgs":
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=rtol)


@pytest.mark.parametrize("seed", range(12))
def test_unscaled_rows_stop_where_scikit_learn_stops(seed):
    assert_same_curve(Y, random_state=seed)


@pytest.mark.parametrize("seed", [0, 3, 4, 6])
def test_so_do_two_classes(seed):
    assert_same_curve((Y > 0).astype(int), random_state=seed)


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_so_do_labels(seed):
    labels = np.stack([Y > 0, Y > 1, X[:, 0] > 13], axis=1).astype(int)
    # scikit-learn subtracts a probability near 1 from 1, where few digits are left of it.
    assert_same_curve(labels, rtol=1e-3, random_state=seed, max_iter=40)


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 32, "max_iter": 10},
        {"solver": "sgd", "learning_rate_init": 1e-4},
        {"solver": "lbfgs", "max_iter": 30},
        {"alpha": 0.0, "tol": 1e-3},
    ],
    ids=str,
)
def test_so_do_other_ways_to_train(settings):
    for seed in (1, 2):
        assert_same_curve(Y, random_state=seed, **settings)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bound_is_the_machine_epsilon_of_the_rows(dtype):
    x = X.astype(dtype) * 100
    ours, theirs = (
        fitted(kind, Y, x, random_state=0, max_iter=1) for kind in (DenseClassifier, MLPClassifier)
    )
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-5)
    assert ours.loss_ < -np.log(np.finfo(dtype).eps)


def test_the_network_itself_reports_what_the_loss_is():
    model = fitted(DenseClassifier, Y, X * 100, random_state=0, max_iter=1)
    exact = model.network_.loss(X, Y)
    assert model.network_.gradients(X, Y)[0] == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), BinaryCrossEntropy()], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_both_backends_bound_the_value_and_not_the_gradient(loss, weighted, dtype, rng):
    x = (rng.normal(size=(40, 3)) * 100).astype(dtype)
    y = rng.integers(3, size=40) if loss.predicts == "classes" else rng.integers(2, size=(40, 3))
    weights = rng.random(40) if weighted else None
    least = float(np.finfo(dtype).eps)
    found = {}
    for backend in ("compiled", "reference"):
        network = Network([Linear(3, 3)], loss, dtype=dtype, seed=0, backend=backend)
        plain, gradient = network.gradients(x, y, weights)
        network._learner.engine.count_probabilities_from(least)
        bounded, same = network.gradients(x, y, weights)
        assert bounded < plain
        assert bounded <= -np.log(least)
        np.testing.assert_array_equal(same["0.weight"], gradient["0.weight"])
        network._learner.engine.count_probabilities_from(0.0)
        assert network.gradients(x, y, weights)[0] == plain
        found[backend] = bounded
    assert found["compiled"] == pytest.approx(found["reference"], rel=1e-5)
