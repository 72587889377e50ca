#!/usr/bin/env bash
# polars 2.1.0 and narwhals 2.29.0, beside pandas 3.1.1 and NumPy 2.4.6.
#
# What happens: polars' mean_horizontal of two columns of UInt8 that hold 200 and 100 is 22. It adds the
# columns in their own type, where 300 is 44, and then divides in float64. sum_horizontal gives the 44.
# The same numbers down a column (mean, sum) or in a list (list.mean) give 150 and 300. In Int32, the
# mean of 2,000,000,000 and 2,000,000,000 is negative. narwhals' mean_horizontal gives 22 for frames of
# pandas and tables of Arrow, too, where pandas' own mean(axis=1) is 150. Nobody warns.
#
# What one would expect: the mean of some numbers lies between them, all the more since the result is
# float64; and, since the page on sum says that small integers are cast to Int64 "to prevent overflow
# issues", that this holds across columns as well. The pages on the horizontal functions say nothing.
#
# Why it matters: pixels, scores and ratings are kept in UInt8 and Int8, a column each. A mean of each
# row as a feature is then right for small numbers and wrong for large ones, within the range of a real
# mean. Cast to Float64 or Int64 first.
#
# Seen on 2026-11-30, for the rows (200, 100) and (1, 2):
#   polars, mean_horizontal: 22, 1.5      polars, sum_horizontal: 44, 3
#   polars, list.mean: 150, 1.5           NumPy and pandas: 150, 1.5
#   narwhals, mean_horizontal, on polars, pandas and Arrow: 22, 1.5
#   polars, Int32, mean_horizontal of 2,000,000,000 twice: -147483648
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    polars==2.1.0 narwhals==2.29.0 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
cd "$folder"

env/bin/python -W error - <<'PYTHON'
import sys

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

rows = np.array([[200, 100], [1, 2]], np.uint8)
columns = {"left": rows[:, 0], "right": rows[:, 1]}
frames = {"polars": pl.DataFrame(columns), "pandas": pd.DataFrame(columns), "Arrow": pa.table(columns)}
names = list(columns)
frame = frames["polars"]

wrong = {"polars, mean_horizontal": frame.select(pl.mean_horizontal(names)).to_series().to_list()}
for name, given in frames.items():
    means = nw.from_native(given).select(m=nw.mean_horizontal(*names))
    wrong[f"narwhals on {name}, mean_horizontal"] = means["m"].to_list()
right = {
    "polars, list.mean": frame.select(pl.concat_list(names).list.mean()).to_series().to_list(),
    "pandas, mean(axis=1)": frames["pandas"].mean(axis=1).tolist(),
    "NumPy, mean(axis=1)": rows.mean(axis=1).tolist(),
}
for name, means in (wrong | right).items():
    print(f"{name}: {means}")
sums = frame.sum_horizontal().to_list()
print("polars, sum_horizontal:", sums, "but sum of (200, 100) in one column:", pl.Series(rows[0]).sum())
large = pl.DataFrame({"a": [2_000_000_000], "b": [2_000_000_000]}, schema={"a": pl.Int32, "b": pl.Int32})
print("polars, Int32, mean_horizontal:", large.mean_horizontal().item())

as_recorded = (
    all(means == [22, 1.5] for means in wrong.values())
    and all(means == [150, 1.5] for means in right.values())
    and sums == [44, 3]
    and pl.Series(rows[0]).sum() == 300
    and large.mean_horizontal().item() < 0
)
if not as_recorded:
    sys.exit("Changed: the mean across columns of small integers is no longer that of a wrapped sum.")
print("As recorded: the mean of 200 and 100, across columns of UInt8, is 22.")
PYTHON
