#!/usr/bin/env bash
# MAPIE 1.6.0 with models of scikit-learn 1.9.1 on frames of pandas 3.1.1.
#
# What happens: MAPIE takes a model that is fitted already, prefit=True, and asks it first about one row of zeros, as an
# array of NumPy. HistGradientBoostingRegressor that has learned from a column of categories cannot take a zero for a
# text, and conformalize fails: "Estimator does not appear fitted", with a UserWarning, which is raised as an error. The
# same model behind prefit=False, which MAPIE fits itself and never asks so, is taken, and so is the same one as the
# last step of a Pipeline behind an encoder, for of a Pipeline the last step alone is asked.
#
# What one would expect: scikit-learn's own check_is_fitted, which tells a fitted model by its attributes; and that a
# model which is fitted, with rows to conformalize it on at hand, is not asked about a row that nobody has.
#
# Why it matters: the message sends one to look for a fit that went wrong, and whoever has a model in service cannot
# fit it anew. Models that read frames as they are, of texts and dates too, are the ones refused. Encode such columns in
# a step before the model.
#
# Seen on 2026-12-01, 300 rows with a column of numbers and one of categories:
#   fitted, prefit=True:                       UserWarning: Estimator does not appear fitted. ...
#   its columns encoded before, in a Pipeline: intervals of (300, 2, 1)
#   not fitted, CrossConformalRegressor:       intervals of (300, 2, 1)
#   check_is_fitted of scikit-learn:           passes
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    mapie==1.6.0 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 pandas==3.1.1
cd "$folder"

env/bin/python -W ignore::UserWarning - <<'PYTHON'
import sys

import numpy as np
import pandas as pd
from mapie.regression import CrossConformalRegressor, SplitConformalRegressor
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils.validation import check_is_fitted

rng = np.random.default_rng(0)
city = pd.Categorical(rng.choice(["Bern", "Cork", "Faro"], 300))
x = pd.DataFrame({"area": rng.normal(size=300), "city": city})
y = x["area"].to_numpy() + (city == "Bern")


def intervals(model):
    try:
        model = SplitConformalRegressor(model, prefit=True).conformalize(x[200:], y[200:])
        return str(model.predict_interval(x)[1].shape)
    except Warning as warning:
        return f"{type(warning).__name__}: {warning.args[0]}"


boosting = HistGradientBoostingRegressor(categorical_features="from_dtype")
fitted = boosting.fit(x[:200], y[:200])
check_is_fitted(fitted)
encoder = make_column_transformer((OrdinalEncoder(), ["city"]), remainder="passthrough")
encoded = make_pipeline(encoder, HistGradientBoostingRegressor()).fit(x[:200], y[:200])
crossed = CrossConformalRegressor(boosting, cv=3).fit_conformalize(x, y)
found = intervals(fitted), intervals(encoded), str(crossed.predict_interval(x)[1].shape)
print("fitted:", found[0][:110], "...")
print("encoded before, in a Pipeline:", found[1])
print("fitted by MAPIE:", found[2])

taken = str((300, 2, 1))
refused = found[0].startswith("UserWarning: Estimator does not appear fitted.")
if not (refused and found[1:] == (taken, taken)):
    sys.exit("Changed: MAPIE takes a fitted model of categories.")
print("As recorded: MAPIE asks a fitted model about zeros, and takes it for one that is not.")
PYTHON
