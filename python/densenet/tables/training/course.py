"""The training of a model's networks, one by one, and what is told and decided when they are there.

Tables in memory and tables that are read in chunks are trained on alike, once it is settled what
their columns are and which rows are held out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from densenet._typing import Array
from densenet.network import Network
from densenet.tables.encoding.features import Features
from densenet.tables.encoding.targets import Classes, Target
from densenet.tables.model import Evaluation, TableModel, outputs_of, score
from densenet.tables.table import Table
from densenet.tables.training.calibration import calibrate
from densenet.tables.training.deciding import with_threshold
from densenet.tables.training.epochs import check_converged, facts_of, train
from densenet.tables.training.fitted import Fitted, headline
from densenet.tables.training.going_on import network_from, tables_of
from densenet.tables.training.labelled import Labelled, LabelledChunks
from densenet.tables.training.reducing import Projection, Reduced, parted
from densenet.tables.training.settings import Settings
from densenet.training import History
from densenet.workers import Workers


@dataclass(frozen=True)
class Course:
    """What the trainings of a model's networks have in common.

    Attributes
    ----------
    settings : Settings
        Those that `Settings.chosen_for` gives.
    features : Features
    target : Classes or Values
    start : TableModel, optional
        The model to go on from.
    reduced : Reduced, optional
        The principal components that are found for a first training.
    progress : bool
    workers : optional
        As for `Network.fit`.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Classes, Features, Settings, Table
    >>> from densenet.tables.training.course import Course
    >>> from densenet.tables.training.labelled import Labelled
    >>> table = Table.from_columns({"x": [1, 3, 2, 5] * 9, "y": ["a", "b"] * 18})
    >>> target = Classes("y", ("a", "b"))
    >>> settings = Settings("y", validation=0.0, epochs=2).chosen_for(36, target)
    >>> course = Course(settings, Features.fit(table, ["x"]), target)
    >>> rows = Labelled.of(table, course.features.transform, target)
    >>> counts = np.array([18, 18])
    >>> network, history = course.trained(0, rows, None, rows=36, counts=counts)
    >>> network.inputs, len(history.epochs)
    (1, 2)
    >>> fitted = course.fitted(
    ...     [(network, history)],
    ...     [],
    ...     lambda model: model.score(table),
    ...     one_set=False,
    ...     source="table",
    ...     rows=36,
    ...     counts=counts,
    ...     said=[],
    ...     judged_rows=[table],
    ... )
    >>> fitted.model.facts["training_rows"], fitted.validation
    (36, None)
    """

    settings: Settings
    features: Features
    target: Target
    start: TableModel | None = None
    reduced: Reduced | None = None
    progress: bool = False
    workers: Workers | None = None

    def trained(
        self,
        number: int,
        data: Labelled | LabelledChunks,
        held: Labelled | None,
        *,
        rows: int,
        counts: Array,
        some: Array | None = None,
    ) -> tuple[Network, History]:
        """Train one of the networks.

        Parameters
        ----------
        number : int
            Which one, from 0.
        data : Labelled, or function that gives chunks of rows
        held : Labelled, optional
            The rows held out.
        rows : int
            How many are trained on.
        counts : integer array of shape (classes,)
            Those of each class.
        some : array of shape (rows, features), optional
            Rows that tell whether training converged, where `data` is a function.

        Raises
        ------
        ValueError
            If training diverged.
        """
        settings, target, seed = self.settings, self.target, self.settings.seed + number
        first, network = self._begun(number, seed)
        if first is not None:
            data = _projected(data, first)
            held = None if held is None else held.project(first.apply)
            some = None if some is None else first.apply(some)
        history = train(
            network,
            data,
            held,
            settings,
            target,
            rows=rows,
            counts=counts,
            seed=seed,
            progress=self.progress,
            workers=self.workers,
        )
        known = data.x if isinstance(data, Labelled) else some
        assert known is not None, "given beside a function"
        check_converged(network, history, known, settings)
        if settings.calibrate:
            assert held, "checked before training"
            calibrate(network, held.x, held.targets, held.weights)
        return network if first is None else first.before(network), history

    def fitted(
        self,
        trained: Sequence[tuple[Network, History]],
        held: Sequence[Labelled],
        scored: Callable[[TableModel], Evaluation],
        *,
        one_set: bool,
        source: str,
        rows: int,
        counts: Array,
        said: list[str],
        judged_rows: list[Table],
    ) -> Fitted:
        """Make a model of trained networks, and score it.

        Parameters
        ----------
        trained : sequence of pairs
            What `trained` gave for each network.
        held : sequence of Labelled
            What each network held out; empty if nothing.
        scored : function
            Gives the evaluation of a model on the rows trained on.
        one_set : bool
            True if all networks hold out the same rows; otherwise each judges its own.
        source, rows
            The table's name, and how many of its rows were trained on.
        counts : integer array of shape (classes,)
            Those of each class.
        said : list of str
            The notes so far.
        judged_rows : list of Table
            As in `Fitted`.
        """
        settings, start = self.settings, self.start
        networks, histories = zip(*trained, strict=True)
        model = TableModel(
            networks,
            self.features,
            self.target,
            settings.id,
            settings.missing,
            present=settings.present,
        )
        judged = _judged(model, held, one_set)
        if isinstance(self.target, Classes) and settings.threshold is not None:
            chosen = with_threshold(self.target, settings.threshold, counts, judged)
            model = replace(model, target=chosen)
        if start is not None and (before := _judged(start, held, one_set)):
            said = [*said, f"before, the validation {headline(score(self.target, *before))}"]
        scores = scored(model)
        judgement = score(model.target, *judged) if judged else None
        facts = facts_of(source, rows, histories[0], settings, scores, judgement)
        reduced = None if self.reduced is None else self.reduced.fact
        if start is not None:
            facts["before"] = tables_of(start)
            reduced = start.facts.get("reduced")
        if reduced is not None:
            facts["reduced"] = reduced
        model = replace(model, facts=facts)
        return Fitted(model, list(histories), scores, judgement, said, judged_rows)

    def _begun(self, number: int, seed: int) -> tuple[Projection | None, Network]:
        """Give a network to train, and the layer before it that does not learn."""
        settings, start = self.settings, self.start
        if start is None:
            first = None if self.reduced is None else self.reduced.projection
            width = self.features.width if first is None else len(first.bias)
            return first, settings.make_network(width, self.target, seed)
        if settings.reduce is None:
            return None, network_from(start.networks[number])
        return parted(start.networks[number], seed)


def _projected(data: Labelled | LabelledChunks, first: Projection) -> Labelled | LabelledChunks:
    """Put what a layer makes of rows in the place of their features."""
    if isinstance(data, Labelled):
        return data.project(first.apply)

    def projected(rows: Labelled) -> Labelled:
        return rows.project(first.apply)

    return lambda: map(projected, data())  # which keeps no chunk while the next one is read


def _judged(
    model: TableModel, held: Sequence[Labelled], one_set: bool
) -> tuple[Array, Array] | None:
    """Give a model's outputs for the rows held out, and their targets; None if there are none."""
    if not held:
        return None
    if one_set:
        return model.outputs(held[0].x), held[0].targets
    pairs = zip(model.networks, held, strict=True)
    each = [outputs_of(model.target, network, rows.x) for network, rows in pairs]
    return np.concatenate(each), np.concatenate([rows.targets for rows in held])
