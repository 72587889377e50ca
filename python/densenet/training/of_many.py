"""The trainings of `fit_many`: of each network on one thread, on rows that all of them share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from densenet import _checks
from densenet._engine.contract import Together
from densenet._engine.turn import Turn
from densenet._network.learner import Learner
from densenet._network.passes import Passes
from densenet._typing import Array
from densenet.optimizers import Optimizer
from densenet.training import loop
from densenet.training.early_stopping import EarlyStopping
from densenet.training.groups import full_groups
from densenet.training.history import History
from densenet.training.position import conditions_of
from densenet.training.run import Metric, Run
from densenet.training.shared_rows import SharedRows
from densenet.training.together import to_their_ends

Ends: TypeAlias = dict[int, History | Exception]
"""What trainings have given or raised, by the network's index."""


@dataclass(frozen=True)
class Trainings:
    """Trainings whose arguments are checked; item i of each sequence is that of network i.

    Attributes
    ----------
    networks : sequence of Network
    learners, optimizers, seeds
        Those of each network.
    rows, validation_rows : sequence of integer arrays, or None for all and for no rows
        Numbers of rows of `data`.
    data : SharedRows
    epochs, batch_size, metrics, early_stopping
        As in `fit_many`, for all networks.
    """

    networks: Sequence[Passes]
    learners: Sequence[Learner]
    optimizers: Sequence[Optimizer]
    seeds: Sequence[int | None]
    rows: Sequence[Array | None]
    validation_rows: Sequence[Array | None]
    data: SharedRows
    epochs: int
    batch_size: int
    metrics: Sequence[Metric]
    early_stopping: EarlyStopping | None

    def tasks(self, n_threads: int) -> list[Callable[[], Ends]]:
        """Give functions that train one network each, or a group of small ones of one shape."""
        groups = self._groups()
        # As many for each thread: one more would keep a thread busy while others have no work.
        groups = groups[: len(groups) // n_threads * n_threads]
        grouped = {index for _, indices in groups for index in indices}
        return [
            *(partial(self._train_together, indices, group) for group, indices in groups),
            *(partial(self._train, i) for i in range(len(self.networks)) if i not in grouped),
        ]

    def _groups(self) -> list[tuple[Together, list[int]]]:
        if self.data.are_weighted:
            return []
        counts = [self.data.rows if own is None else len(own) for own in self.rows]
        places = list(zip(self.learners, self.optimizers, counts, strict=True))
        return full_groups(places, self.batch_size)

    def _train(self, index: int) -> Ends:
        try:
            with self._begun(index) as run:
                return {index: run.to_its_end()}
        except Exception as error:
            return {index: error}

    def _train_together(self, indices: Sequence[int], group: Together) -> Ends:
        ends: Ends = {}
        with ExitStack() as stack:
            runs = {}
            for index in indices:
                try:
                    runs[index] = stack.enter_context(self._begun(index))
                except Exception as error:
                    ends[index] = error
            ends.update(to_their_ends(runs, group))
        return ends

    @contextmanager
    def _begun(self, index: int) -> Iterator[Run]:
        """Begin to train a network; leave it at the end."""
        turn = Turn("fit")
        try:
            run = self._begin(index, turn)
            try:
                yield run
            finally:
                run.leave()
        finally:
            turn.over = True

    def _begin(self, index: int, turn: Turn) -> Run:
        learner, rule, seed = self.learners[index], self.optimizers[index], self.seeds[index]
        own = self._copied("rows", self.rows[index], index)
        measured = self._copied("validation_rows", self.validation_rows[index], index)
        n_rows = self.data.rows if own is None else len(own)
        size = min(self.batch_size, n_rows)
        conditions = conditions_of(
            rows=n_rows,
            sample_weight="weights" if self.data.are_weighted else "None",
            batch_size=size,
            optimizer=rule,
            early_stopping=self.early_stopping,
            seed=seed,
        )
        learner.begin(turn)
        return loop.start(
            self.networks[index],
            self.data.weighted(learner, own),
            None,
            conditions=conditions,
            optimizer=rule,
            epochs=self.epochs,
            batch_size=size,
            seed=seed,
            rows=own,
            validation=None if measured is None else self.data.of(learner),
            validation_rows=measured,
            metrics=self.metrics,
            early_stopping=self.early_stopping,
        )

    def _copied(self, name: str, numbers: Array | None, index: int) -> Array | None:
        if numbers is None:
            return None
        return _checks.rows_of_one(f"{name}[{index}]", numbers, self.data.rows)
