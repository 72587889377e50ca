"""Weights of classes that not every fold has, or that are named twice."""

from dataclasses import replace

import numpy as np
import pytest

from densenet.tables import Settings, Table, cross_validate, fit
from tests.support.tables import write

for needed in ("matplotlib", "tqdm"):  # by `densenet fit`
    pytest.importorskip(needed)

QUICK = ("--epochs", "3", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.mark.parametrize("folds", [3, 2])
def test_a_class_of_a_single_row_may_have_a_weight(folds, monkeypatch):
    weights = []

    def spied(table, settings, **options):
        weights.append(settings.class_weight)
        return fit(table, settings, **options)

    monkeypatch.setattr("densenet.tables.training.folds.fit", spied)
    x = np.random.default_rng(0).normal(size=61)
    table = Table.from_columns({"x": x, "y": ["a", "b"] * 30 + ["rare"]})
    settings = Settings("y", class_weight={"rare": 5, "a": 2}, epochs=1)
    scores = cross_validate(table, settings, folds)
    assert len(scores["accuracy"]) == folds
    both = {"rare": 5.0, "a": 2.0}
    assert sorted(weights, key=len) == [{"a": 2.0}] + [both] * (folds - 1)
    with pytest.raises(ValueError, match=r"^class_weight: expected classes of .*, got 'c'"):
        cross_validate(table, replace(settings, class_weight={"c": 2}), folds)


def test_a_class_that_is_named_in_two_ways_is_refused(refused):
    write("train.csv", ["x", "y"], [[i % 7, i % 2] for i in range(60)])
    given = ("--target", "y", "--class-weight", "1=2,1.0=3", *QUICK)
    assert refused("fit", "train.csv", *given) == (
        "densenet: class_weight: expected each class once, got '1' and '1.0', which are one\n"
    )
