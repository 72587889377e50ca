"""Optuna's pruning: a trial that does worse than others did is ended before its last epoch."""

from typing import TYPE_CHECKING, Any

from densenet import _checks
from densenet._extras import require
from densenet.training.callbacks import Callback
from densenet.training.history import Record

if TYPE_CHECKING:
    import optuna

__all__ = ["PruningCallback"]


class PruningCallback(Callback):
    """Report a value of each epoch to a trial of Optuna, and end the training if Optuna prunes it.

    Arguments, reports and the exception are those of Optuna's own callbacks for other libraries,
    such as ``KerasPruningCallback``: `fit` raises ``optuna.TrialPruned``, which the study takes
    note of. It works in `Network.fit` and in the estimators' parameter `callbacks`. Optuna comes
    with the extra ``densenet-cpu[optuna]``.

    Parameters
    ----------
    trial : optuna.trial.Trial
        The trial that the objective was given.
    monitor : str
        A name in the epochs' records, such as "val_loss", "val_accuracy" or, of an estimator,
        "val_score". The study's direction says whether less or more is better.
    interval : int
        Reports after every `interval` epochs.

    Raises
    ------
    TypeError, ValueError
        If `trial` has no ``report`` and ``should_prune``, `monitor` is no text or `interval` no
        integer >= 1; or, after the first epoch that is to be reported, if its record lacks
        `monitor`.
    ImportError
        If Optuna is missing.

    Examples
    --------
    >>> import optuna
    >>> from densenet import SGD, Linear, MeanSquaredError, Network
    >>> from densenet.training import PruningCallback
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> def objective(trial):
    ...     optimizer = SGD(lr=trial.suggest_float("lr", 1e-3, 1e-1, log=True))
    ...     network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
    ...     callbacks = [PruningCallback(trial, "loss")]
    ...     history = network.fit(
    ...         [[1.0]], [5.0], epochs=20, optimizer=optimizer, callbacks=callbacks
    ...     )
    ...     return history.epochs[-1]["loss"]
    >>> sampler = optuna.samplers.RandomSampler(seed=0)
    >>> study = optuna.create_study(sampler=sampler, pruner=optuna.pruners.MedianPruner())
    >>> study.optimize(objective, n_trials=20)
    >>> sorted({trial.state.name for trial in study.trials})
    ['COMPLETE', 'PRUNED']
    """

    def __init__(self, trial: "optuna.trial.Trial", monitor: str, interval: int = 1) -> None:
        require("PruningCallback", "optuna", "optuna")
        asked = (hasattr(trial, name) for name in ("report", "should_prune"))
        if isinstance(trial, type) or not all(asked):
            raise TypeError(f"trial: expected a trial of Optuna, got {_checks.describe(trial)}")
        self._trial = trial
        self._monitor = _checks.text("monitor", monitor)
        self._interval = _checks.count("interval", interval)

    def on_epoch_end(self, network: Any, record: Record) -> None:
        """Report the value, as step ``epoch - 1``, and raise if the trial is pruned."""
        import optuna

        epoch = int(record["epoch"]) - 1  # Optuna's callbacks count from 0
        if (epoch + 1) % self._interval:
            return
        if self._monitor not in record:
            names = ", ".join(record)
            raise ValueError(f"monitor: expected one of {names}, got {self._monitor!r}")
        self._trial.report(float(record[self._monitor]), step=epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned(f"Trial was pruned at epoch {epoch}.")
