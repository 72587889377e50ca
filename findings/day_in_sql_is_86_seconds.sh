#!/usr/bin/env bash
# pandas 3.1.1 writes time spans into SQLite, by to_sql.
#
# What happens: to_sql warns that spans are written as integers, "ns frequency". It writes the integers of the
# column's own unit, and that of pandas 3 is the microsecond: a difference of dates, or to_timedelta of texts,
# is timedelta64[us]. A day is 86,400,000,000; read as the nanoseconds that the warning names, it is 86.4
# seconds. Only a column of nanoseconds is as the warning says. A gap is written as -9223372036854775808, not
# NULL.
#
# What one would expect: nanoseconds, as the warning says; and NULL for a gap, as for dates.
#
# Why it matters: a query that divides by 1e9 gives a thousandth of each span, which looks like another number
# of seconds. One gap makes the mean of a thousand spans -9.2e15, and no query finds it by IS NULL. Write span
# / pd.Timedelta(seconds=1), which is NaN for a gap and NULL in the table.
#
# Seen on 2026-12-01, for the spans 1 day and 1 hour, and a gap:
#   a difference of dates, to_timedelta: timedelta64[us], 86400000000, 3600000000, -9223372036854775808
#   the same column in nanoseconds:      86400000000000, 3600000000000, -9223372036854775808
#   dates with a gap:                    NULL
#   divided by Timedelta(seconds=1):     86400.0, 3600.0, NULL
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    pandas==3.1.1 numpy==2.4.6
cd "$folder"

env/bin/python - <<'PYTHON'
import sqlite3
import sys
import warnings

import pandas as pd

first = pd.to_datetime(["2026-11-30", "2026-11-30", None])
dates = pd.Series(pd.to_datetime(["2026-12-01 00:00", "2026-11-30 01:00", None]))
spans = dates - first
columns = {
    "a difference of dates": spans,
    "to_timedelta": pd.Series(pd.to_timedelta(["1 day", "1 hour", None])),
    "in nanoseconds": spans.dt.as_unit("ns"),
    "dates": dates,
    "divided by a second": spans / pd.Timedelta(seconds=1),
}
written, told = {}, {}
for name, column in columns.items():
    base = sqlite3.connect(":memory:")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pd.DataFrame({"span": column}).to_sql("visits", base, index=False)
    told[name] = any("ns frequency" in str(one.message) for one in caught)
    written[name] = [cell for (cell,) in base.execute("select span from visits")]
    print(f"{name}, {column.dtype}: {written[name]}; told of nanoseconds: {told[name]}")

day, hour, gap = 86_400, 3_600, -(2**63)
expected = [
    [day * 10**6, hour * 10**6, gap],
    [day * 10**6, hour * 10**6, gap],
    [day * 10**9, hour * 10**9, gap],
    ["2026-12-01 00:00:00", "2026-11-30 01:00:00", None],
    [day, hour, None],
]
if list(written.values()) != expected or list(told.values()) != [True] * 3 + [False] * 2:
    sys.exit(f"Changed: {expected} were written, the first three with the warning.")
print("As recorded: to_sql tells of nanoseconds, and writes the column's own unit.")
PYTHON
