"""Types for signatures."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""An array of any dtype; functions check the dtype at run time."""

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
"""An array of float32 or float64."""

Chunk: TypeAlias = (
    tuple[npt.ArrayLike, npt.ArrayLike] | tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike]
)
"""Some rows to learn from: (x, y) or (x, y, sample_weight)."""

Chunks: TypeAlias = Callable[[], Iterable[Chunk]]
"""Gives the chunks of an epoch, anew with each call."""
