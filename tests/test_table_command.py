"""``densenet fit``, ``predict`` and ``info`` on tables: what they write, say and refuse."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import densenet
from densenet import cli, datasets, metrics, serialization
from densenet.table_model import TableModel

QUICK = ("--epochs", "3", "--no-picture")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run the command; give its status, standard output and standard error."""

    def run(*arguments):
        try:
            status = cli.main(list(map(str, arguments)))
        except SystemExit as exit_:
            status = exit_.code
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def refused(run):
    """Run the command, which must fail, and give its one line."""

    def refused(*arguments):
        before = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("densenet")
        assert err.count("\n") == 1
        assert {
            path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()
        } == before
        return err

    return refused


def write(name, header, rows, encoding="utf-8"):
    with Path(name).open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        if header:
            writer.writerow(header)
        writer.writerows(rows)


def tracks(rng, count=300, first=0):
    """Rows of id, tempo, mood, noise, genre: tempo and mood decide the genre."""
    rows = []
    for i in range(first, first + count):
        tempo, mood = rng.normal(100, 20), rng.choice(["dark", "bright, loud", "?"])
        genre = "Rock" if tempo > 100 else "Pop" if mood == "dark" else "Drum\nand Bass"
        rows.append([f"{i:04}", f"{tempo:.3f}" if i % 9 else "NA", mood, rng.normal(), genre])
    return rows


HEADER = ["track_id", "tempo", "mood", "noise", "genre"]


@pytest.fixture
def train(rng):
    write("train.csv", HEADER, tracks(rng))


def read(name):
    with Path(name).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


# ---- from a table to predictions ---------------------------------------------------------------


def test_classes(run, rng, train):
    test = tracks(rng, 50, first=300)
    write("test.csv", HEADER[:-1], [row[:-1] for row in test])
    status, out, err = run("fit", "train.csv", "--target", "genre", "--id", "track_id")
    assert (status, err) == (0, "")
    for part in (
        "240 rows to train on, 60 to validate",
        "task: classification, as the target is text",
        "target: genre: 3 classes: Drum\nand Bass, Pop, Rock",
        "columns: 2 of numbers, 1 of categories; 5 features",
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
    status, out, err = run(*arguments)
    assert (status, out, err) == (0, "50 predictions: predictions.csv\n", "")
    header, *rows = read("predictions.csv")
    assert header == ["track_id", "genre"]
    assert [row[0] for row in rows] == [row[0] for row in test]
    assert np.mean([row[1] == line[-1] for row, line in zip(rows, test, strict=True)]) > 0.8

    assert run(*arguments, "--probabilities")[0] == 0
    header, *shares = read("predictions.csv")
    assert header == ["track_id", "genre", "P(Drum\nand Bass)", "P(Pop)", "P(Rock)"]
    numbers = np.array([row[2:] for row in shares], float)
    np.testing.assert_allclose(numbers.sum(axis=1), 1, atol=1e-5)
    names = ["Drum\nand Bass", "Pop", "Rock"]
    assert [names[i] for i in numbers.argmax(axis=1)] == [row[1] for row in rows]

    write("test.csv", HEADER, test)
    status, out, _ = run(*arguments, "--score")
    right = np.mean([row[1] == line[-1] for row, line in zip(rows, test, strict=True)])
    assert re.search(rf"^accuracy +{right:.2%}$", out, flags=re.MULTILINE)
    assert "confusion matrix of these rows" in out


def test_values(run, rng):
    x = rng.normal(size=(400, 2))
    y = 1e6 + 1e3 * (2 * x[:, 0] - x[:, 1])
    write("train.csv", ["a", "b", "y"], np.column_stack([x, y])[:300])
    write("test.csv", ["b", "a", "unused"], np.column_stack([x[:, ::-1], y])[300:])
    status, out, _ = run("fit", "train.csv", "--target", "y", "--out", "m.safetensors")
    assert status == 0
    assert "task: regression, as the target is numbers" in out
    assert "confusion" not in out
    assert Path("m.png").exists()
    assert run("predict", "m.safetensors", "test.csv", "--out", "p.csv")[0] == 0
    header, *rows = read("p.csv")
    assert header == ["y"]
    predicted = np.array(rows, float)[:, 0]
    assert metrics.r2(y[300:], predicted) > 0.95
    assert "expected classes" in run("predict", "m.safetensors", "test.csv", "--probabilities")[2]


def test_parquet_and_csv_are_one(run, rng, train):
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    options = arrow_csv.ParseOptions(newlines_in_values=True)
    types = arrow_csv.ConvertOptions(column_types={"track_id": "string"})
    table = arrow_csv.read_csv("train.csv", parse_options=options, convert_options=types)
    parquet.write_table(table, "train.parquet")
    for name in "csv", "parquet":
        arguments = ("--target", "genre", "--id", "track_id", "--out", f"{name}.safetensors")
        assert run("fit", f"train.{name}", *arguments, *QUICK)[0] == 0
        assert (
            run("predict", f"{name}.safetensors", f"train.{name}", "--out", f"{name}.csv")[0] == 0
        )
    assert read("csv.csv") == read("parquet.csv")
    assert len(read("csv.csv")) == 301


def test_the_same_seed_writes_the_same_file(run, train):
    files = []
    for name, seed in ("a", 5), ("b", 5), ("c", 6):
        out = f"{name}.safetensors"
        options = ("--dropout", "0.1", "--seed", seed, "--out", out)
        assert run("fit", "train.csv", "--target", "genre", *options, *QUICK)[0] == 0
        files.append(Path(out).read_bytes())
        assert run("predict", out, "train.csv", "--out", f"{name}.csv", "--probabilities")[0] == 0
    assert files[0] == files[1] != files[2]
    assert read("a.csv") == read("b.csv") != read("c.csv")


def test_every_option_reaches_the_network(run, train):
    status, out, _ = run(
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
    assert run("predict", "model.safetensors", "train.csv")[2].count("'dark'") == 0


def test_no_hidden_layer_is_a_linear_model(run, train):
    assert run("fit", "train.csv", "--target", "genre", "--hidden", "", *QUICK)[0] == 0
    assert len(TableModel.load("model.safetensors").network.layers) == 1


def test_digits_are_read_as_well_as_by_scikit_learn(run):
    # StandardScaler and MLPClassifier of the same widths, batches and early stopping: 94.1% to
    # 95.3% with seeds 0 to 4 (scikit-learn 1.7).
    digits = datasets.load_digits()
    header = [*(f"pixel{i}" for i in range(64)), "digit"]
    write("train.csv", header, np.column_stack([digits.x_train, digits.y_train]))
    write("test.csv", header, np.column_stack([digits.x_test, digits.y_test]))
    assert run("fit", "train.csv", "--target", "digit", "--no-picture")[0] == 0
    assert run("predict", "model.safetensors", "test.csv")[0] == 0
    predicted = [int(row[0]) for row in read("predictions.csv")[1:]]
    assert metrics.accuracy(digits.y_test, predicted) > 0.935


# ---- rows held out -----------------------------------------------------------------------------


def test_statistics_are_of_the_training_rows_alone(run, rng):
    values = rng.normal(size=100)
    write("train.csv", ["x", "y"], [[v, "ab"[i % 2]] for i, v in enumerate(values)])
    assert run("fit", "train.csv", "--target", "y", *QUICK)[0] == 0
    model = TableModel.load("model.safetensors")
    assert model.facts["training_rows"] == 80
    mean = model.features.parts[0].mean
    assert mean != pytest.approx(values.mean(), abs=1e-9)
    assert mean == pytest.approx(values.mean(), abs=0.5)


def test_rows_of_one_id_and_of_rare_classes_stay_in_training(run, rng):
    ids = [f"p{i // 2 if i < 80 else i}" for i in range(200)]
    rows = [[key, rng.normal(), "ab"[i % 2]] for i, key in enumerate(ids)]
    rows[7][2] = "rare"
    write("train.csv", ["patient", "x", "y"], rows)
    status, out, _ = run("fit", "train.csv", "--target", "y", "--id", "patient", *QUICK)
    assert status == 0
    assert "note: 40 rows have the 'patient' of another" in out
    facts = TableModel.load("model.safetensors").facts
    assert facts["training_rows"] + facts["validation_rows"] == 200
    assert 20 <= facts["validation_rows"] < 36


@pytest.mark.parametrize("seed", range(5))
def test_each_class_is_held_out_in_its_proportion(run, rng, seed):
    labels = ["a"] * 100 + ["b"] * 50 + ["c"] * 10 + ["d"]
    write("train.csv", ["x", "y"], [[rng.normal(), label] for label in rng.permutation(labels)])
    status, out, _ = run("fit", "train.csv", "--target", "y", "--seed", seed, *QUICK)
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


def test_rows_without_a_target_are_left_out_and_counted(run, rng, train):
    rows = tracks(rng, 40)
    for row in rows[:7]:
        row[-1] = "?"
    write("train.csv", HEADER, rows)
    status, out, _ = run("fit", "train.csv", "--target", "genre", *QUICK)
    assert status == 0
    assert "note: 7 rows without 'genre' are left out" in out


def test_a_column_that_numbers_the_rows_is_pointed_out(run, rng, train):
    out = run("fit", "train.csv", "--target", "genre", *QUICK)[1]
    assert "note: 'track_id' numbers the rows: leave it out unless that is meant" in out


# ---- info --------------------------------------------------------------------------------------


def test_info_tells_what_is_inside(run, train):
    run("fit", "train.csv", "--target", "genre", "--id", "track_id", *QUICK)
    status, out, _ = run("info", "model.safetensors")
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


def test_info_of_a_network_without_columns(run):
    network = densenet.Network([densenet.Linear(3, 1)], densenet.MeanSquaredError(), seed=1)
    serialization.save(network, "plain.safetensors")
    status, out, _ = run("info", "plain.safetensors")
    assert status == 0
    assert out.strip() == repr(network)
    assert (
        "expected a model that densenet fit wrote"
        in run("predict", "plain.safetensors", "t.csv")[2]
    )


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n", "t.csv: expected rows below the header, got none"),
        ("", "t.csv: expected a table, got an empty file"),
        ("x,y\n" + "1,a\n" * 9, "column 'y': expected at least two classes, got only 'a'"),
        ("x,y\n" + "1,a\n1,b\n" * 9, "expected columns to learn from, got 'x' is constant"),
        ("x,y\n1,?\n2,\n", "column 'y': expected targets, got none"),
        ("y\n" + "a\nb\n" * 9, "expected columns to learn from, got no others"),
        ("x,z\n1,2\n", "t.csv: expected column 'y', got columns 'x', 'z'"),
        ("x,y\n1,a\n2\n", "t.csv, line 3: expected 2 cells as in the first row, got 1"),
        ('x,y\n1,"a\n2,b\n', "t.csv, line 2: not readable as CSV: unexpected end of data"),
        ("x,y\n1e999,a\n2,b\n1,a\n2,b\n", "line 2, column 'x': expected a finite number"),
        ("x,y\n" + "1,a\n2,b\n" * 9 + "x,a\n", "line 20, column 'x': expected a number, as in"),
        (b"x,y\n1,\xe9\n", "expected text in utf-8, got the byte 0xe9"),
        ("x,y\n1,a\n2,b\n", "validation: expected rows enough to hold a share of 0.2 out, got 2"),
        ("x,y\n" + "".join(f"{i},n{i}\n" for i in range(50)), "expected classes that repeat, got"),
        ("x,y\n" + "1,2.5\n2,2.5\n" * 9, "column 'y': expected values that differ, got only 2.5"),
    ],
)
def test_a_table_that_cannot_be_learned_from(refused, content, message):
    Path("t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert message in refused("fit", "t.csv", "--target", "y", *QUICK)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "none.csv", "--target", "y"], "densenet: none.csv: No such file or directory"),
        (["fit", ".", "--target", "y"], "Is a directory"),
        (["fit", "train.csv"], "the following arguments are required: --target"),
        (
            ["fit", "train.csv", "--target", "genr"],
            "expected column 'genr', got columns 'track_id'",
        ),
        (["fit", "train.csv", "--target", "genre", "--id", "x"], "expected column 'x'"),
        (["fit", "train.csv", "--target", "genre", "--id", "genre"], "another column than the"),
        (["fit", "train.csv", "--target", "genre", "--ignore", "x,y"], "expected columns 'x', 'y'"),
        (["fit", "train.csv", "--target", "genre", "--text", "x"], "expected column 'x'"),
        (
            ["fit", "train.csv", "--target", "genre", "--task", "regression"],
            "column 'genre': expected a number",
        ),
        (
            ["fit", "train.csv", "--target", "y", "--hidden", "8,0"],
            "must be an integer >= 1, got 0",
        ),
        (["fit", "train.csv", "--target", "y", "--dropout", "1"], "a number in [0, 1), got 1"),
        (["fit", "train.csv", "--target", "y", "--validation", "x"], "a number in [0, 1), got x"),
        (["fit", "train.csv", "--target", "y", "--lr", "0"], "must be a number > 0, got 0"),
        (["fit", "train.csv", "--target", "y", "--lr", "nan"], "must be a number > 0, got nan"),
        (["fit", "train.csv", "--target", "y", "--out", "m.bin"], "must end in .safetensors"),
        (["fit", "train.csv", "--target", "y", "--picture", "m.gif"], ".png, .svg or .pdf"),
        (["fit", "train.csv", "--target", "y", "--out", "no/m.safetensors"], "cannot write"),
        (["fit", "train.csv", "--target", "y", "--encoding", "klingon"], "text encoding, got"),
        (["predict", "none.safetensors", "train.csv"], "none.safetensors: No such file"),
        (["predict", "train.csv", "train.csv"], "densenet: train.csv: "),
        (["predict", "m.safetensors", "train.csv", "--out", "p.txt"], "must end in .csv"),
        (["info", "none.safetensors"], "none.safetensors: No such file"),
    ],
)
def test_wrong_arguments(refused, train, arguments, message):
    assert message in refused(*arguments, *(QUICK if arguments[0] == "fit" else ()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("tempo,mood,noise\n1,dark,2\n", "expected column 'track_id', got columns 'tempo', 'mood'"),
        ("track_id,tempo,mood\n1,100,dark\n", "expected column 'noise', got columns"),
        ("track_id,tempo,mood,noise\n", "expected rows below the header, got none"),
        ("track_id,tempo,mood,noise\n1,fast,dark,2\n", "line 2, column 'tempo': expected a number"),
        ("track_id,tempo,mood,noise\n1,1e999,dark,2\n", "expected a finite number, got '1e999'"),
    ],
)
def test_a_table_that_cannot_be_predicted(run, refused, train, content, message):
    run("fit", "train.csv", "--target", "genre", "--id", "track_id", *QUICK)
    Path("t.csv").write_text(content)
    assert message in refused("predict", "model.safetensors", "t.csv")


def test_targets_to_compare_with_must_be_known(run, refused, train):
    run("fit", "train.csv", "--target", "genre", "--id", "track_id", *QUICK)
    for genre, got in ("Jazz", "got 'Jazz'"), ("", "got ''"):
        Path("t.csv").write_text(f"track_id,tempo,mood,noise,genre\n1,100,dark,2,{genre}\n")
        err = refused("predict", "model.safetensors", "t.csv", "--score")
        assert "line 2, column 'genre': expected one of the classes 'Drum\\nand Bass'" in err
        assert got in err
        assert run("predict", "model.safetensors", "t.csv")[0] == 0


def test_a_training_that_diverges_is_told(refused, train):
    arguments = ("fit", "train.csv", "--target", "noise", "--optimizer", "sgd", "--lr", "1e30")
    assert "lr: expected a learning rate at which training converges, got 1e+30" in refused(
        *arguments, *QUICK
    )


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"features": None},
        {"features": {"parts": [{"kind": "eval", "column": "x"}], "left_out": {}}},
        {"target": {"kind": "values", "column": "genre", "mean": 0.0, "scale": 1.0}},
        {"missing": 3},
    ],
)
def test_a_file_whose_columns_are_not_those_of_its_network(run, refused, train, change):
    run("fit", "train.csv", "--target", "genre", *QUICK)
    network, attachments = serialization.load("model.safetensors")
    about = attachments["table"] | change
    serialization.save(network, "model.safetensors", attachments={"table": about})
    for command in (["predict", "model.safetensors", "train.csv"], ["info", "model.safetensors"]):
        err = refused(*command)
        assert err.startswith("densenet: model.safetensors: ")
        assert "expected" in err or "not readable" in err


# ---- what is survived --------------------------------------------------------------------------


def test_awkward_columns(run, rng):
    count = 400
    write(
        "train.csv",
        ["constant", "huge", "tiny", "city", "story", "empty", "flag", "y"],
        [
            [
                3,
                rng.normal() * 1e300,
                rng.normal() * 1e-300,
                f"city {i // 3}" if i % 3 else "zürich, ch",
                f"once upon\na time, {i}",
                "",
                bool(i % 2),
                i % 3,
            ]
            for i in range(count)
        ],
        encoding="latin-1",
    )
    reading = ("--encoding", "latin-1")
    status, out, err = run("fit", "train.csv", "--target", "y", *reading, *QUICK)
    assert (status, err) == (0, "")
    assert "left out: constant: constant" in out
    assert "left out: empty: empty" in out
    assert "left out: story: text that hardly repeats" in out
    assert TableModel.load("model.safetensors").target.values == ("0", "1", "2")
    status, _, err = run("predict", "model.safetensors", "train.csv", *reading, "--probabilities")
    assert status == 0
    assert "column 'city': " in err
    shares = np.array([row[1:] for row in read("predictions.csv")[1:]], float)
    assert np.isfinite(shares).all()


def test_cells_unlike_those_of_training_are_counted(run, train):
    run("fit", "train.csv", "--target", "genre", "--id", "track_id", *QUICK)
    Path("t.csv").write_text(
        "track_id,tempo,mood,noise\n7,100,sad,0\n7,100,dark,1e308\n8,,mad,-1e308\n"
    )
    status, out, err = run("predict", "model.safetensors", "t.csv", "--probabilities")
    assert (status, out) == (0, "3 predictions: predictions.csv\n")
    assert err.splitlines() == [
        "densenet: note: column 'mood': 2 cells of no known category ('mad', 'sad') taken as none "
        "of the known ones",
        "densenet: note: column 'noise': 2 cells cut off at 1000 standard deviations from the mean",
    ]
    rows = read("predictions.csv")[1:]
    assert [row[0] for row in rows] == ["7", "7", "8"]
    assert np.isfinite(np.array([row[2:] for row in rows], float)).all()


def test_many_classes(run, rng):
    rows = [[rng.normal() + i % 25, f"class with a long name {i % 25:02}"] for i in range(800)]
    write("train.csv", ["x", "y"], rows)
    status, out, _ = run("fit", "train.csv", "--target", "y", "--epochs", "3")
    assert status == 0
    assert "most frequent errors in validation rows (true -> predicted)" in out
    assert Path("model.png").exists()


def test_a_terminal_that_lacks_letters(folder, rng):
    write("train.csv", ["x", "y"], [[rng.normal(), "äé"[i % 2]] for i in range(40)])
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "densenet",
            "fit",
            "train.csv",
            "--target",
            "y",
            *QUICK,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"classes: \xe4, \xe9" in done.stdout


@pytest.mark.parametrize("missing", ["matplotlib", "tqdm"])
def test_a_missing_extra_is_told_before_the_table_is_read(refused, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    message = refused("fit", "none.csv", "--target", "y")
    assert message == f'densenet: densenet fit needs {missing}: pip install "densenet[demo]"\n'
