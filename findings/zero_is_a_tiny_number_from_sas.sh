#!/usr/bin/env bash
# pandas 3.1.1 reads a transport file of SAS (XPORT, version 5), which pyreadstat 1.3.8 wrote.
#
# What happens: each 0 in the file, eight bytes of zeros as SAS writes it, is 5.397605346934028e-79 from pandas'
# read_sas, the number for which the format's zero would stand if it were no zero. All other numbers are right, and
# pyreadstat reads 0 from the same file. So `== 0` finds no row and `> 0` finds all, as a boolean each 0 is True, and
# its logarithm is -180 in place of -inf. Printed with a few digits behind the point it looks like 0, and cast to
# integers it is 0. Nobody warns.
#
# What one would expect: 0.
#
# Why it matters: public health surveys (NHANES) and clinical data come as such files, and 0 is their most frequent
# answer: no drinks, no children, No. A flag of 0 and 1 no longer holds whole numbers, so what is a class may be taken
# for a value. Round such columns, or read with pyreadstat.
#
# Seen on 2026-12-01, for 0, 1, 0, 3 drinks:
#   bytes of the first row in the file: 0000000000000000
#   pandas:      [5.397605346934028e-79, 1.0, 5.397605346934028e-79, 3.0]
#   pyreadstat:  [0.0, 1.0, 0.0, 3.0]
#   rows that are 0: pandas 0, pyreadstat 2; logarithm of the first row: pandas -180.2, pyreadstat -inf
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    pandas==3.1.1 numpy==2.4.6 pyreadstat==1.3.8
cd "$folder"

env/bin/python -W error - <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat

frame = pd.DataFrame({"drinks": [0.0, 1, 0, 3]})
pyreadstat.write_xport(frame, "drinks.xpt", table_name="DRINKS", file_format_version=5)
records = Path("drinks.xpt").read_bytes()
last = records[-80:]  # the rows begin a record of 80 bytes
print("bytes of the first row:", last[:8].hex())
by_pandas = pd.read_sas("drinks.xpt")["drinks"]
by_pyreadstat = pyreadstat.read_xport("drinks.xpt")[0]["drinks"]
logarithms, zeros = [], []
for name, cells in {"pandas": by_pandas, "pyreadstat": by_pyreadstat}.items():
    with np.errstate(divide="ignore"):
        logarithms.append(round(float(np.log(cells[0])), 1))
    zeros.append(int((cells == 0).sum()))
    flags = cells.astype(bool).tolist()
    print(f"{name}: {cells.tolist()}, zeros {zeros[-1]}, log {logarithms[-1]}, flags {flags}")

as_recorded = (
    last[:8] == bytes(8)
    and by_pyreadstat.tolist() == [0, 1, 0, 3]
    and by_pandas.tolist() == [5.397605346934028e-79, 1, 5.397605346934028e-79, 3]
    and zeros == [0, 2]
    and logarithms == [-180.2, -np.inf]
)
if not as_recorded:
    sys.exit("Changed: pandas reads a zero of a transport file as 0.")
print("As recorded: pandas reads a zero of a transport file as 5.4e-79.")
PYTHON
