"""Scores in words and pictures: rounded, but never to a perfection that they have not."""

from typing import Literal


def rounded(value: float, digits: int, style: Literal["f", "g", "%"]) -> str:
    """Write a number with so many digits, or with more where it would read 1 and is not.

    Examples
    --------
    >>> from densenet._rounding import rounded
    >>> rounded(0.9967, 2, "f"), rounded(1.0, 2, "f"), rounded(0.99998, 2, "%")
    ('0.997', '1.00', '99.998%')
    """
    for more in range(digits, 18):
        text = f"{value:.{more}{style}}"
        if value == 1 or text != f"{1:.{more}{style}}":
            break
    return text
