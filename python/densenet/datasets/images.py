"""What readers of images share: what they return, and where they look for files."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from densenet import _checks

__all__ = ["Images"]

VARIABLE = "DENSENET_DATA"


class Images(NamedTuple):
    """Images with their classes, split into training and test rows; a tuple of four arrays.

    Attributes
    ----------
    x_train : uint8 array of shape (rows, pixels)
        One image a row, each number from 0 to 255.
    y_train : int64 array of shape (rows,)
        The class of each image, from 0 to 9.
    x_test : uint8 array of shape (test rows, pixels)
    y_test : int64 array of shape (test rows,)

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.datasets import Images
    >>> x, y = np.zeros((2, 784), np.uint8), np.array([3, 1])
    >>> x_train, y_train, x_test, y_test = Images(x, y, x[:1], y[:1])
    >>> y_test
    array([3])
    """

    x_train: npt.NDArray[np.uint8]
    y_train: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.uint8]
    y_test: npt.NDArray[np.int64]


def places(folder: str | os.PathLike[str] | None, what: str, *within: str) -> list[Path]:
    """Give the folders in which files may lie: the one that is named, and some within it.

    Without a folder it is the one that the environment variable DENSENET_DATA names.
    """
    if folder is None:
        named = os.environ.get(VARIABLE, "")
        if not named:
            raise FileNotFoundError(
                f"folder: expected the folder that holds {what}, as an argument or in the "
                f"environment variable {VARIABLE}, got None"
            )
        top, name = Path(named), VARIABLE
    else:
        top, name = Path(_checks.path("folder", folder)), "folder"
    if not top.is_dir():
        raise FileNotFoundError(f"{name}: expected an existing folder, got {os.fspath(top)!r}")
    return [top, *(top / each for each in within)]


def listed(folders: list[Path]) -> str:
    """Word folders for a message."""
    return " or ".join(repr(os.fspath(each)) for each in folders)


def class_labels(labels: npt.NDArray[np.uint8], path: Path) -> npt.NDArray[np.int64]:
    """Check that labels are classes from 0 to 9."""
    if labels.max(initial=0) > 9:
        row = int(np.argmax(labels > 9))
        raise ValueError(
            f"{path}: expected classes from 0 to 9, got {labels[row]} in row {row}; the file is "
            "damaged or another one: put the published file there"
        )
    return labels.astype(np.int64)
