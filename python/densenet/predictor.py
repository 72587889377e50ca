"""A network for prediction alone, whose weights never change and so may take less memory."""

from typing import NoReturn

import numpy.typing as npt

from densenet import _checks
from densenet._network import predictions, summary
from densenet._network.state import State, learner_of
from densenet._precision import PrecisionName
from densenet._typing import Array
from densenet.losses import Loss

__all__ = ["Predictor"]


class Predictor:
    """A copy of a network that predicts and never changes, as `Network.predictor` makes it.

    Because its weights stay as they are, it may hold them in another form. With the precision
    "medium" each large weight is there once, as bf16 numbers, in half the memory. Predictions of
    few rows, which take as long as it takes to read the weights, are faster then::

        y = x W' + b        W' the weight, rounded to bf16; x and all sums float32

    As many rows as the network computes with bf16 products are computed so here, too. With the
    other precisions it holds the parameters as they are, and gives the network's bits.

    Several threads of Python may use one at once. It can be neither copied nor pickled: a network
    can, and makes another.

    Parameters
    ----------
    network : Network
        What it has learned is copied, as it is between two steps. Later training does not reach
        the copy.

    Raises
    ------
    TypeError
        If `network` is no network.

    Examples
    --------
    >>> from densenet import Linear, Network, ReLU, SoftmaxCrossEntropy
    >>> layers = [Linear(784, 1024), ReLU(), Linear(1024, 10)]
    >>> network = Network(layers, SoftmaxCrossEntropy(), seed=0, precision="medium")
    >>> predictor = network.predictor()
    >>> network.flat.nbytes, predictor.nbytes
    (3256360, 1683496)
    >>> predictor.forward([[0.0] * 784]).shape
    (1, 10)
    """

    def __init__(self, network: State) -> None:
        learner = learner_of(_checks.instance("network", network, State, "a Network"))
        self._layout, self._loss = learner.layout, learner.loss
        self._backend, self._precision = learner.backend, learner.precision
        self._engine, self._copy = learner.predicting()

    @property
    def precision(self) -> PrecisionName:
        """How exactly products are computed: the network's.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(2, 1)], MeanSquaredError(), precision="medium").predictor().precision
        'medium'
        """
        return self._precision

    @property
    def nbytes(self) -> int:
        """Bytes of the parameters as they are held: 2 for each number of a large weight in bf16.

        Such a weight has its inputs and outputs filled up to multiples of 32.

        Examples
        --------
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> Network([Linear(2, 1)], MeanSquaredError()).predictor().nbytes
        12
        """
        return self._copy.nbytes

    def forward(self, x: npt.ArrayLike) -> Array:
        """Compute the output of the last layer.

        Parameters
        ----------
        x : array or frame of shape (batch, inputs)
            As in `Network.forward`.

        Returns
        -------
        array of shape (batch, outputs)
            Logits, where the loss is a cross-entropy on logits.

        Raises
        ------
        TypeError, ValueError
            As `Network.forward`.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(2, 1, init=np.array([[3.0, 4.0]]))], MeanSquaredError())
        >>> network.predictor().forward([[1, 2], [0, 1]])
        array([[11.],
               [ 4.]], dtype=float32)
        """
        return self._copy.forward(_checks.inputs(x, self._layout.inputs))

    def predict_proba(self, x: npt.ArrayLike) -> Array:
        """Compute probabilities.

        Parameters
        ----------
        x : array of shape (batch, inputs)

        Returns
        -------
        array of shape (batch, outputs)
            As `Network.predict_proba`.

        Raises
        ------
        TypeError, ValueError
            As `forward`; or if the loss is one on values or of the user's own.

        Examples
        --------
        >>> from densenet import Linear, Network, SoftmaxCrossEntropy
        >>> network = Network([Linear(1, 2, init="zeros")], SoftmaxCrossEntropy())
        >>> network.parameters["0.bias"][:] = [0, 2]
        >>> network.predictor().predict_proba([[7.0]]).round(3)
        array([[0.119, 0.881]], dtype=float32)
        """
        return predictions.probabilities(self._loss, self._engine, lambda: self.forward(x))

    def predict(self, x: npt.ArrayLike) -> Array:
        """Give each row's prediction.

        Parameters
        ----------
        x : array of shape (batch, inputs)

        Returns
        -------
        array of shape (batch,) or (batch, outputs)
            As `Network.predict`.

        Raises
        ------
        TypeError, ValueError
            As `forward`.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import Linear, Network, SoftmaxCrossEntropy
        >>> layers = [Linear(1, 2, init=np.array([[1.0], [-1.0]]))]
        >>> Network(layers, SoftmaxCrossEntropy()).predictor().predict([[7.0], [-8.0]])
        array([0, 1])
        """
        return predictions.predicted(self._loss, self.forward(x))

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "Predictor: expected a Network to copy or pickle, got a Predictor: make one of the copy"
        )

    def __repr__(self) -> str:
        name = repr(self._loss) if isinstance(self._loss, Loss) else type(self._loss).__name__
        title = (
            f"{type(self).__name__}: {self._layout.size:,} parameters in {self.nbytes:,} bytes, "
            f"{name}, {self._backend}, {self.precision} precision"
        )
        return summary.text(title, self._layout)
