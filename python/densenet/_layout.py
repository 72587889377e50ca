"""Where each parameter lies in a network's one flat vector."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from densenet._typing import Array
from densenet.layers import Layer, Linear


@dataclass(frozen=True)
class Slot:
    """One parameter: its elements are ``flat[offset : offset + size]``."""

    name: str
    offset: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    @property
    def is_weight(self) -> bool:
        """Whether penalties apply."""
        return len(self.shape) == 2

    def view(self, flat: Array) -> Array:
        """Give the parameter as a view of the flat vector.

        A weight is stored as (inputs, outputs), in which the forward product and the weight
        gradient run along memory; the view is its transpose.
        """
        part = flat[self.offset : self.offset + self.size]
        view: Array = part.reshape(self.shape[::-1]).T
        return view


@dataclass(frozen=True)
class Place:
    """One layer: its widths and its parameters."""

    layer: Layer
    inputs: int
    outputs: int
    weight: Slot | None = None
    bias: Slot | None = None


class Layout:
    """The layers with their widths, and the slots of their parameters, in order.

    Raises
    ------
    TypeError, ValueError
        If the layers are no sequence of layers whose widths fit together.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        if not layers:
            raise ValueError("layers: expected at least one layer, got none")
        for index, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"layers[{index}]: expected a layer, got {type(layer).__name__}")
        linear = [layer for layer in layers if isinstance(layer, Linear)]
        if not linear:
            raise ValueError("layers: expected at least one Linear to set the widths, got none")

        self.places: list[Place] = []
        self.slots: list[Slot] = []
        width, offset = linear[0].inputs, 0
        for index, layer in enumerate(layers):
            if not isinstance(layer, Linear):
                self.places.append(Place(layer, width, width))
                continue
            if layer.inputs != width:
                raise ValueError(
                    f"layers[{index}]: expected Linear with inputs={width}, the outputs of the "
                    f"layer before, got inputs={layer.inputs}"
                )
            weight = Slot(f"{index}.weight", offset, (layer.outputs, layer.inputs))
            offset += weight.size
            bias = Slot(f"{index}.bias", offset, (layer.outputs,)) if layer.bias else None
            offset += bias.size if bias else 0
            self.places.append(Place(layer, width, layer.outputs, weight, bias))
            self.slots += [slot for slot in (weight, bias) if slot]
            width = layer.outputs
        self.inputs = self.places[0].inputs
        self.outputs = width
        self.size = offset

    def views(self, flat: Array) -> dict[str, Array]:
        """Name each parameter's view of a flat vector, as ``torch.nn.Sequential`` would."""
        return {slot.name: slot.view(flat) for slot in self.slots}


def aligned(size: int, dtype: np.dtype[Any]) -> Array:
    """Make a vector of zeros whose first element starts a cache line (64 bytes)."""
    raw = np.zeros(size * dtype.itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size * dtype.itemsize].view(dtype)
