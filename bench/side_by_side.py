"""Whole programs beside the same ones in PyTorch: seconds, lines of code, and accuracy.

    DENSENET_DATA=data python bench/side_by_side.py
    DENSENET_DATA=data python bench/side_by_side.py mnist housing --rounds 3
    python bench/side_by_side.py digits              needs no data

`programs/` holds each program twice, and says what is the same in both. A round runs each once in a
process of its own, the two libraries in turns, with the number of the round as the seed of first
weights, order of rows and, in `housing`, test rows. Seconds go from the first weights to the
predictions of the test rows, as medians. The score is the mean over the rounds: the accuracy, or
the root mean squared error in 100,000 dollars. Lines are those of a program's file without blank
ones, comments and docstrings.
"""

import argparse
import ast
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import options
import records
import report
from machine import pinned
from program import LIBRARIES
from programs.data import READERS, VALUES
from records import Records
from timing import Timing

_FOLDER = Path(__file__).parent
_NAMES = {"densenet": "densenet", "torch": "PyTorch"}
_HEADER = ["program", "library", "s", "of PyTorch's speed", "lines", "score"]
_WIDEST = ["cifar10", "densenet", "100.00 ±10%", "10.00x", "100", "100.00 % ±0.00"]

Run = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """What a program took and reached with one library."""

    program: str
    lines: int
    seconds: Timing
    scores: list[float]

    @property
    def score(self) -> str:
        """The mean over the rounds, and its spread."""
        spread = stdev(self.scores) if len(self.scores) > 1 else 0.0
        if self.program in VALUES:
            return f"{mean(self.scores):.4f} ±{spread:.4f}"
        return f"{100 * mean(self.scores):.2f} % ±{100 * spread:.2f}"


def lines_of_code(source: str) -> int:
    """Count the lines of a program that are not blank, nor comments, nor docstrings."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(
        number not in docstrings and bool(line.strip()) and not line.lstrip().startswith("#")
        for number, line in enumerate(source.splitlines(), 1)
    )


def run(program: str, library: str, seed: int, threads: int) -> Run | str:
    """Run a program in a process of its own; give what it measured, or why it failed."""
    command = [sys.executable, str(_FOLDER / "program.py"), program, library]
    done = subprocess.run([*command, str(seed), str(threads)], capture_output=True, text=True)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1]
    found: Run = json.loads(done.stdout.splitlines()[-1])
    return found


def losses(ours: Measured, theirs: Measured) -> list[str]:
    """Say in what densenet's program is behind PyTorch's."""
    behind = []
    ratio = theirs.seconds.median / ours.seconds.median
    if ratio < 1:
        behind.append(f"{ratio:.2f}x of its speed")
    if ours.lines > theirs.lines:
        behind.append(f"{ours.lines} lines for {theirs.lines}")
    sign = -1 if ours.program in VALUES else 1
    if sign * mean(ours.scores) < sign * mean(theirs.scores):
        behind.append(f"{ours.score} for {theirs.score}")
    return [f"- {ours.program}: {', '.join(behind)}"] if behind else []


def measure(given: argparse.Namespace, into: Records) -> int:
    """Run all programs, and report."""
    live = report.LiveTable(_HEADER, _WIDEST)
    behind: list[str] = []
    failed = False
    for program in given.programs:
        found, wrong = _rounds(program, given, into)
        for library, why in wrong.items():
            failed |= why != report.NOT_INSTALLED
            live.add([program, _NAMES[library], why, "", "", ""])
            into.add({"program": program, "contender": _NAMES[library]}, None, failure=why)
        theirs = found.get("torch")
        for library, measured in found.items():
            ratio = theirs.seconds.median / measured.seconds.median if theirs else None
            seconds = f"{measured.seconds.median:.2f} ±{100 * measured.seconds.spread:.0f}%"
            times = f"{ratio:.2f}x" if ratio else ""
            lines = str(measured.lines)
            live.add([program, _NAMES[library], seconds, times, lines, measured.score])
            about: dict[str, Any] = {"program": program, "contender": _NAMES[library]}
            about |= {"score": mean(measured.scores), "lines": measured.lines}
            into.add(about, measured.seconds, ratio=ratio, ratio_to="PyTorch" if ratio else None)
        if theirs and "densenet" in found:
            behind += losses(found["densenet"], theirs)
    first = "\n".join(["Behind PyTorch's:", "", *(behind or ["- nothing that was compared"])])
    if given.markdown:
        report.save(given.markdown, [first, live.text(), report.describe(into)])
    print(f"\n{first}\n\n{report.describe(into)}")
    return int(failed)


def _rounds(
    program: str, given: argparse.Namespace, into: Records
) -> tuple[dict[str, Measured], dict[str, str]]:
    """Run a program by turns; give what was measured, or why it failed, for each library."""
    runs: dict[str, list[Run]] = {library: [] for library in LIBRARIES}
    missing = [library for library in LIBRARIES if importlib.util.find_spec(library) is None]
    wrong = dict.fromkeys(missing, report.NOT_INSTALLED)
    with pinned(given.threads):
        for seed in range(given.rounds):
            for library in LIBRARIES[:: -1 if seed % 2 else 1]:
                if library in wrong:
                    continue
                done = run(program, library, seed, given.threads)
                if isinstance(done, str):
                    wrong[library] = f"failed: {done}"
                else:
                    runs[library].append(done)
                    if library != "densenet":
                        into.add_versions({library: done["version"]})
    found = {}
    for library, each in runs.items():
        if library not in wrong:
            source = _FOLDER / "programs" / f"{program}_{library}.py"
            seconds = Timing.of(
                [one["seconds"] for one in each], [one["processor"] for one in each]
            )
            lines = lines_of_code(source.read_text(encoding="utf-8"))
            found[library] = Measured(program, lines, seconds, [one["score"] for one in each])
    return found, wrong


def main() -> int:
    """Read the options, and run."""
    parser = options.parser(__doc__)
    parser.add_argument(
        "programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(READERS)} (all of them)"
    )
    parser.add_argument(
        "--rounds", type=options.positive, default=5, metavar="N", help="(%(default)s)"
    )
    options.add_threads(parser)
    given = parser.parse_args()
    given.programs = given.programs or list(READERS)
    for name in given.programs:
        if name not in READERS:
            parser.error(f"PROGRAM: must be one of {', '.join(READERS)}, got {name!r}")
    return records.run("side_by_side", measure, given)


if __name__ == "__main__":
    sys.exit(main())
