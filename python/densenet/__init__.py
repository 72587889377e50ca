"""Dense neural networks on the CPU: computed in C++, mirrored in NumPy.

`densenet.kernels` has the compiled functions, `densenet.reference` the same ones in NumPy, and
`Network` trains with either. The compiled core is loaded when it is first used, so that the
reference works where there is none.
"""

from densenet._version import __version__
from densenet.config import get_num_threads, set_num_threads, show_config
from densenet.layers import Identity, Linear, Sigmoid
from densenet.losses import SoftmaxCrossEntropy
from densenet.network import Network, check_gradients
from densenet.optimizers import SGD, Adam, RMSprop
from densenet.training import Callback, History

__all__ = [
    "SGD",
    "Adam",
    "Callback",
    "History",
    "Identity",
    "Linear",
    "Network",
    "RMSprop",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "__version__",
    "check_gradients",
    "get_num_threads",
    "set_num_threads",
    "show_config",
]
