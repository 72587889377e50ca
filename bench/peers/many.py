"""Many small networks on one data set: by one call, by hand, and by other libraries."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from densenet import Network, SoftmaxCrossEntropy, fit_many, set_num_threads
from densenet.config import limit_this_thread
from densenet.training import History
from designs import LEARNING_RATE
from peers.contender import Contender
from peers.jax import forward_of, jax_of, loss_of, rule_of
from peers.sklearn import ACTIVATIONS, check
from tasks import Task


class ManyFits(Contender):
    """All networks of a task, made and trained with Glorot's weights and an order of their own."""

    module = "densenet"

    def __init__(self, task: Task) -> None:
        set_num_threads(task.threads)
        self.task = task
        self.settings: dict[str, Any] = {
            "epochs": task.passes,
            "batch_size": task.batch,
            "optimizer": task.design.rule(),
        }

    def epoch(self) -> Iterable[Any]:
        """Make all and train them; give the last loss of each."""
        layers = self.task.design.layers(self.task.widths)
        seeds = range(self.task.networks)
        networks = [Network(layers, SoftmaxCrossEntropy(), seed=seed) for seed in seeds]
        return [history.epochs[-1]["loss"] for history in self.train(networks)]

    def first(self) -> list[float]:
        """Train all; give the mean of the last losses, for each library draws its own orders."""
        return [float(np.mean(list(self.epoch())))]

    @abstractmethod
    def train(self, networks: list[Network]) -> list[History]:
        """Train networks, network i with the seed i."""


class FitMany(ManyFits):
    """`fit_many`."""

    def train(self, networks: list[Network]) -> list[History]:
        """Make one call."""
        seeds = range(len(networks))
        return fit_many(networks, self.task.x, self.task.y, seeds=seeds, **self.settings)


class FitManyAlone(FitMany):
    """`fit_many` on one thread."""

    def __init__(self, task: Task) -> None:
        super().__init__(replace(task, threads=1))


class InTurn(ManyFits):
    """`Network.fit` of one network after the other, each on all threads."""

    def train(self, networks: list[Network]) -> list[History]:
        """Make a call for each."""
        x, y, given = self.task.x, self.task.y, self.settings
        return [network.fit(x, y, seed=seed, **given) for seed, network in enumerate(networks)]


class ThreadPool(ManyFits):
    """`Network.fit` in a pool of Python's threads, each of which computes with one."""

    def train(self, networks: list[Network]) -> list[History]:
        """Map the pool over the networks."""

        def fit(seed: int) -> History:
            with limit_this_thread(1):
                return networks[seed].fit(self.task.x, self.task.y, seed=seed, **self.settings)

        with ThreadPoolExecutor(self.task.threads) as pool:
            return list(pool.map(fit, range(len(networks))))


class SklearnProcesses(ManyFits):
    """MLPClassifier in joblib's processes, one for each thread."""

    module = "sklearn"

    def __init__(self, task: Task) -> None:
        check(task.design)
        self.task = task
        self.settings: dict[str, Any] = {
            "hidden_layer_sizes": task.widths[1:-1],
            "activation": ACTIVATIONS[task.design.activation],
            "alpha": 0,
            "batch_size": task.batch,
            "learning_rate_init": LEARNING_RATE,
            "max_iter": task.passes,
            "n_iter_no_change": task.passes,
        }

    def epoch(self) -> Iterable[Any]:
        """Fit all; the processes live on from call to call."""
        from joblib import Parallel, delayed
        from sklearn.neural_network import MLPClassifier

        task = self.task
        made = [MLPClassifier(**self.settings, random_state=i) for i in range(task.networks)]
        run: Callable[[Any], list[float]] = Parallel(task.threads)
        return run(delayed(_loss_of_fit)(one, task.x, task.y) for one in made)

    def train(self, networks: list[Network]) -> list[History]:
        """Do nothing: these are no networks of densenet."""
        return []


def _loss_of_fit(classifier: Any, x: Any, y: Any) -> float:
    loss: float = classifier.fit(x, y).loss_
    return loss


class JaxVmap(ManyFits):
    """One compiled function for an epoch of all networks: `jax.vmap` over them, scan over steps."""

    module = "jax"

    def __init__(self, task: Task) -> None:
        jax = jax_of(task.threads, task.design)
        import optax
        from jax import numpy as jnp

        self.task = task
        forward, of_logits, rule = (
            forward_of(task.design),
            loss_of(task.design),
            rule_of(task.design),
        )
        x, y = jnp.array(task.x), jnp.array(task.y, jnp.int32)
        n_steps = len(x) // task.batch  # of one shape: what is left of an epoch is left out

        def loss(dense: Any, rows: Any, key: Any) -> Any:
            return of_logits(forward(dense, [], x[rows], key), y[rows])

        def step(carry: Any, rows: Any) -> Any:
            dense, state, key = carry
            key, this = jax.random.split(key)
            value, gradients = jax.value_and_grad(loss)(dense, rows, this)
            updates, state = rule.update(gradients, state, dense)
            return (optax.apply_updates(dense, updates), state, key), value

        def epoch(dense: Any, state: Any, key: Any) -> Any:
            key, this = jax.random.split(key)
            rows = jax.random.permutation(this, len(x))[: n_steps * task.batch]
            carry, losses = jax.lax.scan(step, (dense, state, key), rows.reshape(n_steps, -1))
            return *carry, losses.mean()

        def first(key: Any) -> Any:
            glorot, dense = jax.nn.initializers.glorot_uniform(), []
            for i, shape in enumerate(pairwise(task.widths)):
                dense.append((glorot(jax.random.fold_in(key, i), shape), jnp.zeros(shape[1])))
            return dense, rule.init(dense), key

        keys = jax.random.split(jax.random.key(0), task.networks)
        self.start: Callable[[], Any] = lambda: make(keys)
        make = jax.jit(jax.vmap(first))
        self.jit_epoch = jax.jit(jax.vmap(epoch), donate_argnums=(0, 1))

    def epoch(self) -> Iterable[Any]:
        """Make all and run the epochs of all; give the last loss of each."""
        carry, losses = self.start(), None
        for _ in range(self.task.passes):
            *carry, losses = self.jit_epoch(*carry)
        return np.asarray(losses).tolist()  # type: ignore[no-any-return]

    def train(self, networks: list[Network]) -> list[History]:
        """Do nothing: these are no networks of densenet."""
        return []
