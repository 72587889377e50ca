"""Pages of the documentation: their blocks, and whether what they show is what is printed."""

import re

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")


def blocks(page, language=None):
    """Give the blocks of a page, of one language, or pairs of language and block of all."""
    text = page.read_text(encoding="utf-8")
    every = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return every if language is None else [block for its, block in every if its == language]


def differences(told, printed, within=0.1):
    """Give the lines that a page shows and those printed where the two differ.

    Words must be the same. Numbers may differ by a share of the larger one, or by one in their last
    place: trainings round differently on other processors.
    """
    left, right = (text.rstrip().split("\n") for text in (told, printed))
    if len(left) != len(right):
        return [(told, printed)]
    return [pair for pair in zip(left, right, strict=True) if not _alike(*pair, within)]


def _alike(left, right, within):
    words = [re.sub(r"\s+", " ", _NUMBER.sub("#", line)).strip() for line in (left, right)]
    numbers = [_NUMBER.findall(line) for line in (left, right)]
    return words[0] == words[1] and all(map(_near, *numbers, [within] * len(numbers[0])))


def _near(left, right, within):
    a, b = (float(number.replace(",", "")) for number in (left, right))
    mantissa, _, power = left.partition("e")
    last_place = 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
    return abs(a - b) <= max(within * max(abs(a), abs(b)), 1.01 * last_place)
