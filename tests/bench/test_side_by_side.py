"""Whole programs beside the same ones in PyTorch, on rows that are made here."""

import importlib
import sys

import numpy as np
import pytest

import program
import records
import report
import side_by_side
from programs import data

INPUTS = {"digits": 64, "mnist": 784, "cifar10": 3072, "housing": 13}


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["bench/side_by_side.py", *map(str, arguments)])
    return side_by_side.main()


@pytest.fixture
def made(rng):
    """Rows of a program's shape, whose columns tell the class, or the value."""

    def make(name):
        y = np.arange(600) % 2
        x = rng.random((600, INPUTS[name]), np.float32) + y[:, None].astype(np.float32) - 1
        y = y.astype(np.float32) if name in data.VALUES else y
        return data.Rows(x[:400], y[:400], x[400:500], y[400:500], x[500:], y[500:])

    return make


@pytest.mark.parametrize("library", program.LIBRARIES)
@pytest.mark.parametrize("name", data.READERS)
def test_every_program_learns(monkeypatch, made, name, library):
    if library == "torch":
        pytest.importorskip("torch")
    monkeypatch.setattr(program, "_set_up", lambda *_: "of the test")
    monkeypatch.setattr(program, "READERS", {name: lambda seed: made(name)})
    found = program.run(name, library, 0, 1)
    score = 1 - found["score"] if name in data.VALUES else found["score"]
    assert score > 0.9
    assert found["seconds"] > 0


def test_both_libraries_are_measured(monkeypatch, tmp_path, capsys):
    pytest.importorskip("torch")
    rows, written = tmp_path / "rows.jsonl", tmp_path / "report.md"
    given = ("digits", "--rounds", "1", "--threads", "1", "--json", rows, "--markdown", written)
    assert run(monkeypatch, *given) == 0
    ours, theirs = (row["measured"] for row in records.read(rows))
    assert (ours["contender"], theirs["contender"]) == ("densenet", "PyTorch")
    assert min(ours["score"], theirs["score"]) > 0.9
    assert min(ours["lines"], theirs["lines"]) > 5
    text = written.read_text("utf-8")
    assert text.index("Behind PyTorch's:") < text.index("| digits ")
    assert "torch " in capsys.readouterr().out


def test_what_fails_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DENSENET_DATA", str(tmp_path))
    monkeypatch.setattr(side_by_side, "LIBRARIES", ("densenet",))
    assert run(monkeypatch, "housing", "--rounds", "1") == 1
    assert "failed: FileNotFoundError: DENSENET_DATA" in capsys.readouterr().out


def test_a_missing_library_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(side_by_side, "LIBRARIES", ("densenet", "no_such_library"))
    monkeypatch.setitem(side_by_side._NAMES, "no_such_library", "Another")
    path = tmp_path / "rows.jsonl"
    assert run(monkeypatch, "digits", "--rounds", "1", "--threads", "1", "--json", path) == 0
    assert report.NOT_INSTALLED in capsys.readouterr().out
    assert [row["failure"] for row in records.read(path)] == [report.NOT_INSTALLED, None]


def measured(name, seconds, lines, score):
    return side_by_side.Measured(name, lines, side_by_side.Timing.of([seconds]), [score])


@pytest.mark.parametrize(
    ("name", "theirs", "behind"),
    [
        ("mnist", (2.0, 9, 0.8), []),
        ("mnist", (0.5, 9, 0.8), ["- mnist: 0.50x of its speed"]),
        ("mnist", (2.0, 7, 0.8), ["- mnist: 8 lines for 7"]),
        ("mnist", (2.0, 9, 0.95), ["- mnist: 90.00 % ±0.00 for 95.00 % ±0.00"]),
        ("housing", (2.0, 9, 0.95), []),
        ("housing", (2.0, 9, 0.8), ["- housing: 0.9000 ±0.0000 for 0.8000 ±0.0000"]),
    ],
)
def test_what_is_behind_is_said(name, theirs, behind):
    assert side_by_side.losses(measured(name, 1.0, 8, 0.9), measured(name, *theirs)) == behind


def test_lines_of_code():
    head = '"""Of the\nfile."""\n\n# why\nx = [\n    1,  # one\n]\n\n\n'
    function = 'def f():\n    """Of it."""\n    return x\n'
    assert side_by_side.lines_of_code(head + function) == 5


@pytest.mark.parametrize("name", data.READERS)
def test_both_files_of_a_program_say_the_same(name):
    ours = importlib.import_module(f"programs.{name}_densenet")
    pytest.importorskip("torch")
    theirs = importlib.import_module(f"programs.{name}_torch")
    assert ours.__doc__ == theirs.__doc__


def test_unknown_programs_are_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, "imagenet")
    assert "PROGRAM: must be one of digits, mnist, " in capsys.readouterr().err
