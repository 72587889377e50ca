"""A network: its passes, and training, which changes its state."""

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from densenet import _checks, training
from densenet._engine.contract import Examples, Outcome, Steps
from densenet._engine.turn import Turn
from densenet._network.passes import Passes
from densenet._network.state import _Prepared
from densenet._typing import Array
from densenet.losses import Loss
from densenet.optimizers import Adam, Optimizer
from densenet.plan import Plan
from densenet.profile import Profile
from densenet.schedules import rates
from densenet.training.loop import divergence

_MOST_STEPS = 2**31 - 1  # that a profile counts


class Network(Passes):
    """A dense network with a loss.

    Parameters
    ----------
    layers : sequence of layers
        Any of `densenet.layers`; the widths must fit together.
    loss : loss
        What training minimises: one of `densenet.losses`, or any object with
        ``forward(outputs, targets)`` and ``backward(outputs, targets)``, which is then called
        between compiled products.
    dtype : "float32" or "float64"
        Of parameters, moments and arithmetic. Reported losses are summed in float64.
    seed : int >= 0, optional
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

    With a loss of one's own:

    >>> class Quartic:
    ...     def forward(self, outputs, targets):
    ...         return float(np.mean((outputs[:, 0] - targets) ** 4))
    ...
    ...     def backward(self, outputs, targets):
    ...         return 4 * (outputs - targets[:, np.newaxis]) ** 3 / len(targets)
    >>> network = Network([Linear(2, 1, init="zeros")], Quartic())
    >>> history = network.fit(x, y, epochs=1)
    >>> history.batch_loss
    [0.5]
    """

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
            The loss before the step. If it is not finite, the step is not taken: parameters,
            moments and the optimizer's count are as they were.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit; nothing has changed then.
        RuntimeError
            If another call trains the network: one in another thread, or the `fit` whose callback
            or signal handler asks for the step.
        KeyboardInterrupt
            Or what else a signal handler raises. The step has been taken, and is counted in
            `optimizer_state`, or neither.

        Examples
        --------
        >>> from densenet import SGD, Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
        >>> [round(network.train_step([[1.0]], [5.0], SGD(lr=0.1)), 2) for _ in range(4)]
        [25.0, 9.0, 3.24, 1.17]
        """
        ready = self._prepared if sample_weight is None else None
        if ready is not None and ready.optimizer is optimizer and ready.state is self._state:
            value = ready.stepper(x, y)
            if value is not None:
                return value
        turn = Turn("train_step")
        try:
            self._begin(turn)
            examples = self._examples(x, y, sample_weight)
            self._check_optimizer(optimizer, stacklevel=2)
            if self._position is not None:
                self._position.leave()
            loss = np.zeros(1)
            self._run(examples, optimizer, loss, batch_size=len(examples.x))
            self._prepare(optimizer)
            return float(loss[0])
        finally:
            turn.over = True

    def _prepare(self, optimizer: Optimizer) -> None:
        """Cache a fast stepper for later `train_step` calls with this optimizer."""
        state = self._state
        assert state
        arrays = [state.arrays[name] for name in optimizer.states]
        given = (self._flat, arrays, optimizer, state.taken, self._running, self._draws)
        stepper = self._engine.stepper(*given)
        self._prepared = _Prepared(stepper, optimizer, state) if stepper is not None else None

    def _run(
        self,
        examples: Examples,
        optimizer: Optimizer,
        batch_loss: Array,
        *,
        batch_size: int,
        order: Array | None = None,
        first: int = 0,
        tolerance: float = 0.0,
        progress: training.Progress | None = None,
        draws: int | None = None,
    ) -> Outcome:
        """Take a step for each element of `batch_loss`, unless one of them is the last."""
        self._check_writeable()  # a callback may have changed that
        before, state = self._state, self._ready(optimizer)
        counted = state.step
        lr = rates(optimizer.lr, counted, len(batch_loss))
        steps = Steps(order, batch_size, first, state.taken, lr, tolerance)
        arrays = [state.arrays[name] for name in optimizer.states]
        mode = self._mode(True, draws)
        known = isinstance(self.loss_function, Loss)
        train = self._engine.train if known else partial(training.steps_in_python, self)
        given = (self._flat, arrays, optimizer, examples, steps, batch_loss, progress, mode)
        turn = self._turn
        assert turn is not None
        try:
            turn.stepping = True
            outcome = train(*given)
        except BaseException:
            if state.step == counted:
                self._state = before
            raise
        finally:
            turn.stepping = False
        if outcome.error is not None:
            raise outcome.error
        return outcome

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
        early_stopping: training.EarlyStopping | None = None,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: Mapping[int, float] | Literal["balanced"] | None = None,
        tolerance: float = 0.0,
        seed: int | None = None,
        resume: bool = False,
    ) -> training.History:
        """Train for a number of epochs; a further call goes on from there.

        An error, Ctrl-C or any other exception of a signal handler ends the call between two steps.
        While it trains, callbacks and signal handlers in its thread may `save` the network, and
        other threads may predict and compute gradients with the parameters of some step; nothing
        else may train it.

        Parameters
        ----------
        x, y, sample_weight
            As in `loss`. Rows are converted to the network's element type batch by batch.
        epochs : int
            How often every row is seen.
        batch_size : int
            Rows of a step, or all if there are fewer. An epoch's last step has what is left.
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
            Told of each step and epoch; may stop the training.
        early_stopping : `EarlyStopping`, optional
            Stops when a score on the validation data no longer improves, and restores the best
            parameters on every way out.
        progress : bool
            Whether to show a bar, on a terminal (needs tqdm).
        class_weight : dict from class to weight, or "balanced", optional
            Multiplies the sample weights; for rows of probabilities T it is ``Σ_c T_c w_c``.
            Balanced weights are ``n / (C n_c)``.
        tolerance : float
            Training stops before a step whose gradient's norm is below this.
        seed : int >= 0, optional
            Of the order of the rows and of dropout; without one, the network's generator goes on.
        resume : bool
            Whether to go on from where the last call was left by an error, Ctrl-C or a callback, or
            had ended, in this process or in the one that saved the network. With the same data and
            settings, all but the seconds is then to the bit what a call that was not left gives;
            `epochs` may be more, metrics and callbacks are free.

        Returns
        -------
        History
            Its ``stopped`` tells why training ended.

        Warns
        -----
        RuntimeWarning
            If training diverged: a step's loss was not finite. That step is not taken, the loss is
            the last one of ``batch_loss``, and ``stopped`` is "diverged". Early stopping restores
            the best parameters then, too.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit, which the message names; nothing has changed then. A
            single callback or metric is no sequence, and a word no flag: flags are True or False,
            or 1 or 0.
        RuntimeError
            If another call trains the network.

        Examples
        --------
        >>> from densenet import Adam, Linear, Network, ReLU, SoftmaxCrossEntropy
        >>> from densenet.datasets import load_digits
        >>> from densenet.metrics import accuracy
        >>> x, y, x_test, y_test = load_digits()
        >>> layers = [Linear(64, 32), ReLU(), Linear(32, 10)]
        >>> network = Network(layers, SoftmaxCrossEntropy(), seed=0)
        >>> history = network.fit(
        ...     x,
        ...     y,
        ...     optimizer=Adam(lr=3e-3),
        ...     validation_data=(x_test, y_test),
        ...     metrics=[accuracy],
        ... )
        >>> len(history.epochs), history.epochs[-1]["val_accuracy"] > 0.9
        (10, True)
        """
        history = training.fit(
            self,
            x,
            y,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            validation_data=validation_data,
            metrics=metrics,
            shuffle=shuffle,
            drop_last=drop_last,
            callbacks=callbacks,
            progress=progress,
            early_stopping=early_stopping,
            sample_weight=sample_weight,
            class_weight=class_weight,
            tolerance=tolerance,
            seed=seed,
            resume=resume,
        )
        if history.stopped == "diverged":
            warnings.warn(divergence(history), RuntimeWarning, stacklevel=2)
        return history

    def plan(self, optimizer: Optimizer | None = None) -> Plan:
        """Tell how each layer is computed.

        Parameters
        ----------
        optimizer : optimizer, optional
            Whose updates are told of; by default one that does not clip by norm.

        Returns
        -------
        Plan
            One entry for each layer; prints as a table.

        Examples
        --------
        >>> from densenet import Adam, Linear, Network, SoftmaxCrossEntropy
        >>> network = Network([Linear(3, 2)], SoftmaxCrossEntropy())
        >>> [row.update for row in network.plan(Adam())]
        ['fused with the weight gradient']
        >>> [row.update for row in network.plan(Adam(clip_norm=1.0))]
        ["after the gradient's norm"]
        """
        if optimizer is not None:
            _checks.instance("optimizer", optimizer, Optimizer, "an optimizer")
        return Plan(self._engine.plan(optimizer is not None and optimizer.clip_norm is not None))

    def profile(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        optimizer: Optimizer | None = None,
        *,
        steps: int = 20,
    ) -> Profile:
        """Measure where the time of a training step goes. The network itself is not trained.

        Parameters
        ----------
        x, y
            One batch, as in `train_step`.
        optimizer : optimizer, optional
            `Adam` by default.
        steps : int in [1, 2**31)
            Over which times are averaged.

        Returns
        -------
        Profile
            Microseconds and GFLOP/s of every product, and microseconds of what follows it: bias
            and activation, derivative, update.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit, the loss is one of the user's own or the backend is the
            reference.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(20, 5)], MeanSquaredError())
        >>> profile = network.profile(np.ones((8, 20)), np.ones((8, 5)))
        >>> profile[0].part, profile[0].gflops > 0
        ('forward', True)
        """
        if not isinstance(self.loss_function, Loss):
            got = type(self.loss_function).__name__
            raise TypeError(f"profile: expected a loss of densenet, got {got}")
        optimizer = Adam() if optimizer is None else optimizer
        steps = _checks.count("steps", steps, most=_MOST_STEPS)
        examples = self._examples(x, y)
        twin = copy(self)  # whose arrays are its own
        twin.reset_optimizer()
        twin._check_optimizer(optimizer, stacklevel=2)
        state = twin._ready(optimizer)
        arrays = [state.arrays[name] for name in optimizer.states]
        mode = twin._mode(True)
        return twin._engine.profile(twin._flat, arrays, optimizer, examples, steps, mode)
