#!/usr/bin/env bash
# category_encoders 2.11.2, HashingEncoder, given frames of pandas 3.1.1.
#
# What happens: the encoder learns nothing; it hashes each cell's text. A column of whole numbers hashes
# "1", "2", "3". If one cell of a batch is missing, pandas makes the column float64, and the encoder
# hashes "1.0", "2.0", "3.0": every category of that batch, in all rows, goes to other columns. The
# batch has the right shape and no gap, and nothing is said.
#
# What one would expect: that one missing cell changes the features of its own row; and that 1 and 1.0
# are the same category, as they are to scikit-learn's OneHotEncoder and to the same package's
# OrdinalEncoder.
#
# Why it matters: a network trained on complete rows predicts from scrambled inputs for every row that
# happens to share a batch with a gap. Row by row, the same rows are predicted well. pandas' Int64, which
# keeps whole numbers beside a gap, does not help; codes that are texts throughout do.
#
# Seen on 2026-11-30, column of the feature that is 1, for the codes 1, 2, 3:
#   alone:                        3, 4, 3
#   beside a row with a gap:      2, 4, 5
#   the same as Int64:            2, 4, 5
#   the same as texts:            3, 4, 3
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    category_encoders==2.11.2 pandas==3.1.1 numpy==2.4.6 scikit-learn==1.9.1 scipy==1.17.1 \
    statsmodels==0.15.0 patsy==1.0.3
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import category_encoders
import pandas as pd
from sklearn.preprocessing import OneHotEncoder

train = pd.DataFrame({"shop": [1, 2, 3]})
batch = pd.DataFrame({"shop": [1, 2, 3, None]})


def places(encoder, frame):
    """Give the column of the feature that is 1, of the three rows with a code."""
    return encoder.transform(frame).to_numpy()[:3].argmax(axis=1).tolist()


hashing = category_encoders.HashingEncoder(cols=["shop"], n_components=8, max_process=1).fit(train)
ordinal = category_encoders.OrdinalEncoder(cols=["shop"]).fit(train)
one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(train)

alone, beside = places(hashing, train), places(hashing, batch)
whole = places(hashing, batch.astype("Int64"))
texts = places(hashing, batch.astype("Int64").astype("string"))
print("hashed, alone:                  ", alone)
print("hashed, beside a row with a gap:", beside)
print("hashed, the same as Int64:      ", whole)
print("hashed, the same as texts:      ", texts)
same = [
    ordinal.transform(batch)["shop"][:3].tolist() == ordinal.transform(train)["shop"].tolist(),
    bool((one_hot.transform(batch)[:3] == one_hot.transform(train)).all()),
]
print("OrdinalEncoder, OneHotEncoder, the same in both:", same)
if alone == beside or beside != whole or alone != texts or not all(same):
    sys.exit("Changed: a gap moved the other rows' hashed categories, also as Int64.")
print("As recorded: one gap moves the categories of all other rows.")
PYTHON
