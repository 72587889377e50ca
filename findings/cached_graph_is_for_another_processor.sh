#!/usr/bin/env bash
# torch 2.13.0 with torch.compile on a processor with AVX-512; a C++ compiler, here g++ 12.2.0.
#
# What happens: a function is compiled in one process. A second process is told to use AVX2 alone,
# by ATEN_CPU_CAPABILITY=avx2, and compiles the same function for the same shape. The cache of
# graphs hands it the first one's C++, whose loops step by 16 numbers, for the key does not hold the
# instruction set. That text is then built with vectors of 8, so every second vector is left out:
# the sum of 64 numbers is the sum of 32 of them. No warning or error is given.
#
# What one would expect: the same sum, as with TORCHINDUCTOR_FORCE_DISABLE_CACHES=1 or with a cache
# folder for each instruction set.
#
# Why it matters: the cache stays in a folder of temporary files between programs, and is often put
# in one that several machines share, which TORCHINDUCTOR_CACHE_DIR is there for. A benchmark that
# holds PyTorch to AVX2 after a run without a limit trains on nonsense.
#
# Needs Linux on x86-64 with AVX-512, and g++.
#
# Seen on 2026-12-01, twice 1 + 2 + ... + 64, which is 4160:
#   first process 4160.0, second 1824.0, second without the cache 4160.0
set -euo pipefail

grep -q avx512f /proc/cpuinfo || { echo "This processor has no AVX-512: nothing to show."; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: torch==2.13.0 numpy==2.4.6
cd "$folder"

cat > total.py <<'EOF'
import torch

x = torch.arange(1, 65, dtype=torch.float32)
with torch.no_grad():
    print(float(torch.compile(lambda t: (t * 2).sum())(x)))
EOF

export TORCHINDUCTOR_CACHE_DIR="$folder/cache"
first=$(env/bin/python total.py)
second=$(ATEN_CPU_CAPABILITY=avx2 env/bin/python total.py)
fresh=$(ATEN_CPU_CAPABILITY=avx2 TORCHINDUCTOR_CACHE_DIR="$folder/another" env/bin/python total.py)
echo "first process: $first, second: $second, second with a cache of its own: $fresh"
if [ "$first $second $fresh" != "4160.0 1824.0 4160.0" ]; then
    echo "Changed: the cached graph now fits the instruction set, or is not found."
    exit 1
fi
echo "As recorded: the second process sums every second vector of 8."
