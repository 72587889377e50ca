"""Measurements as JSON lines: one object a row, with all that a later reader needs to judge it.

Every tool ends in `run`, which starts a `Records` before anything is measured, hands it to the tool
and writes the rows where ``--json`` says. A row holds:

tool, date, commit, dirty
    Which tool measured, when the run began (UTC, ISO 8601), the commit of the tree, and whether
    tracked files differed from it. ``null`` where there is no Git. Compile before you measure: the
    commit is the tree's, and the compiled module may be older.
processor
    Its ``name``, ``family`` and ``model``, how many ``cores`` the run could use, and the
    ``instruction_set`` of the compiled code (v2, v3 or v4).
versions, threads, load, conditions
    Versions of densenet, NumPy, the compiler and the libraries compared with; threads of each
    contender; the machine's load average when the run began; what ``--note`` said.
busy, held_to
    Endless loops that ran beside the contenders (``--busy``), and the instruction set that all were
    held to (``--isa``), ``null`` if each took what it liked. Rows written before there were these
    options do not have them.
measured
    What was measured, by name: ``{"net": "C", "contender": "densenet, fit", ...}``.
unit, median, lower_quartile, upper_quartile
    ``s`` is seconds of one step or one call. ``null`` in the place of numbers that there are not.
mean, processor_time
    The mean, and the mean time that all threads together spent on processors, in the same unit;
    ``null`` where not taken. Older rows do not have them.
ratio, ratio_to, limit
    How many times as fast as ``ratio_to`` this was, by medians, or by means where the row was
    ``busy``; and the least that the machine's measured peaks allow, in the same unit.
error
    The largest relative difference of its first losses, or probabilities, from the NumPy
    reference's, or from ours with products of floats; ``null`` in rows of other tools. Older rows
    do not have it.
failure
    Why there is no number, as text; else ``null``.
"""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import densenet
import machine
from timing import Timing

ROOT = Path(__file__).resolve().parent.parent
STDOUT = "-"  # the --json that stands for standard output

Row = dict[str, Any]


class Records:
    """The rows of one run, and the circumstances that all of them share.

    Make it before the first measurement: it reads the clock, the commit and the machine's load.

    Parameters
    ----------
    tool : str
    threads : int
        Of every contender, where a row does not name its own.
    conditions : str, optional
        What else a reader should know, such as other work on the machine.
    busy : int
        Endless loops beside the contenders.
    held_to : str, optional
        The instruction set that all contenders are held to.
    """

    def __init__(
        self,
        tool: str,
        threads: int,
        conditions: str | None = None,
        busy: int = 0,
        held_to: str | None = None,
    ) -> None:
        config = densenet.show_config()
        commit, dirty = _commit()
        self.circumstances: Row = {
            "tool": tool,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "commit": commit,
            "dirty": dirty,
            "processor": machine.processor() | {"instruction_set": config["instruction_set"]},
            "versions": {
                "densenet": config["version"],
                "numpy": config["numpy"],
                "compiler": config["compiler"],
            },
            "threads": threads,
            "load": machine.load(),
            "conditions": conditions,
            "busy": busy,
            "held_to": held_to,
        }
        self.rows: list[Row] = []

    def add_versions(self, versions: Mapping[str, str]) -> None:
        """Name the versions of the libraries that were compared with."""
        self.circumstances["versions"] |= versions

    def add(
        self,
        measured: Mapping[str, Any],
        timing: Timing | float | None,
        *,
        unit: str = "s",
        ratio: float | None = None,
        ratio_to: str | None = None,
        limit: float | None = None,
        failure: str | None = None,
        threads: int | None = None,
        error: float | None = None,
    ) -> None:
        """Add a row; a number alone is a median whose quartiles are not known."""
        if timing is None or isinstance(timing, Timing):
            low, median, high, mean, processor = timing or [None] * 5
        else:
            low, median, high, mean, processor = None, timing, None, None, None
        row = {
            "measured": dict(measured),
            "unit": unit,
            "median": median,
            "lower_quartile": low,
            "upper_quartile": high,
            "mean": mean,
            "processor_time": processor,
            "ratio": ratio,
            "ratio_to": ratio_to,
            "limit": limit,
            "error": error,
            "failure": failure,
        }
        self.rows.append(row if threads is None else row | {"threads": threads})

    def lines(self) -> str:
        """Give every row as a line of JSON, each with the circumstances."""
        return to_lines(self.circumstances | row for row in self.rows)


def to_lines(rows: Iterable[Row]) -> str:
    """Give a line of JSON for each row."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read(path: Path) -> list[Row]:
    """Read the rows of a file of JSON lines.

    Raises
    ------
    ValueError
        If a line is not a JSON object with the keys of a row.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: expected JSON, got {line[:60]!r}") from error
        needed = ("tool", "commit", "processor", "measured", "unit", "median")
        missing = [key for key in needed if not isinstance(row, dict) or key not in row]
        if missing:
            raise ValueError(f"{path}, line {number}: expected the keys {', '.join(missing)}")
        rows.append(row)
    return rows


def run(
    tool: str,
    measure: Callable[[argparse.Namespace, Records], int],
    arguments: argparse.Namespace,
) -> int:
    """Run a tool, then write its rows where ``--json`` says; give its exit status.

    With ``--json -`` standard output carries the rows alone: what the tool prints besides goes to
    standard error.
    """
    beside = {key: getattr(arguments, key) for key in ("busy", "held_to") if key in arguments}
    records = Records(tool, arguments.threads, arguments.note, **beside)
    to_stdout = arguments.json == STDOUT
    with contextlib.redirect_stdout(sys.stderr) if to_stdout else contextlib.nullcontext():
        status = measure(arguments, records)
    if to_stdout:
        print(records.lines(), end="")
    elif arguments.json:
        arguments.json.write_text(records.lines(), encoding="utf-8")
    return status


def _commit() -> tuple[str | None, bool | None]:
    """Give the tree's commit, and whether tracked files differ from it."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit, bool(_git("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, None


def _git(*command: str) -> str:
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
