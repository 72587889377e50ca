"""A contender in a process of its own: that process, and the handle that talks to it.

They exchange lines of JSON. The process begins with ``{"ready": version}``, ``{"missing": module}``
if its library is not installed, or ``{"failed": why}``. It answers ``{"do": "first"}`` with numbers
of the first epoch in which all contenders must agree, and ``{"do": "run", "seconds": s}`` with the
seconds of each epoch that it does in about s seconds: by the clock, and of its threads on
processors. It ends at end of file.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from peers import CONTENDERS
from peers.contender import Contender
from tasks import Task

_SHORT = 0.1  # seconds; a shorter epoch is done once more before the timed ones
_DISTRIBUTIONS = {"densenet": "densenet-cpu", "sklearn": "scikit-learn"}


class Epoch(NamedTuple):
    """Seconds that an epoch took."""

    clock: float
    processor: float  # of all threads together


class WorkerError(Exception):
    """A contender failed; the message says why."""


class Worker:
    """Starts a contender's process and talks to it.

    Parameters
    ----------
    name : str
        A name in `peers.CONTENDERS`, under the task's job.
    task : path of a task's .npz file
    threads : int
    """

    def __init__(self, name: str, task: Path, threads: int) -> None:
        self.name = name
        counts = ("OMP", "MKL", "OPENBLAS", "DENSENET")
        environment = os.environ | {f"{prefix}_NUM_THREADS": str(threads) for prefix in counts}
        self._process = subprocess.Popen(
            [sys.executable, __file__, name, str(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"its process ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise WorkerError(answer["failed"])
        return answer

    def _ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the answer, read next, tells why
            print(json.dumps(question), file=self._process.stdin, flush=True)
        return self._read()

    def version(self) -> str | None:
        """Wait until the process is ready; give the library's version, None if not installed."""
        answer = self._read()
        return str(answer["ready"]) if "ready" in answer else None

    def first(self) -> list[float]:
        """Do the first epoch; give the numbers in which all contenders must agree."""
        numbers: list[float] = self._ask(do="first")["first"]
        return numbers

    def run(self, seconds: float) -> list[Epoch]:
        """Do epochs for about ``seconds``; give what each took."""
        return [Epoch(*epoch) for epoch in self._ask(do="run", seconds=seconds)["epochs"]]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


# ---- in the worker's process ---------------------------------------------------------------------


def _timed_epoch(contender: Contender) -> Epoch:
    processor, start = time.process_time(), time.perf_counter()
    contender.epoch()
    return Epoch(time.perf_counter() - start, time.process_time() - processor)


def _run(contender: Contender, seconds: float) -> list[Epoch]:
    epochs = [_timed_epoch(contender)]
    if epochs[0].clock < _SHORT:
        epochs = [_timed_epoch(contender)]
    while sum(epoch.clock for epoch in epochs) < seconds:
        epochs.append(_timed_epoch(contender))
    return epochs


def _serve(name: str, path: Path) -> None:
    # Answers go to the real standard output; what libraries print goes to standard error.
    talk = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**answer: Any) -> None:
        print(json.dumps(answer), file=talk, flush=True)

    warnings.simplefilter("ignore")
    try:
        task = Task.load(path)
        kind = CONTENDERS[task.job][name]
        if importlib.util.find_spec(kind.module) is None:
            say(missing=kind.module)
            return
        contender = kind(task)
        say(ready=importlib.metadata.version(_DISTRIBUTIONS.get(kind.module, kind.module)))
        for line in sys.stdin:
            question = json.loads(line)
            if question["do"] == "first":
                say(first=contender.first())
            else:
                say(epochs=_run(contender, question["seconds"]))
    except Exception as error:
        say(failed=f"{type(error).__name__}: {error}".splitlines()[0])


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]))
