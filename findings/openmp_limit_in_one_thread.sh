#!/usr/bin/env bash
# threadpoolctl 3.8.0, with the OpenMP runtime of scikit-learn 1.9.1 and joblib 1.6.0.
#
# What happens: threadpool_limits(1) limits OpenBLAS in the whole process, but OpenMP only in the
# thread that enters the block. Another thread that runs inside the block, such as a worker of
# joblib's threading backend, still gets all of OpenMP's threads.
#
# What one would expect: one call with one number limits both, for all that runs inside the block.
#
# Why it matters: a library that limits threads around a threaded grid search or prefetching reader
# limits BLAS and not OpenMP. Its workers then start threads times threads. And a check in the
# thread that set the limit says that all is well.
#
# Seen on 2026-11-28, with OMP_NUM_THREADS=4 (OpenBLAS brings two libraries, NumPy's and SciPy's):
#   before:                   openmp 4
#   in the block, caller:     openmp 1, openblas 1, openblas 1
#   in the block, a thread:   openmp 4, openblas 1, openblas 1
#   in the block, joblib:     openmp 4, openblas 1, openblas 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0 threadpoolctl==3.8.0
cd "$folder"

OMP_NUM_THREADS=4 env/bin/python - <<'EOF'
import sys
import threading

import scipy.linalg  # noqa: F401
import sklearn.utils._openmp_helpers  # noqa: F401
from joblib import Parallel, delayed
from threadpoolctl import threadpool_info, threadpool_limits


def limits():
    return sorted((pool["user_api"], pool["num_threads"]) for pool in threadpool_info())


def of(api, pools):
    return {threads for name, threads in pools if name == api}


before = limits()
in_thread = []
with threadpool_limits(1):
    caller = limits()
    thread = threading.Thread(target=lambda: in_thread.extend(limits()))
    thread.start()
    thread.join()
    workers = Parallel(n_jobs=2, backend="threading")(delayed(limits)() for _ in range(2))

print("before:               ", before)
print("in the block, caller: ", caller)
print("in the block, thread: ", in_thread)
print("in the block, joblib: ", workers[0])

as_recorded = (
    of("openmp", before) == {4}
    and of("openmp", caller) == {1}
    and all(of("openmp", pools) == {4} for pools in [in_thread, *workers])
    and all(of("blas", pools) == {1} for pools in [caller, in_thread, *workers])
)
if not as_recorded:
    sys.exit("Changed: the limit on OpenMP no longer stops at the thread that set it.")
print("As recorded: BLAS is limited everywhere, OpenMP in the calling thread only.")
EOF
