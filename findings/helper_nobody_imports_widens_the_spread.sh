#!/usr/bin/env bash
# pandas 3.1.1 and NumPy 2.4.6, without and with Bottleneck 1.6.1, which pip install "pandas[performance]" brings.
#
# What happens: where Bottleneck is installed, pandas takes std and var of a column of float32 from it, without being
# asked, and Bottleneck adds the numbers one by one to a sum of float32. Of a million air pressures about 1013 hPa
# whose standard deviation is 8, std is 9.8; of ten million, 13.1. describe() says the same. groupby(...).std() of one
# group is right, and so are mean and sum, which pandas computes itself. Nobody warns.
#
# What one would expect: the same numbers but for the last digits, only sooner: the page on the option
# compute.use_bottleneck, which is True, speaks of speed. pandas leaves mean and sum to itself because of this loss.
#
# Why it matters: a column is standardised before a network learns from it, and float32 is what networks compute in.
# With the same program and the same pandas the column is narrower where Bottleneck happens to be in the environment,
# which any other package may have brought: a model fitted on one machine is asked on another with other numbers. Set
# pandas.set_option("compute.use_bottleneck", False), or take std of the column as float64.
#
# Seen on 2026-12-01, std of air pressures as float32 (of the same as float64):
#   without Bottleneck:  1,000,000: 8.0     10,000,000: 8.0     (8.0)
#   with Bottleneck:     1,000,000: 9.8     10,000,000: 13.1    (8.0)
#   of ten million times 0.1: 0.0 without, 0.0086 with
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: pandas==3.1.1 numpy==2.4.6
cd "$folder"

cat > spread.py <<'PYTHON'
import importlib.util
import sys

import numpy as np
import pandas as pd

installed = importlib.util.find_spec("bottleneck") is not None
print("with" if installed else "without", "Bottleneck, and the same as float64:")
rng = np.random.default_rng(0)
ratios, others = [], []
for rows in 1_000_000, 10_000_000:
    pressures = pd.Series(rng.normal(1013, 8, rows).astype(np.float32))
    exact = pressures.astype(np.float64)
    print(f"  {rows:,}: {pressures.std():.4g} {exact.std():.4g}")
    ratios.append(pressures.std() / exact.std())
    others.append(pressures.mean() / exact.mean())
    others.append(pressures.groupby(np.zeros(rows)).std().item() / exact.std())
    assert pressures.describe()["std"] == pressures.std()
equal = pd.Series(np.full(10_000_000, 0.1, np.float32)).std()
print(f"  of ten million times 0.1: {equal:.2g}")

are_right = np.allclose(others, 1, rtol=1e-4)
wide = ratios[0] > 1.2 and ratios[1] > 1.6 and equal > 0.005
right = np.allclose(ratios, 1, rtol=1e-4) and equal == 0
if not (are_right and (wide if installed else right)):
    sys.exit("Changed: pandas' std of float32 no longer depends on whether Bottleneck is installed.")
PYTHON
env/bin/python -W error spread.py
env/bin/pip install --quiet --no-compile --only-binary :all: Bottleneck==1.6.1
env/bin/python -W error spread.py
echo "As recorded: where Bottleneck is installed, pandas spreads a column of float32 wider."
