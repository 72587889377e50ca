"""How exactly products are computed: of floats as they are, or of bf16 pieces of them.

A bf16 number is a float32 without the lower 16 of its 24 significant bits. A float is the sum of
its pieces, up to 2⁻⁹ of itself with one piece and 2⁻¹⁷ with two. Processors with matrix registers
(AMX) multiply bf16 numbers some ten times as fast as floats, and add up the products in float32.
"""

from typing import Literal, NamedTuple, TypeAlias

PrecisionName: TypeAlias = Literal["highest", "high", "medium"]


class Precision(NamedTuple):
    """How many bf16 ``pieces`` a float has in products (0: floats as they are), and in which ones.

    Products are of pieces from ``least`` multiply-adds on, if none of their sides is below
    ``narrowest``: smaller ones are faster as they are.
    """

    pieces: int
    least: float
    narrowest: int = 1

    def pieces_of(self, rows: int, inputs: int, outputs: int) -> int:
        """Give the number of pieces in the products of a linear layer, for so many rows."""
        small = min(rows, inputs, outputs) < self.narrowest or rows * inputs * outputs < self.least
        return 0 if small else self.pieces

    def fewest_rows(self, inputs: int, outputs: int) -> int | None:
        """Give the number of rows from which on products are of pieces; None if they never are."""
        if not self.pieces or min(inputs, outputs) < self.narrowest:
            return None
        return max(self.narrowest, -int(-self.least // (inputs * outputs)))


class HeldAsBf16(NamedTuple):
    """Which weights a predictor holds as bf16 numbers: large ones. ``least`` 0: none.

    They have ``least`` elements or more, and no side below ``narrowest``.
    """

    least: int
    narrowest: int = 1

    def includes(self, inputs: int, outputs: int) -> bool:
        """Tell whether a weight of this shape is held so."""
        large = inputs * outputs >= self.least and min(inputs, outputs) >= self.narrowest
        return self.least > 0 and large


HIGHEST = Precision(0, 0.0)
PIECES = {1: "bf16", 2: "two bf16 pieces"}  # what products are of, in words

# make bench-nets ARGS='784-128-10:128:medium 518-256-128-16:64:high'
PRECISIONS: dict[PrecisionName, Precision] = {
    "highest": HIGHEST,
    "high": Precision(2, 2e6, narrowest=128),
    "medium": Precision(1, 1e6, narrowest=64),
}

# By the pieces of the precision. Smaller weights stay in a near cache, where some rows are as fast
# with floats; narrower ones would be filled up.
# make bench-predict ARGS='--rows 1,12 256-256-10:1:medium 512-512-10:1:medium'
HELD = {0: HeldAsBf16(0), 1: HeldAsBf16(2**18, narrowest=64), 2: HeldAsBf16(0)}
