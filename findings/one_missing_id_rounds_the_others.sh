#!/usr/bin/env bash
# datasets 5.2.0 with NumPy 2.4.6, pandas 3.1.1 and pyarrow 26.0.1.
#
# What happens: a column that features call float64 arrives from with_format("numpy") as float32: two
# times a second apart are equal. A column of int64 arrives exact, until one cell is missing; then all of
# it is float32, and the id 20,000,001 is 20,000,000. The same data set gives float64 by
# with_format("pandas"), where the id is exact. Nobody warns.
#
# What one would expect: the type that features and the Arrow table behind them name, as
# with_format("pandas") gives it; and for whole numbers with a gap the float64 that NumPy, pandas and
# pyarrow make of them.
#
# Why it matters: amounts, coordinates and seconds since 1970 lose their last digits before any library
# sees them, and keys no longer meet. Say with_format("numpy", dtype=np.float64).
#
# Seen on 2026-11-30:
#   numpy:  time float32, equal; id float32 [20000000, nan]; id without a gap int64 [20000001, 2]
#   pandas: time float64, 1 apart; id float64 [20000001, nan]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    datasets==5.2.0 numpy==2.4.6 pandas==3.1.1 pyarrow==26.0.1
cd "$folder"

HF_HUB_OFFLINE=1 HF_HOME="$folder/cache" env/bin/python -W error - <<'PYTHON'
import sys

import numpy as np
from datasets import Dataset

rows = Dataset.from_dict(
    {"time": [1.8e9, 1.8e9 + 1], "id": [20_000_001, None], "whole": [20_000_001, 2]}
)
print("features:", {name: feature.dtype for name, feature in rows.features.items()})
found = {}
for name, columns in {
    "numpy": rows.with_format("numpy")[:],
    "numpy, dtype=float64": rows.with_format("numpy", dtype=np.float64)[:],
    "pandas": rows.with_format("pandas")[:],
}.items():
    found[name] = {column: np.asarray(columns[column]) for column in rows.column_names}
    print(name, {column: (str(cells.dtype), cells.tolist()) for column, cells in found[name].items()})

short, told, frame = found.values()
as_recorded = (
    short["time"].dtype == short["id"].dtype == np.float32
    and np.diff(short["time"]) == 0
    and short["id"][0] == 20_000_000
    and short["whole"].dtype == np.int64
    and short["whole"][0] == 20_000_001
    and all(np.diff(given["time"]) == 1 and given["id"][0] == 20_000_001 for given in (told, frame))
)
if not as_recorded:
    sys.exit("Changed: the numpy format keeps the numbers of a column.")
print("As recorded: one missing id rounds the others to float32.")
PYTHON
