"""What learns in a network: its arrays and counts, and the engine that computes with them."""

import warnings
from collections.abc import Iterator, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._checks.arrays import of_shape
from densenet._engine.contract import Engine, Examples, Mode, Predicting, Stepper
from densenet._engine.factors import lr_factors
from densenet._engine.layout import Layout
from densenet._engine.made_rows import MadeRows, in_pieces
from densenet._engine.memory import aligned, copied, new_moments
from densenet._engine.own_loss import OwnLossEngine
from densenet._engine.turn import ONE_AT_A_TIME, Turn, refused
from densenet._network import predictions
from densenet._precision import PRECISIONS, PrecisionName
from densenet._typing import Array
from densenet.initializers import BIAS_INITIALIZERS, INITIALIZERS
from densenet.layers import Layer
from densenet.losses import CustomLoss, Loss, MeanSquaredError
from densenet.optimizers import Optimizer

_ROWS_AT_ONCE = 8192  # in a pass that measures the loss of a data set


def parts(rows: int | Array) -> Iterator[slice | Array]:
    """Cut rows, the first so many or those with these numbers, for passes that only measure."""
    n = rows if isinstance(rows, int) else len(rows)
    for begin in range(0, n, _ROWS_AT_ONCE):
        part = slice(begin, begin + _ROWS_AT_ONCE)
        yield part if isinstance(rows, int) else rows[part]


class Learned(NamedTuple):
    """What a network has learned: parameters, and batch normalisation's running moments."""

    flat: Array
    running: Array


@dataclass  # without slots, which pickle's oldest protocols and skops cannot carry
class OptimizerState:
    """What an optimizer keeps between steps: its moments, each as long as the parameters.

    ``taken``, an array of one element, counts its steps. The engine raises it with each step, so
    that no signal can come between a step and its count.
    """

    rule: type[Optimizer]
    moments: dict[str, Array]
    taken: Array = field(default_factory=lambda: np.zeros(1, np.int64))

    @property
    def step(self) -> int:
        """Number of steps taken."""
        return int(self.taken[0])

    def moments_for(self, optimizer: Optimizer) -> list[Array]:
        """List the moments in the order in which the optimizer's rule wants them."""
        return [self.moments[name] for name in optimizer.states]


class Prepared(NamedTuple):
    """A stepper, and the optimizer that it was made for."""

    stepper: Stepper
    optimizer: Optimizer


class Standing(Protocol):
    """Where a call of `fit` stands: what a learner has to know of it."""

    def leave(self) -> None:
        """Keep the optimizer's count: it may take other steps before training goes on."""

    def restart(self) -> None:
        """Go on from an optimizer whose count begins at 0 again."""

    def still(self, taken: Array) -> "Standing":
        """Copy it, for a network whose optimizer counts in `taken`."""


class Learner:
    """The part of a network that changes as it learns, and the engine that computes with it.

    A network hands it over to the rooms of densenet that train it, save it or look inside. A call
    that changes it has a turn (see `begin`); all others read.

    Attributes
    ----------
    layout : Layout
    loss : loss, as the network was given it
    dtype : element type of parameters, moments and arithmetic
    backend : "compiled" or "reference"
    precision : "highest", "high" or "medium"
    rng : the network's random generator
    flat, running : vectors of the parameters and of batch normalisation's running moments
    draws : the seed of dropout
    optimizer_state : OptimizerState, or None before the first step
    position : where the last call of `fit` stands, or None before the first
    turn : the last call that has trained the network, or trains it now
    prepared : the stepper of the last `train_step` or `apply_gradient`, while it can be used
    engine : computes; it keeps nothing but scratch memory
    """

    def __init__(
        self,
        layout: Layout,
        loss: Loss | CustomLoss,
        dtype: np.dtype[Any],
        backend: Literal["compiled", "reference"],
        precision: PrecisionName,
        seed: int | None,
    ) -> None:
        self.layout, self.loss, self.dtype = layout, loss, dtype
        self.backend, self.precision = backend, precision
        self.rng = np.random.default_rng(seed)
        self.flat = aligned(layout.size, dtype)
        self.running = aligned(layout.running_size, dtype)
        self._initialize()
        self.draws = int(self.rng.integers(2**63))
        self.optimizer_state: OptimizerState | None = None
        self.position: Standing | None = None
        self.turn: Turn | None = None
        self.prepared: Prepared | None = None
        self.engine = self._new_engine()

    def _initialize(self) -> None:
        for layer, weight, bias in self.layout.linear():
            if isinstance(layer.init, str):
                draw = INITIALIZERS[layer.init]
                weight.view(self.flat)[...] = draw(self.rng, layer.inputs, layer.outputs)
                if bias and layer.init in BIAS_INITIALIZERS:
                    draw = BIAS_INITIALIZERS[layer.init]
                    bias.view(self.flat)[...] = draw(self.rng, layer.inputs, layer.outputs)
            else:
                weight.view(self.flat)[...] = layer.init
        for place in self.layout.norms():
            assert place.weight
            place.weight.view(self.flat)[...] = 1
            if place.running:
                place.running[1].view(self.running)[...] = 1

    def _new_engine(self) -> Engine:
        # An engine that never computes its own loss gets any.
        known = self.loss if isinstance(self.loss, Loss) else MeanSquaredError()
        engine = self._engine_of(self.layout, known)
        if isinstance(self.loss, Loss):
            return engine
        return OwnLossEngine(engine, self.layout, self.loss, self.dtype)

    def _engine_of(self, layout: Layout, loss: Loss) -> Engine:
        precision = PRECISIONS[self.precision]
        if self.backend == "compiled":
            from densenet._engine.compiled import CompiledEngine

            return CompiledEngine(layout, loss, self.dtype, precision)
        from densenet.reference.network import ReferenceEngine

        return ReferenceEngine(layout, loss, self.dtype, precision)

    def predicting(self) -> tuple[Engine, Predicting]:
        """Make an engine, and with it a copy that predicts with what has been learned."""
        engine = self._new_engine()
        return engine, engine.predictor(*self.learned())

    # ---- rows and losses -------------------------------------------------------------------------

    def examples(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Examples:
        """Check rows to learn from.

        Class indices are copied before they are checked: if a callback or another thread writes
        into `y` later, that changes nothing.
        """
        if type(y) is np.ndarray and y.ndim == 1:
            y = y.copy()
        if sample_weight is None and self.engine.fits(x, y):
            return Examples(cast("Array", x), cast("Array", y))
        return self._checked(x, y, sample_weight)

    def _checked(
        self, x: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None
    ) -> Examples:
        if isinstance(x, MadeRows):
            x = cast("Array", x)
            of_shape("x", x, ("batch", self.layout.inputs))
        else:
            x = _checks.inputs(x, self.layout.inputs)
        batch, outputs = len(x), self.layout.outputs
        loss, targets = self.loss, _checks.plain("y", y)
        if not isinstance(loss, Loss):
            _checks.same_length("y", targets, batch)
            if sample_weight is not None:
                raise TypeError(
                    f"sample_weight: expected None with a loss of one's own ({type(loss).__name__})"
                )
            return Examples(x, targets)
        if loss.predicts == "classes":
            targets = _checks.class_targets(targets, batch, outputs, self.dtype, "y")
        else:
            targets = _checks.value_targets(targets, loss.kind, batch, outputs, self.dtype, "y")
        if sample_weight is None:
            return Examples(x, targets)
        return Examples(x, targets, _checks.weights(sample_weight, batch))

    def part(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        total_weight: float | None,
    ) -> Examples:
        """Check rows that are part of a batch of this weight; None stands for the rows' own."""
        examples = self.examples(x, y, sample_weight)
        if total_weight is None:
            return examples
        if not isinstance(self.loss, Loss):
            got = type(self.loss).__name__
            raise TypeError(f"total_weight: expected None with a loss of one's own ({got})")
        total = _checks.total_weight("total_weight", total_weight, sample_weight)
        return examples._replace(total_weight=total)

    def loss_of(self, examples: Examples, rows: Array | None = None) -> float:
        """Measure the mean loss of examples, all or those with these numbers, batch by batch."""
        return self.judge(examples, rows)[0]

    def judge(
        self, examples: Examples, rows: Array | None = None, *, predict: bool = False
    ) -> tuple[float, Array]:
        """Measure the mean loss of examples, all or those with these numbers, batch by batch.

        With `predict`, give their predictions, too, by the same outputs; without it give none.
        """
        sums, total = 0.0, 0.0
        none = np.empty((0, self.layout.outputs), self.dtype)  # as there may be no rows
        predicted = [predictions.predicted(self.loss, none)]
        flat, mode = self.flat, self.mode(False)
        n = len(examples.x if rows is None else rows)
        if n > _ROWS_AT_ONCE:  # several passes: another thread may train meanwhile
            flat, running = self.learned()
            mode = mode._replace(running=running)
        for part in parts(n if rows is None else rows):
            outputs = self._outputs(flat, examples.x, part, mode)
            weights, weight = None, float(len(outputs))
            if examples.sample_weight is not None:
                weights = examples.sample_weight[part]
                weight = float(weights.sum())
            sums += weight * self.engine.loss(outputs, examples.targets[part], weights)
            total += weight
            if predict:
                predicted.append(predictions.predicted(self.loss, outputs))
        loss = sums / total if total > 0 else 0.0
        return loss, np.concatenate(predicted)

    def _outputs(self, flat: Array, x: Array | MadeRows, part: slice | Array, mode: Mode) -> Array:
        """Give the output of the last layer for a part of the rows."""
        rows = x.part(part) if isinstance(x, MadeRows) else x[part]
        return in_pieces(lambda some: self.engine.forward(flat, some, mode), rows)

    def outputs_of_first(self, layers: Sequence[Layer], x: Array, training: bool) -> Array:
        """Compute the output of the first layers, by an engine made for them (some 30 µs).

        Its parameters are those that come first in `flat`, copied as they are between two steps.
        """
        layout = Layout(layers, self.layout.inputs)
        parts = [self.flat[: layout.size], self.running[: layout.running_size]]
        flat, running = self.engine.copies(parts)
        mode = self.mode(training)._replace(running=running)
        return self._engine_of(layout, MeanSquaredError()).forward(flat, x, mode)

    def mode(self, training: bool) -> Mode:
        """Give the mode of a pass: its draws are those of the optimizer's next step."""
        step = self.optimizer_state.step if self.optimizer_state else 0
        return Mode(self.running, training, self.draws, step)

    # ---- what has been learned -------------------------------------------------------------------

    def learned(self) -> Learned:
        """Copy what has been learned, as it is between two steps."""
        return Learned(*self.engine.copies([self.flat, self.running]))

    def put_back(self, learned: Learned) -> None:
        """Write what had been learned back into the network."""
        self.engine.change([(self.flat, learned.flat), (self.running, learned.running)])

    def arrays(self) -> dict[str, Array]:
        """Give the arrays that training changes, by name."""
        moments = {} if self.optimizer_state is None else self.optimizer_state.moments
        return {"flat": self.flat, "running_moments": self.running, **moments}

    # ---- the optimizer ---------------------------------------------------------------------------

    def check_optimizer(self, optimizer: Optimizer, stacklevel: int) -> None:
        """Refuse what does not fit the network; warn if another one's state will be discarded."""
        lr_factors(self.layout, optimizer)
        self.check_writeable()
        state = self.optimizer_state
        if state is not None and state.rule is not type(optimizer):
            warnings.warn(
                f"the state of {state.rule.__name__} is discarded: training goes on with "
                f"{type(optimizer).__name__}",
                stacklevel=stacklevel + 1,
            )

    def check_writeable(self) -> None:
        """Refuse to train arrays that the user has made read-only."""
        _checks.writeable("flat", self.flat)
        for name, array in (self.optimizer_state.moments if self.optimizer_state else {}).items():
            _checks.writeable(name, array)

    def ready(self, optimizer: Optimizer) -> OptimizerState:
        """Give the state that this optimizer goes on with: a new one if its class is another."""
        state = self.optimizer_state
        if state is None or state.rule is not type(optimizer):
            state = OptimizerState(type(optimizer), {})
        missing = [name for name in optimizer.states if name not in state.moments]
        if missing:
            new = new_moments(missing, self.layout.size, self.dtype)
            state = replace(state, moments=state.moments | new)
        if state is not self.optimizer_state:
            self.set_optimizer_state(state)
        return state

    def set_optimizer_state(self, state: OptimizerState | None) -> None:
        """Replace the optimizer's state, and retire the stepper that was prepared for the old."""
        self.retire("train")
        self.optimizer_state = state

    def reset_optimizer(self) -> None:
        """Forget the optimizer's state, as `Network.reset_optimizer` does."""
        with ONE_AT_A_TIME:
            turn = self.turn
            if turn is not None and turn.lasts and (turn.elsewhere or turn.stepping):
                raise refused("reset_optimizer", f"one that {turn.method} trains")
            self.retire("reset_optimizer")
            self.set_optimizer_state(None)
            if self.position is not None:
                self.position.restart()

    def retire(self, method: str) -> None:
        """Take the stepper out of use for this method, as it knows nothing of turns.

        Raises
        ------
        RuntimeError
            If another thread takes a step by it.
        """
        prepared = self.prepared
        if prepared is not None and not prepared.stepper.retire():
            raise refused(method, "one that takes steps in another thread")
        self.prepared = None

    def prepare(self, optimizer: Optimizer) -> None:
        """Cache a fast stepper for later steps, or halves of steps, with this optimizer."""
        prepared, state = self.prepared, self.optimizer_state
        assert state
        if prepared is not None and not prepared.stepper.retire():
            return  # another thread takes a step by it
        mode = Mode(self.running, True, self.draws, 0, update=True)
        given = (self.flat, state.moments_for(optimizer), optimizer, state.taken, mode)
        stepper = self.engine.stepper(*given)
        self.prepared = Prepared(stepper, optimizer) if stepper is not None else None

    # ---- turns, copies and pickles ---------------------------------------------------------------

    def begin(self, turn: Turn) -> None:
        """Let a call train the network.

        Raises
        ------
        RuntimeError
            If another call trains it.
        """
        with ONE_AT_A_TIME:
            other = self.turn
            if other is not None and other.lasts:
                where = "in another thread" if other.elsewhere else "in this thread"
                raise refused(turn.method, f"one that {other.method} trains {where}")
            if turn.method == "fit":
                self.retire("fit")
            self.turn = turn

    def still(self) -> "Learner":
        """Copy all but the engine, as it is between two steps.

        Raises
        ------
        RuntimeError
            If `fit` trains the network in another thread.
        """
        with ONE_AT_A_TIME:  # so that no other call begins meanwhile
            if self.turn is not None and self.turn.method == "fit" and self.turn.elsewhere:
                raise refused("save, copy and pickle", "one that fit trains in another thread")
            while True:  # a step that had begun before may replace the optimizer's state, once
                still = self._still()
                if still is not None:
                    return still

    def _still(self) -> "Learner | None":
        """Copy all but the engine; None if the optimizer's state is replaced meanwhile."""
        mine, state = vars(self).copy(), self.optimizer_state
        moments = {} if state is None else state.moments
        counts = [] if state is None else [state.taken]
        arrays: Sequence[Array] = [self.flat, self.running, *moments.values(), *counts]
        mine["flat"], mine["running"], *others = self.engine.copies(arrays)
        if self.optimizer_state is not state:
            return None
        mine["rng"], mine["optimizer_state"] = deepcopy(self.rng), None
        taken = np.zeros(1, np.int64)
        if state is not None:
            taken = others.pop()
            copies = dict(zip(moments, others, strict=True))
            mine["optimizer_state"] = replace(state, moments=copies, taken=taken)
        if self.position is not None:
            mine["position"] = self.position.still(taken)
        for name in ("engine", "prepared", "turn"):
            del mine[name]
        still = object.__new__(type(self))
        vars(still).update(mine)
        return still

    def woken(self) -> "Learner":
        """Copy a still learner, with memory, a generator and an engine of its own."""
        new = copy(self)
        new.flat, new.running = copied(self.flat), copied(self.running)
        state = self.optimizer_state
        if state is not None:
            own = new_moments(state.moments, self.layout.size, self.dtype)
            for name, array in own.items():
                array[...] = state.moments[name]
            new.optimizer_state = replace(state, moments=own, taken=state.taken.copy())
        new.rng = deepcopy(self.rng)
        new.position = deepcopy(self.position)
        if new.position is not None:
            new.position.leave()  # the call that stood there trains another network
        new.prepared = new.turn = None
        new.engine = new._new_engine()
        return new
