"""A contender in a process of its own; both ends of the talk with it, in lines of JSON.

The worker begins with one line: ``{"ready": version}``, or ``{"missing": module}`` where its
library is not installed, or ``{"failed": why}``. It answers ``{"do": "losses"}`` with the losses of
the first steps and ``{"do": "train", "seconds": s}`` with the seconds per epoch of as many epochs
as fill s. End of file ends it.
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
from typing import Any

from peers import CONTENDERS, Contender
from workloads import FIRST_LOSSES, Task

_SHORT = 0.1  # seconds; an epoch below is preceded by one that is not timed
_DISTRIBUTIONS = {"densenet": "densenet-cpu", "sklearn": "scikit-learn"}


class WorkerError(Exception):
    """A contender failed; the message says why."""


class Worker:
    """The other end's side: a contender's process.

    Parameters
    ----------
    name : str
        In `peers.CONTENDERS`.
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
        with contextlib.suppress(BrokenPipeError):  # reading tells why
            print(json.dumps(question), file=self._process.stdin, flush=True)
        return self._read()

    def version(self) -> str | None:
        """Wait until it is ready; give its library's version, None if it is not installed."""
        answer = self._read()
        return str(answer["ready"]) if "ready" in answer else None

    def losses(self) -> list[float]:
        """Train the first epoch; give the losses of its first steps."""
        losses: list[float] = self._ask(do="losses")["losses"]
        return losses

    def train(self, seconds: float) -> list[float]:
        """Train for about so long; give the seconds that each epoch took."""
        epochs: list[float] = self._ask(do="train", seconds=seconds)["epochs"]
        return epochs

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


def _timed_epoch(contender: Contender) -> float:
    start = time.perf_counter()
    contender.epoch()
    return time.perf_counter() - start


def _train(contender: Contender, seconds: float) -> list[float]:
    epochs = [_timed_epoch(contender)]
    if epochs[0] < _SHORT:
        epochs = [_timed_epoch(contender)]
    while sum(epochs) < seconds:
        epochs.append(_timed_epoch(contender))
    return epochs


def _serve(name: str, task: Path) -> None:
    # Libraries that print must not disturb the talk: it keeps the real standard output.
    talk = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**answer: Any) -> None:
        print(json.dumps(answer), file=talk, flush=True)

    kind = CONTENDERS[name]
    if importlib.util.find_spec(kind.module) is None:
        say(missing=kind.module)
        return
    warnings.simplefilter("ignore")
    try:
        contender = kind(Task.load(task))
        say(ready=importlib.metadata.version(_DISTRIBUTIONS.get(kind.module, kind.module)))
        for line in sys.stdin:
            question = json.loads(line)
            if question["do"] == "losses":
                losses = [float(loss) for loss in contender.epoch()]
                say(losses=losses[:FIRST_LOSSES])
            else:
                say(epochs=_train(contender, question["seconds"]))
    except Exception as error:
        say(failed=f"{type(error).__name__}: {error}".splitlines()[0])


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]))
