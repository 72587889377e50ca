"""Training: epochs of mini-batches, what is recorded of them, and who may stop them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array
from densenet.optimizers import Optimizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from densenet.network import Network

Metric: TypeAlias = Callable[[Array, Array], float]
Progress: TypeAlias = Callable[[int], None]
Record: TypeAlias = dict[str, float]


class Callback:
    """Told of training as it goes on. Derive from it and override what is of interest."""

    def on_epoch_end(self, network: "Network", record: Record) -> bool | None:
        """Look at an epoch's record; return True to stop the training."""
        return None


@dataclass
class History:
    """What `Network.fit` has seen.

    Attributes
    ----------
    batch_loss : list of float
        The loss of each step, before its update.
    epochs : list of dict
        For each epoch ``"epoch"`` (counts from 1), ``"loss"`` (the mean over its rows),
        ``"lr"``, ``"seconds"`` (of training, without validation) and, with validation data,
        ``"val_loss"`` and ``"val_" + name`` for each metric.
    """

    batch_loss: list[float] = field(default_factory=list)
    epochs: list[Record] = field(default_factory=list)

    def plot(self) -> "Figure":
        """Draw the curves (needs matplotlib)."""
        from densenet.plotting import plot_history

        return plot_history(self)


def _bar(total: int, epochs: int) -> Any:
    """Make a progress bar over all steps, silent where standard error is no terminal."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError('progress=True needs tqdm: pip install "densenet[progress]"') from error
    return tqdm(total=total * epochs, unit="step", disable=None, leave=False)


def fit(
    network: "Network",
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    epochs: int,
    batch_size: int,
    optimizer: Optimizer,
    validation_data: tuple[npt.ArrayLike, npt.ArrayLike] | None,
    metrics: Sequence[Metric],
    shuffle: bool,
    drop_last: bool,
    callbacks: Sequence[Callback],
    progress: bool,
    sample_weight: npt.ArrayLike | None,
    seed: int | None,
) -> History:
    """Train as `Network.fit` describes."""
    examples = network._examples(x, y, sample_weight)
    validation = None if validation_data is None else network._examples(*validation_data)
    epochs = _checks.count("epochs", epochs)
    batch_size = min(_checks.count("batch_size", batch_size), len(examples.x))
    rng = network._rng if seed is None else np.random.default_rng(seed)
    rows = len(examples.x)
    n_steps = rows // batch_size if drop_last else -(-rows // batch_size)

    history = History()
    bar = _bar(n_steps, epochs) if progress else None
    try:
        for epoch in range(1, epochs + 1):
            order = rng.permutation(rows) if shuffle else None
            batch_loss = np.zeros(n_steps)
            start = time.perf_counter()
            network._run(
                examples,
                optimizer,
                order,
                batch_size,
                0,
                np.full(n_steps, optimizer.lr),
                batch_loss,
                _advance(bar, (epoch - 1) * n_steps) if bar is not None else None,
            )
            seconds = time.perf_counter() - start
            weights = _step_weights(examples.sample_weight, order, rows, batch_size)[:n_steps]
            record: Record = {
                "epoch": epoch,
                "loss": float(batch_loss @ weights / weights.sum()) if weights.any() else 0.0,
                "lr": optimizer.lr,
                "seconds": seconds,
            }
            if validation is not None:
                record["val_loss"] = network.loss(validation.x, validation.targets)
                if metrics:
                    predicted = network.predict(validation.x)
                    actual = validation.targets
                    actual = actual if actual.ndim == 1 else actual.argmax(axis=1)
                    for metric in metrics:
                        record[f"val_{metric.__name__}"] = float(metric(actual, predicted))
            history.batch_loss += batch_loss.tolist()
            history.epochs.append(record)
            if bar is not None:
                bar.n = epoch * n_steps
                bar.set_postfix(loss=f"{record['loss']:.4f}")
            stops = [callback.on_epoch_end(network, record) for callback in callbacks]
            if any(stops):
                break
    finally:
        if bar is not None:
            bar.close()
    return history


def _advance(bar: Any, before: int) -> Progress:
    """Make a function that moves the bar to a number of steps of this epoch."""

    def advance(steps: int) -> None:
        bar.update(before + steps - bar.n)

    return advance


def _step_weights(
    sample_weight: Array | None, order: Array | None, rows: int, batch_size: int
) -> Array:
    """Give the weight of each step's rows, by which its loss counts in the epoch's."""
    weights = np.ones(rows) if sample_weight is None else sample_weight
    if order is not None:
        weights = weights[order]
    return np.add.reduceat(weights, np.arange(0, rows, batch_size))
