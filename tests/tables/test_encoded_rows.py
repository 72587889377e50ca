"""Rows that are encoded as they are drawn: results are those of features that are held."""

import numpy as np
import pytest

from densenet import EarlyStopping, Linear, Network, SoftmaxCrossEntropy, WeightAveraging
from densenet._engine import made_rows
from densenet.tables import Settings, Table, cross_validate, fit
from densenet.tables.encoding import features as encoding
from densenet.tables.encoding.encoded import EncodedRows

SETTINGS = Settings("y", id="id", epochs=3, hidden=(8,), pieces=4, batch_size=16, dropout=0.1)


@pytest.fixture
def as_drawn(monkeypatch):
    """Rows are encoded as they are drawn, a few batches at a time; give what was encoded."""

    def begin():
        monkeypatch.setattr(encoding, "MOST_HELD", 0)
        monkeypatch.setattr(made_rows, "_AT_ONCE", 1 << 12)
        monkeypatch.setattr(made_rows, "_LEAST", 1)
        drawn, write = [], EncodedRows.write

        def noted(self, rows, into):
            drawn.append(len(rows))
            write(self, rows, into)

        monkeypatch.setattr(EncodedRows, "write", noted)
        return drawn

    return begin


def table_of(rng, n=300):
    """Make columns of each kind: numbers as they are and as texts, with gaps, codes, dates."""
    x = rng.normal(size=n)
    texts = [f"{value:.3f}" if i % 17 else "" for i, value in enumerate(rng.normal(size=n))]
    days = np.datetime64("2024-01-01") + rng.integers(0, 300, n)
    columns = {
        "id": np.arange(n) // 2,
        "x": x,
        "small": rng.integers(0, 90, n).astype(np.int8),
        "single": rng.normal(size=n).astype(np.float32),
        "text": texts,
        "few": rng.choice(["1.5", "2.25", ""], n),
        "flag": rng.choice([0, 1], n),
        "kind": rng.choice(["red", "green", "blue"], n),
        "day": days.astype(str),
        "y": np.where(x + rng.normal(size=n) / 4 > 0.4, "yes", np.where(x < -2, "", "no")),
        "value": 3 * x + rng.normal(size=n),
    }
    return Table.from_columns(
        {name: list(cells) for name, cells in columns.items()}
        | {name: columns[name] for name in ("small", "single")}
    )


def weights(fitted):
    return [network.flat.tobytes() for network in fitted.model.networks]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nets": 3},
        {"class_weight": "balanced"},
        {"calibrate": True, "monitor": "loss", "patience": 1},
        {"threshold": "auto", "normalization": "batch"},
        {"target": "value", "impute": "mean"},
        {"validation": 0.0},
        {"pieces": 0},
        {"reduce": "pca:5"},
    ],
    ids=str,
)
def test_training_gives_the_same_bits(options, as_drawn, rng):
    table = table_of(rng)
    settings = Settings(**{**vars(SETTINGS), **options})
    held = fit(table, settings)
    drawn = as_drawn()
    other = fit(table, settings)
    assert drawn
    assert weights(other) == weights(held)
    assert [one.batch_loss for one in other.histories] == [one.batch_loss for one in held.histories]
    assert other.model.facts == held.model.facts
    assert other.model.target == held.model.target
    assert (other.train.y_pred == held.train.y_pred).all()


def test_rows_to_validate_and_rows_of_a_second_training_do_too(as_drawn, rng):
    first, second, third = table_of(rng), table_of(rng), table_of(rng, 100)
    held = fit(first, SETTINGS, validation=third)
    further = fit(second, Settings("y", epochs=2), start=held.model)
    assert as_drawn() == []
    other = fit(first, SETTINGS, validation=third)
    assert weights(other) == weights(held)
    assert other.validation.scores == held.validation.scores
    again = fit(second, Settings("y", epochs=2), start=other.model)
    assert weights(again) == weights(further)


def test_scores_of_folds_are_the_same(as_drawn, rng):
    table = table_of(rng)
    held = cross_validate(table, SETTINGS, 3)
    assert as_drawn() == []
    assert cross_validate(table, SETTINGS, 3) == held


def test_predictions_are_the_same(as_drawn, rng):
    table = table_of(rng)
    model = fit(table, Settings(**{**vars(SETTINGS), "nets": 2})).model
    some = table.take(rng.permutation(len(table))[:200])
    before = model.predict_proba(some), model.predict(some), model.score(some).scores
    drawn = as_drawn()
    after = model.predict_proba(some), model.predict(some), model.score(some).scores
    assert sum(drawn) == 3 * len(some)
    assert max(drawn) < len(some)
    assert (after[0] == before[0]).all()
    assert after[1:] == before[1:]


def test_encoded_rows_are_those_of_transform(rng):
    table = table_of(rng).take(np.flatnonzero(rng.random(300) < 0.7)[::-1])
    features = encoding.Features.fit(table, ["x", "small", "single", "text", "few", "kind", "day"])
    rows = EncodedRows(features.parts, table)
    every = features.transform(table)
    some = rng.integers(0, len(table), 50)
    assert rows.shape == every.shape
    assert rows.nbytes == every.nbytes
    assert (np.asarray(rows) == every).all()
    assert (rows[some] == every[some]).all()
    assert (rows.part(some)[3:9] == every[some[3:9]]).all()


def test_what_cannot_be_a_number_is_refused_as_ever(as_drawn, rng):
    table = table_of(rng)
    model = fit(table, SETTINGS).model
    cells = {name: list(table.columns[name]) for name in table.columns}
    cells["x"] = ["1"] * 299 + ["one"]
    as_drawn()
    with pytest.raises(ValueError, match="row 300, column 'x': expected a number, got 'one'"):
        model.predict(Table.from_columns(cells))


def test_features_of_very_many_columns_are_held(as_drawn, monkeypatch, rng):
    drawn = as_drawn()
    monkeypatch.setattr(encoding, "WIDEST", 16)
    fit(table_of(rng), SETTINGS)
    assert drawn == []


def test_no_more_is_made_than_some_batches(as_drawn, rng):
    drawn = as_drawn()
    fit(table_of(rng), SETTINGS)
    assert max(drawn) < 60


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("callbacks", [[], [WeightAveraging(start_epoch=2)]], ids=["", "averaging"])
def test_any_training_takes_made_rows(shuffle, callbacks, monkeypatch, rng):
    monkeypatch.setattr(made_rows, "_AT_ONCE", 1 << 7)
    monkeypatch.setattr(made_rows, "_LEAST", 1)
    x, y = rng.normal(size=(70, 3)).astype(np.float32), rng.integers(0, 2, 70)
    table = Table.from_columns({name: x[:, i] for i, name in enumerate("abc")})
    features = encoding.Features.fit(table, list("abc"))
    made, array = EncodedRows(features.parts, table), features.transform(table)

    def trained(rows):
        network = Network([Linear(3, 2)], SoftmaxCrossEntropy(), seed=0)
        options = {"epochs": 3, "batch_size": 8, "shuffle": shuffle, "callbacks": callbacks}
        rule = EarlyStopping("val_loss")
        network.fit(rows, y, validation_data=(rows, y), early_stopping=rule, seed=1, **options)
        return network.flat.tobytes()

    assert trained(made) == trained(array)
