"""The demo: one network, trained twice on handwritten digits, in C++ and in NumPy.

The settings were chosen on the training rows alone, by the accuracy on a third of them at a time:
consecutive rows, so that few writers are on both sides. A random tenth, as held out here, has
writers in common with the rows trained on; its accuracy is therefore above that of the test rows,
which were written by 13 other people.
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

__all__ = ["Settings", "run"]

HIDDEN = 256
LABEL_SMOOTHING = 0.1

_WRONG = LABEL_SMOOTHING / 10
_RIGHT = 1 - 9 * _WRONG
LEAST_LOSS = -_RIGHT * log(_RIGHT) - 9 * _WRONG * log(_WRONG)
"""Entropy of a smoothed target, which no prediction's cross-entropy is below."""

TOLERANCE = 1e-4
"""Largest relative difference of the two backends' losses that counts as agreement."""


@dataclass(frozen=True)
class Settings:
    """What a user may choose.

    Attributes
    ----------
    epochs, batch_size, seed : int
        The seed decides the split, the initial weights and the order of the rows.
    output : Path
        Of the picture; its suffix names the format.
    threads : int, optional
        Of the compiled backend.

    Examples
    --------
    >>> from densenet.demo import Settings
    >>> Settings(epochs=5).output.name
    'densenet-demo.png'
    """

    epochs: int = 40
    batch_size: int = 64
    seed: int = 0
    output: Path = Path("densenet-demo.png")
    threads: int | None = None


class Outcome(NamedTuple):
    """Both trainings, and how the test rows were read after the compiled one."""

    compiled: History
    reference: History
    digits: Digits
    predicted: Array
    certainty: Array

    @property
    def difference(self) -> float:
        """The largest relative difference of the losses, step by step."""
        return largest_difference(self.compiled.batch_loss, self.reference.batch_loss)

    @property
    def misread(self) -> Array:
        """Numbers of the test rows that were misread, the most certain one first."""
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


def run(settings: Settings) -> int:
    """Train with both backends, print what they did and save a picture.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    int
        Exit status: 0, or 1 where the backends' losses differ by more than `TOLERANCE`.

    Raises
    ------
    ImportError
        If matplotlib or tqdm is missing.
    OSError
        If the picture cannot be written.

    Examples
    --------
    >>> from densenet.demo import Settings, run
    >>> run(Settings(epochs=1, batch_size=512))  # doctest: +ELLIPSIS
    UCI handwritten digits: 3,441 rows to train on, ...
    picture: densenet-demo.png
    0
    """
    require("the demo", "demo", "matplotlib", "tqdm")
    if settings.threads is not None:
        set_num_threads(settings.threads)
    outcome = _experiment(settings)
    _report(outcome)
    _picture(outcome).savefig(settings.output, dpi=150)
    print(f"\npicture: {settings.output}")
    if not outcome.difference <= TOLERANCE:  # not a number is no agreement either
        print(f"C++ and NumPy disagree: {outcome.difference:.1e} is above {TOLERANCE:g}")
        return 1
    return 0


def largest_difference(a: Sequence[float], b: Sequence[float]) -> float:
    """Compare two curves point by point: the largest ``|a - b| / max(|a|, |b|)``."""
    one, other = np.array(a), np.array(b)
    return float(np.max(np.abs(one - other) / np.maximum(np.abs(one), np.abs(other))))


# ---- the experiment ----------------------------------------------------------------------------


def _experiment(settings: Settings) -> Outcome:
    digits = load_digits()
    order = np.random.default_rng(settings.seed).permutation(len(digits.x_train))
    validation, train = np.split(order, [len(order) // 10])
    rate = learning_rate(settings.batch_size)
    _say(
        f"UCI handwritten digits: {len(train):,} rows to train on, {len(validation):,} to "
        f"validate, {len(digits.x_test):,} to test\n"
        f"network 64-{HIDDEN}-10, sigmoid, float32; Adam, learning rate {rate:.2g}, batches of "
        f"{settings.batch_size}, seed {settings.seed}\n"
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
            seed=settings.seed,
            backend=backend,
        )
        history = network.fit(
            scale(digits.x_train[train]),
            digits.y_train[train],
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            optimizer=Adam(lr=rate),
            validation_data=(scale(digits.x_train[validation]), digits.y_train[validation]),
            metrics=(accuracy,),
            callbacks=callbacks,
            progress=True,
            seed=settings.seed,
        )
        return network, history

    _say(f"training in C++: {settings.epochs} epochs ...")
    network, compiled = fit("compiled")
    _say("the same in NumPy, which takes longer ...")
    with _one_blas_thread():
        _, reference = fit("reference", _Table(compiled))
    probabilities = network.predict_proba(scale(digits.x_test))
    return Outcome(
        compiled, reference, digits, probabilities.argmax(axis=1), probabilities.max(axis=1)
    )


def _one_blas_thread() -> AbstractContextManager[object]:
    """Keep NumPy's products on one thread, where threadpoolctl is there to do so.

    They are too small to gain from a second one; and where other programs are busy, the waiting of
    BLAS threads for each other was seen to take 15 times as long as the work (OpenBLAS 0.3).
    """
    if find_spec("threadpoolctl") is None:
        return nullcontext()
    limits: AbstractContextManager[object] = import_module("threadpoolctl").threadpool_limits(
        limits=1, user_api="blas"
    )
    return limits


def learning_rate(batch_size: int) -> float:
    """Give Adam's learning rate: 0.01 for batches of 64, and less for smaller, noisier ones.

    It falls with the square root of the size (Malladi et al., "On the SDEs and Scaling Rules for
    Adaptive Gradient Algorithms", 2022). Where the rate is too high, training is chaotic: it makes
    the backends' last bits a visible difference.
    """
    return 0.01 * sqrt(min(1.0, batch_size / 64))


def scale(pixels: Array) -> Array:
    """Map pixels from 0..16 to -1..1, exactly, in float32."""
    return pixels.astype(np.float32) / 8 - 1


# ---- what is shown -----------------------------------------------------------------------------


class _Table(Callback):
    """Prints each epoch of the second training beside the same one of the first, at once."""

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
    """Print a line above a progress bar, at once even into a pipe."""
    from tqdm.auto import tqdm

    tqdm.write(line)
    sys.stdout.flush()


def _seconds(history: History) -> float:
    """Time of training, without validation."""
    return sum(record["seconds"] for record in history.epochs)


def _column(history: History, name: str) -> list[float]:
    return [record[name] for record in history.epochs]


def _report(outcome: Outcome) -> None:
    print(
        f"\ntest accuracy {rounded(outcome.score, 2, '%')}: {len(outcome.misread)} of "
        f"{len(outcome.predicted):,} digits misread, all by people who wrote no training row\n\n"
        "confusion matrix (rows true, columns predicted)"
    )
    print("    " + "".join(f"{digit:5d}" for digit in range(10)))
    for digit, counts in enumerate(outcome.confusion):
        print(f"{digit:4d}" + "".join(f"{count or '.':>5}" for count in counts))
    compiled, reference = _seconds(outcome.compiled), _seconds(outcome.reference)
    print(
        f"\ntraining: C++ {compiled:.2f} s (threads: {get_num_threads()}), "
        f"NumPy {reference:.2f} s, ratio {reference / compiled:.1f}\n"
        f"largest relative difference of their losses over {len(outcome.compiled.batch_loss):,} "
        f"steps: {outcome.difference:.1e}"
    )


def _picture(outcome: Outcome) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9), layout=plotting.spacious(), facecolor="white")
    figure.suptitle(
        f"{rounded(outcome.score, 1, '%')} of {len(outcome.predicted):,} handwritten digits read "
        "correctly,\n"
        f"and the same losses in C++ and in NumPy, to within {outcome.difference:.0e}",
        x=0.01,
        ha="left",
        color=plotting.INK,
        fontsize="x-large",
    )
    panels = figure.subplots(2, 2, height_ratios=(3, 5))
    plotting.loss_curves(
        panels[0, 0],
        {"C++": _column(outcome.compiled, "loss")},
        {"NumPy": _column(outcome.reference, "loss")},
        LEAST_LOSS,
    )
    plotting.validation_curve(panels[0, 1], _column(outcome.compiled, "val_accuracy"))
    plotting.confusion_matrix(panels[1, 0], outcome.confusion)
    shown = outcome.misread[:42]
    plotting.misclassified(
        panels[1, 1],
        outcome.digits.x_test[shown],
        outcome.digits.y_test[shown],
        outcome.predicted[shown],
        shape=(8, 8),
    )
    return figure
