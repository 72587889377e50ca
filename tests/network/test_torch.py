"""PyTorch as an outside witness: the same weights, the same rows, the same losses for 20 steps.

Names and shapes are those of `torch.nn.Sequential`, so that weights travel by name.
"""

import itertools

import numpy as np
import pytest

import densenet
from densenet import (
    ELU,
    GELU,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    BinaryCrossEntropy,
    CosineLR,
    CrossEntropy,
    Dropout,
    ExponentialLR,
    Huber,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogisticLoss,
    MeanAbsoluteError,
    MeanSquaredError,
    Network,
    ReLU,
    Residual,
    RMSprop,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    StepLR,
    Tanh,
)
from densenet._activations import ACTIVATIONS
from tests.support.pytorch import twin_layer, twin_network

torch = pytest.importorskip("torch")
F = torch.nn.functional

STEPS, ROWS, INPUTS, OUTPUTS = 20, 16, 6, 5
TOLERANCE = 1e-10


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def loss_of(loss, outputs, y, weight=None):
    """The loss as PyTorch has it."""
    y = torch.from_numpy(np.ascontiguousarray(y))
    how = {} if weight is None else {"reduction": "none"}
    match loss:
        case SoftmaxCrossEntropy():
            value = F.cross_entropy(outputs, y, label_smoothing=loss.label_smoothing, **how)
        case CrossEntropy() if y.ndim == 1:
            value = F.nll_loss(torch.log(outputs), y, **how)
        case CrossEntropy():
            value = -(y * torch.log(outputs)).sum(1)
            value = value if how else value.mean()
        case BinaryCrossEntropy():
            value = F.binary_cross_entropy_with_logits(outputs, y, **how)
        case LogisticLoss():
            value = F.soft_margin_loss(outputs, y, **how)
        case MeanSquaredError():
            value = F.mse_loss(outputs, y, **how)
        case MeanAbsoluteError():
            value = F.l1_loss(outputs, y, **how)
        case Huber():
            value = F.huber_loss(outputs, y, delta=loss.delta, **how)
    if weight is None:
        return value
    value = value.mean(1) if value.ndim == 2 else value
    weight = torch.from_numpy(weight)
    return (weight * value).sum() / weight.sum()


def groups(module, l2):
    """Weights, which are penalised, and the rest, which are not."""
    weights = [p for p in module.parameters() if p.ndim == 2]
    rest = [p for p in module.parameters() if p.ndim != 2]
    return [{"params": weights, "weight_decay": l2}, {"params": rest, "weight_decay": 0.0}]


def twin_optimizer(optimizer, module):
    lr = optimizer.lr if isinstance(optimizer.lr, float) else optimizer.lr(0)
    parts = groups(module, optimizer.l2)
    match optimizer:
        case SGD():
            names = ("momentum", "dampening", "nesterov")
            return torch.optim.SGD(parts, lr, **{name: getattr(optimizer, name) for name in names})
        case AdamW():
            parts[0]["weight_decay"] = optimizer.weight_decay
            betas = (optimizer.beta1, optimizer.beta2)
            return torch.optim.AdamW(parts, lr, betas, optimizer.eps)
        case RMSprop():
            return torch.optim.RMSprop(parts, lr, alpha=optimizer.beta, eps=optimizer.eps)
    return torch.optim.Adam(parts, lr, (optimizer.beta1, optimizer.beta2), optimizer.eps)


def clip(module, optimizer):
    """Clip as PyTorch does, but to ``c`` itself: it scales by ``c / (norm + 1e-6)``."""
    if optimizer.clip_value is not None:
        torch.nn.utils.clip_grad_value_(module.parameters(), optimizer.clip_value)
    if optimizer.clip_norm is not None:
        norm = torch.nn.utils.get_total_norm([p.grad for p in module.parameters()])
        if norm > optimizer.clip_norm:
            wanted = optimizer.clip_norm * float((norm + 1e-6) / norm)
            torch.nn.utils.clip_grad_norm_(module.parameters(), wanted)


def make(layers, loss, engine, seed=3):
    network = Network(layers, loss, dtype="float64", seed=seed, backend=engine)
    moves = np.random.default_rng(seed).normal(scale=0.1, size=network.n_parameters)
    network.flat[...] += moves  # biases and scales, too, are random
    return network


def batches(rng, targets, rows=ROWS):
    for _ in range(STEPS):
        yield rng.normal(size=(rows, INPUTS)), targets(rng)


def values(rng):
    return rng.normal(size=(ROWS, OUTPUTS))


def labels(rng):
    return rng.integers(0, OUTPUTS, ROWS)


def soft_rows(rng):
    return rng.dirichlet(np.full(OUTPUTS, 0.7), ROWS)


def bits(rng):
    return rng.integers(0, 2, (ROWS, OUTPUTS)).astype(float)


def signs(rng):
    return 2 * bits(rng) - 1


def assert_same_steps(network, optimizer, data, *, weights=None, first=None, scheduler=None):
    """Both take the same steps; `first` is another optimizer of ours, for the first step."""
    module = twin_network(network)
    other = twin_optimizer(optimizer, module)
    scheduler = scheduler(other) if scheduler else None
    ours, theirs = [], []
    for step, (x, y) in enumerate(data):
        weight = None if weights is None else weights(step)
        rule = first if first is not None and step == 0 else optimizer
        ours.append(network.train_step(x, y, rule, sample_weight=weight))
        other.zero_grad()
        loss = loss_of(network.loss_function, module(torch.from_numpy(x)), y, weight)
        loss.backward()
        clip(module, optimizer)
        other.step()
        if scheduler:
            scheduler.step()
        theirs.append(loss.item())
    assert len(ours) == STEPS
    assert len(set(ours)) == STEPS
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE)
    assert_same_arrays(network, module)
    return module


def assert_same_arrays(network, module):
    state = module.state_dict()
    for name, array in (network.parameters | network.running_moments).items():
        np.testing.assert_allclose(array, state[name].numpy(), rtol=1e-8, atol=1e-10)


# ---- layers ------------------------------------------------------------------------------------

OF_ANY_WIDTH = [entry.layer() for entry in ACTIVATIONS.values()]
OF_ANY_WIDTH += [LeakyReLU(0.3), ELU(0.4), Softmax()]
PLAIN = [
    *OF_ANY_WIDTH,
    LayerNorm(8),
    LayerNorm(8, eps=0.01),
    BatchNorm(8),
    BatchNorm(8, eps=0.01),
    Dropout(0.0),
    Residual([Linear(8, 8), Tanh()]),
    Residual([Linear(8, 3, bias=False), ELU(), Linear(3, 8), BatchNorm(8)]),
    Residual([Residual([Linear(8, 8), Sigmoid()]), LayerNorm(8), Residual([GELU()])]),
]


@pytest.mark.parametrize("layer", PLAIN, ids=str)
def test_layers(layer, engine, rng):
    layers = [Linear(INPUTS, 8), layer, Linear(8, OUTPUTS)]
    network = make(layers, MeanSquaredError(), engine)
    module = assert_same_steps(network, SGD(lr=0.05, momentum=0.9), batches(rng, values))

    x = rng.normal(size=(7, INPUTS))
    module.eval()
    with torch.no_grad():
        np.testing.assert_allclose(network.forward(x), module(torch.from_numpy(x)), rtol=1e-8)


@pytest.mark.parametrize("bias", [True, False])
def test_linear_first_and_last(bias, engine, rng):
    network = make([Linear(INPUTS, OUTPUTS, bias=bias)], MeanSquaredError(), engine)
    assert list(network.parameters) == ["0.weight", "0.bias"][: 1 + bias]
    assert_same_steps(network, SGD(lr=0.1), batches(rng, values))


@pytest.mark.parametrize("layer", [*OF_ANY_WIDTH, LayerNorm(INPUTS), BatchNorm(INPUTS)], ids=str)
def test_layers_before_the_first_product(layer, engine, rng):
    network = make([layer, Linear(INPUTS, OUTPUTS)], MeanSquaredError(), engine)
    assert_same_steps(network, SGD(lr=0.1), batches(rng, values))


@pytest.mark.parametrize("layer", [*OF_ANY_WIDTH, LayerNorm(OUTPUTS), BatchNorm(OUTPUTS)], ids=str)
def test_layers_after_the_last_product(layer, engine, rng):
    network = make([Linear(INPUTS, OUTPUTS), layer], MeanSquaredError(), engine)
    assert_same_steps(network, SGD(lr=0.1), batches(rng, values))


def test_batch_norm_follows_the_moments_and_predicts_with_them(engine, rng):
    layers = [Linear(INPUTS, 8), BatchNorm(8), ReLU(), Residual([BatchNorm(8)]), Linear(8, 5)]
    network = make(layers, SoftmaxCrossEntropy(), engine)
    module = assert_same_steps(network, SGD(lr=0.1, momentum=0.9), batches(rng, labels))
    names = ["1.running_mean", "1.running_var", "3.0.running_mean", "3.0.running_var"]
    assert list(network.running_moments) == names

    x, y = rng.normal(size=(9, INPUTS)), rng.integers(0, 5, 9)
    for training in (False, True):  # PyTorch's moments move in a look that trains
        module.train(training)
        module.zero_grad()
        inputs = torch.from_numpy(x).requires_grad_()
        held = {name: array.copy() for name, array in network.running_moments.items()}
        loss = loss_of(network.loss_function, module(inputs), y)
        loss.backward()
        value, gradients = network.gradients(x, y, training=training)
        assert value == pytest.approx(loss.item(), rel=TOLERANCE)
        for name, parameter in module.named_parameters():
            np.testing.assert_allclose(gradients[name], parameter.grad, rtol=1e-7, atol=1e-10)
        dx = network.input_gradient(x, y, training=training)
        np.testing.assert_allclose(dx, inputs.grad, rtol=1e-7, atol=1e-10)
        for name, array in network.running_moments.items():  # a look does not move them
            np.testing.assert_array_equal(array, held[name])


# ---- losses ------------------------------------------------------------------------------------

LOSSES = {
    "softmax cross-entropy": (SoftmaxCrossEntropy(), labels),
    "softmax cross-entropy, soft": (SoftmaxCrossEntropy(), soft_rows),
    "smoothed": (SoftmaxCrossEntropy(0.2), labels),
    "smoothed, soft": (SoftmaxCrossEntropy(0.2), soft_rows),
    "cross-entropy": (CrossEntropy(), labels),
    "cross-entropy, soft": (CrossEntropy(), soft_rows),
    "binary": (BinaryCrossEntropy(), bits),
    "binary, soft": (BinaryCrossEntropy(), lambda rng: rng.uniform(size=(ROWS, OUTPUTS))),
    "logistic": (LogisticLoss(), signs),
    "squared": (MeanSquaredError(), values),
    "absolute": (MeanAbsoluteError(), values),
    "huber": (Huber(), values),
    "huber 0.3": (Huber(0.3), values),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize(("loss", "targets"), LOSSES.values(), ids=LOSSES)
def test_losses(loss, targets, weighted, engine, rng):
    layers = [Linear(INPUTS, 8), Tanh(), Linear(8, OUTPUTS)]
    layers += [Softmax()] if isinstance(loss, CrossEntropy) else []
    network = make(layers, loss, engine)
    other = np.random.default_rng(5)
    weights = None
    if weighted:
        weights = [
            other.uniform(0, 3, ROWS) * (other.uniform(size=ROWS) > 0.3) for _ in range(STEPS)
        ]
        weights = weights.__getitem__
    assert_same_steps(network, SGD(lr=0.2), batches(rng, targets), weights=weights)


# ---- optimizers --------------------------------------------------------------------------------

DEEP = [Linear(INPUTS, 9), Sigmoid(), LayerNorm(9), Linear(9, 8, bias=False), ReLU(), Linear(8, 5)]
OPTIMIZERS = [
    SGD(lr=0.2),
    SGD(lr=0.2, l2=0.1),
    SGD(lr=0.1, momentum=0.9),
    SGD(lr=0.1, momentum=0.9, l2=0.1),
    SGD(lr=0.1, momentum=0.9, nesterov=True),
    SGD(lr=0.1, momentum=0.5, nesterov=True, l2=0.1),
    RMSprop(),
    RMSprop(lr=0.01, beta=0.5, eps=1e-3, l2=0.1),
    Adam(),
    Adam(lr=0.01, beta1=0.5, beta2=0.9, eps=1e-3, l2=0.1),
    AdamW(),
    AdamW(lr=0.02, beta1=0.5, beta2=0.9, eps=1e-3, weight_decay=0.5),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_optimizers(optimizer, engine, rng):
    network = make(DEEP, SoftmaxCrossEntropy(), engine)
    assert_same_steps(network, optimizer, batches(rng, labels))


@pytest.mark.parametrize(("momentum", "dampening"), [(0.9, 0.9), (0.5, 0.2)])
def test_dampening_differs_on_the_first_step_alone(momentum, dampening, engine, rng):
    """PyTorch starts with ``v = g``, as we do without dampening."""
    network = make(DEEP, SoftmaxCrossEntropy(), engine)
    start, data = network.flat.copy(), list(batches(rng, labels))
    optimizer = SGD(lr=0.1, momentum=momentum, dampening=dampening)
    undampened = SGD(lr=0.1, momentum=momentum)
    assert_same_steps(network, optimizer, data, first=undampened)

    steps = []
    for rule in (optimizer, undampened):
        network.flat[...] = start
        network.reset_optimizer()
        network.train_step(*data[0], rule)
        steps.append(network.flat - start)
    np.testing.assert_allclose(steps[0], (1 - dampening) * steps[1], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    "settings", [{"clip_norm": 0.1}, {"clip_value": 0.01}, {"clip_norm": 0.05, "clip_value": 0.02}]
)
@pytest.mark.parametrize("rule", [SGD, Adam, AdamW])
def test_clipping(rule, settings, engine, rng):
    network, twin = (make(DEEP, SoftmaxCrossEntropy(), engine) for _ in range(2))
    data = list(batches(rng, labels))
    assert_same_steps(network, rule(lr=0.05, l2=0.1 if rule is SGD else 0.0, **settings), data)
    for x, y in data:
        twin.train_step(x, y, rule(lr=0.05, l2=0.1 if rule is SGD else 0.0))
    assert not np.allclose(network.flat, twin.flat, rtol=1e-3)  # it did clip


SCHEDULES = {
    "step": (
        StepLR(0.2, every=6, factor=0.5),
        lambda o: torch.optim.lr_scheduler.StepLR(o, 6, gamma=0.5),
    ),
    "exponential": (
        ExponentialLR(0.2, 0.9),
        lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
    ),
    "cosine": (
        CosineLR(0.2, STEPS, final=0.01),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.01),
    ),
}


@pytest.mark.parametrize(("schedule", "scheduler"), SCHEDULES.values(), ids=SCHEDULES)
def test_schedules(schedule, scheduler, engine, rng):
    network = make(DEEP, SoftmaxCrossEntropy(), engine)
    optimizer = SGD(lr=schedule, momentum=0.5)
    assert_same_steps(network, optimizer, batches(rng, labels), scheduler=scheduler)


# ---- weights travel ----------------------------------------------------------------------------


def test_weights_travel_both_ways(engine, rng):
    widths = [INPUTS, 8, 7, OUTPUTS]
    layers = [layer for a, b in itertools.pairwise(widths) for layer in (Linear(a, b), ELU())][:-1]
    network = make(layers, SoftmaxCrossEntropy(), engine)
    module = torch.nn.Sequential(*map(twin_layer, layers)).double()
    for name, tensor in module.state_dict().items():
        network.parameters[name][...] = tensor.numpy()
    x = rng.normal(size=(7, INPUTS))
    with torch.no_grad():
        np.testing.assert_allclose(network.forward(x), module(torch.from_numpy(x)), rtol=1e-12)
    network.flat[...] = rng.normal(size=network.n_parameters)
    state = {name: torch.from_numpy(array.copy()) for name, array in network.parameters.items()}
    module.load_state_dict(state)  # strictly: every name and shape fits
    with torch.no_grad():
        np.testing.assert_allclose(network.forward(x), module(torch.from_numpy(x)), rtol=1e-11)


def test_everything_is_compared():
    """A layer, loss or optimizer that is new must come here, too."""
    kinds = {type(layer).__name__ for layer in PLAIN} | {"Linear"}
    assert kinds == set(densenet.layers.__all__)
    assert {type(loss).__name__ for loss, _ in LOSSES.values()} == set(densenet.losses.__all__)
    assert {type(rule).__name__ for rule in OPTIMIZERS} == set(densenet.optimizers.__all__)
