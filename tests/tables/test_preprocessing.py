"""Columns into features, targets and back, by statistics of the training rows."""

import json

import numpy as np
import pytest

from densenet.tables import Table
from densenet.tables.encoding import specs, targets
from densenet.tables.encoding.columns import FURTHEST, Categories, Numbers
from densenet.tables.encoding.features import Features
from densenet.tables.encoding.targets import Classes, Values, fit_target, infer_task


def table_of(**columns):
    return Table.from_columns(columns, "t.csv")


# ---- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("impute", ["median", "mean"])
@pytest.mark.parametrize("rows", [2, 7, 64])
def test_numbers_are_those_of_scikit_learn(rng, impute, rows):
    pytest.importorskip("sklearn")
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values = rng.normal(1e3, 5, (rows, 1))
    values[rng.random((rows, 1)) < 0.3] = np.nan
    values[0] = 990
    witness = make_pipeline(SimpleImputer(strategy=impute), StandardScaler()).fit(values)
    spec = Numbers.fit(table_of(x=values[:, 0]), "x", impute)
    others = rng.normal(1e3, 5, (9, 1))
    others[3] = np.nan
    for rows_ in values, others:
        got = spec.transform(table_of(x=rows_[:, 0]))
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, witness.transform(rows_), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e9, 1.7e308])
def test_numbers_of_any_size_are_standardised(rng, size):
    values = size * rng.uniform(-1, 1, 50)
    spec = Numbers.fit(table_of(x=values), "x")
    got = spec.transform(table_of(x=values)).astype(np.float64)
    assert got.mean() == pytest.approx(0, abs=1e-6)
    assert got.std() == pytest.approx(1, rel=1e-6)
    assert abs(spec.fill) <= size


def test_one_huge_cell_does_not_reach_the_network(rng):
    spec = Numbers.fit(table_of(x=rng.normal(size=50)), "x")
    table = table_of(x=[1e308, -1e308, 0.0, 2.0])
    got = spec.transform(table)
    assert got[:2, 0].tolist() == [FURTHEST, -FURTHEST]
    assert spec.surprise(table).startswith("2 cells cut off at 1000 standard deviations")
    assert spec.surprise(table_of(x=[0.0, 2.0])) == ""


def test_equal_numbers_become_zeros():
    spec = Numbers.fit(table_of(x=[0.1] * 10), "x")
    assert spec.transform(table_of(x=[0.1, np.nan, 1.1]))[:, 0].tolist() == pytest.approx([0, 0, 1])


# ---- categories --------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "least"), [(100, 1), (3, 1), (100, 3), (2, 5), (1, 1)])
def test_categories_are_those_of_scikit_learn(rng, most, least):
    pytest.importorskip("sklearn")
    from sklearn.preprocessing import OneHotEncoder

    counts = [20, 11, 7, 4, 2, 1]
    texts = rng.permutation(np.repeat(list("cfadbe"), counts)).astype(object)
    spec = Categories.fit(table_of(x=texts.tolist()), "x", most, least)
    kept = sorted("cfadbe"[i] for i in range(6) if i < most and counts[i] >= least)
    assert spec.values == tuple(kept)
    assert spec.others == 6 - len(kept)
    witness = OneHotEncoder(categories=[kept], handle_unknown="ignore", sparse_output=False)
    expected = witness.fit(np.array(kept, object)[:, None]).transform(texts[:, None])
    got = spec.transform(table_of(x=texts.tolist()))
    np.testing.assert_array_equal(got[:, : len(kept)], expected)
    assert got.shape[1] == len(spec.names) == len(kept) + (spec.others > 0)
    if spec.others:
        np.testing.assert_array_equal(got.sum(axis=1), 1)


def test_what_no_training_row_had_is_other_or_nothing():
    new = table_of(x=["b", "?!", "", "a"])
    without = Categories("x", ("a", "b"), 0)
    assert without.transform(new).tolist() == [[0, 1], [0, 0], [0, 0], [1, 0]]
    assert without.surprise(new) == (
        "2 cells of no known category ('', '?!') taken as none of them"
    )
    others = Categories("x", ("a", "b"), 7)
    assert others.transform(new).tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0]]
    assert others.surprise(new).endswith("taken as other")


def test_a_missing_cell_is_a_category():
    spec = Categories.fit(table_of(x=["a", "", "", "a"]), "x")
    assert spec.names == ["x: missing", "x=a"]


# ---- all columns -------------------------------------------------------------------------------


def mixed(rng, rows=60):
    return table_of(
        number=rng.normal(size=rows),
        color=rng.choice(["red", "green", ""], rows).tolist(),
        code=[str(i % 3) for i in range(rows)],
        constant=[7.5] * rows,
        same=["x"] * rows,
        empty=[""] * rows,
        name=[f"n{i}" for i in range(rows)],
    )


def test_each_column_is_what_it_looks_like(rng):
    table = mixed(rng)
    features = Features.fit(table, table.columns)
    assert {part.column: type(part) for part in features.parts} == {
        "number": Numbers,
        "color": Categories,
        "code": Numbers,
    }
    assert features.left_out == {
        "constant": "constant",
        "same": "constant",
        "empty": "empty",
        "name": "text that hardly repeats: 60 different cells in 60 rows",
    }
    as_text = Features.fit(table, ["code", "name"], text=["code", "name"], most_categories=2)
    assert as_text.names == ["code=0", "code=1", "code: other", "name: other"]


def test_ten_thousand_categories_become_a_hundred_and_one(rng):
    texts = [f"t{i}" for i in rng.integers(0, 10_000, 40_000)]
    features = Features.fit(table_of(x=texts), ["x"])
    assert len(features.names) == 101
    assert features.parts[0].others > 9_000


def test_nothing_to_learn_from(rng):
    table = mixed(rng)
    with pytest.raises(
        ValueError, match=r"t\.csv: expected columns to learn .* 'same' is constant"
    ):
        Features.fit(table, ["same", "empty"])
    with pytest.raises(ValueError, match="got no others"):
        Features.fit(table, [])


def test_statistics_are_of_the_rows_given(rng):
    table = mixed(rng)
    rows = np.arange(20)
    features = Features.fit(table.take(rows), ["number", "color"])
    assert features.parts[0].mean == pytest.approx(table.numbers("number")[:20].mean())
    whole, part = features.transform(table), features.transform(table.take(rows))
    np.testing.assert_array_equal(whole[:20], part)


def test_other_rows_must_have_the_columns(rng):
    features = Features.fit(mixed(rng), ["number", "color"])
    with pytest.raises(ValueError, match="expected column 'color', got column 'number'"):
        features.transform(table_of(number=[1.0, 2.0]))
    with pytest.raises(ValueError, match="row 2, column 'number': expected a number, got 'x'"):
        features.transform(table_of(number=["1", "x"], color=["red", "red"]))


def test_surprises(rng):
    features = Features.fit(mixed(rng), ["number", "color"])
    table = table_of(number=[0.0, 1.0], color=["pink", "red"])
    assert list(features.surprises(table)) == ["color"]


# ---- targets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b", "a"], "classification"),
        ([0, 1, 0, 1], "classification"),
        ([1.0, 2.0, 1.0], "classification"),
        ([0.5, 1.5, 0.5], "regression"),
        (list(range(20)) * 2, "classification"),
        (list(range(21)) * 2, "regression"),
        (["1", "2.5"], "regression"),
        (["1", "2", "x"], "classification"),
    ],
)
def test_the_task(values, task):
    assert infer_task(table_of(y=values), "y") == task


def test_classes_are_as_written_and_sorted_as_numbers_where_they_are():
    spec = fit_target(table_of(y=["10", "9", "09", "10", "9", "08"]), "y")
    assert spec == Classes("y", ("08", "9", "10"))
    assert spec.encode(table_of(y=["10", "8"])).tolist() == [2, 0]
    assert spec.decode(np.array([1, 0])) == ["9", "08"]
    assert Classes.fit(table_of(y=["b", "10", "9", "a"] * 2), "y").values == ("10", "9", "a", "b")


def test_values_go_there_and_back(rng):
    for size in 1e-3, 1.0, 1e300:
        values = size * (5 + rng.normal(size=40))
        spec = fit_target(table_of(y=values), "y", "regression")
        encoded = spec.encode(table_of(y=values))
        assert encoded.dtype == np.float32
        assert encoded.std() == pytest.approx(1, rel=1e-5)
        np.testing.assert_allclose(spec.decode(encoded), values, rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["a", "a"], "auto", "column 'y': expected at least two classes, got only 'a'"),
        ([3, 3], "auto", "expected at least two classes, got only '3'"),
        ([1.5, 1.5], "auto", "expected values that differ, got only 1.5"),
        ([f"n{i}" for i in range(30)], "auto", "classes that repeat, got 30 different ones in 30"),
        (["a", "b", "c"], "regression", "row 1, column 'y': expected a number, got 'a'"),
        (["1"] * 30 + ["x"], "auto", "row 31, column 'y': expected a number, as in most rows"),
        (["1.5", "inf"], "auto", "row 2, column 'y': expected a finite number, got 'inf'"),
    ],
)
def test_a_target_that_is_none(values, task, message):
    with pytest.raises(ValueError, match=message):
        fit_target(table_of(y=values), "y", task)


def test_a_class_that_is_not_known():
    with pytest.raises(ValueError, match="row 2, column 'y': expected one of the classes 'a', 'b'"):
        Classes("y", ("a", "b")).encode(table_of(y=["a", "c"]))
    with pytest.raises(ValueError, match="row 2, column 'y': expected a number, got none"):
        Values("y", 0.0, 1.0).encode(table_of(y=["1", ""]))


# ---- JSON --------------------------------------------------------------------------------------


def test_specs_travel_as_json(rng):
    features = Features.fit(mixed(rng), mixed(rng).columns)
    assert Features.from_json(json.loads(json.dumps(features.to_json()))) == features
    for target in Classes("y", ("a", "b")), Values("y", 0.1, 2e300):
        assert targets.from_json(json.loads(json.dumps(specs.to_json(target)))) == target


@pytest.mark.parametrize(
    "part",
    [
        None,
        [],
        {},
        {"kind": []},
        {"kind": "os"},
        {"kind": "numbers"},
        {"kind": "numbers", "column": "a", "fill": 0.0, "mean": 0.0, "scale": 0.0},
        {"kind": "numbers", "column": "a", "fill": 0.0, "mean": float("nan"), "scale": 1.0},
        {"kind": "numbers", "column": "a", "fill": "0", "mean": 0.0, "scale": 1.0},
        {"kind": "numbers", "column": 3, "fill": 0.0, "mean": 0.0, "scale": 1.0},
        {"kind": "numbers", "column": "a", "fill": 0.0, "mean": 0.0, "scale": 1.0, "more": 1},
        {"kind": "categories", "column": "a", "values": ["x", "x"], "others": 0},
        {"kind": "categories", "column": "a", "values": [1], "others": 0},
        {"kind": "categories", "column": "a", "values": 5, "others": 0},
        {"kind": "categories", "column": "a", "values": ["x"], "others": -1},
        {"kind": "categories", "column": "a", "values": ["x"], "others": True},
    ],
)
def test_other_json_is_refused(part):
    for data in (part, {"parts": [part], "left_out": {}}, {"parts": part, "left_out": {}}):
        with pytest.raises(ValueError, match="expected"):
            Features.from_json(data)


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "numbers", "column": "a", "fill": 0.0, "mean": 0.0, "scale": 1.0},
        {"kind": "classes", "column": "a", "values": ["x"]},
        {"kind": "values", "column": "a", "mean": 0.0, "scale": -1.0},
    ],
)
def test_other_targets_are_refused(data):
    with pytest.raises(ValueError, match="expected"):
        targets.from_json(data)
