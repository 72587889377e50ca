"""Chunks from data that lie elsewhere: a stranger's, and real ones of h5py, dask and pyarrow."""

import builtins

import numpy as np
import pytest

from densenet import Adam, chunks
from tests.support.errors import error_of
from tests.support.examples import separable
from tests.support.skips import NOT_APPLICABLE
from tests.support.training import assert_same, make

ROWS = 53
OPTIONS = {"epochs": 2, "batch_size": 8, "optimizer": Adam(lr=0.05)}


@pytest.fixture
def data(rng):
    x, y = separable(rng, ROWS, 5)
    return x, y, rng.uniform(size=ROWS)


def assert_fits(chunks, data, engine="compiled"):
    """Chunks give the bits of the rows themselves."""
    one, two = make(engine), make(engine)
    x, y, *weights = data
    expected = one.fit(
        x, y, sample_weight=weights[0] if weights else None, **OPTIONS, shuffle=False
    )
    assert_same(two, two.fit(chunks, **OPTIONS), one, expected)


def needs(module):
    return pytest.importorskip(module, reason=f"{NOT_APPLICABLE}needs {module}")


class OnDisk:
    """Data that can be sliced by rows, and read whole by nobody."""

    def __init__(self, array):
        self._array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, []

    def __getitem__(self, rows):
        self.read.append((rows.start, rows.stop))
        return self._array[rows].copy()

    def __array__(self, *_, **__):
        raise AssertionError("read whole")


# ---- data that can be sliced ---------------------------------------------------------------------


def test_a_strangers_data_are_read_by_rows(engine, data):
    x, y, weights = (OnDisk(each) for each in data)
    assert_fits(chunks.from_arrays(x, y, weights, rows=20), data, engine)
    assert x.read == y.read == weights.read == [(0, 20), (20, 40), (40, 60)] * 2
    x, y, _ = (OnDisk(each) for each in data)
    assert_fits(chunks.from_arrays(x, data[1]), data[:2], engine)
    assert [stop >= ROWS for _, stop in x.read] == [True, True]


def test_a_chunk_has_8_mib(data):
    x = OnDisk(np.broadcast_to(np.float32(1), (2**18, 64)))
    y = np.zeros(2**18, int)
    iterator = iter(chunks.from_arrays(x, y)())
    next(iterator)
    assert x.read == [(0, 2**15)]


def test_data_sets_of_h5py_are_read_by_rows(data, tmp_path):
    h5py = needs("h5py")
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        sets = [
            file.create_dataset(name, data=each) for name, each in zip("xyw", data, strict=True)
        ]
        assert_fits(chunks.from_arrays(*sets, rows=10), data)


def test_arrays_of_zarr_are_read_by_rows(data):
    zarr = needs("zarr")
    assert_fits(chunks.from_arrays(*map(zarr.array, data), rows=10), data)


def test_stores_whose_slices_are_not_read_yet_are_read_by_rows(data):
    class TensorStore(OnDisk):
        __module__ = "tensorstore"

        def __getitem__(self, rows):
            return TensorStore(super().__getitem__(rows))

        def __array__(self, dtype=None, copy=None):
            return self._array

    assert_fits(chunks.from_arrays(*map(TensorStore, data), rows=10), data)


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        (
            {"x": [[1.0]]},
            TypeError,
            "x: expected data with a shape that can be sliced by rows, got list",
        ),
        (
            {"x": np.ones(3)},
            ValueError,
            "x: expected shape (n, inputs) with at least one row, got (3,)",
        ),
        (
            {"y": np.ones(0)},
            ValueError,
            "y: expected shape (n,) or (n, ...) with at least one row, got (0,)",
        ),
        ({"y": np.ones(2)}, ValueError, "y: expected 3 rows, got shape (2,)"),
        (
            {"sample_weight": np.ones(2)},
            ValueError,
            "sample_weight: expected 3 rows, got shape (2,)",
        ),
        ({"rows": 0}, ValueError, "rows must be an integer >= 1, got 0"),
    ],
)
def test_data_that_do_not_go_together_are_refused(given, kind, text):
    good = {"x": np.ones((3, 5)), "y": np.zeros(3, int)}
    error = error_of(lambda: chunks.from_arrays(**good | given), [])
    assert (type(error), str(error)) == (kind, text)


# ---- dask ----------------------------------------------------------------------------------------


def test_arrays_of_dask_are_computed_block_by_block(data):
    dask = needs("dask.array")
    x, y, weights = data
    computed = []

    def read(block):
        computed.append(len(block))
        return block

    lazy = dask.from_array(x, chunks=(20, 2)).rechunk((20, 5)).map_blocks(read, meta=x[:0])
    assert_fits(chunks.from_dask(lazy, dask.from_array(y, chunks=30)), data[:2])
    assert computed == [20, 20, 13] * 2
    columns = dask.from_array(x, chunks=(20, 2))  # several blocks beside each other
    of_y, of_weights = (dask.from_array(each, chunks=7) for each in (y, weights))
    assert_fits(chunks.from_dask(columns, of_y, of_weights), data)
    some = y > 0
    unknown = chunks.from_dask(
        *(dask.from_array(e, chunks=20)[dask.from_array(some, chunks=20)] for e in (x, y))
    )
    assert_fits(unknown, (x[some], y[some]))


def test_what_is_no_array_of_dask_is_refused(data):
    dask = needs("dask.array")
    x, y, _ = data
    lazy = dask.from_array(x, chunks=20)
    for given, kind, text in (
        ((x, y), TypeError, "x: expected a dask array, got float64 of shape (53, 5)"),
        ((lazy, y), TypeError, "y: expected a dask array, got int64 of shape (53,)"),
        ((lazy, dask.from_array(y[:9])), ValueError, "y: expected 53 rows, got shape (9,)"),
    ):
        error = error_of(lambda given=given: chunks.from_dask(*given), [])
        assert (type(error), str(error)) == (kind, text)


# ---- Parquet -------------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def write(columns, name="rows.parquet", **options):
        parquet.write_table(arrow.table(columns), tmp_path / name, **options)
        return tmp_path / name

    return write


def columns_of(x, y, weights):
    return {f"x{i}": each for i, each in enumerate(x.T)} | {"y": y, "w": weights}


def test_row_groups_are_read_one_after_the_other(engine, write, data):
    path = write(columns_of(*data), row_group_size=20)
    assert_fits(chunks.from_parquet(path, "y", sample_weight="w"), data, engine)
    inputs = [f"x{i}" for i in range(5)]
    some = chunks.from_parquet(str(path), "y", columns=inputs, rows=9)
    assert_fits(some, data[:2], engine)
    assert [len(y) for _, y in some()] == [9] * 5 + [8]


def test_files_are_read_one_after_the_other(write, data):
    """Their columns may lie in other orders."""
    first = columns_of(*(each[:30] for each in data))
    rest = columns_of(*(each[30:] for each in data))
    paths = [write(first, "1.parquet"), write(dict(reversed(rest.items())), "2.parquet")]
    assert_fits(chunks.from_parquet(paths, "y", sample_weight="w"), data)


def test_an_index_of_pandas_is_no_input(tmp_path, data):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(columns_of(*data)).sample(frac=1, random_state=1)
    frame["flag"], frame["small"] = frame["x0"] > 0, frame["x1"].astype(np.float16)
    frame.to_parquet(tmp_path / "a.parquet")
    x, y = next(iter(chunks.from_parquet(tmp_path / "a.parquet", ["y", "w"])()))
    assert x.shape == (ROWS, 7)
    assert x.dtype == np.float64
    np.testing.assert_array_equal(y, frame[["y", "w"]].to_numpy())
    np.testing.assert_array_equal(x[:, 5], frame["flag"])


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        (
            {"target": "z", "columns": ["a"]},
            ValueError,
            "path: expected column 'z' once in {path}, got 0",
        ),
        ({"columns": ["a", "z"]}, ValueError, "path: expected column 'z' once in {path}, got 0"),
        ({"columns": []}, ValueError, "columns: expected at least one, got none"),
        ({"target": []}, ValueError, "target: expected at least one, got none"),
        ({"columns": "a"}, TypeError, "columns: expected names, each a str, got str"),
        ({}, TypeError, "path: expected numbers in column 'text' of {path}, got string"),
        ({"path": []}, ValueError, "path: expected at least one file, got none"),
        ({"path": 3}, TypeError, "path: expected a sequence of paths, got int"),
    ],
)
def test_columns_that_are_no_numbers_are_refused(write, given, kind, text):
    path = write({"a": [1, 2], "b": [0.5, None], "text": ["x", "y"], "y": [1, 0]})
    good = {"path": path, "target": "y"}
    error = error_of(lambda: chunks.from_parquet(**good | given), [])
    assert (type(error), str(error)) == (kind, text.format(path=path))


def test_gaps_end_training(write):
    path = write({"a": [1, 2], "b": [0.5, None], "y": [1.0, 0.0]})
    error = error_of(lambda: list(chunks.from_parquet(path, "y")()), [])
    assert str(error) == "column 'b': expected no gaps, got 1 in a chunk"


def test_what_is_no_parquet_is_refused(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(ValueError, match=r"^path: .*a\.parquet is not readable as Parquet: "):
        chunks.from_parquet(tmp_path / "a.parquet", "y")
    with pytest.raises(FileNotFoundError, match=r"^path: expected a file, got none at "):
        chunks.from_parquet(tmp_path / "b.parquet", "y")


# ---- packages that are missing -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: chunks.from_dask(1, 2),
            r'from_dask needs dask: pip install "densenet-cpu\[dask\]"',
        ),
        (
            lambda: chunks.from_parquet("a.parquet", "y"),
            r'from_parquet needs pyarrow: pip install "densenet-cpu\[parquet\]"',
        ),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, call, text):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=text):
        call()


def test_nothing_is_imported_before_it_is_asked_for(monkeypatch):
    def refuse(name, *given):
        assert name.partition(".")[0] not in ("pyarrow", "dask", "h5py", "zarr")
        return real(name, *given)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refuse)
    chunks.from_arrays(np.ones((3, 2)), np.ones(3))
