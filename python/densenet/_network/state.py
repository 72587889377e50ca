"""The state of a network: arrays that the user can see, and nothing hidden in compiled memory."""

import os
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._engine.contract import Engine, Mode, Stepper
from densenet._engine.layout import Layout, aligned, moments
from densenet._engine.turn import ONE_AT_A_TIME, Turn, refused
from densenet._network import summary
from densenet._typing import Array
from densenet.initializers import INITIALIZERS
from densenet.layers import Layer, Sigmoid, Softmax
from densenet.losses import BinaryCrossEntropy, CustomLoss, Loss, SoftmaxCrossEntropy
from densenet.optimizers import Optimizer
from densenet.training.position import Position

if TYPE_CHECKING:
    from densenet.network import Network

Self = TypeVar("Self", bound="State")
_DTYPES = ("float32", "float64", np.float32, np.float64, np.dtype("f4"), np.dtype("f8"))


@dataclass  # without slots, which pickle's oldest protocols and skops cannot carry
class _OptimizerState:
    """What an optimizer has learned: one array like `flat` for each of its moments.

    ``taken``, an array of one element, counts its steps: the engine raises it with each step, so
    that no signal can come between a step and its count.
    """

    rule: type[Optimizer]
    arrays: dict[str, Array]
    taken: Array = field(default_factory=lambda: np.zeros(1, np.int64))

    @property
    def step(self) -> int:
        return int(self.taken[0])


class _Prepared(NamedTuple):
    """A step that is settled but for the batch, for this optimizer and this state."""

    stepper: Stepper
    optimizer: Optimizer
    state: _OptimizerState


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
    ) -> None:
        if not isinstance(loss, Loss | CustomLoss):
            raise TypeError(f"loss: expected a loss, got {type(loss).__name__}")
        _checks.choice("backend", backend, ("compiled", "reference"))
        seed = _checks.seed("seed", seed)
        known = isinstance(dtype, str | type | np.dtype) and any(dtype == d for d in _DTYPES)
        if not known:
            got = dtype if isinstance(dtype, str | np.dtype) else _checks.describe(dtype)
            raise ValueError(f"dtype: expected float32 or float64, got {got}")
        self._loss = loss
        self._dtype: np.dtype[Any] = np.dtype(dtype)
        self._backend = backend
        self._layout = Layout(layers)
        self._layers: tuple[Layer, ...] = tuple(self._layout.layers)
        _refuse_double_activation(self.layers[-1], loss)
        self._rng = np.random.default_rng(seed)
        self._flat = aligned(self._layout.size, self.dtype)
        self._running = aligned(self._layout.running_size, self.dtype)
        self._initialize()
        self._draws = int(self._rng.integers(2**63))  # the seed of dropout
        self._state: _OptimizerState | None = None
        self._position: Position | None = None
        self._prepared: _Prepared | None = None
        self._turn: Turn | None = None
        self._engine = self._make_engine()

    # ---- what it is ------------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, as given. What a network is made of is settled when it is made.

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
        return self._loss

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of parameters, moments and arithmetic.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(2, 1)], MeanSquaredError()).dtype
        dtype('float32')
        """
        return self._dtype

    @property
    def backend(self) -> Literal["compiled", "reference"]:
        """Which engine computes: C++, or its twin in NumPy.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(2, 1)], MeanSquaredError()).backend
        'compiled'
        """
        return self._backend

    @property
    def inputs(self) -> int:
        """Number of columns of `x`.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(3, 2)], MeanSquaredError()).inputs
        3
        """
        return self._layout.inputs

    @property
    def outputs(self) -> int:
        """Number of columns of what `forward` gives.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(3, 2)], MeanSquaredError()).outputs
        2
        """
        return self._layout.outputs

    def _initialize(self) -> None:
        for layer, weight in self._layout.linear():
            if isinstance(layer.init, str):
                draw = INITIALIZERS[layer.init]
                weight.view(self._flat)[...] = draw(self._rng, layer.inputs, layer.outputs)
            else:
                weight.view(self._flat)[...] = layer.init
        for place in self._layout.norms():
            assert place.weight
            place.weight.view(self._flat)[...] = 1
            if place.running:
                place.running[1].view(self._running)[...] = 1

    def _make_engine(self) -> Engine:
        if self.backend == "compiled":
            from densenet._engine.compiled import CompiledEngine

            return CompiledEngine(self._layout, self.loss_function, self.dtype)
        if self.backend == "reference":
            from densenet.reference.network import ReferenceEngine

            return ReferenceEngine(self._layout, self.loss_function, self.dtype)
        raise ValueError(f"backend: expected 'compiled' or 'reference', got {self.backend!r}")

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
        return self._flat

    @property
    def parameters(self) -> dict[str, Array]:
        """Each parameter by name, as a live view of `flat`.

        Names and shapes are those of ``torch.nn.Sequential``: ``"0.weight"`` has the shape
        (outputs, inputs).

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(3, 2), Linear(2, 1, bias=False)], MeanSquaredError())
        >>> {name: view.shape for name, view in network.parameters.items()}
        {'0.weight': (2, 3), '0.bias': (2,), '1.weight': (1, 2)}
        >>> network.parameters["0.weight"][0, :] = 7  # the first output's weights
        """
        return self._layout.views(self._flat)

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
        return {slot.name: slot.view(self._running) for slot in self._layout.running_slots}

    @property
    def n_parameters(self) -> int:
        """Number of all elements of all parameters.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(3, 2)], MeanSquaredError()).n_parameters
        8
        """
        return self._layout.size

    @property
    def optimizer_state(self) -> dict[str, Any]:
        """The optimizer's steps and moments, live arrays laid out like `flat`; empty before any.

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
        if self._state is None:
            return {}
        return {"step": self._state.step, **self._state.arrays}

    def reset_optimizer(self) -> None:
        """Forget the optimizer's state; the next step starts anew.

        A callback may do so between two calls of the engine: in all its methods but `is_due`.

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
            If steps of the network are being taken.
        """
        turn, position = self._turn, self._position
        if turn is not None and turn.lasts and (turn.elsewhere or turn.stepping):
            raise refused("reset_optimizer", f"one that {turn.method} trains")
        self._state = self._prepared = None
        if position is not None and position.counted is None:
            position.count_anew()

    def _check_optimizer(self, optimizer: Optimizer, stacklevel: int) -> None:
        """Refuse what is no optimizer; warn where the state of another one will be discarded."""
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"optimizer: expected an optimizer, got {_checks.describe(optimizer)}")
        self._check_writeable()
        if self._state is not None and self._state.rule is not type(optimizer):
            warnings.warn(
                f"the state of {self._state.rule.__name__} is discarded: training goes on with "
                f"{type(optimizer).__name__}",
                stacklevel=stacklevel + 1,
            )

    def _check_writeable(self) -> None:
        """Refuse to train what the user has made read-only."""
        _checks.writeable("flat", self._flat)
        for name, array in (self._state.arrays if self._state is not None else {}).items():
            _checks.writeable(name, array)

    def _ready(self, optimizer: Optimizer) -> _OptimizerState:
        """Give the state that this optimizer goes on with: new where the rule's class changed."""
        state = self._state
        if state is None or state.rule is not type(optimizer):
            state = _OptimizerState(type(optimizer), {})
        missing = [name for name in optimizer.states if name not in state.arrays]
        if missing:
            new = moments(missing, self.n_parameters, self.dtype)
            state = replace(state, arrays=state.arrays | new)
        if state is not self._state:
            self._state, self._prepared = state, None
        return state

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network into a file of the safetensors format.

        It holds layers, loss, parameters and running moments, the optimizer's state, the random
        generator and, within a call of `fit` or after one, where that call stands: `load` and
        ``fit(..., resume=True)`` go on from there, to the bit. While the network is trained, a
        callback or a signal handler may save it in the thread that trains, at any moment: what is
        saved is what the network was after a whole number of steps.

        Parameters
        ----------
        path : str or path
            A file there stays whole until the new one is.

        Raises
        ------
        TypeError
            If a layer, the optimizer's rule or the random generator is of a kind that a file
            cannot hold. Of a loss of one's own, the file holds only the name.
        OSError
            If the folder is missing, or the file cannot be written.
        RuntimeError
            If `fit` trains the network in another thread.

        Examples
        --------
        >>> import os, tempfile
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(3, 1)], MeanSquaredError(), seed=1)
        >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
        >>> network.save(path)
        >>> bool((Network.load(path).flat == network.flat).all())
        True
        """
        from densenet import serialization

        serialization.save(cast("Network", self), path)

    @staticmethod
    def load(
        path: str | os.PathLike[str],
        *,
        backend: Literal["compiled", "reference"] = "compiled",
        loss: CustomLoss | None = None,
    ) -> "Network":
        """Read a network from a file that `save` has written. Runs no code from the file.

        Parameters
        ----------
        path : str or path
        backend : "compiled" or "reference"
            As in `Network`; the file fits both.
        loss : object with ``forward`` and ``backward``, optional
            The loss of one's own with which the network was saved.

        Raises
        ------
        ValueError
            If the file is truncated, altered, not densenet's or of another version.
        TypeError
            If a loss is missing, or given though the file has its own.
        OSError
            If the file cannot be read.

        Examples
        --------
        >>> import os, tempfile
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
        >>> Network([Linear(3, 1)], MeanSquaredError()).save(path)
        >>> Network.load(path).n_parameters
        4
        """
        from densenet import serialization

        return serialization.load(path, backend=backend, loss=loss)[0]

    # ---- copies ----------------------------------------------------------------------------------

    def _still(self: Self) -> Self:
        """Give all that the network is, but the engine, as it stands between two steps."""
        if self._turn is not None and self._turn.method == "fit" and self._turn.elsewhere:
            raise refused("save, copy and pickle", "one that fit trains in another thread")
        mine, state = vars(self).copy(), self._state
        names = [] if state is None else list(state.arrays)
        arrays = [] if state is None else [*state.arrays.values(), state.taken]
        mine["_flat"], mine["_running"], *learned = self._engine.copies(
            [self._flat, self._running, *arrays]
        )
        taken = np.zeros(1, np.int64)
        if state is not None:
            taken = learned.pop()
            arrays_of = dict(zip(names, learned, strict=True))
            mine["_state"] = replace(state, arrays=arrays_of, taken=taken)
        if self._position is not None:
            mine["_position"] = self._position.still(taken)
        for name in ("_engine", "_prepared", "_turn"):
            del mine[name]
        still = object.__new__(type(self))
        vars(still).update(mine)
        return still

    def _drawn(self) -> Mapping[str, Any]:
        """Give the state of the random generator after the draws that count."""
        position = self._position
        own = position is not None and position.counted is None and position.rng is None
        return position.drawn if position is not None and own else self._rng.bit_generator.state

    def __getstate__(self) -> dict[str, Any]:
        return vars(self._still())

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        self._flat = self._own(self._flat)
        self._running = self._own(self._running)
        if self._state is not None:
            arrays = moments(self._state.arrays, self.n_parameters, self.dtype)
            for name, own in arrays.items():
                own[...] = self._state.arrays[name]
            self._state = replace(self._state, arrays=arrays, taken=self._state.taken.copy())
        self._prepared = self._turn = None
        self._rng = deepcopy(self._rng)
        self._position = deepcopy(self._position)
        if self._position is not None:
            self._position.leave()  # whoever trained it trains another network
        self._engine = self._make_engine()

    def _own(self, array: Array) -> Array:
        own = aligned(array.size, self.dtype)
        own[...] = array
        return own

    def __repr__(self) -> str:
        # Debuggers show a network that is still being made, too.
        return summary.text(self) if "_engine" in vars(self) else object.__repr__(self)

    def _repr_html_(self) -> str:
        return summary.html(self)

    def _begin(self, turn: Turn) -> None:
        """Let a call train the network, unless another one does."""
        with ONE_AT_A_TIME:
            other = self._turn
            if other is not None and other.lasts:
                where = "in another thread" if other.elsewhere else "in this thread"
                raise refused(turn.method, f"one that {other.method} trains {where}")
            self._turn = turn

    def _mode(self, training: bool, draws: int | None = None) -> Mode:
        """How layers behave in the optimizer's step at hand."""
        training = _checks.flag("training", training)
        step = self._state.step if self._state else 0
        return Mode(self._running, training, self._draws if draws is None else draws, step)


def _refuse_double_activation(last: Layer, loss: Loss | CustomLoss) -> None:
    """Refuse a last layer that the loss contains already."""
    pairs = ((Softmax, SoftmaxCrossEntropy), (Sigmoid, BinaryCrossEntropy))
    for layer, its_loss in pairs:
        if isinstance(last, layer) and isinstance(loss, its_loss):
            raise ValueError(
                f"layers: expected logits for {its_loss.__name__}, which applies "
                f"{layer.__name__.lower()} itself, got {layer.__name__} last: drop that layer"
            )


def count_probabilities_from(network: State, least: float) -> None:
    """Bound the probabilities in the training losses that a network reports, or with 0 stop it.

    A probability counts as at least `least` and at most ``1 - least``, as in scikit-learn's
    log-loss. The gradients stay those of the loss itself.
    """
    network._engine.count_probabilities_from(least)
