"""MNIST and CIFAR-10: what the files hold is what is read, and what is damaged is told."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from densenet.datasets import CIFAR10_CLASSES, load_cifar10, load_mnist
from tests.support.skips import NOT_APPLICABLE

REAL = pytest.mark.skipif(
    "DENSENET_DATA" not in os.environ, reason=NOT_APPLICABLE + "the published files are not at hand"
)


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_mnist(folder: Path, rng: np.random.Generator, packed: bool = False) -> list[np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = []
    for part, rows in (("train", 7), ("t10k", 3)):
        x = rng.integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        y = rng.integers(0, 10, rows, dtype=np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", x), (f"{part}-labels-idx1-ubyte", y)):
            content = gzip.compress(idx(array)) if packed else idx(array)
            (folder / f"{name}{'.gz' * packed}").write_bytes(content)
        arrays += [x.reshape(rows, 784), y]
    return arrays


def write_batch(path: Path, rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    path.parent.mkdir(parents=True, exist_ok=True)
    x = rng.integers(0, 256, (rows, 3072), dtype=np.uint8)
    y = rng.integers(0, 10, rows, dtype=np.uint8)
    path.write_bytes(np.column_stack([y, x]).tobytes())
    return x, y


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("within", [".", "mnist", "MNIST/raw"])
def test_mnist_is_read(tmp_path: Path, rng: np.random.Generator, packed: bool, within: str) -> None:
    expected = write_mnist(tmp_path / within, rng, packed)
    read = load_mnist(tmp_path)
    for ours, theirs in zip(read, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.flags.writeable
        assert ours.flags.c_contiguous
    assert [array.dtype for array in read] == [np.uint8, np.int64] * 2


def test_the_folder_may_come_from_the_environment(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, *_ = write_mnist(tmp_path, rng)
    write_batch(tmp_path / "data_batch_2.bin", rng, 4)
    monkeypatch.setenv("DENSENET_DATA", str(tmp_path))
    np.testing.assert_array_equal(load_mnist().x_train, x)
    assert load_cifar10().x_train.shape == (4, 3072)
    monkeypatch.setenv("DENSENET_DATA", str(tmp_path / "none"))
    for read in load_mnist, load_cifar10:
        with pytest.raises(FileNotFoundError, match=r"^DENSENET_DATA: expected an existing folder"):
            read()
    monkeypatch.delenv("DENSENET_DATA")
    for read in load_mnist, load_cifar10:
        with pytest.raises(FileNotFoundError, match=r"^folder: expected the folder .*, got None$"):
            read()


@pytest.mark.parametrize("read", [load_mnist, load_cifar10])
def test_a_wrong_folder_is_refused(tmp_path: Path, read: object) -> None:
    for wrong in (1, 2.5, ["."], b"."):
        with pytest.raises(TypeError, match=r"^folder: expected a str or path, got "):
            read(wrong)  # type: ignore[operator]
    with pytest.raises(FileNotFoundError, match=r"^folder: expected an existing folder, got "):
        read(tmp_path / "none")  # type: ignore[operator]


def test_a_file_of_mnist_that_is_missing_is_named(tmp_path: Path, rng: np.random.Generator) -> None:
    write_mnist(tmp_path, rng)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    words = r"^expected t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte\.gz in '.*' or '.*mnist'"
    with pytest.raises(FileNotFoundError, match=words):
        load_mnist(tmp_path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[:-1], "expected 5504 bytes .*, got 5503: put the published"),
        (lambda content: content + b"\0", "expected 5504 bytes .*, got 5505: put the published"),
        (lambda content: content[:9], "expected an idx file of bytes.*got 9 bytes"),
        (lambda content: b"", "expected an idx file of bytes.*got 0 bytes"),
        (lambda content: b"<html>" + content, "begin with '3c 68 74 6d'"),
        (lambda content: content[:2] + b"\x0d" + content[3:], "begin with '00 00 0d 03'"),
        (lambda content: idx(np.zeros((7, 14, 56), np.uint8)), "28 x 28 pixels, got 14 x 56"),
        (lambda content: idx(np.zeros((6, 28, 28), np.uint8)), "expected 6 labels.*got 7"),
    ],
)
def test_a_damaged_file_of_mnist_is_told(
    tmp_path: Path, rng: np.random.Generator, damage: object, words: str
) -> None:
    write_mnist(tmp_path, rng)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ValueError, match=rf"train-(images|labels)-idx\d-ubyte: .*{words}"):
        load_mnist(tmp_path)


def test_every_truncated_or_altered_packed_file_is_told(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    _, labels, *_ = write_mnist(tmp_path, rng, packed=True)
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    content = path.read_bytes()
    told = 0
    spoiled = [content[:length] for length in range(len(content))]
    spoiled += [  # all but the header's time, flags and system, which say nothing of the content
        content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :]
        for at in (0, 1, *range(10, len(content)))
    ]
    for damaged in spoiled:
        path.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(load_mnist(tmp_path).y_train, labels)
        except ValueError as error:
            told += str(error).startswith(f"{path}: ")
    assert told >= len(spoiled) - 1  # the last bits of what is packed may mean nothing


def test_a_label_that_is_no_digit_is_told(tmp_path: Path, rng: np.random.Generator) -> None:
    write_mnist(tmp_path, rng)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(idx(np.array([1, 10, 2], np.uint8)))
    with pytest.raises(ValueError, match="expected classes from 0 to 9, got 10 in row 1"):
        load_mnist(tmp_path)


@pytest.mark.parametrize("within", [".", "cifar-10-batches-bin"])
def test_the_batches_of_cifar_that_are_there_are_read(
    tmp_path: Path, rng: np.random.Generator, within: str
) -> None:
    folder = tmp_path / within
    parts = [write_batch(folder / f"data_batch_{i}.bin", rng, i) for i in (1, 2, 5)]
    read = load_cifar10(tmp_path)
    np.testing.assert_array_equal(read.x_train, np.concatenate([x for x, _ in parts]))
    np.testing.assert_array_equal(read.y_train, np.concatenate([y for _, y in parts]))
    assert read.x_test.shape == (0, 3072)
    assert read.y_test.shape == (0,)
    first, _ = write_batch(folder / "test_batch_first2.bin", rng, 2)
    np.testing.assert_array_equal(load_cifar10(tmp_path).x_test, first)
    whole, labels = write_batch(folder / "test_batch.bin", rng, 3)
    np.testing.assert_array_equal(load_cifar10(tmp_path).x_test, whole)
    np.testing.assert_array_equal(load_cifar10(tmp_path).y_test, labels)
    assert [array.dtype for array in read] == [np.uint8, np.int64] * 2


def test_what_is_wrong_with_cifar_is_told(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(FileNotFoundError, match=r"^expected data_batch_1\.bin to .*found none"):
        load_cifar10(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    write_batch(path, rng, 2)
    content = path.read_bytes()
    for damaged in (content[:-1], content + b"\0", b"", b"<html>"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"data_batch_3\.bin: expected rows of 3073 bytes"):
            load_cifar10(tmp_path)
    path.write_bytes(content[:3073] + b"\x20" + content[3074:])
    with pytest.raises(ValueError, match="expected classes from 0 to 9, got 32 in row 1"):
        load_cifar10(tmp_path)


@REAL
def test_the_published_mnist_is_read() -> None:
    read = load_mnist()
    assert read.x_train.shape == (60_000, 784)
    assert read.x_test.shape == (10_000, 784)
    assert read.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert read.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    # The mean that everybody divides by, and the counts of the data's own description.
    assert round(float(read.x_train.mean() / 255), 4) == 0.1307
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(read.y_train).tolist() == counts


@REAL
def test_the_published_cifar_is_read() -> None:
    read = load_cifar10()
    assert len(read.x_train) == len(read.y_train) >= 10_000
    assert CIFAR10_CLASSES[read.y_train[0]] == "frog"  # the first photograph
    assert read.x_train[0, :3].tolist() == [59, 43, 50]
