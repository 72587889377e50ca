#!/usr/bin/env bash
# distributed 2026.8.0.
#
# What happens: an actor is pinned to a worker (workers=), and the worker's process dies. A call of
# the actor that waits, or comes later, neither raises nor returns: it waits for a worker at the old
# address, and a new process has a new one. So does a task that was pinned to the process. Without
# workers= both begin anew elsewhere, the actor with nothing of what it held, and calls are made
# again, of the new one.
#
# What one would expect: the documentation of actors says that an actor whose worker dies is lost for
# ever, and its code raises "Unable to contact Actor's worker": a call ends by an error.
#
# Why it matters: actors that coordinate others (parameter servers, barriers) are pinned to be found.
# One process that is killed, for lack of memory, say, and all others hang without a word; a counter
# that was not pinned goes on from 0 without one.
#
# Seen on 2026-11-30:
#   pinned: no answer in 20 s
#   anywhere: 1, where 4 calls had been made
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: distributed==2026.8.0
cd "$folder"

cat > lost.py <<'END'
import logging
import os
import signal
import time

from distributed import Client, LocalCluster


class Counter:
    def __init__(self):
        self.n = 0

    def add(self):
        self.n += 1
        return self.n

    def pid(self):
        return os.getpid()


def after_its_worker_died(client, **where):
    actor = client.submit(Counter, actor=True, pure=False, **where).result()
    for _ in range(3):
        actor.add().result()
    os.kill(actor.pid().result(), signal.SIGKILL)
    time.sleep(1)
    try:
        return str(actor.add().result(timeout=20)) + ", where 4 calls had been made"
    except TimeoutError:
        return "no answer in 20 s"
    except Exception as error:
        return repr(error)


if __name__ == "__main__":
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options, silence_logs=logging.CRITICAL) as cluster, Client(cluster) as client:
        first = sorted(client.scheduler_info(n_workers=-1)["workers"])[:1]
        pinned = after_its_worker_died(client, workers=first)
        client.wait_for_workers(2, timeout=60)
        anywhere = after_its_worker_died(client)
    print(f"pinned: {pinned}")
    print(f"anywhere: {anywhere}")
    assert pinned == "no answer in 20 s"
    assert anywhere == "1, where 4 calls had been made"
END

env/bin/python lost.py
