#!/usr/bin/env bash
# pyreadstat 1.3.8 writes dates of pandas 3.1.1 for SPSS, Stata and SAS, fastparquet 2026.9.0 for Parquet.
#
# What happens: a column of datetime64[s], whatever days it holds, is written as 1 January 1970, 00:00:00, in
# every row, by pyreadstat's write_sav, write_dta, write_por and write_xport. fastparquet writes the seconds
# as milliseconds, which makes minutes of that day of them. Milliseconds, microseconds and nanoseconds are
# written as the dates that they are, by both. Nobody warns of it.
#
# What one would expect: the dates, as of the three finer units; or an error.
#
# Why it matters: pandas gives seconds where it reads dates of Stata (%td) and where NumPy's days become a
# column. A table that goes from Stata to SPSS, or with predictions back to Stata, comes out with one date;
# ages and times since the last visit, computed there, look like numbers all the same. Convert by
# .dt.as_unit("us") before writing.
#
# Seen on 2026-12-01, for 29 February 2024 and 1 December 1990:
#   datetime64[s], from read_stata and from NumPy's days:
#     .sav, .dta, .por, .xpt: 1970-01-01 00:00:00, twice; Parquet: 1970-01-01 00:28:29, 1970-01-01 00:11:00
#   datetime64[ms], [us], [ns]: 2024-02-29 00:00:00, 1990-12-01 00:00:00
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    pyreadstat==1.3.8 pandas==3.1.1 numpy==2.4.6 narwhals==2.29.0 \
    fastparquet==2026.9.0 pyarrow==26.0.1
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import numpy as np
import pandas as pd
import pyreadstat

days = pd.Series(pd.to_datetime(["2024-02-29", "1990-12-01"]))
pd.DataFrame({"day": days}).to_stata("days.dta", convert_dates={"day": "td"}, write_index=False)
columns = {
    "read_stata": pd.read_stata("days.dta")["day"],
    "NumPy's days": pd.Series(np.array(["2024-02-29", "1990-12-01"], "M8[D]")),
}
columns |= {unit: days.dt.as_unit(unit) for unit in ("s", "ms", "us", "ns")}


def parquet(frame, path):
    frame.to_parquet(path, engine="fastparquet")


formats = {
    "sav": (pyreadstat.write_sav, lambda path: pyreadstat.read_sav(path)[0]),
    "dta": (pyreadstat.write_dta, lambda path: pyreadstat.read_dta(path)[0]),
    "por": (pyreadstat.write_por, lambda path: pyreadstat.read_por(path)[0]),
    "xpt": (pyreadstat.write_xport, lambda path: pyreadstat.read_xport(path)[0]),
    "parquet": (parquet, lambda path: pd.read_parquet(path, engine="pyarrow")),
}
begin, right = "1970-01-01 00:00:00", ["2024-02-29 00:00:00", "1990-12-01 00:00:00"]
for name, column in columns.items():
    if column.tolist() != days.tolist():
        sys.exit(f"Changed: {name} gives other days, {column.tolist()}.")
    in_seconds = column.dtype == "datetime64[s]"
    for ending, (write, read) in formats.items():
        write(pd.DataFrame({"DAY": column}), f"written.{ending}")
        found = [str(moment)[:19] for moment in read(f"written.{ending}")["DAY"]]
        print(f"{name}, {column.dtype}, {ending}: {found}")
        wrong = ["1970-01-01 00:28:29", "1970-01-01 00:11:00"] if ending == "parquet" else [begin] * 2
        expected = wrong if in_seconds else right
        if found != expected:
            sys.exit(f"Changed: {expected} were written of {name}.")
if columns["read_stata"].dtype != "datetime64[s]":
    sys.exit("Changed: read_stata gives dates in another unit.")
print("As recorded: dates in seconds are written as moments of 1 January 1970.")
PYTHON
