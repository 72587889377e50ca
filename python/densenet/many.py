"""Many networks, trained at the same time on rows of one data set."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from densenet import _checks
from densenet._engine.turn import refused
from densenet._network.state import learner_of
from densenet.config import get_num_threads
from densenet.network import Network
from densenet.optimizers import Adam, Optimizer
from densenet.training import EarlyStopping, History, Metric
from densenet.training.history import divergence
from densenet.training.listeners import check_listeners
from densenet.training.shared_rows import SharedRows

if TYPE_CHECKING:
    from densenet.training.of_many import Ends

__all__ = ["FitManyError", "fit_many"]

OnModelEnd: TypeAlias = Callable[[int, Network, History], object]

_TOLD = 5  # errors that a message quotes


class FitManyError(RuntimeError):
    """Some networks of a call of `fit_many` could not be trained; all others have been.

    Its cause (``__cause__``) is the first of the errors.

    Attributes
    ----------
    errors : dict from int to Exception
        What training raised, by the network's index.
    histories : list of History or None
        One for each network; None for those in `errors`.

    Examples
    --------
    >>> from densenet import FitManyError, Linear, Network, fit_many
    >>> class Picky:
    ...     def forward(self, outputs, targets):
    ...         raise ArithmeticError("no loss for me")
    ...
    ...     def backward(self, outputs, targets):
    ...         return outputs
    >>> from densenet import MeanSquaredError
    >>> networks = [Network([Linear(1, 1)], loss) for loss in (MeanSquaredError(), Picky())]
    >>> try:
    ...     fit_many(networks, [[1.0], [2.0]], [3.0, 5.0])
    ... except FitManyError as error:
    ...     print(error)
    ...     histories = error.histories
    1 of 2 networks could not be trained: networks[1]: ArithmeticError: no loss for me
    >>> len(histories[0].epochs), histories[1]
    (10, None)
    """

    def __init__(
        self, errors: Mapping[int, Exception], histories: Sequence[History | None]
    ) -> None:
        super().__init__(errors, histories)  # which pickling takes
        self.errors, self.histories = dict(errors), list(histories)

    def __str__(self) -> str:
        told = [
            f"networks[{index}]: {type(error).__name__}: {error}"
            for index, error in self.errors.items()
        ]
        rest = [f"and {len(told) - _TOLD} more"] if len(told) > _TOLD else []
        head = f"{len(told)} of {len(self.histories)} networks could not be trained"
        return f"{head}: {'; '.join([*told[:_TOLD], *rest])}"


def fit_many(
    networks: Sequence[Network],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    epochs: int = 10,
    batch_size: int = 128,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    seeds: Sequence[int | None] | None = None,
    rows: Sequence[npt.ArrayLike] | None = None,
    sample_weight: npt.ArrayLike | None = None,
    validation_rows: Sequence[npt.ArrayLike] | None = None,
    metrics: Sequence[Metric] = (),
    early_stopping: EarlyStopping | None = None,
    n_threads: int | None = None,
    on_model_end: OnModelEnd | None = None,
) -> list[History]:
    """Train many networks at the same time, each on one thread, on rows of one data set.

    Each network ends, to the bit, as if it had been trained alone::

        networks[i].fit(x[rows[i]], y[rows[i]], sample_weight=sample_weight[rows[i]],
                        validation_data=(x[validation_rows[i]], y[validation_rows[i]]),
                        optimizer=optimizer[i], seed=seeds[i], ...)

    whatever else is in the list, in any order, on any number of threads. x is not copied for that:
    a step gathers its batch, and validation gathers some thousands of rows at a time.

    Parameters
    ----------
    networks : sequence of Network
        Each of them once. Layers, losses and element types may differ; a thread takes the next one
        when it has trained the one before, in the order of the list: it is well to put those first
        that take longest.
    x, y, sample_weight
        As in `Network.fit`; they are checked and converted once for all networks, as wholes.
    epochs, batch_size, metrics, early_stopping
        As in `Network.fit`. Metrics and losses of one's own are called in the threads that train,
        by several at the same time.
    optimizer : optimizer, or a sequence with one for each network, optional
        `Adam` by default. Optimizers are settings alone, so networks may share one.
    seeds : sequence of int >= 0 or None, one for each network, optional
        Decide the order of the rows and dropout; without one, a network's generator goes on.
    rows : sequence of vectors of row numbers, one for each network, optional
        The rows of x that a network learns from, all of them by default. A number may come more
        than once, as in a bootstrap sample; a matrix has a network's numbers in each row.
    validation_rows : like `rows`, optional
        The rows of x whose loss and metrics are measured after each epoch.
    n_threads : int, optional
        The most threads that train at the same time, in [1, 1024]; `get_num_threads` by default.
    on_model_end : function ``f(index, network, history)``, optional
        Called in the caller's thread for each network that has been trained, in the order in which
        they end.

    Returns
    -------
    list of History
        In the order of `networks`.

    Warns
    -----
    RuntimeWarning
        For each network whose training has diverged, by its index, when all have ended.
    UserWarning
        If an optimizer is of another class than a network's before, as in `Network.fit`.

    Raises
    ------
    FitManyError
        If a network could not be trained, because its loss or a metric raised, say. It comes when
        all have ended, and has the errors and the histories of the others.
    TypeError, ValueError
        If `networks` is empty, or has a network twice; a sequence has not one element for each
        network; a row's number is not in [0, n), or a network has no rows; or an argument is
        refused as by `Network.fit`. The message names the argument, and nothing has changed.
    RuntimeError
        If another call trains one of the networks. Nothing has changed.
    KeyboardInterrupt
        Or whatever else a signal handler or `on_model_end` raises: training then ends, and each
        network is as its last whole step has left it, or early stopping its best epoch. Those that
        had begun can go on by ``fit(..., resume=True)`` with their rows.

    Examples
    --------
    Five folds of one data set:

    >>> import numpy as np
    >>> from densenet import Adam, Linear, Network, ReLU, SoftmaxCrossEntropy, fit_many
    >>> from densenet.datasets import load_digits
    >>> from densenet.metrics import accuracy
    >>> x, y, *_ = load_digits()
    >>> layers = [Linear(64, 32), ReLU(), Linear(32, 10)]
    >>> networks = [Network(layers, SoftmaxCrossEntropy(), seed=seed) for seed in range(5)]
    >>> folds = np.array_split(np.random.default_rng(0).permutation(len(x)), 5)
    >>> histories = fit_many(
    ...     networks,
    ...     x,
    ...     y,
    ...     optimizer=Adam(lr=3e-3),
    ...     seeds=range(5),
    ...     rows=[np.setdiff1d(np.arange(len(x)), fold) for fold in folds],
    ...     validation_rows=folds,
    ...     metrics=[accuracy],
    ... )
    >>> min(history.epochs[-1]["val_accuracy"] for history in histories) > 0.9
    True
    """
    # These take time to import.
    from densenet._limits import default_num_threads
    from densenet.training.of_many import Trainings
    from densenet.training.workers import run_all

    nets = _checks.sequence_of("networks", networks, Network, "a Network")
    if not nets:
        raise ValueError("networks: expected at least one network, got none")
    learners = [learner_of(network) for network in nets]
    _checks.each_once(learners)
    n = len(nets)
    metrics = _checks.sequence("metrics", metrics, "functions")
    check_listeners(metrics, (), early_stopping, validation_rows is not None)
    epochs = _checks.count("epochs", epochs)
    batch_size = _checks.count("batch_size", batch_size)
    optimizers = _optimizers(optimizer, n)
    own_seeds = [None] * n if seeds is None else list(_checks.one_each("seeds", seeds, n))
    own_seeds = [_checks.seed(f"seeds[{i}]", seed) for i, seed in enumerate(own_seeds)]
    if on_model_end is not None:
        _checks.function("on_model_end", on_model_end)
    compiled = any(network.backend == "compiled" for network in nets)
    if n_threads is None:
        n_threads = get_num_threads() if compiled else default_num_threads()
    n_threads = _checks.count("n_threads", n_threads, most=_checks.MOST_THREADS)
    data = SharedRows(learners, x, y, sample_weight)
    trainings = Trainings(
        nets,
        learners,
        optimizers,
        own_seeds,
        rows=_checks.rows_of_each("rows", rows, n, data.rows),
        validation_rows=_checks.rows_of_each("validation_rows", validation_rows, n, data.rows),
        data=data,
        epochs=epochs,
        batch_size=batch_size,
        metrics=metrics,
        early_stopping=early_stopping,
    )
    for index, (learner, rule) in enumerate(zip(learners, optimizers, strict=True)):
        if learner.turn is not None and learner.turn.lasts:
            raise refused("fit_many", f"networks[{index}], which {learner.turn.method} trains")
        with _checks.within(f"networks[{index}]"):
            learner.check_optimizer(rule, stacklevel=2)

    def told(_: int, ends: "Ends") -> None:
        for index, end in ends.items():
            if on_model_end is not None and isinstance(end, History):
                on_model_end(index, nets[index], end)

    found = run_all(trainings.tasks(n_threads), n_threads, told, compiled=compiled)[0]
    ends = {index: end for some in found if some for index, end in some.items()}
    histories, errors = _parted([ends[index] for index in range(n)])
    for index, history in histories.items():
        if history.stopped == "diverged":
            text = f"networks[{index}]: {divergence(history)}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
    if errors:
        every = [histories.get(index) for index in range(n)]
        raise FitManyError(errors, every) from next(iter(errors.values()))
    return list(histories.values())


def _parted(
    ends: Sequence[History | Exception],
) -> tuple[dict[int, History], dict[int, Exception]]:
    """Part histories from errors, by the index of each."""
    histories = {index: end for index, end in enumerate(ends) if isinstance(end, History)}
    errors = {index: end for index, end in enumerate(ends) if isinstance(end, Exception)}
    return histories, errors


def _optimizers(given: Any, n: int) -> list[Optimizer]:
    """Give the optimizer of each network."""
    if given is None or isinstance(given, Optimizer):
        return [Adam() if given is None else given] * n
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        got = _checks.describe(given)
        raise TypeError(f"optimizer: expected an optimizer or a sequence of them, got {got}")
    found = _checks.sequence_of("optimizer", given, Optimizer, "an optimizer")
    return list(_checks.one_each("optimizer", found, n))
