"""The contenders: densenet and other libraries that train dense networks, at their best settings.

Each contender takes a `Task` and trains epochs of it: the same batches in the same order, with Adam
in float32. It keeps the loss of each step in the library's own type. A contender imports its
library when it is made, so the other libraries need not be installed. Each runs in a process of its
own, see `worker`.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal

import numpy as np

from workloads import LEARNING_RATE, Task, dense


class Contender(ABC):
    """One library's way of training a task."""

    module: ClassVar[str]  # must be importable

    @abstractmethod
    def __init__(self, task: Task) -> None: ...

    @abstractmethod
    def epoch(self) -> Iterable[Any]:
        """Train one epoch and wait for its end; give each step's loss, taken before its update."""


# ---- densenet ----------------------------------------------------------------------------------


class DensenetFit(Contender):
    """One call an epoch."""

    module = "densenet"
    backend: ClassVar[Literal["compiled", "reference"]] = "compiled"

    def __init__(self, task: Task) -> None:
        from densenet import Adam, Network, SoftmaxCrossEntropy, set_num_threads

        if self.backend == "compiled":
            set_num_threads(task.threads)
        self.network = Network(dense(task.widths), SoftmaxCrossEntropy(), backend=self.backend)
        for i, (weight, bias) in enumerate(zip(task.weights, task.biases, strict=True)):
            self.network.parameters[f"{2 * i}.weight"][...] = weight
            self.network.parameters[f"{2 * i}.bias"][...] = bias
        self.adam = Adam(lr=LEARNING_RATE)
        self.task = task

    def epoch(self) -> Iterable[Any]:
        """Call fit once."""
        return self.network.fit(
            self.task.x,
            self.task.y,
            epochs=1,
            batch_size=self.task.batch,
            optimizer=self.adam,
            shuffle=False,
        ).batch_loss


class DensenetStep(DensenetFit):
    """One call a step."""

    def epoch(self) -> Iterable[Any]:
        """Call train_step with each batch."""
        step, adam = self.network.train_step, self.adam
        return [step(x, y, adam) for x, y in self.task.batches]


class Reference(DensenetFit):
    """densenet's NumPy reference."""

    backend = "reference"


# ---- PyTorch -----------------------------------------------------------------------------------


class TorchFused(Contender):
    """Eager mode, with the whole update in one fused kernel."""

    module = "torch"
    optimizer: ClassVar[dict[str, bool]] = {"fused": True}
    compiled: ClassVar[bool] = False

    def __init__(self, task: Task) -> None:
        # torch.compile's helper processes would outlive their work and disturb other contenders.
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
        import torch

        torch.set_flush_denormal(True)  # inherited by threads, so before the first one starts
        torch.set_num_threads(task.threads)
        layers: list[Any] = []
        for weight, bias in zip(task.weights, task.biases, strict=True):
            linear = torch.nn.Linear(*weight.T.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(weight))
                linear.bias.copy_(torch.from_numpy(bias))
            layers += [linear, torch.nn.Sigmoid()]
        model = torch.nn.Sequential(*layers[:-1])
        cross_entropy = torch.nn.functional.cross_entropy
        self.adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, **self.optimizer)
        self.batches = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in task.batches]

        def loss(x: Any, y: Any) -> Any:
            return cross_entropy(model(x), y)

        self.loss: Callable[[Any, Any], Any] = torch.compile(loss) if self.compiled else loss

    def epoch(self) -> Iterable[Any]:
        """Run PyTorch's usual training loop."""
        losses = []
        for x, y in self.batches:
            self.adam.zero_grad()
            loss = self.loss(x, y)
            loss.backward()
            self.adam.step()
            losses.append(loss.detach())
        return losses


class TorchForeach(TorchFused):
    """Eager mode, with the update's operations on lists of tensors."""

    optimizer: ClassVar[dict[str, bool]] = {"foreach": True}


class TorchCompiled(TorchFused):
    """Forward and backward pass by torch.compile, with the fused update."""

    compiled = True


# ---- JAX ---------------------------------------------------------------------------------------


class JaxStep(Contender):
    """A compiled function for each step; its buffers are donated to the next step."""

    module = "jax"

    def __init__(self, task: Task) -> None:
        os.environ["NPROC"] = str(task.threads)  # the size of XLA's pool of threads
        import jax
        import optax
        from jax import numpy as jnp

        jax.config.update("jax_platforms", "cpu")
        adam = optax.adam(LEARNING_RATE)
        layers = zip(task.weights, task.biases, strict=True)
        self.parameters: Any = [(jnp.array(weight.T), jnp.array(bias)) for weight, bias in layers]
        self.state: Any = adam.init(self.parameters)
        self.wait: Callable[[Any], Any] = jax.block_until_ready

        def loss(parameters: Any, x: Any, y: Any) -> Any:
            *hidden, (weight, bias) = parameters
            for hidden_weight, hidden_bias in hidden:
                x = jax.nn.sigmoid(x @ hidden_weight + hidden_bias)
            logits = x @ weight + bias
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        def step(parameters: Any, state: Any, x: Any, y: Any) -> Any:
            value, gradients = jax.value_and_grad(loss)(parameters, x, y)
            updates, state = adam.update(gradients, state)
            return optax.apply_updates(parameters, updates), state, value

        def epoch(parameters: Any, state: Any, xs: Any, ys: Any) -> Any:
            def body(carry: Any, batch: Any) -> Any:
                parameters, state, value = step(*carry, *batch)
                return (parameters, state), value

            carry, losses = jax.lax.scan(body, (parameters, state), (xs, ys))
            return *carry, losses

        self.jit_step = jax.jit(step, donate_argnums=(0, 1))
        self.jit_epoch = jax.jit(epoch, donate_argnums=(0, 1))
        self.batches = [(jnp.array(x), jnp.array(y, jnp.int32)) for x, y in task.batches]

    def epoch(self) -> Iterable[Any]:
        """Start all steps without waiting between them; wait for the last one."""
        losses = []
        for x, y in self.batches:
            self.parameters, self.state, loss = self.jit_step(self.parameters, self.state, x, y)
            losses.append(loss)
        self.wait((self.parameters, losses))
        return losses


class JaxScan(JaxStep):
    """One compiled function for a whole epoch."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        from jax import numpy as jnp

        xs, ys = zip(*self.batches, strict=True)
        self.epochs_batches = jnp.stack(xs), jnp.stack(ys)
        self.batches = []

    def epoch(self) -> Iterable[Any]:
        """Run all batches by one `jax.lax.scan`."""
        self.parameters, self.state, losses = self.jit_epoch(
            self.parameters, self.state, *self.epochs_batches
        )
        self.wait((self.parameters, losses))
        return losses  # type: ignore[no-any-return]


# ---- scikit-learn ------------------------------------------------------------------------------


class ScikitLearn(Contender):
    """MLPClassifier, one call an epoch. Its loss is one number for each call, not for each step."""

    module = "sklearn"

    def __init__(self, task: Task) -> None:
        from sklearn.neural_network import MLPClassifier

        classes = np.arange(task.widths[-1])
        if len(classes) == 2:
            raise ValueError("MLPClassifier has one output, and not two, for two classes")
        self.classifier = MLPClassifier(
            task.widths[1:-1],
            activation="logistic",
            solver="adam",
            alpha=0,
            batch_size=task.batch,
            learning_rate_init=LEARNING_RATE,
            shuffle=False,
        )
        # A first call makes the arrays; then they get the task's parameters and zero moments.
        self.classifier.partial_fit(*task.batches[0], classes=classes)
        adam = self.classifier._optimizer
        for own, given in zip(self.classifier.coefs_, task.weights, strict=True):
            own[...] = given.T
        for own, given in zip(self.classifier.intercepts_, task.biases, strict=True):
            own[...] = given
        for moments in (*adam.ms, *adam.vs):
            moments[...] = 0
        adam.t = 0
        self.task = task
        self.first = True

    def epoch(self) -> Iterable[Any]:
        """Call partial_fit with all rows; the first epoch, with each batch, to get its loss."""
        if self.first:
            self.first = False
            return [self._train(x, y) for x, y in self.task.batches]
        return [self._train(self.task.x, self.task.y)]

    def _train(self, x: Any, y: Any) -> Any:
        return self.classifier.partial_fit(x, y).loss_


CONTENDERS: dict[str, type[Contender]] = {
    "densenet, fit": DensenetFit,
    "densenet, train_step": DensenetStep,
    "PyTorch, fused Adam": TorchFused,
    "PyTorch, foreach Adam": TorchForeach,
    "PyTorch, compiled": TorchCompiled,
    "JAX, jit a step": JaxStep,
    "JAX, jit an epoch": JaxScan,
    "scikit-learn": ScikitLearn,
    "NumPy reference": Reference,
}
