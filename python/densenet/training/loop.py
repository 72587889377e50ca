"""Calls of `fit`: their arguments are checked, and their epochs begun."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy.typing as npt

from densenet import _checks
from densenet._engine.contract import Examples, apart
from densenet._engine.turn import Turn
from densenet._extras import require
from densenet._network.learner import Learner
from densenet._network.passes import Passes
from densenet._network.state import learner_of
from densenet._typing import Array, Chunks
from densenet.losses import Loss
from densenet.optimizers import Adam, Optimizer
from densenet.training import orders
from densenet.training.averaging import averaging_of
from densenet.training.callbacks import Callback
from densenet.training.class_weights import class_weights
from densenet.training.early_stopping import EarlyStopping
from densenet.training.history import History
from densenet.training.listeners import check_listeners
from densenet.training.orders import Shuffle
from densenet.training.position import (
    Conditions,
    Position,
    conditions_of,
    first_position,
    left_position,
)
from densenet.training.ranks import Ranks, ranks_of
from densenet.training.run import Metric, Run
from densenet.training.shared_moments import widths_of
from densenet.training.shares import Batches, Shares
from densenet.training.unequal import check_shared, heard_by, words_of
from densenet.workers.contract import Workers

if TYPE_CHECKING:
    from densenet.training.chunked import ChunkSource

_ANY_ROWS = 2**62  # more than fit in memory; the core can still add two such numbers


def fit(
    network: Any, x: npt.ArrayLike | Chunks, y: npt.ArrayLike | None = None, **options: Any
) -> History:
    """Train as `Network.fit` does, with the same defaults, but do not warn of divergence."""
    # Network itself, which has the defaults: a subclass may have a `fit` of its own.
    owner = next(base for base in reversed(type(network).__mro__) if "fit" in vars(base))
    return train(network, x, y, **{**vars(owner)["fit"].__kwdefaults__, **options})


def train(
    network: Passes,
    x: npt.ArrayLike | Chunks,
    y: npt.ArrayLike | None,
    *,
    workers: Workers | None,
    **options: Any,
) -> History:
    """Train as `Network.fit` describes, but leave it to the caller to warn of divergence."""
    ranks = ranks_of(workers)
    if ranks is None:
        return _train(network, x, y, None, **options)
    with ranks:
        return _train(network, x, y, ranks, **options)


def _train(
    network: Passes,
    x: npt.ArrayLike | Chunks,
    y: npt.ArrayLike | None,
    ranks: Ranks | None,
    *,
    epochs: int,
    batch_size: int,
    optimizer: Optimizer | None,
    validation_data: tuple[npt.ArrayLike, ...] | None,
    metrics: Sequence[Metric],
    shuffle: Shuffle | None,
    drop_last: bool,
    callbacks: Sequence[Callback],
    progress: bool,
    early_stopping: EarlyStopping | None,
    sample_weight: npt.ArrayLike | None,
    class_weight: Mapping[int, float] | Literal["balanced"] | None,
    tolerance: float,
    seed: int | None,
    resume: bool,
) -> History:
    learner = learner_of(network)
    metrics = _checks.sequence("metrics", metrics, "functions")
    callbacks = _checks.sequence("callbacks", callbacks, "callbacks")
    drop_last = _checks.flag("drop_last", drop_last)
    progress, resume = _checks.flag("progress", progress), _checks.flag("resume", resume)
    seed = _checks.seed("seed", seed)
    optimizer = Adam() if optimizer is None else optimizer
    source = None
    if y is None:
        from densenet.training.chunked import ChunkSource  # late: most trainings do without

        source = ChunkSource(learner, x, shuffle, sample_weight)
        examples, shuffled = source.nothing, source.shuffled
    else:
        examples = learner.examples(cast("npt.ArrayLike", x), y, sample_weight)
        shuffled = orders.chosen(shuffle, examples.x, learner.position if resume else None)
        if ranks is not None:
            _checks.not_sparse("x", examples.x, "with workers")
    own_rows = ranks is not None and ranks.own_rows
    if class_weight is not None:
        _check_predicts_classes(learner.loss)
        if source is not None:
            source.weigh_classes(class_weight)
        elif not own_rows:
            weights = class_weights(examples, class_weight, learner.layout.outputs)
            examples = examples._replace(sample_weight=weights)
    validation, validation_weight = _held_out(learner, validation_data, ranks)
    epochs = _checks.count("epochs", epochs)
    rows = len(examples.x) if source is None else None
    batch_size = min(_checks.count("batch_size", batch_size), _ANY_ROWS)
    shares: Batches | None = None
    holders, widths = "", widths_of(learner.layout)
    if ranks is not None:
        ranks.agree("workers.own_rows", ranks.own_rows)
    if own_rows:
        assert ranks is not None
        from densenet.training import own_rows as own  # late: most trainings do without

        if rows is None:
            from densenet.training.own_chunks import ChunkShares

            shares = ChunkShares(ranks, batch_size, drop_last)
            holders, widths = f" on {ranks.size} ranks", shares.widths + widths
        else:
            shares, holders = own.shares_of(ranks, rows, batch_size, drop_last)
            rows = shares.rows
    batch_size = batch_size if rows is None else min(batch_size, rows)
    tolerance = _checks.setting("tolerance", tolerance)
    check_listeners(metrics, callbacks, early_stopping, validation is not None)
    averaging = averaging_of(callbacks)
    if own_rows and source is not None and averaging is not None:
        own.check_averaging(averaging, learner.layout)
    conditions = conditions_of(
        rows=rows,
        holders=holders,
        sample_weight="None" if sample_weight is None else "weights",
        class_weight=repr(class_weight),
        batch_size=batch_size,
        optimizer=optimizer,
        shuffle=shuffled,
        drop_last=drop_last,
        early_stopping=early_stopping,
        averaging=averaging,
        tolerance=tolerance,
        seed=seed,
    )
    turn = Turn("fit")
    try:
        learner.begin(turn)
        position = left_position(learner, conditions, optimizer, epochs) if resume else None
        learner.check_optimizer(optimizer, stacklevel=4)
        if ranks is not None:
            check_shared(learner)
            words = words_of(
                learner,
                examples,
                validation,
                conditions(),
                position=position,
                epochs=epochs,
                metrics=metrics,
                exact=ranks.exact,
                own_rows=ranks.own_rows,
            )
            ranks.meet(words)
            ranks.begin(learner.layout.size, batch_size, learner.dtype, widths)
            if own_rows:
                if source is None:
                    classes = learner.layout.outputs
                    examples = own.weighed(ranks, examples, sample_weight, class_weight, classes)
                if validation is not None:
                    validation = own.weighed(ranks, validation, validation_weight)
            callbacks, progress = heard_by(ranks.rank, callbacks, progress)
        run = start(
            network,
            examples,
            position,
            source=source,
            conditions=conditions,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            validation=validation,
            metrics=metrics,
            shuffle=shuffled,
            drop_last=drop_last,
            callbacks=callbacks,
            progress=progress,
            early_stopping=early_stopping,
            tolerance=tolerance,
            ranks=ranks,
            shares=shares,
        )
        try:
            return run.to_its_end()
        finally:
            run.leave()
    finally:
        turn.over = True


def _check_predicts_classes(loss: Any) -> None:
    if not isinstance(loss, Loss) or loss.predicts != "classes":
        raise TypeError(f"class_weight: expected a loss on classes, got {type(loss).__name__}")


def _held_out(learner: Learner, given: Any, ranks: Ranks | None) -> tuple[Examples | None, Any]:
    """Check `validation_data`; give its rows, and their weights as they were given."""
    if given is None:
        return None, None
    x, y, *weight = _checks.weighted_pair("validation_data", given)
    with _checks.within("validation_data"):
        examples = learner.examples(x, y, *weight)
        if ranks is not None:
            _checks.not_sparse("x", examples.x, "with workers")
    return examples, weight[0] if weight else None


def start(
    network: Passes,
    examples: Examples,
    position: Position | None,
    *,
    source: "ChunkSource | None" = None,
    conditions: Conditions,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int,
    seed: int | None,
    rows: Array | None = None,
    validation: Examples | None = None,
    validation_rows: Array | None = None,
    metrics: Sequence[Metric] = (),
    shuffle: Shuffle = True,
    drop_last: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
    early_stopping: EarlyStopping | None = None,
    tolerance: float = 0.0,
    ranks: Ranks | None = None,
    shares: Batches | None = None,
) -> Run:
    """Begin to train within a turn of the network that has begun; all arguments are checked.

    Parameters
    ----------
    position : Position or None
        Where training goes on; None begins anew.
    source : ChunkSource or None
        Gives rows chunk by chunk, in place of `examples`.
    shares : Batches or None
        Which of `examples` are in each batch, where other ranks hold other rows.
    rows, validation_rows : int64 array, or None for all
        The rows of `examples` that are learned from and the rows of `validation` that are measured,
        by their numbers; one may come more than once. Results are those of copies of these rows.
    conditions, optimizer, ...
        As in `Network.fit`; `batch_size` is at most the number of rows.
    """
    learner = learner_of(network)
    state = learner.ready(optimizer)
    if position is None:
        position = first_position(learner, conditions, state.taken, seed)
    rng = learner.rng if position.rng is None else position.rng
    n_rows = len(examples.x if rows is None else rows) if shares is None else shares.rows
    n_steps = n_rows // batch_size if drop_last else -(-n_rows // batch_size)
    taken = position.losses + position.step
    bar = _bar(n_steps * epochs, taken) if progress else None

    rng.bit_generator.state = position.drawn
    examples = examples._replace(x=orders.row_by_row(examples.x))
    examples = apart(examples, (learner.flat, *state.moments.values()))
    position.put_last_back(learner)
    position.go_on(state.taken)
    position.ended = False
    learner.position = position
    made: Callable[..., Run] = Run if source is None else source.run(drop_last)
    if isinstance(shares, Shares):
        from densenet.training.own_rows import OwnRun

        made = OwnRun
    elif shares is not None:
        from densenet.training.own_chunks import ChunkShares, OwnChunkedRun

        assert isinstance(shares, ChunkShares)
        assert source is not None
        made = partial(OwnChunkedRun, source=source, drop_last=False)
        batch_size = shares.most  # of the batch's rows, those that this rank's chunks give
    return made(
        network=network,
        learner=learner,
        given=examples,
        rows=rows,
        optimizer=optimizer,
        state=state,
        position=position,
        epochs=epochs,
        batch_size=batch_size,
        n_rows=n_rows,
        n_steps=n_steps,
        tolerance=tolerance,
        rng=rng,
        draw=orders.drawing(shuffle, examples.x, n_rows, batch_size, rng),
        shuffled=shuffle,
        validation=validation,
        validation_rows=validation_rows,
        metrics=metrics,
        callbacks=callbacks,
        early_stopping=early_stopping,
        averaging=averaging_of(callbacks),
        bar=bar,
        ranks=ranks,
        shares=shares,
    )


def _bar(total: int, taken: int) -> Any:
    """Make a progress bar over all steps, silent where standard error is no terminal.

    A total of 0 stands for a number that is not known yet.
    """
    require("progress=True", "progress", "tqdm")
    from tqdm.auto import tqdm

    return tqdm(total=total or None, initial=taken, unit="step", disable=None, leave=False)
