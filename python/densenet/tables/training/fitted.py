"""What training on a table gives."""

from typing import NamedTuple

from densenet._rounding import rounded
from densenet.tables.model import Evaluation, TableModel
from densenet.tables.table import Table
from densenet.training import History

__all__ = ["Fitted"]


class Fitted(NamedTuple):
    """What a training on a table gives: the model, the course of its training, and notes.

    Attributes
    ----------
    model : TableModel
    histories : list of History
        Of each network.
    train, validation : Evaluation
        Of the rows trained on and of those held out; the latter None if there are none. Of several
        networks, each judges the rows that it held out.
    notes : list of str
        Lines about what in the table may be other than its owner thinks.
    judged_rows : list of Table
        For each network the rows that it held out. One table alone is of all networks: rows to
        validate that were given or, if none were held out, those trained on.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Settings, Table, fit
    >>> x = np.arange(-50, 50)
    >>> fitted = fit(Table.from_columns({"x": x, "y": np.sign(x)}), Settings("y", epochs=2))
    >>> len(fitted.history.epochs), len(fitted.train.y_true), len(fitted.validation.y_true)
    (2, 80, 20)
    >>> fitted.notes[0].partition(": ")[0]
    "'x' has another whole number in each row"
    """

    model: TableModel
    histories: list[History]
    train: Evaluation
    validation: Evaluation | None
    notes: list[str]
    judged_rows: list[Table]

    @property
    def history(self) -> History:
        """That of the first network."""
        return self.histories[0]


def headline(evaluation: Evaluation) -> str:
    """Say in words the score by which a model is judged first.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Values
    >>> from densenet.tables.model import score
    >>> from densenet.tables.training.fitted import headline
    >>> headline(score(Values("price", 0.0, 1.0), np.array([1.0, 2.0]), np.array([1.0, 2.0])))
    'R² was 1'
    """
    scores = evaluation.scores
    if "accuracy" in scores:
        return f"accuracy was {rounded(scores['accuracy'], 2, '%')}"
    return f"R² was {rounded(scores['r2'], 4, 'g')}"
