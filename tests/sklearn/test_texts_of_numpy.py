"""Texts of NumPy's StringDType, unknown to scikit-learn 1.9, are features but no labels."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
if not hasattr(np.dtypes, "StringDType"):
    pytest.skip("not applicable: NumPy 1 has no such type", allow_module_level=True)

from densenet.estimators import DenseClassifier, DenseTableClassifier

X = np.sin(np.arange(40))[:, None]


@pytest.mark.parametrize("estimator", [DenseClassifier, DenseTableClassifier])
def test_labels_are_refused_by_name(estimator):
    texts = np.array(["no", "yes"], np.dtypes.StringDType())[np.arange(40) // 20]
    message = r"expected labels .* got StringDType\(\): make them objects, by astype\(object\)$"
    with pytest.raises(TypeError, match=f"^y: {message}"):
        estimator(max_iter=1).fit(X, texts)
    with pytest.raises(TypeError, match=f"^y_val: {message}"):
        estimator(max_iter=1).fit(X, texts.astype(object), X_val=X, y_val=texts)


@pytest.mark.parametrize("missing", [{}, {"na_object": None}], ids=["without", "with a gap"])
def test_features_are_taken(missing):
    texts = np.array([["a", "b"], ["c", "b"]] * 20, np.dtypes.StringDType(**missing))
    if missing:
        texts[0, 0] = None
    y = [0, 1] * 20
    model = DenseTableClassifier(max_iter=1, random_state=0).fit(texts, y)
    twin = DenseTableClassifier(max_iter=1, random_state=0).fit(texts.astype(object), y)
    np.testing.assert_array_equal(model.predict_proba(texts), twin.predict_proba(texts))
    model = DenseTableClassifier(max_iter=1, random_state=0).fit({"word": texts[:, 0]}, y)
    assert "word=c" in model.model_.features.names
