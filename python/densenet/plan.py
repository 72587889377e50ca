"""How a network is computed, layer by layer."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Plan", "PlannedLayer"]


def table(rows: Sequence[Sequence[str]]) -> str:
    """Align cells in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


class PlannedLayer(NamedTuple):
    """How one layer is computed.

    Examples
    --------
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> row = Network([Linear(3, 2)], MeanSquaredError()).plan()[0]
    >>> row.name, row.layer, row.backend
    ('0', 'Linear', 'compiled')
    """

    name: str
    layer: str
    backend: str
    forward: str
    backward: str
    update: str


class Plan(tuple[PlannedLayer, ...]):
    """How each layer of a network is computed; prints as a table.

    Examples
    --------
    >>> from densenet import Linear, Network, Sigmoid, SoftmaxCrossEntropy
    >>> network = Network([Linear(3, 4), Sigmoid(), Linear(4, 2)], SoftmaxCrossEntropy())
    >>> {row.layer: row.forward for row in network.plan()}
    {'Linear': 'product', 'Sigmoid': 'fused with the product before'}
    """

    def __str__(self) -> str:
        return table([PlannedLayer._fields, *self])
