"""Training: epochs of mini-batches, what is recorded of them, and who may stop them."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._engine.clipping import clip
from densenet._engine.contract import Examples, Mode, Outcome, Steps, apart
from densenet._engine.turn import Turn
from densenet._extras import require
from densenet._typing import Array
from densenet.losses import Loss
from densenet.optimizers import Adam, Optimizer
from densenet.schedules import rate
from densenet.training.callbacks import Callback, overriding
from densenet.training.early_stopping import Best, EarlyStopping, Learned
from densenet.training.history import History, Record
from densenet.training.position import Position, Settings, described

if TYPE_CHECKING:
    from densenet.network import Network

Metric: TypeAlias = Callable[[Array, Array], float]
Progress: TypeAlias = Callable[[int], None]


class _Pause(Exception):  # noqa: N818 (no error: the way out of a call)
    """Ends a call of the engine after the step at hand."""


def _bar(total: int, taken: int) -> Any:
    """Make a progress bar over all steps, silent where standard error is no terminal."""
    require("progress=True", "progress", "tqdm")
    from tqdm.auto import tqdm

    return tqdm(total=total, initial=taken, unit="step", disable=None, leave=False)


def _class_weights(
    examples: Examples, class_weight: Mapping[int, float] | str, classes: int
) -> Array:
    """Weigh each row by its class, on top of its own weight."""
    targets = examples.targets
    if isinstance(class_weight, str) and class_weight == "balanced":
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
        got = (
            repr(class_weight) if isinstance(class_weight, str) else _checks.describe(class_weight)
        )
        raise TypeError(f"class_weight: expected a dict or 'balanced', got {got}")
    weights: Array = by_class[targets] if targets.ndim == 1 else targets @ by_class
    if examples.sample_weight is not None:
        weights = weights * examples.sample_weight
    return _checks.scaled(weights)


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
    epochs: int = 10,
    batch_size: int = 128,
    optimizer: Optimizer | None = None,
    validation_data: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    metrics: Sequence[Metric] = (),
    shuffle: bool = True,
    drop_last: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
    early_stopping: EarlyStopping | None = None,
    sample_weight: npt.ArrayLike | None = None,
    class_weight: Mapping[int, float] | Literal["balanced"] | None = None,
    tolerance: float = 0.0,
    seed: int | None = None,
    resume: bool = False,
) -> History:
    """Train as `Network.fit` describes, but leave it to the caller to warn of divergence."""
    metrics = _checks.sequence("metrics", metrics, "functions")
    callbacks = _checks.sequence("callbacks", callbacks, "callbacks")
    shuffle, drop_last = _checks.flag("shuffle", shuffle), _checks.flag("drop_last", drop_last)
    progress, resume = _checks.flag("progress", progress), _checks.flag("resume", resume)
    seed = _checks.seed("seed", seed)
    optimizer = Adam() if optimizer is None else optimizer
    examples = network._examples(x, y, sample_weight)
    if class_weight is not None:
        loss = network.loss_function
        if not isinstance(loss, Loss) or loss.predicts != "classes":
            raise TypeError(f"class_weight: expected a loss on classes, got {type(loss).__name__}")
        weights = _class_weights(examples, class_weight, network.outputs)
        examples = examples._replace(sample_weight=weights)
    validation = None
    if validation_data is not None:
        pair = _checks.pair("validation_data", validation_data)
        with _checks.within("validation_data"):
            validation = network._examples(*pair)
    epochs = _checks.count("epochs", epochs)
    rows = len(examples.x)
    batch_size = min(_checks.count("batch_size", batch_size), rows)
    tolerance = _checks.setting("tolerance", tolerance)
    _check_listeners(metrics, callbacks, early_stopping, validation is not None)
    row_weights = "None" if sample_weight is None else "weights"
    class_weights = repr(class_weight)

    def settings() -> dict[str, str]:
        """Describe what must be the same when training goes on: only where someone asks."""
        specs = {
            "batch_size": batch_size,
            "optimizer": optimizer,
            "shuffle": bool(shuffle),
            "drop_last": bool(drop_last),
            "early_stopping": early_stopping,
            "tolerance": tolerance,
            "seed": seed,
        }
        return {
            "x": f"{rows} rows",
            "sample_weight": row_weights,
            "class_weight": class_weights,
            **{name: described(value) for name, value in specs.items()},
        }

    turn = Turn("fit")
    try:
        network._begin(turn)
        position = _left(network, settings, optimizer, epochs) if resume else None
        network._check_optimizer(optimizer, stacklevel=3)
        taken = network._ready(optimizer).taken
        network._prepared = None
        if position is None:
            position = _start(network, settings, taken, seed)
        rng = network._rng if position.rng is None else position.rng
        n_steps = rows // batch_size if drop_last else -(-rows // batch_size)
        bar = _bar(n_steps * epochs, position.steps(n_steps)) if progress else None

        rng.bit_generator.state = position.drawn
        position.put_back(network)
        position.go_on(taken)
        position.ended = False
        network._position = position
        best, rest = position.best, History()
        ran_out = early_stopping is not None and best.waited >= early_stopping.patience
        stopped = "early stopping" if ran_out else ""
        try:
            while not stopped and position.epoch <= epochs:
                if not position.begun:
                    order = rng.permutation(rows) if shuffle else None
                    position.begin(order, n_steps, rng.bit_generator.state)
                start = time.perf_counter()
                stopped = _take_steps(
                    network, examples, optimizer, position, batch_size, tolerance, callbacks, bar
                )
                seconds = time.perf_counter() - start
                shown = position.step + (stopped == "diverged")  # that step has a loss, too
                losses = position.batch_loss.tolist()[: max(shown, 1)]
                given = (examples, optimizer, position, batch_size, losses, seconds)
                record = _record(*given)
                if validation is not None:
                    record |= _validate(network, validation, metrics)
                if early_stopping is not None:
                    best = position.best.after(early_stopping, record, network)
                    if best.waited >= early_stopping.patience:
                        stopped = stopped or "early stopping"
                if position.step == n_steps:
                    position.end(losses, record, best)
                else:
                    rest = History(losses[:shown], [record])
                if bar is not None:
                    bar.n = record["epoch"] * n_steps
                    bar.set_postfix(loss=f"{record['loss']:.4f}")
                stops = [callback.on_epoch_end(network, record) for callback in callbacks]
                if any(stops):
                    stopped = stopped or "callback"
            if not stopped and not _finite(network._flat):
                stopped = "diverged"
            position.ended = stopped != "callback"
            done = position.past()
            return History(
                done.batch_loss + rest.batch_loss, done.epochs + rest.epochs, stopped or "epochs"
            )
        finally:
            _leave(network, position, best, early_stopping, bar)
    finally:
        turn.over = True


def _leave(
    network: "Network", position: Position, best: Best, rule: EarlyStopping | None, bar: Any
) -> None:
    """Restore the best parameters, if they were kept. Those that were left are then kept, too."""
    if bar is not None:
        bar.close()
    if best.kept is not None:
        if rule is None or position.best.waited < rule.patience:  # training may go on from there
            position.last = Learned.of(network)
        best.kept.put_back(network)
    position.leave()


def _finite(flat: Array) -> bool:
    """Tell whether all parameters are finite, without another array of their size."""
    with np.errstate(invalid="ignore"):
        return math.isfinite(flat.min()) and math.isfinite(flat.max())


def divergence(history: History) -> str:
    """Say where training diverged.

    Examples
    --------
    >>> import math
    >>> from densenet.training import History
    >>> from densenet.training.loop import divergence
    >>> divergence(History([1.0, math.inf], [{"epoch": 1, "loss": math.inf}], "diverged"))
    'training has diverged: the loss of step 2, in epoch 1, is inf; the step was not taken'
    """
    steps = sum(map(math.isfinite, history.batch_loss))
    if steps == len(history.batch_loss):
        return f"training has diverged: a parameter is not finite after the last step, {steps}"
    return (
        f"training has diverged: the loss of step {steps + 1}, in epoch {len(history.epochs)}, is "
        f"{history.batch_loss[-1]}; the step was not taken"
    )


def _start(network: "Network", settings: Settings, taken: Array, seed: int | None) -> Position:
    """Make the position of a training that begins."""
    rng, draws = None, network._draws
    if seed is not None:
        rng = np.random.default_rng(seed)
        draws = int(rng.integers(2**63))
    drawn = (rng or network._rng).bit_generator.state
    return Position(settings, rng, drawn, draws, taken, int(taken[0]))


def _left(network: "Network", settings: Settings, optimizer: Optimizer, epochs: int) -> Position:
    """Give the position at which training was left, if it can go on from there."""
    position = network._position
    if position is None:
        raise ValueError("resume: expected a network that fit has trained, got another one")
    state = network._state
    counted = state.step if state is not None and state.rule is type(optimizer) else 0
    given = settings()
    for name, was in position.settings().items():
        if given.get(name) != was:
            raise ValueError(f"{name}: expected {was} to resume, got {given.get(name)}")
    if counted != position.count:
        raise ValueError(
            f"resume: expected the optimizer at step {position.count}, where training was left, "
            f"got step {counted}"
        )
    _checks.count("epochs", epochs, position.epoch - (not position.begun))
    return position


def _take_steps(
    network: "Network",
    examples: Examples,
    optimizer: Optimizer,
    position: Position,
    batch_size: int,
    tolerance: float,
    callbacks: Sequence[Callback],
    bar: Any,
) -> str:
    """Take what is left of the epoch's steps; tell why no further ones, if so."""
    watchers = overriding("on_step_end", callbacks)
    pausing = overriding("is_due", callbacks)
    n_steps = len(position.batch_loss)
    while position.step < n_steps:
        end = position.step + 1 if watchers else n_steps
        part = position.batch_loss[position.step : end]
        position.go_on(network._ready(optimizer).taken)  # a callback may have reset the optimizer
        before = position.steps(n_steps)
        progress = _watch(bar, before, pausing) if bar is not None or pausing else None
        try:
            outcome = network._run(
                examples,
                optimizer,
                part,
                batch_size=batch_size,
                order=position.order,
                first=position.step,
                tolerance=tolerance,
                progress=progress,
                draws=position.draws,
            )
            if outcome.converged or outcome.diverged:
                return "tolerance" if outcome.converged else "diverged"
        except _Pause:
            pass
        stops = [w.on_step_end(network, before + 1, float(part[0])) for w in watchers]
        stops += [callback.on_pause(network) for callback in pausing if callback.is_due()]
        if any(stops):
            return "callback"
    return ""


def _record(
    examples: Examples,
    optimizer: Optimizer,
    position: Position,
    batch_size: int,
    losses: Sequence[float],
    seconds: float,
) -> Record:
    """Say what the steps of the epoch at hand have come to, or the one that was not taken."""
    last = max(position.count - 1, 0)
    return {
        "epoch": position.epoch,
        "loss": _mean(losses, examples, position.order, batch_size),
        "lr": rate(optimizer.lr, last),
        "seconds": seconds,
    }


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


def _watch(bar: Any, before: int, pausing: Sequence[Callback]) -> Progress:
    """Make a function that moves the bar, and ends the call where a callback is due.

    Only between calls are all threads done with the parameters.
    """

    def watch(steps: int) -> None:
        if bar is not None:
            bar.update(before + steps - bar.n)
        if any(callback.is_due() for callback in pausing):
            raise _Pause

    return watch


def _mean(
    losses: Sequence[float], examples: Examples, order: Array | None, batch_size: int
) -> float:
    """Give the mean loss of the rows of these steps, an epoch's first."""
    weights, rows = examples.sample_weight, len(examples.x)
    if weights is None:
        full = min(rows // batch_size, len(losses))
        rest = rows % batch_size if full < len(losses) else 0
        weighted = batch_size * sum(losses[:full]) + (rest * losses[full] if rest else 0.0)
        return weighted / (batch_size * full + rest)
    if order is not None:
        weights = weights[order]
    each = np.add.reduceat(weights, range(0, rows, batch_size))[: len(losses)]
    total = float(each.sum())
    return float(each @ losses) / total if total > 0 else 0.0


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
    examples = apart(examples, (flat, *states))
    rows = np.arange(len(examples.x)) if steps.order is None else steps.order
    done, before = 0, int(steps.taken[0])
    try:
        for lr in steps.lr:
            begin = (steps.first + done) * steps.batch_size
            batch = rows[begin : begin + steps.batch_size]
            part = Examples(examples.x[batch], examples.targets[batch])
            moved = mode.running.copy()  # which a step that fails leaves behind
            now = mode._replace(running=moved, step=mode.step + done, update=True)
            batch_loss[done] = network._gradients(flat, now, part, gradient, None)
            if not math.isfinite(batch_loss[done]):
                return Outcome(done, 1, diverged=True)
            if clip(gradient, optimizer) < steps.tolerance:
                return Outcome(done, 1, converged=True)
            given = (flat, states, optimizer, lr, steps.taken, gradient, mode, moved)
            network._engine.update(*given)
            done += 1
            if progress:
                progress(done)
    except BaseException as error:
        return Outcome(int(steps.taken[0]) - before, 1, error=error)
    return Outcome(done, 1)
