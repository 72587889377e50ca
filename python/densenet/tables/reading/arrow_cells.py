"""Columns of texts as pyarrow reads them, made into the smallest form that gives the texts back.

Whole numbers become numbers if writing these gives the same texts, texts that repeat become codes,
and all others stay the bytes that they were in the file; those of numbers are compressed, beside
the numbers.
"""

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from densenet._typing import Array
from densenet.tables.cells import MARKS, are_numbers
from densenet.tables.decimals import Values, shortened
from densenet.tables.numerals import PLAIN, Dots, Numerals, dots_of
from densenet.tables.reading.packed_texts import pack_large, unpacked
from densenet.tables.stored import (
    Coded,
    Held,
    Parsed,
    Stored,
    StoredCodes,
    StoredNumbers,
    parsed_by_texts,
    smallest,
)

_FLOATS = {"double": "float64", "float": "float32", "halffloat": "float16"}
FEW = 1000
"""Cells that often tell already what would have to hold of all; a column of no more is short."""
_FIRST = 10  # cells that tell what dots mean, unless they are between thousands


class StoredTexts:
    """Texts in an array of Arrow; null where missing.

    Parameters
    ----------
    cells : pyarrow.ChunkedArray of strings

    Examples
    --------
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.arrow_cells import StoredTexts
    >>> from densenet.tables.numerals import PLAIN
    >>> stored = StoredTexts(arrow.chunked_array([["1.50", None], ["2.5"]]))
    >>> stored.array().tolist(), stored.parse(PLAIN)[0].tolist()
    (['1.50', '', '2.5'], [1.5, nan, 2.5])
    """

    is_text = True

    def __init__(self, cells: Any) -> None:
        self._cells = cells

    def __len__(self) -> int:
        return len(self._cells)

    def array(self) -> Array:
        """Give each row's text, in an array of object."""
        cells = np.empty(len(self), object)
        cells[:] = self._cells.fill_null(strings("")[0]).to_pylist()
        return cells

    def text(self, row: int) -> str:
        """Give one cell's text."""
        return self._cells[row].as_py() or ""

    def coded(self) -> Coded:
        """Give the texts."""
        return _coded(self._cells)

    def missing(self) -> npt.NDArray[np.bool_]:
        """Return for each cell whether it is empty."""
        flags: npt.NDArray[np.bool_] = as_numpy(self._cells.is_null().cast("uint8")).astype(bool)
        return flags

    def parse(self, numerals: Numerals) -> Parsed:
        """Give the cells' numbers, and a flag for those that are no numbers."""
        plain = numerals == PLAIN
        values = _numbers(self._cells) if plain else _marked_numbers(self._cells, numerals)
        if values is None:
            return parsed_by_texts(self.coded(), numerals)
        return as_numpy(values), np.zeros(len(self), bool)

    def held(self, numerals: Numerals) -> Held | None:
        """Give None: they are to be parsed."""
        return None

    def are_numbers(self) -> bool:
        """Return whether every cell is a number as programs write it, or missing."""
        head = [text for text in self._cells[:FEW].to_pylist() if text and text not in MARKS]
        return are_numbers(head) and StoredCodes(self.coded()).are_numbers()

    def dots(self) -> Dots:
        """Say what the dots in a column of numbers may mean."""
        from pyarrow import compute

        for count in (_FIRST, FEW):
            few = dots_of(text for text in self._cells[:count].to_pylist() if text)
            if few == "others" or len(self) <= count:
                return few
        with_dot = self._cells.filter(compute.match_substring(self._cells, "."))
        return dots_of(with_dot.to_pylist())


class StoredNumerals:
    """Numbers, NaN where missing, and the texts that they were read from.

    Parameters
    ----------
    values : array of float64 of shape (rows,), or Decimals
    texts : sequence
        What `densenet.tables.reading.packed_texts.unpacked` takes: plain numbers, null where
        missing.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.arrow_cells import StoredNumerals
    >>> stored = StoredNumerals(np.array([1.5, np.nan]), [arrow.array(["1.50", None])])
    >>> stored.array().tolist(), stored.text(0), stored.missing().tolist(), stored.dots()
    (['1.50', ''], '1.50', [False, True], 'others')
    """

    is_text = True

    def __init__(self, values: Values, texts: Sequence[Any]) -> None:
        self._values, self._texts = values, texts

    def __len__(self) -> int:
        return len(self._values)

    def array(self) -> Array:
        """Give each row's text, in an array of object."""
        return self._read().array()

    def text(self, row: int) -> str:
        """Give one cell's text."""
        return self._read().text(row)

    def coded(self) -> Coded:
        """Give the texts."""
        return self._read().coded()

    def missing(self) -> npt.NDArray[np.bool_]:
        """Return for each cell whether it is empty."""
        return np.isnan(self._values[:])

    def parse(self, numerals: Numerals) -> Parsed:
        """Give the cells' numbers, and a flag for those that are no numbers."""
        if numerals == PLAIN:
            values = self._values[:]
            values.flags.writeable = False  # they may be those that are held
            return values, np.zeros(len(self), bool)
        return self._read().parse(numerals)

    def held(self, numerals: Numerals) -> Held | None:
        """Give the numbers as they lie here; None if they are to be parsed."""
        return Held(self._values) if numerals == PLAIN else None

    def are_numbers(self) -> bool:
        """Return True."""
        return True

    def dots(self) -> Dots:
        """Say what the dots in the texts may mean."""
        few = StoredTexts(unpacked(self._texts[:1])).dots()  # that mostly tell
        return few if few == "others" else self._read().dots()

    def _read(self) -> StoredTexts:
        return StoredTexts(unpacked(self._texts))


def store(cells: Any, words: Collection[str], texts: Sequence[Any] | None = None) -> Stored:
    """Store a column of texts in the smallest form that gives them back.

    Parameters
    ----------
    cells : pyarrow.ChunkedArray of strings
    words : collection of str
        Words for a missing cell, as `densenet.tables.cells.missing_words` gives them.
    texts : sequence, optional
        What `densenet.tables.reading.packed_texts.unpacked` has made the cells of.

    Examples
    --------
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.arrow_cells import store
    >>> for texts in ["7", "12", " NA"], ["a", " a"], ["1.50", "2.5"]:
    ...     stored = store(arrow.chunked_array([texts]), {"na"})
    ...     print(type(stored).__name__, stored.array().tolist())
    StoredNumbers ['7', '12', '']
    StoredCodes ['a', 'a']
    StoredNumerals ['1.50', '2.5']
    """
    numbers = _numbers(cells)
    if numbers is None:
        cells, texts = _cleaned(cells, words), None
        numbers = _numbers(cells)
    if numbers is not None:
        values = as_numpy(numbers)
        whole = _whole(cells, numbers, values)
        if whole is not None:
            return StoredNumbers(whole, is_text=True)
    is_short = len(cells) <= FEW
    if not (is_short and numbers is not None) and _repeats(cells[:FEW]):
        coded = _coded(cells)
        if 2 * len(coded.texts) <= len(cells):
            return StoredCodes(coded)
    if numbers is None:
        return StoredTexts(cells)
    texts = pack_large(cells) if texts is None else texts
    return StoredNumerals(shortened(values), texts)


def store_some(columns: Sequence[Sequence[Any]], words: Collection[str]) -> list[Stored]:
    """Store columns of texts, each as `store` does; several have at most `FEW` cells each.

    A call of pyarrow costs more than the cells of a short column. So they are read together, if all
    are numbers, and those with fractions are stored as they were read.

    Parameters
    ----------
    columns : sequence of sequences
        The texts of each column, as `store` takes them.
    words : collection of str
        As for `store`.

    Examples
    --------
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.arrow_cells import store_some
    >>> texts = [arrow.array(["1.50", None])], [arrow.array(["2", "3"])]
    >>> [type(stored).__name__ for stored in store_some(texts, {"na"})]
    ['StoredNumerals', 'StoredNumbers']
    """
    numbers = None
    if len(columns) > 1:
        numbers = _numbers(unpacked(chain.from_iterable(columns)))
    if numbers is None:
        return [store(unpacked(texts), words, texts) for texts in columns]
    values = as_numpy(numbers).reshape(len(columns), -1)
    have_fractions = np.any((values == values) & (values != np.rint(values)), axis=1)
    return [
        StoredNumerals(own, texts) if has_fraction else store(unpacked(texts), words, texts)
        for own, texts, has_fraction in zip(values, columns, have_fractions.tolist(), strict=True)
    ]


def _repeats(cells: Any) -> bool:
    """Return whether at most half of the cells differ."""
    return 2 * len(cells.unique()) <= len(cells)


def as_numpy(numbers: Any) -> Array:
    """Give numbers as an array of NumPy; a null among floats is NaN.

    Arrow's own ``to_numpy`` imports pandas, where that is installed.

    Examples
    --------
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.arrow_cells import as_numpy
    >>> as_numpy(arrow.chunked_array([[1.5, None], [2.0]])).tolist()
    [1.5, nan, 2.0]
    """
    kind = np.dtype(_FLOATS.get(str(numbers.type), str(numbers.type)))
    arrays = [
        np.frombuffer(chunk.buffers()[1], kind)[chunk.offset :][: len(chunk)]
        for chunk in numbers.chunks
        if len(chunk)
    ]
    values = arrays[0] if len(arrays) == 1 else np.concatenate([np.empty(0, kind), *arrays])
    if not numbers.null_count:
        return values
    return np.where(as_numpy(numbers.is_null().cast("uint8")), kind.type(np.nan), values)


def strings(*texts: str) -> Any:
    """Give texts as an array of Arrow; ``pyarrow.array`` would import pandas.

    Examples
    --------
    >>> from densenet.tables.reading.arrow_cells import strings
    >>> strings("a", "", "bc").to_pylist()
    ['a', '', 'bc']
    """
    import pyarrow as arrow

    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    buffers = [None, arrow.py_buffer(ends), arrow.py_buffer(b"".join(encoded))]
    return arrow.Array.from_buffers(arrow.string(), len(texts), buffers)


def release_unused() -> None:
    """Give back memory that reading has taken and holds no more."""
    import pyarrow as arrow

    arrow.default_memory_pool().release_unused()


def _cleaned(cells: Any, words: Collection[str]) -> Any:
    """Strip cells of white space; make null what is empty or one of the words."""
    import pyarrow as arrow
    from pyarrow import compute

    cells = compute.utf8_trim_whitespace(cells)
    is_word = compute.is_in(compute.utf8_lower(cells), value_set=strings(*{"", *words}))
    return compute.if_else(is_word, arrow.nulls(1, cells.type)[0], cells)


def _numbers(cells: Any) -> Any:
    """Read cells as float64, null where missing; give None if any is no plain number.

    A NaN is left to Python, as Arrow's parser takes further spellings for it.
    """
    import pyarrow as arrow
    from pyarrow import compute

    try:
        if len(cells) > FEW:
            cells[:FEW].cast(arrow.float64())  # as each cell that is no number costs much
        numbers = cells.cast(arrow.float64())
    except arrow.ArrowInvalid:
        return None
    return None if compute.any(compute.is_nan(numbers)).as_py() else numbers


def _marked_numbers(cells: Any, numerals: Numerals) -> Any:
    """Read cells that are written with marks; give None if any is not, or if there is a unit."""
    import pyarrow as arrow
    from pyarrow import compute

    if numerals.unit:
        return None
    try:
        fits = compute.match_substring_regex(cells, f"^(?:{numerals.pattern})$")
    except arrow.ArrowInvalid:  # a mark that Arrow's regular expressions do not take
        return None
    if not compute.all(fits).as_py():
        return None
    for mark in numerals.between:
        cells = compute.replace_substring(cells, mark, "")
    for mark, plain in (numerals.decimal, "."), ("−", "-"):
        cells = compute.replace_substring(cells, mark, plain)
    return _numbers(cells)


def _whole(cells: Any, numbers: Any, values: Array) -> Array | None:
    """Give whole numbers in the smallest type, or None if they do not give back the texts.

    `values` are those of `numbers`.
    """
    import pyarrow as arrow
    from pyarrow import compute

    few = values[:FEW]
    if len(numbers) == numbers.null_count or np.any((few == few) & (few != np.rint(few))):
        return None
    try:
        whole = cells.cast(arrow.int64())
    except arrow.ArrowInvalid:
        return None
    if not compute.all(compute.equal(whole.cast(cells.type), cells)).as_py():
        return None
    if not whole.null_count:
        return smallest(as_numpy(whole))
    bounds = compute.min_max(whole).as_py()
    furthest = max(-bounds["min"], bounds["max"])
    if furthest >= 2**53:  # float64 has room for a gap, but not for all digits
        return None
    kind = np.float32 if furthest < 2**24 else np.float64
    return values.astype(kind)


def _coded(cells: Any) -> Coded:
    """Find the texts that differ, "" for null."""
    import pyarrow as arrow

    encoded = cells.fill_null(strings("")[0]).dictionary_encode().unify_dictionaries()
    texts: list[str] = encoded.chunk(0).dictionary.to_pylist()
    codes = as_numpy(arrow.chunked_array([chunk.indices for chunk in encoded.chunks]))
    return Coded(texts, smallest(codes))
