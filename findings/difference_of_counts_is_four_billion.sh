#!/usr/bin/env bash
# polars 2.1.0, beside narwhals 2.29.0, pandas 3.1.1 and pyarrow 26.0.1.
#
# What happens: whatever counts is UInt32 in polars: lengths of texts and lists, numbers of rows and of
# unique values, sums of booleans. Two counts are subtracted in UInt32, and so is a plain number: a title
# of 3 characters is 4,294,967,293 longer than one of 6, and the mean of such differences is about two
# billion. diff and pct_change of the same columns are right, since they widen the type first. Nobody
# warns.
#
# What one would expect: -3, as pandas and Arrow give by the same expression through narwhals; or, since
# an operation that cannot be right in the type is refused elsewhere (the minus sign of a UInt32), an
# error. The pages tell the type of a count, and that of sub or of the operator nothing of wrapping.
#
# Why it matters: differences of lengths and of counts are common features, and no input here is
# unsigned. All small positive ones look right, and after standardising a column of them says little more
# than whether the difference is below zero. Cast counts to Int64 before subtracting.
#
# Seen on 2026-11-30, for titles of 3 and 6 characters beside bodies of 6 and 2:
#   polars: [4294967293, 4], mean 2147483648.5     diff of [3, 6, 2]: [None, 3, -4]
#   narwhals on pandas and on Arrow: [-3, 4]       -pl.len(): InvalidOperationError
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
import pandas as pd
import polars as pl
import pyarrow as pa

texts = {"title": ["abc", "abcdef"], "body": ["uvwxyz", "uv"]}
frames = {"polars": pl.DataFrame(texts), "pandas": pd.DataFrame(texts), "Arrow": pa.table(texts)}
longer = nw.col("title").str.len_chars() - nw.col("body").str.len_chars()
found = {
    name: nw.from_native(frame).select(longer=longer)["longer"].to_list()
    for name, frame in frames.items()
}
frame = frames["polars"]
lengths = pl.col("title").str.len_chars() - pl.col("body").str.len_chars()
own = frame.select(lengths).to_series()
print("polars:", own.dtype, own.to_list(), "mean:", own.mean())
for name, differences in found.items():
    print(f"narwhals on {name}: {differences}")
fewer = frame.select(pl.len() - 3).item()
print("polars, 2 rows less 3:", fewer)
flags = pl.DataFrame({"up": [True, False, False], "down": [True, True, False]})
balance = flags.select(pl.col("up").sum() - pl.col("down").sum()).item()
print("polars, one True less two:", balance)
steps = pl.Series(["abc", "uvwxyz", "uv"]).str.len_chars().diff().to_list()
print("polars, diff of the lengths 3, 6, 2:", steps)
try:
    frame.select(-pl.len())
    refused = False
except pl.exceptions.InvalidOperationError as error:
    refused = True
    print("polars, -pl.len():", str(error).splitlines()[0])

wrapped = 2**32
as_recorded = (
    own.to_list() == found["polars"] == [wrapped - 3, 4]
    and found["pandas"] == found["Arrow"] == [-3, 4]
    and fewer == balance == wrapped - 1
    and steps == [None, 3, -4]
    and refused
)
if not as_recorded:
    sys.exit("Changed: differences of counts no longer wrap, or those of others do.")
print("As recorded: a title is four billion characters longer than one with more.")
PYTHON
