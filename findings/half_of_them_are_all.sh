#!/usr/bin/env bash
# pyarrow 26.0.1 and pandas 3.1.1 with its types; DuckDB 2.0.1 makes the table, polars 2.1.0 is beside them.
#
# What happens: the mean of a column of decimals has the scale of the column, and is rounded to it. Of whole decimals
# it is whole: where half of a group said yes, 0 and 1, the mean is 1; where a quarter did, it is 0. So it is in
# pyarrow's compute.mean and group_by, and in mean, groupby, pivot_table and resample of pandas on columns of Arrow.
# The spread is a float and right: std of the same group is 0.7. polars and DuckDB give 0.5 and 0.25. Nobody warns.
#
# What one would expect: 0.5, as for integers, as pyarrow's own quantile, stddev and variance of decimals are floats;
# or, as in SQL, more digits behind the point than the cells have.
#
# Why it matters: DuckDB's sums of integers and counts by sum() are HUGEINT, which Arrow gets as decimals without a
# digit behind the point, and NUMBER of other databases comes so, too. Nobody has to ask for decimals. Shares are 0 or 1
# then, and a gap that is filled with the mean is one of both. Cast to float64 first.
#
# Seen on 2026-12-01, for each shop's days with a sale: north 1, 0 and south 0, 0, 1, 0:
#   type in Arrow:               decimal128(38, 0)
#   mean of all, of each shop:   pyarrow 0, {'north': 1, 'south': 0}
#                                pandas  0, {'north': 1, 'south': 0}
#                                polars  0.333, {'north': 0.5, 'south': 0.25}
#                                DuckDB  0.333, {'north': 0.5, 'south': 0.25}
#   std of north:                pandas 0.707
#   prices 1.00, 1.01, 1.01:     pyarrow 1.01, polars 1.00667
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6 duckdb==2.0.1 polars==2.1.0
cd "$folder"

env/bin/python -W error - <<'PYTHON'
import sys
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as compute

connection = duckdb.connect()
connection.sql("create table sales (shop varchar, day integer, sold integer)")
connection.sql(
    "insert into sales values ('north', 1, 1), ('north', 2, 0), ('south', 1, 0), ('south', 2, 0),"
    "('south', 3, 1), ('south', 4, 0)"
)
days = connection.sql("select shop, day, sum(sold) as sold from sales group by all order by all")
table = days.to_arrow_table()
frame = table.to_pandas(types_mapper=pd.ArrowDtype)
print("type in Arrow:", table.schema.field("sold").type)


def rounded(shares):
    return {shop: round(float(share), 3) for shop, share in sorted(shares)}


by_arrow = table.group_by("shop").aggregate([("sold", "mean")]).to_pydict()
by_polars = pl.from_arrow(table).group_by("shop").agg(pl.col("sold").mean())
by_pandas = frame.groupby("shop")["sold"]
shares = {
    "pyarrow": (compute.mean(table["sold"]).as_py(), zip(by_arrow["shop"], by_arrow["sold_mean"])),
    "pandas": (frame["sold"].mean(), by_pandas.mean().items()),
    "polars": (pl.from_arrow(table)["sold"].mean(), by_polars.rows()),
    "DuckDB": (
        days.aggregate("avg(sold)").fetchall()[0][0],
        days.aggregate("shop, avg(sold)").fetchall(),
    ),
}
shares = {name: (round(float(mean), 3), rounded(groups)) for name, (mean, groups) in shares.items()}
for name, (mean, groups) in shares.items():
    print(f"{name}: mean {mean}, {groups}")
spread = by_pandas.std()["north"]
print(f"pandas, std of north: {spread:.3f}")
prices = pa.array([Decimal("1.00"), Decimal("1.01"), Decimal("1.01")])
means = str(compute.mean(prices)), round(pl.Series(prices).mean(), 5)
print("mean of 1.00, 1.01, 1.01:", *means)

all_or_nothing = (0, {"north": 1, "south": 0})
as_they_are = (0.333, {"north": 0.5, "south": 0.25})
as_recorded = (
    shares["pyarrow"] == shares["pandas"] == all_or_nothing
    and shares["polars"] == shares["DuckDB"] == as_they_are
    and round(spread, 3) == 0.707
    and means == ("1.01", 1.00667)
)
if not as_recorded:
    sys.exit("Changed: the mean of whole decimals is no longer a whole number.")
print("As recorded: of decimals 0 and 1 the mean is 0 or 1.")
PYTHON
