#!/usr/bin/env bash
# jax 0.10.2 and jaxlib 0.10.2 on a processor with AVX-512.
#
# What happens: XLA_FLAGS=--xla_cpu_max_isa=AVX2 does not slow a product of matrices down. XLA hands
# products to YNNPACK, a library of kernels that asks the processor what it has and takes its
# kernels for AVX-512; a sampler shows ynn::dot_fp32_5x64x1_1x16x1_avx512 with the flag set. Without
# YNNPACK products go to oneDNN, which has a limit of its own: ONEDNN_MAX_CPU_ISA=AVX2.
#
# What one would expect: the flag is described as the most an XLA program may use of a processor.
# What XLA compiles by itself does keep to it.
#
# Why it matters: who compares libraries at AVX2, or looks for a difference in bits between two
# machines by holding one to the other's instructions, compares something else. On a processor
# whose AVX-512 is twice as wide as its AVX2, JAX appears to run above the peak of AVX2.
#
# Needs Linux on x86-64 with AVX-512, such as Zen 5. It is a matter of rates, so the bounds are wide.
#
# Seen on 2026-12-01, product of 1024 x 1024 float32 on one core, GFLOP/s (AVX2's peak there: 141):
#   as it comes 249, with the flag 252, without YNNPACK and with both limits 113
set -euo pipefail

grep -q avx512f /proc/cpuinfo || { echo "This processor has no AVX-512: nothing to show."; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$folder"

cat > rate.py <<'EOF'
import time

import jax
import jax.numpy as jnp

a = jnp.ones((1024, 1024), jnp.float32)
product = jax.jit(lambda p, q: p @ q)
product(a, a).block_until_ready()
times = []
for _ in range(60):
    start = time.perf_counter()
    product(a, a).block_until_ready()
    times.append(time.perf_counter() - start)
print(f"{2 * 1024**3 / min(times) / 1e9:.0f}")
EOF

core=$(taskset -cp $$ | grep -o '[0-9]*$')
flag=--xla_cpu_max_isa=AVX2
free=$(taskset -c "$core" env/bin/python rate.py)
flagged=$(XLA_FLAGS=$flag taskset -c "$core" env/bin/python rate.py)
held=$(XLA_FLAGS="$flag --xla_cpu_experimental_ynn_fusion_type=" ONEDNN_MAX_CPU_ISA=AVX2 \
    taskset -c "$core" env/bin/python rate.py)
echo "GFLOP/s as it comes: $free, with the flag: $flagged, without YNNPACK, with both limits: $held"

env/bin/python - "$free" "$flagged" "$held" <<'EOF'
import sys

free, flagged, held = map(float, sys.argv[1:])
if not (flagged > 0.75 * free and flagged > 1.3 * held):
    sys.exit("Changed: the flag now holds products, or this processor's AVX-512 is no wider.")
print("As recorded: the flag leaves products as fast as they were; the other limits do not.")
EOF
