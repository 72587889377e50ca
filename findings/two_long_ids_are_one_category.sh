#!/usr/bin/env bash
# scikit-learn 1.9.1, given columns of pandas 3.1.1, some of them in types of pyarrow 26.0.1.
#
# What happens: scikit-learn takes a column of pandas' Int64 or int64[pyarrow] for float64, also where no
# cell is missing. OneHotEncoder, OrdinalEncoder and LabelEncoder then find one category where there are two ids
# beyond 2**53. Labels of pandas' boolean come back as 0.0 and 1.0 from classifiers, but as False and True
# from DummyClassifier, which does not convert them. The same ids as int64 or as texts are exact. Nobody
# warns.
#
# What one would expect: that categories and labels, with which nothing is computed, stay what they are; and
# that Int64 without a gap is treated as int64.
#
# Why it matters: ids of 18 or 19 digits are common, and read_csv with dtype_backend gives every column of
# whole numbers such a type. A customer gets another one's category; "if prediction is True" is never taken.
# Convert columns without gaps by astype("int64") or astype(bool), ids by astype(str).
#
# Seen on 2026-11-30, for the ids 2**53 and 2**53 + 1, each ten times:
#   categories, int64 and str:           2 (OneHotEncoder, OrdinalEncoder, LabelEncoder)
#   categories, Int64, int64[pyarrow]:   1
#   labels of boolean: KNeighborsClassifier [0.0, 1.0], DummyClassifier [False, True]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0 threadpoolctl==3.8.0 \
    pandas==3.1.1 pyarrow==26.0.1
cd "$folder"

env/bin/python -W error - <<'PYTHON'
import io
import sys

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, OrdinalEncoder

file = "id,flag\n" + f"{2**53},True\n{2**53 + 1},False\n" * 10
read = {
    "int64": pd.read_csv(io.StringIO(file)),
    "str": pd.read_csv(io.StringIO(file), dtype={"id": str}),
    "Int64": pd.read_csv(io.StringIO(file), dtype_backend="numpy_nullable"),
    "int64[pyarrow]": pd.read_csv(io.StringIO(file), dtype_backend="pyarrow"),
}
found = {}
for name, table in read.items():
    if str(table["id"].dtype) != name or table["id"].nunique() != 2:
        sys.exit(f"Changed: pandas reads {table['id'].dtype} in place of {name}.")
    column = table[["id"]]
    encoders = OneHotEncoder().fit(column), OrdinalEncoder().fit(column)
    found[name] = [len(each.categories_[0]) for each in encoders]
    found[name].append(len(LabelEncoder().fit(table["id"]).classes_))
    print(f"{name}: categories {found[name]}")

x, flags = np.arange(20.0)[:, None], read["Int64"]["flag"]
labels = [
    each.fit(x, flags).classes_.tolist() for each in (KNeighborsClassifier(), DummyClassifier())
]
print("labels of boolean:", *labels)

expected = {"int64": [2, 2, 2], "str": [2, 2, 2], "Int64": [1, 1, 1], "int64[pyarrow]": [1, 1, 1]}
if found != expected or str(labels) != "[[0.0, 1.0], [False, True]]":
    sys.exit("Changed: nullable integers are now as exact as others, or labels keep their type.")
print("As recorded: two long ids are one category where the column's type is nullable.")
PYTHON
