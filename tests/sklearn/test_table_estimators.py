"""Estimators of tables: frames as people have them, inside scikit-learn's contract."""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")
pytest.importorskip("polars")

import pandas as pd
import polars as pl
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

import densenet
from densenet.estimators import DenseTableClassifier, DenseTableRegressor
from densenet.tables import Settings, Table, TableModel, fit, read_table, write_csv

BOTH = pytest.mark.parametrize("estimator", [DenseTableClassifier, DenseTableRegressor])


def data(n=240):
    """Give columns with texts, categories, booleans and gaps, and what depends on them."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=n)
    color = rng.choice(["red", "blue", "green"], n).astype(object)
    code = rng.integers(0, 3, n)
    new = rng.random(n) < 0.5
    score = size + 2 * (color == "red") + (code == 1) - new
    size[::10] = np.nan
    color[5::20] = None
    return {"size": size, "color": color, "code": code, "new": new}, score


def frames():
    x, _ = data()
    return {
        "pandas": pd.DataFrame(x),
        "polars": pl.DataFrame(x | {"color": x["color"].tolist()}),
        "dict": x,
        "lists": {name: column.tolist() for name, column in x.items()},
        "array": np.stack([column.astype(object) for column in x.values()], axis=1),
    }


def goal(estimator):
    score = data()[1]
    if estimator is DenseTableRegressor:
        return 100 + 30 * score
    return np.array(["low", "mid", "high"])[np.digitize(score, [0, 1.5])]


def quick(estimator=DenseTableClassifier, **settings):
    return estimator(**{"random_state": 0, "max_iter": 15, **settings})


# ---- frames ------------------------------------------------------------------------------------


@BOTH
def test_every_form_of_a_table_gives_the_same_to_the_bit(estimator):
    y, forms = goal(estimator), frames()
    expected = quick(estimator).fit(forms["pandas"], y)
    assert list(expected.feature_names_in_) == ["size", "color", "code", "new"]
    assert expected.n_features_in_ == 4
    for form in forms.values():
        found = quick(estimator).fit(form, y)
        np.testing.assert_array_equal(found.model_.network.flat, expected.model_.network.flat)
        np.testing.assert_array_equal(found.predict(form), expected.predict(forms["pandas"]))
        assert hasattr(found, "feature_names_in_") == (form is not forms["array"])


@BOTH
def test_it_learns(estimator):
    x, y = frames()["pandas"], goal(estimator)
    assert estimator(random_state=0).fit(x[:180], y[:180]).score(x[180:], y[180:]) > 0.75


@BOTH
def test_it_is_what_the_command_trains(estimator, tmp_path):
    y = goal(estimator)
    fitted = quick(estimator, random_state=3).fit(frames()["pandas"], pd.Series(y, name="goal"))
    settings = Settings("goal", seed=3, epochs=15)
    columns = {**data()[0], "goal": y}
    expected = fit(Table.from_columns(columns), settings)
    np.testing.assert_array_equal(fitted.model_.network.flat, expected.model.network.flat)
    assert fitted.n_iter_ == len(fitted.histories_[0].epochs) == len(expected.history.epochs)
    path = tmp_path / "model.safetensors"
    fitted.model_.save(path)
    loaded = TableModel.load(path)
    write_csv(tmp_path / "x.csv", {name: map(str, cells) for name, cells in columns.items()})
    answer = loaded.answer(read_table(tmp_path / "x.csv"))
    assert list(answer) == ["goal"]
    if estimator is DenseTableClassifier:
        assert answer["goal"] == fitted.predict(frames()["dict"]).tolist()


@BOTH
def test_columns_that_do_not_match_are_refused(estimator):
    for x in (frames()["pandas"], frames()["polars"]):
        fitted = quick(estimator, max_iter=1).fit(x, goal(estimator))
        names = list(x.columns)
        with pytest.raises(ValueError, match="must be in the same order"):
            fitted.predict(x[names[::-1]])
        with pytest.raises(ValueError, match="now missing:\n- size"):
            fitted.predict(x[names[1:]])
        extra = x.assign(z=1) if isinstance(x, pd.DataFrame) else x.with_columns(z=pl.lit(1))
        with pytest.raises(ValueError, match="unseen at fit time:\n- z"):
            fitted.predict(extra)
    x = frames()["dict"]
    for wrong in (dict(reversed(x.items())), {"size": x["size"]}, {**x, "z": x["size"]}):
        with pytest.raises(ValueError, match=r"^X: .*feature names should match"):
            fitted.predict(wrong)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.predict(frames()["array"])
    again = quick(estimator, max_iter=1).fit(frames()["array"], goal(estimator))
    with pytest.warns(UserWarning, match="fitted without feature names"):
        again.predict(frames()["pandas"])


def test_a_column_may_have_the_name_of_the_target():
    x, y = (
        frames()["pandas"].rename(columns={"size": "y", "code": "goal"}),
        goal(DenseTableClassifier),
    )
    fitted = quick().fit(x, pd.Series(y, name="goal"))
    assert fitted.model_.target.column == "goal_"
    assert fitted.model_.features.columns == ["y", "color", "goal", "new"]
    np.testing.assert_array_equal(fitted.predict(x), quick().fit(x, y).predict(x))


@BOTH
def test_presets_and_members(estimator):
    x, y = frames()["pandas"], goal(estimator)
    settings = {"max_iter": 2, "hidden_layer_sizes": 4}
    best = quick(estimator, preset="best", **settings).fit(x, y).model_
    assert len(best.networks) == 5
    assert best.facts["settings"]["activation"] == "gelu"
    two = quick(estimator, preset="best", n_members=2, pieces=0, **settings).fit(x, y)
    assert len(two.model_.networks) == len(two.histories_) == 2
    assert two.model_.facts["settings"]["pieces"] == 0
    assert two.predict(x).shape == (240,)
    with pytest.raises(ValueError, match=r"^preset: expected 'fast', 'default' or 'best'"):
        quick(estimator, preset="better").fit(x, y)


def test_labels_that_are_no_texts_are_positions():
    x = frames()["pandas"].set_axis([3, 2, 1, 0], axis=1)
    fitted = quick(max_iter=1).fit(x, goal(DenseTableClassifier))
    assert not hasattr(fitted, "feature_names_in_")
    assert fitted.model_.features.columns == ["c0", "c1", "c2", "c3"]


def test_names_that_repeat_are_refused():
    x = frames()["pandas"].set_axis(["a", "b", "a", "c"], axis=1)
    with pytest.raises(ValueError, match=r"^X: expected names that differ, got column 'a' 2 times"):
        quick().fit(x, goal(DenseTableClassifier))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"a": [1, 2], "b": [1]}, r"^X: expected columns of one length, got \[1, 2\] rows"),
        ({"a": [1]}, "^X: expected at least 2 rows, got 1"),
        ({}, "^X: expected columns, got none"),
        ({"a": [[1], [2]]}, r"^X, column 'a': expected shape \(rows,\)"),
        ({"a": ["x", "x"]}, "^X: expected columns to learn from, got 'a' is constant"),
    ],
    ids=str,
)
def test_what_is_no_table_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        quick(validation_fraction=0).fit(x, [0, 1])


@pytest.mark.parametrize("given", [["code"], [2], (np.int64(2),)])
def test_numbers_may_be_categories(given):
    x, y = frames()["pandas"], goal(DenseTableClassifier)
    plain = quick(max_iter=1).fit(x, y)
    asked = quick(max_iter=1, categorical_features=given).fit(x, y)
    typed = quick(max_iter=1).fit(x.astype({"code": "category"}), y)
    assert "code" in plain.model_.features.names
    for fitted in (asked, typed):
        assert "code=1" in fitted.model_.features.names
    np.testing.assert_array_equal(asked.model_.network.flat, typed.model_.network.flat)


def test_ids_are_left_out_unless_they_are_numbers():
    x = frames()["pandas"].assign(key=np.random.default_rng(0).permutation(10**6)[:240])
    y = goal(DenseTableClassifier)
    assert "key" in quick(max_iter=1).fit(x, y).model_.features.left_out
    asked = quick(max_iter=1, numeric_features=["key"]).fit(x, y)
    assert "key" in asked.model_.features.columns
    typed = x.astype({"code": "category"})
    numbers = quick(max_iter=1, numeric_features=["code"]).fit(typed, y).model_.features
    assert "code=1" not in numbers.names


def test_an_id_alone_is_refused_by_the_parameters_that_may_name_it():
    with pytest.raises(ValueError, match="'user' is a count of the rows") as caught:
        quick(max_iter=1).fit({"user": range(240)}, [0, 1] * 120)
    named = "learned from if named in categorical_features or numeric_features"
    assert str(caught.value).endswith(f"({named})")


def test_words_for_missing_cells_are_those_of_files():
    x = {"word": ["x", "n/a", "y", "?"] * 20, "number": ["1", "2", "NA", "-"] * 20}
    fitted = quick(max_iter=1).fit(x, [0, 1] * 40)
    assert fitted.model_.features.names == [
        "word: missing",
        "word=x",
        "word=y",
        "number: 1 to 2",
        "number: missing",
    ]


def test_gaps_and_classes_that_training_did_not_see_are_predicted():
    fitted = quick().fit(frames()["pandas"], goal(DenseTableClassifier))
    other = pd.DataFrame(
        {"size": [None, 1.0], "color": ["pink", None], "code": [9, 1], "new": [None] * 2}
    )
    assert np.isfinite(fitted.predict_proba(other)).all()


# ---- the contract ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "classes",
    [[0, 1], [True, False], ["01", "1"], ["", "NA"], [-1.0, 2.0], np.array(["b", "a"], object)],
    ids=str,
)
def test_classes_may_be_of_any_type(classes):
    x = {"a": np.arange(80) % 2}
    y = np.array(classes)[x["a"]]
    fitted = quick(max_iter=60).fit(x, y)
    np.testing.assert_array_equal(fitted.classes_, np.unique(y))
    assert fitted.classes_.dtype == y.dtype
    np.testing.assert_array_equal(fitted.predict(x), y)


@BOTH
def test_one_seed_gives_the_same_bits_whatever_the_threads(estimator, keep_threads):
    x, y = frames()["pandas"], goal(estimator)
    before = densenet.get_num_threads()
    one, two = (quick(estimator, n_threads=n, dropout=0.2, max_iter=2).fit(x, y) for n in (1, 3))
    assert densenet.get_num_threads() == before
    np.testing.assert_array_equal(one.model_.network.flat, two.model_.network.flat)
    other = quick(estimator, random_state=1, dropout=0.2, max_iter=2).fit(x, y)
    assert (other.model_.network.flat != one.model_.network.flat).any()
    drawn = [quick(estimator, random_state=np.random.RandomState(5)).fit(x, y) for _ in range(2)]
    np.testing.assert_array_equal(*(each.model_.network.flat for each in drawn))


@BOTH
def test_a_clone_has_the_parameters_and_a_pickle_all(estimator):
    x, y = frames()["polars"], goal(estimator)
    fitted = quick(estimator, hidden_layer_sizes=5, categorical_features=["code"]).fit(x, y)
    twin = clone(fitted)
    assert twin.get_params() == fitted.get_params()
    assert not [name for name in vars(twin) if name.endswith("_")]
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(copied.predict(x), fitted.predict(x))
    with pytest.raises(NotFittedError):
        twin.predict(x)


@BOTH
def test_after_an_error_it_is_what_it_was(estimator):
    x, y = frames()["pandas"], goal(estimator)
    fitted = quick(estimator).fit(x, y)
    before = fitted.predict(x)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fitted.fit(x[["size"]][:9], y)
    np.testing.assert_array_equal(fitted.predict(x), before)


@BOTH
def test_searches_pipelines_and_scores(estimator):
    x, y = frames()["pandas"], goal(estimator)
    assert cross_val_score(estimator(random_state=0), x, y, cv=3).min() > 0.6
    name = estimator.__name__.lower()
    grid = {f"{name}__hidden_layer_sizes": [1, (16, 16)], f"{name}__max_iter": [30]}
    search = GridSearchCV(make_pipeline(quick(estimator)), grid, cv=3).fit(x, y)
    assert search.best_params_[f"{name}__hidden_layer_sizes"] == (16, 16)
    assert search.best_estimator_[-1].n_iter_ <= 30


def test_a_threshold_is_tuned():
    x, y = frames()["pandas"], goal(DenseTableClassifier) == "high"
    tuned = TunedThresholdClassifierCV(quick(), scoring="f1", cv=2, random_state=0).fit(x, y)
    expected = tuned.predict_proba(x)[:, 1] >= tuned.best_threshold_
    np.testing.assert_array_equal(tuned.predict(x), expected)


def test_probabilities_are_calibrated():
    x, y = frames()["pandas"], goal(DenseTableClassifier)
    calibrated = CalibratedClassifierCV(quick(), cv=2).fit(x, y)
    np.testing.assert_allclose(calibrated.predict_proba(x).sum(axis=1), 1, rtol=1e-6)
    shares = quick().fit(x, y).predict_proba(x)
    assert shares.shape == (len(y), 3)


@BOTH
def test_tags_say_what_it_takes(estimator):
    tags = get_tags(estimator()).input_tags
    assert (tags.string, tags.categorical, tags.allow_nan, tags.sparse) == (True, True, True, False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"learning_rate_init": -1.0}, "learning_rate_init must be"),
        ({"learning_rate_init": 1e30}, "learning_rate_init: expected a learning rate at which"),
        ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes"),
        ({"solver": "lbfgs"}, "solver: expected 'adam'"),
        ({"activation": "swish"}, "activation: expected"),
        ({"max_iter": 0}, "max_iter must be"),
        ({"n_iter_no_change": 0}, "n_iter_no_change must be"),
        ({"validation_fraction": 1.0}, "validation_fraction must be"),
        ({"max_categories": -1}, "max_categories must be"),
        ({"categorical_features": ["age"]}, "categorical_features: expected names or positions"),
        ({"numeric_features": [4]}, "numeric_features: expected names or positions"),
        ({"random_state": -1}, "random_state: expected"),
        ({"scoring": "r2"}, "scoring: expected loss, accuracy, recall, f1 for a target"),
        ({"scoring": "auc"}, "scoring: expected None, 'loss'"),
        ({"class_weight": "equal"}, "class_weight: expected 'balanced'"),
        ({"calibrate": 3}, "calibrate must be"),
    ],
    ids=str,
)
def test_errors_name_the_parameter(wrong, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        quick(**wrong).fit(frames()["pandas"], goal(DenseTableClassifier))


def test_classes_have_weights_by_their_labels():
    x, y = frames()["pandas"], goal(DenseTableClassifier)
    share = [
        np.mean(quick(class_weight=given).fit(x, y).predict(x) == "mid")
        for given in ({"mid": 0.1}, None, {"mid": 10, "low": 1.0})
    ]
    assert share[0] < share[1] < share[2]
    one = quick(class_weight={"low": 3}).fit(x, y)
    settings = Settings("y", class_weight={"low": 3}, epochs=15)
    two = fit(Table.from_columns({**frames()["dict"], "y": y}), settings).model
    assert one.model_.facts["settings"]["class_weight"] == {"1": 3.0}
    assert one.score(x, y) == pytest.approx(two.score(_with(y)).scores["accuracy"], abs=0.1)
    with pytest.raises(ValueError, match=r"^class_weight: expected classes among .*got 'top'"):
        quick(class_weight={"top": 2}).fit(x, y)


def _with(y):
    return Table.from_columns({**frames()["dict"], "y": y})


def test_activations_have_the_names_of_the_sisters():
    x, y = frames()["pandas"], goal(DenseTableClassifier)
    one, two = (quick(activation=name, max_iter=2).fit(x, y) for name in ("logistic", "sigmoid"))
    np.testing.assert_array_equal(one.model_.network.flat, two.model_.network.flat)


@BOTH
def test_rows_of_ones_own_are_held_out(estimator):
    x, y = frames()["pandas"], goal(estimator)
    fitted = quick(estimator).fit(x[:180], y[:180], X_val=x[180:], y_val=y[180:])
    facts = fitted.model_.facts
    assert (facts["training_rows"], facts["validation_rows"]) == (180, 60)
    score = "accuracy" if estimator is DenseTableClassifier else "r2"
    assert facts["validation"][score] == pytest.approx(fitted.score(x[180:], y[180:]))
    with pytest.raises(ValueError, match=r"^X_val: expected both X_val and y_val"):
        quick(estimator).fit(x, y, X_val=x)
    with pytest.raises(ValueError, match="The feature names should match"):
        quick(estimator).fit(x, y, X_val=x[["size"]], y_val=y)
    if estimator is DenseTableClassifier:
        with pytest.raises(ValueError, match=r"^y_val: expected classes among .*'top'"):
            quick(estimator).fit(x, y, X_val=x[:2], y_val=["low", "top"])


def test_a_score_is_watched_and_probabilities_calibrated():
    x, y = frames()["pandas"], goal(DenseTableClassifier)
    fitted = quick(scoring="recall", max_iter=60, n_iter_no_change=5).fit(x, y)
    scores = [record["val_recall"] for record in fitted.histories_[0].epochs]
    assert fitted.model_.facts["validation"]["recall"] == pytest.approx(max(scores))
    settings = {"max_iter": 60, "n_iter_no_change": 60, "scoring": "accuracy"}
    plain, calibrated = (quick(calibrate=flag, **settings).fit(x, y) for flag in (False, True))
    np.testing.assert_array_equal(plain.predict(x), calibrated.predict(x))
    losses = [each.model_.facts["validation"]["loss"] for each in (plain, calibrated)]
    assert losses[1] < losses[0]


def test_without_validation_all_rows_are_trained_on():
    fitted = quick(validation_fraction=0).fit(frames()["pandas"], goal(DenseTableClassifier))
    assert fitted.model_.facts["training_rows"] == 240
    assert fitted.n_iter_ == 15


def test_bad_targets_are_refused():
    x = frames()["pandas"]
    with pytest.raises(ValueError, match=r"^y: expected at least two classes, got 1 class"):
        quick().fit(x, ["a"] * 240)
    with pytest.raises(ValueError, match="Input y contains NaN"):
        quick(DenseTableRegressor).fit(x, np.full(240, np.nan))
    with pytest.raises(ValueError, match="X, row 1, column 'size': expected a finite number"):
        quick().fit(x.assign(size=np.inf), goal(DenseTableClassifier))
    with pytest.warns(DataConversionWarning):
        quick(max_iter=1).fit(x, goal(DenseTableClassifier)[:, None])


# ---- going on from the previous fit --------------------------------------------------------------


@BOTH
def test_a_warm_start_goes_on_with_new_rows(estimator):
    x, y = frames()["pandas"], goal(estimator)
    first, second = np.arange(len(y)) < 160, np.arange(len(y)) >= 160
    fitted = quick(estimator, warm_start=True).fit(x[first], y[first])
    model, weights = fitted.model_, fitted.model_.network.flat.copy()
    fitted.fit(x[second], y[second])
    np.testing.assert_array_equal(model.network.flat, weights)
    assert (fitted.model_.features, fitted.model_.target) == (model.features, model.target)
    [before] = fitted.model_.facts["before"]
    assert before["training_rows"] == 128
    moved = np.abs(fitted.model_.network.flat - weights).max()
    assert 0 < moved < np.abs(quick(estimator).fit(x, y).model_.network.flat - weights).max()
    assert fitted.score(x, y) > 0.6


def test_a_warm_start_may_lack_a_class_and_knows_no_other():
    x, y = frames()["pandas"], goal(DenseTableClassifier)
    fitted = quick(warm_start=True).fit(x, y)
    classes, some = fitted.classes_, y != fitted.classes_[0]
    fitted.fit(x[some], y[some])
    np.testing.assert_array_equal(fitted.classes_, classes)
    assert fitted.predict_proba(x).shape == (len(y), len(classes))
    before = fitted.predict_proba(x)
    with pytest.raises(ValueError, match="y: expected classes among"):
        fitted.fit(x, np.where(some, y, "other"))
    np.testing.assert_array_equal(fitted.predict_proba(x), before)


@BOTH
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden_layer_sizes": (3,)}, "hidden_layer_sizes: expected"),
        ({"pieces": 5}, "pieces: expected 12, with which it was fitted before, got 5: set warm"),
        ({"n_members": 2}, "n_members: expected 1,"),
        ({"dropout": 0.2}, "dropout: expected 0.0,"),
        ({"categorical_features": ["code"]}, "categorical_features: expected"),
        ({"numeric_features": ["code"]}, "numeric_features: expected"),
    ],
)
def test_a_warm_start_refuses_other_networks_and_encodings(estimator, given, message):
    x, y = frames()["pandas"], goal(estimator)
    fitted = quick(estimator, warm_start=True).fit(x, y)
    with pytest.raises(ValueError, match=message):
        fitted.set_params(**given).fit(x, y)
    assert fitted.set_params(warm_start=False).fit(x, y).model_.facts.get("before") is None


def test_a_warm_start_takes_a_category_by_type_as_before():
    x, y = frames()["pandas"], goal(DenseTableClassifier)
    typed = x.astype({"color": "category", "code": "category"})
    fitted = quick(warm_start=True).fit(typed, y)
    fitted.fit(x, y)
    assert fitted.model_.facts["settings"]["text"] == ("color", "code")


def test_probabilities_are_float64_and_sum_to_1():
    # fairlearn 0.15.0 writes float64 into a series of them, which pandas 3.1.1 refuses if that is
    # float32. NumPy draws only where the sum is 1 to the precision of the type.
    x, score = data()
    classifier = DenseTableClassifier(8, max_iter=2, random_state=0)
    shares = classifier.fit(x, np.digitize(score, [-1, 0, 1])).predict_proba(x)

    assert shares.dtype == np.float64
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-15)
    chances = pd.Series(shares[:, 0].copy())
    chances[chances > 0.5] = np.nextafter(0.5, 1)
    assert {np.random.default_rng(0).choice(4, p=row) for row in shares} <= set(range(4))
