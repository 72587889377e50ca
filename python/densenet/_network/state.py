"""The public state of a network: its layers and loss, and live views of its arrays."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._engine.layout import Layout
from densenet._network import summary
from densenet._network.learner import Learner
from densenet._precision import PRECISIONS, PrecisionName
from densenet._typing import Array
from densenet.layers import Layer, Sigmoid, Softmax
from densenet.losses import BinaryCrossEntropy, CustomLoss, Loss, SoftmaxCrossEntropy

_DTYPES = ("float32", "float64", np.float32, np.float64, np.dtype("f4"), np.dtype("f8"))


class State:
    """What a network is and has learned: layers, loss, parameters, moments, random generator.

    Copies and pickles carry the arrays; named views are made on access, so that a view of a copy
    belongs to the copy.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: Loss | CustomLoss,
        *,
        dtype: npt.DTypeLike = "float32",
        seed: int | None = None,
        backend: Literal["compiled", "reference"] = "compiled",
        precision: PrecisionName = "highest",
    ) -> None:
        if not isinstance(loss, Loss | CustomLoss):
            raise TypeError(f"loss: expected a loss, got {type(loss).__name__}")
        _checks.choice("backend", backend, ("compiled", "reference"))
        seed = _checks.seed("seed", seed)
        known = isinstance(dtype, str | type | np.dtype) and any(dtype == d for d in _DTYPES)
        if not known:
            got = dtype if isinstance(dtype, str | np.dtype) else _checks.describe(dtype)
            raise ValueError(f"dtype: expected float32 or float64, got {got}")
        _checks.choice("precision", precision, tuple(PRECISIONS))
        if precision != "highest" and np.dtype(dtype) != np.float32:
            raise ValueError(f"precision: expected 'highest' with float64, got {precision!r}")
        layout = Layout(layers)
        self._layers: tuple[Layer, ...] = tuple(layout.layers)
        _refuse_double_activation(self.layers[-1], loss)
        self._learner = Learner(layout, loss, np.dtype(dtype), backend, precision, seed)

    # ---- what it is ------------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, as given. They cannot be changed afterwards.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(2, 1)], MeanSquaredError()).layers
        (Linear(inputs=2, outputs=1, bias=True, init='glorot_uniform'),)
        """
        return self._layers

    @property
    def loss_function(self) -> Loss | CustomLoss:
        """What training minimises, as given.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(2, 1)], MeanSquaredError()).loss_function
        MeanSquaredError()
        """
        return self._learner.loss

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of parameters, moments and arithmetic.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(2, 1)], MeanSquaredError()).dtype
        dtype('float32')
        """
        return self._learner.dtype

    @property
    def backend(self) -> Literal["compiled", "reference"]:
        """Which engine computes: C++, or its twin in NumPy.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(2, 1)], MeanSquaredError()).backend
        'compiled'
        """
        return self._learner.backend

    @property
    def precision(self) -> PrecisionName:
        """How exactly products are computed, as given.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(2, 1)], MeanSquaredError()).precision
        'highest'
        """
        return self._learner.precision

    @property
    def inputs(self) -> int:
        """Number of columns of `x`.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(3, 2)], MeanSquaredError()).inputs
        3
        """
        return self._learner.layout.inputs

    @property
    def outputs(self) -> int:
        """Number of columns of what `forward` gives.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(3, 2)], MeanSquaredError()).outputs
        2
        """
        return self._learner.layout.outputs

    @property
    def flat(self) -> Array:
        """All parameters as one vector, live and writeable.

        After ``flat.setflags(write=False)`` training is a ValueError; all else goes on.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(2, 1)], MeanSquaredError())
        >>> network.flat[:] = [3, 4, 0.5]
        >>> network.forward([[1, 2]])
        array([[11.5]], dtype=float32)
        """
        return self._learner.flat

    @property
    def parameters(self) -> dict[str, Array]:
        """Each parameter by name, as a live view of `flat`.

        Names and shapes are those of ``torch.nn.Sequential``: ``"0.weight"`` has the shape
        (outputs, inputs). Weights lie in memory by inputs, as a transposed array does (Fortran's
        order). Release 0.8.0 of safetensors writes the numbers of such arrays in another order,
        without a word: use `save`, or give it ``np.ascontiguousarray`` of each.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(3, 2), Linear(2, 1, bias=False)], MeanSquaredError())
        >>> {name: view.shape for name, view in network.parameters.items()}
        {'0.weight': (2, 3), '0.bias': (2,), '1.weight': (1, 2)}
        >>> network.parameters["0.weight"][0, :] = 7  # the first output's weights
        """
        return self._learner.layout.views(self._learner.flat)

    @property
    def running_moments(self) -> dict[str, Array]:
        """Each batch normalisation's running mean and variance by name, live views.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import SGD, BatchNorm, Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1, init=np.eye(1)), BatchNorm(1)], MeanSquaredError())
        >>> loss = network.train_step([[1.0], [3.0]], [0.0, 0.0], SGD())
        >>> network.running_moments["1.running_mean"]  # a tenth of the way from 0 to 2
        array([0.2], dtype=float32)
        """
        return self._learner.layout.running_views(self._learner.running)

    @property
    def n_parameters(self) -> int:
        """Number of all elements of all parameters.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(3, 2)], MeanSquaredError()).n_parameters
        8
        """
        return self._learner.layout.size

    @property
    def optimizer_state(self) -> dict[str, Any]:
        """The optimizer's count of steps and its moments; empty before the first step.

        Moments are live arrays, laid out like `flat`.

        Examples
        --------
        >>> from densenet import Adam, Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
        >>> network.optimizer_state
        {}
        >>> loss = network.train_step([[1.0]], [5.0], Adam())
        >>> network.optimizer_state["step"], network.optimizer_state["m"]
        (1, array([-1., -1.], dtype=float32))
        """
        state = self._learner.optimizer_state
        return {} if state is None else {"step": state.step, **state.moments}

    def reset_optimizer(self) -> None:
        """Forget the optimizer's moments and count.

        A callback may call this in all of its methods but `is_due`.

        Examples
        --------
        >>> from densenet import Adam, Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1)], MeanSquaredError())
        >>> loss = network.train_step([[1.0]], [5.0], Adam())
        >>> network.reset_optimizer()
        >>> network.optimizer_state
        {}

        Raises
        ------
        RuntimeError
            If another thread trains the network, or steps are being taken.
        """
        self._learner.reset_optimizer()

    # ---- copies, and the network as text ---------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_learner": self._learner.still()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._learner = self._learner.woken()

    def __repr__(self) -> str:
        # Debuggers show a network that is still being made, too.
        if "_learner" not in vars(self):
            return object.__repr__(self)
        return summary.text(self._title(), self._learner.layout)

    def _repr_html_(self) -> str:
        return summary.html(self._title(), self._learner.layout)

    def _title(self) -> str:
        loss = self.loss_function
        precision = "" if self.precision == "highest" else f", {self.precision} precision"
        # The repr of a loss of the user's own may be long, or fail.
        name = repr(loss) if isinstance(loss, Loss) else type(loss).__name__
        return (
            f"{type(self).__name__}: {self.n_parameters:,} parameters, {name}, {self.dtype.name}, "
            f"{self.backend}{precision}"
        )


def learner_of(network: State) -> Learner:
    """Hand over the part of a network that learns, to the rooms of densenet that work on it."""
    return network._learner


def _refuse_double_activation(last: Layer, loss: Loss | CustomLoss) -> None:
    """Refuse a last layer that the loss contains already."""
    pairs = ((Softmax, SoftmaxCrossEntropy), (Sigmoid, BinaryCrossEntropy))
    for layer, its_loss in pairs:
        if isinstance(last, layer) and isinstance(loss, its_loss):
            raise ValueError(
                f"layers: expected logits for {its_loss.__name__}, which applies "
                f"{layer.__name__.lower()} itself, got {layer.__name__} last: drop that layer"
            )
