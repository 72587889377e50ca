"""What the dense estimators add to scikit-learn's: layers, losses, penalties, types."""

import re
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy.special import softmax
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning

import densenet as dn
from densenet.estimators import DenseClassifier, DenseRegressor, DenseTableClassifier


@pytest.fixture
def iris():
    x, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order], y[order]


def fit(estimator, x, y, *args, weights=None, **settings):
    """Train for a few epochs that need not converge."""
    settings = {"random_state": 0, "hidden_layer_sizes": 8, "max_iter": 10, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator(**settings).fit(x, y, sample_weight=weights)


def kinds(model):
    return [type(layer).__name__ for layer in model.network_.layers]


# ---- layers ------------------------------------------------------------------------------------


def test_each_hidden_layer_may_have_its_own_activation_dropout_and_normalisation(iris):
    model = fit(
        DenseClassifier,
        *iris,
        hidden_layer_sizes=(8, 6),
        activation=["tanh", dn.LeakyReLU(0.2)],
        dropout=[0.1, 0],
        normalization="layer",
    )
    assert list(model.network_.layers[1:4]) == [dn.LayerNorm(8), dn.Tanh(), dn.Dropout(0.1)]
    assert list(model.network_.layers[5:7]) == [dn.LayerNorm(6), dn.LeakyReLU(0.2)]
    assert [w.shape for w in model.coefs_] == [(4, 8), (8, 6), (6, 3)]
    assert model.n_layers_ == 4


def test_a_lower_precision_makes_the_network_float32(iris):
    x, y = iris
    model = fit(DenseClassifier, x, y, precision="medium")
    assert (model.network_.precision, model.network_.dtype) == ("medium", np.float32)
    assert fit(DenseClassifier, x, y).network_.dtype == np.float64
    with pytest.raises(
        ValueError, match=r"^precision: expected 'highest' with float64, got 'high'$"
    ):
        fit(DenseClassifier, x, y, precision="high", dtype="float64")
    with pytest.raises(
        ValueError, match=r"^precision: expected one of 'highest', 'high', 'medium'"
    ):
        fit(DenseRegressor, x, y, precision=3)


def test_layers_as_wide_as_their_input_are_residual(iris):
    model = fit(DenseClassifier, *iris, hidden_layer_sizes=(8, 8, 5), residual=True, dropout=0.1)
    hidden = ["Linear", "ReLU", "Dropout"]
    assert kinds(model) == [*hidden, "Residual", *hidden, "Linear"]
    assert [w.shape for w in model.coefs_] == [(4, 8), (8, 8), (8, 5), (5, 3)]


def test_layers_of_ones_own(iris):
    def layers(inputs, outputs):
        return [dn.Linear(inputs, 7, bias=False), dn.SiLU(), dn.Linear(7, outputs, init="zeros")]

    model = fit(DenseClassifier, *iris, layers=layers, max_iter=1, learning_rate_init=1e-9)
    assert np.abs(model.coefs_[1]).max() < 1e-6
    assert [b.shape for b in model.intercepts_] == [(7,), (3,)]
    with pytest.raises(ValueError, match="layers: expected 3 outputs, got 2"):
        fit(DenseClassifier, *iris, layers=lambda inputs, outputs: [dn.Linear(inputs, 2)])


# ---- losses and targets ------------------------------------------------------------------------


class Brier:
    """Squared distance of the softmax from the target, with its gradient."""

    def forward(self, outputs, targets):
        p = softmax(outputs, axis=1)
        return ((p - targets) ** 2).sum(axis=1).mean()

    def backward(self, outputs, targets):
        p = softmax(outputs, axis=1)
        d = 2 * (p - targets)
        return p * (d - (d * p).sum(axis=1, keepdims=True)) / len(p)


@pytest.mark.parametrize(
    ("loss", "classes"),
    [
        (dn.SoftmaxCrossEntropy(label_smoothing=0.1), 3),
        (dn.SoftmaxCrossEntropy(), 2),
        (dn.CrossEntropy(), 3),
        (dn.CrossEntropy(), 2),
        (dn.BinaryCrossEntropy(), 2),
        (dn.LogisticLoss(), 2),
        (Brier(), 3),
    ],
    ids=str,
)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_classifier_takes_any_loss_on_classes(loss, classes, solver, iris):
    x, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])
    keep = y < classes
    x, y = x[keep], names[y[keep]]
    model = fit(
        DenseClassifier, x, y, loss=loss, solver=solver, max_iter=60, learning_rate_init=0.1
    )
    assert model.score(x, y) > 0.9
    probabilities = model.predict_proba(x)
    assert probabilities.shape == (len(x), classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(x))


@pytest.mark.parametrize("loss", [dn.MeanAbsoluteError(), dn.Huber(0.5), dn.MeanSquaredError()])
def test_a_regressor_takes_any_loss_on_values(loss, rng):
    x = rng.normal(size=(60, 3))
    y = x @ rng.normal(size=(3, 2))
    model = fit(DenseRegressor, x, y, loss=loss, solver="lbfgs", max_iter=200)
    assert model.network_.loss_function == loss
    assert model.score(x, y) > 0.9


@pytest.mark.parametrize(
    ("estimator", "loss", "message"),
    [
        (DenseClassifier, "hinge", "loss: expected 'log_loss' or a loss, got 'hinge'"),
        (DenseClassifier, dn.Huber(), "loss: expected a loss on 3 classes, got Huber"),
        (
            DenseClassifier,
            dn.LogisticLoss(),
            "loss: expected a loss on 3 classes, got LogisticLoss",
        ),
        (DenseRegressor, dn.LogisticLoss(), "loss: expected a loss on values, got LogisticLoss"),
        (DenseRegressor, 3, "loss: expected 'squared_error', 'poisson' or a loss, got int"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(estimator, loss, message, iris):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fit(estimator, *iris, loss=loss)


def test_poisson_refuses_negative_values_and_weighs_rows(iris):
    x, y = iris
    with pytest.raises(ValueError, match="y: expected values >= 0 with loss='poisson', got -1"):
        fit(DenseRegressor, x, y - 1, loss="poisson")
    weight = np.repeat([1.0, 2.0], 75)
    settings = {"loss": "poisson", "solver": "lbfgs", "max_iter": 30}
    weighed = fit(DenseRegressor, x, y, weights=weight, **settings)
    twice = fit(DenseRegressor, np.vstack([x, x[75:]]), np.hstack([y, y[75:]]), **settings)
    np.testing.assert_allclose(weighed.predict(x), twice.predict(x), rtol=1e-6)


def test_multilabel_predictions_have_the_form_of_their_targets():
    x, y = make_multilabel_classification(80, n_classes=4, random_state=0)
    model = fit(DenseClassifier, x, y, solver="lbfgs", hidden_layer_sizes=30, max_iter=100)
    assert model.predict(x).shape == y.shape
    assert model.score(x, y) > 0.9
    with pytest.raises(
        ValueError, match=re.escape("y: expected labels as before, got shape (80,)")
    ):
        model.set_params(solver="adam").partial_fit(x, y[:, 0])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weights_multiply_sample_weights(solver, iris):
    x, y = iris
    names = np.array(["a", "b", "c"])[y]
    weight = np.random.default_rng(1).random(len(y))
    settings = {"solver": solver, "batch_size": 32} if solver == "adam" else {"solver": solver}
    by_class = {"a": 1.0, "b": 0.5, "c": 3.0}
    model = fit(DenseClassifier, x, names, weights=weight, class_weight=by_class, **settings)
    factors = np.array([1.0, 0.5, 3.0])[y]
    other = fit(DenseClassifier, x, names, weights=weight * factors, **settings)
    np.testing.assert_allclose(model.predict_proba(x), other.predict_proba(x), rtol=1e-9)
    balanced = fit(DenseClassifier, x[:90], names[:90], class_weight="balanced", **settings)
    plain = fit(DenseClassifier, x[:90], names[:90], **settings)
    assert not np.allclose(balanced.predict_proba(x), plain.predict_proba(x))
    with pytest.raises(ValueError, match="class_weight: expected a dict or None in partial_fit"):
        DenseClassifier(class_weight="balanced").partial_fit(x, names, classes=["a", "b", "c"])


# ---- penalties and optimizers ------------------------------------------------------------------


def test_l1_gives_exact_zeros_and_l2_is_not_divided(iris):
    sparse = fit(DenseClassifier, *iris, l1=0.05, max_iter=60, learning_rate_init=0.03)
    assert np.mean(sparse.coefs_[0] == 0) > 0.1
    # alpha is divided by the rows of the batch, of which there is one size here.
    settings = {"batch_size": 50, "max_iter": 5}
    by_alpha = fit(DenseClassifier, *iris, alpha=5.0, **settings)
    by_l2 = fit(DenseClassifier, *iris, alpha=0.0, l2=0.1, **settings)
    np.testing.assert_allclose(by_alpha.loss_curve_, by_l2.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(by_alpha.coefs_[0], by_l2.coefs_[0], rtol=1e-12)


@pytest.mark.parametrize("estimator", [DenseClassifier, DenseRegressor])
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("sgd", dn.SGD(1e-3, 0.9, nesterov=True)),
        ("rmsprop", dn.RMSprop(1e-3)),
        ("adamw", dn.AdamW(1e-3)),
    ],
)
def test_an_optimizer_is_what_its_name_stands_for(estimator, name, rule, iris):
    by_name = fit(estimator, *iris, solver=name)
    by_rule = fit(estimator, *iris, solver=rule)
    np.testing.assert_allclose(by_name.coefs_[0], by_rule.coefs_[0], rtol=1e-12)


@pytest.mark.parametrize(
    "rule",
    [
        dn.SGD(0.1),
        dn.SGD(dn.ExponentialLR(0.1, 0.9), 0.9, clip_norm=0.3),
        dn.Adam(0.1, eps=0.1, clip_value=0.01, l1=1e-3, l2=1e-2),
        dn.AdamW(0.1, eps=0.1),
        dn.RMSprop(0.1, eps=0.1),
    ],
)
def test_half_a_loss_is_stepped_down_as_if_it_were_one(rule, rng):
    """The squared error by name is half of MeanSquaredError: a custom loss of that size agrees."""

    class Half:
        def forward(self, outputs, targets):
            return ((outputs - targets) ** 2).mean() / 2

        def backward(self, outputs, targets):
            return (outputs - targets) / targets.size

    x, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    settings = {"solver": rule, "l1": 1e-3, "l2": 1e-2, "batch_size": 16}
    named, custom = (
        fit(DenseRegressor, x, y, loss=i, **settings) for i in ("squared_error", Half())
    )
    np.testing.assert_allclose(named.loss_curve_, custom.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(named.coefs_[0], custom.coefs_[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"l1": 0.1}, "l1: expected 0 with solver='lbfgs', got 0.1"),
        ({"dropout": 0.1}, "solver: expected a stochastic one with Dropout, got 'lbfgs'"),
        ({"normalization": "batch"}, "solver: expected a stochastic one with BatchNorm"),
    ],
)
def test_lbfgs_refuses_what_it_cannot_minimise(settings, message, iris):
    with pytest.raises(ValueError, match=re.escape(message)):
        fit(DenseClassifier, *iris, solver="lbfgs", **settings)


# ---- weights -----------------------------------------------------------------------------------


def test_weights_are_live_and_may_be_assigned():
    """The worked example of scikit-learn's test_fit."""
    x, y = np.array([[0.6, 0.8, 0.7]]), np.array([0])
    model = DenseClassifier(
        2, "logistic", solver="sgd", learning_rate_init=0.1, alpha=0.1, momentum=0
    )
    model.partial_fit(x, y, classes=[0, 1])
    model.coefs_ = [[[0.1, 0.2], [0.3, 0.1], [0.5, 0]], [[0.1], [0.2]]]
    model.intercepts_ = [[0.1, 0.1], [1.0]]
    with pytest.raises(
        ValueError, match=re.escape("coefs_: expected arrays of the shapes [(3, 2)")
    ):
        model.coefs_ = [np.ones((2, 3)), np.ones((2, 1))]
    model.partial_fit(x, y)
    first = [[0.098, 0.195756], [0.2956664, 0.096008], [0.4939998, -0.002244]]
    np.testing.assert_allclose(model.coefs_[0], first, atol=5e-4)
    np.testing.assert_allclose(model.coefs_[1], [[0.04706], [0.154089]], atol=5e-4)
    np.testing.assert_allclose(model.intercepts_[0], [0.098333, 0.09626], atol=5e-4)
    assert model.predict_proba(x)[0, 1] == pytest.approx(0.739, abs=5e-4)
    model.coefs_[1][...] = 0
    model.intercepts_[1][...] = 0
    assert model.predict_proba(x)[0, 1] == 0.5


class GivesRows(dn.Callback):
    def on_epoch_begin(self, network, epoch):
        return None


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"alpha": -1}, ValueError, "alpha must be in [0, inf), got -1"),
        ({"beta_1": "x"}, TypeError, "beta_1 must be a number in [0, 1), got str"),
        ({"hidden_layer_sizes": (4, 0)}, ValueError, "hidden_layer_sizes must be an integer >= 1"),
        ({"activation": "swish"}, ValueError, "activation: expected one of 'identity', 'logistic'"),
        ({"activation": ["relu"] * 2}, ValueError, "activation: expected one for each of the 1"),
        ({"dropout": 1.0}, ValueError, "dropout must be in [0, 1), got 1.0"),
        (
            {"solver": "newton"},
            ValueError,
            "solver: expected one of 'lbfgs', 'sgd', 'adam', 'adamw'",
        ),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False, got int"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer >= 1, got 0"),
        ({"n_iter_no_change": 2.5}, TypeError, "n_iter_no_change must be an integer >= 1"),
        ({"callbacks": [print]}, TypeError, "callbacks[0]: expected a Callback, got builtin"),
        (
            {"callbacks": [GivesRows()]},
            TypeError,
            "callbacks[0]: expected a Callback that neither gives rows nor averages weights, which "
            "the fit of a Network alone provides for, got GivesRows",
        ),
        (
            {"callbacks": [dn.Callback(), dn.WeightAveraging()]},
            TypeError,
            "callbacks[1]: expected a Callback that neither gives rows nor averages weights",
        ),
        ({"layers": [dn.ReLU()]}, TypeError, "layers: expected a function or None, got list"),
        ({"dtype": "int8"}, ValueError, "dtype: expected one of None, 'float32', 'float64'"),
        ({"n_threads": 0}, ValueError, "n_threads must be an integer in [1, 1024], got 0"),
    ],
    ids=str,
)
def test_a_parameter_that_cannot_be_used_is_named(settings, error, message, iris):
    with pytest.raises(error, match=re.escape(message)):
        fit(DenseClassifier, *iris, **settings)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_type_of_the_network_may_be_chosen(dtype, iris):
    x, y = iris
    for form in (x, x.astype(np.float32), (10 * x).astype(np.uint8)):
        model = fit(DenseRegressor, form, y, dtype=dtype)
        assert {w.dtype for w in model.coefs_} == {np.dtype(dtype)}
        assert model.predict(form).dtype == dtype


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator", [DenseClassifier, DenseTableClassifier])
def test_logarithms_are_those_of_the_probabilities(estimator):
    x, y = load_iris(return_X_y=True)
    model = estimator(max_iter=20, random_state=0).fit(x, y)
    log = model.predict_log_proba(x)
    np.testing.assert_allclose(np.exp(log), model.predict_proba(x), rtol=1e-5)
