#!/usr/bin/env bash
# polars 2.1.0 reads rows: tuples, dicts, JSON and a query of Python's sqlite3.
#
# What happens: polars takes a column's type from the first 100 rows. If these hold whole numbers, a later
# 4.99 becomes 4: a number that does not fit loses its fraction. So do pl.DataFrame and from_records of
# tuples, pl.DataFrame and from_dicts of dicts, read_json and read_database. Nobody warns. The same values as
# one column, in pl.Series or a dict of lists, are refused with a TypeError; read_csv and read_ndjson of the
# same rows fail with a ComputeError.
#
# What one would expect: an error, as from columns, CSV and NDJSON, for strict=True is the default; or floats,
# as pandas makes of the same query.
#
# Why it matters: SQLite holds 5.00 in a column of NUMERIC or DECIMAL as the whole number 5, so that a price
# is a whole number or not by row. A table whose first hundred prices are even loses the cents of all others,
# and a network learns from what is left. Say infer_schema_length=None, or schema_overrides.
#
# Seen on 2026-12-01, for 100 rows with 5 and a last one with 4.99:
#   tuples, dicts, read_json, read_database of DECIMAL(10, 2): Int64, and 4
#   with infer_schema_length=None: Float64, and 4.99; a column of REAL: Float64, and 4.99
#   pandas, read_sql: float64, and 4.99
#   pl.Series, a dict of lists: TypeError; read_csv, read_ndjson: ComputeError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    polars==2.1.0 pandas==3.1.1 numpy==2.4.6
cd "$folder"

env/bin/python -W error - <<'PYTHON'
import io
import json
import sqlite3
import sys

import pandas as pd
import polars as pl

prices = [5] * 100 + [4.99]
dicts, rows = [{"price": price} for price in prices], [(price,) for price in prices]
lines = "\n".join(map(json.dumps, dicts)).encode()
shop = sqlite3.connect(":memory:")
shop.execute("create table sold (price decimal(10, 2), charged real)")
shop.executemany("insert into sold values (?, ?)", [(price, price) for price in prices])
query = "select price from sold"
readers = {
    "DataFrame of tuples": lambda: pl.DataFrame(rows, schema=["price"], orient="row"),
    "from_records": lambda: pl.from_records(rows, schema=["price"], orient="row"),
    "DataFrame of dicts": lambda: pl.DataFrame(dicts),
    "from_dicts": lambda: pl.from_dicts(dicts),
    "read_json": lambda: pl.read_json(io.BytesIO(json.dumps(dicts).encode())),
    "read_database": lambda: pl.read_database(query, shop),
    "all rows looked at": lambda: pl.read_database(query, shop, infer_schema_length=None),
    "a column of REAL": lambda: pl.read_database("select charged from sold", shop),
    "pandas, read_sql": lambda: pd.read_sql(query, shop),
    "Series": lambda: pl.Series(prices).to_frame(),
    "a dict of lists": lambda: pl.DataFrame({"price": prices}),
    "read_csv": lambda: pl.read_csv(io.StringIO("price\n" + "\n".join(map(str, prices)))),
    "read_ndjson": lambda: pl.read_ndjson(io.BytesIO(lines)),
}
found = {}
for name, read in readers.items():
    try:
        last = read().to_numpy()[-1, 0].item()
    except (TypeError, pl.exceptions.ComputeError) as error:
        last = type(error).__name__
    found[name] = last
    print(f"{name}: the last price is {last}")

expected = [4] * 6 + [4.99] * 3 + ["TypeError"] * 2 + ["ComputeError"] * 2
if list(found.values()) != expected:
    sys.exit(f"Changed: the last prices were {expected}.")
print("As recorded: a price of 4.99 is 4 after a hundred whole ones, by rows.")
PYTHON
