"""Checks of sparse rows, of which a network reads the numbers alone that are not 0."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from densenet._checks.arrays import indices, of_shape, readable, usable
from densenet._typing import Array

_AT_ONCE = 2**20  # numbers whose columns are compared together


@dataclass(frozen=True)
class SparseRows:
    """Rows that stand in the place of an array x: those of their numbers that are not 0 (CSR).

    The numbers of row i are ``numbers[begins[i] : begins[i + 1]]``, in increasing ``columns``,
    each of which comes once. Nothing else is copied when some neighbouring rows are taken.

    Attributes
    ----------
    begins : int64 array of shape (rows + 1,), which belongs to this object
    columns : int32 or int64 array of shape (held,)
    numbers : array of shape (held,)
        Of any element type that a network reads.
    width : number of columns
    """

    begins: Array
    columns: Array
    numbers: Array
    width: int

    ndim = 2

    @property
    def shape(self) -> tuple[int, int]:
        """Give (rows, columns)."""
        return len(self), self.width

    @property
    def dtype(self) -> "np.dtype[Any]":
        """Give the element type of the numbers."""
        return self.numbers.dtype

    @property
    def itemsize(self) -> int:
        """Give the bytes of a number."""
        return int(self.numbers.itemsize)

    def __len__(self) -> int:
        return len(self.begins) - 1

    def __getitem__(self, rows: slice | Array) -> "SparseRows":
        if isinstance(rows, slice) and rows.step in (None, 1):
            begin, end, _ = rows.indices(len(self))
            return replace(self, begins=self.begins[begin : max(begin, end) + 1])
        numbers = np.arange(len(self))[rows]
        counts = np.diff(self.begins)[numbers]
        begins = np.concatenate([[0], np.cumsum(counts)])
        taken = np.repeat(self.begins[:-1][numbers] - begins[:-1], counts)
        taken += np.arange(begins[-1])
        return SparseRows(begins, self.columns[taken], self.numbers[taken], self.width)

    def copy(self) -> "SparseRows":
        """Copy what training might change: the numbers."""
        return replace(self, numbers=self.numbers.copy())

    def toarray(self) -> Array:
        """Make all rows dense."""
        dense = np.zeros(self.shape, self.dtype)
        held = slice(self.begins[0], self.begins[-1])
        rows = np.repeat(np.arange(len(self)), np.diff(self.begins))
        dense[rows, self.columns[held]] = self.numbers[held]
        return dense

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        raise TypeError("expected an array here, got sparse rows: make them dense, by toarray()")


def is_sparse(x: object) -> bool:
    """Tell a sparse matrix or array, of SciPy or alike, from what NumPy reads."""
    return hasattr(x, "tocsr") or isinstance(x, SparseRows)


def not_sparse(name: str, x: object, where: str) -> None:
    """Refuse sparse rows where only arrays are taken."""
    if is_sparse(x):
        raise TypeError(
            f"{name}: expected an array {where}, got sparse rows: make them dense, by toarray()"
        )


def sparse_rows(name: str, x: Any, width: int) -> SparseRows:
    """Check a sparse matrix or array of any format, (batch, width).

    The numbers and columns of one in canonical CSR are not copied. Where rows have a column twice,
    its numbers are added up in their order, as ``x.toarray()`` does.
    """
    shape = tuple(x.shape)
    of_shape(name, np.broadcast_to(np.uint8(0), shape), ("batch", width))
    csr = x if getattr(x, "format", "") == "csr" else x.tocsr()
    numbers = np.asarray(csr.data)
    readable(name, numbers.dtype, numbers.dtype)
    begins = _begins(f"{name}.indptr", csr.indptr, shape[0], len(numbers))
    columns = np.asarray(csr.indices)
    of_shape(f"{name}.indices", columns, numbers.shape)
    indices(f"{name}.indices", columns[begins[0] : begins[-1]], width, "columns")
    if columns.dtype not in (np.int32, np.int64):
        columns = columns.astype(np.int64)
    found = SparseRows(begins, usable(columns), usable(numbers), width)
    return found if _rise(found) else sparse_rows(name, _canonical(name, csr), width)


def _canonical(name: str, csr: Any) -> Any:
    """Sort the columns of each row and add up the numbers of each, by way of CSC: in O(numbers)."""
    if not hasattr(csr, "tocsc"):
        raise ValueError(f"{name}.indices: expected columns that increase in each row")
    made = csr.tocsc().tocsr()
    made.sum_duplicates()
    return made


def _begins(name: str, given: Any, rows: int, held: int) -> Array:
    """Check where rows begin among so many numbers, and the last one ends; give a copy."""
    begins = indices(name, given, held + 1, "places").astype(np.int64)
    of_shape(name, begins, (rows + 1,))
    falls = np.flatnonzero(begins[1:] < begins[:-1])
    if len(falls):
        before, after = begins[falls[0] : falls[0] + 2]
        raise ValueError(f"{name}: expected places that never fall, got {after} after {before}")
    return begins


def _rise(x: SparseRows) -> bool:
    """Tell whether the columns of each row increase: where one does not, a row begins."""
    begin, end = int(x.begins[0]), int(x.begins[-1])
    for first in range(begin, end - 1, _AT_ONCE):
        columns = x.columns[first : min(first + _AT_ONCE, end - 1) + 1]
        falls = np.flatnonzero(columns[1:] <= columns[:-1]) + (first + 1)
        if not np.array_equal(x.begins[np.searchsorted(x.begins, falls)], falls):
            return False
    return True
