"""Classifiers refuse missing labels, in whatever form, and objects that are no labels."""

from decimal import Decimal

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import pandas as pd

from densenet.estimators import (
    DenseClassifier,
    DenseRegressor,
    DenseTableClassifier,
    DenseTableRegressor,
    cross_validate_many,
)

X = np.random.default_rng(0).normal(size=(6, 2))
TEXTS = ["a", None, "b"] * 2
FLAGS = [True, None, False] * 2


def polars_series(values):
    return pytest.importorskip("polars").Series(values)


def arrow_array(values):
    return pytest.importorskip("pyarrow").array(values)


def arrow_column(values):
    return pytest.importorskip("pyarrow").chunked_array([values])


LABELS = {
    "a list": lambda: TEXTS,
    "texts of pandas": lambda: pd.Series(TEXTS),
    "objects of pandas": lambda: pd.Series(TEXTS, dtype=object),
    "nullable texts": lambda: pd.Series(TEXTS, dtype="string"),
    "categories": lambda: pd.Series(TEXTS, dtype="category"),
    "NaN among objects": lambda: np.array(["a", np.nan, "b"] * 2, object),
    "dates": lambda: pd.Series(pd.to_datetime(["2026-01-01", None, "2026-01-02"] * 2)),
    "texts of polars": lambda: polars_series(TEXTS),
    "booleans of polars": lambda: polars_series(FLAGS),
    "texts of Arrow": lambda: arrow_array(TEXTS),
    "booleans of Arrow": lambda: arrow_array(FLAGS),
    "categories of Arrow": lambda: arrow_column(TEXTS).dictionary_encode(),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("estimator", [DenseClassifier, DenseTableClassifier])
def test_missing_labels_are_counted(estimator, kind):
    y = LABELS[kind]()
    text = "expected a label in each row, got 2 of 6 missing: leave those rows out$"
    with pytest.raises(ValueError, match=f"^y: {text}"):
        estimator(max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match=f"^y_val: {text}"):
        estimator(max_iter=1).fit(X, ["a", "b"] * 3, X_val=X, y_val=y)


@pytest.mark.parametrize("estimator", [DenseRegressor, DenseTableRegressor])
def test_gaps_among_categories_are_no_values(estimator):
    y = arrow_column([1.5, None, 2.0] * 2).dictionary_encode()
    with pytest.raises(ValueError, match=r"^Input y contains NaN"):
        estimator(max_iter=1).fit(X, y)
    if estimator is DenseRegressor:
        with pytest.raises(ValueError, match=r"^Input sample_weight contains NaN"):
            estimator(max_iter=1).fit(X, X[:, 0], sample_weight=y)


def test_a_search_counts_them_before_it_draws_folds():
    with pytest.raises(ValueError, match=r"^y: expected a label in each row, got 2 of 6"):
        cross_validate_many(DenseClassifier(max_iter=1), X, TEXTS, {"alpha": [0.1]}, cv=2)


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
@pytest.mark.parametrize("estimator", [DenseClassifier, DenseTableClassifier])
def test_words_that_look_like_it_are_labels(estimator):
    words = ["nan", "None", "<NA>", ""]
    model = estimator(max_iter=1).fit(np.repeat(X[:4], 10, axis=0), np.repeat(words, 10))
    assert set(model.classes_) == set(words)


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (pd.Series(pd.cut([1.0, 9.0] * 3, [0, 5, 10])), "Interval"),
        (pd.Series(pd.PeriodIndex(["2026-01", "2026-02"] * 3, freq="M")), "Period"),
        ([Decimal(1), Decimal(2)] * 3, "Decimal"),
    ],
    ids=["intervals", "periods", "decimals"],
)
@pytest.mark.parametrize("estimator", [DenseClassifier, DenseTableClassifier])
def test_objects_that_are_no_labels_are_named(estimator, y, kind):
    text = rf"^y: expected texts, numbers or booleans as labels, got {kind}: make them texts, by"
    with pytest.raises(ValueError, match=text):
        estimator(max_iter=1).fit(X, y)
