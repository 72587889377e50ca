"""What more than one partner asks of a table's model."""

from collections.abc import Collection

from densenet import _checks
from densenet.losses import Loss
from densenet.tables.encoding.targets import Classes
from densenet.tables.model import TableModel


def check_model(model: object, kinds: Collection[type]) -> None:
    """Check that a model can be exported.

    Parameters
    ----------
    model : object
    kinds : collection of types
        The encodings of columns that the partner knows.

    Raises
    ------
    TypeError
        If `model` is not a TableModel.
    ValueError
        If a column has another encoding than `kinds`, networks differ in their types, or one has
        not as many inputs and outputs as the columns need, or a loss that does not suit the target.
    """
    if not isinstance(model, TableModel):
        raise TypeError(f"model: expected a TableModel, got {_checks.describe(model)}")
    for part in model.features.parts:
        if type(part) not in kinds:
            known = ", ".join(kind.__name__ for kind in kinds)
            raise ValueError(
                f"model: expected one of {known} for each column, got {type(part).__name__} for "
                f"column {part.column!r}, which cannot be exported"
            )
    wanted = len(model.features.names), model.target.outputs
    types = sorted({network.dtype.name for network in model.networks})
    if len(types) > 1:
        raise ValueError(f"model: expected networks of one type, got {' and '.join(types)}")
    needed = "classes" if isinstance(model.target, Classes) else "values"
    for network in model.networks:
        if (network.inputs, network.outputs) != wanted:
            raise ValueError(
                f"model: expected a network of {wanted[0]} inputs and {wanted[1]} outputs, "
                f"got {network.inputs} and {network.outputs}"
            )
        loss = network.loss_function
        predicts = loss.predicts if isinstance(loss, Loss) else "values"
        if predicts != needed:
            raise ValueError(
                f"model: expected a network whose loss predicts {needed}, got {loss!r}"
            )
