#!/usr/bin/env bash
# sklearn-onnx 1.20.0 converts scikit-learn 1.9.1's PowerTransformer; onnxruntime 1.32.0 runs it.
#
# What happens: scikit-learn's PowerTransformer leaves a gap as NaN, which a SimpleImputer behind it fills. In
# the ONNX model a gap leaves it as 0 before it is standardised, so that the imputer finds nothing to fill: a
# missing income is far below every income that there is. That is so for Yeo-Johnson, the default; Box-Cox
# keeps NaN. Nobody warns, and rows without gaps agree.
#
# What one would expect: NaN, as from scikit-learn, and as StandardScaler, RobustScaler and
# QuantileTransformer leave it in ONNX.
#
# Why it matters: a served model predicts something else for each row with a gap. Whoever compares both on
# complete rows sees nothing. Put the imputer before the transformer.
#
# Seen on 2026-12-01, for incomes about exp(10), of which every tenth is missing:
#   transformed, the lowest income -3.7:  scikit-learn's gap nan, ONNX's -8.9; by Box-Cox nan and nan
#   a network for log(income), for the row with a gap: scikit-learn 9.98, ONNX 12.45
#   rows without gaps: they differ by less than 1e-4
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.32.0 protobuf==7.36.2 \
    scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0 threadpoolctl==3.8.0
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import numpy as np
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, QuantileTransformer, RobustScaler, StandardScaler


def in_onnx(estimator, rows):
    model = to_onnx(estimator, rows[:1]).SerializeToString()
    return InferenceSession(model).run(None, {"X": rows})[0].ravel()


income = np.random.default_rng(0).lognormal(10, 1, (1000, 1)).astype(np.float32)
target, gaps = np.log(income[:, 0]), np.arange(1000) % 10 == 0
income[gaps] = np.nan
filled = {}
for transformer in (
    PowerTransformer(), PowerTransformer("box-cox"), StandardScaler(), RobustScaler(),
    QuantileTransformer(n_quantiles=100),
):  # fmt: skip
    expected, found = transformer.fit_transform(income).ravel(), in_onnx(transformer, income)
    filled[str(transformer)] = not np.isnan(found[gaps]).any()
    print(f"{transformer}: lowest {np.nanmin(expected):.1f}, gaps {expected[0]}, {found[0]:.1f}")
    if not np.isnan(expected[gaps]).all():
        sys.exit(f"Changed: scikit-learn's {transformer} fills gaps.")

network = MLPRegressor(hidden_layer_sizes=(16,), max_iter=500, random_state=0)
model = make_pipeline(PowerTransformer(), SimpleImputer(), network).fit(income, target)
expected, found = model.predict(income), in_onnx(model, income)
apart = np.abs(expected - found)
print(f"a row with a gap: scikit-learn {expected[0]:.2f}, ONNX {found[0]:.2f}")
print(f"rows without gaps: they differ by at most {apart[~gaps].max():.0e}")
after = make_pipeline(SimpleImputer(), PowerTransformer(), network).fit(income, target)
print(f"imputer first: {np.abs(after.predict(income) - in_onnx(after, income)).max():.0e}")

if list(filled.values()) != [True, False, False, False, False]:
    sys.exit("Changed: other transformers than PowerTransformer() fill gaps in ONNX.")
if not (apart[gaps].min() > 1 and apart[~gaps].max() < 1e-4):
    sys.exit("Changed: both predict the same for rows with gaps, or not for those without.")
print("As recorded: a gap is a number after PowerTransformer in ONNX.")
PYTHON
