"""The copy of a network that predicts, in NumPy: its large weights rounded to bf16."""

import numpy as np

from densenet._engine.contract import Engine, Mode
from densenet._engine.layout import Layout
from densenet._precision import HeldAsBf16
from densenet._typing import Array
from densenet.reference.products import rounded


class ReferencePredictor:
    """Rounds once what is held as bf16, and then computes as the network does.

    Products of bf16 numbers round the weights again, which changes nothing. The numbers are rounded
    as in C++, but stay float32 here, with all their bytes.

    Examples
    --------
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError(), backend="reference")
    >>> predictor = network.predictor()
    >>> predictor.forward([[1.0]])
    array([[0.]], dtype=float32)
    >>> predictor.nbytes
    8
    """

    def __init__(
        self, engine: Engine, layout: Layout, held: HeldAsBf16, flat: Array, running: Array
    ) -> None:
        self._engine = engine
        self._flat = flat.copy()
        self._mode = Mode(running.copy(), False, 0, 0)
        for layer, weight, _ in layout.linear():
            if held.includes(layer.inputs, layer.outputs):
                self._flat[weight.part] = rounded(np.asarray(flat[weight.part]))

    @property
    def nbytes(self) -> int:
        """Bytes of the parameters."""
        return int(self._flat.nbytes)

    def forward(self, x: Array) -> Array:
        """Give the output of the last layer."""
        return self._engine.forward(self._flat, x, self._mode)
