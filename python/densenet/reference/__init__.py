"""The specification: every function in NumPy, written to be read.

The names, defaults and errors are those of `densenet.kernels`, which computes the same in C++. This
package never imports the compiled core and works without it.

Shapes: a batch is rows. ``x: (batch, inputs)``, ``weight: (outputs, inputs)``,
``bias: (outputs,)``. ``dy`` is the gradient of the scalar loss with respect to ``y``.
"""

from densenet.reference.layers import (
    linear_backward,
    linear_forward,
    sigmoid_backward,
    sigmoid_forward,
    softmax_backward,
    softmax_forward,
)
from densenet.reference.losses import (
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from densenet.reference.optimizers import adam_step, rmsprop_step, sgd_step

__all__ = [
    "adam_step",
    "linear_backward",
    "linear_forward",
    "rmsprop_step",
    "sgd_step",
    "sigmoid_backward",
    "sigmoid_forward",
    "softmax_backward",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "softmax_forward",
]
