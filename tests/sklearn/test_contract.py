"""scikit-learn's own checks of an estimator, and what its tools do with one."""

import io
import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")
pytest.importorskip("polars")

import joblib
import pandas as pd
import polars as pl
from scipy.sparse import coo_array, csc_array, csr_array, csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import densenet
from densenet import AdamW, Callback, _limits
from densenet.estimators import DenseClassifier, DenseRegressor, DenseTableRegressor
from tests.support.estimator_checks import each_check, run_check
from tests.support.processes import run_python

BOTH = pytest.mark.parametrize("estimator", [DenseClassifier, DenseRegressor])


@pytest.mark.filterwarnings("default", "ignore::sklearn.exceptions.ConvergenceWarning")
@each_check(
    [
        DenseClassifier(max_iter=100),
        DenseRegressor(max_iter=100),
        DenseClassifier(solver="lbfgs", hidden_layer_sizes=5, max_iter=30),
        DenseRegressor(solver="lbfgs", hidden_layer_sizes=5, max_iter=30),
    ]
)
def test_scikit_learns_check(estimator, check):
    run_check(check, estimator)


@pytest.fixture
def iris():
    x, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order], y[order]


def quick(estimator=DenseClassifier, **settings):
    """Make an estimator whose training always ends by its tolerance, after a few epochs."""
    settings = {"random_state": 0, "hidden_layer_sizes": 8, "tol": 9.0, **settings}
    return estimator(**settings)


# ---- tools -------------------------------------------------------------------------------------


def test_a_pipeline_is_searched_by_processes_without_oversubscription(iris):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), quick(learning_rate_init=0.03)),
        {
            "denseclassifier__hidden_layer_sizes": [4, (8, 8)],
            "denseclassifier__solver": ["adam", AdamW(lr=0.03)],
        },
        cv=3,
        n_jobs=2,
    ).fit(*iris)
    assert search.best_score_ > 0.7
    assert search.best_estimator_[-1].n_iter_ > 1


def test_workers_start_with_the_threads_that_joblib_allows():
    code = (
        "import joblib\n"
        "f = joblib.delayed(lambda: __import__('densenet').get_num_threads())\n"
        "print(joblib.Parallel(n_jobs=joblib.cpu_count())([f()] * 3))"
    )
    assert run_python(code, DENSENET_NUM_THREADS="") == "[1, 1, 1]"


@pytest.mark.parametrize(
    ("allowed", "threads"), [("4", 4), (" 2 , 8", 2), ("99", 6), ("", 6), ("x", 6), ("0", 6)]
)
def test_openmps_variable_lowers_the_number_of_threads(allowed, threads, monkeypatch):
    monkeypatch.setattr(_limits, "_physical_cores", lambda cpus: 6)
    monkeypatch.setattr(_limits, "_container_limit", lambda: float("inf"))
    monkeypatch.setenv("OMP_NUM_THREADS", allowed)
    monkeypatch.delenv("DENSENET_NUM_THREADS", raising=False)
    assert _limits.default_num_threads() == threads
    monkeypatch.setenv("DENSENET_NUM_THREADS", "5")
    assert _limits.default_num_threads() == 5


@BOTH
def test_cross_validation(estimator, iris):
    scores = cross_val_score(quick(estimator, solver="lbfgs", tol=1e-2, max_iter=2000), *iris, cv=3)
    assert scores.min() > 0.8


@BOTH
@pytest.mark.parametrize("early_stopping", [False, True])
def test_pickle_and_joblib_keep_all_and_training_goes_on(estimator, early_stopping, iris):
    model = quick(estimator, early_stopping=early_stopping).partial_fit(
        *iris, **({"classes": [0, 1, 2]} if estimator is DenseClassifier else {})
    )
    file = io.BytesIO()
    joblib.dump(model, file)
    twins = [model, pickle.loads(pickle.dumps(model)), joblib.load(file)]
    for twin in twins:
        twin.partial_fit(*iris)
    for twin in twins[1:]:
        np.testing.assert_array_equal(twin.predict(iris[0]), model.predict(iris[0]))
        assert twin.loss_curve_ == model.loss_curve_


@BOTH
def test_a_clone_has_the_parameters_and_nothing_else(estimator, iris):
    model = quick(estimator, dropout=0.2, solver=AdamW(lr=0.1), callbacks=[Callback()])
    twin = clone(model.fit(*iris))
    assert {n for n in vars(twin) if n.endswith("_")} == set()
    assert twin.get_params()["solver"] == AdamW(lr=0.1)
    assert "AdamW" in repr(twin)
    assert twin.set_params(alpha=0.5).alpha == 0.5


@pytest.mark.filterwarnings("error")
def test_n_threads_holds_for_the_time_of_a_call(iris, keep_threads):
    seen = []

    class Watch(Callback):
        def on_epoch_end(self, network, record):
            seen.append(densenet.get_num_threads())

    before = densenet.get_num_threads()
    model = quick(n_threads=3, callbacks=[Watch()]).fit(*iris)
    assert set(seen) == {3}
    assert densenet.get_num_threads() == before
    other = quick(n_threads=1).fit(*iris)
    np.testing.assert_array_equal(model.predict_proba(iris[0]), other.predict_proba(iris[0]))


# ---- data --------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@BOTH
def test_frames_bring_their_names_and_warn_of_nothing(frame, estimator, iris):
    x, y = iris
    names = ["a", "b", "c", "d"]
    table = frame(dict(zip(names, x.T, strict=True)))
    for settings in ({}, {"early_stopping": True}, {"early_stopping": True, "scoring": "loss"}):
        model = quick(estimator, **settings).fit(table, y)
        assert list(model.feature_names_in_) == names
        plain = quick(estimator, **settings).fit(x, y)
        np.testing.assert_array_equal(model.predict(table), plain.predict(x))
    model.fit(table, y, X_val=table[:20], y_val=y[:20])
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[["b", "a", "c", "d"]])


@pytest.mark.parametrize(
    "model",
    [quick(DenseClassifier), quick(DenseRegressor), DenseTableRegressor(4, max_iter=2)],
    ids=lambda model: type(model).__name__,
)
def test_columns_of_polars_have_names_where_scikit_learn_asks_the_frame(model, iris, monkeypatch):
    """As scikit-learn before 1.9 does, by a method that polars has dropped in 2.0."""

    def names_of(x):
        return np.array(x.__dataframe__().column_names()) if hasattr(x, "__dataframe__") else None

    for module in ("sklearn.utils.validation", "densenet.estimators._given"):
        monkeypatch.setattr(f"{module}._get_feature_names", names_of)
    x, y = iris
    table = pl.DataFrame(dict(zip("abcd", x.T, strict=True)))
    monkeypatch.delattr(pl.DataFrame, "__dataframe__", raising=False)
    model.fit(table, y)
    assert list(model.feature_names_in_) == list("abcd")
    assert np.isfinite(np.asarray(model.predict(table), float)).all()
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[["b", "a", "c", "d"]])


@pytest.mark.parametrize("kind", [csr_matrix, csr_array, csc_array, coo_array])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_rows_give_what_dense_ones_give(kind, solver, rng, monkeypatch):
    monkeypatch.setattr("densenet.estimators._rows.ROWS_AT_ONCE", 64)
    x = np.where(rng.random((150, 9)) < 0.3, rng.normal(size=(150, 9)), 0)
    y = (x.sum(axis=1) > 0).astype(int)
    settings = {"solver": solver, "batch_size": 32, "early_stopping": solver == "adam"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dense, sparse = (
            quick(max_iter=20, tol=1e-3, **settings).fit(form, y) for form in (x, kind(x))
        )
    np.testing.assert_array_equal(sparse.network_.flat, dense.network_.flat)
    assert sparse.loss_curve_ == dense.loss_curve_
    np.testing.assert_array_equal(sparse.predict_proba(kind(x)), dense.predict_proba(x))
