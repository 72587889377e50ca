"""Clipping of a whole gradient, where it is at hand."""

import numpy as np

from densenet._typing import Array
from densenet.optimizers import Optimizer


def clip(gradient: Array, optimizer: Optimizer) -> float:
    """Clip by value, then by the norm over all parameters, in place; give the norm between."""
    if optimizer.clip_value is not None:
        np.clip(gradient, -optimizer.clip_value, optimizer.clip_value, out=gradient)
    length = float(np.linalg.norm(gradient.astype(np.float64)))
    if optimizer.clip_norm is not None and length > optimizer.clip_norm:
        gradient *= optimizer.clip_norm / length
    return length
