"""The types that signatures speak of."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""An array whose element type is checked when the program runs."""

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
"""An array of float32 or float64."""
