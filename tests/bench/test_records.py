"""What the benchmarks' tools write with --json, and the history of it, without measurements."""

import itertools
import json
import subprocess
import sys

import pytest

import bench
import cases
import contest
import curves
import history
import nets
import options
import records
import report
import threads
from densenet import show_config
from records import Records
from report import Result
from tests.support.contests import FIT, timed
from timing import Timing
from workloads import NETS, parse

JAX = "JAX, jit a step"
SHARED = {
    "tool",
    "date",
    "commit",
    "dirty",
    "processor",
    "versions",
    "threads",
    "load",
    "conditions",
}
OWN = {
    "measured",
    "unit",
    "median",
    "lower_quartile",
    "upper_quartile",
    "ratio",
    "ratio_to",
    "limit",
    "failure",
}


LATER = {"busy", "held_to", "mean", "processor_time", "error"}  # keys that the first rows have not


def compared(net=NETS["B"], fit=0.5, **notes):
    """A net whose limit is 0.1 s, which JAX takes in 2 s."""
    timings = {FIT: timed(fit), JAX: Timing(1.0, 2.0, 3.0, 2.0)}
    notes = {name.replace("_", "-"): note for name, note in notes.items()}
    peaks = 20 * net.flop, 20 * 24 * net.parameters
    versions = {"jax": "0.10.2", "densenet": "0.0"}
    errors = {FIT: 0.0, JAX: 2.5e-4}
    return Result(net, *peaks, timings, notes, versions, [1e-7, 2e-7, 3e-7], errors=errors)


def run(monkeypatch, tool, *arguments):
    monkeypatch.setattr(sys, "argv", [f"bench/{tool.__name__}.py", *map(str, arguments)])
    return tool.main()


@pytest.fixture
def competing(monkeypatch):
    """Contests that give these results, round and round."""

    def compete(*results):
        left = itertools.cycle(results)
        monkeypatch.setattr(contest, "compete", lambda *_, **__: next(left))

    return compete


def check(rows, tool):
    """Test what holds for the rows of every tool."""
    assert rows
    for row in rows:
        assert set(row) == SHARED | OWN | LATER
        assert row["tool"] == tool
        assert row["measured"]
        assert row["unit"] in ("s", "FLOP/s", "B/s")
        assert (row["median"] is None) == (row["failure"] is not None)
        if row["lower_quartile"] is not None:
            assert row["lower_quartile"] <= row["median"] <= row["upper_quartile"]
        assert row["processor"]["instruction_set"] == show_config()["instruction_set"]
        assert row["processor"]["cores"] >= 1
        assert {"densenet", "numpy", "compiler"} <= set(row["versions"])


def test_nets_write_a_row_for_each_contender_and_peak(monkeypatch, tmp_path, capsys, competing):
    competing(compared(scikit_learn=report.NOT_INSTALLED, PyTorch="other losses (1e-2)"))
    path = tmp_path / "nets.jsonl"
    options_ = "--threads", 1, "--json", path, "--note", "beside a test"
    assert run(monkeypatch, nets, "B", *options_) == 1
    assert "784-16-16-10" in capsys.readouterr().out
    rows = records.read(path)
    check(rows, "nets")
    fit, jax, failed, *peaks = rows
    assert fit["measured"] == {
        "net": "B",
        "shape": "784-16-16-10",
        "batch": 32,
        "contender": FIT,
    }
    assert (fit["lower_quartile"], fit["median"], fit["upper_quartile"]) == (0.45, 0.5, 0.55)
    assert (fit["unit"], fit["ratio"], fit["ratio_to"]) == ("s", 4, JAX)
    assert (fit["mean"], fit["processor_time"], jax["processor_time"]) == (0.75, 1.0, None)
    assert (fit["busy"], fit["held_to"]) == (0, None)
    assert fit["limit"] == pytest.approx(0.1)
    assert (fit["threads"], fit["conditions"]) == (1, "beside a test")
    assert (fit["error"], jax["error"], failed["error"]) == (0, 2.5e-4, None)
    assert fit["versions"]["jax"] == "0.10.2"
    assert fit["versions"]["densenet"] == show_config()["version"]
    assert jax["ratio"] == 1
    assert (failed["measured"]["contender"], failed["median"]) == ("PyTorch", None)
    assert failed["failure"] == "other losses (1e-2)"
    assert [row["measured"]["peak"] for row in peaks] == [
        "multiply-adds",
        "in-place work",
        "threads meet",
    ]
    assert [row["median"] for row in peaks] == [
        20 * NETS["B"].flop,
        20 * 24 * NETS["B"].parameters,
        2e-7,
    ]


def test_nets_of_a_lower_precision_show_how_exact_it_is(monkeypatch, capsys, competing):
    competing(compared(), compared(parse("784-16-16-10:32:medium")))
    assert run(monkeypatch, nets, "B", "784-16-16-10:32:medium") == 0
    _, _, table = capsys.readouterr().out.partition("| losses differ from floats' by at most ")
    heading, _, fit, jax, *_ = table.splitlines()
    assert heading.count("|") == 2  # the other net has no column
    assert [line.split("|")[2].strip() for line in (fit, jax)] == ["0.0e+00", "2.5e-04"]


def test_standard_output_carries_the_rows_alone(monkeypatch, capsys, competing):
    competing(compared())
    assert run(monkeypatch, nets, "B", "--json", "-") == 0
    out, err = capsys.readouterr()
    check([json.loads(line) for line in out.splitlines()], "nets")
    assert "| B " in err


def test_an_interrupted_run_writes_what_is_done(monkeypatch, tmp_path, competing):
    def compete(net, *_, **__):
        if net.name == "C":
            raise KeyboardInterrupt
        return compared(net)

    monkeypatch.setattr(contest, "compete", compete)
    path = tmp_path / "nets.jsonl"
    assert run(monkeypatch, nets, "B", "C", "--json", path) == 130
    assert {row["measured"]["net"] for row in records.read(path)} == {"B"}


def test_curves_name_the_point(monkeypatch, tmp_path, competing):
    monkeypatch.setattr(options, "processors", lambda: 2)
    competing(compared())
    path = tmp_path / "curves.jsonl"
    assert run(monkeypatch, curves, "threads", "--threads", 2, "--json", path) == 0
    rows = records.read(path)
    check(rows, "curves")
    points = {(row["measured"]["curve"], row["measured"]["value"], row["threads"]) for row in rows}
    assert points == {("threads", 1, 1), ("threads", 2, 2)}


def test_threads_write_a_row_for_each_cell(monkeypatch, tmp_path, keep_threads):
    monkeypatch.setattr(options, "processors", lambda: 2)
    times = {"one": [2.0, 4.0, 6.0], "more": [1.0, 2.0, 3.0]}
    monkeypatch.setattr(threads, "interleaved", lambda *_, **__: times)
    path = tmp_path / "threads.jsonl"
    sizes = "--widths", 7, "--batches", 3, "--threads", 2
    assert run(monkeypatch, threads, *sizes, "--json", path) == 0
    rows = records.read(path)
    check(rows, "threads")
    (row,) = rows
    assert row["measured"] == {"call": "fit", "width": 7, "batch": 3}
    assert (row["median"], row["ratio"], row["ratio_to"]) == (2.0, 2.0, "1 thread")
    assert row["threads"] == 2


def test_kernels_write_both_backends_and_what_disagrees(monkeypatch, tmp_path, keep_threads):
    few = [case for case in cases.every_case(quick=True) if case.kernel == "relu_forward"]
    monkeypatch.setattr(bench, "every_case", lambda quick: iter(few))
    monkeypatch.setattr(bench, "_trainings", lambda quick: iter([]))
    monkeypatch.setattr(bench, "interleaved", _timed)
    path = tmp_path / "bench.jsonl"
    assert run(monkeypatch, bench, "--quick", "--json", path) == 0
    rows = records.read(path)
    check(rows, "bench")
    compiled, reference = rows[:2]
    assert compiled["measured"] == {
        "kernel": "relu_forward",
        "shape": "32 x 16",
        "dtype": "float32",
        "backend": "compiled",
    }
    assert [row["ratio"] for row in (compiled, reference)] == [4.0, 1.0]
    assert compiled["limit"] > 0
    monkeypatch.setattr(type(few[0]), "disagreement", lambda self: 7.0)
    assert run(monkeypatch, bench, "--quick", "--json", path) == 1
    wrong = records.read(path)
    check(wrong, "bench")
    assert wrong[0]["failure"] == "7 times what is allowed"


def _timed(functions, *, each_round, **_):
    each_round()
    return {"compiled": [1.0, 1.0], "reference": [4.0, 4.0]}


def test_no_file_is_written_unasked(monkeypatch, tmp_path, competing):
    monkeypatch.chdir(tmp_path)
    competing(compared())
    assert run(monkeypatch, nets, "B") == 0
    assert list(tmp_path.iterdir()) == []


# ---- commits -----------------------------------------------------------------------------------


@pytest.fixture
def tree(monkeypatch, tmp_path):
    """A repository with one commit of one file."""
    identity = "-c", "user.name=a", "-c", "user.email=a@example.org"

    def git(*command):
        subprocess.run(["git", *identity, *command], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(records, "ROOT", tmp_path)
    try:
        git("init")
    except FileNotFoundError:
        pytest.skip("not installed: git")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "One")
    return tmp_path


def test_a_changed_tree_is_told(tree):
    clean = Records("nets", 1).circumstances
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tree / "new").write_text("not tracked")
    assert Records("nets", 1).circumstances["dirty"] is False
    (tree / "file").write_text("two")
    changed = Records("nets", 1).circumstances
    assert (changed["commit"], changed["dirty"]) == (clean["commit"], True)


def test_without_git_there_is_no_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(records, "ROOT", tmp_path / "missing")
    about = Records("nets", 1)
    assert (about.circumstances["commit"], about.circumstances["dirty"]) == (None, None)
    assert "commit unknown" in report.describe(about)


# ---- history -----------------------------------------------------------------------------------


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(history, "FOLDER", tmp_path / "history")
    return tmp_path / "history"


def written(path, *, commit="a" * 40, dirty=False, fit=2e-6, **beside):
    """A file of a run with one row."""
    made = Records("nets", 2, **beside)
    made.circumstances |= {"commit": commit, "dirty": dirty, "date": "2026-11-28T12:00:00+00:00"}
    made.circumstances["processor"] |= {"name": "AMD EPYC", "family": 25, "model": 1}
    made.add({"net": "C", "contender": FIT}, timed(fit), limit=fit / 2)
    path.write_text(made.lines(), encoding="utf-8")
    return path


def test_history_shows_one_row_across_commits(monkeypatch, tmp_path, folder, capsys):
    for commit, fit in (("a" * 40, 2e-6), ("b" * 40, 1e-6)):
        path = written(tmp_path / "run.jsonl", commit=commit, fit=fit)
        assert run(monkeypatch, history, "--add", path) == 0
    assert [path.name for path in folder.iterdir()] == ["amd-epyc-family25-model1.jsonl"]
    capsys.readouterr()
    assert run(monkeypatch, history, "--net", "C") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[2].strip() for line in lines[4:6]] == ["aaaaaaa", "bbbbbbb"]
    assert [line.split("|")[5].strip() for line in lines[4:6]] == ["2 µs", "1 µs"]
    assert "50 %" in lines[4]
    assert run(monkeypatch, history) == 0
    assert "2 rows of nets; 2 commits (aaaaaaa, bbbbbbb)" in capsys.readouterr().out
    assert run(monkeypatch, history, "--net", "D") == 1
    assert "No such rows." in capsys.readouterr().err


def test_history_says_where_means_count_and_what_all_were_held_to(tmp_path):
    path = written(tmp_path / "run.jsonl", fit=2e-6, busy=2, held_to="v3")
    *_, time, _, _, _, share, conditions = history.cells(records.read(path)[0])
    assert (time, share) == ("3 µs", "33 %")
    assert conditions.split("; ")[1:] == ["beside 2 endless loops, means", "all held to v3"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dirty": True}, "got uncommitted changes"),
        ({"commit": None}, "got no commit"),
    ],
)
def test_what_cannot_be_measured_again_is_refused(
    monkeypatch, tmp_path, folder, capsys, given, message
):
    path = written(tmp_path / "run.jsonl", **given)
    assert run(monkeypatch, history, "--add", path) == 2
    assert message in capsys.readouterr().err
    assert not folder.exists()


def test_a_run_is_added_once(monkeypatch, tmp_path, folder, capsys):
    path = written(tmp_path / "run.jsonl")
    assert run(monkeypatch, history, "--add", path) == 0
    assert run(monkeypatch, history, "--add", path) == 2
    assert "expected new ones" in capsys.readouterr().err
    assert len(records.read(next(folder.iterdir()))) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "line 1: expected JSON, got '{'"), ("[]", "line 1: expected the keys tool, commit")],
)
def test_other_files_are_refused(monkeypatch, tmp_path, folder, capsys, text, message):
    path = tmp_path / "run.jsonl"
    path.write_text(text)
    assert run(monkeypatch, history, "--add", path) == 2
    assert message in capsys.readouterr().err


def test_processors_have_readable_names():
    known = {"name": "Intel(R) Xeon(R) CPU @ 2.20GHz", "family": 6, "model": 79}
    assert history.file_name(known) == "intel-r-xeon-r-cpu-2-20ghz-family6-model79.jsonl"
    told = {"name": "AMD EPYC", "family": None, "model": None, "microarchitecture": "Zen 4"}
    assert history.file_name(told) == "amd-epyc-zen-4.jsonl"


FILES = sorted((records.ROOT / "bench" / "history").glob("*.jsonl"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_kept_history_is_whole(path):
    for row in records.read(path):
        assert history.file_name(row["processor"]) == path.name
        assert set(row) >= SHARED | OWN
        assert (row["commit"] is None) == ("published" in row)
        assert (row["median"] is None) == (row["failure"] is not None)
        assert len(history.cells(row)) == len(history._HEADER)
