"""Dense neural networks on the CPU: computed in C++, mirrored in NumPy.

`densenet.kernels` has the compiled functions, `densenet.reference` the same ones in NumPy, and
`Network` trains with either. The compiled core is loaded when it is first used, so that the
reference works where there is none.
"""

from densenet._version import __version__
from densenet.config import get_num_threads, set_num_threads, show_config
from densenet.gradient_check import check_gradients
from densenet.layers import *
from densenet.layers import __all__ as _layers
from densenet.losses import *
from densenet.losses import __all__ as _losses
from densenet.lr_range import LRRange, lr_range_test
from densenet.many import FitManyError, fit_many
from densenet.network import Network
from densenet.optimizers import *
from densenet.optimizers import __all__ as _optimizers
from densenet.predictor import Predictor
from densenet.schedules import *
from densenet.schedules import __all__ as _schedules
from densenet.training import Callback, Checkpoint, EarlyStopping, History, WeightAveraging

__all__ = [
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "FitManyError",
    "History",
    "LRRange",
    "Network",
    "Predictor",
    "WeightAveraging",
    "__version__",
    "check_gradients",
    "fit_many",
    "get_num_threads",
    "lr_range_test",
    "set_num_threads",
    "show_config",
    *_layers,
    *_losses,
    *_optimizers,
    *_schedules,
]
