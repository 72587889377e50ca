#!/usr/bin/env bash
# safetensors 0.8.0 and 0.7.0, given arrays of NumPy 2.4.6, some of them made by scikit-learn 1.9.1.
#
# What happens: safetensors.numpy.save and save_file of release 0.8.0 write the memory of an array as it
# lies there, beside its shape. An array in Fortran's order, such as a transposed one or what PCA
# returns, is read back with the right shape and type, and its numbers in other places. Of a strided one,
# other numbers are written. Release 0.7.0 wrote the same arrays correctly. Neither warns.
#
# What one would expect: an error, as safetensors.torch.save_file gives for a transposed tensor, or the
# numbers that were given, as one release before, and as np.save writes them. The page asks for arrays
# that are "contiguous and dense"; an array in Fortran's order is both, and calls itself F_CONTIGUOUS.
#
# Why it matters: weights are kept as (outputs, inputs) here and (inputs, outputs) there, so that one of
# both is a transposed view: so are the weights in Network.parameters here. All checks of shapes pass,
# and the model that is read predicts at random. Say np.ascontiguousarray for each array that is saved.
#
# Seen on 2026-11-30, of [[0, 1, 2], [3, 4, 5]] and of PCA's output (6 rows, 2 columns):
#   0.7.0: transposed [[0, 3], [1, 4], [2, 5]], PCA's output equal
#   0.8.0: transposed [[0, 1], [2, 3], [4, 5]], PCA's output is not
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    safetensors==0.8.0 numpy==2.4.6 scikit-learn==1.9.1 scipy==1.17.1 joblib==1.6.0 threadpoolctl==3.8.0
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: --no-deps \
    --target "$folder/older" safetensors==0.7.0
cd "$folder"

cat > roundtrip.py <<'PYTHON'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load, save
from sklearn.decomposition import PCA

version, is_right = sys.argv[1], sys.argv[2] == "right"
if safetensors.__version__ != version:
    sys.exit(f"Expected safetensors {version}, got {safetensors.__version__}.")
weight = np.arange(6.0).reshape(2, 3)
scores = PCA(2).fit_transform(np.random.default_rng(0).normal(size=(6, 4)))
given = {"plain": weight, "transposed": weight.T, "PCA's output": scores}
found = load(save(given))
same = {name: np.array_equal(found[name], array) for name, array in given.items()}
print(f"{version}: transposed {found['transposed'].tolist()};", "same:", same)
if any(found[name].shape != array.shape for name, array in given.items()):
    sys.exit("Changed: a shape is no longer kept.")
if same != {"plain": True, "transposed": is_right, "PCA's output": is_right}:
    sys.exit("Changed: other arrays come back as they were given.")
PYTHON
PYTHONPATH=older env/bin/python -W error roundtrip.py 0.7.0 right
env/bin/python -W error roundtrip.py 0.8.0 wrong
echo "As recorded: release 0.8.0 writes transposed arrays in another order."
