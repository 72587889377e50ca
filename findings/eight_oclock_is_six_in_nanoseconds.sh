#!/usr/bin/env bash
# DuckDB 2.0.1 reads what pandas 3.1.1 and pyarrow 26.0.1 wrote.
#
# What happens: a Parquet file has moments of a time zone. In microseconds, DuckDB gives them to pandas as
# they are: 8 o'clock in Madrid. In nanoseconds they have a type of their own, TIMESTAMPTZ_NS, and df() gives
# moments without a zone, in UTC: 6 o'clock. DuckDB itself still says that the hour is 8, and the same
# relation as a table of Arrow is in nanoseconds and has the zone. Adding an hour in DuckDB keeps the type, and
# so what follows from it; date_trunc gives microseconds, and the zone is there again.
#
# What one would expect: the zone, whatever the unit is, for pandas has datetime64[ns, Europe/Madrid] and the
# file was written from it. Or one and the same loss by all ways out of the relation.
#
# Why it matters: pandas before 3 kept all moments in nanoseconds, so that most files which it wrote are in
# them, while those of today are in microseconds. Hours of the day and days of the week, which tables are
# learned from, shift by an hour or two, and rows of two files that are compared or joined differ by that.
# Who adds the missing zone by tz_localize names another moment, two hours before the one that was written.
# Cast in DuckDB, `"when"::timestamptz`, or take to_arrow_table().
#
# Seen on 2026-12-01, for 8:00 on 1 July 2026 in Madrid, TimeZone being Europe/Madrid:
#   us: TIMESTAMP WITH TIME ZONE, hour 8; df(): datetime64[us, Europe/Madrid], hour 8
#   ns: TIMESTAMPTZ_NS, hour 8;           df(): datetime64[ns], hour 6
#   ns: to_arrow_table(): timestamp[ns, tz=Europe/Madrid]
#   ns, cast to timestamptz: df(): datetime64[us, Europe/Madrid], hour 8
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    duckdb==2.0.1 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6 tzdata==2026.6
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import duckdb
import pandas as pd

zone = "Europe/Madrid"
duckdb.sql(f"set timezone = '{zone}'")
eight = pd.Series([pd.Timestamp("2026-07-01 08:00", tz=zone)])


def shown(name, relation):
    """Print and give the hours that DuckDB and pandas see, and whether pandas sees a zone."""
    frame = relation.df()
    kind, there = frame["kind"][0], int(frame["hour"][0])
    column = frame["when"]
    arrow = relation.to_arrow_table().schema.field("when").type
    here = int(column.dt.hour[0])
    print(f"{name}: {kind}, hour {there}; df(): {column.dtype}, hour {here}; Arrow: {arrow}")
    return there, here, column.dt.tz is not None, arrow.tz == zone


found = {}
for unit in "us", "ns":
    pd.DataFrame({"when": eight.dt.as_unit(unit)}).to_parquet(f"{unit}.parquet")
    rows = f"""select "when", typeof("when") as kind, hour("when") as hour from '{unit}.parquet'"""
    found[unit] = shown(unit, duckdb.sql(rows))
cast = """select "when"::timestamptz as "when" from 'ns.parquet'"""
rows = f"""select *, typeof("when") as kind, hour("when") as hour from ({cast})"""
found["cast"] = shown("ns, cast", duckdb.sql(rows))

kept, lost = (8, 8, True, True), (8, 6, False, True)
if found != {"us": kept, "ns": lost, "cast": kept}:
    sys.exit("Changed: nanoseconds keep their zone, or microseconds lose it, or Arrow has none.")
print("As recorded: in nanoseconds pandas gets UTC without a zone, in microseconds the zone.")
PYTHON
