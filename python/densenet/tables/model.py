"""Networks together with the encoding of their table's columns: predict, score, save, load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from densenet import _checks, serialization
from densenet._engine.made_rows import MadeRows, in_pieces
from densenet._rounding import rounded
from densenet._typing import Array
from densenet.metrics import (
    accuracy,
    mean_absolute_error,
    mean_squared_error,
    precision_recall_fbeta,
    r2,
)
from densenet.network import Network
from densenet.tables.cells import missing_words
from densenet.tables.encoding import targets
from densenet.tables.encoding.features import Features
from densenet.tables.encoding.specs import to_json
from densenet.tables.encoding.targets import Classes, Target, Values
from densenet.tables.facts import check_facts
from densenet.tables.table import Table

__all__ = ["Evaluation", "TableModel"]

_VERSION = 3
"""Of the attachment to the networks' file. Version 1 had no `present` and no numerals; version 2 no
pieces of numbers, and a single network."""


class Evaluation(NamedTuple):
    """Targets and predictions of some rows, and the scores that follow from them.

    Attributes
    ----------
    y_true, y_pred : arrays of shape (rows,)
        Class indices, or values in the table's unit.
    scores : dict of str to float
        ``loss`` (of standardised values) and, for classes, ``accuracy``, ``precision``,
        ``recall``, ``f1`` (means over the classes) and ``baseline`` (the accuracy of always
        predicting the most frequent class); for values ``r2``, and ``rmse`` and ``mae`` in the
        target's unit. The loss leaves out rows of unknown classes, which no prediction can match.
    unknown : sequence of str
        Classes that training did not have; their indices follow those of the model's classes.
    unlabelled : int
        Number of further rows, which have no target.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Settings, Table, fit
    >>> x = np.linspace(0, 1, 100)
    >>> held_out = fit(Table.from_columns({"x": x, "y": 3 * x}), Settings("y")).validation
    >>> held_out.y_true.shape, held_out.scores["r2"] > 0.95
    ((20,), True)
    """

    y_true: Array
    y_pred: Array
    scores: dict[str, float]
    unknown: tuple[str, ...] = ()
    unlabelled: int = 0


@dataclass(frozen=True)
class TableModel:
    """Networks with all that they need to predict the rows of a table.

    Attributes
    ----------
    networks : sequence of Network
        Their probabilities or values are averaged.
    features : Features
        The encoding of the columns that the networks read.
    target : Classes or Values
        The encoding of the column that they predict.
    id : str or None
        The column that names the rows.
    missing : sequence of str
        Words for a missing cell, in addition to `densenet.tables.reading.files.MISSING`.
    facts : mapping
        How the model was trained, as JSON: what ``densenet info`` prints.
    present : sequence of str
        Words of `densenet.tables.reading.files.MISSING` that are values.

    Examples
    --------
    >>> import os, tempfile
    >>> from densenet.tables import TableModel
    >>> from densenet.tables import Settings, Table, fit
    >>> rows = {"n": range(100), "pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    >>> model = fit(Table.from_columns(rows), Settings("says", id="n")).model
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> model.save(path)
    >>> model = TableModel.load(path)  # the file is all that is needed
    >>> pets = Table.from_columns({"n": [7, 8], "pet": ["dog", "cat"], "says": ["woof", "meow"]})
    >>> model.predict(pets), model.predict_proba(pets).shape
    (['woof', 'meow'], (2, 2))
    >>> model.answer(pets)
    {'n': ['7', '8'], 'says': ['woof', 'meow']}
    >>> model.score(pets).scores["accuracy"]
    1.0
    >>> rows, classes, unknown = model.targets(pets)
    >>> rows.tolist(), classes.tolist(), unknown
    ([0, 1], [1, 0], [])
    >>> x = model.features.transform(pets)
    >>> (model.outputs(x) == model.network.predict_proba(x)).all()
    np.True_
    """

    networks: tuple[Network, ...]
    features: Features
    target: Target
    id: str | None = None
    missing: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    present: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        networks = _checks.sequence_of("networks", self.networks, Network, "Networks")
        if not networks:
            raise ValueError("networks: expected at least one, got none")
        object.__setattr__(self, "networks", networks)

    @property
    def network(self) -> Network:
        """The only network; ValueError if there are several."""
        if len(self.networks) > 1:
            raise ValueError(f"network: expected a single one, got {len(self.networks)}")
        return self.networks[0]

    def predict(self, table: Table) -> list[str] | npt.NDArray[np.float64]:
        """Predict each row's class, by name, or its value.

        Raises
        ------
        ValueError
            If a column is missing, or a cell of a column of numbers is no finite number.
        """
        outputs = self.outputs(self.features.encoded(table))
        if isinstance(self.target, Classes):
            return self.target.decode(self.target.choose(outputs))
        return self.target.decode(outputs)

    def predict_proba(self, table: Table) -> Array:
        """Compute the probability of each class, (rows, classes).

        Raises
        ------
        ValueError
            What `predict` raises, and if the target has no classes.
        """
        if not isinstance(self.target, Classes):
            raise ValueError(
                f"predict_proba: expected classes, but {self.target.column!r} has values"
            )
        return self.outputs(self.features.encoded(table))

    def outputs(self, x: Array | MadeRows) -> Array:
        """Average what the networks say of rows of features.

        Parameters
        ----------
        x : array of shape (rows, features)
            Or what `Features.encoded` gives.

        Returns
        -------
        array of shape (rows, classes) or (rows,)
            Probabilities, or standardised values.
        """
        return in_pieces(self._outputs, x)

    def _outputs(self, x: Array) -> Array:
        total = outputs_of(self.target, self.networks[0], x)
        for network in self.networks[1:]:
            total = total + outputs_of(self.target, network, x)
        return total / len(self.networks)

    def answer(self, table: Table, probabilities: bool = False) -> dict[str, list[str]]:
        """Give the columns of a file of predictions: the id, if there is one, and the prediction.

        Parameters
        ----------
        table : Table
        probabilities : bool
            True adds a column ``P(class)`` for each class.

        Raises
        ------
        ValueError
            If a column is missing, a cell of a column of numbers is no finite number, or
            `probabilities` is true and the target has no classes.
        """
        table.require(
            self.features.columns if self.id is None else [self.id, *self.features.columns]
        )
        columns = {} if self.id is None else {self.id: table.texts(self.id).tolist()}
        if isinstance(self.target, Values):
            if probabilities:
                raise ValueError(
                    f"probabilities: expected classes, but {self.target.column!r} has values"
                )
            columns[self.target.column] = [f"{value:.7g}" for value in self.predict(table)]
            return columns
        shares = self.predict_proba(table)
        columns[self.target.column] = self.target.decode(self.target.choose(shares))
        if probabilities:
            for name, share in zip(self.target.values, shares.T, strict=True):
                columns[f"P({name})"] = [rounded(value, 6, "g") for value in share]
        return columns

    def score(self, table: Table) -> Evaluation:
        """Compare predictions with the targets in a table.

        Rows without a target are left out and counted. Every row of a class that training did not
        have counts as an error.

        Raises
        ------
        ValueError
            If a column is missing, no row has a target, or a cell of a column of numbers is no
            finite number.
        """
        x = self.features.encoded(table)
        rows, encoded, unknown = self.targets(table)
        evaluation = score(self.target, self.outputs(x)[rows], encoded)
        return evaluation._replace(unknown=tuple(unknown), unlabelled=len(table) - len(rows))

    def targets(self, table: Table) -> tuple[Array, Array, list[str]]:
        """Give the rows that have a target, these targets encoded, and unknown classes.

        Raises
        ------
        ValueError
            If no row has a target, or one of values is no number.
        """
        column = self.target.column
        rows = np.flatnonzero(~table.missing(column))
        if not len(rows):
            raise ValueError(f"{table.source}, column {column!r}: expected targets, got none")
        labelled = table.take(rows)
        if isinstance(self.target, Classes):
            return rows, *self.target.places(labelled)
        return rows, self.target.encode(labelled), []

    def save(self, path: str | Path) -> None:
        """Write networks and encodings to one file; the optimizer's moments are dropped."""
        for network in self.networks:
            network.reset_optimizer()
        about = {
            "version": _VERSION,
            "features": self.features.to_json(),
            "target": to_json(self.target),
            "id": self.id,
            "missing": list(self.missing),
            "present": list(self.present),
            "facts": dict(self.facts),
        }
        if len(self.networks) == 1:  # a file that `Network.load` reads, too
            serialization.save(self.networks[0], path, attachments={"table": about})
        else:
            serialization.save_many(self.networks, path, attachments={"table": about})

    @classmethod
    def load(cls, path: str | Path) -> "TableModel":
        """Read a model that `save` wrote.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If the file is no network of densenet, or has no valid description of its columns.
        """
        try:
            networks, attachments = serialization.load_many(path)
        except TypeError as error:  # a loss of the user's own
            raise ValueError(f"{path}: {error}") from None
        about = attachments.get("table")
        if about is None:
            raise ValueError(
                f"{path}: expected a model that densenet fit wrote, got a network without columns"
            )
        try:
            model = cls._from_json(tuple(networks), about)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: what is said of the columns is not readable: {error}") from (
                None
            )
        model._check(path)
        return model

    @classmethod
    def _from_json(cls, networks: tuple[Network, ...], about: Any) -> "TableModel":
        """Make a model of what `save` attached; values of other types raise various errors."""
        version = about.get("version")
        if type(version) is not int or not 1 <= version <= _VERSION:
            raise ValueError(f"version: expected 1 to {_VERSION}, got {version!r}")
        features, target = Features.from_json(about["features"]), targets.from_json(about["target"])
        id_, facts = about["id"], about["facts"]
        if id_ is not None and not isinstance(id_, str):
            raise ValueError(f"id: expected a name, got {id_!r}")
        words = {name: about[name] for name in ("missing", "present") if name in about}
        for name, values in words.items():
            if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
                raise ValueError(f"{name}: expected words, got {values!r}")
        if version == 1:  # knew fewer words: some of its values would be missing cells today
            known = [part.values for part in (*features.parts, target) if hasattr(part, "values")]
            of_today = missing_words(words["missing"])
            words["present"] = [
                one for values in known for one in values if one and one.lower() in of_today
            ]
        check_facts(facts)
        return cls(
            networks,
            features,
            target,
            id_,
            tuple(words["missing"]),
            facts,
            tuple(words["present"]),
        )

    def _check(self, path: str | Path) -> None:
        """Check that each network has as many inputs and outputs as the columns need."""
        wanted = (self.features.width, self.target.outputs)
        for network in self.networks:
            first, last = network.inputs, network.outputs
            if (first, last) != wanted:
                raise ValueError(
                    f"{path}: expected a network of {wanted[0]} inputs and {wanted[1]} outputs for "
                    f"its columns, got {first} and {last}"
                )


def together(target: Target, parts: Sequence[Evaluation]) -> Evaluation:
    """Put the evaluations of several tables together, as `TableModel.score` gives them.

    Parameters
    ----------
    target : Classes or Values
    parts : sequence of Evaluation

    Examples
    --------
    >>> from densenet.tables import Classes
    >>> from densenet.tables.model import Evaluation, together
    >>> one = Evaluation(np.array([0, 2]), np.array([0, 1]), {"loss": 0.25}, ("x",), 1)
    >>> other = Evaluation(np.array([1, 2]), np.array([1, 1]), {"loss": 0.75}, ("a",), 0)
    >>> whole = together(Classes("y", ("b", "c")), [one, other])
    >>> whole.unknown, whole.y_true.tolist(), whole.unlabelled
    (('a', 'x'), [0, 3, 1, 2], 1)
    >>> whole.scores["loss"], whole.scores["accuracy"]
    (0.5, 0.5)
    """
    unlabelled = sum(part.unlabelled for part in parts)
    y_pred = np.concatenate([part.y_pred for part in parts])
    if isinstance(target, Values):
        y_true = np.concatenate([part.y_true for part in parts])
        scores = _scores_of_values(
            target, *((y - target.mean) / target.scale for y in (y_true, y_pred))
        )
        return Evaluation(y_true, y_pred, scores, (), unlabelled)
    unknown = sorted({name for part in parts for name in part.unknown})
    places = {name: place for place, name in enumerate(unknown, target.outputs)}
    known = np.arange(target.outputs)
    indices = [
        np.append(known, [places[name] for name in part.unknown]).astype(np.int64)[part.y_true]
        for part in parts
    ]
    rows = [int(np.sum(part.y_true < target.outputs)) for part in parts]
    losses = [part.scores["loss"] * n for part, n in zip(parts, rows, strict=True) if n]
    loss = float(np.sum(losses) / sum(rows)) if sum(rows) else np.nan
    y_true = np.concatenate(indices)
    scores = _scores_of_classes(y_true, y_pred, loss)
    return Evaluation(y_true, y_pred, scores, tuple(unknown), unlabelled)


def outputs_of(target: Target, network: Network, x: Array | MadeRows) -> Array:
    """Compute the probabilities (rows, classes) or standardised values (rows,) of one network.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, Network, SoftmaxCrossEntropy
    >>> from densenet.tables import Classes
    >>> from densenet.tables.model import outputs_of
    >>> network = Network([Linear(2, 2, init="zeros")], SoftmaxCrossEntropy())
    >>> outputs_of(Classes("pet", ("cat", "dog")), network, np.ones((1, 2))).tolist()
    [[0.5, 0.5]]
    """
    return in_pieces(network.predict_proba if isinstance(target, Classes) else network.predict, x)


def score(target: Target, outputs: Array, encoded: Array) -> Evaluation:
    """Compare what networks say of rows with their encoded targets (rows,).

    Parameters
    ----------
    target : Classes or Values
    outputs : array of shape (rows, classes) or (rows,)
        Probabilities, or standardised values.
    encoded : array of shape (rows,)
        Class indices or standardised values. An index beyond the target's classes stands for a
        class that is not known.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Values
    >>> from densenet.tables.model import score
    >>> score(Values("price", 100.0, 10.0), np.array([1.0, 2.0]), np.array([1.0, 1.0])).y_pred
    array([110., 120.])
    """
    if isinstance(target, Values):
        scores = _scores_of_values(target, encoded, outputs)
        return Evaluation(target.decode(encoded), target.decode(outputs), scores)
    predicted, loss = target.choose(outputs), log_loss(target, encoded, outputs)
    return Evaluation(encoded, predicted, _scores_of_classes(encoded, predicted, loss))


def log_loss(target: Classes, encoded: Array, outputs: Array) -> float:
    """Give the mean log loss of the rows of known classes, NaN if there are none.

    Parameters are those of `score`.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Classes
    >>> from densenet.tables.model import log_loss
    >>> shares = np.array([[0.5, 0.5], [0.0, 1.0]])
    >>> round(log_loss(Classes("pet", ("cat", "dog")), np.array([0, 1]), shares), 3)
    0.347
    """
    losses = log_losses(target, encoded, outputs)
    return float(losses.mean()) if len(losses) else float("nan")


def log_losses(target: Classes, encoded: Array, outputs: Array) -> npt.NDArray[np.float64]:
    """Give the log loss of each row of a known class.

    Parameters are those of `score`.

    Examples
    --------
    >>> from densenet.tables import Classes
    >>> from densenet.tables.model import log_losses
    >>> shares = np.array([[0.5, 0.5], [0.0, 1.0], [0.25, 0.75]])
    >>> log_losses(Classes("pet", ("cat", "dog")), np.array([0, 1, 2]), shares).round(3) + 0.0
    array([0.693, 0.   ])
    """
    known = np.flatnonzero(encoded < target.outputs)
    shares = outputs[known, encoded[known]].astype(np.float64)
    losses: npt.NDArray[np.float64] = -np.log(np.maximum(shares, np.finfo(np.float64).tiny))
    return losses


def _scores_of_values(target: Values, encoded: Array, outputs: Array) -> dict[str, float]:
    """Give the scores of standardised values."""
    scale = target.scale  # applied after squaring, so that no square overflows
    squared = mean_squared_error(encoded, outputs)
    return {
        "loss": squared,
        "r2": r2(encoded, outputs),
        "rmse": scale * squared**0.5,
        "mae": scale * mean_absolute_error(encoded, outputs),
    }


def _scores_of_classes(encoded: Array, predicted: Array, loss: float) -> dict[str, float]:
    """Give the loss, and the scores of class indices."""
    precision, recall, f1 = precision_recall_fbeta(encoded, predicted, 1.0, "macro")
    return {
        "loss": loss,
        "accuracy": accuracy(encoded, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "baseline": float(np.bincount(encoded).max() / len(encoded)),
    }
