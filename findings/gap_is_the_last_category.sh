#!/usr/bin/env bash
# pyarrow 26.0.1 gives a column of categories to NumPy 2.4.6; narwhals 2.29.0, scikit-learn 1.9.1.
#
# What happens: a column of a table that has categories (Arrow's dictionary type) becomes an array in which
# each gap is the last category: red, null, blue are red, blue, blue. So do to_numpy() and np.asarray of the
# column and of the table, and all that rely on them: to_numpy() and to_pandas() of narwhals' series, and
# scikit-learn's OneHotEncoder on the table. Numbers that are categories fare alike. A chunk of the column
# keeps its gap, and so do to_pandas() and to_pylist(). Nobody warns.
#
# What one would expect: None, as for a column of texts, and as the chunk gives it.
#
# Why it matters: categories of pandas and polars, written to Parquet, come back as such columns, and
# categories with gaps are common. A network learns that whoever gave no answer gave the last one. Cast to the
# type of the values, column.cast(column.type.value_type), or go by to_pandas().
#
# Seen on 2026-12-01, for red, null, blue, read from Parquet:
#   column.to_numpy(), np.asarray of column and table: ['red', 'blue', 'blue']
#   narwhals, to_numpy() and to_pandas():              ['red', 'blue', 'blue']
#   column.chunk(0).to_numpy(), column.to_pylist():    ['red', None, 'blue']
#   column.to_pandas():                                ['red', nan, 'blue']
#   OneHotEncoder: [[0, 1], [1, 0], [1, 0]], of ['blue', 'red']
#   10, null, 30 as categories:                        [10, 30, 30]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    pyarrow==26.0.1 numpy==2.4.6 pandas==3.1.1 narwhals==2.29.0 \
    scikit-learn==1.9.1 scipy==1.17.1 joblib==1.6.0 threadpoolctl==3.8.0
cd "$folder"

env/bin/python -W error - <<'PYTHON'
import sys

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
from sklearn.preprocessing import OneHotEncoder

colours = pd.Series(["red", None, "blue"])
frame = pd.DataFrame({"colour": pd.Categorical(colours, ["red", "blue"]), "text": colours})
frame.to_parquet("colours.parquet")
table = parquet.read_table("colours.parquet")
column = table["colour"]
wrong = {
    "column.to_numpy()": column.to_numpy(),
    "np.asarray(column)": np.asarray(column),
    "np.asarray(table)": np.asarray(table.select(["colour"]))[:, 0],
    "narwhals, to_numpy()": nw.from_native(table)["colour"].to_numpy(),
    "narwhals, to_pandas()": nw.from_native(table)["colour"].to_pandas().to_numpy(),
}
right = {
    "column.chunk(0).to_numpy()": column.chunk(0).to_numpy(zero_copy_only=False),
    "column.to_pylist()": column.to_pylist(),
    "column.to_pandas()": column.to_pandas(),
    "column.cast(the type of the values)": column.cast(column.type.value_type).to_numpy(),
    "a column of texts": table["text"].to_numpy(),
}
for name, cells in (wrong | right).items():
    print(f"{name}: {list(cells)}")

encoder = OneHotEncoder(sparse_output=False)
rows = encoder.fit_transform(table.select(["colour"])).astype(int).tolist()
names = encoder.categories_[0].tolist()
print(f"OneHotEncoder: {rows}, of {names}")
numbers = pa.chunked_array([[10, None, 30]]).dictionary_encode().to_numpy().tolist()
print(f"numbers: {numbers}")

gap_is_last = all(list(cells) == ["red", "blue", "blue"] for cells in wrong.values())
gap_stays = all(pd.isna(list(cells)).tolist() == [False, True, False] for cells in right.values())
encoded = rows == [[0, 1], [1, 0], [1, 0]] and names == ["blue", "red"]
if not (gap_is_last and gap_stays and encoded and numbers == [10, 30, 30]):
    sys.exit("Changed: NumPy no longer takes a gap in a table's categories for the last of them.")
print("As recorded: a gap in a table's categories is the last category for NumPy.")
PYTHON
