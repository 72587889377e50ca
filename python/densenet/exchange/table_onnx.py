"""Export of a table's model to ONNX: from the raw cells of each column to predictions."""

import json
import os
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._files.whole import written_whole
from densenet.exchange._common import describe_layer
from densenet.exchange._onnx_columns import KINDS, Kind
from densenet.exchange._tables import check_model
from densenet.exchange.onnx import Graph, Layers, check_size, import_onnx
from densenet.network import Network
from densenet.tables.encoding.columns import Categories
from densenet.tables.encoding.targets import Classes, Values
from densenet.tables.model import TableModel

__all__ = ["table_to_onnx"]

Parts: TypeAlias = Sequence[Any]


def _encoded(graph: Graph, kind: Kind, parts: Parts) -> str:
    """Append the features of neighbouring columns of one kind, (batch, features), in float32."""
    names = [part.column for part in parts]
    cells = graph.add("Concat", *names, axis=1) if len(parts) > 1 else names[0]
    return graph.cast(kind.encode(graph, cells, parts), np.float32)


# ---- the model -----------------------------------------------------------------------------------


def table_to_onnx(model: TableModel, path: str | os.PathLike[str]) -> None:
    """Write a table's model, from raw cells to predictions, as an ONNX model (operator set 13).

    It has one input for each column that the model reads, by the column's name, of shape
    (batch, 1). Numbers are doubles, NaN where missing. So are dates: days since 1970, with the time
    as a fraction, and in UTC if they have offsets. Infinite ones are clipped as large ones are.
    Categories are int64 codes: the category's index in the list for its column in the metadata's
    ``categories``, a JSON object, and -1 if it is not there. There, a missing cell is "".

    For a target with classes the outputs are ``class``, (batch,), the index of each row's class in
    the metadata's ``classes``, a JSON list, and ``probabilities``, (batch, classes), as
    `TableModel.predict_proba` gives them. For a target that is a number there is ``value``,
    (batch, 1), in the table's unit, as `TableModel.predict` gives it. An output whose name a column
    has, too, gets a ``_`` after it.

    Parameters
    ----------
    model : TableModel
    path : path of the file
        It is written whole or not at all.

    Raises
    ------
    TypeError
        If `model` is not a TableModel, or `path` is not a path.
    OSError
        If the file cannot be written.
    ValueError
        If a column has no name or an encoding that cannot be exported, the network does not suit
        the columns, or the weights take 2 GiB or more.
    ImportError
        If the package onnx is not installed.

    Notes
    -----
    One input for each column is what scikit-learn's exporter makes for a table, because a tensor
    holds one type only. Categories are codes and not texts, because a lookup in the model compares
    letter by letter, while `TableModel` knows that `1.0` is `1` in a column of numbers; and because
    OpenVINO and runtimes for devices have no tensors of texts. OpenVINO 2026.4 computes doubles in
    float32, though, in which seconds since 1970 are known to two minutes.

    Examples
    --------
    >>> import json
    >>> import tempfile
    >>> import onnxruntime
    >>> import numpy as np
    >>> from densenet.exchange import table_to_onnx
    >>> from densenet.tables import Settings, Table, fit
    >>> rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    >>> model = fit(Table.from_columns(rows), Settings("says")).model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table_to_onnx(model, f"{folder}/pets.onnx")
    ...     session = onnxruntime.InferenceSession(f"{folder}/pets.onnx")
    >>> about = session.get_modelmeta().custom_metadata_map
    >>> dog = json.loads(about["categories"])["pet"].index("dog")
    >>> (found,) = session.run(["class"], {"pet": np.array([[dog]])})
    >>> json.loads(about["classes"])[found[0]]
    'woof'
    """
    check_model(model, KINDS)
    made = _model(model)
    with written_whole(_checks.path_to_write("path", path)) as file:
        file.write(made.SerializeToString())


def _model(model: TableModel) -> Any:
    networks, parts = model.networks, model.features.parts
    if "" in model.features.columns:
        raise ValueError("model: expected a name for each column, got ''")
    check_size(*networks)
    dtype = networks[0].dtype
    graph = Graph(import_onnx("table_to_onnx"), dtype, _prefix(model.features.columns))
    kinds = [(KINDS[kind], list(of)) for kind, of in groupby(parts, type)]
    features = [_encoded(graph, kind, of) for kind, of in kinds]
    x = graph.add("Concat", *features, axis=1) if len(features) > 1 else features[0]
    x = graph.cast(x, dtype) if dtype != np.float32 else x
    return graph.model(
        [graph.rows(part.column, kind.cells, 1) for kind, of in kinds for part in of],
        _results(graph, model, _mean(graph, networks, x)),
        _about(model),
        doc_string=", ".join(map(describe_layer, networks[0].layers)),
    )


def _mean(graph: Graph, networks: Sequence[Network], x: str) -> str:
    """Append networks; give the mean of their probabilities, or of their outputs."""
    predictions = []
    for index, network in enumerate(networks):
        layers = Layers(graph, network, f"{index}/" if len(networks) > 1 else "")
        outputs = layers.outputs(x)
        predictions.append(layers.probabilities(outputs) or outputs)
    if len(networks) == 1:
        return predictions[0]
    return graph.add("Div", graph.add("Sum", *predictions), float(len(networks)))


def _results(graph: Graph, model: TableModel, y: str) -> list[Any]:
    """Append what makes results of the network's probabilities or outputs; describe them."""

    def named(value: str, result: str, dtype: npt.DTypeLike, *width: int) -> Any:
        while result in model.features.columns:
            result += "_"
        graph.name(value, result)
        return graph.rows(result, dtype, *width)

    target = model.target
    if isinstance(target, Values):
        value = graph.cast(y, np.float64) if graph.dtype != np.float64 else y
        scaled = graph.add("Mul", value, np.array(target.scale))
        return [named(graph.add("Add", scaled, np.array(target.mean)), "value", np.float64, 1)]
    probabilities = named(y, "probabilities", graph.dtype, target.outputs)
    best = _best(graph, target, probabilities.name)
    return [named(best, "class", np.int64), probabilities]


def _best(graph: Graph, target: Classes, probabilities: str) -> str:
    """Append the choice of a class, by `Classes.choose`; give its index."""
    if target.threshold is None:
        return graph.add("ArgMax", probabilities, axis=1, keepdims=0)
    index, least = target.threshold
    share = graph.add("Gather", probabilities, np.array(index), axis=1)
    below = graph.add("Less", share, np.array(least, graph.dtype))
    return graph.cast(below if index == 0 else graph.add("Not", below), np.int64)


def _about(model: TableModel) -> dict[str, str]:
    """Give the metadata: the target's name, and those of categories and classes as JSON."""
    parts, target = model.features.parts, model.target
    categories = {part.column: part.values for part in parts if isinstance(part, Categories)}
    about = {"target": target.column, "categories": json.dumps(categories)}
    if isinstance(target, Classes):
        about["classes"] = json.dumps(target.values)
    return about


def _prefix(columns: Iterable[str]) -> str:
    """Give a beginning for names within the model that no column's name has."""
    prefix = "model/"
    while any(column.startswith(prefix) for column in columns):
        prefix += "/"
    return prefix
