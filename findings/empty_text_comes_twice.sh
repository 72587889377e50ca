#!/usr/bin/env bash
# pyarrow 26.0.1, and polars 2.1.0 and pandas 3.1.1 on both sides of it.
#
# What happens: unique() of an array of type string_view gives an empty text in place of null, so that
# the empty text is there twice where there are some, too; value_counts() likewise. Of the same cells
# as string, both give null. Nobody has to ask for string_view: pyarrow.table(frame) makes it of the texts of
# polars, while frame.to_arrow() makes large_string. It goes into Parquet, and out again to whoever reads
# with types of Arrow: pandas' unique() of that column has "" for a gap, and isna() knows the gap.
#
# What one would expect: the values that are there, each once. An operation that a type does not have, of
# which string_view has many (sorting, taking, grouping), is an error in pyarrow; this one is not.
#
# Why it matters: the categories of a column are mostly found by unique or value_counts. A missing
# cell becomes a category of its own, or is taken for an empty text, and a list that was thought to have no
# repeats has one. Cast to string first.
#
# Seen on 2026-11-30:
#   string:      ['Bern', None, 'Zug', '']
#   string_view: ['Bern', '', 'Zug', '']
#   counts:      [('Bern', 1), ('', 2), ('Zug', 1), ('', 1)]
#   polars by pyarrow.table: string_view, by to_arrow: large_string
#   pandas:      ['Bern', '', 'Zug', ''], of which isna() says [False, True, False, True, False]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    pyarrow==26.0.1 polars==2.1.0 pandas==3.1.1 numpy==2.4.6
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

cells = ["Bern", None, "Zug", None, ""]
views = pa.array(cells, pa.string_view())
views.validate(full=True)
texts = pa.array(cells, pa.string()).unique().to_pylist()
found = views.unique().to_pylist()
counts = [(one["values"], one["counts"]) for one in views.value_counts().to_pylist()]
print("string:     ", texts)
print("string_view:", found)
print("counts:     ", counts)

frame = pl.DataFrame({"city": cells})
ways = pa.table(frame), frame.to_arrow()
kinds = [str(table.schema.field("city").type) for table in ways]
print("polars by pyarrow.table:", kinds[0], ", by to_arrow:", kinds[1])
pq.write_table(ways[0], "cities.parquet")
city = pd.read_parquet("cities.parquet", dtype_backend="pyarrow")["city"]
in_pandas, gaps = city.unique().tolist(), city.isna().tolist()
print("pandas:     ", in_pandas, gaps)

wrong = ["Bern", "", "Zug", ""]
if texts != ["Bern", None, "Zug", ""] or found != wrong or in_pandas != wrong:
    sys.exit("Changed: unique of string_view no longer makes an empty text of null.")
if counts != [("Bern", 1), ("", 2), ("Zug", 1), ("", 1)]:
    sys.exit("Changed: value_counts of string_view no longer makes an empty text of null.")
if kinds != ["string_view", "large_string"] or gaps != [False, True, False, True, False]:
    sys.exit("Changed: polars' texts or pandas' gaps are others.")
print("As recorded: null is an empty text, which comes twice.")
PYTHON
