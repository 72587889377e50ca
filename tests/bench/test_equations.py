"""What the benchmark of the page on equations checks, prints and writes: no measurements."""

import re
import sys

import numpy as np
import pytest

import equations
import records
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "equations.md"


@pytest.fixture
def measure(monkeypatch):
    """A function that runs the tool, whose clock says 3, 2 and 1 µs of the three ways."""

    def interleaved(ways, **_):
        return {way: [count * 1e-6] for way, count in zip(ways, (3, 2, 1), strict=True)}

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["bench/equations.py", *map(str, arguments)])
        return equations.main()

    monkeypatch.setattr(equations, "interleaved", interleaved)
    return run


def test_every_function_is_checked_and_timed(measure, capsys, tmp_path):
    written = tmp_path / "report.md", tmp_path / "rows.jsonl"
    assert measure("--markdown", written[0], "--json", written[1]) == 0
    assert "DISAGREES" not in capsys.readouterr().out
    rows = records.read(written[1])
    assert [row["ratio"] for row in rows[:3]] == pytest.approx([1, 1.5, 3])
    names = [row["measured"]["function"] for row in rows[::3]]
    assert len(rows) == 3 * len(names) == 30
    table = written[0].read_text(encoding="utf-8")
    assert [name for name in names if f"| {name} " not in table] == []
    told = re.findall(
        r"^\| `?([\w ]+?)`? +\| \d[\d, a-z]* \|", PAGE.read_text("utf-8"), re.MULTILINE
    )
    assert told == names  # the page's table has the same functions in the same order


def test_a_line_of_the_page_that_is_wrong_is_not_timed(measure, monkeypatch, capsys):
    defined = equations.page() | {"sigmoid_backward": lambda dy, y: dy * y * (1 + y)}
    monkeypatch.setattr(equations, "page", lambda: defined)
    assert measure() == 1
    out = capsys.readouterr().out
    assert "DISAGREES: sigmoid_backward: by " in out
    assert "\n| sigmoid_backward" not in out
    assert "\n| sigmoid_forward" in out


def test_a_way_that_gives_no_numbers_disagrees():
    nothing = np.full(3, np.nan)
    row = equations.Row("f", "3", (lambda: nothing, lambda: nothing, lambda: nothing))
    assert not row.disagreement <= equations._AGREE
