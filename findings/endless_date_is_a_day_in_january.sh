#!/usr/bin/env bash
# DuckDB 2.0.1 writes Parquet; pandas 3.1.1 and polars 2.1.0 read it.
#
# What happens: DuckDB, as PostgreSQL, has a timestamp `infinity`, such as the end of a contract that
# still runs. Parquet has no such value, so the largest integer is written. pandas reads an afternoon
# or night of January 294247, with no cell missing, and the mean of 2024-01-01 and `infinity` is in
# the year 148135. In polars no cell is null, but the year of this one is.
#
# What one would expect: a refusal by the writer, a missing cell, or one opinion of whether it is.
#
# Why it matters: dates become numbers in a table that is learned from. One such cell moves mean and
# scale by five orders of magnitude, and all other dates become the same number. A count of missing
# cells does not show it.
#
# Seen on 2026-11-30:
#   pandas: years [2024, 294247], missing 0, mean 148135-07-07
#   polars: years [2024, None], missing 0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    duckdb==2.0.1 pandas==3.1.1 pyarrow==26.0.1 polars==2.1.0 numpy==2.4.6
cd "$folder"

env/bin/python -W error - <<'EOF'
import sys

import duckdb
import pandas as pd
import polars as pl

rows = "VALUES (TIMESTAMP '2024-01-01'), (TIMESTAMP 'infinity')"
duckdb.sql(f"COPY (SELECT * FROM ({rows}) t(ends)) TO 'contracts.parquet'")

ends = pd.read_parquet("contracts.parquet")["ends"]
years, missing = ends.dt.year.tolist(), int(ends.isna().sum())
print(f"pandas: years {years}, missing {missing}, mean {str(ends.mean())[:12]}")

frame = pl.read_parquet("contracts.parquet")
of_polars, null = frame["ends"].dt.year().to_list(), frame["ends"].null_count()
print(f"polars: years {of_polars}, missing {null}")

as_recorded = (
    years == [2024, 294247]
    and missing == null == 0
    and ends.mean().year == 148135
    and of_polars == [2024, None]
)
if not as_recorded:
    sys.exit("Changed: an endless date no longer arrives as a day of January 294247.")
print("As recorded: an endless date is a day in January 294247, and not missing.")
EOF
