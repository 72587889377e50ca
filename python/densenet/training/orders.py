"""The order of an epoch's rows: which it is, and how it is drawn."""

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from densenet import _checks
from densenet._engine.made_rows import MadeRows
from densenet._typing import Array
from densenet.training.position import Position, described

if TYPE_CHECKING:
    from mmap import mmap

Shuffle: TypeAlias = bool | Literal["blocks"]

_BLOCK = 2**18  # bytes: a piece that disks read at nearly their full speed
_GROUP = 2**25  # bytes: twice this has to fit into memory


_DESCRIBED: dict[str | None, Shuffle] = {described(v): v for v in (True, False, "blocks")}


def chosen(shuffle: Any, x: Array, left: object) -> Shuffle:
    """Check `shuffle`; None stands for that of the call that was `left`, or for what suits x.

    `left` is the position at which training goes on, or None.
    """
    if shuffle is None:
        before = left.conditions().get("shuffle") if isinstance(left, Position) else None
        return _DESCRIBED.get(before, True if file_of(x) is None else "blocks")
    if isinstance(shuffle, str) and shuffle == "blocks":
        return "blocks"
    number = isinstance(shuffle, bool | np.bool_ | int | np.integer)
    if not number and not isinstance(shuffle, str):
        got = _checks.describe(shuffle)
        raise TypeError(f"shuffle must be True, False or 'blocks', got {got}")
    if not number or shuffle not in (0, 1):
        raise ValueError(f"shuffle must be True, False or 'blocks', got {shuffle!r}")
    return bool(shuffle)


def file_of(x: Array) -> "mmap | None":
    """Give the mapped file that an `np.memmap`, or a view of one, lies in; None for others."""
    base: Any = x
    while isinstance(base, np.ndarray):
        base = base.base
    module = sys.modules.get("mmap")  # where nobody has imported it, no file is mapped
    return base if module is not None and isinstance(base, module.mmap) else None


def row_by_row(x: Array) -> Array:
    """Copy x if its columns lie one after another in memory, as those of a frame often do.

    Each element of a row that is drawn from there costs a line of memory, in every epoch; the copy
    reads each line once. A mapped file, which memory may not hold, stays as it is.
    """
    if isinstance(x, MadeRows | _checks.SparseRows):
        return x
    between_rows, between_columns = map(abs, x.strides)
    if 0 < between_rows < between_columns and file_of(x) is None:
        return np.ascontiguousarray(x)
    return x


def rows_of_a_block(x: Array) -> int:
    """Give the number of neighbouring rows that are read together."""
    return max(1, _BLOCK // _row_of(x))


def rows_of_a_group(x: Array, batch_size: int) -> int:
    """Give the number of rows that are mixed with each other: those of some whole batches."""
    return batch_size * max(1, _GROUP // (batch_size * _row_of(x)))


def _row_of(x: Array) -> int:
    """Give the bytes of a row."""
    return int(x.shape[1]) * x.itemsize


def drawing(
    shuffle: Shuffle, x: Array, rows: int, batch_size: int, rng: "np.random.Generator"
) -> Callable[[], Array] | None:
    """Give a function that draws the order of an epoch's rows of x; None for rows as they lie."""
    if shuffle == "blocks":
        group = rows_of_a_group(x, batch_size)
        return partial(by_blocks, rng, rows, rows_of_a_block(x), group)
    return partial(rng.permutation, rows) if shuffle else None


def by_blocks(rng: "np.random.Generator", rows: int, block: int, group: int) -> Array:
    """Draw an order of rows: first of blocks, then of the rows within each group.

    Groups follow each other in the order of the blocks. A block may end in the next group.
    """
    blocks = rng.permutation(-(-rows // block))
    order: Array = (blocks[:, None] * block + np.arange(block)).ravel()
    order = order[order < rows]  # the last block may be a short one
    for begin in range(0, rows, group):
        rng.shuffle(order[begin : begin + group])
    return order
