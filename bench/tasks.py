"""What every contender gets: the rows of one epoch and the parameters to start from."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import designs
from densenet._typing import Array
from designs import Design

FIRST_LOSSES = 5  # steps whose losses are compared before anything is timed


@dataclass(frozen=True)
class Task:
    """The work of one contender, as arrays.

    ``job`` names what is done with them, as in `peers.CONTENDERS`; ``passes`` is how many times
    one call of a fit goes over all rows, and ``networks`` how many it trains.
    """

    job: str
    batch: int
    threads: int
    design: Design
    x: Array
    y: Array
    weights: list[Array] = field(repr=False)  # (outputs, inputs) each
    biases: list[Array] = field(repr=False)
    passes: int = 1
    networks: int = 1

    def save(self, path: Path) -> None:
        """Write the task to an .npz file."""
        arrays: dict[str, Any] = {f"weight{i}": weight for i, weight in enumerate(self.weights)}
        arrays |= {f"bias{i}": bias for i, bias in enumerate(self.biases)}
        plain = ("job", "batch", "threads", "passes", "networks")
        arrays |= {name: getattr(self, name) for name in plain}
        np.savez(path, x=self.x, y=self.y, design=self.design.text, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Task":
        """Read a task that `save` wrote."""
        with np.load(path) as file:
            layers = sum(name.startswith("weight") for name in file.files)
            return cls(
                str(file["job"]),
                int(file["batch"]),
                int(file["threads"]),
                designs.parse(str(file["design"])),
                file["x"],
                file["y"],
                [file[f"weight{i}"] for i in range(layers)],
                [file[f"bias{i}"] for i in range(layers)],
                int(file["passes"]),
                int(file["networks"]),
            )

    @property
    def widths(self) -> list[int]:
        """Inputs, hidden widths and outputs."""
        return [self.x.shape[1], *(len(bias) for bias in self.biases)]

    @property
    def batches(self) -> list[tuple[Array, Array]]:
        """The rows and targets of each step, as views of ``x`` and ``y``."""
        begins = range(0, len(self.x), self.batch)
        return [(self.x[i : i + self.batch], self.y[i : i + self.batch]) for i in begins]
