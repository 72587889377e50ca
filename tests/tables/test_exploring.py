"""``densenet explore``: columns, associations, components, their picture and their report."""

from pathlib import Path

import numpy as np
import pytest

from densenet.tables import Table, explore, read_table
from densenet.tables.looking.associations import correlation_ratio, correlations, cramers_v
from densenet.tables.looking.exploring_picture import exploration_picture
from densenet.tables.looking.exploring_report import exploration_report
from tests.support.tables import HEADER, tracks, write

# ---- associations ------------------------------------------------------------------------------


def test_correlations_are_numpys(rng):
    x = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 4)) + 7
    found = correlations(x * [1, 1e200, 1e-200, 5])
    np.testing.assert_allclose(found, np.corrcoef(x.T), rtol=1e-9, atol=1e-9)


def test_a_pair_counts_the_rows_in_which_both_are_there(rng):
    x = rng.normal(size=(60, 3))
    x[:, 1] += x[:, 0]
    x[rng.random(x.shape) < 0.3] = np.nan
    for i, j in (0, 1), (0, 2), (1, 2):
        both = ~np.isnan(x[:, [i, j]]).any(axis=1)
        expected = np.corrcoef(x[both][:, [i, j]].T)[0, 1]
        assert correlations(x)[i, j] == pytest.approx(expected, abs=1e-9)
        assert correlations(x)[j, i] == correlations(x)[i, j]


def test_what_does_not_vary_has_no_correlation():
    x = np.array([[1.0, 5.0, np.nan], [2.0, 5.0, np.nan], [3.0, 5.0, 1.0]])
    assert np.isnan(correlations(x)).tolist() == [[False, True, True]] + 2 * [[True] * 3]


def test_the_ratio_of_two_groups_is_their_correlation(rng):
    groups = rng.integers(0, 2, 5000)
    values = rng.normal(size=5000) + groups
    values[::9] = np.nan
    known = ~np.isnan(values)
    expected = abs(np.corrcoef(groups[known], values[known])[0, 1])
    assert correlation_ratio(groups, values) == pytest.approx(expected, abs=1e-3)


def test_groups_that_mean_nothing_have_no_ratio(rng):
    ratios = [correlation_ratio(np.arange(300) % 100, rng.normal(size=300)) for _ in range(20)]
    assert np.mean(np.square(ratios)) < 0.1  # a third of the variance lies between such groups
    assert np.isnan(correlation_ratio(np.arange(9), rng.normal(size=9)))
    assert np.isnan(correlation_ratio(np.arange(9) % 2, np.ones(9)))
    assert np.isnan(correlation_ratio(np.arange(9) % 2, np.full(9, np.nan)))


def test_cramers_v(rng):
    first = rng.integers(0, 5, 2000)
    assert cramers_v(first, first * 2 % 5) == pytest.approx(1)
    assert cramers_v(first, rng.integers(0, 30, 2000)) < 0.06
    mixed = np.where(rng.random(2000) < 0.5, first, rng.integers(0, 5, 2000))
    assert cramers_v(first, mixed) == pytest.approx(0.5, abs=0.06)
    assert np.isnan(cramers_v(first, np.zeros(2000, int)))
    assert np.isnan(cramers_v(first, np.arange(2000)))


# ---- what is found -----------------------------------------------------------------------------


def test_columns():
    table = Table.from_columns(
        {
            "n": ["1", "1.0", "01", "2", "", "9"],
            "pet": ["cat", "dog", "cat", "", "", "emu"],
            "gone": [""] * 6,
            "price": ["1,5", "2,5", "2,5", "3,5", "", ""],
        }
    )
    n, pet, gone, price = explore(table).columns
    assert (n.kind, n.gaps, n.distinct, n.quantiles) == ("numbers", 1, 3, (1, 1, 1, 2, 9))
    assert n.bins.tolist() == [3, 1, 0, 0, 0, 0, 0, 0, 1]
    assert (pet.kind, pet.gaps, pet.distinct) == ("categories", 2, 3)
    assert pet.frequent == [("cat", 2), ("dog", 1), ("emu", 1)]
    assert (gone.kind, gone.gaps) == ("empty", 6)
    assert (price.quantiles[0], price.quantiles[-1], price.bins.sum()) == (1.5, 3.5, 4)


def test_columns_that_are_no_features(empty_folder):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    Path("a.csv").write_text(",x,y\n0,5,1.5\n1,2,2.5\n2,3,2.5\n", encoding="utf-8")
    found = explore(read_table("a.csv"), "y")
    assert [one.kind for one in found.columns] == ["id", "numbers", "numbers"]
    assert found.numeric == ["x", "y"]
    assert [one.column for one in found.associations] == ["x"]
    parquet.write_table(pa.table({"x": [1, 2, 3], "lists": [[1], [2], [3]]}), "b.parquet")
    found = explore(read_table("b.parquet"))
    assert [one.kind for one in found.columns] == ["numbers", "unreadable"]
    assert "list" in exploration_report(found).splitlines()[-1]


def test_dates_are_numbers_of_years():
    days = ["2024-01-01", "2024-07-01", "2024-12-31", ""]
    hours = ["06:00", "12:30", "18:00", "06:00"]
    table = Table.from_columns({"day": days, "hour": hours, "y": [1.5, 2.5, 3.5, 9.5]})
    found = explore(table, "y")
    day, hour, _ = found.columns
    assert (day.kind, day.gaps, day.distinct) == ("dates", 1, 3)
    assert day.quantiles[0] == pytest.approx(2024, abs=0.01)
    assert (hour.quantiles[0], hour.quantiles[-1]) == (6, 18)
    assert found.associations[0][0] == "day"
    assert found.associations[0].strength > 0.99
    text = exploration_report(found)
    assert "2024-01-01 … 2024-12-31, median 2024-07-01" in text
    assert "6:00 … 18:00, median 9:15" in text


def test_numbers_are_read_as_categories_on_request():
    table = Table.from_columns({"zip": [100, 200, 100], "y": [1, 2, 3]})
    assert explore(table, text=["zip"]).columns[0].frequent == [("100", 2), ("200", 1)]
    assert [one.name for one in explore(table, ignore=["zip"]).columns] == ["y"]


def test_associations_are_by_kind(rng):
    x = rng.normal(size=400)
    color = np.where(x > 0, "red", "blue")
    rows = {"x": x, "color": color, "noise": rng.normal(size=400), "id": [f"k{i}" for i in x]}
    values = explore(Table.from_columns(rows | {"y": 2 * x}), "y")
    assert (values.task, values.associations[0]) == ("regression", ("x", 1.0, "correlation"))
    assert values.associations[1][::2] == ("color", "correlation ratio")
    assert [one.column for one in values.associations][2:] == ["noise"]  # not of an id
    classes = explore(Table.from_columns(rows | {"y": color}), "y")
    assert classes.task == "classification"
    assert classes.associations[0][::2] == ("color", "Cramér's V")
    assert classes.associations[0].strength == pytest.approx(1)
    assert classes.associations[1][::2] == ("x", "correlation ratio")


def test_rows_without_a_target_have_no_association():
    table = Table.from_columns({"x": [1, 2, 3, 900], "y": ["a", "b", "a", ""], "z": [1, 5, 1, 3]})
    found = explore(table, "y")
    assert {one.column: one.strength for one in found.associations}["z"] == 1


def test_components_are_the_eigenvectors_of_the_covariance(rng):
    x = rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4))
    columns = {f"x{i}": cells for i, cells in enumerate(x.T)}
    found = explore(Table.from_columns(columns | {"y": x[:, 0]}), "y").components
    values, vectors = np.linalg.eigh(np.corrcoef(x.T))  # of standardised columns
    np.testing.assert_allclose(found.shares, values[:-3:-1] / 4, rtol=1e-5)
    for weights, vector in zip(found.weights, vectors.T[:-3:-1], strict=True):
        assert abs(weights @ vector) == pytest.approx(1, rel=1e-5)
        assert weights[np.abs(weights).argmax()] > 0
    assert found.names == ["x0", "x1", "x2", "x3"]
    np.testing.assert_array_equal(found.rows, np.arange(80))
    np.testing.assert_allclose(found.places.mean(axis=0), 0, atol=1e-6)


def test_of_many_rows_some_are_drawn(rng, monkeypatch):
    from densenet.tables.looking import exploring

    monkeypatch.setattr(exploring, "_MOST_ROWS", 300)
    monkeypatch.setattr(exploring, "_MOST_CELLS", 0)
    monkeypatch.setattr(exploring, "_LEAST_ROWS", 100)
    x = rng.normal(size=(2, 1000))
    table = Table.from_columns({"a": x[0], "b": x[1]})
    found = explore(table)
    assert (found.drawn, len(found.components.rows)) == (300, 100)
    assert found.components.rows.max() > 800
    assert found.columns[0].distinct == 1000
    assert "of 300 rows" in exploration_report(found)
    assert (explore(table, seed=1).components.rows != found.components.rows).any()


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"a": [1]}, None),
        ({"a": [1, 1], "b": ["x", "x"]}, "b"),
        ({"a": ["x", "y", "z"]}, "a"),
        ({"a": [1, 2], "y": ["", ""]}, "y"),
        ({"a": ["", ""], "b": [1.5, 2.5]}, "b"),
        ({"a": [-8e307, 8e307, 0], "b": [1, 2, 3], "y": [1.5, 2.5, ""]}, "y"),
        ({"a$b": ["$x$", "_{", "$x$"], "\\": [1, 2, 3], "y": ["$", "$", ""]}, "y"),
        ({f"{i} {'very ' * 20}long": [i, 2, 3 * i, 5] for i in range(30)}, None),
        ({"a": range(90), "y": [f"class {i % 45}" for i in range(90)]}, "y"),
    ],
)
def test_any_table_can_be_looked_at(columns, target):
    pytest.importorskip("matplotlib")
    found = explore(Table.from_columns(columns), target)
    assert exploration_report(found).splitlines()
    exploration_picture(found).canvas.draw()


def test_what_is_not_there_is_refused():
    table = Table.from_columns({"a": [1, 2]})
    for given in {"target": "b"}, {"ignore": ["b"]}, {"text": ["b"]}:
        with pytest.raises(ValueError, match="expected column 'b', got column 'a'"):
            explore(table, **given)
    with pytest.raises(ValueError, match="table: expected rows, got none"):
        explore(table.take([]))


# ---- the command -------------------------------------------------------------------------------


@pytest.fixture
def train(rng, empty_folder):
    write("train.csv", HEADER, tracks(rng))


def test_the_command_reports_and_draws(command, train):
    pytest.importorskip("matplotlib")
    status, out, err = command("explore", "train.csv", "--target", "genre", "--ignore", "track_id")
    assert (status, err) == (0, "")
    for part in (
        "train.csv: 300 rows, 4 columns\ntarget: genre: classification\n",
        "  tempo   numbers     34 (11.3%)  ",
        "bright, loud (",
        "most associated with genre, from 0 to 1\n",
        "tempo  correlation ratio",
        "most correlated columns of numbers",
        "principal components of 5 features: the first two explain",
        "\n\npicture: explore.png\n",
    ):
        assert part in out
    assert Path("explore.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_picture_or_a_target(command, train):
    status, out, _ = command("explore", "train.csv", "--no-picture", "--missing", "dark")
    assert status == 0
    assert "picture" not in out
    assert "associated" not in out
    assert "  track_id  id  " in out
    assert not Path("explore.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train.csv", "--target", "gnre"), "expected column 'gnre', got columns"),
        (("no.csv",), "no.csv: No such file"),
        (("train.csv", "--out", "x.jpg"), "must end in .png, .svg or .pdf"),
        (("train.csv", "--task", "both"), "invalid choice: 'both'"),
    ],
)
def test_a_mistake_gets_one_line(refused, train, arguments, message):
    assert message in refused("explore", *arguments)
