"""The contenders: densenet and other libraries that train dense networks, at their best settings.

Each contender takes a `Task` and trains epochs of it: the same batches in the same order, in
float32. It keeps the loss of each step in the library's own type. A contender imports its
library when it is made, so the other libraries need not be installed. Each runs in a process of its
own, see `worker`.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal

import numpy as np

from designs import CLIP_NORM, DROPOUT, LEARNING_RATE, Design
from workloads import Task


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
        from densenet import Network, SoftmaxCrossEntropy, set_num_threads

        if self.backend == "compiled":
            set_num_threads(task.threads)
        layers = task.design.layers(task.widths)
        self.network = Network(layers, SoftmaxCrossEntropy(), backend=self.backend)
        parameters = self.network.parameters
        weights = [name for name, values in parameters.items() if values.ndim == 2]
        for name, weight, bias in zip(weights, task.weights, task.biases, strict=True):
            parameters[name][...] = weight
            parameters[name.removesuffix("weight") + "bias"][...] = bias
        self.optimizer = task.design.rule()
        self.task = task

    def epoch(self) -> Iterable[Any]:
        """Call fit once."""
        return self.network.fit(
            self.task.x,
            self.task.y,
            epochs=1,
            batch_size=self.task.batch,
            optimizer=self.optimizer,
            shuffle=False,
        ).batch_loss


class DensenetStep(DensenetFit):
    """One call a step."""

    def epoch(self) -> Iterable[Any]:
        """Call train_step with each batch."""
        step, optimizer = self.network.train_step, self.optimizer
        return [step(x, y, optimizer) for x, y in self.task.batches]


class Reference(DensenetFit):
    """densenet's NumPy reference."""

    backend = "reference"


# ---- PyTorch -----------------------------------------------------------------------------------

_TORCH_ACTIVATIONS = {
    "identity": "Identity",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "mish": "Mish",
}


def torch_model(task: Task) -> Any:
    """Make PyTorch's module of a task, with the task's parameters."""
    import torch
    from torch import nn

    class Residual(nn.Sequential):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x + super().forward(x)

    design, linears = task.design, []
    for weight, bias in zip(task.weights, task.biases, strict=True):
        linear = nn.Linear(*weight.T.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))
        linears.append(linear)
    norms = {"layer_norm": nn.LayerNorm, "batch_norm": nn.BatchNorm1d}
    activation = getattr(nn, _TORCH_ACTIVATIONS[design.activation])
    layers: list[Any] = []
    for linear in linears[:-1]:
        block = [linear]
        if design.norm:
            block.append(norms[design.norm](linear.out_features))
        block.append(activation())
        if design.dropout:
            block.append(nn.Dropout(DROPOUT))
        same = linear.in_features == linear.out_features
        layers += [Residual(*block)] if design.residual and same else block
    return nn.Sequential(*layers, linears[-1])


def torch_optimizer(design: Design, parameters: Any, way: dict[str, bool]) -> Any:
    """Make PyTorch's optimizer; RMSprop's update has no fused kernel."""
    from torch import optim

    if design.optimizer == "rmsprop":
        way = {"foreach": True}
        return optim.RMSprop(parameters, lr=LEARNING_RATE, alpha=0.9, eps=1e-8, **way)
    kind = {"adam": optim.Adam, "adamw": optim.AdamW, "sgd": optim.SGD}[design.optimizer]
    return kind(parameters, lr=LEARNING_RATE, **way)


class TorchFused(Contender):
    """Eager mode, with the whole update in one fused kernel."""

    module = "torch"
    way: ClassVar[dict[str, bool]] = {"fused": True}
    compiled: ClassVar[bool] = False

    def __init__(self, task: Task) -> None:
        # torch.compile's helper processes would outlive their work and disturb other contenders.
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
        import torch

        torch.set_flush_denormal(True)  # inherited by threads, so before the first one starts
        torch.set_num_threads(task.threads)
        model = torch_model(task)
        cross_entropy = torch.nn.functional.cross_entropy
        self.parameters = list(model.parameters())
        self.optimizer = torch_optimizer(task.design, self.parameters, self.way)
        self.clip = torch.nn.utils.clip_grad_norm_ if task.design.clip else None
        self.batches = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in task.batches]

        def loss(x: Any, y: Any) -> Any:
            return cross_entropy(model(x), y)

        self.loss: Callable[[Any, Any], Any] = torch.compile(loss) if self.compiled else loss

    def epoch(self) -> Iterable[Any]:
        """Run PyTorch's usual training loop."""
        losses = []
        for x, y in self.batches:
            self.optimizer.zero_grad()
            loss = self.loss(x, y)
            loss.backward()
            if self.clip is not None:
                self.clip(self.parameters, CLIP_NORM)
            self.optimizer.step()
            losses.append(loss.detach())
        return losses


class TorchForeach(TorchFused):
    """Eager mode, with the update's operations on lists of tensors."""

    way: ClassVar[dict[str, bool]] = {"foreach": True}


class TorchCompiled(TorchFused):
    """Forward and backward pass by torch.compile, with the fused update."""

    compiled = True


# ---- JAX ---------------------------------------------------------------------------------------


def jax_rule(design: Design) -> Any:
    """Make optax's optimizer."""
    import optax

    makers: dict[str, Callable[[], Any]] = {
        "adam": lambda: optax.adam(LEARNING_RATE),
        "adamw": lambda: optax.adamw(LEARNING_RATE, weight_decay=0.01),
        "rmsprop": lambda: optax.rmsprop(LEARNING_RATE, decay=0.9, eps=1e-8, eps_in_sqrt=False),
        "sgd": lambda: optax.sgd(LEARNING_RATE),
    }
    rule = makers[design.optimizer]()
    return optax.chain(optax.clip_by_global_norm(CLIP_NORM), rule) if design.clip else rule


def jax_forward(design: Design) -> Callable[..., Any]:
    """Make the function that computes logits; batch norm keeps no running moments in it."""
    import jax
    from jax import numpy as jnp

    exact = {"gelu": lambda x: jax.nn.gelu(x, approximate=False), "identity": lambda x: x}
    activation = exact.get(design.activation) or getattr(jax.nn, design.activation)

    def normalized(x: Any, scale: Any, shift: Any) -> Any:
        axis = 0 if design.norm == "batch_norm" else 1
        mean, variance = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift

    def forward(dense: Any, norms: Any, x: Any, key: Any) -> Any:
        *hidden, (last_weight, last_bias) = dense
        for i, (weight, bias) in enumerate(hidden):
            given, x = x, x @ weight + bias
            if design.norm:
                x = normalized(x, *norms[i])
            x = activation(x)
            if design.dropout:
                kept = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - DROPOUT, x.shape)
                x = jnp.where(kept, x / (1 - DROPOUT), 0)
            if design.residual and weight.shape[0] == weight.shape[1]:
                x = given + x
        return x @ last_weight + last_bias

    return forward


class JaxStep(Contender):
    """A compiled function for each step; its buffers are donated to the next step."""

    module = "jax"

    def __init__(self, task: Task) -> None:
        os.environ["NPROC"] = str(task.threads)  # the size of XLA's pool of threads
        import jax
        import optax
        from jax import numpy as jnp

        jax.config.update("jax_platforms", "cpu")
        rule = jax_rule(task.design)
        forward, draw = jax_forward(task.design), task.design.dropout
        layers = zip(task.weights, task.biases, strict=True)
        dense = [(jnp.array(weight.T), jnp.array(bias)) for weight, bias in layers]
        norms = [(jnp.ones(o), jnp.zeros(o)) for o in task.widths[1:-1] if task.design.norm]
        self.parameters: Any = (dense, norms)
        self.state: Any = (rule.init(self.parameters), jax.random.key(0))
        self.wait: Callable[[Any], Any] = jax.block_until_ready

        def loss(parameters: Any, x: Any, y: Any, key: Any) -> Any:
            logits = forward(*parameters, x, key)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

        def step(parameters: Any, state: Any, x: Any, y: Any) -> Any:
            state, key = state
            if draw:
                key, this = jax.random.split(key)
            else:
                this = key
            value, gradients = jax.value_and_grad(loss)(parameters, x, y, this)
            updates, state = rule.update(gradients, state, parameters)
            return optax.apply_updates(parameters, updates), (state, key), value

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


_SKLEARN_ACTIVATIONS = {"sigmoid": "logistic"} | {a: a for a in ("identity", "tanh", "relu")}


class ScikitLearn(Contender):
    """MLPClassifier, one call an epoch. Its loss is one number for each call, not for each step."""

    module = "sklearn"

    def __init__(self, task: Task) -> None:
        from sklearn.neural_network import MLPClassifier

        classes = np.arange(task.widths[-1])
        if len(classes) == 2:
            raise ValueError("MLPClassifier has one output, and not two, for two classes")
        if (
            task.design != Design(task.design.activation)
            or task.design.activation not in _SKLEARN_ACTIVATIONS
        ):
            raise ValueError(f"MLPClassifier has no {task.design.text}")
        self.classifier = MLPClassifier(
            task.widths[1:-1],
            activation=_SKLEARN_ACTIVATIONS[task.design.activation],
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
