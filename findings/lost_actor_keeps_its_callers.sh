#!/usr/bin/env bash
# distributed 2026.8.0.
#
# What happens: an actor is pinned to a worker (workers=), whose process is killed while others wait
# for a call of the actor. A call that the client has made raises at once. The same call, made by a
# task on another worker, neither raises nor returns, nor does one that a task makes later: it waits
# for the actor to be made anew at an address that no process will have again. So it is where the
# task has the actor within another object; a task that has it as an argument is ended by an error.
#
# What one would expect: the documentation says that an actor is lost where its worker dies; calls
# raise an error, from wherever they are made, as they do in the client.
#
# Why it matters: actors through which tasks meet (parameter servers, barriers, queues) are called by
# tasks. One process that is killed, for lack of memory, say, and all others wait for ever. What is
# tried from the client does not show it.
#
# Seen on 2026-11-30:
#   the client:    OSError("Unable to contact Actor's worker")
#   a task:        no answer in 20 s
#   a task, later: no answer in 20 s
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: distributed==2026.8.0
cd "$folder"

cat > lost.py <<'END'
import asyncio
import logging
import os
import signal
import time
from types import SimpleNamespace

from distributed import Client, LocalCluster


class Waits:
    def pid(self):
        return os.getpid()

    async def wait(self):
        await asyncio.sleep(1000)


def answer(call):
    try:
        return str(call.result(timeout=20))
    except TimeoutError:
        return "no answer in 20 s"
    except Exception as error:
        return repr(error)


def in_a_task(held, delay):
    time.sleep(delay)
    return answer(held.actor.wait())


def ask(client, caller):
    first, second = client.scheduler_info(n_workers=-1)["workers"]
    actor = client.submit(Waits, actor=True, pure=False, workers=[first]).result()
    pid = actor.pid().result()
    if caller == "the client":
        call = actor.wait()
    else:
        delay = 5 if caller.endswith("later") else 0
        held = SimpleNamespace(actor=actor)
        future = client.submit(in_a_task, held, delay, workers=[second], pure=False)
    time.sleep(2)
    os.kill(pid, signal.SIGKILL)
    return answer(call) if caller == "the client" else future.result()


if __name__ == "__main__":
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    options["silence_logs"] = logging.CRITICAL
    answers = {}
    for caller in ("the client", "a task", "a task, later"):
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            answers[caller] = ask(client, caller)
    for caller, given in answers.items():
        print(f"{caller + ':':15}{given}")
    client, *tasks = answers.values()
    assert client.startswith("OSError"), client
    assert tasks == ["no answer in 20 s"] * 2, tasks
END

env/bin/python lost.py
