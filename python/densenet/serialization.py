"""Networks in files: safetensors, so that loading never runs code that a file brings along.

Parameters and running moments are stored under the names and in the shapes of
``torch.nn.Sequential``, whatever their order in memory; ``optimizer.m.0.weight`` is the moment
``m`` of ``0.weight``. Everything else is JSON in the file's metadata, read with tables of known
classes. A checksum covers every byte.
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from typing import Any, Literal

import numpy as np

from densenet import _checks, layers, losses, optimizers
from densenet._engine.layout import Layout, Slot, moments
from densenet._files import container
from densenet._network.state import _OptimizerState
from densenet._typing import Array
from densenet.layers import Layer, Linear, Residual
from densenet.losses import CustomLoss, Loss
from densenet.network import Network
from densenet.training.early_stopping import Best, Learned
from densenet.training.history import History
from densenet.training.position import Position

_LAYERS: dict[str, Any] = {name: getattr(layers, name) for name in layers.__all__}
_LOSSES: dict[str, Any] = {name: getattr(losses, name) for name in losses.__all__}
_OPTIMIZERS: dict[str, Any] = {name: getattr(optimizers, name) for name in optimizers.__all__}
_MANY = 2**53  # no counter gets there
_UNUSABLE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)


def save(
    network: Network,
    path: str | os.PathLike[str],
    *,
    attachments: Mapping[str, Any] | None = None,
) -> None:
    """Write what `Network.save` writes, and attachments.

    Parameters
    ----------
    network : Network
    path : str or path
    attachments : dict, optional
        What else belongs to the model: dicts with str keys, lists, str, numbers, bool and None.

    Raises
    ------
    TypeError
        If a layer, the optimizer's rule, the random generator or an attachment is of a kind that
        a file cannot hold.
    OSError
        If the folder is missing, or the file cannot be written; one that was there is as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> from densenet import Linear, MeanSquaredError, Network, serialization
    >>> network = Network([Linear(3, 1)], MeanSquaredError(), seed=1)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> serialization.save(network, path, attachments={"columns": ["a", "b", "c"]})
    >>> serialization.load(path)[1]
    {'columns': ['a', 'b', 'c']}
    """
    _checks.instance("network", network, Network, "a Network")
    _checks.path_to_write("path", path)
    if attachments is not None:
        _checks.mapping("attachments", attachments)
    network = network._still()
    arrays = {**network.parameters, **network.running_moments}
    about = {
        "dtype": network.dtype.name,
        "layers": [_layer(layer, f"init.{i}", arrays) for i, layer in enumerate(network.layers)],
        "loss": _loss(network.loss_function),
        "generator": _generator(network._drawn()),
        "draws": network._draws,
        "optimizer": _optimizer(network, arrays),
        "position": _position(network, arrays),
        "attachments": _plain("attachments", dict(attachments or {})),
    }
    container.write(path, about, arrays)


def load(
    path: str | os.PathLike[str],
    *,
    backend: Literal["compiled", "reference"] = "compiled",
    loss: CustomLoss | None = None,
) -> tuple[Network, dict[str, Any]]:
    """Read a network and its attachments.

    Parameters and errors are those of `Network.load`.

    Returns
    -------
    network : Network
    attachments : dict
        As given to `save`; empty where there were none.

    Examples
    --------
    >>> import os, tempfile
    >>> from densenet import Linear, MeanSquaredError, Network, serialization
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> network = Network([Linear(3, 1)], MeanSquaredError())
    >>> serialization.save(network, path, attachments={"unit": "m"})
    >>> network, attachments = serialization.load(path, backend="reference")
    >>> network.backend, attachments
    ('reference', {'unit': 'm'})
    """
    _checks.choice("backend", backend, ("compiled", "reference"))
    about, arrays = container.read(_checks.path("path", path))
    with _blamed_on(path):
        specs = [_read_layer(spec, f"init.{i}", arrays) for i, spec in enumerate(about["layers"])]
        its_loss: Any = _read_spec(about["loss"], _LOSSES) if "kind" in about["loss"] else None
        own = None if its_loss else str(about["loss"]["own"])
        dtype = np.dtype({"float32": np.float32, "float64": np.float64}[about["dtype"]])
        layout = Layout(specs)
        for slot in (*layout.slots, *layout.running_slots):  # before memory is taken for them
            _checks.matching(slot.name, arrays.get(slot.name), slot.shape, dtype)
    if (own is None) != (loss is None):
        expected = f"None, as the file has {its_loss!r}" if its_loss else f"the network's own {own}"
        raise TypeError(f"loss: expected {expected}, got {_checks.describe(loss)}")
    network = Network(specs, loss or its_loss, dtype=dtype, seed=0, backend=backend)
    with _blamed_on(path):
        _fill(network._flat, layout.slots, arrays, "")
        _fill(network._running, layout.running_slots, arrays, "")
        network._rng = _read_generator(about["generator"])
        network._draws = _checks.count("draws", about["draws"], 0, 2**64 - 1)
        network._state = _read_optimizer(network, about["optimizer"], arrays)
        network._position = _read_position(network, about["position"], arrays)
        if arrays:
            raise ValueError(f"expected no further arrays, got {', '.join(arrays)}")
        return network, dict(about["attachments"])


@contextmanager
def _blamed_on(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file in the errors of reading what it holds."""
    try:
        yield
    except _UNUSABLE as error:
        what = repr(error) if isinstance(error, LookupError) else str(error)
        raise ValueError(f"{path}: unusable content: {what}") from error


# ---- layers and losses -------------------------------------------------------------------------


def _known(kind: type, table: Mapping[str, Any]) -> str:
    """Give the name by which a file knows a class."""
    name = kind.__name__
    if table.get(name) is not kind:
        raise TypeError(f"save: expected one of {', '.join(table)}, got {name}")
    return name


def _spec(spec: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    settings = {field.name: getattr(spec, field.name) for field in fields(spec)}
    return {"kind": _known(type(spec), table), **settings}


def _read_spec(spec: dict[str, Any], table: Mapping[str, Any]) -> Any:
    settings = dict(spec)
    return table[settings.pop("kind")](**settings)


def _layer(layer: Layer, name: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """Describe a layer; an initial weight of the user's own becomes an array of this name."""
    spec = _spec(layer, _LAYERS)
    if isinstance(layer, Residual):
        inner = enumerate(layer.layers)
        spec["layers"] = [_layer(each, f"{name}.{index}", arrays) for index, each in inner]
    elif isinstance(layer, Linear) and not isinstance(layer.init, str):
        wide = layer.init.dtype.itemsize > 8  # a long double, which no network computes with
        arrays[name] = layer.init.astype(np.float64) if wide else layer.init
        spec["init"] = None
    return spec


def _read_layer(spec: dict[str, Any], name: str, arrays: dict[str, Array]) -> Layer:
    if spec["kind"] == "Residual":
        inner = enumerate(spec["layers"])
        return Residual([_read_layer(each, f"{name}.{index}", arrays) for index, each in inner])
    if spec["kind"] == "Linear" and spec["init"] is None:
        spec = spec | {"init": arrays.pop(name)}
    layer: Layer = _read_spec(spec, _LAYERS)
    return layer


def _loss(loss: Loss | CustomLoss) -> dict[str, Any]:
    """Describe a loss; of one of the user's own, a file holds only the name."""
    return _spec(loss, _LOSSES) if isinstance(loss, Loss) else {"own": type(loss).__name__}


# ---- state -------------------------------------------------------------------------------------


def _split(flat: Array, slots: Sequence[Slot], prefix: str) -> dict[str, Array]:
    return {f"{prefix}{slot.name}": slot.view(flat) for slot in slots}


def _fill(flat: Array, slots: Sequence[Slot], arrays: dict[str, Array], prefix: str) -> Array:
    """Take the arrays of a flat vector from those of the file."""
    for slot in slots:
        name = f"{prefix}{slot.name}"
        array = _checks.matching(name, arrays.pop(name), slot.shape, flat.dtype)
        slot.view(flat)[...] = array
    return flat


def _optimizer(network: Network, arrays: dict[str, Array]) -> dict[str, Any] | None:
    state = network._state
    if state is None:
        return None
    for name, moment in state.arrays.items():
        arrays |= _split(moment, network._layout.slots, f"optimizer.{name}.")
    rule = _known(state.rule, _OPTIMIZERS)
    return {"rule": rule, "step": state.step, "moments": list(state.arrays)}


def _read_optimizer(
    network: Network, about: dict[str, Any] | None, arrays: dict[str, Array]
) -> _OptimizerState | None:
    if about is None:
        return None
    state = moments(about["moments"], network.n_parameters, network.dtype)
    for name, moment in state.items():
        _fill(moment, network._layout.slots, arrays, f"optimizer.{name}.")
    step = _checks.count("step", about["step"], 0, _MANY)
    return _OptimizerState(_OPTIMIZERS[about["rule"]], state, np.array([step], np.int64))


def _generator(state: Mapping[str, Any]) -> dict[str, Any]:
    state = dict(state)
    if state["bit_generator"] != "PCG64":
        got = state["bit_generator"]
        raise TypeError(f"save: expected NumPy's default generator, PCG64, got {got}")
    return state


def _read_generator(state: dict[str, Any]) -> np.random.Generator:
    rng = np.random.default_rng(0)
    rng.bit_generator.state = state
    return rng


# ---- where training stands ---------------------------------------------------------------------


def _position(network: Network, arrays: dict[str, Array]) -> dict[str, Any] | None:
    at = network._position
    if at is None:
        return None
    arrays["position.batch_loss"] = at.batch_loss
    past = at.past()
    # Without the times of a training that has ended, equal trainings leave equal files.
    records = [{k: v for k, v in r.items() if k != "seconds" or not at.ended} for r in past.epochs]
    arrays["position.history"] = np.array(past.batch_loss, np.float64)
    if at.order is not None:
        arrays["position.order"] = at.order
    for name, learned in (("best", at.best.kept), ("last", at.last)):
        if learned is not None:
            arrays |= _split(learned.flat, network._layout.slots, f"position.{name}.")
            arrays |= _split(learned.running, network._layout.running_slots, f"position.{name}.")
    return {
        "settings": dict(at.settings()),
        "generator": None if at.rng is None else _generator(at.drawn),
        "draws": at.draws,
        "counted": at.count,
        "begun": at.begun,
        "step": at.step,
        "ordered": at.order is not None,
        "epochs": records,
        "best": {"score": at.best.score, "waited": at.best.waited},
        "kept": [name for name, has in (("best", at.best.kept), ("last", at.last)) if has],
    }


def _read_position(
    network: Network, about: dict[str, Any] | None, arrays: dict[str, Array]
) -> Position | None:
    if about is None:
        return None
    batch_loss = _vector(arrays, "position.batch_loss", np.float64)
    history = _vector(arrays, "position.history", np.float64)
    order = _vector(arrays, "position.order", np.int64) if about["ordered"] else None
    if order is not None and not np.array_equal(np.sort(order), np.arange(order.size)):
        raise ValueError("position.order: expected each row once, got others")
    learned = {name: _read_learned(network, f"position.{name}.", arrays) for name in about["kept"]}
    epochs = [{"seconds": math.nan, **record} for record in about["epochs"]]
    rng = None if about["generator"] is None else _read_generator(about["generator"])
    counted = _checks.count("counted", about["counted"], 0, _MANY)
    return Position(
        settings=partial(dict, {str(n): str(value) for n, value in about["settings"].items()}),
        rng=rng,
        drawn=(rng or network._rng).bit_generator.state,
        draws=_checks.count("draws", about["draws"], 0, 2**64 - 1),
        taken=np.array([counted], np.int64),
        first=counted - _checks.count("step", about["step"], 0, len(batch_loss)),
        counted=counted,
        begun=bool(about["begun"]),
        order=order,
        batch_loss=batch_loss,
        history=History(history.tolist(), epochs),
        epochs=len(epochs),
        losses=len(history),
        best=Best(
            float(about["best"]["score"]),
            _checks.count("waited", about["best"]["waited"], 0, _MANY),
            learned.get("best"),
        ),
        last=learned.get("last"),
    )


def _vector(arrays: dict[str, Array], name: str, kind: type[np.number[Any]]) -> Array:
    array = arrays.pop(name)
    own: Array = _checks.matching(name, array, (array.size,), np.dtype(kind)).copy()
    return own


def _read_learned(network: Network, prefix: str, arrays: dict[str, Array]) -> Learned:
    flat, running = np.empty_like(network._flat), np.empty_like(network._running)
    layout = network._layout
    _fill(flat, layout.slots, arrays, prefix)
    return Learned(flat, _fill(running, layout.running_slots, arrays, prefix))


# ---- attachments -------------------------------------------------------------------------------


def _plain(name: str, value: Any) -> Any:
    """Refuse what would come back as something else, or not at all."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{name}: expected str keys, got {key!r}")
        return {key: _plain(f"{name}[{key!r}]", each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(f"{name}[{index}]", each) for index, each in enumerate(value)]
    if value is None or isinstance(value, str | bool | int | float | np.generic):
        return value
    raise TypeError(f"{name}: expected what JSON can hold, got {_checks.describe(value)}")
