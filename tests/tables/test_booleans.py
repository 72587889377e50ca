"""Booleans are the same however files, databases and frames have them, when predicting too."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from densenet.tables import Categories, PiecewiseLinear, Settings, Table, fit, read_table
from tests.support.tables import write

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
arrow = pytest.importorskip("pyarrow")

pytestmark = pytest.mark.usefixtures("empty_folder")

ROWS = 120
FLAGS = np.random.default_rng(0).random(ROWS) < 0.5
X = np.random.default_rng(1).normal(size=ROWS)
Y = np.where(FLAGS ^ (X > 1.5), "a", "b")
WORDS = {
    "true and false": ("false", "true"),
    "True and False": ("False", "True"),
    "TRUE and FALSE": ("FALSE", "TRUE"),
    "t and f": ("f", "t"),
    "T and F": ("F", "T"),
    "1 and 0": ("0", "1"),
    "1.0 and 0.0": ("0.0", "1.0"),
}
CELLS = {
    "NumPy": lambda: FLAGS,
    "NumPy's integers": lambda: FLAGS.astype(int),
    "NumPy's floats": lambda: FLAGS.astype(float),
    "a list": FLAGS.tolist,
    "pandas": lambda: pd.Series(FLAGS),
    "boolean of pandas": lambda: pd.Series(FLAGS, dtype="boolean"),
    "objects of pandas": lambda: pd.Series(FLAGS, dtype=object),
    "categories of pandas": lambda: pd.Series(FLAGS, dtype="category"),
    "Arrow in pandas": lambda: pd.Series(FLAGS, dtype="bool[pyarrow]"),
    "polars": lambda: pl.Series(FLAGS),
    "Arrow": lambda: arrow.array(FLAGS),
}
TRAINED = ["true and false", "True and False", "Parquet", "SQLite", *CELLS]


def table(form):
    if form in WORDS:
        words = [WORDS[form][flag] for flag in FLAGS.astype(int)]
        write("t.csv", ["x", "flag", "y"], zip(X, words, Y, strict=True))
        return read_table("t.csv")
    cells = {"x": X, "flag": CELLS.get(form, CELLS["pandas"])(), "y": Y}
    if form == "Parquet":
        from pyarrow import parquet

        parquet.write_table(arrow.table(cells), "t.parquet")
        return read_table("t.parquet")
    if form == "SQLite":
        with closing(sqlite3.connect(":memory:")) as database:
            pd.DataFrame(cells).to_sql("t", database, index=False)
            return Table.from_columns(pd.read_sql("SELECT * FROM t", database))
    return Table.from_columns(cells)


def tables():
    return {form: table(form) for form in (*WORDS, "Parquet", "SQLite", *CELLS)}


@pytest.mark.parametrize("trained", TRAINED)
def test_every_form_predicts_the_same(trained):
    model = fit(table(trained), Settings("y", epochs=2, validation=0)).model
    expected = model.predict_proba(table(trained))
    part = next(part for part in model.features.parts if part.column == "flag")
    are_numbers = isinstance(part, PiecewiseLinear)
    for form, other in tables().items():
        if are_numbers and form in ("t and f", "T and F"):  # no booleans for sure
            with pytest.raises(ValueError, match=r"expected a number, got '[fFtT]'$"):
                model.predict_proba(other)
            continue
        np.testing.assert_array_equal(model.predict_proba(other), expected, err_msg=form)
        told = "is read as 1" if are_numbers and other.is_text("flag") else ""
        assert part.surprise(other) == (told and f"{max(other.texts('flag'))!r} {told}"), form


def test_what_is_no_boolean_is_of_no_known_category():
    flag = Categories.fit(Table.from_columns({"flag": ["true", "false"] * 5}), "flag")
    other = Table.from_columns({"flag": ["1", "2", "0.5", "yes", "tr", "T"]})
    assert flag.transform(other).tolist() == [[0, 1], *[[0, 0]] * 4, [0, 1]]
    texts = Categories.fit(Table.from_columns({"flag": ["true", "false", "both"] * 5}), "flag")
    assert not texts.transform(other).any()


def test_booleans_are_numbers_only_where_training_had_numbers():
    flags = Table.from_columns({"n": ["true", "", "False"]})
    with pytest.raises(
        ValueError, match=r"^table, row 1, column 'n': expected a number, got 'true'"
    ):
        flags.numbers("n")
    n = PiecewiseLinear.fit(Table.from_columns({"n": [0, 1, 2, 3] * 10}), "n")
    same = Table.from_columns({"n": [1, np.nan, 0]})
    np.testing.assert_array_equal(n.transform(flags), n.transform(same))
    np.testing.assert_array_equal(n.cells(flags).at([2, 0]), [0, 1])
    assert "'true' is read as 1" in n.surprise(flags)
    with pytest.raises(ValueError, match=r"expected a number, got 'true'"):
        n.transform(Table.from_columns({"n": ["true", "3"]}))
