#!/usr/bin/env bash
# scikit-learn 1.9.1 (its wheel for Linux brings GCC's OpenMP runtime, libgomp),
# seen from polars 2.1.0, pyarrow 26.0.1 and joblib 1.6.0.
#
# What happens: with OMP_PROC_BIND=close in the environment, one import of scikit-learn's OpenMP
# helpers pins the main thread to one processor. No parallel region has run. From then on
# os.sched_getaffinity(0) has one processor, child processes inherit it, and every library imported
# later that counts usable processors finds one. Polars then has one thread for good.
#
# What one would expect: the setting binds the threads of an OpenMP team while they work. Loading a
# library does not change what the rest of the process, and its children, may run on.
#
# Why it matters: a library that limits threads, or picks their number from the usable processors,
# gets another answer depending on the order of the imports. Count before anything loads libgomp.
#
# Needs Linux and two usable processors.
#
# Seen on 2026-11-28, with two processors:
#   without the setting: 2 usable before, 2 after, 2 in a child; polars 2, pyarrow 2, joblib 2
#   with it:             2 usable before, 1 after, 1 in a child; polars 1, pyarrow 1, joblib 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0 threadpoolctl==3.8.0 \
    polars==2.1.0 pyarrow==26.0.1
cd "$folder"

cat > see.py <<'EOF'
import os
import subprocess
import sys

before = len(os.sched_getaffinity(0))

import sklearn.utils._openmp_helpers  # noqa: F401

after = len(os.sched_getaffinity(0))
code = "import os; print(len(os.sched_getaffinity(0)))"
child = int(subprocess.check_output([sys.executable, "-c", code]))

import joblib
import polars
import pyarrow

print(before, after, child, polars.thread_pool_size(), pyarrow.cpu_count(), joblib.cpu_count())
EOF

# Other settings of threads would blur the picture.
unset OMP_NUM_THREADS OMP_THREAD_LIMIT OMP_PLACES OMP_PROC_BIND GOMP_CPU_AFFINITY
unset POLARS_MAX_THREADS LOKY_MAX_CPU_COUNT
free=$(env/bin/python see.py)
bound=$(OMP_PROC_BIND=close env/bin/python see.py)
echo "usable before, after, in a child; polars, pyarrow, joblib"
echo "without OMP_PROC_BIND:    $free"
echo "with OMP_PROC_BIND=close: $bound"

read -r before after child polars _ <<< "$bound"
if [ "$before" -lt 2 ]; then
    echo "There is only one usable processor here, so there is nothing to see."
    exit 0
fi
read -r _ free_after _ <<< "$free"
if [ "$free_after" != "$before" ] || [ "$after" != 1 ] || [ "$child" != 1 ] || [ "$polars" != 1 ]; then
    echo "Changed: the import no longer binds the process to one processor." >&2
    exit 1
fi
echo "As recorded: the import alone leaves the process one processor."
