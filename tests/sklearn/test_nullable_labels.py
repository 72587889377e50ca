"""Labels of pandas' nullable types, of which scikit-learn makes floats, stay what they are."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import pandas as pd

from densenet.estimators import DenseTableClassifier


@pytest.mark.parametrize("kind", ["boolean", "Int64", "bool[pyarrow]", "int64[pyarrow]"])
def test_labels_of_nullable_types_stay_what_they_are(kind):
    if kind.endswith("[pyarrow]"):
        pytest.importorskip("pyarrow")
    plain = np.array([False, True] if "bool" in kind else [2**53, 2**53 + 1])[np.arange(40) // 20]
    x = {"a": np.sin(np.arange(40))}
    labels = pd.Series(plain).astype(kind)
    model = DenseTableClassifier(max_iter=1, random_state=0).fit(x, labels)
    twin = DenseTableClassifier(max_iter=1, random_state=0).fit(x, plain)
    assert model.classes_.dtype == plain.dtype
    np.testing.assert_array_equal(model.classes_, twin.classes_)
    np.testing.assert_array_equal(model.predict(x), twin.predict(x))
    assert model.model_.target == twin.model_.target
