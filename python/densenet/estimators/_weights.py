"""Lists of a network's weights whose items can be assigned: the arrays in the network change."""

from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

from densenet import _checks
from densenet._typing import Array


class Weights(list[Array]):
    """Live views of a network's arrays, by layer.

    An item or a slice may be assigned; the values go into the network, after a check of their
    shapes, all or none. The list itself cannot grow, shrink or change its order. Copies, pickles
    and slices are plain lists. Equal is a list of equal arrays.
    """

    def __init__(self, name: str, views: Iterable[Array]) -> None:
        super().__init__(views)
        self._name = name

    def __setitem__(self, place: Any, given: Any) -> None:
        places = range(len(self))[place]
        if not isinstance(places, range):
            self._assign([places], [given])
            return
        arrays = list(given)
        if len(arrays) != len(places):
            raise ValueError(f"{self._name}: expected {len(places)} arrays, got {len(arrays)}")
        self._assign(places, arrays)

    def _assign(self, places: Iterable[int], given: list[Any]) -> None:
        """Copy arrays into the network."""
        checked = []
        for place, array in zip(places, given, strict=True):
            name, view = f"{self._name}[{place}]", self[place]
            values = _checks.real(name, array, view.shape)
            if not view.flags.writeable and not np.array_equal(values, view):
                raise ValueError(f"{name}: expected zeros, of a layer without a bias, got others")
            if view.flags.writeable:
                checked.append((view, values.copy()))  # a view of the network, perhaps
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
        return not self == other  # a list has a way of its own

    __hash__ = None  # as of any list

    def __reduce_ex__(self, _: Any) -> tuple[Any, ...]:
        return list, (list(self),)
