#!/usr/bin/env bash
# polars 2.1.0 writes, pyarrow 26.0.1 and pandas 3.1.1 read.
#
# What happens: polars' read_csv takes an id of 20 digits, too long for 64 bits, as Int128 by itself.
# write_parquet writes it without a warning. pyarrow then refuses the whole file: its schema, its
# metadata, and even the other columns alone. So does pandas, which reads through pyarrow.
#
# What one would expect: a warning on writing a file that others cannot open; or that a reader asked
# for the column x gets the column x.
#
# Why it matters: a library that reads tables through pyarrow cannot name the column at fault or
# offer to leave it out, for it cannot read the names. One long id shuts out all other columns.
# Written as Decimal(38, 0) the same file opens.
#
# Seen on 2026-11-28:
#   polars reads the CSV file as: id Int128, x Float64
#   pyarrow, schema:      ArrowNotImplementedError: Integers with more than 64 bits not implemented
#   pyarrow, x alone:     the same
#   pandas, x alone:      the same
#   polars, x alone:      [1.5]
#   as Decimal(38, 0):    pyarrow reads it
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    polars==2.1.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
cd "$folder"

env/bin/python -W error - <<'EOF'
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

frame = pl.read_csv(b"id,x\n99999999999999999999,1.5\n")
print("polars reads the CSV file as:", dict(frame.schema))
frame.write_parquet("ids.parquet")
frame.cast({"id": pl.Decimal(38, 0)}).write_parquet("decimals.parquet")


def refused(name, read):
    try:
        read()
    except pa.ArrowNotImplementedError as error:
        print(f"{name}: {type(error).__name__}: {error}")
        return True
    print(f"{name}: read")
    return False


reads = {
    "pyarrow, schema": lambda: pq.read_schema("ids.parquet"),
    "pyarrow, x alone": lambda: pq.read_table("ids.parquet", columns=["x"]),
    "pandas, x alone": lambda: pd.read_parquet("ids.parquet", columns=["x"]),
}
outcomes = [refused(name, read) for name, read in reads.items()]
print("polars, x alone:", pl.read_parquet("ids.parquet", columns=["x"])["x"].to_list())
print("as Decimal(38, 0), pyarrow reads:", pq.read_table("decimals.parquet").to_pylist())

if frame.schema["id"] != pl.Int128 or not all(outcomes):
    sys.exit("Changed: polars or pyarrow no longer part company over 128-bit integers.")
print("As recorded: one column of 128 bits closes the file to pyarrow and pandas.")
EOF
