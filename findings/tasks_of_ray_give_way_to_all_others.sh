#!/usr/bin/env bash
# Ray 2.60.0, with what ray.init() begins on one machine.
#
# What happens: Ray's processes that run tasks and actors have a niceness of 15, whatever the program
# that has started Ray has. Where another program of the usual niceness 0 wants the same core, Linux
# gives them about a thirtieth of it. RAY_worker_niceness=0, set before ray.init(), changes it.
#
# What one would expect: a task computes with the priority of the program that calls it, as processes
# of multiprocessing, joblib, Dask and mpiexec do.
#
# Why it matters: beside anything else that computes, a training by tasks that wait for each other in
# each step nearly stands still; and a comparison with MPI or Dask on a shared machine measures
# niceness. What is documented of num_cpus says nothing of it.
#
# Seen on 2026-11-30:
#   program 0, task 15, actor 15; with RAY_worker_niceness=0: program 0, task 0, actor 0
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: ray==2.60.0
cd "$folder"

cat > niceness.py <<'END'
import os

import ray

ray.init(num_cpus=1, include_dashboard=False, logging_level="error")


class Actor:
    def nice(self):
        return os.nice(0)


task = ray.get(ray.remote(lambda: os.nice(0)).remote())
actor = ray.get(ray.remote(num_cpus=0)(Actor).remote().nice.remote())
print(f"program {os.nice(0)}, task {task}, actor {actor}")
END

first=$(env/bin/python niceness.py | tail -n 1)
second=$(RAY_worker_niceness=0 env/bin/python niceness.py | tail -n 1)
echo "$first"
echo "with RAY_worker_niceness=0: $second"
[ "$first" = "program 0, task 15, actor 15" ]
[ "$second" = "program 0, task 0, actor 0" ]
