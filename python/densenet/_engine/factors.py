"""What an optimizer's `trainable` and `lr_factors` mean for the parameters of a network."""

from collections.abc import Collection, Iterator

from densenet import _checks
from densenet._engine.layout import Layout, Slot
from densenet.optimizers import Optimizer


def lr_factors(layout: Layout, optimizer: Optimizer) -> list[float]:
    """Give the factor of the learning rate of each slot; one whose factor is 0 is frozen.

    Raises
    ------
    TypeError
        If `optimizer` is none.
    ValueError
        If `trainable` or `lr_factors` has a name that is neither a parameter's nor that of a layer
        with parameters.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer: expected an optimizer, got {_checks.describe(optimizer)}")
    learning, factors = optimizer.trainable, optimizer.lr_factors
    _check_names("trainable", learning, layout)
    _check_names("lr_factors", factors, layout)
    found = []
    for slot in layout.slots:
        factor = 1.0
        if factors is not None:
            factor = next((factors[name] for name in _names(slot) if name in factors), 1.0)
        if learning is not None and not any(name in learning for name in _names(slot)):
            factor = 0.0
        found.append(factor)
    return found


def frozen(layout: Layout, optimizer: Optimizer) -> list[Slot]:
    """List the slots that do not learn."""
    factors = lr_factors(layout, optimizer)
    return [slot for slot, factor in zip(layout.slots, factors, strict=True) if factor == 0]


def _names(slot: Slot) -> Iterator[str]:
    """Give the names that a slot goes by: its own, then those of the layers that it is in."""
    name = slot.name
    while name:
        yield name
        name = name.rpartition(".")[0]


def _check_names(argument: str, given: Collection[str] | None, layout: Layout) -> None:
    if not given:
        return
    known = {name for slot in layout.slots for name in _names(slot)}
    for name in given:
        if name not in known:
            parameters = ", ".join(slot.name for slot in layout.slots)
            raise ValueError(
                f"{argument}: expected names of parameters ({parameters}) or of layers that have "
                f"some, got {name!r}"
            )
