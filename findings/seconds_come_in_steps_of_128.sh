#!/usr/bin/env bash
# skrub 0.11.0, given times of pandas 3.1.1 and polars 2.1.0.
#
# What happens: DatetimeEncoder adds the feature total_seconds, the seconds since 1970, by default, and
# TableVectorizer does so for every column of times. It is float32, whose neighbours near 1.8e9 are 128
# apart. Two times up to two minutes apart become equal; of 30 seconds between two rows the feature makes
# 0 or 128. Since the other features stop at the hour by default, nothing of the table tells such rows
# apart. Microseconds and resolution="second" change nothing in total_seconds.
#
# What one would expect: seconds as float64, as pandas' timestamp and polars' dt.epoch give them, or
# counted from a time of the data. The page promises "the total number of seconds since the Unix epoch",
# and in its notes that features are float32; for the numbers of today both cannot hold.
#
# Why it matters: events are ordered by this feature alone, and the time from one to the next is a
# difference of it: waits of some seconds come out as 0 or as two minutes. Take differences of the times
# themselves before encoding.
#
# Seen on 2026-11-30, for five times from 10:00:00, each 30 seconds after the last:
#   total_seconds: 2 values, steps 0, 128, 0, 0 (pandas and polars); rows of TableVectorizer: 2 distinct
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    skrub==0.11.0 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 polars==2.1.0
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import numpy as np
import pandas as pd
import polars as pl
from skrub import DatetimeEncoder, TableVectorizer

times = pd.Series(pd.date_range("2026-11-30 10:00", periods=5, freq="30s"), name="at")
encoded = {
    "pandas": DatetimeEncoder().fit_transform(times)["at_total_seconds"].to_numpy(),
    "pandas, to the second": DatetimeEncoder(resolution="second")
    .fit_transform(times)["at_total_seconds"]
    .to_numpy(),
    "polars": DatetimeEncoder()
    .fit_transform(pl.Series("at", times.to_numpy()))["at_total_seconds"]
    .to_numpy(),
}
steps = {}
for name, seconds in encoded.items():
    steps[name] = np.diff(seconds.astype(float)).tolist()
    print(f"{name}: {seconds.dtype}, {len(set(seconds))} values, steps {steps[name]}")
table = TableVectorizer().fit_transform(times.to_frame())
distinct = len(table.drop_duplicates())
print("TableVectorizer:", table.columns.tolist(), "distinct rows:", distinct)

same = list(steps.values())
if same != [[0, 128, 0, 0]] * 3 or distinct != 2:
    sys.exit("Changed: times half a minute apart are told apart.")
print("As recorded: half a minute is nothing, or two minutes.")
PYTHON
