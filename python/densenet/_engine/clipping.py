"""Clipping of a gradient in Python, where all of it has been computed."""

import numpy as np

from densenet._typing import Array
from densenet.optimizers import Optimizer


def clip(gradient: Array, optimizer: Optimizer) -> float:
    """Clip a gradient in place, by value and then by its norm; give its norm between the two."""
    if optimizer.clip_value is not None:
        np.clip(gradient, -optimizer.clip_value, optimizer.clip_value, out=gradient)
    length = float(np.linalg.norm(gradient.astype(np.float64)))
    if optimizer.clip_norm is not None and length > optimizer.clip_norm:
        gradient *= optimizer.clip_norm / length
    return length
