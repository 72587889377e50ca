"""What the benchmarks' tools print and write, without their measurements."""

import re
import sys

import pytest

import bench
import calls
import cases
import contest
import curves
import estimators
import nets
import options
import predict
import records
import report
import threads
from densenet import kernels
from tests.support.contests import STEP, result
from tests.support.paths import ROOT
from workloads import NETS

ONE_ROUND = {"one": [1.0], "more": [0.5]}  # seconds


def run(monkeypatch, tool, *arguments):
    monkeypatch.setattr(sys, "argv", [f"bench/{tool.__name__}.py", *map(str, arguments)])
    return tool.main()


@pytest.fixture
def competing(monkeypatch):
    """Results that contests give in turn; an exception is raised."""

    def compete(*results):
        left = iter(results)

        def next_result(net, *_, **__):
            given = next(left)
            if isinstance(given, BaseException):
                raise given
            return given

        monkeypatch.setattr(contest, "compete", next_result)

    return compete


def test_nets_reports(monkeypatch, tmp_path, capsys, competing):
    pytest.importorskip("matplotlib")
    competing(result(fit=0.5, torch=2.0), result(fit=0.5, torch=2.0))
    files = tmp_path / "nets.md", tmp_path / "nets.png"
    status = run(monkeypatch, nets, "B", "C", "--markdown", files[0], "--picture", files[1])
    assert status == 0
    text = files[0].read_text(encoding="utf-8")
    assert text.startswith("`python bench/nets.py B C --markdown ")
    assert text.count("| B ") == 4  # twice a row of the summary and of the peaks
    assert "torch 2.13.0" in text
    assert "4.00x" in capsys.readouterr().out
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_nets_say_first_what_is_slower(monkeypatch, tmp_path, capsys, competing):
    competing(result(fit=4.0, torch=2.0, alone=2.0))
    path = tmp_path / "nets.md"
    assert run(monkeypatch, nets, "B", "--markdown", path) == 0
    text, out = path.read_text(encoding="utf-8"), capsys.readouterr().out
    first = text.index("B, fit: 0.50x of PyTorch, fused Adam")
    assert first < text.index("B, fit: 0.50x of one thread") < text.index("| B ")
    assert out.index("Slower than the best peer:") < out.index("Medians ")


@pytest.mark.parametrize(
    ("tool", "net", "headings"),
    [
        (predict, predict.Prediction.of(NETS["B"], 8), ["predict_proba µs", "over one thread"]),
        (
            estimators,
            estimators.Fitting.of("bagging", NETS["B"], 64, 2),
            ["estimator ms", "work by hand ms", "over work by hand", "ms on processors per fit"],
        ),
    ],
)
def test_other_work_is_reported(monkeypatch, tmp_path, competing, tool, net, headings):
    competing(*[result(net, fit=0.5, torch=2.0, beside=0.25)] * 20)
    path = tmp_path / "report.md"
    assert run(monkeypatch, tool, "--markdown", path, "--json", tmp_path / "rows.jsonl") == 0
    text = path.read_text(encoding="utf-8")
    assert f"- {net.name}, {net.headings[0]}: 0.50x of {net.beside_heading}" in text
    assert "4.00x" in text
    for heading in headings:
        assert f"| {heading} |" in re.sub(" +", " ", text)
    first = records.read(tmp_path / "rows.jsonl")[0]
    assert first["tool"] == tool.__name__
    assert first["measured"] == net.about | {"contender": net.ours[0]}


def test_interrupted_nets_report_what_is_done(monkeypatch, tmp_path, capsys, competing):
    competing(result(fit=0.5, torch=2.0), KeyboardInterrupt())
    assert run(monkeypatch, nets, "B", "C", "--markdown", tmp_path / "nets.md") == 130
    for text in (capsys.readouterr().out, (tmp_path / "nets.md").read_text(encoding="utf-8")):
        assert "Interrupted after 1 of 2 nets." in text
        assert "4.00x" in text


def test_nets_fail_where_losses_differ(monkeypatch, capsys, competing):
    competing(result(fit=0.5, notes={STEP: f"{report.OTHER}losses (1e-2)"}))
    assert run(monkeypatch, nets, "B") == 1
    assert "DISAGREES: densenet, train_step" in capsys.readouterr().out


def test_curves_report(monkeypatch, tmp_path, capsys, competing):
    pytest.importorskip("matplotlib")
    competing(*(result(fit=0.5 * n, reference=2.0) for n in range(1, 8)), KeyboardInterrupt())
    files = tmp_path / "curves.md", tmp_path / "curves.png"
    arguments = ["depth", "width", "--markdown", files[0], "--picture", files[1]]
    assert run(monkeypatch, curves, *arguments) == 130
    text = files[0].read_text(encoding="utf-8")
    assert "**Depth**" in text
    assert "**Width**" not in text  # no point was done
    assert "Interrupted, 9 points before the end." in capsys.readouterr().out
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_an_unknown_curve_is_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, curves, "height")
    assert "must be one of batch, width, depth, threads, got 'height'" in capsys.readouterr().err


@pytest.mark.parametrize(("again", "status", "word"), [(0.8, 1, "0.80x SLOWER"), (1.5, 0, "1.50x")])
def test_what_looks_slower_is_measured_again(monkeypatch, tmp_path, capsys, again, status, word):
    times = iter([1.5, 0.8, again])

    def interleaved(functions, **_):
        return {"one": [1.0] * 9, "more": [1 / next(times)] * 9}

    monkeypatch.setattr(threads, "interleaved", interleaved)
    monkeypatch.setattr(options, "processors", lambda: 2)
    path = tmp_path / "threads.md"
    sizes = ["--widths", "7", "--batches", "1,3", "--threads", "2"]
    assert run(monkeypatch, threads, *sizes, "--markdown", path) == status
    assert "again, fit, 2 threads, width 7, batch 3: 0.80x SLOWER, then " + word in (
        capsys.readouterr().out
    )
    *_, row = [line for line in path.read_text(encoding="utf-8").splitlines() if "| 7 " in line]
    assert row.split("|")[2:] == [" 1.50x ", f" {word} ", ""]


@pytest.mark.parametrize("call", calls.CALLS)
def test_every_call_of_the_grid_of_threads_can_be_made(monkeypatch, capsys, keep_threads, call):
    monkeypatch.setattr(options, "processors", lambda: 2)
    made = {}
    monkeypatch.setattr(
        threads, "interleaved", lambda functions, **_: made.update(functions) or ONE_ROUND
    )
    sizes = ["--widths", "7", "--batches", "3", "--threads", "2"]
    assert run(monkeypatch, threads, "--calls", call, *sizes) == 0
    for function in made.values():
        function()
    assert f"**{call}, 2 threads over one**" in capsys.readouterr().out


def test_an_unknown_call_is_refused(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, threads, "--calls", "fit,fly")
    assert "must be all or of fit, train_step" in capsys.readouterr().err


def test_one_thread_is_not_compared(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, threads, "--threads", "1")
    assert "two or more are to be compared with one, got 1" in capsys.readouterr().err


def test_kernels_are_checked_and_timed_in_time(monkeypatch, tmp_path, capsys):
    few = [case for case in cases.every_case(quick=True) if case.kernel == "relu_forward"]
    monkeypatch.setattr(bench, "every_case", lambda quick: iter(few))
    monkeypatch.setattr(bench, "_trainings", lambda quick: iter([]))
    assert run(monkeypatch, bench, "--quick", "--budget", "0.1") == 0
    assert re.search(r"\| relu_forward +\| +32 x 16 \| float32 \|", capsys.readouterr().out)
    path = tmp_path / "bench.md"
    assert run(monkeypatch, bench, "--quick", "--budget", "1e-9", "--markdown", path) == 0
    text = path.read_text(encoding="utf-8")
    assert (
        "Neither checked nor timed, for want of time: the last 2 rows, from relu_forward, 32 x 16"
        in text
    )
    monkeypatch.setattr(kernels, "relu_forward", lambda x: x + 1)
    assert run(monkeypatch, bench, "--quick", "--budget", "60") == 1
    assert "DISAGREES: relu_forward, 32 x 16" in capsys.readouterr().out


def test_every_tool_writes_json_lines():
    """Those that measure: they hand themselves to `records.run`, which takes ``--json``."""
    helpers = {"history", "program", "ranks_model", "table_methods", "worker"}
    programs = [p for p in (ROOT / "bench").glob("*.py") if "__main__" in p.read_text("utf-8")]
    tools = [path for path in programs if path.stem not in helpers]
    assert len(tools) > 10
    for path in tools:
        text = path.read_text("utf-8")
        runs = re.search(r"\b(records\.run|series\.main)\(", text)
        assert runs, path.name
        assert re.search(r"\boptions\.(parser|add_json)\(", text), path.name
