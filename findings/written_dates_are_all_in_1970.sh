#!/usr/bin/env bash
# pyreadstat 1.3.8 writes dates of pandas 3.1.1 for SPSS, Stata and SAS.
#
# What happens: a column of datetime64[s], whatever days it holds, is written as 1 January 1970, 00:00:00,
# in every row, by write_sav, write_dta, write_por and write_xport. Milliseconds, microseconds and nanoseconds are
# written as the dates that they are. Nobody warns.
#
# What one would expect: the dates, as of the three finer units; or an error.
#
# Why it matters: pandas gives seconds where it reads dates of Stata (%td) and where NumPy's days become a
# column. A table that goes from Stata to SPSS, or with predictions back to Stata, comes out with one date;
# ages and times since the last visit, computed there, look like numbers all the same.
# Convert by .dt.as_unit("us") before writing, or write the days as objects, by .dt.date.
#
# Seen on 2026-12-01, for 29 February 2024 and 1 December 1990, read back from .sav, .dta, .por and .xpt:
#   datetime64[s], from read_stata and from NumPy's days: 1970-01-01 00:00:00, twice
#   datetime64[ms], [us], [ns]:                           2024-02-29 00:00:00, 1990-12-01 00:00:00
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    pyreadstat==1.3.8 pandas==3.1.1 numpy==2.4.6 narwhals==2.29.0
cd "$folder"

env/bin/python -W error - <<'PYTHON'
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
formats = {
    "sav": (pyreadstat.write_sav, pyreadstat.read_sav),
    "dta": (pyreadstat.write_dta, pyreadstat.read_dta),
    "por": (pyreadstat.write_por, pyreadstat.read_por),
    "xpt": (pyreadstat.write_xport, pyreadstat.read_xport),
}
for name, column in columns.items():
    if column.tolist() != days.tolist():
        sys.exit(f"Changed: {name} gives other days, {column.tolist()}.")
    in_seconds = column.dtype == "datetime64[s]"
    expected = ["1970-01-01", "1970-01-01"] if in_seconds else ["2024-02-29", "1990-12-01"]
    for ending, (write, read) in formats.items():
        write(pd.DataFrame({"DAY": column}), f"written.{ending}")
        found = [str(moment) for moment in read(f"written.{ending}")[0]["DAY"]]
        print(f"{name}, {column.dtype}, {ending}: {found}")
        if found != [f"{day} 00:00:00" for day in expected]:
            sys.exit(f"Changed: {expected} were written of {name}.")
if columns["read_stata"].dtype != "datetime64[s]":
    sys.exit("Changed: read_stata gives dates in another unit.")
print("As recorded: dates in seconds are written as 1 January 1970.")
PYTHON
