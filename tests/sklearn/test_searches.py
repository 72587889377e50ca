"""Candidates and folds: in one call, and by scikit-learn's searches in processes and threads."""

import tracemalloc
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import joblib
import pandas as pd
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, GroupKFold, HalvingGridSearchCV, KFold

from densenet import _limits
from densenet.estimators import (
    DenseClassifier,
    DenseEnsembleClassifier,
    DenseRegressor,
    cross_validate_many,
)
from tests.support.assertions import assert_same_bits

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
FEW = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 3, "batch_size": 16}
TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")


@pytest.fixture
def data(rng):
    x = rng.normal(size=(90, 5))
    return x, np.array(["a", "b", "c"])[x[:, :3].argmax(axis=1)]


def assert_same_results(ours, theirs):
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        if name in TIMES:
            assert (ours[name] >= 0).all()
        elif name == "params" or name.startswith("param_"):
            assert list(ours[name]) == list(values), name
        else:
            assert_same_bits(ours[name], values)


GRIDS = {
    "rates": {"learning_rate_init": [1e-3, 1e-1], "activation": ["relu", "tanh"]},
    "of several kinds": [{"solver": ["sgd"], "momentum": [0.5, 0.9]}, {"dtype": ["float32"]}],
    "early stopping": {"early_stopping": [True], "alpha": [0.0, 1.0]},
    "lbfgs": {"solver": ["lbfgs"], "hidden_layer_sizes": [3, (4, 4)]},
    "balanced": {"class_weight": ["balanced", None]},
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_results_are_those_of_a_grid_search(data, grid, n_threads):
    classifier = DenseClassifier(**FEW)
    theirs = GridSearchCV(classifier, grid, cv=3, refit=False).fit(*data).cv_results_
    assert_same_results(
        cross_validate_many(classifier, *data, grid, cv=3, n_threads=n_threads), theirs
    )


@pytest.mark.parametrize("outputs", [1, 2])
def test_values_are_predicted_alike(data, outputs):
    x, _ = data
    y = x[:, 0] if outputs == 1 else x[:, :2]
    given = (DenseRegressor(**FEW), {"loss": ["squared_error"], "alpha": [0.0, 1.0]})
    settings = {"cv": KFold(4, shuffle=True, random_state=1), "scoring": "neg_mean_absolute_error"}
    theirs = GridSearchCV(*given, **settings, refit=False).fit(x, y).cv_results_
    assert_same_results(cross_validate_many(given[0], x, y, given[1], **settings), theirs)


def test_groups_frames_and_sparse_rows_are_taken_alike(data):
    x, y = data
    grid, classifier, groups = {"alpha": [0.0, 0.1]}, DenseClassifier(**FEW), np.arange(90) % 5
    for rows in (pd.DataFrame(x, columns=list("abcde")), csr_array(x * (abs(x) > 1))):
        search = GridSearchCV(classifier, grid, cv=GroupKFold(5), refit=False)
        theirs = search.fit(rows, y, groups=groups).cv_results_
        settings = {"cv": GroupKFold(5), "groups": groups}
        assert_same_results(cross_validate_many(classifier, rows, y, grid, **settings), theirs)


def test_weights_count_in_training_and_in_scores(rng, data):
    x, y = data
    weight, splits = rng.uniform(0, 2, 90), list(KFold(3).split(x))
    given = DenseClassifier(**FEW), *data, {}
    ours = cross_validate_many(*given, cv=splits, sample_weight=weight)
    for i, (train, test) in enumerate(splits):
        alone = DenseClassifier(**FEW).fit(x[train], y[train], weight[train])
        assert ours[f"split{i}_test_score"] == [alone.score(x[test], y[test], weight[test])]


def test_a_fold_that_lacks_a_class_knows_the_others_alone(data):
    x, y = data
    order = np.argsort(y)
    given = DenseClassifier(**FEW), {"alpha": [0.0]}
    theirs = GridSearchCV(*given, cv=KFold(3), refit=False).fit(x[order], y[order]).cv_results_
    ours = cross_validate_many(given[0], x[order], y[order], given[1], cv=KFold(3))
    assert_same_results(ours, theirs)


def test_fits_that_fail_have_no_score(data):
    grid = {"hidden_layer_sizes": [(3,), (-3,)]}
    with pytest.warns(FitFailedWarning, match="^2 of 4 fits failed, .*hidden_layer_sizes must be"):
        ours = cross_validate_many(DenseClassifier(**FEW), *data, grid, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = GridSearchCV(DenseClassifier(**FEW), grid, cv=2, refit=False).fit(*data)
    assert np.isnan(ours["split0_test_score"][1])
    for name in ("mean_test_score", "rank_test_score"):
        assert_same_bits(ours[name], theirs.cv_results_[name])
    with pytest.raises(ValueError, match="hidden_layer_sizes must be"):
        cross_validate_many(DenseClassifier(**FEW), *data, {"hidden_layer_sizes": [(-3,)]})


def test_one_warning_tells_how_many_fits_have_not_converged(data):
    with pytest.warns(ConvergenceWarning, match="^4 of 4 fits: Stochastic Optimizer: Max") as told:
        cross_validate_many(DenseClassifier(**FEW), *data, {"alpha": [0.0, 1.0]}, cv=2)
    assert [each.filename for each in told] == [__file__]


def test_x_is_not_copied(rng):
    x = rng.normal(size=(100_000, 5)).astype(np.float32)
    y = x[:, 0] + 0.0
    regressor = DenseRegressor(**FEW | {"max_iter": 1, "batch_size": 1000})
    splits = [(np.arange(i, 100_000, 2), np.arange(100)) for i in range(2)]
    given = (regressor, x, y, {"alpha": [0.0, 1.0]})
    cross_validate_many(*given, cv=splits, n_threads=2)
    tracemalloc.start()
    cross_validate_many(*given, cv=splits, n_threads=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    copies = 2 * 0.5 * x.nbytes  # of what each of two threads learns from
    assert peak < 3 * y.nbytes + 4 * 8 * len(x) + 0.5 * copies


@pytest.mark.parametrize("estimator", [3, DenseEnsembleClassifier()])
def test_other_estimators_are_refused(data, estimator):
    with pytest.raises(TypeError, match="estimator: expected a DenseClassifier or DenseRegressor"):
        cross_validate_many(estimator, *data, {})


def test_an_unknown_parameter_is_refused(data):
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        cross_validate_many(DenseClassifier(), *data, {"depth": [3]})


# ---- scikit-learn's own searches -----------------------------------------------------------------


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("search", [GridSearchCV, HalvingGridSearchCV])
def test_searches_give_the_same_in_processes_and_threads(data, search, backend):
    settings = {"cv": 2, "refit": False}
    if search is HalvingGridSearchCV:
        settings |= {"random_state": 0, "min_resources": 40, "factor": 2}
    grid = {"alpha": [0.0, 0.1], "activation": ["relu", "tanh"]}
    given = (DenseClassifier(**FEW, n_threads=1), grid)
    expected = search(*given, **settings).fit(*data).cv_results_
    with joblib.parallel_config(backend=backend, n_jobs=2):
        found = search(*given, **settings).fit(*data).cv_results_
    assert_same_results(found, expected)


def test_a_process_of_a_search_has_one_of_two_threads():
    """joblib tells OpenMP's libraries how many threads each of its processes may have."""
    with joblib.parallel_config(backend="loky", n_jobs=2, inner_max_num_threads=1):
        found = joblib.Parallel()(joblib.delayed(_limits.default_num_threads)() for _ in range(2))
    assert found == [1, 1]
