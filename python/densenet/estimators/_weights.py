"""Lists of a network's weights: assigning to an item changes the array in the network."""

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

from densenet import _checks
from densenet._typing import Array


class Weights(list[Array]):
    """Live views of a network's arrays, one for each layer.

    Assigning to an item or a slice checks the shapes and copies the values into the network, all or
    none. The list cannot grow, shrink or change its order. Copies, pickles and slices are plain
    lists. It equals a list of equal arrays.
    """

    def __init__(self, name: str, views: Iterable[Array]) -> None:
        super().__init__(views)
        self._name = name

    def __setitem__(self, index: Any, given: Any) -> None:
        indices = range(len(self))[index]
        if not isinstance(indices, range):
            self._assign([indices], [given])
            return
        arrays = list(given)
        if len(arrays) != len(indices):
            raise ValueError(f"{self._name}: expected {len(indices)} arrays, got {len(arrays)}")
        self._assign(indices, arrays)

    def _assign(self, indices: Iterable[int], given: list[Any]) -> None:
        """Check arrays, then copy them into the network."""
        checked = []
        for index, array in zip(indices, given, strict=True):
            name, view = f"{self._name}[{index}]", self[index]
            values = _checks.real(name, array, view.shape)
            if not view.flags.writeable and not np.array_equal(values, view):
                raise ValueError(f"{name}: expected zeros, of a layer without a bias, got others")
            if view.flags.writeable:
                checked.append((view, values.copy()))  # `values` may be a view of the network
        for view, values in checked:
            view[...] = values

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            f"{self._name}: expected an assignment to an item: the network has as many arrays as "
            "it has layers"
        )

    __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = pop = remove = clear = sort = reverse = _refuse

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list):
            return NotImplemented
        return len(self) == len(other) and all(map(np.array_equal, self, other))

    def __ne__(self, other: object) -> bool:
        return not self == other  # list's own would compare arrays with !=

    __hash__ = None  # lists have none

    def __reduce_ex__(self, _: Any) -> tuple[Any, ...]:
        return list, (list(self),)
