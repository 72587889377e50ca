"""A network in a file: what `Network.save` writes, and `Network.load` reads.

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
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from densenet import _checks, layers, losses, optimizers
from densenet._engine.layout import Layout, Slot
from densenet._engine.memory import new_moments
from densenet._files import container
from densenet._network.learner import Learned, Learner, OptimizerState
from densenet._network.state import State, learner_of
from densenet._precision import PRECISIONS, PrecisionName
from densenet._typing import Array
from densenet.layers import Layer, Linear, Residual
from densenet.losses import CustomLoss, Loss
from densenet.training.averaging import Average
from densenet.training.early_stopping import Best
from densenet.training.history import History
from densenet.training.position import Position

_LAYERS: dict[str, Any] = {name: getattr(layers, name) for name in layers.__all__}
_LOSSES: dict[str, Any] = {name: getattr(losses, name) for name in losses.__all__}
_OPTIMIZERS: dict[str, Any] = {name: getattr(optimizers, name) for name in optimizers.__all__}
_MANY = 2**53  # no counter gets there
_UNUSABLE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)

N = TypeVar("N", bound=State, covariant=True)


class Makes(Protocol[N]):
    """Makes a network of its parts: the class `Network`."""

    def __call__(
        self,
        layers: Sequence[Layer],
        loss: Loss | CustomLoss,
        *,
        dtype: Any,
        seed: int | None,
        backend: Literal["compiled", "reference"],
        precision: PrecisionName,
    ) -> N:
        """Make it with its initial parameters."""


def save(learner: Learner, path: str | os.PathLike[str], attachments: Mapping[str, Any]) -> None:
    """Write a network and its attachments, as `serialization.save` describes."""
    _check_to_write(path, attachments)
    about, arrays = _describe(learner)
    container.write(path, about | _attached(attachments), arrays)


def save_many(
    learners: Sequence[Learner], path: str | os.PathLike[str], attachments: Mapping[str, Any]
) -> None:
    """Write several networks: the arrays of number i are called as those of one, after ``i/``."""
    _check_to_write(path, attachments)
    described, arrays = [], dict[str, Array]()
    for index, learner in enumerate(learners):
        about, own = _describe(learner)
        described.append(about)
        arrays |= {f"{index}/{name}": array for name, array in own.items()}
    container.write(path, {"networks": described} | _attached(attachments), arrays)


def load(
    make: Makes[N],
    path: str | os.PathLike[str],
    backend: Literal["compiled", "reference"],
    loss: CustomLoss | None,
) -> tuple[N, dict[str, Any]]:
    """Read a network and its attachments, as `Network.load` describes."""
    _checks.choice("backend", backend, ("compiled", "reference"))
    about, arrays = container.read(_checks.path("path", path))
    if "networks" in about:
        raise ValueError(f"{path}: expected one network, got several: see serialization.load_many")
    network = _rebuild(make, path, about, arrays, backend, loss)
    with _blamed_on(path):
        return network, dict(about["attachments"])


def load_many(
    make: Makes[N], path: str | os.PathLike[str], backend: Literal["compiled", "reference"]
) -> tuple[list[N], dict[str, Any]]:
    """Read all networks of a file and its attachments, as `serialization.load_many` describes."""
    _checks.choice("backend", backend, ("compiled", "reference"))
    about, arrays = container.read(_checks.path("path", path))
    if "networks" not in about:
        network = _rebuild(make, path, about, arrays, backend, None)
        with _blamed_on(path):
            return [network], dict(about["attachments"])
    networks = []
    with _blamed_on(path):
        described = list(about["networks"])
        parts = [_arrays_of(index, arrays) for index in range(len(described))]
        if not described or arrays:
            raise ValueError(f"expected the arrays of {len(described)} networks, got others")
        attachments = dict(about["attachments"])
    for each, part in zip(described, parts, strict=True):
        networks.append(_rebuild(make, path, each, part, backend, None))
    return networks, attachments


def _check_to_write(path: str | os.PathLike[str], attachments: Mapping[str, Any]) -> None:
    _checks.path_to_write("path", path)
    _checks.mapping("attachments", attachments)


def _attached(attachments: Mapping[str, Any]) -> dict[str, Any]:
    return {"attachments": _plain("attachments", dict(attachments))}


def _arrays_of(index: int, arrays: dict[str, Array]) -> dict[str, Array]:
    """Move the arrays of one of several networks out of those of the file."""
    prefix = f"{index}/"
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}


def _describe(learner: Learner) -> tuple[dict[str, Any], dict[str, Array]]:
    """Give what a file holds of a network: its description, and its arrays."""
    learner = learner.still()
    layout = learner.layout
    arrays = layout.views(learner.flat) | layout.running_views(learner.running)
    about = {
        "dtype": learner.dtype.name,
        "layers": [_layer(layer, f"init.{i}", arrays) for i, layer in enumerate(layout.layers)],
        "loss": _loss(learner.loss),
        "generator": _generator(_drawn(learner)),
        "draws": learner.draws,
        "optimizer": _optimizer(learner, arrays),
        "position": _position(learner, arrays),
    }
    if learner.precision != "highest":
        about["precision"] = learner.precision
    return about, arrays


def _rebuild(
    make: Makes[N],
    path: str | os.PathLike[str],
    about: dict[str, Any],
    arrays: dict[str, Array],
    backend: Literal["compiled", "reference"],
    loss: CustomLoss | None,
) -> N:
    """Make the network that `_describe` described; `path` names the file in errors."""
    with _blamed_on(path):
        specs = [_read_layer(spec, f"init.{i}", arrays) for i, spec in enumerate(about["layers"])]
        its_loss: Any = _read_spec(about["loss"], _LOSSES) if "kind" in about["loss"] else None
        own = None if its_loss else str(about["loss"]["own"])
        dtype = np.dtype({"float32": np.float32, "float64": np.float64}[about["dtype"]])
        precision = about.get("precision", "highest")
        _checks.choice("precision", precision, tuple(PRECISIONS))
        layout = Layout(specs)
        for slot in (*layout.slots, *layout.running_slots):  # before memory is taken for them
            _checks.matching(slot.name, arrays.get(slot.name), slot.shape, dtype)
    if (own is None) != (loss is None):
        expected = f"None, as the file has {its_loss!r}" if its_loss else f"the network's own {own}"
        raise TypeError(f"loss: expected {expected}, got {_checks.describe(loss)}")
    given: dict[str, Any] = {"dtype": dtype, "backend": backend, "precision": precision}
    network = make(specs, loss or its_loss, seed=0, **given)
    learner = learner_of(network)
    with _blamed_on(path):
        _fill(learner.flat, layout.slots, arrays, "")
        _fill(learner.running, layout.running_slots, arrays, "")
        learner.rng = _read_generator(about["generator"])
        learner.draws = _checks.count("draws", about["draws"], 0, 2**64 - 1)
        learner.set_optimizer_state(_read_optimizer(learner, about["optimizer"], arrays))
        learner.position = _read_position(learner, about["position"], arrays)
        if arrays:
            raise ValueError(f"expected no further arrays, got {', '.join(arrays)}")
    return network


@contextmanager
def _blamed_on(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors about a file's content into a ValueError that names the file."""
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
    """Move the arrays of a flat vector out of those of the file; give the vector."""
    for slot in slots:
        name = f"{prefix}{slot.name}"
        array = _checks.matching(name, arrays.pop(name), slot.shape, flat.dtype)
        slot.view(flat)[...] = array
    return flat


def _optimizer(learner: Learner, arrays: dict[str, Array]) -> dict[str, Any] | None:
    state = learner.optimizer_state
    if state is None:
        return None
    for name, moment in state.moments.items():
        arrays |= _split(moment, learner.layout.slots, f"optimizer.{name}.")
    rule = _known(state.rule, _OPTIMIZERS)
    return {"rule": rule, "step": state.step, "moments": list(state.moments)}


def _read_optimizer(
    learner: Learner, about: dict[str, Any] | None, arrays: dict[str, Array]
) -> OptimizerState | None:
    if about is None:
        return None
    layout = learner.layout
    moments = new_moments(about["moments"], layout.size, learner.dtype)
    for name, moment in moments.items():
        _fill(moment, layout.slots, arrays, f"optimizer.{name}.")
    step = _checks.count("step", about["step"], 0, _MANY)
    return OptimizerState(_OPTIMIZERS[about["rule"]], moments, np.array([step], np.int64))


def _drawn(learner: Learner) -> Mapping[str, Any]:
    """Give the state of the network's random generator after the draws that count."""
    at = learner.position
    if isinstance(at, Position) and at.counted is None and at.rng is None:
        return at.drawn
    return learner.rng.bit_generator.state


def _generator(state: Mapping[str, Any]) -> dict[str, Any]:
    state = dict(state)
    if state["bit_generator"] != "PCG64":
        got = state["bit_generator"]
        raise TypeError(f"save: expected NumPy's default generator, PCG64, got {got}")
    return state


def _read_generator(state: dict[str, Any]) -> "np.random.Generator":
    rng = np.random.default_rng(0)
    rng.bit_generator.state = state
    return rng


# ---- where training stands ---------------------------------------------------------------------


def _position(learner: Learner, arrays: dict[str, Array]) -> dict[str, Any] | None:
    at, layout = learner.position, learner.layout
    if not isinstance(at, Position):
        return None
    arrays["position.batch_loss"] = at.batch_loss
    past = at.past()
    # Without the times of a training that has ended, equal trainings leave equal files.
    records = [{k: v for k, v in r.items() if k != "seconds" or not at.ended} for r in past.epochs]
    arrays["position.history"] = np.array(past.batch_loss, np.float64)
    if at.order is not None:
        arrays["position.order"] = at.order
    average = at.average
    kept = {"best": at.best.kept, "last": at.last, "average": average and average.learned}
    for name, learned in kept.items():
        if learned is not None:
            arrays |= _split(learned.flat, layout.slots, f"position.{name}.")
            arrays |= _split(learned.running, layout.running_slots, f"position.{name}.")
    return {
        "settings": dict(at.conditions()),
        "generator": None if at.rng is None else _generator(at.drawn),
        "draws": at.draws,
        "counted": at.count,
        "begun": at.begun,
        "step": at.step,
        "ordered": at.order is not None,
        "epochs": records,
        "best": {"score": at.best.score, "waited": at.best.waited},
        "kept": [name for name, learned in kept.items() if learned is not None],
        **({"averaged": [average.number, average.steps]} if average else {}),
    }


def _read_position(
    learner: Learner, about: dict[str, Any] | None, arrays: dict[str, Array]
) -> Position | None:
    if about is None:
        return None
    batch_loss = _vector(arrays, "position.batch_loss", np.float64)
    history = _vector(arrays, "position.history", np.float64)
    order = _vector(arrays, "position.order", np.int64) if about["ordered"] else None
    if order is not None and not np.array_equal(np.sort(order), np.arange(order.size)):
        raise ValueError("position.order: expected each row once, got others")
    learned = {name: _read_learned(learner, f"position.{name}.", arrays) for name in about["kept"]}
    epochs = [{"seconds": math.nan, **record} for record in about["epochs"]]
    rng = None if about["generator"] is None else _read_generator(about["generator"])
    counted = _checks.count("counted", about["counted"], 0, _MANY)
    return Position(
        conditions=partial(dict, {str(n): str(value) for n, value in about["settings"].items()}),
        rng=rng,
        drawn=(rng or learner.rng).bit_generator.state,
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
        average=_read_average(learned.get("average"), about),
    )


def _read_average(learned: Learned | None, about: dict[str, Any]) -> Average | None:
    if learned is None:
        return None
    number, steps = (_checks.count("averaged", each, 1, _MANY) for each in about["averaged"])
    return Average(learned, number, steps)


def _vector(arrays: dict[str, Array], name: str, kind: type[np.number[Any]]) -> Array:
    array = arrays.pop(name)
    own: Array = _checks.matching(name, array, (array.size,), np.dtype(kind)).copy()
    return own


def _read_learned(learner: Learner, prefix: str, arrays: dict[str, Array]) -> Learned:
    flat, running = np.empty_like(learner.flat), np.empty_like(learner.running)
    _fill(flat, learner.layout.slots, arrays, prefix)
    return Learned(flat, _fill(running, learner.layout.running_slots, arrays, prefix))


# ---- attachments -------------------------------------------------------------------------------


# What JSON holds as it is: asked first, as a container may have hundreds of thousands of them.
_SIMPLE = frozenset({str, bool, int, float, type(None)})


def _plain(name: str, value: Any) -> Any:
    """Give the value as JSON can hold it; refuse what would come back as something else."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{name}: expected str keys, got {key!r}")
        return {
            key: each if type(each) in _SIMPLE else _plain(f"{name}[{key!r}]", each)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            each if type(each) in _SIMPLE else _plain(f"{name}[{index}]", each)
            for index, each in enumerate(value)
        ]
    if value is None or isinstance(value, str | bool | int | float | np.generic):
        return value
    raise TypeError(f"{name}: expected what JSON can hold, got {_checks.describe(value)}")
