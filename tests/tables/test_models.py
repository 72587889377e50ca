"""Models' files with well-formed content of wrong types, and files that must not be written."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import densenet
from densenet import serialization
from densenet.tables import Settings, Table, fit
from densenet.tables.model import TableModel
from tests.support.tables import HEADER, read, tracks, write

pytest.importorskip("pyarrow")

QUICK = ("--epochs", "3", "--no-picture")
WRONG = (None, True, 7, "x", [[3]], {"x": 1})

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
def train(rng):
    write("train.csv", HEADER, tracks(rng))


@pytest.fixture
def model(command, train):
    assert command("fit", "train.csv", "--target", "genre", "--id", "track_id", *QUICK)[0] == 0
    return serialization.load("model.safetensors")


# ---- content of wrong types --------------------------------------------------------------------


def places(value, path=()):
    """Every place in nested dicts, and the first of each list."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(min(1, len(value))):
            yield from places(value[key], (*path, key))


def changed(value, path, new):
    """A copy with something else at a place."""
    if not path:
        return new
    copy = json.loads(json.dumps(value))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = new
    return copy


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_wrong_types_at_any_place_get_one_line(command, model, wrong, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # of hundreds of files
    network, attachments = model
    about = attachments["table"]
    Path("one.csv").write_text("track_id,tempo,mood,noise\n7,100,dark,0\n")
    refused = 0
    for path in places(about):
        broken = changed(about, path, wrong)
        serialization.save(network, "broken.safetensors", attachments={"table": broken})
        for arguments in (["info"], ["predict"]):
            files = ["broken.safetensors", *(["one.csv"] if arguments == ["predict"] else [])]
            status, out, err = command(*arguments, *files)
            assert status in (0, 2), (path, err)
            if status == 2:
                refused += 1
                assert out == "", path
                assert err.startswith("densenet: "), path
                assert err.count("\n") == 1, path
    assert refused > 20


@pytest.mark.parametrize(
    "change",
    [
        {"id": 3},
        {"missing": ["a", 3]},
        {"missing": "word"},
        {"present": [None]},
        {"facts": []},
        {"facts": {"source": "t.csv"}},
        {"version": "1"},
        {"version": 4},
        {"version": True},
    ],
)
def test_what_of_a_model_is_refused(refused, model, change):
    network, attachments = model
    about = attachments["table"] | change
    serialization.save(network, "model.safetensors", attachments={"table": about})
    for arguments in ["info", "model.safetensors"], ["predict", "model.safetensors", "train.csv"]:
        assert refused(*arguments).startswith("densenet: model.safetensors: what is said of the")


@pytest.mark.parametrize("table", [None, 3, "text", [1], [], True, 0.5])
def test_attachments_that_are_no_description(refused, model, table):
    serialization.save(model[0], "model.safetensors", attachments={"table": table})
    for arguments in ["info", "model.safetensors"], ["predict", "model.safetensors", "train.csv"]:
        assert refused(*arguments).startswith("densenet: model.safetensors: ")


class Own:
    """A loss of a user's own."""

    def forward(self, outputs, targets):
        return float(np.mean((outputs - targets) ** 2))

    def backward(self, outputs, targets):
        return 2 * (outputs - targets) / outputs.size


def test_a_network_with_a_loss_of_its_own(refused, train):
    network = densenet.Network([densenet.Linear(3, 1)], Own(), seed=1)
    serialization.save(network, "own.safetensors")
    message = "own.safetensors: loss: expected the network's own Own, got"
    assert message in refused("info", "own.safetensors")
    assert message in refused("predict", "own.safetensors", "train.csv")


def test_a_model_without_facts_is_described(command):
    rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    model = fit(Table.from_columns(rows), Settings("says", epochs=2)).model
    TableModel(model.networks, model.features, model.target).save("model.safetensors")
    status, out, err = command("info", "model.safetensors")
    assert (status, err) == (0, "")
    assert out.startswith("target: says: 2 classes: meow, woof\n")


# ---- files that are read are not written -------------------------------------------------------


def spellings(folder):
    """Names of the one file t.csv."""
    os.symlink("t.csv", "link.csv")
    os.link("t.csv", "hard.csv")
    Path("sub").mkdir()
    return ["t.csv", "./t.csv", str(folder / "t.csv"), "sub/../t.csv", "link.csv", "hard.csv"]


def test_predictions_do_not_replace_their_table(command, model, empty_folder):
    write("t.csv", HEADER, tracks(np.random.default_rng(1), 9))
    before = Path("t.csv").read_bytes()
    for name in spellings(empty_folder):
        status, out, err = command("predict", "model.safetensors", "t.csv", "--out", name)
        assert (status, out) == (2, "")
        assert (
            err == f"densenet: {Path(name)}: expected another file to write than t.csv, the input\n"
        )
        assert Path("t.csv").read_bytes() == before
    assert command("predict", "model.safetensors", "link.csv", "--out", "t.csv")[0] == 2


def test_predictions_do_not_replace_a_table_of_the_usual_name(refused, model):
    write("predictions.csv", HEADER, tracks(np.random.default_rng(1), 9))
    assert "expected another file to write" in refused(
        "predict", "model.safetensors", "predictions.csv"
    )


def test_predictions_do_not_replace_a_table_of_a_folder(command, model):
    Path("tables").mkdir()
    for name in "a.csv", "b.csv":
        write(f"tables/{name}", HEADER, tracks(np.random.default_rng(1), 9))
    table = Path("tables/b.csv")
    before = table.read_bytes()
    said = f"densenet: {table}: expected another file to write than {table}, the input\n"
    arguments = ("predict", "model.safetensors", "tables", "--out", str(table))
    assert command(*arguments) == (2, "", said)
    assert table.read_bytes() == before


def test_a_model_does_not_replace_the_rows_to_validate(refused, train):
    write("other.safetensors", HEADER, tracks(np.random.default_rng(1), 9))
    options = ("--validation-file", "other.safetensors", "--out", "other.safetensors")
    assert "other.safetensors: expected another file to write" in refused(
        "fit", "train.csv", "--target", "genre", *options, *QUICK
    )


def test_a_model_does_not_replace_its_table(refused, train):
    Path("train.csv").rename("train.safetensors")
    assert "expected another file to write" in refused(
        *("fit", "train.safetensors", "--target", "genre", "--out", "train.safetensors", *QUICK)
    )


# ---- classes that training had not -------------------------------------------------------------


@pytest.mark.parametrize("unknown", [("Jazz",), ("Jazz", "Blues"), ("rock",), ("7", "None!")])
def test_unknown_classes_are_scored_as_errors(command, model, unknown):
    rows = tracks(np.random.default_rng(3), 60)
    right = [row[-1] for row in rows]
    write("known.csv", HEADER, rows)
    out = command("predict", "model.safetensors", "known.csv", "--score")[1]
    assert "note" not in out
    known = read("predictions.csv")
    for i in range(0, 60, 10):
        rows[i][-1] = unknown[i // 10 % len(unknown)]
    rows[1][-1] = ""
    write("t.csv", HEADER, rows)
    status, out, err = command("predict", "model.safetensors", "t.csv", "--score")
    assert (status, err) == (0, "")
    assert read("predictions.csv") == known  # all rows, as without a score
    predicted = [row[1] for row in known[1:]]
    hits = np.mean([predicted[i] == right[i] if i % 10 else False for i in range(60) if i != 1])
    assert ["accuracy", f"{hits:.2%}"] in [line.split() for line in out.splitlines()]
    assert "note: rows without a target, not scored: 1\n" in out
    names = ", ".join(sorted(unknown))
    assert f"note: rows of classes that training had not ({names}): 6, which count" in out
    assert all(f"\n  {name} " in out for name in unknown)  # in the confusion matrix


def test_a_table_of_unknown_classes_alone_is_scored(command, model):
    write("t.csv", HEADER, [[*row[:-1], "Jazz"] for row in tracks(np.random.default_rng(3), 20)])
    status, out, _ = command("predict", "model.safetensors", "t.csv", "--score")
    assert status == 0
    assert "rows of classes that training had not (Jazz): 20, which count as" in out
    assert ["accuracy", "0.00%"] in [line.split() for line in out.splitlines()]
    assert len(read("predictions.csv")) == 21


def test_the_score_of_unknown_classes_is_that_of_scikit_learn(model):
    sklearn = pytest.importorskip("sklearn.metrics")
    rows = tracks(np.random.default_rng(3), 60)
    for i in range(0, 60, 4):
        rows[i][-1] = "Jazz" if i % 8 else "Blues"
    known = [["" if cell in ("?", "NA") else cell for cell in row] for row in rows]
    table = Table.from_columns(dict(zip(HEADER, zip(*known, strict=True), strict=True)))
    loaded = TableModel.load("model.safetensors")
    part = loaded.score(table)
    true, pred = [row[-1] for row in rows], loaded.predict(table)
    options = {"average": "macro", "zero_division": 0}
    scores = sklearn.precision_recall_fscore_support(true, pred, **options)[:3]
    for name, value in zip(("precision", "recall", "f1"), scores, strict=True):
        assert part.scores[name] == pytest.approx(value)
    assert part.scores["accuracy"] == pytest.approx(sklearn.accuracy_score(true, pred))
    assert part.unknown == ("Blues", "Jazz")
