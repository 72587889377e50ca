"""Each parameter and fitted attribute of scikit-learn's perceptrons is in the table and holds."""

import inspect
import re
import warnings

import numpy as np
import pytest

from tests.support.paths import ROOT

pytest.importorskip("sklearn")

from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier, MLPRegressor

from densenet.estimators import DenseClassifier, DenseRegressor

PAIRS = [(MLPClassifier, DenseClassifier), (MLPRegressor, DenseRegressor)]
DOCUMENT = ROOT / "docs" / "scikit-learn.md"

CASES = {
    "loss": [{"loss": "poisson"}, {"loss": "poisson", "solver": "lbfgs"}],
    "hidden_layer_sizes": [{"hidden_layer_sizes": (7, 5)}, {"hidden_layer_sizes": 3}],
    "activation": [{"activation": name} for name in ("identity", "logistic", "tanh", "relu")],
    "solver": [{"solver": "lbfgs"}, {"solver": "sgd"}, {"solver": "adam", "max_iter": 60}],
    "alpha": [
        {"alpha": 3.0},
        {"alpha": 3.0, "batch_size": 32},
        {"alpha": 3.0, "batch_size": 32, "solver": "sgd"},
        {"alpha": 3.0, "solver": "lbfgs"},
    ],
    "batch_size": [{"batch_size": 32}, {"batch_size": 1, "max_iter": 2}],
    "learning_rate": [
        {"solver": "sgd", "learning_rate": "invscaling", "batch_size": 32},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 2},
    ],
    "learning_rate_init": [
        {"learning_rate_init": 0.03},
        {"learning_rate_init": 0.03, "alpha": 9.0},
    ],
    "power_t": [{"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2}],
    "max_iter": [{"max_iter": 3}],
    "shuffle": [{"shuffle": False, "batch_size": 32}],
    "random_state": [{"random_state": 5, "batch_size": 32}],
    "tol": [{"tol": 0.2, "n_iter_no_change": 2}, {"tol": 0.05, "solver": "lbfgs"}],
    "verbose": [{"verbose": True}, {"verbose": 1, "early_stopping": True, "tol": 9.0}],
    "warm_start": [{"warm_start": True}, {"warm_start": True, "solver": "lbfgs", "max_iter": 3}],
    "momentum": [{"solver": "sgd", "momentum": 0.5}, {"solver": "sgd", "momentum": 0}],
    "nesterovs_momentum": [{"solver": "sgd", "nesterovs_momentum": False}],
    "early_stopping": [{"early_stopping": True, "max_iter": 40, "learning_rate_init": 0.02}],
    "validation_fraction": [{"early_stopping": True, "validation_fraction": 0.3}],
    "beta_1": [{"beta_1": 0.5}],
    "beta_2": [{"beta_2": 0.9}],
    "epsilon": [{"epsilon": 0.01}],
    "n_iter_no_change": [{"n_iter_no_change": 1, "tol": 9.0}, {"n_iter_no_change": np.inf}],
    "max_fun": [{"solver": "lbfgs", "max_fun": 4}],
}


def fitted_attributes(estimator):
    names = [name for name in dir(estimator) if re.fullmatch(r"[a-z]\w*_", name)]
    return {name: getattr(estimator, name) for name in names}


def data(estimator, classes):
    """90 rows of digits, some of whose columns are always 0; for a regressor, tenths of them."""
    x, y = load_digits(n_class=classes, return_X_y=True)
    return x[:90] / 16, y[:90] if "Classifier" in estimator.__name__ else y[:90] / 10


def train(estimator, settings, classes):
    settings = {"max_iter": 12, "hidden_layer_sizes": 10, "random_state": 1} | settings
    model = estimator(**settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(1 + model.warm_start):
            model.fit(*data(estimator, classes))
    return model


def assert_same(name, ours, theirs, rtol):
    if isinstance(theirs, str) or theirs is None:
        assert ours == theirs, name
    elif isinstance(theirs, list):
        assert isinstance(ours, list), name
        assert len(ours) == len(theirs), name
        for mine, its in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, its, rtol=rtol, atol=1e-7, err_msg=name)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-7, err_msg=name)


@pytest.mark.parametrize(
    ("parameter", "settings"),
    [(name, settings) for name, several in CASES.items() for settings in several],
    ids=str,
)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("pair", PAIRS, ids=["classifier", "regressor"])
def test_a_parameter_means_the_same(pair, classes, parameter, settings, capsys):
    theirs, ours = pair
    if parameter == "loss" and theirs is MLPClassifier:
        settings = {}  # it has none
    expected = train(theirs, settings, classes)
    printed = capsys.readouterr().out
    model = train(ours, settings, classes)
    if "lbfgs" not in settings.values():
        assert capsys.readouterr().out == printed
    for name, value in fitted_attributes(expected).items():
        # Where a call takes several batches, the penalty in its loss is known before and after.
        between = "loss" in name and "batch_size" in settings
        assert_same(name, getattr(model, name), value, 2e-4 if between else 1e-6)
    x, _ = data(ours, classes)
    np.testing.assert_allclose(model.predict(x), expected.predict(x), rtol=1e-6, atol=1e-9)


# ---- the document ------------------------------------------------------------------------------


def table(title):
    """Give the verdicts of a table by name."""
    section = DOCUMENT.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", section, flags=re.MULTILINE))


@pytest.mark.parametrize("pair", PAIRS, ids=["classifier", "regressor"])
def test_every_parameter_is_in_the_table_and_tested(pair):
    theirs, ours = (inspect.signature(estimator).parameters for estimator in pair)
    verdicts = table("Parameters of scikit-learn")
    for name, parameter in theirs.items():
        assert verdicts[name] in ("taken", "mapped", "refused"), name
        assert name in CASES
        assert (ours[name].default, ours[name].kind) == (parameter.default, parameter.kind)
    assert list(theirs)[:3] == list(ours)[:3]
    added = set(ours) - set(theirs)
    assert added <= set(table("Parameters that scikit-learn has not"))


@pytest.mark.parametrize("pair", PAIRS, ids=["classifier", "regressor"])
def test_every_fitted_attribute_is_in_the_table(pair):
    verdicts = table("Fitted attributes")
    documented = re.findall(r"^(\w+_) :", inspect.getdoc(pair[0]), flags=re.MULTILINE)
    found = fitted_attributes(train(pair[0], {"early_stopping": True}, 2))
    assert len(documented) > 10
    for name in {*documented, *found}:
        assert verdicts[name] in ("taken", "mapped", "refused"), name
    mine = fitted_attributes(train(pair[1], {}, 2))
    assert set(mine) <= set(verdicts)


def test_no_name_in_the_tables_is_made_up():
    parameters = {name for pair in PAIRS for name in inspect.signature(pair[1]).parameters}
    listed = {
        **table("Parameters of scikit-learn"),
        **table("Parameters that scikit-learn has not"),
    }
    assert set(listed) == parameters


def test_momentum_1_is_refused():
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1"):
        train(DenseClassifier, {"momentum": 1}, 2)


def test_several_outputs_of_a_regression_are_summed_in_the_loss(rng):
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 3))
    settings = {"max_iter": 5, "tol": 0, "alpha": 0, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = (pair.fit(x, y) for pair in (e(**settings) for e in reversed(PAIRS[1])))
    np.testing.assert_allclose(ours.loss_curve_, 3 * np.array(theirs.loss_curve_))
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x))
