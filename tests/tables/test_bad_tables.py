"""``densenet fit`` and ``predict`` on bad input: one clear line, or a result all the same."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from densenet import serialization
from densenet.tables.model import TableModel
from tests.support.tables import HEADER, read, tracks, write

for needed in ("matplotlib", "pyarrow", "tqdm"):  # by `densenet fit`
    pytest.importorskip(needed)

QUICK = ("--epochs", "3", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
def train(rng):
    write("train.csv", HEADER, tracks(rng))


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
        (["fit", ".", "--target", "y"], ".: expected column 'y', got columns 'track_id', 'tempo'"),
        (["fit", "train.csv"], "one of the arguments --target --from is required"),
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
def test_a_table_that_cannot_be_predicted(command, refused, train, content, message):
    command("fit", "train.csv", "--target", "genre", "--id", "track_id", *QUICK)
    Path("t.csv").write_text(content)
    assert message in refused("predict", "model.safetensors", "t.csv")


def test_targets_to_compare_with_must_be_there(command, refused, train):
    command("fit", "train.csv", "--target", "genre", "--id", "track_id", *QUICK)
    Path("t.csv").write_text("track_id,tempo,mood,noise,genre\n1,100,dark,2,\n")
    err = refused("predict", "model.safetensors", "t.csv", "--score")
    assert "t.csv, column 'genre': expected targets, got none" in err
    Path("t.csv").write_text("track_id,tempo,mood,noise\n1,100,dark,2\n")
    assert "expected column 'genre'" in refused("predict", "model.safetensors", "t.csv", "--score")


def test_a_training_that_diverges_is_told(refused, train):
    arguments = ("fit", "train.csv", "--target", "noise", "--optimizer", "sgd", "--lr", "1e30")
    assert "lr: expected a learning rate at which training converges, got 1e+30" in refused(
        *arguments, *QUICK
    )


@pytest.mark.parametrize(
    "change",
    [
        {"version": 4},
        {"features": None},
        {"features": {"parts": [{"kind": "eval", "column": "x"}], "left_out": {}}},
        {"target": {"kind": "values", "column": "genre", "mean": 0.0, "scale": 1.0}},
        {"missing": 3},
    ],
)
def test_a_file_whose_columns_are_not_those_of_its_network(command, refused, train, change):
    command("fit", "train.csv", "--target", "genre", *QUICK)
    network, attachments = serialization.load("model.safetensors")
    about = attachments["table"] | change
    serialization.save(network, "model.safetensors", attachments={"table": about})
    for command in (["predict", "model.safetensors", "train.csv"], ["info", "model.safetensors"]):
        err = refused(*command)
        assert err.startswith("densenet: model.safetensors: ")
        assert "expected" in err or "not readable" in err


# ---- what is survived --------------------------------------------------------------------------


def test_awkward_columns(command, rng):
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
    status, out, err = command("fit", "train.csv", "--target", "y", *reading, *QUICK)
    assert (status, err) == (0, "")
    assert "left out: constant: constant" in out
    assert "left out: empty: empty" in out
    assert "left out: story: text that hardly repeats" in out
    assert TableModel.load("model.safetensors").target.values == ("0", "1", "2")
    status, _, err = command(
        "predict", "model.safetensors", "train.csv", *reading, "--probabilities"
    )
    assert status == 0
    assert "column 'city': " in err
    shares = np.array([row[1:] for row in read("predictions.csv")[1:]], float)
    assert np.isfinite(shares).all()


def test_cells_unlike_those_of_training_are_counted(command, train):
    command("fit", "train.csv", "--target", "genre", "--id", "track_id", *QUICK)
    Path("t.csv").write_text(
        "track_id,tempo,mood,noise\n7,100,sad,0\n7,100,dark,1e308\n8,,mad,-1e308\n"
    )
    status, out, err = command("predict", "model.safetensors", "t.csv", "--probabilities")
    assert (status, out) == (0, "3 predictions: predictions.csv\n")
    assert err.splitlines() == [
        "densenet: note: column 'mood': 2 cells of no known category ('mad', 'sad') taken as none "
        "of them",
        "densenet: note: column 'noise': 2 cells far outside -2.58434 to 2.54748, the range of the "
        "training rows",
    ]
    rows = read("predictions.csv")[1:]
    assert [row[0] for row in rows] == ["7", "7", "8"]
    assert np.isfinite(np.array([row[2:] for row in rows], float)).all()


def test_many_classes(command, rng):
    rows = [[rng.normal() + i % 25, f"class with a long name {i % 25:02}"] for i in range(800)]
    write("train.csv", ["x", "y"], rows)
    status, out, _ = command("fit", "train.csv", "--target", "y", "--epochs", "3")
    assert status == 0
    assert "most frequent errors in validation rows (true -> predicted)" in out
    assert Path("model.png").exists()


def test_a_terminal_that_lacks_letters(rng):
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
        timeout=250,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert r"classes: \xe4, \xe9" in done.stdout


def test_an_interrupt_writes_nothing(command, train, monkeypatch):
    def interrupted(*args, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("densenet.training.loop.train", interrupted)
    assert command("fit", "train.csv", "--target", "genre") == (130, "", "")
    assert [path.name for path in Path().iterdir()] == ["train.csv"]


@pytest.mark.parametrize("missing", [["matplotlib"], ["matplotlib", "pyarrow"]])
def test_missing_extras_are_told_at_once_before_the_table_is_read(refused, monkeypatch, missing):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    wanted = f'needs {" and ".join(missing)}: pip install "densenet-cpu[demo]"'
    for command in ("fit", "none.csv", "--target", "y"), ("explore", "none.csv"):
        message = refused(*command)
        assert message == f"densenet: densenet {command[0]}, without --no-picture, {wanted}\n"


@pytest.mark.parametrize("missing", [("tqdm",), ("matplotlib",), ("matplotlib", "tqdm")])
def test_training_without_a_picture_needs_no_extra(command, train, monkeypatch, missing):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    assert command("fit", "train.csv", "--target", "genre", *QUICK)[::2] == (0, "")
    assert command("predict", "model.safetensors", "train.csv")[0] == 0
    assert command("info", "model.safetensors")[0] == 0


def test_a_picture_needs_no_progress_bar(command, train, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert command("fit", "train.csv", "--target", "genre", "--epochs", "1")[::2] == (0, "")
    assert Path("model.png").exists()
