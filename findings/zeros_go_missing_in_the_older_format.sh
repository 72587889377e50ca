#!/usr/bin/env bash
# zarr 3.1.6 writes, xarray 2026.9.0 reads, both with NumPy 2.4.6.
#
# What happens: zarr notes a fill value beside each array, for chunks that were never written; by default it
# is 0. Of an array in Zarr's format 2, xarray takes it for the mark of a gap, as _FillValue is in netCDF:
# every 0 that was measured and written becomes NaN, and whole numbers become floats. Of the same
# array in format 3, the default of zarr 3, nothing is missing. mean() leaves gaps out, so it is 6 where it
# was 3. The option that the page of open_zarr names against this, use_zarr_fill_value_as_mask=False, "the
# fill_value is ignored and the data are not masked", changes nothing. Nobody warns.
#
# What one would expect: the numbers that were written, from both formats, for Zarr knows no gaps, and its
# fill value is for what was not written. Or, since the page says that the option is on for format 2 and
# off for format 3, that it can be turned off.
#
# Why it matters: counts, rain and black pixels are mostly 0, and most published stores are in format 2.
# Without their zeros means are too high, and whoever fills gaps by a median gets no zeros at all. Say
# mask_and_scale=False, which leaves scales undone too, or create arrays with fill_value=None.
#
# Seen on 2026-11-30, for 0, 5, 0, 7 as int32:
#   zarr reads both formats as:    int32 [0, 5, 0, 7]
#   xarray reads format 3 as:      int32 [0, 5, 0, 7], mean 3
#   xarray reads format 2 as:      floats [nan, 5, nan, 7], mean 6
#   format 2, option off:          the same, by open_zarr and by open_dataset
#   format 2, mask_and_scale off:  int32 [0, 5, 0, 7], mean 3; so with fill_value=None
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    zarr==3.1.6 xarray==2026.9.0 numpy==2.4.6 pandas==3.1.1
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import numpy as np
import xarray as xr
import zarr

counts = np.array([0, 5, 0, 7], np.int32)


def write(name, **options):
    """Write the counts as an array that xarray can open: one with named dimensions."""
    group = zarr.open_group(name, mode="w", zarr_format=options.pop("zarr_format"))
    array = group.create_array("count", data=counts, **options)
    if "dimension_names" not in options:
        array.attrs["_ARRAY_DIMENSIONS"] = ["day"]


write("third.zarr", zarr_format=3, dimension_names=["day"])
write("second.zarr", zarr_format=2)
write("without.zarr", zarr_format=2, fill_value=None)
for name in "third.zarr", "second.zarr":
    print(f"zarr reads {name}:", zarr.open_group(name)["count"][:].tolist())

asked = {
    "third": ("third.zarr", {}),
    "second": ("second.zarr", {}),
    "second, option off": ("second.zarr", {"use_zarr_fill_value_as_mask": False}),
    "second, mask_and_scale off": ("second.zarr", {"mask_and_scale": False}),
    "second, without a fill value": ("without.zarr", {}),
}
found = {}
for name, (store, options) in asked.items():
    column = xr.open_zarr(store, consolidated=False, chunks=None, **options)["count"]
    found[name] = column.dtype.kind, float(column.mean())
    print(f"xarray reads {name}: {column.dtype} {column.values.tolist()}, mean {found[name][1]}")

off = {"use_zarr_fill_value_as_mask": False, "consolidated": False}
with xr.open_dataset("second.zarr", engine="zarr", **off) as data:
    found["open_dataset, option off"] = data["count"].dtype.kind, float(data["count"].mean())
print("open_dataset, option off:", found["open_dataset, option off"])

whole, cut = ("i", 3), ("f", 6)
if list(found.values()) != [whole, cut, cut, whole, whole, cut]:
    sys.exit("Changed: zeros of format 2 are no longer missing, or those of format 3 are.")
print("As recorded: the zeros of one format are missing, those of the other are not.")
PYTHON
