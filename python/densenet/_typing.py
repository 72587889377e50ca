"""Types for signatures."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""An array of any dtype; functions check the dtype at run time."""

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
"""An array of float32 or float64."""
