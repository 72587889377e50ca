#!/usr/bin/env bash
# imbalanced-learn 0.14.2, SMOTE, given frames of pandas 3.1.1.
#
# What happens: SMOTE puts new rows between two rows of the rare class, and then casts each column back to
# the dtype that it had. What lies between 0 and 1 becomes 0 in a column of integers and True in one of
# booleans. So one-hot columns of the same data give other new rows by their dtype: as integers, some
# belong to no category; as booleans (what pandas' get_dummies makes), some belong to two; as floats, to
# shares of two. Counts are cut off, not rounded: the mean of a column of small integers falls.
#
# What one would expect: the same new rows, for True, 1 and 1.0 are the same here, or an error; and
# whole numbers rounded without a bias.
#
# Why it matters: rows that cannot occur are all of the rare class, so that "no category at all" or "two at
# once" marks it perfectly, in training alone. Take SMOTENC for categories, and floats for counts.
#
# Seen on 2026-11-30, of 140 new rows, those that belong to 0, 1 or 2 categories:
#   integers: 20, 120, 0    booleans: 0, 120, 20    floats: 0, 140, 0 (sums of shares)
# and the mean of a count, 1.03 in the rare class: 0.84 as an integer, 0.91 as a float.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    imbalanced-learn==0.14.2 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0 \
    threadpoolctl==3.8.0 pandas==3.1.1
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE

rng = np.random.default_rng(0)
colour = pd.DataFrame({"is": rng.choice(["red", "green", "blue"], 200)})
size = rng.normal(size=200)
is_rare = np.arange(200) < 30
counts = {}
for dtype in "int64", "bool", "float64":
    dummies = pd.get_dummies(colour, dtype=dtype)
    frame, _ = SMOTE(random_state=0).fit_resample(dummies.assign(size=size), is_rare)
    sums = frame.iloc[200:][dummies.columns].astype(float).sum(axis=1).round(9)
    counts[dtype] = [int((sums == number).sum()) for number in (0, 1, 2)]
    print(f"{dtype}: new rows in 0, 1, 2 categories: {counts[dtype]}")

children = pd.DataFrame({"children": rng.integers(0, 3, 200), "size": size})
means = [
    SMOTE(random_state=0).fit_resample(given, is_rare)[0]["children"][200:].mean()
    for given in (children, children.astype(float))
]
before = children["children"][:30].mean()
print(f"mean of a count: {before:.2f}; new rows: integers {means[0]:.2f}, floats {means[1]:.2f}")

none, two, shares = counts["int64"], counts["bool"], counts["float64"]
if not (none[0] > 0 == none[2] and two[2] > 0 == two[0] and shares[1] == 140 and means[0] < means[1]):
    sys.exit("Changed: the new rows no longer depend on the dtype in this way.")
print("As recorded: the dtype decides whether new rows have no category, two, or shares.")
PYTHON
