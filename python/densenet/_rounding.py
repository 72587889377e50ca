"""Round scores for reports and pictures, but never to a perfect score that is not reached."""

from typing import Literal


def rounded(value: float, digits: int, style: Literal["f", "g", "%"]) -> str:
    """Write a number with ``digits`` digits, or with more if it would be rounded to 1.

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
