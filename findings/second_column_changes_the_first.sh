#!/usr/bin/env bash
# pandas 3.1.1 and NumPy 2.4.6.
#
# What happens: np.asarray of a frame with one Int64 column with a missing value gives float64 with
# NaN. Integers beyond 2**53 are rounded without a word. With any second column, even a copy of the
# first, it gives objects with pd.NA among them, which np.isnan and a cast to float refuse. So
# np.asarray(frame, dtype=float) works for one column and raises for two.
#
# What one would expect: the values of one column do not depend on whether another stands beside it.
# Either both frames give floats with NaN, or both keep the integers exact.
#
# Why it matters: a library that trains on frames takes np.asarray(frame, dtype=float) for the way
# in. Tried on one feature it works; with two it fails, with a message that names no column.
#
# Seen on 2026-11-28, for [2**53 + 1, missing]:
#   one column:              float64 [9007199254740992.0, nan]
#   the column twice:        object [9007199254740993, <NA>]
#   as float, one column:    [9007199254740992.0, nan]
#   as float, twice:         TypeError: float() argument must be ... not 'NAType'
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    pandas==3.1.1 numpy==2.4.6
cd "$folder"

env/bin/python -W error - <<'EOF'
import sys

import numpy as np
import pandas as pd

column = pd.Series([2**53 + 1, None], dtype="Int64")
one = pd.DataFrame({"a": column})
two = pd.DataFrame({"a": column, "b": column})


def as_float(frame):
    try:
        return np.asarray(frame, dtype=float)[:, 0].tolist()
    except TypeError as error:
        return f"TypeError: {error}"


arrays = [np.asarray(frame) for frame in (one, two)]
floats = [as_float(frame) for frame in (one, two)]
print("one column:          ", arrays[0].dtype, arrays[0][:, 0].tolist())
print("the column twice:    ", arrays[1].dtype, arrays[1][:, 0].tolist())
print("as float, one column:", floats[0])
print("as float, twice:     ", floats[1])

as_recorded = (
    arrays[0].dtype == np.float64
    and arrays[0][0, 0] == 2**53
    and arrays[1].dtype == object
    and arrays[1][0, 0] == 2**53 + 1
    and arrays[1][1, 0] is pd.NA
    and isinstance(floats[0], list)
    and isinstance(floats[1], str)
)
if not as_recorded:
    sys.exit("Changed: one nullable column and two now give the same.")
print("As recorded: a second column turns floats into objects.")
EOF
