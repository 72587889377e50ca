#!/usr/bin/env bash
# scikit-learn 1.9.1, given the same text by pandas 3.1.1, polars 2.1.0 and NumPy 2.4.6.
#
# What happens: check_array(..., dtype="numeric"), its default, meets a column of text in four ways.
# A pandas frame is turned into floats, by Python's rules: "01234" is 1234 and "1_000" is 1000. A
# polars frame comes back as text, as objects, though numbers were asked for. A NumPy array of
# str is refused with a ValueError. One of NumPy's StringDType fails with a TypeError on its type.
# StandardScaler, which asks for floats, takes all four and averages the text.
#
# What one would expect: the four are the same table and meet the same answer, best the refusal
# that NumPy's str gets: text is no number until somebody says so.
#
# Why it matters: an estimator that checks its input so trains on postal codes from pandas as if
# they were amounts, and gets objects from polars. Its own code must look at the columns first.
#
# Seen on 2026-11-28, for ["01234", "1_000", "1e3"]:
#   pandas:             float64 [1234.0, 1000.0, 1000.0]
#   polars:             object ['01234', '1_000', '1e3']
#   NumPy, str:         ValueError: dtype='numeric' is not compatible with arrays of bytes/strings...
#   NumPy, StringDType: TypeError: dtype argument must be a NumPy dtype, but it is a ...
#   StandardScaler:     the mean of all four is 1078.0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0 threadpoolctl==3.8.0 \
    pandas==3.1.1 polars==2.1.0
cd "$folder"

env/bin/python -W error - <<'EOF'
import sys

import numpy as np
import pandas as pd
import polars as pl
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

text = ["01234", "1_000", "1e3"]
tables = {
    "pandas": pd.DataFrame({"code": text}),
    "polars": pl.DataFrame({"code": text}),
    "NumPy, str": np.array(text)[:, None],
    "NumPy, StringDType": np.array(text, dtype=np.dtypes.StringDType())[:, None],
}
outcomes = []
for name, table in tables.items():
    try:
        checked = check_array(table)
        shown = f"{checked.dtype} {checked.ravel().tolist()}"
        outcomes.append(checked.dtype.name)
    except (TypeError, ValueError) as error:
        shown = f"{type(error).__name__}: {error}"
        outcomes.append(type(error).__name__)
    print(f"{name}: {shown}")
means = [float(StandardScaler().fit(table).mean_[0]) for table in tables.values()]
print("StandardScaler, the four means:", means)

expected = ["float64", "object", "ValueError", "TypeError"]
if outcomes != expected or not np.allclose(means, 1078):
    sys.exit(f"Changed: the outcomes were {expected}, and the means 1078.")
print("As recorded: the same text is numbers, text, or an error, by what holds it.")
EOF
