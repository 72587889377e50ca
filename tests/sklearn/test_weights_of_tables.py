"""Weights of rows of the estimators of tables, inside scikit-learn's contract."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import pandas as pd
from sklearn import config_context
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import cross_val_score

from densenet.estimators import DenseClassifier, DenseTableClassifier, DenseTableRegressor
from densenet.tables import Settings, Table, fit

BOTH = pytest.mark.parametrize("estimator", [DenseTableClassifier, DenseTableRegressor])


@pytest.fixture
def data(rng):
    """Give a frame, classes, and weights."""
    n = 240
    x = pd.DataFrame({"size": rng.normal(size=n), "color": rng.choice(["red", "blue"], n)})
    y = (x["size"] + (x["color"] == "red") + rng.normal(size=n) > 0.5).astype(int)
    return x, y.rename("y"), rng.integers(0, 4, n).astype(float)


def quick(estimator=DenseTableClassifier, **settings):
    return estimator(8, **{"random_state": 0, "max_iter": 6, **settings})


def predictions(estimator, x):
    return (
        estimator.predict_proba(x)
        if hasattr(estimator, "predict_proba")
        else (estimator.predict(x))
    )


@BOTH
def test_the_network_is_that_of_a_table_with_a_column_of_weights(estimator, data):
    x, y, weight = data
    fitted = quick(estimator).fit(x, y, weight)
    task = "classification" if estimator is DenseTableClassifier else "regression"
    settings = Settings("y", hidden=(8,), epochs=6, weight="w", task=task)
    other = fit(Table.from_columns({**x, "w": weight, "y": y}), settings)
    assert fitted.model_.network.flat.tobytes() == other.model.network.flat.tobytes()
    assert fitted.model_.features.columns == ["size", "color"]
    assert not np.array_equal(predictions(quick(estimator).fit(x, y), x), predictions(fitted, x))


@BOTH
@pytest.mark.parametrize("n_members", [1, 2])
def test_forms_of_weights(estimator, n_members, data):
    x, y, weight = data
    x = x.assign(sample_weight=1.0 * (np.arange(len(x)) % 5))  # a feature of that name
    first, *others = (
        predictions(quick(estimator, n_members=n_members).fit(x, y, sample_weight=given), x)
        for given in (weight, 2 * weight, weight.tolist(), pd.Series(weight), weight.astype(int))
    )
    for other in others:
        assert np.array_equal(first, other)


def test_they_multiply_with_those_of_classes(data):
    x, y, weight = data
    both = quick(class_weight={1: 4}).fit(x, y, weight)
    other = quick().fit(x, y, weight * np.where(y == 1, 4, 1))
    assert np.array_equal(both.predict_proba(x), other.predict_proba(x))


@BOTH
def test_rows_held_out_have_weights_of_their_own(estimator, data):
    x, y, weight = data
    held = {"X_val": x[:60], "y_val": y[:60]}
    ones = np.ones(60)
    losses = {}
    for name, own, of_held in (
        ("none", None, None),
        ("ones", np.ones(180), ones),
        ("val", None, weight[:60]),
        ("train", weight[60:], None),
        ("both", weight[60:], weight[:60]),
    ):
        model = quick(estimator, scoring="loss").fit(
            x[60:], y[60:], own, **held, sample_weight_val=of_held
        )
        [history] = model.histories_
        losses[name] = [
            [record[which] for record in history.epochs] for which in ("loss", "val_loss")
        ]
    np.testing.assert_allclose(losses["ones"], losses["none"], rtol=1e-3)
    np.testing.assert_allclose(losses["val"][0], losses["none"][0], rtol=1e-3)
    np.testing.assert_allclose(losses["both"][0], losses["train"][0], rtol=1e-6)
    assert np.abs(np.subtract(losses["val"], losses["none"])[1]).max() > 1e-3
    assert np.abs(np.subtract(losses["train"], losses["none"])[0]).max() > 1e-3


def test_scikit_learns_tools_hand_them_on(data):
    x, y, weight = data
    expected = cross_val_score(quick(), x, y, cv=2, params={"sample_weight": weight})
    with config_context(enable_metadata_routing=True):
        routed = quick().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        scores = cross_val_score(routed, x, y, cv=2, params={"sample_weight": weight})
        assert scores.tolist() == expected.tolist()
        routed.set_score_request(sample_weight=True)
        weighted = cross_val_score(routed, x, y, cv=2, params={"sample_weight": weight})
        assert weighted.tolist() != scores.tolist()
    bags = BaggingClassifier(quick(), 2, random_state=0).fit(x, y, sample_weight=weight)
    assert bags.score(x, y) > 0.6


def test_a_further_fit_may_have_other_weights_or_none(data):
    x, y, weight = data
    model = quick(warm_start=True).fit(x, y, weight)
    before = model.model_
    model.fit(x, y)
    assert model.model_.features == before.features
    assert model.model_.facts["settings"]["weight"] is None
    model.fit(x, y, weight)
    assert model.model_.facts["settings"]["weight"] == "sample_weight"


@BOTH
@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda w: -w, ValueError, r"Negative values in data passed to `sample_weight`"),
        (lambda w: w[1:], ValueError, r"sample_weight\.shape == \(239,\), expected \(240,\)!"),
        (lambda w: w * np.nan, ValueError, r"sample_weight contains NaN"),
        (lambda w: w[:, None], ValueError, r"Sample weights must be 1D array or scalar"),
        (
            lambda w: 0 * w,
            ValueError,
            r"Sample weights must|sample_weight: expected a positive sum",
        ),
        (lambda w: np.ma.masked_array(w, w > 2), TypeError, r"^sample_weight: .* mask"),
    ],
    ids=["negative", "short", "nan", "column", "zeros", "masked"],
)
def test_what_is_no_weight_is_refused_and_nothing_changes(estimator, spoil, error, message, data):
    x, y, weight = data
    model = quick(estimator)
    with pytest.raises(error, match=message):
        model.fit(x, y, spoil(weight))
    assert not hasattr(model, "model_")
    with pytest.raises(error):
        model.fit(x, y, weight, X_val=x, y_val=y, sample_weight_val=spoil(weight))


def test_zeros_alone_are_refused_of_rows_held_out_in_any_estimator(data):
    x, y, weight = data
    message = r"Sample weights must|sample_weight_val: expected a positive sum, got zeros"
    with pytest.raises(ValueError, match=message):
        DenseClassifier(max_iter=1).fit(
            x[["size"]], y, X_val=x[["size"]], y_val=y, sample_weight_val=0 * weight
        )


@BOTH
def test_weights_of_rows_that_are_not_held_out_are_named(estimator, data):
    x, y, weight = data
    with pytest.raises(ValueError, match=r"^sample_weight_val: expected None without X_val, got w"):
        quick(estimator).fit(x, y, weight, sample_weight_val=weight)
    only = np.zeros(240)
    only[0] = 1
    message = r"^sample_weight: expected a weight above 0 in the \d+ rows to .*, got zeros$"
    with pytest.raises(ValueError, match=message):
        quick(estimator).fit(x, y, only)
