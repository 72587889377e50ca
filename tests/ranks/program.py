"""What the processes of these tests run: a training, in the engine that is named.

It prints a line for each rank: its number, a digest of what has been learned, the last loss.
"""

import hashlib
import os
import sys

import numpy as np

from densenet import (
    BatchNorm,
    Callback,
    Checkpoint,
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
    """Ends one rank within the second epoch."""

    def __init__(self, how):
        self.how = how

    def on_step_end(self, network, step, loss):
        if step == 7 and self.how == "raises":
            raise OSError("no space")
        if step == 7 and self.how == "is killed":
            os._exit(9)


def train(workers, how="", path=None):
    """Train in one rank; what befalls one of them befalls rank 1."""
    x = np.random.default_rng(0).normal(size=(1030, 7)).astype(np.float32)
    y = x[:, :4].argmax(axis=1)
    if how == "has other rows":
        x += workers.rank
    if workers.own_rows:
        x, y = (each[400 * workers.rank : 400 + 630 * workers.rank] for each in (x, y))
    callbacks = [] if path is None else [Checkpoint(path)]
    if workers.rank == 1:
        callbacks.append(Ends(how))
    layers = NORMALISING if how == "normalises" else LAYERS
    network = Network(layers, SoftmaxCrossEntropy(), seed=1)
    rows = (x, y) if how != "reads chunks" else (lambda: [(x[:99], y[:99]), (x[99:], y[99:])],)
    history = network.fit(
        *rows,
        epochs=3,
        batch_size=200,
        validation_data=(x[:50], y[:50]),
        early_stopping=EarlyStopping(),
        workers=workers,
        callbacks=callbacks,
    )
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
    engine, flag, how = sys.argv[1:]
    workers = {"mpi": of_mpi, "gloo": of_gloo}[engine](**({flag: True} if flag else {}))
    sys.stdout.write(train(workers, how) + "\n")
    sys.stdout.flush()
    if engine == "gloo":
        import torch.distributed

        torch.distributed.destroy_process_group()
