"""Predictions for rows in which the cells of one column are those of other rows.

Of such rows a few features differ from rows that are known. So the first layer's sums are changed
by what these features change in them, and only the layers after it are computed anew: with 20,000
columns that is a thousandth of the work.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from densenet._typing import Array
from densenet.layers import Linear
from densenet.metrics import accuracy, mean_squared_error, r2
from densenet.network import Network
from densenet.tables.encoding.targets import Classes
from densenet.tables.model import TableModel, log_loss, outputs_of
from densenet.tables.table import Table
from densenet.tables.training.reducing import after_first

_MOST = 1 << 22  # numbers that go into one call of a network


class Asked:
    """A model that is asked for predictions of a table with other cells in one column.

    Parameters
    ----------
    model : TableModel
    table : Table
        Some of its rows have a target.

    Raises
    ------
    ValueError
        What `TableModel.score` raises.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.tables import Features, Table, TableModel, Values
    >>> from densenet.tables.looking.shuffling import Asked
    >>> table = Table.from_columns({"x": [-1.0, 1.0], "y": [-1.0, 1.0]})
    >>> network = Network([Linear(1, 1, init=np.eye(1))], MeanSquaredError())
    >>> model = TableModel((network,), Features.fit(table, ["x"]), Values.fit(table, "y"))
    >>> Asked(model, table).judged("x", np.array([[0, 1], [1, 0]])).tolist()
    [[0.0, 1.0], [4.0, -3.0]]
    """

    def __init__(self, model: TableModel, table: Table) -> None:
        self._target = model.target
        self._x = model.features.transform(table)
        self._rows, self._encoded, _ = model.targets(table)
        self._begun = [_begin(network, self._x) for network in model.networks]
        widths = [part.width for part in model.features.parts]
        ends = np.cumsum(widths).tolist()
        self._places = {
            column: slice(end - width, end)
            for column, end, width in zip(model.features.columns, ends, widths, strict=True)
        }

    def judged(self, column: str, orders: Array) -> npt.NDArray[np.float64]:
        """Give the loss, and the accuracy or R², for each order, (orders, 2).

        Parameters
        ----------
        column : str
        orders : integer array of shape (orders, rows)
            From which row each one takes its cell of the column.
        """
        size = max(1, _MOST // max(one.sums.size for one in self._begun))
        place = self._places[column]
        return np.concatenate(
            [self._judged(place, orders[i : i + size]) for i in range(0, len(orders), size)]
        )

    def _judged(self, place: slice, orders: Array) -> npt.NDArray[np.float64]:
        known = self._x[:, place]
        cells = known[orders]
        total = sum(
            outputs_of(self._target, one.rest, one.changed(place, known, cells))
            for one in self._begun
        )
        outputs = np.asarray(total / len(self._begun))
        each = outputs.reshape(len(orders), -1, *outputs.shape[1:])[:, self._rows]
        return np.array([self._scores(one) for one in each])

    def _scores(self, outputs: Array) -> tuple[float, float]:
        encoded = self._encoded
        if isinstance(self._target, Classes):
            predicted = self._target.choose(outputs)
            return log_loss(self._target, encoded, outputs), accuracy(encoded, predicted)
        return mean_squared_error(encoded, outputs), r2(encoded, outputs)


class _Begun(NamedTuple):
    """A network that has begun with rows."""

    weight: Array | None  # of its first layer, if that is linear
    sums: Array  # (rows, outputs of that layer), otherwise the rows
    rest: Network

    def changed(self, place: slice, known: Array, cells: Array) -> Array:
        """Give the sums for other features than known ones, (orders, rows, features)."""
        count, rows, width = cells.shape
        if self.weight is None:
            changed = np.tile(self.sums, (count, 1))
            changed[:, place] = cells.reshape(-1, width)
            return changed
        change = (cells - known).reshape(-1, width) @ self.weight[:, place].T
        sums: Array = (self.sums + change.reshape(count, rows, -1)).reshape(count * rows, -1)
        return sums


def _begin(network: Network, x: Array) -> _Begun:
    if not isinstance(network.layers[0], Linear):
        return _Begun(None, x, network)
    return _Begun(network.parameters["0.weight"], network.forward(x, upto=1), after_first(network))
