"""Each example runs without a warning, saves its picture and prints what its text says."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.support.paths import ROOT

pytest.importorskip("matplotlib")

EXAMPLES = ROOT / "examples"


def _run(name: str, folder: Path, *options: str) -> dict[str, list[float]]:
    """Run an example in a folder; give the numbers of each line that it prints, by its head."""
    result = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *options, "picture.png"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=250,
        cwd=folder,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )
    assert (result.returncode, result.stderr) == (0, "")
    picture = folder / "picture.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000
    *lines, last = result.stdout.splitlines()
    assert last == "picture: picture.png"
    heads = [line.partition(": ") for line in lines]
    number = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?")
    return {head: [float(found) for found in number.findall(tail)] for head, _, tail in heads}


def test_learning_rate(tmp_path: Path) -> None:
    printed = _run("learning_rate", tmp_path)
    first, small = printed["learning rate 0.003"][:2]
    good, large = printed["learning rate 0.3"][1], printed["learning rate 10"][1]
    assert good < 0.1 < 0.5 < small < first < 10 < large


def test_gradient_descent_vs_sgd(tmp_path: Path) -> None:
    printed = _run("gradient_descent_vs_sgd", tmp_path)
    every, some, single = (
        printed[name] for name in ("gradient descent", "batches of 16", "row by row")
    )
    assert single[1] < 1 < some[1] < 2 < every[1]  # passes over the data
    assert every[2] < 1e-6 < 1e-5 < min(some[2], single[2])  # what is left of the loss


def test_momentum_vs_nesterov(tmp_path: Path) -> None:
    steps = {head: numbers[0] for head, numbers in _run("momentum_vs_nesterov", tmp_path).items()}
    assert steps["Nesterov"] < 0.75 * steps["momentum"] < 0.3 * steps["plain descent"]


def test_sparsity(tmp_path: Path) -> None:
    rows = list(_run("sparsity", tmp_path).values())
    zeros, scores = zip(*rows, strict=True)
    assert zeros[0] == 0
    assert zeros[-1] == 100
    assert list(zeros) == sorted(zeros)
    assert any(share > 90 and score > scores[0] - 3 for share, score in rows)


def test_saddle(tmp_path: Path) -> None:
    printed = _run("saddle", tmp_path)
    assert "no noise, unchanged bit for bit" in printed
    steps = [printed[f"noise 1e-{power}"][0] for power in (2, 5, 8, 11)]
    # The distance grows by 1 + 2 η = 1.04 a step: a thousandfold in ln 1000 / ln 1.04 = 176.
    assert [b - a for a, b in pairwise(steps)] == pytest.approx([176] * 3, abs=5)


def test_vanishing_gradients(tmp_path: Path) -> None:
    printed = _run("vanishing_gradients", tmp_path)
    first, last, loss = printed["sigmoid"]
    assert first < 1e-15 < 1e-2 < last
    assert loss > 2.2
    for name in ("tanh", "sigmoid, residual"):
        first, last, loss = printed[name]
        assert last / 10 < first < 10 * last
        assert loss < 0.5


def test_linear_rank(tmp_path: Path) -> None:
    printed = _run("linear_rank", tmp_path)
    rank, away, loss = printed["100-100"]
    assert (rank, loss) == (100, 0)
    assert away < 1e-9
    rank, away, loss = printed["100-10-100"]
    assert rank == 10
    assert away < 1e-9
    assert loss == printed["truncated"][0] > 0.5


def test_soft_threshold(tmp_path: Path) -> None:
    printed = _run("soft_threshold", tmp_path)
    assert printed["zeros"][0] > 5
    assert printed["largest distance from the formula"][0] < 1e-9


def test_local_search(tmp_path: Path) -> None:
    printed = _run("local_search", tmp_path, "--short")
    for parameters in (310, 1210):
        search, descent = (
            printed[f"{name}, {parameters} parameters"][0] for name in ("local search", "descent")
        )
        assert search > 5 * descent


def test_variable_learning_rate(tmp_path: Path) -> None:
    printed = _run("variable_learning_rate", tmp_path, "--short")
    small, good, large, variable, adam = (numbers[0] for numbers in printed.values())
    assert adam < variable < good < small < large


def test_gradient_check(tmp_path: Path) -> None:
    best, right, *wrong = _run("gradient_check", tmp_path).values()
    assert 1e-6 < best[0] < 1e-4
    assert right[-1] < 1e-6
    assert len(wrong) == 5
    assert min(numbers[-1] for numbers in wrong) > 0.4


def test_optimizers(tmp_path: Path) -> None:
    printed = _run("optimizers", tmp_path, "--short")
    assert len(printed) == 8
    for first, last, _, parameters in printed.values():
        assert first < 60 < 85 < last
        assert parameters == 64 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10
    assert printed["SGD"][0] < printed["momentum"][0]


def test_mnist(tmp_path: Path) -> None:
    assert _run("mnist", tmp_path, "--short")["test"][0] > 92


def test_cifar10(tmp_path: Path) -> None:
    printed = _run("cifar10", tmp_path, "--short")
    assert printed["validation"][0] > 90
    assert printed["test"][0] > 90
    precision, recall, between = (np.array(printed[f"β = {beta}"]) for beta in ("0.1", "10", "1"))
    assert (np.minimum(precision, recall) <= between).all()
    assert (between <= np.maximum(precision, recall)).all()


def test_cifar10_best(tmp_path: Path) -> None:
    printed = _run("cifar10_best", tmp_path, "--short")
    learned, held, _ = printed["epoch 30"]
    assert min(learned, held) > 95
    assert printed["test"][0] > 93


def test_initialization(tmp_path: Path) -> None:
    printed = _run("initialization", tmp_path, "--short")
    assert list(printed) == ["0.1 for all", "He", "LeCun", "PyTorch"]
    first = [numbers[0] for numbers in printed.values()]
    assert first[1] > first[2] > first[3]
    assert min(numbers[-1] for numbers in printed.values()) > 90


def test_decision_boundary(tmp_path: Path) -> None:
    printed = _run("decision_boundary", tmp_path, "--short")
    assert printed["Logistic regression"][0] > 85
    assert printed["A network 2-32-1"][1] < printed["Logistic regression"][1]


def test_music_genres(tmp_path: Path) -> None:
    printed = _run("music_genres", tmp_path, "--short")
    (precise, some, right), (vague, most, less) = printed["no weights"], printed["balanced"]
    assert vague < precise
    assert some < most
    assert 85 < less < right
    threshold, low, recall = printed["lower threshold"]
    assert threshold < 0.5
    assert abs(low - vague) < 0.1
    assert recall == most
    assert len(printed["importance"]) == 8
    assert printed["importance"][0] > 0.05


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_every_example_is_short_tested_and_in_the_table(path: Path) -> None:
    assert f"def test_{path.stem}(" in Path(__file__).read_text(encoding="utf-8")
    assert f"](./{path.name}) |" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 100
