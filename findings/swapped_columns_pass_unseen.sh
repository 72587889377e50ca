#!/usr/bin/env bash
# polars 2.0.0 and scikit-learn 1.6.1, 1.7.2 and 1.8.0 meet.
#
# What happens: a model is fitted on a frame of polars, and asked with the same columns in another order. It
# predicts by their positions, without an error or a warning, and has no feature_names_in_. With polars 1.35.2,
# and with scikit-learn 1.9.1, it raises a ValueError that names the columns.
#
# What one would expect: the names, which scikit-learn reads from frames of polars 1, or a word that they are not
# read. scikit-learn up to 1.8 asks any frame but pandas' for `__dataframe__`, the interchange protocol, which
# polars has dropped in 2.0: a frame without it is taken for an array.
#
# Why it matters: scikit-learn 1.7 is the last one for Python 3.10, and nothing keeps pip from polars 2 there.
# A ColumnTransformer that is told columns by name ends there with an AttributeError ('list' object has no
# attribute 'get_loc'), but estimators and pipelines of scalers go on without a word.
#
# Seen on 2026-12-01, for y = a and a frame with the columns b, a:
#   scikit-learn 1.6.1, 1.7.2, 1.8.0 with polars 2.0.0: no names, and b is predicted
#   scikit-learn 1.8.0 with polars 1.35.2, and 1.9.1 with 2.0.0: a ValueError
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
cd "$folder"

cat > ask.py <<'PYTHON'
import warnings

import polars as pl
import sklearn
from sklearn.linear_model import LinearRegression

warnings.simplefilter("error")
table = pl.DataFrame({"a": [1.0, 2.0, 3.0, 5.0], "b": [10.0, 0.0, 5.0, 1.0]})
model = LinearRegression().fit(table, table["a"].to_numpy())
try:
    found = str(abs(model.predict(table.select("b", "a"))).round().tolist())
except ValueError as error:
    found = f"ValueError: {str(error).splitlines()[0]}"
names = getattr(model, "feature_names_in_", None)
print(f"scikit-learn {sklearn.__version__}, polars {pl.__version__}: {names}; {found}")
PYTHON

ask() {
  env/bin/pip install --quiet --no-compile --only-binary :all: \
    "scikit-learn==$1" "polars==$2" scipy==1.16.3 numpy==2.3.5
  env/bin/python ask.py | tee -a seen
}
ask 1.6.1 2.0.0
ask 1.7.2 2.0.0
ask 1.8.0 2.0.0
ask 1.8.0 1.35.2
ask 1.9.1 2.0.0

cat > expected <<'TEXT'
scikit-learn 1.6.1, polars 2.0.0: None; [10.0, 0.0, 5.0, 1.0]
scikit-learn 1.7.2, polars 2.0.0: None; [10.0, 0.0, 5.0, 1.0]
scikit-learn 1.8.0, polars 2.0.0: None; [10.0, 0.0, 5.0, 1.0]
scikit-learn 1.8.0, polars 1.35.2: ['a' 'b']; ValueError: The feature names should match those that were passed during fit.
scikit-learn 1.9.1, polars 2.0.0: ['a' 'b']; ValueError: The feature names should match those that were passed during fit.
TEXT
diff expected seen || { echo "Changed: expected what stands above with <."; exit 1; }
echo "As recorded: columns of polars 2 are taken by their positions before scikit-learn 1.9."
