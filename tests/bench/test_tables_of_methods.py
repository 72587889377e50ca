"""Methods for tables beside each other, on a table that is made here."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

import records
import table_data
import table_methods
import tables
from tests.support.skips import NOT_APPLICABLE
from tests.support.tables import write


@pytest.fixture
def phonemes(rng, tmp_path, monkeypatch):
    """A table in the place and form of the published one: five numbers, and a class."""
    x = rng.normal(size=(200, 5))
    folder = tmp_path / "tabular"
    folder.mkdir()
    write(folder / "phoneme.csv", [], np.column_stack([x, x[:, 0] > x[:, 1]]).tolist())
    monkeypatch.setenv("DENSENET_DATA", str(tmp_path))
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["bench/tables.py", *map(str, arguments)])
    return tables.main()


def test_methods_are_measured(monkeypatch, phonemes, capsys):
    pytest.importorskip("pyarrow")
    given = ("--data", "phoneme", "--methods", "fast", "--seeds", "2")
    files = ("--json", phonemes / "rows.jsonl", "--markdown", phonemes / "tables.md")
    assert run(monkeypatch, *given, *files) == 0
    out = capsys.readouterr().out
    assert "| phoneme " in out
    rows = records.read(phonemes / "rows.jsonl")
    assert [row["measured"]["part"] for row in rows] == ["reading", "training", "predicting"]
    assert rows[0]["measured"]["score"] > 0.8
    assert rows[0]["measured"]["peak_bytes"] > 1e7
    written = (phonemes / "tables.md").read_text("utf-8")
    assert "| densenet, fast |" in written
    assert "No peer to compare with." in written.partition("| data ")[0]


@pytest.mark.parametrize(("name", "unit"), [("phoneme", " %"), ("housing", "")])
def test_scores_under_the_best_peer_are_told_first(monkeypatch, phonemes, capsys, name, unit):
    scores = {"densenet, fast": 0.1, "densenet, best": 0.3, "LightGBM": 0.2, "scikit-learn, MLP": 0}
    if not unit:  # an error, of which less is better
        scores = {method: 1 - score for method, score in scores.items()}
    parts = dict.fromkeys(("reading", "training", "predicting", "peak"), 1.0)
    monkeypatch.setattr(tables, "METHODS", scores)
    monkeypatch.setattr(tables, "run", lambda method, *_: {"score": scores[method], **parts})
    report = phonemes / "tables.md"
    assert run(monkeypatch, "--data", name, "--seeds", "1", "--markdown", report) == 0
    ours, best = ("10.00 %", "20.00 %") if unit else ("0.9", "0.8")
    told = (
        f"Worse than the best peer:\n\n- {name}, densenet, fast: {ours} beside {best} of LightGBM\n"
    )
    assert told in capsys.readouterr().out
    assert told in report.read_text("utf-8").partition("| data ")[0]


@pytest.mark.filterwarnings("ignore:.*Maximum iterations")  # of scikit-learn's MLP
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # of RealMLP
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # of RealMLP
@pytest.mark.parametrize("method", table_methods.METHODS)
def test_every_method_learns(phonemes, method):
    for needed in ("pandas", "sklearn"):
        pytest.importorskip(needed)
    library = {"LightGBM": "lightgbm", "RealMLP": "pytabkit"}.get(method, "sklearn")
    if find_spec(library) is None:
        pytest.skip(f"{NOT_APPLICABLE}needs {library}")
    found = table_methods.measure(method, table_data.DATA["phoneme"], 0)
    assert found["score"] > 0.8
    assert {"importing", "reading", "training", "predicting", "peak"} < found.keys()


def test_a_method_of_minutes_is_run_if_it_is_named(monkeypatch, phonemes, capsys):
    ran = []
    monkeypatch.setattr(tables, "run", lambda method, *_: ran.append(method) or "not run")
    run(monkeypatch, "--data", "phoneme", "--seeds", "1")
    assert "LightGBM" in ran
    assert "RealMLP" not in ran
    run(monkeypatch, "--data", "phoneme", "--seeds", "1", "--methods", "RealMLP")
    assert ran[-1] == "RealMLP"


def test_what_fails_is_told(monkeypatch, phonemes, capsys):
    pytest.importorskip("pyarrow")
    (phonemes / "tabular" / "phoneme.csv").write_text("")
    assert run(monkeypatch, "--data", "phoneme", "--methods", "fast", "--seeds", "1") == 1
    assert "expected a table, got an empty file" in capsys.readouterr().out


@pytest.mark.parametrize("option", [("--data", "iris"), ("--methods", "magic")])
def test_unknown_names_are_refused(monkeypatch, capsys, option):
    with pytest.raises(SystemExit):
        run(monkeypatch, *option)
    assert "must be of " in capsys.readouterr().err


def test_a_missing_folder_is_named(monkeypatch):
    monkeypatch.delenv("DENSENET_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="DENSENET_DATA: expected a folder"):
        table_data.folder()
