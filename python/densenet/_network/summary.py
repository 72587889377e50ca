"""A network as a table: its layers, their output shapes and parameter counts, in text and HTML."""

from collections.abc import Iterator
from dataclasses import fields
from typing import NamedTuple

from densenet._engine.layout import Layout
from densenet.layers import Layer

_TOLD_ELSEWHERE = ("inputs", "outputs", "width", "init", "layers")  # by shapes and other rows


class _Row(NamedTuple):
    name: str
    layer: str
    output: str
    parameters: str


_HEADER = _Row("", "layer", "output", "parameters")


def text(title: str, layout: Layout) -> str:
    """Make a table of the layers in plain text, under a title."""
    rows = [_HEADER, *_rows(layout)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"{row.name:<{widths[0]}}  {row.layer:<{widths[1]}}  {row.output:<{widths[2]}}  "
        f"{row.parameters:>{widths[3]}}".rstrip()
        for row in rows
    ]
    return "\n".join([title, *lines])


def html(title: str, layout: Layout) -> str:
    """Make a table of the layers in HTML, under a title."""
    from html import escape

    header = "".join(f"<th>{cell}</th>" for cell in _HEADER)
    lines = [
        f'<tr><td>{row.name}</td><td style="text-align: left">{escape(row.layer)}</td>'
        f"<td>{row.output}</td><td>{row.parameters}</td></tr>"
        for row in _rows(layout)
    ]
    return "\n".join(
        [
            f"<p>{escape(title)}</p>",
            "<table>",
            f"<thead><tr>{header}</tr></thead>",
            "<tbody>",
            *lines,
            "</tbody>",
            "</table>",
        ]
    )


def _rows(layout: Layout) -> Iterator[_Row]:
    yield _Row("", "input", f"(batch, {layout.inputs})", "")
    for place in layout.places:
        if place.kind == "close":  # of a residual block, whose row comes before those of its layers
            continue
        count = sum(slot.size for slot in (place.weight, place.bias) if slot)
        shape = f"(batch, {place.outputs})"
        yield _Row(place.name, _described(place.layer), shape, f"{count:,}" if count else "")


def _described(layer: Layer) -> str:
    """Name a layer and its settings, but for those that have their default."""
    told = [
        f"{field.name}={getattr(layer, field.name)!r}"
        for field in fields(layer)  # type: ignore[arg-type]  # every layer is a dataclass
        if field.name not in _TOLD_ELSEWHERE and getattr(layer, field.name) != field.default
    ]
    return type(layer).__name__ + (f"({', '.join(told)})" if told else "")
