"""Handwritten digits that come with the package, to try it with."""

import os
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from densenet import _checks

__all__ = ["Digits", "load_digits", "write_digits"]


class Digits(NamedTuple):
    """Handwritten digits, split into training and test rows as published; a tuple of four arrays.

    Attributes
    ----------
    x_train : uint8 array of shape (3823, 64)
        One image of 8 x 8 pixels a row, from 0 (paper) to 16 (ink), in reading order.
    y_train : int64 array of shape (3823,)
        The digit that each image shows.
    x_test : uint8 array of shape (1797, 64)
        Images by 13 people, none of whom is among the 30 of the training rows.
    y_test : int64 array of shape (1797,)
        The digit that each image shows.

    Examples
    --------
    >>> from densenet.datasets import load_digits
    >>> x_train, y_train, x_test, y_test = load_digits()
    >>> y_test[:5]
    array([0, 1, 2, 3, 4])
    """

    x_train: npt.NDArray[np.uint8]
    y_train: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.uint8]
    y_test: npt.NDArray[np.int64]


def load_digits() -> Digits:
    """Load the UCI optical recognition of handwritten digits, 5,620 images.

    Returns
    -------
    Digits
        New arrays at each call.

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0.

    Examples
    --------
    >>> from densenet.datasets import load_digits
    >>> digits = load_digits()
    >>> digits.x_train.shape, digits.x_test.shape
    ((3823, 64), (1797, 64))
    >>> digits.x_test[0].reshape(8, 8)[0]
    array([ 0,  0,  5, 13,  9,  1,  0,  0], dtype=uint8)
    """
    stored = files("densenet") / "data" / "digits.npz"
    with stored.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return Digits(
            np.ascontiguousarray(arrays["x_train"]),
            arrays["y_train"].astype(np.int64),
            np.ascontiguousarray(arrays["x_test"]),
            arrays["y_test"].astype(np.int64),
        )


def write_digits(folder: str | os.PathLike[str] = ".") -> tuple[Path, Path]:
    """Write the digits as two tables for the command line, in CSV with a header.

    Each row is an image: columns pixel0 to pixel63, from 0 to 16, and digit.

    Parameters
    ----------
    folder : str or path
        Where ``digits-train.csv`` and ``digits-test.csv`` are written; it must exist.

    Returns
    -------
    train, test : Path

    Raises
    ------
    TypeError
        If `folder` is no str or path.
    OSError
        If `folder` does not exist, or a file cannot be written.

    Examples
    --------
    >>> from densenet.datasets import write_digits
    >>> train, test = write_digits()
    >>> len(train.read_text().splitlines()), test.name
    (3824, 'digits-test.csv')
    """
    folder = _checks.path("folder", folder)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"folder: expected an existing folder, got {os.fspath(folder)!r}")
    digits = load_digits()
    header = ",".join([*(f"pixel{i}" for i in range(digits.x_train.shape[1])), "digit"])
    paths = Path(folder, "digits-train.csv"), Path(folder, "digits-test.csv")
    parts = (digits.x_train, digits.y_train), (digits.x_test, digits.y_test)
    for path, (x, y) in zip(paths, parts, strict=True):
        rows = np.column_stack([x, y]).tolist()
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return paths


def _pack_digits(folder: Path, packed: Path) -> None:
    """Write the file of `load_digits` from UCI's ``optdigits.tra`` and ``optdigits.tes``."""
    train, test = (_read_rows(folder / name) for name in ("optdigits.tra", "optdigits.tes"))
    np.savez_compressed(
        packed,
        # Stored by columns, for a pixel resembles the same pixel of the next image: a smaller file.
        x_train=np.asfortranarray(train[:, :64]),
        y_train=train[:, 64],
        x_test=np.asfortranarray(test[:, :64]),
        y_test=test[:, 64],
    )


def _read_rows(path: Path) -> npt.NDArray[np.uint8]:
    lines = path.read_text(encoding="ascii").splitlines()
    rows = [line for line in lines if line[:1].isdigit()]  # some copies have a header
    return np.loadtxt(rows, dtype=np.uint8, delimiter=",", ndmin=2)
