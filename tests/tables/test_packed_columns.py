"""Columns in little memory: compressed texts beside their numbers, numbers of few decimals."""

import csv
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from densenet.tables import read_table
from densenet.tables.decimals import Decimals, shortened
from densenet.tables.numerals import PLAIN
from densenet.tables.reading import arrow_cells, csv_tables, packed_texts
from densenet.tables.reading.parts import Part

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS = 20_000
SPELLINGS = {
    "fixed": "{:.6f}",
    "shortest": "{!r}",
    "signed": "{:+.3f}",
    "with zeros": "{:012.4f}",
    "with exponents": "{:.5e}",
    "with spaces": " {:.2f}",
    "long": "{:.25f}",
}

pytestmark = pytest.mark.usefixtures("empty_folder")


def written(columns):
    with Path("t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def spelled(rng):
    numbers = rng.normal(size=ROWS).tolist()
    return {
        name: [how.format(one) if i % 9 else "" for i, one in enumerate(numbers)]
        for name, how in SPELLINGS.items()
    }


@pytest.mark.parametrize("with_zstandard", [True, False])
def test_texts_and_numbers_are_those_of_the_file(rng, monkeypatch, with_zstandard):
    """Every text, and every number to the bit, is what the file has, packed or not."""
    if not with_zstandard:
        for module in csv_tables, packed_texts:
            monkeypatch.setattr(module, "can_pack", lambda: False)
    columns = spelled(rng)
    written(columns)
    table = read_table("t.csv")
    for name, texts in columns.items():
        stripped = [text.strip() for text in texts]
        assert table.texts(name).tolist() == stripped
        assert table.take([5, 9]).texts(name).tolist() == [stripped[5], stripped[9]]
        assert table.text_counts(name)[""] == stripped.count("")
        numbers = np.array([float(text or "nan") for text in stripped])
        np.testing.assert_array_equal(table.numbers(name).view("i8"), numbers.view("i8"))
        np.testing.assert_array_equal(table.missing(name), np.isnan(numbers))
        held = table.held_numbers(name).at(np.array([9, 5, 5]))
        np.testing.assert_array_equal(held, numbers[[9, 5, 5]])


def test_ids_of_numbers_keep_their_spelling(rng):
    """A column of packed texts names rows as the file does."""
    ids = [f"{i / 4:09.3f}" for i in rng.permutation(ROWS)]
    written({"id": ids, "x": rng.normal(size=ROWS).round(3)})
    table = read_table("t.csv")
    assert table.texts("id").tolist() == ids
    assert table.keys("id")[:3] == [repr(float(one)).removesuffix(".0") for one in ids[:3]]


def bytes_of(path):
    """Give the bytes that a table holds."""
    read_table(path)  # imports
    tracemalloc.start()
    before = arrow.total_allocated_bytes()
    try:
        table = read_table(path)
        return tracemalloc.get_traced_memory()[0] + arrow.total_allocated_bytes() - before, table
    finally:
        tracemalloc.stop()


def test_a_table_of_csv_takes_less_than_its_file(rng):
    """Its numbers take 4 bytes a cell and its texts about as much."""
    written({f"x{i}": rng.normal(size=ROWS).round(6) for i in range(10)})
    held, _ = bytes_of("t.csv")
    assert held < Path("t.csv").stat().st_size


def test_numbers_of_parquet_take_half_if_they_have_few_decimals(rng):
    """They give back the bits of the file."""
    columns = {f"x{i}": rng.normal(size=ROWS).round(6) for i in range(10)}
    parquet.write_table(arrow.table(columns), "t.parquet", row_group_size=7000)
    held, table = bytes_of("t.parquet")
    assert held < 0.7 * 8 * 10 * ROWS
    for name, values in columns.items():
        np.testing.assert_array_equal(table.numbers(name).view("i8"), values.view("i8"))
        np.testing.assert_array_equal(table.columns[name], values)


@pytest.mark.parametrize("kind", ["float32", "float16", "int64", "uint64", "int8"])
def test_other_numbers_of_parquet_are_as_they_were(rng, kind):
    values = rng.integers(0, 100, ROWS).astype(kind)
    parquet.write_table(arrow.table({"x": values}), "t.parquet")
    assert read_table("t.parquet").numbers("x").tolist() == values.tolist()


@pytest.mark.parametrize("decimals", range(10))
@pytest.mark.parametrize("size", [1.0, 100.0, 1e5])
def test_numbers_of_few_decimals_are_given_back_to_the_bit(rng, decimals, size):
    values = (size * rng.uniform(-1, 1, ROWS)).round(decimals)
    values[rng.random(ROWS) < 0.1] = np.nan
    values[values == 0] = 0.0  # some are -0.0
    held = shortened(values)
    assert isinstance(held, Decimals) == (size * 10.0**decimals <= 2**31)
    np.testing.assert_array_equal(held[:], values)
    rows = rng.integers(0, ROWS, 100)
    np.testing.assert_array_equal(held[rows], values[rows])


@pytest.mark.parametrize("at", [0, 5000])
@pytest.mark.parametrize(
    "other", [-0.0, np.inf, -np.inf, 1e300, 2.0**31, -(2.0**31), 1 / 3, 5e-324]
)
def test_numbers_beside_others_stay_as_they_are(rng, other, at):
    """One number that a whole number does not give back keeps the column as it was."""
    values = rng.uniform(0, 100, ROWS).round(2)
    values[at] = other
    assert shortened(values) is values


def test_nothing_but_gaps_is_held():
    assert np.isnan(shortened(np.full(ROWS, np.nan))[:]).all()


SHORT = {
    "fractions": ["1.50", "-2.25", "1e-3"],
    "with a gap": ["1.50", None, "-0.0"],
    "all gaps": [None, None, None],
    "whole": ["7", "8", "9"],
    "whole, written with dots": ["7.0", "8.0", "-0.0"],
    "infinite": ["inf", "0.5", "1"],
    "repeated": ["0.5", "0.5", "0.5"],
    "texts": ["a", " b", "na"],
    "words for gaps": ["0.5", "NA", "1"],
    "a NaN": ["0.5", "nan", "1"],
}


@pytest.mark.parametrize("names", [[*SHORT], [*SHORT][:7], ["fractions"]])
def test_short_columns_are_stored_together_as_alone(names):
    columns = [[arrow.array(SHORT[name], arrow.string())] for name in names]
    together = arrow_cells.store_some(columns, {"", "na"})
    for [texts], stored in zip(columns, together, strict=True):
        alone = arrow_cells.store(arrow.chunked_array([texts]), {"", "na"})
        assert type(stored) is type(alone)
        assert stored.array().tolist() == alone.array().tolist()
        for found, expected in zip(stored.parse(PLAIN), alone.parse(PLAIN), strict=True):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


def test_columns_without_rows_are_stored():
    columns = {name: [arrow.array([], arrow.string())] for name in "ab"}
    part = Part("t.csv", columns, np.empty(0, np.int32), "line", [])
    stored, _, _ = csv_tables.store_texts(part, {""})
    assert {name: len(one) for name, one in stored.items()} == {"a": 0, "b": 0}
