"""Which of many networks train faster together than one by one."""

from collections.abc import Sequence

from densenet._engine.contract import Together
from densenet._network.learner import Learner
from densenet.optimizers import Optimizer


def full_groups(
    places: Sequence[tuple[Learner, Optimizer, int]], batch_size: int
) -> list[tuple[Together, list[int]]]:
    """Find the networks that train faster together, by their learners, optimizers and rows.

    Networks of a group have the same shape, optimizer and counts of rows and of steps; each group
    is full.
    """
    alike: list[tuple[Optimizer, object, list[int]]] = []
    full = []
    for index, (learner, rule, rows) in enumerate(places):
        group = learner.engine.together(rule, min(batch_size, rows))
        if group is None:
            continue
        state = learner.optimizer_state
        steps = state.step if state is not None and state.rule is type(rule) else 0
        key = (group.shape, rows, steps)
        members = next((m for other, k, m in alike if k == key and other == rule), None)
        if members is None:
            members = []
            alike.append((rule, key, members))
        members.append(index)
        if len(members) == group.size:
            full.append((group, members.copy()))
            members.clear()
    return full
