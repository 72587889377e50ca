"""Where each parameter lies in a network's one flat vector, and the layers as a plain sequence."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import InitVar, dataclass, field

from densenet import _checks
from densenet._typing import Array
from densenet.layers import Layer, Linear, Residual, _Norm, parameter

_MOST = 2**56  # parameters: an address still counts their bytes


@dataclass(frozen=True)
class Slot:
    """One array in a flat vector: its elements are ``flat[offset : offset + size]``."""

    name: str
    offset: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def part(self) -> slice:
        """The elements of the flat vector."""
        return slice(self.offset, self.offset + self.size)

    @property
    def is_weight(self) -> bool:
        """True for a matrix, to which penalties apply; False for a bias or a normalisation."""
        return len(self.shape) == 2

    def view(self, flat: Array) -> Array:
        """Give the array as a view of the flat vector.

        A weight is stored as (inputs, outputs), in which the forward product and the weight
        gradient run along memory; the view is its transpose.
        """
        view: Array = flat[self.part].reshape(self.shape[::-1]).T
        return view


@dataclass(frozen=True)
class Place:
    """One layer with its name, widths and arrays.

    A residual block has two places: where it begins (kind "open") and where it ends ("close").
    """

    name: str
    kind: str
    layer: Layer
    inputs: int
    outputs: int
    weight: Slot | None = None
    bias: Slot | None = None
    running: tuple[Slot, Slot] | None = None

    def within(self, slots: Collection[Slot]) -> bool:
        """Tell whether the layer has parameters, and all of them are among these slots."""
        own = [slot for slot in (self.weight, self.bias) if slot]
        return bool(own) and all(slot in slots for slot in own)

    @property
    def parameter(self) -> float:
        """The number that the layer's kernels need besides its arrays: a slope, a rate."""
        return parameter(self.layer)


def _first_width(layers: Sequence[Layer]) -> int | None:
    """Give the number of inputs that the first layer with a fixed width expects."""
    for layer in layers:
        if isinstance(layer, Linear):
            return layer.inputs
        if isinstance(layer, _Norm):
            return layer.width
        if isinstance(layer, Residual) and (width := _first_width(layer.layers)):
            return width
    return None


@dataclass
class Layout:
    """The layers in order, each with its widths and with the slots of its arrays.

    ``slots`` are those of the flat vector of parameters, of ``size`` elements; ``running_slots``
    those of the flat vector of running moments, of ``running_size``. ``known_width``, that of the
    input, is needed where no layer fixes it: where these are the first layers of others.

    Raises
    ------
    TypeError, ValueError
        If the layers are no sequence of layers whose widths fit together.
    """

    layers: Sequence[Layer]
    known_width: InitVar[int | None] = None
    places: list[Place] = field(init=False, default_factory=list)
    slots: list[Slot] = field(init=False, default_factory=list)
    running_slots: list[Slot] = field(init=False, default_factory=list)
    size: int = field(init=False, default=0)
    running_size: int = field(init=False, default=0)

    def __post_init__(self, known_width: int | None) -> None:
        self.layers = _checks.layers("layers", self.layers, Layer)
        width = known_width or _first_width(self.layers)
        if width is None:
            raise ValueError("layers: expected at least one Linear to set the widths, got none")
        self.inputs = width
        self.outputs = self._add(self.layers, width, "")
        if self.size > _MOST:
            raise ValueError(f"layers: expected at most {_MOST:,} parameters, got {self.size:,}")

    def _add(self, layers: Sequence[Layer], width: int, prefix: str) -> int:
        """Append the places of a sequence of layers; give its output's width."""
        for index, layer in enumerate(layers):
            name = f"{prefix}{index}"
            if isinstance(layer, Residual):
                self.places.append(Place(name, "open", layer, width, width))
                outputs = self._add(layer.layers, width, f"{name}.")
                if outputs != width:
                    raise ValueError(
                        f"layers[{name}]: expected a block of {width} outputs, as many as its "
                        f"inputs, got {outputs}"
                    )
                self.places.append(Place(name, "close", layer, width, width))
            elif isinstance(layer, Linear):
                self._expect(name, layer, "inputs", layer.inputs, width)
                weight = self._slot(f"{name}.weight", (layer.outputs, layer.inputs))
                bias = self._slot(f"{name}.bias", (layer.outputs,)) if layer.bias else None
                self.places.append(
                    Place(name, layer.kind, layer, width, layer.outputs, weight, bias)
                )
                width = layer.outputs
            elif isinstance(layer, _Norm):
                self._expect(name, layer, "width", layer.width, width)
                weight = self._slot(f"{name}.weight", (width,))
                bias = self._slot(f"{name}.bias", (width,))
                running = self._running(name, width) if layer.kind == "batch_norm" else None
                self.places.append(
                    Place(name, layer.kind, layer, width, width, weight, bias, running)
                )
            else:
                self.places.append(Place(name, layer.kind, layer, width, width))
        return width

    def _expect(self, name: str, layer: Layer, what: str, got: int, width: int) -> None:
        if got != width:
            raise ValueError(
                f"layers[{name}]: expected {type(layer).__name__} with {what}={width}, the outputs "
                f"of the layer before, got {what}={got}"
            )

    def _slot(self, name: str, shape: tuple[int, ...]) -> Slot:
        slot = Slot(name, self.size, shape)
        self.slots.append(slot)
        self.size += slot.size
        return slot

    def _running(self, name: str, width: int) -> tuple[Slot, Slot]:
        mean = Slot(f"{name}.running_mean", self.running_size, (width,))
        variance = Slot(f"{name}.running_var", self.running_size + width, (width,))
        self.running_slots += [mean, variance]
        self.running_size += 2 * width
        return mean, variance

    def views(self, flat: Array) -> dict[str, Array]:
        """Name each parameter's view of a flat vector, as ``torch.nn.Sequential`` would."""
        return {slot.name: slot.view(flat) for slot in self.slots}

    def running_views(self, running: Array) -> dict[str, Array]:
        """Name each view of a flat vector of running moments, as ``torch.nn.Sequential`` would."""
        return {slot.name: slot.view(running) for slot in self.running_slots}

    def linear(self) -> Iterator[tuple[Linear, Slot, Slot | None]]:
        """Give each linear layer with the slots of its weight and its bias."""
        for place in self.places:
            if isinstance(place.layer, Linear) and place.weight:
                yield place.layer, place.weight, place.bias

    def norms(self) -> Iterator[Place]:
        """Give the place of each normalisation."""
        return (place for place in self.places if isinstance(place.layer, _Norm))
