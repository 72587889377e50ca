"""Texts of a CSV file, compressed, while nobody asks for them.

The numbers of a column are read from its texts once. These are still asked for by whoever takes the
column for classes, categories or ids. Zstandard's fastest level makes 13 bytes a cell 4, in some
60 ns, and gives them back in 15.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

PACKED = 1 << 14
"""Bytes of texts from which on compressing them pays."""
_MOST = 1 << 30  # bytes of texts that an array of Arrow surely holds together
_CODEC = "zstd"


class PackedTexts(NamedTuple):
    """Texts of which the bytes and the lengths are compressed.

    Attributes
    ----------
    content, lengths : bytes
        The lengths in bytes; 0 where a cell is missing.
    kind : numpy.dtype
        That of the lengths.
    rows, size : int
        The number of cells, and their bytes together.

    Examples
    --------
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.packed_texts import packed
    >>> texts = packed([arrow.array(["1.50", None]), arrow.array(["2.5"])])
    >>> texts.array().to_pylist(), len(texts.lengths) > 0
    (['1.50', None, '2.5'], True)
    """

    content: bytes
    lengths: bytes
    kind: "np.dtype[Any]"
    rows: int
    size: int

    def array(self) -> Any:
        """Give the texts as an array of Arrow."""
        import pyarrow as arrow

        content = arrow.decompress(self.content, self.size, _CODEC)
        lengths = arrow.decompress(self.lengths, self.rows * self.kind.itemsize, _CODEC)
        sizes = np.frombuffer(lengths, self.kind)
        ends = np.zeros(self.rows + 1, np.int32)
        np.cumsum(sizes, out=ends[1:])
        known = np.packbits(sizes > 0, bitorder="little")
        buffers = [arrow.py_buffer(known), arrow.py_buffer(ends), content]
        return arrow.Array.from_buffers(arrow.string(), self.rows, buffers)


def packed(arrays: Sequence[Any]) -> PackedTexts:
    """Compress texts, of which those that are not missing have at least a byte."""
    import pyarrow as arrow

    contents, lengths = [], [np.empty(0, np.int32)]
    for array in arrays:
        if array.null_count:  # bytes may lie behind a cell that is missing
            array = array.fill_null("")
        ends = np.frombuffer(array.buffers()[1], np.int32)[array.offset :][: len(array) + 1]
        contents.append(memoryview(array.buffers()[2] or b"")[ends[0] : ends[-1]])
        lengths.append(np.diff(ends))
    content, sizes = b"".join(contents), np.concatenate(lengths)
    kind = np.min_scalar_type(int(sizes.max(initial=0)))
    return PackedTexts(
        arrow.compress(content, _CODEC, asbytes=True),
        arrow.compress(np.ascontiguousarray(sizes, kind), _CODEC, asbytes=True),
        kind,
        len(sizes),
        len(content),
    )


def can_pack() -> bool:
    """Return whether pyarrow was built with Zstandard."""
    import pyarrow as arrow

    return bool(arrow.Codec.is_available(_CODEC))


def pack_large(cells: Any) -> list[Any]:
    """Give the texts of a pyarrow.ChunkedArray, compressed if that pays.

    Examples
    --------
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.packed_texts import pack_large, unpacked
    >>> few, many = arrow.chunked_array([["1.5"]]), arrow.chunked_array([["1.50"] * 5000])
    >>> [type(pack_large(cells)[0]).__name__ for cells in (few, many)]
    ['StringArray', 'PackedTexts']
    >>> unpacked(pack_large(many)).equals(many)
    True
    """
    if PACKED <= cells.nbytes < _MOST and can_pack():
        return [packed(cells.chunks)]
    return list(cells.chunks)


def unpacked(arrays: Iterable[Any]) -> Any:
    """Give texts, in arrays of Arrow or compressed, as a pyarrow.ChunkedArray."""
    import pyarrow as arrow

    return arrow.chunked_array(list(_plain(arrays)), arrow.string())


def _plain(arrays: Iterable[Any]) -> Iterator[Any]:
    return (one.array() if isinstance(one, PackedTexts) else one for one in arrays)
