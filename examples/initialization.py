"""Four ways to begin: the spike of the first steps comes from the initialization.

The same network with ELU, the same photographs of CIFAR-10 in the same order, the same rule: SGD
at a rate of 0.1, batches of 128. Only the standard deviation with which the weights begin changes:
0.1 for all of them, He's √(2/inputs), LeCun's √(1/inputs) and PyTorch's √(1/(3 inputs)).

What you see. On the left, the loss of each batch of the first epoch: with large weights the first
steps throw it far above the ln 10 that guessing costs (dashed), with PyTorch's it comes down at
once. On the right, the validation accuracy: 0.1 for all costs points to the end, while He's spike,
the highest, is made up for in an epoch. At a rate this large all of them swing, together, for they
see the same batches.

    python examples/initialization.py [picture.png]          CIFAR-10, from the folder DENSENET_DATA
    python examples/initialization.py --short [picture.png]   on digits that come along
"""

import numpy as np
from _data import photographs
from _picture import name_lines, panels, save

from densenet import ELU, SGD, Linear, Network, SoftmaxCrossEntropy
from densenet.metrics import accuracy
from densenet.plotting import BLUE, GREY, INK, ORANGE

EPOCHS = 10
data = photographs()
inputs = data.x.shape[1]
rng = np.random.default_rng(42)
STARTS = {
    "0.1 for all": ((rng.normal(0, 0.1, (128, inputs)), rng.normal(0, 0.1, (10, 128))), ORANGE),
    "He": (("he_normal", "he_normal"), INK),
    "LeCun": (("lecun_normal", "lecun_normal"), GREY),
    "PyTorch": (("pytorch", "pytorch"), BLUE),
}

figure, (left, right) = panels(
    f"Four initializations of a network {inputs}-128-10",
    "Loss of each batch in the first epoch",
    "Validation accuracy",
)
for name, ((first, second), color) in STARTS.items():
    layers = [Linear(inputs, 128, init=first), ELU(), Linear(128, 10, init=second)]
    network = Network(layers, SoftmaxCrossEntropy(), seed=42)
    history = network.fit(
        data.x,
        data.y,
        epochs=EPOCHS,
        optimizer=SGD(lr=0.1),
        validation_data=(data.x_test, data.y_test),
        metrics=[accuracy],
        seed=42,
    )
    losses = history.batch_loss[: len(history.batch_loss) // EPOCHS]
    scores = [100 * epoch["val_accuracy"] for epoch in history.epochs]
    print(
        f"{name}: loss {losses[0]:.2f} at first, {max(losses):.2f} at most, validation "
        f"{scores[0]:.1f}% after epoch 1, {max(scores):.1f}% at best"
    )
    left.plot(np.arange(1, len(losses) + 1), losses, color=color, linewidth=1, label=name)
    right.plot(range(1, EPOCHS + 1), scores, ".-", color=color, label=name)
left.axhline(np.log(10), color=GREY, linewidth=1, linestyle=(0, (4, 3)))
left.set(xscale="log", yscale="log", xlabel="step")
left.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
left.set_yticks([], minor=True)
right.set(xlabel="epoch")
right.yaxis.set_major_formatter("{x:g}%")
name_lines(left, gap=0.07)
name_lines(right, gap=0.07)
save(figure)
