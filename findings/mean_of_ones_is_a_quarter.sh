#!/usr/bin/env bash
# ml_dtypes 0.6.0 with NumPy 2.4.6, beside JAX 0.10.2, which gives out such arrays.
#
# What happens: 1,000 ones in bfloat16, as np.asarray gives them from an array of JAX, have the sum 256
# and the mean 0.256. NumPy adds bfloat16 in bfloat16, one after the other, and 256 + 1 is 256 there. The
# longer the array, the smaller its mean. The same call on the array of JAX gives 1, as does NumPy's
# own float16: for this one type, np.mean adds in float32, and np.sum adds pairwise. The dot product of the
# same ones is right as well.
#
# What one would expect: that the mean of a short type is computed in float32, since it is for float16;
# and that np.mean of an array does not depend on which library's copy of it is asked.
#
# Why it matters: whoever trains in bfloat16 looks at activations, gradients and losses through NumPy. Means
# and norms are too small, by a factor that grows with the batch, and curves look like progress.
# Say mean(dtype=np.float32).
#
# Seen on 2026-11-30, for 1,000 ones:
#   bfloat16 in NumPy:  sum 256, mean 0.255859
#   bfloat16 in JAX:    sum 1000, mean 1
#   float16 in NumPy:   sum 1000, mean 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    jax==0.10.2 jaxlib==0.10.2 ml_dtypes==0.6.0 numpy==2.4.6 scipy==1.17.1
cd "$folder"

JAX_PLATFORMS=cpu env/bin/python -W ignore - <<'PYTHON'
import sys

import jax.numpy as jnp
import numpy as np

ones = jnp.ones(1000, jnp.bfloat16)
arrays = {
    "bfloat16 in NumPy": np.asarray(ones),
    "bfloat16 in JAX": ones,
    "float16 in NumPy": np.ones(1000, np.float16),
}
found = {}
for name, array in arrays.items():
    found[name] = float(array.sum()), float(array.mean())
    print(f"{name}: {array.dtype}, sum {found[name][0]:g}, mean {found[name][1]:g}")
told = float(arrays["bfloat16 in NumPy"].mean(dtype=np.float32))
print(f"bfloat16 in NumPy, mean(dtype=np.float32): {told:g}")

first, *others = found.values()
if first[0] != 256 or not 0.25 < first[1] < 0.26 or [*others, (1000, told)] != [(1000, 1)] * 3:
    sys.exit("Changed: NumPy no longer adds bfloat16 in bfloat16, or JAX does.")
print("As recorded: the mean of a thousand ones is about a quarter.")
PYTHON
