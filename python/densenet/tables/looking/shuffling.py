"""Predictions for rows in which the cells of one column are those of other rows.

Of such rows a few features differ from rows that are known. So the first layer's sums are changed
by what these features change in them, and only the layers after it are computed anew: with 20,000
columns that is a thousandth of the work.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet._typing import Array
from densenet.layers import Linear
from densenet.network import Network
from densenet.tables.encoding.targets import Classes
from densenet.tables.model import TableModel, log_losses, outputs_of
from densenet.tables.table import Table
from densenet.tables.training.reducing import after_first

_Shuffle: TypeAlias = tuple[str, Array]
# Numbers that go into one call of a network. By `densenet fit` of 216,000 x 40 as Parquet, peak of
# memory and time of importance: 2^18 and 2^19 160 MB, 0.10 s; 2^20 162 MB, 0.11 s; 2^22 179 MB,
# 0.15 s (2026-12-01, 9a4d828, Zen 5).
_MOST = 1 << 19


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
    >>> Asked(model, table).judged([("x", np.array([[0, 1], [1, 0]]))]).tolist()
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

    def judged(self, shuffles: Iterable[_Shuffle]) -> npt.NDArray[np.float64]:
        """Give the loss, and the accuracy or R², of each order, (orders of all columns, 2).

        Parameters
        ----------
        shuffles : iterable of pairs
            A column, and an integer array of shape (orders, rows): from which row each one takes
            its cell of the column.
        """
        return np.concatenate(list(map(self._judged, self._calls(shuffles))))

    def _calls(self, shuffles: Iterable[_Shuffle]) -> Iterator[list[_Shuffle]]:
        """Give as many orders at a time as go into one call of a network."""
        most = max(1, _MOST // max(one.sums.size for one in self._begun))
        some: list[_Shuffle] = []
        count = 0
        for column, orders in shuffles:
            for begin in range(0, len(orders), most):
                part = orders[begin : begin + most]
                if count + len(part) > most:
                    yield some
                    some, count = [], 0
                some.append((column, part))
                count += len(part)
        yield some

    def _judged(self, shuffles: Sequence[_Shuffle]) -> npt.NDArray[np.float64]:
        places = [(self._places[column], orders) for column, orders in shuffles]
        total = sum(
            outputs_of(self._target, one.rest, one.changed(self._x, places)) for one in self._begun
        )
        outputs = np.asarray(total / len(self._begun))
        return self._scores(outputs.reshape(-1, len(self._x), *outputs.shape[1:])[:, self._rows])

    def _scores(self, outputs: Array) -> npt.NDArray[np.float64]:
        """Score the rows of each order, (orders, rows) or (orders, rows, classes)."""
        count, encoded = len(outputs), self._encoded
        if isinstance(self._target, Classes):
            flat, true = outputs.reshape(-1, outputs.shape[-1]), np.tile(encoded, count)
            losses = log_losses(self._target, true, flat).reshape(count, -1)
            loss = losses.mean(axis=1) if losses.size else np.full(count, np.nan)
            score = (self._target.choose(flat) == true).reshape(count, -1).mean(axis=1)
        else:
            loss = np.square(outputs.astype(np.float64) - encoded).mean(axis=1)
            varied = np.ptp(encoded) > 0  # of equal targets nothing is explained
            score = 1 - loss / np.var(encoded) if varied else np.zeros(count)
        return np.stack([loss, score], axis=1)


class _Begun(NamedTuple):
    """A network that has begun with rows."""

    weight: Array | None  # of its first layer, if that is linear
    sums: Array  # (rows, outputs of that layer), otherwise the rows
    rest: Network

    def changed(self, x: Array, shuffles: Sequence[tuple[slice, Array]]) -> Array:
        """Give the sums of rows x with the features at a place in other orders, for each of them.

        Shapes: x (rows, features), orders (orders, rows).
        """
        # Here, as this module is imported where nothing is compiled, too.
        from densenet.kernels import linear_forward

        width = self.sums.shape[1]
        total = np.tile(self.sums, (sum(len(orders) for _, orders in shuffles), 1, 1))
        begin = 0
        for place, orders in shuffles:
            some, known = total[begin : begin + len(orders)], x[:, place]
            if self.weight is None:
                some[:, :, place] = known[orders]
            else:
                # NumPy's product wakes OpenBLAS's threads, and its bits depend on a call's rows.
                change = np.subtract(known[orders], known, dtype=self.weight.dtype)
                sums = linear_forward(change.reshape(-1, known.shape[1]), self.weight[:, place])
                some += sums.reshape(some.shape)
            begin += len(orders)
        return total.reshape(-1, width)


def _begin(network: Network, x: Array) -> _Begun:
    if not isinstance(network.layers[0], Linear):
        return _Begun(None, x, network)
    return _Begun(network.parameters["0.weight"], network.forward(x, upto=1), after_first(network))
