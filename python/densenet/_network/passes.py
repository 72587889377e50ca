"""What a network computes from its parameters and leaves as they are: outputs and gradients."""

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._engine.memory import aligned
from densenet._network import predictions
from densenet._network.state import State
from densenet._typing import Array
from densenet.layers import Layer


class Passes(State):
    """Passes forwards and backwards through the layers."""

    # ---- outputs ---------------------------------------------------------------------------------

    def forward(
        self, x: npt.ArrayLike, training: bool = False, *, upto: int | None = None
    ) -> Array:
        """Compute the output of the last layer, or of an earlier one.

        Parameters
        ----------
        x : array, frame or sparse matrix of shape (batch, inputs)
            float32, float64, integers or bool, of any strides; never modified. A frame may have
            columns of any types, all of them numbers and without gaps that its library marks. A
            sparse matrix or array of SciPy, of any format, gives the bits of the array; if the
            first layer is linear and the precision "highest", it is multiplied as it is.
        training : bool
            True runs dropout and batch normalisation as in training.
        upto : int, optional
            Run the first so many layers alone, ``layers[:upto]``: -1 leaves out the last one. A
            `Residual` counts as one.

        Returns
        -------
        array of shape (batch, outputs)
            Logits, where the loss is a cross-entropy on logits. With `upto`, the hidden outputs,
            as many as that layer has.

        Raises
        ------
        TypeError
            If `x` does not hold real numbers, has a mask, or is a frame with another column, which
            is named.
        ValueError
            If the shape of `x` does not fit, a frame's column has gaps, or `upto` leaves no layer
            or more than there are.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(2, 1, init=np.array([[3.0, 4.0]]))], MeanSquaredError())
        >>> network.forward([[1, 2], [0, 1]])
        array([[11.],
               [ 4.]], dtype=float32)

        The hidden outputs, with which a row can be compared or drawn:

        >>> from densenet import ReLU
        >>> layers = [Linear(1, 2, init=np.array([[1.0], [-1.0]])), ReLU(), Linear(2, 1)]
        >>> Network(layers, MeanSquaredError()).forward([[3.0], [-5.0]], upto=2)
        array([[3., 0.],
               [0., 5.]], dtype=float32)
        """
        learner, training = self._learner, _checks.flag("training", training)
        layers = None if upto is None else self._first_layers(upto)
        x = _checks.inputs(x, learner.layout.inputs)
        if layers is not None and len(layers) < len(self.layers):
            return learner.outputs_of_first(layers, x, training)
        return learner.engine.forward(learner.flat, x, learner.mode(training))

    def _first_layers(self, upto: int) -> tuple[Layer, ...]:
        n = len(self.layers)
        layers = self.layers[: _checks.count("upto", upto, 1 - n, n)]
        if not layers:
            raise ValueError(f"upto: expected at least one of {n} layers, got {upto}")
        return layers

    def backward(
        self, x: npt.ArrayLike, dy: Array, training: bool = True
    ) -> tuple[Array, dict[str, Array]]:
        """Differentiate through the network, for a loss of one's own.

        Parameters
        ----------
        x : array of shape (batch, inputs)
        dy : array of shape (batch, outputs)
            The gradient of the loss with respect to ``forward(x, training)``, in the network's
            element type.
        training : bool
            True runs dropout and batch normalisation as in training.

        Returns
        -------
        dx : array of shape (batch, inputs)
        gradients : dict
            For each name in `parameters`, an array of that shape.

        Raises
        ------
        TypeError, ValueError
            As `forward`; or if `dy` has another element type or shape.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(2, 1, init=np.array([[3.0, 4.0]]))], MeanSquaredError())
        >>> dx, gradients = network.backward([[1, 2]], np.array([[10.0]], np.float32))
        >>> dx
        array([[30., 40.]], dtype=float32)
        >>> gradients["0.weight"]
        array([[10., 20.]], dtype=float32)
        """
        learner, training = self._learner, _checks.flag("training", training)
        x = _checks.inputs(x, learner.layout.inputs)
        dy = _checks.matching("dy", dy, (len(x), learner.layout.outputs), learner.dtype)
        dflat, dx = np.empty_like(learner.flat), np.empty(x.shape, learner.dtype)
        learner.engine.backward(learner.flat, x, dy, dflat, dx, learner.mode(training))
        return dx, learner.layout.views(dflat)

    def predict_proba(self, x: npt.ArrayLike) -> Array:
        """Compute probabilities.

        Parameters
        ----------
        x : array of shape (batch, inputs)

        Returns
        -------
        array of shape (batch, outputs)
            The probability of each class; for losses on single logits, that each output is 1.

        Raises
        ------
        TypeError, ValueError
            As `forward`; or if the loss is one on values or of the user's own.

        Examples
        --------
        >>> from densenet import Linear, Network, SoftmaxCrossEntropy
        >>> network = Network([Linear(1, 2, init="zeros")], SoftmaxCrossEntropy())
        >>> network.parameters["0.bias"][:] = [0, 2]
        >>> network.predict_proba([[7.0]]).round(3)
        array([[0.119, 0.881]], dtype=float32)
        """
        engine = self._learner.engine
        return predictions.probabilities(self.loss_function, engine, lambda: self.forward(x))

    def predict(self, x: npt.ArrayLike) -> Array:
        """Give each row's prediction.

        Parameters
        ----------
        x : array of shape (batch, inputs)

        Returns
        -------
        array of shape (batch,) or (batch, outputs)
            The most probable class of each row; or, for each output (a single one without its
            axis), 0 or 1 (`BinaryCrossEntropy`), -1 or 1 (`LogisticLoss`) or the value.

        Raises
        ------
        TypeError, ValueError
            As `forward`.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import Linear, MeanSquaredError, Network, SoftmaxCrossEntropy
        >>> layers = [Linear(1, 2, init=np.array([[1.0], [-1.0]]))]
        >>> Network(layers, SoftmaxCrossEntropy()).predict([[7.0], [-8.0]])
        array([0, 1])
        >>> Network(layers, MeanSquaredError()).predict([[7.0], [-8.0]])
        array([[ 7., -7.],
               [-8.,  8.]], dtype=float32)
        """
        return predictions.predicted(self.loss_function, self.forward(x))

    # ---- loss and gradients ----------------------------------------------------------------------

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
            Finite and >= 0. Only their ratios count; a weight less than 2⁻¹⁰²² times the largest
            counts as 0.

        Returns
        -------
        float
            ``Σ w_i l_i / Σ w_i``; 0 where all weights are 0.

        Raises
        ------
        TypeError, ValueError
            If the shape or element type of `x`, `y` or `sample_weight` does not fit, an element of
            `y` is no class or value that the loss knows, a weight is negative or not finite, or an
            array is masked.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
        >>> network.loss([[7.0], [8.0]], [1.0, 3.0])
        5.0
        >>> network.loss([[7.0], [8.0]], [1.0, 3.0], sample_weight=[1, 0])
        1.0
        """
        return self._learner.loss_of(self._learner.examples(x, y, sample_weight))

    def gradients(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        training: bool = True,
    ) -> tuple[float, dict[str, Array]]:
        """Compute the loss of one batch and its gradient, a fresh array for each parameter.

        It only looks: batch normalisation's running moments do not move, and the draws of dropout
        are those of the optimizer's next step, the same in every call until that is taken. Loops of
        one's own take `Network.loss_and_gradient`.

        Parameters
        ----------
        x, y, sample_weight
            As in `loss`.
        training : bool
            True runs dropout and batch normalisation as in training.

        Returns
        -------
        loss : float
        gradients : dict
            For each name in `parameters`, an array of that shape.

        Raises
        ------
        TypeError, ValueError
            As `loss`.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
        >>> loss, gradients = network.gradients([[7.0]], [5.0])
        >>> loss
        25.0
        >>> gradients["0.weight"], gradients["0.bias"]
        (array([[-70.]], dtype=float32), array([-10.], dtype=float32))
        """
        learner, training = self._learner, _checks.flag("training", training)
        dflat = np.empty_like(learner.flat)
        examples = learner.examples(x, y, sample_weight)
        mode = learner.mode(training)
        loss = learner.engine.gradients(learner.flat, examples, dflat, None, mode)
        return loss, learner.layout.views(dflat)

    def input_gradient(self, x: npt.ArrayLike, y: npt.ArrayLike, training: bool = False) -> Array:
        """Compute the gradient of the loss with respect to the input.

        Parameters
        ----------
        x, y
            As in `loss`.
        training : bool
            True runs dropout and batch normalisation as in training.

        Returns
        -------
        array of shape (batch, inputs)

        Raises
        ------
        TypeError, ValueError
            As `loss`.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(2, 1, init=np.array([[3.0, 4.0]]))], MeanSquaredError())
        >>> network.input_gradient([[1, 2]], [10.0])
        array([[6., 8.]], dtype=float32)
        """
        learner, training = self._learner, _checks.flag("training", training)
        examples = learner.examples(x, y)
        dx = np.empty(examples.x.shape, learner.dtype)
        mode = learner.mode(training)
        learner.engine.gradients(learner.flat, examples, None, dx, mode)
        return dx

    def value_and_gradient(
        self, flat: Array, x: npt.ArrayLike, y: npt.ArrayLike, training: bool = False
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

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1)], MeanSquaredError())
        >>> network.value_and_gradient(np.zeros(2), [[7.0]], [5.0])
        (25.0, array([-70., -10.]))
        >>> from scipy.optimize import minimize
        >>> data = [[0.0], [1.0]], [3.0, 5.0]
        >>> best = minimize(network.value_and_gradient, network.flat, data, jac=True)
        >>> best.x.round(3)
        array([2., 3.])
        """
        learner, training = self._learner, _checks.flag("training", training)
        point = aligned(self.n_parameters, learner.dtype)
        point[...] = _checks.real("flat", flat, (self.n_parameters,))
        gradient, mode = np.empty_like(point), learner.mode(training)
        loss = learner.engine.gradients(point, learner.examples(x, y), gradient, None, mode)
        return loss, gradient.astype(np.float64)
