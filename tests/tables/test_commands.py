"""``densenet fit``, ``predict`` and ``info`` on tables: what they write and say."""

import re
from pathlib import Path

import numpy as np
import pytest

import densenet
from densenet import datasets, metrics, serialization
from densenet.tables.model import TableModel
from tests.support.tables import HEADER, read, tracks, write

for needed in ("matplotlib", "pyarrow", "tqdm"):  # by `densenet fit`
    pytest.importorskip(needed)

QUICK = ("--epochs", "3", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
def train(rng):
    write("train.csv", HEADER, tracks(rng))


# ---- from a table to predictions ---------------------------------------------------------------


def test_classes(command, rng, train):
    test = tracks(rng, 50, first=300)
    write("test.csv", HEADER[:-1], [row[:-1] for row in test])
    status, out, err = command("fit", "train.csv", "--target", "genre", "--id", "track_id")
    assert (status, err) == (0, "")
    for part in (
        "240 rows to train on, 60 to validate",
        "task: classification, as the target is text",
        "target: genre: 3 classes: Drum\nand Bass, Pop, Rock",
        "columns: 2 of numbers, 1 of categories; 30 features",
        "confusion matrix of validation rows",
        "model: model.safetensors",
        "picture: model.png",
    ):
        assert part in out
    assert Path("model.png").read_bytes().startswith(b"\x89PNG")
    accuracies = re.search(r"^accuracy +([\d.]+)% +([\d.]+)%$", out, flags=re.MULTILINE)
    assert float(accuracies[1]) > 90
    assert float(accuracies[2]) > 85

    Path("train.csv").unlink()  # the model is all that is needed
    arguments = ("predict", "model.safetensors", "test.csv", "--out", "predictions.csv")
    status, out, err = command(*arguments)
    assert (status, out, err) == (0, "50 predictions: predictions.csv\n", "")
    header, *rows = read("predictions.csv")
    assert header == ["track_id", "genre"]
    assert [row[0] for row in rows] == [row[0] for row in test]
    assert np.mean([row[1] == line[-1] for row, line in zip(rows, test, strict=True)]) > 0.8

    assert command(*arguments, "--probabilities")[0] == 0
    header, *shares = read("predictions.csv")
    assert header == ["track_id", "genre", "P(Drum\nand Bass)", "P(Pop)", "P(Rock)"]
    numbers = np.array([row[2:] for row in shares], float)
    np.testing.assert_allclose(numbers.sum(axis=1), 1, atol=1e-5)
    names = ["Drum\nand Bass", "Pop", "Rock"]
    assert [names[i] for i in numbers.argmax(axis=1)] == [row[1] for row in rows]

    write("test.csv", HEADER, test)
    status, out, _ = command(*arguments, "--score")
    right = np.mean([row[1] == line[-1] for row, line in zip(rows, test, strict=True)])
    assert re.search(rf"^accuracy +{right:.2%}$", out, flags=re.MULTILINE)
    assert "confusion matrix of these rows" in out


def test_values(command, rng):
    x = rng.normal(size=(400, 2))
    y = 1e6 + 1e3 * (2 * x[:, 0] - x[:, 1])
    write("train.csv", ["a", "b", "y"], np.column_stack([x, y])[:300])
    write("test.csv", ["b", "a", "unused"], np.column_stack([x[:, ::-1], y])[300:])
    status, out, _ = command(
        "fit", "train.csv", "--target", "y", "--out", "m.safetensors", "--picture", "p.svg"
    )
    assert status == 0
    assert "task: regression, as the target is numbers" in out
    assert "confusion" not in out
    assert "<svg" in Path("p.svg").read_text()
    assert not Path("m.png").exists()
    assert command("predict", "m.safetensors", "test.csv", "--out", "p.csv")[0] == 0
    header, *rows = read("p.csv")
    assert header == ["y"]
    predicted = np.array(rows, float)[:, 0]
    assert metrics.r2(y[300:], predicted) > 0.95
    assert (
        "expected classes" in command("predict", "m.safetensors", "test.csv", "--probabilities")[2]
    )


def test_parquet_and_csv_are_one(command, rng, train):
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    options = arrow_csv.ParseOptions(newlines_in_values=True)
    types = arrow_csv.ConvertOptions(column_types={"track_id": "string"})
    table = arrow_csv.read_csv("train.csv", parse_options=options, convert_options=types)
    parquet.write_table(table, "train.parquet")
    for name in "csv", "parquet":
        arguments = ("--target", "genre", "--id", "track_id", "--out", f"{name}.safetensors")
        assert command("fit", f"train.{name}", *arguments, *QUICK)[0] == 0
        assert (
            command("predict", f"{name}.safetensors", f"train.{name}", "--out", f"{name}.csv")[0]
            == 0
        )
    assert read("csv.csv") == read("parquet.csv")
    assert len(read("csv.csv")) == 301


def test_the_same_seed_writes_the_same_file(command, train):
    files = []
    for name, seed in ("a", 5), ("b", 5), ("c", 6):
        out = f"{name}.safetensors"
        options = ("--dropout", "0.1", "--seed", seed, "--out", out)
        assert command("fit", "train.csv", "--target", "genre", *options, *QUICK)[0] == 0
        files.append(Path(out).read_bytes())
        assert (
            command("predict", out, "train.csv", "--out", f"{name}.csv", "--probabilities")[0] == 0
        )
    assert files[0] == files[1] != files[2]
    assert read("a.csv") == read("b.csv") != read("c.csv")


def test_every_option_reaches_the_network(command, train):
    status, out, _ = command(
        *("fit", "train.csv", "--target", "genre", "--ignore", "track_id,noise", "--text", "tempo"),
        *("--hidden", "7,5,3", "--activation", "tanh", "--dropout", "0.25", "--optimizer", "sgd"),
        *("--lr", "0.02", "--batch-size", "16", "--categories", "4", "--validation", "0"),
        *("--threads", "1", "--impute", "mean", "--missing", "dark", *QUICK),
    )
    assert status == 0
    assert "300 rows to train on, 0 to validate" in out
    assert "network: 4-7-5-3-3, tanh, dropout 0.25; sgd, learning rate 0.02, batches of 16" in out
    assert "3 epochs in" in out
    model = TableModel.load("model.safetensors")
    kinds = [type(layer).__name__ for layer in model.network.layers]
    assert kinds == ["Linear", "Tanh", "Dropout"] * 3 + ["Linear"]
    assert model.features.names[:2] == ["tempo: missing", "tempo: other"]
    assert model.features.names[-2:] == ["mood: missing", "mood=bright, loud"]
    assert model.missing == ("dark",)  # which predict reads its tables with
    assert command("predict", "model.safetensors", "train.csv")[2].count("'dark'") == 0


def test_no_hidden_layer_is_a_linear_model(command, train):
    assert command("fit", "train.csv", "--target", "genre", "--hidden", "", *QUICK)[0] == 0
    assert len(TableModel.load("model.safetensors").network.layers) == 1


def test_digits_are_read_as_well_as_by_scikit_learn(command):
    # StandardScaler and MLPClassifier of the same widths, batches and early stopping: 94.1% to
    # 95.3% with seeds 0 to 4 (scikit-learn 1.7).
    digits = datasets.load_digits()
    header = [*(f"pixel{i}" for i in range(64)), "digit"]
    write("train.csv", header, np.column_stack([digits.x_train, digits.y_train]))
    write("test.csv", header, np.column_stack([digits.x_test, digits.y_test]))
    assert command("fit", "train.csv", "--target", "digit", "--no-picture")[0] == 0
    assert command("predict", "model.safetensors", "test.csv")[0] == 0
    predicted = [int(row[0]) for row in read("predictions.csv")[1:]]
    assert metrics.accuracy(digits.y_test, predicted) > 0.935


# ---- rows held out -----------------------------------------------------------------------------


def test_statistics_are_of_the_training_rows_alone(command, rng):
    values = rng.normal(size=100)
    write("train.csv", ["x", "y"], [[v, "ab"[i % 2]] for i, v in enumerate(values)])
    assert command("fit", "train.csv", "--target", "y", *QUICK)[0] == 0
    model = TableModel.load("model.safetensors")
    assert model.facts["training_rows"] == 80
    assert model.network.optimizer_state == {}  # predictions need no moments
    center = model.features.parts[0].center
    assert center != pytest.approx(np.median(values), abs=1e-9)
    assert center == pytest.approx(np.median(values), abs=0.5)


def test_rows_of_one_id_are_held_out_together(command, rng):
    ids = [f"p{i // 2 if i < 80 else i}" for i in range(200)]
    write(
        "train.csv", ["patient", "x", "y"], [[p, rng.normal(), rng.choice(["a", "b"])] for p in ids]
    )
    status, out, _ = command("fit", "train.csv", "--target", "y", "--id", "patient", *QUICK)
    assert status == 0
    assert "note: 40 rows have the 'patient' of another" in out
    facts = TableModel.load("model.safetensors").facts
    assert facts["training_rows"] + facts["validation_rows"] == 200
    assert 32 <= facts["validation_rows"] <= 64  # a fifth of 160 patients


def test_the_only_row_of_a_class_stays_in_training(command, rng):
    labels = ["a"] * 100 + [f"rare {i}" for i in range(30)]
    write("train.csv", ["x", "y"], [[rng.normal(), label] for label in labels])
    assert command("fit", "train.csv", "--target", "y", *QUICK)[0] == 0
    assert TableModel.load("model.safetensors").facts["validation_rows"] == 20


def test_training_stops_early_and_keeps_the_best(command, rng):
    write("train.csv", ["x", "y"], [[rng.normal(), rng.normal()] for _ in range(60)])
    options = ("--epochs", "500", "--patience", "3", "--lr", "0.02", "--no-picture")
    status, out, _ = command("fit", "train.csv", "--target", "y", *options)
    assert status == 0
    ended = re.search(
        r"^(\d+) epochs in .*, ended by: early stopping; the best is number (\d+)", out, re.M
    )
    assert int(ended[1]) == int(ended[2]) + 3


@pytest.mark.parametrize("seed", range(5))
def test_each_class_is_held_out_in_its_proportion(command, rng, seed):
    labels = ["a"] * 100 + ["b"] * 50 + ["c"] * 10 + ["d"]
    write("train.csv", ["x", "y"], [[rng.normal(), label] for label in rng.permutation(labels)])
    status, out, _ = command("fit", "train.csv", "--target", "y", "--seed", seed, *QUICK)
    assert status == 0
    matrix = out.split("predicted)\n")[1].splitlines()[1:5]
    counts = {
        line.split()[0]: sum(int(cell) for cell in line.split()[1:] if cell != ".")
        for line in matrix
    }
    assert counts["a"] in (20, 21)
    assert counts["b"] in (9, 10, 11)
    assert counts["c"] in (1, 2, 3)
    assert counts["d"] == 0


def test_rows_without_a_target_are_left_out_and_counted(command, rng, train):
    rows = tracks(rng, 40)
    for row in rows[:7]:
        row[-1] = "?"
    write("train.csv", HEADER, rows)
    status, out, _ = command("fit", "train.csv", "--target", "genre", *QUICK)
    assert status == 0
    assert "note: 7 rows without 'genre' are left out" in out


# ---- info --------------------------------------------------------------------------------------


def test_info_tells_what_is_inside(command, train):
    command("fit", "train.csv", "--target", "genre", "--id", "track_id", *QUICK)
    status, out, _ = command("info", "model.safetensors")
    assert status == 0
    for part in (
        "target: genre: 3 classes",
        "id: track_id",
        f"trained on train.csv by densenet {densenet.__version__}: 240 rows, 60 to validate",
        "(missing), bright, loud, dark",
        "where missing",
        "accuracy",
    ):
        assert part in out


def test_info_of_a_network_without_columns(command):
    network = densenet.Network([densenet.Linear(3, 1)], densenet.MeanSquaredError(), seed=1)
    serialization.save(network, "plain.safetensors")
    status, out, _ = command("info", "plain.safetensors")
    assert status == 0
    assert out.strip() == repr(network)
    assert (
        "expected a model that densenet fit wrote"
        in command("predict", "plain.safetensors", "t.csv")[2]
    )


def test_processes_meet_once(command, train, monkeypatch):
    meetings = []
    monkeypatch.setattr("densenet.cli._fit._workers", lambda: meetings.append("one"))
    assert command("fit", "train.csv", "--target", "genre", *QUICK)[0] == 0
    assert meetings == ["one"]
