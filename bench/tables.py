"""Scores, processor seconds and memory of `densenet fit` beside others, on tables of real data.

    DENSENET_DATA=data python bench/tables.py
    DENSENET_DATA=data python bench/tables.py --data adult,phoneme --methods default,LightGBM
    DENSENET_DATA=data python bench/tables.py --data letter --methods best,RealMLP

Each method reads the file, trains and predicts the test rows in a process of its own, on one thread
(`table_methods.py`; `table_data.py` has the tables). The score is the accuracy, or the root mean
squared error where values are predicted, as the mean over seeds, which draw the test rows. Seconds
and memory are medians. A report begins with the scores that are worse than the best peer's. No
setting may be chosen by these scores.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import options
import records
import report
from records import Records
from table_data import DATA, Data
from table_methods import METHODS, WHEN_NAMED
from timing import Timing

_WORKER = Path(__file__).with_name("table_methods.py")
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Run = dict[str, float]


def run(method: str, data: Data, seed: int) -> Run | str:
    """Run a method in a process of its own; give what it measured, or why it failed."""
    done = subprocess.run(
        [sys.executable, str(_WORKER), method, data.name, str(seed)],
        capture_output=True,
        text=True,
        env=os.environ | _ONE_THREAD,
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1]
    found: Run = json.loads(done.stdout.splitlines()[-1])
    return found


def cells(data: Data, runs: Sequence[Run]) -> list[str]:
    """Write the score with its spread, seconds of reading and of training, and memory."""
    scores = [each["score"] for each in runs]
    spread = stdev(scores) if len(scores) > 1 else 0.0
    about = f"{spread:.2g}" if data.task == "regression" else f"{100 * spread:.2f}"
    written = f"{score_text(data, runs)} ±{about}"
    reading, training, peak = (
        median(each[name] for each in runs) for name in ("reading", "training", "peak")
    )
    return [written, f"{reading:.2f}", f"{training:.2f}", f"{peak / 1e6:,.0f}"]


def score_text(data: Data, runs: Sequence[Run]) -> str:
    """Write the mean score."""
    score = mean(each["score"] for each in runs)
    return f"{score:,.4g}" if data.task == "regression" else f"{100 * score:.2f} %"


def losers(data: Data, found: Mapping[str, Sequence[Run]]) -> list[str]:
    """Name our methods whose mean score is worse than the best peer's, with both scores."""
    sign = -1 if data.task == "regression" else 1
    score = {name: sign * mean(each["score"] for each in runs) for name, runs in found.items()}
    peers = [name for name in found if report.is_peer(name)]
    if not peers:
        return []
    best = max(peers, key=score.__getitem__)
    best_text = f"{score_text(data, found[best])} of {best}"
    return [
        f"{data.name}, {name}: {score_text(data, runs)} beside {best_text}"
        for name, runs in found.items()
        if not report.is_peer(name) and score[name] < score[best]
    ]


def measure(given: argparse.Namespace, into: Records) -> int:
    """Measure every method on every table, and report."""
    live = report.LiveTable(
        ["data", "method", "score", "reading s", "training s", "peak MB"],
        [
            "wine quality",
            "logistic or ridge regression",
            "100.00 % ±0.00",
            "100.00",
            "100.00",
            "1,000",
        ],
    )
    failed, compared = False, False
    lost: list[str] = []
    for data in given.data:
        found: dict[str, Sequence[Run]] = {}
        for method in given.methods:
            done = [run(method, data, seed) for seed in range(given.seeds)]
            about: dict[str, Any] = {"data": data.name, "method": method}
            wrong = [each for each in done if isinstance(each, str)]
            runs = [each for each in done if not isinstance(each, str)]
            if wrong:
                failed = True
                live.add([data.name, method, f"failed: {wrong[0]}", "", "", ""])
                into.add(about, None, failure=wrong[0])
                continue
            found[method] = runs
            live.add([data.name, method, *cells(data, runs)])
            scores = {"score": mean(each["score"] for each in runs)}
            peak = {"peak_bytes": median(each["peak"] for each in runs)}
            for part in ("reading", "training", "predicting"):
                timing = Timing.of([each[part] for each in runs])
                into.add(about | {"part": part} | scores | peak, timing)
        lost += losers(data, found)
        compared |= any(map(report.is_peer, found))
    first = report.paragraph_of("Worse than the best peer:", lost)
    none = "Nothing is worse than the best peer." if compared else "No peer to compare with."
    circumstances = report.describe(into)
    print(f"\n{first or none}\n\n{circumstances}")
    if given.markdown:
        report.save(given.markdown, [circumstances, first or none, live.text()])
    return int(failed)


def main() -> int:
    """Read the options, and run."""
    parser = options.parser(__doc__)
    parser.add_argument("--data", type=_tables, default=list(DATA.values()), metavar="A,B")
    parser.add_argument(
        "--methods",
        type=_methods,
        default=[name for name in METHODS if name not in WHEN_NAMED],
        metavar="A,B",
        help=f"only methods whose names contain one of these words: {'; '.join(METHODS)}; by "
        f"default all but {', '.join(WHEN_NAMED)}, which takes minutes",
    )
    parser.add_argument("--seeds", type=options.positive, default=3, help="(%(default)s)")
    parser.set_defaults(threads=1)
    return records.run("tables", measure, parser.parse_args())


def _tables(text: str) -> list[Data]:
    unknown = [name for name in text.split(",") if name not in DATA]
    if unknown:
        raise argparse.ArgumentTypeError(f"must be of {', '.join(DATA)}, got {unknown[0]!r}")
    return [DATA[name] for name in text.split(",")]


def _methods(text: str) -> list[str]:
    words = text.split(",")
    found = [name for name in METHODS if any(word in name for word in words)]
    if not found:
        raise argparse.ArgumentTypeError(f"must be of {'; '.join(METHODS)}, got {text!r}")
    return found


if __name__ == "__main__":
    sys.exit(main())
