"""Each example runs without a warning, saves its picture and prints what its text says."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytest.importorskip("matplotlib")

EXAMPLES = ROOT / "examples"


def _run(name: str, folder: Path) -> dict[str, list[float]]:
    """Run an example in a folder; give the numbers of each line that it prints, by its head."""
    result = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), "picture.png"],
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
