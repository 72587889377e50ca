"""What a network computes from its parameters and leaves as they are: outputs and gradients."""

from typing import cast

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._engine.contract import Examples, Mode, unit_weights
from densenet._engine.layout import aligned
from densenet._network.state import State
from densenet._typing import Array
from densenet.losses import Loss, SoftmaxCrossEntropy

_ROWS_AT_ONCE = 8192  # of a data set whose loss is measured


class Passes(State):
    """Passes forwards and backwards through the layers."""

    # ---- outputs ---------------------------------------------------------------------------------

    def forward(self, x: npt.ArrayLike, training: bool = False) -> Array:
        """Compute the output of the last layer.

        Parameters
        ----------
        x : array or frame of shape (batch, inputs)
            float32, float64, integers or bool, of any strides; never modified. A frame may have
            columns of any types, all of them numbers and without gaps that its library marks.
        training : bool
            Whether layers that behave differently in training do so.

        Returns
        -------
        array of shape (batch, outputs)
            Logits, where the loss is a cross-entropy on logits.

        Raises
        ------
        TypeError
            If `x` does not hold real numbers, has a mask, or is a frame with another column, which
            is named.
        ValueError
            If the shape of `x` does not fit, or a frame's column has gaps.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(2, 1, init=np.array([[3.0, 4.0]]))], MeanSquaredError())
        >>> network.forward([[1, 2], [0, 1]])
        array([[11.],
               [ 4.]], dtype=float32)
        """
        x = _checks.inputs(x, self._layout.inputs)
        return self._engine.forward(self._flat, x, self._mode(training))

    def backward(
        self, x: npt.ArrayLike, dy: Array, training: bool = True
    ) -> tuple[Array, dict[str, Array]]:
        """Differentiate through the network, for a loss of one's own.

        Parameters
        ----------
        x : array of shape (batch, inputs)
        dy : array of shape (batch, outputs)
            Gradient of the loss with respect to ``forward(x, training)``, of the network's
            element type.
        training : bool
            Whether layers that behave differently in training do so.

        Returns
        -------
        dx : array of shape (batch, inputs)
        gradients : dict
            For each name in `parameters`, an array of that shape.

        Raises
        ------
        TypeError, ValueError
            If an element type or a shape does not fit.

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
        x = _checks.inputs(x, self._layout.inputs)
        dy = _checks.matching("dy", dy, (len(x), self._layout.outputs), self.dtype)
        dflat, dx = np.empty_like(self._flat), np.empty(x.shape, self.dtype)
        self._engine.backward(self._flat, x, dy, dflat, dx, self._mode(training))
        return dx, self._layout.views(dflat)

    def predict_proba(self, x: npt.ArrayLike) -> Array:
        """Compute probabilities.

        Parameters
        ----------
        x : array of shape (batch, inputs)

        Returns
        -------
        array of shape (batch, outputs)
            Of each class; or, for the losses on single logits, of each output's being 1.

        Raises
        ------
        TypeError, ValueError
            If the loss has no probabilities, or as `forward`.

        Examples
        --------
        >>> from densenet import Linear, Network, SoftmaxCrossEntropy
        >>> network = Network([Linear(1, 2, init="zeros")], SoftmaxCrossEntropy())
        >>> network.parameters["0.bias"][:] = [0, 2]
        >>> network.predict_proba([[7.0]]).round(3)
        array([[0.119, 0.881]], dtype=float32)
        """
        loss = self.loss_function
        predicts = loss.predicts if isinstance(loss, Loss) else "values"
        if predicts == "values":
            raise TypeError(f"predict_proba: expected a loss on classes, got {type(loss).__name__}")
        outputs = self.forward(x)
        if predicts == "classes":
            softmax = isinstance(loss, SoftmaxCrossEntropy)
            return self._engine.softmax(outputs) if softmax else outputs
        return self._engine.sigmoid(outputs)

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
        loss = self.loss_function
        outputs = self.forward(x)
        predicts = loss.predicts if isinstance(loss, Loss) else "values"
        if predicts == "classes":
            classes: Array = outputs.argmax(axis=1)
            return classes
        if outputs.shape[1] == 1:
            outputs = outputs[:, 0]
        if predicts == "bits":
            return (outputs > 0).astype(np.int64)
        if predicts == "signs":
            return np.where(outputs > 0, 1, -1)
        return outputs

    # ---- loss and gradients ----------------------------------------------------------------------

    def _examples(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Examples:
        """Check rows to learn from.

        Classes are copied before they are checked: whoever writes into `y` later, a callback or
        another thread, changes nothing.
        """
        if type(y) is np.ndarray and y.ndim == 1:
            y = y.copy()
        if sample_weight is None and self._engine.fits(x, y):
            rows, targets, weights = cast("Array", x), cast("Array", y), None
        else:
            rows, targets, weights = self._checked(x, y, sample_weight)
        return Examples(rows, targets, weights)

    def _checked(
        self, x: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None
    ) -> tuple[Array, Array, Array | None]:
        x = _checks.inputs(x, self._layout.inputs)
        batch, outputs = len(x), self._layout.outputs
        loss, targets = self.loss_function, _checks.plain("y", y)
        if not isinstance(loss, Loss):
            _checks.same_length("y", targets, batch)
        elif loss.predicts == "classes":
            targets = _checks.class_targets(targets, batch, outputs, self.dtype, "y")
        else:
            targets = _checks.value_targets(targets, loss.kind, batch, outputs, self.dtype, "y")
        if sample_weight is None:
            return x, targets, None
        if not isinstance(loss, Loss):
            raise TypeError(
                f"sample_weight: expected None with a loss of one's own ({type(loss).__name__})"
            )
        return x, targets, _checks.weights(sample_weight, batch)

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
            Finite and >= 0. Only their ratios count, so that they may be of any size; one of less
            than 2⁻¹⁰²² times the largest counts as 0.

        Returns
        -------
        float
            ``Σ w_i l_i / Σ w_i``; 0 where all weights are 0.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit; a masked array never does.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
        >>> network.loss([[7.0], [8.0]], [1.0, 3.0])
        5.0
        >>> network.loss([[7.0], [8.0]], [1.0, 3.0], sample_weight=[1, 0])
        1.0
        """
        return self._loss_of(self._examples(x, y, sample_weight))

    def _at_one_step(self, mode: Mode) -> tuple[Array, Mode]:
        """Copy parameters and running moments for several passes: another thread may train them."""
        flat, running = self._engine.copies([self._flat, self._running])
        return flat, mode._replace(running=running)

    def _of_one_pass(self, training: bool) -> tuple[Array, Mode]:
        """Give parameters and mode for a gradient."""
        mode = self._mode(training)
        known = isinstance(self.loss_function, Loss)
        return (self._flat, mode) if known else self._at_one_step(mode)

    def _loss_of(self, examples: Examples) -> float:
        sums, total = 0.0, 0.0
        flat, mode = self._flat, self._mode(False)
        if len(examples.x) > _ROWS_AT_ONCE:
            flat, mode = self._at_one_step(mode)
        for begin in range(0, len(examples.x), _ROWS_AT_ONCE):
            part = slice(begin, begin + _ROWS_AT_ONCE)
            outputs = self._engine.forward(flat, examples.x[part], mode)
            targets, weights = examples.targets[part], None
            weight = float(len(outputs))
            if not isinstance(self.loss_function, Loss):
                sums += weight * float(self.loss_function.forward(outputs, targets))
                total += weight
                continue
            if examples.sample_weight is not None:
                weights = examples.sample_weight[part]
                weight = float(weights.sum())
                weights = unit_weights(weights, self.dtype)
            if targets.ndim == 2:
                targets = targets.astype(self.dtype)
            sums += weight * self._engine.loss(outputs, targets, weights)
            total += weight
        return sums / total if total > 0 else 0.0

    def _gradients(
        self, flat: Array, mode: Mode, examples: Examples, dflat: Array | None, dx: Array | None
    ) -> float:
        """Compute loss and gradients at any parameters, for any loss.

        A loss of the user's own takes two passes: nobody may train `flat` in between.
        """
        loss = self.loss_function
        if isinstance(loss, Loss):
            return self._engine.gradients(flat, examples, dflat, dx, mode)
        outputs = self._engine.forward(flat, examples.x, mode)
        value = float(loss.forward(outputs, examples.targets))
        dy = np.asarray(loss.backward(outputs, examples.targets))
        dy = _checks.real("backward's result", dy, outputs.shape).astype(self.dtype)
        still = mode._replace(update=False)  # moments have followed in the pass before
        self._engine.backward(flat, examples.x, np.ascontiguousarray(dy), dflat, dx, still)
        return value

    def gradients(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        training: bool = True,
    ) -> tuple[float, dict[str, Array]]:
        """Compute the loss of one batch and its gradient, a fresh array for each parameter.

        In a loop of one's own around it, with updates that the network does not take itself,
        dropout draws the same in every call, because the draws are those of the optimizer's step at
        hand; and batch normalisation's running moments do not move.

        Parameters
        ----------
        x, y, sample_weight
            As in `loss`.
        training : bool
            Whether layers that behave differently in training do so.

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
        dflat = np.empty_like(self._flat)
        examples = self._examples(x, y, sample_weight)
        loss = self._gradients(*self._of_one_pass(training), examples, dflat, None)
        return loss, self._layout.views(dflat)

    def input_gradient(self, x: npt.ArrayLike, y: npt.ArrayLike, training: bool = False) -> Array:
        """Compute the gradient of the loss with respect to the input.

        Parameters
        ----------
        x, y
            As in `loss`.
        training : bool
            Whether layers that behave differently in training do so.

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
        examples = self._examples(x, y)
        dx = np.empty(examples.x.shape, self.dtype)
        self._gradients(*self._of_one_pass(training), examples, None, dx)
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
        point = aligned(self.n_parameters, self.dtype)
        point[...] = _checks.real("flat", flat, (self.n_parameters,))
        gradient = np.empty_like(point)
        loss = self._gradients(point, self._mode(training), self._examples(x, y), gradient, None)
        return loss, gradient.astype(np.float64)
