"""A network: its passes, and training, which changes its state."""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from densenet import _checks, training
from densenet._engine.factors import frozen
from densenet._engine.turn import Turn
from densenet._network.passes import Passes
from densenet._typing import Array, Chunks
from densenet.losses import CustomLoss
from densenet.optimizers import Adam, Optimizer
from densenet.plan import Plan
from densenet.predictor import Predictor
from densenet.profile import Profile
from densenet.training import loop, steps
from densenet.training.history import divergence
from densenet.workers.contract import Workers


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
        The element type of parameters, moments and arithmetic. Losses are summed in float64 anyway.
    seed : int >= 0, optional
        Decides the initial weights and, unless `fit` is given a seed, the order of the rows.
    backend : "compiled" or "reference"
        Which side computes: C++, or its twin in NumPy.
    precision : "highest", "high" or "medium"
        How exactly the products of linear layers are computed, in passes and in training. With
        "highest", of floats as they are; with "medium", of floats rounded to bf16, which have 8
        significant bits; with "high", of the sums of two bf16 numbers, which have 16. All products
        are added up in float32, and parameters, moments and everything else stay float32. The
        lower two are faster on processors with AMX, for layers and batches that are large enough:
        `plan` says which ones. Elsewhere they compute as "highest", and `plan` says so.

    Raises
    ------
    TypeError
        If `layers` is no sequence of layers, `loss` has no ``forward`` or ``backward``, or `seed`
        is no integer.
    ValueError
        If the widths of the layers do not fit together, a layer with parameters is missing, the
        last layer is part of the loss already, or `dtype`, `seed`, `backend` or
        `precision` is none of these, or `precision` is not "highest" with float64.
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
            The network keeps its moments and count. They go on while the optimizer's class stays
            the same; another class discards them with a warning.

        Returns
        -------
        float
            The loss before the step. If it is not finite, the step is not taken: parameters,
            moments and the optimizer's count are as they were.

        Raises
        ------
        TypeError, ValueError
            As `loss`; or if `optimizer` is no optimizer or names parameters or layers that the
            network does not have, or an array that it changes is read-only. Nothing has changed
            then.
        RuntimeError
            If another call trains the network: one in another thread, or the `fit` whose callback
            or signal handler calls this.
        KeyboardInterrupt
            Or whatever else a signal handler raises. The step has then been taken and counted in
            `optimizer_state`, or neither.

        Examples
        --------
        >>> from densenet import SGD, Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
        >>> [round(network.train_step([[1.0]], [5.0], SGD(lr=0.1)), 2) for _ in range(4)]
        [25.0, 9.0, 3.24, 1.17]
        """
        learner = self._learner
        prepared = learner.prepared
        if prepared is not None and prepared.optimizer is optimizer and sample_weight is None:
            value = prepared.stepper(x, y)
            if value is not None:
                return value
        turn = Turn("train_step")
        try:
            learner.begin(turn)
            examples = learner.examples(x, y, sample_weight)
            learner.check_optimizer(optimizer, stacklevel=2)
            if learner.position is not None:
                learner.position.leave()
            value = steps.take_one_step(learner, examples, optimizer)
            learner.prepare(optimizer)
            return value
        finally:
            turn.over = True

    def loss_and_gradient(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        out: Array | None = None,
        first_row: int = 0,
        total_weight: float | None = None,
    ) -> tuple[float, Array]:
        """Begin a training step: compute the loss of a batch, or a part of one, and its gradient.

        With `apply_gradient`, which ends the step, this is a loop of one's own: the two in turn do
        what `train_step` does, to the bit. Dropout draws anew after each `apply_gradient`, and
        batch normalisation's running moments move with each call of this method.

        Parts of a batch add up where each is told the weight of the whole and its place in it::

            l = Σ_i w_i l_i / total_weight        gradient = ∂l/∂flat

        Batch normalisation's mean and variance are those of the part.

        Parameters
        ----------
        x, y, sample_weight
            As in `loss`.
        out : array of shape (n_parameters,), optional
            Where to write the gradient: contiguous, of the network's element type, and no memory
            of the network or of `x`, `y` and `sample_weight`. By default a new array.
        first_row : int >= 0
            Where the rows begin in the batch that they are part of: dropout draws for them what it
            would draw there.
        total_weight : float > 0, optional
            What the weighted losses are divided by: for a part of a batch, the sum of all weights
            of the batch, or its number of rows. By default the sum of the rows' own weights.

        Returns
        -------
        loss : float
            If it is not finite, the running moments are as they were, as after `train_step`. The
            step should then be left out; `apply_gradient` refuses a gradient that is not finite.
        gradient : array of shape (n_parameters,)
            `out`, or a new array: laid out like `flat`. It is 0 where all weights are 0.

        Raises
        ------
        TypeError, ValueError
            As `loss`; if `out` has another type or shape, is read-only, not contiguous, or in
            memory of the network or the batch; if `first_row` or `total_weight` is out of its
            range; or if a loss of one's own is given a `total_weight`. Nothing has changed then.
        RuntimeError
            If another call trains the network.

        See Also
        --------
        gradients : Reads alone, and gives the gradient by name.

        Examples
        --------
        A training step, with a norm to watch:

        >>> import numpy as np
        >>> from densenet import SGD, Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
        >>> loss, gradient = network.loss_and_gradient([[1.0]], [5.0])
        >>> loss, gradient
        (25.0, array([-10., -10.], dtype=float32))
        >>> round(network.apply_gradient(gradient, SGD(lr=0.1)), 3)
        14.142
        >>> network.flat
        array([1., 1.], dtype=float32)

        A batch of 6 rows in parts of 2, which need memory for 2 rows alone:

        >>> x, y = np.arange(6.0).reshape(6, 1), np.arange(6.0)
        >>> total, part = np.zeros_like(network.flat), np.empty_like(network.flat)
        >>> loss = 0.0
        >>> for row in range(0, 6, 2):
        ...     rows = slice(row, row + 2)
        ...     value, _ = network.loss_and_gradient(
        ...         x[rows], y[rows], out=part, first_row=row, total_weight=6
        ...     )
        ...     loss += value
        ...     total += part
        >>> loss == network.loss(x, y)
        True
        >>> norm = network.apply_gradient(total, SGD(lr=0.1))
        """
        learner = self._learner
        prepared = learner.prepared
        if prepared is not None and sample_weight is None:
            gradient = np.empty_like(learner.flat) if out is None else out
            value = prepared.stepper.loss_and_gradient(x, y, gradient, first_row, total_weight)
            if value is not None:
                return value, gradient
        turn = Turn("loss_and_gradient")
        try:
            learner.begin(turn)
            examples = learner.part(x, y, sample_weight, total_weight)
            most = _checks.MOST_ROWS - len(examples.x)
            first_row = _checks.count("first_row", first_row, 0, most)
            if out is None:
                gradient = np.empty_like(learner.flat)
            else:
                batch = {"x": examples.x, "y": examples.targets, "sample_weight": sample_weight}
                others = learner.arrays() | batch
                gradient = _checks.vector_to_write("out", out, learner.flat, others)
            mode = learner.mode(True)._replace(first_row=first_row)
            value = learner.engine.loss_and_gradient(learner.flat, examples, gradient, mode)
            return float(value), gradient
        finally:
            turn.over = True

    def apply_gradient(self, gradient: Array, optimizer: Optimizer) -> float:
        """End a training step: clip a gradient and let the optimizer update the parameters by it.

        Clipping, learning rate, its schedule and factors, penalties, moments and count are those of
        `train_step`, and so is the order: clip by value, then by norm, then update::

            g = clip(gradient, -clip_value, clip_value)        g *= min(1, clip_norm / ‖g‖)

        The gradient of what the optimizer freezes does not count, and may be anything.
        The step goes into what `save` writes, and another one goes on from it.

        Parameters
        ----------
        gradient : array of shape (n_parameters,)
            Of the network's element type, laid out like `flat`, such as `loss_and_gradient` gives
            or a sum of such; never modified.
        optimizer : optimizer
            As in `train_step`. Rows whose weights are all 0 have a gradient of 0: `train_step`
            counts a step and leaves it at that, while this method updates, as moments and penalties
            have it.

        Returns
        -------
        float
            The Euclidean norm ``‖gradient‖`` before clipping, of what is not frozen.

        Raises
        ------
        TypeError, ValueError
            If `gradient` has another type or shape, is not finite where something learns, or is
            memory of the network; `optimizer` is no optimizer or names what the network does not
            have; or an array that it changes is read-only. Nothing has changed then.
        RuntimeError
            If another call trains the network.

        Warns
        -----
        UserWarning
            If `optimizer` is of another class than the one before, whose moments and count are
            discarded. The gradient at hand has dropout's draws by the old count, where `train_step`
            draws by the new one.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import SGD, Linear, MeanSquaredError, Network
        >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
        >>> network.apply_gradient(np.array([3, 4], np.float32), SGD(lr=1.0, clip_norm=1.0))
        5.0
        >>> network.flat
        array([-0.6, -0.8], dtype=float32)
        >>> network.optimizer_state["step"]
        1
        """
        learner = self._learner
        prepared = learner.prepared
        if prepared is not None and prepared.optimizer is optimizer:
            norm = prepared.stepper.apply_gradient(gradient)
            if norm is not None:
                return norm
        turn = Turn("apply_gradient")
        try:
            learner.begin(turn)
            gradient = _checks.gradient("gradient", gradient, learner.flat, learner.arrays())
            still = frozen(learner.layout, optimizer)
            _checks.finite("gradient", gradient, [slot.part for slot in still])
            learner.check_optimizer(optimizer, stacklevel=2)
            if learner.position is not None:
                learner.position.leave()
            norm = steps.apply_gradient(learner, gradient, optimizer)
            learner.prepare(optimizer)
            return norm
        finally:
            turn.over = True

    def fit(
        self,
        x: npt.ArrayLike | Chunks,
        y: npt.ArrayLike | None = None,
        *,
        epochs: int = 10,
        batch_size: int = 128,
        optimizer: Optimizer | None = None,
        validation_data: tuple[npt.ArrayLike, ...] | None = None,
        metrics: Sequence[training.Metric] = (),
        shuffle: bool | Literal["blocks"] | None = None,
        drop_last: bool = False,
        callbacks: Sequence[training.Callback] = (),
        progress: bool = False,
        early_stopping: training.EarlyStopping | None = None,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: Mapping[int, float] | Literal["balanced"] | None = None,
        tolerance: float = 0.0,
        seed: int | None = None,
        resume: bool = False,
        workers: Workers | None = None,
    ) -> training.History:
        """Train for a number of epochs, from the parameters and moments that the network has.

        A further call trains for `epochs` more; with `resume` it goes on with the call before.

        ``fit(chunks)`` learns from rows that come in chunks, of which one is in memory at a time:
        ``chunks()`` is called at the beginning of each epoch, and gives an iterable of pairs
        ``(x, y)`` or triples ``(x, y, sample_weight)``. The rows that a chunk has beyond its last
        whole batch begin the first batch of the next chunk, so that a batch is smaller than others
        at the end of an epoch alone. All results are, to the bit, those of the rows in one array,
        with ``shuffle=False``: it does not matter where they are cut.

        An error, Ctrl-C or any other exception of a signal handler ends the call between two steps.
        While it trains, callbacks and signal handlers in its thread may `save` the network, and
        other threads may predict and compute gradients with the parameters of some step; nothing
        else may train it.

        Parameters
        ----------
        x, y, sample_weight
            As in `loss`. Rows are converted to the network's element type batch by batch. An x
            whose columns lie one after another in memory, as those of a frame often do, is copied
            row by row at the start; an `np.memmap` is never copied whole. Or x is a function that
            gives chunks of rows, and nothing is given for y and `sample_weight`;
            `densenet.chunks` has some such functions.
        epochs : int
            How many times every row is learned from. With `resume`, the epochs of the call before
            count, too.
        batch_size : int
            The number of rows of a step; all, if there are fewer. The last step of an epoch takes
            the rows that are left.
        optimizer : optimizer, optional
            `Adam` by default. The network keeps its moments and count, as in `train_step`.
        validation_data : (x, y) or (x, y, sample_weight), optional
            Rows whose loss and metrics are measured after each epoch; the weights count in the
            loss.
        metrics : sequence of functions ``f(y_true, y_pred) -> float``
            Measured on the validation data, under ``"val_" + f.__name__``.
        shuffle : bool or "blocks", optional
            True draws a new order of the rows for each epoch; False takes them as they lie.
            "blocks" draws an order in which a file is read quickly: of blocks, neighbouring rows
            of 256 KiB, and then of the rows within groups of blocks, 32 MiB, of which two are in
            memory. By default "blocks" where x is an `np.memmap` or a view of one, else True; with
            `resume`, as in the call before. Chunks are taken as they come: False.
        drop_last : bool
            True leaves out an epoch's last step if it has fewer rows than the others.
        callbacks : sequence of `Callback`
            Each is told of the steps and epochs, and may stop the training.
        early_stopping : `EarlyStopping`, optional
            Stops when the value that it monitors, by default the validation data's loss, no longer
            improves. When the call ends, even by an error, it restores the best epoch's parameters,
            unless told not to.
        progress : bool
            True shows a progress bar on a terminal (needs tqdm).
        class_weight : dict from class to weight, or "balanced", optional
            Multiplies the sample weights; for rows of probabilities T it is ``Σ_c T_c w_c``.
            Balanced weights are ``n / (C n_c)``; with chunks, whose rows nobody has counted, they
            are refused.
        tolerance : float
            Training stops before a step whose gradient has a norm below this. With 0 it never does.
        seed : int >= 0, optional
            Decides the order of the rows and dropout; without one, the network's generator goes on.
        resume : bool
            True goes on from where the last call ended, or was left by an error, Ctrl-C or a
            callback, in this process or in the one that saved the network. With the same data and
            arguments, everything but the seconds equals to the bit what one uninterrupted call
            gives. `epochs` may be more; metrics and callbacks may be others. Chunks are asked for
            anew; the rows of the epoch's steps that have been taken are read and left out.
        workers : object with ``rank``, ``size``, ``allreduce`` and ``broadcast``, optional
            Processes that train together, such as `densenet.workers` makes of MPI and others: each
            calls `fit` with the same network, rows or chunks, and arguments, computes its part of
            every batch, and ends with the same bits. Batches are those of one process. With
            ``own_rows`` of `workers`, each gives its own rows or chunks, and batches have rows of
            all.
            `Checkpoint` and the progress bar work on rank 0 alone; other callbacks are called on
            each, and one that stops the training stops it on all.

        Returns
        -------
        History
            The losses and scores; ``stopped`` tells why training ended.

        Warns
        -----
        RuntimeWarning
            If a step's loss is not finite: that step is not taken, and its loss is the last one of
            ``batch_loss``. Or if a parameter is not finite after the last step. Either way
            ``stopped`` is "diverged", and early stopping restores the best parameters, too.
        UserWarning
            If `optimizer` is of another class than the one before, whose moments and count are
            discarded.

        Raises
        ------
        TypeError, ValueError
            If `x`, `y`, `sample_weight` or `validation_data` are refused as by `loss`; a number is
            out of its range; `optimizer` names what the network does not have; an argument has
            another type, such as a single callback in place of a sequence, or a word for a flag;
            `early_stopping` monitors what no epoch records; `class_weight` comes with a loss that
            is not on classes; an array that training changes is read-only; or, with `resume`, there
            is nothing to go on from or an argument has changed. The message names the argument, and
            nothing has changed. While it trains: if a chunk is refused, which the message names, or
            an epoch has no rows, or fewer or more than the one before. The network is as the last
            whole step left it then, and so it is if reading a chunk raises, which comes out as it
            is.
        ImportError
            If a progress bar is asked for and tqdm is missing.
        RuntimeError
            If another call trains the network, or, with `workers`, another rank has an error or
            other results or, with chunks, other rows. What differs before the first step is a
            ValueError on all ranks; losses of one's own are refused with more than one.

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

        Chunks of rows, which a generator reads:

        >>> def chunks():
        ...     for begin in range(0, len(x), 500):
        ...         yield x[begin : begin + 500], y[begin : begin + 500]
        >>> network = Network(layers, SoftmaxCrossEntropy(), seed=0)
        >>> history = network.fit(chunks, epochs=3, batch_size=64)
        >>> whole = Network(layers, SoftmaxCrossEntropy(), seed=0)
        >>> expected = whole.fit(x, y, epochs=3, batch_size=64, shuffle=False)
        >>> bool((network.flat == whole.flat).all())
        True
        """
        history = loop.train(
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
            workers=workers,
        )
        if history.stopped == "diverged":
            warnings.warn(divergence(history), RuntimeWarning, stacklevel=2)
        return history

    def plan(self, optimizer: Optimizer | None = None) -> Plan:
        """Tell how each layer is computed.

        Parameters
        ----------
        optimizer : optimizer, optional
            The plan names where its updates happen; by default, those of one without `clip_norm`.

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
        return Plan(self._learner.engine.plan(optimizer))

    def predictor(self) -> Predictor:
        """Copy the network for prediction alone: faster for few rows, with precision "medium".

        Returns
        -------
        Predictor
            Has `forward`, `predict` and `predict_proba`. Later training does not reach it.

        Raises
        ------
        MemoryError
            If there is no room for the copy.

        Examples
        --------
        >>> from densenet import Linear, Network, ReLU, SoftmaxCrossEntropy
        >>> layers = [Linear(784, 512), ReLU(), Linear(512, 10)]
        >>> network = Network(layers, SoftmaxCrossEntropy(), seed=0, precision="medium")
        >>> predictor = network.predictor()
        >>> predictor.predict([[0.5] * 784]).shape
        (1,)
        >>> predictor.nbytes < 0.6 * network.flat.nbytes
        True
        """
        return Predictor(self)

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
            How many steps to measure; times are their mean.

        Returns
        -------
        Profile
            Microseconds and GFLOP/s of every product, and microseconds of what follows it: bias
            and activation, derivative, update.

        Raises
        ------
        TypeError, ValueError
            As `train_step`; or if `steps` is out of its range, the loss is one of the user's own or
            the backend is the reference.

        Examples
        --------
        >>> import numpy as np
        >>> from densenet import Linear, MeanSquaredError, Network
        >>> network = Network([Linear(20, 5)], MeanSquaredError())
        >>> profile = network.profile(np.ones((8, 20)), np.ones((8, 5)))
        >>> profile[0].part, profile[0].gflops > 0
        ('forward', True)
        """
        optimizer = Adam() if optimizer is None else optimizer
        steps = _checks.count("steps", steps, most=_checks.MOST_STEPS)
        examples = self._learner.examples(x, y)
        twin = self._learner.still().woken()  # whose arrays are its own
        twin.reset_optimizer()
        twin.check_optimizer(optimizer, stacklevel=2)
        moments = twin.ready(optimizer).moments_for(optimizer)
        mode = twin.mode(True)
        return twin.engine.profile(twin.flat, moments, optimizer, examples, steps, mode)

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
            If a layer, the optimizer or the random generator is of a class that is not densenet's
            or NumPy's default. Of a loss of one's own, the file holds the name alone.
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
        from densenet._files import network as files  # which takes time to import

        files.save(self._learner, path, {})

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
        from densenet._files import network as files

        return files.load(Network, path, backend, loss)[0]
