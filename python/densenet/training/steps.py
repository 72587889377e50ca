"""Steps that are no part of an epoch of `fit`: for loops of one's own, and for the estimators."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from densenet._engine.contract import Examples, Outcome, Steps, apart
from densenet._engine.turn import Turn
from densenet._network.learner import Learner, OptimizerState
from densenet._network.state import learner_of
from densenet._typing import Array
from densenet.optimizers import Optimizer
from densenet.training.run import learning_rates, run_engine


@contextmanager
def _by_themselves(
    learner: Learner, optimizer: Optimizer, n_steps: int
) -> Iterator[tuple[OptimizerState, list[float]]]:
    """Give the optimizer's state and learning rates; put the state back if no step is taken."""
    before = learner.optimizer_state
    state = learner.ready(optimizer)
    counted = state.step
    try:
        yield state, learning_rates(optimizer, counted, n_steps)
    except BaseException:
        if state is not before and state.step == counted:
            learner.set_optimizer_state(before)
        raise


def take_one_step(learner: Learner, examples: Examples, optimizer: Optimizer) -> float:
    """Take one step on all of the rows; give the loss before it."""
    batch_loss = np.zeros(1)
    _take_by_themselves(learner, examples, optimizer, None, len(examples.x), 0, batch_loss)
    return float(batch_loss[0])


def take_steps(
    network: Any,
    examples: Examples,
    optimizer: Optimizer,
    order: Array | None,
    batch_size: int,
    first: int,
    batch_loss: Array,
    **each: Any,
) -> Outcome:
    """Take as many steps of an epoch as `batch_loss` has room for, in one call of the engine.

    `examples` are the learner's. What `each` step has of its own, and the other arguments, are as
    in `Steps`. A step whose loss is not finite is not taken, and is the last one.

    Raises
    ------
    TypeError, ValueError
        If `optimizer` is no optimizer, or an array that it changes is read-only.
    RuntimeError
        If another call trains the network.
    KeyboardInterrupt
        Or whatever else a signal handler raises, between two steps.
    """
    learner, turn = learner_of(network), Turn("fit")
    try:
        learner.begin(turn)
        learner.check_optimizer(optimizer, stacklevel=2)
        if learner.position is not None:
            learner.position.leave()
        given = (order, batch_size, first, batch_loss)
        return _take_by_themselves(learner, examples, optimizer, *given, **each)
    finally:
        turn.over = True


def _take_by_themselves(
    learner: Learner,
    examples: Examples,
    optimizer: Optimizer,
    order: Array | None,
    batch_size: int,
    first: int,
    batch_loss: Array,
    **each: Any,
) -> Outcome:
    """Take steps that are no part of a call of `fit`, with the draws that the network goes on with.

    If an error comes before the first one, the optimizer's state is as it was.
    """
    with _by_themselves(learner, optimizer, len(batch_loss)) as (state, lr):
        moments = state.moments_for(optimizer)
        examples = apart(examples, (learner.flat, *moments))
        steps = Steps(order, batch_size, first, state.taken, lr, **each)
        given = (examples, steps, batch_loss, None, learner.draws)
        return run_engine(learner, moments, optimizer, *given)


def apply_gradient(learner: Learner, gradient: Array, optimizer: Optimizer) -> float:
    """Take one step by a gradient; give its norm before clipping."""
    turn = learner.turn
    assert turn is not None
    with _by_themselves(learner, optimizer, 1) as (state, (lr,)):
        given = (learner.flat, state.moments_for(optimizer), optimizer, lr, state.taken)
        try:
            turn.stepping = True
            return learner.engine.apply_gradient(*given, gradient, learner.running).norm
        finally:
            turn.stepping = False
