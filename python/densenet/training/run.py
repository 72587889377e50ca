"""The epochs of one call of `fit`: the steps of each, its record, and what ends them."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from densenet import _checks
from densenet._engine.cancel import HERE
from densenet._engine.contract import Examples, Mode, Outcome, Steps
from densenet._engine.made_rows import MadeRows
from densenet._engine.turn import ONE_AT_A_TIME
from densenet._network.learner import Learner, OptimizerState
from densenet._network.passes import Passes
from densenet._typing import Array
from densenet.optimizers import Optimizer
from densenet.schedules import Schedule
from densenet.training import orders
from densenet.training.averaging import WeightAveraging, average_after, moments_over
from densenet.training.callbacks import Callback, overriding
from densenet.training.digests import digest
from densenet.training.early_stopping import EarlyStopping
from densenet.training.fresh import rows_of_epoch
from densenet.training.history import History, Record
from densenet.training.making import Maker
from densenet.training.orders import Shuffle
from densenet.training.position import Position
from densenet.training.ranks import Ranks, Stopped
from densenet.training.shared import SharedSteps
from densenet.training.shares import Batches

if TYPE_CHECKING:
    from densenet.training.reading import Reader

Metric: TypeAlias = Callable[[Array, Array], float]
Progress: TypeAlias = Callable[[int], None]


class _Pause(Exception):  # noqa: N818 (no error: the way out of a call)
    """Ends a call of the engine after the step that it is taking."""


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
    shared: SharedSteps | None = None,
) -> Outcome:
    """Let the engine take steps, or ranks theirs; raise what a signal handler has raised meanwhile.

    What `progress` has raised is raised, too.
    """
    turn, flat = learner.turn, learner.flat
    assert turn is not None
    if HERE.ending is not None:
        progress = HERE.watch(progress)
    mode = Mode(learner.running, True, draws, int(steps.taken[0]))
    given = (flat, moments, optimizer, examples, steps, batch_loss, progress, mode)
    try:
        turn.stepping = True
        outcome = (learner.engine if shared is None else shared).train(*given)
    finally:
        turn.stepping = False
    if outcome.error is not None:
        raise outcome.error
    return outcome


def learning_rates(optimizer: Optimizer, first: int, n_steps: int) -> list[float]:
    """Give the learning rates of `n_steps` steps, the first of which is number `first`, from 0.

    They do not overflow when multiplied by the optimizer's factors.

    Raises
    ------
    TypeError, ValueError
        If a schedule of the user's own gives something else than a number in [0, inf), or a rate
        times a factor overflows.
    """
    lr = optimizer.lr
    if not isinstance(lr, Schedule):
        return [float(lr)] * n_steps
    rates = [_rate(lr, step) for step in range(first, first + n_steps)]
    if optimizer.lr_factors and rates:
        _checks.rates_of_factors(max(rates), optimizer.lr_factors)
    return rates


def _rate(schedule: Schedule, step: int) -> float:
    rate: Any = schedule(step)
    if type(rate) is float and 0 <= rate < math.inf:  # the usual case, checked fast
        return rate
    return _checks.rate(f"lr at step {step}", rate)


# ---- epochs --------------------------------------------------------------------------------------


@dataclass
class Run:
    """The epochs of one call of `fit`: what they work on, and who is told of them.

    Whoever makes one calls `leave` at its end.
    """

    network: Passes
    learner: Learner
    given: Examples
    rows: Array | None  # those of `given` to learn from, by number; None for all
    optimizer: Optimizer
    state: OptimizerState
    position: Position
    epochs: int
    batch_size: int
    n_rows: int  # to learn from
    n_steps: int  # of an epoch
    tolerance: float
    rng: "np.random.Generator"  # in quotes: NumPy imports it when it is first named
    draw: Callable[[], Array] | None  # the order of an epoch's rows
    shuffled: Shuffle
    validation: Examples | None
    validation_rows: Array | None  # those of `validation` to measure; None for all
    metrics: Sequence[Metric]
    callbacks: Sequence[Callback]
    early_stopping: EarlyStopping | None
    averaging: WeightAveraging | None
    bar: Any
    ranks: Ranks | None
    shares: Batches | None = None  # of each batch, where ranks hold their own rows

    def __post_init__(self) -> None:
        ranks = self.ranks
        self.shared = None if ranks is None else SharedSteps(self.learner, ranks, self.shares)
        self.moments = self.state.moments_for(self.optimizer)
        self.beginning = overriding("on_epoch_begin", self.callbacks)
        self.watching = overriding("on_step_end", self.callbacks)
        self.pausing = overriding("is_due", self.callbacks)
        self.best = self.position.best  # of all epochs, of the one at hand, too
        self.rest = History()  # of an epoch that is left before its end
        self.reader: Reader | Maker | None = None
        self.learn_from(self.given)

    def to_its_end(self) -> History:
        """Train to the last epoch, or to what stops the training before."""
        stopped = ""
        while self.goes_on(stopped):
            stopped = self.epoch()
        if self.ranks is not None:
            self.ranks.close()
        return self.history(stopped)

    def epoch(self) -> str:
        """Train for an epoch, or what is left of it; tell what stops the training, if anything."""
        self.begin_epoch()
        start = time.perf_counter()
        stopped = self.steps()
        return self.end_epoch(stopped, time.perf_counter() - start)

    def goes_on(self, stopped: str) -> bool:
        """Tell whether another epoch follows; `stopped` tells what has stopped the training."""
        return not stopped and not self.ran_out and self.position.epochs < self.epochs

    @property
    def ran_out(self) -> bool:
        """True if early stopping has lost its patience, perhaps in an earlier call."""
        rule = self.early_stopping
        return rule is not None and self.best.waited >= rule.patience

    def history(self, stopped: str) -> History:
        """Give what the training has recorded, and what has stopped it."""
        if not stopped and self.ran_out:
            stopped = "early stopping"
        if not stopped and not _finite(self.learner.flat):
            stopped = "diverged"
        self.position.ended = stopped != "callback"
        done, rest = self.position.past(), self.rest
        return History(
            batch_loss=done.batch_loss + rest.batch_loss,
            epochs=done.epochs + rest.epochs,
            stopped=stopped or "epochs",
            steps_per_epoch=max(self.n_steps, 0),  # -1: chunks have not told it yet
        )

    def begin_epoch(self) -> None:
        """Ask for the rows of an epoch, and draw their order, unless it has begun."""
        position = self.position
        if self.averaging is not None:
            position.put_last_back(self.learner)
        if self.beginning:
            self.learn_from(self.fresh_rows())
        if not position.begun:
            # The generator has a lock, and a fork must not come while another thread holds it.
            with ONE_AT_A_TIME:
                order = self.drawn()
            position.begin(order, self.n_steps, self.rng.bit_generator.state)

    def drawn(self) -> Array | None:
        """Draw the order of an epoch's rows; None for rows as they lie."""
        return None if self.draw is None else self.draw()

    def fresh_rows(self) -> Examples:
        """Ask callbacks for the rows of the epoch that begins."""
        given = (self.network, self.learner, self.moments, self.given, self.position.epochs + 1)
        return rows_of_epoch(self.beginning, *given)

    def end_epoch(self, stopped: str, seconds: float) -> str:
        """Record an epoch, or a part of one, and tell all who want to know.

        `stopped` tells what has stopped its steps before their end. Give what stops the training.
        """
        position, rule, n_steps = self.position, self.early_stopping, self.n_steps
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
            self.bar.n = position.losses + len(self.rest.batch_loss)
            self.bar.set_postfix(loss=f"{record['loss']:.4f}")
        who: Any = self.network
        told = [callback.on_epoch_end(who, record) for callback in self.callbacks]
        stops = any(told) or stopped == "callback"
        if self.ranks is not None:
            stops = self.agree(self.ranks, record, stops)
        return stopped or ("callback" if stops else "")

    def agree(self, ranks: Ranks, record: Record, stops: bool) -> bool:
        """Check that all ranks have learned the same in an epoch; tell whether one of them stops.

        So they have if they hold the same now: whatever they learn from has come into it.
        """
        scores = {name: value for name, value in record.items() if name != "seconds"}
        held = (self.learner.arrays(), self.state.taken, scores, self.fresh())
        return ranks.end_epoch(int(record["epoch"]), digest(*held), stops)

    def fresh(self) -> Sequence[Any]:
        """Give what ranks must hold alike of the rows of this epoch: those that a callback gave."""
        return () if self.examples is self.given else self.examples[:3]

    def order(self) -> Array | None:
        """Give the numbers of all rows of this epoch in their order; None for all as they lie."""
        order = self.position.order
        if self.rows is None and order is None and isinstance(self.examples.x, MadeRows):
            return np.arange(self.n_rows)
        if self.rows is None:
            return order
        return self.rows if order is None else self.rows[order]

    def average(self, rule: WeightAveraging, done: int) -> None:
        """Let the weights count that the network has after so many steps of this epoch."""
        position = self.position
        given = (position.average, self.learner, position.epochs, self.n_steps, done)
        position.average = average_after(rule, *given, self.measure)

    def measure(self, flat: Array) -> Array:
        """Measure batch normalisation's moments with other parameters, over the whole batches."""
        return moments_over(self.batches(), flat, self.learner)

    def batches(self) -> Iterator[Array]:
        """Give the inputs of the epoch's steps, one after the other."""
        for step in range(self.n_rows // self.batch_size):
            x, order, first = self.examples.x, self.order(), 0
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
        if isinstance(examples.x, MadeRows):
            self.reader = Maker(examples, self.batch_size)
            return
        file = orders.file_of(examples.x) if self.shuffled == "blocks" else None
        if file is not None:
            from densenet.training.reading import Reader  # for which Python loads mmap

            self.reader = Reader(file, examples, self.batch_size)

    def steps_taken(self) -> int:
        """Count the steps of this epoch that have been taken."""
        return int(self.position.taken[0]) - self.position.first

    def steps(self) -> str:
        """Take the epoch's steps, or what is left of them; tell what stops the training, if so."""
        numbers = self.order()
        while self.has_rows(done := self.steps_taken()):
            stopped = self.some_steps(numbers, done)
            if stopped:
                return stopped
        return ""

    def has_rows(self, done: int) -> bool:
        """Tell whether there are rows for a step after so many steps of this epoch."""
        return done < self.n_steps

    def rows_at(self, order: Array | None, done: int) -> tuple[Examples, Array | None, int, int]:
        """Give rows, their order, and the first and last of the steps of the epoch that they are.

        `order` is that of all rows of the epoch, of which `done` steps have been taken.
        """
        if self.reader is None or order is None:
            return self.examples, order, 0, self.n_steps
        _, first, last, examples = self.reader.group(order, done)
        return examples, None, first, last

    def some_steps(self, numbers: Array | None, done: int) -> str:
        """Take steps after so many of this epoch, as many as one call of the engine may take.

        Tell what stops the training, if anything. The rows of the epoch have these `numbers`.
        """
        learner, position, optimizer = self.learner, self.position, self.optimizer
        turn, rule = learner.turn, self.averaging
        who: Any = self.network
        assert turn is not None
        moves = rule is not None and rule.decay is not None
        if rule is not None and moves:
            self.average(rule, done)
        turn.stepping = True  # from here on, nobody resets the optimizer
        if learner.optimizer_state is not self.state:  # a callback has
            self.state = learner.ready(optimizer)
            self.moments = self.state.moments_for(optimizer)
            position.go_on(self.state.taken)
        examples, order, first, last = self.rows_at(numbers, done)
        if self.watching:
            last = done + 1
        elif rule is not None and moves:
            last = min(last, done + rule.every - done % rule.every)
        part = position.batch_loss[done:last]
        before, taken = position.losses + done, self.state.taken
        lr = learning_rates(optimizer, int(taken[0]), len(part))
        steps = Steps(order, self.batch_size, done - first, taken, lr, self.tolerance)
        given = (examples, steps, part, self.watch(before), position.draws, self.shared)
        try:
            outcome = run_engine(learner, self.moments, optimizer, *given)
            if outcome.converged or outcome.diverged:
                return "tolerance" if outcome.converged else "diverged"
        except _Pause:
            pass
        except Stopped:
            return "callback"
        stops = [w.on_step_end(who, before + 1, float(part[0])) for w in self.watching]
        turn.stepping = True  # `is_due` is asked within a call of the engine, too
        due = [each for each in self.pausing if each.is_due()]
        turn.stepping = False
        stops += [each.on_pause(who) for each in due]
        if not any(stops):
            return ""
        if self.ranks is not None and self.has_rows(self.steps_taken()):
            self.ranks.stop()
        return "callback"

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
            "lr": learning_rates(self.optimizer, last, 1)[0],
            "seconds": seconds,
        }

    def mean(self, losses: Sequence[float]) -> float:
        """Give the mean loss of the rows of these steps, the first ones of the epoch."""
        batch_size, rows, each = self.batch_size, self.n_rows, self.weights_of_steps()
        if each is None:
            full = min(rows // batch_size, len(losses))
            rest = rows % batch_size if full < len(losses) else 0
            weighted = batch_size * sum(losses[:full]) + (rest * losses[full] if rest else 0.0)
            return weighted / (batch_size * full + rest)
        each = each[: len(losses)]
        total = float(each.sum())
        return float(each @ losses) / total if total > 0 else 0.0

    def weights_of_steps(self) -> Array | None:
        """Add up the weights of the rows of each step; None where rows have no weights."""
        weights, order = self.examples.sample_weight, self.order()
        if weights is None:
            return None
        if order is not None:
            weights = weights[order]
        sums: Array = np.add.reduceat(weights, range(0, self.n_rows, self.batch_size))
        return sums

    def validate(self, data: Examples) -> Record:
        """Measure loss and metrics on validation data."""
        rows = self.validation_rows
        loss, predicted = self.learner.judge(data, rows, predict=bool(self.metrics))
        record = {"val_loss": loss}
        if self.metrics:
            actual = data.targets if rows is None else data.targets[rows]
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
