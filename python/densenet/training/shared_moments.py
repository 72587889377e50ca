"""Batch normalisation over ranks: means over whole batches, of which each rank has some rows."""

import numpy as np

from densenet._engine.contract import BatchMeans
from densenet._engine.layout import Layout
from densenet._engine.memory import aligned
from densenet._typing import Array
from densenet.training.ranks import Ranks


class Enough(Exception):  # noqa: N818 (no error: the way out of a pass)
    """Ends a pass whose next sums are all that is wanted of it."""


class SharedMoments:
    """The means that batch normalisation needs in a step, over the rows of all ranks.

    They are found one after the other, in the order in which a pass asks for them: ``widths`` has
    that of each. They are of the network's type, as its engine's are; sums go to other ranks as
    float64. Without batch normalisation there are none, and nothing is sent.
    """

    def __init__(self, layout: Layout, dtype: "np.dtype[np.floating]", ranks: Ranks) -> None:
        places = [place.running for place in layout.norms() if place.running]
        self._dtype, self._ranks = dtype, ranks
        self.widths = widths_of(layout)
        self._moved = aligned(layout.running_size, dtype)
        self._slots = [[slot.view(self._moved) for slot in slots] for slots in places]
        self.begin(0)

    def begin(self, rows: int) -> None:
        """Begin with a batch of so many rows."""
        self._rows, self._means = rows, list[Array]()

    def over_ranks(self, sums: Array) -> None:
        """Replace sums over this rank's rows of the batch by means over those of all ranks."""
        assert len(sums) == self.widths[len(self._means)]
        (own,) = self._ranks.begin_sums(len(sums))
        own[...] = sums
        self._ranks.end_sums()
        self.put(own)
        sums[...] = self._means[-1]

    def forwards(self, sums: Array) -> None:
        """Do the same in a pass that ends with the last sums forwards."""
        self.over_ranks(sums)
        if len(self._means) == 2 * len(self._slots):
            raise Enough

    def without_rows(self, backwards: bool = True) -> None:
        """Take part in the sums over a batch of which this rank has no rows, or none that count."""
        for width in self.widths if backwards else self.widths[: 2 * len(self._slots)]:
            self.over_ranks(np.zeros(width, self._dtype))

    @np.errstate(all="ignore")  # of a training that diverges
    def put(self, sums: Array) -> None:
        """Take the next sums over all rows of the batch."""
        self._means.append((sums / self._rows).astype(self._dtype))

    def known(self, unknown: Array | None = None) -> BatchMeans:
        """Give a pass the means that have been found; `unknown` takes the sums that follow.

        That ends the pass.
        """
        found = iter(self._means)

        def means(sums: Array) -> None:
            mean = next(found, None)
            if mean is not None:
                sums[...] = mean
                return
            assert unknown is not None
            unknown[...] = sums
            raise Enough

        return means

    def moved(self, running: Array) -> Array | None:
        """Give the running moments as the batch moves them, a tenth of the way.

        Parts of an engine's pass know the whole batch's moments; a rank without rows makes no pass.
        So each rank computes them here, as the engines do: the variance is the unbiased one. They
        are in the same array each time.
        """
        return self._move(running) if self.widths else None

    @np.errstate(all="ignore")
    def _move(self, running: Array) -> Array:
        new, number = self._moved, self._dtype.type
        unbiased = number(self._rows) / number(max(self._rows - 1, 1))
        moments = zip(self._slots, self._means[::2], self._means[1::2], strict=False)
        for (mean, variance), rough, both in moments:
            squares, rest = both[: len(rough)], both[len(rough) :]
            mean[...] = np.where(np.isfinite(rough), rough + rest, rough)
            variance[...] = (squares - rest * rest) * unbiased
        new *= number(0.1)
        new += number(0.9) * running
        return new


def widths_of(layout: Layout) -> list[int]:
    """Give the width of each sum over a batch that a pass asks for, in their order.

    A batch normalisation has one forwards, then two at once; backwards, in the other order of
    layers, two at once, but for the first layer with parameters, whose input needs no gradient.
    """
    norms = [place for place in layout.norms() if place.running]
    first = next((place for place in layout.places if place.weight), None)
    forwards = [factor * place.outputs for place in norms for factor in (1, 2)]
    return forwards + [2 * place.outputs for place in reversed(norms) if place is not first]
