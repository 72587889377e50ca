"""One example for each kernel, written once and shown in the docstrings of both twins.

A forward and a backward function share an example, under the name that both start with.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from inspect import cleandoc
from typing import Any


def illustrate(functions: Mapping[str, Any], names: Sequence[str], module: str) -> None:
    """Append to the docstring of each named function of a module its example."""
    for name in names:
        function: Callable[..., Any] = functions[name]
        if function.__doc__ is None:  # python -OO drops docstrings
            continue
        example = _EXAMPLES[re.sub("_(forward|backward)$", "", name)]
        used = sorted(set(re.findall(r"\w+_(?:forward|backward|step)\b", example)))
        function.__doc__ = (
            f"{cleandoc(function.__doc__)}\n\nExamples\n--------\n"
            f">>> import numpy as np\n>>> from {module} import {', '.join(used)}\n{example}"
        )


_EXAMPLES = {
    "linear": """\
>>> x, weight = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])
>>> linear_forward(x, weight, bias=np.array([0.5, 0.0]))
array([[11.5, 17. ]])
>>> dx, dweight, dbias = linear_backward(np.array([[1.0, -1.0]]), x, weight)
>>> dx
array([[-2., -2.]])
>>> dweight
array([[ 1.,  2.],
       [-1., -2.]])
""",
    "sigmoid": """\
>>> y = sigmoid_forward(np.array([-1000.0, 0.0, 2.0]))
>>> y.round(3)
array([0.   , 0.5  , 0.881])
>>> sigmoid_backward(np.ones(3), y).round(3)
array([0.   , 0.25 , 0.105])
""",
    "tanh": """\
>>> y = tanh_forward(np.array([-1.0, 0.0, 1.0]))
>>> y.round(3)
array([-0.762,  0.   ,  0.762])
>>> tanh_backward(np.ones(3), y).round(3)
array([0.42, 1.  , 0.42])
""",
    "relu": """\
>>> y = relu_forward(np.array([-1.0, 0.5, 2.0]))
>>> y
array([0. , 0.5, 2. ])
>>> relu_backward(np.array([7.0, 8.0, 9.0]), y)
array([0., 8., 9.])
""",
    "leaky_relu": """\
>>> y = leaky_relu_forward(np.array([-1.0, 0.5, 2.0]), slope=0.1)
>>> y
array([-0.1,  0.5,  2. ])
>>> leaky_relu_backward(np.array([7.0, 8.0, 9.0]), y, slope=0.1)
array([0.7, 8. , 9. ])
""",
    "elu": """\
>>> y = elu_forward(np.array([-1.0, 0.5, 2.0]))
>>> y.round(3)
array([-0.632,  0.5  ,  2.   ])
>>> elu_backward(np.ones(3), y).round(3)
array([0.368, 1.   , 1.   ])
""",
    "gelu": """\
>>> x = np.array([-1.0, 0.0, 2.0])
>>> gelu_forward(x).round(3)
array([-0.159,  0.   ,  1.954])
>>> gelu_backward(np.ones(3), x).round(3)
array([-0.083,  0.5  ,  1.085])
""",
    "silu": """\
>>> x = np.array([-1.0, 0.0, 2.0])
>>> silu_forward(x).round(3)
array([-0.269,  0.   ,  1.762])
>>> silu_backward(np.ones(3), x).round(3)
array([0.072, 0.5  , 1.091])
""",
    "mish": """\
>>> x = np.array([-1.0, 0.0, 2.0])
>>> mish_forward(x).round(3)
array([-0.303,  0.   ,  1.944])
>>> mish_backward(np.ones(3), x).round(3)
array([0.059, 0.6  , 1.069])
""",
    "softmax": """\
>>> y = softmax_forward(np.array([[0.0, 0.0], [1000.0, 1001.0]]))
>>> y.round(3)
array([[0.5  , 0.5  ],
       [0.269, 0.731]])
>>> softmax_backward(np.array([[1.0, 0.0], [1.0, 0.0]]), y).round(3)
array([[ 0.25 , -0.25 ],
       [ 0.197, -0.197]])
""",
    "softmax_cross_entropy": """\
>>> logits, targets = np.array([[0.0, 0.0], [0.0, 3.0]]), np.array([0, 1])
>>> loss, probabilities = softmax_cross_entropy_forward(logits, targets)
>>> round(loss, 3)
0.371
>>> probabilities.round(3)
array([[0.5  , 0.5  ],
       [0.047, 0.953]])
>>> softmax_cross_entropy_backward(probabilities, targets).round(3)
array([[-0.25 ,  0.25 ],
       [ 0.024, -0.024]])
""",
    "cross_entropy": """\
>>> outputs, targets = np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([[0.75, 0.25], [0.1, 0.9]])
>>> round(cross_entropy_forward(outputs, targets), 3)
0.527
>>> cross_entropy_backward(outputs, targets).round(3)
array([[-0.75 , -0.25 ],
       [-0.25 , -0.562]])
""",
    "binary_cross_entropy": """\
>>> outputs, targets = np.array([[0.0], [3.0]]), np.array([[0.0], [1.0]])
>>> round(binary_cross_entropy_forward(outputs, targets), 3)
0.371
>>> binary_cross_entropy_backward(outputs, targets).round(3)
array([[ 0.25 ],
       [-0.024]])
""",
    "logistic": """\
>>> outputs, targets = np.array([[0.0], [3.0]]), np.array([[-1.0], [1.0]])
>>> round(logistic_forward(outputs, targets), 3)
0.371
>>> logistic_backward(outputs, targets).round(3)
array([[ 0.25 ],
       [-0.024]])
""",
    "mean_squared_error": """\
>>> outputs, targets = np.array([[1.0], [5.0]]), np.array([[1.5], [1.0]])
>>> mean_squared_error_forward(outputs, targets)
8.125
>>> mean_squared_error_backward(outputs, targets)
array([[-0.5],
       [ 4. ]])
""",
    "mean_absolute_error": """\
>>> outputs, targets = np.array([[1.0], [5.0]]), np.array([[1.5], [1.0]])
>>> mean_absolute_error_forward(outputs, targets)
2.25
>>> mean_absolute_error_backward(outputs, targets)
array([[-0.5],
       [ 0.5]])
""",
    "huber": """\
>>> outputs, targets = np.array([[1.0], [5.0]]), np.array([[1.5], [1.0]])
>>> huber_forward(outputs, targets, delta=2.0)
3.0625
>>> huber_backward(outputs, targets, delta=2.0)
array([[-0.25],
       [ 1.  ]])
""",
    "sgd_step": """\
>>> param, velocity, grad = np.array([1.0, -2.0]), np.zeros(2), np.array([0.5, -1.0])
>>> sgd_step(param, grad, velocity, lr=0.1, momentum=0.9)
>>> param
array([ 0.95, -1.9 ])
>>> sgd_step(param, grad, velocity, lr=0.1, momentum=0.9)
>>> param.round(3)
array([ 0.855, -1.71 ])
""",
    "rmsprop_step": """\
>>> param, grad, v = np.array([1.0, -2.0]), np.array([0.5, -10.0]), np.zeros(2)
>>> rmsprop_step(param, grad, v, lr=0.1, beta=0.75)
>>> param.round(3)
array([ 0.8, -1.8])
>>> v
array([ 0.0625, 25.    ])
""",
    "adam_step": """\
>>> param, grad = np.array([1.0, -2.0]), np.array([0.5, -100.0])
>>> m, v = np.zeros(2), np.zeros(2)
>>> adam_step(param, grad, m, v, step=1, lr=0.1)
>>> param.round(3)
array([ 0.9, -1.9])
""",
    "adamw_step": """\
>>> param, grad = np.array([1.0, -2.0]), np.array([0.5, -100.0])
>>> m, v = np.zeros(2), np.zeros(2)
>>> adamw_step(param, grad, m, v, step=1, lr=0.1, weight_decay=0.5)
>>> param.round(3)
array([ 0.85, -1.8 ])
""",
}
