#!/usr/bin/env bash
# polars 2.1.0 reads a workbook by fastexcel 0.21.0, its default; openpyxl 3.1.5 wrote it. pandas 3.1.1 is beside it.
#
# What happens: read_excel takes a column's type from the first 1,000 rows. If these hold numbers or dates, a later text
# becomes null, and a date among numbers does, too. Where all cells of a row become null so, or there is one
# column, the row is gone, for rows without cells are dropped. Among booleans a later 7 is True. Nobody warns.
# infer_schema_length=None reads all rows first and gives texts; engine="openpyxl" and pandas give texts, too.
#
# What one would expect: an error, as read_csv of polars gives for the same cells, or texts. The page says of
# infer_schema_length how many rows decide about types, not what becomes of the others.
#
# Why it matters: codes are numbers until one is A12, and a measurement is a number until somebody notes "broken". The
# codes that are texts are then one and the same gap. A frame with fewer rows than the sheet no longer fits the
# targets beside it.
#
# Seen on 2026-12-01, for 1,500 rows and then a last one:
#   a column of 1, then "A12":             polars 1,500 rows, the last 1; openpyxl and pandas 1,501, the last A12
#   the same beside a column of texts:     polars 1,501 rows, the last null
#   a column of dates, then "unknown":     polars 1,500 rows
#   a column of False, then 7:             polars True; read whole, 7
#   as CSV, 1 and then A12:                ComputeError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    polars==2.1.0 fastexcel==0.21.0 openpyxl==3.1.5 pandas==3.1.1 numpy==2.4.6
cd "$folder"

env/bin/python -W error - <<'PYTHON'
import sys
from datetime import date

import openpyxl
import pandas as pd
import polars as pl


def written(*rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save("rows.xlsx")


def seen(frame):
    return len(frame), frame["a"][len(frame) - 1]


rows = 1_500
written(["a"], *[[1]] * rows, ["A12"])
found = {
    "numbers, then a text: polars": seen(pl.read_excel("rows.xlsx")),
    "read whole": seen(pl.read_excel("rows.xlsx", infer_schema_length=None)),
    "by openpyxl": seen(pl.read_excel("rows.xlsx", engine="openpyxl")),
    "pandas": seen(pd.read_excel("rows.xlsx", engine="openpyxl")),
}
written(["a", "b"], *[[1, "x"]] * rows, ["A12", "y"])
found["beside texts"] = seen(pl.read_excel("rows.xlsx"))
written(["a"], *[[date(2026, 1, 31)]] * rows, ["unknown"])
found["dates, then a text"] = seen(pl.read_excel("rows.xlsx"))
written(["a"], *[[False]] * rows, [7])
found["booleans, then 7"] = seen(pl.read_excel("rows.xlsx"))
found["booleans, then 7, read whole"] = seen(pl.read_excel("rows.xlsx", infer_schema_length=None))
for name, (length, last) in found.items():
    print(f"{name}: {length} rows, the last {last}")
try:
    by_csv = str(pl.read_csv(("a\n" + "1\n" * rows + "A12\n").encode()).shape)
except pl.exceptions.ComputeError:
    by_csv = "ComputeError"
print("as CSV:", by_csv)

whole = (rows + 1, "A12")
as_recorded = by_csv == "ComputeError" and list(found.values()) == [
    (rows, 1),
    whole,
    whole,
    whole,
    (rows + 1, None),
    (rows, date(2026, 1, 31)),
    (rows + 1, True),
    (rows + 1, 7),
]
if not as_recorded:
    sys.exit("Changed: polars no longer makes gaps of late texts in a workbook.")
print("As recorded: late texts in a workbook are gaps, and rows of gaps are gone.")
PYTHON
