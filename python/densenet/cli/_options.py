"""What options mean: converters from the words of a command line to values."""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeAlias


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What ``add_subparsers`` gives: each command adds itself to it."""


def integer(least: int) -> Callable[[str], int]:
    """Make a converter from text to an integer >= ``least``."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"must be an integer >= {least}, got {text}")
        return value

    return convert


def between(low: float, high: float, words: str) -> Callable[[str], float]:
    """Make a converter from text to a number in [low, high), which errors call ``words``."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low <= value < high):
            raise argparse.ArgumentTypeError(f"must be {words}, got {text}")
        return value

    return convert


share = between(0, 1, "a number in [0, 1)")
from_zero = between(0, math.inf, "a number >= 0")
rate = between(sys.float_info.min, math.inf, "a number > 0")


def names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def class_weights(text: str) -> str | dict[str, float]:
    """Read "balanced", or a weight for each of some classes: a=2,b=0.5."""
    if text == "balanced":
        return text
    pairs = [part.rpartition("=") for part in text.split(",")]
    if not all(separator for _, separator, _ in pairs):
        raise argparse.ArgumentTypeError(f"must be balanced or such as a=2,b=0.5, got {text}")
    names = [name.strip() for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"must name each class once, got {text}")
    return {name: from_zero(weight) for name, (_, _, weight) in zip(names, pairs, strict=True)}


def threshold(text: str) -> float | str:
    """Read "auto" or a probability."""
    return text if text == "auto" else share(text)


def widths(text: str) -> tuple[int, ...]:
    """Read the widths of hidden layers; an empty text stands for none, a linear model."""
    return tuple(map(integer(1), text.split(","))) if text else ()


def writable(*suffixes: str) -> Callable[[str], Path]:
    """Make a converter to the path of a file, and test already here that it can be written."""

    def convert(text: str) -> Path:
        path = Path(text)
        if path.suffix not in suffixes:
            *others, last = suffixes
            expected = f"{', '.join(others)} or {last}" if others else last
            raise argparse.ArgumentTypeError(f"must end in {expected}, got {text}")
        is_new = not path.exists()
        try:
            path.open("ab").close()
            if is_new:
                path.unlink()
        except OSError as error:
            raise argparse.ArgumentTypeError(f"cannot write {text}: {error.strerror}") from None
        return path

    return convert


STANDARD_OUTPUT = "-"
"""What stands for standard output in place of a file."""


def csv_or_standard_output(text: str) -> Path:
    return Path(text) if text == STANDARD_OUTPUT else writable(".csv")(text)


picture = writable(".png", ".svg", ".pdf")
model = writable(".safetensors")
page = writable(".html")
