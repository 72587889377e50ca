"""The tables that `tables.py` measures on: where each is, and which of its columns is the target.

Files lie in the folder ``tabular`` of ``DENSENET_DATA``; `load_digits` and the like of scikit-learn
bring the others. None of them comes with densenet.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Task = Literal["classification", "regression"]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """A CSV file and its task.

    Attributes
    ----------
    name, file : str
        What to call it, and the file's name.
    target : str
        The column to predict, as `densenet.tables.read_table` names it.
    task : "classification" or "regression"
    header : bool
        False if the file's first row is one of data: columns are then c0, c1, ...
    ignore : sequence of str
        Columns that no method may learn from, such as numbers of rows.
    test : str
        The file of the test rows, if they have one; otherwise a fifth of all rows, drawn by the
        seed.
    """

    name: str
    file: str
    target: str
    task: Task = "classification"
    header: bool = True
    ignore: tuple[str, ...] = ()
    test: str = ""

    @property
    def path(self) -> Path:
        """The file."""
        return folder() / self.file

    def split(self, rows: int, seed: int) -> tuple[Rows, Rows]:
        """Give the numbers of the rows to train on, and of those to test on."""
        order = np.random.default_rng(seed).permutation(rows)
        return order[rows // 5 :], order[: rows // 5]


def folder() -> Path:
    """Give the folder of the tables.

    Raises
    ------
    FileNotFoundError
        If ``DENSENET_DATA`` names none.
    """
    place = Path(os.environ.get("DENSENET_DATA", "")) / "tabular"
    if not place.is_dir():
        raise FileNotFoundError(
            "DENSENET_DATA: expected a folder that has the tables in its folder tabular, got "
            f"{os.environ.get('DENSENET_DATA', '')!r}"
        )
    return place


DATA: Mapping[str, Data] = {
    data.name: data
    for data in (
        Data("adult", "adult-train.csv", "c14", header=False, test="adult-test.csv"),
        Data("covtype", "covtype_15120.csv", "Cover_Type", ignore=("Id",)),
        Data("letter", "letter.csv", "Letter"),
        Data("phoneme", "phoneme.csv", "c5", header=False),
        Data("higgs", "higgs.csv", "label"),
        Data("housing", "housing.csv", "median_house_value", "regression"),
        Data("wine quality", "winequality-red.csv", "c11", "regression", header=False),
        Data("digits", "optdigits.tra", "Class", test="optdigits.tes"),
    )
}
