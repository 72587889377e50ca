"""What is called of tables, with arguments that are right."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import densenet.tables
from densenet import Linear, MeanSquaredError, Network, SoftmaxCrossEntropy
from densenet.tables import (
    Categories,
    Classes,
    Dates,
    Features,
    Numbers,
    PiecewiseLinear,
    Settings,
    Table,
    TableModel,
    Values,
    cross_validate,
    join,
)
from tests.support.refusals.subjects import Subject


def _table() -> Table:
    return Table.from_columns(
        {
            "age": [20, 60, 40, 40],
            "color": ["red", "blue", "red", "blue"],
            "n": ["1", "2", "", "4"],
            "day": ["2024-01-01", "", "2024-01-02", "2024-01-03"],
        }
    )


def table_model() -> TableModel:
    """A model of one column of numbers."""
    network = Network([Linear(1, 1)], MeanSquaredError(), seed=1)
    features = Features((Numbers("age", 1.0, 2.0, 3.0),))
    return TableModel((network,), features, Values("n", 2.0, 1.0))


def subjects() -> list[Subject]:
    numbers = {"column": "age", "fill": 1.0, "mean": 2.0, "scale": 3.0}
    pieces = {
        "column": "age",
        "fill": 1.0,
        "edges": (1.0, 2.0, 4.0),
        "center": 2.0,
        "scale": 3.0,
        "gaps": False,
    }
    dates = {"column": "day", "fill": 1.0, "mean": 2.0, "scale": 3.0, "cycles": ("week",)}
    categories = {"column": "color", "values": ("blue", "red"), "others": 0}
    features = Features((Numbers(**numbers), Categories(**categories)), {"n": "empty"})
    classes, values = Classes("color", ("blue", "red")), Values("age", 40.0, 20.0)
    network = Network([Linear(3, 2)], SoftmaxCrossEntropy(), seed=0)
    model = TableModel((network,), features, classes)

    def of(name: str, call: Callable[..., Any], kinds: Mapping[str, str] = {}, /, **given: Any):
        also = "table: expected column"
        return Subject(name, lambda _: call, lambda: copy.deepcopy(given), kinds, also=also)

    return [
        of(
            "Table.from_columns",
            Table.from_columns,
            {"columns": "columns"},
            columns={"a": [1, 2], "b": ["x", "y"]},
        ),
        of("Table.require", _table().require, names=["age", "n"]),
        of("Table.take", _table().take, {"rows": "indices"}, rows=np.array([0, 2])),
        of(
            "Table.with_cells",
            _table().with_cells,
            {"rows": "indices"},
            name="n",
            rows=np.array([0, 2, 1, 1]),
        ),
        of("Table.where", _table().where, row=1, column="age"),
        *(
            of(f"Table.{method}", getattr(_table(), method), name="n")
            for method in ("texts", "missing", "numbers", "is_text")
        ),
        of("Numbers", Numbers, **numbers),
        of("Numbers.fit", Numbers.fit, table=_table(), column="age", impute="median"),
        of("Numbers.transform", Numbers(**numbers).transform, table=_table()),
        of("Numbers.surprise", Numbers(**numbers).surprise, table=_table()),
        of(
            "PiecewiseLinear",
            PiecewiseLinear,
            {"edges": "edges", "center": "statistic", "gaps": "flag"},
            **pieces,
        ),
        of(
            "PiecewiseLinear.fit",
            PiecewiseLinear.fit,
            table=_table(),
            column="age",
            most=5,
            impute="median",
        ),
        of("PiecewiseLinear.transform", PiecewiseLinear(**pieces).transform, table=_table()),
        of("PiecewiseLinear.surprise", PiecewiseLinear(**pieces).surprise, table=_table()),
        of("Dates", Dates, {"cycles": "some texts"}, **dates, missing=True),
        of("Dates.fit", Dates.fit, table=_table(), column="day", impute="median"),
        of("Dates.transform", Dates(**dates).transform, table=_table()),
        of("Dates.surprise", Dates(**dates).surprise, table=_table()),
        of(
            "join",
            join,
            {"ignore": "some texts"},
            table=_table(),
            other=Table.from_columns({"age": [20, 40], "size": [1, 2]}),
            on="age",
            ignore=["size"],
        ),
        of("Categories", Categories, **categories),
        of(
            "Categories.fit",
            Categories.fit,
            {"most": "count from 0"},
            table=_table(),
            column="color",
            most=9,
            least_rows=1,
        ),
        of("Categories.transform", Categories(**categories).transform, table=_table()),
        of("Categories.surprise", Categories(**categories).surprise, table=_table()),
        of("Features", Features, parts=features.parts, left_out={"n": "empty"}),
        of(
            "Features.fit",
            Features.fit,
            {"columns": "columns of a table", "numbers": "some texts"},
            table=_table(),
            columns=["age", "color"],
            text=["n"],
            numbers=["age"],
            impute="mean",
            most_categories=5,
            pieces=3,
        ),
        of("Features.transform", features.transform, table=_table()),
        of("Features.surprises", features.surprises, table=_table()),
        of("Features.from_json", Features.from_json, data=features.to_json())._replace(
            also="features: |parts: |left_out: |kind: "
        ),
        of(
            "cross_validate",
            cross_validate,
            {"settings": "object", "folds": "bounded count"},
            table=_table(),
            settings=Settings("color", epochs=1, validation=0.0),
            folds=2,
            progress=False,
        ),
        of("Classes", Classes, {"values": "texts"}, column="color", values=("blue", "red")),
        of("Classes.fit", Classes.fit, table=_table(), column="color"),
        of("Classes.encode", classes.encode, table=_table()),
        of("Classes.decode", classes.decode, {"outputs": "indices"}, outputs=np.array([0, 1])),
        of("Values", Values, column="age", mean=2.0, scale=3.0),
        of("Values.fit", Values.fit, table=_table(), column="age"),
        of("Values.encode", values.encode, table=_table()),
        of("Values.decode", values.decode, {"outputs": "any vector"}, outputs=np.array([0.5, 1.5])),
        of(
            "Settings",
            densenet.tables.Settings,
            {
                "target": "text",
                "id": "optional text",
                "ignore": "some texts",
                "text": "some texts",
                "numbers": "some texts",
                "hidden": "widths",
                "activation": "choice",
                "optimizer": "choice",
                "dropout": "decay",
                "lr": "optional positive",
                "seed": "count from 0",
                "epochs": "optional large count",
                "batch_size": "optional large count",
                "patience": "optional large count",
                "validation": "optional decay",
                "label_smoothing": "optional decay",
                "weight_decay": "optional rate",
                "schedule": "choice",
                "visits": "count",
                "nets": "count",
                "pieces": "optional count from 0",
                "reduce": "average",
            },
            target="age",
            id="n",
            ignore=["color"],
            text=["age"],
            numbers=["size"],
            hidden=(3, 2),
            activation="relu",
            dropout=0.5,
            optimizer="adamw",
            lr=0.1,
            epochs=3,
            batch_size=2,
            validation=0.5,
            patience=2,
            seed=1,
            label_smoothing=0.1,
            weight_decay=0.1,
            schedule="cosine",
            visits=9,
            nets=2,
            pieces=3,
            reduce="pca:2",
        ),
        of(
            "fit_target",
            densenet.tables.fit_target,
            table=_table(),
            column="age",
            task="auto",
        ),
        of(
            "permutation_importance",
            densenet.tables.permutation_importance,
            {"repeats": "bounded count", "most_rows": "count", "seed": "count from 0"},
            model=model,
            table=_table(),
            repeats=2,
            most_rows=3,
            seed=1,
        ),
        of(
            "partial_dependence",
            densenet.tables.partial_dependence,
            {"most_cells": "count", "most_rows": "count", "seed": "count from 0"},
            model=model,
            table=_table(),
            column="age",
            most_cells=2,
            most_rows=3,
            seed=1,
        ),
        of(
            "explore",
            densenet.tables.explore,
            {"target": "optional text", "ignore": "some texts", "seed": "count from 0"},
            table=_table(),
            target="age",
            task="auto",
            ignore=["n"],
            text=["age"],
            seed=1,
        ),
        of("infer_task", densenet.tables.infer_task, table=_table(), column="age"),
    ]
