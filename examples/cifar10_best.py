"""How well a dense network reads CIFAR-10 in some minutes on two cores.

A network 1536-1024-1024-10 learns from photographs that are new in each epoch: moved by up to four
pixels, and half of them mirrored. It sees their light, and their colors half as sharp. It begins
with detectors: first weights of a unit are a piece of a photograph, a whitened window of 8 x 8
pixels where it lies. To read an image it looks into the mirror, too. A quarter of the training
images is held out; all was chosen by these, and the test images come in once, in the end.

What you see. On the left, how many images it names rightly, minute by minute: of those it learns
from, as they lie, and of those held out. On the right, held-out images that it is surest of.

    python examples/cifar10_best.py [picture.png]           CIFAR-10, from the folder DENSENET_DATA
    python examples/cifar10_best.py --short [picture.png]   64-128-128-10, on the digits
"""

import time

import numpy as np
from _data import SHORT
from _photographs import flat, light_and_colors, moved_anew, pieces, scaled
from _picture import name_lines, panels, save

from densenet import GELU, AdamW, BatchNorm, Callback, CosineLR, Linear, Network, WarmupLR
from densenet.datasets import CIFAR10_CLASSES, load_cifar10, load_digits
from densenet.losses import SoftmaxCrossEntropy
from densenet.plotting import BLUE, ORANGE, misclassified

SIDE, SHIFT, WINDOW = (8, 1, 4) if SHORT else (32, 4, 8)
SHAPE = (SIDE, SIDE) if SHORT else (SIDE, SIDE, 3)
NAMES = None if SHORT else [name.replace("automobile", "car") for name in CIFAR10_CLASSES]
WIDTH, BATCH, EPOCHS, LOOK = (128, 64, 30, 6) if SHORT else (1024, 256, 72, 4)
BEGIN = time.perf_counter()

x, y, x_test, y_test = load_digits() if SHORT else load_cifar10()
n = len(x) * 3 // 4
shown = x[n:].reshape(len(x) - n, -1, SIDE**2).transpose(0, 2, 1)  # as pictures are: by pixels
x, x_held, x_test = (light_and_colors(rows, SIDE) for rows in (x[:n], x[n:], x_test))
x, x_held, x_test = scaled(x, x_held, x_test)
y, y_held = y[:n], y[n:]


def read(images: np.ndarray) -> np.ndarray:
    """Give the probabilities of the classes; a digit has no mirror image."""
    mirrored = images if SHORT else images[..., ::-1]
    return (network.predict_proba(flat(images)) + network.predict_proba(flat(mirrored))) / 2


class Curve(Callback):
    """Notes every few epochs how many images are named rightly, in percent, after what minutes."""

    def on_epoch_end(self, network: Network, record: dict[str, float]) -> None:
        """Read the held-out images, and as many of the others."""
        if record["epoch"] % LOOK == 0:
            parts = (x[: n // 3], y[: n // 3]), (x_held, y_held)
            shares = [100 * (read(images).argmax(axis=1) == y).mean() for images, y in parts]
            point = [*shares, (time.perf_counter() - BEGIN) / 60]
            print("epoch {}: {:.1f}% and {:.1f}%, minute {:.1f}".format(record["epoch"], *point))
            points.append(point)


hidden = []
for weight in pieces(x, WIDTH, window=WINDOW, seed=0), "he_normal":
    inputs = WIDTH if hidden else flat(x[:1]).size
    hidden += [Linear(inputs, WIDTH, bias=False, init=weight), BatchNorm(WIDTH), GELU()]
network = Network([*hidden, Linear(WIDTH, 10)], SoftmaxCrossEntropy(label_smoothing=0.1), seed=0)
steps = EPOCHS * -(-n // BATCH)
rate = WarmupLR(CosineLR(0.0015, steps - steps // 20), steps // 20)
points: list[list[float]] = []
network.fit(
    moved_anew(x, y, shift=SHIFT, mirror=not SHORT, rows=BATCH, seed=0),
    epochs=EPOCHS,
    batch_size=BATCH,
    optimizer=AdamW(lr=rate, weight_decay=0.05),
    callbacks=[Curve()],
    seed=0,
)
probabilities = read(x_held)
named = probabilities.argmax(axis=1)
test = 100 * (read(x_test).argmax(axis=1) == y_test).mean()
print(f"test: {test:.1f}% of {len(y_test)}")

figure, (left, *grids) = panels(
    f"A network {flat(x[:1]).size}-{WIDTH}-{WIDTH}-10 on {'digits' if SHORT else 'CIFAR-10'}",
    "Named rightly, by minute",
    *("", ""),  # written by misclassified
    height=5.2,
)
learned, held, minutes = np.transpose(points)
for name, shares, color in ("learned from", learned, BLUE), ("held out", held, ORANGE):
    left.plot(minutes, shares, ".-", color=color, label=f"{name}\n{shares[-1]:.1f}%")
left.set(xlabel="minutes")
left.yaxis.set_major_formatter("{x:g}%")
name_lines(left, gap=0.12)
for axes, wanted, title in zip(grids, (True, False), ("right", "wrong: true → read"), strict=True):
    among = np.where((named == y_held) == wanted, probabilities.max(axis=1), 0)
    surest = np.argsort(-among)[:20]
    pairs = y_held[surest], named[surest]
    misclassified(axes, shown[surest], *pairs, shape=SHAPE, class_names=NAMES, columns=4)
    axes.set_title(f"Surest of, and {title}", loc="left", fontweight="bold", fontsize="medium")
save(figure)
