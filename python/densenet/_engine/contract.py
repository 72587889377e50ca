"""What a network asks of the side that computes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from densenet._checks import SparseRows
from densenet._engine.made_rows import MadeRows
from densenet._typing import Array
from densenet.optimizers import Optimizer
from densenet.plan import PlannedLayer
from densenet.profile import Profile


class Examples(NamedTuple):
    """Rows to learn from, checked.

    ``x`` has the shape (rows, inputs) and any element type. Every call takes `SparseRows` in its
    place; only training and the pass that measures a loss take `MadeRows`. ``targets`` are int64
    class indices of shape (rows,), values or probabilities of shape (rows, outputs), or what a loss
    of one's own takes. ``sample_weight`` is float64 of shape (rows,), scaled so that no sum
    overflows. The weighted loss and its gradient are divided by ``total_weight``, by default the
    sum of the rows' weights.
    """

    x: Array
    targets: Array
    sample_weight: Array | None = None
    total_weight: float | None = None

    @property
    def weigh(self) -> bool:
        """True unless all of the rows have a weight of 0."""
        return self.sample_weight is None or bool(self.sample_weight.max() > 0)

    @property
    def share(self) -> float:
        """What is to be multiplied with the rows' own mean loss and its gradient."""
        if self.total_weight is None or not self.weigh:
            return 1.0
        if self.sample_weight is None:
            return len(self.x) / self.total_weight
        return float(self.sample_weight.sum()) / self.total_weight


def apart(examples: Examples, trained: Iterable[Array]) -> Examples:
    """Copy `x` if it may share memory with arrays that training changes."""
    memory = examples.x.numbers if isinstance(examples.x, SparseRows) else examples.x
    if not isinstance(memory, MadeRows) and any(
        np.may_share_memory(memory, each) for each in trained
    ):
        return examples._replace(x=examples.x.copy())
    return examples


def unit_weights(sample_weight: Array, dtype: np.dtype[Any]) -> Array:
    """Scale weights so that the largest is 1, which fits any type and changes no weighted mean."""
    largest = sample_weight.max()
    return (sample_weight / largest if largest > 0 else sample_weight).astype(dtype)


BatchMeans: TypeAlias = Callable[[Array], object]
"""Means over a batch of which a call has some of the rows.

``means(sums)`` replaces sums over these rows, a vector of the network's type, by the means over all
rows of the batch.
"""


class Mode(NamedTuple):
    """How dropout and batch normalisation behave in a pass.

    ``running`` holds the running moments of batch normalisation. With ``training`` dropout draws,
    and batch normalisation uses the batch's moments; ``seed`` and ``step`` (of the optimizer, from
    0) decide the draws, for rows that begin at row ``first_row`` of a batch. With ``update`` a
    forward pass also moves the running moments towards the batch's. ``means``, which
    `Engine.loss_and_gradient` alone takes, gives batch normalisation the means over all rows of
    that batch; None stands for those of the call.
    """

    running: Array
    training: bool
    seed: int
    step: int
    update: bool = False
    first_row: int = 0
    means: BatchMeans | None = None


class Steps(NamedTuple):
    """Some steps of an epoch: one for each learning rate in ``lr``, from step ``first`` on.

    Step i of an epoch takes the rows ``order[i * batch_size : (i + 1) * batch_size]``; an order may
    leave rows out, and None stands for all of them as they lie. ``taken``, an array of one element,
    is the optimizer's count, which the engine raises with each step. A gradient with a norm below
    ``tolerance`` ends the call before its step.

    ``l2`` and ``eps`` are settings of the optimizer that change from step to step, a number for
    each; None leaves them as they are. ``penalty``, if not None, has room for a number for each
    step, and takes the penalty before it: ``l1 Σ|w| + l2/2 Σw²`` over all weights.
    """

    order: Array | None
    batch_size: int
    first: int
    taken: Array
    lr: list[float]
    tolerance: float = 0.0
    l2: list[float] | None = None
    eps: list[float] | None = None
    penalty: Array | None = None

    def optimizer_at(self, step: int, optimizer: Optimizer) -> Optimizer:
        """Give the optimizer with its settings at a step of the call, which counts from 0."""
        changing: dict[str, Any] = {"l2": self.l2, "eps": self.eps}
        now = {name: each[step] for name, each in changing.items() if each is not None}
        same = all(getattr(optimizer, name) == value for name, value in now.items())
        return optimizer if same else replace(optimizer, **now)


OwnLoss: TypeAlias = Callable[[Array, Array], tuple[float, Array]]
"""A loss of the user's own: ``own(outputs, targets)`` gives the loss, and its gradient with respect
to the outputs, which has their shape and type."""


class Outcome(NamedTuple):
    """How a call of `Engine.train` ended: after so many ``steps``, on so many ``threads``.

    It ended early if a step ``converged`` (its gradient's norm was below the tolerance) or
    ``diverged`` (its loss was not finite), which is then not taken; or if a signal handler or the
    progress function raised ``error`` between two steps.
    """

    steps: int
    threads: int
    converged: bool = False
    diverged: bool = False
    error: BaseException | None = None


class Call(NamedTuple):
    """What one network gives to `Together.train`: arguments of `Engine.train`, and its engine."""

    engine: "Engine"
    flat: Array
    moments: list[Array]
    examples: Examples
    steps: Steps
    batch_loss: Array


class Together(Protocol):
    """Takes steps of up to ``size`` networks together, each of which ends as if it were alone.

    They can be together if their engines make groups of equal ``shape`` and they have the same
    optimizer, number of rows, batch size and count of steps; rows have no weights.
    """

    @property
    def size(self) -> int: ...
    @property
    def shape(self) -> object: ...

    def train(self, calls: Sequence[Call], progress: Callable[[int], None] | None) -> list[Outcome]:
        """Take the steps of all calls, as `Engine.train` does; give an outcome for each.

        If a network's loss is not finite, none of them takes that step, which is its last.
        """


class Applied(NamedTuple):
    """What `Engine.apply_gradient` has done: the gradient's norm, and whether it took the step."""

    norm: float
    taken: bool


class Stepper(Protocol):
    """Takes training steps whose optimizer and arrays have been checked once.

    Each method gives None where nothing was done: an argument has to be checked or converted first.
    """

    def __call__(self, x: object, y: object, /) -> float | None:
        """Take a step on a batch; give the loss before it."""

    def loss_and_gradient(
        self, x: object, y: object, out: object, first_row: object, total_weight: object, /
    ) -> float | None:
        """Write a batch's gradient into `out`; give the loss."""

    def apply_gradient(self, gradient: object, /) -> float | None:
        """Take a step by a gradient; give its norm."""

    def retire(self) -> bool:
        """Do nothing from now on, whoever calls. Give False if another thread takes a step."""


class Predicting(Protocol):
    """Predicts with parameters of its own, which never change."""

    @property
    def nbytes(self) -> int:
        """Bytes of the parameters as they are held."""

    def forward(self, x: Array, /) -> Array:
        """Give the output of the last layer."""


class Engine(Protocol):
    """Computes with parameters, optimizer's moments and rows that belong to others.

    One call trains at a time. Others may read meanwhile: they see parameters, moments and counts as
    they are between two steps. `train`, `loss_and_gradient`, `apply_gradient` and `change` raise
    RuntimeError if another call trains; `train` and `apply_gradient` raise ValueError if an array
    that they change is read-only.
    """

    def plan(self, optimizer: Optimizer | None) -> list[PlannedLayer]:
        """Tell how each layer is computed; None stands for an optimizer without clipping."""

    def fits(self, x: object, y: object) -> bool:
        """Tell at once whether `x` and `y` can be learned from as they are, without conversion."""

    def forward(self, flat: Array, x: Array, mode: Mode) -> Array:
        """Give the output of the last layer."""

    def predictor(self, flat: Array, running: Array) -> Predicting:
        """Copy parameters and running moments into the form in which they predict."""

    def backward(
        self, flat: Array, x: Array, dy: Array, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> None:
        """Write the gradients of parameters and input, given `dy`, that of the output.

        None for `dflat` or `dx` leaves out what is not wanted.
        """

    def gradients(
        self, flat: Array, examples: Examples, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> float:
        """Give the loss; write its gradients, as `backward` does."""

    def count_probabilities_from(self, least: float) -> None:
        """Clip probabilities to ``[least, 1 - least]`` in the losses that training reports.

        scikit-learn's log-loss does so. Gradients are not clipped; 0 switches it off.
        """

    def loss(self, outputs: Array, targets: Array, sample_weight: Array | None) -> float:
        """Give the mean loss of outputs that have been computed, weighted by `sample_weight`."""

    def softmax(self, outputs: Array) -> Array:
        """Turn logits of classes into probabilities."""

    def sigmoid(self, outputs: Array) -> Array:
        """Turn logits into probabilities, one by one."""

    def train(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        examples: Examples,
        steps: Steps,
        batch_loss: Array,
        progress: Callable[[int], None] | None,
        mode: Mode,
        own: OwnLoss | None = None,
    ) -> Outcome:
        """Take steps: update parameters, moments and running moments; write each step's loss.

        What the optimizer freezes is left as it is, and so are its moments. Norms are those of what
        learns.

        `own` takes the place of the engine's loss. Where it runs within a step, the step has
        changed nothing yet. A step is complete, its count included, before a signal handler or
        `progress` runs.
        ``progress(steps)`` is called every 20 ms or so with the number of steps taken.
        """

    def loss_and_gradient(
        self, flat: Array, examples: Examples, gradient: Array, mode: Mode
    ) -> float:
        """Begin a step: give the loss, and write its gradient, laid out as `flat`.

        The running moments move, unless the loss is not finite or all weights are 0.

        With `mode.means` they stay as they are. Each batch normalisation calls it: forwards with
        ``Σ x``, then with ``Σ (x - mean)²`` and ``Σ (x - mean)`` one after the other; backwards
        with ``Σ g`` and ``Σ g ∘ x̂``, unless no layer before it has parameters. What it raises ends
        the call. Meanwhile others may read the network.
        """

    def apply_gradient(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        lr: float,
        taken: Array,
        gradient: Array,
        running: Array,
        moved: Array | None = None,
        tolerance: float = 0.0,
    ) -> Applied:
        """End a step: clip the gradient, which is laid out as `flat` and left as it is, and update.

        All at once, the step updates `flat` and the moments, raises the count `taken` of shape (1,)
        by one, and copies `moved`, if given, into `running`. It is not taken if the gradient,
        clipped by value, has a norm below `tolerance`. The norm that is given back is that before
        all clipping. The gradient of what the optimizer freezes is not read.
        """

    def copies(self, arrays: Sequence[Array]) -> list[Array]:
        """Copy arrays that training changes, all of them between the same two steps."""

    def change(self, pairs: Sequence[tuple[Array, Array]]) -> None:
        """Write, for each pair (array, values), the values into the array, all at once."""

    def stepper(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        taken: Array,
        mode: Mode,
    ) -> Stepper | None:
        """Make a fast stepper for this optimizer; None if it would gain nothing."""

    def together(self, optimizer: Optimizer, rows: int) -> Together | None:
        """Make a group for networks of this shape, this optimizer and batches of so many rows.

        None if they are faster one by one.
        """

    def profile(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        examples: Examples,
        steps: int,
        mode: Mode,
    ) -> Profile:
        """Measure where the time of a step goes. It changes parameters and moments as training."""
