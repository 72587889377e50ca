"""What in the cells of a column is unlike the training rows: counts, which add up over tables."""

from typing import NamedTuple

NAMED = 3
"""How many unknown categories are named."""


class Oddities(NamedTuple):
    """What in the cells of a column is unlike the training rows.

    Attributes
    ----------
    example : str
        How a cell is read that is written otherwise; "" if none is.
    missing : int
        Missing cells, where the training rows had none.
    beyond : int
        Cells far from those of the training rows.
    unknown : int
        Cells of unknown categories.
    names : tuple of str
        The first of these categories in the order of the alphabet, one more than are `NAMED`.

    Examples
    --------
    >>> from densenet.tables.encoding.oddities import Oddities
    >>> one, other = Oddities(missing=1), Oddities(missing=2, unknown=1, names=("pink",))
    >>> one.plus(other)
    Oddities(example='', missing=3, beyond=0, unknown=1, names=('pink',))
    >>> Oddities(unknown=5, names=("a", "b", "c", "d")).named, other.cells(1)
    ("'a', 'b', 'c', ...", '1 cell')
    """

    example: str = ""
    missing: int = 0
    beyond: int = 0
    unknown: int = 0
    names: tuple[str, ...] = ()

    def plus(self, other: "Oddities") -> "Oddities":
        """Give those of the rows of both."""
        return Oddities(
            self.example or other.example,
            self.missing + other.missing,
            self.beyond + other.beyond,
            self.unknown + other.unknown,
            tuple(sorted({*self.names, *other.names})[: NAMED + 1]),
        )

    @property
    def named(self) -> str:
        """The unknown categories in words."""
        return ", ".join(map(repr, self.names[:NAMED])) + (
            ", ..." if len(self.names) > NAMED else ""
        )

    @staticmethod
    def cells(count: int) -> str:
        """Write a number of cells."""
        return f"{count:,} cell{'s' if count > 1 else ''}"
