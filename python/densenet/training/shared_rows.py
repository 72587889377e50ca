"""The rows that many networks learn from, checked once for all that read them alike."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._engine.contract import Examples, apart
from densenet._network.learner import Learner
from densenet._typing import Array
from densenet.losses import Loss
from densenet.training.orders import row_by_row


class SharedRows:
    """The rows that networks share: checked once for all networks that read them alike."""

    def __init__(
        self,
        learners: Sequence[Learner],
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
    ) -> None:
        x = _checks.inputs(x, learners[0].layout.inputs)
        y = _checks.plain("y", y)
        self.rows = len(x)
        self._weight: Array | None = None
        if sample_weight is not None:
            self._weight = np.array(_checks.plain("sample_weight", sample_weight))
        self._examples: dict[object, Examples] = {}
        trained = [array for learner in learners for array in learner.arrays().values()]
        for index, learner in enumerate(learners):
            kind = _reads(learner)
            if kind not in self._examples:
                with _checks.within(f"networks[{index}]") if index else nullcontext():
                    examples = learner.examples(x, y, self._weight)
                examples = examples._replace(x=row_by_row(examples.x))
                examples = apart(examples, trained)
                x = examples.x
                self._examples[kind] = examples

    @property
    def are_weighted(self) -> bool:
        """Whether rows have weights."""
        return self._weight is not None

    def of(self, learner: Learner) -> Examples:
        """Give all rows without weights."""
        return self._examples[_reads(learner)]._replace(sample_weight=None)

    def weighted(self, learner: Learner, rows: Array | None) -> Examples:
        """Give all rows with the weights that they have where only these are learned from."""
        examples = self._examples[_reads(learner)]
        if self._weight is None or rows is None:
            return examples
        weight = np.zeros(self.rows)
        weight[rows] = _checks.weights(self._weight[rows], len(rows))
        return examples._replace(sample_weight=weight)


def _reads(learner: Learner) -> tuple[Any, ...]:
    """Tell what decides how a network reads x and y: those alike share converted targets."""
    loss, layout = learner.loss, learner.layout
    kind = (loss.predicts, loss.kind) if isinstance(loss, Loss) else None
    return (kind, layout.inputs, layout.outputs, learner.dtype)
