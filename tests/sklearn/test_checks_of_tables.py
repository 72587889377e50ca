"""scikit-learn's own checks of the estimators of tables."""

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")
pytest.importorskip("polars")

from densenet.estimators import DenseTableClassifier, DenseTableRegressor
from tests.support.estimator_checks import each_check, run_check

NOT_EQUIVALENT = "weights count in the loss, not in encodings or in which rows are held out"


@pytest.mark.filterwarnings("default")
@each_check(
    [DenseTableClassifier(), DenseTableRegressor()],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": NOT_EQUIVALENT
    },
)
def test_scikit_learns_check(estimator, check):
    run_check(check, estimator)
