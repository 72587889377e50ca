"""Columns of a table are named by name, position or flag, as categories or as numbers."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import pandas as pd

from densenet.estimators import DenseTableClassifier

RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {"size": RNG.normal(size=240), "code": RNG.integers(0, 3, 240), "old": [0, 1] * 120}
)
Y = np.where(X["size"] > 0, "big", "small")


def fitted(**settings):
    return DenseTableClassifier(max_iter=1, random_state=0, **settings).fit(X, Y)


@pytest.mark.parametrize(
    "given",
    [
        ["code"],
        [np.int64(1)],
        pd.Index(["code"]),
        pd.Series(["code"]),
        np.array([1]),
        [False, True, False],
        np.array([False, True, False]),
        X.columns == "code",
    ],
    ids=repr,
)
def test_one_column_is_named_in_many_ways(given):
    features = fitted(categorical_features=given).model_.features
    assert "code=1" in features.names
    assert not [name for name in features.names if name.startswith(("size=", "old="))]


def test_no_column_has_a_flag():
    assert fitted(categorical_features=[False] * 3).model_.facts["settings"]["text"] == ()


def test_a_vector_names_numbers():
    x = X.assign(key=np.random.default_rng(1).permutation(10**6)[:240])
    model = DenseTableClassifier(max_iter=1, random_state=0, numeric_features=pd.Index(["key"]))
    assert "key" in model.fit(x, Y).model_.features.columns
    assert "key" in model.set_params(numeric_features=()).fit(x, Y).model_.features.left_out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"numeric_features": [True]}, "numeric_features: .* a flag for each, got True among 1$"),
        ({"categorical_features": [True, 1, 2]}, "categorical_.* flag for each, got True among 3$"),
        ({"categorical_features": ["age"]}, "categorical_.* flag for each, got 'age'$"),
        (
            {"categorical_features": [0], "numeric_features": [0]},
            "numeric_features: expected other columns than categorical_features, got 'size' in",
        ),
    ],
    ids=str,
)
def test_what_names_no_column_is_refused(given, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        fitted(**given)


def test_masked_names_are_refused():
    with pytest.raises(TypeError, match=r"^categorical_features: expected an array without a mask"):
        fitted(categorical_features=np.ma.masked_array([0, 1], [False, True]))
