"""Epochs of several networks of one shape, which take their steps together."""

import time
from collections.abc import Iterator, Mapping, Sequence

from densenet._engine.cancel import HERE
from densenet._engine.contract import Call, Outcome, Steps, Together
from densenet.training.history import History
from densenet.training.run import Run, learning_rates

_FEWEST = 0.75  # of a group's size: fewer networks go on one by one


def to_their_ends(
    runs: Mapping[int, Run], group: Together
) -> Iterator[tuple[int, History | Exception]]:
    """Train to the last epochs; give each run's number and history, or what it raised, at its end.

    The networks can be in this group, and nobody is told of their steps. Each ends as if it were
    alone.
    """
    active = dict(runs)
    ends: dict[int, str | Exception] = dict.fromkeys(active, "")
    while True:
        for index, stopped in ends.items():
            if isinstance(stopped, Exception):
                del active[index]
                yield index, stopped
            elif not active[index].goes_on(stopped):
                yield index, active.pop(index).history(stopped)
        if len(active) < _FEWEST * group.size:
            break
        ends = _epoch(active, group)
    for index, run in active.items():
        try:
            yield index, run.to_its_end()
        except Exception as error:
            yield index, error


def _epoch(runs: Mapping[int, Run], group: Together) -> dict[int, str | Exception]:
    """Train for an epoch; tell what stops each training, if anything, or what it raised."""
    start = time.perf_counter()
    ends: dict[int, str | Exception] = {}
    stopped = dict.fromkeys(runs, "")
    for run in runs.values():
        run.begin_epoch()
    going = dict(runs)
    while going:
        try:
            outcomes = _steps(list(going.values()), group)
        except Exception as error:  # of the learning rate's schedule, which they share
            ends = dict.fromkeys(going, error)
            break
        for (index, run), outcome in zip(list(going.items()), outcomes, strict=True):
            if outcome.diverged:
                stopped[index] = "diverged"
            if outcome.diverged or run.steps_taken() == run.n_steps:
                del going[index]
    seconds = (time.perf_counter() - start) / len(runs)
    for index, run in runs.items():
        if index not in ends:
            try:
                ends[index] = run.end_epoch(stopped[index], seconds)
            except Exception as error:
                ends[index] = error
    return ends


def _steps(runs: Sequence[Run], group: Together) -> list[Outcome]:
    """Take the steps of an epoch, up to one that has no finite loss in one of the networks."""
    first = runs[0]
    done, taken = first.steps_taken(), int(first.state.taken[0])
    lr = learning_rates(first.optimizer, taken, first.n_steps - done)
    calls = []
    for run in runs:
        learner, losses = run.learner, run.position.batch_loss[done:]
        steps = Steps(run.order(), run.batch_size, done, run.state.taken, lr)
        calls.append(Call(learner.engine, learner.flat, run.moments, run.examples, steps, losses))
    try:
        _tell(runs, stepping=True)
        outcomes = group.train(calls, HERE.watch(None))
    finally:
        _tell(runs, stepping=False)
    error = outcomes[0].error
    if error is not None:
        raise error
    return outcomes


def _tell(runs: Sequence[Run], *, stepping: bool) -> None:
    for run in runs:
        assert run.learner.turn is not None
        run.learner.turn.stepping = stepping
