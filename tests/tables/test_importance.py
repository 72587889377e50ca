"""The importance of columns, and how predictions depend on one."""

import numpy as np
import pytest

from densenet import (
    LayerNorm,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    Residual,
    SiLU,
    SoftmaxCrossEntropy,
    Tanh,
    tables,
)
from densenet.tables import (
    Classes,
    Features,
    Settings,
    Table,
    TableModel,
    Values,
)
from densenet.tables.looking import importance, report, shuffling
from densenet.tables.looking.shuffling import Asked


def model_of(table, columns, target, weight):
    """A linear model of these columns whose weights, (outputs, features), are known."""
    features = Features.fit(table, columns)
    weight = np.atleast_2d(np.asarray(weight, np.float32))
    loss = SoftmaxCrossEntropy() if isinstance(target, Classes) else MeanSquaredError()
    network = Network([Linear(len(features.names), len(weight))], loss, seed=0)
    network.parameters["0.weight"][:] = weight
    network.parameters["0.bias"][:] = 0
    return TableModel((network,), features, target)


@pytest.fixture
def table(rng):
    x, unread = rng.normal(size=(2, 60))
    color = rng.choice(["red", "blue", "green", ""], 60)
    y = 2 * x + (color == "red") + rng.normal(size=60) / 9
    return Table.from_columns({"x": x, "color": color, "unread": unread, "y": y})


@pytest.fixture
def model(table):
    features = Features.fit(table, ["x", "color", "unread"])
    weight = [1.2 * (name == "x") + 0.6 * (name == "color=red") for name in features.names]
    return model_of(table, ["x", "color", "unread"], Values.fit(table, "y"), weight)


# ---- importance --------------------------------------------------------------------------------


def test_columns_are_ordered_by_what_the_loss_loses(model, table):
    found = tables.permutation_importance(model, table)
    assert [one.column for one in found.columns] == ["x", "color", "unread"]
    x, color, unread = found.columns
    assert x.loss > 1 > color.loss > 0.02
    assert x.spread > 0
    assert (unread.loss, unread.spread, unread.score) == (0, 0, 0)
    assert (found.rows, found.repeats, found.score) == (60, 5, "r2")


@pytest.mark.parametrize("column", ["x", "color"])
def test_it_is_the_difference_that_shuffling_all_cells_of_a_column_makes(model, table, column):
    rows = [int(np.argmax(table.texts("color") == name)) for name in ("red", "blue")]
    two = table.take(rows)  # two rows can be shuffled in one way
    cells = {name: two.texts(name).tolist() for name in two.columns}
    turned = Table.from_columns(cells | {column: cells[column][::-1]})
    before, after = model.score(two).scores, model.score(turned).scores
    found = tables.permutation_importance(model, two, repeats=40)
    one = next(one for one in found.columns if one.column == column)
    times = round(40 * one.loss / (after["loss"] - before["loss"]))
    assert 5 < times < 35
    assert one.loss == pytest.approx(times / 40 * (after["loss"] - before["loss"]), rel=1e-3)
    assert one.score == pytest.approx(times / 40 * (before["r2"] - after["r2"]), rel=1e-3)
    spread = np.sqrt(times / 40 * (1 - times / 40)) * abs(after["loss"] - before["loss"])
    assert one.spread == pytest.approx(spread, rel=1e-3)


def test_classes_lose_accuracy(rng):
    x = rng.normal(size=(2, 90))
    table = Table.from_columns({"a": x[0], "b": x[1], "y": np.where(x[1] > 0, "plus", "minus")})
    target = Classes.fit(table, "y")
    model = model_of(table, ["a", "b"], target, [[0, -3], [0, 3]])
    found = tables.permutation_importance(model, table)
    assert found.score == "accuracy"
    assert [one.column for one in found.columns] == ["b", "a"]
    assert 0.3 < found.columns[0].score < 0.7


def test_a_seed_decides_which_rows_and_how(model, table):
    def found(**options):
        return tables.permutation_importance(model, table, most_rows=20, **options)

    assert found().rows == 20
    assert found(seed=3) == found(seed=3) != found(seed=4)


def test_many_columns_are_asked_of_fewer_rows(table, model, monkeypatch):
    monkeypatch.setattr(importance, "_MOST_FEATURES", 3 * 5 * 6 * 55)
    assert tables.permutation_importance(model, table).rows == 55


def test_what_is_said_is_that_shuffling_leaves_the_table_alone(model, table):
    before = {name: cells.copy() for name, cells in table.columns.items()}
    tables.permutation_importance(model, table)
    tables.partial_dependence(model, table, "x")
    for name, cells in before.items():
        np.testing.assert_array_equal(table.columns[name], cells)


NETWORKS = {
    "one layer": [Linear(4, 2)],
    "without bias": [Linear(4, 3, bias=False), ReLU(), Linear(3, 2)],
    "deep": [Linear(4, 8), LayerNorm(8), SiLU(), Residual([Linear(8, 8), Tanh()]), Linear(8, 2)],
    "not linear at first": [LayerNorm(4), Linear(4, 2)],
}


@pytest.mark.parametrize("networks", [["one layer"], ["deep"], [*NETWORKS]])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_is_what_whole_predictions_give(rng, networks, dtype, monkeypatch):
    """It begins with the sums of the first layer, and comes to the scores of changed tables."""
    x = rng.normal(size=(3, 80))
    classes = np.where(x[0] + x[1] > 0, "plus", "minus").tolist()
    classes[7] = ""
    rows = {"a": x[0], "b": x[1], "pet": rng.choice(["cat", "dog"], 80), "y": classes}
    table = Table.from_columns(rows)
    features = Features.fit(table, ["a", "pet", "b"])
    each = [
        Network(NETWORKS[name], SoftmaxCrossEntropy(), dtype=dtype, seed=seed)
        for seed, name in enumerate(networks)
    ]
    model = TableModel(tuple(each), features, Classes("y", ("minus", "plus")))
    asked = Asked(model, table)
    columns = features.columns
    orders = np.array([[rng.permutation(80) for _ in range(3)] for _ in columns])
    scores = [
        model.score(table.with_cells(column, order)).scores
        for column, each in zip(columns, orders, strict=True)
        for order in each
    ]
    expected = [(one["loss"], one["accuracy"]) for one in scores]
    for most in (1, 2000, 1 << 22):  # numbers in a call: of one order, of a few, of all
        monkeypatch.setattr(shuffling, "_MOST", most)
        judged = asked.judged(zip(columns, orders, strict=True))
        np.testing.assert_allclose(judged, expected, rtol=1e-5)


def test_the_bits_are_those_of_calls_of_any_size(rng, monkeypatch):
    """Those of NumPy's products differ with shapes, and with the threads of its library."""
    columns = {f"x{i}": rng.normal(size=300) for i in range(3)}
    classes = np.where(columns["x0"] > 0, "plus", "minus")
    table = Table.from_columns({**columns, "y": classes})
    features = Features.fit(table, [*columns], pieces=24)
    network = Network([Linear(features.width, 64), ReLU(), Linear(64, 2)], SoftmaxCrossEntropy())
    model = TableModel((network,), features, Classes("y", ("minus", "plus")))
    found = []
    for most in (1, 1 << 16, 1 << 22):
        monkeypatch.setattr(shuffling, "_MOST", most)
        found.append(tables.permutation_importance(model, table))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("constant", [False, True])
def test_values_are_judged_as_by_their_metrics(rng, constant):
    x = rng.normal(size=50)
    table = Table.from_columns({"x": x, "y": np.full(50, 7.0) if constant else 3 * x})
    network = Network([Linear(1, 1)], MeanSquaredError(), seed=0)
    target = Values("y", 1.0, 2.0)
    model = TableModel((network,), Features.fit(table, ["x"]), target)
    [judged] = Asked(model, table).judged([("x", np.arange(50)[np.newaxis])])
    scores = model.score(table).scores
    assert judged.tolist() == pytest.approx([scores["loss"], scores["r2"]])


def test_the_first_layer_is_computed_once(rng, monkeypatch):
    """A column costs its own features, not those of all columns."""
    table = Table.from_columns(
        {f"x{i}": rng.normal(size=60) for i in range(8)} | {"y": [1, 2] * 30}
    )
    features = Features.fit(table, [f"x{i}" for i in range(8)])
    network = Network([Linear(8, 3), ReLU(), Linear(3, 2)], SoftmaxCrossEntropy(), seed=0)
    model = TableModel((network,), features, Classes.fit(table, "y"))
    called = []
    predict = Network.predict_proba
    monkeypatch.setattr(
        Network, "predict_proba", lambda self, x: called.append(self.inputs) or predict(self, x)
    )
    tables.permutation_importance(model, table)
    assert set(called) == {3}


# ---- partial dependence ------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["x", "color"])
def test_it_is_the_mean_over_rows_that_all_have_one_cell(model, table, column):
    found = tables.partial_dependence(model, table, column, most_cells=4)
    assert found.predictions.shape == (4, 1)
    assert found.rows == 60
    for cell, prediction in zip(found.cells, found.predictions, strict=True):
        cells = {name: table.texts(name) for name in table.columns}
        same = Table.from_columns(cells | {column: [cell] * 60})
        assert prediction == pytest.approx(model.predict(same).mean(), rel=1e-5)


def test_numbers_are_tried_at_quantiles(model, table):
    found = tables.partial_dependence(model, table, "x", most_cells=2)
    x = np.sort(table.numbers("x"))
    assert found.numbers.tolist() == [x[3], x[56]]
    assert found.cells == [str(number) for number in found.numbers]


def test_dates_are_tried_in_their_order():
    days = [f"{day:02}.07.2024" for day in range(1, 29)] * 2
    table = Table.from_columns({"day": days, "y": range(56)})
    features = Features.fit(table, ["day"])
    weight = [float(name == "day") for name in features.names]
    model = model_of(table, ["day"], Values.fit(table, "y"), weight)
    found = tables.partial_dependence(model, table, "day", most_cells=3)
    assert found.cells[0] == "02.07.2024"
    assert found.numbers.tolist() == sorted(found.numbers)
    assert (np.diff(found.predictions[:, 0]) > 0).all()


def test_few_numbers_are_all_tried():
    table = Table.from_columns({"x": [0] * 97 + [7, 5, 7], "y": range(100)})
    model = model_of(table, ["x"], Values.fit(table, "y"), [1])
    assert tables.partial_dependence(model, table, "x", most_cells=3).cells == ["0", "5", "7"]


def test_gaps_are_no_numbers_to_try():
    table = Table.from_columns({"x": ["", "3", "1", "", "2"], "y": range(5)})
    model = model_of(table, ["x"], Values.fit(table, "y"), [1])
    found = tables.partial_dependence(model, table, "x")
    assert (found.cells, found.numbers.tolist()) == (["1", "2", "3"], [1, 2, 3])
    nothing = table.take([0, 3])
    assert tables.partial_dependence(model, nothing, "x").cells == [""]


def test_categories_are_tried_from_the_most_frequent_one():
    pets = ["cat"] * 3 + ["dog"] * 5 + [""] * 4 + ["cow"]
    table = Table.from_columns({"pet": pets, "says": ["meow"] * 3 + ["woof"] * 10})
    target = Classes.fit(table, "says")
    names = Features.fit(table, ["pet"]).names
    weight = np.zeros((2, len(names)))
    weight[0, names.index("pet=cat")] = 5
    model = model_of(table, ["pet"], target, weight)
    found = tables.partial_dependence(model, table, "pet", most_cells=3)
    assert (found.cells, found.numbers) == (["dog", "", "cat"], None)
    meow = 1 / (1 + np.exp(-5))
    np.testing.assert_allclose(found.predictions[:, 0], [0.5, 0.5, meow], rtol=1e-5)
    np.testing.assert_allclose(found.predictions.sum(axis=1), 1, rtol=1e-6)


def test_a_column_that_is_not_read_is_refused(model, table):
    with pytest.raises(ValueError, match="column: expected one that the model reads, got 'y'"):
        tables.partial_dependence(model, table, "y")
    with pytest.raises(ValueError, match="table: expected rows, got none"):
        tables.partial_dependence(model, table.take([]), "x")


# ---- in the report -----------------------------------------------------------------------------


def test_the_report_names_the_most_important_columns(rng):
    x = rng.normal(size=(13, 200))
    columns = {f"x{i}": row for i, row in enumerate(x)}
    fitted = tables.fit(Table.from_columns(columns | {"y": 3 * x[7]}), Settings("y", epochs=5))
    assert len(fitted.judged_rows[0]) == 40
    found = importance.importances_of(fitted)
    text = report.fit_report(fitted, found)
    _, lines = text.split("importance: ")
    assert lines.splitlines()[0].endswith("shuffled, mean of 5 times, 40 validation rows")
    header, first, *rest = lines.splitlines()[1:]
    assert header.split() == ["column", "loss", "rises", "by", "R²", "falls", "by"]
    assert first.split()[0] == "x7"
    assert len(rest) == 10
    assert rest[-1] == "  and 3 less important columns"
    assert "importance" not in report.fit_report(fitted)


def test_each_of_several_networks_is_asked_of_the_rows_that_it_held_out(rng):
    x = rng.normal(size=(2, 300))
    table = Table.from_columns({"a": x[0], "b": x[1], "y": 3 * x[1]})
    fitted = tables.fit(table, Settings("y", epochs=8, nets=3))
    assert [len(rows) for rows in fitted.judged_rows] == [60, 60, 60]
    found = importance.importances_of(fitted, seed=2)
    assert found.rows == 180
    each = [
        tables.permutation_importance(
            TableModel((network,), fitted.model.features, fitted.model.target), rows, seed=2
        )
        for network, rows in zip(fitted.model.networks, fitted.judged_rows, strict=True)
    ]
    losses = [next(one.loss for one in part.columns if one.column == "b") for part in each]
    assert found.columns[0].column == "b"
    assert found.columns[0].loss == pytest.approx(np.mean(losses))


def test_without_rows_held_out_those_trained_on_are_judged():
    rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    settings = Settings("says", epochs=2, validation=0)
    fitted = tables.fit(Table.from_columns(rows), settings)
    assert len(fitted.judged_rows[0]) == 100
    found = importance.importances_of(fitted)
    assert "100 training rows" in report.fit_report(fitted, found)
