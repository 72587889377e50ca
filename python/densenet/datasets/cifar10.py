"""The reader of CIFAR-10 in its binary format."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from densenet.datasets.images import Images, class_labels, listed, places

__all__ = ["CIFAR10_CLASSES", "load_cifar10"]

CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
"""The names of the classes 0 to 9."""

PIXELS = 3 * 32 * 32


def load_cifar10(folder: str | os.PathLike[str] | None = None) -> Images:
    """Read CIFAR-10: photographs of ten kinds of things, 32 x 32 pixels in three colors.

    Of the binary version it reads the batches that are there: ``data_batch_1.bin`` to
    ``data_batch_5.bin`` for training, in this order, and ``test_batch.bin``, or a part of it under
    a name that begins with ``test_batch`` and ends in ``.bin``. They lie in `folder`, or in
    ``cifar-10-batches-bin`` within it, which is what the published archive unpacks to.

    Parameters
    ----------
    folder : str or path, optional
        By default what the environment variable DENSENET_DATA names.

    Returns
    -------
    Images
        10,000 rows a batch: 50,000 for training and 10,000 to test if all are there, and no test
        rows without a test batch. A row has 3,072 numbers: the red plane in reading order, then
        green, then blue; ``x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)`` gives images to show.

    Raises
    ------
    TypeError
        If `folder` is no str or path.
    FileNotFoundError
        If there is no folder, or no training batch in it; it says where they may lie.
    ValueError
        If a file is truncated, damaged or of another format.

    See Also
    --------
    download : Fetches the archive.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html

    Examples
    --------
    A file of the same format, with a grey ship and a black frog:

    >>> from pathlib import Path
    >>> from densenet.datasets import CIFAR10_CLASSES, load_cifar10
    >>> rows = bytes([8]) + bytes([128]) * 3072 + bytes([6]) + bytes(3072)
    >>> _ = Path("data_batch_1.bin").write_bytes(rows)
    >>> x_train, y_train, x_test, y_test = load_cifar10(".")
    >>> x_train.shape, [CIFAR10_CLASSES[label] for label in y_train]
    ((2, 3072), ['ship', 'frog'])
    """
    folders = places(folder, "CIFAR-10's binary batches", "cifar-10-batches-bin")
    for place in folders:
        batches = [place / f"data_batch_{i}.bin" for i in range(1, 6)]
        batches = [path for path in batches if path.is_file()]
        if batches:
            whole = place / "test_batch.bin"
            parts = [whole] if whole.is_file() else sorted(place.glob("test_batch*.bin"))
            return Images(*_read(batches), *_read(parts))
    raise FileNotFoundError(
        f"expected data_batch_1.bin to data_batch_5.bin, or some of them, in {listed(folders)}, "
        "found none; they are in the archive cifar-10-binary.tar.gz"
    )


def _read(paths: list[Path]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Read batches, of which each row is a label and its pixels."""
    x, y = [np.empty((0, PIXELS), np.uint8)], [np.empty(0, np.int64)]
    for path in paths:
        content = np.fromfile(path, np.uint8)
        if content.size == 0 or content.size % (1 + PIXELS):
            raise ValueError(
                f"{path}: expected rows of {1 + PIXELS} bytes, got {content.size} bytes: put the "
                "published file there"
            )
        rows = content.reshape(-1, 1 + PIXELS)
        x.append(rows[:, 1:])
        y.append(class_labels(rows[:, 0], path))
    return np.concatenate(x), np.concatenate(y)
