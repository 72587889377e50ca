import os
from pathlib import Path

import numpy as np
import pytest

from densenet.datasets import load_digits, write_digits
from densenet.datasets.digits import _pack_digits
from densenet.tables.reading.files import read_table


def test_digits_are_the_official_split() -> None:
    x_train, y_train, x_test, y_test = load_digits()
    assert [len(x_train), len(y_train), len(x_test), len(y_test)] == [3823, 3823, 1797, 1797]
    assert x_train.shape[1] == x_test.shape[1] == 64
    assert x_train.dtype == x_test.dtype == np.uint8
    assert y_train.dtype == y_test.dtype == np.int64
    assert y_train.ndim == y_test.ndim == 1
    assert x_train.flags.c_contiguous
    assert x_test.flags.c_contiguous
    for x in x_train, x_test:
        assert (x.min(), x.max()) == (0, 16)
    # The counts per class that the data's own description gives.
    assert np.bincount(y_train).tolist() == [376, 389, 380, 389, 387, 376, 377, 387, 380, 382]
    assert np.bincount(y_test).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_arrays_are_the_callers_own() -> None:
    load_digits().x_train[:] = 0
    assert load_digits().x_train.any()


def test_test_rows_are_those_of_scikit_learn() -> None:
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    ours = load_digits()
    np.testing.assert_array_equal(ours.x_test, theirs.data)
    np.testing.assert_array_equal(ours.y_test, theirs.target)


def test_tables_hold_every_number(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    digits = load_digits()
    parts = (digits.x_train, digits.y_train), (digits.x_test, digits.y_test)
    for path, (x, y) in zip(write_digits(tmp_path), parts, strict=True):
        assert path.parent == tmp_path
        table = read_table(path)
        names = [f"pixel{i}" for i in range(64)]
        assert list(table.columns) == [*names, "digit"]
        np.testing.assert_array_equal(np.column_stack([table.numbers(n) for n in names]), x)
        np.testing.assert_array_equal(table.numbers("digit"), y)
    with pytest.raises(FileNotFoundError):
        write_digits(tmp_path / "none")


@pytest.mark.parametrize("header", ["", "Block 1,Block 2,Class\n"])
def test_packing_brings_every_number_back(tmp_path: Path, header: str) -> None:
    digits = load_digits()
    for name, x, y in (
        ("optdigits.tra", digits.x_train, digits.y_train),
        ("optdigits.tes", digits.x_test, digits.y_test),
    ):
        rows = np.column_stack([x, y])
        np.savetxt(tmp_path / name, rows, fmt="%d", delimiter=",", header=header[:-1], comments="")
    _pack_digits(tmp_path, tmp_path / "digits.npz")
    with np.load(tmp_path / "digits.npz", allow_pickle=False) as packed:
        for name, expected in digits._asdict().items():
            np.testing.assert_array_equal(packed[name], expected)


@pytest.mark.skipif(
    "DENSENET_DATA" not in os.environ, reason="not applicable: the published files are not at hand"
)
def test_packed_digits_are_the_published_ones(tmp_path: Path) -> None:
    _pack_digits(Path(os.environ["DENSENET_DATA"]) / "tabular", tmp_path / "digits.npz")
    with np.load(tmp_path / "digits.npz", allow_pickle=False) as packed:
        for name, expected in load_digits()._asdict().items():
            np.testing.assert_array_equal(packed[name], expected)


@pytest.mark.parametrize("wrong", [1, None, 2.5, ["."]])
def test_a_folder_that_is_no_path_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"^folder: expected a str or path, got "):
        write_digits(wrong)  # type: ignore[arg-type]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^folder: expected an existing folder, got "):
        write_digits(tmp_path / "missing")
    assert not list(tmp_path.iterdir())
