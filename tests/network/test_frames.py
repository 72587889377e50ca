"""A network takes frames whose columns are all numbers, and names the column that is not."""

import ctypes
import datetime
import decimal
import multiprocessing
import re

import numpy as np
import pytest

pytest.importorskip("pandas")

import pandas as pd

from densenet import SGD, LayerNorm, Linear, MeanSquaredError, Network, SoftmaxCrossEntropy
from densenet.metrics import mean_squared_error

N = 4


def cells(**columns):
    return pd.DataFrame(columns)


def arrow(values, kind):
    pytest.importorskip("pyarrow")
    return pd.array(values, kind)


def polars(columns):
    return pytest.importorskip("polars").DataFrame(columns)


def table(**columns):
    return pytest.importorskip("pyarrow").table(columns)


def arrow_categories(values):
    return table(a=values)["a"].dictionary_encode()


def runs(values):
    pytest.importorskip("pyarrow.compute")
    from pyarrow import compute

    return pd.arrays.ArrowExtensionArray(compute.run_end_encode(table(a=values)["a"]))


def narwhals(frame):
    return pytest.importorskip("narwhals").from_native(frame)


F, B, C = [1.5, 2.0, -3.0, 4.0], [True, False, True, False], list("xyxz")
FRAMES = {
    "dummies": lambda: pd.get_dummies(cells(a=F, c=C)),
    "sparse dummies": lambda: pd.get_dummies(cells(a=F, c=C), sparse=True),
    "float and bool": lambda: cells(a=F, b=B),
    "bool": lambda: cells(a=B, b=B),
    "nullable": lambda: cells(a=pd.array([1, 2, 3, 4], "Int64"), b=F),
    "nullable of three kinds": lambda: cells(
        a=pd.array([1, 2, 3, 4], "UInt8"), b=pd.array(B, "boolean"), c=pd.array(F, "Float32")
    ),
    "nullable alone": lambda: cells(a=pd.array([1, 2, 3, 4], "Int64")),
    "half": lambda: pd.DataFrame(np.array([F, F], np.float16).T),
    "half and integers": lambda: cells(a=np.array(F, np.float16), b=[1, 2, 3, 4]),
    "long double": lambda: cells(a=np.array(F, np.longdouble), b=F),
    "64 bits of both signs": lambda: cells(a=np.array([1, 2, 3, 4], np.uint64), b=[-1, 2, 3, 4]),
    "arrow": lambda: cells(a=arrow([1, 2, 3, 4], "int64[pyarrow]"), b=arrow(B, "bool[pyarrow]")),
    "categories of numbers": lambda: cells(a=pd.Categorical([1, 2, 1, 2]), b=F),
    "objects": lambda: cells(a=pd.Series([1, 2.5, True, np.int8(4)], dtype=object), b=F),
    "decimals": lambda: cells(a=[decimal.Decimal("1.5")] * N, b=F),
    "equal labels": lambda: pd.DataFrame(np.array([F, F]).T, columns=["a", "a"]),
    "plain": lambda: pd.DataFrame(np.array([F, F])[:, ::-1].T),
    "polars": lambda: polars({"a": F, "b": B, "c": [1, 2, 3, 4]}),
    "a table of Arrow": lambda: table(a=F, b=B, c=[1, 2, 3, 4]),
    "a batch of Arrow": lambda: table(a=F, b=[1, 2, 3, 4]).to_batches()[0],
    "categories of Arrow": lambda: table(a=arrow_categories([1, 2, 1, 2]), b=F),
    "runs of Arrow in pandas": lambda: cells(a=runs([2.5, 2.5, 1.0, 1.0])),
    "narwhals around pandas": lambda: narwhals(cells(a=F, b=pd.array([1, 2, 3, 4], "Int64"))),
    "narwhals around polars": lambda: narwhals(polars({"a": F, "c": [1, 2, 3, 4]})),
}
REFUSED = {
    "texts": (lambda: cells(a=F, b=C), "str", "'b'"),
    "categories of texts": (lambda: cells(a=F, b=pd.Categorical(C)), "category", "'b'"),
    "dates": (
        lambda: cells(a=F, when=pd.date_range("2020", periods=N)),
        str(pd.date_range("2020", periods=N).dtype),
        "'when'",
    ),
    "dates alone": (
        lambda: pd.DataFrame({7: np.array(["2020-01-01"] * N, "M8[s]")}),
        "datetime64[s]",
        "7",
    ),
    "dates with a zone": (
        lambda: cells(a=F, when=pd.date_range("2020", periods=N, tz="UTC", unit="us")),
        "datetime64[us, UTC]",
        "'when'",
    ),
    "dates with a zone beside float32": (
        lambda: cells(a=np.array(F, "f4"), b=pd.date_range("2020", periods=N, tz="UTC", unit="us")),
        "datetime64[us, UTC]",
        "'b'",
    ),
    "dates of Arrow": (
        lambda: table(a=np.array(["2020-01-01"] * N, "M8[us]")),
        "timestamp[us]",
        "'a'",
    ),
    "times of day of Arrow, in nanoseconds": (
        lambda: table(a=table(a=[1, 2, 3, 4])["a"].cast("time64[ns]")),
        "time64[ns]",
        "'a'",
    ),
    "days": (lambda: cells(a=pd.Series([datetime.date(2020, 1, 1)] * N), b=F), "object", "'a'"),
    "complex numbers": (lambda: cells(a=F, b=[1j] * N), "complex128", "'b'"),
    "lists": (lambda: cells(a=pd.Series([[1, 2]] * N), b=F), "object", "'a'"),
    "texts in polars": (lambda: polars({"a": F, "b": C}), "String", "'b'"),
}
GAPS = {
    "integers": lambda: cells(a=F, b=pd.array([1, None, 3, 4], "Int64")),
    "booleans": lambda: cells(a=F, b=pd.array([True, None, True, False], "boolean")),
    "floats": lambda: cells(a=F, b=pd.array([1.0, None, 3.0, 4.0], "Float64")),
    "alone": lambda: cells(b=pd.array([1, None, 3, 4], "Int64")),
    "arrow": lambda: cells(a=F, b=arrow([1, None, 3, 4], "int64[pyarrow]")),
    "objects": lambda: cells(a=F, b=pd.Series([None, 1, 2, 3], dtype=object)),
    "categories": lambda: cells(a=F, b=pd.Categorical([1, None, 1, 2])),
    "polars": lambda: polars({"a": F, "b": [1, None, 3, 4]}),
    "a table of Arrow": lambda: table(a=F, b=[1, None, 3, 4]),
    "categories of Arrow": lambda: table(a=F, b=arrow_categories([1, None, 3, 4])),
    "narwhals": lambda: narwhals(polars({"a": F, "b": [1, None, 3, 4]})),
}


def make(width, engine, dtype="float64"):
    layers = [Linear(width, 3), LayerNorm(3), Linear(3, 2)]
    return Network(layers, SoftmaxCrossEntropy(), dtype=dtype, seed=1, backend=engine)


def numbers(frame):
    """The same cells by way of Python's floats."""
    if hasattr(frame, "column_names"):  # of Arrow
        return np.array([column.to_pylist() for column in frame.columns], float).T
    cells_of = getattr(frame, "iloc", frame)
    columns = [cells_of[:, place] for place in range(frame.shape[1])]
    return np.array([[float(cell) for cell in column] for column in columns]).T


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_of_numbers_is_taken(engine, dtype, kind):
    frame = FRAMES[kind]()
    x, y = numbers(frame), np.array([0, 1, 0, 1])
    network = make(x.shape[1], engine, dtype)
    np.testing.assert_array_equal(network.forward(frame), network.forward(x))
    np.testing.assert_array_equal(network.predict_proba(frame), network.predict_proba(x))
    assert network.loss(frame, pd.Series(y)) == network.loss(x, y)
    twin = make(x.shape[1], engine, dtype)
    network.fit(frame, pd.Series(y, dtype="Int64"), epochs=2, validation_data=(frame, y), seed=0)
    twin.fit(x, y, epochs=2, seed=0)
    np.testing.assert_array_equal(network.flat, twin.flat)


@pytest.mark.parametrize("kind", FRAMES)
def test_the_estimators_take_the_same(kind):
    estimators = pytest.importorskip("densenet.estimators")
    if kind in ("sparse dummies", "equal labels", "long double", "runs of Arrow in pandas"):
        pytest.skip("not applicable: scikit-learn warns of these, or refuses them")
    frame = FRAMES[kind]()
    model = estimators.DenseRegressor(solver="lbfgs", tol=1.0, random_state=0).fit(frame, F)
    np.testing.assert_array_equal(model.network_.forward(frame)[:, 0], model.predict(frame))


def assert_refused(engine, frame, error, text):
    estimators = pytest.importorskip("densenet.estimators")
    network = make(frame.shape[1], engine)
    before = network.flat.copy()
    y = np.array([0, 1, 0, 1])
    calls = {
        "forward": lambda: network.forward(frame),
        "train_step": lambda: network.train_step(frame, y, SGD()),
        "fit": lambda: network.fit(frame, y),
        "loss": lambda: network.loss(frame, y, [1, 1, 1, 1]),
    }
    for call in calls.values():
        with pytest.raises(error, match=f"^x: {re.escape(text)}$"):
            call()
    np.testing.assert_array_equal(network.flat, before)
    with pytest.raises(ValueError, match=f"^X: {re.escape(text)}$"):
        estimators.DenseClassifier().fit(frame, y)


@pytest.mark.parametrize("kind", REFUSED)
def test_a_column_of_something_else_is_named(engine, kind):
    make_frame, dtype, label = REFUSED[kind]
    frame = make_frame()
    if dtype == "str":  # object before pandas 3
        dtype = str(frame["b"].dtype)
    text = f"expected numbers in every column, got {dtype} in column {label}"
    assert_refused(engine, frame, TypeError, text)


@pytest.mark.parametrize("kind", GAPS)
def test_a_column_with_gaps_is_named(engine, kind):
    text = "expected numbers in every column, got gaps in column 'b'"
    assert_refused(engine, GAPS[kind](), ValueError, text)


def query_of(kind, module):
    """Give an object of such a class, for a package that need not be installed."""
    return type(kind, (), {"__module__": module})()


UNREAD = {
    "polars": (lambda: polars({"a": F, "b": F}).lazy(), "run the query first, by collect"),
    "duckdb": (
        lambda: query_of("DuckDBPyRelation", "duckdb._relation"),
        "run the query first, by df",
    ),
    "ibis": (
        lambda: query_of("Table", "ibis.expr.types.relations"),
        "run the query first, by to_pandas",
    ),
    "a reader of Arrow": (lambda: table(a=F, b=F).to_reader(), "read it first, by read_all"),
    "a data set of Arrow": (
        lambda: pytest.importorskip("pyarrow.dataset").dataset(table(a=F, b=F)),
        "read it first, by to_table",
    ),
}


@pytest.mark.parametrize("kind", UNREAD)
def test_a_query_has_to_be_run_first(engine, kind):
    make_query, advice = UNREAD[kind]
    query = make_query()
    its = {"a": "pyarrow"}.get(kind.partition(" ")[0], kind)
    text = rf"expected rows in memory, got {type(query).__name__} of {its}: {advice}\("
    with pytest.raises(TypeError, match=f"^x: {text}"):
        make(2, engine).forward(query)
    estimators = pytest.importorskip("densenet.estimators")
    for estimator in estimators.DenseClassifier(), estimators.DenseTableClassifier():
        with pytest.raises(TypeError, match=f"^X: {text}"):
            estimator.fit(query, [0, 1, 0, 1])


def test_targets_and_weights_may_be_frames_and_series(engine):
    x = np.random.default_rng(0).normal(size=(N, 2))
    network = make(2, engine)
    soft = pd.get_dummies(pd.Series(list("abab")))
    weights = pd.Series([1, 2, 3, 4], dtype="Int64")
    expected = network.loss(x, np.array([[1, 0], [0, 1]] * 2), [1, 2, 3, 4])
    assert network.loss(x, soft, weights) == expected
    values = Network([Linear(2, 2)], MeanSquaredError(), seed=1, backend=engine)
    y = pd.DataFrame({"u": pd.array([1, 2, 3, 4], "Int64"), "v": B})
    assert values.loss(x, y) == values.loss(x, y.to_numpy(np.float64))
    with pytest.raises(
        TypeError, match=r"^y: expected numbers in every column, got .* in column 'c'"
    ):
        values.loss(x, pd.DataFrame({"a": F, "c": C}))


def polars_series(values):
    return pytest.importorskip("polars").Series(values)


def arrow_array(values):
    return pytest.importorskip("pyarrow").array(values)


G = [None, 2.0, None, 4.0]
SERIES = {
    "nullable": lambda: pd.Series(G, dtype="Float32"),
    "nullable integers": lambda: pd.Series(G, dtype="Int64"),
    "arrow in pandas": lambda: pd.Series(arrow(G, "double[pyarrow]")),
    "polars": lambda: polars_series(G),
    "arrow": lambda: arrow_array(G),
    "categories of Arrow": lambda: arrow_categories(G),
    "narwhals": lambda: pytest.importorskip("narwhals").from_native(
        polars_series(G), series_only=True
    ),
}


@pytest.mark.parametrize("kind", SERIES)
def test_gaps_of_a_series_are_refused(engine, kind):
    x, series = np.random.default_rng(0).normal(size=(N, 2)), SERIES[kind]()
    network = Network([Linear(2, 1)], MeanSquaredError(), seed=1, backend=engine)
    before = network.flat.copy()
    text = "expected numbers without gaps, got 2 of 4 missing"
    with pytest.raises(ValueError, match=f"^y: {text}$"):
        network.fit(x, series)
    with pytest.raises(ValueError, match=f"^sample_weight: {text}$"):
        network.fit(x, F, sample_weight=series)
    with pytest.raises(ValueError, match=f"^y: {text}$"):
        make(2, engine).train_step(x, series, SGD())
    with pytest.raises(ValueError, match=f"^y_true: {text}$"):
        mean_squared_error(series, F)
    np.testing.assert_array_equal(network.flat, before)


DECIMALS = [decimal.Decimal("1.5"), decimal.Decimal("-2.0")] * 2


@pytest.mark.parametrize("kind", ["polars", "arrow", "arrow in pandas"])
def test_decimals_of_a_series_are_taken(engine, kind):
    series = {
        "polars": lambda: polars_series(DECIMALS),
        "arrow": lambda: arrow_array(DECIMALS),
        "arrow in pandas": lambda: table(y=DECIMALS).to_pandas(types_mapper=pd.ArrowDtype)["y"],
    }[kind]()
    values = [1.5, -2.0] * 2
    x = np.random.default_rng(0).normal(size=(N, 2))
    network = Network([Linear(2, 1)], MeanSquaredError(), seed=1, backend=engine)
    assert network.loss(x, series) == network.loss(x, values)
    assert mean_squared_error(values, series) == 0


def test_arrays_of_ctypes_are_taken(engine):
    x = (ctypes.c_float * 2 * N)(*[(1, 2)] * N)
    y = multiprocessing.RawArray("q", [0, 1, 0, 1])
    network = make(2, engine)
    assert network.loss(x, y) == network.loss([[1, 2]] * N, np.array([0, 1, 0, 1]))


def test_what_numpy_cannot_read_is_named(engine):
    network = make(2, engine)
    for value, got in ({"a": F}, "dict"), (None, "None"), ((row for row in F), "generator"):
        with pytest.raises(TypeError, match=f"^x: expected float32, .* or bool, got {got}$"):
            network.forward(value)


def test_what_fails_to_become_an_array_says_why(engine):
    class Gappy:
        """An array with a gap, such as awkward's, which gives no array without a mask."""

        def __array__(self, *_, **__):
            raise ValueError("cannot convert 'None'")

    with pytest.raises(ValueError, match=r"^x: .*, got Gappy: cannot"):
        make(2, engine).forward(Gappy())
