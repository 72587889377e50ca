#!/usr/bin/env bash
# numba 0.68.1 compiles NumPy 2.4.6's mean and std of a column of float32.
#
# What happens: compiled, np.mean and np.std (and np.sum, np.var) add numbers of float32 one by one to a sum
# of float32. Of a million years about 1998 the mean is 2013, and the standard deviation 18.1 where it is
# 10.0; of ten million, 2044 and 47.5. NumPy, which adds in pairs, is right to four digits and more.
# np.nanmean and np.nanstd, compiled by numba as well, add in float64 and are right. Nobody warns.
#
# What one would expect: that a function of NumPy keeps its value when it is compiled, but for the last
# digits; or that mean and nanmean of numbers without NaN agree.
#
# Why it matters: columns are standardised before a network learns from them, and float32 is what networks
# take. Features end up off their mean and half as wide, by more the more rows there are, and the scale that a
# sample gives does not fit the whole. Take np.nanmean and np.nanstd, or convert to float64 first.
#
# Seen on 2026-12-01, for normal numbers with mean 1998 and standard deviation 10, in float32:
#   1,000,000 rows:  NumPy 1998.0, 10.0; numba 2013.1, 18.1; numba's nanmean, nanstd 1998.0, 10.0
#   10,000,000 rows: NumPy 1998.0, 10.0; numba 2044.4, 47.5; numba's nanmean, nanstd 1998.0, 10.0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    numba==0.68.1 numpy==2.4.6
cd "$folder"

env/bin/python -W error - <<'PYTHON'
import sys

import numba
import numpy as np


def plain(x):
    return np.mean(x), np.std(x)


def without_nan(x):
    return np.nanmean(x), np.nanstd(x)


for rows, off, wider in (1_000_000, 10, 1.5), (10_000_000, 30, 3):
    years = np.random.default_rng(0).normal(1998, 10, rows).astype(np.float32)
    found = {
        "NumPy": plain(years),
        "numba": numba.njit(plain)(years),
        "numba, nanmean and nanstd": numba.njit(without_nan)(years),
    }
    for name, (mean, std) in found.items():
        print(f"{rows:,} rows, {name}: mean {mean:.1f}, standard deviation {std:.1f}")
        is_wrong = abs(mean - 1998) > off and std > wider * 10
        is_right = abs(mean - 1998) < 0.1 and abs(std - 10) < 0.1
        if not (is_wrong if name == "numba" else is_right):
            sys.exit(f"Changed: mean and standard deviation of {name}.")
print("As recorded: compiled by numba, a mean is off, and a standard deviation up to five times as wide.")
PYTHON
