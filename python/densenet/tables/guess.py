"""What is known about how the cells of a column are written."""

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Guess"]

_How = TypeVar("_How", covariant=True)


@dataclass(frozen=True)
class Guess(Generic[_How]):
    """What is known about how a column's numbers, or dates, are written.

    Attributes
    ----------
    how : Numerals or DateFormat
    sure : bool
        False if a table of the same kind, such as the training rows, may decide otherwise.
    doubt : str
        The two things that the cells may mean; empty if they can mean only one.

    Examples
    --------
    >>> from densenet.tables.guess import Guess
    >>> from densenet.tables.numerals import PLAIN
    >>> Guess(PLAIN, sure=False).doubt
    ''
    """

    how: _How
    sure: bool = True
    doubt: str = ""
