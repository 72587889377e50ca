"""Linear layers in a row are one matrix, and the narrowest of them bounds its rank.

A matrix A of 100 x 100 is to be learned from y = A x. A network 100-100 (10,000 weights) can become
any matrix. A network 100-10-100 (2,000 weights) is a product W₂ W₁ of rank 10 at most; on white x
the best it can become is A's truncated singular value decomposition (Eckart and Young 1936).

What you see. On the left, the singular values of A and of what both networks have become: the wide
one has all of them, the narrow one has the ten largest, and then none. On the right, the loss: the
narrow one stops at the sum of the squares of the singular values that it cannot have.

    python examples/linear_rank.py [picture.png]
"""

from itertools import pairwise

import numpy as np
from _picture import name_lines, panels, save

from densenet import Adam, CosineLR, Linear, MeanSquaredError, Network
from densenet.plotting import BLUE, GREY, ORANGE

WIDTH, RANK, ROWS, STEPS = 100, 10, 400, 1500

rng = np.random.default_rng(0)
left_vectors, _, right_vectors = np.linalg.svd(rng.normal(size=(WIDTH, WIDTH)))
values = 10 * 0.9 ** np.arange(WIDTH)
A = (left_vectors * values) @ right_vectors
x = np.sqrt(ROWS) * np.linalg.qr(rng.normal(size=(ROWS, WIDTH)))[0]  # white: xᵀ x / rows = 1
y = x @ A.T


def train(widths: list[int]) -> tuple[np.ndarray, list[float]]:
    """Train linear layers of these widths; give the one matrix that they are, and the losses."""
    layers = [Linear(inputs, outputs, bias=False) for inputs, outputs in pairwise(widths)]
    network = Network(layers, MeanSquaredError(), dtype="float64", seed=0)
    adam = Adam(lr=CosineLR(0.03, STEPS))
    history = network.fit(x, y, epochs=STEPS, batch_size=ROWS, optimizer=adam)
    return network.forward(np.eye(WIDTH)).T, history.batch_loss


figure, (left, right) = panels(
    "What linear networks can learn: 100-100 against 100-10-100",
    "Singular values",
    "Mean squared error, by step",
)
numbers = np.arange(1, WIDTH + 1)
left.plot(numbers, values, color=GREY, linewidth=7, alpha=0.4, label="A")
best = (left_vectors[:, :RANK] * values[:RANK]) @ right_vectors[:RANK]
floor = np.sum(values[RANK:] ** 2) / WIDTH
for widths, color in ([WIDTH, WIDTH], BLUE), ([WIDTH, RANK, WIDTH], ORANGE):
    name = "-".join(map(str, widths))
    matrix, losses = train(widths)
    found = np.linalg.svd(matrix, compute_uv=False)
    away = np.linalg.norm(matrix - (A if len(widths) == 2 else best)) / np.linalg.norm(A)
    print(f"{name}: rank {np.sum(found > 1e-6)}, {away:.1e} from the best, loss {losses[-1]:.4f}")
    left.plot(numbers[found > 1e-6], found[found > 1e-6], ".", color=color, label=name)
    right.plot(np.arange(1, STEPS + 1), losses, color=color, label=name)
print(f"truncated: loss {floor:.4f}")
right.axhline(floor, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
right.text(STEPS, floor * 0.6, "what rank 10 leaves out", color=GREY, ha="right", va="top")
left.set(yscale="log", ylim=(2e-4, 20), xlabel="number of the singular value")
left.axvline(RANK + 0.5, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
right.set(yscale="log", ylim=(1e-6, 30), xlabel="step", xscale="log")
left.text(60, values[59] * 3, "A, and 100-100 on it", color=BLUE)
left.text(RANK + 3, values[0], "100-10-100: ten, and none after", color=ORANGE, va="center")
name_lines(right)
save(figure)
