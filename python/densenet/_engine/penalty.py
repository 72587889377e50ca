"""The penalty that an optimizer's settings put on a network's weights."""

from collections.abc import Iterable

import numpy as np

from densenet._engine.layout import Slot
from densenet._typing import Array
from densenet.optimizers import Optimizer


def penalty_of(flat: Array, slots: Iterable[Slot], optimizer: Optimizer) -> float:
    """Compute ``l1 Σ|w| + l2/2 Σw²`` over all weights in a flat vector, in float64."""
    l1, l2, value = optimizer.l1, optimizer.l2, 0.0
    for slot in slots:
        if slot.is_weight:
            weight = slot.view(flat).astype(np.float64)
            value += l1 * float(np.abs(weight).sum()) + l2 / 2 * float(np.square(weight).sum())
    return value
