#!/usr/bin/env bash
# narwhals 2.29.0 on pandas 3.1.1, polars 2.1.0, pyarrow 26.0.1 and DuckDB 2.0.1.
#
# What happens: one expression, nw.col("hours").cast(nw.Int64), gives the whole hours of 1.7 as 1 on pandas and polars,
# which cut, and as 2 on DuckDB, which rounds, a half to the even number. pyarrow refuses. Likewise a fall from
# 200 to 100 in a column of UInt8 is, by diff(), 156 on pandas and pyarrow, and -100 on polars. Nobody warns.
#
# What one would expect: one meaning of an expression, which is what narwhals is for; the page on cast says nothing of
# fractions. (Of round it says that a half is treated differently.)
#
# Why it matters: features are made once, by narwhals, so that they may be computed in a database for training and on a
# frame of pandas for one row in service. Hours, ages and bins of prices that are made by a cast then differ in half
# of the rows. Say floor() or round() before the cast, and cast small unsigned integers to Int64 before a difference.
#
# Seen on 2026-12-01:
#   whole hours of 1.7, 2.5, 3.5, -1.7:   pandas, polars [1, 2, 3, -1]; DuckDB [2, 2, 4, -2]; pyarrow ArrowInvalid
#   floor() before:                        DuckDB and all others [1, 2, 3, -2]
#   200, 100, 50 as UInt8, diff():         pandas 156, 206; pyarrow 156, 206; polars -100, -50
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    narwhals==2.29.0 pandas==3.1.1 numpy==2.4.6 polars==2.1.0 pyarrow==26.0.1 duckdb==2.0.1
cd "$folder"

env/bin/python -W error - <<'PYTHON'
import sys

import duckdb
import narwhals as nw
import pandas as pd
import polars as pl

hours = pd.DataFrame({"hours": [1.7, 2.5, 3.5, -1.7]})
frames = {
    "pandas": hours,
    "polars": pl.from_pandas(hours),
    "DuckDB": duckdb.sql("select * from hours"),
    "pyarrow": pl.from_pandas(hours).to_arrow(),
}


def computed(frame, expression):
    try:
        return nw.from_native(frame).lazy().select(expression).collect()["hours"].to_list()
    except Exception as error:
        return type(error).__name__


cast, floored = nw.col("hours").cast(nw.Int64), nw.col("hours").floor().cast(nw.Int64)
casts = {name: computed(frame, cast) for name, frame in frames.items()}
floors = {name: computed(frame, floored) for name, frame in frames.items()}
for name, cells in casts.items():
    print(f"{name}: cast {cells}, floor and cast {floors[name]}")

counts = pl.DataFrame({"x": [200, 100, 50]}, schema={"x": pl.UInt8})
by_type = {"pandas": counts.to_pandas(), "pyarrow": counts.to_arrow(), "polars": counts}
falls = {}
for name, frame in by_type.items():
    falls[name] = nw.from_native(frame).select(nw.col("x").diff())["x"].to_list()[1:]
    print(f"{name}: differences of 200, 100, 50 {falls[name]}")

as_recorded = (
    casts["pandas"] == casts["polars"] == [1, 2, 3, -1]
    and casts["DuckDB"] == [2, 2, 4, -2]
    and casts["pyarrow"] == "ArrowInvalid"
    and all(cells == [1, 2, 3, -2] for cells in floors.values())
    and falls["pandas"] == falls["pyarrow"] == [156, 206]
    and falls["polars"] == [-100, -50]
)
if not as_recorded:
    sys.exit("Changed: a cast to whole numbers by narwhals no longer depends on the engine.")
print("As recorded: narwhals' cast to whole numbers cuts, or rounds in DuckDB.")
PYTHON
