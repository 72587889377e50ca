"""What a network tells about how it is computed."""

from typing import NamedTuple


class PlannedLayer(NamedTuple):
    """How one layer is computed."""

    name: str
    layer: str
    backend: str
    forward: str
    backward: str
    update: str


class Plan(tuple[PlannedLayer, ...]):
    """How each layer is computed; prints as a table."""

    def __str__(self) -> str:
        rows = [PlannedLayer._fields, *self]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )
