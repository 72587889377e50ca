#!/usr/bin/env bash
# scikit-learn 1.9.1, given frames of pandas 3.1.1 and polars 2.1.0.
#
# What happens: a frame with nothing but dates is turned into floats, in whatever unit the column
# has. A missing date passes the check for NaN and infinity and becomes -9.2e18, a finite number.
# StandardScaler and LinearRegression fit on it without a word. The same dates beside a column of
# floats are another matter: pandas' frame raises a DTypePromotionError, and polars' frame, whose
# missing date is NaN there, is refused with "Input contains NaN".
#
# What one would expect: dates are refused, or a missing one at least counts as missing, whatever
# columns stand beside it and whichever library made the frame.
#
# Why it matters: a library that trains on tables leans on this check to keep missing values out.
# One missing date silently ruins means, scales and weights.
#
# Seen on 2026-11-28, for 2024-01-01, a missing date and 2024-01-03:
#   dates alone, pandas and polars: [1704067200000000.0, -9.223372036854776e+18, 1704240000000000.0]
#   StandardScaler's mean:          -3.07e+18
#   LinearRegression:               fitted
#   with a float column, pandas:    DTypePromotionError
#   with a float column, polars:    ValueError: Input contains NaN.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0 threadpoolctl==3.8.0 \
    pandas==3.1.1 polars==2.1.0
cd "$folder"

env/bin/python -W error - <<'EOF'
import datetime
import sys

import pandas as pd
import polars as pl
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

days = [datetime.datetime(2024, 1, 1), None, datetime.datetime(2024, 1, 3)]
numbers = [1.0, 2.0, 3.0]


def outcome(frame):
    try:
        return check_array(frame, dtype="float64")[:, 0].tolist()
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"[:60]


alone = [outcome(library.DataFrame({"day": days})) for library in (pd, pl)]
beside = [outcome(library.DataFrame({"day": days, "x": numbers})) for library in (pd, pl)]
frame = pd.DataFrame({"day": days})
mean = StandardScaler().fit(frame).mean_[0]
LinearRegression().fit(frame, numbers)

print("dates alone, pandas:        ", alone[0])
print("dates alone, polars:        ", alone[1])
print("StandardScaler's mean:      ", mean)
print("LinearRegression:            fitted")
print("with a float column, pandas:", beside[0])
print("with a float column, polars:", beside[1])

as_recorded = (
    all(isinstance(values, list) and values[1] == -(2.0**63) for values in alone)
    and mean < -1e18
    and all(isinstance(message, str) for message in beside)
)
if not as_recorded:
    sys.exit("Changed: a missing date is no longer taken for a number.")
print("As recorded: the missing date became -2**63 and nothing complained.")
EOF
