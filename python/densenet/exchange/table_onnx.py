"""Export of a table's model to ONNX: from the raw cells of each column to predictions.

Neighbours of one kind are encoded together: their cells become one matrix, whose columns are
repeated for their features, and one formula with a constant for each feature does the rest.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress, groupby
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._files.whole import written_whole
from densenet.exchange._common import describe_layer
from densenet.exchange._tables import check_model
from densenet.exchange.onnx import Graph, Layers, check_size, import_onnx
from densenet.network import Network
from densenet.tables import columns, pieces
from densenet.tables.columns import Categories, Numbers
from densenet.tables.model import TableModel
from densenet.tables.pieces import PiecewiseLinear
from densenet.tables.targets import Classes, Values

__all__ = ["table_to_onnx"]

Parts: TypeAlias = Sequence[Any]

# ---- encodings of columns ------------------------------------------------------------------------


def _numbers(graph: Graph, cells: str, parts: Sequence[Numbers]) -> str:
    add = graph.add
    fill, mean, scale = (
        np.array([getattr(part, name) for part in parts]) for name in ("fill", "mean", "scale")
    )
    filled = add("Where", add("IsNaN", cells), fill, cells)
    deviations = add("Div", add("Sub", filled, mean), scale)
    return add("Clip", deviations, np.array(-columns.FURTHEST), np.array(columns.FURTHEST))


def _pieces(graph: Graph, cells: str, parts: Sequence[PiecewiseLinear]) -> str:
    """Append features of three sorts, each for all columns at once, and put them in order."""
    add = graph.add
    missing = add("IsNaN", cells)
    filled = add("Where", missing, np.array([part.fill for part in parts]), cells)
    halves = add("Mul", filled, np.array(0.5))  # so that no difference overflows
    widths = [len(part.edges) - 1 for part in parts]
    sorts = [
        (_whole, halves, [int(width > 1) for width in widths]),
        (_shares, halves, widths),
        (_gaps, missing, [int(part.gaps) for part in parts]),
    ]
    features = [
        make(graph, _spread(graph, values, counts), list(compress(parts, counts)))
        for make, values, counts in sorts
        if any(counts)
    ]
    joined = add("Concat", *features, axis=1) if len(features) > 1 else features[0]
    of = np.concatenate([np.repeat(np.arange(len(parts)), counts) for _, _, counts in sorts])
    order = np.argsort(of, kind="stable")
    is_sorted = np.array_equal(order, np.arange(len(order)))
    return joined if is_sorted else add("Gather", joined, order, axis=1)


def _whole(graph: Graph, halves: str, parts: Sequence[PiecewiseLinear]) -> str:
    """Append ``z / √(1 + (z / 3)²)`` with ``z = (x - center) / scale``."""
    add = graph.add
    center, scale = (
        np.array([getattr(p, name) / 2 for p in parts]) for name in ("center", "scale")
    )
    ratio = add("Div", add("Sub", halves, center), scale)
    z = add("Clip", ratio, np.array(-pieces.FURTHEST), np.array(pieces.FURTHEST))
    third = add("Div", z, np.array(3.0))
    return add("Div", z, add("Sqrt", add("Add", add("Mul", third, third), np.array(1.0))))


def _shares(graph: Graph, halves: str, parts: Sequence[PiecewiseLinear]) -> str:
    """Append the share of each piece that lies below x."""
    edges = [np.array(part.edges) / 2 for part in parts]
    starts = np.concatenate([edge[:-1] for edge in edges])
    widths = np.concatenate([np.diff(edge) for edge in edges])
    shares = graph.add("Div", graph.add("Sub", halves, starts), widths)
    return graph.add("Clip", shares, np.array(0.0), np.array(1.0))


def _gaps(graph: Graph, missing: str, parts: Sequence[PiecewiseLinear]) -> str:
    return graph.cast(missing, np.float64)


def _categories(graph: Graph, cells: str, parts: Sequence[Categories]) -> str:
    codes = [[*range(len(part.values)), *([-1] if part.others else [])] for part in parts]
    spread = _spread(graph, cells, list(map(len, codes)))
    return graph.add("Equal", spread, np.concatenate(codes, dtype=np.int64))


def _spread(graph: Graph, values: str, counts: Sequence[int]) -> str:
    """Append the repetition of each column of a matrix, as often as `counts` says.

    A matrix of one column is left alone, as it meets the constants of all its features.
    """
    if len(counts) == 1 or set(counts) == {1}:
        return values
    return graph.add("Gather", values, np.repeat(np.arange(len(counts)), counts), axis=1)


class _Kind(NamedTuple):
    """How columns of a kind become features.

    Attributes
    ----------
    cells : type
        Of the cells.
    encode : function of (graph, cells, parts)
        Appends what makes features of a matrix of cells, (batch, parts).
    """

    cells: npt.DTypeLike
    encode: Callable[[Graph, str, Any], str]


_KINDS: Mapping[type, _Kind] = {
    Numbers: _Kind(np.float64, _numbers),
    PiecewiseLinear: _Kind(np.float64, _pieces),
    Categories: _Kind(np.int64, _categories),
}
"""Each kind of column that can be exported."""


def _encoded(graph: Graph, kind: _Kind, parts: Parts) -> str:
    """Append the features of neighbouring columns of one kind, (batch, features), in float32."""
    names = [part.column for part in parts]
    cells = graph.add("Concat", *names, axis=1) if len(parts) > 1 else names[0]
    return graph.cast(kind.encode(graph, cells, parts), np.float32)


# ---- the model -----------------------------------------------------------------------------------


def table_to_onnx(model: TableModel, path: str | os.PathLike[str]) -> None:
    """Write a table's model, from raw cells to predictions, as an ONNX model (operator set 13).

    It has one input for each column that the model reads, by the column's name, of shape
    (batch, 1): numbers are doubles, NaN where missing; categories are int64 codes. A code is the
    category's index in the list for its column in the metadata's ``categories``, a JSON object, and
    -1 if it is not there; a missing cell is the category "". Infinite numbers are clipped as large
    ones are.

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
    OpenVINO and runtimes for devices have no tensors of texts.

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
    check_model(model, _KINDS)
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
    kinds = [(_KINDS[kind], list(of)) for kind, of in groupby(parts, type)]
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
    best = graph.add("ArgMax", probabilities.name, axis=1, keepdims=0)
    return [named(best, "class", np.int64), probabilities]


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
