"""Export to ONNX, the Open Neural Network Exchange.

ONNX stores an operator's settings in float32, and onnxruntime computes some operators in float32
alone. In a float64 network basic operators take their place, so that it predicts in float64.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._activations import ACTIVATIONS
from densenet._extras import require
from densenet._typing import Array
from densenet._version import __version__
from densenet.exchange._common import (
    batch_norm_scale,
    check_network,
    describe_layer,
    probability_layer,
)
from densenet.layers import (
    Activation,
    BatchNorm,
    Dropout,
    Layer,
    LayerNorm,
    Linear,
    Residual,
    Softmax,
)
from densenet.losses import Loss
from densenet.network import Network

__all__ = ["model", "to_onnx"]

_OPSET = 13  # onnx 1.8; the first in which Softmax runs along one axis
_IR_VERSION = 7  # onnx 1.8, too
_LIMIT = 2**31 - 2**20  # bytes of weights: a protobuf message may have 2 GiB; the rest is short


def to_onnx(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network's prediction as an ONNX model (operator set 13).

    Its input ``"inputs"`` has the shape (batch, inputs) for any batch, and the network's element
    type. Its outputs are ``"outputs"``, as `Network.forward` gives them, and ``"probabilities"``,
    as `Network.predict_proba` does, where the loss has any. Dropout, which prediction skips, is
    left out.

    Parameters
    ----------
    network : Network
    path : path of the file

    Raises
    ------
    TypeError
        If `network` is not a Network or has a layer that is not in `densenet.layers`, or `path` is
        not a path.
    OSError
        If the file cannot be written.
    ValueError
        If the weights take 2 GiB or more, which an ONNX file cannot hold.
    ImportError
        If the package onnx is not installed.

    Notes
    -----
    The program that runs the model chooses the precision. OpenVINO 2026.4 computes a float64 model
    in float32 and, its documentation says, any model in bfloat16 (two or three digits) on
    processors that have it, unless ``INFERENCE_PRECISION_HINT`` is set to ``"f32"``.

    Examples
    --------
    >>> import tempfile
    >>> import onnxruntime
    >>> import numpy as np
    >>> from densenet import Linear, Network, SoftmaxCrossEntropy
    >>> from densenet.exchange import to_onnx
    >>> network = Network([Linear(4, 3)], SoftmaxCrossEntropy(), seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_onnx(network, f"{folder}/iris.onnx")
    ...     session = onnxruntime.InferenceSession(f"{folder}/iris.onnx")
    >>> x = np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)
    >>> (probabilities,) = session.run(["probabilities"], {"inputs": x})
    >>> bool(np.allclose(probabilities, network.predict_proba(x)))
    True
    """
    check_network(network)
    file = Path(_checks.path_to_write("path", path))
    file.write_bytes(model(network).SerializeToString())


def model(network: Network) -> Any:
    """Build what `to_onnx` writes: an ``onnx.ModelProto``.

    Examples
    --------
    >>> from densenet import Linear, Network, ReLU, SoftmaxCrossEntropy
    >>> from densenet.exchange.onnx import model
    >>> made = model(Network([Linear(4, 8), ReLU(), Linear(8, 3)], SoftmaxCrossEntropy(), seed=0))
    >>> [node.op_type for node in made.graph.node]
    ['Gemm', 'Relu', 'Gemm', 'Softmax']
    """
    check_network(network)
    check_size(network)
    onnx = import_onnx("to_onnx")
    graph = Graph(onnx, network.dtype)
    layers = Layers(graph, network)
    graph.name(layers.outputs("inputs"), "outputs")
    results = ["outputs"]
    probabilities = layers.probabilities("outputs")
    if probabilities is not None:
        graph.name(probabilities, "probabilities")
        results.append("probabilities")

    def rows(name: str, width: int) -> Any:
        return graph.rows(name, network.dtype, width)

    loss = network.loss_function
    return graph.model(
        [rows("inputs", network.inputs)],
        [rows(name, network.outputs) for name in results],
        {"loss": repr(loss) if isinstance(loss, Loss) else type(loss).__name__},
        doc_string=", ".join(map(describe_layer, network.layers)),
    )


def check_size(*networks: Network) -> None:
    """Raise ValueError if a file cannot hold the weights of networks."""
    size = sum(network.flat.nbytes for network in networks)
    if size > _LIMIT:
        raise ValueError(f"network: expected at most {_LIMIT} bytes of weights, got {size}")


def import_onnx(who: str) -> Any:
    """Import onnx for a function of the name `who`."""
    require(who, "onnx", "onnx")
    import onnx

    return onnx


class Graph:
    """Collects the nodes and constants of a graph. A value is known by its name.

    Bare numbers become constants of `dtype`. The names of nodes and constants begin with `prefix`.
    """

    def __init__(self, onnx: Any, dtype: np.dtype[Any], prefix: str = "") -> None:
        self.dtype = dtype
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._onnx = onnx

    def add(
        self, op: str, *inputs: str | float | Array, output: str = "", **attributes: Any
    ) -> str:
        """Append a node; give the name of its output. Numbers among the inputs become constants."""
        output = output or f"{self.prefix}{op}_{len(self.nodes)}"
        names = [
            value if isinstance(value, str) else self.constant(f"{output}.{index}", value)
            for index, value in enumerate(inputs)
        ]
        node = self._onnx.helper.make_node(op, names, [output], name=output, **attributes)
        self.nodes.append(node)
        return output

    def name(self, value: str, result: str) -> None:
        """Make a value a result of the model, under this name.

        The value's node takes the name. Only where the value is the result "outputs" already, an
        Identity node gives it a second name.
        """
        if value == "outputs":
            self.add("Identity", value, output=result)
            return
        (node,) = (node for node in self.nodes if value in node.output)
        node.output[0] = node.name = result

    def cast(self, x: str, dtype: npt.DTypeLike) -> str:
        """Append a conversion to another type."""
        return self.add("Cast", x, to=self._type(dtype))

    def constant(self, name: str, value: float | Array) -> str:
        """Append a constant: a bare number in the graph's type, an array in its own."""
        array = value if isinstance(value, np.ndarray) else np.array(value, self.dtype)
        self.constants.append(
            self._onnx.numpy_helper.from_array(np.asarray(array, order="C"), name)
        )
        return name

    def rows(self, name: str, dtype: npt.DTypeLike, *width: int) -> Any:
        """Describe an input or a result of the model, of shape (batch, width) or (batch,)."""
        shape = ["batch", *width]
        return self._onnx.helper.make_tensor_value_info(name, self._type(dtype), shape)

    def model(
        self, inputs: list[Any], outputs: list[Any], about: Mapping[str, str], doc_string: str
    ) -> Any:
        """Make the model of all that was appended; `about` becomes its metadata."""
        helper = self._onnx.helper
        made = helper.make_model(
            helper.make_graph(self.nodes, "network", inputs, outputs, self.constants),
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="densenet",
            producer_version=__version__,
            doc_string=doc_string,
        )
        helper.set_model_props(made, dict(about))
        return made

    def _type(self, dtype: npt.DTypeLike) -> int:
        number: int = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return number


class Layers:
    """Appends a network's layers to a graph of its type.

    `prefix` begins the names of parameters, after the graph's own.
    """

    def __init__(self, graph: Graph, network: Network, prefix: str = "") -> None:
        self.network = network
        self.wide = network.dtype == np.float64
        self.add = graph.add
        self.constant = graph.constant
        self.prefix = graph.prefix + prefix
        self._arrays = network.parameters | network.running_moments

    def outputs(self, x: str) -> str:
        """Append all layers; give the name of the last one's output."""
        return self.layers(self.network.layers, "", x)

    def probabilities(self, outputs: str) -> str | None:
        """Append the layer that makes probabilities of outputs; None if the loss has none."""
        last = probability_layer(self.network.loss_function)
        return None if last is None else self.layer(last, "", outputs)

    def array(self, name: str) -> str:
        """Append a parameter or a running moment; give its name."""
        return self.constant(f"{self.prefix}{name}", self._arrays[name])

    def layers(self, layers: Sequence[Layer], prefix: str, x: str) -> str:
        """Append a sequence of layers; give the name of the last one's output."""
        for index, layer in enumerate(layers):
            x = self.layer(layer, f"{prefix}{index}", x)
        return x

    def layer(self, layer: Layer, name: str, x: str) -> str:
        """Append a layer; give the name of its output."""
        add = self.add
        match layer:
            case Dropout():
                return x
            case Linear():
                names = [f"{name}.weight", f"{name}.bias"][: 1 + layer.bias]
                return add("Gemm", x, *map(self.array, names), transB=1)
            case Residual():
                return add("Add", x, self.layers(layer.layers, f"{name}.", x))
            case BatchNorm():
                scale = batch_norm_scale(self.network, name, layer)
                centred = add("Sub", x, self.array(f"{name}.running_mean"))
                return add("Add", add("Mul", centred, scale), self.array(f"{name}.bias"))
            case LayerNorm():
                scaled = add("Mul", self._standardized(x, layer.eps), self.array(f"{name}.weight"))
                return add("Add", scaled, self.array(f"{name}.bias"))
            case Softmax():
                return add("Softmax", x, axis=-1)
            case Activation() if layer.kind in ACTIVATIONS:
                entry = ACTIVATIONS[layer.kind]
                write = (entry.onnx_float64 if self.wide else None) or entry.onnx
                return write(add, x, **layer.settings())
        raise TypeError(f"network: expected layers of densenet.layers, got {layer!r} at {name}")

    def _standardized(self, x: str, eps: float) -> str:
        """``(x - mean) / √(variance + ε)`` of each row.

        Not ONNX's LayerNormalization: onnxruntime 1.23 takes ``mean(x²) - mean²`` as its variance,
        which loses all digits where the mean is large.
        """
        add = self.add
        centred = add("Sub", x, add("ReduceMean", x, axes=[-1]))
        variance = add("ReduceMean", add("Mul", centred, centred), axes=[-1])
        return add("Div", centred, add("Sqrt", add("Add", variance, eps)))
