#!/usr/bin/env bash
# pandas 3.1.1 writes, pyarrow 26.0.1 and polars 2.1.0 read.
#
# What happens: to_parquet writes a column of months (Period) as integers, months since 1970-01, and
# keeps the frequency in metadata. A process that reads the file with pyarrow gets plain int64, and
# 648 for 2024-01. Once anything in the same process has made pandas register its extension type,
# the same call returns another type. Polars names the type, but values and to_numpy() are the
# bare counts as well. Nobody warns. to_csv writes 2024-01.
#
# What one would expect: a date, a text as in the CSV file, or a refusal.
#
# Why it matters: a library that reads tables takes every integer column as a feature. It trains on
# 648 where the CSV file of the same frame would be refused as text. And the type it sees depends
# on what ran before in the process.
#
# Seen on 2026-11-28:
#   CSV: 2024-01; pyarrow: int64 [648, 649]; polars: [648, 649]
#   pyarrow, pandas' type registered: extension<pandas.period<ArrowPeriodType>> [648, 649]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    pandas==3.1.1 pyarrow==26.0.1 polars==2.1.0 numpy==2.4.6
cd "$folder"

env/bin/python - <<'EOF'
import pandas as pd

frame = pd.DataFrame({"month": pd.period_range("2024-01", periods=2, freq="M")})
frame.to_parquet("months.parquet")
print("CSV:", frame.to_csv(index=False).split())
EOF

# A new process, as a reader of the file would be.
env/bin/python -W error - <<'EOF'
import sys

import polars as pl
import pyarrow.parquet as pq

column = pq.read_table("months.parquet")["month"]
print("pyarrow:", column.type, column.to_pylist())
series = pl.read_parquet("months.parquet")["month"]
print("polars:", series.dtype, series.to_list(), series.to_numpy().dtype)

import pandas as pd

pd.period_range("2024-01", periods=1, freq="M").to_series().to_frame("month").to_parquet("x.parquet")
again = pq.read_table("months.parquet")["month"]
print("pyarrow, pandas' type registered:", again.type, again.to_pylist())

counts = [648, 649]
as_recorded = (
    str(column.type) == "int64"
    and column.to_pylist() == series.to_list() == series.to_numpy().tolist() == counts
    and again.type != column.type
)
if not as_recorded:
    sys.exit("Changed: months no longer arrive as bare counts.")
print("As recorded: months arrive as counts since 1970, without a warning.")
EOF
