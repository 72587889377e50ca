"""The reader of MNIST, and of other data in its files' format."""

import gzip
import os
import zlib
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from densenet.datasets.images import Images, class_labels, listed, places

__all__ = ["load_mnist"]


def load_mnist(folder: str | os.PathLike[str] | None = None) -> Images:
    """Read MNIST: 70,000 handwritten digits of 28 x 28 pixels.

    Four files are read, as published: ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
    ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, each as it is or with ``.gz``. They
    lie in `folder`, or in ``mnist`` or ``MNIST/raw`` within it. Fashion-MNIST and others in the
    same format are read alike.

    Parameters
    ----------
    folder : str or path, optional
        By default what the environment variable DENSENET_DATA names.

    Returns
    -------
    Images
        60,000 rows for training and 10,000 to test, each of 784 pixels in reading order, from 0
        (paper) to 255 (ink).

    Raises
    ------
    TypeError
        If `folder` is no str or path.
    FileNotFoundError
        If there is no folder, or it lacks one of the files; it says which, and where it may lie.
    ValueError
        If a file is truncated, damaged or of another format.

    See Also
    --------
    download : Fetches the files.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document
    recognition", 1998, http://yann.lecun.com/exdb/mnist

    Examples
    --------
    Files of the same format, with two empty images for training and one to test:

    >>> from pathlib import Path
    >>> from densenet.datasets import load_mnist
    >>> for part, labels in ("train", [7, 2]), ("t10k", [5]):
    ...     header = bytes([0, 0, 8, 3, 0, 0, 0, len(labels), 0, 0, 0, 28, 0, 0, 0, 28])
    ...     _ = Path(f"{part}-images-idx3-ubyte").write_bytes(header + bytes(784 * len(labels)))
    ...     header = bytes([0, 0, 8, 1, 0, 0, 0, len(labels)])
    ...     _ = Path(f"{part}-labels-idx1-ubyte").write_bytes(header + bytes(labels))
    >>> x_train, y_train, x_test, y_test = load_mnist(".")
    >>> x_train.shape, y_train
    ((2, 784), array([7, 2]))
    """
    folders = places(folder, "MNIST's four files", "mnist", os.path.join("MNIST", "raw"))
    x_train, y_train = _part("train", folders)
    x_test, y_test = _part("t10k", folders)
    return Images(x_train, y_train, x_test, y_test)


def _part(part: str, folders: list[Path]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    of_images = _find(f"{part}-images-idx3-ubyte", folders)
    of_labels = _find(f"{part}-labels-idx1-ubyte", folders)
    images, labels = _read_idx(of_images, 3), _read_idx(of_labels, 1)
    if images.shape[1:] != (28, 28):
        raise ValueError(
            f"{of_images}: expected images of 28 x 28 pixels, got {images.shape[1]} x "
            f"{images.shape[2]}"
        )
    if len(images) != len(labels):
        raise ValueError(
            f"{of_labels}: expected {len(images)} labels, one for each image of {of_images.name}, "
            f"got {len(labels)}"
        )
    return images.reshape(len(images), 784), class_labels(labels, of_labels)


def _find(name: str, folders: list[Path]) -> Path:
    for folder in folders:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise FileNotFoundError(f"expected {name} or {name}.gz in {listed(folders)}, found neither")


def _read_idx(path: Path, axes: int) -> npt.NDArray[np.uint8]:
    """Read an idx file of bytes: 0, 0, 8 (their type), the number of axes, and then sizes.

    A size is 4 bytes, the highest first; the elements follow, the last axis fastest.
    """
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"{path}: the file is truncated or damaged ({error}): put the published one there"
            ) from error
    head = 4 + 4 * axes
    if len(content) < head or content[:4] != bytes([0, 0, 8, axes]):
        raise ValueError(
            f"{path}: expected an idx file of bytes, which begins with 00 00 08 0{axes} and "
            f"{axes} sizes, got {len(content)} bytes that begin with {content[:4].hex(' ')!r}"
        )
    shape = [int(size) for size in np.frombuffer(content, ">u4", axes, 4)]
    if len(content) != head + prod(shape):
        raise ValueError(
            f"{path}: expected {head + prod(shape)} bytes for the shape {tuple(shape)} in its "
            f"header, got {len(content)}: put the published file there"
        )
    elements = np.frombuffer(content, np.uint8, offset=head).copy()
    array: npt.NDArray[np.uint8] = elements.reshape(shape)
    return array
