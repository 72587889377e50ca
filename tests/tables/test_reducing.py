"""Principal components as the inputs of a network: they are right, and they stay."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import densenet as dn
from densenet.exchange import table_to_onnx
from densenet.tables import Classes, Features, Settings, Table, TableModel, cross_validate, fit
from densenet.tables.components import principal_components
from densenet.tables.training.holding_out import divide, hold_out
from densenet.tables.training.reducing import parted, projection_of, reduction
from tests.support.exported_tables import assert_predictions, raw, run_in_c
from tests.support.tables import HEADER, tracks, write

for needed in ("matplotlib", "tqdm"):  # by `densenet fit`
    pytest.importorskip(needed)

pytestmark = pytest.mark.usefixtures("empty_folder")

QUICK = ("--epochs", "2", "--no-picture")
GENRE = Classes("y", ("Pop", "Rock"))


def songs(n=300, seed=0, values=False):
    """Give a table of six columns of numbers that hang together, one of texts, and a target."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 2))
    x = hidden @ np.random.default_rng(9).normal(size=(2, 6)) + 0.1 * rng.normal(size=(n, 6))
    mood = rng.choice(["dark", "bright", ""], n).astype(object)
    y = hidden[:, 0] if values else np.where(hidden[:, 0] > 0, "Rock", "Pop")
    return Table.from_columns({**{f"x{i}": x[:, i] for i in range(6)}, "mood": mood, "y": y})


def encoded(table, settings, rows=None):
    """Encode rows, by default those that `fit` trains on, as `fit` does."""
    if rows is None:
        settings = settings.chosen_for(len(table), GENRE)
        rows, _ = hold_out(table, settings, "classification")
    train = table.take(rows)
    names = [name for name in table.columns if name != "y"]
    return Features.fit(train, names, pieces=settings.pieces).transform(train)


def by_svd(x):
    """Give the mean of rows, their principal components and the variance along each, by NumPy."""
    centred = x - x.mean(axis=0, dtype=np.float64)
    _, lengths, directions = np.linalg.svd(centred, full_matrices=False)
    return x.mean(axis=0, dtype=np.float64), directions, lengths**2 / len(x)


# ---- what they are -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(90, 7), (7, 90), (5000, 3), (3, 5000), (40, 40), (1, 4), (4, 1)]
)
def test_components_are_those_of_the_svd(rng, shape, dtype):
    x = (rng.normal(size=shape) @ rng.normal(size=(shape[1], shape[1])) + 3).astype(dtype)
    found = principal_components(x)
    mean, directions, variances = by_svd(x)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(found.variances, variances, rtol=0, atol=1e-12 * x.size * x.var())
    vary = min(shape[0] - 1, shape[1])
    assert found.directions.shape == directions.shape
    alike = np.abs(np.sum(found.directions * directions, axis=1))[:vary]
    np.testing.assert_allclose(alike, 1, rtol=1e-8)
    largest = np.abs(found.directions[:vary]).argmax(axis=1)
    assert (found.directions[np.arange(vary), largest] > 0).all()


@pytest.mark.parametrize("share", [1e-9, 0.3, 0.8, 0.95, 0.9999999999])
def test_as_many_as_explain_the_share(rng, share):
    x = (rng.normal(size=(200, 9)) @ rng.normal(size=(9, 9))).astype(np.float32)
    _, directions, variances = by_svd(x)
    explained = np.cumsum(variances) / variances.sum()
    projection, told = projection_of(x, reduction(f"pca:{share}"))
    count = len(projection.bias)
    assert count == 1 + np.sum(explained[:-1] < share)
    assert told == pytest.approx(explained[count - 1])
    along = projection.apply(x)
    expected = (x - x.mean(axis=0, dtype=np.float64)) @ directions[:count].T
    np.testing.assert_allclose(np.abs(along), np.abs(expected), atol=1e-4)
    np.testing.assert_allclose(along.var(axis=0), variances[:count], rtol=1e-4)  # as they are
    if told < 1:
        same, _ = projection_of(x, reduction(f"pca:{count}"))
        np.testing.assert_array_equal(same.weight, projection.weight)


def test_a_column_that_another_repeats_is_no_component(rng):
    x = rng.normal(size=(60, 3)).astype(np.float32)
    x = np.column_stack([x, x[:, 0], 2 * x[:, 1], np.full(60, 0.1, np.float32)])
    assert len(projection_of(x, reduction("pca:3"))[0].bias) == 3
    with pytest.raises(ValueError, match=r"^reduce: expected at most 3 components, .*, got 4$"):
        projection_of(x, reduction("pca:4"))


# ---- in a model ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [0, 5])
def test_the_first_layer_has_the_components_of_the_training_rows(pieces):
    table, settings = songs(), Settings("y", pieces=pieces, reduce="pca:0.9", epochs=3)
    model = fit(table, settings).model
    mean, directions, variances = by_svd(encoded(table, settings))
    first = model.network.layers[0]
    count = 1 + np.sum(np.cumsum(variances) < 0.9 * variances.sum())
    assert (first.inputs, first.outputs) == (len(model.features.names), count)
    # Learning rate, weight decay and the best epoch's weights have left them as they are.
    weight, bias = (model.network.parameters[f"0.{name}"] for name in ("weight", "bias"))
    signs = np.sign(np.sum(weight * directions[:count], axis=1))[:, np.newaxis]
    np.testing.assert_allclose(weight, signs * directions[:count], atol=1e-5)
    np.testing.assert_allclose(bias, -weight @ mean, atol=1e-5)
    assert model.facts["reduced"] == {
        "inputs": len(model.features.names),
        "components": count,
        "share": pytest.approx(np.sum(variances[:count]) / variances.sum()),
    }


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"values": True},
        {"normalization": "batch", "dropout": 0.2},
        {"hidden": (4, 4), "residual": True, "nets": 3},
        {"hidden": (), "calibrate": True, "optimizer": "sgd", "l1": 1e-3, "l2": 1e-3},
        {"class_weight": "balanced", "threshold": "auto"},
    ],
    ids=str,
)
def test_the_whole_network_predicts_what_was_trained(given):
    table = songs(values=given.pop("values", False))
    settings = Settings("y", reduce="pca:4", epochs=4, **given)
    fitted = fit(table, settings)
    x = fitted.model.features.transform(table)
    for network in fitted.model.networks:
        projection, rest = parted(network)
        np.testing.assert_array_equal(
            rest.forward(projection.apply(x)), network.forward(x), strict=True
        )
        first = fitted.model.networks[0].parameters
        np.testing.assert_array_equal(network.parameters["0.weight"], first["0.weight"])
    if settings.nets == 1:  # the epoch that was kept is what the whole network is judged by
        classes = isinstance(fitted.model.target, Classes) and settings.class_weight is None
        kept = "accuracy" if classes else "loss"
        scores = [record[f"val_{kept}"] for record in fitted.history.epochs]
        best = max(scores) if classes else min(scores)
        if settings.class_weight is None:
            assert fitted.validation.scores[kept] == pytest.approx(best, rel=1e-4)


def test_rows_held_out_and_folds_have_no_part_in_them(monkeypatch):
    from densenet.tables.training import fitting

    seen = []

    def spied(x, *others):
        seen.append(x.copy())
        return projection_of(x, *others)

    monkeypatch.setattr(fitting, "projection_of", spied)
    table, settings = songs(), Settings("y", pieces=3, reduce="pca:3", epochs=1, validation=0.2)
    cross_validate(table, settings, 3)
    settings = replace(settings, task="classification")
    part = divide(table, settings, "classification", 3)
    assert len(seen) == 3
    for fold, x in enumerate(seen):
        np.testing.assert_array_equal(x, encoded(table.take(part != fold), settings))
    fit(table, settings, validation=songs(50, seed=3))
    np.testing.assert_array_equal(seen[-1], encoded(table, settings, np.arange(len(table))))


def test_a_file_and_exports_predict_the_same(tmp_path):
    table, other = songs(), songs(60, seed=5)
    model = fit(table, Settings("y", reduce="pca:0.9", epochs=3)).model
    model.save("model.safetensors")
    loaded = TableModel.load("model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(other), model.predict_proba(other))
    assert loaded.facts["reduced"] == model.facts["reduced"]
    if shutil.which("cc"):
        _, y = run_in_c(loaded, other, tmp_path)
        assert_predictions(model, y, other)
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    table_to_onnx(loaded, "model.onnx")
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    cells = {name: each[:, np.newaxis] for name, each in raw(loaded, other).items()}
    (shares,) = session.run(["probabilities"], cells)
    assert_predictions(model, shares, other)


# ---- going on ------------------------------------------------------------------------------------


def test_components_stay_when_training_goes_on():
    start = fit(songs(), Settings("y", reduce="pca:3", epochs=2, nets=2, dropout=0.2)).model
    before = [network.flat.copy() for network in start.networks]
    on = fit(songs(200, seed=1), Settings("y", epochs=2), start=start).model
    assert on.facts["settings"]["reduce"] == "pca:3"
    assert on.facts["reduced"] == start.facts["reduced"]
    for old, kept, new in zip(start.networks, before, on.networks, strict=True):
        np.testing.assert_array_equal(old.flat, kept)
        for name, values in old.parameters.items():
            same = np.array_equal(values, new.parameters[name])
            assert same == name.startswith("0.")
    start.save("start.safetensors")
    loaded = TableModel.load("start.safetensors")
    again = fit(songs(200, seed=1), Settings("y", epochs=2), start=loaded).model
    for one, other in zip(on.networks, again.networks, strict=True):
        np.testing.assert_array_equal(one.flat, other.flat)


def test_going_on_with_and_without_is_refused():
    plain, reduced = (
        fit(songs(), Settings("y", reduce=reduce, epochs=1)).model for reduce in (None, "pca:3")
    )
    with pytest.raises(ValueError, match=r"^reduce: expected that of the model, None, got 'pca:3'"):
        fit(songs(), Settings("y", reduce="pca:3"), start=plain)
    with pytest.raises(ValueError, match=r"^reduce: expected that of the model, 'pca:3', got 'pca"):
        fit(songs(), Settings("y", reduce="pca:0.5"), start=reduced)
    facts = {**plain.facts, "settings": {**plain.facts["settings"], "reduce": "pca:3"}}
    network = dn.Network([dn.ReLU(), *plain.network.layers], plain.network.loss_function)
    other = replace(plain, facts=facts, networks=(network,))
    with pytest.raises(ValueError, match=r"^reduce: expected a network that begins with its princ"):
        fit(songs(), Settings("y"), start=other)


def test_estimators_reduce_and_go_on():
    estimators = pytest.importorskip("densenet.estimators")
    table = songs()
    x = {f"x{i}": table.numbers(f"x{i}") for i in range(6)}
    estimator = estimators.DenseTableClassifier(
        8, reduce="pca:2", max_iter=2, random_state=3, warm_start=True
    ).fit(x, table.texts("y"))
    first = estimator.model_.network
    assert [layer.outputs for layer in first.layers if layer.kind == "linear"] == [2, 8, 2]
    weight = first.parameters["0.weight"].copy()
    estimator.fit(x, table.texts("y"))
    np.testing.assert_array_equal(estimator.model_.network.parameters["0.weight"], weight)
    with pytest.raises(
        ValueError, match=r"^reduce: expected 'pca:2', with which it was fitted bef"
    ):
        estimator.set_params(reduce=None).fit(x, table.texts("y"))
    with pytest.raises(ValueError, match=r"^reduce: expected pca: and a share .*, got 'pca:2.5'"):
        estimators.DenseTableRegressor(reduce="pca:2.5").fit(x, table.numbers("x0"))


# ---- the command ---------------------------------------------------------------------------------


def test_the_report_says_how_many_became_how_many(command, rng):
    write("train.csv", HEADER, tracks(rng))
    _, out, _ = command("fit", "train.csv", "--target", "genre", "--reduce", "pca:5", *QUICK)
    model = TableModel.load("model.safetensors")
    reduced = model.facts["reduced"]
    line = (
        f"principal components: {reduced['inputs']} features became 5, which explain "
        f"{reduced['share']:.1%} of their variance"
    )
    assert line in out.splitlines()
    assert f"network: {reduced['inputs']}-5-128-64-3, relu" in out
    assert line in command("info", "model.safetensors")[1].splitlines()
    assert "principal" not in command("fit", "train.csv", "--target", "genre", *QUICK)[1]


@pytest.mark.parametrize(
    "given", ["pca:0", "pca:1.5", "pca:1.0", "pca:x", "tsne:2", "pca", "pca:-3", "pca:nan", "pca:²"]
)
def test_what_is_no_reduction_is_refused(refused, rng, given):
    write("train.csv", HEADER, tracks(rng))
    assert refused("fit", "train.csv", "--target", "genre", "--reduce", given, *QUICK) == (
        "densenet: reduce: expected pca: and a share of the variance between 0 and 1, as pca:0.95, "
        f"or a number of components, as pca:20, got {given!r}\n"
    )
    assert not Path("model.safetensors").exists()


def test_more_components_than_there_are_is_refused(refused, rng):
    write("train.csv", HEADER, tracks(rng))
    given = ("--target", "genre", "--pieces", "0", "--reduce", "pca:500")
    assert refused("fit", "train.csv", *given, *QUICK) == (
        "densenet: reduce: expected at most 4 components, which explain all variance of 5 inputs "
        "in 240 rows to train on, got 500\n"
    )
    with pytest.raises(ValueError, match=r"at most 11 components, .* in 12 rows .*, got 12$"):
        fit(songs(12), Settings("y", reduce="pca:12", validation=0))


def test_inputs_that_do_not_vary_are_refused():
    colors = np.repeat([f"c{i}" for i in range(30)], 2)
    table = Table.from_columns({"color": colors, "y": ["a", "b"] * 30})
    with pytest.raises(
        ValueError, match=r"^reduce: expected inputs that vary in the 48 rows to tr"
    ):
        fit(table, Settings("y", most_categories=0, reduce="pca:0.9", text=("color",)))


@pytest.mark.parametrize("wrong", [5, {}, {"inputs": 3, "components": 2}, {"share": 1}], ids=str)
def test_wrong_facts_of_a_file_are_refused(wrong):
    model = fit(songs(), Settings("y", reduce="pca:3", epochs=1)).model
    replace(model, facts={**model.facts, "reduced": wrong}).save("bad.safetensors")
    with pytest.raises(ValueError, match=r"facts: expected reduced to tell inputs, components and"):
        TableModel.load("bad.safetensors")


def test_processes_take_the_components_of_the_first():
    class Alone:
        rank, size, sent = 0, 1, []

        def allreduce(self, array):
            pass

        def broadcast(self, array, root):
            self.sent.append((array.shape, root))
            array *= 2

    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    plain, _ = projection_of(x, reduction("pca:2"))
    given, _ = projection_of(x, reduction("pca:2"), Alone())
    assert Alone.sent == [((6,), 0), ((2,), 0)]
    np.testing.assert_array_equal(given.weight, 2 * plain.weight)
    np.testing.assert_array_equal(given.bias, 2 * plain.bias)
