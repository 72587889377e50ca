"""The training loop: epochs of mini-batches, the record of each, and what ends them."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._engine.contract import Examples, Mode, Outcome, Steps, apart
from densenet._engine.turn import ONE_AT_A_TIME, Turn
from densenet._extras import require
from densenet._network.learner import Learner, OptimizerState
from densenet._network.passes import Passes
from densenet._network.state import learner_of
from densenet._typing import Array
from densenet.losses import Loss
from densenet.optimizers import Adam, Optimizer
from densenet.schedules import Schedule
from densenet.training import orders
from densenet.training.averaging import WeightAveraging, average_after, averaging_of
from densenet.training.callbacks import Callback, overriding
from densenet.training.class_weights import class_weights
from densenet.training.early_stopping import EarlyStopping
from densenet.training.fresh import rows_of_epoch
from densenet.training.history import History, Record
from densenet.training.listeners import check_listeners
from densenet.training.orders import Shuffle
from densenet.training.position import Position, described, first_position, left_position

if TYPE_CHECKING:
    from densenet.training.reading import Reader

Metric: TypeAlias = Callable[[Array, Array], float]
Progress: TypeAlias = Callable[[int], None]


class _Pause(Exception):  # noqa: N818 (no error: the way out of a call)
    """Ends a call of the engine after the step that it is taking."""


# ---- one call ------------------------------------------------------------------------------------


def fit(network: Any, x: npt.ArrayLike, y: npt.ArrayLike, **options: Any) -> History:
    """Train as `Network.fit` does, with the same defaults, but do not warn of divergence."""
    # Network itself, which has the defaults: a subclass may have a `fit` of its own.
    owner = next(base for base in reversed(type(network).__mro__) if "fit" in vars(base))
    return train(network, x, y, **{**vars(owner)["fit"].__kwdefaults__, **options})


def train(
    network: Passes,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    epochs: int,
    batch_size: int,
    optimizer: Optimizer | None,
    validation_data: tuple[npt.ArrayLike, npt.ArrayLike] | None,
    metrics: Sequence[Metric],
    shuffle: Shuffle | None,
    drop_last: bool,
    callbacks: Sequence[Callback],
    progress: bool,
    early_stopping: EarlyStopping | None,
    sample_weight: npt.ArrayLike | None,
    class_weight: Mapping[int, float] | Literal["balanced"] | None,
    tolerance: float,
    seed: int | None,
    resume: bool,
) -> History:
    """Train as `Network.fit` describes, but leave it to the caller to warn of divergence."""
    learner = learner_of(network)
    metrics = _checks.sequence("metrics", metrics, "functions")
    callbacks = _checks.sequence("callbacks", callbacks, "callbacks")
    drop_last = _checks.flag("drop_last", drop_last)
    progress, resume = _checks.flag("progress", progress), _checks.flag("resume", resume)
    seed = _checks.seed("seed", seed)
    optimizer = Adam() if optimizer is None else optimizer
    examples = learner.examples(x, y, sample_weight)
    shuffled = orders.chosen(shuffle, examples.x, learner.position if resume else None)
    if class_weight is not None:
        loss = learner.loss
        if not isinstance(loss, Loss) or loss.predicts != "classes":
            raise TypeError(f"class_weight: expected a loss on classes, got {type(loss).__name__}")
        weights = class_weights(examples, class_weight, learner.layout.outputs)
        examples = examples._replace(sample_weight=weights)
    validation = None
    if validation_data is not None:
        pair = _checks.pair("validation_data", validation_data)
        with _checks.within("validation_data"):
            validation = learner.examples(*pair)
    epochs = _checks.count("epochs", epochs)
    rows = len(examples.x)
    batch_size = min(_checks.count("batch_size", batch_size), rows)
    tolerance = _checks.setting("tolerance", tolerance)
    check_listeners(metrics, callbacks, early_stopping, validation is not None)
    averaging = averaging_of(callbacks)
    row_weights = "None" if sample_weight is None else "weights"
    weights_of_classes = repr(class_weight)

    def conditions() -> dict[str, str]:
        """Describe what must be the same when training goes on."""
        specs = {
            "batch_size": batch_size,
            "optimizer": optimizer,
            "shuffle": shuffled,
            "drop_last": bool(drop_last),
            "early_stopping": early_stopping,
            "callbacks": averaging,
            "tolerance": tolerance,
            "seed": seed,
        }
        return {
            "x": f"{rows} rows",
            "sample_weight": row_weights,
            "class_weight": weights_of_classes,
            **{name: described(value) for name, value in specs.items()},
        }

    turn = Turn("fit")
    try:
        learner.begin(turn)
        position = left_position(learner, conditions, optimizer, epochs) if resume else None
        learner.check_optimizer(optimizer, stacklevel=3)
        state = learner.ready(optimizer)
        learner.prepared = None  # it knows nothing of turns
        if position is None:
            position = first_position(learner, conditions, state.taken, seed)
        rng = learner.rng if position.rng is None else position.rng
        n_steps = rows // batch_size if drop_last else -(-rows // batch_size)
        taken = position.epochs * n_steps + position.step
        bar = _bar(n_steps * epochs, taken) if progress else None

        rng.bit_generator.state = position.drawn
        examples = apart(examples, (learner.flat, *state.moments.values()))
        position.put_last_back(learner)
        position.go_on(state.taken)
        position.ended = False
        learner.position = position
        run = _Run(
            network=network,
            learner=learner,
            given=examples,
            optimizer=optimizer,
            state=state,
            position=position,
            epochs=epochs,
            batch_size=batch_size,
            n_steps=n_steps,
            tolerance=tolerance,
            rng=rng,
            draw=orders.drawing(shuffled, examples.x, batch_size, rng),
            shuffled=shuffled,
            validation=validation,
            metrics=metrics,
            callbacks=callbacks,
            early_stopping=early_stopping,
            averaging=averaging,
            bar=bar,
        )
        try:
            return run.to_its_end()
        finally:
            run.leave()
    finally:
        turn.over = True


def _bar(total: int, taken: int) -> Any:
    """Make a progress bar over all steps, silent where standard error is no terminal."""
    require("progress=True", "progress", "tqdm")
    from tqdm.auto import tqdm

    return tqdm(total=total, initial=taken, unit="step", disable=None, leave=False)


# ---- calls of the engine -------------------------------------------------------------------------


def run_engine(
    learner: Learner,
    moments: list[Array],
    optimizer: Optimizer,
    examples: Examples,
    steps: Steps,
    batch_loss: Array,
    progress: Progress | None,
    draws: int,
) -> Outcome:
    """Let the engine take steps; raise what a signal handler or `progress` has raised meanwhile."""
    turn, flat = learner.turn, learner.flat
    assert turn is not None
    mode = Mode(learner.running, True, draws, int(steps.taken[0]))
    given = (flat, moments, optimizer, examples, steps, batch_loss, progress, mode)
    try:
        turn.stepping = True
        outcome = learner.engine.train(*given)
    finally:
        turn.stepping = False
    if outcome.error is not None:
        raise outcome.error
    return outcome


def learning_rates(lr: float | Schedule, first: int, n_steps: int) -> list[float]:
    """Give the learning rates of `n_steps` steps, the first of which is number `first`, from 0."""
    if isinstance(lr, Schedule):
        return [float(lr(step)) for step in range(first, first + n_steps)]
    return [float(lr)] * n_steps


# ---- epochs --------------------------------------------------------------------------------------


@dataclass
class _Run:
    """The epochs of one call of `fit`: what they work on, and who is told of them."""

    network: Passes
    learner: Learner
    given: Examples
    optimizer: Optimizer
    state: OptimizerState
    position: Position
    epochs: int
    batch_size: int
    n_steps: int  # of an epoch
    tolerance: float
    rng: "np.random.Generator"  # in quotes: NumPy imports it when it is first named
    draw: Callable[[], Array] | None  # the order of an epoch's rows
    shuffled: Shuffle
    validation: Examples | None
    metrics: Sequence[Metric]
    callbacks: Sequence[Callback]
    early_stopping: EarlyStopping | None
    averaging: WeightAveraging | None
    bar: Any

    def __post_init__(self) -> None:
        self.moments = self.state.moments_for(self.optimizer)
        self.beginning = overriding("on_epoch_begin", self.callbacks)
        self.watching = overriding("on_step_end", self.callbacks)
        self.pausing = overriding("is_due", self.callbacks)
        self.best = self.position.best  # of all epochs, of the one at hand, too
        self.rest = History()  # of an epoch that is left before its end
        self.reader: Reader | None = None
        self.learn_from(self.given)

    def to_its_end(self) -> History:
        """Train to the last epoch, or to what stops the training before."""
        position, rule = self.position, self.early_stopping
        ran_out = rule is not None and self.best.waited >= rule.patience
        stopped = "early stopping" if ran_out else ""
        while not stopped and position.epochs < self.epochs:
            stopped = self.epoch()
        if not stopped and not _finite(self.learner.flat):
            stopped = "diverged"
        position.ended = stopped != "callback"
        done, rest = position.past(), self.rest
        return History(
            done.batch_loss + rest.batch_loss, done.epochs + rest.epochs, stopped or "epochs"
        )

    def epoch(self) -> str:
        """Train for an epoch, or what is left of it; tell what stops the training, if anything."""
        position, rule, n_steps = self.position, self.early_stopping, self.n_steps
        if self.averaging is not None:
            position.put_last_back(self.learner)
        if self.beginning:
            given = (self.network, self.learner, self.moments, self.given, position.epochs + 1)
            self.learn_from(rows_of_epoch(self.beginning, *given))
        if not position.begun:
            # The generator has a lock, and a fork must not come while another thread holds it.
            with ONE_AT_A_TIME:
                order = self.draw() if self.draw is not None else None
            position.begin(order, n_steps, self.rng.bit_generator.state)
        start = time.perf_counter()
        stopped = self.steps()
        seconds = time.perf_counter() - start
        taken = self.steps_taken()
        if self.averaging is not None:
            self.average(self.averaging, taken)
            position.show_average(self.learner)
        shown = taken + (stopped == "diverged")  # that step has a loss, too
        losses = position.batch_loss.tolist()[: max(shown, 1)]
        record = self.record(losses, seconds)
        if self.validation is not None:
            record |= self.validate(self.validation)
        if rule is not None:
            self.best = position.best.after(rule, record, self.learner)
            if self.best.waited >= rule.patience:
                stopped = stopped or "early stopping"
        if taken == n_steps:
            position.end(losses, record, self.best)
        else:
            self.rest = History(losses[:shown], [record])
        if self.bar is not None:
            self.bar.n = record["epoch"] * n_steps
            self.bar.set_postfix(loss=f"{record['loss']:.4f}")
        who: Any = self.network
        stops = [callback.on_epoch_end(who, record) for callback in self.callbacks]
        return stopped or ("callback" if any(stops) else "")

    def average(self, rule: WeightAveraging, done: int) -> None:
        """Let the weights count that the network has after so many steps of this epoch."""
        position = self.position
        given = (position.average, self.learner, position.epochs, self.n_steps, done)
        position.average = average_after(rule, *given, self.batches)

    def batches(self) -> Iterator[Array]:
        """Give the inputs of the epoch's steps, one after the other."""
        for step in range(len(self.examples.x) // self.batch_size):
            x, order, first = self.examples.x, self.position.order, 0
            if self.reader is not None and order is not None:
                _, first, _, (x, *_) = self.reader.group(order, step)
                order = None
            begin = (step - first) * self.batch_size
            rows = slice(begin, begin + self.batch_size)
            yield x[rows] if order is None else x[order[rows]]

    def learn_from(self, examples: Examples) -> None:
        """Take the rows of the next steps from these, which may lie in a mapped file."""
        self.examples = examples
        if self.reader is not None:
            self.reader.end()
            self.reader = None
        file = orders.file_of(examples.x) if self.shuffled == "blocks" else None
        if file is not None:
            from densenet.training.reading import Reader  # for which Python loads mmap

            self.reader = Reader(file, examples, self.batch_size)

    def steps_taken(self) -> int:
        """Count the steps of this epoch that have been taken."""
        return int(self.position.taken[0]) - self.position.first

    def steps(self) -> str:
        """Take the epoch's steps, or what is left of them; tell what stops the training, if so."""
        learner, position, optimizer = self.learner, self.position, self.optimizer
        turn, n_steps = learner.turn, self.n_steps
        who: Any = self.network
        assert turn is not None
        rule = self.averaging
        each = rule is not None and rule.decay is not None
        while (done := self.steps_taken()) < n_steps:
            if rule is not None and each:
                self.average(rule, done)
            turn.stepping = True  # from here on, nobody resets the optimizer
            if learner.optimizer_state is not self.state:  # a callback has
                self.state = learner.ready(optimizer)
                self.moments = self.state.moments_for(optimizer)
                position.go_on(self.state.taken)
            examples, order, first, last = self.examples, position.order, 0, n_steps
            if self.reader is not None and order is not None:
                _, first, last, examples = self.reader.group(order, done)
                order = None
            part = position.batch_loss[done : done + 1 if self.watching or each else last]
            before, taken = position.epochs * n_steps + done, self.state.taken
            lr = learning_rates(optimizer.lr, int(taken[0]), len(part))
            steps = Steps(order, self.batch_size, done - first, taken, lr, self.tolerance)
            given = (examples, steps, part, self.watch(before), position.draws)
            try:
                outcome = run_engine(learner, self.moments, optimizer, *given)
                if outcome.converged or outcome.diverged:
                    return "tolerance" if outcome.converged else "diverged"
            except _Pause:
                pass
            stops = [w.on_step_end(who, before + 1, float(part[0])) for w in self.watching]
            turn.stepping = True  # `is_due` is asked within a call of the engine, too
            due = [each for each in self.pausing if each.is_due()]
            turn.stepping = False
            stops += [each.on_pause(who) for each in due]
            if any(stops):
                return "callback"
        return ""

    def watch(self, before: int) -> Progress | None:
        """Make a function that moves the bar, and ends the call where a callback is due.

        `before` steps of the training have been taken before the call. A callback may look at the
        network between two calls alone, when all threads are done with the parameters.
        """
        bar, pausing = self.bar, self.pausing
        if bar is None and not pausing:
            return None

        def watch(steps: int) -> None:
            if bar is not None:
                bar.update(before + steps - bar.n)
            if any(callback.is_due() for callback in pausing):
                raise _Pause

        return watch

    def record(self, losses: Sequence[float], seconds: float) -> Record:
        """Make the record of this epoch's steps, or of the step that was not taken."""
        last = max(int(self.position.taken[0]) - 1, 0)
        return {
            "epoch": self.position.epochs + 1,
            "loss": self.mean(losses),
            "lr": learning_rates(self.optimizer.lr, last, 1)[0],
            "seconds": seconds,
        }

    def mean(self, losses: Sequence[float]) -> float:
        """Give the mean loss of the rows of these steps, the first ones of the epoch."""
        examples, batch_size = self.examples, self.batch_size
        weights, rows = examples.sample_weight, len(examples.x)
        if weights is None:
            full = min(rows // batch_size, len(losses))
            rest = rows % batch_size if full < len(losses) else 0
            weighted = batch_size * sum(losses[:full]) + (rest * losses[full] if rest else 0.0)
            return weighted / (batch_size * full + rest)
        order = self.position.order
        if order is not None:
            weights = weights[order]
        each = np.add.reduceat(weights, range(0, rows, batch_size))[: len(losses)]
        total = float(each.sum())
        return float(each @ losses) / total if total > 0 else 0.0

    def validate(self, data: Examples) -> Record:
        """Measure loss and metrics on validation data."""
        record = {"val_loss": self.learner.loss_of(data)}
        if self.metrics:
            predicted, actual = self.network.predict(data.x), data.targets
            if actual.ndim == 2 and predicted.ndim == 1:
                actual = actual[:, 0] if actual.shape[1] == 1 else actual.argmax(axis=1)
            for metric in self.metrics:
                record[f"val_{metric.__name__}"] = float(metric(actual, predicted))
        return record

    def leave(self) -> None:
        """Restore the best parameters, if they were kept.

        What had been learned last is kept then, unless early stopping ends the training for good.
        """
        if self.bar is not None:
            self.bar.close()
        best, position, rule = self.best, self.position, self.early_stopping
        position.show_average(self.learner)
        if best.kept is not None:
            done = rule is not None and position.best.waited >= rule.patience
            if position.last is None and not done:
                position.last = self.learner.learned()
            self.learner.put_back(best.kept)
        position.leave()
        if self.reader is not None:
            self.reader.end()


def _finite(flat: Array) -> bool:
    """Tell whether all parameters are finite, without another array of their size."""
    with np.errstate(invalid="ignore"):
        return math.isfinite(flat.min()) and math.isfinite(flat.max())
