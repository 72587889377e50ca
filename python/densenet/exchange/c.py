"""Export to C: one header that needs nothing but the standard ``<math.h>``.

The C code computes one row at a time, in the network's element type. The innermost loop of a linear
layer runs over the outputs, and compilers turn it into vector instructions.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np

from densenet import _checks
from densenet._activations import ACTIVATIONS
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
    Identity,
    Layer,
    LayerNorm,
    Linear,
    Residual,
    Softmax,
)
from densenet.network import Network

__all__ = ["header", "to_c"]

_NUMBERS_PER_LINE = 6

_HEADER = """\
/* $name: a dense neural network with $inputs inputs and $outputs outputs, in $real.

       $real x[${NAME}_INPUTS] = {0}, y[${NAME}_OUTPUTS];
       ${name}_predict(x, y);

   ${name}_forward gives the outputs of the last layer, ${name}_predict gives $gives.
   Any number of threads may call them at once: they write y, and $scratch bytes of stack.

   C99 or C++17, with <math.h> alone (link with -lm). Written by densenet $version. */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <math.h>

enum { ${NAME}_INPUTS = $inputs, ${NAME}_OUTPUTS = $outputs };

/* ---- parameters: a weight has one row for each input ---- */

$arrays
/* ---- layers ---- */

$functions
/* ---- the network ---- */

static inline void ${name}_forward(const $real *x, $real *y) {
${buffers}${forward}}

static inline void ${name}_predict(const $real *x, $real *y) {
  ${name}_forward(x, y);
${predict}}

/* x has the shape (rows, ${NAME}_INPUTS) and y (rows, ${NAME}_OUTPUTS). */
static inline void ${name}_predict_batch(const $real *x, $real *y, long rows) {
  for (; rows > 0; --rows, x += ${NAME}_INPUTS, y += ${NAME}_OUTPUTS) ${name}_predict(x, y);
}

#endif
"""

# Each function works on the `n` elements of `y` in place, but for `linear` and `copy`.
_FUNCTIONS = {
    "copy": """\
static inline void ${name}_copy(const $real *x, $real *y, int n) {
  for (int i = 0; i < n; ++i) y[i] = x[i];
}
""",
    "add": """\
static inline void ${name}_add(const $real *x, $real *y, int n) {
  for (int i = 0; i < n; ++i) y[i] += x[i];
}
""",
    "linear": """\
static inline void ${name}_linear(const $real *x, const $real *weight, const $real *bias, $real *y,
    int inputs, int outputs) {
  for (int o = 0; o < outputs; ++o) y[o] = bias ? bias[o] : 0;
  for (int i = 0; i < inputs; ++i, weight += outputs) {
    const $real x_i = x[i];
    for (int o = 0; o < outputs; ++o) y[o] += x_i * weight[o];
  }
}
""",
    "softmax": """\
static inline void ${name}_softmax($real *y, int n) {
  $real highest = y[0];
  double total = 0;
  for (int i = 1; i < n; ++i) highest = y[i] > highest ? y[i] : highest;
  for (int i = 0; i < n; ++i) {
    y[i] = exp$f(y[i] - highest);
    total += (double)y[i];
  }
  for (int i = 0; i < n; ++i) y[i] = ($real)((double)y[i] / total);
}
""",
    "layer_norm": """\
static inline void ${name}_layer_norm($real *y, const $real *weight, const $real *bias, double eps,
    int n) {
  double mean = 0, variance = 0;
  for (int i = 0; i < n; ++i) mean += (double)y[i];
  mean /= n;
  for (int i = 0; i < n; ++i) variance += ((double)y[i] - mean) * ((double)y[i] - mean);
  variance /= n;
  const $real centre = ($real)mean, inverse = ($real)(1 / sqrt(variance + eps));
  for (int i = 0; i < n; ++i) y[i] = (y[i] - centre) * inverse * weight[i] + bias[i];
}
""",
    "batch_norm": """\
static inline void ${name}_batch_norm($real *y, const $real *mean, const $real *scale,
    const $real *bias, int n) {
  for (int i = 0; i < n; ++i) y[i] = (y[i] - mean[i]) * scale[i] + bias[i];
}
""",
}

_ACTIVATION = """\
static inline void ${name}_$kind($real *y, ${parameters}int n) {
  for (int i = 0; i < n; ++i) {
    const $real x = y[i];
    y[i] = $expression;
  }
}
"""


def to_c(network: Network, path: str | os.PathLike[str], name: str = "model") -> None:
    """Write a network's prediction as one header in C99, which is C++17 too.

    For the name ``model`` and a float32 network it has ``MODEL_INPUTS``, ``MODEL_OUTPUTS`` and

    - ``model_forward(const float *x, float *y)``: what `Network.forward` gives for one row;
    - ``model_predict(const float *x, float *y)``: what `Network.predict_proba` gives where the loss
      has probabilities, and otherwise the same as ``model_forward``;
    - ``model_predict_batch(const float *x, float *y, long rows)``: the same for rows, one after the
      other in memory.

    Weights are written in hexadecimal, so a compiler reads exactly the same numbers. The functions
    allocate nothing and share nothing, so any number of threads may call them. They use as much of
    the stack as the header's first lines say.

    Parameters
    ----------
    network : Network
        Its parameters and running moments must be finite.
    path : path of the file
    name : str
        The start of every name in the header: a letter, then letters, digits or ``_``.

    Raises
    ------
    TypeError
        If `network` is not a Network, or has a layer that is not in `densenet.layers`.
    ValueError
        If `name` is not a letter followed by letters, digits or ``_``, or a parameter or running
        moment is NaN or infinite.

    Notes
    -----
    Activations call functions of C99's <math.h> that some small libraries lack. avr-libc 2.0, for
    one, has no ``erfc`` for GELU and no ``expm1`` for ELU; other activations compile with it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.exchange import to_c
    >>> network = Network([Linear(4, 2)], MeanSquaredError(), seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     to_c(network, f"{folder}/plane.h", name="plane")
    ...     print(Path(folder, "plane.h").read_text().splitlines()[0])
    /* plane: a dense neural network with 4 inputs and 2 outputs, in float.
    """
    text = header(network, name)
    Path(_checks.path_to_write("path", path)).write_text(text, encoding="ascii", newline="\n")


def header(network: Network, name: str = "model") -> str:
    """Give the text that `to_c` writes.

    Examples
    --------
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.exchange.c import header
    >>> text = header(Network([Linear(2, 1)], MeanSquaredError(), seed=0), name="line")
    >>> print(text.splitlines()[0])
    /* line: a dense neural network with 2 inputs and 1 outputs, in float.
    """
    check_network(network)
    check_name(name)
    writer = Writer(network, name)
    forward, predict = writer.forward(), writer.probabilities()
    has_probabilities = probability_layer(network.loss_function) is not None
    return Template(_HEADER).substitute(
        writer.words,
        NAME=name.upper(),
        inputs=network.inputs,
        outputs=network.outputs,
        gives="probabilities" if has_probabilities else "the same",
        scratch=writer.scratch,
        version=__version__,
        arrays="\n".join(writer.arrays),
        functions="\n".join(writer.functions.values()),
        buffers=writer.declarations,
        forward=forward,
        predict=predict,
    )


def check_name(name: object) -> None:
    """Raise ValueError unless C's names may begin with `name`."""
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        raise ValueError(f"name: expected a letter, then letters, digits or _, got {name!r}")


class Writer:
    """Collects a network's arrays, functions and statements. `current` names the latest values.

    `prefix` begins the names of its arrays, after `name`.
    """

    def __init__(self, network: Network, name: str, prefix: str = "") -> None:
        self.network = network
        self.name = name
        self.prefix = prefix
        self.wide = network.dtype == np.float64
        self.real = "double" if self.wide else "float"
        self.words = {"name": name, "real": self.real, "f": "" if self.wide else "f"}
        self.arrays: list[str] = []
        self.functions: dict[str, str] = {}
        self.statements: list[str] = []
        self.buffers: dict[str, int] = {}  # name to length
        self.current = "x"
        self._values = network.parameters | network.running_moments

    @property
    def declarations(self) -> str:
        """Declarations of the buffers."""
        return "".join(f"  {self.real} {b}[{width}];\n" for b, width in self.buffers.items())

    @property
    def scratch(self) -> int:
        """Bytes of the buffers."""
        return sum(self.buffers.values()) * self.network.dtype.itemsize

    def forward(self) -> str:
        """Give the statements that compute the outputs ``y`` from the inputs ``x``."""
        self.layers(self.network.layers, "", self.network.inputs)
        self.call("copy", self.current, "y", self.network.outputs)
        return self._taken()

    def probabilities(self) -> str:
        """Give those that then make probabilities of ``y``; none if the loss has no such."""
        self.current = "y"
        last = probability_layer(self.network.loss_function)
        if last is not None:
            self.layer(last, "", self.network.outputs)
        return self._taken()

    def _taken(self) -> str:
        statements, self.statements = self.statements, []
        return "".join(statements)

    def layers(self, layers: Sequence[Layer], prefix: str, width: int, depth: int = 1) -> None:
        """Append a sequence of layers, the first of which has `width` inputs.

        Their names in the network begin with `prefix`: "" for its own layers, "2." for those within
        the Residual that is layer 2. `depth` is 1 for the network's own layers and one more within
        each Residual, which keeps its input in the buffer ``skip_<depth>``.
        """
        for index, layer in enumerate(layers):
            name = f"{prefix}{index}"
            if isinstance(layer, Residual):
                skip = self.buffer(f"skip_{depth}", width)
                self.comment(f"{name}: Residual")
                self.call("copy", self.current, skip, width)
                self.layers(layer.layers, f"{name}.", width, depth + 1)
                self.comment(f"{name}: the end of Residual")
                self.own(width)
                self.call("add", skip, self.current, width)
            else:
                self.comment(f"{name}: {describe_layer(layer)}")
                self.layer(layer, name, width)
                width = layer.outputs if isinstance(layer, Linear) else width

    def layer(self, layer: Layer, name: str, width: int) -> None:
        """Append a layer other than a Residual; `name` is its name in the network."""
        if isinstance(layer, Identity | Dropout):
            return
        if isinstance(layer, Linear):
            weight = self.array(f"{name}.weight", self._values[f"{name}.weight"].T)
            bias = self.parameter(f"{name}.bias") if layer.bias else "0"
            y = self.buffer("b" if self.current == "a" else "a", layer.outputs)
            self.call("linear", self.current, weight, bias, y, layer.inputs, layer.outputs)
            self.current = y
            return
        self.own(width)
        match layer:
            case BatchNorm():
                mean = self.parameter(f"{name}.running_mean")
                scale = self.array(f"{name}.scale", batch_norm_scale(self.network, name, layer))
                bias = self.parameter(f"{name}.bias")
                self.call("batch_norm", self.current, mean, scale, bias, width)
            case LayerNorm():
                weight, bias = self.parameter(f"{name}.weight"), self.parameter(f"{name}.bias")
                eps = literal(layer.eps)
                self.call("layer_norm", self.current, weight, bias, eps, width)
            case Softmax():
                self.call("softmax", self.current, width)
            case Activation() if layer.kind in ACTIVATIONS:
                self.activation(layer, width)
            case _:
                raise TypeError(
                    f"network: expected layers of densenet.layers, got {layer!r} at {name}"
                )

    def activation(self, layer: Activation, width: int) -> None:
        """Append an activation's function, and a call of it with the layer's settings."""
        settings = layer.settings()
        self.functions[layer.kind] = Template(_ACTIVATION).substitute(
            self.words,
            kind=layer.kind,
            parameters="".join(f"{self.real} {setting}, " for setting in settings),
            expression=Template(ACTIVATIONS[layer.kind].c).substitute(self.words),
        )
        values = [self.number(value) for value in settings.values()]
        self.call(layer.kind, self.current, *values, width)

    def own(self, width: int) -> None:
        """Copy the current values to a buffer, unless they may be overwritten where they are."""
        if self.current == "x":
            self.call("copy", "x", self.buffer("a", width), width)
            self.current = "a"

    def buffer(self, name: str, width: int) -> str:
        """Reserve a buffer of at least this width; give its name."""
        self.buffers[name] = max(width, self.buffers.get(name, 0))
        return name

    def call(self, function: str, *arguments: str | int) -> None:
        """Append a call of a function, and the function itself if it is not there yet."""
        if function in _FUNCTIONS:
            self.functions[function] = Template(_FUNCTIONS[function]).substitute(self.words)
        self.statements.append(f"  {self.name}_{function}({', '.join(map(str, arguments))});\n")

    def comment(self, text: str) -> None:
        """Append a comment."""
        self.statements.append(f"  /* {text} */\n")

    def parameter(self, name: str) -> str:
        """Append the array of a parameter or a running moment; give its name in C."""
        return self.array(name, self._values[name])

    def array(self, name: str, values: Array) -> str:
        """Append an array; give its name in C."""
        if not np.isfinite(values).all():
            raise ValueError(f"network: expected finite numbers, got NaN or infinity in {name}")
        in_c = f"{self.name}_{self.prefix}{name.replace('.', '_')}"
        numbers = [self.number(value) for value in values.ravel().tolist()]
        lines = (
            ", ".join(numbers[first : first + _NUMBERS_PER_LINE])
            for first in range(0, len(numbers), _NUMBERS_PER_LINE)
        )
        text = ",\n  ".join(lines)
        self.arrays.append(f"static const {self.real} {in_c}[{values.size}] = {{\n  {text}}};\n")
        return in_c

    def number(self, value: float) -> str:
        """Write a number in the network's element type."""
        return literal(float(self.network.dtype.type(value))) + self.words["f"]


def literal(value: float) -> str:
    """Write a double exactly, in the hexadecimal of C99."""
    digits, power = value.hex().split("p")
    return f"{digits.rstrip('0').rstrip('.')}p{power}"
