"""Show how a measurement has changed from commit to commit, and add new ones.

    python bench/history.py                         which processors and commits there are
    python bench/history.py --net C                 densenet's times for net C
    python bench/history.py --net C --only jit      JAX's
    python bench/history.py --kernel linear_forward --dtype float32
    python bench/history.py --call fit --processor zen

`bench/history/` holds one file a processor, JSON lines as `records` describes them. Rows come from
a run at a commit, with nothing else at work on the machine or with a note that says what was:

    python bench/nets.py --json run.jsonl --note "beside a test run"
    python bench/history.py --add run.jsonl         to the file of that processor; then commit it

Rows of a tree with uncommitted changes are refused, for nobody could measure them again.

Rows that docs/performance.md printed before this history was kept have no ``date`` and ``commit``,
which nobody wrote down, but ``published``: the date and commit of that page. What was printed is in
them and nothing else: ``spread`` (half the distance of the quartiles over the median) in place of
the quartiles, and ``microarchitecture`` in place of the processor's family and model.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import records
import report
from records import Row
from timing import micros

FOLDER = records.ROOT / "bench" / "history"
_HEADER = (
    "date",
    "commit",
    "measured",
    "threads",
    "time",
    "±",
    "ratio",
    "to",
    "% of limit",
    "conditions",
)
_SELECTED = ("net", "kernel", "call", "curve", "shape", "dtype")  # keys of `measured` to choose by


def file_name(processor: Row) -> str:
    """Name the file of a processor, such as ``amd-epyc-family25-model1.jsonl``."""
    words: list[object] = [processor["name"]]
    if processor["family"] is not None:
        words += [f"family{processor['family']}", f"model{processor['model']}"]
    elif processor.get("microarchitecture"):
        words.append(processor["microarchitecture"])
    return re.sub(r"[^a-z0-9]+", "-", " ".join(map(str, words)).lower()).strip("-") + ".jsonl"


def add(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Append rows to the files of their processors; give the files.

    Raises
    ------
    ValueError
        If a row has no commit, comes from a tree with uncommitted changes, or is in its file
        already. Then nothing is written.
    """
    new: dict[Path, list[Row]] = {}
    for row in rows:
        if row["commit"] is None or row["dirty"]:
            state = "no commit" if row["commit"] is None else "uncommitted changes"
            raise ValueError(
                f"rows: expected a tree whose commit can be measured again, got {state}"
            )
        new.setdefault(folder / file_name(row["processor"]), []).append(row)
    for path, added in new.items():
        if path.exists() and any(row in added for row in records.read(path)):
            raise ValueError(f"rows: expected new ones, got rows that {path} has")
    folder.mkdir(exist_ok=True)
    for path, added in new.items():
        with path.open("a", encoding="utf-8") as file:
            file.write(records.to_lines(added))
    return list(new)


def select(rows: Iterable[Row], arguments: argparse.Namespace) -> list[Row]:
    """Give the rows whose `measured` has what the options ask for.

    ``--only`` looks for a word in the contender's or backend's name; peaks of the machine match
    none.
    """
    wanted = {key: getattr(arguments, key) for key in _SELECTED if getattr(arguments, key)}

    def fits(row: Row) -> bool:
        measured = row["measured"]
        who = measured.get("contender") or measured.get("backend") or "densenet"
        named = arguments.only.lower() in str(who).lower() and "peak" not in measured
        return named and all(str(measured.get(key)) == value for key, value in wanted.items())

    return [row for row in rows if fits(row)]


def cells(row: Row) -> list[str]:
    """Give a row of the printed table."""
    published, commit = row.get("published"), row["commit"]
    if published:
        date, commit = f"by {published['date']}", f"before {published['commit'][:7]}"
    else:
        date, commit = row["date"][:10], str(commit)[:7]
    median, low, high = row["median"], row["lower_quartile"], row["upper_quartile"]
    spread = row.get("spread")
    if None not in (median, low, high):
        spread = (high - low) / 2 / median
    time = row["mean"] if row.get("busy") and row["mean"] is not None else median
    conditions = [
        "" if row.get("load") is None else f"load {row['load']:.1f}",
        f"beside {row['busy']} endless loops, means" if row.get("busy") else "",
        f"all held to {row['held_to']}" if row.get("held_to") else "",
        row["conditions"],
    ]
    return [
        date,
        commit,
        ", ".join(str(value) for key, value in row["measured"].items() if key != "net"),
        "-" if row["threads"] is None else str(row["threads"]),
        row["failure"] or (f"{micros(time)} µs" if row["unit"] == "s" else f"{time:.3g}"),
        "-" if spread is None else f"{100 * spread:.0f} %",
        "-" if row["ratio"] is None else f"{row['ratio']:.2f}x",
        row["ratio_to"] or "-",
        "-" if None in (row["limit"], time) else f"{100 * row['limit'] / time:.0f} %",
        "; ".join(filter(None, conditions)) or "-",
    ]


def overview(path: Path, rows: Sequence[Row]) -> str:
    """Say in a line what a file holds."""
    commits = {row["commit"][:7] for row in rows if row["commit"]}
    published = sum("published" in row for row in rows)
    tools = ", ".join(sorted({row["tool"] for row in rows}))
    return (
        f"{path.name}: {len(rows)} rows of {tools}; {len(commits)} commits"
        + (f" ({', '.join(sorted(commits))})" if commits else "")
        + (f"; {published} rows from docs/performance.md" if published else "")
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        epilog="Without a choice it lists the files.",
    )
    parser.add_argument("--add", type=Path, metavar="FILE", help="add what a tool's --json wrote")
    parser.add_argument("--processor", default="", metavar="WORD", help="files named so only")
    for key in _SELECTED:
        parser.add_argument(f"--{key}", metavar="NAME", help=f"rows with this {key} only")
    parser.add_argument(
        "--only",
        default=None,
        metavar="WORD",
        help="rows whose contender or backend contains this (densenet's own)",
    )
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    try:
        if arguments.add:
            print(*add(records.read(arguments.add), FOLDER), sep="\n")
            return 0
        files = {
            path: records.read(path)
            for path in sorted(FOLDER.glob("*.jsonl"))
            if arguments.processor.lower() in path.name
        }
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    chosen = any(getattr(arguments, key) for key in _SELECTED) or arguments.only is not None
    if not chosen:
        print(*(overview(path, rows) for path, rows in files.items()), sep="\n")
        return 0
    if arguments.only is None:
        arguments.only = "compiled" if arguments.kernel else "densenet"
    found = {path: select(rows, arguments) for path, rows in files.items()}
    for path, rows in found.items():
        if rows:
            print(f"{path.name}\n\n{report.table(_HEADER, [cells(row) for row in rows])}\n")
    if not any(found.values()):
        print("No such rows.", file=sys.stderr)
    return int(not any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
