"""Rows in every form that scikit-learn takes, with early stopping too; and what is refused."""

import re
import tracemalloc
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from densenet import SGD, CosineLR, estimators
from densenet.estimators import (
    DenseClassifier,
    DenseEnsembleClassifier,
    DenseEnsembleRegressor,
    DenseRegressor,
    DenseTableRegressor,
    cross_validate_many,
)
from tests.support.processes import run_python

BOTH = pytest.mark.parametrize("estimator", [DenseClassifier, DenseRegressor])
FORMATS = ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"]


@pytest.fixture
def rows(rng):
    x = rng.normal(size=(64, 6)) * (rng.random((64, 6)) < 0.4)
    return x, (x.sum(axis=1) > 0).astype(int)


def fit(estimator, x, y, **settings):
    settings = {"hidden_layer_sizes": 5, "max_iter": 8, "random_state": 0, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator(**settings).fit(x, y)


# ---- sparse ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("name", FORMATS)
@BOTH
def test_every_sparse_format_stops_early(estimator, name, kind, rows):
    x, y = rows
    given = getattr(sparse, f"{name}_{kind}")(x)
    dense = fit(estimator, x, y, early_stopping=True)
    found = fit(estimator, given, y, early_stopping=True)
    assert found.validation_scores_ == dense.validation_scores_
    np.testing.assert_array_equal(found.network_.flat, dense.network_.flat)
    np.testing.assert_array_equal(found.predict(given), dense.predict(x))


@pytest.mark.parametrize("name", ["dia_array", "bsr_array", "coo_matrix"])
@pytest.mark.parametrize("scoring", [None, "loss", "neg_mean_squared_error"])
def test_sparse_rows_are_scored_in_every_way_and_by_parts(name, scoring, rows):
    x, y = rows
    given = getattr(sparse, name)(x)
    settings = {"early_stopping": True, "scoring": scoring}
    dense = fit(DenseRegressor, x, y, **settings)
    assert fit(DenseRegressor, given, y, **settings).validation_scores_ == dense.validation_scores_
    model = DenseClassifier(5, random_state=0, early_stopping=True)
    model.partial_fit(given, y, classes=[0, 1], X_val=given, y_val=y)
    assert len(model.validation_scores_) == 1


# ---- memory ------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("shuffle", [False, True])
def test_early_stopping_never_copies_mapped_rows_whole(estimator, shuffle, tmp_path, rng):
    n, width = 60_000, 100
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=(n, width))
    for begin in range(0, n, 10_000):
        x[begin : begin + 10_000] = rng.normal(size=(10_000, width))
    y = (x[:, 0] > 0).astype(int)
    settings = {"early_stopping": True, "max_iter": 2, "shuffle": shuffle, "batch_size": 2000}
    fit(estimator, x[:4000], y[:4000], **settings)  # what is imported and allocated once
    tracemalloc.start()
    try:
        model = fit(estimator, x, y, **settings)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(model.validation_scores_) == 2
    assert most < x.nbytes / 2, f"{most / 2**20:.1f} MiB of {x.nbytes / 2**20:.1f}"


@BOTH
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_wide_sparse_rows_are_never_dense_as_a_whole(estimator, solver, rng):
    n, width, each = 4000, 20_000, 5  # texts by their words: 640 MB, were they dense
    places = (rng.integers(0, width, n * each), np.arange(0, n * each + 1, each))
    x = sparse.csr_array((rng.random(n * each), *places), shape=(n, width))
    y = np.arange(n) % 2
    settings = {"hidden_layer_sizes": 2, "max_iter": 1, "solver": solver, "max_fun": 1}
    fit(estimator, x[:8], y[:8], **settings)  # what is imported and allocated once
    tracemalloc.start()
    try:
        fit(estimator, x, y, **settings).predict(x)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 30e6, f"{most / 1e6:.0f} MB"


@pytest.mark.parametrize("estimator", [DenseClassifier, DenseEnsembleClassifier])
def test_classes_are_predicted_without_the_probabilities_of_all_rows(estimator, rng):
    x, y = rng.random((20_000, 3)), np.arange(20_000) % 500  # 80 MB of them
    model = fit(estimator, x, y, max_iter=1)
    model.predict(x[:8])
    tracemalloc.start()
    try:
        predicted = model.predict(x)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 25e6, f"{most / 1e6:.0f} MB"
    probabilities = model.predict_proba(x)
    np.testing.assert_array_equal(predicted, model.classes_[probabilities.argmax(axis=1)])
    each = [network.predict_proba(x) for network in model._networks]
    np.testing.assert_allclose(probabilities, np.mean(each, axis=0), rtol=1e-14)


@BOTH
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_by_index_are_the_rows(estimator, weighted, shuffle, rows, rng):
    """Of a list, which scikit-learn makes an array of, and of an array in Fortran's order, too."""
    x, y = rows
    weight = rng.random(64) if weighted else None
    settings = {
        "hidden_layer_sizes": 5,
        "max_iter": 5,
        "random_state": 0,
        "batch_size": 16,
        "shuffle": shuffle,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        inside = estimator(**settings, early_stopping=True).fit(x, y, weight)
        mapped = estimator(**settings, early_stopping=True).fit(x.tolist(), y, weight)
        turned = estimator(**settings, early_stopping=True).fit(np.asfortranarray(x), y, weight)
    np.testing.assert_array_equal(inside.network_.flat, mapped.network_.flat)
    np.testing.assert_array_equal(inside.network_.flat, turned.network_.flat)
    assert inside.t_ == 57 * 5


# ---- frames ------------------------------------------------------------------------------------


def test_frames_stop_early_without_a_warning_of_names(rows):
    pd = pytest.importorskip("pandas")
    x, y = rows
    frame = pd.DataFrame(x, columns=list("abcdef"))
    found = fit(DenseClassifier, frame, y, early_stopping=True)
    assert found.feature_names_in_.tolist() == list("abcdef")
    plain = fit(DenseClassifier, x, y, early_stopping=True)
    assert found.validation_scores_ == plain.validation_scores_


@BOTH
def test_a_frame_with_another_column_is_refused_by_name(estimator):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": list("wxyz")})
    with pytest.raises(
        ValueError, match=r"^X: expected numbers in every column, got .* in column 'b'$"
    ):
        estimator().fit(frame, [0, 1, 0, 1])
    gaps = pd.DataFrame({"a": pd.array([1, None, 3, 4], "Int64"), "b": [1.0, 2.0, 3.0, 4.0]})
    text = "X_val: expected numbers in every column, got gaps in column 'a'"
    numbers = gaps.fillna(0)
    with pytest.raises(ValueError, match=f"^{text}$"):
        estimator().fit(numbers, [0, 1, 0, 1], X_val=gaps, y_val=[0, 1, 0, 1])
    model = fit(estimator, numbers, [0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"^X: expected numbers in every column, got gaps"):
        model.predict(gaps)


# ---- what is refused ---------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("way", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", ["X", "y", "sample_weight", "X_val", "y_val", "sample_weight_val"])
def test_masked_arrays_are_refused_by_name(estimator, way, name, rows):
    x, y = rows
    given = {"X": x, "y": y, "sample_weight": np.ones(64)}
    given |= {"X_val": x, "y_val": y, "sample_weight_val": np.ones(64)}
    if way == "partial_fit" and estimator is DenseClassifier:
        given["classes"] = [0, 1]
    given[name] = np.ma.masked_array(given[name], mask=np.zeros(given[name].shape, bool))
    with pytest.raises(TypeError, match=f"^{name}: expected an array without a mask, got a masked"):
        getattr(estimator(), way)(**given)
    if name == "X":
        model = fit(estimator, x, y)
        with pytest.raises(TypeError, match=r"^X: expected an array without a mask"):
            model.predict(given["X"])


@BOTH
@pytest.mark.parametrize("name", ["X", "y", "sample_weight", "X_val", "y_val", "sample_weight_val"])
def test_what_is_no_sequence_is_refused_by_name(estimator, name, rows):
    x, y = rows
    given = {"X": x, "y": y, "sample_weight": np.ones(64)}
    given |= {"X_val": x, "y_val": y, "sample_weight_val": np.ones(64)}
    columns = {"a": x[:, 0].tolist(), "b": x[:, 1].tolist()}
    for what in (columns, columns.values(), set(columns), iter(columns)):
        kind = type(what).__name__
        with pytest.raises(TypeError, match=f"^{name}: expected an array or a frame, got {kind}"):
            estimator().fit(**{**given, name: what})
    if name == "X":
        model = fit(estimator, x, y)
        with pytest.raises(TypeError, match=r"^X: expected .* got dict: make a frame of it"):
            model.predict(columns)
        with pytest.raises(TypeError, match=r"^X: expected .* got dict: make a frame of it"):
            cross_validate_many(estimator(), columns, y, {"alpha": [1]}, cv=2)


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_read_only_weights_are_not_trained_on(way, rows):
    x, y = rows
    for solver in ("adam", "sgd", "rmsprop"):
        model = fit(DenseClassifier, x, y, solver=solver, warm_start=True)
        before = model.network_.flat.copy()
        model.network_.flat.setflags(write=False)
        text = re.escape("flat: expected a writeable array, got a read-only one")
        with pytest.raises(ValueError, match=f"^{text}$"):
            getattr(model, way)(x, y)
        np.testing.assert_array_equal(model.network_.flat, before)
        model.predict(x)


@pytest.mark.parametrize("name", ["learning_rate_init", "momentum", "beta_1", "alpha", "l2"])
def test_schedules_are_for_rules_of_ones_own(name, rows):
    with pytest.raises(TypeError, match=f"^{name} must be a number in .*, got CosineLR$"):
        fit(DenseClassifier, *rows, **{name: CosineLR(0.1, steps=9)})
    assert fit(DenseClassifier, *rows, solver=SGD(CosineLR(0.1, steps=9))).n_iter_ == 8


# ---- what is no number, and frames of others -----------------------------------------------------

DAYS = np.array(["2024-01-01", "2024-01-02", "NaT", "2024-01-04"], "M8[D]")
DATES = {
    "array": lambda days: days,
    "time spans": lambda days: days - DAYS[0],
    "pandas": lambda days: pytest.importorskip("pandas").Series(days),
    "pandas with a zone": lambda days: (
        pytest.importorskip("pandas").Series(days).dt.tz_localize("UTC")
    ),
    "polars": lambda days: pytest.importorskip("polars").Series(days),
    "list": list,
}


@pytest.mark.parametrize("kind", DATES)
def test_dates_are_no_values_to_predict(kind):
    x, y = np.arange(8.0).reshape(4, 2), DATES[kind](DAYS)
    for regressor in DenseRegressor(), DenseEnsembleRegressor(), DenseTableRegressor():
        with pytest.raises(ValueError, match=r"^y: expected numbers, got (date|time)"):
            regressor.fit(x, y)
        with pytest.raises(ValueError, match=r"^y_val: expected numbers, got (date|time)"):
            regressor.fit(x, [1.0, 2.0, 3.0, 4.0], X_val=x, y_val=y)


def test_dates_are_no_features_of_an_array():
    for model in DenseClassifier(), DenseRegressor():
        with pytest.raises(ValueError, match=r"^X: expected numbers, got datetime64\[D\]"):
            model.fit(DAYS[:, None], [0, 1, 0, 1])


@pytest.mark.parametrize("kind", ["narwhals", "a batch of Arrow", "a table of Arrow"])
def test_rows_are_held_out_of_every_frame(kind, rng):
    x = rng.normal(size=(40, 2))
    columns = {"a": x[:, 0], "b": x[:, 1]}
    if kind == "narwhals":
        polars = pytest.importorskip("polars")
        frame = pytest.importorskip("narwhals").from_native(polars.DataFrame(columns))
    else:
        frame = pytest.importorskip("pyarrow").table(columns)
        frame = frame if kind == "a table of Arrow" else frame.to_batches()[0]
    y = x[:, 0] > 0
    model, twin = (fit(DenseClassifier, given, y, early_stopping=True) for given in (frame, x))
    np.testing.assert_array_equal(model.network_.flat, twin.network_.flat)


ESTIMATORS = {
    "DenseClassifier": {"hidden_layer_sizes": (4,), "max_iter": 3},
    "DenseRegressor": {"hidden_layer_sizes": (4,), "max_iter": 3},
    "DenseEnsembleClassifier": {"n_members": 2, "max_iter": 3},
    "DenseTableClassifier": {"max_iter": 1, "n_members": 1},
    "DenseTableRegressor": {"max_iter": 1, "n_members": 1},
}

DISPATCHED = f"""
import warnings
import numpy as np, sklearn, torch
from densenet import estimators
warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
rng = np.random.default_rng(0)
x = rng.normal(size=(60, 4)).astype("f4")
y = (x[:, 0] > 0).astype(int)
tensors = torch.from_numpy(x), torch.from_numpy(y)
for name, options in {ESTIMATORS!r}.items():
    found = []
    for dispatch, data in (False, (x, y)), (True, (x, y)), (True, tensors):
        with sklearn.config_context(array_api_dispatch=dispatch):
            model = getattr(estimators, name)(random_state=0, **options).fit(*data)
            assert type(model.predict(data[0])) is np.ndarray
            found.append([model.predict(data[0]), model.score(*data)])
    for other in found[1:]:
        np.testing.assert_array_equal(other[0], found[0][0], strict=True)
        np.testing.assert_allclose(other[1], found[0][1], rtol=1e-6)
print("done")
"""


def test_tensors_are_read_whether_or_not_scikit_learn_dispatches_to_their_library():
    pytest.importorskip("torch")
    assert run_python(DISPATCHED, SCIPY_ARRAY_API="1", options=()).endswith("done")


@pytest.mark.parametrize("name", ESTIMATORS)
def test_tensors_that_numpy_cannot_read_are_refused_by_name(name):
    torch = pytest.importorskip("torch")
    x, y = torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1] * 3)
    model = getattr(estimators, name)()
    text = "expected an array, got Tensor: "
    with pytest.raises(TypeError, match=f"^X: {text}"):
        model.fit(x.clone().requires_grad_(), y)
    with pytest.raises(TypeError, match=f"^X_val: {text}"):
        model.fit(x, y, X_val=x.bfloat16(), y_val=y)
    with pytest.raises(TypeError, match=f"^y: {text}"):
        model.fit(x, y.to("meta"))
