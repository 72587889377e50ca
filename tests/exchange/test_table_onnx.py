"""A table's model in ONNX, checked by onnx, run by onnxruntime on the raw cells of each column."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime

import densenet as dn
from densenet.exchange import table_to_onnx
from densenet.tables import Categories, Classes, Features, Numbers, PiecewiseLinear, Table
from tests.support.exported_tables import (
    NAMES,
    TARGETS,
    assert_predictions,
    awkward_model,
    awkward_table,
    model_of,
    raw,
    surprising_table,
    with_threshold,
)


@pytest.fixture
def session(tmp_path):
    """Write a model, check the file, and load it."""

    def session(model):
        path = tmp_path / "model.onnx"
        table_to_onnx(model, path)
        onnx.checker.check_model(path, full_check=True)
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    return session


def run(session, model, table):
    cells = raw(model, table)
    assert [given.name for given in session.get_inputs()] == list(cells)
    names = [output.name for output in session.get_outputs()]
    found = session.run(None, {name: values[:, np.newaxis] for name, values in cells.items()})
    return dict(zip(names, found, strict=True))


ENCODINGS = pytest.mark.parametrize(("pieces", "count"), [(0, 1), (5, 3)])


@ENCODINGS
def test_raw_rows_become_the_same_probabilities(pieces, count, dtype, rng, session):
    train = awkward_table(rng)
    model = awkward_model(train, "classes", dtype, pieces, count)
    table = surprising_table(rng, train)
    found = run(session(model), model, table)
    assert list(found) == ["class_", "probabilities_"]  # there are columns of these names
    assert found["probabilities_"].dtype == dtype
    assert_predictions(model, found["probabilities_"], table)
    assert found["class_"].shape == (len(table),)
    assert [NAMES[index] for index in found["class_"]] == model.predict(table)


@pytest.mark.parametrize(("index", "least"), [(0, 0.3), (1, 0.3), (1, 0.7)])
def test_a_class_is_predicted_from_its_threshold_on(index, least, dtype, rng, session):
    target = Classes("y", ("a", "b"), threshold=(index, least))
    model = model_of(Features((Numbers("x", 0.0, 0.0, 1.0),)), target, dtype=dtype)
    table = Table.from_columns({"x": rng.normal(size=200, scale=3)})
    found = run(session(model), model, table)
    assert found["class"].tolist() == target.choose(model.predict_proba(table)).tolist()
    assert found["class"].tolist() != model.predict_proba(table).argmax(axis=1).tolist()


@ENCODINGS
def test_raw_rows_become_the_same_values(pieces, count, dtype, rng, session):
    train = awkward_table(rng)
    model = awkward_model(train, "values", dtype, pieces, count)
    table = surprising_table(rng, train)
    found = run(session(model), model, table)
    assert list(found) == ["value_"]
    assert found["value_"].dtype == np.float64
    assert found["value_"].shape == (len(table), 1)
    assert_predictions(model, found["value_"], table)


def test_metadata_has_the_names(rng, session):
    model = awkward_model(awkward_table(rng), "classes")
    about = session(model).get_modelmeta().custom_metadata_map
    assert about["target"] == "which ??/ */"
    assert json.loads(about["classes"]) == NAMES
    assert json.loads(about["categories"]) == {
        part.column: list(part.values)
        for part in model.features.parts
        if isinstance(part, Categories)
    }


def test_dates_need_no_cosine(rng, session, tmp_path):
    """onnxruntime 1.23, the last one for Python 3.10, has a sine of float64 and no cosine."""
    session(awkward_model(awkward_table(rng), "classes"))
    found = {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}
    assert "Sin" in found
    assert "Cos" not in found


SHORT = PiecewiseLinear("x", 1.0, (0.0, 2.0), 1.0, 1.0)
LONG = PiecewiseLinear("y", 1.0, (-1e7, 0.0, 2.0), 1.0, 1.0, gaps=True)
PIECES = ["IsNaN", "Where", "Mul"]
WHOLE = ["Sub", "Div", "Clip", "Div", "Mul", "Add", "Sqrt", "Div"]
SHARES = ["Sub", "Div", "Clip"]
FIRST, SECOND = Numbers("x", 1.0, 2.0, 3.0), Numbers("y", 1.0, 2.0, 3.0)
COLOR, SHAPE = Categories("color", ("", "red"), 2), Categories("shape", ("round",), 0)
NUMBERS = ["IsNaN", "Where", "Sub", "Div", "Clip", "Cast"]
CATEGORIES = ["Equal", "Cast"]


@pytest.mark.parametrize(
    ("parts", "operators"),
    [
        ([FIRST], NUMBERS),
        ([FIRST, SECOND], ["Concat", *NUMBERS]),
        ([SHORT], [*PIECES, *SHARES, "Cast"]),
        ([LONG], [*PIECES, *WHOLE, *SHARES, "Cast", "Concat", "Cast"]),
        (
            [SHORT, LONG],
            [
                *("Concat", *PIECES, "Gather", *WHOLE, "Gather", *SHARES),
                *("Gather", "Cast", "Concat", "Gather", "Cast"),
            ],
        ),
        ([COLOR], CATEGORIES),
        ([COLOR, SHAPE], ["Concat", "Gather", *CATEGORIES]),
        ([FIRST, COLOR, SECOND], [*NUMBERS, *CATEGORIES, *NUMBERS, "Concat"]),
    ],
    ids=str,
)
def test_neighbours_of_one_kind_are_encoded_together(parts, operators, rng, session, tmp_path):
    features = Features(tuple(parts))
    layer = dn.Linear(len(features.names), len(NAMES))
    model = model_of(features, TARGETS["classes"], [layer])
    table = Table.from_columns(
        {
            "x": [np.nan, 1e300, 1.5],
            "y": [0.0, np.nan, -1e7],
            "color": ["", "red", "blue"],
            "shape": ["round", "flat", ""],
        }
    )
    assert_predictions(model, run(session(model), model, table)["probabilities"], table)
    made = onnx.load(tmp_path / "model.onnx")
    found = [node.op_type for node in made.graph.node]
    assert found == [*operators, "Gemm", "Softmax", "ArgMax"]
    assert made.opset_import[0].version == 13
    assert [given.name for given in made.graph.input] == features.columns


def test_a_network_whose_last_layer_makes_probabilities(rng, session):
    layers = [dn.Linear(1, len(NAMES)), dn.Softmax()]
    model = model_of(Features((FIRST,)), TARGETS["classes"], layers, loss=dn.CrossEntropy())
    table = Table.from_columns({"x": [1.5, -3.0]})
    found = run(session(model), model, table)["probabilities"]
    expected = model.network.predict_proba(model.features.transform(table))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("index", [0, 1])
def test_a_threshold_decides_between_two_classes(index, dtype, session):
    features, target = Features((Numbers("x", 0.0, 0.0, 1.0),)), Classes("y", ("a", "b"))
    table = Table.from_columns({"x": np.arange(-9.0, 9.0)})
    model = with_threshold(model_of(features, target, dtype=dtype), table, index)
    found = run(session(model), model, table)["class"]
    assert found.shape == (18,)
    assert [target.values[i] for i in found] == model.predict(table)
    assert set(found) == {0, 1}
    assert found.tolist() != model.predict_proba(table).argmax(axis=1).tolist()


# ---- what cannot be exported ---------------------------------------------------------------------


class Moods(Numbers):
    """A column of another kind."""


def refused(model, tmp_path, message):
    kept = tmp_path / "kept.onnx"
    kept.write_text("as it was")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        table_to_onnx(model, kept)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["as it was"]


def test_columns_of_another_kind_and_without_a_name_are_refused(tmp_path):
    model = model_of(Features((FIRST, Moods("born", 0.0, 0.0, 1.0))), TARGETS["values"])
    message = (
        "model: expected one of Numbers, PiecewiseLinear, Categories, Dates for each column, "
        "got Moods for column 'born', which cannot be exported"
    )
    refused(model, tmp_path, message)
    model = model_of(Features((Numbers("", 0.0, 0.0, 1.0),)), TARGETS["values"])
    refused(model, tmp_path, "model: expected a name for each column, got ''")


def test_networks_that_do_not_suit_the_columns_are_refused(tmp_path):
    model = model_of(Features((FIRST,)), TARGETS["values"])
    message = "model: expected a network of 2 inputs and 1 outputs, got 1 and 1"
    refused(replace(model, features=Features((FIRST, SECOND))), tmp_path, message)
    model = model_of(Features((FIRST,)), TARGETS["values"], loss=dn.LogisticLoss())
    message = "model: expected a network whose loss predicts values, got LogisticLoss()"
    refused(model, tmp_path, message)
    wide = model_of(Features((FIRST,)), TARGETS["values"], dtype="float64")
    model = model_of(Features((FIRST,)), TARGETS["values"])
    mixed = replace(model, networks=(*model.networks, *wide.networks))
    refused(mixed, tmp_path, "model: expected networks of one type, got float32 and float64")


def test_a_network_larger_than_a_file_can_be_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("densenet.exchange.onnx._LIMIT", 11)
    model = model_of(Features((FIRST,)), TARGETS["values"], [dn.Linear(1, 2), dn.Linear(2, 1)])
    refused(model, tmp_path, "network: expected at most 11 bytes of weights, got 28")
