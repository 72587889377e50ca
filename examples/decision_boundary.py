"""The decision boundary of logistic regression on two exam scores, and of a network beside it.

A student with scores x is admitted with the probability σ(w·x + b). Where it is 1/2, on the line
w·x + b = 0, the decision changes. A network with 32 hidden units may bend it.

What you see. Each student, and the probability as a shade: the straight line of logistic regression
on the left; on the right what 3 weights cannot do and 129 can: to follow the curve of the data and,
trained for long, single students too.

    python examples/decision_boundary.py [picture.png]           ex2data1.txt in DENSENET_DATA
    python examples/decision_boundary.py --short [picture.png]   made-up students
"""

import numpy as np
from _data import SHORT, exams
from _picture import panels, save
from matplotlib.colors import LinearSegmentedColormap

from densenet import Adam, BinaryCrossEntropy, Linear, Network, Tanh
from densenet.layers import Layer
from densenet.metrics import accuracy
from densenet.plotting import BLUE, INK, ORANGE

scores, admitted = exams()
mean, deviation = scores.mean(axis=0), scores.std(axis=0)
x = (scores - mean) / deviation
MODELS: dict[str, list[Layer]] = {
    "Logistic regression": [Linear(2, 1)],
    "A network 2-32-1": [Linear(2, 32), Tanh(), Linear(32, 1)],
}
shades = LinearSegmentedColormap.from_list("admitted", [ORANGE, "white", BLUE])
low, high = scores.min(axis=0) - 4, scores.max(axis=0) + 4
grid = np.meshgrid(np.linspace(low[0], high[0], 300), np.linspace(low[1], high[1], 300))
points = (np.stack(grid, axis=-1).reshape(-1, 2) - mean) / deviation

figure, both = panels("Who is admitted, by two exam scores", *MODELS)
for axes, (name, layers) in zip(both, MODELS.items(), strict=True):
    network = Network(layers, BinaryCrossEntropy(), dtype="float64", seed=0)
    epochs = 300 if SHORT else 3000
    network.fit(x, admitted, epochs=epochs, batch_size=len(x), optimizer=Adam(lr=0.03))
    right = accuracy(admitted.astype(int), network.predict(x))
    print(f"{name}: {100 * right:.0f}% right, loss {network.loss(x, admitted):.3f}")
    probability = network.predict_proba(points).reshape(grid[0].shape)
    axes.imshow(
        probability,
        cmap=shades,
        vmin=-0.4,
        vmax=1.4,
        extent=(low[0], high[0], low[1], high[1]),
        origin="lower",
        aspect="auto",
    )
    axes.contour(*grid, probability, [0.5], colors=INK, linewidths=2)
    axes.contour(*grid, probability, [0.1, 0.9], colors=INK, linewidths=0.6, linestyles="dashed")
    axes.plot(*scores[admitted == 1].T, "o", color=BLUE, markeredgecolor="white", label="admitted")
    axes.plot(*scores[admitted == 0].T, "X", color=ORANGE, markeredgecolor="white", label="refused")
    axes.set(xlabel="score of exam 1", ylabel="score of exam 2")
    axes.grid(visible=False)
both[1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1), labelcolor=INK)
save(figure)
