"""Numbers of a Parquet file in the least memory, while the other columns are read.

What pyarrow has read lies between what it has freed, so that a table takes a third more than its
numbers. They are copied, column by column, and are smaller then, if they are whole or have few
decimals.
"""

from typing import Any, NamedTuple

import numpy as np

from densenet.tables.decimals import Values, shortened
from densenet.tables.reading.arrow_cells import as_numpy
from densenet.tables.stored import smallest

_LEAST = 1 << 12  # rows from which on copying pays


class PackedNumbers(NamedTuple):
    """Numbers of a column; those that are missing are NaN.

    Attributes
    ----------
    values : array of shape (rows,), or Decimals
    type : pyarrow.DataType
        As which they were read.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.packed_numbers import PackedNumbers
    >>> PackedNumbers(np.array([1, 2], np.uint8), arrow.int64()).array().type
    DataType(int64)
    """

    values: Values
    type: Any

    def array(self) -> Any:
        """Give the numbers as an array of Arrow."""
        import pyarrow as arrow

        kind = self.type.to_pandas_dtype()
        numbers = np.ascontiguousarray(self.values[:], kind)
        buffers = [None, arrow.py_buffer(numbers.view(np.uint8))]
        return arrow.Array.from_buffers(self.type, len(numbers), buffers)


def pack_numbers(column: Any) -> list[Any]:
    """Give a pyarrow.ChunkedArray as a list of arrays, or of one `PackedNumbers` if that pays.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.packed_numbers import pack_numbers
    >>> column = arrow.chunked_array([np.arange(20_000)])
    >>> [packed] = pack_numbers(column)
    >>> packed.values.dtype.name, packed.array().equals(column.chunk(0))
    ('uint16', True)
    """
    from pyarrow import types

    is_float = types.is_floating(column.type)
    is_whole = types.is_integer(column.type) and not column.null_count
    if len(column) < _LEAST or not (is_float or is_whole):
        return list(column.chunks)
    numbers = as_numpy(column)
    values = smallest(numbers) if is_whole else shortened(numbers)
    if values is numbers:
        values = numbers.copy()
    return [PackedNumbers(values, column.type)]
