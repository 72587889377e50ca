"""How a network shows itself: a table in text and in HTML."""

import copy
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from densenet import (
    BatchNorm,
    Dropout,
    LeakyReLU,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    SoftmaxCrossEntropy,
)
from tests.support.stacks import STACKS, make

DEEP = [
    Linear(784, 1000, bias=False),
    BatchNorm(1000),
    LeakyReLU(0.2),
    Dropout(0.5),
    Residual([Linear(1000, 3), Residual([ReLU()]), Linear(3, 1000)]),
    Linear(1000, 10, init=np.ones((10, 1000))),
]


class Unlucky:
    """A loss of the user's own that cannot be shown."""

    def forward(self, outputs, targets):
        return 0.0

    def backward(self, outputs, targets):
        return np.zeros_like(outputs)

    def __repr__(self):
        raise RuntimeError("no")


def test_the_table_is_this_one(engine):
    network = make([Linear(7, 17), Sigmoid(), Linear(17, 3)], engine)
    assert repr(network) == (
        f"Network: 190 parameters, SoftmaxCrossEntropy(label_smoothing=0.0), float32, {engine}\n"
        "   layer    output       parameters\n"
        "   input    (batch, 7)\n"
        "0  Linear   (batch, 17)         136\n"
        "1  Sigmoid  (batch, 17)\n"
        "2  Linear   (batch, 3)           54"
    )


def test_blocks_settings_and_every_parameter_are_told(engine):
    network = make(DEEP, engine)
    rows = [line.split(maxsplit=2) for line in repr(network).splitlines()[3:]]
    assert [row[:2] for row in rows] == [
        ["0", "Linear(bias=False)"],
        ["1", "BatchNorm"],
        ["2", "LeakyReLU(slope=0.2)"],
        ["3", "Dropout(rate=0.5)"],
        ["4", "Residual"],
        ["4.0", "Linear"],
        ["4.1", "Residual"],
        ["4.1.0", "ReLU"],
        ["4.2", "Linear"],
        ["5", "Linear"],
    ]
    counts = [rest.partition(")")[2].replace(",", "").strip() for _, _, rest in rows]
    assert sum(int(count or 0) for count in counts) == network.n_parameters
    assert f"{network.n_parameters:,} parameters" in repr(network)


@pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
def test_columns_are_aligned_and_no_line_ends_in_a_space(stack):
    lines = repr(make(stack)).splitlines()[1:]
    assert all(line == line.rstrip() for line in lines)
    for title in ("layer", "output"):
        at = lines[0].index(title)
        assert all(line[at] != " " and line[at - 1] == " " for line in lines)


def test_the_table_in_html_is_the_one_in_text():
    network = make(DEEP)
    title, table = ET.fromstring(f"<div>{network._repr_html_()}</div>")
    assert title.text == repr(network).splitlines()[0]
    cells = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
    assert [" ".join(row).split() for row in cells] == [
        line.split() for line in repr(network).splitlines()[1:]
    ]


def test_what_is_not_a_tag_is_escaped():
    class Loss(Unlucky):
        pass

    Loss.__name__ = "<b>&"
    html = Network([Linear(1, 1)], Loss())._repr_html_()
    assert "&lt;b&gt;&amp;" in html
    assert "<b>" not in html


def test_a_network_can_always_be_shown():
    network = Network([Linear(3, 2)], Unlucky(), dtype="float64")
    assert repr(network).startswith("Network: 8 parameters, Unlucky, float64, compiled\n")
    assert repr(copy.deepcopy(network)) == repr(network)
    network.flat[...] = np.nan
    assert "nan" not in repr(network)
    assert "Network object at" in repr(Network.__new__(Network))  # as a debugger may find it


def test_a_derived_network_shows_its_own_name():
    class Mine(Network):
        pass

    assert repr(Mine([Linear(2, 1)], MeanSquaredError())).startswith("Mine: 3 parameters, ")
    assert "SoftmaxCrossEntropy(label_smoothing=0.1)" in repr(
        Network([Linear(2, 2)], SoftmaxCrossEntropy(0.1))
    )
