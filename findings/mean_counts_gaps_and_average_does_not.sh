#!/usr/bin/env bash
# netCDF4 1.7.5.1.post1 with NumPy 2.4.6, beside xarray 2026.9.0.
#
# What happens: a variable with a gap is a masked array by indexing, v[:]. Given to NumPy as it is, some
# functions heed the mask, and some take the fill value of the file for a number. np.average(v) and
# np.nanmean(v) are 20, np.mean(v) is -234.75; np.sort(v) ends with a gap, and np.median(v) is 10, which is
# neither with the gap nor without. np.asarray(v) has -999 in the gap, np.asanyarray(v) is masked, and
# np.ma.filled(v, 0), which is for masks, fills nothing. Nobody warns.
#
# What one would expect: that np.mean(v) is v[:].mean(), as for the masked array itself, and as xarray's of the
# same file is; or that all functions of NumPy see the same numbers.
#
# Why it matters: measurements have gaps, and v[:] and v look alike in a notebook. A fill value may be of the
# size of the data, and a mean of thousands of numbers with a few gaps is just somewhat too low. Write v[:]
# always; before a library that knows no masks, filled(nan).
#
# Seen on 2026-11-30, for 10, 20, a gap and 30, as int16 with the fill value -999:
#   v[:].mean() 20, xarray's np.mean 20; np.average(v) 20, np.nanmean(v) 20, np.mean(v) -234.75
#   np.sort(v) [10, 20, 30, --], np.median(v) 10, np.ma.median(v[:]) 20, np.cumsum(v) [10, 30, -969, -939]
#   np.asanyarray(v) [10, 20, --, 30], np.asarray(v) and np.ma.filled(v, 0) [10, 20, -999, 30]
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    netCDF4==1.7.5.1.post1 numpy==2.4.6 xarray==2026.9.0 pandas==3.1.1
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import netCDF4
import numpy as np
import xarray as xr

measured = np.ma.masked_array([10, 20, 0, 30], mask=[False, False, True, False])
with netCDF4.Dataset("measured.nc", "w") as file:
    file.createDimension("row", 4)
    file.createVariable("count", "i2", ("row",), fill_value=-999)[:] = measured

with netCDF4.Dataset("measured.nc") as file:
    v = file["count"]
    found = {
        "v[:].mean()": v[:].mean(),
        "np.average(v)": np.average(v),
        "np.nanmean(v)": np.nanmean(v),
        "np.mean(v)": np.mean(v),
        "np.ma.median(v[:])": np.ma.median(v[:]),
        "np.median(v)": np.median(v),
        "np.sort(v)": np.sort(v).tolist(),
        "np.cumsum(v)": np.cumsum(v).tolist(),
        "np.asanyarray(v)": np.asanyarray(v).tolist(),
        "np.asarray(v)": np.asarray(v).tolist(),
        "np.ma.filled(v, 0)": np.ma.filled(v, 0).tolist(),
    }
with xr.open_dataset("measured.nc", engine="netcdf4") as data:
    found["xarray, np.mean"] = float(np.mean(data["count"]))
for name, value in found.items():
    print(f"{name}: {value}")

raw = [10, 20, -999, 30]
sums, masked = [10, 30, -969, -939], [10, 20, None, 30]
expected = [20, 20, 20, -234.75, 20, 10, [10, 20, 30, None], sums, masked, raw, raw, 20]
if list(found.values()) != expected:
    sys.exit("Changed: other functions of NumPy heed the gaps of a variable, or all do.")
print("As recorded: the mean counts a gap as a number, the average does not.")
PYTHON
