"""The model of what ranks cost: its parts, and its picture."""

import json
import sys

import pytest

import ranks
import ranks_model as model
import records


def test_a_step_is_the_sum_of_its_parts():
    costs = model.Costs(fixed=7.0, row=2.0, update=3.0, latency=5.0, byte=0.5)
    assert model.parts(costs, rows=64, n_bytes=12, ranks=1) == (7 + 128 + 3, 0, 0)
    assert model.parts(costs, rows=64, n_bytes=12, ranks=4) == (7 + 32 + 3, 20, 9)
    assert model.parts(costs, rows=64, n_bytes=12, ranks=4, cores=2) == (84, 20, 9)
    assert model.predicted(costs, 64, 12, 4, 2) == 84 + 20 + 9


def test_each_sum_of_batch_normalisation_is_a_message_of_its_own():
    costs = model.Costs(fixed=7.0, row=2.0, update=3.0, latency=5.0, byte=0.5, sums=4.0)
    given = {"costs": costs, "rows": 64, "n_bytes": 12, "sums": [4, 8, 8]}
    assert model.parts(ranks=1, **given) == (7 + 128 + 3, 0, 0)
    assert model.parts(ranks=4, **given) == (7 + 32 + 3 + 12, 4 * 20, 1.5 * 32 * 0.5)


def test_a_picture_has_a_panel_for_each_network(tmp_path):
    pytest.importorskip("matplotlib")
    costs = {"fixed": 1e-4, "row": 2e-6, "update": 5e-5, "latency": 1e-5, "byte": 1e-9}
    best = {"costs": costs, "measured": {"1": 5e-4, "2": 6e-4, "4": 1e-3}}
    net = {"net": "784-128-10:128", "rows": 128, "bytes": 407080, "cores": 2, "best": best}
    model.draw([net, net], "best", tmp_path / "ranks.png")
    head = (tmp_path / "ranks.png").read_bytes()[:24]
    width, height = (int.from_bytes(head[i : i + 4], "big") for i in (16, 20))
    assert width > 2 * height > 0


def test_ranks_are_compared_and_written_down(monkeypatch, tmp_path, capsys):
    costs = {"fixed": 1e-4, "row": 2e-6, "update": 5e-5, "latency": 1e-5, "byte": 1e-9, "sums": 0}
    times = {"fit": 4e-4, "train_step": 3e-4, "mpi": 5e-4}

    def run(job, net, n, threads):
        if job == "parts":
            return {"median": costs, "best": costs}
        return {"median": times[job], "best": times[job] / 2}

    monkeypatch.setattr(ranks, "_run", run)
    rows, net = tmp_path / "ranks.jsonl", tmp_path / "model.json"
    given = ["64-8-10:32", "--ranks", "1", "2", "--rounds", "3", "--no-torch"]
    monkeypatch.setattr(sys, "argv", ["ranks.py", *given, "--json", str(rows), "--model", str(net)])
    assert ranks.main() == 0
    assert "median     500 (1.25)" in capsys.readouterr().out
    found = {
        (row["measured"]["contender"], row["measured"]["ranks"], row["threads"]): row
        for row in records.read(rows)
        if "sample" not in row["measured"]
    }
    assert {contender for contender, _, _ in found} == set(times)
    row = found["mpi", 2, 1]
    assert (row["tool"], row["median"], row["ratio"]) == ("ranks", 5e-4, pytest.approx(0.8))
    [model_of] = json.loads(net.read_text())
    assert model_of["best"] == {"costs": costs, "measured": {"1": 2.5e-4, "2": 2.5e-4}}
