"""Train on a table that memory does not hold, and that is read in chunks.

One pass draws a sample, by which columns are understood and rows are held out. One more settles by
all rows what rare ones decide. Then each epoch reads the rows in a mixed order.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain, count
from typing import NamedTuple

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.network import Network
from densenet.tables.cells import key_of
from densenet.tables.encoding.features import Features
from densenet.tables.encoding.tally import Tally
from densenet.tables.encoding.targets import Classes, Target, Task
from densenet.tables.model import Evaluation, TableModel, score
from densenet.tables.reading.chunks import TableChunks
from densenet.tables.table import Table
from densenet.tables.training.course import Course
from densenet.tables.training.deciding import check_decisions
from densenet.tables.training.epochs import counts_of
from densenet.tables.training.fitted import Fitted
from densenet.tables.training.going_on import check_rows, gentler, settings_from
from densenet.tables.training.holding_out import hold_out
from densenet.tables.training.labelled import Labelled, LabelledChunks, check_sum, weights_in
from densenet.tables.training.reducing import projection_of, reduction
from densenet.tables.training.settings import Settings
from densenet.tables.training.understanding import (
    Understood,
    encodings,
    missing_targets,
    understand,
    with_targets,
)
from densenet.training import History

MOST_HELD = 10_000
"""The most rows that are held out."""
_AT_ONCE = 1 << 23  # bytes of features in a chunk
_LEAST_HELD = 500
_HELD_CELLS = 1_000_000  # of the rows held out, as each cell becomes some 25 features


def fit_chunks(
    chunks: TableChunks,
    settings: Settings,
    *,
    start: TableModel | None = None,
    validation: Table | None = None,
    progress: bool = False,
) -> Fitted:
    """Train a model on a table that is read in chunks, so that memory need not hold it.

    Columns are understood by the sample: which are numbers, dates, categories or ids, the edges of
    pieces, means. All rows decide which categories are the most frequent, which classes there are,
    how far numbers reach and whether cells are missing. If the sample has all rows, the encodings
    and the rows held out are those of `densenet.tables.fit`.

    The rows held out are drawn from the sample, at most 10,000, the same for all networks. Each
    epoch of each network reads all others in another order (`TableChunks.tables`), and networks are
    trained one after the other. The training scores are those of the sample's rows.

    Parameters
    ----------
    chunks : TableChunks
    settings : Settings
        Principal components, by `reduce`, are those of the sample's rows to train on.
    start : TableModel, optional
        A model to go on from with new rows, as for `densenet.tables.fit`.
    validation : Table, optional
        Rows to hold out, in place of some of the sample, so that all rows are trained on. Those
        without a target are left out.
    progress : bool
        True shows a progress bar.

    Returns
    -------
    Fitted

    Raises
    ------
    ImportError, ValueError
        What `densenet.tables.fit` raises.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from densenet.tables import Settings, Table, fit_chunks, read_chunks, write_csv
    >>> x = np.linspace(-1, 1, 200)
    >>> path = Path(tempfile.mkdtemp(), "a.csv")
    >>> write_csv(path, {"x": map(str, x), "sign": np.where(x > 0, "plus", "minus")})
    >>> fitted = fit_chunks(read_chunks(path), Settings("sign"))
    >>> fitted.model.predict(Table.from_columns({"x": [-0.9, 0.9]}))
    ['minus', 'plus']
    """
    _checks.instance("chunks", chunks, TableChunks, "TableChunks")
    _checks.instance("settings", settings, Settings, "Settings")
    if start is not None:
        settings = settings_from(start, settings)
    sample = chunks.sample
    missing = missing_targets(sample, settings, None if start is None else start.features.columns)
    table, task, target, said = _understood(chunks, settings, start, missing)
    rows = round(len(chunks) * len(table) / len(sample))  # with a target; more is known below
    if start is not None:
        settings = gentler(settings, start, rows)
    outside = None
    if validation is not None:
        outside, lines = with_targets(validation, settings.target, "rows to hold out")
        said[:0] = lines
        settings = replace(settings, validation=0.0)  # of this table
    open_settings, settings = settings, settings.chosen_for(rows, target)
    at, held_at = _hold_out(chunks, table, settings, task, rows)
    held_rows, known = table.take(held_at), table.take(at)
    numbers = chunks.drawn[np.flatnonzero(~missing)]
    ids = _ids(held_rows, settings.id, sample)
    given = _Rows(chunks, settings, numbers[held_at], ids)
    if start is None:
        settled = _anew(chunks, settings, task, known, given)
        if settled is None:
            settings = replace(open_settings, task="regression")
            return fit_chunks(chunks, settings, validation=validation, progress=progress)
    else:
        settled = _further(chunks, start, held_rows, known, given)
    features, target, n, counts, lines = settled
    unlabelled = int(missing.sum()) if chunks.is_whole else given.unlabelled
    said += [*_about_missing(unlabelled, settings), *lines]
    if not chunks.is_whole:
        said += _about_rows(chunks, given)
    said += _about_held(len(held_at), open_settings.validation, rows)
    share = len(held_at) / (n + len(held_at))
    settings = replace(open_settings, validation=share).chosen_for(n + len(held_at), target)
    held_rows = held_rows if outside is None else outside
    held = []
    if len(held_rows):
        held = [Labelled.of(held_rows, features.encoded, target, settings.weight)]
    check_decisions(settings, target, [each.targets for each in held])
    size = max(1, _AT_ONCE // (4 * features.width))
    some = features.transform(known.take(np.arange(min(size, len(known)))))
    if settings.weight is not None:
        check_sum(weights_in(known, settings.weight), "train on")
    reduced = None
    if start is None and settings.reduce is not None:
        reduced = projection_of(features.encoded(known), reduction(settings.reduce))
    course = Course(settings, features, target, start, reduced, progress)

    def trained(number: int) -> tuple[Network, History]:
        data = given.epochs(features, target, size, settings.seed + number)
        held_out = held[0] if held else None
        return course.trained(number, data, held_out, rows=n, counts=counts, some=some)

    return course.fitted(
        [trained(number) for number in range(settings.nets)],
        held,
        lambda model: _score(model, known, size),
        one_set=True,
        source=sample.source,
        rows=n,
        counts=counts,
        said=said,
        judged_rows=[held_rows if held else known],
    )


def _understood(
    chunks: TableChunks, settings: Settings, start: TableModel | None, missing: Array
) -> Understood:
    """Find by the sample what is learned, if no model decides that."""
    if start is None:
        return understand(chunks.sample, settings, missing, len(chunks))
    task: Task = "classification" if isinstance(start.target, Classes) else "regression"
    return Understood(chunks.sample.take(np.flatnonzero(~missing)), task, start.target, [])


class _Settled(NamedTuple):
    """What all rows have settled."""

    features: Features
    target: Target
    rows: int  # to train on
    counts: Array  # of the rows of each class
    said: list[str]  # notes


def _anew(
    chunks: TableChunks, settings: Settings, task: Task, known: Table, given: "_Rows"
) -> _Settled | None:
    """Settle the encodings by the sample's rows and by all; None if classes turn out as values."""
    features, target = encodings(known, settings, task)
    if chunks.is_whole:
        return _Settled(features, target, len(known), counts_of(target, target.encode(known)), [])
    tally = Tally(features, target)
    for some in given.checked(features.columns):
        tally.add(some)
    if settings.task == "auto" and tally.is_regression() and task == "classification":
        return None
    pieces = _checks.count("pieces", settings.pieces, 0)
    said = [
        f"columns were understood by {len(chunks.sample):,} of {len(chunks):,} rows, drawn at "
        "random",
        *(
            f"{column!r} has more different texts than are counted; its categories are those of "
            "the rows drawn"
            for column in tally.uncounted
        ),
    ]
    return _Settled(
        tally.features(known, pieces, settings.most_categories),
        tally.target(chunks.sample.source),
        tally.rows,
        tally.class_counts(),
        said,
    )


def _further(
    chunks: TableChunks, start: TableModel, held: Table, known: Table, given: "_Rows"
) -> _Settled:
    """Check all rows to go on with from a model, and count them."""
    features, target = start.features, start.target
    read = [known] if chunks.is_whole else given.checked(features.columns)
    said, rows, counts = check_rows(start, chain([held], read))
    counts = counts - counts_of(target, target.encode(held))
    return _Settled(features, target, rows - len(held), counts, said)


class _Rows:
    """The rows to train on, read anew each time."""

    def __init__(
        self, chunks: TableChunks, settings: Settings, held: Array, ids: Collection[str]
    ) -> None:
        self._chunks, self._settings = chunks, settings
        self._held, self._ids = held, ids
        self.unlabelled = self.related = 0  # left out in the last pass: no target; an id held out

    def tables(
        self, columns: list[str], rows: int | None = None, mixed: tuple[int, int] | None = None
    ) -> Iterator[Table]:
        """Give the rows in tables, as they lie or mixed by these numbers; target and weight too."""
        self.unlabelled = self.related = 0
        settings = self._settings
        others = (settings.target, settings.weight, settings.id if self._ids else None)
        tables = self._chunks.tables(
            list(dict.fromkeys([*columns, *(one for one in others if one is not None)])),
            *([] if rows is None else [rows]),
            mixed=mixed,
            without=self._held,
        )
        return map(self._chosen, tables)

    def checked(self, columns: list[str]) -> Iterator[Table]:
        """Give the rows in tables, as they lie, if their weights are what they have to be."""
        weight = self._settings.weight
        for table in self.tables(columns):
            if weight is not None:
                weights_in(table, weight)
            yield table
            del table  # before the next one is read

    def epochs(self, features: Features, target: Target, rows: int, seed: int) -> LabelledChunks:
        """Give a function for `Network.fit`; the order of the rows follows from the seed."""
        numbers = count()

        def encoded(table: Table) -> Labelled:
            return Labelled.of(table, features.transform, target, self._settings.weight)

        def chunks() -> Iterator[Labelled]:
            return map(encoded, self.tables(features.columns, rows, (seed, next(numbers))))

        return chunks

    def _chosen(self, table: Table) -> Table:
        """Leave out rows without a target, and those whose id is that of a row held out."""
        left_out = table.missing(self._settings.target)
        self.unlabelled += int(left_out.sum())
        id_ = self._settings.id
        if self._ids and id_ is not None:
            names, codes = table.distinct(id_)
            key = key_of(self._chunks.sample.kind(id_))
            related = np.array([key(name) in self._ids for name in names], bool)[codes]
            self.related += int((related & ~left_out).sum())
            left_out |= related
        return table.take(np.flatnonzero(~left_out)) if left_out.any() else table


def _hold_out(
    chunks: TableChunks, table: Table, settings: Settings, task: Task, rows: int
) -> tuple[Array, Array]:
    """Give the numbers of the sample's rows to train on, and of those to hold out."""
    share = settings.validation or 0.0
    most = max(_LEAST_HELD, min(MOST_HELD, _HELD_CELLS // len(table.columns)))
    wanted = min(share * rows, most)
    if not chunks.is_whole:
        wanted = min(wanted, len(table) / 5)
    if wanted < share * len(table) or not chunks.is_whole:
        share = wanted / len(table)
    return hold_out(table, replace(settings, validation=share), task)


def _ids(held: Table, id_: str | None, sample: Table) -> set[str]:
    """Give the keys of the ids of rows held out."""
    if id_ is None:
        return set()
    return set(map(key_of(sample.kind(id_)), held.distinct(id_)[0])) - {""}


def _about_missing(rows: int, settings: Settings) -> list[str]:
    return [f"{rows:,} rows without {settings.target!r} are left out"] if rows else []


def _about_held(held: int, share: float | None, rows: int) -> list[str]:
    """Say that fewer rows are held out than was asked for."""
    if not share or held >= int(share * rows):
        return []
    return [f"{held:,} rows are held out, not {share:.0%}, as memory holds them"]


def _about_rows(chunks: TableChunks, given: _Rows) -> list[str]:
    """Say which rows are scored, left out, or little mixed."""
    said = [f"the training scores are those of the {len(chunks.sample):,} rows drawn at random"]
    if given.related:
        said.append(f"{given.related:,} rows that share the id of a row held out are left out")
    if chunks.in_order:
        said.append(
            "the file can be read from its beginning alone, so only rows near each other are "
            "mixed: write it in a mixed order"
        )
    return said


def _score(model: TableModel, rows: Table, size: int) -> Evaluation:
    """Score rows piece by piece, as their features are larger than they are."""
    outputs = []
    for begin in range(0, len(rows), size):
        some = rows.take(np.arange(begin, min(begin + size, len(rows))))
        outputs.append(model.outputs(model.features.transform(some)))
    return score(model.target, np.concatenate(outputs), model.target.encode(rows))
