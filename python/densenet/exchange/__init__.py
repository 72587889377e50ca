"""Networks to and from other programs, one file for each partner.

`torch` and `sklearn` carry weights both ways; `onnx` and `c` write a network that runs without
densenet, and `table_onnx` and `table_c` a `TableModel`, which reads the raw cells of a table. A
partner's package is imported when one of its functions is called; PyTorch never is.

Examples
--------
>>> import tempfile
>>> from pathlib import Path
>>> from densenet import Linear, Network, ReLU, SoftmaxCrossEntropy
>>> from densenet.exchange import to_c
>>> network = Network([Linear(4, 8), ReLU(), Linear(8, 3)], SoftmaxCrossEntropy(), seed=0)
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder, "iris.h")
...     to_c(network, path, name="iris")
...     "void iris_predict(const float *x, float *y)" in path.read_text()
True
"""

from densenet.exchange.c import to_c
from densenet.exchange.onnx import to_onnx
from densenet.exchange.sklearn import from_sklearn, to_sklearn
from densenet.exchange.table_c import table_to_c
from densenet.exchange.table_onnx import table_to_onnx
from densenet.exchange.torch import load_state_dict, state_dict

__all__ = [
    "from_sklearn",
    "load_state_dict",
    "state_dict",
    "table_to_c",
    "table_to_onnx",
    "to_c",
    "to_onnx",
    "to_sklearn",
]
