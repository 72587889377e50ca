"""Weights to and from a fitted multilayer perceptron of scikit-learn.

In scikit-learn all hidden layers have the same activation, and the activation of the outputs is
part of the loss. Here it is part of `SoftmaxCrossEntropy` and `BinaryCrossEntropy`: a network with
one of them ends at the logits.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._activations import ACTIVATIONS
from densenet._extras import require
from densenet._typing import Array
from densenet.exchange._common import check_network, describe_layer
from densenet.layers import Dropout, Identity, Layer, Linear, Softmax
from densenet.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from densenet.network import Network

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

__all__ = ["from_sklearn", "to_sklearn"]

_LAYERS: dict[str, type[Layer]] = {
    entry.sklearn: entry.layer for entry in ACTIVATIONS.values() if entry.sklearn
}
_LOSSES: dict[str, type[Loss]] = {
    "softmax": SoftmaxCrossEntropy,
    "logistic": BinaryCrossEntropy,
    "identity": MeanSquaredError,
}


def from_sklearn(
    mlp: "MLPClassifier | MLPRegressor",
    *,
    backend: Literal["compiled", "reference"] = "compiled",
) -> Network:
    """Make a network of a fitted ``MLPClassifier`` or ``MLPRegressor``.

    A classifier's network predicts class indices: ``mlp.classes_[network.predict(x)]`` equals
    ``mlp.predict(x)``. For two classes it has one output, whose probability is that of the second
    class. The penalty and the optimizer are left out.

    Parameters
    ----------
    mlp : MLPClassifier or MLPRegressor
        Must be fitted. Not modified. Its element type becomes the network's.
    backend : "compiled" or "reference"
        As in `Network`.

    Returns
    -------
    Network
        With `SoftmaxCrossEntropy` for several classes, `BinaryCrossEntropy` for two classes and for
        several labels, `MeanSquaredError` for values.

    Raises
    ------
    TypeError
        If `mlp` is neither an MLPClassifier nor an MLPRegressor.
    ValueError
        If it is not fitted, or is a regressor with ``loss="poisson"``: no layer computes the
        exponential of its outputs.
    ImportError
        If scikit-learn is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neural_network import MLPClassifier
    >>> from densenet.exchange import from_sklearn
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> mlp = MLPClassifier((8,), solver="lbfgs", random_state=0).fit(x, ["a", "b", "b", "a"])
    >>> network = from_sklearn(mlp)
    >>> mlp.classes_[network.predict(x)].tolist() == mlp.predict(x).tolist()
    True
    """
    _checks.choice("backend", backend, ("compiled", "reference"))
    partner = _partner("from_sklearn")
    if not isinstance(mlp, partner.MLPClassifier | partner.MLPRegressor):
        raise TypeError(
            f"mlp: expected an MLPClassifier or MLPRegressor, got {_checks.describe(mlp)}"
        )
    if not hasattr(mlp, "coefs_"):
        raise ValueError("mlp: expected a fitted one, got one without coefs_")
    if mlp.out_activation_ not in _LOSSES:
        raise ValueError(
            f"mlp: expected {', '.join(_LOSSES)} as the activation of its outputs, "
            f"got {mlp.out_activation_}, for which there is no layer"
        )
    layers: list[Layer] = []
    for weight in mlp.coefs_:
        layers += [Linear(*weight.shape), _LAYERS[mlp.activation]()]
    loss = _LOSSES[mlp.out_activation_]()
    network = Network(layers[:-1], loss, dtype=mlp.coefs_[0].dtype, backend=backend)
    parameters = network.parameters
    for index, (weight, bias) in enumerate(zip(mlp.coefs_, mlp.intercepts_, strict=True)):
        parameters[f"{2 * index}.weight"][...] = weight.T
        parameters[f"{2 * index}.bias"][...] = bias
    return network


def to_sklearn(
    network: Network, classes: npt.ArrayLike | None = None
) -> "MLPClassifier | MLPRegressor":
    """Make a fitted ``MLPClassifier`` or ``MLPRegressor`` of a network.

    Dropout and `Identity` are left out. scikit-learn has one output for two classes: two outputs of
    a softmax become their difference. A later ``partial_fit`` goes on from these weights, by
    scikit-learn's rules.

    Parameters
    ----------
    network : Network
        `Linear` layers with the same activation after each but the last: `Identity`, `Sigmoid`,
        `Tanh` or `ReLU`. Not modified.
    classes : array of shape (classes,), optional
        Names of the classes, in ascending order; by default 0, 1, ..., or -1 and 1 for
        `LogisticLoss`. None where the network predicts values or several labels.

    Returns
    -------
    MLPClassifier or MLPRegressor
        A classifier where the loss is on classes. Several outputs of `BinaryCrossEntropy` are
        labels, of which a row may have any number. Its `n_iter_` and `loss_curve_` are of one step
        without meaning.

    Raises
    ------
    TypeError
        If `network` is not a Network.
    ValueError
        If scikit-learn cannot have the layers or the outputs of the network, or `classes` are not
        as many as it needs, in ascending order.
    ImportError
        If scikit-learn is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, Network, ReLU, SoftmaxCrossEntropy
    >>> from densenet.exchange import to_sklearn
    >>> network = Network([Linear(4, 8), ReLU(), Linear(8, 3)], SoftmaxCrossEntropy(), seed=0)
    >>> mlp = to_sklearn(network, classes=["setosa", "versicolor", "virginica"])
    >>> x = np.array([[5.1, 3.5, 1.4, 0.2]], np.float32)
    >>> bool(np.allclose(mlp.predict_proba(x), network.predict_proba(x)))
    True
    """
    check_network(network)
    partner = _partner("to_sklearn")
    layers, loss = network.layers, network.loss_function
    predicts = loss.predicts if isinstance(loss, Loss) else "values"
    if isinstance(loss, CrossEntropy):
        if not isinstance(layers[-1], Softmax):
            raise ValueError(f"network: expected Softmax last, got {describe_layer(layers[-1])}")
        layers = layers[:-1]
    names, activation = _chain(layers)
    y = _targets(predicts, network.outputs, classes)
    parameters = network.parameters
    weights = [parameters[f"{name}.weight"].T for name in names]
    biases = [parameters.get(f"{name}.bias", np.zeros(1)) for name in names]
    if predicts == "classes" and len(y) == 2:
        weights[-1] = np.diff(weights[-1])
        biases[-1] = np.diff(np.broadcast_to(biases[-1], 2))

    sizes = [weight.shape[1] for weight in weights[:-1]]
    make = partner.MLPRegressor if predicts == "values" else partner.MLPClassifier
    mlp = make(hidden_layer_sizes=sizes, activation=activation, random_state=0)
    # This step makes scikit-learn create all attributes of a fitted one; its result is overwritten.
    known = {} if predicts == "values" else {"classes": y if y.ndim == 1 else np.arange(len(y))}
    mlp.partial_fit(np.zeros((len(y), network.inputs), network.dtype), y, **known)
    del mlp._optimizer  # it remembers that step's gradient; `partial_fit` makes a new one
    for own, given in zip(mlp.coefs_ + mlp.intercepts_, weights + biases, strict=True):
        own[...] = given
    return mlp


def _targets(predicts: str, outputs: int, classes: npt.ArrayLike | None) -> Array:
    """Make targets from which scikit-learn learns what it has to predict."""
    several = predicts == "bits" and outputs > 1
    if several or predicts == "values":
        if classes is not None:
            raise ValueError("classes: expected None for values and several labels, got some")
        if several:
            return np.eye(outputs, dtype=int)
        return np.zeros(2) if outputs == 1 else np.zeros((2, outputs))
    if (outputs == 1) == (predicts == "classes"):
        wanted = "two outputs or more" if outputs == 1 else "one output"
        raise ValueError(f"network: expected {wanted} with this loss, got {outputs}")
    count = max(outputs, 2)
    if classes is None:
        return np.array([-1, 1]) if predicts == "signs" else np.arange(count)
    names = _checks.as_array("classes", classes)
    if names.shape != (count,) or not _ascend(names):
        raise ValueError(f"classes: expected {count} names in ascending order, got {classes}")
    return names


def _ascend(names: Array) -> bool:
    """Tell whether names can be sorted, and ascend without repetition."""
    try:
        return names.dtype.kind in "biufUSO" and np.array_equal(names, np.unique(names))
    except TypeError:  # a text beside a number
        return False


def _partner(caller: str) -> Any:
    require(caller, "sklearn", "scikit-learn")
    from sklearn import neural_network

    return neural_network


def _chain(layers: Sequence[Layer]) -> tuple[list[str], str]:
    """Give the numbers of the linear layers as in parameter names, and their common activation."""
    of = {layer: name for name, layer in _LAYERS.items()}
    names: list[str] = []
    activations: list[str] = []  # after each linear layer
    for index, layer in enumerate(layers):
        if isinstance(layer, Linear):
            names.append(str(index))
            activations.append("identity")
        elif names and activations[-1] == "identity" and type(layer) in of:
            activations[-1] = of[type(layer)]
        elif not isinstance(layer, Identity | Dropout):
            raise ValueError(
                f"network: expected Linear layers with Identity, Sigmoid, Tanh or ReLU between "
                f"them, got {describe_layer(layer)} as layer {index}"
            )
    if not activations or activations[-1] != "identity":
        raise ValueError(f"network: expected Linear last, got {describe_layer(layers[-1])}")
    if len(set(activations[:-1])) > 1:
        raise ValueError(
            f"network: expected one activation, got {', '.join(sorted(set(activations[:-1])))}"
        )
    return names, activations[0]
