"""What ranks compare before they train together, and what they cannot share."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from densenet._engine.contract import Examples
from densenet._network.learner import Learner
from densenet.losses import Loss
from densenet.training.callbacks import Callback, Checkpoint
from densenet.training.digests import Words, digest
from densenet.training.position import Position


def check_shared(learner: Learner) -> None:
    """Refuse a network whose loss is no sum over parts of a batch."""
    loss = learner.loss
    if not isinstance(loss, Loss):
        got = type(loss).__name__
        raise TypeError(f"workers: expected None with a loss of one's own ({got})")


def heard_by(
    rank: int, callbacks: Sequence[Callback], progress: bool
) -> tuple[Sequence[Callback], bool]:
    """Leave files and the progress bar to rank 0."""
    if rank == 0:
        return callbacks, progress
    return [each for each in callbacks if not isinstance(each, Checkpoint)], False


def words_of(
    learner: Learner,
    examples: Examples,
    validation: Examples | None,
    conditions: Mapping[str, str],
    *,
    position: Position | None,
    epochs: int,
    metrics: Sequence[Any],
    exact: bool,
    own_rows: bool,
) -> Words:
    """Give a word for each thing that must be the same on all ranks."""
    state = learner.optimizer_state
    held = (
        {} if state is None else {**state.moments, "rule": state.rule.__name__, "step": state.step}
    )
    layers = [(p.name, p.kind, p.inputs, p.outputs, p.parameter) for p in learner.layout.places]
    shared = {
        "x": examples.x,
        "y": examples.targets,
        "sample_weight": examples.sample_weight,
        "validation_data": None if validation is None else tuple(validation),
    }
    if own_rows:
        shared = {"y": examples.targets.shape[1:], "validation_data": _kind(validation)}
    values = {
        # What a schedule of one's own does not tell of itself, its steps will.
        **{name: re.sub(r" at 0x\w+", "", text) for name, text in conditions.items()},
        "network": (layers, learner.loss),
        "dtype": learner.dtype,
        "backend": learner.backend,
        "precision": learner.precision,
        **shared,
        "metrics": [metric.__name__ for metric in metrics],
        "epochs": epochs,
        "resume": position is not None,
        "workers.exact": exact,
        "parameters": (learner.flat, learner.running),
        "optimizer_state": held,
        "order": (learner.rng.bit_generator.state, learner.draws, _standing(position)),
    }
    return {name: digest(value) for name, value in values.items()}


def _kind(examples: Examples | None) -> Any:
    """Give what is the same on ranks of what each holds itself."""
    return None if examples is None else ("rows", examples.sample_weight is None)


def _standing(position: Position | None) -> Any:
    """Give what decides how a training goes on."""
    if position is None:
        return None
    best, average, last = position.best, position.average, position.last
    return (
        (position.epochs, position.step, position.begun, position.order, position.batch_loss),
        (position.drawn, position.draws, best.score, best.waited, best.kept),
        None if average is None else tuple(vars(average).values()),
        last,
    )
