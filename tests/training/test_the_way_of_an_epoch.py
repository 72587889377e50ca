"""An epoch of `fit` runs straight down: how often Python goes from one file to another in it."""

import sys
from pathlib import Path

import numpy as np
import pytest

import densenet
from densenet import Adam, Linear, Network, ReLU, SoftmaxCrossEntropy
from densenet.metrics import accuracy
from tests.support.losses import SquaresOfClasses

PACKAGE = str(Path(densenet.__file__).parent)


def nearest(frame):
    """The file of the innermost frame of the package, from this one outwards."""
    while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame and frame.f_code.co_filename


def changes_of_file(call, epoch="epoch"):
    """Count, in each epoch, the calls and returns that lead from one file to another."""
    counts, depth = [], 0

    def count(frame, kind, argument):
        nonlocal depth
        if kind not in ("call", "return") or not frame.f_code.co_filename.startswith(PACKAGE):
            return
        is_epoch = frame.f_code.co_name == epoch and frame.f_code.co_filename.endswith("run.py")
        if is_epoch and kind == "call":
            counts.append(0)
            depth = 1
        elif is_epoch:
            depth = 0
        elif depth and nearest(frame.f_back) != frame.f_code.co_filename:
            counts[-1] += 1

    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(None)
    return counts


@pytest.mark.parametrize(
    ("loss", "batch_size", "first", "later"),
    [
        (SoftmaxCrossEntropy(), 64, 15, 6),
        (SoftmaxCrossEntropy(), 5, 15, 6),
        (SquaresOfClasses(), 64, 15, 12),
    ],
    ids=["one batch", "many batches", "a loss of one's own"],
)
def test_an_epoch_changes_file_a_few_times(rng, loss, batch_size, first, later):
    x = rng.normal(size=(64, 5)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    network = Network([Linear(5, 8), ReLU(), Linear(8, 3)], loss, seed=0)

    def fit():
        network.fit(x, y, epochs=4, batch_size=batch_size, optimizer=Adam())

    counts = changes_of_file(fit)
    assert len(counts) == 4
    assert 2 <= counts[0] <= first
    assert all(2 <= count <= later for count in counts[1:]), counts


def test_changes_are_counted(rng):
    """A step for each call of the engine takes more of them: the count is of something."""
    x = rng.normal(size=(64, 5)).astype(np.float32)
    network = Network([Linear(5, 3)], SquaresOfClasses(), seed=0)
    y = x[:, :3].argmax(axis=1)
    counts = changes_of_file(lambda: network.fit(x, y, epochs=1, batch_size=16))
    assert counts[0] > 15


@pytest.mark.parametrize("metrics", [[], [accuracy]], ids=["a loss", "a metric, too"])
def test_validation_computes_its_outputs_once(rng, metrics):
    x = rng.normal(size=(64, 5)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    network = Network([Linear(5, 8), ReLU(), Linear(8, 3)], SoftmaxCrossEntropy(), seed=0)
    passes = []

    def count(frame, kind, argument):
        if kind == "call" and frame.f_code.co_name == "forward":
            passes.append(frame.f_code.co_filename)

    sys.setprofile(count)
    try:
        network.fit(x, y, epochs=4, validation_data=(x, y), metrics=metrics)
    finally:
        sys.setprofile(None)
    assert len(passes) == 4
    assert len(set(passes)) == 1
