"""What textbooks derive of networks and optimizers, checked by number, on both backends.

Expected values are written out here in NumPy or Python; nothing is taken from the package but what
is tested.
"""

import itertools
import math

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    AdamW,
    BinaryCrossEntropy,
    CrossEntropy,
    Linear,
    LogisticLoss,
    MeanSquaredError,
    Network,
    Residual,
    RMSprop,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
    check_gradients,
)
from tests.support.functions import central_differences


def make(layers, loss, engine, seed=1):
    return Network(layers, loss, dtype="float64", seed=seed, backend=engine)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def soft(w, amount):
    """The soft threshold: sign(w) max(|w| - amount, 0)."""
    return np.sign(w) * np.maximum(np.abs(w) - amount, 0)


# ---- backpropagation ---------------------------------------------------------------------------


def test_the_four_equations_of_a_sigmoid_softmax_net(engine, rng):
    """With δ2 = ŷ - y, δ1 = (W2ᵀ δ2) ∘ h(1-h), the four gradients and dL/dx = W1ᵀ δ1.

    Rumelhart et al. 1986.
    """
    network = make([Linear(4, 6), Sigmoid(), Linear(6, 3)], SoftmaxCrossEntropy(), engine)
    p = network.parameters
    p["0.bias"][...], p["2.bias"][...] = rng.normal(size=6), rng.normal(size=3)
    x, label = rng.normal(size=(1, 4)), np.array([2])

    column = x.T  # vectors are columns, as in the formulas
    h = sigmoid(p["0.weight"] @ column + p["0.bias"][:, None])
    prediction = softmax((p["2.weight"] @ h + p["2.bias"][:, None]).T).T
    delta2 = prediction - np.eye(3)[:, label]
    delta1 = (p["2.weight"].T @ delta2) * h * (1 - h)

    loss, gradients = network.gradients(x, label)
    assert loss == pytest.approx(-math.log(prediction[2, 0]), rel=1e-12)
    expected = {
        "2.weight": delta2 @ h.T,
        "2.bias": delta2[:, 0],
        "0.weight": delta1 @ column.T,
        "0.bias": delta1[:, 0],
    }
    assert set(gradients) == set(expected)
    for name, wanted in expected.items():
        np.testing.assert_allclose(gradients[name], wanted, rtol=1e-12, atol=1e-15)
    dx = network.input_gradient(x, label)
    np.testing.assert_allclose(dx, (p["0.weight"].T @ delta1).T, rtol=1e-12, atol=1e-15)


def test_the_linear_module(backend, rng):
    """Its gradients, element by element: dW_ij = Σ_s dY_si X_sj, db_i = Σ_s dY_si, dX = dY W."""
    x, weight, dy = rng.normal(size=(5, 4)), rng.normal(size=(3, 4)), rng.normal(size=(5, 3))
    dx, dweight, dbias = backend.linear_backward(dy, x, weight)
    for i, j in itertools.product(range(3), range(4)):
        assert dweight[i, j] == pytest.approx(sum(dy[s, i] * x[s, j] for s in range(5)))
    for i in range(3):
        assert dbias[i] == pytest.approx(sum(dy[s, i] for s in range(5)))
    for s, j in itertools.product(range(5), range(4)):
        assert dx[s, j] == pytest.approx(sum(dy[s, i] * weight[i, j] for i in range(3)))


@pytest.mark.parametrize(
    ("name", "derivative"),
    [
        ("sigmoid", lambda x: sigmoid(x) * (1 - sigmoid(x))),
        ("tanh", lambda x: 1 - np.tanh(x) ** 2),
        ("relu", lambda x: (x > 0).astype(float)),
        ("leaky_relu", lambda x: np.where(x > 0, 1, 0.01)),
        ("elu", lambda x: np.where(x > 0, 1, np.exp(x))),
    ],
)
def test_the_activation_module_multiplies_by_the_derivative(backend, rng, name, derivative):
    x, dy = rng.normal(scale=2, size=(2, 5, 4))
    x[0, :2] = 0.0, -0.0  # the derivative at 0 is that of the left side
    y = getattr(backend, f"{name}_forward")(x)
    dx = getattr(backend, f"{name}_backward")(dy, y)
    np.testing.assert_allclose(dx, dy * derivative(x), rtol=1e-12, atol=1e-14)


def test_the_softmax_module(backend, rng):
    """Of a row ∂y_i/∂x_j = y_i (δ_ij - y_j), and so of a batch dX = Y ∘ (dY - (dY ∘ Y) 11ᵀ)."""
    x, dy = rng.normal(size=(2, 3, 5))
    y = backend.softmax_forward(x)
    np.testing.assert_allclose(y, softmax(x), rtol=1e-13)
    dx = backend.softmax_backward(dy, y)
    ones = np.ones((5, 5))
    np.testing.assert_allclose(dx, y * (dy - (dy * y) @ ones), rtol=1e-12, atol=1e-15)
    for row in range(3):
        jacobian = np.diag(y[row]) - np.outer(y[row], y[row])
        np.testing.assert_allclose(dx[row], jacobian @ dy[row], rtol=1e-12, atol=1e-15)


def test_the_cross_entropy_module_and_its_fusion_with_softmax(backend, rng):
    """Its gradient is -(1/B) T/Y; through the softmax Y ∘ (T 11ᵀ) - T = Y - T, over B."""
    logits, targets = rng.normal(size=(6, 4)), rng.dirichlet(np.ones(4), 6)
    y = backend.softmax_forward(logits)
    loss, dy = backend.cross_entropy_forward(y, targets), backend.cross_entropy_backward(y, targets)
    assert loss == pytest.approx(-(targets * np.log(y)).sum() / 6, rel=1e-13)
    np.testing.assert_allclose(dy, -targets / y / 6, rtol=1e-13)
    through = backend.softmax_backward(dy, y)
    np.testing.assert_allclose(through, (y - targets) / 6, rtol=1e-11, atol=1e-15)
    fused_loss, kept = backend.softmax_cross_entropy_forward(logits, targets)
    assert fused_loss == pytest.approx(loss, rel=1e-13)
    fused = backend.softmax_cross_entropy_backward(kept, targets)
    np.testing.assert_allclose(through, fused, rtol=1e-11, atol=1e-15)


def test_softmax_then_cross_entropy_trains_like_the_fused_loss(engine, rng):
    one = make([Linear(4, 3)], SoftmaxCrossEntropy(), engine)
    two = make([Linear(4, 3), Softmax()], CrossEntropy(), engine)
    two.flat[...] = one.flat
    x, y = rng.normal(size=(9, 4)), rng.integers(0, 3, 9)
    for _ in range(20):
        loss = one.train_step(x, y, SGD(lr=0.5))
        assert loss == pytest.approx(two.train_step(x, y, SGD(lr=0.5)), rel=1e-11)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_residual_adds_its_own_term(engine, rng, depth):
    """He et al. 2016: Y = X + F(X), so dX = dY + F's dX: the extra term is dY itself."""
    block = [Linear(5, 7), Tanh(), Linear(7, 5)]
    plain = make(block, MeanSquaredError(), engine)
    layers = [Residual(block)] if depth == 1 else [Residual([Residual(block)])]
    network = make(layers, MeanSquaredError(), engine)
    network.flat[...] = plain.flat
    x, dy = rng.normal(size=(2, 6, 5))
    factor = float(depth)  # x + (x + F(x)) has x twice
    np.testing.assert_allclose(network.forward(x), factor * x + plain.forward(x), rtol=1e-12)
    dx, gradients = network.backward(x, dy)
    plain_dx, plain_gradients = plain.backward(x, dy)
    np.testing.assert_allclose(dx, factor * dy + plain_dx, rtol=1e-11, atol=1e-14)
    prefix = "0." * depth
    assert set(gradients) == {prefix + name for name in plain_gradients}
    for name, wanted in plain_gradients.items():
        np.testing.assert_allclose(gradients[prefix + name], wanted, rtol=1e-11, atol=1e-14)
    assert check_gradients(network, x, dy) < 1e-5


def test_logistic_loss_equals_binary_cross_entropy(engine, rng):
    """Labels are ±1 for the one and 0 or 1 for the other; the loss is the same."""
    signs = make([Linear(4, 1)], LogisticLoss(), engine)
    bits = make([Linear(4, 1)], BinaryCrossEntropy(), engine)
    bits.flat[...] = signs.flat
    x, y = rng.normal(size=(9, 4)), rng.integers(0, 2, 9)
    (one, gradients), (other, twins) = signs.gradients(x, 2 * y - 1), bits.gradients(x, y)
    assert one == pytest.approx(other, rel=1e-13)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, twins[name], rtol=1e-12, atol=1e-15)
    assert signs.predict(x).tolist() == (2 * bits.predict(x) - 1).tolist()
    np.testing.assert_allclose(signs.predict_proba(x), sigmoid(signs.forward(x)), rtol=1e-13)


# ---- optimizers by hand on a quadratic ---------------------------------------------------------

CURVATURE, START = np.array([3.0, 0.25]), np.array([1.0, -2.0])  # E = ½ Σ H w²


def descend(backend, rule, n_states, steps, **settings):
    """Follow a rule's function from START, with states of zeros; give every place."""
    w, states = START.copy(), [np.zeros(2) for _ in range(n_states)]
    places = []
    for t in range(1, steps + 1):
        count = (t,) if rule.startswith("adam") else ()
        getattr(backend, rule)(w, CURVATURE * w, *states, *count, **settings)
        places.append(w.copy())
    return np.array(places)


def test_gradient_descent_on_a_quadratic(backend):
    """Of ½Hw²: w_t = (1 - η H)ᵗ w_0."""
    places = descend(backend, "sgd_step", 0, 25, lr=0.1)
    expected = [(1 - 0.1 * CURVATURE) ** t * START for t in range(1, 26)]
    np.testing.assert_allclose(places, expected, rtol=1e-12)


@pytest.mark.parametrize("dampening", [0.0, 0.9, 0.3])
def test_momentum_is_a_sum_over_all_gradients(backend, dampening):
    """Polyak 1964, unrolled: v_t = (1-d) Σ βᵏ g_{t-k}."""
    beta, lr = 0.9, 0.1
    places = descend(backend, "sgd_step", 1, 25, lr=lr, momentum=beta, dampening=dampening)
    before = np.vstack([START, places])
    for t in range(25):
        v = (1 - dampening) * sum(beta**k * CURVATURE * before[t - k] for k in range(t + 1))
        np.testing.assert_allclose(before[t + 1], before[t] - lr * v, rtol=1e-11, atol=1e-14)


def test_nesterov_is_the_look_ahead(backend):
    """v' = ρ v' - η g(w' + ρ v'), w' += v'; ours is the point looked at, w = w' + ρ v'.

    Sutskever et al. 2013.
    """
    lr, rho = 0.1, 0.8
    places = descend(backend, "sgd_step", 1, 25, lr=lr, momentum=rho, nesterov=True)
    w, v = START.copy(), np.zeros(2)
    for place in places:
        v = rho * v - lr * CURVATURE * (w + rho * v)
        w = w + v
        np.testing.assert_allclose(place, w + rho * v, rtol=1e-11, atol=1e-14)


def test_rmsprop_on_a_quadratic(backend):
    """Tieleman and Hinton 2012: v is the decaying mean of g²."""
    lr, beta, eps = 0.05, 0.9, 1e-6
    places = descend(backend, "rmsprop_step", 1, 25, lr=lr, beta=beta, eps=eps)
    before = np.vstack([START, places])
    for t in range(25):
        past = [(CURVATURE * before[t - k]) ** 2 for k in range(t + 1)]
        v = (1 - beta) * sum(beta**k * g2 for k, g2 in enumerate(past))
        moved = lr * CURVATURE * before[t] / (eps + np.sqrt(v))
        np.testing.assert_allclose(before[t + 1], before[t] - moved, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adam_on_a_quadratic(backend, decay):
    """Both means are weighted averages, after their correction with weights summing to 1.

    Kingma and Ba 2015. AdamW first shrinks the weight by 1 - η λ, and its gradient is that of the
    place before.
    """
    lr, beta1, beta2, eps = 0.05, 0.9, 0.99, 1e-6
    rule, more = ("adamw_step", {"weight_decay": decay}) if decay else ("adam_step", {})
    options = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps}
    places = descend(backend, rule, 2, 25, **options, **more)
    before = np.vstack([START, places])
    np.testing.assert_allclose(
        places[0], (1 - lr * decay) * START - lr * np.sign(START), rtol=1e-5
    )  # whatever the gradient's size, the first step has the length η
    for t in range(25):
        past = [CURVATURE * before[t - k] for k in range(t + 1)]
        one, two = ([b**k for k in range(t + 1)] for b in (beta1, beta2))
        m = sum(b * g for b, g in zip(one, past, strict=True)) / sum(one)
        v = sum(b * g**2 for b, g in zip(two, past, strict=True)) / sum(two)
        wanted = (1 - lr * decay) * before[t] - lr * m / (np.sqrt(v) + eps)
        np.testing.assert_allclose(before[t + 1], wanted, rtol=1e-10, atol=1e-13)


def test_batch_single_and_mini_batch_descent_are_one_rule(engine, rng):
    """They differ in the rows of a step alone."""
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    for size in (1, 5, 12):
        network = make([Linear(3, 2)], MeanSquaredError(), engine)
        weight, bias = (array.copy() for array in network.parameters.values())
        network.fit(x, y, epochs=2, batch_size=size, shuffle=False, optimizer=SGD(lr=0.1))
        for begin in list(range(0, 12, size)) * 2:
            rows, wanted = x[begin : begin + size], y[begin : begin + size]
            delta = 2 * (rows @ weight.T + bias - wanted) / wanted.size
            weight, bias = weight - 0.1 * delta.T @ rows, bias - 0.1 * delta.sum(axis=0)
        np.testing.assert_allclose(network.parameters["0.weight"], weight, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(network.parameters["0.bias"], bias, rtol=1e-10, atol=1e-13)


def test_a_unit_step_changes_the_loss_by_the_gradients_norm(engine, rng):
    """Taylor's theorem: E(w - η ∇E/‖∇E‖) - E(w) is -η‖∇E‖, with an error that shrinks as η²."""
    network = make([Linear(5, 7), Tanh(), Linear(7, 2)], MeanSquaredError(), engine)
    x, y = rng.normal(size=(13, 5)), rng.normal(size=(13, 2))
    before, gradient = network.value_and_gradient(network.flat, x, y)
    norm, errors = np.linalg.norm(gradient), []
    for eta in (1e-2, 1e-3):
        after, _ = network.value_and_gradient(network.flat - eta * gradient / norm, x, y)
        errors.append(abs(after - before + eta * norm))
        assert errors[-1] < 0.1 * eta * norm
    assert errors[1] == pytest.approx(errors[0] / 100, rel=0.1)


# ---- L1 ----------------------------------------------------------------------------------------


def test_the_soft_threshold_is_the_minimum(rng):
    """Of ½H(w - w*)² + α|w| (Donoho and Johnstone 1994), by looking everywhere."""
    grid = np.linspace(-4, 4, 80_001)
    for curvature, best, alpha in rng.uniform([0.3, -3, 0], [3, 3, 2], (50, 3)):
        penalised = 0.5 * curvature * (grid - best) ** 2 + alpha * np.abs(grid)
        found = grid[penalised.argmin()]
        assert soft(best, alpha / curvature) == pytest.approx(found, abs=1.01e-4)


def test_a_step_of_1_over_h_is_the_soft_threshold(backend, rng):
    """The threshold α/H is α times the step 1/H, which goes to the minimum at once.

    Daubechies et al. 2004.
    """
    curvature, alpha = 0.5, 0.75
    best, w = rng.normal(scale=2, size=(2, 33))
    backend.sgd_step(w, curvature * (w - best), lr=1 / curvature, l1=alpha)
    wanted = soft(best, alpha / curvature)
    np.testing.assert_allclose(w, wanted, rtol=1e-12, atol=1e-14)
    assert (w == 0).sum() == (np.abs(best) <= alpha / curvature).sum() > 0


RULES = [SGD(lr=0.5)]
for beta in (0.0, 0.5, 0.9):
    RULES += [
        SGD(lr=0.5, momentum=beta),
        SGD(lr=0.5, momentum=beta, dampening=beta),
        RMSprop(lr=0.1, beta=beta, eps=0.1),
        Adam(lr=0.1, beta1=beta, beta2=0.9, eps=0.1),
        Adam(lr=0.1, beta1=0.9, beta2=beta, eps=0.1),
        AdamW(lr=0.1, beta1=beta, beta2=0.99, eps=0.1, weight_decay=0.0),
    ]
    if beta:
        RULES.append(SGD(lr=0.2, momentum=beta, nesterov=True))


@pytest.mark.parametrize("optimizer", RULES, ids=str)
def test_every_rule_ends_at_the_soft_threshold(optimizer, engine):
    """With one-hot rows each output is one weight: MSE over n is ½H(w - w*)² with H = 2/n."""
    best = np.array([[-1.5], [-0.3], [0.05], [0.25], [0.7], [2.0]])
    n, alpha = best.size, 0.1
    network = make([Linear(n, 1, bias=False)], MeanSquaredError(), engine)
    rule = type(optimizer)(**(vars(optimizer) | {"l1": alpha}))
    x, y = np.tile(np.eye(n), (600, 1)), np.tile(best, (600, 1))  # 600 steps in one epoch
    network.fit(x, y, epochs=1, batch_size=n, shuffle=False, optimizer=rule)
    wanted = soft(best, alpha / (2 / n))
    assert (wanted == 0).sum() == 3
    weight = network.parameters["0.weight"].T
    np.testing.assert_allclose(weight, wanted, atol=1e-5)
    assert not weight[wanted == 0].any()  # exact zeros


# ---- linear networks ---------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(9, 3, 8), (8, 2, 7, 6), (5, 9, 4)])
def test_deep_linear_networks_have_the_rank_of_the_bottleneck(engine, rng, widths):
    """The product of the weights is one weight, of no higher rank than any factor.

    Baldi and Hornik 1989.
    """
    layers = [Linear(a, b, bias=False) for a, b in itertools.pairwise(widths)]
    network = make(layers, MeanSquaredError(), engine)
    outputs = network.forward(np.eye(widths[0]))
    product = np.linalg.multi_dot(list(network.parameters.values())[::-1])
    np.testing.assert_allclose(outputs.T, product, rtol=1e-11, atol=1e-14)
    assert np.linalg.matrix_rank(product) == min(widths)


def test_a_linear_bottleneck_reaches_the_truncated_svd(engine, rng):
    """100-10-100 fits the outputs Y = X W best with the first ten singular parts.

    Eckart and Young 1936. X has orthonormal columns, so least squares of rank ten is the truncation
    of the fitted outputs.
    """
    x = np.linalg.qr(rng.normal(size=(120, 100)))[0]
    left, right = (np.linalg.qr(rng.normal(size=(100, 100)))[0] for _ in range(2))
    sizes = np.r_[np.linspace(3, 2, 10), np.linspace(0.5, 0.1, 90)]
    y = x @ (left * sizes) @ right.T + 0.05 * rng.normal(size=(120, 100))
    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    u, s, vt = np.linalg.svd(fitted, full_matrices=False)
    truncated = (u[:, :10] * s[:10]) @ vt[:10]

    layers = [Linear(100, 10, bias=False), Linear(10, 100, bias=False)]
    network = make(layers, MeanSquaredError(), engine)
    optimizer = SGD(lr=400.0, momentum=0.9)  # gradients are divided by 12,000
    network.fit(x, y, epochs=800, batch_size=120, shuffle=False, optimizer=optimizer)
    np.testing.assert_allclose(network.forward(x), truncated, atol=1e-4)
    smallest = ((y - truncated) ** 2).mean()
    assert network.loss(x, y) == pytest.approx(smallest, rel=1e-8)


# ---- convex problems ---------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [LogisticLoss(), BinaryCrossEntropy()], ids=str)
def test_logistic_regression_reaches_the_convex_optimum(engine, rng, loss):
    """With an L2 penalty the loss is strictly convex: gradient descent ends at its one minimum."""
    optimize = pytest.importorskip("scipy.optimize")
    x, penalty = rng.normal(size=(80, 3)), 0.05
    signs = np.where(x @ [1.0, -2.0, 0.5] + 0.3 + rng.logistic(size=80) > 0, 1.0, -1.0)

    def objective(w):
        return np.logaddexp(0, -signs * (x @ w[:3] + w[3])).mean() + penalty / 2 * (w[:3] @ w[:3])

    best = optimize.minimize(objective, np.zeros(4), tol=1e-12, options={"gtol": 1e-9})
    network = make([Linear(3, 1)], loss, engine)
    y = signs if isinstance(loss, LogisticLoss) else (signs + 1) / 2
    network.fit(x, y, epochs=600, batch_size=80, optimizer=SGD(lr=1.0, l2=penalty))
    np.testing.assert_allclose(network.flat, best.x, atol=1e-6)
    gradient = central_differences(objective, network.flat.copy())
    np.testing.assert_allclose(gradient, 0, atol=1e-7)


# ---- the saddle --------------------------------------------------------------------------------


def saddle(engine):
    """Make y = w₂ w₁ x at w = 0."""
    layers = [Linear(1, 1, bias=False, init="zeros"), Linear(1, 1, bias=False, init="zeros")]
    return make(layers, MeanSquaredError(), engine)


def test_the_saddle_of_two_weights(engine, rng):
    """E = mean (w₂ w₁ x - y)² has gradient 0 and Hessian [[0, c], [c, 0]] at w = 0.

    Saxe et al. 2014.
    """
    network = saddle(engine)
    x = rng.normal(size=(16, 1))
    y = 1.5 * x
    _, gradients = network.gradients(x, y)
    assert all(gradient.item() == 0 for gradient in gradients.values())
    hessian = np.empty((2, 2))
    for i, h in enumerate(1e-4 * np.eye(2)):
        _, above = network.value_and_gradient(h, x, y)
        _, below = network.value_and_gradient(-h, x, y)
        hessian[i] = (above - below) / 2e-4
    c = -2 * float((x * y).mean())
    np.testing.assert_allclose(hessian, [[0, c], [c, 0]], atol=1e-6)
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), [-abs(c), abs(c)], atol=1e-6)


@pytest.mark.parametrize("optimizer", [SGD(lr=0.1), SGD(momentum=0.9), RMSprop(), Adam()], ids=str)
def test_descent_stays_at_the_saddle(engine, rng, optimizer):
    network = saddle(engine)
    x = rng.normal(size=(16, 1))
    before = network.flat.tobytes()
    network.fit(x, 1.5 * x, epochs=20, batch_size=4, optimizer=optimizer)
    assert network.flat.tobytes() == before


def test_noise_escapes_from_the_saddle(engine, rng):
    """Ge et al. 2015: almost every direction of a little noise leads down."""
    network = saddle(engine)
    x = rng.normal(size=(16, 1))
    network.flat[...] = rng.normal(scale=1e-6, size=2)
    at_saddle = network.loss(x, 1.5 * x)
    network.fit(x, 1.5 * x, epochs=400, batch_size=4, optimizer=SGD(lr=0.05))
    assert network.loss(x, 1.5 * x) < 1e-6 * at_saddle
    assert np.prod(network.flat) == pytest.approx(1.5, rel=1e-3)
