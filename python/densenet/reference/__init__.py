"""The specification: every function in NumPy, written to be read.

The names, defaults and errors are those of `densenet.kernels`, which computes the same in C++. This
package never imports the compiled core and works without it.

Shapes: a batch is rows. ``x: (batch, inputs)``, ``weight: (outputs, inputs)``,
``bias: (outputs,)``. ``dy`` is the gradient of the scalar loss with respect to ``y``.
"""

from densenet._examples import illustrate
from densenet.reference.activations import (
    elu_backward,
    elu_forward,
    gelu_backward,
    gelu_forward,
    leaky_relu_backward,
    leaky_relu_forward,
    mish_backward,
    mish_forward,
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    silu_backward,
    silu_forward,
    tanh_backward,
    tanh_forward,
)
from densenet.reference.layers import (
    linear_backward,
    linear_forward,
    softmax_backward,
    softmax_forward,
)
from densenet.reference.losses import (
    cross_entropy_backward,
    cross_entropy_forward,
    softmax_cross_entropy_backward,
    softmax_cross_entropy_forward,
)
from densenet.reference.optimizers import (
    adam_step,
    adamw_step,
    rmsprop_step,
    sgd_step,
)
from densenet.reference.value_losses import (
    binary_cross_entropy_backward,
    binary_cross_entropy_forward,
    huber_backward,
    huber_forward,
    logistic_backward,
    logistic_forward,
    mean_absolute_error_backward,
    mean_absolute_error_forward,
    mean_squared_error_backward,
    mean_squared_error_forward,
)

__all__ = [
    "adam_step",
    "adamw_step",
    "binary_cross_entropy_backward",
    "binary_cross_entropy_forward",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "elu_backward",
    "elu_forward",
    "gelu_backward",
    "gelu_forward",
    "huber_backward",
    "huber_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "linear_backward",
    "linear_forward",
    "logistic_backward",
    "logistic_forward",
    "mean_absolute_error_backward",
    "mean_absolute_error_forward",
    "mean_squared_error_backward",
    "mean_squared_error_forward",
    "mish_backward",
    "mish_forward",
    "relu_backward",
    "relu_forward",
    "rmsprop_step",
    "sgd_step",
    "sigmoid_backward",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softmax_backward",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "softmax_forward",
    "tanh_backward",
    "tanh_forward",
]

illustrate(globals(), __all__, __name__)
