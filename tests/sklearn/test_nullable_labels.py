"""Labels of pandas' nullable types, of which scikit-learn makes floats, stay what they are."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import pandas as pd

from densenet.estimators import DenseClassifier, DenseEnsembleClassifier, DenseTableClassifier

ALL = [DenseClassifier, DenseEnsembleClassifier, DenseTableClassifier]
KINDS = ["boolean", "Int64", "bool[pyarrow]", "int64[pyarrow]"]
X = np.sin(np.arange(40))[:, None]


def labels_of(kind):
    """Give labels of NumPy's own type, and the same of a nullable one."""
    if kind.endswith("[pyarrow]"):
        pytest.importorskip("pyarrow")
    plain = np.array([False, True] if "bool" in kind else [2**53, 2**53 + 1])[np.arange(40) // 20]
    return plain, pd.Series(plain).astype(kind)


def fitted(estimator, y, **more):
    few = {"n_members": 2} if estimator is DenseEnsembleClassifier else {}
    return estimator(max_iter=1, random_state=0, **few).fit(X, y, **more)


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("estimator", ALL)
def test_labels_of_nullable_types_stay_what_they_are(estimator, kind):
    plain, labels = labels_of(kind)
    model = fitted(estimator, labels, X_val=X, y_val=labels)
    twin = fitted(estimator, plain, X_val=X, y_val=plain)
    assert model.classes_.dtype == plain.dtype
    np.testing.assert_array_equal(model.classes_, twin.classes_)
    np.testing.assert_array_equal(model.predict(X), twin.predict(X))
    np.testing.assert_array_equal(model.predict_proba(X), twin.predict_proba(X))
    if estimator is DenseTableClassifier:
        assert model.model_.target == twin.model_.target


@pytest.mark.parametrize("kind", KINDS)
def test_so_do_the_classes_of_a_partial_fit(kind):
    plain, labels = labels_of(kind)
    model = DenseClassifier(random_state=0).partial_fit(X, labels, classes=labels.drop_duplicates())
    twin = DenseClassifier(random_state=0).partial_fit(X, plain, classes=np.unique(plain))
    assert model.classes_.dtype == plain.dtype
    np.testing.assert_array_equal(model.classes_, twin.classes_)
    np.testing.assert_array_equal(model.network_.flat, twin.network_.flat)
