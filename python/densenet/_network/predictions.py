"""What the outputs of a network say of its rows: by the loss, values, classes or probabilities."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from densenet._typing import Array
from densenet.losses import CustomLoss, Loss, SoftmaxCrossEntropy


class Logits(Protocol):
    """Turns logits into probabilities, as every engine does."""

    def softmax(self, outputs: Array) -> Array: ...
    def sigmoid(self, outputs: Array) -> Array: ...


def probabilities(loss: Loss | CustomLoss, engine: Logits, compute: Callable[[], Array]) -> Array:
    """Give probabilities from the outputs that ``compute`` gives.

    Raises
    ------
    TypeError
        If the loss is not on classes: before anything is computed.
    """
    if not isinstance(loss, Loss) or loss.predicts == "values":
        raise TypeError(f"predict_proba: expected a loss on classes, got {type(loss).__name__}")
    outputs = compute()
    if loss.predicts != "classes":
        return engine.sigmoid(outputs)
    return engine.softmax(outputs) if isinstance(loss, SoftmaxCrossEntropy) else outputs


def predicted(loss: Loss | CustomLoss, outputs: Array) -> Array:
    """Give the class or value that the outputs of each row stand for."""
    predicts = loss.predicts if isinstance(loss, Loss) else "values"
    if predicts == "classes":
        classes: Array = outputs.argmax(axis=1)
        return classes
    if outputs.shape[1] == 1:
        outputs = outputs[:, 0]
    if predicts == "bits":
        return (outputs > 0).astype(np.int64)
    if predicts == "signs":
        return np.where(outputs > 0, 1, -1)
    return outputs
