"""Explainers ask a copy of a model, whose columns they have taken the names from, with arrays."""

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import pandas as pd

from densenet.estimators import DenseTableClassifier, DenseTableRegressor


@pytest.mark.parametrize("estimator", [DenseTableClassifier, DenseTableRegressor])
def test_columns_are_known_where_shap_has_taken_their_names(estimator, rng):
    x = pd.DataFrame({"size": rng.normal(size=60), "code": rng.integers(0, 3, 60).astype(float)})
    y = (x["size"] > 0).astype(int)
    model = estimator(max_iter=2, n_members=1, random_state=0).fit(x, y)
    expected = model.predict(x)
    model.feature_names_in_ = None  # as KernelExplainer of shap 0.51 does
    for same in x.to_numpy(), x, {name: x[name].to_numpy() for name in x}:
        np.testing.assert_array_equal(model.predict(same), expected)
    for other in x[["code", "size"]], dict(x[["code", "size"]]):
        with pytest.raises(ValueError, match=r"^X: The feature names should match those"):
            model.predict(other)
    again = model.fit(x.to_numpy(), y)
    np.testing.assert_array_equal(again.predict(x.to_numpy()), expected)
