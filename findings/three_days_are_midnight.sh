#!/usr/bin/env bash
# fastparquet 2026.9.0 writes time spans of pandas 3.1.1, which pyarrow 26.0.1, polars 2.1.0 and DuckDB 2.0.1
# read.
#
# What happens: fastparquet writes a column of timedelta64 as Parquet's type for times of day, whatever the
# spans. In pyarrow a time begins anew each day: three days are midnight, 25 hours are one o'clock, and minus
# an hour is eleven at night. In polars those are null. pandas on pyarrow and DuckDB fail, with a ValueError
# and an InvalidInputException. fastparquet itself gives the spans back. Spans that pandas writes on pyarrow
# are whole numbers of microseconds to DuckDB and fastparquet. While writing, nobody tells of it.
#
# What one would expect: whole numbers, as pyarrow writes them, for Parquet has no type for such a span, and a
# time of day is another thing.
#
# Why it matters: the time between two events is a feature in many tables. In polars the longest spans of a
# file are gone, and the others are times, of which one has to know that they are none. Divide by a unit, span
# / pd.Timedelta(seconds=1), before a table leaves pandas.
#
# Seen on 2026-12-01, for spans of 1 hour, 25 hours, 3 days and -1 hour:
#   written by fastparquet:
#     pyarrow: time64[us], 01:00, 01:00, 00:00, 23:00    polars: Time, 01:00, null, null, null
#     pandas, engine="pyarrow": ValueError               DuckDB: InvalidInputException
#     pandas, engine="fastparquet": 1:00:00, 1 day 1:00:00, 3 days, -1:00:00
#   written by pandas on pyarrow: polars gives the spans; DuckDB and fastparquet 3600000000, ...
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    fastparquet==2026.9.0 pandas==3.1.1 numpy==2.4.6 pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.1
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as parquet

spans = pd.to_timedelta(["1h", "25h", "3D", "-1h"])
for engine in "fastparquet", "pyarrow":
    pd.DataFrame({"span": spans}).to_parquet(f"{engine}.parquet", engine=engine)
readers = {
    "pyarrow": lambda file: parquet.read_table(file)["span"].to_pylist(),
    "polars": lambda file: pl.read_parquet(file)["span"].to_list(),
    "pandas on pyarrow": lambda file: pd.read_parquet(file, engine="pyarrow")["span"].tolist(),
    "DuckDB": lambda file: [span for (span,) in duckdb.sql(f"from '{file}'").fetchall()],
    "fastparquet": lambda file: pd.read_parquet(file, engine="fastparquet")["span"].tolist(),
}
shown = {}
for writer in "fastparquet", "pyarrow":
    for reader, read in readers.items():
        try:
            shown[writer, reader] = list(map(str, read(f"{writer}.parquet")))
        except (ValueError, duckdb.InvalidInputException) as error:
            shown[writer, reader] = type(error).__name__
        print(f"written by {writer}, read by {reader}: {shown[writer, reader]}")

times, gone = ["01:00:00", "01:00:00", "00:00:00", "23:00:00"], ["01:00:00"] + ["None"] * 3
microseconds = [round(span / pd.Timedelta(microseconds=1)) for span in spans]
expected = {
    ("fastparquet", "pyarrow"): times,
    ("fastparquet", "polars"): gone,
    ("fastparquet", "pandas on pyarrow"): "ValueError",
    ("fastparquet", "DuckDB"): "InvalidInputException",
    ("fastparquet", "fastparquet"): list(map(str, spans)),
    ("pyarrow", "pyarrow"): list(map(str, spans.to_pytimedelta())),
    ("pyarrow", "polars"): list(map(str, spans.to_pytimedelta())),
    ("pyarrow", "pandas on pyarrow"): list(map(str, spans)),
    ("pyarrow", "DuckDB"): list(map(str, microseconds)),
    ("pyarrow", "fastparquet"): list(map(str, microseconds)),
}
changed = [pair for pair, cells in expected.items() if shown[pair] != cells]
if changed:
    sys.exit(f"Changed: the spans (writer, reader) of {changed}.")
print("As recorded: spans that fastparquet writes are times of day to other readers.")
PYTHON
