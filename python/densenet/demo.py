"""The demo: one network, trained twice on handwritten digits, in C++ and in NumPy.

The network's settings were chosen on the training rows alone, by cross-validation on thirds of
consecutive rows, which have few writers in common. The random tenth that is held out here does have
writers in common with the rows trained on. So its accuracy is higher than that of the test rows,
which 13 other people wrote.
"""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from math import log, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from densenet import plotting
from densenet._extras import require
from densenet._rounding import rounded
from densenet._typing import Array
from densenet.config import get_num_threads, set_num_threads
from densenet.datasets import Digits, load_digits
from densenet.layers import Linear, Sigmoid
from densenet.losses import SoftmaxCrossEntropy
from densenet.metrics import accuracy, confusion_matrix
from densenet.network import Network
from densenet.optimizers import Adam
from densenet.training import Callback, History, Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Options", "run"]

HIDDEN = 256
LABEL_SMOOTHING = 0.1

_WRONG = LABEL_SMOOTHING / 10
_RIGHT = 1 - 9 * _WRONG
LEAST_LOSS = -_RIGHT * log(_RIGHT) - 9 * _WRONG * log(_WRONG)
"""The least possible loss: the entropy of a smoothed target."""

TOLERANCE = 1e-4
"""Largest relative difference of the two backends' losses that counts as agreement."""


@dataclass(frozen=True)
class Options:
    """What a user of the demo may choose.

    Attributes
    ----------
    epochs, batch_size, seed : int
        The seed decides the rows held out, the initial weights and the order of the rows.
    output : Path
        The picture's file; its suffix decides the format.
    threads : int, optional
        Threads of the compiled backend; by default all cores.

    Examples
    --------
    >>> from densenet.demo import Options
    >>> Options(epochs=5).output.name
    'densenet-demo.png'
    """

    epochs: int = 40
    batch_size: int = 64
    seed: int = 0
    output: Path = Path("densenet-demo.png")
    threads: int | None = None


class Comparison(NamedTuple):
    """Both trainings, and the predictions of the compiled network for the test rows."""

    compiled: History
    reference: History
    digits: Digits
    predicted: Array
    certainty: Array

    @property
    def difference(self) -> float:
        """Largest relative difference between the backends' losses of a step."""
        return largest_difference(self.compiled.batch_loss, self.reference.batch_loss)

    @property
    def misread(self) -> Array:
        """Indices of the misclassified test rows, those with the highest probability first."""
        rows = np.flatnonzero(self.predicted != self.digits.y_test)
        return rows[np.argsort(-self.certainty[rows], kind="stable")]

    @property
    def score(self) -> float:
        """The accuracy on the test rows."""
        return accuracy(self.digits.y_test, self.predicted)

    @property
    def confusion(self) -> Array:
        """The confusion matrix of the test rows."""
        return confusion_matrix(self.digits.y_test, self.predicted, 10)


def run(options: Options) -> int:
    """Train with both backends, print what they did and save a picture.

    Parameters
    ----------
    options : Options

    Returns
    -------
    int
        Exit status: 0, or 1 if the backends' losses differ by more than `TOLERANCE`.

    Raises
    ------
    ImportError
        If matplotlib or tqdm is missing.
    OSError
        If the picture cannot be written.

    Examples
    --------
    >>> from densenet.demo import Options, run
    >>> run(Options(epochs=1, batch_size=512))  # doctest: +ELLIPSIS
    UCI handwritten digits: 3,441 rows to train on, ...
    picture: densenet-demo.png
    0
    """
    require("the demo", "demo", "matplotlib", "tqdm")
    if options.threads is not None:
        set_num_threads(options.threads)
    comparison = _experiment(options)
    _report(comparison)
    _picture(comparison).savefig(options.output, dpi=150)
    print(f"\npicture: {options.output}")
    if not comparison.difference <= TOLERANCE:  # true for NaN, too
        print(f"C++ and NumPy disagree: {comparison.difference:.1e} is above {TOLERANCE:g}")
        return 1
    return 0


def largest_difference(a: Sequence[float], b: Sequence[float]) -> float:
    """Give the largest ``|a - b| / max(|a|, |b|)`` of two curves, point by point."""
    one, other = np.array(a), np.array(b)
    return float(np.max(np.abs(one - other) / np.maximum(np.abs(one), np.abs(other))))


# ---- the experiment ----------------------------------------------------------------------------


def _experiment(options: Options) -> Comparison:
    digits = load_digits()
    order = np.random.default_rng(options.seed).permutation(len(digits.x_train))
    validation, train = np.split(order, [len(order) // 10])
    rate = learning_rate(options.batch_size)
    _say(
        f"UCI handwritten digits: {len(train):,} rows to train on, {len(validation):,} to "
        f"validate, {len(digits.x_test):,} to test\n"
        f"network 64-{HIDDEN}-10, sigmoid, float32; Adam, learning rate {rate:.2g}, batches of "
        f"{options.batch_size}, seed {options.seed}\n"
        f"softmax cross-entropy with label smoothing {LABEL_SMOOTHING:g}: no loss is below "
        f"{LEAST_LOSS:.6f}\n"
    )

    def fit(
        backend: Literal["compiled", "reference"], *callbacks: Callback
    ) -> tuple[Network, History]:
        network = Network(
            [Linear(64, HIDDEN), Sigmoid(), Linear(HIDDEN, 10)],
            SoftmaxCrossEntropy(label_smoothing=LABEL_SMOOTHING),
            dtype="float32",
            seed=options.seed,
            backend=backend,
        )
        history = network.fit(
            scale(digits.x_train[train]),
            digits.y_train[train],
            epochs=options.epochs,
            batch_size=options.batch_size,
            optimizer=Adam(lr=rate),
            validation_data=(scale(digits.x_train[validation]), digits.y_train[validation]),
            metrics=(accuracy,),
            callbacks=callbacks,
            progress=True,
            seed=options.seed,
        )
        return network, history

    _say(f"training in C++: {options.epochs} epochs ...")
    network, compiled = fit("compiled")
    _say("the same in NumPy, which takes longer ...")
    with _one_blas_thread():
        _, reference = fit("reference", _Table(compiled))
    probabilities = network.predict_proba(scale(digits.x_test))
    return Comparison(
        compiled, reference, digits, probabilities.argmax(axis=1), probabilities.max(axis=1)
    )


def _one_blas_thread() -> AbstractContextManager[object]:
    """Within the context, keep NumPy's products on one thread, if threadpoolctl is installed.

    They are too small to gain from a second one. Beside busy programs BLAS threads have spent 15
    times as long waiting for each other as working (OpenBLAS 0.3).
    """
    if find_spec("threadpoolctl") is None:
        return nullcontext()
    limits: AbstractContextManager[object] = import_module("threadpoolctl").threadpool_limits(
        limits=1, user_api="blas"
    )
    return limits


def learning_rate(batch_size: int) -> float:
    """Give Adam's learning rate: 0.01 for batches of 64 and more, less for smaller, noisier ones.

    Below 64 it is proportional to the square root of the batch size (Malladi et al., "On the SDEs
    and Scaling Rules for Adaptive Gradient Algorithms", 2022). With too high a rate training is
    chaotic, and differences in the backends' last bits become visible.
    """
    return 0.01 * sqrt(min(1.0, batch_size / 64))


def scale(pixels: Array) -> Array:
    """Map pixels from 0..16 to -1..1 in float32, without rounding."""
    return pixels.astype(np.float32) / 8 - 1


# ---- what is shown -----------------------------------------------------------------------------


class _Table(Callback):
    """Prints each epoch of the second training beside the same epoch of the first."""

    def __init__(self, first: History) -> None:
        self.first = first

    def on_epoch_end(self, network: Network, record: Record) -> None:
        """Print a line above the progress bar."""
        if record["epoch"] == 1:
            _say("epoch   loss in C++   in NumPy   validation accuracy")
        first = self.first.epochs[int(record["epoch"]) - 1]
        _say(
            f"{record['epoch']:5.0f}{first['loss']:14.6f}{record['loss']:11.6f}"
            f"{rounded(first['val_accuracy'], 2, '%'):>22}"
        )


def _say(line: str) -> None:
    """Print a line above the progress bar, and flush it, for standard output may be a pipe."""
    from tqdm.auto import tqdm

    tqdm.write(line)
    sys.stdout.flush()


def _seconds(history: History) -> float:
    """Give the seconds of training, without validation."""
    return sum(record["seconds"] for record in history.epochs)


def _column(history: History, name: str) -> list[float]:
    return [record[name] for record in history.epochs]


def _report(comparison: Comparison) -> None:
    print(
        f"\ntest accuracy {rounded(comparison.score, 2, '%')}: {len(comparison.misread)} of "
        f"{len(comparison.predicted):,} digits misread, all by people who wrote no training row\n\n"
        "confusion matrix (rows true, columns predicted)"
    )
    print("    " + "".join(f"{digit:5d}" for digit in range(10)))
    for digit, counts in enumerate(comparison.confusion):
        print(f"{digit:4d}" + "".join(f"{count or '.':>5}" for count in counts))
    compiled, reference = _seconds(comparison.compiled), _seconds(comparison.reference)
    print(
        f"\ntraining: C++ {compiled:.2f} s (threads: {get_num_threads()}), "
        f"NumPy {reference:.2f} s, ratio {reference / compiled:.1f}\n"
        f"largest relative difference of their losses over {len(comparison.compiled.batch_loss):,} "
        f"steps: {comparison.difference:.1e}"
    )


def _picture(comparison: Comparison) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9), layout=plotting.spacious(), facecolor="white")
    figure.suptitle(
        f"{rounded(comparison.score, 1, '%')} of {len(comparison.predicted):,} handwritten digits "
        "read correctly,\n"
        f"and the same losses in C++ and in NumPy, to within {comparison.difference:.0e}",
        x=0.01,
        ha="left",
        color=plotting.INK,
        fontsize="x-large",
    )
    panels = figure.subplots(2, 2, height_ratios=(3, 5))
    plotting.loss_curves(
        panels[0, 0],
        {"C++": _column(comparison.compiled, "loss")},
        {"NumPy": _column(comparison.reference, "loss")},
        LEAST_LOSS,
    )
    plotting.validation_curve(panels[0, 1], _column(comparison.compiled, "val_accuracy"))
    plotting.confusion_matrix(panels[1, 0], comparison.confusion)
    shown = comparison.misread[:42]
    plotting.misclassified(
        panels[1, 1],
        comparison.digits.x_test[shown],
        comparison.digits.y_test[shown],
        comparison.predicted[shown],
        shape=(8, 8),
    )
    return figure
