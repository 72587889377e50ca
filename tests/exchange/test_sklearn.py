"""Weights to and from scikit-learn's multilayer perceptrons."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

import densenet as dn
from densenet.exchange import from_sklearn, to_sklearn
from tests.support.exchange import close, rows
from tests.support.losses import Squares
from tests.support.networks import make

ACTIVATIONS = {"identity": dn.Identity, "logistic": dn.Sigmoid, "tanh": dn.Tanh, "relu": dn.ReLU}
HIDDEN = [(), (5,), (6, 1, 9)]
INPUTS = 4


def targets(rng, kind, count):
    """Targets of a kind, in which each class occurs."""
    several = np.arange(count)
    return {
        "two classes": lambda: np.array(["no", "yes"])[several % 2],
        "classes": lambda: np.array(["a", "b", "c"])[several % 3],
        "labels": lambda: np.stack([several % 2, several // 2 % 2, several // 4 % 2], 1),
        "value": lambda: rng.normal(size=count),
        "values": lambda: rng.normal(size=(count, 2)),
    }[kind]()


def fitted(x, y, **options):
    kind = MLPRegressor if y.dtype == np.float64 else MLPClassifier
    return kind(max_iter=15, random_state=1, **options).fit(x, y)


KINDS = ["two classes", "classes", "labels", "value", "values"]


@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_weights_come_from_there_and_go_back(kind, activation, hidden, dtype, rng):
    x = rows(rng, dtype, 40, INPUTS)
    mlp = fitted(x, targets(rng, kind, 40), hidden_layer_sizes=hidden, activation=activation)
    network = from_sklearn(mlp)
    assert network.dtype == dtype
    back = to_sklearn(network, mlp.classes_ if "classes" in kind else None)
    assert_same_predictions(network, mlp, x)
    assert_same_predictions(network, back, x)
    for theirs, ours in zip(
        mlp.coefs_ + mlp.intercepts_, back.coefs_ + back.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def assert_same_predictions(network, mlp, x):
    """The same probabilities or values; and classes, by their number or as labels."""
    expected = mlp.predict(x)
    if isinstance(mlp, MLPRegressor):
        close(network.predict(x), expected, network.dtype)
        return
    probabilities = mlp.predict_proba(x)
    ours = network.predict_proba(x)
    close(ours, probabilities[:, -ours.shape[1] :], network.dtype, 20)
    predicted = network.predict(x)
    if expected.ndim == 1 and isinstance(network.loss_function, dn.LogisticLoss):
        predicted = (predicted > 0).astype(int)
    labels = mlp.classes_[predicted] if expected.ndim == 1 else predicted
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
@pytest.mark.parametrize("solver", ["lbfgs", "sgd"])
def test_the_solver_does_not_matter(solver, engine, rng):
    x = rows(rng, "float64", 30, INPUTS)
    mlp = fitted(x, targets(rng, "classes", 30), solver=solver, hidden_layer_sizes=(7,))
    network = from_sklearn(mlp, backend=engine)
    assert network.backend == engine
    assert_same_predictions(network, mlp, x)


def test_the_networks_weights_are_its_own(rng):
    x = rows(rng, "float64", 30, INPUTS)
    mlp = MLPRegressor(hidden_layer_sizes=(3,)).partial_fit(x, x[:, 0])
    network = from_sklearn(mlp)
    before = mlp.predict(x)
    network.flat[...] += 1
    np.testing.assert_array_equal(mlp.predict(x), before)


# ---- what a network may be ---------------------------------------------------------------------


def network_of(loss, outputs, dtype, *last):
    layers = [
        dn.Dropout(0.5),
        dn.Linear(INPUTS, 5, bias=False),
        dn.Dropout(0.2),
        dn.Tanh(),
        dn.Linear(5, 3),
        dn.Tanh(),
        dn.Identity(),
        dn.Linear(3, outputs),
        *last,
    ]
    return make(layers, loss, dtype=dtype, seed=4)


@pytest.mark.parametrize(
    ("loss", "outputs", "last"),
    [
        (dn.SoftmaxCrossEntropy(), 2, []),
        (dn.SoftmaxCrossEntropy(0.1), 5, []),
        (dn.CrossEntropy(), 2, [dn.Softmax()]),
        (dn.CrossEntropy(), 4, [dn.Softmax()]),
        (dn.BinaryCrossEntropy(), 1, []),
        (dn.BinaryCrossEntropy(), 2, []),
        (dn.BinaryCrossEntropy(), 3, []),
        (dn.LogisticLoss(), 1, []),
        (dn.MeanSquaredError(), 1, []),
        (dn.MeanAbsoluteError(), 2, []),
        (dn.Huber(), 3, []),
        (Squares(), 2, []),
    ],
)
def test_weights_go_there(loss, outputs, last, dtype, rng):
    network = network_of(loss, outputs, dtype, *last)
    mlp = to_sklearn(network)
    assert mlp.hidden_layer_sizes == [5, 3]
    assert {weight.dtype for weight in mlp.coefs_ + mlp.intercepts_} == {dtype}
    assert_same_predictions(network, mlp, rows(rng, dtype, 50, INPUTS))


def test_training_goes_on_there(rng):
    network = network_of(dn.SoftmaxCrossEntropy(), 3, "float64")
    mlp = to_sklearn(network, ["a", "b", "c"])
    before = [weight.copy() for weight in mlp.coefs_]
    x = rows(rng, "float64", 50, INPUTS)
    mlp.partial_fit(x, np.array(["a", "b", "c"])[rng.integers(3, size=50)])
    for weight, old in zip(mlp.coefs_, before, strict=True):
        # Adam's first step is the learning rate, whatever the gradient: its moments were none
        np.testing.assert_allclose(np.abs(weight - old).max(), mlp.learning_rate_init, rtol=1e-3)


def test_random_numbers_of_others_are_left_alone():
    np.random.seed(3)  # noqa: NPY002 - the generator that scikit-learn would take
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    to_sklearn(network_of(dn.Huber(), 1, "float32"))
    assert np.random.random() == expected  # noqa: NPY002


# ---- errors ------------------------------------------------------------------------------------


def stack(*layers, loss=None):
    return dn.Network(layers, loss or dn.MeanSquaredError())


@pytest.mark.parametrize(
    ("network", "classes", "error"),
    [
        (
            lambda: stack(dn.Linear(3, 3), dn.LayerNorm(3), dn.Linear(3, 1)),
            None,
            r"network: expected Linear layers with Identity, Sigmoid, Tanh or ReLU between them, "
            r"got LayerNorm\(width=3, eps=1e-05\) as layer 1",
        ),
        (
            lambda: stack(dn.Linear(3, 3), dn.Tanh(), dn.Tanh(), dn.Linear(3, 1)),
            None,
            r"network: expected .* between them, got Tanh\(\) as layer 2",
        ),
        (
            lambda: stack(dn.ReLU(), dn.Linear(3, 3)),
            None,
            r"network: expected .* between them, got ReLU\(\) as layer 0",
        ),
        (
            lambda: stack(dn.Linear(3, 1), dn.Sigmoid()),
            None,
            r"network: expected Linear last, got Sigmoid\(\)",
        ),
        (
            lambda: stack(dn.Linear(3, 4), loss=dn.CrossEntropy()),
            None,
            r"network: expected Softmax last, got Linear\(3, 4\)",
        ),
        (
            lambda: stack(dn.Linear(3, 2), dn.Tanh(), dn.Linear(2, 2), dn.ReLU(), dn.Linear(2, 1)),
            None,
            "network: expected one activation, got relu, tanh",
        ),
        (
            lambda: stack(dn.Linear(3, 2), loss=dn.LogisticLoss()),
            None,
            "network: expected one output with this loss, got 2",
        ),
        (
            lambda: stack(dn.Linear(3, 1), loss=dn.SoftmaxCrossEntropy()),
            None,
            "network: expected two outputs or more with this loss, got 1",
        ),
        (
            lambda: stack(dn.Linear(3, 3), loss=dn.SoftmaxCrossEntropy()),
            ["b", "a", "c"],
            r"classes: expected 3 names in ascending order, got \['b', 'a', 'c'\]",
        ),
        (
            lambda: stack(dn.Linear(3, 1), loss=dn.BinaryCrossEntropy()),
            ["a"],
            r"classes: expected 2 names in ascending order, got \['a'\]",
        ),
        (
            lambda: stack(dn.Linear(3, 2)),
            [0, 1],
            "classes: expected None for values and several labels, got some",
        ),
    ],
)
def test_what_scikit_learn_does_not_have_is_refused(network, classes, error):
    with pytest.raises(ValueError, match=f"^{error}$"):
        to_sklearn(network(), classes)


def test_what_is_no_fitted_perceptron_is_refused(rng):
    with pytest.raises(TypeError, match=r"^mlp: expected an MLPClassifier or .*, got list$"):
        from_sklearn([1])
    with pytest.raises(ValueError, match=r"^mlp: expected a fitted one, got one without coefs_$"):
        from_sklearn(MLPRegressor())


def test_an_exponential_output_is_refused(rng):
    x = rows(rng, "float64", 10, INPUTS)
    mlp = MLPRegressor(hidden_layer_sizes=(3,)).partial_fit(x, np.exp(x[:, 0]))
    mlp.out_activation_ = "exp"  # as with loss="poisson", which is new in scikit-learn 1.7
    with pytest.raises(ValueError, match=r"^mlp: expected softmax, logistic, identity as .* exp, "):
        from_sklearn(mlp)
