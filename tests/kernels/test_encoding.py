"""The encoding of a column of numbers in pieces: compiled, it has the bits of the reference."""

import numpy as np
import pytest

from densenet import _core
from densenet.reference.pieces import encode_pieces

LARGEST, LEAST = np.finfo(np.float64).max, np.finfo(np.float64).smallest_subnormal


def same(cells, edges, *, fill=0.0, center=0.0, scale=1.0, gaps=False):
    """Encode by both, between columns that nobody writes to; give the features."""
    edges = np.array(edges, np.float64)
    pieces = len(edges) - 1
    width = pieces + (pieces > 1) + gaps
    both = np.full((2, len(cells), width + 2), np.float32(7))
    for function, into in zip((encode_pieces, _core.encode_pieces), both, strict=True):
        function(np.array(cells), edges, fill, center, scale, gaps, into[:, 1:-1])
    assert both[0].tobytes() == both[1].tobytes()
    assert (both[:, :, [0, -1]] == 7).all()
    return both[0, :, 1:-1]


@pytest.mark.parametrize("pieces", [*range(1, 20), 31, 32, 33, 255, 256, 257, 1000])
@pytest.mark.parametrize("gaps", [False, True])
def test_any_number_of_pieces(pieces, gaps, rng):
    edges = np.unique(rng.normal(size=pieces + 1))
    cells = np.concatenate([rng.normal(size=65), edges, np.nextafter(edges, -9), [np.nan, -0.0]])
    fill, center, scale = [*rng.normal(size=2).tolist(), float(rng.exponential())]
    features = same(cells, edges, fill=fill, center=center, scale=scale, gaps=gaps)
    assert 0 < features[:, -1].max() <= 1


@pytest.mark.parametrize("rows", [1, 7, 64, 65])
def test_any_number_of_rows(rows, rng):
    same(rng.normal(size=rows), [-1, 0, 0.5, 1])


def test_extremes(rng):
    cells = [LARGEST, -LARGEST, LEAST, -LEAST, 0.0, -0.0, 1.0, np.nan, 1e300, 1e-300]
    for edges in ([-LARGEST, 0, LARGEST], [0, LEAST, 2 * LEAST], [-1, 1], [1e-300, 2e-300, 1.0]):
        for scale in (LEAST, 1e-300, 1.0, LARGEST):
            for center in (-LARGEST, 0.0, LARGEST):
                features = same(cells, edges, center=center, scale=scale, gaps=True)
                assert np.isfinite(features).all()


def test_arrays_that_do_not_fit_are_refused():
    cells, edges, into = np.zeros(3), np.array([0.0, 1.0, 2.0]), np.zeros((3, 3), np.float32)
    for bad in (into[:2], into[:, :2], into.astype(np.float64), np.asfortranarray(into), into[0]):
        with pytest.raises(ValueError, match="features: expected a float32 array"):
            _core.encode_pieces(cells, edges, 0.0, 0.0, 1.0, False, bad)
    for bad in (cells.astype(np.float32), cells[:0], cells[::2], [0.0, 0.0, 0.0]):
        with pytest.raises(ValueError, match="unusable cells"):
            _core.encode_pieces(bad, edges, 0.0, 0.0, 1.0, False, into)
    with pytest.raises(ValueError, match="unusable cells"):
        _core.encode_pieces(cells, edges[:1], 0.0, 0.0, 1.0, False, into)
    into.flags.writeable = False
    with pytest.raises(ValueError, match="array is not writeable"):
        _core.encode_pieces(cells, edges, 0.0, 0.0, 1.0, False, into)
    assert (into == 0).all()
