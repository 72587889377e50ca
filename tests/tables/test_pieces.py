"""Numbers cut into pieces: edges, features, and what is not as in training."""

import numpy as np
import pytest

from densenet.tables import Features, PiecewiseLinear, Table
from densenet.tables.encoding import pieces
from densenet.tables.encoding.quantiles import median_of, places_between, quantile_of


def column(values):
    return Table.from_columns({"x": values})


def by_definition(part, x):
    """The formula of the docstring, cell by cell."""
    x = part.fill if np.isnan(x) else x
    z = (x - part.center) / part.scale
    pairs = zip(part.edges, part.edges[1:], strict=False)
    return [z / np.sqrt(1 + (z / 3) ** 2), *(np.clip((x - a) / (b - a), 0, 1) for a, b in pairs)]


def test_features_are_those_of_the_formula(rng):
    part = PiecewiseLinear.fit(column(rng.normal(size=500)), "x", 12)
    assert len(part.edges) == 13
    cells = [*rng.normal(size=50), *part.edges, -9.0, 9.0, np.nan]
    expected = np.array([by_definition(part, cell) for cell in cells])
    assert part.transform(column(cells)) == pytest.approx(expected, abs=1e-6)


def test_pieces_hold_equally_many_rows(rng):
    values = rng.lognormal(size=1000)
    part = PiecewiseLinear.fit(column(values), "x", 10)
    counts, _ = np.histogram(values, part.edges)
    assert np.all(np.abs(counts - 100) <= 2)


@pytest.mark.parametrize("count", [2, 25, 26, 27, 160, 5000])
@pytest.mark.parametrize("most", [1, 2, 24])
def test_values_that_all_differ_have_edges_at_places_that_are_known(rng, count, most):
    """They are those of the rule for values that may repeat."""
    ordered = np.sort(rng.normal(size=count))
    expected = pieces._weighed(ordered, np.ones(count, bool), most)
    np.testing.assert_array_equal(pieces._edges(ordered, most), expected)


def test_few_values_are_the_edges():
    part = PiecewiseLinear.fit(column([3, 1, 1, 7, 3]), "x", 5)
    assert part.edges == (1.0, 3.0, 7.0)


def test_two_values_are_one_feature():
    part = PiecewiseLinear.fit(column([4, 6, 6]), "x")
    assert part.names == ["x: 4 to 6"]
    assert part.transform(column([4, 5, 6])).tolist() == [[0.0], [0.5], [1.0]]


def test_a_value_of_most_rows_leaves_pieces_to_the_others(rng):
    """Quantiles of all rows would be zeros, but for one or two."""
    values = np.where(np.arange(1000) % 20 == 0, rng.uniform(1, 100, 1000), 0.0)
    part = PiecewiseLinear.fit(column(values), "x", 10)
    assert 0.0 in part.edges
    assert len(part.edges) == 11


def test_more_heavy_values_than_pieces(rng):
    part = PiecewiseLinear.fit(column(np.repeat(np.arange(40.0), 5)), "x", 3)
    assert part.edges[0] == 0
    assert part.edges[-1] == 39
    assert len(part.edges) <= 4


def test_gaps_of_training_have_a_feature():
    part = PiecewiseLinear.fit(column(["1", "", "2", "4"]), "x")
    assert part.names[-1] == "x: missing"
    assert part.transform(column(["", "4"]))[:, -1].tolist() == [1, 0]
    assert part.transform(column(["", "2"]))[0, 0] == part.transform(column(["", "2"]))[1, 0]


def test_huge_numbers_neither_overflow_nor_become_nan():
    part = PiecewiseLinear.fit(column([-1.7e308, -1.0, 1.0, 1.7e308]), "x")
    assert np.isfinite(part.transform(column([-1.7e308, 0.0, 1.7e308]))).all()
    tiny = PiecewiseLinear.fit(column([0.0, 1e-300, 2e-300]), "x")
    features = tiny.transform(column([1.7e308, -1.7e308]))
    assert features[:, 0] == pytest.approx([3, -3])
    least = PiecewiseLinear.fit(column([0.0, 5e-324, 1e-323]), "x")
    assert np.isfinite(least.transform(column([0.0, 5e-324, 1e-323, 1.0]))).all()


def test_a_file_holds_them():
    table = column([1, 2, 5, 9])
    features = Features.fit(table, ["x"], pieces=3)
    again = Features.from_json(features.to_json())
    assert again == features
    assert np.array_equal(again.transform(table), features.transform(table))


@pytest.mark.parametrize("edges", [[1.0], [1.0, 1.0], [2.0, 1.0], [1.0, np.inf], ["1", "2"], 3])
def test_edges_that_do_not_grow_are_refused(edges):
    with pytest.raises((TypeError, ValueError), match=r"^edges"):
        PiecewiseLinear("x", 0.0, edges, 0.0, 1.0)


def test_a_constant_column_is_refused():
    with pytest.raises(ValueError, match="expected numbers that differ"):
        PiecewiseLinear.fit(column([3, 3]), "x")


def test_missing_cells_are_told_of_where_training_had_none():
    part = PiecewiseLinear.fit(column([1, 2, 3]), "x")
    assert part.surprise(column([np.nan, 1, np.nan])) == "2 cells missing, taken as 2"
    assert PiecewiseLinear.fit(column([1, 2, np.nan]), "x").surprise(column([np.nan])) == ""


@pytest.mark.parametrize("count", [*range(1, 40), 1001, 4096])
def test_quantiles_of_sorted_numbers_have_the_bits_of_numpy(rng, count):
    numbers = np.sort(rng.normal(size=count).round(int(rng.integers(0, 17))))  # -0.0 among them
    assert np.float64(median_of(numbers)).tobytes() == np.median(numbers).tobytes()
    for share in (0.25, 0.5, 0.75, 0.1, 0.9):
        expected = np.quantile(numbers, share).tobytes()
        assert np.float64(quantile_of(numbers, share)).tobytes() == expected
    for inner in (1, 3, 23):
        shares = np.linspace(0, 1, inner + 2)[1:-1]
        expected = np.quantile(numbers, shares, method="closest_observation")
        np.testing.assert_array_equal(numbers[places_between(count, inner)], expected)


@pytest.mark.parametrize("most", [1, 3, 8, 24])
@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize("gaps", [False, True])
def test_an_encoding_has_as_many_features_as_names(rng, most, decimals, gaps):
    values = rng.normal(size=100).round(decimals)
    if gaps:
        values[::7] = np.nan
    part = PiecewiseLinear.fit(Table.from_columns({"x": values}), "x", most)
    assert part.width == len(part.names)
