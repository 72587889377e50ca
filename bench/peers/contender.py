"""What a contender is: one library's way of doing a task."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from designs import Design
from tasks import FIRST_LOSSES, Task

_SHOWN = 1000  # probabilities that are compared before anything is timed


class Contender(ABC):
    """One library's way of doing a task: of training, unless a subclass says otherwise."""

    module: ClassVar[str]  # must be importable

    @abstractmethod
    def __init__(self, task: Task) -> None: ...

    @abstractmethod
    def epoch(self) -> Iterable[Any]:
        """Do an epoch's calls and wait for their end; give what each call gives.

        That is a step's loss, taken before its update, or the probabilities of its rows.
        """

    @classmethod
    def takes(cls, design: Design) -> bool:
        """Say whether it has something of its own to show for this design."""
        return True

    def first(self) -> list[float]:
        """Do the first epoch; give numbers in which all contenders must agree."""
        return [float(loss) for loss in self.epoch()][:FIRST_LOSSES]


class Predictor(Contender):
    """One library's way of predicting probabilities, a batch a call."""

    def first(self) -> list[float]:
        """Predict; give the first call's probabilities."""
        first = np.asarray(next(iter(self.epoch())))
        return [float(probability) for probability in first.ravel()[:_SHOWN]]
