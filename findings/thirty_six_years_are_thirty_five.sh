#!/usr/bin/env bash
# DuckDB 2.0.1 gives an age to pandas 3.1.1 and to Python.
#
# What happens: age(), the difference of two dates in years, months and days, is 36 years for somebody born 36
# years ago today. df() gives a time span of 12,960 days, since a year is 12 months there and a month 30 days;
# that is half a year less than the 13,149 days between the dates. Added to the date of birth it does not
# reach today. fetchall() and fetchnumpy() give the same. In DuckDB epoch(age) counts 13,149 days, date plus
# age is today, and a table of Arrow holds 432 months.
#
# What one would expect: the days that epoch() counts, as for the difference of two timestamps, which arrives
# in pandas with the same type; or objects that keep months, as pandas makes of Arrow's.
#
# Why it matters: ages and times since the last visit are columns that tables are learned from. Divided by 365.25
# days, they say 35.5 years for 36, and whoever is 18 is too young. Where spans below a month come by
# subtraction and others by age(), two scales lie in one column. Subtract dates or timestamps, take
# epoch(age(...)), or datediff for whole years.
#
# Seen on 2026-12-01, for 1 December 1990 and 2026:
#   DuckDB: age() is 36 years, epoch of it 13149 days, birth + age 2026-12-01
#   df(): timedelta64[us], 12960 days, 35.48 years; birth + age 2026-05-26
#   fetchall(): 12960 days; fetchnumpy(): 12960 days; Arrow: 432 months
#   df() of the difference of timestamps: timedelta64[us], 13149 days
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    duckdb==2.0.1 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import duckdb
import numpy as np
import pandas as pd

birth, today = pd.Timestamp("1990-12-01"), pd.Timestamp("2026-12-01")
spans = duckdb.sql("""
    select age(today, birth) as age, today - birth as difference
    from (select timestamp '1990-12-01' as birth, timestamp '2026-12-01' as today)
""")
(text, seconds, end) = duckdb.sql(
    "select age::varchar, epoch(age), timestamp '1990-12-01' + age from spans"
).fetchall()[0]
print(f"DuckDB: {text}, epoch {seconds / 86400:.0f} days, birth + age {end:%Y-%m-%d}")

frame = spans.df()
age, difference = frame["age"][0], frame["difference"][0]
years = age / pd.Timedelta(days=365.25)
print(f"df(): {frame['age'].dtype}, {age.days} days, {years:.2f} years, {birth + age:%Y-%m-%d}")
print(f"df() of the difference: {frame['difference'].dtype}, {difference.days} days")
python = spans.fetchall()[0][0]
numpy = spans.fetchnumpy()["age"][0] / np.timedelta64(1, "D")
months = spans.to_arrow_table()["age"][0].as_py().months
print(f"fetchall(): {python.days} days; fetchnumpy(): {numpy:.0f} days; Arrow: {months} months")

right = (seconds / 86400, difference.days, months, pd.Timestamp(end)) == (13149, 13149, 432, today)
if not right or {age.days, python.days, numpy} != {12960}:
    sys.exit("Changed: an age of 36 years is no longer 12,960 days in Python and 13,149 in DuckDB.")
print("As recorded: the years of an age have 360 days outside DuckDB.")
PYTHON
