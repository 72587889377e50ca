"""Columns of frames, mappings and arrays become cells of a table, gaps in every form too."""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from densenet.tables import Settings, Table, fit, read_table
from densenet.tables.frames import cells_of, columns_of, is_categorical

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

COLUMNS = {
    "text": ["a", None, "b"],
    "whole": [1, None, 3],
    "real": [1.5, float("nan"), 2.0],
    "flag": [True, None, False],
    "day": [date(2024, 2, 29), None, date(2024, 3, 1)],
    "time": [datetime(2024, 2, 29, 10, 30), None, datetime(2024, 3, 1)],
    "span": [timedelta(hours=1), None, timedelta(seconds=1)],
}
CELLS = {
    "text": ["a", "", "b"],
    "whole": [1.0, None, 3.0],
    "real": [1.5, None, 2.0],
    "flag": ["True", "", "False"],
    "day": ["2024-02-29", "", "2024-03-01"],
    "span": [3600.0, None, 1.0],
}


def shown(table, name):
    cells = table.columns[name]
    return cells.tolist() if cells.dtype == object else table.texts(name).tolist()


def with_categories(table):
    for place, name in enumerate(("text", "whole", "real")):
        table = table.set_column(place, name, table[name].dictionary_encode())
    return table


def as_texts(cells):
    return ["" if cell is None else str(cell).removesuffix(".0") for cell in cells]


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame,
        pd.DataFrame,
        lambda data: pd.DataFrame(data).convert_dtypes(),
        lambda data: pd.DataFrame(data).assign(day=pd.to_datetime(data["day"])),
        lambda data: pytest.importorskip("pyarrow").table(data),
        lambda data: pytest.importorskip("pyarrow").table(data).to_batches()[0],
        lambda data: with_categories(pytest.importorskip("pyarrow").table(data)),
        lambda data: pytest.importorskip("narwhals").from_native(pl.DataFrame(data)),
    ],
    ids=[
        *("polars", "pandas", "nullable", "dates", "Arrow", "a batch of Arrow"),
        *("categories of Arrow", "narwhals"),
    ],
)
def test_a_frame_becomes_a_table(frame):
    table = Table.from_columns(frame(COLUMNS))
    for name, cells in CELLS.items():
        assert [text.removesuffix(".0") for text in shown(table, name)] == as_texts(cells), name
    assert [text[:10] for text in shown(table, "time")] == ["2024-02-29", "", "2024-03-01"]
    assert "10:30" in shown(table, "time")[0]
    assert not table.is_text("span")
    assert np.array_equal(table.numbers("real"), [1.5, np.nan, 2.0], equal_nan=True)


def test_numbers_are_not_copied(rng):
    x = rng.normal(size=(5, 3))
    (label, column), *_ = columns_of("X", x)
    assert label == 0
    assert np.shares_memory(cells_of("X", column)[0], x)
    frame = pd.DataFrame({"a": x[:, 0].copy()})
    assert np.shares_memory(Table.from_columns(frame).columns["a"], frame["a"].to_numpy())


def test_gaps_in_objects_are_missing():
    cells = ["a", None, float("nan"), np.nan, pd.NA, pd.NaT, "nan"]
    assert cells_of("x", np.array(cells, object))[0].tolist() == ["a", "", "", "", "", "", "nan"]
    assert cells_of("x", ["1.10", None])[1]
    for values, texts in (
        ([Decimal("1.10"), None], ["1.10", ""]),
        ([10**30, None], [f"{10**30}", ""]),
    ):
        found, are_own = cells_of("x", values)
        assert (found.tolist(), are_own) == (texts, False)


@pytest.mark.parametrize("whole", [[2**60 + 1, None], [-(2**60) - 1, None], [2**70, 1]])
def test_long_integers_stay_exact_beside_gaps(whole):
    texts = ["" if one is None else str(one) for one in whole]
    kind = pl.Int128 if 2**70 in whole else pl.Int64
    columns = [pl.Series(whole, dtype=kind)]
    if kind == pl.Int64:
        columns.append(pytest.importorskip("pyarrow").chunked_array([whole]))
    for column in columns:
        cells, are_own = cells_of("x", column)
        assert (cells.tolist(), are_own) == (texts, False)


@pytest.mark.parametrize("other", [float("nan"), 2**63 + 2, 1.5])
def test_long_integers_stay_exact_in_lists(other):
    """NumPy makes floats of them, also where some are beyond the signed and some are small."""
    cells, are_own = cells_of("x", [2**63 + 1, 1, other])
    text = "" if other != other else str(other)
    assert (cells.tolist(), are_own) == ([str(2**63 + 1), "1", text], False)


@pytest.mark.parametrize("is_series", [False, True])
def test_times_of_day_may_have_nanoseconds(is_series):
    arrow = pytest.importorskip("pyarrow")
    texts = ["10:30:00.123456789", None, "00:00:00"]
    column = arrow.array([37_800_123_456_789, None, 0], arrow.time64("ns"))
    if is_series:
        column = pd.Series(pd.arrays.ArrowExtensionArray(arrow.chunked_array([column])))
    cells, are_own = cells_of("at", column)
    assert (cells.tolist(), are_own) == ([text or "" for text in texts], False)
    assert Table.from_columns({"at": column}).texts("at").tolist() == cells.tolist()


def test_time_spans_among_objects_are_seconds():
    for span in timedelta(hours=1), pd.Timedelta(hours=1):
        cells, are_own = cells_of("x", pd.Series([span, None, pd.NaT], dtype=object))
        np.testing.assert_array_equal(cells, [3600, np.nan, np.nan])
        assert are_own
    assert cells_of("x", [timedelta(hours=1), "long"])[0].tolist() == ["1:00:00", "long"]


def test_bytes_booleans_and_ids_are_as_in_files(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    flags, ids = arrow.array([1, None, 0], "int8"), arrow.array([b"%016d" % 1, None, b"x" * 16])
    columns = {
        "bytes": arrow.array([b"a", None, b"\xc3\xa9"]),
        "flag": arrow.ExtensionArray.from_storage(arrow.bool8(), flags),
        "id": arrow.ExtensionArray.from_storage(arrow.uuid(), ids.cast(arrow.binary(16))),
        "long": arrow.array([2**60 + 1, None, 1]).dictionary_encode(),
        "at": arrow.array([37_800_000_000, None, 0], arrow.time64("us")),
    }
    table, path = arrow.table(columns), tmp_path / "table.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(table, path)
    file, frame = read_table(path), Table.from_columns(table)
    for name in columns:
        assert frame.texts(name).tolist() == file.texts(name).tolist(), name
    assert Table.from_columns({"a": np.array([b"a", b"bc"])}).texts("a").tolist() == ["a", "bc"]


@pytest.mark.parametrize("in_pandas", [False, True])
@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pl.Series(["a", None, "b"], dtype=pl.Categorical), ["a", "", "b"]),
        (pl.Series(["a", None, "b"], dtype=pl.Enum(["b", "a"])), ["a", "", "b"]),
        (pl.Series(["a", None, "b"]), ["a", "", "b"]),
        ([date(2024, 2, 29), None, date(2024, 3, 1)], ["2024-02-29", "", "2024-03-01"]),
        ([2**60 + 1, None, 2**60], [str(2**60 + 1), "", str(2**60)]),
    ],
)
def test_columns_of_arrow_in_codes_runs_and_views_are_their_values(values, texts, in_pandas):
    arrow = pytest.importorskip("pyarrow")
    if isinstance(values, pl.Series):  # texts of polars are views, in a table that pyarrow makes
        columns = [arrow.table(pl.DataFrame({"x": values}))["x"]]
    else:
        cells = arrow.chunked_array([values])
        columns = [cells.dictionary_encode(), arrow.compute.run_end_encode(cells)]
    for column in columns:
        if in_pandas:
            column = pd.Series(pd.arrays.ArrowExtensionArray(column))
        assert cells_of("x", column)[0].tolist() == texts


def test_types_for_categories_are_known():
    texts = ["1", "2", "1"]
    assert is_categorical(pd.Series(texts, dtype="category"))
    assert is_categorical(pl.Series(texts, dtype=pl.Categorical))
    assert is_categorical(pl.Series(texts, dtype=pl.Enum(["1", "2"])))
    arrow = pytest.importorskip("pyarrow")
    coded = arrow.array(texts).dictionary_encode()
    assert is_categorical(coded)
    assert is_categorical(pd.Series(texts, dtype=pd.ArrowDtype(coded.type)))
    for other in (arrow.array(texts), pd.Series(texts), pl.Series(texts), pd.Series([1, 2]), texts):
        assert not is_categorical(other)


def test_what_is_no_column_is_refused_by_name():
    with pytest.raises(
        ValueError, match=r"^columns\['a'\]: expected numbers or texts, got cells of "
    ):
        Table.from_columns({"a": np.array([[1], None], object)})
    with pytest.raises(ValueError, match=r"^columns\['a'\]: Complex data not supported"):
        Table.from_columns({"a": [1j, 2]})
    with pytest.raises(ValueError, match=r"^columns\['a'\]: .*, got bytes, not in UTF-8$"):
        Table.from_columns({"a": [b"\xff"]})
    with pytest.raises(ValueError, match=r"^columns\['a'\]: .*, got timedelta64\[M\]$"):
        Table.from_columns({"a": np.array([1, 2], "m8[M]")})
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(ValueError, match=r"^columns: expected names .*, got column 'a' 2"):
        Table.from_columns(frame)
    with pytest.raises(TypeError, match=r"^X: expected a mapping from names to cells, got int"):
        columns_of("X", 3)


def test_times_beyond_a_day_are_no_times(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    spans = arrow.array([3600, 90_000, None], "int32").view(arrow.time32("s"))
    with pytest.raises(
        ValueError, match=r"^columns\['a'\]: expected times of day, got time32\[s\]"
    ):
        Table.from_columns({"a": spans})
    path = tmp_path / "spans.parquet"
    columns = {"a": spans.cast(arrow.time64("us"), safe=False), "b": arrow.array([1, 2, 3])}
    pytest.importorskip("pyarrow.parquet").write_table(arrow.table(columns), path)
    assert read_table(path).unreadable == {"a": "time64[us]"}


def test_types_of_arrow_without_numbers_or_texts_are_refused_by_name():
    arrow = pytest.importorskip("pyarrow")
    spans = arrow.array([(1, 2, 3), None], arrow.month_day_nano_interval())
    for cells in spans, arrow.array([b"ab", None], arrow.binary(2)):
        series = pd.Series(pd.array(cells, pd.ArrowDtype(cells.type)))
        text = rf"^columns\['a'\]: .*, got {re.escape(str(cells.type))}"
        for column in cells, arrow.chunked_array([cells]), series:
            with pytest.raises(ValueError, match=text):
                Table.from_columns({"a": column})


@pytest.mark.parametrize("kind", ["list", "fixed", "struct", "map"])
def test_cells_with_parts_are_refused_by_the_type_of_their_column(kind, empty_folder):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    cells, typed = {
        "list": ([1, 2], arrow.list_(arrow.int64())),
        "fixed": ([1.0, 2.0], arrow.list_(arrow.float64(), 2)),
        "struct": ({"a": 1}, arrow.struct([("a", arrow.int64())])),
        "map": ([("k", 1)], arrow.map_(arrow.string(), arrow.int64())),
    }[kind]
    column = arrow.array([cells] * 4, typed)
    named = pd.Series([cells] * 4, dtype=pd.ArrowDtype(typed))
    for given, name in (column, typed), (named, named.dtype), (pl.from_arrow(column), None):
        name = given.dtype if name is None else name
        message = f"^columns\\['a'\\]: expected numbers or texts, got {re.escape(str(name))}$"
        with pytest.raises(ValueError, match=message):
            Table.from_columns({"a": given})
    parquet.write_table(arrow.table({"a": column, "y": [0, 1, 0, 1]}), "a.parquet")
    [name] = read_table("a.parquet").unreadable.values()
    message = f"^a.parquet, column 'a': expected numbers or texts, got {re.escape(name)}$"
    with pytest.raises(ValueError, match=message):
        fit(read_table("a.parquet"), Settings("y", validation=0))
    objects = np.empty(2, object)
    objects[:] = [cells, cells]
    message = r"^columns\['a'\]: expected numbers or texts, got cells of type (list|dict)$"
    with pytest.raises(ValueError, match=message):
        Table.from_columns({"a": objects})
