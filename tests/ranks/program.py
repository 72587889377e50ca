"""What the processes of these tests run: a training, in the engine that is named.

It prints a line for each rank: its number, a digest of what has been learned, the last loss.
"""

import hashlib
import os
import signal
import sys

import numpy as np

from densenet import (
    BatchNorm,
    Callback,
    Dropout,
    EarlyStopping,
    Linear,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
)

LAYERS = [Linear(7, 16), ReLU(), Dropout(0.3), Linear(16, 4)]
NORMALISING = [Linear(7, 16), BatchNorm(16), ReLU(), Linear(16, 8), BatchNorm(8), Linear(8, 4)]


class Ends(Callback):
    """Ends one rank within the second epoch, or the training."""

    def __init__(self, how):
        self.how = how

    def on_step_end(self, network, step, loss):
        if step != 7:
            return False
        if self.how == "raises":
            raise OSError("no space")
        if self.how == "is killed":
            os.kill(os.getpid(), signal.SIGKILL)
        return "goes on" in self.how


def in_chunks(*arrays):
    for begin in range(0, len(arrays[0]), 99):
        yield tuple(each[begin : begin + 99] for each in arrays)


def train(workers, how="", path=None, victim=1):
    """Train in one rank; what befalls one of them befalls rank `victim`.

    `how` says what, or has some of the words "normalises", "reads chunks" and "goes on": such a
    training is left, saved by rank 0 into `path`, and resumed by all.
    """
    x = np.random.default_rng(0).normal(size=(1030, 7)).astype(np.float32)
    y = x[:, :4].argmax(axis=1)
    if how == "has other rows":
        x += workers.rank
    if workers.own_rows:
        cuts = [400, 401][: workers.size - 1]
        x, y = (np.split(each, cuts)[workers.rank] for each in (x, y))
    if how == "has other columns" and workers.rank == victim:
        x = x[:, :6]
    callbacks = [Ends(how)] if workers.rank == victim else []
    layers = NORMALISING if "normalises" in how else LAYERS
    network = Network(layers, SoftmaxCrossEntropy(), seed=1)
    rows = (x, y) if "reads chunks" not in how else (lambda: in_chunks(x, y),)
    options = {"epochs": 3, "batch_size": 200, "validation_data": (x[:50], y[:50])}
    options |= {"early_stopping": EarlyStopping(), "workers": workers}
    history = network.fit(*rows, callbacks=callbacks, **options)
    if "goes on" in how:
        if workers.rank == 0:
            network.save(path)
        workers.allreduce(np.zeros(1))  # all wait for the file
        network = Network.load(path)
        history = network.fit(*rows, resume=True, **options)
    arrays = [network.flat, *network.running_moments.values()]
    learned = hashlib.sha256(b"".join(each.tobytes() for each in arrays)).hexdigest()[:16]
    return f"rank {workers.rank} of {workers.size}: {learned} {history.batch_loss[-1]!r}"


def of_mpi(**flags):
    from densenet.workers import MPIWorkers

    return MPIWorkers(**flags)


def of_gloo(**flags):
    import torch.distributed

    from densenet.workers import TorchWorkers

    torch.distributed.init_process_group("gloo")
    return TorchWorkers(**flags)


if __name__ == "__main__":
    engine, flag, how, *path = sys.argv[1:]
    workers = {"mpi": of_mpi, "gloo": of_gloo}[engine](**({flag: True} if flag else {}))
    sys.stdout.write(train(workers, how, *path) + "\n")
    sys.stdout.flush()
    if engine == "gloo":
        import torch.distributed

        torch.distributed.destroy_process_group()
