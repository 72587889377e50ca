"""Training: epochs of mini-batches, what is recorded of them, and who may stop them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._clipping import clip
from densenet._engine import Examples, Mode, Outcome, Steps
from densenet._typing import Array
from densenet.losses import Loss
from densenet.optimizers import Optimizer
from densenet.schedules import rates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from densenet.network import Network

Metric: TypeAlias = Callable[[Array, Array], float]
Progress: TypeAlias = Callable[[int], None]
Record: TypeAlias = dict[str, float]


class Callback:
    """Told of training as it goes on. Derive from it and override what is of interest.

    An epoch is one compiled call unless some callback overrides `on_step_end`.
    """

    def on_step_end(self, network: "Network", step: int, loss: float) -> bool | None:
        """Look at a step (of this call of `fit`, from 1) and its loss; return True to stop."""
        return None

    def on_epoch_end(self, network: "Network", record: Record) -> bool | None:
        """Look at an epoch's record; return True to stop the training."""
        return None


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a score no longer improves.

    Parameters
    ----------
    monitor : str
        A name in the epochs' records: ``"val_loss"``, ``"val_accuracy"``, ``"loss"``, ...
    mode : "auto", "min" or "max"
        Which way is better; "auto" takes "min" for names that end in loss or error, else "max".
    patience : int
        Epochs without an improvement after which training stops.
    min_delta : float
        A change up to this is no improvement.
    restore_best : bool
        Whether the parameters of the best epoch are restored on every way out of `fit`, Ctrl-C
        included.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.
    """

    monitor: str = "val_loss"
    mode: Literal["auto", "min", "max"] = "auto"
    patience: int = 10
    min_delta: float = 0.0
    restore_best: bool = True

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "min", "max"):
            raise ValueError(f"mode: expected 'auto', 'min' or 'max', got {self.mode!r}")
        object.__setattr__(self, "patience", _checks.count("patience", self.patience))
        object.__setattr__(self, "min_delta", _checks.setting("min_delta", self.min_delta))

    @property
    def sign(self) -> float:
        """Give 1 where more is better and -1 where less is."""
        if self.mode == "auto":
            return -1.0 if self.monitor.endswith(("loss", "error")) else 1.0
        return 1.0 if self.mode == "max" else -1.0


@dataclass
class History:
    """What `Network.fit` has seen.

    Attributes
    ----------
    batch_loss : list of float
        The loss of each step, before its update.
    epochs : list of dict
        For each epoch ``"epoch"`` (counts from 1), ``"loss"`` (the mean over its rows),
        ``"lr"`` (of its last step), ``"seconds"`` (of training, without validation) and, with
        validation data, ``"val_loss"`` and ``"val_" + name`` for each metric.
    stopped : str
        Why training ended: ``"epochs"``, ``"early stopping"``, ``"callback"`` or ``"tolerance"``.
    """

    batch_loss: list[float] = field(default_factory=list)
    epochs: list[Record] = field(default_factory=list)
    stopped: str = "epochs"

    def plot(self) -> "Figure":
        """Draw the curves (needs matplotlib)."""
        from densenet.plotting import plot_history

        return plot_history(self)


def _bar(total: int) -> Any:
    """Make a progress bar over all steps, silent where standard error is no terminal."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError('progress=True needs tqdm: pip install "densenet[progress]"') from error
    return tqdm(total=total, unit="step", disable=None, leave=False)


class _Best:
    """The best score so far, and the parameters that had it."""

    def __init__(self, rule: EarlyStopping, network: "Network") -> None:
        self._rule = rule
        self._network = network
        self._score = -np.inf
        self._waited = 0
        self._kept: tuple[Array, Array] | None = None

    def worsens(self, record: Record) -> bool:
        """Take note of an epoch; tell whether patience is at an end."""
        score = self._rule.sign * record[self._rule.monitor]
        if score > self._score + self._rule.min_delta:
            self._score, self._waited = score, 0
            if self._rule.restore_best:
                self._kept = (self._network._flat.copy(), self._network._running.copy())
            return False
        self._waited += 1
        return self._waited >= self._rule.patience

    def restore(self) -> None:
        """Put the best parameters back."""
        if self._kept is not None:
            self._network._flat[...], self._network._running[...] = self._kept


def _class_weights(
    examples: Examples, class_weight: Mapping[int, float] | str, classes: int
) -> Array:
    """Weigh each row by its class, on top of its own weight."""
    targets = examples.targets
    if class_weight == "balanced":
        counts = (
            np.bincount(targets, minlength=classes)
            if targets.ndim == 1
            else targets.astype(np.float64).sum(axis=0)
        )
        by_class = np.divide(
            len(targets), classes * counts, where=counts > 0, out=np.zeros(classes)
        )
    elif isinstance(class_weight, Mapping):
        by_class = np.ones(classes)
        for label, weight in class_weight.items():
            if not isinstance(label, int | np.integer) or label not in range(classes):
                raise ValueError(f"class_weight: expected classes in [0, {classes}), got {label!r}")
            by_class[label] = _checks.real("class_weight", weight, ())
        by_class = _checks.weights(by_class, classes, "class_weight")
    else:
        raise TypeError(f"class_weight: expected a dict or 'balanced', got {class_weight!r}")
    weights: Array = by_class[targets] if targets.ndim == 1 else targets @ by_class
    return weights if examples.sample_weight is None else weights * examples.sample_weight


def _stepwise(callbacks: Sequence[Callback]) -> list[Callback]:
    """Give the callbacks that want to see every step."""
    return [c for c in callbacks if type(c).on_step_end is not Callback.on_step_end]


def _check_listeners(
    metrics: Sequence[Metric],
    callbacks: Sequence[Callback],
    early_stopping: EarlyStopping | None,
    validates: bool,
) -> None:
    """Refuse, before anything is trained, who could not be told of an epoch."""
    for index, metric in enumerate(metrics):
        if not callable(metric) or not hasattr(metric, "__name__"):
            got = _checks.describe(metric)
            raise TypeError(f"metrics[{index}]: expected a function with a name, got {got}")
    for index, callback in enumerate(callbacks):
        if not isinstance(callback, Callback):
            got = _checks.describe(callback)
            raise TypeError(f"callbacks[{index}]: expected a Callback, got {got}")
    if early_stopping is None:
        return
    if not isinstance(early_stopping, EarlyStopping):
        got = _checks.describe(early_stopping)
        raise TypeError(f"early_stopping: expected EarlyStopping, got {got}")
    names = ["loss"]
    if validates:
        names += ["val_loss", *(f"val_{metric.__name__}" for metric in metrics)]
    if early_stopping.monitor not in names:
        raise ValueError(
            f"monitor: expected one of {', '.join(names)}, got {early_stopping.monitor!r}"
        )


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
    early_stopping: EarlyStopping | None,
    sample_weight: npt.ArrayLike | None,
    class_weight: Mapping[int, float] | Literal["balanced"] | None,
    tolerance: float,
    seed: int | None,
) -> History:
    """Train as `Network.fit` describes."""
    examples = network._examples(x, y, sample_weight)
    if examples.targets.ndim == 1:  # classes have been checked, and a callback may change y
        examples = replace(examples, targets=examples.targets.copy())
    if class_weight is not None:
        loss = network.loss_function
        if not isinstance(loss, Loss) or loss.predicts != "classes":
            raise TypeError(f"class_weight: expected a loss on classes, got {type(loss).__name__}")
        weights = _class_weights(examples, class_weight, network._layout.outputs)
        examples = replace(examples, sample_weight=weights)
    validation = None if validation_data is None else network._examples(*validation_data)
    epochs = _checks.count("epochs", epochs)
    rows = len(examples.x)
    batch_size = min(_checks.count("batch_size", batch_size), rows)
    tolerance = _checks.setting("tolerance", tolerance)
    _check_listeners(metrics, callbacks, early_stopping, validation is not None)
    network._check_optimizer(optimizer, stacklevel=3)
    n_steps = rows // batch_size if drop_last else -(-rows // batch_size)
    if seed is None:
        rng, draws = network._rng, network._draws
    else:
        rng = np.random.default_rng(seed)
        draws = int(rng.integers(2**63))

    history = History()
    best = _Best(early_stopping, network) if early_stopping is not None else None
    watchers = _stepwise(callbacks)
    bar = _bar(n_steps * epochs) if progress else None
    try:
        for epoch in range(1, epochs + 1):
            order = rng.permutation(rows) if shuffle else None
            batch_loss = np.zeros(n_steps)
            stopped = ""
            at_once = 1 if watchers else n_steps
            start = time.perf_counter()
            for first in range(0, n_steps, at_once):
                part = batch_loss[first : first + at_once]
                steps = Steps(order, batch_size, first, 0, part, tolerance)
                before = (epoch - 1) * n_steps + first
                shown = _advance(bar, before) if bar is not None else None
                done, converged = network._run(examples, optimizer, steps, part, shown, draws)
                if converged:
                    stopped = "tolerance"
                else:
                    stops = [w.on_step_end(network, before + 1, float(part[0])) for w in watchers]
                    stopped = "callback" if any(stops) else ""
                if stopped:
                    break
            seconds = time.perf_counter() - start
            taken = batch_loss[: max(first + done, 1)]
            weights = _step_weights(examples.sample_weight, order, rows, batch_size)[: len(taken)]
            state = network.optimizer_state
            record: Record = {
                "epoch": epoch,
                "loss": float(taken @ weights / weights.sum()) if weights.any() else 0.0,
                "lr": float(rates(optimizer.lr, max(state.get("step", 0) - 1, 0), 1)[0]),
                "seconds": seconds,
            }
            if validation is not None:
                record |= _validate(network, validation, metrics)
            history.batch_loss += taken[: first + done].tolist()
            history.epochs.append(record)
            if bar is not None:
                bar.n = epoch * n_steps
                bar.set_postfix(loss=f"{record['loss']:.4f}")
            if best is not None and best.worsens(record):
                stopped = stopped or "early stopping"
            stops = [callback.on_epoch_end(network, record) for callback in callbacks]
            if any(stops):
                stopped = stopped or "callback"
            if stopped:
                history.stopped = stopped
                break
    finally:
        if bar is not None:
            bar.close()
        if best is not None:
            best.restore()
    return history


def _validate(network: "Network", data: Examples, metrics: Sequence[Metric]) -> Record:
    """Measure loss and metrics on validation data."""
    record = {"val_loss": network._loss_of(data)}
    if metrics:
        predicted, actual = network.predict(data.x), data.targets
        if actual.ndim == 2 and predicted.ndim == 1:
            actual = actual[:, 0] if actual.shape[1] == 1 else actual.argmax(axis=1)
        for metric in metrics:
            record[f"val_{metric.__name__}"] = float(metric(actual, predicted))
    return record


def _advance(bar: Any, before: int) -> Progress:
    """Make a function that moves the bar to a number of steps of this call."""

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


def steps_in_python(
    network: "Network",
    flat: Array,
    states: list[Array],
    optimizer: Optimizer,
    examples: Examples,
    steps: Steps,
    batch_loss: Array,
    progress: Progress | None,
    mode: Mode,
) -> Outcome:
    """Take steps with a loss of the user's own: products and updates compiled, the loss in Python.

    The arguments are those of `Engine.train`, and so is the result.
    """
    gradient = np.empty_like(flat)
    rows = np.arange(len(examples.x)) if steps.order is None else steps.order
    running = mode.running.copy()
    done = 0
    try:
        for lr in steps.lr.tolist():
            begin = (steps.first + done) * steps.batch_size
            batch = rows[begin : begin + steps.batch_size]
            part = Examples(examples.x[batch], examples.targets[batch])
            now = replace(mode, step=mode.step + done, update=True)
            batch_loss[done] = network._gradients(flat, part, gradient, None, now)
            if clip(gradient, optimizer) < steps.tolerance:
                return Outcome(done, 1, True, None)
            step = steps.before + done + 1
            network._engine.update(flat, states, optimizer, lr, step, gradient)
            running[...] = mode.running
            done += 1
            if progress:
                progress(done)
    except BaseException as error:
        mode.running[...] = running  # the step that failed has changed nothing
        return Outcome(done, 1, False, error)
    return Outcome(done, 1, False, None)
