"""JAX with optax: functions compiled for a step, for an epoch, and for a prediction."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from designs import CLIP_NORM, DROPOUT, FOCUS, LEARNING_RATE, Design
from peers.contender import Contender, Predictor
from tasks import Task

# By JAX's names. Its products on the CPU are of floats as they are with all three.
_PRECISIONS = {"highest": "highest", "high": "high", "medium": "bfloat16"}


def jax_of(threads: int, design: Design) -> Any:
    """Import JAX and set it up; the module."""
    os.environ["NPROC"] = str(threads)  # the size of XLA's pool of threads
    import jax

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_default_matmul_precision", _PRECISIONS[design.precision])
    return jax


def dense_of(task: Task) -> list[tuple[Any, Any]]:
    """Give the weights (inputs, outputs) and biases of the linear layers."""
    from jax import numpy as jnp

    layers = zip(task.weights, task.biases, strict=True)
    return [(jnp.array(weight.T), jnp.array(bias)) for weight, bias in layers]


def rule_of(design: Design) -> Any:
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


def forward_of(design: Design) -> Callable[..., Any]:
    """Make the function that computes logits.

    Batch norm keeps no running moments in it, but takes those that stand beside its parameters.
    Without a key nothing is dropped.
    """
    import jax
    from jax import numpy as jnp

    exact = {"gelu": lambda x: jax.nn.gelu(x, approximate=False), "identity": lambda x: x}
    activation = exact.get(design.activation) or getattr(jax.nn, design.activation)

    def normalized(x: Any, scale: Any, shift: Any, *running: Any) -> Any:
        axis = 0 if design.norm == "batch_norm" else 1
        mean, variance = running or (x.mean(axis, keepdims=True), x.var(axis, keepdims=True))
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift

    def forward(dense: Any, norms: Any, x: Any, key: Any) -> Any:
        *hidden, (last_weight, last_bias) = dense
        for i, (weight, bias) in enumerate(hidden):
            given, x = x, x @ weight + bias
            if design.norm:
                x = normalized(x, *norms[i])
            x = activation(x)
            if design.dropout and key is not None:
                kept = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - DROPOUT, x.shape)
                x = jnp.where(kept, x / (1 - DROPOUT), 0)
            if design.residual and weight.shape[0] == weight.shape[1]:
                x = given + x
        return x @ last_weight + last_bias

    return forward


def loss_of(design: Design) -> Callable[[Any, Any], Any]:
    """Give the loss of logits and classes; the own one is for JAX to differentiate."""
    import optax
    from jax import numpy as jnp

    cross_entropies = optax.softmax_cross_entropy_with_integer_labels

    def focal(logits: Any, y: Any) -> Any:
        log = -cross_entropies(logits, y)
        return -((1 - jnp.exp(log)) ** FOCUS * log).mean()

    return focal if design.own_loss else lambda logits, y: cross_entropies(logits, y).mean()


class JaxStep(Contender):
    """A compiled function for each step; its buffers are donated to the next step."""

    module = "jax"

    def __init__(self, task: Task) -> None:
        jax = jax_of(task.threads, task.design)
        import optax
        from jax import numpy as jnp

        rule = rule_of(task.design)
        forward, draw = forward_of(task.design), task.design.dropout
        of_logits = loss_of(task.design)
        dense = dense_of(task)
        norms = [(jnp.ones(o), jnp.zeros(o)) for o in task.widths[1:-1] if task.design.norm]
        self.parameters: Any = (dense, norms)
        self.state: Any = (rule.init(self.parameters), jax.random.key(0))
        self.wait: Callable[[Any], Any] = jax.block_until_ready

        def loss(parameters: Any, x: Any, y: Any, key: Any) -> Any:
            return of_logits(forward(*parameters, x, key), y)

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


# ---- prediction --------------------------------------------------------------------------------


class JaxPredict(Predictor):
    """A compiled function of the parameters and a batch."""

    module = "jax"

    def __init__(self, task: Task) -> None:
        jax = jax_of(task.threads, task.design)
        from jax import numpy as jnp

        forward = forward_of(task.design)
        moments = 2 if task.design.norm == "batch_norm" else 0
        norms = [
            (jnp.ones(o), jnp.zeros(o), jnp.zeros(o), jnp.ones(o))[: 2 + moments]
            for o in task.widths[1:-1]
            if task.design.norm
        ]
        self.parameters: Any = (dense_of(task), norms)
        self.predict = jax.jit(lambda parameters, x: jax.nn.softmax(forward(*parameters, x, None)))
        self.batches = [jnp.array(x) for x, _ in task.batches]
        self.wait: Callable[[Any], Any] = jax.block_until_ready

    def epoch(self) -> Iterable[Any]:
        """Predict each batch and wait for its probabilities."""
        return [self.wait(self.predict(self.parameters, x)) for x in self.batches]
