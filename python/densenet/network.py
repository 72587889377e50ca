"""A network: its layers and loss, and all of its state in arrays that the user can see."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from densenet import _checks, training
from densenet._engine import Engine, Examples, PlannedLayer, Steps
from densenet._layout import Layout, aligned
from densenet._typing import Array
from densenet.initializers import INITIALIZERS
from densenet.layers import Layer, Linear
from densenet.losses import Loss
from densenet.optimizers import SGD, Adam, Optimizer, RMSprop

_ROWS_AT_ONCE = 8192  # of a data set whose loss is measured


class _OptimizerState(NamedTuple):
    """What an optimizer has learned: one array like `flat` for each of its moments."""

    rule: type[Optimizer]
    arrays: dict[str, Array]
    step: int


class Plan(tuple[PlannedLayer, ...]):
    """How each layer is computed; prints as a table."""

    def __str__(self) -> str:
        rows = [PlannedLayer._fields, *self]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )


class Network:
    """A dense network with a loss.

    Parameters
    ----------
    layers : sequence of layers
        `Linear` and activations; the widths must fit together.
    loss : loss
        What training minimises.
    dtype : "float32" or "float64"
        Of parameters, moments and arithmetic. Reported losses are summed in float64.
    seed : int, optional
        Of the initial weights and, unless `fit` is given one, of the order of the rows.
    backend : "compiled" or "reference"
        C++, or its twin in NumPy.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these or the widths do not fit.
    ImportError
        If the compiled core is asked for and missing.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Adam, Linear, Network, Sigmoid, SoftmaxCrossEntropy
    >>> x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> y = np.array([0, 1, 1, 0])  # exclusive or
    >>> network = Network(
    ...     [Linear(2, 8), Sigmoid(), Linear(8, 2)], SoftmaxCrossEntropy(), seed=1
    ... )
    >>> history = network.fit(x, y, epochs=400, batch_size=4, optimizer=Adam(lr=0.05))
    >>> network.predict(x)
    array([0, 1, 1, 0])
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: Loss,
        *,
        dtype: npt.DTypeLike = "float32",
        seed: int | None = None,
        backend: Literal["compiled", "reference"] = "compiled",
    ) -> None:
        self.layers = tuple(layers)
        if not isinstance(loss, Loss):
            raise TypeError(f"loss: expected a loss, got {type(loss).__name__}")
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype: expected float32 or float64, got {dtype}")
        self.loss_function = loss
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.backend = backend
        self._layout = Layout(self.layers)
        self._rng = np.random.default_rng(seed)
        self._flat = aligned(self._layout.size, self.dtype)
        for place, views in self._weights():
            assert isinstance(place.layer, Linear)
            draw = INITIALIZERS[place.layer.init]
            views[...] = draw(self._rng, place.inputs, place.outputs)
        self._state: _OptimizerState | None = None
        self._engine = self._make_engine()

    def _weights(self) -> Iterable[Any]:
        for place in self._layout.places:
            if place.weight:
                yield place, place.weight.view(self._flat)

    def _make_engine(self) -> Engine:
        if self.backend == "compiled":
            from densenet._compiled import CompiledEngine

            return CompiledEngine(self._layout, self.loss_function, self.dtype)
        if self.backend == "reference":
            from densenet.reference.network import ReferenceEngine

            return ReferenceEngine(self._layout, self.loss_function, self.dtype)
        raise ValueError(f"backend: expected 'compiled' or 'reference', got {self.backend!r}")

    # ---- state -----------------------------------------------------------------------------------

    @property
    def flat(self) -> Array:
        """All parameters as one vector, live and writeable."""
        return self._flat

    @property
    def parameters(self) -> dict[str, Array]:
        """Each parameter by name, as a live view of `flat`.

        Names and shapes are those of ``torch.nn.Sequential``: ``"0.weight"`` has the shape
        (outputs, inputs).
        """
        return self._layout.views(self._flat)

    @property
    def n_parameters(self) -> int:
        """Number of all elements of all parameters."""
        return self._layout.size

    @property
    def optimizer_state(self) -> dict[str, Any]:
        """The optimizer's steps and moments, live arrays laid out like `flat`; empty before any."""
        if self._state is None:
            return {}
        return {"step": self._state.step, **self._state.arrays}

    def reset_optimizer(self) -> None:
        """Forget the optimizer's state; the next step starts anew."""
        self._state = None

    def _state_for(self, optimizer: Optimizer) -> _OptimizerState:
        """Give the state that this optimizer goes on with: new where the rule's class changed."""
        if not isinstance(optimizer, SGD | RMSprop | Adam):
            raise TypeError(f"optimizer: expected an optimizer, got {type(optimizer).__name__}")
        state = self._state
        if state is not None and state.rule is not type(optimizer):
            warnings.warn(
                f"the state of {state.rule.__name__} is discarded: training goes on with "
                f"{type(optimizer).__name__}",
                stacklevel=3,
            )
            state = None
        if state is None:
            state = _OptimizerState(type(optimizer), {}, 0)
        missing = [name for name in optimizer.states if name not in state.arrays]
        new = {name: aligned(self.n_parameters, self.dtype) for name in missing}
        return state._replace(arrays=state.arrays | new)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_engine"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self._flat = self._own(self._flat)
        if self._state is not None:
            arrays = {name: self._own(array) for name, array in self._state.arrays.items()}
            self._state = self._state._replace(arrays=arrays)
        self._engine = self._make_engine()

    def _own(self, array: Array) -> Array:
        copy = aligned(array.size, self.dtype)
        copy[...] = array
        return copy

    def __repr__(self) -> str:
        layers = ", ".join(map(repr, self.layers))
        return (
            f"Network([{layers}], {self.loss_function!r}, dtype={self.dtype.name!r}, "
            f"backend={self.backend!r})"
        )

    # ---- passes ----------------------------------------------------------------------------------

    def forward(self, x: npt.ArrayLike, training: bool = False) -> Array:
        """Compute the output of the last layer.

        Parameters
        ----------
        x : array of shape (batch, inputs)
            float32, float64, integers or bool, of any strides; never modified.
        training : bool
            Whether layers that behave differently in training do so.

        Returns
        -------
        array of shape (batch, outputs)
            Logits, where the loss is a cross-entropy on logits.

        Raises
        ------
        TypeError
            If `x` does not hold real numbers.
        ValueError
            If the shape of `x` does not fit.
        """
        return self._engine.forward(self._flat, _checks.inputs(x, self._layout.inputs))

    def backward(self, x: npt.ArrayLike, dy: Array) -> tuple[Array, dict[str, Array]]:
        """Differentiate through the network, for a loss of one's own.

        Parameters
        ----------
        x : array of shape (batch, inputs)
        dy : array of shape (batch, outputs)
            Gradient of the loss with respect to ``forward(x)``, of the network's element type.

        Returns
        -------
        dx : array of shape (batch, inputs)
        gradients : dict
            For each name in `parameters`, an array of that shape.

        Raises
        ------
        TypeError, ValueError
            If an element type or a shape does not fit.
        """
        x = _checks.inputs(x, self._layout.inputs)
        dy = _checks.matching("dy", dy, (len(x), self._layout.outputs), self.dtype)
        dflat, dx = np.empty_like(self._flat), np.empty(x.shape, self.dtype)
        self._engine.backward(self._flat, x, dy, dflat, dx)
        return dx, self._layout.views(dflat)

    def predict_proba(self, x: npt.ArrayLike) -> Array:
        """Compute the probability of each class for each row, (batch, classes)."""
        return self._engine.probabilities(self.forward(x))

    def predict(self, x: npt.ArrayLike) -> Array:
        """Give the most probable class of each row, (batch,), int64."""
        classes: Array = self.forward(x).argmax(axis=1)
        return classes

    # ---- loss and gradients ----------------------------------------------------------------------

    def _examples(
        self, x: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Examples:
        x = _checks.inputs(x, self._layout.inputs)
        targets = _checks.class_targets(np.asarray(y), len(x), self._layout.outputs, self.dtype)
        if sample_weight is None:
            return Examples(x, targets)
        return Examples(x, targets, _checks.weights(sample_weight, len(x)))

    def loss(
        self, x: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> float:
        """Measure the loss on rows that need not fit a batch.

        Parameters
        ----------
        x : array of shape (batch, inputs)
        y : array of shape (batch,) or (batch, classes)
            Class indices, or rows of probabilities.
        sample_weight : array of shape (batch,), optional
            Finite and >= 0.

        Returns
        -------
        float
            ``Σ w_i l_i / Σ w_i``; 0 where all weights are 0.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit.
        """
        examples = self._examples(x, y, sample_weight)
        sums, total = 0.0, 0.0
        for begin in range(0, len(examples.x), _ROWS_AT_ONCE):
            part = slice(begin, begin + _ROWS_AT_ONCE)
            outputs = self._engine.forward(self._flat, examples.x[part])
            targets, weights = examples.targets[part], None
            weight = float(len(outputs))
            if examples.sample_weight is not None:
                weights = examples.sample_weight[part]
                weight = float(weights.sum())
            if targets.ndim == 2:
                targets = targets.astype(self.dtype)
            sums += weight * self._engine.loss(outputs, targets, weights)
            total += weight
        return sums / total if total > 0 else 0.0

    def gradients(
        self, x: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> tuple[float, dict[str, Array]]:
        """Compute the loss of one batch and its gradient, a fresh array for each parameter.

        Parameters and errors are those of `loss`.
        """
        dflat = np.empty_like(self._flat)
        examples = self._examples(x, y, sample_weight)
        loss = self._engine.gradients(self._flat, examples, dflat, None)
        return loss, self._layout.views(dflat)

    def input_gradient(self, x: npt.ArrayLike, y: npt.ArrayLike) -> Array:
        """Compute the gradient of the loss with respect to x, (batch, inputs)."""
        examples = self._examples(x, y)
        dx = np.empty(examples.x.shape, self.dtype)
        self._engine.gradients(self._flat, examples, None, dx)
        return dx

    def value_and_gradient(
        self, flat: Array, x: npt.ArrayLike, y: npt.ArrayLike
    ) -> tuple[float, Array]:
        """Compute loss and gradient at other parameters, in the form that scipy's optimizers want.

        Parameters
        ----------
        flat : array of shape (n_parameters,)
            Laid out like `Network.flat`, of any real element type; the network's own parameters
            are neither used nor changed.
        x, y
            As in `loss`.

        Returns
        -------
        loss : float
        gradient : array of shape (n_parameters,), float64
        """
        point = aligned(self.n_parameters, self.dtype)
        point[...] = _checks.vector("flat", flat, self.n_parameters)
        gradient = np.empty_like(point)
        loss = self._engine.gradients(point, self._examples(x, y), gradient, None)
        return loss, gradient.astype(np.float64)

    # ---- training --------------------------------------------------------------------------------

    def train_step(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        optimizer: Optimizer,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Take one step of the optimizer on one batch.

        Parameters
        ----------
        x, y, sample_weight
            As in `loss`.
        optimizer : optimizer
            Its state is the network's: kept while the class of the rule stays, discarded with a
            warning where it changes.

        Returns
        -------
        float
            The loss before the step.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit; nothing has changed then.
        """
        examples = self._examples(x, y, sample_weight)
        batch_loss, lr = np.zeros(1), np.array([optimizer.lr])
        self._run(examples, optimizer, None, len(examples.x), 0, lr, batch_loss)
        return float(batch_loss[0])

    def _run(
        self,
        examples: Examples,
        optimizer: Optimizer,
        order: Array | None,
        batch_size: int,
        first: int,
        lr: Array,
        batch_loss: Array,
        progress: training.Progress | None = None,
    ) -> None:
        """Take one step for each learning rate; raise what a signal or `progress` raised."""
        self._state = state = self._state_for(optimizer)
        outcome = self._engine.train(
            self._flat,
            [state.arrays[name] for name in optimizer.states],
            optimizer,
            examples,
            Steps(order, batch_size, first, state.step, lr),
            batch_loss,
            progress,
        )
        self._state = state._replace(step=state.step + outcome.steps)
        if outcome.error is not None:
            raise outcome.error

    def fit(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        epochs: int = 10,
        batch_size: int = 128,
        optimizer: Optimizer | None = None,
        validation_data: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        metrics: Sequence[training.Metric] = (),
        shuffle: bool = True,
        drop_last: bool = False,
        callbacks: Sequence[training.Callback] = (),
        progress: bool = False,
        sample_weight: npt.ArrayLike | None = None,
        seed: int | None = None,
    ) -> training.History:
        """Train for a number of epochs; a further call goes on from there.

        Parameters
        ----------
        x, y, sample_weight
            As in `loss`. Rows are converted to the network's element type batch by batch.
        epochs : int
            How often every row is seen.
        batch_size : int
            Rows of a step. The last step of an epoch has what is left.
        optimizer : optimizer, optional
            `Adam` by default. Its state is the network's.
        validation_data : (x, y), optional
            Rows whose loss and metrics are measured after each epoch.
        metrics : sequence of functions ``f(y_true, y_pred) -> float``
            Measured on the validation data, under ``"val_" + f.__name__``.
        shuffle : bool
            Whether each epoch has an order of its own.
        drop_last : bool
            Whether a last, shorter step is left out.
        callbacks : sequence of `Callback`
            Told of each epoch; may stop the training.
        progress : bool
            Whether to show a bar, on a terminal (needs tqdm).
        seed : int, optional
            Of the order of the rows; without one, the network's generator goes on.

        Returns
        -------
        History

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit; nothing has changed then.
        """
        return training.fit(
            self,
            x,
            y,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=Adam() if optimizer is None else optimizer,
            validation_data=validation_data,
            metrics=metrics,
            shuffle=shuffle,
            drop_last=drop_last,
            callbacks=callbacks,
            progress=progress,
            sample_weight=sample_weight,
            seed=seed,
        )

    def plan(self) -> Plan:
        """Tell how each layer is computed."""
        return Plan(self._engine.plan())


def check_gradients(
    network: Network, x: npt.ArrayLike, y: npt.ArrayLike, *, step: float = 1e-5
) -> float:
    """Compare a network's gradient with central differences, in float64.

    Parameters
    ----------
    network : Network
        Not modified; a copy in float64 with the same backend is differentiated.
    x, y
        As in `Network.loss`; few rows are enough.
    step : float
        Of the differences ``(L(w + h) - L(w - h)) / 2h``.

    Returns
    -------
    float
        The largest error over the parameters, relative to the larger of the two values, or to a
        thousandth of the gradient's largest element where both are smaller than that.
    """
    twin = Network(network.layers, network.loss_function, dtype=np.float64, backend=network.backend)
    twin.flat[...] = network.flat
    _, gradient = twin.value_and_gradient(twin.flat, x, y)
    numeric = np.empty_like(gradient)
    for i, value in enumerate(twin.flat.tolist()):
        twin.flat[i] = value + step
        above = twin.loss(x, y)
        twin.flat[i] = value - step
        below = twin.loss(x, y)
        twin.flat[i] = value
        numeric[i] = (above - below) / (2 * step)
    size = np.maximum(np.abs(gradient), np.abs(numeric))
    floor = max(1e-3 * float(size.max()), float(np.finfo(np.float64).tiny))
    return float(np.max(np.abs(gradient - numeric) / np.maximum(size, floor)))
