#!/usr/bin/env bash
# shap 0.51.0 with NumPy 2.4.6 and pandas 3.1.1.
#
# What happens: shap writes the row that is explained into a copy of the background, which keeps its dtype.
# Of a background of whole numbers, 10.7 becomes 10; of one of UInt8, 300 becomes 44. The exact, permutation
# and partition explainers explain that other row: base value and contributions add up to its prediction.
# KernelExplainer makes the sum right by force, and shares the difference among all features, even those
# which the model never looks at. Nobody warns. Frames make no difference.
#
# What one would expect: contributions that add up to the prediction of the row given, which is SHAP's
# first promise (local accuracy), and 0 for a feature without effect, its second; or an error. The pages on
# maskers and explainers say nothing of dtypes. The background is thought to decide the base value alone.
#
# Why it matters: ages, counts and pixels in training rows are whole numbers, the row asked about is a mean, a
# cluster's centre or a what-if, and its explanation belongs to a row that nobody asked about. One
# column of floats in a frame hides it, as all become floats then. Make backgrounds float64.
#
# Seen on 2026-11-30, for a model that returns its first column; base value 9 where the background is exact:
#   background int64, row (10.7, 3.2):   exact 1, 0 (sum 10)    kernel 1.35, 0.35 (sum 10.7)
#   background uint8, row (300, 3):      exact 35, 0 (sum 44)   kernel 163, 128 (sum 300)
#   background float64, row (10.7, 3.2): exact 1.7, 0 (sum 10.7), kernel 1.7, 0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    shap==0.51.0 numba==0.68.1 llvmlite==0.50.0 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 \
    pandas==3.1.1
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import numpy as np
import pandas as pd
import shap

background = np.arange(20).reshape(10, 2)
row, large = np.array([[10.7, 3.2]]), np.array([[300, 3]])


def model(rows):
    return np.asarray(rows)[:, 0] * 1.0


def explained(given, asked):
    """Give the contributions, rounded, and their sum with the base value, by two explainers."""
    exact = shap.Explainer(model, given, algorithm="exact")(asked)
    kernel = shap.KernelExplainer(model, given)
    found = {
        "exact": (exact.values[0], exact.base_values[0]),
        "kernel": (kernel.shap_values(asked, silent=True)[0], kernel.expected_value),
    }
    return {
        name: ([round(float(v), 6) for v in values], round(float(values.sum() + base), 6))
        for name, (values, base) in found.items()
    }


def frame(rows):
    return pd.DataFrame(rows, columns=["first", "second"])


found = {
    "int64": explained(background, row),
    "int64, frames": explained(frame(background), frame(row)),
    "uint8": explained(background.astype(np.uint8), large),
    "float64": explained(background.astype(float), row),
}
for name, each in found.items():
    print(f"{name}: {each}")

cut = {"exact": ([1, 0], 10), "kernel": ([1.35, 0.35], 10.7)}
expected = {
    "int64": cut,
    "int64, frames": cut,
    "uint8": {"exact": ([35, 0], 44), "kernel": ([163, 128], 300)},
    "float64": {"exact": ([1.7, 0], 10.7), "kernel": ([1.7, 0], 10.7)},
}
if found != expected:
    sys.exit("Changed: the dtype of the background no longer decides which row is explained.")
print("As recorded: of a background of whole numbers, another row is explained.")
PYTHON
